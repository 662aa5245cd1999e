"""Draw particles of a reference into an image, as the mixture says they lie there."""

from __future__ import annotations

import numpy as np
import torch

from cryoscore_plugin.guidance.mixture import probability_of_particles
from cryoscore_plugin.guidance.search import Search
from cryoscore_plugin.rescaling import fourier_pad
from cryoscore_plugin.tensors import ImageTensor


def drawn_particles(
    search: Search, shape: tuple[int, int], *, rng: np.random.Generator
) -> ImageTensor:
    """A clean image drawn from the mixture of the views of a reference.

    In each window a particle lies with the probability that the prior gives it, at any
    place, in any view, and with an amplitude around the mean one.

    Parameters
    ----------
    search : Search
        An image made ready to be searched; what is in it does not matter.
    shape : tuple[int, int]
        `(h, w)` of the image on its own grid, in px.
    rng : np.random.Generator
        Source of everything random.
    """
    scene, prior = search.scene, search.prior
    rows, columns = search.shape
    counts = [max(1, round(side / prior.window)) for side in search.shape]
    plane = torch.zeros_like(torch.fft.rfft2(scene.noisy))
    for cell in np.ndindex(*counts):
        if rng.random() < prior.empty:
            continue
        y, x = (
            int((place + rng.random()) * side / count)
            for place, side, count in zip(cell, search.shape, counts, strict=True)
        )
        view = int(rng.integers(len(scene.views)))
        amplitude = prior.amplitude * (1 + prior.spread * rng.standard_normal())
        [(seen, _)] = scene.matches([view])
        point = torch.zeros_like(scene.noisy)
        point[y, x] = amplitude
        plane += torch.fft.rfft2(point) * seen
    h, w = scene.noisy.shape
    clean = torch.fft.irfft2(plane, s=(h, w))[:rows, :columns]
    return fourier_pad(clean.contiguous(), shape)


def probability_around(search: Search) -> ImageTensor:
    """Probability that a particle lies around each place, on the grid of the views."""
    rows, columns = search.shape
    return probability_of_particles(search.scene, search.prior)[:rows, :columns]
