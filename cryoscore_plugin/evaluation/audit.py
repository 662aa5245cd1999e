"""Whether what guidance shows comes from the micrograph or from the reference.

A reference must not be found where it is not. So a micrograph is denoised with and
without guidance, and then inputs of which the answer is known:

* `noise`: Gaussian noise with the radial spectrum of the micrograph;
* `phases`: the micrograph with random phases, so that all structure is gone and every
  Fourier amplitude is the same;
* `decoy`: the micrograph itself, guided by a reference that exists nowhere: the views
  with random phases.

What guidance adds to noise and phases, in amplitude and in picks, comes from the
reference alone. So does what the decoy adds beyond what the reference adds: if that is
much, anything would be found. Both are given relative to the guided micrograph.
Guidance also takes from what the network shows: what is added but is less than that is
not seen in the amplitude. Picks are the local maxima of a Laplacian of Gaussian above
half of the strongest ones (99th percentile) of the guided micrograph.

The tests hold that a denoiser which pastes its reference into noise is caught, that one
which finds whatever it is given is caught by the decoy, and that an honest one passes.

References
----------
Henderson (2013), doi:10.1073/pnas.1314449110. Chen et al. (2013),
doi:10.1016/j.ultramic.2013.06.004 (random phases).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.evaluation.pickers import find_picks, laplacian_of_gaussian
from cryoscore_plugin.guidance.views import Views
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.spectrum import apply_radial_gain, power_spectrum

LIMIT = 0.05
"""Largest part that may come from the reference alone (method.md, section 8)."""

BY_CHANCE = 2
"""Picks that a control may have more with guidance than without: maxima of noise change
their order with any change of the picture."""

Denoise = Callable[[Micrograph], Micrograph]


@dataclass(frozen=True, kw_only=True, eq=False)
class Denoisers:
    """What is audited.

    Attributes
    ----------
    unguided, guided, decoy : Denoise
        Without a reference, with it, and with one that exists nowhere.
    """

    unguided: Denoise
    guided: Denoise
    decoy: Denoise


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What guidance added to one input.

    Attributes
    ----------
    control : {"noise", "phases", "decoy"}
        Which input.
    amplitude : float
        Standard deviation that it added, relative to the guided micrograph.
    picks : float
        Picks that it added, relative to those on the guided micrograph.
    """

    control: str
    amplitude: float
    picks: float

    @property
    def passes(self) -> bool:
        """Whether both are within the limit."""
        return max(self.amplitude, self.picks) <= LIMIT


@dataclass(frozen=True, kw_only=True, eq=False)
class Audit:
    """What became of one micrograph and its controls.

    Attributes
    ----------
    findings : list[Finding]
        One for each control.
    images : dict[str, tuple[Image, Image, Image]]
        Input, unguided and guided result of the micrograph and of each control; of the
        decoy what the reference and what the decoy made.
    pixel_size : float
        Of the results, in Å/px.
    """

    findings: list[Finding]
    images: dict[str, tuple[Image, Image, Image]]
    pixel_size: float


def audit_micrograph(
    micrograph: Micrograph, denoisers: Denoisers, *, diameter: float, seed: int
) -> Audit:
    """Denoise a micrograph and its controls, with guidance and without.

    Parameters
    ----------
    micrograph : Micrograph
        The raw micrograph.
    denoisers : Denoisers
        What is audited.
    diameter : float
        Of the particle, in Å, for the picks.
    seed : int
        Of the controls.

    Raises
    ------
    CryoScoreError
        If it cannot be denoised.
    """
    rng = np.random.default_rng(seed)
    controls = {
        "noise": noise_like(micrograph.pixels, rng),
        "phases": with_random_phases(micrograph.pixels, rng),
    }
    plain = denoisers.unguided(micrograph)
    size = plain.pixel_size
    pairs = {"micrograph": (plain.pixels, denoisers.guided(micrograph).pixels)}
    for name, pixels in controls.items():
        # It is no longer the file that it was: the reference may not refuse it.
        control = replace(micrograph, pixels=pixels, source=None)
        pairs[name] = (
            denoisers.unguided(control).pixels,
            denoisers.guided(control).pixels,
        )
    guided = pairs["micrograph"][1]
    pairs["decoy"] = (guided, denoisers.decoy(micrograph).pixels)
    inputs = {"micrograph": micrograph.pixels, **controls, "decoy": micrograph.pixels}
    return Audit(
        findings=_findings(pairs, diameter=diameter / size),
        images={name: (inputs[name], *pair) for name, pair in pairs.items()},
        pixel_size=size,
    )


def noise_like(image: Image, rng: np.random.Generator) -> Image:
    """Gaussian noise with mean and radial power spectrum of an image.

    Parameters
    ----------
    image : Image
        The image.
    rng : np.random.Generator
        Source of the noise.
    """
    mean = image.mean(dtype=np.float64)
    level = power_spectrum(torch.from_numpy(image - np.float32(mean))).sqrt()
    white = rng.standard_normal(image.shape, dtype=np.float32)
    coloured = apply_radial_gain(torch.from_numpy(white), level).numpy()
    return np.asarray(coloured + mean, dtype=np.float32)


def with_random_phases(image: Image, rng: np.random.Generator) -> Image:
    """An image with the same Fourier amplitudes and mean, and the phases of noise.

    Parameters
    ----------
    image : Image
        The image.
    rng : np.random.Generator
        Source of the phases.
    """
    h, w = image.shape
    plane = np.fft.rfft2(image)
    noise = np.fft.rfft2(rng.standard_normal((h, w)))
    turned = np.abs(plane) * np.exp(1j * np.angle(noise))
    turned[0, 0] = plane[0, 0]
    return np.fft.irfft2(turned, s=(h, w)).astype(np.float32)


def decoy_views(views: Views, *, seed: int) -> Views:
    """Views of a particle that exists nowhere: the same spectra, random phases.

    Parameters
    ----------
    views : Views
        Of the real one.
    seed : int
        Of the phases.
    """
    rng = np.random.default_rng(seed)
    side = views.pictures.shape[-1]
    y, x = np.mgrid[:side, :side] - side // 2
    disc = np.hypot(y, x) * views.pixel_size <= views.diameter / 2
    pictures = np.stack(
        [disc * with_random_phases(one.numpy(), rng) for one in views.pictures]
    )
    scale = np.sqrt((pictures**2).sum((1, 2)).mean())
    shaped = torch.from_numpy((pictures / scale).astype(np.float32))
    return Views(pictures=shaped, pixel_size=views.pixel_size)


def verdict(findings: list[Finding]) -> str:
    """What an audit found, in two sentences.

    Parameters
    ----------
    findings : list[Finding]
        Of all micrographs.
    """
    amplitude = max(findings, key=lambda one: one.amplitude)
    picks = max(findings, key=lambda one: one.picks)
    found = (
        f"At most {amplitude.amplitude:.1%} of the amplitude ({amplitude.control}) and "
        f"{picks.picks:.1%} of the picks ({picks.control}) are explained by the "
        f"reference alone; the limit is {LIMIT:.0%}."
    )
    if all(one.passes for one in findings):
        return f"{found} The guided images pass."
    return (
        f"{found} The guided images FAIL: do not use them. Lower --guidance, raise "
        "--guidance-empty, or leave the reference out."
    )


def _findings(
    pairs: dict[str, tuple[Image, Image]], *, diameter: float
) -> list[Finding]:
    """What guidance added to each control; `diameter` in px."""
    guided = pairs["micrograph"][1]
    threshold = _threshold(guided, diameter)
    size = float(guided.std(dtype=np.float64))
    wanted = max(_count(guided, diameter, threshold), 1)
    findings = []
    for control in ("noise", "phases", "decoy"):
        before, after = pairs[control]
        added = float(after.std(dtype=np.float64) - before.std(dtype=np.float64))
        more = _count(after, diameter, threshold) - _count(before, diameter, threshold)
        findings.append(
            Finding(
                control=control,
                amplitude=max(added, 0.0) / size if size > 0 else 0.0,
                picks=more / wanted if more > BY_CHANCE else 0.0,
            )
        )
    return findings


def _responses(image: Image, diameter: float) -> np.ndarray:
    response = laplacian_of_gaussian(image, diameter=diameter)
    return find_picks(response, min_distance=diameter / 2).scores


def _threshold(image: Image, diameter: float) -> float:
    """Half of the strongest responses."""
    scores = _responses(image, diameter)
    return float(np.quantile(scores, 0.99)) / 2 if len(scores) else np.inf


def _count(image: Image, diameter: float, threshold: float) -> int:
    return int((_responses(image, diameter) > threshold).sum())
