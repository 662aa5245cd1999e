"""The excess of a spectrum is that of the signal, in every band and at every size."""

from __future__ import annotations

import pytest
import torch

from cryoscore_plugin.excess import BANDS, spectral_excess


def noise(side: int, seed: int = 1) -> torch.Tensor:
    return torch.randn((side, side), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("level", [1.0, 2.0])
def test_white_noise_has_no_excess(level: float) -> None:
    excess = spectral_excess(level * noise(512), noise=level**2)
    modes = torch.tensor([torch.pi * (high**2 - low**2) / 2 for low, high in BANDS])
    error = level**2 / (512**2 * modes).sqrt()
    assert (excess.abs() < 4 * error).all()


def test_a_wave_has_its_power_in_its_band() -> None:
    """The mean square of an amplitude of 2 is 2, over the coefficients of the band."""
    side, cycles = 256, 20
    wave = 2 * torch.cos(2 * torch.pi * cycles / side * torch.arange(side))
    excess = spectral_excess(wave.expand(side, side).contiguous(), noise=0.0)
    [band] = [n for n, (low, high) in enumerate(BANDS) if low <= cycles / side < high]
    low, high = BANDS[band]
    coefficients = torch.pi * (high**2 - low**2) * side**2
    assert float(excess[band]) == pytest.approx(
        2 * side**2 / float(coefficients), rel=0.05
    )
    assert excess.sum() == pytest.approx(float(excess[band]), rel=1e-4)


def test_small_images_have_a_number_for_every_band() -> None:
    excess = spectral_excess(3 * noise(24))
    assert excess.shape == (len(BANDS),)
    # 24 px hold nothing below 1 / 24 cycles/px: the finer band stands in.
    assert excess[0] == excess[1] == excess[2]
    assert (excess > 1).all()
