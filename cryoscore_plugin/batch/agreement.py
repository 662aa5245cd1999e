"""The halves of a micrograph in a run: found, read, and correlated where that is wanted.

The figure is an extra. A micrograph whose halves are missing or bad is denoised all the
same, and a warning says why it has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cryoscore_plugin.batch.halves import halves_of
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.denoiser import Denoiser
from cryoscore_plugin.errors import ConfigError, MicrographError
from cryoscore_plugin.half_correlation import half_correlation
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_halves
from cryoscore_plugin.restoration import Restoration
from cryoscore_plugin.settings import DenoiseSettings

Halves = tuple[Micrograph, Micrograph]
"""Images of the even and of the odd frames of one micrograph."""

_NO_FIGURE = "No half_correlation: {reason}"


def require_halves(tasks: Sequence[MicrographTask], settings: DenoiseSettings) -> None:
    """Refuse a wish for halves where no micrograph has any.

    Parameters
    ----------
    tasks : Sequence[MicrographTask]
        What is to be done.
    settings : DenoiseSettings
        How.

    Raises
    ------
    ConfigError
        If halves are wanted, and none are found.
    """
    if not settings.halves or any(halves_of(task) for task in tasks):
        return
    example = tasks[0].source if tasks else "a.mrc"
    msg = (
        f"halves is on, but none of the {len(tasks)} micrographs has images of even and "
        f"odd frames: no table names them, and beside {example} there are no files "
        "whose names end in _EVN and _ODD. Let motion correction write them, or leave "
        "halves out."
    )
    raise ConfigError(msg)


def read_wanted_halves(
    task: MicrographTask, micrograph: Micrograph
) -> tuple[Halves | None, list[str]]:
    """Read the halves of a micrograph; None and the reason if they are of no use.

    Parameters
    ----------
    task : MicrographTask
        What is to be done.
    micrograph : Micrograph
        The whole, whose pixel size and optics are theirs.

    Returns
    -------
    halves : Halves or None
        The two images.
    warnings : list[str]
        Why there are none.
    """
    paths = halves_of(task)
    if not paths:
        reason = "no images of even and odd frames were found for it."
        return None, [_NO_FIGURE.format(reason=reason)]
    try:
        even, odd = read_halves(paths, pixel_size=micrograph.pixel_size)
    except MicrographError as error:
        return None, [_NO_FIGURE.format(reason=error)]
    if even.pixels.shape != micrograph.pixels.shape:
        reason = (
            f"its halves are {even.pixels.shape} px, where {micrograph.pixels.shape} px "
            "are expected, the size of the whole."
        )
        return None, [_NO_FIGURE.format(reason=reason)]
    return (replace(even, optics=micrograph.optics), odd), []


def with_agreement(
    restoration: Restoration, denoiser: Denoiser, halves: Halves
) -> Restoration:
    """The same result, with `half_correlation` among its numbers.

    Parameters
    ----------
    restoration : Restoration
        The denoised micrograph.
    denoiser : Denoiser
        What denoised it.
    halves : Halves
        Its halves.

    Raises
    ------
    DeviceError
        If not even the smallest tile fits into the memory.
    """
    try:
        figure = half_correlation(denoiser, *halves)
    except MicrographError as error:
        warning = _NO_FIGURE.format(reason=error)
        return replace(restoration, warnings=(*restoration.warnings, warning))
    quality = {**restoration.quality, "half_correlation": figure}
    return replace(restoration, quality=quality)


def measured_agreement(
    task: MicrographTask, settings: DenoiseSettings, denoiser: Denoiser
) -> float:
    """The `half_correlation` of one micrograph, whatever the settings want.

    Parameters
    ----------
    task : MicrographTask
        The micrograph, which has halves.
    settings : DenoiseSettings
        How it is denoised.
    denoiser : Denoiser
        What denoises it.

    Raises
    ------
    MicrographError
        If the halves cannot be read, or are of no use.
    DeviceError
        If not even the smallest tile fits into the memory.
    """
    size = settings.pixel_size or task.pixel_size
    even, odd = read_halves(halves_of(task), pixel_size=size)
    return half_correlation(denoiser, replace(even, optics=task.optics), odd)
