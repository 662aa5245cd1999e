"""Fourier crop to a coarser grid, and Fourier pad back onto the finer one.

Both keep the grey scale: the mean and the amplitude of every sine wave that the
coarse grid can carry stay what they were. What the coarse grid cannot carry is
lost in the crop, and is zero after the pad.

Even sides need care. A grid of even side `n` has one coefficient at its Nyquist
frequency, which stands for `+n/2` and `-n/2` together. So a crop adds the two
coefficients of the finer grid, and a pad gives half to each.

The tests hold, for any mixture of even and odd sides, that pad and then crop
changes nothing, that crop and then pad changes nothing in an image that is
band-limited, and that a sine wave keeps its amplitude.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cryoscore_plugin.tensors import ImageTensor, ResizedTensor

ROWS_AT_ONCE = 256
"""Rows transformed at once: a full transform of a large image would not fit well."""


def working_shape(
    shape: tuple[int, int], *, pixel_size: float, working_pixel_size: float
) -> tuple[int, int]:
    """Size of a micrograph on the grid that the network looks at.

    Parameters
    ----------
    shape : tuple[int, int]
        `(h, w)` of the micrograph, in px.
    pixel_size : float
        Its pixel size, in Å/px.
    working_pixel_size : float
        The pixel size wanted, in Å/px. A micrograph that is coarser already
        keeps its size: up-sampling adds nothing.

    Returns
    -------
    shape : tuple[int, int]
        `(h, w)` to crop to. The area is the same, so that the pixel size obtained
        is `pixel_size` times the ratio of the sides, seldom exactly the one wanted.
    """
    scale = min(1.0, pixel_size / working_pixel_size)
    h, w = (max(1, round(side * scale)) for side in shape)
    return h, w


def fourier_crop(image: ImageTensor, shape: tuple[int, int]) -> ResizedTensor:
    """Sample an image on a coarser grid that covers the same area.

    Parameters
    ----------
    image : ImageTensor
        The image, taken as periodic.
    shape : tuple[int, int]
        `(h, w)` of the coarser grid, in px; no side is larger than the image's.

    Returns
    -------
    cropped : ResizedTensor
        The image on the coarser grid, in the same grey scale.
    """
    (h, w), (rows, columns) = image.shape, shape
    kept = columns // 2 + 1
    half = torch.empty((h, kept), dtype=torch.complex64, device=image.device)
    for top in range(0, h, ROWS_AT_ONCE):
        part = slice(top, top + ROWS_AT_ONCE)
        half[part] = torch.fft.rfft(image[part])[:, :kept]
    plane = _crop_rows(torch.fft.fft(half, dim=0), rows)
    if columns < w and columns % 2 == 0:
        nyquist = plane[:, -1]
        # The coefficient at -n/2 of a real image is that at +n/2, mirrored.
        plane[:, -1] = nyquist + nyquist.flip(0).roll(1).conj()
    cropped: Tensor = torch.fft.irfft2(plane, s=shape)
    return cropped * (rows * columns / (h * w))


def fourier_pad(image: ImageTensor, shape: tuple[int, int]) -> ResizedTensor:
    """Sample a band-limited image on a finer grid that covers the same area.

    Parameters
    ----------
    image : ImageTensor
        The image, taken as periodic.
    shape : tuple[int, int]
        `(h, w)` of the finer grid, in px; no side is smaller than the image's.

    Returns
    -------
    padded : ResizedTensor
        The image on the finer grid, in the same grey scale; its power beyond the
        Nyquist frequency of the coarse grid is zero.
    """
    (rows, columns), (h, w) = image.shape, shape
    plane = torch.fft.rfft2(image)
    if columns < w and columns % 2 == 0:
        plane[:, -1] *= 0.5
    half = torch.fft.ifft(_pad_rows(plane, h), dim=0)
    half *= h * w / (rows * columns)
    padded = torch.empty(shape, dtype=image.dtype, device=image.device)
    for top in range(0, h, ROWS_AT_ONCE):
        part = slice(top, top + ROWS_AT_ONCE)
        padded[part] = torch.fft.irfft(half[part], n=w)
    return padded


def _crop_rows(plane: Tensor, rows: int) -> Tensor:
    """Keep the `rows` lowest frequencies along the first side of a half plane."""
    if rows == plane.shape[0]:
        return plane
    below = rows // 2
    cropped = torch.cat([plane[: rows - below], plane[-below:]]) if below else plane[:1]
    if rows % 2 == 0:
        cropped[below] += plane[below]
    return cropped


def _pad_rows(plane: Tensor, rows: int) -> Tensor:
    """Put zeros between the positive and the negative frequencies of a half plane."""
    before = plane.shape[0]
    if rows == before:
        return plane
    below = before // 2
    padded = plane.new_zeros((rows, plane.shape[1]))
    padded[: before - below] = plane[: before - below]
    if below:
        padded[-below:] = plane[-below:]
    if before % 2 == 0:
        padded[-below] *= 0.5
        padded[below] = padded[-below]
    return padded
