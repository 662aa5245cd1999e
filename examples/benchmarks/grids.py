"""Images on finer and coarser grids of the same area."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample

Pixels = NDArray[np.float32]


def on_grid(image: Pixels, shape: tuple[int, ...]) -> Pixels:
    """An image with fewer or more pixels, Fourier-resampled to `shape`."""
    for axis in (0, 1):
        if image.shape[axis] != shape[axis]:
            image = resample(image, shape[axis], axis=axis)
    return image.astype(np.float32)


def at_sampling(image: Pixels, pixel_size: float, wanted: float) -> Pixels:
    """An image of one pixel size, resampled to another; both in Å/px."""
    factor = pixel_size / wanted
    return on_grid(image, tuple(round(side * factor) for side in image.shape))
