"""What the user should know about a micrograph that did not fail."""

from __future__ import annotations

import numpy as np

from cryoscore_plugin.micrograph import Micrograph

COARSE_STEP = 0.02
"""Steps of float16 beyond this part of an image's standard deviation get a warning;
their rounding then adds more than 0.02²/12 of its variance, 0.003 %."""


def pixel_size_doubts(in_table: float | None, in_header: float | None) -> list[str]:
    """Warn if table and header differ by more than 1 %, or the header may not know.

    Parameters
    ----------
    in_table, in_header : float or None
        Pixel size in Å/px; None where it does not say.

    Returns
    -------
    warnings : list[str]
        One sentence, or none.
    """
    if in_table is None and in_header == 1.0:
        msg = (
            "The header says 1 Å/px, which many programs write when they do not know. "
            "If it is wrong, give the right value with --pixel-size."
        )
        return [msg]
    if in_table is None or in_header is None:
        return []
    if abs(in_table - in_header) <= 0.01 * in_table:
        return []
    msg = (
        f"The table says {in_table:g} Å/px, but the header {in_header:g} Å/px. The "
        "table counts; if it is wrong, give the right value with --pixel-size."
    )
    return [msg]


def coarse_float16(micrograph: Micrograph) -> list[str]:
    """Warn if the steps of float16 are coarse for the contrast of an image.

    Parameters
    ----------
    micrograph : Micrograph
        The image.

    Returns
    -------
    warnings : list[str]
        One sentence, or none.
    """
    pixels = micrograph.pixels
    step = float(np.spacing(np.float16(np.abs(pixels).max())))
    if step <= COARSE_STEP * float(pixels.std(dtype=np.float64)):
        return []
    msg = (
        "float16 is coarse for these grey values, which are large for their contrast. "
        "Use --output-dtype float32."
    )
    return [msg]
