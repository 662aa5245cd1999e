"""Read the images of odd and even frames of one micrograph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cryoscore_plugin.errors import MicrographError
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc.reading import read_micrograph, read_stack


def read_halves(
    paths: Sequence[Path], *, pixel_size: float | None = None
) -> tuple[Micrograph, Micrograph]:
    """Read two halves, from two files or from one that holds both.

    Parameters
    ----------
    paths : Sequence[Path]
        The two files, or the one.
    pixel_size : float or None
        In Å/px; counts more than the headers. None takes those.

    Raises
    ------
    MicrographError
        If a file cannot be read, or they are not two images of one area.
    """
    if len(paths) == 2:
        images = [read_micrograph(path, pixel_size=pixel_size) for path in paths]
    else:
        [path] = paths
        images = read_stack(path, pixel_size=pixel_size)
        if len(images) != 2:
            msg = (
                f"{path} should hold two halves of a micrograph, but holds "
                f"{len(images)} image(s). Give a table without it, and the halves as "
                "files beside the micrographs."
            )
            raise MicrographError(msg)
    first, second = images
    _check_pair(first, second)
    return first, second


def _check_pair(first: Micrograph, second: Micrograph) -> None:
    names = f"{first.source} and {second.source}"
    if first.pixels.shape != second.pixels.shape:
        msg = (
            f"{names} should be halves of one micrograph, but have "
            f"{first.pixels.shape} and {second.pixels.shape} px. Check their names."
        )
        raise MicrographError(msg)
    if np.array_equal(first.pixels, second.pixels):
        msg = (
            f"{names} should be halves with independent noise, but are the same image. "
            "Give the averages of odd and of even frames."
        )
        raise MicrographError(msg)
