"""Compare a denoised project with its truth, in numbers, a picture and a page.

The number is `band_correlation` of `evaluation.fidelity`: likeness to the truth in the
band of spatial frequency where particles have their signal.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from cryoscore_plugin import __version__
from cryoscore_plugin.demo.jobs import JobRun
from cryoscore_plugin.demo.project import DOSE, PIXEL_SIZE, DemoProject
from cryoscore_plugin.evaluation.fidelity import PARTICLE_BAND, band_correlation
from cryoscore_plugin.mrc import read_micrograph
from cryoscore_plugin.report.figures import CAPTION, Panel, write_picture
from cryoscore_plugin.report.page import Picture, Table, Text, write_page

SHOWN = 2
"""Number of micrographs in the picture."""

USE = (
    "Pick particles on the denoised micrographs, and extract them from the raw ones. "
    "Never use denoised images for 2D classification, refinement or reconstruction."
)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How like its truth a micrograph is, before and after.

    Attributes
    ----------
    micrograph : str
        File name.
    correlation_before, correlation_after : float
        Of the raw and of the denoised micrograph with the truth, -1 to 1.
    """

    micrograph: str
    correlation_before: float
    correlation_after: float


def compare(demo: DemoProject, run: JobRun) -> list[Comparison]:
    """Correlate each micrograph with its truth, before and after."""
    comparisons = []
    for name in demo.names:
        truth = read_micrograph(demo.truth(name)).pixels
        before, after = (
            band_correlation(read_micrograph(path).pixels, truth, pixel_size=PIXEL_SIZE)
            for path in (demo.raw(name), run.denoised(name))
        )
        comparisons.append(
            Comparison(
                micrograph=name, correlation_before=before, correlation_after=after
            )
        )
    return comparisons


def write_outcome(
    demo: DemoProject, run: JobRun, comparisons: Sequence[Comparison], *, command: str
) -> None:
    """Write `figures.json`, `before_after.png` and `report.html` beside the project.

    Parameters
    ----------
    demo : DemoProject
        What was denoised.
    run : JobRun
        What denoised it.
    comparisons : Sequence[Comparison]
        One for each micrograph.
    command : str
        What to type to see all this again.
    """
    figures = {
        "version": __version__,
        "command": command,
        "job": run.means,
        "quantity": "correlation with the truth",
        "band_per_angstrom": PARTICLE_BAND,
        "dose_per_square_angstrom": DOSE,
        "pixel_size": PIXEL_SIZE,
        "micrographs": [asdict(comparison) for comparison in comparisons],
    }
    text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
    (demo.folder / "figures.json").write_text(text, encoding="utf-8")
    picture = demo.folder / "before_after.png"
    write_picture(picture, [_panels(demo, run, c) for c in comparisons[:SHOWN]])
    write_page(
        demo.folder / "report.html",
        "cryoscore demo: raw, denoised, truth",
        [
            _introduction(),
            Picture(path=picture, caption=f"Raw, denoised and true image. {CAPTION}"),
            _table(comparisons),
            Text(heading="What to do with it", paragraphs=[USE]),
            _repeat(demo, run, command),
        ],
    )


def _panels(demo: DemoProject, run: JobRun, comparison: Comparison) -> list[Panel]:
    """Raw, denoised and true image of one micrograph."""
    name = comparison.micrograph
    titles = {
        demo.raw(name): f"{name}: raw, correlation {comparison.correlation_before:.2f}",
        run.denoised(name): f"denoised, {comparison.correlation_after:.2f}",
        demo.truth(name): "truth",
    }
    return [
        Panel(image=read_micrograph(path).pixels, pixel_size=PIXEL_SIZE, title=title)
        for path, title in titles.items()
    ]


def _introduction() -> Text:
    paragraph = (
        f"Simulated micrographs at {PIXEL_SIZE} Å/px and {DOSE:g} e/Å² of a particle "
        "that exists nowhere, with ice, carbon and dirt. The truth is what the "
        "particles alone contribute, as the microscope shows them (contrast transfer "
        "function and envelope included)."
    )
    return Text(paragraphs=[paragraph])


def _table(comparisons: Sequence[Comparison]) -> Table:
    rows = [
        [c.micrograph, f"{c.correlation_before:.3f}", f"{c.correlation_after:.3f}"]
        for c in comparisons
    ]
    before = fmean(c.correlation_before for c in comparisons)
    after = fmean(c.correlation_after for c in comparisons)
    rows.append(["mean", f"{before:.3f}", f"{after:.3f}"])
    return Table(
        caption="Correlation with the truth over spatial frequencies from "
        f"1/{1 / PARTICLE_BAND[0]:g} to 1/{1 / PARTICLE_BAND[1]:g} Å⁻¹ (1 is perfect).",
        header=["micrograph", "raw", "denoised"],
        rows=rows,
    )


def _repeat(demo: DemoProject, run: JobRun, command: str) -> Text:
    paragraph = (
        f"The External job was {run.means}. Its folder: {run.folder}. The RELION "
        f"project: {demo.project}. The numbers of this page: "
        f"{demo.folder / 'figures.json'}. All of this again, or the job alone:"
    )
    return Text(
        heading="Where it is, and how to do it again",
        paragraphs=[paragraph],
        commands=[command, f"cd {shlex.quote(str(demo.project))} && {run.command}"],
    )
