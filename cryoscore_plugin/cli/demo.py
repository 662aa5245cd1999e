"""`cryoscore demo`: simulate, denoise, compare with the truth."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

SMALLEST = 256
"""Side of a micrograph in px that still holds a few particles."""


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="New or empty folder; that of an earlier demo is replaced.",
)
@click.option(
    "--size",
    type=click.IntRange(min=SMALLEST),
    default=1024,
    show_default=True,
    help="Side of a micrograph in px.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Another number gives other micrographs.",
)
@click.option(
    "--model",
    default=None,
    help="Packaged model or path of a checkpoint. Default: that of `cryoscore denoise`.",
)
def demo(*, output: Path, size: int, seed: int, model: str | None) -> None:
    """Simulate a small RELION project, denoise it, and compare with the truth.

    The External job is run by RELION if relion_pipeliner is found, else called
    directly. Open report.html of the output folder to see the result.
    """
    # Not at the top: they need torch, and `cryoscore --help` answers at once.
    from cryoscore_plugin.demo.jobs import run_job  # noqa: PLC0415
    from cryoscore_plugin.demo.outcome import compare, write_outcome  # noqa: PLC0415
    from cryoscore_plugin.demo.project import PIXEL_SIZE, make_project  # noqa: PLC0415
    from cryoscore_plugin.report.figures import require_matplotlib  # noqa: PLC0415

    require_matplotlib()
    if model is not None and Path(model).is_file():
        model = str(Path(model).absolute())  # the job runs in another folder
    click.echo(f"Simulating micrographs of {size} x {size} px ...")
    project = make_project(output, size=size, seed=seed)
    click.echo("Denoising them with the External job ...")
    run = run_job(project.project, pixel_size=PIXEL_SIZE, model=model)
    click.echo(f"The job was {run.means}.")
    comparisons = compare(project, run)
    words = ["cryoscore", "demo", "--output", str(output)]
    words += ["--size", str(size), "--seed", str(seed)]
    words += [] if model is None else ["--model", model]
    write_outcome(project, run, comparisons, command=shlex.join(words))
    click.echo("Correlation with the truth, before and after (1 is perfect):")
    for item in comparisons:
        click.echo(
            f"  {item.micrograph}  {item.correlation_before:.3f}  ->  "
            f"{item.correlation_after:.3f}"
        )
    click.echo(f"Look at {project.folder / 'report.html'}")
    click.echo(f"and at   {project.folder / 'before_after.png'}")
