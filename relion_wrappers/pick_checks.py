"""What must be true before particles are extracted where picks say.

Picks were made on one image and are used on another. That is right only if the other
one is raw, is there, has the same pixels, and has no other picks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cryoscore_plugin.batch.finished import says_denoised
from cryoscore_plugin.errors import InputError, MicrographError
from cryoscore_plugin.mrc import is_tiff, read_header
from relion_wrappers.coordinates_star import PickedMicrograph


def check_picks(picked: PickedMicrograph, raw: str | None, *, source: str) -> None:
    """Refuse picks with which Extract would find nothing, or cut beside particles.

    Parameters
    ----------
    picked : PickedMicrograph
        The picks on one micrograph.
    raw : str or None
        Its raw micrograph; None if it is not known.
    source : str
        The list of picks, as RELION wrote it.

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
    _check_raw(picked.name, Path(raw))


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


def _check_raw(name: str, raw: Path) -> None:
    if not raw.is_file():
        msg = (
            f"The raw micrograph {raw} is not there, so no particle can be extracted "
            "from it. Put it back, or give the right table with --in_mics."
        )
        raise MicrographError(msg)
    if is_tiff(raw):
        return  # Never an output of ours; its size is that of its denoised MRC file.
    header = read_header(raw)
    if ours := [label for label in header.labels if says_denoised(label)]:
        msg = (
            f"{raw} should be a raw micrograph, but was denoised ({ours[0]}). Particles "
            "must be extracted from raw micrographs, because averages of denoised ones "
            "show what the model expects. Give the raw table with --in_mics."
        )
        raise MicrographError(msg)
    # Denoised files are often deleted to save space; the picks are as good as before.
    if not Path(name).is_file():
        return
    picked = read_header(Path(name))
    if picked.shape[-2:] != header.shape[-2:]:
        sizes = ["{} x {} px".format(*h.shape[-2:]) for h in (picked, header)]
        msg = (
            f"{name} has {sizes[0]}, but its raw micrograph {raw} has {sizes[1]}, so "
            "that the coordinates would be wrong. Denoise the raw micrograph without "
            "binning, and pick again."
        )
        raise MicrographError(msg)
