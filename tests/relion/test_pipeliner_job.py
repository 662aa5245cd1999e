"""The real CCP-EM Pipeliner finds the job, runs it, shows it, aborts and continues it."""

from __future__ import annotations

import importlib.util
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_header, write_micrograph
from cryoscore_plugin.settings import DenoiseSettings

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("pipeliner") is None,
        reason="ccpem-pipeliner is not installed: pip install 'cryoscore[pipeliner]'",
    ),
    # Of the Pipeliner and what it imports, not of ours.
    pytest.mark.filterwarnings("ignore"),
]

NAME = "cryoscore.denoise.micrographs"
TABLE = "Import/job001/micrographs.star"
JOB = Path("Denoise/job001")
HEAD = """\

# version 50001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
_rlnVoltage #4
_rlnSphericalAberration #5
_rlnAmplitudeContrast #6
opticsGroup1 1 1.5 300 2.7 0.1


# version 50001

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
"""
LONGEST = 300
"""In s; a job takes a few, but a machine may be busy."""


@pytest.fixture
def options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Path
) -> dict[str, str]:
    """Options of a job on three micrographs, in a new project, the current folder."""
    monkeypatch.chdir(tmp_path)
    write_project(3)
    return options_with(tiny_checkpoint)


def options_with(model: Path) -> dict[str, str]:
    words = {"model": str(model), "device": "cpu"}
    return {"_rlnJobTypeLabel": NAME, "in_mics": TABLE, **words}


def write_project(count: int) -> None:
    """Micrographs, each noisier than the one before, and their table."""
    rng = np.random.default_rng(5)
    names = [f"Micrographs/mic{number:03d}.mrc" for number in range(1, count + 1)]
    for level, name in enumerate(names, start=1):
        Path(name).parent.mkdir(exist_ok=True)
        pixels = rng.normal(10, level, (256, 256)).astype(np.float32)
        write_micrograph(Path(name), Micrograph(pixels=pixels, pixel_size=1.5))
    Path(TABLE).parent.mkdir(parents=True)
    Path(TABLE).write_text(HEAD + "".join(f"{name} 1\n" for name in names))


def new_project():
    from pipeliner.api.manage_project import PipelinerProject

    return PipelinerProject(make_new_project=True)


def job_with(**options: str):
    """The job as the Pipeliner makes it of options."""
    from pipeliner import job_factory

    job = job_factory.job_from_dict({"_rlnJobTypeLabel": NAME, **options})
    job.output_dir = f"{JOB}/"
    return job


def command_of(**options: str) -> list[str]:
    """Words of the command, without the program."""
    [command] = job_with(in_mics=TABLE, **options).get_commands()
    return command.get_final_command(f"{JOB}/")[1:]


def markers() -> set[str]:
    return {path.name for path in JOB.glob("*_JOB_*")}


def wait_until(condition) -> None:
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end, run_out()
        time.sleep(0.05)


def run_out() -> str:
    path = JOB / "run.out"
    return path.read_text() if path.exists() else ""


def test_pipeliner_offers_the_job_with_its_version() -> None:
    from pipeliner import job_factory

    [job] = job_factory.get_job_types(NAME)
    assert job.PROCESS_NAME == NAME
    assert job.jobinfo.is_available, job.jobinfo.unavailable_message
    assert job.jobinfo.programs[0].get_version(timeout=60) == job.jobinfo.version
    assert job.can_continue


def test_job_without_changes_gives_the_command_nothing_but_its_files() -> None:
    words = ["relion", "denoise", "--o", f"{JOB}/", "--in_mics", TABLE]
    assert command_of() == [*words, "--j", "1", "--max_failed", "0"]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("model", "m.safetensors", ["--model", "m.safetensors"]),
        ("pixel_size", "1.25", ["--pixel_size", "1.25"]),
        ("working_pixel_size", "4", ["--working_pixel_size", "4.0"]),
        ("device", "0,1", ["--device", "0,1"]),
        ("precision", "float32", ["--precision", "float32"]),
        ("tile_size", "128", ["--tile_size", "128"]),
        ("output_dtype", "float16", ["--output_dtype", "float16"]),
        ("overwrite", "Yes", ["--overwrite"]),
        ("max_failed", "3", ["--max_failed", "3"]),
        ("nr_threads", "2", ["--j", "2"]),
        ("other_args", '--settings "my file.yaml"', ["--settings", "my file.yaml"]),
    ],
)
def test_every_option_becomes_words_of_the_command(
    option: str, value: str, words: list[str]
) -> None:
    command = command_of(**{option: value})
    assert any(command[at : at + len(words)] == words for at in range(len(command)))


def test_every_setting_is_an_option_with_its_own_default_and_help() -> None:
    options = job_with().joboptions
    for name, field in DenoiseSettings.model_fields.items():
        if name not in {"threads", "write_binned"}:
            # A text that is not set is empty to the Pipeliner.
            assert options[name].default_value in {field.default, field.default or ""}
            assert options[name].help_text == field.description
    groups = {name: option.jobop_group for name, option in options.items()}
    on_top = {name for name, group in groups.items() if group == "Main"}
    assert on_top == {"in_mics", "model", "device", "pixel_size"}


def test_setting_out_of_range_is_told_before_the_job_runs() -> None:
    [fault] = job_with(tile_size="3").additional_joboption_validation()
    assert fault.type == "error"
    assert "tile_size" in fault.message
    assert job_with(tile_size="64").additional_joboption_validation() == []


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path):
    """Folder of a project, the project after the job, and the job."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_project(3)
        project = new_project()
        job = project.run_job(options_with(tiny_checkpoint), run_in_foreground=True)
        assert "PIPELINER_JOB_EXIT_SUCCESS" in markers(), run_out()
    return folder, project, job


@pytest.fixture
def finished(finished_once, monkeypatch: pytest.MonkeyPatch):
    """The project after the job, and the job; the project is the current folder."""
    folder, *rest = finished_once
    monkeypatch.chdir(folder)
    return rest


def test_job_runs_and_its_outputs_are_nodes_of_the_project(finished) -> None:
    from pipeliner.project_graph import ProjectGraph

    assert "RELION_JOB_EXIT_SUCCESS" in markers()
    assert len([*(JOB / "Micrographs").glob("mic*.mrc")]) == 3
    with ProjectGraph() as graph:
        types = {node.name: node.type for node in graph.node_list}
    assert types[TABLE] == "MicrographGroupMetadata.star.relion"
    assert (
        types[f"{JOB}/denoised_micrographs.star"]
        == "MicrographGroupMetadata.star.relion.cryoscore.denoised"
    )
    [program] = finished[1].jobinfo.programs
    assert program.get_version_from_logs(str(JOB)) == finished[1].jobinfo.version


def test_results_are_images_a_table_and_graphs(finished) -> None:
    shown = {one.dobj_type: one for one in finished[1].create_results_display()}
    montage, table, graph = shown["montage"], shown["table"], shown["graph"]
    assert Path(montage.img).exists()
    assert montage.labels[:2] == [
        "Micrographs/mic001.mrc",
        f"{JOB}/Micrographs/mic001.mrc",
    ]
    assert len(montage.labels) == 6
    assert {row[0] for row in table.table_data} <= {*montage.labels[::2]}
    assert all(len(row) == len(table.headers) == 4 for row in table.table_data)
    noise, *_ = [
        one for one in finished[1].create_results_display() if one.title[:5] == "Noise"
    ]
    assert noise.xvalues == [[1, 2, 3]]
    # The micrographs have noise of standard deviation 1, 2 and 3 before they are
    # cropped from 1.5 to 3 Å/px, which halves it.
    np.testing.assert_allclose(noise.yvalues, [[0.5, 1.0, 1.5]], rtol=0.1)
    assert len(graph.yvalues[0]) == 3
    json.dumps([one.__dict__ for one in shown.values()], allow_nan=False)


def test_results_and_metadata_of_a_job_that_has_none_say_so(options) -> None:
    job = job_with(**options)
    JOB.mkdir(parents=True)
    [pending] = job.create_results_display()
    assert pending.dobj_type == "pending"
    assert "denoised_micrographs.star" in pending.reason
    assert job.gather_metadata() == {"MicrographsDenoised": 0, "MicrographsFailed": 0}


def test_metadata_has_counts_medians_version_and_model(finished) -> None:
    metadata = finished[1].gather_metadata()
    assert metadata["MicrographsDenoised"] == 3
    assert metadata["MicrographsFailed"] == 0
    assert metadata["MedianNoiseLevel"] == pytest.approx(1.0, rel=0.1)
    assert 0 < metadata["MedianResidualWhiteness"] <= 1
    assert metadata["MedianSignalToNoise"] > 0
    assert metadata["DenoisedBy"].startswith("cryoscore 0.1.0 denoised, model tiny ")
    report, _ = finished[0].prepare_metadata_report(f"{JOB}/")
    assert "MedianNoiseLevel" in Path(report).read_text()


def test_failed_micrograph_fails_the_job_unless_it_may(options) -> None:
    Path("Micrographs/mic002.mrc").write_text("damaged")
    project = new_project()
    project.run_job(options, run_in_foreground=True)
    assert {"PIPELINER_JOB_EXIT_FAILED", "RELION_JOB_EXIT_FAILURE"} <= markers()
    assert "mic002.mrc" in (JOB / "run.err").read_text()

    job = project.run_job(options | {"max_failed": "1"}, run_in_foreground=True)
    folder = Path(job.output_dir)
    assert (folder / "PIPELINER_JOB_EXIT_SUCCESS").exists()
    assert job.gather_metadata()["MicrographsFailed"] == 1
    job.output_nodes = []
    job.create_post_run_output_nodes()
    assert [node.name for node in job.output_nodes] == [
        f"{folder}/failed_micrographs.star"
    ]
    names = {Path(node.name).name for node in job.get_current_output_nodes()}
    assert {"denoised_micrographs.star", "failed_micrographs.star"} <= names


@pytest.mark.slow
def test_aborted_job_is_aborted_in_the_pipeliner_and_can_be_continued(options) -> None:
    shutil.rmtree("Import")
    write_project(300)
    project = new_project()
    project.run_job(options)
    wait_until(lambda: "2 of 300" in run_out())
    project.abort_job(f"{JOB}/")
    ends = "PIPELINER_JOB_EXIT_"
    wait_until(lambda: any(name.startswith(ends) for name in markers()))
    assert {name for name in markers() if "EXIT" in name} == {
        "PIPELINER_JOB_EXIT_ABORTED",
        "RELION_JOB_EXIT_ABORTED",
    }
    done = {*(JOB / "Micrographs").glob("mic*.mrc")}
    assert 2 <= len(done) < 300
    assert not [*JOB.rglob("*.part")]
    before = {path: path.stat().st_mtime_ns for path in done}

    # The Pipeliner continues only what it takes for a success.
    Path(TABLE).write_text(
        HEAD
        + "".join(f"Micrographs/{path.name} 1\n" for path in sorted(done))
        + "Micrographs/mic300.mrc 1\n"
    )
    project.update_job_status(f"{JOB}/", "Succeeded")
    project.continue_job(f"{JOB}/", run_in_foreground=True)
    assert "PIPELINER_JOB_EXIT_SUCCESS" in markers(), run_out()
    assert "RELION_JOB_EXIT_SUCCESS" in markers()
    assert {path: path.stat().st_mtime_ns for path in done} == before
    assert read_header(JOB / "Micrographs/mic300.mrc").pixel_size == pytest.approx(1.5)
