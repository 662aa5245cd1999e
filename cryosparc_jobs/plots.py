"""A few micrographs before and after, with their power spectra, for the event log."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cryoscore_plugin.batch.monitor import MicrographResult
from cryoscore_plugin.report.choice import spread_evenly, unlike_the_rest
from cryoscore_plugin.report.figures import Panel, draw_panel, require_matplotlib
from cryoscore_plugin.report.pairs import read_pair
from cryoscore_plugin.report.thumbnails import thumbnail

SPREAD, UNLIKE = 3, 2
"""How many micrographs are shown: spread over the session, and unlike the rest."""


def chosen(results: Sequence[MicrographResult]) -> list[MicrographResult]:
    """Those that are worth a look, each once.

    Parameters
    ----------
    results : Sequence[MicrographResult]
        What did not fail, in the order of the session.
    """
    unlike = unlike_the_rest([result.quality for result in results], UNLIKE)
    places = dict.fromkeys([*spread_evenly(len(results), SPREAD), *unlike])
    return [results[place] for place in places]


def draw_before_and_after(path: Path, result: MicrographResult) -> None:
    """Draw a micrograph raw and denoised, and both power spectra, as a PNG.

    Parameters
    ----------
    path : Path
        The file to write.
    result : MicrographResult
        What did not fail; its input and output are read.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    MicrographError
        If a file cannot be read any more.
    """
    require_matplotlib()
    # Not pyplot: it keeps figures alive, and picks a screen.
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra, asked for above

    pair = read_pair(result.task.source, result.task.output)
    before, after = pair.spectra()
    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    raw_axes, clean_axes, spectrum_axes = figure.subplots(1, 3)
    for axes, micrograph, spectrum, title in (
        (raw_axes, pair.raw, before, "raw"),
        (clean_axes, pair.denoised, after, "denoised"),
    ):
        image, pixel_size = thumbnail(micrograph)
        # CryoSPARC shows micrographs with their first row at the bottom.
        upright = np.flipud(image)
        draw_panel(axes, Panel(image=upright, pixel_size=pixel_size, title=title))
        spectrum_axes.semilogy(spectrum.frequencies, spectrum.powers, label=title)
    spectrum_axes.set_ylim(bottom=1e-5 * float(np.median(before.powers)))
    spectrum_axes.set_xlabel("1/Å", fontsize=9)
    spectrum_axes.set_title("power", fontsize=10)
    spectrum_axes.legend(fontsize=8)
    # A picture of few bytes goes to the server as one piece.
    with io.BytesIO() as memory:
        figure.savefig(memory, format="png", dpi=110)
        path.write_bytes(memory.getvalue())
