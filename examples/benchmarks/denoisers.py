"""The denoisers that all benchmarks here know by name.

They are `raw`, three filters (`low-pass` to 20 Å, `band-pass` from 250 to 30 Å, and
`wiener`, the best linear filter for the spectrum of the image itself), `topaz`
(Topaz-Denoise; `topaz:3` on a grid of 3 Å/px), and the models of cryoscore: a checkpoint,
the name of a packaged model, or a `.yaml` file of settings, as `cryoscore denoise
--settings` takes it. A checkpoint that was trained otherwise, by Noise2Noise for example,
is one like any other. What another program wrote is brought to the grid it is judged on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from grids import Pixels, at_sampling, on_grid
from programs import Programs
from scipy import fft

from cryoscore_plugin.denoiser import load_denoisers
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.noise_model import estimate_noise_model
from cryoscore_plugin.rescaling import fourier_crop, fourier_pad, working_shape
from cryoscore_plugin.settings import DenoiseSettings
from cryoscore_plugin.wiener import wiener_filter

Denoise = Callable[[Pixels, float], Pixels]
"""From an image and its pixel size in Å/px to an image of the same size."""
DenoiseAll = Callable[[Sequence[Micrograph]], list[Pixels]]
"""From micrographs, whose optics guidance looks at, to an image for each."""

TOPAZ = "topaz"


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


def named_denoiser(name: str, programs: Programs) -> DenoiseAll:
    """From a word on the command line to a function."""
    if name.partition(":")[0] == TOPAZ:
        return topaz_at(_sampling(name), programs)
    if name in FILTERS:
        change = FILTERS[name]
        return lambda images: [change(one.pixels, one.pixel_size) for one in images]
    is_settings = Path(name).suffix in {".yaml", ".yml"}
    settings = (
        DenoiseSettings.from_yaml(Path(name))
        if is_settings
        else DenoiseSettings(model=name)
    )
    denoiser = load_denoisers(settings)[0]
    return lambda images: [denoiser.denoise(one).micrograph.pixels for one in images]


def topaz_at(sampling: float | None, programs: Programs) -> DenoiseAll:
    """Topaz-Denoise at a pixel size in Å/px, on the grid of the images."""

    def denoise(images: Sequence[Micrograph]) -> list[Pixels]:
        given = [
            one.pixels
            if sampling is None
            else at_sampling(one.pixels, one.pixel_size, sampling)
            for one in images
        ]
        return [
            on_grid(found, one.pixels.shape)
            for found, one in zip(programs.denoised(given), images, strict=True)
        ]

    return denoise


def _sampling(name: str) -> float | None:
    """The pixel size in `topaz:3`; None of `topaz`, which takes images as they are."""
    word = name.partition(":")[2]
    try:
        return float(word) if word else None
    except ValueError as error:
        msg = f"{name} should be topaz, or have a pixel size in Å/px, as topaz:3 has."
        raise ConfigError(msg) from error


def is_folder(name: str) -> bool:
    """Whether a word on the command line is a folder of what another program wrote."""
    known = name in FILTERS or name.partition(":")[0] == TOPAZ
    return not known and Path(name).is_dir()


def denoiser_option(
    *default: str,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add `--denoiser`, which may be repeated."""
    return click.option(
        "--denoiser",
        "denoisers",
        multiple=True,
        default=default,
        show_default=True,
        help="See denoisers.py; may be repeated.",
    )


def label(name: str) -> str:
    """How a denoiser is called in tables and figures; a file by its name."""
    is_file = Path(name).suffix in {".yaml", ".yml", ".safetensors"}
    return Path(name).stem if is_file else name
