"""`cryoscore audit`: whether guided images show the data or the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryoscore_plugin.batch.inputs import FoundMicrograph, find_micrographs
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.cli.exits import FAILED, verbose_option
from cryoscore_plugin.cli.options import settings_options
from cryoscore_plugin.cli.records import MICROGRAPH, Row, print_table, write_record
from cryoscore_plugin.errors import ConfigError, InputError
from cryoscore_plugin.settings import DenoiseSettings

if TYPE_CHECKING:
    from cryoscore_plugin.evaluation.audit import Audit, Finding


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
    help="Folder for audit.csv, audit.json and audit.png; made if need be.",
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

    Takes what `cryoscore denoise` takes, with --reference and --guidance. A few
    micrographs are denoised with guidance and without; then pure noise of the same
    spectrum, the micrographs with random phases, and the micrographs with a decoy
    instead of the reference. What guidance adds to those comes from the reference alone.
    The exit code is 1 if that is more than 5 %.
    """
    if settings.reference is None:
        msg = (
            "An audit needs the --reference and the --guidance that are to be audited, "
            "but found none. Give those of `cryoscore denoise`."
        )
        raise ConfigError(msg)
    found = find_micrographs(inputs)
    step = max(1, len(found) // count)
    outcome = run_audit(found[::step][:count], settings, output)
    print_table(outcome.rows)
    click.echo(outcome.verdict)
    if not outcome.passed:
        context.exit(FAILED)


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
    from cryoscore_plugin.evaluation.audit import verdict  # noqa: PLC0415  brings torch

    audits = _audits(found, settings)
    findings: list[Finding] = [one for each in audits for one in each.findings]
    rows: list[Row] = [
        {MICROGRAPH: one.path.name, **asdict(finding)}
        for one, each in zip(found, audits, strict=True)
        for finding in each.findings
    ]
    said = verdict(findings)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"Cannot make the folder {output}: {error.strerror}. Give another one."
        raise InputError(msg) from error
    write_record(rows, output / "audit.csv")
    write_record([{"verdict": said}, *rows], output / "audit.json")
    _write_picture(audits[0], output / "audit.png")
    passed = all(finding.passes for finding in findings)
    return AuditOutcome(verdict=said, passed=passed, rows=rows)


def _audits(found: Sequence[FoundMicrograph], settings: DenoiseSettings) -> list[Audit]:
    """An audit of each micrograph, at the working pixel size."""
    from cryoscore_plugin.denoiser import load_denoisers  # noqa: PLC0415  as above
    from cryoscore_plugin.evaluation.audit import (  # noqa: PLC0415
        Denoisers,
        audit_micrograph,
        decoy_views,
    )
    from cryoscore_plugin.mrc import read_micrograph  # noqa: PLC0415

    binned = settings.model_copy(update={"write_binned": True})
    guided = load_denoisers(binned)[0]
    target = guided.target
    if target is None:
        msg = (
            "An audit needs a guidance of more than 0. Give that of the guided images."
        )
        raise ConfigError(msg)
    views = target.guidance.views
    other = replace(target.guidance, views=decoy_views(views, seed=settings.seed))
    decoy = replace(guided, target=replace(target, guidance=other))
    denoisers = Denoisers(
        unguided=lambda one: replace(guided, target=None).denoise(one).micrograph,
        guided=lambda one: guided.denoise(one).micrograph,
        decoy=lambda one: decoy.denoise(one).micrograph,
    )
    audits = []
    for number, one in enumerate(found):
        size = settings.pixel_size or one.pixel_size
        raw = read_micrograph(one.path, pixel_size=size)
        audits.append(
            audit_micrograph(
                replace(raw, optics=one.optics),
                denoisers,
                diameter=views.diameter,
                seed=settings.seed + number,
            )
        )
    return audits


def _write_picture(audit: Audit, path: Path) -> None:
    """A micrograph and its controls without and with guidance, side by side."""
    if find_spec("matplotlib") is None:
        return
    from cryoscore_plugin.report.figures import Panel, write_picture  # noqa: PLC0415

    usual = ("unguided", "guided")
    rows = [
        [
            Panel(image=image, pixel_size=audit.pixel_size, title=f"{name}, {state}")
            for state, image in zip(
                ("by the reference", "by the decoy") if name == "decoy" else usual,
                images[1:],
                strict=True,
            )
        ]
        for name, images in audit.images.items()
    ]
    write_picture(path, rows)
