"""A micrograph before and after is compared on one scale, binned or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph
from cryoscore_plugin.report.pairs import Pair, read_pair
from cryoscore_plugin.rescaling import fourier_crop


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Noise of 2 Å/px, whose header says 1 Å/px, and its Fourier crop at 3 Å/px."""
    pixels = np.random.default_rng(4).normal(size=(96, 96)).astype(np.float32)
    cropped = fourier_crop(torch.from_numpy(pixels), (64, 64)).numpy()
    write_micrograph(tmp_path / "raw.mrc", Micrograph(pixels=pixels, pixel_size=1.0))
    write_micrograph(tmp_path / "bin.mrc", Micrograph(pixels=cropped, pixel_size=3.0))
    return read_pair(tmp_path / "raw.mrc", tmp_path / "bin.mrc")


def test_pixel_size_of_the_raw_one_is_that_which_its_output_implies(pair: Pair) -> None:
    assert pair.raw.pixel_size == pytest.approx(2.0)
    assert pair.is_binned


def test_fourier_crop_has_the_power_of_its_image(pair: Pair) -> None:
    before, after = pair.spectra()
    common = len(after.frequencies) - 1  # In the last ring some is folded in.
    np.testing.assert_allclose(
        after.frequencies[:common], before.frequencies[:common], rtol=1e-6
    )
    np.testing.assert_allclose(after.powers[:common], before.powers[:common], rtol=1e-4)
