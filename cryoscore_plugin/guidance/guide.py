"""Guide the estimate of a network by a known particle.

The network's estimate D and the mean R of the clean images under a mixture of views
(`mixture`) are posterior means for the same noisy image, and each is a score by
Tweedie's formula. The guided score is their weighted mean, with the strength gamma in
the band M(k) of coarse detail, and so is the guided estimate:

    x = D + gamma M (R - D)

What guidance changes is linear in gamma, and nothing at gamma = 0. Where the particle is
not found R is nothing, and what D shows there becomes fainter by gamma, not more.

`search` gives R.

References
----------
Wu et al. (2026), arXiv 2604.17734. De Bortoli et al. (2024), arXiv 2402.08667 (the
target score identity, for which any share of the two targets is unbiased if q is true).
"""

from __future__ import annotations

import torch
from torch import Tensor

from cryoscore_plugin.guidance.search import Guidance, NoisyImage, reference_mean
from cryoscore_plugin.guidance.views import low_pass
from cryoscore_plugin.tensors import HalfPlaneMap, ImageTensor


def guided_mean(
    estimate: ImageTensor,
    reference: ImageTensor,
    *,
    strength: float,
    band: HalfPlaneMap,
) -> ImageTensor:
    """Weighted mean of the network's estimate and of that of the reference.

    Parameters
    ----------
    estimate : ImageTensor
        The network's, D.
    reference : ImageTensor
        The mean R under the mixture of views.
    strength : float
        Weight gamma of the reference, from 0 to 1.
    band : HalfPlaneMap
        Where it counts, M: from 0 to 1 for each coefficient.
    """
    h, w = estimate.shape
    plane = torch.fft.rfft2(reference - estimate) * band
    missing: Tensor = torch.fft.irfft2(plane, s=(h, w))
    return estimate + strength * missing


def guide(estimate: ImageTensor, noisy: NoisyImage, guidance: Guidance) -> ImageTensor:
    """Bring what a reference says into an estimate.

    Parameters
    ----------
    estimate : ImageTensor
        The network's, of the same micrograph and in its units.
    noisy : NoisyImage
        The micrograph.
    guidance : Guidance
        The reference, and how strongly it counts.

    Raises
    ------
    MicrographError
        If its pixels are coarser than those of the views.
    """
    h, w = estimate.shape
    return guided_mean(
        estimate,
        reference_mean(noisy, guidance),
        strength=guidance.strength,
        band=guided_band((h, w), noisy, guidance),
    )


def guided_band(
    shape: tuple[int, int], noisy: NoisyImage, guidance: Guidance
) -> HalfPlaneMap:
    """Where guidance counts, M(k): coarse detail, but not the mean of the image.

    Parameters
    ----------
    shape : tuple[int, int]
        `(h, w)` of the image, in px.
    noisy : NoisyImage
        The micrograph, for its pixel size.
    guidance : Guidance
        How it is guided.
    """
    band = low_pass(
        shape,
        pixel_size=noisy.pixel_size,
        resolution=guidance.resolution,
        device=noisy.pixels.device,
    )
    band[0, 0] = 0.0
    return band
