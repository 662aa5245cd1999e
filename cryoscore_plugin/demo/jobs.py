"""Run the External job on a project: through RELION where it is, else directly.

Both ways end in the same command, `cryoscore-relion-denoise --o External/jobNNN/
--in_mics TABLE --j N`, started in the project's folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cryoscore_plugin.errors import CryoScoreError

EXECUTABLE = "cryoscore-relion-denoise"

PATIENCE = 300
"""Longest time for one command, in s; the demo needs a fraction of it."""

SUCCESS = "RELION_JOB_EXIT_SUCCESS"
ABORT = "RELION_JOB_ABORT_NOW"

EMPTY_PIPELINE = (
    "\n# version 30001\n\ndata_pipeline_general\n\n"
    "_rlnPipeLineJobCounter                       1\n \n"
)
"""The smallest default_pipeline.star that RELION 3.1, 4 and 5 accept."""

IMPORT = (
    "fn_in_raw == Micrographs/*.mrc;is_multiframe == No;angpix == {pixel_size};"
    "kV == 300;Cs == 2.7;Q0 == 0.1"
)


@dataclass(frozen=True, kw_only=True)
class JobRun:
    """A job that has run.

    Attributes
    ----------
    folder : Path
        Of the job, in the project.
    means : str
        Who ran it, in words.
    command : str
        What to type in the project's folder to run it again.
    """

    folder: Path
    means: str
    command: str

    def denoised(self, name: str) -> Path:
        """The denoised micrograph of this file name."""
        return self.folder / "Micrographs" / name


def run_job(project: Path, *, pixel_size: float, model: str | None) -> JobRun:
    """Denoise the micrographs of a project.

    Parameters
    ----------
    project : Path
        Folder with `Micrographs/` and `micrographs.star`.
    pixel_size : float
        Of the micrographs, in Å/px.
    model : str or None
        Packaged model or absolute path; None takes the default.

    Raises
    ------
    CryoScoreError
        If a command cannot be started, takes too long, or does not succeed.
    """
    executable = find_executable()
    # RELION splits its command at spaces, and would read a quote literally.
    if shutil.which("relion_pipeliner") and not re.search(
        r"\s", f"{executable}{model}"
    ):
        return _run_through_relion(
            project, executable, pixel_size=pixel_size, model=model
        )
    return _run_directly(project, executable, model)


def find_executable() -> Path:
    """The console script that belongs to the Python that runs.

    Raises
    ------
    CryoScoreError
        If the script is not there.
    """
    script = Path(sys.executable).parent / EXECUTABLE
    if not script.exists():
        msg = (
            f"{script} should exist wherever cryoscore is installed, but does not. "
            "Install cryoscore again: pip install --force-reinstall cryoscore"
        )
        raise CryoScoreError(msg)
    return script


def _run_directly(project: Path, executable: Path, model: str | None) -> JobRun:
    """Call the job as RELION would."""
    folder = project / "External" / "job001"
    folder.mkdir(parents=True)
    words = [str(executable), "--o", "External/job001/"]
    words += ["--in_mics", "micrographs.star", "--j", str(cpu_count())]
    words += [] if model is None else ["--model", model]
    _run(words, project, output=folder)
    _require_success(folder)
    return JobRun(
        folder=folder,
        means="called directly, as RELION would (relion_pipeliner was not found)",
        command=" ".join(words),
    )


def _run_through_relion(
    project: Path, executable: Path, *, pixel_size: float, model: str | None
) -> JobRun:
    """Import the micrographs and run the External job with relion_pipeliner."""
    (project / "default_pipeline.star").write_text(EMPTY_PIPELINE, encoding="utf-8")
    (project / ".gui_projectdir").touch()
    _run_relion_job(project, "Import", IMPORT.format(pixel_size=pixel_size))
    options = (
        f"fn_exe == {executable};in_mic == Import/job001/micrographs.star;"
        f"nr_threads == {cpu_count()}"
    )
    if model is not None:
        options += f";param1_label == model;param1_value == {model}"
    folder = _run_relion_job(project, "External", options)
    return JobRun(
        folder=folder,
        means="run by RELION (relion_pipeliner: Import, then External)",
        command=f"relion_pipeliner --RunJobs {folder.relative_to(project)}/",
    )


def _run_relion_job(project: Path, kind: str, options: str) -> Path:
    """Add a job of RELION and run it; the folder it got."""
    words = ["relion_pipeliner", "--addJob", kind, "--addJobOptions", options]
    _run(words, project, output=project)
    folder = max((project / kind).glob("job*/"))
    name = f"{folder.relative_to(project)}/"
    schedule = f"demo_{kind.lower()}"
    words = ["relion_pipeliner", "--RunJobs", name, "--schedule", schedule]
    try:
        _run([*words, "--sec_wait_after", "1"], project, output=project)
    except CryoScoreError:
        # The job is no child of relion_pipeliner: this is how it learns to stop.
        (folder / ABORT).touch()
        raise
    _require_success(folder)
    return folder


def _run(words: list[str], project: Path, *, output: Path) -> None:
    """Run a command with its messages in run.out and run.err of a folder."""
    log, errors = output / "run.out", output / "run.err"
    try:
        with log.open("a") as out, errors.open("a") as err:
            done = subprocess.run(  # noqa: S603  words of our own, no shell
                words,
                cwd=project,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=PATIENCE,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        msg = (
            f"`{words[0]}` should end within {PATIENCE} s, but did not. See {log} "
            f"and {errors}; a smaller --size is faster."
        )
        raise CryoScoreError(msg) from error
    if done.returncode != 0:
        msg = (
            f"`{' '.join(words)}` should end with exit code 0, but ended with "
            f"{done.returncode}: {_last_lines(errors)}\nSee {log} and {errors}."
        )
        raise CryoScoreError(msg)


def _require_success(folder: Path) -> None:
    """RELION exits with 0 even if a job failed; only the marker tells."""
    if not (folder / SUCCESS).exists():
        msg = (
            f"The job should leave {folder / SUCCESS}, but did not: "
            f"{_last_lines(folder / 'run.err')}\nSee run.out and run.err in {folder}; "
            "`cryoscore doctor` says what is wrong with the installation."
        )
        raise CryoScoreError(msg)


def _last_lines(path: Path) -> str:
    text = path.read_text(errors="replace").strip() if path.exists() else ""
    return "\n".join(text.splitlines()[-5:]) or "it left no message."


def cpu_count() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0))
