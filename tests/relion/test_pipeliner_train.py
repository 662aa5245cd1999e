"""The real CCP-EM Pipeliner runs the job that trains, and shows how it went."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph
from cryoscore_plugin.settings import TrainSettings

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("pipeliner") is None,
        reason="ccpem-pipeliner is not installed: pip install 'cryoscore[pipeliner]'",
    ),
    # Of the Pipeliner and what it imports, not of ours.
    pytest.mark.filterwarnings("ignore"),
]

NAME = "cryoscore.train.micrographs"
TABLE = "Import/job001/micrographs.star"
JOB = Path("Train/job001")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A project with three micrographs, the current folder."""
    from pipeliner.api.manage_project import PipelinerProject

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    names = [f"Micrographs/mic{number}.mrc" for number in range(3)]
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        pixels = rng.normal(10, 1, (80, 80)).astype(np.float32)
        write_micrograph(Path(name), Micrograph(pixels=pixels, pixel_size=3.0))
    Path(TABLE).parent.mkdir(parents=True)
    rows = "".join(f"{name}\n" for name in names)
    Path(TABLE).write_text(f"\ndata_\n\nloop_\n_rlnMicrographName #1\n{rows}")
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


def test_pipeliner_offers_the_job() -> None:
    from pipeliner import job_factory

    [job] = job_factory.get_job_types(NAME)
    assert job.PROCESS_NAME == NAME
    assert job.jobinfo.is_available, job.jobinfo.unavailable_message


def test_every_setting_is_an_option_and_becomes_words_of_the_command() -> None:
    plain = ["relion", "train", "--o", f"{JOB}/", "--in_mics", TABLE, "--j", "1"]
    assert command_of() == plain
    given = {
        "start": "faithful",
        "name": "mine",
        "steps": "50",
        "learning_rate": "0.01",
        "background_share": "0.5",
        "reference": "particle.safetensors",
        "guidance": "0.5",
        "guidance_share": "0.2",
        "guidance_matching": "denoising",
        "guidance_resolution": "30.0",
        "guidance_empty": "0.8",
        "micrographs": "20",
        "pixel_size": "1.5",
        "seed": "3",
        "device": "cpu",
    }
    assert {*given, "tensorboard", "threads"} == set(TrainSettings.model_fields)
    for name, value in given.items():
        assert command_of(**{name: value}) == [*plain, f"--{name}", value]
    assert command_of(tensorboard="Yes") == [*plain, "--tensorboard"]
    assert command_of(nr_threads="2")[-2:] == ["--j", "2"]
    assert command_of(other_args="-v") == [*plain, "-v"]


def test_setting_out_of_range_is_told_before_the_job_runs() -> None:
    [fault] = job_with(in_mics=TABLE, steps="0").additional_joboption_validation()
    assert "steps" in fault.message
    assert job_with(in_mics=TABLE).additional_joboption_validation() == []


def test_model_is_made_shown_and_a_node_of_the_project(
    project, tiny_checkpoint: Path
) -> None:
    from pipeliner.project_graph import ProjectGraph

    words = {"in_mics": TABLE, "start": str(tiny_checkpoint), "device": "cpu"}
    [pending] = job_with(**words).create_results_display()
    assert "no curve.csv yet" in pending.reason
    job = project.run_job(
        {"_rlnJobTypeLabel": NAME, "steps": "2", **words}, run_in_foreground=True
    )
    assert (JOB / "PIPELINER_JOB_EXIT_SUCCESS").exists()
    with ProjectGraph() as graph:
        types = {node.name: node.type for node in graph.node_list}
    assert types[f"{JOB}/own.safetensors"] == "MlModel.safetensors.cryoscore"
    assert types[f"{JOB}/logfile.pdf"] == "LogFile.pdf.cryoscore.training"
    figures = job.gather_metadata()
    assert {"held_out_risk", "held_out_risk_before", "gain"} == set(figures)
    text, graph_shown = job.create_results_display()
    assert f"gain: {figures['gain']:.5g}" in text.display_data
    assert graph_shown.xvalues == [[0, 1, 2]]
    assert graph_shown.yvalues[0][0] == pytest.approx(figures["held_out_risk_before"])
    names = {Path(node.name).name for node in job.get_current_output_nodes()}
    assert names == {"own.safetensors", "logfile.pdf"}
