"""A real RELION starts the job, follows it, picks on its table and extracts from raw.

Which RELION that is, `relion_project` says.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from relion_project import (
    COMMAND,
    RESTORE,
    TABLE,
    TRAIN,
    Project,
    needs_relion,
    write_micrograph,
    write_table,
)

pytestmark = [pytest.mark.slow, needs_relion]

PAGES = {
    3: {"rlnPipeLineNodeType": "13"},
    4: {"rlnPipeLineNodeTypeLabel": "LogFile.pdf.relion"},
    5: {
        "rlnPipeLineNodeTypeLabel": "LogFile.pdf.relion",
        "rlnPipeLineNodeTypeLabelDepth": "1",
    },
}
"""Columns of a node that RELION shows as pages, by its generation."""


@pytest.fixture(scope="module")
def denoised(project: Project) -> str:
    """A job that denoised the three micrographs."""
    job = project.add_denoising(TABLE)
    assert project.run(job) == "Succeeded", project.run_out(job)
    return job


def test_output_table_is_a_node_of_the_inputs_type(
    project: Project, denoised: str
) -> None:
    output = f"{denoised}denoised_micrographs.star"
    nodes = {
        row.pop("rlnPipeLineNodeName"): row
        for row in project.table("default_pipeline.star", "pipeline_nodes")
    }
    assert nodes[output] == nodes["Import/job001/micrographs.star"]
    edges = project.table("default_pipeline.star", "pipeline_output_edges")
    assert {
        "rlnPipeLineEdgeProcess": denoised,
        "rlnPipeLineEdgeToNode": output,
    } in edges
    assert list((project.folder / ".Nodes").glob(f"*/{output}"))


def test_pages_are_a_node_of_the_type_of_relions_own_pages(
    project: Project, denoised: str
) -> None:
    picking = project.add("AutoPick", fn_input_autopick=TABLE, do_log="Yes")
    nodes = {
        row.pop("rlnPipeLineNodeName"): row
        for row in project.table("default_pipeline.star", "pipeline_nodes")
    }
    [own] = [name for name in nodes if name == f"{picking}logfile.pdf"]
    ours, theirs = nodes[f"{denoised}logfile.pdf"], nodes[own]
    # RELION 4 and 5 add words to the type, such as `.autopick`.
    assert all(theirs[column].startswith(value) for column, value in ours.items())
    assert list((project.folder / ".Nodes").glob(f"*/{denoised}logfile.pdf"))
    assert (project.folder / denoised / "logfile.pdf").stat().st_size > 10_000


def test_job_says_what_it_does_and_nothing_in_red(
    project: Project, denoised: str
) -> None:
    lines = project.run_out(denoised).splitlines()
    assert re.fullmatch(r"cryoscore \S+: 3 micrographs, .*", lines[0])
    assert re.match(r"1 of 3: Micrographs/mic00\d.mrc: denoised in", lines[1])
    assert (project.folder / denoised / "run.err").read_text() == ""


def test_job_run_again_skips_what_is_finished(project: Project, denoised: str) -> None:
    assert project.run(denoised) == "Succeeded"
    assert project.run_out(denoised).count("was finished before") == 3


@pytest.fixture(scope="module")
def picking(project: Project, denoised: str) -> str:
    """A job that picked on the denoised micrographs."""
    job = project.add_picking(f"{denoised}denoised_micrographs.star")
    assert project.run(job) == "Succeeded"
    return job


def assert_all_from_raw(particles: list[dict[str, str]], picks: int) -> None:
    """Every pick is a particle of a raw micrograph, and knows its defocus."""
    assert len(particles) == picks > 0
    assert {row["rlnMicrographName"] for row in particles} == {
        f"Micrographs/mic00{number}.mrc" for number in (1, 2, 3)
    }
    assert {float(row["rlnDefocusU"]) for row in particles} == {12000.0}


@pytest.mark.parametrize("table", [TABLE, ""])
def test_restored_picks_give_as_many_raw_particles(
    project: Project, picking: str, table: str
) -> None:
    options = {"in_mic": table} if table else {}
    picks = project.picks_of(picking)
    job = project.add("External", fn_exe=str(RESTORE), in_coords=picks, **options)
    assert project.run(job) == "Succeeded", project.run_out(job)
    assert (project.folder / job / "run.err").read_text() == ""
    name = Path(picks).name if project.version == 3 else "coords_on_raw.star"
    nodes = {
        row.pop("rlnPipeLineNodeName"): row
        for row in project.table("default_pipeline.star", "pipeline_nodes")
    }
    assert nodes[f"{job}{name}"] == nodes[picks]
    assert list((project.folder / ".Nodes").glob(f"*/{job}{name}"))
    edges = project.table("default_pipeline.star", "pipeline_input_edges")
    assert {
        "rlnPipeLineEdgeFromNode": picks,
        "rlnPipeLineEdgeProcess": job,
    } in edges
    assert_all_from_raw(project.extract(f"{job}{name}"), project.count_picks(picking))


def test_particles_are_the_pixels_of_the_raw_micrographs(
    project: Project, picking: str
) -> None:
    picks = project.picks_of(picking)
    job = project.add("External", fn_exe=str(RESTORE), in_coords=picks)
    assert project.run(job) == "Succeeded"
    name = Path(picks).name if project.version == 3 else "coords_on_raw.star"
    particles = project.extract(f"{job}{name}", do_norm="No", do_invert="No")
    for row in particles:
        number, _, stack = row["rlnImageName"].partition("@")
        with mrcfile.open(project.folder / stack) as file:
            particle = file.data.reshape(-1, 64, 64)[int(number) - 1]
        with mrcfile.open(project.folder / row["rlnMicrographName"]) as file:
            raw = file.data
        # RELION rounds to whole pixels, in its own way.
        x, y = (round(float(row[f"rlnCoordinate{axis}"])) - 32 for axis in "XY")
        places = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        cuts = [raw[v : v + 64, u : u + 64] for v, u in places]
        # 1e-2 of the noise: RELION 4 and 5 write 16 bits.
        assert any(np.allclose(cut, particle, rtol=0, atol=0.01) for cut in cuts)


@pytest.fixture(scope="module")
def outside(project: Project) -> str:
    """A job that picked on micrographs which were denoised outside of any job."""
    words = ["--in_mics", TABLE, "--model", project.checkpoint, "--device", "cpu"]
    subprocess.run(
        [COMMAND, "--o", "Denoised/", *words], cwd=project.folder, check=True
    )
    job = project.add_picking("Denoised/denoised_micrographs.star")
    assert project.run(job) == "Succeeded"
    return job


def test_picks_that_relion_would_lose_are_restored(
    project: Project, outside: str
) -> None:
    picks = project.picks_of(outside)
    job = project.add("External", fn_exe=str(RESTORE), in_coords=picks, in_mic=TABLE)
    assert project.run(job) == "Succeeded", project.run_out(job)
    name = Path(picks).name if project.version == 3 else "coords_on_raw.star"
    assert_all_from_raw(project.extract(f"{job}{name}"), project.count_picks(outside))


def test_extraction_without_restoring_gets_nothing_where_names_do_not_line_up(
    project: Project, outside: str
) -> None:
    """The failure that the job is for; if RELION mends it, we may tell users."""
    job = project.add(
        "Extract",
        star_mics=TABLE,
        coords_suffix=project.picks_of(outside),
        extract_size="64",
    )
    assert project.run(job) == "Succeeded"
    stars = (project.folder / job).rglob("Micrographs/*.mrcs")
    assert list(stars) == []


def test_table_of_a_batch_is_imported_picked_on_and_restored(project: Project) -> None:
    program = Path(sys.executable).with_name("cryoscore")
    words = [program, "batch", ".", "--model", project.checkpoint, "--device", "cpu"]
    said = subprocess.run(
        words, cwd=project.folder, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    assert "RELION project ., table Import/job001/micrographs.star: 3" in said
    imported = project.add(
        "Import",
        do_raw="No",
        do_other="Yes",
        fn_in_other="cryoscore/micrographs_denoised.star",
        node_type="Micrographs STAR file (.star)",
    )
    assert project.run(imported) == "Succeeded"
    picking = project.add_picking(f"{imported}micrographs_denoised.star")
    assert project.run(picking) == "Succeeded"
    picks = project.picks_of(picking)
    job = project.add("External", fn_exe=str(RESTORE), in_coords=picks, in_mic=TABLE)
    assert project.run(job) == "Succeeded", project.run_out(job)
    name = Path(picks).name if project.version == 3 else "coords_on_raw.star"
    assert_all_from_raw(project.extract(f"{job}{name}"), project.count_picks(picking))


def test_picks_of_raw_micrographs_fail_the_job_in_relion(project: Project) -> None:
    picking = project.add_picking(TABLE)
    assert project.run(picking) == "Succeeded"
    picks = project.picks_of(picking)
    job = project.add("External", fn_exe=str(RESTORE), in_coords=picks)
    assert project.run(job) == "Failed"
    error = (project.folder / job / "run.err").read_text()
    assert "give Extract these picks as they are" in error


def test_selection_on_the_noise_level_keeps_the_quieter_micrographs(
    project: Project, denoised: str
) -> None:
    output = f"{denoised}denoised_micrographs.star"
    levels = {
        row["rlnMicrographName"]: float(row["rlnStandardDeviationValue"])
        for row in project.table(output, "micrographs")
    }
    *_, loudest = sorted(levels, key=lambda name: levels[name])
    limit = (levels.pop(loudest) + max(levels.values())) / 2
    selection = project.add(
        "Select",
        fn_mic=output,
        do_select_values="Yes",
        select_label="rlnStandardDeviationValue",
        select_maxval=f"{limit:.5f}",
    )
    assert project.run(selection) == "Succeeded"
    kept = project.table(f"{selection}micrographs.star", "micrographs")
    assert {row["rlnMicrographName"] for row in kept} == set(levels)


def test_missing_micrograph_fails_the_job_in_relion(project: Project) -> None:
    table = write_table(
        project, "missing.star", ["Micrographs/mic001.mrc", "Micrographs/absent.mrc"]
    )
    job = project.add_denoising(table)
    assert project.run(job) == "Failed"
    assert "absent.mrc" in (project.folder / job / "run.err").read_text()
    assert (project.folder / job / "denoised_micrographs.star").exists()


def test_micrograph_above_the_project_fails_the_job_in_relion(project: Project) -> None:
    table = write_table(project, "above.star", ["../Micrographs/mic001.mrc"])
    job = project.add_denoising(table)
    assert project.run(job) == "Failed"
    assert "has .. in it" in (project.folder / job / "run.err").read_text()


def test_wrong_parameter_fails_the_job_in_relion(project: Project) -> None:
    job = project.add_denoising(TABLE, param1_label="tile_sise", param1_value="64")
    assert project.run(job) == "Failed"
    error = (project.folder / job / "run.err").read_text()
    assert "No such option" in error


def test_parameters_arrive_and_relion_or_a_space_in_a_value_does_no_harm(
    project: Project,
) -> None:
    model = project.folder / "my relion_model.safetensors"
    shutil.copy(project.checkpoint, model)
    job = project.add_denoising(
        TABLE,
        other_args=f'--model "{model}"',
        param1_label="tile_size",
        param1_value="64",
        param2_label="device",
        param2_value="cpu",
        param3_label="overwrite",
        param4_label="uncertainty",
        param5_label="probes",
        param5_value="1",
    )
    assert project.run(job) == "Succeeded"
    command = (project.folder / job / "note.txt").read_text()
    assert "--pipeline_control" in command
    assert "--overwrite --uncertainty --probes 1 --j" in " ".join(command.split())
    folder = project.folder / job / "Micrographs"
    assert len([*folder.glob("uncertainty/mic00[123]_uncertainty.mrc")]) == 3


def test_linked_absolute_and_deep_micrographs_of_one_name_land_below_the_job(
    project: Project,
) -> None:
    (project.folder / "Linked").mkdir()
    (project.folder / "Linked/mic.mrc").symlink_to("../Micrographs/mic001.mrc")
    absolute = project.folder / "Import/job001/Movies/mic.mrc"
    absolute.parent.mkdir()
    shutil.copy(project.folder / "Micrographs/mic002.mrc", absolute)
    deep = Path("Deep", *"abcdefgh", "mic.mrc")
    (project.folder / deep).parent.mkdir(parents=True)
    shutil.copy(project.folder / "Micrographs/mic003.mrc", project.folder / deep)
    # All three are called mic.mrc.
    names = ["Linked/mic.mrc", str(absolute), str(deep)]
    table = write_table(project, "linked.star", names)
    job = project.add_denoising(table)
    assert project.run(job) == "Succeeded"
    rows = project.table(f"{job}denoised_micrographs.star", "micrographs")
    assert [row["rlnMicrographName"] for row in rows] == [
        f"{job}Linked/mic.mrc",
        f"{job}Movies/mic.mrc",
        f"{job}{deep}",
    ]
    assert [row["rlnMicrographNameRaw"] for row in rows] == names
    assert not (project.folder / job / "Linked/mic.mrc").is_symlink()


def test_job_with_an_alias_keeps_its_own_name(project: Project) -> None:
    job = project.add_denoising(TABLE, alias="my_denoising")
    assert project.run(job) == "Succeeded"
    assert (project.folder / "External/my_denoising").is_symlink()
    rows = project.table(f"{job}denoised_micrographs.star", "micrographs")
    assert rows[0]["rlnMicrographName"] == f"{job}Micrographs/mic001.mrc"


def test_job_1000_is_like_any_other(project: Project) -> None:
    pipeline = project.folder / "default_pipeline.star"
    text, changes = re.subn(
        r"(_rlnPipeLineJobCounter\s+)\d+", r"\g<1>1000", pipeline.read_text()
    )
    assert changes == 1
    pipeline.write_text(text)
    job = project.add_denoising(TABLE)
    assert job == "External/job1000/"
    assert project.run(job) == "Succeeded"
    rows = project.table(f"{job}denoised_micrographs.star", "micrographs")
    assert rows[0]["rlnMicrographName"] == f"{job}Micrographs/mic001.mrc"


@pytest.fixture(scope="module")
def with_halves(project: Project) -> str:
    """A table of two micrographs, whose odd and even frames lie beside them."""
    names = []
    for number in range(2):
        stem = f"Halves/mic{number}"
        for seed, end in enumerate(("", "_EVN", "_ODD")):
            path = project.folder / f"{stem}{end}.mrc"
            write_micrograph(path, 10 * number + seed, side=160)
        names.append(f"{stem}.mrc")
    return write_table(project, "halves.star", names)


def add_training(project: Project, table: str, steps: int) -> str:
    """Add a job that trains; return its name."""
    settings = f"--start {project.checkpoint} --device cpu --steps {steps}"
    return project.add("External", fn_exe=str(TRAIN), in_mic=table, other_args=settings)


def test_model_of_a_train_job_is_taken_by_the_denoise_job(
    project: Project, with_halves: str
) -> None:
    job = add_training(project, with_halves, 2)
    assert project.run(job) == "Succeeded", project.run_out(job)
    said = project.run_out(job)
    assert "Learning from 2 micrographs: odd and even frames." in said
    assert "step 2 of 2: loss" in said
    assert "Your model is " in said
    assert said.splitlines()[-1].endswith(f"the value {job}own.safetensors")
    assert (project.folder / job / "run.err").read_text() == ""
    nodes = {
        row.pop("rlnPipeLineNodeName"): row
        for row in project.table("default_pipeline.star", "pipeline_nodes")
    }
    assert nodes[f"{job}logfile.pdf"] == PAGES[project.version]
    assert (project.folder / job / "logfile.pdf").read_bytes()[:4] == b"%PDF"
    denoising = project.add_denoising(
        with_halves,
        param1_label="model",
        param1_value=f"{job}own.safetensors",
        param2_label="halves",
        other_args="--device cpu",
    )
    assert project.run(denoising) == "Succeeded", project.run_out(denoising)
    assert "model own " in project.run_out(denoising)
    output = f"{denoising}denoised_micrographs.star"
    selection = project.add(
        "Select",
        fn_mic=output,
        do_select_values="Yes",
        select_label="rlnFourierShellCorrelation",
        select_minval="0.01",
    )
    assert project.run(selection) == "Succeeded"
    kept = project.table(f"{selection}micrographs.star", "micrographs")
    # The blobs of both halves lie alike, but for a few pixels.
    assert [row["rlnMicrographNameRaw"] for row in kept] == [
        "Halves/mic0.mrc",
        "Halves/mic1.mrc",
    ]


def test_train_job_is_aborted_and_goes_on(project: Project, with_halves: str) -> None:
    job = add_training(project, with_halves, 60)
    pipeliner = project.start(job)
    project.wait_for((project.folder / job / "state.pt").exists)
    (project.folder / job / "RELION_JOB_ABORT_NOW").touch()
    project.finish(pipeliner)
    assert project.status(job) == "Aborted", project.run_out(job)
    assert not (project.folder / job / "own.safetensors").exists()
    assert project.run(job) == "Succeeded", project.run_out(job)
    assert "Going on after step" in project.run_out(job)
    assert (project.folder / job / "own.safetensors").exists()
