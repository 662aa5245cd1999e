"""The table of a run on own micrographs: loss and held-out risk, step by step."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from cryoscore_plugin.files import replacing


@dataclass(frozen=True, kw_only=True)
class CurveRow:
    """One look at the held-out micrographs; the names are those of the columns.

    Attributes
    ----------
    step : int
        Steps done.
    loss : float
        Mean since the row before, in units of the noise of the targets; NaN at step 0.
    risk : float
        On the micrographs kept out, in the same units.
    """

    step: int
    loss: float
    risk: float


def read_curve(path: Path) -> list[CurveRow]:
    """Rows of a curve, in the order of the steps; none where there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            CurveRow(
                step=int(row["step"]), loss=float(row["loss"]), risk=float(row["risk"])
            )
            for row in csv.DictReader(file)
        ]


def add_to_curve(path: Path, row: CurveRow) -> None:
    """Write a curve with one more row.

    What it says of this step and of later ones is left out: it is of a run that was
    killed between its last row and its last state.
    """
    rows = [one for one in read_curve(path) if one.step < row.step]
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.DictWriter(file, [field.name for field in fields(CurveRow)])
        table.writeheader()
        table.writerows(asdict(one) for one in (*rows, row))
