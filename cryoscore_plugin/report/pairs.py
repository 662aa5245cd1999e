"""A micrograph before and after, on one scale of length and of power.

Header, table and user may each give the raw micrograph another pixel size. The one that
counted is told by the output, which knows its own, and covers the same area. The tests
hold that an image and its Fourier crop have the same power wherever both have a frequency.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import iterate_stack, read_micrograph
from cryoscore_plugin.preparation import mean_ratio
from cryoscore_plugin.report.thumbnails import Spectrum, central_spectrum


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """A micrograph before and after; `read_pair` reads it.

    Attributes
    ----------
    raw, denoised : Micrograph
        The same area, the latter perhaps binned.
    """

    raw: Micrograph
    denoised: Micrograph

    @property
    def is_binned(self) -> bool:
        """Whether the denoised image has another grid, so that none can be subtracted."""
        return self.raw.pixels.shape != self.denoised.pixels.shape

    def spectra(self) -> tuple[Spectrum, Spectrum]:
        """Power of the raw and of the denoised image, in the units of the former."""
        before, after = central_spectrum(self.raw), central_spectrum(self.denoised)
        # A wave of one amplitude has less power in an image of fewer pixels.
        larger = (self.denoised.pixel_size / self.raw.pixel_size) ** 2
        return before, replace(after, powers=larger * after.powers)


def read_pair(source: Path, output: Path) -> Pair:
    """Read a micrograph before and after; of stacks, the first image.

    Parameters
    ----------
    source, output : Path
        The raw and the denoised file.

    Raises
    ------
    MicrographError
        If one cannot be read any more.
    """
    denoised = _read(output, None)
    raw = _read(source, denoised.pixel_size)
    ratio = mean_ratio(raw.pixels.shape, denoised.pixels.shape)
    return Pair(
        raw=replace(raw, pixel_size=denoised.pixel_size / ratio), denoised=denoised
    )


def _read(path: Path, pixel_size: float | None) -> Micrograph:
    if path.suffix.lower() == ".mrcs":
        return next(iter(iterate_stack(path, pixel_size=pixel_size)))
    return read_micrograph(path, pixel_size=pixel_size)
