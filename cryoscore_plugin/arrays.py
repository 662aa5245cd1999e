"""The arrays that cryoscore passes around, named once, with their shapes.

A name in a shape, such as `h`, is one number throughout a call: a function that
takes an `Image` and returns an `Image` keeps the size. The test suite checks
every shape and dtype at run time; a normal run pays nothing for it.

Arrays of numpy live at the edges (files, tables); tensors of torch live between
`rescaling` and the result. The crossing is in `denoiser.py`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Float64

Image = Float32[np.ndarray, "h w"]
"""One micrograph, or a map over its pixels. The row, y, comes first."""

View = Float32[np.ndarray, "side side"]
"""One particle seen from one side, in the middle of a square."""

Mask = Bool[np.ndarray, "h w"]
"""True where a pixel counts."""

Spectrum = Float64[np.ndarray, "rings"]
"""One value for each ring of spatial frequency, from zero outwards."""

Volume = Float32[np.ndarray, "depth height width"]
"""A density, `(z, y, x)`."""

CentersYX = Float64[np.ndarray, "n 2"]
"""Positions in an image in px, row (y) first."""

Scores = Float64[np.ndarray, "n"]
"""One number for each of the `n` positions of a `CentersYX`; higher is better."""

Values = Float64[np.ndarray, "values"]
"""A list of numbers that belong to no grid, such as the points of a curve."""
