"""The user's own micrographs, prepared as the network will see them, with their noise.

Half precision is enough to keep them: its rounding is a thousandth of a grey value,
next to noise of 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float16
from torch import Tensor

from cryoscore_plugin.checkpoint import ModelCard
from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.excess import Excess, spectral_excess
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_halves, read_micrograph
from cryoscore_plugin.noise_model import estimate_noise_model
from cryoscore_plugin.normalization import standardize
from cryoscore_plugin.preparation import prepare, prepare_noise
from cryoscore_plugin.rescaling import fourier_crop, working_shape
from cryoscore_plugin.tensors import ImageTensor
from cryoscore_plugin.training.recorruption import join_halves
from cryoscore_plugin.training.sources import TrainingSource


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnMicrograph:
    """A micrograph to learn from, in units of its noise.

    Attributes
    ----------
    source : TrainingSource
        Where it is from.
    noisy : Float16[Tensor, "h w"]
        The micrograph on the working grid; with halves, their mean.
    corruption : Float16[Tensor, "h w"] or None
        Measured noise that could as well be that of `noisy`; None without halves.
    pixel_size : float
        Of the working grid, in Å/px.
    """

    source: TrainingSource
    noisy: Float16[Tensor, "h w"]
    corruption: Float16[Tensor, "h w"] | None
    pixel_size: float

    @cached_property
    def excess(self) -> Excess:
        """Excess of the spectrum of `noisy` over its noise."""
        return spectral_excess(self.noisy.float())


def read_own(
    source: TrainingSource, card: ModelCard, *, pixel_size: float | None
) -> OwnMicrograph:
    """Read a micrograph, or its halves, and prepare it as a model wants it.

    Parameters
    ----------
    source : TrainingSource
        Where it lies.
    card : ModelCard
        Of the model that training starts from.
    pixel_size : float or None
        Pixel size of the file in Å/px, if it is to count more than table and header.

    Raises
    ------
    MicrographError
        If a file cannot be read, or the halves are not two images of one area.
    """
    size = pixel_size or source.pixel_size
    try:
        if source.halves:
            return _of_halves(source, read_halves(source.halves, pixel_size=size), card)
        return _of_whole(source, read_micrograph(source.path, pixel_size=size), card)
    except MicrographError as error:
        if str(source.path) in str(error):
            raise
        msg = f"{source.path}: {error}"
        raise MicrographError(msg) from error


def _of_whole(
    source: TrainingSource, micrograph: Micrograph, card: ModelCard
) -> OwnMicrograph:
    prepared = prepare(
        _tensor(micrograph),
        pixel_size=micrograph.pixel_size,
        working_pixel_size=card.working_pixel_size,
        local_mean=card.local_mean,
    )
    return OwnMicrograph(
        source=source,
        noisy=prepared.noisy.pixels.half(),
        corruption=None,
        pixel_size=prepared.pixel_size,
    )


def _of_halves(
    source: TrainingSource, halves: Sequence[Micrograph], card: ModelCard
) -> OwnMicrograph:
    first, second = halves
    one, other = _tensor(first), _tensor(second)
    h, w = working_shape(
        (one.shape[0], one.shape[1]),
        pixel_size=first.pixel_size,
        working_pixel_size=card.working_pixel_size,
    )
    levels = _noise_level(one, (h, w)), _noise_level(other, (h, w))
    joined = join_halves(one, other, levels=levels)
    prepared = prepare(
        joined.mean,
        pixel_size=first.pixel_size,
        working_pixel_size=card.working_pixel_size,
        local_mean=card.local_mean,
    )
    noise = prepare_noise(joined.corruption, prepared, local_mean=card.local_mean)
    return OwnMicrograph(
        source=source,
        noisy=prepared.noisy.pixels.half(),
        corruption=noise.half(),
        pixel_size=prepared.pixel_size,
    )


def _noise_level(image: ImageTensor, shape: tuple[int, int]) -> float:
    """Noise level on the working grid, in grey values."""
    standard = standardize(image)
    cropped = fourier_crop(standard.pixels, shape)
    return estimate_noise_model(cropped).level * standard.spread


def _tensor(micrograph: Micrograph) -> ImageTensor:
    return torch.from_numpy(np.require(micrograph.pixels, np.float32, ["C", "W"]))
