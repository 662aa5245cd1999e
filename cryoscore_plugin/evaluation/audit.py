"""Whether what guidance shows comes from the micrograph or from the reference.

A reference must not be found where it is not, and must not hide what it lacks. So a
micrograph is denoised with and without guidance, and then inputs of which the answer is
known (method.md, section 8):

* `noise`: Gaussian noise with the radial spectrum of the micrograph;
* `phases`: the micrograph with random phases, so that all structure is gone and every
  Fourier amplitude is the same;
* `decoy`: the micrograph itself, guided by a reference that exists nowhere: the views
  with random phases;
* `halves`: one half of the electrons; what is shown must be in the other half, raw;
* `leak`: one half, denoised after its other half and after a false one; what differs
  came from there;
* `cut`: the micrograph, guided by a reference of which a third was cut off; that third
  must still appear.

What guidance adds to noise and phases, in amplitude and in picks, comes from the
reference alone. So does what the decoy adds beyond what the reference adds: if that is
much, anything would be found. Guidance also takes from what the network shows: what is
added but is less than that is not seen in the amplitude. `audit_figures` measures.

The tests hold that a denoiser which pastes its reference into noise is caught, that one
which finds whatever it is given is caught by the decoy, one which only sharpens by the
halves, one which leaks one half into the other by the leak, one which shows the reference
instead of the data by the cut; and that an honest one passes.

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
from numpy.typing import NDArray

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.evaluation.audit_controls import noise_like, with_random_phases
from cryoscore_plugin.evaluation.audit_figures import (
    Shares,
    added,
    average_at,
    change,
    lost,
    strong_picks,
    unconfirmed,
)
from cryoscore_plugin.evaluation.audit_verdict import Finding
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.rescaling import fourier_crop

WHOLE_SIDE = 512
"""Sides in px up to which the leak is looked for in all of a micrograph; of larger ones
the middle half is enough."""

Denoise = Callable[[Micrograph], Micrograph]
DenoiseHalf = Callable[[Micrograph, Micrograph], Micrograph]
"""Denoises the first of two halves, the second one being within reach."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Denoisers:
    """What is audited.

    Attributes
    ----------
    unguided, guided : Denoise
        Without a reference, and with it.
    half : DenoiseHalf
        With the reference.
    decoy, cut : Denoise or None
        With a reference that exists nowhere, and with one of which a third was cut off;
        None where the reference is not at hand, but was learnt by the network.
    """

    unguided: Denoise
    guided: Denoise
    half: DenoiseHalf
    decoy: Denoise | None = None
    cut: Denoise | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Audit:
    """What became of one micrograph and its controls.

    Attributes
    ----------
    findings : list[Finding]
        One for each control.
    images : dict[str, tuple[Image, Image]]
        Of the micrograph and of noise and phases, the result without and with guidance;
        of `decoy` and `cut`, the guided micrograph and the result with that reference; of
        `halves`, the mean of the picks on one half, guided, and the same places in the
        other half, raw.
    pixel_size : float
        Of all, in Å/px.
    """

    findings: list[Finding]
    images: dict[str, tuple[Image, Image]]
    pixel_size: float


def audit_micrograph(
    micrograph: Micrograph,
    halves: tuple[Micrograph, Micrograph],
    denoisers: Denoisers,
    *,
    diameter: float,
    seed: int,
) -> Audit:
    """Denoise a micrograph and its controls, with guidance and without.

    Parameters
    ----------
    micrograph : Micrograph
        The raw micrograph.
    halves : tuple[Micrograph, Micrograph]
        Images of the same area with independent noise.
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
    plain, images = _images(micrograph, denoisers, rng)
    guided = images["micrograph"][1]
    width = diameter / plain.pixel_size
    findings = [
        _finding(name, added(*images[name], guided, diameter=width))
        for name in ("noise", "phases", "decoy")
        if name in images
    ]
    confirmed, averages = _halves(halves, denoisers, diameter=diameter)
    leaked = _leak(halves, denoisers.half, rng)
    findings += [confirmed, Finding(control="leak", amplitude=leaked)]
    if "cut" in images:
        missing = lost(plain.pixels, *images["cut"])
        findings.append(Finding(control="cut", amplitude=missing))
    return Audit(
        findings=findings,
        images=images | {"halves": averages},
        pixel_size=plain.pixel_size,
    )


def _images(
    micrograph: Micrograph, denoisers: Denoisers, rng: np.random.Generator
) -> tuple[Micrograph, dict[str, tuple[Image, Image]]]:
    """The unguided result, and those that `Audit.images` has of single micrographs."""
    controls = {
        "noise": noise_like(micrograph.pixels, rng),
        "phases": with_random_phases(micrograph.pixels, rng),
    }
    plain, guided = denoisers.unguided(micrograph), denoisers.guided(micrograph)
    images = {"micrograph": (plain.pixels, guided.pixels)}
    for name, pixels in controls.items():
        # It is no longer the file that it was: the reference may not refuse it.
        control = replace(micrograph, pixels=pixels, source=None)
        images[name] = (
            denoisers.unguided(control).pixels,
            denoisers.guided(control).pixels,
        )
    for name, denoise in (("decoy", denoisers.decoy), ("cut", denoisers.cut)):
        if denoise is not None:
            images[name] = (guided.pixels, denoise(micrograph).pixels)
    return plain, images


def _finding(control: str, shares: Shares) -> Finding:
    return Finding(control=control, amplitude=shares.amplitude, picks=shares.picks)


def _halves(
    halves: tuple[Micrograph, Micrograph], denoisers: Denoisers, *, diameter: float
) -> tuple[Finding, tuple[Image, Image]]:
    """What the other half confirms, and the averages of the picks in both."""
    first, second = halves
    plain, guided = denoisers.unguided(first), denoisers.guided(first)
    size = plain.pixel_size
    h, w = plain.pixels.shape
    other = fourier_crop(torch.from_numpy(second.pixels), (h, w)).numpy()
    shares = unconfirmed(
        plain.pixels,
        guided.pixels,
        other,
        diameter=diameter / size,
        pixel_size=size,
    )
    picks = strong_picks(guided.pixels, diameter=diameter / size)
    side = min(2 * round(diameter / size), h, w)
    averages = [average_at(x, picks, side=side) for x in (guided.pixels, other)]
    return _finding("halves", shares), (averages[0], averages[1])


def _leak(
    halves: tuple[Micrograph, Micrograph],
    half: DenoiseHalf,
    rng: np.random.Generator,
) -> float:
    """What changes in one half if the other is replaced by one of random phases."""
    first, second = (replace(one, pixels=_middle(one.pixels)) for one in halves)
    false = replace(second, pixels=with_random_phases(second.pixels, rng), source=None)
    return change(half(first, second).pixels, half(first, false).pixels)


def _middle(image: Image) -> NDArray[np.float32]:
    """The middle half of each side that is long."""
    ends = [(n // 4, n - n // 4) if n > WHOLE_SIDE else (0, n) for n in image.shape]
    (top, bottom), (left, right) = ends
    return image[top:bottom, left:right]
