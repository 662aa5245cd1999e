"""Picks on denoised micrographs become picks on raw ones, in files of each RELION."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import click
import mrcfile
import numpy as np
import pytest
from click.testing import CliRunner, Result

from cryoscore_plugin.cli import cryoscore
from relion_wrappers import cli, restore_picks
from relion_wrappers.micrographs_star import denoised_star, read_micrographs
from relion_wrappers.star_file import read_star, write_star

JOB = Path("External/job012")
RAW = "CtfFind/job003/micrographs_ctf.star"
DENOISED = "External/job005/denoised_micrographs.star"
RAW_A, RAW_B = "MotionCorr/job002/Movies/a.mrc", "MotionCorr/job002/Movies/b.mrc"
A, B = "External/job005/Movies/a.mrc", "External/job005/Movies/b.mrc"
LABEL = "cryoscore 0.1.0 denoised, model particle 0123456789ab"

COORDINATES = """\

# version 30001

data_

loop_ 
_rlnCoordinateX #1 
_rlnCoordinateY #2 
_rlnAutopickFigureOfMerit #3 
_rlnClassNumber #4 
_rlnAnglePsi #5 
   74.105263    87.578947     0.859277            0     0.000000 
"""

LIST = """\

# version {version}

data_coordinate_files

loop_ 
_rlnMicrographName #1 
_rlnMicrographCoordinates #2 
External/job005/Movies/a.mrc AutoPick/job006/Movies/a_{kind}.star 
External/job005/Movies/b.mrc AutoPick/job006/Movies/b_{kind}.star 
 
"""

NODE = {
    "3.1": ("1 \n", "2 \n"),
    "4.0": ("MicrographsData.star.relion", "MicrographsCoords.star.relion.autopick"),
    "5.0": (
        "MicrographGroupMetadata.star.relion 1",
        "MicrographCoordsGroup.star.relion.autopick 1",
    ),
}

PIPELINE_OF_AUTOPICK = """\

# version 30001

data_pipeline_input_edges

loop_ 
_rlnPipeLineEdgeFromNode #1 
_rlnPipeLineEdgeProcess #2 
{table} AutoPick/job006/ 
 
"""


def write_image(
    name: str, label: str = "", side: int = 64, pixel_size: float = 1.5
) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(np.ones((side, side), np.float32))
        file.voxel_size = pixel_size
        if label:
            file.add_label(label)


def announce_input(version: str, node: str) -> None:
    """Let RELION list the picks as an input of the job."""
    before, after = NODE[version]
    pipeline = JOB / "job_pipeline.star"
    text = pipeline.read_text()
    assert f"{node} {before}" in text
    pipeline.write_text(text.replace(f"{node} {before}", f"{node} {after}"))


def write_coordinates(kind: str, names: str = "ab") -> None:
    for name in names:
        path = Path(f"AutoPick/job006/Movies/{name}_{kind}.star")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(COORDINATES)


@pytest.fixture
def denoise(start_job: Callable[..., Path]) -> Callable[..., None]:
    """Leave a project in which `External/job005` has denoised two micrographs."""

    def leave(version: str, picks: str) -> None:
        start_job(version, node=picks)
        announce_input(version, picks)
        raw = read_micrographs(Path(RAW))
        for name, denoised in ((RAW_A, A), (RAW_B, B)):
            write_image(name)
            write_image(denoised, LABEL)
        table = denoised_star(raw, {RAW_A: A, RAW_B: B})
        write_star(Path(DENOISED), table)

    return leave


@pytest.fixture
def picked(denoise: Callable[..., None]) -> Callable[..., str]:
    """Leave picks on both in the manner of a RELION; return the file that has them."""

    def leave(version: str, kind: str = "autopick") -> str:
        if version == "3.1":
            picks = f"AutoPick/job006/coords_suffix_{kind}.star"
            text = f"{DENOISED}\n"
        else:
            picks = f"AutoPick/job006/{kind}.star"
            number = "50001" if version == "5.0" else "30001"
            text = LIST.format(version=number, kind=kind)
        denoise(version, picks)
        write_coordinates(kind)
        Path(picks).write_text(text)
        return picks

    return leave


def run(picks: str, *words: str, command: click.Command = cli.restore_picks) -> Result:
    given = ["--o", f"{JOB}/", "--in_coords", picks, "--j", "1", *words]
    return CliRunner().invoke(command, given)


def markers() -> list[str]:
    return sorted(path.name for path in JOB.glob("RELION_JOB_EXIT_*"))


def restored(name: str = "coords_on_raw.star") -> dict[str, str]:
    """File of coordinates by micrograph, as RELION 4 and 5 would read it."""
    first = next(iter(read_star(JOB / name).blocks.values()))
    return dict(
        zip(first["rlnMicrographName"], first["rlnMicrographCoordinates"], strict=True)
    )


def lines_of(path: Path) -> list[str]:
    return [" ".join(x.split()) for x in path.read_text().splitlines() if x.strip()]


@pytest.mark.parametrize("kind", ["autopick", "manualpick"])
@pytest.mark.parametrize("version", ["4.0", "5.0"])
@pytest.mark.parametrize("words", [[], ["--in_mics", RAW], ["--in_mics", DENOISED]])
def test_list_of_relion_4_and_5_gets_the_raw_names(
    picked: Callable[..., str], version: str, kind: str, words: list[str]
) -> None:
    result = run(picked(version, kind), *words)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert markers() == ["RELION_JOB_EXIT_SUCCESS"]
    assert lines_of(JOB / "coords_on_raw.star") == [
        "# version 50001" if version == "5.0" else "# version 30001",
        "data_coordinate_files",
        "loop_",
        "_rlnMicrographName #1",
        "_rlnMicrographCoordinates #2",
        f"{RAW_A} AutoPick/job006/Movies/a_{kind}.star",
        f"{RAW_B} AutoPick/job006/Movies/b_{kind}.star",
    ]
    assert not (JOB / "failed_picks.star").exists()


@pytest.mark.parametrize("kind", ["autopick", "manualpick", "topazpicks"])
@pytest.mark.parametrize("words", [[], ["--in_mics", RAW], ["--in_mics", DENOISED]])
def test_files_of_relion_3_are_copied_to_where_it_looks_for_those_of_the_raw(
    picked: Callable[..., str], kind: str, words: list[str]
) -> None:
    result = run(picked("3.1", kind), *words)
    assert result.exit_code == 0, result.output
    assert markers() == ["RELION_JOB_EXIT_SUCCESS"]
    for name in "ab":
        assert (JOB / f"Movies/{name}_{kind}.star").read_text() == COORDINATES
    suffix = (JOB / f"coords_suffix_{kind}.star").read_text()
    assert suffix == f"{RAW if RAW in words else DENOISED}\n"


@pytest.mark.parametrize(
    ("version", "output"),
    [
        ("3.1", "coords_suffix_autopick.star 2"),
        ("4.0", "coords_on_raw.star MicrographsCoords.star.relion.autopick"),
        ("5.0", "coords_on_raw.star MicrographCoordsGroup.star.relion.autopick 1"),
    ],
)
def test_relion_is_told_of_picks_of_the_same_type(
    picked: Callable[..., str], version: str, output: str
) -> None:
    run(picked(version))
    nodes = lines_of(JOB / "RELION_OUTPUT_NODES.star")
    assert nodes[1] == "data_output_nodes"
    assert nodes[-1] == f"{JOB}/{output}"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (cli.restore_picks, []),
        (cli.relion, ["restore-picks"]),
        (cryoscore, ["relion", "restore-picks"]),
    ],
)
def test_command_and_alias_are_the_same(
    picked: Callable[..., str], command: click.Command, words: list[str]
) -> None:
    picks = picked("5.0")
    given = ["--o", f"{JOB}/", "--in_coords", picks, "--pipeline_control", f"{JOB}/"]
    result = CliRunner().invoke(command, [*words, *given])
    assert result.exit_code == 0, result.output
    assert list(restored()) == [RAW_A, RAW_B]


def test_job_says_what_to_give_extract(picked: Callable[..., str]) -> None:
    picks = picked("5.0")
    output = f"{JOB}/coords_on_raw.star as coordinates"
    assert f"give Extract {RAW} as micrographs, and {output}" in (
        run(picks, "--in_mics", RAW).stdout
    )
    assert f"give Extract the raw micrographs as micrographs, and {output}" in (
        run(picks).stdout
    )


def test_names_are_spelt_as_in_the_given_table(picked: Callable[..., str]) -> None:
    picks = picked("5.0")
    other = RAW_A.replace("MotionCorr/job002", "MotionCorr/job020")
    write_image(other)
    table = Path("CtfFind/job021/micrographs_ctf.star")
    table.parent.mkdir()
    table.write_text(Path(RAW).read_text().replace(RAW_A, f"./{other}"))
    assert run(picks, "--in_mics", str(table)).exit_code == 0
    assert list(restored()) == [f"./{other}", RAW_B]


def test_selection_of_denoised_micrographs_tells_the_raw_names(
    picked: Callable[..., str],
) -> None:
    picks = picked("5.0")
    selection = Path("Select/job007/micrographs.star")
    selection.parent.mkdir(parents=True)
    Path(DENOISED).rename(selection)
    assert run(picks).exit_code == 1
    Path("AutoPick/job006/job_pipeline.star").write_text(
        PIPELINE_OF_AUTOPICK.format(table=selection)
    )
    assert run(picks).exit_code == 0
    assert list(restored()) == [RAW_A, RAW_B]


def test_names_of_another_denoiser_are_found_by_what_relion_makes_of_them(
    picked: Callable[..., str],
) -> None:
    picks = picked("5.0")
    Path(DENOISED).unlink()
    assert run(picks, "--in_mics", RAW).exit_code == 0
    assert list(restored()) == [RAW_A, RAW_B]


def test_denoised_micrographs_outside_of_jobs_are_mended_for_relion_3(
    picked: Callable[..., str],
) -> None:
    picks = picked("3.1")
    table = Path("Denoised/denoised_micrographs.star")
    text = Path(DENOISED).read_text().replace("External/job005", "Denoised")
    shutil.move("External/job005", "Denoised")
    table.write_text(text)
    Path(picks).write_text(f"{table}\n")
    Path("AutoPick/job006/Denoised").mkdir()
    shutil.move("AutoPick/job006/Movies", "AutoPick/job006/Denoised/Movies")
    assert run(picks).exit_code == 0
    assert (JOB / "Movies/a_autopick.star").exists()
    assert (JOB / "Movies/b_autopick.star").exists()


def test_imported_coordinates_of_relion_3_name_a_pattern(
    picked: Callable[..., str],
) -> None:
    picks = picked("3.1")
    Path(picks).write_text("External/job005/Movies/*.mrc\n")
    result = run(picks)
    assert result.exit_code == 0, result.output
    assert (JOB / "Movies/a_autopick.star").exists()
    assert (JOB / "coords_suffix_autopick.star").exists()


def test_boxes_are_copied_like_any_other_coordinates(
    picked: Callable[..., str],
) -> None:
    picks = Path(picked("3.1")).with_name("coords_suffix.box")
    picks.write_text(f"{DENOISED}\n")
    box = Path("AutoPick/job006/Movies/a.box")
    box.write_text("10 20 64 64\n")
    assert run(str(picks)).exit_code == 0
    assert (JOB / "Movies/a.box").read_text() == "10 20 64 64\n"
    assert not (JOB / "Movies/a_autopick.star").exists()


SCALED = COORDINATES.replace("74.105263", "148.210526").replace(
    "87.578947", "175.157894"
)


def lines_of_picks(path: Path) -> list[str]:
    return [line for line in lines_of(path) if not line.startswith("#")]


@pytest.mark.parametrize("version", ["3.1", "5.0"])
def test_picks_on_binned_micrographs_are_scaled(
    picked: Callable[..., str], version: str, tmp_path: Path
) -> None:
    picks = picked(version)
    write_image(A, LABEL, side=32, pixel_size=3.0)
    write_image(B, LABEL, side=32, pixel_size=5.0)  # RAW says 2.5 Å/px of the other.
    result = run(picks, "--in_mics", RAW)
    assert result.exit_code == 0, result.output
    assert "2 micrographs were picked binned; coordinates are scaled." in result.output
    expected = tmp_path / "expected.star"
    expected.write_text(SCALED)
    for name in "ab":
        place = JOB / f"Movies/{name}_autopick.star"
        assert lines_of_picks(place) == lines_of_picks(expected)
    if version == "5.0":
        assert restored() == {
            RAW_A: f"{JOB}/Movies/a_autopick.star",
            RAW_B: f"{JOB}/Movies/b_autopick.star",
        }
    # Picks of raw size beside them stay where they are.
    write_image(A, LABEL)
    assert run(picks, "--in_mics", RAW).exit_code == 0
    if version == "5.0":
        assert restored()[RAW_A] == "AutoPick/job006/Movies/a_autopick.star"


@pytest.mark.parametrize("raw_says", [[], ["--in_mics", RAW]])
def test_binned_picks_are_refused_where_the_pixel_sizes_do_not_fit(
    picked: Callable[..., str], raw_says: list[str]
) -> None:
    picks = picked("5.0")
    write_image(B, LABEL, side=32, pixel_size=3.0 if raw_says else 4.0)
    result = run(picks, *raw_says)
    assert result.exit_code == 1
    assert f"{B} has 32 x 32 px, but its raw micrograph {RAW_B} has 64" in result.stderr
    assert list(restored()) == [RAW_A]


def test_coordinates_that_cannot_be_scaled_are_told(
    picked: Callable[..., str],
) -> None:
    picks = picked("5.0")
    write_image(A, LABEL, side=32, pixel_size=3.0)
    path = Path("AutoPick/job006/Movies/a_autopick.star")
    for text, sentence in (
        (COORDINATES.replace("74.105263", "seven"), "should hold numbers of px"),
        (COORDINATES.replace("CoordinateX", "Else"), "should have the coordinates rln"),
    ):
        path.write_text(text)
        result = run(picks)
        assert (result.exit_code, sentence in result.stderr) == (1, True)
        assert markers() == ["RELION_JOB_EXIT_FAILURE"]


TOPAZ_TEXT = (
    "image_name\tx_coord\ty_coord\tscore\na\t10\t20\t1.5\nb\t7\t8\t-2\na\t30\t40\t3\n"
)
TOPAZ_STAR = """\
data_

loop_
_rlnMicrographName #1
_rlnCoordinateX #2
_rlnCoordinateY #3
_rlnAutopickFigureOfMerit #4
a.mrc 10 20 1.5
b.mrc 7 8 -2
a.mrc 30 40 3
"""


@pytest.mark.parametrize("version", ["3.1", "5.0"])
@pytest.mark.parametrize(
    ("name", "text"), [("topaz.txt", TOPAZ_TEXT), ("topaz.star", TOPAZ_STAR)]
)
def test_picks_of_topaz_in_one_file_are_spread(
    picked: Callable[..., str], version: str, name: str, text: str
) -> None:
    picked(version)
    Path(name).write_text(text)
    result = run(name, "--in_mics", DENOISED)
    assert result.exit_code == 0, result.output
    if version == "3.1":
        assert (JOB / "coords_suffix_topazpicks.star").read_text() == f"{DENOISED}\n"
        places = {
            raw: JOB / f"Movies/{raw[-5]}_topazpicks.star" for raw in (RAW_A, RAW_B)
        }
    else:
        places = {raw: Path(place) for raw, place in restored().items()}
    assert [*places] == [RAW_A, RAW_B]
    rows = [row for row in lines_of(places[RAW_A]) if row[0].isdigit()]
    assert rows == ["30.000000 40.000000 3.000000", "10.000000 20.000000 1.500000"]
    rows = [row for row in lines_of(places[RAW_B]) if row[0].isdigit()]
    assert rows == ["7.000000 8.000000 -2.000000"]


def test_picks_of_topaz_on_binned_micrographs_are_scaled(
    picked: Callable[..., str],
) -> None:
    picked("5.0")
    write_image(A, LABEL, side=32, pixel_size=3.0)
    Path("topaz.txt").write_text(TOPAZ_TEXT)
    assert run("topaz.txt", "--in_mics", DENOISED).exit_code == 0
    rows = [x for x in lines_of(Path(restored()[RAW_A])) if x[0].isdigit()]
    assert rows[0] == "60.000000 80.000000 3.000000"


@pytest.mark.parametrize(
    ("text", "words", "sentence"),
    [
        (TOPAZ_TEXT, [], "should be given with --in_mics"),
        (TOPAZ_TEXT.replace("b\t", "c\t"), ["--in_mics", DENOISED], "picks on c,"),
        ("a b\n1 2\n", ["--in_mics", DENOISED], "should begin with a line that names"),
    ],
)
def test_picks_in_one_file_that_cannot_be_spread_are_told(
    picked: Callable[..., str], text: str, words: list[str], sentence: str
) -> None:
    picked("5.0")
    Path("topaz.txt").write_text(text)
    result = run("topaz.txt", *words)
    assert (result.exit_code, sentence in result.stderr) == (1, True)
    assert result.stderr.count("\n") == 1
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


def test_micrographs_of_one_name_in_two_folders_cannot_be_told_apart_by_topaz(
    picked: Callable[..., str],
) -> None:
    picked("5.0")
    text = Path(DENOISED).read_text()
    Path(DENOISED).write_text(text.replace("Movies/b.mrc", "Other/a.mrc"))
    Path("topaz.txt").write_text(TOPAZ_TEXT)
    result = run("topaz.txt", "--in_mics", DENOISED)
    assert (
        "lists External/job005/Movies/a.mrc and External/job005/Other/a.mrc"
        in result.stderr
    )


def test_columns_and_tables_that_are_not_ours_are_kept_behind(
    picked: Callable[..., str],
) -> None:
    picks = Path(picked("5.0"))
    text = picks.read_text()
    text = text.replace("Coordinates #2", "Coordinates #2\n_rlnMine #3")
    text = text.replace("_autopick.star", "_autopick.star 007")
    picks.write_text(f"\ndata_other\n\n_rlnA 1\n{text}")
    assert run(str(picks)).exit_code == 0
    blocks = read_star(JOB / "coords_on_raw.star").blocks
    assert list(blocks) == ["coordinate_files", "other"]
    assert list(blocks["coordinate_files"]["rlnMine"]) == ["007", "007"]


def test_micrographs_without_picks_are_counted(picked: Callable[..., str]) -> None:
    picks = Path(picked("5.0"))
    picks.write_text(
        picks.read_text()
        .replace(f"{B} AutoPick", "")
        .replace("/job006/Movies/b_autopick.star", "")
    )
    for words in ([], ["--in_mics", RAW]):
        result = run(str(picks), *words)
        assert result.exit_code == 0, result.output
        assert f"1 of 2 raw micrographs have no picks; the first is {RAW_B}" in (
            result.stdout
        )
        assert list(restored()) == [RAW_A]


def test_picks_on_micrographs_that_are_not_extracted_are_told_and_kept(
    picked: Callable[..., str],
) -> None:
    picks = picked("5.0")
    table = Path(RAW)
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(row for row in rows if RAW_B not in row))
    result = run(picks, "--in_mics", RAW)
    assert result.exit_code == 0
    assert f"1 micrographs with picks are not in {RAW}" in result.stdout
    assert list(restored()) == [RAW_A, RAW_B]


def test_picks_that_are_raw_already_stay_as_they_are(
    picked: Callable[..., str],
) -> None:
    picks = Path(picked("5.0"))
    picks.write_text(picks.read_text().replace(A, RAW_A))
    result = run(str(picks))
    assert result.exit_code == 0
    assert "1 micrographs were picked raw" in result.stdout
    assert list(restored()) == [RAW_A, RAW_B]


@pytest.mark.parametrize("words", [[], ["--in_mics", "mine.star"]])
def test_extraction_from_denoised_micrographs_is_refused(
    picked: Callable[..., str], words: list[str]
) -> None:
    picks = picked("5.0")
    for raw in (RAW_A, RAW_B):  # A table of denoised files without their raw names.
        write_image(raw, LABEL)
    Path("mine.star").write_text(f"data_\n\nloop_\n_rlnMicrographName\n{A}\n{B}\n")
    result = run(picks, *words)
    assert result.exit_code == 1
    assert "should be a raw micrograph, but was denoised (cryoscore" in result.stderr
    assert "Particles must be extracted from raw micrographs" in result.stderr
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]
    assert not (JOB / "coords_on_raw.star").exists()


def test_picks_on_raw_micrographs_need_no_restoring(
    picked: Callable[..., str],
) -> None:
    picks = Path(picked("5.0"))
    Path(DENOISED).unlink()
    picks.write_text(picks.read_text().replace(A, RAW_A).replace(B, RAW_B))
    result = run(str(picks))
    assert result.exit_code == 1
    assert "If it is raw itself, give Extract these picks as they are" in result.stderr
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


def spoil_nothing() -> None:
    """Leave all as it is."""


def other_size() -> None:
    write_image(RAW_B, side=32)


def no_raw() -> None:
    Path(RAW_B).unlink()


def no_image() -> None:
    Path(RAW_B).write_bytes(b"not an image")


def no_coordinates() -> None:
    Path("AutoPick/job006/Movies/b_autopick.star").unlink()


def raw_is_denoised() -> None:
    write_image(RAW_B, LABEL)


def no_record() -> None:
    table = Path(DENOISED)
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(row for row in rows if B not in row))


BAD = [
    (other_size, "has 64 x 64 px, but its raw micrograph"),
    (no_raw, f"The raw micrograph {RAW_B} is not there"),
    (no_image, "b.mrc"),
    (no_coordinates, "Its file of coordinates AutoPick/job006/Movies/b_autopick.star"),
    (raw_is_denoised, f"{RAW_B} should be a raw micrograph"),
    (no_record, f"No denoise job has recorded the raw micrograph of {B}"),
]


@pytest.mark.parametrize(("spoil", "reason"), BAD)
def test_one_bad_micrograph_fails_the_job_but_keeps_the_others(
    picked: Callable[..., str], spoil: Callable[[], None], reason: str
) -> None:
    picks = picked("5.0")
    spoil()
    result = run(picks)
    assert result.exit_code == 1
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]
    assert f"1 cannot; the first is {B}: " in result.stderr
    assert reason in result.stderr
    assert "--max_failed 1" in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(restored()) == [RAW_A]
    [failed] = (
        read_star(JOB / "failed_picks.star")
        .blocks["coordinate_files"]
        .to_dict("records")
    )
    assert failed["rlnMicrographName"] == B
    assert failed["rlnMicrographCoordinates"].endswith("b_autopick.star")
    assert reason in failed["rlnFailureReason"]


def test_failures_that_are_allowed_leave_a_success(picked: Callable[..., str]) -> None:
    picks = picked("5.0")
    no_raw()
    result = run(picks, "--max_failed", "1")
    assert result.exit_code == 0
    assert "1 cannot" in result.stdout
    assert markers() == ["RELION_JOB_EXIT_SUCCESS"]
    write_image(RAW_B)
    assert run(picks).exit_code == 0
    assert not (JOB / "failed_picks.star").exists()
    assert list(restored()) == [RAW_A, RAW_B]


def test_nothing_restored_is_no_success_and_leaves_no_old_list(
    picked: Callable[..., str],
) -> None:
    picks = picked("5.0")
    run(picks)
    for raw in (RAW_A, RAW_B):
        Path(raw).unlink()
    assert run(picks, "--max_failed", "9").exit_code == 1
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]
    assert not (JOB / "coords_on_raw.star").exists()


def test_denoised_files_may_be_gone(picked: Callable[..., str]) -> None:
    picks = picked("5.0")
    for denoised in (A, B):
        Path(denoised).unlink()
    assert run(picks).exit_code == 0


def test_coordinates_of_no_known_micrograph_are_not_lost_in_relion_3(
    picked: Callable[..., str],
) -> None:
    picks = picked("3.1")
    write_coordinates("autopick", "c")
    result = run(picks)
    assert result.exit_code == 1
    assert "AutoPick/job006/Movies/c_autopick.star belongs to a micrograph" in (
        result.stderr
    )
    assert (JOB / "coords_suffix_autopick.star").exists()
    assert (JOB / "Movies/a_autopick.star").exists()


def test_two_picks_of_one_raw_micrograph_are_refused(
    picked: Callable[..., str],
) -> None:
    picks = Path(picked("5.0"))
    picks.write_text(
        picks.read_text().rstrip()
        + f"\n{RAW_A} AutoPick/job006/Movies/a_autopick.star\n"
    )
    result = run(str(picks))
    assert result.exit_code == 1
    assert f"{A} and {RAW_A}, both from {RAW_A}" in result.stderr
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("", "should be a STAR file", id="empty"),
        pytest.param("garbage\n", "should begin with a line data_", id="garbage"),
        pytest.param(COORDINATES, "has the coordinates of one micrograph", id="one"),
        pytest.param(
            "data_particles\n\nloop_\n_rlnImageName #1\n1@a.mrcs\n",
            "lists extracted particles",
            id="particles",
        ),
        pytest.param(
            "data_\n\nloop_\n_rlnMicrographName #1\na.mrc\n",
            "lists micrographs without their picks",
            id="micrographs",
        ),
        pytest.param("data_\n\nloop_\n_rlnA #1\n1\n", "has rlnA", id="other"),
        pytest.param(
            "data_\n\nloop_\n_rlnMicrographName #1\n_rlnMicrographCoordinates #2\n",
            "has no rows",
            id="no rows",
        ),
        pytest.param(
            "data_\n\nloop_\n_rlnMicrographName #1\n_rlnMicrographCoordinates #2\na\n",
            "2 columns, but this row has 1 values",
            id="ragged",
        ),
    ],
)
def test_list_that_cannot_be_used_is_told_and_fails_the_job(
    picked: Callable[..., str], text: str, sentence: str
) -> None:
    picks = picked("5.0")
    Path(picks).write_text(text)
    result = run(picks)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "should have one line, the micrographs that were picked, but has ''"),
        ("\n# version 30001\n\ndata_\n", "but has '# version 30001'"),
        (None, "Cannot read the picks AutoPick/job006/coords_suffix_autopick.star: No"),
    ],
)
def test_suffix_file_that_cannot_be_used_is_told(
    picked: Callable[..., str], text: str | None, sentence: str
) -> None:
    picks = Path(picked("3.1"))
    picks.unlink()
    if text is not None:
        picks.write_text(text)
    result = run(str(picks))
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


def test_suffix_file_without_coordinates_is_told(picked: Callable[..., str]) -> None:
    picks = picked("3.1")
    shutil.rmtree("AutoPick/job006/Movies")
    assert "files of coordinates that end in _autopick.star, but has none" in (
        run(picks).stderr
    )


def test_list_in_relion_3_is_told_to_be_of_another_relion(
    picked: Callable[..., str], start_job: Callable[..., Path]
) -> None:
    picks = picked("5.0")
    start_job("3.1", node=picks)
    result = run(picks)
    assert "which Extract of this RELION 3.1 cannot read" in result.stderr
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("absent.star", "absent.star is not there"),
        ("other.star", "other.star lists none of the micrographs that were picked"),
    ],
)
def test_wrong_table_of_micrographs_is_told(
    picked: Callable[..., str], table: str, sentence: str
) -> None:
    picks = picked("5.0")
    Path("other.star").write_text("data_\n\nloop_\n_rlnMicrographName\nx/other.mrc\n")
    result = run(picks, "--in_mics", table)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


@pytest.mark.parametrize(
    "words",
    [["--tile_size", "64"], ["--max_failed", "-1"], ["--j", "0"], ["--in_mics"]],
)
def test_wrong_option_fails_the_job(
    picked: Callable[..., str], words: list[str]
) -> None:
    assert run(picked("5.0"), *words).exit_code == 2
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


def test_picks_must_be_given(picked: Callable[..., str]) -> None:
    picked("5.0")
    result = CliRunner().invoke(cli.restore_picks, ["--o", f"{JOB}/"])
    assert result.exit_code == 2
    assert "--in_coords" in result.stderr
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


@pytest.mark.parametrize("name", ["RELION_JOB_ABORT_NOW", "PIPELINER_JOB_ABORT_NOW"])
def test_abort_file_stops_the_job_which_can_be_continued(
    picked: Callable[..., str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    picks = picked("5.0")
    with monkeypatch.context() as during:
        during.setattr("relion_wrappers.job._PATIENCE", 0.0)
        abort = (JOB / name).touch
        during.setattr(restore_picks, "check_picks", lambda *_, **__: abort())
        assert run(picks).exit_code != 0
    assert markers() == ["RELION_JOB_EXIT_ABORTED"]
    assert not (JOB / "coords_on_raw.star").exists()
    (JOB / name).unlink(missing_ok=True)
    assert run(picks).exit_code == 0
    assert markers() == ["RELION_JOB_EXIT_SUCCESS"]
    assert list(restored()) == [RAW_A, RAW_B]


def test_sigterm_leaves_the_marker_of_an_abort(
    picked: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_args, **_options) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(restore_picks, "check_picks", stop)
    assert run(picked("5.0")).exit_code == 143
    assert markers() == ["RELION_JOB_EXIT_ABORTED"]


def test_same_command_again_takes_new_picks_and_keeps_changes_by_hand(
    picked: Callable[..., str],
) -> None:
    picks = picked("3.1")
    run(picks)
    by_hand = JOB / "Movies/a_autopick.star"
    by_hand.write_text(COORDINATES + "1 2 3 4 5\n")
    os.utime(by_hand, (2e9, 2e9))
    again = Path("AutoPick/job006/Movies/b_autopick.star")
    again.write_text(COORDINATES + "6 7 8 9 0\n")
    result = run(picks)
    assert result.exit_code == 0
    assert f"{by_hand} was changed by hand since, and is kept" in result.stdout
    assert by_hand.read_text().endswith("1 2 3 4 5\n")
    assert (JOB / "Movies/b_autopick.star").read_text().endswith("6 7 8 9 0\n")
    assert list(JOB.glob("**/.*")) == []


def test_what_nobody_changed_is_not_taken_for_changed(
    picked: Callable[..., str],
) -> None:
    picks = picked("3.1")
    for name in "ab":
        os.utime(f"AutoPick/job006/Movies/{name}_autopick.star", (1e9, 1e9))
    assert run(picks).exit_code == 0
    assert "by hand" not in run(picks).stdout


@pytest.mark.parametrize("table", [RAW, DENOISED])
def test_given_table_serves_where_what_was_picked_is_gone(
    picked: Callable[..., str], table: str
) -> None:
    picks = picked("3.1")
    Path(picks).write_text("Select/job009/micrographs.star\n")
    assert run(picks).exit_code == 1
    assert run(picks, "--in_mics", table).exit_code == 0
    assert (JOB / "Movies/a_autopick.star").exists()


def test_raw_micrographs_may_be_tiff(picked: Callable[..., str]) -> None:
    picks = picked("5.0")
    for table in (RAW, DENOISED):
        text = Path(table).read_text()
        Path(table).write_text(text.replace(RAW_B, RAW_B.replace(".mrc", ".tif")))
    Path(RAW_B).with_suffix(".tif").write_bytes(b"II*\0")
    assert run(picks).exit_code == 0
    assert list(restored()) == [RAW_A, RAW_B.replace(".mrc", ".tif")]
    # The table says 2.5 Å/px of it.
    write_image(B, LABEL, side=32, pixel_size=7.5)
    assert run(picks, "--in_mics", RAW).exit_code == 0
    coordinates = (JOB / "Movies/b_autopick.star").read_text()
    assert f"{3 * 74.105263:.6f}" in coordinates
