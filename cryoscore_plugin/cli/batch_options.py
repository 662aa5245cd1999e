"""The options of `cryoscore batch` that are no settings of the denoising."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from cryoscore_plugin.batch.cluster import CLUSTERS
from cryoscore_plugin.cli.options import gathered_options

_OPTIONS = (
    click.argument("project", metavar="PROJECT", type=click.Path(path_type=Path)),
    click.option(
        "-o",
        "--output",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="Folder for the outputs; made if need be. Default: `cryoscore` in the "
        "project.",
    ),
    click.option(
        "--in-mics",
        metavar="TABLE",
        type=click.Path(path_type=Path),
        help="Table of micrographs to use instead of the latest of the project.",
    ),
    click.option(
        "--include",
        metavar="PATTERN",
        multiple=True,
        help="Only micrographs whose name or place matches, such as 'day2/*'. May be "
        "given more than once.",
    ),
    click.option(
        "--exclude",
        metavar="PATTERN",
        multiple=True,
        help="Not those whose name or place matches. May be given more than once.",
    ),
    click.option(
        "--limit",
        metavar="N",
        type=click.IntRange(min=1),
        help="Only the first N micrographs.",
    ),
    click.option(
        "--shard",
        metavar="I/N",
        help="Only part I of N, from 1/N to N/N, for job arrays.",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Work on a Dask cluster that runs, such as tcp://node1:8786.",
    ),
    click.option(
        "--cluster",
        type=click.Choice(list(CLUSTERS)),
        help="Start Dask workers, here or through the queue of a cluster.",
    ),
    click.option(
        "--cluster-settings",
        metavar="YAML",
        type=click.Path(path_type=Path),
        help="With --cluster: `jobs`, and what your site wants, such as queue, cores, "
        "memory, walltime.",
    ),
    click.option("--dry-run", is_flag=True, help="Say what would be done, no more."),
    click.option(
        "--retry-failed", is_flag=True, help="Try again what failed in earlier runs."
    ),
    click.option(
        "--report/--no-report",
        default=True,
        help="Write a report when all is done.  [default: yes]",
    ),
    click.option(
        "--watch",
        is_flag=True,
        help="Go on looking for new micrographs, until Ctrl-C or --idle-limit.",
    ),
    click.option(
        "--watch-interval",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        default=10.0,
        show_default=True,
        help="With --watch: time between two looks.",
    ),
    click.option(
        "--idle-limit",
        metavar="MINUTES",
        type=click.FloatRange(min=0),
        help="With --watch: stop if nothing new came for so long.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The options of the command but the settings, as click gives them, by name."""

    project: Path
    output: Path | None
    in_mics: Path | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    limit: int | None
    shard: str | None
    scheduler: str | None
    cluster: str | None
    cluster_settings: Path | None
    dry_run: bool
    retry_failed: bool
    report: bool
    watch: bool
    watch_interval: float
    idle_limit: float | None


batch_options = gathered_options(Choices, _OPTIONS)
"""Add the options; the function of the command takes them as `choices`."""
