"""A denoised micrograph, and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.noise_level import NOISE_BAND
from cryoscore_plugin.preparation import Prepared, mean_ratio
from cryoscore_plugin.quality import residual_whiteness, signal_to_noise
from cryoscore_plugin.tensors import ImageTensor

COARSEST = 1.5
"""A micrograph this many times coarser than the working pixel size gets a warning."""

MOST_CLIPPED = 0.02
"""A micrograph with a larger part of clipped pixels gets a warning."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Restoration:
    """A denoised micrograph and what is known about it.

    Attributes
    ----------
    micrograph : Micrograph
        The denoised image, where its input lay and in its grey scale.
    quality : dict[str, float]
        Numbers by name: `noise_level` (of a pixel of the working grid, in grey
        values), `noise_variation` (relative standard deviation of the local noise
        level), `clipped_fraction`, `signal_to_noise` and `residual_whiteness`
        (see `quality`); with guidance also `guided_change`, the size of what guidance
        changed relative to the unguided result.
    warnings : tuple[str, ...]
        What the user should know although nothing failed, a sentence each.
    uncertainty : Micrograph or None
        Standard deviation of each pixel of the denoised image, in grey values of the
        input, if it is wanted; 0 in a dead border.
    """

    micrograph: Micrograph
    quality: dict[str, float]
    warnings: tuple[str, ...] = ()
    uncertainty: Micrograph | None = None


def doubts(
    prepared: Prepared,
    quality: dict[str, float],
    *,
    pixel_size: float,
    working_pixel_size: float,
) -> tuple[str, ...]:
    """What the user should know about a micrograph, a sentence each.

    Parameters
    ----------
    prepared : Prepared
        The micrograph as the network saw it.
    quality : dict[str, float]
        Numbers about it.
    pixel_size, working_pixel_size : float
        Of the micrograph, and of what the model was trained on, in Å/px.
    """
    found = []
    if pixel_size > COARSEST * working_pixel_size:
        found.append(
            f"The pixel size is {pixel_size:g} Å/px, but the model was trained at "
            f"{working_pixel_size:g} Å/px: expect a poor result. Use a "
            "micrograph that is binned less."
        )
    if prepared.noisy.band != NOISE_BAND:
        high, low = (prepared.pixel_size / limit for limit in NOISE_BAND)
        found.append(
            f"Hardly any noise was found between {low:.1f} and {high:.1f} Å: this "
            "micrograph was low-passed or up-sampled before. Use it as motion "
            "correction wrote it."
        )
    if quality["clipped_fraction"] > MOST_CLIPPED:
        found.append(
            f"{quality['clipped_fraction']:.1%} of the pixels were clipped as "
            "outliers. Look at this micrograph before you trust the result."
        )
    return tuple(found)


def quality_of(prepared: Prepared, clean: ImageTensor) -> dict[str, float]:
    """Numbers about a micrograph, as `Restoration` lists them.

    Parameters
    ----------
    prepared : Prepared
        The micrograph as the network saw it.
    clean : ImageTensor
        The estimate, in units of the noise.
    """
    noisy, level = prepared.noisy.pixels, prepared.noisy.level
    pixel_size = prepared.pixel_size
    return {
        "noise_level": float(level.median()) * prepared.spread,
        "noise_variation": float(level.std() / level.mean()),
        "clipped_fraction": prepared.clipped,
        "signal_to_noise": signal_to_noise(noisy, clean, pixel_size=pixel_size),
        "residual_whiteness": residual_whiteness(noisy, clean, pixel_size=pixel_size),
    }


def placed(pixels: Image, micrograph: Micrograph) -> Micrograph:
    """A result where its input lies, with the pixel size that it really has.

    Parameters
    ----------
    pixels : Image
        The result, on the grid of the input or on the working grid.
    micrograph : Micrograph
        The input.
    """
    h, w = micrograph.pixels.shape
    if pixels.shape == (h, w):
        return replace(micrograph, pixels=pixels)
    ratio = mean_ratio((h, w), pixels.shape)
    column, row, section = micrograph.start
    return replace(
        micrograph,
        pixels=pixels,
        pixel_size=micrograph.pixel_size * ratio,
        start=(round(column / ratio), round(row / ratio), section),
    )
