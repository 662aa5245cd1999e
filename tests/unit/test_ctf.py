"""The transfer function agrees with the textbook, whatever way it is asked."""

from __future__ import annotations

import math

import pytest
import torch

from cryoscore_plugin.constants import electron_wavelength, interaction_constant
from cryoscore_plugin.ctf import Optics, contrast_transfer

SHAPE, PIXEL_SIZE = (64, 48), 2.5


def textbook(optics: Optics) -> torch.Tensor:
    """-sin(chi) with chi written out, Mindell and Grigorieff (2003), equation 3."""
    fy = torch.fft.fftfreq(SHAPE[0], PIXEL_SIZE, dtype=torch.float64)[:, None]
    fx = torch.fft.rfftfreq(SHAPE[1], PIXEL_SIZE, dtype=torch.float64)[None]
    angle = torch.atan2(fy, fx) - math.radians(optics.defocus_angle)
    mean = (optics.defocus_u + optics.defocus_v) / 2
    half = (optics.defocus_u - optics.defocus_v) / 2
    defocus = mean + half * torch.cos(2 * angle)
    squared = fy**2 + fx**2
    wavelength = electron_wavelength(optics.voltage)
    chi = math.pi * wavelength * defocus * squared
    chi -= math.pi / 2 * optics.spherical_aberration * 1e7 * wavelength**3 * squared**2
    chi += math.asin(optics.amplitude_contrast) + math.radians(optics.phase_shift)
    return -torch.sin(chi) * torch.exp(-optics.b_factor * squared / 4)


@pytest.mark.parametrize("voltage", [200.0, 300.0])
@pytest.mark.parametrize("defoci", [(12000.0, 11000.0), (11000.0, 12000.0)])
@pytest.mark.parametrize("phase_shift", [0.0, 90.0])
def test_transfer_is_that_of_the_textbook(
    voltage: float, defoci: tuple[float, float], phase_shift: float
) -> None:
    optics = Optics(
        defocus_u=defoci[0],
        defocus_v=defoci[1],
        defocus_angle=35.0,
        voltage=voltage,
        phase_shift=phase_shift,
        b_factor=80.0,
    )
    transfer = contrast_transfer(optics, shape=SHAPE, pixel_size=PIXEL_SIZE)
    torch.testing.assert_close(transfer.double(), textbook(optics), atol=5e-3, rtol=0)


def test_protein_is_dark_at_low_frequency_for_underfocus() -> None:
    optics = Optics(defocus_u=15000.0, defocus_v=15000.0)
    transfer = contrast_transfer(optics, shape=SHAPE, pixel_size=PIXEL_SIZE)
    assert float(transfer[0, 1]) < 0


def test_wavelength_and_interaction_constant_are_the_tabulated_ones() -> None:
    """Kirkland (2010), table 2.2 and chapter 5."""
    assert electron_wavelength(300.0) == pytest.approx(0.0197, abs=5e-5)
    assert electron_wavelength(200.0) == pytest.approx(0.0251, abs=5e-5)
    assert interaction_constant(300.0) == pytest.approx(6.526e-4, rel=1e-3)
    assert interaction_constant(200.0) == pytest.approx(7.288e-4, rel=1e-3)
