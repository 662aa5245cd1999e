"""How independent a volume is of the micrographs that it shall guide: its tier.

The tier is not asked for, but read from the jobs behind the volume (`ancestry`) and from
the particles that went into it, which know the `uid` of their micrograph:

- only imports of maps are behind it: R2, external;
- data of this project are behind it, but none of these micrographs: R3, which warns;
- these very micrographs are behind it, or that cannot be ruled out: R4, refused.

An import can hide where its map is from, and a micrograph that was imported twice has
two uids: what a user knows beyond that, `cryoscore reference --tier` can say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cryoscore_plugin.errors import InputError
from cryosparc_jobs.ancestry import (
    JobRecord,
    ancestors,
    jobs_with_data,
    particles_behind,
)
from cryosparc_jobs.exposures import RAW
from cryosparc_jobs.projects import Project
from cryosparc_jobs.source import Source

_ADVICE = (
    "Make a volume from one half of the exposures (Exposure Sets Tool), and guide the "
    "other half with it; or take a map or an atomic model from other data, with "
    "`cryoscore reference` and --reference."
)


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where a volume is from.

    Attributes
    ----------
    tier : {"R2", "R3"}
        How independent it is.
    reason : str
        Why, in a clause for the event log.
    """

    tier: Literal["R2", "R3"]
    reason: str


def lineage_of(project: Project, volume: Source, source: Source) -> Lineage:
    """Find out how independent a volume is of exposures.

    Parameters
    ----------
    project : Project
        Where both are.
    volume, source : Source
        The volume, and the exposures that it shall guide.

    Raises
    ------
    InputError
        If it was made from these exposures, or nobody can say that it was not.
    """
    behind_volume = _ancestors(project, volume)
    with_data = jobs_with_data(behind_volume)
    if not with_data:
        return Lineage(tier="R2", reason="only imports of maps are behind it")
    own = project.numbers(source, RAW, "uid")
    used = _micrographs_of(project, particles_behind(volume, behind_volume))
    if own is not None and used is not None:
        if own & used:
            msg = (
                f"{volume} was made from {len(own & used)} of the {len(own)} micrographs "
                f"of {source} (R4), and would find itself in them. {_ADVICE}"
            )
            raise InputError(msg)
        reason = "it is made from other micrographs of this project"
        return Lineage(tier="R3", reason=reason)
    if shared := sorted(with_data & set(_ancestors(project, source))):
        msg = (
            f"{volume} and {source} both come from {shared[0]}, and it is not known "
            f"which micrographs made the volume: it may be these (R4). {_ADVICE}"
        )
        raise InputError(msg)
    reason = (
        "data of this project are behind it, and no job that is behind the exposures"
    )
    return Lineage(tier="R3", reason=reason)


def _ancestors(project: Project, output: Source) -> dict[str, JobRecord]:
    try:
        return ancestors(output.job, project.record)
    except InputError as error:
        msg = (
            f"The jobs behind {output} should tell what it was made from, but one "
            f"cannot be looked at: {error} {_ADVICE}"
        )
        raise InputError(msg) from error


def _micrographs_of(
    project: Project, particles: list[Source] | None
) -> set[int] | None:
    """Uids of the micrographs that particles lie in; None if not all of them say."""
    found: set[int] = set()
    for output in particles or ():
        uids = project.numbers(output, "location", "location/micrograph_uid")
        if uids is None:
            return None
        found |= uids
    return None if particles is None else found
