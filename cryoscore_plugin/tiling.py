"""Run a network over a micrograph tile by tile; the result does not show it.

A network whose output pixel depends on no input pixel farther away than its
receptive radius can be run on a tile that is that much larger on each side (the
halo), of which the halo is then cut off. What is left is exactly what the network
would have given for the whole micrograph: no blending, nothing done twice but the
halo. Two conditions:

* Tiles start at multiples of the network's pooling grid. Else its pooling would
  take other pixels together than in the whole micrograph.
* A micrograph's own edge is an edge in both cases: there is no halo beyond it.

A micrograph whose sides are not multiples of the pooling grid is first mirrored at
its lower and right edge up to the next multiple, in both cases alike.

The tests hold that tiled equals whole to 1e-5 of the result's standard deviation
for any size of micrograph and tile.

These pieces are "tiles", not "patches": in cryo-EM a patch is already a region of
patch motion correction or patch CTF estimation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch.nn import functional

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.tensors import (
    ImageTensor,
    InputTensor,
    InputTile,
    ResizedInput,
    TileTensor,
)

MOST_CUTS = 64
"""Most tiles along a side that `fitting_tiles` considers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One tile: what the network sees, and what is kept of it, in px.

    Attributes
    ----------
    kept_rows, kept_columns : slice
        The tile itself. All tiles together cover the micrograph once.
    seen_rows, seen_columns : slice
        The tile with its halo, as far as the micrograph goes.
    """

    kept_rows: slice
    kept_columns: slice
    seen_rows: slice
    seen_columns: slice


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePlan:
    """Tiles that together cover a micrograph once. Iterate to get each `Tile`.

    Attributes
    ----------
    image_shape : tuple[int, int]
        `(h, w)` of the micrograph in px, multiples of `grid`.
    tile_shape : tuple[int, int]
        `(h, w)` of a tile without halo in px; multiples of `grid`. The last one
        along a side may be smaller.
    grid : int
        Pooling grid of the network, in px.
    reach : int
        Receptive radius of the network, in px.

    Raises
    ------
    ConfigError
        If a shape is not a positive multiple of the grid.
    """

    image_shape: tuple[int, int]
    tile_shape: tuple[int, int]
    grid: int
    reach: int

    def __post_init__(self) -> None:
        for name in ("image_shape", "tile_shape"):
            sides = getattr(self, name)
            if any(side <= 0 or side % self.grid for side in sides):
                msg = (
                    f"Expected sides that are multiples of {self.grid} px for "
                    f"{name}, but found {sides}. Round them up."
                )
                raise ConfigError(msg)

    def __iter__(self) -> Iterator[Tile]:
        for (kept_rows, seen_rows), (kept_columns, seen_columns) in product(
            self._extents(0), self._extents(1)
        ):
            yield Tile(
                kept_rows=kept_rows,
                kept_columns=kept_columns,
                seen_rows=seen_rows,
                seen_columns=seen_columns,
            )

    def __len__(self) -> int:
        return math.prod(len(self._extents(axis)) for axis in (0, 1))

    @property
    def pixels_seen(self) -> int:
        """Pixels that the network works through, halos included."""
        return math.prod(sum(self._seen_sides(axis)) for axis in (0, 1))

    @property
    def largest(self) -> int:
        """Pixels of the largest tile, halo included."""
        return math.prod(max(self._seen_sides(axis)) for axis in (0, 1))

    def halved(self) -> TilePlan | None:
        """The same with tiles of about half the size; None if that is impossible."""
        h, w = (
            min(tile, image)
            for tile, image in zip(self.tile_shape, self.image_shape, strict=True)
        )
        if max(h, w) <= self.grid:
            return None
        if h >= w:
            h = _rounded_up(h, self.grid, parts=2)
        else:
            w = _rounded_up(w, self.grid, parts=2)
        return TilePlan(
            image_shape=self.image_shape,
            tile_shape=(h, w),
            grid=self.grid,
            reach=self.reach,
        )

    def _extents(self, axis: int) -> list[tuple[slice, slice]]:
        """What is kept and what is seen of each tile along a side."""
        length, step = self.image_shape[axis], self.tile_shape[axis]
        halo = _rounded_up(self.reach, self.grid)
        extents = []
        for start in range(0, length, step):
            stop = min(start + step, length)
            seen = slice(max(start - halo, 0), min(stop + halo, length))
            extents.append((slice(start, stop), seen))
        return extents

    def _seen_sides(self, axis: int) -> list[int]:
        return [seen.stop - seen.start for _, seen in self._extents(axis)]


def whole_shape(shape: tuple[int, int], grid: int) -> tuple[int, int]:
    """Size of a micrograph after `apply_tiled` has extended it, in px.

    Parameters
    ----------
    shape : tuple[int, int]
        `(h, w)` of the micrograph, in px.
    grid : int
        Pooling grid of the network, in px.
    """
    h, w = (_rounded_up(side, grid) for side in shape)
    return h, w


def square_tiles(
    image_shape: tuple[int, int], tile_size: int, *, grid: int, reach: int
) -> TilePlan:
    """Plan with square tiles of a given side.

    Parameters
    ----------
    image_shape : tuple[int, int]
        `(h, w)` of the micrograph, in px.
    tile_size : int
        Side of a tile without halo, in px; rounded up to the pooling grid.
    grid, reach : int
        Pooling grid and receptive radius of the network, in px.
    """
    side = _rounded_up(tile_size, grid)
    return TilePlan(
        image_shape=whole_shape(image_shape, grid),
        tile_shape=(side, side),
        grid=grid,
        reach=reach,
    )


def fitting_tiles(
    image_shape: tuple[int, int], pixels_at_once: int, *, grid: int, reach: int
) -> TilePlan:
    """Plan with the least work whose tiles fit into memory.

    Parameters
    ----------
    image_shape : tuple[int, int]
        `(h, w)` of the micrograph, in px.
    pixels_at_once : int
        Most pixels a tile may have, halo included. If even the smallest tiles have
        more, they are taken all the same.
    grid, reach : int
        Pooling grid and receptive radius of the network, in px.

    Returns
    -------
    plan : TilePlan
        Of all plans that fit, the one with the fewest pixels to work through;
        among equals, the one with the fewest columns of tiles.
    """
    h, w = whole_shape(image_shape, grid)
    fitting: list[TilePlan] = []
    for columns in range(1, min(w // grid, MOST_CUTS) + 1):
        for rows in range(1, min(h // grid, MOST_CUTS) + 1):
            plan = TilePlan(
                image_shape=(h, w),
                tile_shape=(
                    _rounded_up(h, grid, parts=rows),
                    _rounded_up(w, grid, parts=columns),
                ),
                grid=grid,
                reach=reach,
            )
            if plan.largest <= pixels_at_once:
                # More cuts would only add halos.
                fitting.append(plan)
                break
    if fitting:
        return min(fitting, key=lambda plan: plan.pixels_seen)
    return square_tiles(image_shape, grid, grid=grid, reach=reach)


def apply_tiled(
    process: Callable[[InputTile], TileTensor], image: InputTensor, plan: TilePlan
) -> ImageTensor:
    """Process a micrograph tile by tile.

    Parameters
    ----------
    process : Callable[[InputTile], TileTensor]
        The network: takes a tile with all channels and returns one of the same size.
    image : InputTensor
        The micrograph: one or more pictures of the same size.
    plan : TilePlan
        Where the tiles lie on the micrograph, once it is extended to the grid.

    Returns
    -------
    processed : ImageTensor
        The micrograph, processed, on the device of the input.
    """
    h, w = image.shape[-2:]
    whole = extend(image, plan.image_shape)
    result = torch.empty_like(whole[0])
    for tile in plan:
        seen = whole[:, tile.seen_rows, tile.seen_columns]
        top = tile.kept_rows.start - tile.seen_rows.start
        left = tile.kept_columns.start - tile.seen_columns.start
        height = tile.kept_rows.stop - tile.kept_rows.start
        width = tile.kept_columns.stop - tile.kept_columns.start
        processed = process(seen[None])[0, 0]
        result[tile.kept_rows, tile.kept_columns] = processed[
            top : top + height, left : left + width
        ]
    return result[:h, :w]


def extend(image: InputTensor, shape: tuple[int, int]) -> ResizedInput:
    """Mirror an image at its lower and right edge until it has the given size.

    Parameters
    ----------
    image : InputTensor
        The image, any number of channels.
    shape : tuple[int, int]
        `(h, w)` wanted, in px; no side is smaller than the image's.

    Returns
    -------
    extended : ResizedInput
        The image in the upper left corner, and its mirror image beyond; an image
        too small to be mirrored so far repeats its last row or column.
    """
    (h, w), (below, right) = image.shape[-2:], shape
    missing = (0, right - w, 0, below - h)
    mirrors = missing[1] < w and missing[3] < h
    mode = "reflect" if mirrors else "replicate"
    return functional.pad(image[None], missing, mode=mode)[0]


def _rounded_up(length: int, grid: int, *, parts: int = 1) -> int:
    """Smallest multiple of the grid that, so many times, is not less."""
    return math.ceil(length / (grid * parts)) * grid
