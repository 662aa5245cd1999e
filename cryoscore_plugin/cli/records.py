"""Tables of figures: on the screen, and in files that people and programs read."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from cryoscore_plugin.errors import ConfigError, InputError
from cryoscore_plugin.files import replacing

Row = dict[str, str | float]
"""Figures by name; all rows of a table have the same names."""

MICROGRAPH = "micrograph"
"""Column that names what a row is about."""


def checked_record(
    ctx: click.Context,  # noqa: ARG001  click passes it
    param: click.Parameter,
    value: Path | None,
) -> Path | None:
    """Refuse what cannot be written before anything is computed."""
    if value is not None and (
        value.suffix not in {".csv", ".json"} or not value.parent.is_dir()
    ):
        msg = (
            f"{param.opts[0]} should be a .csv or .json file in a folder that exists, "
            f"but is {value}. Change its name, or make the folder."
        )
        raise ConfigError(msg)
    return value


def record_option(function: Callable[..., None]) -> Callable[..., None]:
    """Add `--record`, a file for the table."""
    return click.option(
        "--record",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=checked_record,
        default=None,
        help="File for the figures, .csv or .json.",
    )(function)


PLOTS = (".png", ".pdf", ".svg")
"""Suffixes of plots that can be written."""


def checked_plot(
    ctx: click.Context,  # noqa: ARG001  click passes it
    param: click.Parameter,
    value: Path | None,
) -> Path | None:
    """Refuse what cannot be drawn before anything is computed."""
    if value is not None and (value.suffix not in PLOTS or not value.parent.is_dir()):
        msg = (
            f"{param.opts[0]} should be a {', '.join(PLOTS)} file in a folder that "
            f"exists, but is {value}. Change its name, or make the folder."
        )
        raise ConfigError(msg)
    return value


def plot_option(function: Callable[..., None]) -> Callable[..., None]:
    """Add `--plot`, a file for a figure."""
    return click.option(
        "--plot",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=checked_plot,
        default=None,
        help="File for a figure, .png, .pdf or .svg.",
    )(function)


def print_table(rows: Sequence[Row]) -> None:
    """Print rows below the names of their columns."""
    lines = [list(rows[0]), *([_word(x) for x in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        words = [line[0].ljust(widths[0])]
        words += [word.rjust(n) for word, n in zip(line[1:], widths[1:], strict=True)]
        click.echo("  ".join(words).rstrip())


def write_record(
    rows: Sequence[Row], record: Path | None, *, whole: object = None
) -> None:
    """Write rows under a temporary name, then rename; nothing without a name.

    Parameters
    ----------
    rows : Sequence[Row]
        The table; at least one row.
    record : Path or None
        A .csv or .json file.
    whole : object
        What JSON holds instead of the rows, if there is more to tell.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if record is None:
        return
    try:
        with (
            replacing(record) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            if record.suffix == ".json":
                plain = [{name: _plain(x) for name, x in row.items()} for row in rows]
                file.write(json.dumps(whole or plain, indent=2) + "\n")
            else:
                table = csv.DictWriter(file, rows[0])
                table.writeheader()
                table.writerows(rows)
    except OSError as error:
        msg = f"Cannot write {record}: {error.strerror}. Check space and rights."
        raise InputError(msg) from error


def tell_figures(rows: Sequence[Row], record: Path | None) -> None:
    """Print the figures of micrographs and their mean; record the figures."""
    print_table(with_mean(rows))
    write_record(rows, record)


def with_mean(rows: Sequence[Row]) -> list[Row]:
    """The rows, and below them the mean of every column of numbers."""
    numbers = [name for name, x in rows[0].items() if not isinstance(x, str)]
    means = {
        name: sum(float(row[name]) for row in rows) / len(rows) for name in numbers
    }
    return [*rows, {MICROGRAPH: "mean", **means}]


def read_column(path: Path, column: str) -> dict[str, float]:
    """One figure of each micrograph, from a record in CSV.

    Raises
    ------
    InputError
        If the file has no such column, something else than numbers in it, or a
        micrograph twice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
            found = {row[MICROGRAPH]: float(row[column]) for row in rows}
    except KeyError as error:
        has = ", ".join(rows[0]) if rows else "nothing"
        msg = f"{path} should have a column {error}, but has {has}."
        raise InputError(msg) from error
    except (OSError, ValueError, TypeError) as error:
        msg = (
            f"{path} should be a table in CSV with numbers in the column {column}, "
            f"but: {error}. Make it with --record."
        )
        raise InputError(msg) from error
    if len(found) < len(rows):
        msg = (
            f"{path} should list each micrograph once, but has {len(rows)} lines about "
            f"{len(found)}. Record each method, and each dose, in a file of its own."
        )
        raise InputError(msg)
    return found


def _plain(x: object) -> object:
    """A figure as JSON can tell it: there is no NaN, so what is unknown is null."""
    return None if isinstance(x, float) and not math.isfinite(x) else x


def _word(x: object) -> str:
    """A figure as the screen shows it."""
    return f"{x:.4g}" if isinstance(x, float) else str(x)
