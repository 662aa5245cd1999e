"""Search the views of a known particle in a micrograph.

The search is on a grid that is just fine enough for the band of guidance, so its cost
does not grow with the pixels of the micrograph but with its area: for each view five
Fourier transforms of that grid, in the memory of about twenty images of its size.

Noise and background are what the spectrum of the micrograph says, particles included:
the evidence for a particle is rather under- than overestimated. Where a micrograph is
locally stronger than that, as at contamination, the evidence is weakened by as much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.guidance.mixture import (
    MixturePrior,
    Scene,
    log_likelihoods,
    posterior_mean_of_views,
)
from cryoscore_plugin.guidance.noise import local_excess, smooth_spectrum
from cryoscore_plugin.guidance.views import Views, low_pass
from cryoscore_plugin.optics import Optics
from cryoscore_plugin.rescaling import fourier_crop, fourier_pad, working_shape
from cryoscore_plugin.spectrum import frequency_grid, on_plane
from cryoscore_plugin.tensors import HalfPlaneMap, ImageTensor, RingTensor

SPREAD = 0.25
"""Relative spread of the amplitude of particles in one micrograph: thickness of ice, and
views that lie between two of the reference. A guess; a factor of two changes little."""

WINDOW = 1.5
"""Side of the window that holds at most one particle, in diameters: particles that
touch are one diameter apart, and in each other's windows they are not."""

AMPLITUDES = tuple(4.0 * 2 ** (step / 2) for step in range(9))
"""Amplitudes to choose from, as the signal-to-noise ratio of a matched filter: below 4
a particle cannot be told from the noise of a few thousand positions and views."""

JUDGES = 24
"""Views that choose the amplitude; all have nearly the same size."""

ALIKE = 1.02
"""Pixel sizes whose ratio is less are taken as equal: a particle of 100 Å is then
misjudged by 2 Å, a tenth of the detail that guides."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Guidance:
    """How an estimate is guided.

    Attributes
    ----------
    views : Views
        The particle.
    resolution : float
        Finest detail that is guided, in Å.
    strength : float
        Weight gamma of the reference, from 0 to 1.
    empty : float
        Probability that a window holds no particle.
    """

    views: Views
    resolution: float
    strength: float
    empty: float


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisyImage:
    """What is guided: a micrograph as the network sees it.

    Attributes
    ----------
    pixels : ImageTensor
        In units of its noise.
    pixel_size : float
        In Å/px.
    optics : Optics or None
        How it was taken; None takes views without a transfer function, with dark
        protein, which is right up to the first zero of the function.
    local_mean : float or None
        Standard deviation in px of the Gaussian mean that was taken off.
    """

    pixels: ImageTensor
    pixel_size: float
    optics: Optics | None = None
    local_mean: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Belief:
    """What a micrograph says before one of its pieces is searched.

    Attributes
    ----------
    noise : RingTensor
        Power of noise and background in rings of the grid of the views.
    side : int
        The rings lie `1 / side` cycles/px apart.
    amplitude : float
        Mean amplitude of a particle, in units of the views.
    """

    noise: RingTensor
    side: int
    amplitude: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """A micrograph made ready to be searched.

    Attributes
    ----------
    scene : Scene
        The micrograph on the grid of the views, with room at its edges.
    prior : MixturePrior
        What is believed.
    shape : tuple[int, int]
        `(h, w)` of the micrograph itself on that grid.
    belief : Belief
        What the prior and the noise were taken from.
    """

    scene: Scene
    prior: MixturePrior
    shape: tuple[int, int]
    belief: Belief


def reference_mean(
    noisy: NoisyImage, guidance: Guidance, belief: Belief | None = None
) -> ImageTensor:
    """Mean of the clean images behind a micrograph, if it holds only the reference.

    Parameters
    ----------
    noisy : NoisyImage
        The micrograph, or a piece of one.
    guidance : Guidance
        The reference; its strength is not used.
    belief : Belief or None
        What is known of the whole; None asks the image itself.

    Returns
    -------
    mean : ImageTensor
        As large as the micrograph and in its units.

    Raises
    ------
    MicrographError
        If its pixels are coarser than those of the views.
    """
    search = prepare_search(noisy, guidance, belief)
    h, w = noisy.pixels.shape
    rows, columns = search.shape
    mean = posterior_mean_of_views(search.scene, search.prior)[:rows, :columns]
    return fourier_pad(mean.contiguous(), (h, w))


def prepare_search(
    noisy: NoisyImage, guidance: Guidance, belief: Belief | None = None
) -> Search:
    """Bring a micrograph onto the grid of the views, and say what is believed of it.

    Parameters
    ----------
    noisy, guidance, belief
        As for `reference_mean`.

    Raises
    ------
    MicrographError
        If its pixels are coarser than those of the views.
    """
    finest = guidance.views.pixel_size
    if noisy.pixel_size > ALIKE * finest:
        msg = (
            f"the reference has pixels of {finest:.3g} Å, but is to guide at "
            f"{noisy.pixel_size:.3g} Å/px. Make it again with a coarser --resolution, or "
            "use a micrograph that is binned less."
        )
        raise MicrographError(msg)
    h, w = noisy.pixels.shape
    shape = working_shape(
        (h, w), pixel_size=noisy.pixel_size, working_pixel_size=finest
    )
    image = fourier_crop(noisy.pixels, shape)
    noise, side = (
        (smooth_spectrum(image), min(shape))
        if belief is None
        else (belief.noise, belief.side)
    )
    scene = _scene(image, (noise, side), noisy, guidance)
    amplitude = _amplitude(scene, guidance) if belief is None else belief.amplitude
    return Search(
        scene=scene,
        prior=_prior(guidance, amplitude),
        shape=shape,
        belief=Belief(noise=noise, side=side, amplitude=amplitude),
    )


def _scene(
    image: ImageTensor,
    noise: tuple[RingTensor, int],
    noisy: NoisyImage,
    guidance: Guidance,
) -> Scene:
    """The micrograph with room for views at its edges, and what is known about it."""
    h, w = image.shape
    pictures = guidance.views.pictures.to(image)
    # Not at the top: most runs are not guided, and scipy takes a moment.
    from scipy.fft import next_fast_len  # noqa: PLC0415

    rows, columns = (next_fast_len(n + pictures.shape[-1]) for n in (h, w))
    shape = (rows, columns)
    padded = functional.pad(image, (0, shape[1] - w, 0, shape[0] - h))
    excess = torch.ones_like(padded)
    rings, side = noise
    own_power = on_plane(rings, (h, w), side=side, device=image.device)
    excess[:h, :w] = local_excess(image, own_power, side=_window(guidance.views))
    return Scene(
        noisy=padded,
        noise_power=on_plane(rings, shape, side=side, device=image.device),
        excess=excess,
        views=pictures,
        transfer=_transfer(shape, noisy, guidance, device=image.device),
    )


def _amplitude(scene: Scene, guidance: Guidance) -> float:
    """The amplitude that explains the micrograph best."""
    views = range(0, len(scene.views), math.ceil(len(scene.views) / JUDGES))
    sizes = [float(match.size.max()) for _, match in scene.matches(views)]
    typical = math.sqrt(sum(sizes) / len(sizes))
    priors = [_prior(guidance, ratio / typical) for ratio in AMPLITUDES]
    fits = log_likelihoods(scene, priors, views=views)
    return priors[fits.index(max(fits))].amplitude


def _prior(guidance: Guidance, amplitude: float) -> MixturePrior:
    return MixturePrior(
        empty=guidance.empty,
        amplitude=amplitude,
        spread=SPREAD,
        window=_window(guidance.views),
    )


def _window(views: Views) -> int:
    """Odd side in px of the window that holds at most one particle."""
    return round(WINDOW * views.diameter / views.pixel_size) // 2 * 2 + 1


def _transfer(
    shape: tuple[int, int],
    noisy: NoisyImage,
    guidance: Guidance,
    *,
    device: torch.device,
) -> HalfPlaneMap:
    """What microscope, band and levelling make of a view, on the grid of the views."""
    pixel_size = guidance.views.pixel_size
    band = low_pass(
        shape, pixel_size=pixel_size, resolution=guidance.resolution, device=device
    )
    seen = -band
    if noisy.optics is not None:
        from cryoscore_plugin.ctf import contrast_transfer  # noqa: PLC0415  as above

        contrast = contrast_transfer(noisy.optics, shape=shape, pixel_size=pixel_size)
        seen = band * contrast.to(device)
    if noisy.local_mean is not None:
        sigma = noisy.local_mean * noisy.pixel_size / pixel_size
        k = frequency_grid(shape, device=device)
        seen = seen * -torch.expm1(-2 * (math.pi * sigma * k) ** 2)
    return seen
