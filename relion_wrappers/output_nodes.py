"""Tell RELION which file a job has made, in the words of that RELION.

The type of a file is an integer in RELION 3.1, one word in 4 and another in 5, and a
job with the wrong one is not offered as an input. But the job's input is listed in
`job_pipeline.star` with the type that this RELION understands, and what comes out is
of the same kind: micrographs from micrographs, picks from picks. So the type is copied
from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cryoscore_plugin.errors import InputError
from relion_wrappers.project import RelionStyle, relion_style
from relion_wrappers.star_file import StarFile, read_star, write_star

if TYPE_CHECKING:
    import pandas as pd

NODES_FILE = "RELION_OUTPUT_NODES.star"

LOGFILE = "logfile.pdf"
"""The name under which RELION's own jobs write pages to look at."""

_MICROGRAPHS = {
    RelionStyle.V3: {"rlnPipeLineNodeType": "1"},
    RelionStyle.V4: {"rlnPipeLineNodeTypeLabel": "MicrographsData.star.relion"},
    RelionStyle.V5: {
        "rlnPipeLineNodeTypeLabel": "MicrographGroupMetadata.star.relion",
        "rlnPipeLineNodeTypeLabelDepth": "1",
    },
}
"""Type columns of a table of micrographs, where the input's cannot be copied."""

_PICKS = {
    RelionStyle.V3: {"rlnPipeLineNodeType": "2"},
    RelionStyle.V4: {"rlnPipeLineNodeTypeLabel": "MicrographsCoords.star.relion"},
    RelionStyle.V5: {
        "rlnPipeLineNodeTypeLabel": "MicrographCoordsGroup.star.relion",
        "rlnPipeLineNodeTypeLabelDepth": "1",
    },
}
"""Type columns of a list of picks, likewise."""

_PAGES = {
    "rlnPipeLineNodeType": "13",
    "rlnPipeLineNodeTypeLabel": "LogFile.pdf.relion",
    "rlnPipeLineNodeTypeLabelDepth": "1",
}
"""Type of pages, in whichever of these columns a RELION has."""


def announce_micrographs(
    job_folder: Path, table: str, *, like: str, with_pages: bool = False
) -> None:
    """Write `RELION_OUTPUT_NODES.star`, so that RELION offers a table as input.

    A folder that no RELION made gets no such file.

    Parameters
    ----------
    job_folder : Path
        The folder given by `--o`.
    table : str
        The table of micrographs that the job makes, relative to the project.
    like : str
        The input table, as RELION wrote it on the command line.
    with_pages : bool
        Whether the job makes `logfile.pdf` beside the table.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    pages = [str(PurePosixPath(table).with_name(LOGFILE))] if with_pages else []
    _announce(job_folder, table, like=like, otherwise=_MICROGRAPHS, pages=pages)


def announce_pages(job_folder: Path, pages: str) -> None:
    """Write `RELION_OUTPUT_NODES.star`, so that RELION shows pages in its lists.

    A folder that no RELION made gets no such file.

    Parameters
    ----------
    job_folder : Path
        The folder given by `--o`.
    pages : str
        The pages that the job makes, relative to the project.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    style = relion_style(job_folder)
    if style is not None:
        _write_nodes(job_folder, [(pages, _pages_kind(_MICROGRAPHS[style]))])


def announce_picks(job_folder: Path, picks: str, *, like: str) -> None:
    """Write `RELION_OUTPUT_NODES.star`, so that RELION offers picks as input.

    A folder that no RELION made gets no such file.

    Parameters
    ----------
    job_folder : Path
        The folder given by `--o`.
    picks : str
        The list of picks that the job makes, relative to the project.
    like : str
        The input picks, as RELION wrote them on the command line.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    _announce(job_folder, picks, like=like, otherwise=_PICKS)


def _announce(
    job_folder: Path,
    output: str,
    *,
    like: str,
    otherwise: Mapping[RelionStyle, dict[str, str]],
    pages: Sequence[str] = (),
) -> None:
    kind = _kind_of_input(job_folder / "job_pipeline.star", like)
    style = relion_style(job_folder)
    if kind is None and style is not None:
        kind = otherwise[style]
    if kind is None:
        return
    rows = [(output, kind), *((name, _pages_kind(kind)) for name in pages)]
    _write_nodes(job_folder, rows)


def _pages_kind(like: Mapping[str, str]) -> dict[str, str]:
    """Type columns of pages, the same ones as of another file."""
    return {column: _PAGES.get(column, "") for column in like}


def _write_nodes(
    job_folder: Path, rows: Sequence[tuple[str, Mapping[str, str]]]
) -> None:
    import pandas as pd  # noqa: PLC0415  half a second, only in a RELION job

    is_five = relion_style(job_folder) is RelionStyle.V5
    version = "version 50001" if is_five else "version 30001"
    nodes = pd.DataFrame([{"rlnPipeLineNodeName": name, **row} for name, row in rows])
    write_star(
        job_folder / NODES_FILE,
        StarFile(blocks={"output_nodes": nodes}, version=version),
    )


def _kind_of_input(pipeline: Path, node: str) -> dict[str, str] | None:
    """Type columns of a node; None where the file does not list it."""
    try:
        nodes = read_star(pipeline).blocks.get("pipeline_nodes")
    except InputError:
        return None  # Not started by RELION, or by one that writes another file.
    if nodes is None or isinstance(nodes, dict):
        return None
    return _row_of(nodes, node)


def _row_of(nodes: pd.DataFrame, node: str) -> dict[str, str] | None:
    if "rlnPipeLineNodeName" not in nodes:
        return None
    for row in nodes.to_dict("records"):
        if row.pop("rlnPipeLineNodeName") == node:
            return {str(label): str(value) for label, value in row.items()}
    return None
