"""Restore a micrograph in one step: the posterior mean.

A denoiser that minimises the mean squared error gives the mean of all clean images
that could lie behind the noisy one, `x = D(u; sigma)`. By Tweedie's formula this is
also one step along the score (`cryoscore_plugin.score`). Deterministic.

How the micrograph is cut into tiles changes memory and time, never the result; if
a device runs out of memory all the same, tiles are halved until they fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch

from cryoscore_plugin.devices import Engine, out_of_memory
from cryoscore_plugin.errors import DeviceError
from cryoscore_plugin.tensors import (
    ImageTensor,
    InputTensor,
    InputTile,
    TileTensor,
)
from cryoscore_plugin.tiling import (
    TilePlan,
    apply_tiled,
    fitting_tiles,
    square_tiles,
)


@runtime_checkable  # The shape checks of the tests look at arguments.
class TileDenoiser(Protocol):
    """A network that estimates clean tiles: `preconditioning` or one in a test."""

    @property
    def grid(self) -> int:
        """Sides of an input are multiples of this, in px."""
        ...

    @property
    def receptive_radius(self) -> int:
        """An output pixel depends on no input pixel farther away, in px."""
        ...

    def inputs(self, noisy: ImageTensor, /) -> InputTensor:
        """All that it takes of a whole micrograph, before that is cut into tiles."""
        ...

    def at_level(self, sigma: float, /) -> TileDenoiser:
        """The same for the micrograph with noise of another standard deviation."""
        ...

    def __call__(self, inputs: torch.Tensor, sigma: torch.Tensor, /) -> torch.Tensor:
        """Estimate of clean tiles `(n, 1, h, w)` at noise levels `(n,)`.

        Takes tiles `(n, channels, h, w)` of what `inputs` gives.
        """
        ...


@runtime_checkable
class MicrographDenoiser(Protocol):
    """A network before it knows which micrograph it is for."""

    @property
    def grid(self) -> int:
        """Sides of an input are multiples of this, in px."""
        ...

    def for_micrograph(self, noisy: ImageTensor, *, sigma: float) -> TileDenoiser:
        """The network, told what it wants to know of the whole micrograph."""
        ...


def posterior_mean(
    network: MicrographDenoiser,
    noisy: ImageTensor,
    engine: Engine,
    *,
    sigma: float = 1.0,
) -> ImageTensor:
    """Mean of the clean images that could lie behind a noisy one.

    Parameters
    ----------
    network : MicrographDenoiser
        The denoiser D, on the engine's device.
    noisy : ImageTensor
        A micrograph of unit noise (`normalization.normalize`), on that device.
    engine : Engine
        Where and how to compute.
    sigma : float
        Noise level of the micrograph in units of the noise at full dose; 1 for a
        micrograph as it is.

    Returns
    -------
    clean : ImageTensor
        The estimate, in the units of the input.

    Raises
    ------
    DeviceError
        If not even the smallest tile fits into the memory.
    """
    informed = network.for_micrograph(noisy, sigma=sigma)
    return estimate_tiled(informed, noisy, engine, sigma=sigma)


def estimate_tiled(
    informed: TileDenoiser, noisy: ImageTensor, engine: Engine, *, sigma: float = 1.0
) -> ImageTensor:
    """As `posterior_mean`, for a network that knows already what it is to know."""
    level = torch.tensor([sigma], dtype=torch.float32, device=noisy.device)

    def process(tile: InputTile) -> TileTensor:
        laid_out = tile.contiguous(memory_format=torch.channels_last)
        return informed(laid_out, level).float()

    plan = _first_plan(informed, noisy, engine)
    inputs = informed.inputs(noisy)
    half = engine.dtype == torch.bfloat16
    with (
        torch.inference_mode(),
        torch.autocast(engine.device.type, dtype=torch.bfloat16, enabled=half),
    ):
        clean = _within_memory(process, inputs, plan)
    # A copy made outside inference mode: callers may change it in place.
    return clean.clone()


def _first_plan(network: TileDenoiser, noisy: ImageTensor, engine: Engine) -> TilePlan:
    """Tiles as the user wants them, else as they should fit."""
    h, w = noisy.shape
    grid, reach = network.grid, network.receptive_radius
    if engine.tile_size is not None:
        return square_tiles((h, w), engine.tile_size, grid=grid, reach=reach)
    return fitting_tiles((h, w), engine.pixels_at_once, grid=grid, reach=reach)


def _within_memory(
    process: Callable[[InputTile], TileTensor], inputs: InputTensor, plan: TilePlan
) -> ImageTensor:
    """Process tile by tile; halve the tiles as often as memory runs out."""
    remaining: TilePlan | None = plan
    while remaining is not None:
        try:
            return apply_tiled(process, inputs, remaining)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        # Outside the handler, whose traceback keeps the tensors alive.
        if inputs.device.type == "cuda":
            torch.cuda.empty_cache()
        plan, remaining = remaining, remaining.halved()
    h, w = plan.tile_shape
    msg = (
        f"Expected memory for a tile of {h} x {w} px with a halo of {plan.reach} px, "
        f"but {inputs.device} ran out of it. Close other programs that use it, choose "
        "another --device, or set a larger working_pixel_size."
    )
    raise DeviceError(msg)
