"""The image of uncertainty beside an output: where it is, and whether it is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from cryoscore_plugin.batch.finished import is_finished
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.mrc import read_labels
from cryoscore_plugin.settings import DenoiseSettings


def uncertainty_file(output: Path) -> Path:
    """Where the uncertainty of an output is written.

    In a folder of its own: a pattern such as `denoised/*.mrc`, which a picker or an
    import may be given, must not take it for a micrograph.

    Parameters
    ----------
    output : Path
        The output.
    """
    return output.parent / "uncertainty" / f"{output.stem}_uncertainty.mrc"


def files_of(tasks: Iterable[MicrographTask]) -> Iterator[Path]:
    """What a run may write: each output, and its uncertainty.

    Parameters
    ----------
    tasks : Iterable[MicrographTask]
        What it is asked for.
    """
    for task in tasks:
        yield task.output
        yield uncertainty_file(task.output)


def uncertainty_label(settings: DenoiseSettings) -> str:
    """Text line for the header of an image of uncertainty.

    Parameters
    ----------
    settings : DenoiseSettings
        How it was found.
    """
    return (
        f"cryoscore standard deviation, not an image: {settings.probes} probes, seed "
        f"{settings.seed}"
    )


def has_uncertainty(output: Path, label: str, settings: DenoiseSettings) -> bool:
    """Whether the uncertainty of an output is there, if the settings want it.

    Parameters
    ----------
    output : Path
        The output.
    label : str
        Its fingerprint, as `fingerprint_label` finds it.
    settings : DenoiseSettings
        How micrographs are denoised.
    """
    if not settings.uncertainty:
        return True
    file = uncertainty_file(output)
    return is_finished(file, label) and uncertainty_label(settings) in read_labels(file)
