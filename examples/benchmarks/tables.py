"""Means and comparisons over the rows that the benchmarks here record.

A row has words that say what it is about, such as `denoiser` and `dose`, and figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cryoscore_plugin.cli.evaluate_compare import comparison_rows
from cryoscore_plugin.cli.records import Row, write_record
from cryoscore_plugin.evaluation.statistics import FEWEST_PAIRS

BASELINE = "raw"
"""The denoiser that all others are compared with."""

WEIGHTS = {"slope": "power"}
"""Columns by which means of a figure are weighted. The slope of one regression over all
micrographs is the mean of their own slopes, weighted by the power of their outputs."""

Key = tuple[str | float, ...]


def grouped(rows: Sequence[Row], *names: str) -> dict[Key, list[Row]]:
    """Rows that have the same in all columns of these names, in the order they came."""
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


def column(rows: Sequence[Row], figure: str) -> list[float]:
    """One figure of all rows."""
    return [float(row[figure]) for row in rows]


def mean(rows: Sequence[Row], figure: str) -> float:
    """Mean of a figure; rows in which it is undefined (NaN) do not count."""
    values = np.array(column(rows, figure))
    weights = np.ones(len(rows))
    if figure in WEIGHTS:
        weights = np.array(column(rows, WEIGHTS[figure]))
    known = np.isfinite(values)
    return (
        float(np.average(values[known], weights=weights[known]))
        if known.any()
        else np.nan
    )


def pivot(
    rows: Sequence[Row], figure: str, *, line: str, across: Sequence[str]
) -> list[Row]:
    """Means of a figure: a row for each `line`, a column for each group of `across`."""
    return [
        {line: key}
        | {
            " ".join(map(_word, group)): round(mean(own, figure), 3)
            for group, own in grouped(some, *across).items()
        }
        for (key,), some in grouped(rows, line).items()
    ]


def compared_with_raw(
    rows: Sequence[Row], figure: str, *, unit: str, within: Sequence[str] = ()
) -> list[Row]:
    """Every denoiser against raw on the same micrographs, scenes or seeds.

    Parameters
    ----------
    rows : Sequence[Row]
        Each with `denoiser`, `unit`, and the names in `within`. Holm's correction counts
        all that is compared here.
    figure : str
        What is compared.
    unit : str
        Column that tells the pairs.
    within : Sequence[str]
        Columns that tell groups, each with a baseline of its own.
    """
    told: list[Row] = []
    methods = []
    for group, some in grouped(rows, *within).items():
        by_name = {
            name: {row[unit]: float(row[figure]) for row in own}
            for (name,), own in grouped(some, "denoiser").items()
        }
        raw = by_name.pop(BASELINE, {})
        for name, own in by_name.items():
            if len(raw) < FEWEST_PAIRS or raw.keys() != own.keys():
                continue
            about = dict(zip(within, group, strict=True))
            told.append({"figure": figure} | about | {"denoiser": name})
            pairs = [(raw[key], value) for key, value in own.items()]
            methods.append((str(name), pairs))
    found = comparison_rows(methods)
    return [
        about | {name: value for name, value in row.items() if name != "method"}
        for about, row in zip(told, found, strict=True)
    ]


def write_beside(rows: Sequence[Row], record: Path | None, word: str) -> None:
    """Write rows to `RECORD_word.json`, beside `RECORD.json`, if there are any."""
    if rows and record is not None:
        write_record(rows, record.with_stem(f"{record.stem}_{word}"))


def markdown(rows: Sequence[Row]) -> str:
    """A table as Markdown has it."""
    lines = [list(rows[0]), ["---"] * len(rows[0])]
    lines += [[_word(value) for value in row.values()] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _word(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
