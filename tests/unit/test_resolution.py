"""Fourier shell correlation has its closed form, and RELION draws the same curve."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy import ndimage

from cryoscore_plugin.evaluation.resolution import (
    HALF_MAPS,
    ShellCorrelation,
    fourier_shell_correlation,
)


def half_maps(shape: tuple[int, int, int], snr: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    signal = np.sqrt(snr) * rng.standard_normal(shape)
    return tuple(
        (signal + rng.standard_normal(shape)).astype(np.float32) for _ in range(2)
    )


@pytest.mark.parametrize("snr", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("shape", [(32, 32, 32), (27, 32, 35)])
def test_white_signal_in_white_noise_correlates_as_snr_says(
    snr: float, shape: tuple[int, int, int]
) -> None:
    curve = fourier_shell_correlation(*half_maps(shape, snr), voxel_size=2.0)
    # Beyond the fifth shell there are more than 150 independent coefficients in each.
    np.testing.assert_allclose(curve.correlation[5:], snr / (1 + snr), atol=0.25)
    assert curve.correlation[5:].mean() == pytest.approx(snr / (1 + snr), abs=0.04)
    assert curve.frequency[-1] == (min(shape) // 2) / (min(shape) * 2.0)


def test_equal_maps_agree_everywhere_and_opposite_ones_disagree() -> None:
    one, _ = half_maps((16, 16, 16), 1.0)
    same = fourier_shell_correlation(one, 3 * one, voxel_size=1.0)
    np.testing.assert_allclose(same.correlation, 1)
    assert same.resolution(HALF_MAPS) == 2.0
    opposite = fourier_shell_correlation(one, -one, voxel_size=1.0)
    np.testing.assert_allclose(opposite.correlation, -1)
    assert opposite.resolution(HALF_MAPS) == np.inf


def test_resolution_lies_between_the_shells_in_proportion() -> None:
    curve = ShellCorrelation(
        frequency=np.array([0.0, 0.1, 0.2]), correlation=np.array([1.0, 0.6, 0.2])
    )
    assert curve.resolution(0.5) == pytest.approx(1 / 0.125)


def test_mask_leaves_out_what_is_noise() -> None:
    one, other = half_maps((32, 32, 32), 0.0)
    ball = np.zeros((32, 32, 32), dtype=np.float32)
    ball[10:22, 10:22, 10:22] = 1
    mask = ndimage.gaussian_filter(ball, 2)
    signal = 3 * ndimage.gaussian_filter(half_maps((32, 32, 32), 1.0)[0], 1) * ball
    plain = fourier_shell_correlation(one + signal, other + signal, voxel_size=1.0)
    masked = fourier_shell_correlation(
        one + signal, other + signal, voxel_size=1.0, mask=mask
    )
    assert masked.correlation[2:8].mean() > plain.correlation[2:8].mean() + 0.1


@pytest.mark.skipif(
    shutil.which("relion_image_handler") is None, reason="RELION is not installed"
)
def test_curve_is_that_of_relion(tmp_path: Path) -> None:
    smooth = ndimage.gaussian_filter(half_maps((32, 32, 32), 0.0)[0], 1.5)
    noisy = half_maps((32, 32, 32), 0.0)
    maps = [smooth / smooth.std() + 0.5 * noise for noise in noisy]
    for name, pixels in zip("ab", maps, strict=True):
        with mrcfile.new(tmp_path / f"{name}.mrc") as file:
            file.set_data(pixels.astype(np.float32))
            file.voxel_size = 2.0
    answer = subprocess.run(
        ["relion_image_handler", "--i", "a.mrc", "--fsc", "b.mrc", "--angpix", "2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split() for line in answer.stdout.splitlines()]
    theirs = [float(row[-1]) for row in rows if len(row) > 2 and row[0].isdigit()]
    ours = fourier_shell_correlation(maps[0], maps[1], voxel_size=2.0).correlation
    # RELION counts each coefficient of the half space once. In the last shell the two
    # halves of some planes are one, and it has few coefficients: there it shows.
    np.testing.assert_allclose(ours[:-1], theirs[: len(ours) - 1], atol=0.01)
