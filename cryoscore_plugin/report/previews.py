"""What a report shows of one micrograph: both images, small, and power spectra.

To make a preview, the raw and the denoised micrograph are read again, so it is kept
in a small file beside the ledger, for the next report on the same outputs.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.batch.ledger import LedgerEntry
from cryoscore_plugin.batch.projects import LEDGER_FOLDER
from cryoscore_plugin.files import replacing
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.report.figures import GREY_PERCENTILES, scale_bar_length
from cryoscore_plugin.report.pairs import Pair, read_pair
from cryoscore_plugin.report.thumbnails import central_spectrum, thumbnail

_POINTS = 100
"""Of a spectrum; a curve of 355 px shows no more."""

_QUALITY = 55
"""Of WebP, from 0 to 100; noise then looks as it is at a quarter of the size of PNG."""


def can_draw() -> bool:
    """Whether Pillow is installed, which makes the pictures."""
    return importlib.util.find_spec("PIL") is not None


def preview_of(entry: LedgerEntry, output: Path) -> dict[str, Any]:
    """Images and spectra of a micrograph, as the page takes them.

    Parameters
    ----------
    entry : LedgerEntry
        Of a micrograph that was denoised.
    output : Path
        Folder of the outputs.

    Returns
    -------
    preview : dict[str, Any]
        `before` and `after` as data addresses, `width` of the image and length of a
        scale `bar` in Å, `frequencies` in 1/Å, the power of `raw` and `denoised` at
        each, that of what was `removed` unless the output is binned, and the spectra in
        `words`.

    Raises
    ------
    MicrographError
        If input or output cannot be read any more.
    """
    kept = _file_of(entry, output)
    with suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(kept.read_text(encoding="ascii"))
        return found
    made = _made(entry, output)
    # A job of another program has no ledger, and gets none by this. On a full disk, or in
    # a folder of someone else, the preview is made next time.
    with suppress(OSError):
        kept.parent.mkdir(exist_ok=True)
        with replacing(kept) as temporary:
            temporary.write_text(json.dumps(made), encoding="ascii")
    return made


def _file_of(entry: LedgerEntry, output: Path) -> Path:
    text = json.dumps([entry.output, entry.label, entry.input, entry.written])
    name = hashlib.sha256(text.encode()).hexdigest()[:24]
    return output / LEDGER_FOLDER / "previews" / f"{name}.json"


def _made(entry: LedgerEntry, output: Path) -> dict[str, Any]:
    pair = read_pair(Path(entry.source), output / entry.output)
    before, after = thumbnail(pair.raw)[0], thumbnail(pair.denoised)[0]
    width = pair.raw.pixels.shape[1] * pair.raw.pixel_size
    return {
        "before": _address(before),
        "after": _address(after),
        "width": round(width, 3),
        "bar": scale_bar_length(width),
        **_spectra(pair),
    }


def _spectra(pair: Pair) -> dict[str, Any]:
    curves = dict(zip(("raw", "denoised"), pair.spectra(), strict=True))
    if not pair.is_binned:
        removed = pair.raw.pixels - pair.denoised.pixels
        curves["removed"] = central_spectrum(
            Micrograph(pixels=removed, pixel_size=pair.raw.pixel_size)
        )
    frequencies = curves["raw"].frequencies
    edges = np.linspace(0, len(frequencies), min(_POINTS, len(frequencies)) + 1)
    starts = edges[:-1].astype(int)
    counts = np.diff([*starts, len(frequencies)])
    centres = np.add.reduceat(frequencies, starts) / counts
    spectra: dict[str, Any] = {"frequencies": _short(centres)}
    for name, curve in curves.items():
        # A binned image has nothing beyond its own Nyquist frequency.
        values = np.interp(frequencies, curve.frequencies, curve.powers, right=0.0)
        spectra[name] = _short(np.add.reduceat(values, starts) / counts)
    return spectra | {"words": _in_words(spectra)}


def _in_words(spectra: dict[str, Any]) -> str:
    """What the curves say, for those who cannot see them."""
    parts = []
    for period in (100, 20, 8):
        frequency = 1 / period
        if frequency > spectra["frequencies"][-1]:
            continue
        raw, clean = (
            float(np.interp(frequency, spectra["frequencies"], spectra[name]))
            for name in ("raw", "denoised")
        )
        parts.append(f"{100 * clean / raw if raw > 0 else 0:.3g} % at {period} Å")
    return f"Power that was kept: {', '.join(parts)}." if parts else "Too small."


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def _address(image: Image) -> str:
    """An image as a data address."""
    from PIL import Image as Pillow  # noqa: PLC0415  an extra

    low, high = np.percentile(image, GREY_PERCENTILES)
    scaled = (image - low) * (255 / max(high - low, 1e-12))
    picture = Pillow.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=_QUALITY)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f"data:image/webp;base64,{data}"
