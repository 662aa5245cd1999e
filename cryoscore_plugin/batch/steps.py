"""The steps for one micrograph: look and read, denoise, write."""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cryoscore_plugin.batch.agreement import (
    Halves,
    read_wanted_halves,
    with_agreement,
)
from cryoscore_plugin.batch.doubts import coarse_float16, pixel_size_doubts
from cryoscore_plugin.batch.failures import disk_is_full
from cryoscore_plugin.batch.finished import (
    fingerprint_label,
    is_finished,
    output_labels,
    refuse_denoised,
    refuse_foreign,
)
from cryoscore_plugin.batch.measured import measured_labels
from cryoscore_plugin.batch.monitor import MicrographResult, MicrographTask
from cryoscore_plugin.batch.uncertainty import (
    has_uncertainty,
    uncertainty_file,
    uncertainty_label,
)
from cryoscore_plugin.denoiser import Denoiser
from cryoscore_plugin.errors import MicrographError
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
from cryoscore_plugin.restoration import Restoration
from cryoscore_plugin.settings import DenoiseSettings


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
    halves : Halves or None
        Its halves, where a figure of their agreement is wanted.
    """

    task: MicrographTask
    labels: list[str]
    micrograph: Micrograph | None
    pixel_size: float | None
    warnings: tuple[str, ...]
    halves: Halves | None = None


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
    if _all_finished(task.output, fingerprint_label(labels), settings):
        return None
    _make_room(task.output, settings)
    pixel_size = settings.pixel_size or task.pixel_size
    header = None if is_tiff(task.source) else read_header(task.source)
    warnings = []
    if header is not None:
        refuse_denoised(task.source, header.labels)
        _refuse_full_disk(task.output, header, settings)
        if settings.pixel_size is None:
            warnings = pixel_size_doubts(task.pixel_size, header.pixel_size)
    prepared = Prepared(
        task=task,
        labels=labels,
        micrograph=None,
        pixel_size=pixel_size,
        warnings=tuple(warnings),
    )
    return (
        prepared if task.output.suffix == ".mrcs" else _with_images(prepared, settings)
    )


def restore(
    prepared: Prepared, micrograph: Micrograph, denoiser: Denoiser
) -> Restoration:
    """Denoise a micrograph, and correlate its halves if they were read.

    Raises
    ------
    CryoScoreError
        As the denoiser says.
    """
    restoration = denoiser.denoise(micrograph)
    if prepared.halves is None:
        return restoration
    return with_agreement(restoration, denoiser, prepared.halves)


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
    if restoration.uncertainty is not None:
        # Before the output, so that nothing is missing where that is there.
        write_micrograph(
            uncertainty_file(prepared.task.output),
            restoration.uncertainty,
            dtype=settings.output_dtype,
            labels=[*prepared.labels, uncertainty_label(settings)],
        )
    write_micrograph(
        prepared.task.output,
        restoration.micrograph,
        dtype=settings.output_dtype,
        labels=[*prepared.labels, *measured_labels(restoration.quality)],
    )
    warnings = [*prepared.warnings, *restoration.warnings]
    if settings.output_dtype == "float16":
        warnings += coarse_float16(restoration.micrograph)
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
                warnings.update(dict.fromkeys(coarse_float16(restoration.micrograph)))
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


def _with_images(prepared: Prepared, settings: DenoiseSettings) -> Prepared:
    """Read the micrograph, and its halves if they are wanted."""
    task = prepared.task
    micrograph = replace(
        read_micrograph(task.source, pixel_size=prepared.pixel_size), optics=task.optics
    )
    if not settings.halves:
        return replace(prepared, micrograph=micrograph)
    halves, warnings = read_wanted_halves(task, micrograph)
    return replace(
        prepared,
        micrograph=micrograph,
        halves=halves,
        warnings=(*prepared.warnings, *warnings),
    )


def _all_finished(output: Path, label: str, settings: DenoiseSettings) -> bool:
    """Whether nothing is left to do for an output."""
    if settings.overwrite or not is_finished(output, label):
        return False
    return has_uncertainty(output, label, settings)


def _make_room(output: Path, settings: DenoiseSettings) -> None:
    """Make the folders of what will be written, which replaces only what is ours.

    Raises
    ------
    MicrographError
        If there is an image of another program, or uncertainty is wanted of a stack.
    """
    files = [output]
    if settings.uncertainty:
        if output.suffix == ".mrcs":
            msg = (
                f"uncertainty is for single micrographs, but {output.name} is a stack. "
                "Leave it out, or denoise the stack in a run of its own."
            )
            raise MicrographError(msg)
        files.append(uncertainty_file(output))
    for file in files:
        refuse_foreign(file)
        file.parent.mkdir(parents=True, exist_ok=True)


def _refuse_full_disk(
    output: Path, header: MrcHeader, settings: DenoiseSettings
) -> None:
    """Fail before the computing, if there is no room for its result."""
    if settings.write_binned:
        return  # Its size is not known yet, and small.
    images = 1 + settings.uncertainty
    needed = images * math.prod(header.shape) * np.dtype(settings.output_dtype).itemsize
    free = shutil.disk_usage(output.parent).free
    if free < needed:
        sizes = f" ({needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free)"
        full = OSError(errno.ENOSPC, "the disk is full")
        raise MicrographError(disk_is_full(output, sizes)) from full
