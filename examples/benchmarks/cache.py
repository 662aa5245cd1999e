"""What slow programs made of an image, kept from one run to the next.

It is found again by the content of the image, so it does not matter which benchmark asked
for it. Nothing tells the version of the program: empty the folder when that changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from grids import Pixels
from numpy.typing import NDArray

from cryoscore_plugin.files import replacing

AT_ONCE = 8
"""Images that a program is started for; what they became is then safe from a Ctrl-C."""

Make = Callable[[Sequence[Pixels]], Sequence[NDArray[np.floating]]]
"""From images to one array for each."""


def kept(
    folder: Path, kind: str, images: Sequence[Pixels], make: Make
) -> list[NDArray[np.floating]]:
    """What `make` makes of each image; only what no earlier run made is made.

    Parameters
    ----------
    folder : Path
        Where all kinds are kept.
    kind : str
        Tells what is made, with all settings that matter; the name of a sub-folder.
    images : Sequence[Pixels]
        The images.
    make : Make
        The slow program.
    """
    (folder / kind).mkdir(parents=True, exist_ok=True)
    paths = [folder / kind / f"{content_hash(image)}.npy" for image in images]
    left = [
        (path, image)
        for path, image in dict(zip(paths, images, strict=True)).items()
        if not path.exists()
    ]
    for start in range(0, len(left), AT_ONCE):
        part = left[start : start + AT_ONCE]
        made = make([image for _, image in part])
        for (path, _), array in zip(part, made, strict=True):
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.save(file, array, allow_pickle=False)
    return [np.load(path, allow_pickle=False) for path in paths]


def content_hash(image: Pixels) -> str:
    """Tells an image from all others."""
    shape = "x".join(map(str, image.shape))
    return hashlib.sha256(shape.encode() + image.tobytes()).hexdigest()[:24]
