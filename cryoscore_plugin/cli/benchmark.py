"""`cryoscore benchmark`: time, memory and throughput, beside Topaz-Denoise."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryoscore_plugin import __version__
from cryoscore_plugin.cli.exits import FAILED, verbose_option
from cryoscore_plugin.cli.records import Row, record_option, write_record

if TYPE_CHECKING:
    from cryoscore_plugin.evaluation.benchmark import Measurement, Ratio
    from cryoscore_plugin.evaluation.programs import Program

PIXEL_SIZE = 1.0
"""Of the micrograph, in Å/px: that of many data sets, and a round number."""

SMALLEST = 64
"""Side in px of a micrograph that still has something to denoise."""

HEADER = f"{'program':<20}{'device':<8}{'size':<12}" + "".join(
    f"{title:>9}" for title in ("wall s", "CPU s", "GB", "Mpx/s")
)


def _words(
    ctx: click.Context,  # noqa: ARG001  click passes three
    param: click.Parameter,  # noqa: ARG001
    value: str,
) -> tuple[str, ...]:
    """Values separated by commas, each once."""
    return tuple(dict.fromkeys(word.strip() for word in value.split(",")))


def _sizes(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    """Sizes in px separated by commas, each checked."""
    words = _words(ctx, param, value)
    for word in words:
        if not word.isdecimal() or int(word) < SMALLEST:
            msg = (
                f"expected whole numbers of px from {SMALLEST}, separated by commas, "
                f"but found {word!r}. Try --sizes 1024,4096."
            )
            raise click.BadParameter(msg, ctx=ctx, param=param)
    return tuple(map(int, words))


@click.command(short_help="Measure seconds, memory and throughput; compare with Topaz.")
@click.option(
    "--sizes",
    callback=_sizes,
    default="1024,4096",
    show_default=True,
    help="Sides of the micrographs in px, separated by commas.",
)
@click.option(
    "--devices",
    callback=_words,
    default="cpu",
    show_default=True,
    help="cpu, cuda or GPU numbers, separated by commas.",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Runs of each; the table has their median, and the largest memory.",
)
@click.option(
    "--model",
    default=None,
    help="Packaged model or path of a checkpoint. Default: that of `cryoscore denoise`.",
)
@click.option(
    "--topaz",
    type=click.Path(path_type=Path),
    default=None,
    help="The program of Topaz-Denoise. Default: `topaz` on PATH, if it is there.",
)
@record_option
@verbose_option
@click.pass_context
def benchmark(  # noqa: PLR0913  one argument for each option
    context: click.Context,
    *,
    sizes: tuple[int, ...],
    devices: tuple[str, ...],
    repeats: int,
    model: str | None,
    topaz: Path | None,
    record: Path | None,
) -> None:
    """Time `cryoscore denoise` on synthetic micrographs, start to end.

    Each measurement is a process of its own. Topaz-Denoise, if found, denoises the same
    files with as many threads. Let nothing else run meanwhile.
    """
    # Not at the top: scipy takes a moment, and `cryoscore --help` answers at once.
    from cryoscore_plugin.evaluation.benchmark import (  # noqa: PLC0415
        measure_all,
        ratios,
    )

    threads = len(os.sched_getaffinity(0))
    programs = _programs(model, topaz, threads)
    computer = _computer(threads)
    click.echo(
        f"{threads} threads, load {computer['load']:.1f} before the start. Synthetic "
        f"micrographs at {PIXEL_SIZE:g} Å/px.\n\n{HEADER}"
    )
    with tempfile.TemporaryDirectory(prefix="cryoscore-") as folder:
        inputs = _write_inputs(Path(folder), sizes)
        measurements = []
        for measurement in measure_all(
            programs, inputs=inputs, devices=devices, repeats=repeats, threads=threads
        ):
            click.echo(_line(measurement))
            measurements.append(measurement)
    found = ratios(measurements)
    for ratio in found:
        click.echo(_ratio_line(ratio))
    _write_figures(record, computer, measurements, found)
    if any(measurement.failure for measurement in measurements):
        context.exit(FAILED)


def _write_inputs(folder: Path, sizes: Sequence[int]) -> dict[int, Path]:
    """A synthetic micrograph of each size, in px; the file of each."""
    from cryoscore_plugin.evaluation.benchmark import (  # noqa: PLC0415  as above
        yardstick_micrograph,
    )
    from cryoscore_plugin.mrc import write_micrograph  # noqa: PLC0415

    inputs = {size: folder / f"{size}.mrc" for size in sizes}
    for size, path in inputs.items():
        write_micrograph(path, yardstick_micrograph(size, pixel_size=PIXEL_SIZE))
    return inputs


def _programs(model: str | None, topaz: Path | None, threads: int) -> list[Program]:
    """Ours, and Topaz if it is there; says if it is not."""
    from cryoscore_plugin.evaluation.programs import (  # noqa: PLC0415
        cryoscore_program,
        find_topaz,
        topaz_program,
    )

    programs = [cryoscore_program(model, version=__version__, threads=threads)]
    if (path := find_topaz(topaz)) is None:
        click.echo(
            "Topaz was not found on PATH, so there is nothing to compare with. Install "
            "topaz-em in an environment of its own and give its program with --topaz."
        )
    else:
        programs.append(topaz_program(path, threads=threads))
    return programs


def _line(measurement: Measurement) -> str:
    """One row of the table."""
    name = f"{measurement.program} {measurement.version}"
    size = f"{measurement.size} x {measurement.size}"
    words = f"{name:<20}{measurement.device:<8}{size:<12}"
    if measurement.failure:
        return f"{words}  failed: {measurement.failure}"
    return (
        f"{words}{measurement.seconds:9.1f}{measurement.cpu_seconds:9.1f}"
        f"{measurement.peak_bytes / 1e9:9.2f}{measurement.pixels_per_second / 1e6:9.2f}"
    )


def _ratio_line(ratio: Ratio) -> str:
    """Topaz over cryoscore, in words."""
    return (
        f"{ratio.size} x {ratio.size} on {ratio.device}: Topaz takes "
        f"{ratio.seconds:.1f} times the seconds, {ratio.cpu_seconds:.1f} times the CPU "
        f"seconds and {ratio.peak_bytes:.1f} times the memory of cryoscore."
    )


def _computer(threads: int) -> dict[str, float | str]:
    """Where it was measured."""
    return {
        "processor": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads": threads,
        "load": os.getloadavg()[0],
    }


def _write_figures(
    record: Path | None,
    computer: dict[str, float | str],
    measurements: Sequence[Measurement],
    found: Sequence[Ratio],
) -> None:
    """Record the figures: rows as CSV, or everything as JSON."""
    rows: list[Row] = [
        asdict(measurement) | {"pixels_per_second": measurement.pixels_per_second}
        for measurement in measurements
    ]
    whole = {
        "computer": computer,
        "measurements": rows,
        "topaz_over_cryoscore": [asdict(ratio) for ratio in found],
    }
    write_record(rows, record, whole=whole)
