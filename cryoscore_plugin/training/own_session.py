"""The micrographs of a session: which to use, which to keep out, and their spectra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cryoscore_plugin.checkpoint import ModelCard
from cryoscore_plugin.denoiser import Denoiser
from cryoscore_plugin.errors import InputError, MicrographError
from cryoscore_plugin.inference.posterior_mean import posterior_mean
from cryoscore_plugin.noise_model import estimate_noise_model
from cryoscore_plugin.settings import TrainSettings
from cryoscore_plugin.spectrum import ring_frequencies
from cryoscore_plugin.target import Target
from cryoscore_plugin.training.monitor import TrainingMonitor
from cryoscore_plugin.training.own_batches import OwnData, crop_side
from cryoscore_plugin.training.own_micrographs import OwnMicrograph, read_own
from cryoscore_plugin.training.recorruption import (
    FREQUENCIES,
    Profile,
    SessionSpectra,
    drawn_power,
    kept_profile,
    mean_profile,
    radial_profile,
)
from cryoscore_plugin.training.sources import TrainingSource
from cryoscore_plugin.training.target_guidance import (
    TargetGuidance,
    check_room,
    searched_micrograph,
)

MOST_HELD_OUT = 8
SPECTRA_FROM = 16
"""Most micrographs that are held out, and that spectra are averaged over."""


def choose_sources(
    sources: Sequence[TrainingSource], settings: TrainSettings, monitor: TrainingMonitor
) -> list[TrainingSource]:
    """Micrographs to use: those with halves, if there are enough; spread evenly.

    Parameters
    ----------
    sources : Sequence[TrainingSource]
        All that were given.
    settings : TrainSettings
        How many to use.
    monitor : TrainingMonitor
        Is told what was chosen.
    """
    chosen = selected_sources(sources, settings.micrographs)
    halved = sum(bool(source.halves) for source in sources)
    with_halves = halved >= 2
    if with_halves and halved < len(sources):
        monitor.on_message(
            f"{len(sources) - halved} of {len(sources)} micrographs are left out, "
            "because they have no halves as the others have."
        )
    how = "odd and even frames" if with_halves else "single images, without halves"
    monitor.on_message(f"Learning from {len(chosen)} micrographs: {how}.")
    return chosen


def selected_sources(
    sources: Sequence[TrainingSource], count: int
) -> list[TrainingSource]:
    """Micrographs with halves, or all if less than two have them; spread evenly.

    Parameters
    ----------
    sources : Sequence[TrainingSource]
        All that were given.
    count : int
        How many to take at most.
    """
    halved = [source for source in sources if source.halves]
    used = sources if len(halved) < 2 else halved
    return [used[place] for place in spread(len(used), count)]


def independent_sources(
    sources: Sequence[TrainingSource], target: Target | None, monitor: TrainingMonitor
) -> list[TrainingSource]:
    """Those that a reference was not made from; the others are named.

    Parameters
    ----------
    sources : Sequence[TrainingSource]
        All that were given.
    target : Target or None
        The reference; None leaves out nothing.
    monitor : TrainingMonitor
        Is told what is left out.
    """
    kept = []
    for source in sources:
        try:
            if target is not None:
                target.card.refuse_own(source.path)
        except MicrographError as error:
            monitor.on_message(f"Left out: {source.path}: {error}")
        else:
            kept.append(source)
    return kept


def own_data(
    sources: Sequence[TrainingSource],
    settings: TrainSettings,
    card: ModelCard,
    denoiser: Denoiser,
    monitor: TrainingMonitor,
) -> OwnData:
    """Read all, keep some out, and measure spectra on the others.

    Parameters
    ----------
    sources : Sequence[TrainingSource]
        What `choose_sources` chose.
    settings : TrainSettings
        How to read them, and what to do with the background.
    card : ModelCard
        Of the model that training starts from.
    denoiser : Denoiser
        This model.
    monitor : TrainingMonitor
        Is told what cannot be read.

    Raises
    ------
    InputError
        If fewer than two micrographs can be read.
    """
    micrographs = _read(sources, settings, card, monitor)
    held = set(
        spread(len(micrographs), min(MOST_HELD_OUT, max(1, len(micrographs) // 4)))
    )
    seen = [one for place, one in enumerate(micrographs) if place not in held]
    spectra = session_spectra(
        [seen[k] for k in spread(len(seen), SPECTRA_FROM)], denoiser
    )
    return OwnData(
        seen=seen,
        held_out=[micrographs[place] for place in sorted(held)],
        drawn=drawn_power(
            spectra,
            background_share=background_share(settings, card),
            with_halves=micrographs[0].corruption is not None,
        ),
    )


def guided_data(
    data: OwnData,
    settings: TrainSettings,
    target: Target | None,
    denoiser: Denoiser,
    monitor: TrainingMonitor,
) -> OwnData:
    """The same data, a part of whose pairs are guided by a known particle.

    Parameters
    ----------
    data : OwnData
        Of `own_data`.
    settings : TrainSettings
        Which part, and in which form.
    target : Target or None
        The particle; None changes nothing.
    denoiser : Denoiser
        The model that training starts from.
    monitor : TrainingMonitor
        Is told what guides.

    Raises
    ------
    InputError
        If empty pieces are wanted and there are none.
    MicrographError
        If the reference is finer than a micrograph.
    """
    if target is None:
        return data
    monitor.on_message(
        f"A share of {settings.guidance_share:g} of the pairs is {target.description}."
    )
    side = crop_side(data.seen, denoiser.network.grid)
    searched = []
    for one in data.seen:
        try:
            found = searched_micrograph(
                one,
                target.guidance,
                local_mean=denoiser.local_mean,
                drawn=data.drawn,
                side=side,
            )
        except MicrographError as error:
            msg = f"{one.source.path}: {error}"
            raise MicrographError(msg) from error
        searched.append(found)
    guidance = TargetGuidance(
        guidance=target.guidance,
        matching=settings.guidance_matching,
        share=settings.guidance_share,
        searched=searched,
    )
    check_room(guidance, side=side)
    return replace(data, target=guidance)


def background_share(settings: TrainSettings, card: ModelCard) -> float:
    """Part of the background that counts as noise; by the first model, if not given."""
    if settings.background_share is not None:
        return settings.background_share
    return 1.0 if card.background == "removed" else 0.0


def spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` of `count` places, evenly spread."""
    few = min(count, wanted)
    return [int((number + 0.5) * count / few) for number in range(few)]


def _read(
    sources: Sequence[TrainingSource],
    settings: TrainSettings,
    card: ModelCard,
    monitor: TrainingMonitor,
) -> list[OwnMicrograph]:
    """The micrographs that can be read; the others are named.

    Raises
    ------
    InputError
        If fewer than two can be.
    """
    read = []
    for source in sources:
        try:
            read.append(read_own(source, card, pixel_size=settings.pixel_size))
        except MicrographError as error:
            monitor.on_message(f"Left out: {error}")
    if len(read) < 2:
        msg = (
            "At least 2 micrographs are needed, one to learn from and one to judge by, "
            f"but {len(read)} of {len(sources)} can be used. Give more."
        )
        raise InputError(msg)
    return read


def session_spectra(
    micrographs: Sequence[OwnMicrograph], denoiser: Denoiser
) -> SessionSpectra:
    """Mean spectra of micrographs, of their noise, and of what a model keeps.

    Parameters
    ----------
    micrographs : Sequence[OwnMicrograph]
        Of the session.
    denoiser : Denoiser
        The model.
    """
    total, noise, kept = [], [], []
    for one in micrographs:
        noisy = one.noisy.float()
        on_device = noisy.to(denoiser.engine.device)
        output = posterior_mean(denoiser.network, on_device, denoiser.engine)
        total.append(radial_profile(noisy))
        noise.append(_noise_profile(one))
        kept.append(kept_profile(noisy, output.cpu()))
    return SessionSpectra(
        total=mean_profile(total), noise=mean_profile(noise), kept=mean_profile(kept)
    )


def _noise_profile(micrograph: OwnMicrograph) -> Profile:
    if micrograph.corruption is not None:
        return radial_profile(micrograph.corruption.float())
    noisy = micrograph.noisy.float()
    h, w = noisy.shape
    rings = estimate_noise_model(noisy).spectrum.numpy()
    profile: Profile = np.interp(FREQUENCIES, ring_frequencies((h, w)).numpy(), rings)
    return profile
