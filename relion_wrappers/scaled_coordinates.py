"""Coordinates of picks on a binned micrograph, in pixels of the raw one.

Fourier cropping keeps the first pixel where it is, so that a coordinate is multiplied,
and nothing is added. All else in the file stays.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cryoscore_plugin.errors import InputError
from relion_wrappers.pick_checks import Scale
from relion_wrappers.picks_star import X, Y


def write_scaled(source: Path, target: Path, scale: Scale) -> None:
    """Write a file of coordinates again, in other pixels.

    Parameters
    ----------
    source : Path
        The STAR file of the picking job.
    target : Path
        What to write.
    scale : Scale
        By which its coordinates are multiplied.

    Raises
    ------
    InputError
        If it cannot be read or written, or has no coordinates.
    """
    # starfile brings pandas: half a second that wrong options save.
    from relion_wrappers.star_file import read_star, write_star  # noqa: PLC0415

    star = read_star(source)
    for name, block in star.blocks.items():
        if isinstance(block, dict) or not (X in block and Y in block):
            continue
        try:
            scaled = {
                label: [f"{factor * float(text):.6f}" for text in block[label]]
                for label, factor in zip((X, Y), scale, strict=True)
            }
        except ValueError as error:
            msg = f"{source} should hold numbers of px, but: {error}. Repair that line."
            raise InputError(msg) from error
        blocks = {**star.blocks, name: block.assign(**scaled)}
        write_star(target, replace(star, blocks=blocks))
        return
    msg = (
        f"{source} should have the coordinates {X} and {Y}, which are to be scaled from "
        "the binned micrograph to the raw one, but has none. Pick again on micrographs "
        "that are not binned."
    )
    raise InputError(msg)
