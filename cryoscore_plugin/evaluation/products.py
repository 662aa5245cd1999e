"""Powers of two images of the same area and what they share, by spatial frequency.

All figures of likeness follow from three numbers of a band: the mean of first², of
first x second, and of second². The first image is the one that is judged, the second
the truth, or what stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from cryoscore_plugin.arrays import Image, Values
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.spectrum import mode_counts

Band = tuple[float, float]
"""Lowest and highest spatial frequency that counts, in 1/Å."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Products:
    """What an image and the truth have in each of several bands.

    Attributes
    ----------
    own, shared, true : Values
        Mean of image², image x truth and truth² per pixel.
    count : Values
        Coefficients of the whole plane in the band; where there are none, every figure
        is NaN.
    """

    own: Values
    shared: Values
    true: Values
    count: Values

    @property
    def correlation(self) -> Values:
        """From -1 to 1; 0 where one of the images has nothing."""
        size = np.sqrt(self.own) * np.sqrt(self.true)
        return self._known(_ratio(self.shared, size, otherwise=0.0))

    @property
    def slope(self) -> Values:
        """Of the truth on the image; NaN where the image has nothing."""
        return self._known(_ratio(self.shared, self.own, otherwise=np.nan))

    @property
    def error(self) -> Values:
        """Mean square of the difference."""
        # Rounding may leave a difference of equal images just below 0.
        difference: Values = np.maximum(self.own - 2 * self.shared + self.true, 0.0)
        return self._known(difference)

    @property
    def signal_to_error(self) -> Values:
        """Power of the truth over that of the error; infinite without error."""
        return self._known(_ratio(self.true, self.error, otherwise=np.inf))

    @property
    def relative_error(self) -> Values:
        """Power of the error over that of the truth: 1 is that of a blank image."""
        return self._known(_ratio(self.error, self.true, otherwise=np.nan))

    def _known(self, figure: Values) -> Values:
        known: Values = np.where(self.count > 0, figure, np.nan)
        return known


def band_products(
    first: Image, second: Image, *, pixel_size: float, bands: Sequence[Band]
) -> Products:
    """Products of two images in bands of spatial frequency.

    Parameters
    ----------
    first, second : Image
        Images of the same area.
    pixel_size : float
        Of both, in Å/px.
    bands : Sequence[Band]
        Limits, in 1/Å; they count as inside.

    Raises
    ------
    InputError
        If the sizes differ, or the images are too small to have such frequencies.
    """
    if first.shape != second.shape:
        msg = (
            "Two images of the same area must have the same size, but have "
            f"{first.shape} and {second.shape} px. Bring them to one pixel size."
        )
        raise InputError(msg)
    h, w = first.shape
    frequency = np.hypot(
        fft.fftfreq(h, pixel_size)[:, None], fft.rfftfreq(w, pixel_size)
    )
    # Only these: for a fine micrograph they are few.
    inside = frequency <= max(high for _, high in bands)
    frequency, counts = frequency[inside], mode_counts((h, w)).double().numpy()[inside]
    one, other = (
        fft.rfft2(image.astype(np.float64))[inside] for image in (first, second)
    )
    members = [(frequency >= low) & (frequency <= high) for low, high in bands]
    # Parseval: sums over the half plane, divided by the number of pixels, twice.
    terms = [np.abs(one) ** 2, (one * other.conj()).real, np.abs(other) ** 2]
    own, shared, true = (
        np.array([(term * counts)[member].sum() for member in members]) / first.size**2
        for term in terms
    )
    count = np.array([counts[member].sum() for member in members])
    if not count.any():
        limits = min(low for low, _ in bands), max(high for _, high in bands)
        msg = (
            f"Spatial frequencies from {limits[0]:.4g} to {limits[1]:.4g} 1/Å are "
            f"compared, but {h} x {w} px at {pixel_size} Å/px have none. Take a larger "
            "image."
        )
        raise InputError(msg)
    return Products(own=own, shared=shared, true=true, count=count)


def _ratio(above: Values, below: Values, *, otherwise: float) -> Values:
    """Quotient of two lists; something else where nothing stands below."""
    found: Values = np.full(len(above), otherwise)
    np.divide(above, below, out=found, where=below > 0)
    return found
