"""Weights of a narrow network, taken over by a wider one that says the same.

What the wide network has more starts at random, and what was there does not look at it: so
it gives what the narrow one gave, and learns to use the rest. Training need not begin anew.

The tests hold that the outputs are the same, and that all that is new can learn.

References
----------
Chen, Goodfellow and Shlens (2016), arXiv 1511.05641 (Net2Net: networks that grow).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Int64
from torch import Tensor

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.networks.unet import FOLD, SEEN, UNetSettings
from cryoscore_plugin.preconditioning import PreconditionedDenoiser

Sizes = tuple[int, ...]
"""Lengths of parts that lie one after another, as where features were joined."""


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """Of which parts the outputs and the inputs of a layer consist."""

    outputs: Sizes
    inputs: Sizes


def widened(
    weights: Mapping[str, Tensor],
    *,
    narrow: UNetSettings,
    wide: UNetSettings,
    seed: int,
) -> dict[str, Tensor]:
    """Weights with which a wide denoiser says what a narrow one says.

    Parameters
    ----------
    weights : Mapping[str, Tensor]
        Of the narrow one.
    narrow, wide : UNetSettings
        Sizes of both. If they are the same, so are the weights.
    seed : int
        Of what is new.

    Raises
    ------
    ConfigError
        If a level of the wide one is narrower, or they differ in more than width.
    """
    if narrow == wide:
        return dict(weights)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        grown: dict[str, Tensor] = PreconditionedDenoiser(wide).state_dict()
    # A block carries its input as it is where its outputs are as many: in both, or none.
    if not _is_wider(wide, narrow) or grown.keys() != weights.keys():
        msg = (
            "The network of the recipe should be that of the checkpoint it starts from, or "
            f"wider in some levels. Found channels {wide.channels} and {narrow.channels}. "
            "Change `network` of the recipe, or leave `start` out."
        )
        raise ConfigError(msg)
    before, after = _layers(narrow), _layers(wide)
    for name, old in weights.items():
        layer, _, kind = name.rpartition(".")
        if layer not in before:
            grown[name] = old
            continue
        rows = _places(before[layer].outputs, after[layer].outputs)
        grown[name][rows] = 0
        if kind == "bias":
            grown[name][rows] = old.float()
        else:
            columns = _places(before[layer].inputs, after[layer].inputs)
            grown[name][rows[:, None], columns] = old.float()
    return grown


def _is_wider(wide: UNetSettings, narrow: UNetSettings) -> bool:
    """Whether a network differs from another only in wider levels."""
    alike = narrow.model_copy(update={"channels": wide.channels}) == wide
    return (
        alike
        and len(narrow.channels) == len(wide.channels)
        and all(a <= b for a, b in zip(narrow.channels, wide.channels, strict=True))
    )


def _layers(settings: UNetSettings) -> dict[str, _Layer]:
    """Every layer whose size follows from the channels, by its name."""
    channels = settings.channels
    layers = {
        "network.stem": _Layer(outputs=channels[:1], inputs=(SEEN * FOLD**2,)),
        "network.head": _Layer(outputs=(FOLD**2,), inputs=channels[:1]),
    }
    blocks: dict[str, tuple[int, Sizes]] = {"bottom": (channels[-1], channels[-1:])}
    for level, outputs in enumerate(channels):
        blocks[f"down.{level}"] = (outputs, (channels[max(level - 1, 0)],))
    for level, (fine, coarse) in enumerate(pairwise(channels)):
        blocks[f"up.{level}"] = (fine, (coarse, fine))
    for name, (outputs, inputs) in blocks.items():
        block = f"network.{name}"
        layers |= {
            f"{block}.first": _Layer(outputs=(outputs,), inputs=inputs),
            f"{block}.carry": _Layer(outputs=(outputs,), inputs=inputs),
            f"{block}.second": _Layer(outputs=(outputs,), inputs=(outputs,)),
            f"{block}.film": _Layer(
                outputs=(outputs, outputs), inputs=(settings.embedding,)
            ),
        }
    return layers


def _places(before: Sizes, after: Sizes) -> Int64[Tensor, " n"]:
    """Where what was there is now, if each part grew at its end."""
    starts = torch.cumsum(torch.tensor((0, *after[:-1])), 0)
    return torch.cat(
        [start + torch.arange(size) for start, size in zip(starts, before, strict=True)]
    )
