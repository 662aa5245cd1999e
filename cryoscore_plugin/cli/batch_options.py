"""The options of `cryoscore batch` that are no settings of the denoising."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import click

Callback = TypeVar("Callback", bound=Callable[..., object])

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


def batch_options(callback: Callback) -> Callback:
    """Add the options; the first of the list is the first of the help.

    Parameters
    ----------
    callback : Callable
        Function of a click command.
    """
    decorated: Callable[..., object] = callback
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return cast("Callback", decorated)
