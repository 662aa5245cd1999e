"""A PDF about a run: how it went over the session, and some micrographs before and after.

The first page has one graph for each number that was measured. The others show six
micrographs spread over the session and the four least like the rest, each raw and
denoised with both power spectra. So the number of pages, and nearly all of the time,
do not depend on how many micrographs there are. The tests hold that, and that the same
run gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryoscore_plugin.batch.monitor import MicrographResult
from cryoscore_plugin.files import replacing
from cryoscore_plugin.report.choice import (
    UNLIKE_FROM,
    distances,
    spread_evenly,
    unlike_the_rest,
)
from cryoscore_plugin.report.digits import short
from cryoscore_plugin.report.figures import Panel, draw_panel, require_matplotlib
from cryoscore_plugin.report.pairs import read_pair
from cryoscore_plugin.report.thumbnails import thumbnail

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPREAD, UNLIKE = 6, 4
"""How many micrographs are shown for the one reason and for the other."""

ROWS = 3
"""Micrographs on a page."""

NUMBERS = {
    "noise_level": "Noise level (grey values)",
    "noise_variation": "Variation of the noise level over the micrograph",
    "signal_to_noise": "Power kept / power removed, 250 to 20 Å",
    "residual_whiteness": "Whiteness of what was removed (1: white)",
    "half_correlation": "Agreement of halves, 250 to 20 Å (1: alike)",
}
"""What is drawn over the session if it was measured, and how it is called."""

_PAGE = (11.7, 8.3)
"""Width and height in inches: A4 on its side."""

_PLACES = {
    "left": 0.01,
    "right": 0.98,
    "top": 0.96,
    "bottom": 0.1,
    "wspace": 0.12,
    "hspace": 0.36,
}
"""Where the pictures are on a page, in parts of it; the gaps in parts of a picture."""


def write_pages(path: Path, results: Sequence[MicrographResult], *, title: str) -> None:
    """Write the pages about a run.

    Parameters
    ----------
    path : Path
        The file to write.
    results : Sequence[MicrographResult]
        What became of each micrograph, in the order of the session; at least one
        did not fail. Inputs and outputs of those that are shown are read again.
    title : str
        Heading of the first page.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    MicrographError
        If a micrograph that is to be shown cannot be read any more.
    """
    require_matplotlib()
    # Not pyplot: it keeps figures alive, and picks a screen.
    from matplotlib.backends.backend_pdf import PdfPages  # noqa: PLC0415  an extra

    with (
        replacing(path) as temporary,
        # No date: the same run gives the same bytes.
        PdfPages(temporary, metadata={"CreationDate": None}) as pdf,
    ):
        for figure in _figures(results, title):
            pdf.savefig(figure)


def chosen(results: Sequence[MicrographResult]) -> dict[int, str]:
    """Which micrographs are shown, and why.

    Parameters
    ----------
    results : Sequence[MicrographResult]
        Those that did not fail.

    Returns
    -------
    reasons : dict[int, str]
        Words for the title, by the place in `results`; each micrograph once.
    """
    qualities = [result.quality for result in results]
    reasons = dict.fromkeys(spread_evenly(len(results), SPREAD), "")
    # With so few that all are shown, none stands out from a crowd.
    if len(results) <= SPREAD:
        return reasons
    distance = distances(qualities)
    return reasons | {
        index: ", unlike the rest" if distance[index] > UNLIKE_FROM else ""
        for index in unlike_the_rest(qualities, UNLIKE)
    }


def _figures(results: Sequence[MicrographResult], title: str) -> Iterator[Figure]:
    """One page after the other, so that one is in memory at a time."""
    done = [result for result in results if result.status != "failed"]
    failed = len(results) - len(done)
    yield _session_page(done, f"{title}: {len(done)} micrographs, {failed} failed")
    shown = [(done[index], why) for index, why in chosen(done).items()]
    for first in range(0, len(shown), ROWS):
        yield _micrographs_page(shown[first : first + ROWS])


def _session_page(results: Sequence[MicrographResult], title: str) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra, asked for above

    figure = Figure(figsize=_PAGE, layout="constrained")
    figure.suptitle(title)
    measured = {name for result in results for name in result.quality}
    names = [name for name in NUMBERS if name in measured]
    columns = max(1, (len(names) + 1) // 2)
    for axes, name in zip_longest(figure.subplots(2, columns).flat, names):
        if name is None:
            axes.set_axis_off()
            continue
        points = [
            (number, result.quality[name])
            for number, result in enumerate(results, start=1)
            if name in result.quality
        ]
        # Dots as an image: thousands of them as shapes would make a slow file.
        axes.plot(*zip(*points, strict=True), ".", rasterized=True)
        axes.set_title(NUMBERS[name], fontsize=10, y=1.0)
        axes.set_xlabel("Micrograph, in the order of the table", fontsize=9)
    return figure


def _micrographs_page(shown: Sequence[tuple[MicrographResult, str]]) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra, asked for above

    # Places by hand: to let matplotlib find them takes as long as to draw.
    figure = Figure(figsize=_PAGE)
    grid = figure.subplots(ROWS, 3, squeeze=False, gridspec_kw=_PLACES)
    for axes in grid[len(shown) :].flat:
        axes.set_axis_off()
    for row, (result, why) in zip(grid, shown, strict=False):
        _draw_micrograph(row, result, why)
    figure.supxlabel(
        "Left: raw, middle: denoised, averaged over squares of pixels, each on its own "
        "grey scale (0.5 to 99.5 %). Right: power spectra of the middle.",
        fontsize=9,
    )
    return figure


def _draw_micrograph(row: Sequence[Axes], result: MicrographResult, why: str) -> None:
    """Draw a micrograph before and after, and its spectra."""
    before_axes, after_axes, spectrum_axes = row
    pair = read_pair(result.task.source, result.task.output)
    for axes, micrograph, words in (
        (before_axes, pair.raw, f"{result.task.source.name}{why}"),
        (after_axes, pair.denoised, _numbers_in_words(result.quality)),
    ):
        image, pixel_size = thumbnail(micrograph)
        draw_panel(axes, Panel(image=image, pixel_size=pixel_size, title=words))
    before, after = pair.spectra()
    spectrum_axes.semilogy(before.frequencies, before.powers, label="raw")
    spectrum_axes.semilogy(after.frequencies, after.powers, label="denoised")
    # Beyond the working Nyquist frequency the output holds rounding errors only, and a
    # filtered input may hold none.
    spectrum_axes.set_ylim(bottom=1e-5 * float(np.median(before.powers)))
    spectrum_axes.set_xlabel("1/Å", fontsize=9)
    spectrum_axes.set_title("Power", fontsize=10, y=1.0)
    spectrum_axes.minorticks_off()  # Hundreds of them take as long as the pictures.
    spectrum_axes.legend(fontsize=8)


def _numbers_in_words(quality: Mapping[str, float]) -> str:
    words = {"noise_level": "noise", "signal_to_noise": "kept/removed"}
    words |= {"residual_whiteness": "whiteness", "half_correlation": "halves"}
    parts = [f"{word} {short(quality[k])}" for k, word in words.items() if k in quality]
    return ", ".join(parts) or "denoised"
