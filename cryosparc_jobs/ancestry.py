"""Where an output comes from: the jobs behind it, as CryoSPARC has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryosparc_jobs.source import Source

IMPORTED = frozenset({"import_volumes", "import_templates"})
"""Types of jobs that bring maps or class averages from outside."""


@dataclass(frozen=True, kw_only=True)
class Parent:
    """An output that a job took in.

    Attributes
    ----------
    kind : str
        Of the input, such as "particle".
    source : Source
        The output.
    """

    kind: str
    source: Source


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A job, as far as its origin goes.

    Attributes
    ----------
    type : str
        In CryoSPARC's word, such as "homo_abinit".
    parents : tuple[Parent, ...]
        What it took in, by whole outputs and by single results of them.
    """

    type: str
    parents: tuple[Parent, ...]


def record_of(handle: Any, *, is_v5: bool) -> JobRecord:  # noqa: ANN401  untyped client
    """What the client knows of a job.

    Parameters
    ----------
    handle : object
        The client's object for the job.
    is_v5 : bool
        Whether the client is of version 5 or later.
    """
    parents = _parents_v5(handle) if is_v5 else _parents_v4(handle)
    return JobRecord(type=str(handle.type), parents=tuple(dict.fromkeys(parents)))


def _parents_v5(handle: Any) -> Iterator[Parent]:  # noqa: ANN401  untyped client
    for made in handle.inputs.values():
        for one in made.connections:
            yield _parent(made.type, one.job_uid, one.output)
            for result in one.results:
                yield _parent(made.type, result.job_uid, result.output)


def _parents_v4(handle: Any) -> Iterator[Parent]:  # noqa: ANN401  untyped client
    for group in handle.doc["input_slot_groups"]:
        for one in group["connections"]:
            yield _parent(group["type"], one["job_uid"], one["group_name"])
            for slot in one["slots"]:
                yield _parent(group["type"], slot["job_uid"], slot["group_name"])


def _parent(kind: str, job: str, output: str) -> Parent:
    return Parent(kind=kind, source=Source(job=job, output=output))


def ancestors(job: str, look_up: Callable[[str], JobRecord]) -> dict[str, JobRecord]:
    """A job and all jobs behind it.

    Parameters
    ----------
    job : str
        Such as `J55`.
    look_up : Callable
        Gives the record of a job.
    """
    found: dict[str, JobRecord] = {}
    waiting = [job]
    while waiting:
        uid = waiting.pop()
        if uid not in found:
            found[uid] = look_up(uid)
            waiting += [parent.source.job for parent in found[uid].parents]
    return found


def jobs_with_data(records: Mapping[str, JobRecord]) -> set[str]:
    """Jobs behind which there is more than an import of maps.

    Parameters
    ----------
    records : Mapping[str, JobRecord]
        Of `ancestors`: with each job all that are behind it.
    """
    first = {uid for uid, one in records.items() if not one.parents}
    found = {uid for uid in first if records[uid].type not in IMPORTED}
    while True:
        more = {
            uid
            for uid, one in records.items()
            if uid not in found
            and any(parent.source.job in found for parent in one.parents)
        }
        if not more:
            return found
        found |= more


def particles_behind(
    volume: Source, records: Mapping[str, JobRecord]
) -> list[Source] | None:
    """The particles that a volume was made from, and the volumes that it began with.

    Parameters
    ----------
    volume : Source
        The volume.
    records : Mapping[str, JobRecord]
        Of `ancestors`.

    Returns
    -------
    particles : list[Source] or None
        Outputs with particles; None if something went in that shows none.
    """
    found: dict[Source, None] = {}
    seen: set[str] = set()
    waiting = [volume.job]
    while waiting:
        uid = waiting.pop()
        if uid in seen:
            continue
        seen.add(uid)
        record = records[uid]
        if not record.parents and record.type not in IMPORTED:
            return None
        for parent in record.parents:
            if parent.kind == "particle":
                found[parent.source] = None
            elif parent.kind == "exposure":
                return None
            else:
                waiting.append(parent.source.job)
    return list(found)
