"""The denoise job: from a table of raw micrographs to one of denoised micrographs.

The job writes, below its folder, each denoised micrograph under the post-job name of
the raw one; `denoised_micrographs.star`, the input table with the new names;
`failed_micrographs.star`, if there are any; and `logfile.pdf` and `report.html`, to look
at. What is finished is not done again, so "Continue", a repeat and a loop of a Scheme are
the same command once more.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from time import monotonic

import click

from cryoscore_plugin import __version__
from cryoscore_plugin.batch.agreement import require_halves
from cryoscore_plugin.batch.monitor import MicrographResult, MicrographTask, with_name
from cryoscore_plugin.batch.run import denoise_micrographs
from cryoscore_plugin.cli.guided_end import AUDIT_FOLDER, audit_guided
from cryoscore_plugin.cli.progress import duration
from cryoscore_plugin.errors import ConfigError, CryoScoreError, MicrographError
from cryoscore_plugin.report.job_report import write_job_report
from cryoscore_plugin.settings import DenoiseSettings
from relion_wrappers.job import RelionJob
from relion_wrappers.located import located_halves
from relion_wrappers.logfile import logfile_can_be_drawn, write_logfile
from relion_wrappers.micrographs_star import (
    DENOISED_TABLE,
    FAILED_TABLE,
    MicrographsStar,
    denoised_star,
    failed_star,
    read_micrographs,
)
from relion_wrappers.output_nodes import announce_micrographs
from relion_wrappers.project import (
    RelionStyle,
    output_names,
    project_name,
    relion_style,
)
from relion_wrappers.quality_columns import with_quality
from relion_wrappers.star_file import write_star

_ADVICE_3 = """\
RELION 3.1: give Extract {raw} as micrographs, and the file coords_suffix_*.star of \
the picking job as coordinates."""
_ADVICE_4 = """\
RELION 4 and 5 find picks by the name of the micrograph, and would extract nothing \
from the raw ones. So first run an External job with
  External executable: cryoscore-relion-restore-picks, with its full path
  Input coordinates: autopick.star or manualpick.star of the picking job
  Input micrographs: {raw}
Then give Extract {raw} as micrographs, and the coords_on_raw.star of that job as \
coordinates."""


class RunOutMonitor:
    """Writes a line into `run.out` for each micrograph, and looks for the abort file.

    Parameters
    ----------
    job : RelionJob
        The job that runs.
    """

    def __init__(self, job: RelionJob) -> None:
        self._job = job
        self._start = monotonic()
        self._denoised = 0

    def on_start(self, description: str, *, total: int) -> None:
        """Say what is going to happen."""
        self._start = monotonic()
        click.echo(f"cryoscore {__version__}: {total} micrographs, {description}")

    def on_result(self, result: MicrographResult, *, done: int, total: int) -> None:
        """Write the line, and another one for each warning."""
        words = {"denoised": f"denoised in {result.seconds:.1f} s"}
        words |= {"skipped": "was finished before", "failed": result.message}
        told = with_name(result.task.source, words[result.status])
        line = f"{done} of {total}: {told}"
        self._denoised += result.status == "denoised"
        if self._denoised and done < total:
            # By the clock, for several GPUs share the work; what was skipped or
            # failed took no time.
            each = (monotonic() - self._start) / self._denoised
            line += f" ({duration(each * (total - done))} left)"
        click.echo(line)
        for warning in result.warnings:
            click.echo(f"  {result.task.source}: {warning}")

    def abort_requested(self) -> bool:
        """Whether RELION or the Pipeliner asks the job to stop."""
        return self._job.abort_requested()


def denoise_table(
    job: RelionJob, in_mics: str, settings: DenoiseSettings, *, max_failed: int = 0
) -> None:
    """Denoise the micrographs of a table, and write the tables of the job.

    Parameters
    ----------
    job : RelionJob
        The job that runs, in the project folder.
    in_mics : str
        The table, as RELION wrote it on the command line.
    settings : DenoiseSettings
        How to denoise.
    max_failed : int
        How many micrographs may fail without the job failing.

    Raises
    ------
    CryoScoreError
        If the table or a setting cannot be used, the user asked to stop, or more
        than `max_failed` micrographs failed. The tables are written in that last
        case, so that "Mark as finished" accepts the good micrographs.
    """
    _check_settings(settings, relion_style(job.folder))
    micrographs = read_micrographs(Path(in_mics))
    folder = project_name(job.folder)
    outputs = [str(folder / name) for name in output_names(micrographs.names)]
    tasks = [
        MicrographTask(
            source=Path(name),
            output=Path(output),
            pixel_size=pixel_size,
            optics=optics,
            halves=halves,
        )
        for name, output, pixel_size, optics, halves in zip(
            micrographs.names,
            outputs,
            micrographs.pixel_sizes,
            micrographs.optics,
            located_halves(micrographs.path, micrographs.table, Path()),
            strict=True,
        )
    ]
    require_halves(tasks, settings)
    # Early, because "Mark as finished" reads it too.
    announce_micrographs(
        job.folder,
        str(folder / DENOISED_TABLE),
        like=in_mics,
        with_pages=logfile_can_be_drawn(),
    )
    results = denoise_micrographs(tasks, settings, RunOutMonitor(job))
    reasons = _write_tables(job.folder, micrographs, outputs, results)
    write_logfile(job.folder, results, job=str(folder))
    _write_page(folder, results, settings, in_mics)
    _report(folder, len(tasks), reasons, max_failed=max_failed)
    _audit(Path(folder), results, settings)
    click.echo(_advice(job.folder, str(folder / DENOISED_TABLE), in_mics))


def _audit(
    folder: Path, results: Sequence[MicrographResult], settings: DenoiseSettings
) -> None:
    """Audit a guided job; its micrographs are not to be trusted if that fails.

    Raises
    ------
    ConfigError
        If too much comes from the reference alone.
    """
    outcome = audit_guided(results, settings, folder)
    if outcome is None:
        return
    if not outcome.passed:
        msg = (
            f"{outcome.verdict} See {folder / AUDIT_FOLDER}. Use less guidance, or "
            "another model; or, if you want these micrographs all the same, mark the job "
            "as finished."
        )
        raise ConfigError(msg)
    click.echo(outcome.verdict)


def _write_page(
    folder: PurePosixPath,
    results: Sequence[MicrographResult],
    settings: DenoiseSettings,
    in_mics: str,
) -> None:
    """Write the report; it is for looking, so a job without one is still a success."""
    try:
        page = write_job_report(
            Path(folder),
            results,
            settings,
            command=shlex.join(sys.argv),
            project=f"RELION job {folder}, table {in_mics}",
        )
    except (CryoScoreError, OSError) as error:
        click.echo(f"No report: {error}")
    else:
        click.echo(f"Wrote {page}: all micrographs, to open in a browser.")


def _check_settings(settings: DenoiseSettings, style: RelionStyle | None) -> None:
    """Refuse outputs with which RELION would go wrong.

    Raises
    ------
    ConfigError
        If a setting makes files that this RELION misreads.
    """
    if settings.write_binned:
        msg = (
            "write_binned should be off in a RELION job, but is on: picks on binned "
            "micrographs have other coordinates than the raw ones, and Extract would "
            "cut beside the particles. Leave it out."
        )
        raise ConfigError(msg)
    if settings.output_dtype == "float16" and style is RelionStyle.V3:
        msg = (
            "output_dtype is float16, but this project is of RELION 3.1, which reads "
            "float32 only. Leave it out."
        )
        raise ConfigError(msg)


def _write_tables(
    folder: Path,
    micrographs: MicrographsStar,
    outputs: Sequence[str],
    results: Sequence[MicrographResult],
) -> dict[str, str]:
    """Write both tables; return why micrographs failed, by name."""
    by_output = {str(result.task.output): result for result in results}
    denoised: dict[str, str] = {}
    quality: dict[str, dict[str, float]] = {}
    reasons: dict[str, str] = {}
    for name, output in zip(micrographs.names, outputs, strict=True):
        result = by_output.get(output)
        if result is not None and result.status != "failed":
            denoised[name] = output
            quality[name] = result.quality
        else:
            reasons[name] = result.message if result else "It was not processed."
    # A table of an earlier run would be taken for one of this run.
    if denoised:
        measured = with_quality(micrographs, quality)
        write_star(folder / DENOISED_TABLE, denoised_star(measured, denoised))
    else:
        (folder / DENOISED_TABLE).unlink(missing_ok=True)
    if reasons:
        write_star(folder / FAILED_TABLE, failed_star(micrographs, reasons))
    else:
        (folder / FAILED_TABLE).unlink(missing_ok=True)
    return reasons


def _report(
    folder: PurePosixPath, total: int, reasons: dict[str, str], *, max_failed: int
) -> None:
    """Say how many micrographs failed.

    Raises
    ------
    MicrographError
        If more failed than may, or all.
    """
    if not reasons:
        return
    first, reason = next(iter(reasons.items()))
    msg = (
        f"All {total} micrographs should be denoised, but {len(reasons)} failed; the "
        f"first: {with_name(first, reason)} They are listed in {folder / FAILED_TABLE}."
    )
    if len(reasons) == total:
        raise MicrographError(msg)
    if len(reasons) > max_failed:
        msg += (
            f" To go on without them, mark the job as finished, or continue it with "
            f"--max_failed {len(reasons)}."
        )
        raise MicrographError(msg)
    click.echo(msg)


def _advice(folder: Path, denoised: str, raw: str) -> str:
    """What to do next, in the words of the RELION that started the job."""
    style = relion_style(folder)
    lines = [f"Pick on {denoised}, and extract from the raw micrographs."]
    if style in (RelionStyle.V3, None):
        lines.append(_ADVICE_3.format(raw=raw))
    if style is not RelionStyle.V3:
        lines.append(_ADVICE_4.format(raw=raw))
    return "\n".join(lines)
