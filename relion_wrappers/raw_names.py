"""From the name of a denoised micrograph to that of the raw one.

The denoise job writes both names into its table, in the columns `rlnMicrographName`
and `rlnMicrographNameRaw`. Tables that RELION makes of it, such as a selection, keep
the second column. So it is looked for in the table that the user gave, in what the
picking job was given, and in the table of the job that wrote the denoised file.

Extract wants names exactly as they are in its own table of raw micrographs. If that is
given, names are taken from there; one that is spelt differently is found by what
RELION would make of it, `Movies/a` of `MotionCorr/job002/Movies/a.mrc`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from cryoscore_plugin.errors import InputError
from relion_wrappers.micrographs_star import (
    DENOISED_TABLE,
    RAW_NAME,
    MicrographsStar,
    read_micrographs,
)
from relion_wrappers.project import micrograph_key


def recorded_raw_names(
    names: Sequence[str], tables: Sequence[MicrographsStar], *, coords: str
) -> dict[str, str]:
    """Raw names that a denoise job has recorded.

    Parameters
    ----------
    names : Sequence[str]
        Denoised micrographs, as the picks name them.
    tables : Sequence[MicrographsStar]
        Tables to look into first.
    coords : str
        List of picks, as RELION wrote it; the inputs of its job are looked into.

    Returns
    -------
    raw_names : dict[str, str]
        Raw name by denoised name, of all micrographs in the tables that were needed.
    """
    recorded: dict[str, str] = {}
    for table in tables:
        recorded = _records(table) | recorded
    for path in chain(_inputs_of_job(Path(coords).parent), _job_tables(names)):
        if all(name in recorded for name in names):
            break
        recorded = _records(table_or_none(path)) | recorded
    return recorded


def names_as_listed(
    names: Sequence[str], recorded: Mapping[str, str], listed: Sequence[str]
) -> dict[str, str]:
    """Raw names spelt as in the table from which particles are extracted.

    Parameters
    ----------
    names : Sequence[str]
        Micrographs, as the picks name them.
    recorded : Mapping[str, str]
        Raw name by denoised name, as far as they are recorded.
    listed : Sequence[str]
        The raw micrographs of that table.

    Returns
    -------
    raw_names : dict[str, str]
        Raw name by the name in the picks. A name that is neither recorded nor listed
        is left out; one that is recorded, but not listed, stays as recorded.
    """
    exact = set(listed)
    by_key: dict[object, list[str]] = {}
    for raw in listed:
        by_key.setdefault(micrograph_key(raw), []).append(raw)
    found: dict[str, str] = {}
    for name in names:
        raw = recorded.get(name, name)
        alike = by_key.get(micrograph_key(raw), [])
        if raw in exact:
            found[name] = raw
        elif len(alike) == 1:  # Of two, RELION itself could not tell which is meant.
            found[name] = alike[0]
        elif name in recorded:
            found[name] = raw
    return found


def names_as_recorded(
    names: Sequence[str], recorded: Mapping[str, str]
) -> dict[str, str]:
    """Raw names where no table of raw micrographs was given.

    Parameters
    ----------
    names : Sequence[str]
        Micrographs, as the picks name them.
    recorded : Mapping[str, str]
        Raw name by denoised name.

    Returns
    -------
    raw_names : dict[str, str]
        Raw name by the name in the picks. Picks on what is recorded as raw stay there;
        a name that is not recorded at all is left out.
    """
    raw = set(recorded.values())
    return {
        name: recorded.get(name, name)
        for name in names
        if name in recorded or name in raw
    }


def lists_denoised(table: MicrographsStar) -> bool:
    """Whether a table is one of denoised micrographs, with the raw names beside.

    Parameters
    ----------
    table : MicrographsStar
        The table.
    """
    return RAW_NAME in table.table


def _records(table: MicrographsStar | None) -> dict[str, str]:
    if table is None or not lists_denoised(table):
        return {}
    return dict(zip(table.names, map(str, table.table[RAW_NAME]), strict=True))


def table_or_none(path: Path) -> MicrographsStar | None:
    """A table of micrographs that may be missing, and may be something else.

    Parameters
    ----------
    path : Path
        The file.
    """
    try:
        return read_micrographs(path)
    except InputError:
        return None


def _inputs_of_job(folder: Path) -> list[Path]:
    """STAR files that RELION gave to a job."""
    # starfile brings pandas: half a second that wrong options save.
    from relion_wrappers.star_file import read_star  # noqa: PLC0415

    try:
        pipeline = read_star(folder / "job_pipeline.star")
    except InputError:
        return []  # No RELION made it, or it had no input.
    edges = pipeline.blocks.get("pipeline_input_edges", {})
    label = "rlnPipeLineEdgeFromNode"
    if isinstance(edges, dict) or label not in edges:
        return []
    return [Path(node) for node in edges[label] if str(node).endswith(".star")]


def _job_tables(names: Sequence[str]) -> Iterator[Path]:
    """Tables of the jobs that may have written these files, nearest folder first."""
    folders = dict.fromkeys(folder for name in names for folder in Path(name).parents)
    for folder in folders:
        if (folder / DENOISED_TABLE).is_file():
            yield folder / DENOISED_TABLE
