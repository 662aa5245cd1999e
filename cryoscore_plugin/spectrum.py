"""Power spectra and Fourier ring correlation: images by spatial frequency.

The Fourier plane of a real image is kept as its half plane, as `torch.fft.rfft2`
gives it: every coefficient that is not on its first (and, for even widths, last)
column stands for two of the full plane, and counts twice.

A ring holds the coefficients of nearly the same spatial frequency. Rings are
`1 / min(h, w)` cycles/px apart, which also makes them circles when the image is
not square. The corners beyond the last ring belong to none.

Power is per coefficient and divided by the number of pixels: white noise of
variance v has power v in every ring, whatever the size of the image.
"""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from cryoscore_plugin.tensors import (
    HalfPlane,
    HalfPlaneMap,
    HalfPlaneMask,
    ImageTensor,
    RingTensor,
)

Band = tuple[float, float]
"""Lowest and highest spatial frequency of a ring-shaped band, in cycles/px."""


def frequency_grid(
    shape: tuple[int, int], *, device: torch.device | None = None
) -> HalfPlaneMap:
    """Spatial frequency of each coefficient of the half plane, in cycles/px.

    Parameters
    ----------
    shape : tuple[int, int]
        `(h, w)` of the image, in px.
    device : torch.device, optional
        Where the result is wanted; the CPU if not given.
    """
    h, w = shape
    return torch.hypot(
        torch.fft.fftfreq(h, device=device)[:, None],
        torch.fft.rfftfreq(w, device=device)[None],
    )


def mode_counts(
    shape: tuple[int, int], *, device: torch.device | None = None
) -> HalfPlaneMap:
    """How many coefficients of the full plane each one of the half plane stands for.

    Parameters
    ----------
    shape : tuple[int, int]
        `(h, w)` of the image, in px.
    device : torch.device, optional
        Where the result is wanted; the CPU if not given.
    """
    h, w = shape
    counts = torch.full((h, w // 2 + 1), 2.0, device=device)
    counts[:, 0] = 1
    if w % 2 == 0:
        counts[:, -1] = 1
    return counts


def in_band(
    shape: tuple[int, int], band: Band, *, device: torch.device | None = None
) -> HalfPlaneMask:
    """Which coefficients of the half plane lie in a band, its limits included.

    Parameters
    ----------
    shape : tuple[int, int]
        `(h, w)` of the image, in px.
    band : Band
        Limits, in cycles/px.
    device : torch.device, optional
        Where the result is wanted; the CPU if not given.
    """
    frequency = frequency_grid(shape, device=device)
    return (frequency >= band[0]) & (frequency <= band[1])


def power(image: ImageTensor) -> HalfPlaneMap:
    """Power of each coefficient of the half plane, in squared units of the image."""
    squared: Tensor = torch.fft.rfft2(image).abs().square()
    return squared / image.numel()


def band_mean(
    power_map: HalfPlaneMap, band: Band, *, shape: tuple[int, int]
) -> float | None:
    """Mean power of the coefficients in a band.

    Parameters
    ----------
    power_map : HalfPlaneMap
        Result of `power`.
    band : Band
        Limits, in cycles/px.
    shape : tuple[int, int]
        `(h, w)` of the image, in px.

    Returns
    -------
    mean : float or None
        Power per coefficient; None if the image is so small that the band is empty.
    """
    device = power_map.device
    counts = mode_counts(shape, device=device) * in_band(shape, band, device=device)
    total = float(counts.sum(dtype=torch.float64))
    if total == 0:
        return None
    return float((power_map * counts).sum(dtype=torch.float64)) / total


def ring_frequencies(shape: tuple[int, int]) -> RingTensor:
    """Spatial frequency of each ring, in cycles/px.

    Parameters
    ----------
    shape : tuple[int, int]
        `(h, w)` of the image, in px.
    """
    side = min(shape)
    return torch.arange(side // 2 + 1, dtype=torch.float64) / side


def power_spectrum(image: ImageTensor) -> RingTensor:
    """Mean power in each ring, in squared units of the image."""
    h, w = image.shape
    rings, counts = _rings((h, w), image.device)
    return _ring_sum(power(image) * counts, rings) / _ring_sum(counts, rings)


def fourier_ring_correlation(first: ImageTensor, second: ImageTensor) -> RingTensor:
    """Fourier ring correlation of two images of the same area.

    Parameters
    ----------
    first, second : ImageTensor
        Images with independent noise, for example from odd and even frames.

    Returns
    -------
    correlation : RingTensor
        Correlation in each ring, from -1 to 1; 1 is perfect agreement, and 0 is
        also given where one of the images has no power at all.

    References
    ----------
    Saxton and Baumeister (1982), J. Microsc. 127, 127-138.
    """
    h, w = first.shape
    rings, counts = _rings((h, w), first.device)
    one, other = torch.fft.rfft2(first), torch.fft.rfft2(second)
    shared = _ring_sum((one * other.conj()).real * counts, rings)
    # The roots are taken before the product, which could overflow.
    size_one = _ring_sum(one.abs().square() * counts, rings).sqrt()
    size_other = _ring_sum(other.abs().square() * counts, rings).sqrt()
    size = size_one * size_other
    return torch.where(size > 0, shared / size.clamp_min(1e-300), 0.0)


def on_plane(
    rings: RingTensor,
    shape: tuple[int, int],
    *,
    side: int,
    device: torch.device | None = None,
) -> HalfPlaneMap:
    """Values of rings at each coefficient of a half plane.

    Parameters
    ----------
    rings : RingTensor
        One value for each ring; between the rings it is interpolated linearly, and
        beyond the last it stays what it was there.
    shape : tuple[int, int]
        `(h, w)` of the image, in px.
    side : int
        Rings are `1 / side` cycles/px apart: the shorter side of the image they are of.
    device : torch.device, optional
        Where the result is wanted; the CPU if not given.
    """
    place = (frequency_grid(shape, device=device) * side).clamp_max(len(rings) - 1)
    below = place.floor().long()
    above = (below + 1).clamp_max(len(rings) - 1)
    values = rings.to(device=device, dtype=torch.float32)
    return torch.lerp(values[below], values[above], place - below)


def apply_radial_gain(image: ImageTensor, gain: RingTensor) -> ImageTensor:
    """Multiply each spatial frequency of an image by a number.

    Parameters
    ----------
    image : ImageTensor
        The image, taken as periodic.
    gain : RingTensor
        One factor for each ring, as `on_plane` spreads them.

    Returns
    -------
    filtered : ImageTensor
        The image, filtered.
    """
    h, w = image.shape
    smooth = on_plane(gain, (h, w), side=min(h, w), device=image.device)
    plane: HalfPlane = torch.fft.rfft2(image) * smooth
    filtered: Tensor = torch.fft.irfft2(plane, s=(h, w))
    return filtered


def _rings(
    shape: tuple[int, int], device: torch.device
) -> tuple[Int64[Tensor, "h half"], HalfPlaneMap]:
    """Number of each coefficient's ring, and its count (0 outside the rings)."""
    side = min(shape)
    rings = (frequency_grid(shape, device=device) * side).round().long()
    inside = rings <= side // 2
    return rings.clamp_max(side // 2), mode_counts(shape, device=device) * inside


def _ring_sum(values: HalfPlaneMap, rings: Int64[Tensor, "h half"]) -> RingTensor:
    """Sum of the values in each ring."""
    count = int(rings.max()) + 1
    total = torch.zeros(count, dtype=torch.float64, device=values.device)
    return total.index_add_(0, rings.flatten(), values.flatten().double())
