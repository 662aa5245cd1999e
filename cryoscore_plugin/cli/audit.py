"""`cryoscore audit`: whether guided images show the data or the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryoscore_plugin.batch.inputs import FoundMicrograph, find_micrographs
from cryoscore_plugin.batch.model import read_model_facts
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.cli.exits import FAILED, verbose_option
from cryoscore_plugin.cli.options import settings_options
from cryoscore_plugin.cli.records import MICROGRAPH, Row, print_table, write_record
from cryoscore_plugin.errors import ConfigError, InputError
from cryoscore_plugin.guidance.card import guided_in_training
from cryoscore_plugin.settings import DenoiseSettings

if TYPE_CHECKING:
    from cryoscore_plugin.cli.audit_subject import Subject
    from cryoscore_plugin.evaluation.audit import Audit
    from cryoscore_plugin.evaluation.audit_verdict import Finding
    from cryoscore_plugin.micrograph import Micrograph


PASSED = "passed"
"""What the record of an audit says that found nothing beyond the limit."""


@dataclass(frozen=True, kw_only=True)
class AuditOutcome:
    """What an audit says.

    Attributes
    ----------
    verdict : str
        In words.
    passed : bool
        Whether nothing is beyond the limit.
    rows : list[Row]
        Figures of each micrograph and control.
    """

    verdict: str
    passed: bool
    rows: list[Row]


@click.command(short_help="Find out what a reference alone puts into images.")
@click.argument(
    "inputs",
    metavar="INPUT...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for audit.pdf, .png, .csv and .json; made if need be.",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="How many of the micrographs, spread evenly.",
)
@settings_options(DenoiseSettings)
@verbose_option
@click.pass_context
def audit(
    context: click.Context,
    *,
    inputs: tuple[Path, ...],
    output: Path,
    count: int,
    settings: DenoiseSettings,
) -> None:
    """Audit guidance on your own micrographs.

    Takes what `cryoscore denoise` takes, with --reference and --guidance, or with a
    --model that was guided in training, which is compared with the one before. A few
    micrographs are denoised with guidance and without; then pure noise of the same
    spectrum, the micrographs with random phases, and the micrographs with a decoy
    instead of the reference. What guidance adds to those comes from the reference alone.
    What it shows in one half of the electrons must be in the other half; the halves are
    those of odd and even frames, or, where there are none, the micrograph with noise
    added and subtracted. And what a reference lacks of which a third was cut off must
    still appear. The exit code is 1 if more than 5 % is from the reference, or more than
    half of the missing part is lost. audit.pdf tells it on one page.
    """
    if not is_guided(settings):
        msg = (
            "An audit needs the --reference and the --guidance that are to be audited, "
            f"or a --model that was guided in training, but {settings.model} was not. "
            "Give those of `cryoscore denoise`."
        )
        raise ConfigError(msg)
    found = find_micrographs(inputs)
    step = max(1, len(found) // count)
    outcome = run_audit(found[::step][:count], settings, output)
    print_table(outcome.rows)
    click.echo(outcome.verdict)
    if not outcome.passed:
        context.exit(FAILED)


def is_guided(settings: DenoiseSettings) -> bool:
    """Whether a reference guides the results, or guided the training of the model.

    Parameters
    ----------
    settings : DenoiseSettings
        Of the run.

    Raises
    ------
    CryoScoreError
        If there is no such model.
    """
    if settings.reference is not None or settings.guidance:
        return True
    return bool(guided_in_training(read_model_facts(settings.model).card["training"]))


def audit_task(
    task: MicrographTask, settings: DenoiseSettings, output: Path
) -> AuditOutcome:
    """Audit a micrograph that a run has guided; see `run_audit`.

    Parameters
    ----------
    task : MicrographTask
        The micrograph.
    settings : DenoiseSettings
        Of the run.
    output : Path
        Folder for the files.

    Raises
    ------
    CryoScoreError
        As `run_audit`.
    """
    found = FoundMicrograph(
        path=task.source,
        below=task.output,
        pixel_size=task.pixel_size,
        halves=task.halves,
        optics=task.optics,
    )
    return run_audit([found], settings, output)


def run_audit(
    found: Sequence[FoundMicrograph],
    settings: DenoiseSettings,
    output: Path,
) -> AuditOutcome:
    """Audit micrographs, and write the figures.

    Parameters
    ----------
    found : Sequence[FoundMicrograph]
        The raw micrographs.
    settings : DenoiseSettings
        With reference and guidance; another seed gives other noise, phases and decoys.
    output : Path
        Folder for the files.

    Raises
    ------
    CryoScoreError
        If a micrograph, the model or the reference cannot be used, or a file cannot be
        written.
    """
    from cryoscore_plugin.cli.audit_subject import (  # noqa: PLC0415  brings torch
        load_subject,
    )
    from cryoscore_plugin.evaluation.audit_verdict import verdict  # noqa: PLC0415

    subject = load_subject(settings)
    audits = _audits(found, settings, subject)
    findings: list[Finding] = [one for each in audits for one in each.findings]
    rows: list[Row] = [
        {MICROGRAPH: one.path.name, **asdict(finding)}
        for one, each in zip(found, audits, strict=True)
        for finding in each.findings
    ]
    said = verdict(findings, advice=subject.advice)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"Cannot make the folder {output}: {error.strerror}. Give another one."
        raise InputError(msg) from error
    write_record(rows, output / "audit.csv")
    passed = all(finding.passes for finding in findings)
    summary: Row = {"verdict": said, "result": PASSED if passed else "failed"}
    write_record([summary, *rows], output / "audit.json")
    names = ", ".join(one.path.name for one in found)
    words = f"{said}\n\n{subject.description} Of {names}."
    _write_pictures(audits, output, words=words)
    return AuditOutcome(verdict=said, passed=passed, rows=rows)


def _audits(
    found: Sequence[FoundMicrograph],
    settings: DenoiseSettings,
    subject: Subject,
) -> list[Audit]:
    """An audit of each micrograph, at the working pixel size."""
    from cryoscore_plugin.evaluation.audit import (  # noqa: PLC0415  as above
        audit_micrograph,
    )
    from cryoscore_plugin.mrc import read_micrograph  # noqa: PLC0415

    audits = []
    for number, one in enumerate(found):
        size = settings.pixel_size or one.pixel_size
        raw = replace(read_micrograph(one.path, pixel_size=size), optics=one.optics)
        seed = settings.seed + number
        halves = _halves(one, raw, subject.working_pixel_size, seed=seed)
        audits.append(
            audit_micrograph(
                raw, halves, subject.denoisers, diameter=subject.diameter, seed=seed
            )
        )
    return audits


def _halves(
    one: FoundMicrograph, raw: Micrograph, working_pixel_size: float, *, seed: int
) -> tuple[Micrograph, Micrograph]:
    """Images of odd and even frames; where there are none, drawn ones.

    Raises
    ------
    InputError
        If they are of another size than the micrograph.
    """
    from cryoscore_plugin.batch.halves import find_halves  # noqa: PLC0415  as above
    from cryoscore_plugin.evaluation.audit_controls import (  # noqa: PLC0415
        drawn_halves,
    )
    from cryoscore_plugin.mrc import read_halves  # noqa: PLC0415

    paths = one.halves or find_halves(one.path)
    if not paths or not all(path.is_file() for path in paths):
        return drawn_halves(raw, working_pixel_size=working_pixel_size, seed=seed)
    first, second = read_halves(paths, pixel_size=raw.pixel_size)
    for half in (first, second):
        if half.pixels.shape != raw.pixels.shape:
            sizes = ["{1} x {0} px".format(*x.pixels.shape) for x in (half, raw)]
            msg = (
                f"{half.source} has {sizes[0]}, but {one.path} has {sizes[1]}. Give "
                "halves of the same size, or move them elsewhere."
            )
            raise InputError(msg)
    return replace(first, optics=raw.optics), replace(second, optics=raw.optics)


def _write_pictures(audits: Sequence[Audit], output: Path, *, words: str) -> None:
    """The page, and the images of the first micrograph larger."""
    if find_spec("matplotlib") is None:
        return
    from cryoscore_plugin.report.audit_page import (  # noqa: PLC0415  an extra
        audit_panels,
        write_audit_page,
    )
    from cryoscore_plugin.report.figures import write_picture  # noqa: PLC0415

    findings = [finding for audit in audits for finding in audit.findings]
    write_audit_page(output / "audit.pdf", findings, audits[0], words=words)
    write_picture(output / "audit.png", audit_panels(audits[0]))
