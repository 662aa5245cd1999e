"""Make of a micrograph what a network looks at, and take it back afterwards.

1. Dead borders are cut off, outliers clipped (`normalization.standardize`).
2. Fourier crop to the working pixel size (`rescaling`).
3. Unit noise (`normalization.normalize`).
4. The slow level is taken off (`local_mean`).

On the way back the first three are undone in reverse; the slow level, and what crystals of
ice had beyond the clip, is background, which comes back for models that keep it. A dead
border is no part of the image: it is seen by no step, and comes back as it was.

The tests hold that what is taken back unchanged is the band-limited micrograph, on
either grid, with its border.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from cryoscore_plugin.local_mean import without_local_mean
from cryoscore_plugin.normalization import (
    Normalized,
    live_area,
    normalize,
    standardize,
)
from cryoscore_plugin.rescaling import fourier_crop, fourier_pad, working_shape
from cryoscore_plugin.tensors import ImageTensor, ResizedTensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A micrograph as a network sees it, and how to go back.

    Attributes
    ----------
    noisy : Normalized
        The micrograph in units of its noise, on the working grid.
    pixel_size : float
        Pixel size of that grid as it was obtained, in Å/px.
    shape : tuple[int, int]
        `(h, w)` in px of the working grid, were the dead border a part of it.
    area : tuple[slice, slice]
        Rows and columns of the input inside its dead border.
    offset, spread : float
        Median and robust standard deviation of the input.
    clipped : float
        Part of the pixels that were clipped, on the grid where it is larger; from 0
        to 1.
    slow, beyond : ImageTensor or None
        Background that the network does not see, in units of the noise: the slow level,
        and what wide things had beyond the clip. None if it is not wanted.
    """

    noisy: Normalized
    pixel_size: float
    shape: tuple[int, int]
    area: tuple[slice, slice]
    offset: float
    spread: float
    clipped: float
    slow: ImageTensor | None = None
    beyond: ImageTensor | None = None

    def regrade(self, image: ImageTensor) -> ImageTensor:
        """Bring an image without offset and spread back to the input's grey scale.

        In place, and after any Fourier transform: a large offset would cost it digits.
        """
        return image.mul_(self.spread).add_(self.offset)

    def as_seen_where_clipped(self, clean: ImageTensor) -> ImageTensor:
        """An estimate, but the input itself where that has neither noise nor detail.

        Of a place that was clipped the network knows nothing, and may say anything.
        """
        if self.beyond is None:
            return clean
        return torch.where(self.beyond == 0, clean, self.noisy.pixels)

    def with_background(self, clean: ImageTensor) -> ImageTensor:
        """An estimate with the background that the network did not see, if wanted."""
        for part in (self.slow, self.beyond):
            clean = clean if part is None else clean + part
        return clean

    def without_offset(self) -> Prepared:
        """The same for differences of grey values, which have a scale alone."""
        return replace(self, offset=0.0, noisy=replace(self.noisy, offset=0.0))


def prepare(
    image: ImageTensor,
    *,
    pixel_size: float,
    working_pixel_size: float,
    local_mean: float | None = None,
    keeps_background: bool = False,
) -> Prepared:
    """Cut, clip, rescale, normalise and level a micrograph.

    Parameters
    ----------
    image : ImageTensor
        The micrograph as it was read.
    pixel_size : float
        Its pixel size, in Å/px.
    working_pixel_size : float
        Pixel size at which the network looks at it, in Å/px. A micrograph that is
        coarser stays as it is.
    local_mean : float | None
        Standard deviation in working px of the Gaussian mean that is taken off;
        None: the slow level stays.
    keeps_background : bool
        Whether what the network does not see of it is wanted (`slow`, `beyond`).

    Raises
    ------
    MicrographError
        If the micrograph is constant, too small, or without noise.
    """
    area = live_area(image)
    standard = standardize(image[area], keep_wide=keeps_background)
    whole, shape = (
        working_shape(
            (h, w), pixel_size=pixel_size, working_pixel_size=working_pixel_size
        )
        for h, w in (image.shape, standard.pixels.shape)
    )
    obtained = pixel_size * mean_ratio(standard.pixels.shape, shape)
    noisy = normalize(
        fourier_crop(standard.pixels, shape),
        pixel_size=obtained,
        keep_wide=keeps_background,
    )
    flat, beyond = noisy.pixels, None
    if local_mean is not None:
        flat = without_local_mean(noisy.pixels, sigma=local_mean)
    if standard.beyond is not None and noisy.beyond is not None:
        wide = functional.interpolate(standard.beyond[None, None], shape, mode="area")
        beyond = noisy.beyond + wide[0, 0] / noisy.level
    return Prepared(
        noisy=replace(noisy, pixels=flat),
        pixel_size=obtained,
        shape=whole,
        area=area,
        offset=standard.offset,
        spread=standard.spread,
        clipped=max(standard.clipped, noisy.clipped),
        slow=noisy.pixels - flat if keeps_background else None,
        beyond=beyond,
    )


def prepare_noise(
    noise: ResizedTensor, prepared: Prepared, *, local_mean: float | None = None
) -> ImageTensor:
    """Bring noise to the units of a micrograph of its size that was prepared.

    Parameters
    ----------
    noise : ImageTensor
        Noise alone, such as the difference of two halves, in grey values of the
        micrograph. Its outliers are clipped.
    prepared : Prepared
        What `prepare` made of the micrograph.
    local_mean : float | None
        As for `prepare`.

    Raises
    ------
    MicrographError
        If the noise is constant.
    """
    standard = standardize(noise[prepared.area])
    h, w = prepared.noisy.pixels.shape
    cropped = fourier_crop(standard.pixels, (h, w))
    scaled = cropped * (standard.spread / prepared.spread) / prepared.noisy.level
    return (
        scaled if local_mean is None else without_local_mean(scaled, sigma=local_mean)
    )


def on_input_grid(
    prepared: Prepared, clean: ImageTensor, image: ResizedTensor
) -> Tensor:
    """Bring an estimate onto the grid of the input.

    Parameters
    ----------
    prepared : Prepared
        What `prepare` made of the input.
    clean : ImageTensor
        The estimate, on the working grid and in units of the noise.
    image : ResizedTensor
        The input, whose dead border is taken over.

    Returns
    -------
    restored : Tensor
        As large as the input, in its grey scale.
    """
    h, w = image[prepared.area].shape
    padded = prepared.regrade(fourier_pad(prepared.noisy.undo(clean), (h, w)))
    if padded.shape == image.shape:
        return padded
    result = image.clone()
    result[prepared.area] = padded
    return result


def on_working_grid(
    prepared: Prepared, clean: ImageTensor, image: ResizedTensor
) -> Tensor:
    """Bring an estimate back to the grey scale of the input; its grid stays.

    Parameters
    ----------
    prepared : Prepared
        What `prepare` made of the input.
    clean : ImageTensor
        The estimate, on the working grid and in units of the noise.
    image : ResizedTensor
        The input; each pixel of its dead border is taken from the nearest one.

    Returns
    -------
    restored : Tensor
        Of the size `prepared.shape`.
    """
    restored = prepared.noisy.undo(clean)
    h, w = image[prepared.area].shape
    if (h, w) == image.shape:
        return prepared.regrade(restored)
    filled = torch.zeros_like(image)
    filled[prepared.area] = fourier_pad(restored, (h, w))
    binned = prepared.regrade(fourier_crop(filled, prepared.shape))
    nearest, alive = [], []
    for side, count, extent in zip(
        image.shape, prepared.shape, prepared.area, strict=True
    ):
        pixel = (torch.arange(count, device=image.device) + 0.5) * (side / count)
        nearest.append(pixel.long())
        alive.append((pixel >= extent.start) & (pixel < extent.stop))
    border = image[nearest[0]][:, nearest[1]]
    return torch.where(alive[0][:, None] & alive[1], binned, border)


def mean_ratio(shape: tuple[int, ...], other: tuple[int, ...]) -> float:
    """How many times more pixels a side of one grid has: the mean of both sides.

    Parameters
    ----------
    shape, other : tuple[int, int]
        `(h, w)` of two grids that cover the same area, in px. The ratio differs
        hardly between the sides, by rounding alone.
    """
    (h, w), (other_h, other_w) = shape, other
    return (h / other_h + w / other_w) / 2
