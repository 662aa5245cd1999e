"""What is taken back unchanged is the band-limited micrograph, border and all."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.preparation import on_input_grid, on_working_grid, prepare
from cryoscore_plugin.rescaling import fourier_crop, fourier_pad

OFFSET, SPREAD = 40.0, 3.0


def micrograph(shape: tuple[int, int]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return OFFSET + SPREAD * torch.randn(shape, generator=generator)


@settings(max_examples=25)  # each is a run of the whole engine
@given(st.integers(24, 70), st.integers(24, 70))
def test_going_there_and_back_is_the_band_limited_input(h: int, w: int) -> None:
    image = micrograph((h, w))
    prepared = prepare(image, pixel_size=1.5, working_pixel_size=3.0)
    seen = prepared.noisy.pixels
    there, binned = (
        finish(prepared, seen, image) for finish in (on_input_grid, on_working_grid)
    )
    expected = fourier_crop(image, prepared.shape)
    torch.testing.assert_close(binned, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(there, fourier_pad(expected, (h, w)), rtol=0, atol=1e-4)


def test_a_slow_level_is_taken_off_for_models_that_want_it() -> None:
    image = micrograph((120, 120))
    sloping = image + torch.linspace(0, 20, 120)
    kept, level = (
        [
            prepare(x, pixel_size=3.0, working_pixel_size=3.0, local_mean=mean)
            for x in (image, sloping)
        ]
        for mean in (None, 10.0)
    )
    inner = (slice(30, -30), slice(30, -30))
    apart = kept[0].noisy.pixels - kept[1].noisy.pixels
    assert apart[inner].std() > 0.5
    apart = level[0].noisy.pixels - level[1].noisy.pixels
    assert apart[inner].std() < 0.1


@pytest.mark.parametrize("border", [-500.0, 0.0, OFFSET])
def test_a_dead_border_is_never_seen_and_comes_back(border: float) -> None:
    inner = micrograph((90, 80))
    framed = torch.full((100, 96), border)
    framed[4:94, 6:86] = inner
    plain = prepare(inner, pixel_size=1.5, working_pixel_size=3.0)
    prepared = prepare(framed, pixel_size=1.5, working_pixel_size=3.0)
    assert torch.equal(prepared.noisy.pixels, plain.noisy.pixels)

    result = on_input_grid(prepared, prepared.noisy.pixels, framed)
    dead = torch.ones_like(framed, dtype=torch.bool)
    dead[4:94, 6:86] = False
    assert (result[dead] == border).all()
    assert torch.equal(
        result[4:94, 6:86], on_input_grid(plain, plain.noisy.pixels, inner)
    )


def test_a_dead_border_is_on_the_working_grid_too() -> None:
    framed = torch.full((100, 96), -500.0)
    framed[4:94, 6:86] = micrograph((90, 80))
    prepared = prepare(framed, pixel_size=1.5, working_pixel_size=3.0)
    binned = on_working_grid(prepared, prepared.noisy.pixels, framed)
    assert binned.shape == (50, 48)
    assert (binned[:2] == -500).all()
    assert (binned[47:] == -500).all()
    assert (binned[:, :3] == -500).all()
    assert (binned[:, 43:] == -500).all()
    assert float(binned[2:47, 3:43].mean()) == pytest.approx(OFFSET, abs=0.5)
    assert binned[2:47, 3:43].min() > OFFSET - 6 * SPREAD


def test_the_pixel_size_is_the_one_obtained() -> None:
    prepared = prepare(micrograph((64, 64)), pixel_size=1.0, working_pixel_size=3.0)
    assert prepared.noisy.pixels.shape == (21, 21)
    assert prepared.pixel_size == pytest.approx(64 / 21)


def test_the_noise_is_measured_after_a_hot_pixel_is_gone() -> None:
    image = micrograph((200, 200))
    hot = image.clone()
    hot[100, 100] = 1e7
    plain, clipped = (
        prepare(i, pixel_size=1.0, working_pixel_size=3.0) for i in (image, hot)
    )
    difference = (plain.noisy.pixels - clipped.noisy.pixels).abs()
    # 6 standard deviations of one pixel are at most 2 of the mean of nine, and the
    # Fourier crop spreads them over a few neighbours, not over the image.
    assert difference.max() < 2.5
    assert (difference > 0.2).sum() < 40
    assert clipped.clipped == pytest.approx(1 / image.numel())


def test_an_area_too_small_for_the_working_grid_is_refused() -> None:
    with pytest.raises(MicrographError, match="only 6 x 6 px on the grid"):
        prepare(micrograph((20, 20)), pixel_size=1.0, working_pixel_size=3.2)
