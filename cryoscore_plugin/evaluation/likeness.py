"""All figures of one denoised image, by what it can be compared with."""

from __future__ import annotations

import torch

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.evaluation.fidelity import (
    band_correlation,
    calibration_slope,
    cross_half_risk,
    signal_to_error,
)
from cryoscore_plugin.quality import residual_whiteness

BANDS = ((250, 50), (50, 20), (20, 10))
"""Parts of the particle band, by wavelength in Å: outline, domains, helices."""

Figures = dict[str, float]


def figures_with_truth(image: Image, truth: Image, *, pixel_size: float) -> Figures:
    """Correlation, signal-to-noise ratio and calibration; correlation also by band.

    Parameters
    ----------
    image, truth : Image
        Images of the same area, in the same units.
    pixel_size : float
        Of both, in Å/px. Bands beyond half the sampling are left out.
    """
    parts = {
        f"correlation_{longest}_{shortest}": band_correlation(
            image, truth, pixel_size=pixel_size, band=(1 / longest, 1 / shortest)
        )
        for longest, shortest in BANDS
        if longest > 2 * pixel_size
    }
    return {
        "correlation": band_correlation(image, truth, pixel_size=pixel_size),
        **parts,
        "snr": signal_to_error(image, truth, pixel_size=pixel_size),
        "slope": calibration_slope(image, truth, pixel_size=pixel_size),
    }


def figures_with_half(
    denoised: Image, other_half: Image, *, pixel_size: float
) -> Figures:
    """Risk and correlation of one half, denoised, against the other as it is.

    Parameters
    ----------
    denoised, other_half : Image
        Images of the same area, in the same units, with independent noise.
    pixel_size : float
        Of both, in Å/px.
    """
    risk = cross_half_risk(denoised, other_half, pixel_size=pixel_size)
    correlation = band_correlation(denoised, other_half, pixel_size=pixel_size)
    return {"cross_half_risk": risk, "cross_half_correlation": correlation}


def figures_with_raw(denoised: Image, raw: Image, *, pixel_size: float) -> Figures:
    """How white is what was taken away.

    Parameters
    ----------
    denoised, raw : Image
        A micrograph after and before, in the same units.
    pixel_size : float
        Of both, in Å/px.
    """
    before, after = torch.from_numpy(raw), torch.from_numpy(denoised)
    white = residual_whiteness(before, after, pixel_size=pixel_size)
    return {"residual_whiteness": white}
