"""RELION is told of the output table with the type that it gave the input table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from relion_wrappers.output_nodes import announce_micrographs, announce_picks

INPUT = "CtfFind/job003/micrographs_ctf.star"
OUTPUT = "External/job012/denoised_micrographs.star"

EXPECTED = {
    "3.1": ["_rlnPipeLineNodeName #1", "_rlnPipeLineNodeType #2", f"{OUTPUT} 1"],
    "4.0": [
        "_rlnPipeLineNodeName #1",
        "_rlnPipeLineNodeTypeLabel #2",
        f"{OUTPUT} MicrographsData.star.relion",
    ],
    "5.0": [
        "_rlnPipeLineNodeName #1",
        "_rlnPipeLineNodeTypeLabel #2",
        "_rlnPipeLineNodeTypeLabelDepth #3",
        f"{OUTPUT} MicrographGroupMetadata.star.relion 1",
    ],
}


def lines_of(folder: Path) -> list[str]:
    lines = (folder / "RELION_OUTPUT_NODES.star").read_text().splitlines()
    return [" ".join(line.split()) for line in lines if line.strip()]


@pytest.mark.parametrize("version", ["3.1", "4.0", "5.0"])
def test_type_is_copied_from_the_input(
    start_job: Callable[..., Path], version: str
) -> None:
    folder = start_job(version)
    announce_micrographs(folder, OUTPUT, like=INPUT)
    number = "50001" if version == "5.0" else "30001"
    assert lines_of(folder) == [
        f"# version {number}",
        "data_output_nodes",
        "loop_",
        *EXPECTED[version],
    ]


def test_type_with_a_keyword_of_the_input_is_copied_whole(
    start_job: Callable[..., Path],
) -> None:
    folder = start_job("5.0")
    pipeline = folder / "job_pipeline.star"
    text = pipeline.read_text().replace("a.star.relion 1", "a.star.relion.ctf 2")
    pipeline.write_text(text)
    announce_micrographs(folder, OUTPUT, like=INPUT)
    assert lines_of(folder)[-1] == f"{OUTPUT} MicrographGroupMetadata.star.relion.ctf 2"


@pytest.mark.parametrize(
    ("version", "row"),
    [
        ("3.1", "External/job012/logfile.pdf 13"),
        ("4.0", "External/job012/logfile.pdf LogFile.pdf.relion"),
        ("5.0", "External/job012/logfile.pdf LogFile.pdf.relion 1"),
    ],
)
def test_pages_stand_beside_the_table_with_a_type_of_their_own(
    start_job: Callable[..., Path], version: str, row: str
) -> None:
    folder = start_job(version)
    announce_micrographs(folder, OUTPUT, like=INPUT, with_pages=True)
    assert lines_of(folder)[3:] == [*EXPECTED[version], row]


@pytest.mark.parametrize("version", ["3.1", "4.0", "5.0"])
@pytest.mark.parametrize("damage", ["other input", "no pipeline", "garbage"])
def test_type_fits_the_version_where_the_input_is_not_listed(
    start_job: Callable[..., Path], version: str, damage: str
) -> None:
    folder = start_job(version, node="x.star" if damage == "other input" else INPUT)
    if damage == "no pipeline":
        (folder / "job_pipeline.star").unlink()
    if damage == "garbage":
        (folder / "job_pipeline.star").write_text("nothing\n")
    announce_micrographs(folder, OUTPUT, like=INPUT)
    assert lines_of(folder)[3:] == EXPECTED[version]


def test_folder_that_no_relion_made_gets_no_file(tmp_path: Path) -> None:
    announce_micrographs(tmp_path, OUTPUT, like=INPUT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("3.1", "2"),
        ("4.0", "MicrographsCoords.star.relion"),
        ("5.0", "MicrographCoordsGroup.star.relion 1"),
    ],
)
def test_picks_have_a_type_of_their_own_where_the_input_is_not_listed(
    start_job: Callable[..., Path], version: str, kind: str
) -> None:
    folder = start_job(version)
    announce_picks(folder, "External/job012/coords_on_raw.star", like="x.star")
    assert lines_of(folder)[-1] == f"External/job012/coords_on_raw.star {kind}"
