"""The known particle that guides a run, as the settings say: loaded and checked once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.guidance.card import DOUBTS, ReferenceCard, words
from cryoscore_plugin.guidance.guide import guide
from cryoscore_plugin.guidance.reference import load_reference
from cryoscore_plugin.guidance.search import Guidance, NoisyImage
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.preparation import Prepared
from cryoscore_plugin.settings import DenoiseSettings
from cryoscore_plugin.tensors import ImageTensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """The known particle that guides a denoiser.

    Attributes
    ----------
    card : ReferenceCard
        What it is.
    sha256 : str
        Hash of its file.
    guidance : Guidance
        Its views, and how they guide.
    """

    card: ReferenceCard
    sha256: str
    guidance: Guidance

    @property
    def description(self) -> str:
        """Strength, reference, and what is to be said about its tier, in words."""
        guided = (
            f"guided with strength {self.guidance.strength:g} to "
            f"{self.guidance.resolution:g} Å by {words(self.card, self.sha256)}"
        )
        doubt = DOUBTS.get(self.card.tier)
        return guided if doubt is None else f"{guided}; WARNING: {doubt}"

    def guided(
        self,
        estimate: ImageTensor,
        prepared: Prepared,
        micrograph: Micrograph,
        local_mean: float | None,
    ) -> ImageTensor:
        """An estimate with what the reference says.

        Parameters
        ----------
        estimate : ImageTensor
            The network's, in units of the noise.
        prepared : Prepared
            What the network saw.
        micrograph : Micrograph
            What it was made of: its name and optics count.
        local_mean : float or None
            Standard deviation in working px of the mean that was taken off.

        Raises
        ------
        MicrographError
            If the reference was made from this micrograph, or is finer than it.
        """
        self.card.refuse_own(micrograph.source)
        noisy = NoisyImage(
            pixels=prepared.noisy.pixels,
            pixel_size=prepared.pixel_size,
            optics=micrograph.optics,
            local_mean=local_mean,
        )
        return guide(estimate, noisy, self.guidance)


def load_target(settings: DenoiseSettings) -> Target | None:
    """Load the reference that guides, if guidance is on.

    Parameters
    ----------
    settings : DenoiseSettings
        Which reference, and how strongly it counts.

    Raises
    ------
    ConfigError
        If one of reference and guidance is given without the other, another estimate
        than the mean or its uncertainty is wanted as well, the reference cannot be
        read, or finer detail is wanted than it has.
    """
    if (settings.reference is None) != (settings.guidance == 0):
        msg = (
            "Guidance needs both a reference and a guidance of more than 0, but "
            f"reference is {settings.reference} and guidance is {settings.guidance:g}. "
            "Give both, such as --reference particle.safetensors --guidance 0.4, or "
            "none."
        )
        raise ConfigError(msg)
    if settings.reference is None:
        return None
    if settings.estimate != "mean":
        msg = (
            f"A reference guides the mean, but estimate is {settings.estimate}. Leave "
            "out --estimate, or the reference."
        )
        raise ConfigError(msg)
    if settings.uncertainty:
        msg = (
            "uncertainty is that of the model alone, and would be wrong for an image "
            "that a reference has guided. Leave out --uncertainty, or the reference."
        )
        raise ConfigError(msg)
    reference = load_reference(Path(settings.reference))
    resolution = settings.guidance_resolution or reference.card.resolution
    if resolution < reference.card.resolution:
        msg = (
            f"guidance_resolution is {resolution:g} Å, but the reference holds no "
            f"detail finer than {reference.card.resolution:g} Å. Make it again with a "
            "finer --resolution, or leave guidance_resolution out."
        )
        raise ConfigError(msg)
    guidance = Guidance(
        views=reference.views,
        resolution=resolution,
        strength=settings.guidance,
        empty=settings.guidance_empty,
    )
    return Target(card=reference.card, sha256=reference.sha256, guidance=guidance)
