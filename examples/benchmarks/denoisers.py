"""The denoisers that all benchmarks here know by name.

They are `raw`, three filters (`low-pass` to 20 Å, `band-pass` from 250 to 30 Å, and
`wiener`, the best linear filter for the spectrum of the image itself), and the models of cryoscore: a checkpoint, the name of a
packaged model, or a `.yaml` file of settings, as `cryoscore denoise --settings` takes it.
What another program wrote is brought to the grid it is judged on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from scipy.signal import resample

from cryoscore_plugin.denoiser import load_denoisers
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.noise_model import estimate_noise_model
from cryoscore_plugin.rescaling import fourier_crop, fourier_pad, working_shape
from cryoscore_plugin.settings import DenoiseSettings
from cryoscore_plugin.wiener import wiener_filter

Pixels = NDArray[np.float32]
Denoise = Callable[[Pixels, float], Pixels]
"""From an image and its pixel size in Å/px to an image of the same size."""
DenoiseMicrograph = Callable[[Micrograph], Pixels]
"""The same, for those that look at the optics of a micrograph as well."""


def band_pass(
    pixels: Pixels,
    pixel_size: float,
    *,
    longest: float = 250.0,
    shortest: float = 30.0,
) -> Pixels:
    """Gaussian band-pass between two lengths in Å."""
    fy, fx = (fft.fftfreq(length, pixel_size) for length in pixels.shape)
    squared = fy[:, None] ** 2 + fx**2
    weight = np.exp(-squared * shortest**2 / 2)
    if np.isfinite(longest):
        weight -= np.exp(-squared * longest**2 / 2)
    return fft.ifft2(fft.fft2(pixels) * weight).real.astype(np.float32)


def low_pass(pixels: Pixels, pixel_size: float, *, shortest: float = 20.0) -> Pixels:
    """Gaussian low-pass to a length in Å."""
    return band_pass(pixels, pixel_size, longest=np.inf, shortest=shortest)


def wiener(pixels: Pixels, pixel_size: float) -> Pixels:
    """Wiener filter at 3 Å/px, on the grid of the image; background counts as signal."""
    image = torch.from_numpy(pixels)
    h, w = pixels.shape
    rows, columns = working_shape((h, w), pixel_size=pixel_size, working_pixel_size=3.0)
    coarse = fourier_crop(image, (rows, columns))
    filtered = wiener_filter(coarse, estimate_noise_model(coarse - coarse.mean()))
    return fourier_pad(filtered, (h, w)).numpy()


FILTERS: dict[str, Denoise] = {
    "raw": lambda pixels, _: pixels,
    "low-pass": low_pass,
    "band-pass": band_pass,
    "wiener": wiener,
}


def named_denoiser(name: str) -> DenoiseMicrograph:
    """From a word on the command line to a function."""
    if name in FILTERS:
        change = FILTERS[name]
        return lambda image: change(image.pixels, image.pixel_size)
    is_settings = Path(name).suffix in {".yaml", ".yml"}
    settings = (
        DenoiseSettings.from_yaml(Path(name))
        if is_settings
        else DenoiseSettings(model=name)
    )
    denoiser = load_denoisers(settings)[0]
    return lambda image: denoiser.denoise(image).micrograph.pixels


def is_folder(name: str) -> bool:
    """Whether a word on the command line is a folder of what another program wrote."""
    return name not in FILTERS and Path(name).is_dir()


def on_grid(image: Pixels, shape: tuple[int, ...]) -> Pixels:
    """An image with fewer or more pixels, Fourier-resampled to `shape`."""
    for axis in (0, 1):
        if image.shape[axis] != shape[axis]:
            image = resample(image, shape[axis], axis=axis)
    return image.astype(np.float32)
