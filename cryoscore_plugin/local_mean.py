"""Take the slow level of a picture off: what no particle is as wide as.

Thick ice, the shadow of carbon, and uneven illumination change a picture's level over
hundreds of Å, by far more than a particle does. A network that sees a few particles
at a time cannot tell such a level from a particle that is larger than its view.
So the mean of the surroundings is taken off, weighted by a Gaussian.

Near an edge the mean is that of the surroundings that are there. Nothing is assumed
beyond it, and an image may be smaller than the Gaussian is wide.

The tests hold that a constant becomes zero at every size, that a wave loses the part
that the Fourier transform of the Gaussian says, and that what wraps around has no edge.
"""

from __future__ import annotations

import torch
from jaxtyping import Float32
from torch import Tensor

Images = Float32[Tensor, "*batch h w"]
"""One image or many, the row first."""


def local_mean(images: Images, *, sigma: float, wraps: bool = False) -> Images:
    """Gaussian mean around each pixel.

    Parameters
    ----------
    images : Images
        One image or many of a size.
    sigma : float
        Standard deviation of the Gaussian in px.
    wraps : bool
        Whether an image goes on at its opposite edge.

    Returns
    -------
    mean : Images
        As large as `images`.
    """
    # A mean along each axis is a product with a matrix whose rows add up to one: exact,
    # and quicker than a convolution with a kernel this wide.
    rows, columns = (
        _mean_matrix(size, sigma=sigma, wraps=wraps).to(images)
        for size in images.shape[-2:]
    )
    return rows @ images @ columns.T


def without_local_mean(images: Images, *, sigma: float, wraps: bool = False) -> Images:
    """Subtract the Gaussian mean around each pixel.

    Parameters
    ----------
    images : Images
        One image or many of a size.
    sigma : float
        Standard deviation of the Gaussian in px: waves longer than `4 sigma` lose
        more than a quarter of their amplitude, those shorter than `2 sigma` less than
        a hundredth.
    wraps : bool
        Whether an image goes on at its opposite edge.

    Returns
    -------
    flat : Images
        `images - mean`, as large as `images`.
    """
    return images - local_mean(images, sigma=sigma, wraps=wraps)


def _mean_matrix(
    size: int, *, sigma: float, wraps: bool
) -> Float32[Tensor, "size size"]:
    """Matrix that replaces each of `size` numbers in a row by its local mean."""
    place = torch.arange(size, dtype=torch.float32)
    distance = (place[:, None] - place).abs()
    if wraps:
        distance = torch.minimum(distance, size - distance)
    weight = torch.exp(-(distance**2) / (2 * sigma**2))
    return weight / weight.sum(dim=1, keepdim=True)
