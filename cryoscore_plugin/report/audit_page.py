"""One page about an audit: the verdict, what was asked and found, and the images.

For a referee: each question in a sentence, the answer as a number beside its limit, and
the images that the numbers come from.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cryoscore_plugin.evaluation.audit import Audit
from cryoscore_plugin.evaluation.audit_verdict import Finding, worst_of
from cryoscore_plugin.files import replacing
from cryoscore_plugin.report.figures import Panel, draw_panel, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTIONS = {
    "noise": "Is the reference found in pure noise of the same spectrum?",
    "phases": "Is it found in the micrograph with random phases?",
    "decoy": "Is a particle that exists nowhere found as well?",
    "halves": "Does the other half, raw, lack what guidance shows in one half?",
    "leak": "Does a denoised half change with the other half?",
    "cut": "Is a part of the particle lost that the reference lacks?",
}
"""What each control asks; the answer should be no."""

TITLES = {
    "micrograph": ("micrograph, unguided", "guided"),
    "noise": ("noise, unguided", "guided"),
    "phases": ("random phases, unguided", "guided"),
    "decoy": ("guided by the reference", "guided by the decoy"),
    "cut": ("guided by the reference", "guided by two thirds of it"),
    "halves": ("mean of picks, half 1, guided", "same places, half 2, raw"),
}
"""What the two images of each control are."""

_PAGE = (8.3, 11.7)
"""Width and height in inches: A4."""

_LINE = 100
"""Letters of a line of text."""


def audit_panels(audit: Audit) -> list[list[Panel]]:
    """The two images of the micrograph and of each control, a row for each.

    Parameters
    ----------
    audit : Audit
        Of one micrograph.
    """
    return [
        [
            Panel(image=image, pixel_size=audit.pixel_size, title=title)
            for image, title in zip(audit.images[name], titles, strict=True)
        ]
        for name, titles in TITLES.items()
        if name in audit.images
    ]


def write_audit_page(
    path: Path, findings: Sequence[Finding], audit: Audit, *, words: str
) -> None:
    """Write the page as PDF.

    Parameters
    ----------
    path : Path
        The file to write.
    findings : Sequence[Finding]
        Of all micrographs; the largest figures count.
    audit : Audit
        Of the micrograph whose images are shown.
    words : str
        The verdict, and what was audited: the model, the reference, the micrographs.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    """
    require_matplotlib()
    # Not pyplot: it keeps figures alive, and picks a screen.
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra, asked for above

    figure = Figure(figsize=_PAGE, layout="constrained")
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(2, 3))[:, 0]
    text, bars = top.subplots(2, 1, height_ratios=(2, 3))
    _write_words(text, words)
    _draw_bars(bars, list(worst_of(findings).values()))
    panels = [panel for row in audit_panels(audit) for panel in row]
    axes = list(bottom.subplots(3, 4).flat)
    for one in axes:
        one.set_axis_off()
    for one, panel in zip(axes, panels, strict=False):
        draw_panel(one, panel)
        one.set_title(panel.title, fontsize=7)
    _save(figure, path)


def _write_words(axes: Axes, words: str) -> None:
    """The verdict, broken into lines."""
    axes.set_axis_off()
    axes.set_title("Audit of guidance: data or reference?", loc="left")
    lines = [
        line
        for paragraph in words.split("\n")
        for line in textwrap.wrap(paragraph, _LINE) or [""]
    ]
    axes.text(0, 1, "\n".join(lines), va="top", fontsize=8, transform=axes.transAxes)


def _draw_bars(axes: Axes, findings: Sequence[Finding]) -> None:
    """The figures of each control in units of its limit, below the question."""
    for place, one in enumerate(reversed(findings)):
        worst = max(one.amplitude, one.picks)
        colour = "tab:green" if one.passes else "tab:red"
        axes.barh(place, min(worst / one.limit, 2), height=0.35, color=colour)
        said = f"{QUESTIONS[one.control]}  {worst:.1%}, limit {one.limit:.0%}"
        axes.text(0.01, place + 0.22, said, fontsize=8, va="bottom")
        axes.plot([1, 1], [place - 0.2, place + 0.2], color="black", linewidth=1)
    axes.set_xlim(0, 2)
    axes.set_ylim(-0.5, len(findings))
    axes.set_yticks([])
    axes.set_xlabel(
        "Amplitude or picks at fault, whichever is more, divided by the limit (line)"
    )


def _save(figure: Figure, path: Path) -> None:
    """Write so that there is never half a page, and the same page each time."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
