"""`cryoscore report`: a page, a CSV and a JSON file about the outputs of a batch."""

from __future__ import annotations

from pathlib import Path

import click

from cryoscore_plugin.cli.exits import verbose_option
from cryoscore_plugin.report.choice import MOST_PICTURES


@click.command()
@click.argument("output", metavar="OUTPUT", type=click.Path(path_type=Path))
@click.option(
    "--pictures",
    metavar="N",
    type=click.IntRange(min=0),
    default=MOST_PICTURES,
    show_default=True,
    help="How many micrographs to picture: half of them those unlike the rest.",
)
@verbose_option
def report(*, output: Path, pictures: int) -> None:
    """Write a report on OUTPUT, the folder of outputs of `cryoscore batch`.

    It is one page, report.html, which needs no network and no other file; report.csv
    and report.json have its numbers.
    """
    from cryoscore_plugin.report.batch_report import write_report  # noqa: PLC0415

    page = write_report(output, pictures=pictures)
    click.echo(f"Wrote {page}, report.csv and report.json.")
