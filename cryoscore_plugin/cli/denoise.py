"""`cryoscore denoise`: micrographs in, denoised micrographs out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from cryoscore_plugin.batch.halves import wholes_of
from cryoscore_plugin.batch.inputs import find_micrographs, is_table, table_formats
from cryoscore_plugin.batch.monitor import MicrographResult
from cryoscore_plugin.batch.plan import plan_outputs
from cryoscore_plugin.cli.exits import FAILED, verbose_option
from cryoscore_plugin.cli.guided_end import audit_passed
from cryoscore_plugin.cli.options import settings_options
from cryoscore_plugin.cli.progress import ShellMonitor, picking_advice, tell_results
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.files import absolute, make_output_folder
from cryoscore_plugin.settings import DenoiseSettings


@click.command()
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
    help="Folder for the denoised micrographs; made if need be.",
)
@click.option(
    "--project-dir",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder from which tables name micrographs. Default: found from where the "
    "table lies.",
)
@settings_options(DenoiseSettings)
@verbose_option
@click.pass_context
def denoise(
    context: click.Context,
    *,
    inputs: tuple[Path, ...],
    output: Path,
    project_dir: Path | None,
    settings: DenoiseSettings,
) -> None:
    """Denoise micrographs.

    INPUT is a micrograph (.mrc, also .gz or .bz2, .tif), a stack of them (.mrcs), a
    folder, a pattern in quotes, or a table (.star, .cs). The results go to DIR under the
    same names. What is finished is not done again: the same command goes on where it
    was stopped.

    Pick particles on the results, and extract them from the raw micrographs. With
    --reference, the first of them is audited at the end, as `cryoscore audit` does; that
    takes as long as a dozen more micrographs.
    """
    began = time.monotonic()
    tables = _tables(inputs, output)
    found = find_micrographs(inputs, output=output, root=project_dir)
    tasks = plan_outputs(wholes_of(found) if settings.halves else found, output)
    make_output_folder(output)
    # The engine brings torch: two seconds that a wrong word in the command saves.
    from cryoscore_plugin.batch.agreement import require_halves  # noqa: PLC0415
    from cryoscore_plugin.batch.run import denoise_micrographs  # noqa: PLC0415

    require_halves(tasks, settings)
    monitor = ShellMonitor()
    try:
        results = denoise_micrographs(tasks, settings, monitor)
    except KeyboardInterrupt:
        click.echo("The same command goes on from here.", err=True)
        raise
    finally:
        monitor.close()
    written = _write_tables(tables, results, settings, root=project_dir)
    seconds = time.monotonic() - began
    tell_results(results, seconds=seconds, skipped="finished before")
    failed = [result for result in results if result.status == "failed"]
    if len(failed) < len(results):
        click.echo(_advice(written, output, binned=settings.write_binned))
    passed = audit_passed(results, settings, output)
    if failed or not passed:
        context.exit(FAILED)


def _tables(inputs: Sequence[Path], output: Path) -> dict[Path, Path]:
    """The table to write for each that was given.

    Raises
    ------
    InputError
        If two would have one name.
    """
    tables = {
        table: output / f"{table.stem}_denoised{table.suffix}"
        for table in inputs
        if is_table(table)
    }
    name, count = Counter(tables.values()).most_common(1)[0] if tables else (None, 0)
    if count > 1:
        msg = (
            f"Two tables would both become {name}. Denoise one after the other, each "
            "into a folder of its own."
        )
        raise InputError(msg)
    return tables


def _write_tables(
    tables: Mapping[Path, Path],
    results: Sequence[MicrographResult],
    settings: DenoiseSettings,
    *,
    root: Path | None,
) -> list[tuple[Path, Path]]:
    """Write the tables; return the raw and the denoised one of each pair."""
    if tables and settings.write_binned:
        click.echo(
            "Warning: no table is written for binned micrographs, because picks on "
            "them need scaling.",
            err=True,
        )
        return []
    outputs = {
        absolute(result.task.source): result.task.output
        for result in results
        if result.status != "failed"
    }
    written = []
    for source, target in tables.items():
        table = table_formats()[source.suffix.lower()]
        rows = table.read(source, root=root)
        places = {row.path: absolute(row.path) for row in rows}
        denoised = {
            path: outputs[place] for path, place in places.items() if place in outputs
        }
        # A table of an earlier run would be taken for one of this run.
        target.unlink(missing_ok=True)
        if denoised:
            table.write_denoised(source, target, denoised, root=root)
            written.append((source, target))
    return written


def _advice(written: Sequence[tuple[Path, Path]], output: Path, *, binned: bool) -> str:
    """What to do next."""
    if not written:
        return picking_advice(output, binned=binned)
    return "\n".join(
        picking_advice(target, str(source), binned=binned) for source, target in written
    )
