"""Tiling is invisible: it may change how much memory is used, never the result."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.excess import BANDS
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.preconditioning import PreconditionedDenoiser
from cryoscore_plugin.tiling import (
    TilePlan,
    apply_tiled,
    extend,
    fitting_tiles,
    square_tiles,
    whole_shape,
)

SIDES = st.integers(1, 90)
GRIDS = st.sampled_from([1, 2, 3, 4, 16])


def noise(shape: tuple[int, int]) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(7))


def pooled_mean(tile: torch.Tensor, *, grid: int, blocks: int) -> torch.Tensor:
    """Mean over blocks of pixels: sees a tile's place on the grid, and its edges."""
    coarse = functional.avg_pool2d(tile, grid)
    side = 2 * blocks + 1
    smooth = functional.avg_pool2d(coarse, side, stride=1, padding=blocks)
    return functional.interpolate(smooth, scale_factor=grid) + tile


@given(SIDES, SIDES, st.integers(1, 100), GRIDS, st.integers(0, 2))
def test_a_short_reach_gives_the_whole_micrographs_result(
    h: int, w: int, tile_size: int, grid: int, blocks: int
) -> None:
    reach = grid * (blocks + 1) - 1  # from a block's last pixel to the farthest first
    image = noise((h, w))

    def process(tile: torch.Tensor) -> torch.Tensor:
        return pooled_mean(tile, grid=grid, blocks=blocks)

    plan = square_tiles((h, w), tile_size, grid=grid, reach=reach)
    whole = square_tiles((h, w), max(h, w), grid=grid, reach=reach)
    torch.testing.assert_close(
        apply_tiled(process, image[None], plan),
        apply_tiled(process, image[None], whole),
        rtol=0,
        atol=1e-5,
    )


@given(SIDES, SIDES, st.integers(1, 100), GRIDS)
def test_doing_nothing_gives_the_micrograph(
    h: int, w: int, tile_size: int, grid: int
) -> None:
    image = noise((h, w))
    plan = square_tiles((h, w), tile_size, grid=grid, reach=5)
    assert torch.equal(apply_tiled(lambda tile: tile, image[None], plan), image)


@given(SIDES, SIDES, st.integers(1, 100), GRIDS, st.integers(0, 30))
def test_tiles_cover_each_pixel_once_and_see_a_halo_on_the_grid(
    h: int, w: int, tile_size: int, grid: int, reach: int
) -> None:
    plan = square_tiles((h, w), tile_size, grid=grid, reach=reach)
    times_kept = torch.zeros(plan.image_shape)
    for tile in plan:
        times_kept[tile.kept_rows, tile.kept_columns] += 1
        for kept, seen, length in (
            (tile.kept_rows, tile.seen_rows, plan.image_shape[0]),
            (tile.kept_columns, tile.seen_columns, plan.image_shape[1]),
        ):
            assert seen.start % grid == 0
            assert seen.start == 0 or kept.start - seen.start >= reach
            assert seen.stop == length or seen.stop - kept.stop >= reach
    assert (times_kept == 1).all()


@given(SIDES, SIDES, st.integers(1, 100), GRIDS)
def test_a_plan_knows_its_size(h: int, w: int, tile_size: int, grid: int) -> None:
    plan = square_tiles((h, w), tile_size, grid=grid, reach=7)
    seen = [
        (tile.seen_rows.stop - tile.seen_rows.start)
        * (tile.seen_columns.stop - tile.seen_columns.start)
        for tile in plan
    ]
    assert len(plan) == len(seen)
    assert plan.pixels_seen == sum(seen)
    assert plan.largest == max(seen)


@given(st.integers(1, 150), st.integers(1, 150), st.integers(2000, 20000))
def test_chosen_tiles_fit_and_no_uniform_strips_are_cheaper(
    h: int, w: int, pixels_at_once: int
) -> None:
    plan = fitting_tiles((h, w), pixels_at_once, grid=4, reach=10)
    assert plan.largest <= pixels_at_once
    whole_h, whole_w = whole_shape((h, w), 4)
    for rows in range(4, whole_h + 1, 4):
        strips = TilePlan(
            image_shape=(whole_h, whole_w),
            tile_shape=(rows, whole_w),
            grid=4,
            reach=10,
        )
        count = math.ceil(whole_h / rows)
        uniform = rows == math.ceil(whole_h / count / 4) * 4
        if uniform and strips.largest <= pixels_at_once:
            assert plan.pixels_seen <= strips.pixels_seen


def test_a_micrograph_that_fits_is_one_tile() -> None:
    assert len(fitting_tiles((100, 90), 100_000, grid=16, reach=121)) == 1


def test_half_the_memory_makes_two_strips_of_full_width() -> None:
    plan = fitting_tiles((1000, 1000), 800_000, grid=8, reach=50)
    assert [tile.kept_columns for tile in plan] == [slice(0, 1000)] * 2


def test_without_memory_the_smallest_tiles_are_taken() -> None:
    plan = fitting_tiles((64, 64), 10, grid=16, reach=5)
    assert plan.tile_shape == (16, 16)


def test_halving_ends_at_one_grid_step() -> None:
    plan: TilePlan | None = square_tiles((100, 37), 1000, grid=4, reach=9)
    sizes = []
    while plan is not None:
        sizes.append(math.prod(plan.tile_shape))
        plan = plan.halved()
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 16


def test_tiles_off_the_grid_are_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="multiples of 16 px for tile_shape"):
        TilePlan(image_shape=(64, 64), tile_shape=(20, 16), grid=16, reach=3)


def test_the_edge_is_mirrored_or_repeated_where_it_is_too_small() -> None:
    row = torch.tensor([[1.0, 2.0, 3.0]])
    expected = torch.tensor([[1.0, 2.0, 3.0, 2.0, 1.0]])
    assert torch.equal(extend(row.expand(1, 3, 3), (3, 5))[0], expected.expand(3, 5))
    assert torch.equal(extend(row[None], (1, 8))[0, 0, 3:], torch.full((5,), 3.0))


@pytest.fixture
def network() -> PreconditionedDenoiser:
    """The real network, small, with random weights throughout."""
    torch.manual_seed(11)
    denoiser = PreconditionedDenoiser(UNetSettings(channels=(6, 8, 8), embedding=4))
    for parameter in denoiser.parameters():
        if parameter.dim() == 4:
            torch.nn.init.kaiming_normal_(parameter)
    return denoiser.requires_grad_(False)


@pytest.mark.parametrize("shape", [(101, 90), (57, 130), (13, 61), (5, 3)])
@pytest.mark.parametrize("tile_size", [8, 20, 64])
def test_the_real_network_shows_no_seams(
    network: PreconditionedDenoiser, shape: tuple[int, int], tile_size: int
) -> None:
    informed, level = network.for_micrograph(noise(shape)), torch.ones(1)
    inputs, grid, reach = (
        informed.inputs(noise(shape)),
        network.grid,
        network.receptive_radius,
    )

    def process(tile: torch.Tensor) -> torch.Tensor:
        return informed(tile, level)

    plan = square_tiles(shape, tile_size, grid=grid, reach=reach)
    whole = apply_tiled(
        process, inputs, square_tiles(shape, max(shape), grid=grid, reach=reach)
    )
    tiled = apply_tiled(process, inputs, plan)
    assert (tiled - whole).abs().max() < 1e-5 * whole.std()


def test_the_real_network_looks_no_farther_than_it_says(
    network: PreconditionedDenoiser,
) -> None:
    """Gradient of one output pixel, for each place on the pooling grid."""
    reach, grid = network.receptive_radius, network.grid
    side = 2 * math.ceil(reach / grid) * grid + 4 * grid
    middle = side // 2 // grid * grid
    farthest = 0
    for place in range(grid):
        inputs = noise((2 * side, side)).reshape(1, 2, side, side).requires_grad_()
        estimate = network.estimate(inputs, torch.ones(1), torch.ones(1, len(BANDS)))
        estimate[0, 0, middle + place, middle + place].backward()
        seen = inputs.grad[0].nonzero()[:, 1:] - (middle + place)
        farthest = max(farthest, int(seen.abs().max()))
    assert farthest <= reach
    # A bound far too large would only waste time, but would be a lie.
    assert farthest > reach - 2 * grid
