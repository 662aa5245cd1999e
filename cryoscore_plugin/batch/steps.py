"""The steps for one micrograph: look and read, denoise, write; and why one failed."""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cryoscore_plugin.batch.finished import (
    fingerprint_label,
    is_finished,
    output_labels,
    refuse_denoised,
    refuse_foreign,
)
from cryoscore_plugin.batch.measured import measured_labels
from cryoscore_plugin.batch.monitor import MicrographResult, MicrographTask
from cryoscore_plugin.denoiser import Denoiser, Restoration
from cryoscore_plugin.errors import CryoScoreError, MicrographError
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import (
    MrcHeader,
    is_tiff,
    iterate_stack,
    read_header,
    read_micrograph,
    write_micrograph,
    write_stack,
)
from cryoscore_plugin.settings import DenoiseSettings

COARSE_STEP = 0.02
"""Steps of float16 beyond this part of an image's standard deviation get a warning;
their rounding then adds more than 0.02²/12 of its variance, 0.003 %."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A micrograph that is ready to be denoised.

    Attributes
    ----------
    task : MicrographTask
        What is to be done.
    labels : list[str]
        For the header of the output.
    micrograph : Micrograph or None
        The image; None for a stack, which is read while it is denoised.
    pixel_size : float or None
        In Å/px, if it is not the header's that counts.
    warnings : tuple[str, ...]
        What the user should know.
    """

    task: MicrographTask
    labels: list[str]
    micrograph: Micrograph | None
    pixel_size: float | None
    warnings: tuple[str, ...]


def prepare(
    task: MicrographTask, settings: DenoiseSettings, model: str
) -> Prepared | None:
    """Look at a micrograph and its output, and read it if there is work.

    Parameters
    ----------
    task : MicrographTask
        What is to be done.
    settings : DenoiseSettings
        How.
    model : str
        Name and hash of the model.

    Returns
    -------
    prepared : Prepared or None
        None if the output is finished.

    Raises
    ------
    MicrographError
        If it cannot be read, was denoised before, its output belongs to another
        program, or the disk has no room for it.
    OSError
        If the folder of the output cannot be made.
    """
    labels = output_labels(task, settings, model)
    if is_finished(task.output, fingerprint_label(labels)) and not settings.overwrite:
        return None
    refuse_foreign(task.output)
    task.output.parent.mkdir(parents=True, exist_ok=True)
    pixel_size = settings.pixel_size or task.pixel_size
    header = None if is_tiff(task.source) else read_header(task.source)
    warnings = []
    if header is not None:
        refuse_denoised(task.source, header.labels)
        _refuse_full_disk(task.output, header, settings)
        if settings.pixel_size is None:
            warnings = _doubts(task.pixel_size, header.pixel_size)
    stack = task.output.suffix == ".mrcs"
    return Prepared(
        task=task,
        labels=labels,
        micrograph=None
        if stack
        else replace(
            read_micrograph(task.source, pixel_size=pixel_size), optics=task.optics
        ),
        pixel_size=pixel_size,
        warnings=tuple(warnings),
    )


def save(
    prepared: Prepared, restoration: Restoration, settings: DenoiseSettings
) -> MicrographResult:
    """Write a denoised micrograph, and say what became of it.

    Raises
    ------
    MicrographError
        If its grey values do not fit into float16.
    OSError
        If it cannot be written.
    """
    write_micrograph(
        prepared.task.output,
        restoration.micrograph,
        dtype=settings.output_dtype,
        labels=[*prepared.labels, *measured_labels(restoration.quality)],
    )
    warnings = [*prepared.warnings, *restoration.warnings]
    if settings.output_dtype == "float16":
        warnings += _coarse_float16(restoration.micrograph)
    return MicrographResult(
        task=prepared.task,
        status="denoised",
        warnings=tuple(warnings),
        quality=restoration.quality,
    )


def denoise_stack(
    prepared: Prepared, denoiser: Denoiser, settings: DenoiseSettings
) -> MicrographResult:
    """Read, denoise and write a stack image by image, and say what became of it.

    The quality is the mean over the images.

    Raises
    ------
    CryoScoreError
        As for a micrograph, at the first image that fails.
    OSError
        If it cannot be written.
    """
    qualities: list[dict[str, float]] = []
    warnings: dict[str, None] = dict.fromkeys(prepared.warnings)

    def images() -> Iterator[Micrograph]:
        for image in iterate_stack(
            prepared.task.source, pixel_size=prepared.pixel_size
        ):
            restoration = denoiser.denoise(image)
            qualities.append(restoration.quality)
            warnings.update(dict.fromkeys(restoration.warnings))
            if settings.output_dtype == "float16":
                warnings.update(dict.fromkeys(_coarse_float16(restoration.micrograph)))
            yield restoration.micrograph

    write_stack(
        prepared.task.output,
        images(),
        dtype=settings.output_dtype,
        labels=prepared.labels,
    )
    mean = {
        name: float(np.mean([quality[name] for quality in qualities]))
        for name in qualities[0]
    }
    return MicrographResult(
        task=prepared.task, status="denoised", warnings=tuple(warnings), quality=mean
    )


def failure_sentence(task: MicrographTask, error: Exception) -> str:
    """Say why a micrograph failed, and what to do.

    Parameters
    ----------
    task : MicrographTask
        What was to be done.
    error : Exception
        What was raised.
    """
    if isinstance(error, CryoScoreError):
        return str(error)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _disk_is_full(task.output, "")
    if isinstance(error, OSError):
        return (
            f"{task.output} cannot be written: {error.strerror or error}. Check the "
            "folder, or give another one with --output."
        )
    return (
        f"{task.source}: unexpected {type(error).__name__}: {error}. This is a bug of "
        "cryoscore; please report it with what `cryoscore --verbose` shows."
    )


def may_pass(error: Exception) -> bool:
    """Whether the cause of a failure may pass by itself: of files, not of contents.

    Parameters
    ----------
    error : Exception
        What was raised.
    """
    # gzip says that contents are bad with an OSError, too; that one has no number.
    return any(
        isinstance(one, OSError) and one.errno is not None
        for one in (error, error.__cause__)
    )


def _refuse_full_disk(
    output: Path, header: MrcHeader, settings: DenoiseSettings
) -> None:
    """Fail before the computing, if there is no room for its result."""
    if settings.write_binned:
        return  # Its size is not known yet, and small.
    needed = math.prod(header.shape) * np.dtype(settings.output_dtype).itemsize
    free = shutil.disk_usage(output.parent).free
    if free < needed:
        sizes = f" ({needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free)"
        full = OSError(errno.ENOSPC, "the disk is full")
        raise MicrographError(_disk_is_full(output, sizes)) from full


def _disk_is_full(output: Path, sizes: str) -> str:
    return (
        f"{output} cannot be written: the disk is full{sizes}. Make room, or give "
        "another folder with --output; the same command then goes on from here."
    )


def _doubts(in_table: float | None, in_header: float | None) -> list[str]:
    """Warn if table and header differ by more than 1 %, or the header may not know."""
    if in_table is None and in_header == 1.0:
        msg = (
            "The header says 1 Å/px, which many programs write when they do not know. "
            "If it is wrong, give the right value with --pixel-size."
        )
        return [msg]
    if in_table is None or in_header is None:
        return []
    if abs(in_table - in_header) <= 0.01 * in_table:
        return []
    msg = (
        f"The table says {in_table:g} Å/px, but the header {in_header:g} Å/px. The "
        "table counts; if it is wrong, give the right value with --pixel-size."
    )
    return [msg]


def _coarse_float16(micrograph: Micrograph) -> list[str]:
    """Warn if the steps of float16 are coarse for the contrast of an image."""
    pixels = micrograph.pixels
    step = float(np.spacing(np.float16(np.abs(pixels).max())))
    if step <= COARSE_STEP * float(pixels.std(dtype=np.float64)):
        return []
    msg = (
        "float16 is coarse for these grey values, which are large for their contrast. "
        "Use --output-dtype float32."
    )
    return [msg]
