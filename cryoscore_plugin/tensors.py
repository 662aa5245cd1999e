"""The tensors that cryoscore passes around, named once, with their shapes.

As `arrays`, for what is computed with torch: everything between `rescaling` and
the result. Kept apart from it, so that reading files needs no torch, which
takes seconds to import.
"""

from __future__ import annotations

from jaxtyping import Bool, Complex64, Float32, Float64
from torch import Tensor

ImageTensor = Float32[Tensor, "h w"]
"""One micrograph, or a map over its pixels. The row, y, comes first."""

ResizedTensor = Float32[Tensor, "new_h new_w"]
"""The same area as an `ImageTensor` of that call, with other pixels."""

InputTensor = Float32[Tensor, "channels h w"]
"""What a network takes of a whole micrograph: itself, and what is made of it."""

ResizedInput = Float32[Tensor, "channels new_h new_w"]
"""The same with other pixels, as `ResizedTensor`."""

InputTile = Float32[Tensor, "1 channels tile_h tile_w"]
"""One tile of an `InputTensor`."""

TileTensor = Float32[Tensor, "1 1 tile_h tile_w"]
"""One tile of a micrograph, as a network gives it."""

ViewStack = Float32[Tensor, "views side side"]
"""Pictures of one particle from several sides, each in the middle of a square."""

HalfPlane = Complex64[Tensor, "h half"]
"""Fourier coefficients of a real image, as `torch.fft.rfft2` orders them."""

HalfPlaneMap = Float32[Tensor, "h half"]
"""A real number for each coefficient of a `HalfPlane`."""

HalfPlaneMask = Bool[Tensor, "h half"]
"""True for the coefficients of a `HalfPlane` that are meant."""

RingTensor = Float64[Tensor, " rings"]
"""One value for each ring of spatial frequency, from zero outwards."""
