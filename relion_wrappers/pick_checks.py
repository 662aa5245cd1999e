"""What must be true before particles are extracted where picks say.

Picks were made on one image and are used on another. That is right only if the other
one is raw, is there, shows the same area, and has no other picks. If the picked image
was binned, its coordinates are scaled; the sizes in pixels say by how much, and the pixel
sizes that it is so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cryoscore_plugin.batch.finished import says_denoised
from cryoscore_plugin.errors import InputError, MicrographError
from cryoscore_plugin.mrc import MrcHeader, is_tiff, read_header
from relion_wrappers.coordinates_star import PickedMicrograph

Scale = tuple[float, float]
"""Pixels of the raw micrograph for one pixel of the picked one, along x and y."""

UNSCALED: Scale = (1.0, 1.0)

_TOLERANCE = 0.01
"""By how much pixel sizes may differ from what sizes in pixels say: both are rounded."""


def check_picks(
    picked: PickedMicrograph,
    raw: str | None,
    *,
    source: str,
    pixel_size: float | None = None,
) -> Scale:
    """Refuse picks with which Extract would find nothing, or cut beside particles.

    Parameters
    ----------
    picked : PickedMicrograph
        The picks on one micrograph.
    raw : str or None
        Its raw micrograph; None if it is not known.
    source : str
        The list of picks, as RELION wrote it.
    pixel_size : float or None
        Of the raw micrograph in Å/px, if a table says.

    Returns
    -------
    scale : Scale
        By which coordinates are to be multiplied.

    Raises
    ------
    MicrographError
        With the reason.
    """
    if not picked.name:
        msg = (
            f"{picked.coordinates} belongs to a micrograph, but to none that {source} "
            "leads to. Give the table of micrographs that were picked with --in_mics."
        )
        raise MicrographError(msg)
    if raw is None:
        msg = (
            f"No denoise job has recorded the raw micrograph of {picked.name}. If it "
            "is raw itself, give Extract these picks as they are; if it is denoised, "
            "give the table of raw micrographs with --in_mics."
        )
        raise MicrographError(msg)
    if not Path(picked.coordinates).is_file():
        msg = (
            f"Its file of coordinates {picked.coordinates} is not there. Run the "
            "picking job again, or take the row out of its list."
        )
        raise MicrographError(msg)
    return _checked_scale(Path(picked.name), Path(raw), pixel_size)


def refuse_shared(pairs: Sequence[tuple[str, str]], *, source: str) -> None:
    """Refuse two lists of picks for one raw micrograph: RELION would lose one.

    Parameters
    ----------
    pairs : Sequence[tuple[str, str]]
        Each micrograph, as the picks name it, and its raw one.
    source : str
        The list of picks, as RELION wrote it.

    Raises
    ------
    InputError
        If there are.
    """
    counts = Counter(raw for _, raw in pairs)
    shared = [raw for raw, count in counts.items() if count > 1]
    if shared:
        names = [name for name, raw in pairs if raw == shared[0]]
        msg = (
            f"{source} should have picks for each raw micrograph once, but has "
            f"{' and '.join(names)}, both from {shared[0]}. RELION would use only one "
            "of them: take the other out, or restore them in two jobs."
        )
        raise InputError(msg)


def _checked_scale(picked: Path, raw: Path, pixel_size: float | None) -> Scale:
    """Scale of the picks, if the raw micrograph is there and is raw."""
    if not raw.is_file():
        msg = (
            f"The raw micrograph {raw} is not there, so no particle can be extracted "
            "from it. Put it back, or give the right table with --in_mics."
        )
        raise MicrographError(msg)
    header = None if is_tiff(raw) else read_header(raw)  # TIFF is no output of ours.
    if header is not None:
        _refuse_denoised(raw, header)
    # Denoised files are often deleted to save space; the picks are as good as before.
    if not picked.is_file() or is_tiff(picked):
        return UNSCALED
    image = read_header(picked)
    if header is None:
        return _scale_by_pixel_sizes(image.pixel_size, pixel_size)
    (h, w), (raw_h, raw_w) = image.shape[-2:], header.shape[-2:]
    if (h, w) == (raw_h, raw_w):
        return UNSCALED
    scale = (raw_w / w, raw_h / h)
    expected = _ratio(image.pixel_size, pixel_size or header.pixel_size)
    if any(abs(one - expected) > _TOLERANCE * expected for one in scale):
        msg = (
            f"{picked} has {h} x {w} px, but its raw micrograph {raw} has {raw_h} x "
            f"{raw_w} px, and their pixel sizes do not say that the one is the other "
            "binned, so that the coordinates would be wrong. Denoise the raw micrograph "
            "without binning, and pick again."
        )
        raise MicrographError(msg)
    return scale


def _refuse_denoised(raw: Path, header: MrcHeader) -> None:
    if ours := [label for label in header.labels if says_denoised(label)]:
        msg = (
            f"{raw} should be a raw micrograph, but was denoised ({ours[0]}). Particles "
            "must be extracted from raw micrographs, because averages of denoised ones "
            "show what the model expects. Give the raw table with --in_mics."
        )
        raise MicrographError(msg)


def _scale_by_pixel_sizes(picked: float | None, raw: float | None) -> Scale:
    """Scale where the raw micrograph is TIFF, whose size is costly to read."""
    ratio = _ratio(picked, raw) or 1.0
    return UNSCALED if abs(ratio - 1) <= _TOLERANCE else (ratio, ratio)


def _ratio(picked: float | None, raw: float | None) -> float:
    """Ratio of the pixel sizes; 0 if one is not known."""
    return picked / raw if picked and raw else 0.0
