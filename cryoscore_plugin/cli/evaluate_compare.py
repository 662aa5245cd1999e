"""`cryoscore evaluate compare`: whether a method is better than the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cryoscore_plugin.cli.exits import verbose_option
from cryoscore_plugin.cli.records import (
    Row,
    plot_option,
    print_table,
    read_column,
    record_option,
    write_record,
)
from cryoscore_plugin.errors import InputError

PATH = click.Path(path_type=Path, exists=True)


@click.command()
@click.argument("baseline", type=PATH, metavar="BASELINE.csv")
@click.argument("others", nargs=-1, required=True, metavar="OTHER.csv...", type=PATH)
@click.option(
    "--figure",
    default="average_precision",
    show_default=True,
    help="Column to compare.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of the bootstrap."
)
@record_option
@plot_option
@verbose_option
def compare(
    *,
    baseline: Path,
    others: tuple[Path, ...],
    figure: str,
    seed: int,
    record: Path | None,
    plot: Path | None,
) -> None:
    """Compare methods with a baseline, on the same micrographs.

    Reads what the other sub-commands record as CSV. `shift` is how much larger the
    figure is than with the baseline (Hodges-Lehmann), `low` and `high` its 95 %
    bootstrap interval over micrographs, `p` that of Wilcoxon's signed-rank test, and
    `p_holm` the same, raised for the number of comparisons.
    """
    first = read_column(baseline, figure)
    methods = []
    for path in others:
        second = read_column(path, figure)
        if set(first) != set(second):
            alone = ", ".join(sorted(set(first) ^ set(second))[:3])
            msg = (
                f"{path} and {baseline} should list the same micrographs, but only one "
                f"of them has {alone}. Evaluate the same micrographs with both."
            )
            raise InputError(msg)
        methods.append((path.stem, [(first[key], second[key]) for key in first]))
    rows = comparison_rows(methods, seed=seed)
    print_table(rows)
    write_record(rows, record)
    if plot is not None:
        label = f"{figure.replace('_', ' ')}: difference to {baseline.stem}"
        _plot_differences(plot, methods, rows, label=label)


def _plot_differences(
    path: Path,
    methods: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    rows: Sequence[Row],
    *,
    label: str,
) -> None:
    """The figures of `comparison_rows`, and the micrographs they are of."""
    import numpy as np  # noqa: PLC0415  see `comparison_rows`

    from cryoscore_plugin.report.differences_figure import (  # noqa: PLC0415
        Differences,
        write_differences,
    )

    differences = [
        Differences(
            method=name,
            values=np.diff(np.array(pairs, dtype=np.float64))[:, 0],
            shift=float(row["shift"]),
            low=float(row["low"]),
            high=float(row["high"]),
            p_value=float(row["p_holm"]),
        )
        for (name, pairs), row in zip(methods, rows, strict=True)
    ]
    write_differences(path, differences, label=label)


def comparison_rows(
    methods: Sequence[tuple[str, Sequence[tuple[float, float]]]], *, seed: int = 0
) -> list[Row]:
    """A row for each method: how much better it is than its baseline.

    Parameters
    ----------
    methods : Sequence[tuple[str, Sequence[tuple[float, float]]]]
        The name of each, and the figure of every micrograph with the baseline and with
        this method.
    seed : int
        Of the bootstrap.

    Raises
    ------
    InputError
        If there are fewer than two micrographs, or a figure is not finite.
    """
    # Not at the top: scipy takes a moment, and `cryoscore --help` answers at once.
    import numpy as np  # noqa: PLC0415

    from cryoscore_plugin.evaluation.statistics import compare_pairs, holm  # noqa: PLC0415

    found = [
        compare_pairs(
            *np.array(pairs, dtype=np.float64).reshape(-1, 2).T,
            rng=np.random.default_rng(seed),
        )
        for _, pairs in methods
    ]
    adjusted = holm([x.p_value for x in found])
    return [
        {
            "method": name,
            "micrographs": x.pairs,
            "shift": x.shift,
            "low": x.low,
            "high": x.high,
            "p": x.p_value,
            "p_holm": p_holm,
        }
        for (name, _), x, p_holm in zip(methods, found, adjusted, strict=True)
    ]
