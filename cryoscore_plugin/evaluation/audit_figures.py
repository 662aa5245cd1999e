"""What an audit measures on images: added amplitude, picks, and what the data confirm.

* `added`: amplitude and picks that guidance adds where there is nothing;
* `unconfirmed`: amplitude and picks on one half that the other half, raw, does not
  have. Amplitude by the slope of the other half on the image, in comparison with the
  unguided image: sharpening makes it smaller as much as invention does. Picks that
  guidance adds by the response of a blob detector in the other half. Both beyond two
  standard errors, so that chance is no fault;
* `lost`: how much of a part that the reference lacks is missing in the result.

Picks are the local maxima of a Laplacian of Gaussian above half of the strongest ones
(99th percentile) of the guided image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoscore_plugin.arrays import CentersYX, Image, Values
from cryoscore_plugin.evaluation.fidelity import PARTICLE_BAND
from cryoscore_plugin.evaluation.pickers import (
    Picks,
    find_picks,
    laplacian_of_gaussian,
)
from cryoscore_plugin.evaluation.picking import match_picks
from cryoscore_plugin.spectrum import in_band

BY_CHANCE = 2
"""Picks that a control may have more with guidance than without: maxima of noise change
their order with any change of the picture."""

TILES = 4
"""Tiles along a side, whose scatter gives standard errors."""

ERRORS = 2.0
"""Standard errors that count as chance."""

SEEN = 0.1
"""Correlation with a missing part below which it is not seen even without guidance."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Parts of the guided image, 0 to 1.

    Attributes
    ----------
    amplitude, picks : float
        Of its amplitude, and of its picks.
    """

    amplitude: float = 0.0
    picks: float = 0.0


def added(before: Image, after: Image, guided: Image, *, diameter: float) -> Shares:
    """What guidance adds to an input, relative to the guided micrograph.

    Parameters
    ----------
    before, after : Image
        Results without and with guidance, of any input.
    guided : Image
        The guided micrograph.
    diameter : float
        Of the particle, in px.
    """
    threshold = _threshold(guided, diameter)
    size = float(guided.std(dtype=np.float64))
    wanted = max(len(_picks(guided, diameter, threshold)), 1)
    grown = float(after.std(dtype=np.float64) - before.std(dtype=np.float64))
    more = len(_picks(after, diameter, threshold)) - len(
        _picks(before, diameter, threshold)
    )
    return Shares(
        amplitude=max(grown, 0.0) / size if size > 0 else 0.0,
        picks=more / wanted if more > BY_CHANCE else 0.0,
    )


def unconfirmed(
    unguided: Image, guided: Image, other: Image, *, diameter: float, pixel_size: float
) -> Shares:
    """What guidance shows in one half and the other half does not have.

    Parameters
    ----------
    unguided, guided : Image
        One half, denoised without and with guidance.
    other : Image
        The other half, raw, on the same grid.
    diameter : float
        Of the particle, in px.
    pixel_size : float
        In Å/px.
    """
    return Shares(
        amplitude=_beyond_chance(
            *_amplitude_excess(unguided, guided, other, pixel_size)
        ),
        picks=_beyond_chance(*_false_picks(unguided, guided, other, diameter)),
    )


def lost(unguided: Image, guided: Image, cut: Image) -> float:
    """Part of the amplitude that is missing where the reference was cut off.

    What the whole reference shows more than the cut one says where the missing part is
    and how it looks. Along that picture, the result with the cut reference is compared
    with that of the network alone.

    Parameters
    ----------
    unguided, guided, cut : Image
        Results without guidance, with the whole and with the cut reference.

    Returns
    -------
    part : float
        0 if nothing is missing, or the part is not seen without guidance; 1 if all is.
    """
    part = (guided - cut).astype(np.float64)
    part -= part.mean()
    alone, along = float((unguided * part).sum()), float((cut * part).sum())
    size = float(np.sqrt((part**2).sum()) * unguided.std() * np.sqrt(part.size))
    if size == 0 or alone < SEEN * size:
        return 0.0
    return float(np.clip(1 - along / alone, 0.0, 1.0))


def change(first: Image, second: Image) -> float:
    """Standard deviation of the difference of two images, relative to the first."""
    size = float(first.std(dtype=np.float64))
    differing = float((first - second).std(dtype=np.float64))
    return differing / size if size > 0 else float(differing > 0)


def average_at(image: Image, picks: Picks, *, side: int) -> NDArray[np.float32]:
    """Mean of the windows of an image around picks; zero without any.

    Parameters
    ----------
    image : Image
        The image.
    picks : Picks
        Those whose windows do not lie inside are left out.
    side : int
        Of the window, in px.
    """
    first = np.rint(picks.centers_yx).astype(int) - side // 2
    h, w = image.shape
    windows = [
        image[y : y + side, x : x + side]
        for y, x in first
        if 0 <= y <= h - side and 0 <= x <= w - side
    ]
    mean = np.mean(windows, axis=0) if windows else np.zeros((side, side))
    return np.asarray(mean, dtype=np.float32)


def strong_picks(image: Image, *, diameter: float) -> Picks:
    """Picks above half of the strongest; the diameter in px."""
    return _picks(image, diameter, _threshold(image, diameter))


def _beyond_chance(share: float, error: float) -> float:
    return float(np.clip(share - ERRORS * error, 0.0, 1.0))


def _amplitude_excess(
    unguided: Image, guided: Image, other: Image, pixel_size: float
) -> tuple[float, float]:
    """Part of the guided amplitude that is too much, and its standard error.

    The other half is what the image should predict: the slope of the one on the other is
    1 for a posterior mean. Guidance may not make it smaller than it was, nor than 1.
    """
    before, after, raw = (
        _in_particle_band(x, pixel_size) for x in (unguided, guided, other)
    )
    if not after.any():
        return 0.0, 0.0
    slope = float((before * raw).sum() / (before**2).sum()) if before.any() else 1.0
    allowed = slope if 0 < slope < 1 else 1.0
    found = float((after * raw).sum() / (after**2).sum())
    # What the unguided image leaves of the other half is noise, independent from tile
    # to tile, and so is its part in the difference of the slopes.
    weight = after / (after**2).sum()
    if before.any():
        weight -= before / (before**2).sum()
    noise = raw - slope * before if before.any() else raw
    error = np.sqrt((_tiles(weight * noise).sum(1) ** 2).sum())
    return 1 - found / allowed, float(error) / allowed


def _in_particle_band(image: Image, pixel_size: float) -> NDArray[np.float64]:
    """What an image holds where particles have their signal."""
    h, w = image.shape
    low, high = (limit * pixel_size for limit in PARTICLE_BAND)
    plane = (
        np.fft.rfft2(image.astype(np.float64)) * in_band((h, w), (low, high)).numpy()
    )
    passed: NDArray[np.float64] = np.fft.irfft2(plane, s=(h, w))
    return passed


def _tiles(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels of equal tiles, a row for each; what is left over at the far edges is not used."""
    h, w = (side // TILES for side in image.shape)
    whole = image[: h * TILES, : w * TILES].reshape(TILES, h, TILES, w)
    return whole.transpose(0, 2, 1, 3).reshape(TILES**2, h * w)


def _false_picks(
    unguided: Image, guided: Image, other: Image, diameter: float
) -> tuple[float, float]:
    """Part of the guided picks that are nothing in the other half, and its error.

    Only those count that are not there without guidance. A pick has at least half of the
    response of the strongest; so a true one should have that in the other half, too.
    """
    known = strong_picks(unguided, diameter=diameter)
    proposed = strong_picks(guided, diameter=diameter)
    matched = match_picks(proposed, known.centers_yx, max_distance=diameter / 2) >= 0
    count = int((~matched).sum())
    if count <= BY_CHANCE or not len(known):
        return 0.0, 0.0
    response = laplacian_of_gaussian(other, diameter=diameter)
    expected = float(_at(response, known.centers_yx).mean()) / 2
    if expected <= 0:
        return 0.0, 0.0
    seen = float(_at(response, proposed.centers_yx[~matched]).mean())
    part = count / len(proposed)
    error = float(response.std(dtype=np.float64)) / np.sqrt(count)
    return part * (1 - seen / expected), part * float(error) / expected


def _at(response: Image, centers_yx: CentersYX) -> Values:
    """A response at whole pixels."""
    y, x = centers_yx.astype(int).T
    values: Values = response[y, x].astype(np.float64)
    return values


def _picks(image: Image, diameter: float, threshold: float) -> Picks:
    response = laplacian_of_gaussian(image, diameter=diameter)
    picks = find_picks(response, min_distance=diameter / 2)
    above = picks.scores > threshold
    return Picks(centers_yx=picks.centers_yx[above], scores=picks.scores[above])


def _threshold(image: Image, diameter: float) -> float:
    """Half of the strongest responses."""
    scores = _picks(image, diameter, -np.inf).scores
    return float(np.quantile(scores, 0.99)) / 2 if len(scores) else np.inf
