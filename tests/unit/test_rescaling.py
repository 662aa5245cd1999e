"""A coarser grid keeps the grey scale; the way back loses nothing it could hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoscore_plugin.rescaling import fourier_crop, fourier_pad, working_shape
from cryoscore_plugin.spectrum import frequency_grid, power

SIDES = st.integers(1, 40)


@st.composite
def grids(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[int, int]]:
    """A fine and a coarse grid, even and odd sides mixed."""
    h, w = draw(SIDES), draw(SIDES)
    return (h, w), (draw(st.integers(1, h)), draw(st.integers(1, w)))


def noise(shape: tuple[int, int]) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


@given(grids())
def test_pad_then_crop_is_the_identity(
    shapes: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    fine, coarse = shapes
    image = noise(coarse)
    back = fourier_crop(fourier_pad(image, fine), coarse)
    torch.testing.assert_close(back, image, rtol=0, atol=2e-6)


@given(grids())
def test_crop_then_pad_is_the_identity_on_a_band_limited_image(
    shapes: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    fine, coarse = shapes
    limited = fourier_pad(noise(coarse), fine)
    back = fourier_pad(fourier_crop(limited, coarse), fine)
    torch.testing.assert_close(back, limited, rtol=0, atol=2e-6)


@given(grids())
def test_the_mean_is_kept(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    fine, coarse = shapes
    image = noise(fine)
    cropped = fourier_crop(image, coarse)
    torch.testing.assert_close(cropped.mean(), image.mean(), rtol=0, atol=1e-5)


@given(grids())
def test_a_wave_below_nyquist_is_sampled_on_the_coarse_grid(
    shapes: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    """The second way: the wave's own formula, evaluated at the coarse grid's points."""
    fine, coarse = shapes
    ky, kx = ((side - 1) // 2 for side in coarse)

    def wave(shape: tuple[int, int]) -> torch.Tensor:
        y = torch.arange(shape[0])[:, None] / shape[0]
        x = torch.arange(shape[1])[None] / shape[1]
        return torch.cos(2 * math.pi * (ky * y + kx * x) + 0.3)

    torch.testing.assert_close(
        fourier_crop(wave(fine), coarse), wave(coarse), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize(("fine", "coarse"), [(12, 8), (13, 8), (12, 6), (9, 8)])
def test_a_wave_at_the_coarse_nyquist_keeps_its_amplitude(
    fine: int, coarse: int
) -> None:
    y = torch.arange(fine) / fine
    image = torch.cos(math.pi * coarse * y)[:, None].expand(fine, fine).contiguous()
    expected = torch.tensor([1.0, -1.0]).repeat(coarse // 2)[:, None]
    for cropped in (
        fourier_crop(image, (coarse, fine)),
        fourier_crop(image.T.contiguous(), (fine, coarse)).T,
    ):
        torch.testing.assert_close(
            cropped, expected.expand_as(cropped), rtol=0, atol=1e-5
        )


@pytest.mark.parametrize("shape", [(64, 64), (63, 50), (600, 31)])
def test_numpys_full_transform_gives_the_same(shape: tuple[int, int]) -> None:
    """Odd sides, for which no coefficient needs care; 600 rows take several passes."""
    image = noise(shape)
    rows, columns = (side // 2 | 1 for side in shape)
    plane = np.fft.fftshift(np.fft.fft2(image.double().numpy()))
    top, left = shape[0] // 2 - rows // 2, shape[1] // 2 - columns // 2
    inner = np.fft.ifftshift(plane[top : top + rows, left : left + columns])
    expected = np.fft.ifft2(inner).real * inner.size / plane.size
    np.testing.assert_allclose(
        fourier_crop(image, (rows, columns)).numpy(), expected, atol=1e-5
    )


def test_nothing_is_left_beyond_the_coarse_nyquist() -> None:
    padded = fourier_pad(noise((21, 30)), (64, 90))
    beyond = frequency_grid((64, 90)) > math.hypot(21 / 64, 30 / 90) / 2
    assert power(padded)[beyond].max() < 1e-12


@pytest.mark.parametrize(
    ("shape", "pixel_size", "expected"),
    [
        pytest.param((4096, 4096), 1.0, (1365, 1365), id="finer"),
        pytest.param((3838, 3712), 1.05, (1343, 1299), id="rectangle"),
        pytest.param((512, 300), 3.0, (512, 300), id="as wanted"),
        pytest.param((512, 300), 6.0, (512, 300), id="coarser is left alone"),
        pytest.param((2, 900), 0.5, (1, 150), id="at least one pixel"),
    ],
)
def test_the_working_grid_covers_the_same_area(
    shape: tuple[int, int], pixel_size: float, expected: tuple[int, int]
) -> None:
    found = working_shape(shape, pixel_size=pixel_size, working_pixel_size=3.0)
    assert found == expected
