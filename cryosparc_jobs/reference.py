"""A volume of the project as the reference that guides a job.

The views are made anew unless an earlier run of the job made them of the same map, so
that a job which goes on does nothing twice. The reference lies in the folder of the job.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryoscore_plugin.errors import ConfigError, InputError, MicrographError
from cryoscore_plugin.guidance.card import (
    DOUBTS,
    RESOLUTION,
    VIEWS,
    ReferenceCard,
    checked_card,
    words,
)
from cryoscore_plugin.guidance.reference import (
    hash_of_source,
    load_reference,
    save_reference,
)
from cryoscore_plugin.guidance.sources import ViewSettings, read_views
from cryoscore_plugin.settings import DenoiseSettings
from cryosparc_jobs.card import VOLUME_INPUT
from cryosparc_jobs.exposures import project_path
from cryosparc_jobs.external_job import ExternalJob
from cryosparc_jobs.lineage import lineage_of
from cryosparc_jobs.places import Place
from cryosparc_jobs.projects import Project
from cryosparc_jobs.request import Request

MAP = "map"
"""Slot of a volume."""

FILE = "reference.safetensors"
"""Name of the reference, in the folder of the job."""


def reference_facts(
    project: Project, request: Request, settings: DenoiseSettings
) -> dict[str, Any]:
    """What is known of the reference before the job is made; empty without one.

    Parameters
    ----------
    project : Project
        Where the volume is.
    request : Request
        Which volume, and which exposures.
    settings : DenoiseSettings
        Reference and guidance.

    Raises
    ------
    ConfigError
        If the settings contradict the volume.
    InputError
        If there is no such volume, or it was made from these exposures.
    """
    volume = request.reference_volume
    if volume is None:
        return {}
    if settings.reference is not None or not settings.guidance:
        msg = (
            "A reference volume needs a guidance of more than 0, and no other "
            f"reference, but guidance is {settings.guidance:g} and reference is "
            f"{settings.reference}. Give --guidance 0.4, for example, and one reference."
        )
        raise ConfigError(msg)
    project.check_output(volume, "volume", MAP)
    lineage = lineage_of(project, volume, request.source)
    return {"volume": str(volume), "tier": lineage.tier, "reason": lineage.reason}


def with_reference(
    job: ExternalJob, place: Place, settings: DenoiseSettings, known: dict[str, Any]
) -> DenoiseSettings:
    """Make the reference of a job, and tell of it.

    Parameters
    ----------
    job : ExternalJob
        The job, which runs.
    place : Place
        Where its files are.
    settings : DenoiseSettings
        How it denoises.
    known : dict[str, Any]
        Of `reference_facts`; card and hash are added.

    Returns
    -------
    settings : DenoiseSettings
        With the reference.

    Raises
    ------
    InputError
        If the volume cannot be read, or is of no use.
    ConfigError
        If a reference that the settings name cannot be read.
    """
    if known:
        path = _of_volume(job, place, settings, known)
        settings = settings.model_copy(update={"reference": str(path)})
    if settings.reference is None:
        return settings
    reference = load_reference(Path(settings.reference))
    known |= {
        "sha256": reference.sha256,
        "card": reference.card.model_dump(mode="json"),
    }
    origin = (
        f" It is {known['volume']}: {known['reason']}." if "volume" in known else ""
    )
    doubt = DOUBTS.get(reference.card.tier)
    job.events.log(
        f"Guided with strength {settings.guidance:g} by "
        f"{words(reference.card, reference.sha256)}.{origin}"
        + (f" Mind that {doubt}." if doubt else ""),
        level="warning" if doubt else "text",
    )
    return settings


def _of_volume(
    job: ExternalJob, place: Place, settings: DenoiseSettings, known: dict[str, Any]
) -> Path:
    """The reference that is made of the volume which is connected."""
    rows = job.inputs.load(VOLUME_INPUT)
    stored = project_path(rows[f"{MAP}/path"][0])
    try:
        place.fetch(stored)
    except MicrographError as error:
        raise InputError(str(error)) from error
    source, path = place.raw(stored), place.own(FILE)
    facts = {
        "name": str(known["volume"]).replace(":", "-")[:20],
        "tier": known["tier"],
        "kind": "map",
        "resolution": min(settings.guidance_resolution or RESOLUTION, RESOLUTION),
        "sources": hash_of_source(source),
    }
    if not _is_made(path, facts):
        view_settings = ViewSettings(
            resolution=float(str(facts["resolution"])),
            count=VIEWS,
            pixel_size=float(rows[f"{MAP}/psize_A"][0]) or None,
        )
        try:
            views = read_views(source, view_settings)
        except MicrographError as error:
            raise InputError(str(error)) from error
        card = checked_card(pixel_size=views.pixel_size, **facts)
        save_reference(path, views, card)
    place.deliver(path)
    return path


def _is_made(path: Path, facts: dict[str, object]) -> bool:
    """Whether an earlier run made this reference of the same map."""
    try:
        card: ReferenceCard = load_reference(path).card
    except ConfigError:
        return False
    return card.model_dump(include=set(facts)) == facts
