"""The job from RELION's words to RELION's files; the engine is a stand-in here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import mrcfile
import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy import ndimage

from cryoscore_plugin import __version__
from cryoscore_plugin.batch.monitor import MicrographResult
from cryoscore_plugin.cli import cryoscore
from cryoscore_plugin.cli.audit import AuditOutcome
from cryoscore_plugin.errors import CheckpointError, JobAbortedError
from cryoscore_plugin.mrc import read_labels
from relion_wrappers import cli, denoise
from relion_wrappers.micrographs_star import read_micrographs

A, B = "MotionCorr/job002/Movies/a.mrc", "MotionCorr/job002/Movies/b.mrc"
TABLE = "CtfFind/job003/micrographs_ctf.star"
JOB = Path("External/job012")
NODES = "RELION_OUTPUT_NODES.star"
WORDS = ["--o", "External/job012/", "--in_mics", TABLE, "--j", "1"]
VERSIONS = ["3.1", "4.0", "5.0"]


class StandIn:
    """Copies micrographs instead of denoising them, and remembers what it was asked."""

    def __init__(self) -> None:
        self.bad: dict[str, str] = {}
        self.during: Callable[[], None] = lambda: None
        self.warnings: tuple[str, ...] = ()
        self.quality: dict[str, dict[str, float]] = {}

    def __call__(self, tasks, settings, monitor) -> list[MicrographResult]:
        self.tasks, self.settings = tasks, settings
        monitor.on_start("on the CPU with nothing", total=len(tasks))
        results = []
        for done, task in enumerate(tasks, start=1):
            if monitor.abort_requested():
                msg = "Stopped as you asked."
                raise JobAbortedError(msg)
            self.during()
            results.append(self.one(task))
            monitor.on_result(results[-1], done=done, total=len(tasks))
        return results

    def one(self, task) -> MicrographResult:
        reason = self.bad.get(str(task.source))
        if reason:
            return MicrographResult(task=task, status="failed", message=reason)
        quality = self.quality.get(str(task.source), {})
        if task.output.exists():
            return MicrographResult(task=task, status="skipped", quality=quality)
        task.output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(task.source, task.output)
        return MicrographResult(
            task=task,
            status="denoised",
            seconds=2.0,
            warnings=self.warnings,
            quality=quality,
        )


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setattr(denoise, "denoise_micrographs", stand_in)
    return stand_in


@pytest.fixture(params=VERSIONS)
def any_job(
    request: pytest.FixtureRequest,
    start_job: Callable[..., Path],
    micrographs_of_the_tables: None,  # noqa: ARG001  made by asking for it
) -> Path:
    return start_job(request.param)


@pytest.fixture
def job(
    start_job: Callable[..., Path],
    micrographs_of_the_tables: None,  # noqa: ARG001  made by asking for it
) -> Path:
    return start_job("5.0")


def run(*words: str, command: click.Command = cli.denoise) -> Result:
    return CliRunner().invoke(command, [*WORDS, *words])


def markers(folder: Path = JOB) -> list[str]:
    return sorted(path.name for path in folder.glob("RELION_JOB_EXIT_*"))


@pytest.mark.usefixtures("any_job")
def test_table_says_how_noisy_each_micrograph_is_in_every_run(engine: StandIn) -> None:
    engine.quality = {A: {"noise_level": 3.0}, B: {"noise_level": 4.0}}
    for _ in ("denoised", "finished before"):
        assert run().exit_code == 0
        table = read_micrographs(JOB / "denoised_micrographs.star").table
        assert list(table["rlnStandardDeviationValue"]) == ["3", "4"]


@pytest.mark.usefixtures("any_job", "engine")
def test_pages_are_written_and_announced() -> None:
    assert run().exit_code == 0
    assert (JOB / "logfile.pdf").read_bytes().startswith(b"%PDF")
    assert "External/job012/logfile.pdf" in (JOB / NODES).read_text()


@pytest.mark.usefixtures("any_job")
def test_report_tells_of_all_micrographs_in_every_run(engine: StandIn) -> None:
    engine.quality = {A: {"noise_level": 3.0}, B: {"noise_level": float("nan")}}
    for _ in ("denoised", "finished before"):
        result = run()
        assert result.exit_code == 0
        assert "Wrote External/job012/report.html" in result.stdout
        rows = json.loads((JOB / "report.json").read_text())["micrographs"]
        assert [row["status"] for row in rows] == ["denoised"] * len(rows)
        assert rows[0]["quality"] == {"noise_level": 3.0}
        assert rows[1]["quality"] == {}
    page = (JOB / "report.html").read_text()
    assert "RELION job External/job012, table" in page
    assert not (JOB / "cryoscore_ledger").exists()


@pytest.mark.usefixtures("job")
def test_report_has_the_sentence_of_a_micrograph_that_failed(engine: StandIn) -> None:
    engine.bad = {A: "It is damaged."}
    assert run().exit_code == 1
    assert "It is damaged." in (JOB / "report.html").read_text()


@pytest.mark.usefixtures("job", "engine")
def test_report_that_cannot_be_written_is_told_and_the_job_succeeds() -> None:
    (JOB / "report.csv").mkdir(parents=True)
    result = run()
    assert result.exit_code == 0
    assert markers() == ["RELION_JOB_EXIT_SUCCESS"]
    assert "No report: Cannot write External/job012/report.csv" in result.stdout


@pytest.mark.usefixtures("job", "engine")
def test_without_matplotlib_the_job_says_so_and_succeeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    (JOB / "logfile.pdf").write_text("of an earlier run")
    result = run()
    assert result.exit_code == 0
    assert markers() == ["RELION_JOB_EXIT_SUCCESS"]
    assert "No logfile.pdf: Pictures need matplotlib" in result.stdout
    assert result.stderr == ""
    assert not (JOB / "logfile.pdf").exists()
    assert "logfile.pdf" not in (JOB / NODES).read_text()


@pytest.mark.usefixtures("job")
def test_pages_show_the_good_micrographs_of_a_job_that_failed(engine: StandIn) -> None:
    engine.bad = {A: "It is damaged."}
    assert run().exit_code == 1
    assert (JOB / "logfile.pdf").exists()
    engine.bad = {A: "bad", B: "bad"}
    assert run().exit_code == 1
    assert not (JOB / "logfile.pdf").exists()


@pytest.mark.usefixtures("any_job", "engine")
def test_success_leaves_the_images_the_table_the_nodes_and_the_marker() -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert markers() == ["RELION_JOB_EXIT_SUCCESS"]
    table = read_micrographs(JOB / "denoised_micrographs.star")
    assert table.names == (
        "External/job012/Movies/a.mrc",
        "External/job012/Movies/b.mrc",
    )
    assert list(table.table["rlnMicrographNameRaw"]) == [A, B]
    assert all(Path(name).is_file() for name in table.names)
    nodes = (JOB / "RELION_OUTPUT_NODES.star").read_text()
    assert "External/job012/denoised_micrographs.star" in nodes
    assert not (JOB / "failed_micrographs.star").exists()


@pytest.mark.usefixtures("job", "engine")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (cli.denoise, []),
        (cli.relion, ["denoise"]),
        (cryoscore, ["relion", "denoise"]),
    ],
)
def test_command_and_alias_are_the_same(
    command: click.Command, words: list[str]
) -> None:
    underscores = ["--tile_size", "128", "--pipeline_control", "External/job012/"]
    result = CliRunner().invoke(command, [*words, *WORDS, *underscores])
    assert result.exit_code == 0, result.output
    assert markers() == ["RELION_JOB_EXIT_SUCCESS"]


@pytest.mark.usefixtures("job")
def test_settings_and_pixel_sizes_reach_the_engine(engine: StandIn) -> None:
    run("--tile-size", "128", "--gpu", "0:1", "--model", "m.safetensors", "--overwrite")
    assert engine.settings.tile_size == 128
    assert engine.settings.device == "0,1"
    assert engine.settings.model == "m.safetensors"
    assert engine.settings.overwrite
    assert engine.settings.threads == 1
    assert [task.pixel_size for task in engine.tasks] == [1.5, 2.5]
    assert [str(task.source) for task in engine.tasks] == [A, B]


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("words", [["--gpu"], ["--gpu", ""], ["--gpu", "auto"]])
def test_gpu_left_empty_means_auto(engine: StandIn, words: list[str]) -> None:
    assert run(*words).exit_code == 0
    assert engine.settings.device == "auto"


@pytest.mark.usefixtures("job", "engine")
def test_stdout_has_a_line_for_each_micrograph_and_stderr_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([100.0, 200.0, 3900.0, 4000.0])  # made, started, after a, after b
    monkeypatch.setattr(denoise, "monotonic", lambda: next(clock))
    result = run()
    lines = result.stdout.splitlines()
    assert (
        lines[0] == f"cryoscore {__version__}: 2 micrographs, on the CPU with nothing"
    )
    assert lines[1] == f"1 of 2: {A}: denoised in 2.0 s (1 h 1 min left)"
    assert lines[2] == f"2 of 2: {B}: denoised in 2.0 s"
    assert result.stderr == ""


@pytest.mark.usefixtures("job")
def test_warnings_are_told_on_stdout(engine: StandIn) -> None:
    engine.warnings = ("The header says 2 Å/px, the table 1.5 Å/px.",)
    assert f"  {A}: The header says 2 Å/px" in run().stdout


@pytest.mark.usefixtures("engine", "micrographs_of_the_tables")
@pytest.mark.parametrize(
    ("version", "advice", "other"),
    [
        ("3.1", "coords_suffix_*.star of the picking", "RELION 4 and 5"),
        ("4.0", "executable: cryoscore-relion-restore-picks", "RELION 3.1"),
        ("5.0", "executable: cryoscore-relion-restore-picks", "RELION 3.1"),
    ],
)
def test_last_lines_say_how_to_extract_in_this_relion(
    start_job: Callable[..., Path], version: str, advice: str, other: str
) -> None:
    start_job(version)
    output = run().stdout
    assert f"Pick on {JOB}/denoised_micrographs.star" in output
    assert f"give Extract {TABLE} as micrographs" in output.replace("Then g", "g")
    assert advice in output
    assert other not in output


@pytest.mark.usefixtures("job")
def test_failed_micrograph_fails_the_job_but_keeps_the_others(engine: StandIn) -> None:
    engine.bad = {A: "It is damaged. Make it again."}
    result = run()
    assert result.exit_code == 1
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]
    assert f"1 failed; the first: {A}: It is damaged." in result.stderr
    assert "--max_failed 1" in result.stderr
    assert read_micrographs(JOB / "denoised_micrographs.star").names == (
        "External/job012/Movies/b.mrc",
    )
    failed = read_micrographs(JOB / "failed_micrographs.star")
    assert failed.names == (A,)
    assert list(failed.table["rlnFailureReason"]) == ["It is damaged. Make it again."]


@pytest.mark.usefixtures("job")
def test_allowed_failures_leave_a_success(engine: StandIn) -> None:
    engine.bad = {A: "It is damaged."}
    result = run("--max_failed", "1")
    assert result.exit_code == 0
    assert markers() == ["RELION_JOB_EXIT_SUCCESS"]
    assert "1 failed" in result.stdout
    assert read_micrographs(JOB / "failed_micrographs.star").names == (A,)


@pytest.mark.usefixtures("job")
def test_nothing_denoised_is_no_success_however_many_may_fail(engine: StandIn) -> None:
    run()
    engine.bad = {A: "bad", B: "bad"}
    assert run("--max_failed", "9").exit_code == 1
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]
    assert not (JOB / "denoised_micrographs.star").exists()


@pytest.mark.usefixtures("job")
def test_failure_that_was_mended_leaves_no_failed_table(engine: StandIn) -> None:
    engine.bad = {A: "It is damaged."}
    run()
    engine.bad = {}
    assert run().exit_code == 0
    assert not (JOB / "failed_micrographs.star").exists()
    assert markers() == ["RELION_JOB_EXIT_SUCCESS"]


@pytest.mark.usefixtures("job", "engine")
def test_same_command_again_skips_what_is_finished() -> None:
    run()
    (JOB / "Movies/b.mrc").unlink()
    lines = run().stdout.splitlines()
    assert lines[1] == f"1 of 2: {A}: was finished before"
    assert lines[2] == f"2 of 2: {B}: denoised in 2.0 s"


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("name", ["RELION_JOB_ABORT_NOW", "PIPELINER_JOB_ABORT_NOW"])
def test_abort_file_stops_before_the_next_micrograph(
    engine: StandIn, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relion_wrappers.job._PATIENCE", 0.0)
    engine.during = (JOB / name).touch
    result = run()
    assert result.exit_code != 0
    assert markers() == ["RELION_JOB_EXIT_ABORTED"]
    assert (JOB / "Movies/a.mrc").exists()
    assert not (JOB / "Movies/b.mrc").exists()


@pytest.mark.usefixtures("job")
def test_sigterm_leaves_the_marker_of_an_abort(engine: StandIn) -> None:
    engine.during = lambda: os.kill(os.getpid(), signal.SIGTERM)
    assert run().exit_code == 143
    assert markers() == ["RELION_JOB_EXIT_ABORTED"]


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    "error",
    [
        CheckpointError("The model is not there."),
        RuntimeError("bug"),
        OSError(5, "disk"),
    ],
)
def test_error_for_all_micrographs_fails_the_job(
    engine: StandIn, error: Exception
) -> None:
    def fail() -> None:
        raise error

    engine.during = fail
    result = run()
    assert result.exit_code == 1
    assert str(error) in result.stderr
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


@pytest.mark.usefixtures("job", "engine")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--tile_sise", "64"], "No such option"),
        (["--of_another_job", "1"], "must be emptied in the tab Params"),
        (["--tile_size", "many"], "many"),
        (["--tile_size", "3"], "tile_size"),
        (["--tile_size"], "--tile_size should have a value"),
        (["--overwrite", "Yes"], "'Yes' comes between"),
        (["--gpu", "0", "--device", "cpu"], "same setting"),
        (["--settings", "absent.yaml"], "absent.yaml"),
        (["--write_binned"], "write_binned should be off"),
        (["--j", "0"], "0"),
    ],
)
def test_wrong_option_is_told_and_fails_the_job(
    words: list[str], sentence: str
) -> None:
    (JOB / "RELION_JOB_EXIT_SUCCESS").touch()  # of an earlier run
    result = run(*words)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


def test_wrong_option_makes_the_folder_for_the_marker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("--wrong").exit_code == 2
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


def test_wrong_option_is_told_even_where_no_marker_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("External").write_text("a file where a folder should be")
    result = run("--wrong")
    assert result.exit_code == 2
    assert "No such option" in result.stderr


def test_misspelt_command_fails_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.relion, ["denoize", *WORDS])
    assert result.exit_code == 2
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


def test_help_is_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("--help")
    assert result.exit_code == 0
    assert "--in_mics" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("engine", "micrographs_of_the_tables")
def test_float16_is_refused_for_relion_3_which_cannot_read_it(
    start_job: Callable[..., Path],
) -> None:
    start_job("3.1")
    result = run("--output_dtype", "float16")
    assert result.exit_code == 2
    assert "RELION 3.1, which reads float32 only" in result.stderr
    start_job("5.0")
    assert run("--output_dtype", "float16").exit_code == 0


@pytest.mark.usefixtures("job", "engine")
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("", "should be a STAR file", id="empty"),
        pytest.param("garbage\n", "should begin with a line data_", id="garbage"),
        pytest.param(
            "data_optics\n\nloop_\n_rlnA #1\n1\n", "data_micrographs", id="table"
        ),
        pytest.param(
            "data_\n\nloop_\n_rlnMicrographName #1\n", "has no rows", id="no rows"
        ),
        pytest.param(
            "data_\n\nloop_\n_rlnMicrographName #1\na.mrc\na.mrc\n", "twice", id="twice"
        ),
        pytest.param(
            'data_\n\nloop_\n_rlnMicrographName #1\n"a b.mrc"\n', "a space", id="space"
        ),
        pytest.param(
            "data_\n\nloop_\n_rlnMicrographName #1\n../a.mrc\n", "has ..", id="above"
        ),
    ],
)
def test_table_that_cannot_be_used_is_told_and_fails_the_job(
    text: str, sentence: str
) -> None:
    Path(TABLE).write_text(text)
    result = run()
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


@pytest.mark.usefixtures("job", "engine")
def test_missing_table_is_told_and_fails_the_job() -> None:
    Path(TABLE).unlink()
    result = run()
    assert result.exit_code == 1
    assert f"{TABLE} is not there" in result.stderr
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]


@pytest.mark.usefixtures("engine", "micrographs_of_the_tables")
def test_table_of_relion_3_0_is_denoised(
    start_job: Callable[..., Path], tables: dict[str, str]
) -> None:
    start_job("3.1")
    Path(TABLE).write_text(tables["3.0"])
    assert run().exit_code == 0
    table = read_micrographs(JOB / "denoised_micrographs.star")
    assert table.names == (
        "External/job012/Movies/a.mrc",
        "External/job012/Movies/b.mrc",
    )
    assert table.pixel_sizes == pytest.approx((1.5, 2.5))


@pytest.mark.usefixtures("job")
def test_nodes_are_announced_before_the_first_micrograph(engine: StandIn) -> None:
    seen: list[bool] = []
    engine.during = lambda: seen.append((JOB / "RELION_OUTPUT_NODES.star").exists())
    run()
    assert seen == [True, True]


@pytest.mark.usefixtures("job")
def test_engine_keeps_grid_and_pixel_size_of_any_kind_of_file(
    tiny_checkpoint: Path,
) -> None:
    Path(A).rename(Path(A).with_suffix(".mrcs"))
    Path(TABLE).write_text(Path(TABLE).read_text().replace("a.mrc ", "a.mrcs "))
    result = run("--model", str(tiny_checkpoint), "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert markers() == ["RELION_JOB_EXIT_SUCCESS"]
    names = read_micrographs(JOB / "denoised_micrographs.star").names
    assert names == ("External/job012/Movies/a.mrc", "External/job012/Movies/b.mrc")
    for name, pixel_size in zip(names, (1.5, 2.5), strict=True):
        with mrcfile.open(name) as file:
            assert file.data.shape == (128, 128)
            assert file.data.dtype == np.float32
            assert file.voxel_size.x == pytest.approx(pixel_size)


def test_help_and_wrong_options_load_no_engine() -> None:
    code = (
        "import relion_wrappers.cli, sys; print({'torch', 'pandas'} & {*sys.modules})"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"


def halves_in_the_table(first: str, second: str) -> None:
    """Add the columns of the halves, which those of the second row may not have."""
    text = Path(TABLE).read_text()
    columns = "_rlnMicrographNameEven #7 \n_rlnMicrographNameOdd #8 \n"
    text = text.replace(
        "_rlnSomethingUnknown #6 \n", "_rlnSomethingUnknown #6 \n" + columns
    )
    text = text.replace("00012 \n", f"00012 {first} \n")
    Path(TABLE).write_text(text.replace('""', f'"" {second}'))


@pytest.mark.usefixtures("job")
def test_halves_of_the_table_go_to_the_engine_and_their_figure_into_the_table(
    engine: StandIn,
) -> None:
    halves_in_the_table("Halves/a1.mrc Halves/a2.mrc", "Halves/b1.mrc Halves/b2.mrc")
    engine.quality = {A: {"half_correlation": 0.5}, B: {"half_correlation": 0.25}}
    assert run("--halves").exit_code == 0
    assert engine.settings.halves
    assert [task.halves for task in engine.tasks] == [
        (Path(f"Halves/{name}1.mrc"), Path(f"Halves/{name}2.mrc")) for name in "ab"
    ]
    table = read_micrographs(JOB / "denoised_micrographs.star").table
    assert list(table["rlnFourierShellCorrelation"]) == ["0.5", "0.25"]


@pytest.mark.usefixtures("job", "engine")
def test_halves_where_there_are_none_are_refused() -> None:
    result = run("--halves")
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]
    assert "none of the 2 micrographs has images of even" in result.output


@pytest.mark.usefixtures("job")
def test_halves_beside_the_micrographs_are_used_by_the_real_engine() -> None:
    with mrcfile.open(A, mode="r+") as file:
        noise = np.random.default_rng(4).normal(0, 1, file.data.shape)
        file.data[:] += 20 * ndimage.gaussian_filter(noise, 3)
    for seed, end in enumerate(("EVN", "ODD")):
        path = Path(A).with_name(f"a_{end}.mrc")
        shutil.copy(A, path)
        with mrcfile.open(path, mode="r+") as file:
            file.data[:] += np.random.default_rng(seed).normal(0, 1, noise.shape)
    # A trained model: random weights may turn an image into its negative.
    result = run("--halves", "--device", "cpu")
    assert result.exit_code == 0, result.output
    table = read_micrographs(JOB / "denoised_micrographs.star").table
    first, second = table["rlnFourierShellCorrelation"]
    # The halves have one signal, strong where it is coarse, and each noise of its own.
    assert 0.5 < float(first) < 1
    assert str(second) == "nan"
    assert "No half_correlation: no images of even and odd frames" in result.output


@pytest.mark.usefixtures("job")
def test_uncertainty_and_estimate_are_parameters_of_the_job(tiny_checkpoint) -> None:
    model = ("--model", str(tiny_checkpoint))
    words = ("--uncertainty", "--probes", "1", "--estimate", "map", "--steps", "2")
    result = run(*model, *words)
    assert result.exit_code == 0, result.output
    output = JOB / "Movies" / "a.mrc"
    assert "cryoscore estimate map, not the posterior mean" in read_labels(output)
    spread = JOB / "Movies" / "uncertainty" / "a_uncertainty.mrc"
    assert mrcfile.read(spread).shape == mrcfile.read(output).shape
    # What a picker is given is the table, which does not list it.
    assert "uncertainty" not in (JOB / "denoised_micrographs.star").read_text()


@pytest.mark.usefixtures("job", "engine")
def test_guided_job_is_audited_and_fails_with_its_audit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def audit(results, settings, output):
        asked.append(([result.task.source for result in results], output))
        passed = settings.guidance < 0.5
        return AuditOutcome(verdict="Said at the end.", passed=passed, rows=[])

    monkeypatch.setattr(denoise, "audit_guided", audit)
    words = ("--reference", "r.safetensors", "--guidance")
    result = run(*words, "0.2")
    assert markers() == ["RELION_JOB_EXIT_SUCCESS"]
    assert "Said at the end." in result.output
    assert asked == [([Path(A), Path(B)], JOB)]

    result = run(*words, "0.8")
    assert markers() == ["RELION_JOB_EXIT_FAILURE"]
    assert "Said at the end. See External/job012/audit." in result.output
    # So that "Mark as finished" accepts them.
    assert (JOB / "denoised_micrographs.star").exists()
