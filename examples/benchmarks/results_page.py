"""One page of all results: tables and figures of what the benchmarks recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from charts import draw_dots, draw_over_dose, draw_shifts
from tables import grouped, markdown, pivot

from cryoscore_plugin.cli.records import Row


@dataclass(frozen=True, kw_only=True)
class Section:
    """What is shown of one record.

    Attributes
    ----------
    title : str
        A sentence for the page.
    figures : Sequence[str]
        Columns that are shown.
    across : str
        Column of which each value has a column in the tables, and a colour.
    panel : str or None
        Column of which each value has a table, and a panel.
    """

    title: str
    figures: Sequence[str]
    across: str
    panel: str | None = None


LIKENESS = Section(
    title="Likeness to the truth on simulated micrographs, by dose in e/Å²",
    figures=("correlation", "snr_in_dB", "slope", "empty_ice"),
    across="dose",
)
PICKING = ("average_precision", "best_f1")
APOFERRITIN = Section(
    title="Picking on real apoferritin micrographs",
    figures=PICKING,
    across="dose",
    panel="picker",
)
SECTIONS = {
    "simulated": LIKENESS,
    "simulated_strong": LIKENESS,
    "empty_ice": Section(
        title="What is made of ice alone, in units of the contrast of particles",
        figures=("deviation",),
        across="dose",
    ),
    "apoferritin": APOFERRITIN,
    "apoferritin_programs": replace(
        APOFERRITIN, title="The same with pickers of other programs"
    ),
    "apoferritin_rest": Section(
        title="Real single frames, denoised: likeness to the rest of their movies",
        figures=("correlation", "risk"),
        across="band",
    ),
    "spiked": Section(
        title="Particles added to real micrographs, by their signal-to-noise ratio",
        figures=("recall",),
        across="snr",
    ),
    "cryoppp": Section(
        title="Picking on CryoPPP's micrographs",
        figures=PICKING,
        across="data_set",
        panel="picker",
    ),
    "end_to_end": Section(
        title="From picks to maps: part of right picks, resolutions in Å, and likeness",
        figures=("precision", "half_maps", "truth", "agreement"),
        across="particle",
    ),
}


def write_page(folder: Path, models: str) -> Path:
    """Draw all figures, and write the page beside them.

    Parameters
    ----------
    folder : Path
        With the records, such as `simulated.json`.
    models : str
        The cards of the models that were measured.
    """
    heads = ("name: ", "sha256: ")
    told = [line for line in models.splitlines() if line.startswith(heads)]
    parts = ["# Benchmarks of cryoscore\n", "Models (`model.txt` has their cards):\n"]
    parts += ["\n".join(["```", *told, "```\n"])]
    for name, section in SECTIONS.items():
        record = folder / f"{name}.json"
        if record.exists():
            parts += section_text(record, section)
    page = folder / "results.md"
    page.write_text("\n".join(parts), encoding="utf-8")
    return page


def section_text(record: Path, section: Section) -> list[str]:
    """Tables and figures of one record, and how it compares with raw."""
    rows: list[Row] = json.loads(record.read_text(encoding="utf-8"))
    parts = [f"## {section.title} ({record.stem})\n"]
    example = record.with_name(f"{record.stem}_example.png")
    if example.exists():
        parts.append(f"![one micrograph]({example.name})\n")
    for figure in section.figures:
        picture = record.with_name(f"{record.stem}_{figure}.png")
        draw(picture, rows, figure, section)
        panels = grouped(rows, *([section.panel] if section.panel else []))
        for words, own in panels.items():
            parts.append(f"Mean {figure.replace('_', ' ')}{_with(words)}:\n")
            table = pivot(own, figure, line="denoiser", across=[section.across])
            parts.append(markdown(table))
        parts.append(f"![{figure}]({picture.name})\n")
    return parts + comparison_text(record, section)


def comparison_text(record: Path, section: Section) -> list[str]:
    """How the denoisers of a record compare with raw, if that was recorded."""
    path = record.with_stem(f"{record.stem}_compared")
    if not path.exists():
        return []
    rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))
    picture = path.with_suffix(".png")
    draw_shifts(
        picture,
        rows,
        panel=section.panel or "figure",
        colour=section.across if section.across in rows[0] else "figure",
    )
    return [COMPARED, markdown(rows), f"![compared with raw]({picture.name})\n"]


COMPARED = (
    "Compared with raw on the same micrographs: shift (Hodges-Lehmann) with its 95 % "
    "bootstrap interval, Wilcoxon's p, and the same after Holm's correction:\n"
)


def draw(picture: Path, rows: Sequence[Row], figure: str, section: Section) -> None:
    """The figure that suits a section."""
    if section is LIKENESS:
        # Of Topaz at several pixel sizes the best is enough here; the table has all.
        shown = [row for row in rows if not str(row["denoiser"]).startswith("topaz:")]
        best = any(row["denoiser"] == "topaz (best)" for row in rows)
        draw_over_dose(
            picture,
            [row for row in shown if not (best and row["denoiser"] == "topaz")],
            figure,
        )
        return
    draw_dots(picture, rows, figure, panel=section.panel, colour=section.across)


def _with(words: tuple[str | float, ...]) -> str:
    return f", picker {words[0]}" if words else ""
