"""Pickers that learn nothing: from an image to positions with a score.

A picker turns an image into a *response*, high where a particle is; the local
maxima of the response are *picks*, and its value there is their score. There is
no threshold to tune, so raw and denoised micrographs are treated alike:
`laplacian_of_gaussian` looks for blobs of one diameter, `template_correlation`
for one known picture.

The tests hold: a disc is found at its centre, with the response that the closed
form gives; the contrast decides the sign; a template correlates with itself
perfectly whatever the grey scale; no two picks are closer than they may be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal import fftconvolve

from cryoscore_plugin.arrays import CentersYX, Image, Scores
from cryoscore_plugin.errors import InputError

Protein = Literal["dark", "bright"]
"""Whether protein is darker or brighter than ice in an image."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Picks:
    """Positions that a picker proposes, best first.

    Attributes
    ----------
    centers_yx : CentersYX
        Where, in px from the centre of the first pixel.
    scores : Scores
        How sure the picker is; only the order has a meaning.

    Raises
    ------
    InputError
        If the scores do not fall, or their number differs from that of the centres.
    """

    centers_yx: CentersYX
    scores: Scores

    def __post_init__(self) -> None:
        if len(self.centers_yx) != len(self.scores) or (np.diff(self.scores) > 0).any():
            msg = (
                "Picks need one score for each centre, the best first, but found "
                f"{len(self.centers_yx)} centres and {len(self.scores)} scores "
                f"starting {self.scores[:3]}. Sort both by falling score."
            )
            raise InputError(msg)

    def __len__(self) -> int:
        return len(self.scores)


def laplacian_of_gaussian(
    image: Image, *, diameter: float, protein: Protein = "dark"
) -> Image:
    """Response of a blob detector tuned to discs of one diameter.

    Parameters
    ----------
    image : Image
        A micrograph; it is mirrored at its edges.
    diameter : float
        Diameter of the particle, in px. The Gaussian has sigma = diameter / (2 √2),
        at which the response in the centre of a disc is largest.
    protein : {"dark", "bright"}
        What a particle looks like.

    Returns
    -------
    response : Image
        High in the centre of a particle, 0 where the image is flat.

    References
    ----------
    Lindeberg (1998), Int. J. Comput. Vis. 30, 79-116, for the normalisation sigma².
    """
    sigma = diameter / (2 * np.sqrt(2))
    # The Laplacian is positive in a minimum: in the middle of a dark particle.
    sign = 1.0 if protein == "dark" else -1.0
    response = ndimage.gaussian_laplace(image, sigma, mode="reflect")
    return np.asarray(sign * sigma**2 * response, dtype=np.float32)


def template_correlation(image: Image, template: NDArray[np.float32]) -> Image:
    """Local correlation coefficient of a micrograph with one picture of a particle.

    Parameters
    ----------
    image : Image
        A micrograph; it is mirrored at its edges.
    template : array of shape (side, side)
        The particle as it looks in the micrograph (also dark or bright), centred
        on pixel `side // 2`. Only the disc that fits into the box is compared.

    Returns
    -------
    correlation : Image
        From -1 to 1, at the position of the template's centre.

    Raises
    ------
    InputError
        If the template is not square or is larger than the micrograph.

    References
    ----------
    Roseman (2003), Ultramicroscopy 94, 225-236.
    """
    side = template.shape[0]
    if template.shape != (side, side) or side > min(image.shape):
        msg = (
            f"A template must be square and fit into the micrograph of {image.shape} "
            f"px, but has {template.shape} px. Cut or bin it."
        )
        raise InputError(msg)
    y, x = np.mgrid[:side, :side] - side // 2
    disc = (np.hypot(y, x) <= side // 2 - 0.5).astype(np.float64)
    area = disc.sum()
    picture = disc * (template - template[disc > 0].mean(dtype=np.float64))
    picture /= np.sqrt((picture**2).sum())

    before, after = side // 2, side - 1 - side // 2
    padded = np.pad(image.astype(np.float64), (before, after), mode="reflect")
    padded -= padded.mean()
    covariance = _correlate(padded, picture)
    variance = _correlate(padded**2, disc) - _correlate(padded, disc) ** 2 / area
    # A flat disc has no correlation; the floor keeps rounding out of the quotient.
    floor = 1e-12 * padded.var() * area + np.finfo(np.float64).tiny
    correlation: Image = covariance / np.sqrt(np.maximum(variance, floor))
    return correlation.astype(np.float32)


def find_picks(response: Image, *, min_distance: float, border: float = 0.0) -> Picks:
    """Local maxima of a response, the highest first.

    Parameters
    ----------
    response : Image
        From a picker; high where a particle is.
    min_distance : float
        No pick is closer than this to a better one, in px.
    border : float
        Picks closer than this to an edge are left out, in px.

    Returns
    -------
    picks : Picks
        At whole pixels, with the response as their score.
    """
    highest = ndimage.maximum_filter(response, size=3, mode="nearest")
    lowest = ndimage.minimum_filter(response, size=3, mode="nearest")
    y, x = np.nonzero((response == highest) & (response > lowest))
    order = np.argsort(-response[y, x], kind="stable")

    reach = int(np.ceil(min_distance))
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    near = np.hypot(dy, dx) < min_distance
    # A frame of `reach` px spares a test at every edge.
    taken = np.zeros(np.add(response.shape, 2 * reach), dtype=bool)
    kept = []
    for index in order:
        row, column = y[index], x[index]
        if not taken[row + reach, column + reach]:
            taken[row : row + 2 * reach + 1, column : column + 2 * reach + 1] |= near
            kept.append(index)

    centers_yx = np.stack([y[kept], x[kept]], axis=1).astype(np.float64)
    inside = is_inside(centers_yx, shape=response.shape, border=border)
    scores = response[y[kept], x[kept]].astype(np.float64)
    return Picks(centers_yx=centers_yx[inside], scores=scores[inside])


def is_inside(
    centers_yx: CentersYX, *, shape: tuple[int, ...], border: float
) -> NDArray[np.bool_]:
    """Which positions are at least `border` px away from every edge.

    Parameters
    ----------
    centers_yx : CentersYX
        Positions in px from the centre of the first pixel.
    shape : tuple[int, ...]
        `(h, w)` of the micrograph, in px.
    border : float
        In px.
    """
    last = np.asarray(shape) - 1.0
    inside = (centers_yx >= border) & (centers_yx <= last - border)
    return np.asarray(inside.all(axis=1))


def _correlate(
    padded: NDArray[np.float64], kernel: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlation wherever the kernel lies wholly inside the padded image."""
    result: NDArray[np.float64] = fftconvolve(padded, kernel[::-1, ::-1], mode="valid")
    return result
