"""What the network sees depends on nothing but the image; the way back is exact."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.normalization import (
    CLIP,
    live_area,
    normalize,
    standardize,
)


def noise(shape: tuple[int, int], seed: int = 5) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("deviation", [1e-12, 0.02, 1.0, 3e7])
def test_white_noise_of_any_size_becomes_unit_noise(deviation: float) -> None:
    standard = standardize(deviation * noise((300, 280)))
    seen = normalize(standard.pixels, pixel_size=3.0).pixels
    # The band holds about a quarter of 84000 coefficients.
    assert float(seen.std()) == pytest.approx(1, abs=0.02)


@given(st.floats(0.01, 100), st.floats(-1000, 1000))
def test_scale_and_offset_do_not_reach_the_network(scale: float, offset: float) -> None:
    image = noise((48, 40))
    plain, changed = (
        normalize(standardize(i).pixels, pixel_size=3.0).pixels
        for i in (image, scale * image + offset)
    )
    # float32 holds a pixel of `scale * image + offset` to 6e-8 of its size.
    rounding = 1e-6 * (1 + abs(offset) / scale)
    torch.testing.assert_close(changed, plain, rtol=0, atol=5 * rounding)


def test_undo_gives_the_image_back() -> None:
    image = noise((64, 50)) * 1.3 + 0.7
    seen = normalize(image, pixel_size=3.0)
    torch.testing.assert_close(seen.undo(seen.pixels), image, rtol=0, atol=1e-5)


def test_a_hot_pixel_is_clipped_and_counted_and_changes_nothing_else() -> None:
    image = noise((100, 100))
    hot = image.clone()
    hot[40, 70] = 1e6
    clean, found = standardize(image), standardize(hot)
    assert found.pixels[40, 70] == CLIP
    assert found.clipped == pytest.approx(1e-4)
    difference = (found.pixels - clean.pixels).abs()
    difference[40, 70] = 0
    # The medians move on by one of 10000 ranks.
    assert difference.max() < 0.01


def test_what_a_crystal_has_beyond_the_clip_is_kept_and_a_hot_pixel_is_not() -> None:
    image = noise((100, 100))
    crystal = (slice(20, 50), slice(30, 70))
    image[crystal] -= 30
    image[80, 80] = 1e4
    found = standardize(image, keep_wide=True)
    assert found.beyond is not None
    inside, expected = (
        found.beyond[crystal],
        CLIP + (image[crystal] - found.offset) / found.spread,
    )
    middle = (slice(5, -5), slice(5, -5))
    assert float(inside[middle].mean()) == pytest.approx(
        float(expected.mean()), rel=0.02
    )
    # Averaged over 5 x 5 px, noise is a fifth.
    assert float(inside[middle].std()) < 0.3
    outside = found.beyond.clone()
    outside[18:52, 28:72] = 0
    assert not outside.any()
    assert standardize(image).beyond is None


def test_gaussian_noise_is_hardly_ever_clipped() -> None:
    assert standardize(noise((500, 500))).clipped == 0


def test_counts_of_few_electrons_have_a_spread() -> None:
    """More than half of the pixels are zero: the median deviation is zero as well."""
    generator = torch.Generator().manual_seed(2)
    counts = torch.poisson(torch.full((200, 200), 0.2), generator=generator)
    standard = standardize(counts)
    assert standard.spread == pytest.approx(0.2**0.5, rel=0.02)


@pytest.mark.parametrize(
    ("top", "bottom", "left", "right"), [(3, 0, 0, 5), (0, 2, 7, 0), (1, 1, 1, 1)]
)
def test_a_dead_border_is_found(top: int, bottom: int, left: int, right: int) -> None:
    image = torch.full((60, 50), -7.0)
    rows, columns = slice(top, 60 - bottom), slice(left, 50 - right)
    image[rows, columns] = noise((60, 50))[rows, columns]
    assert live_area(image) == (rows, columns)


def test_a_constant_row_inside_is_no_border() -> None:
    image = noise((20, 20))
    image[9] = 0
    assert live_area(image) == (slice(0, 20), slice(0, 20))


def test_a_constant_image_is_refused_in_words() -> None:
    constant = torch.full((30, 30), 4.0)
    for refuse in (live_area, standardize):
        with pytest.raises(MicrographError, match=r"same value, 4.*nothing to denoise"):
            refuse(constant)


def test_an_image_of_a_few_pixels_is_refused_in_words() -> None:
    with pytest.raises(MicrographError, match=r"at least 8 x 8 px.*only 7 x 20 px"):
        live_area(noise((7, 20)))


def test_values_too_large_for_float32_are_refused_in_words() -> None:
    with pytest.raises(MicrographError, match="below 1e38"):
        standardize(3e38 * noise((20, 20)).sign())


def test_an_image_without_noise_is_refused_in_words() -> None:
    wave = torch.sin(torch.arange(64) * 2 * torch.pi / 64)
    with pytest.raises(MicrographError, match="found none between"):
        normalize(wave[:, None] + wave, pixel_size=3.0)
