"""Where each output goes, and what must never be overwritten."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cryoscore_plugin.batch.inputs import PACKED_SUFFIXES, FoundMicrograph
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.files import absolute

logger = logging.getLogger(__name__)


def plan_outputs(
    found: Sequence[FoundMicrograph], output: Path
) -> list[MicrographTask]:
    """Give each micrograph a file of its own in the output folder.

    An output has the name of its input, and `.mrc` (a stack `.mrcs`) at its end. If
    one name occurs in several folders, all outputs keep their folders, from the
    deepest folder that holds all inputs.

    Parameters
    ----------
    found : Sequence[FoundMicrograph]
        The inputs.
    output : Path
        Folder of the outputs; need not exist.

    Raises
    ------
    InputError
        If an input would be overwritten, or an output would lie in the same folder
        as raw micrographs.
    """
    names = [_output_name(one.below) for one in found]
    if len(set(names)) < len(names):
        root = _common_folder(found)
        logger.warning(
            "Some names occur in several folders, so the outputs keep their folders "
            "below %s.",
            root,
        )
        places = [absolute(one.path).relative_to(root) for one in found]
        names = _distinct(places)
    tasks = [_task(one, output / name) for one, name in zip(found, names, strict=True)]
    _refuse_overwriting(tasks)
    return tasks


def mirror_outputs(
    found: Sequence[FoundMicrograph], output: Path
) -> list[MicrographTask]:
    """Give each micrograph of a project its place below the output folder.

    An output keeps the folders and the name of its input, and has `.mrc` (a stack
    `.mrcs`) at its end. Where `x.mrc` and `x.tif` lie in one folder, the latter
    becomes `x.tif.mrc`.

    Parameters
    ----------
    found : Sequence[FoundMicrograph]
        All micrographs of the project, also those that are left out of a run.
    output : Path
        Folder of the outputs; need not exist.

    Raises
    ------
    InputError
        If an input would be overwritten, two inputs would have one output, or an
        output would lie in the same folder as raw micrographs.
    """
    names = _distinct([one.below for one in found])
    owners: dict[Path, Path] = {}
    for one, name in zip(found, names, strict=True):
        other = owners.setdefault(name, one.path)
        if other != one.path:
            msg = (
                f"{other} and {one.path} would both become {output / name}. Rename "
                "one of them, or leave it out of the project."
            )
            raise InputError(msg)
    tasks = [_task(one, output / name) for one, name in zip(found, names, strict=True)]
    _refuse_overwriting(tasks)
    return tasks


def _task(one: FoundMicrograph, output: Path) -> MicrographTask:
    return MicrographTask(
        source=one.path,
        output=output,
        pixel_size=one.pixel_size,
        optics=one.optics,
        halves=one.halves,
    )


def _output_name(below: Path) -> Path:
    """The name of an output below its folder."""
    plain = below.with_suffix("") if below.suffix.lower() in PACKED_SUFFIXES else below
    suffix = ".mrcs" if plain.suffix.lower() == ".mrcs" else ".mrc"
    return plain.with_suffix(suffix)


def _distinct(places: Sequence[Path]) -> list[Path]:
    """Names of outputs; `x.mrc` and `x.tif` of one folder keep their endings."""
    names = [_output_name(place) for place in places]
    often = Counter(names)
    return [
        name if often[name] == 1 or name == place else Path(f"{place}{name.suffix}")
        for name, place in zip(names, places, strict=True)
    ]


def _common_folder(found: Sequence[FoundMicrograph]) -> Path:
    return Path(os.path.commonpath([absolute(one.path).parent for one in found]))


def _refuse_overwriting(tasks: Sequence[MicrographTask]) -> None:
    sources = {os.path.realpath(task.source): task.source for task in tasks}
    folders = {os.path.dirname(place) for place in sources}  # noqa: PTH120  of text
    for task in tasks:
        place = os.path.realpath(task.output)
        if place in sources:
            msg = (
                f"The output {task.output} would overwrite the input {sources[place]}. "
                "Give another folder with --output."
            )
            raise InputError(msg)
        if os.path.dirname(place) in folders:  # noqa: PTH120  as above
            msg = (
                f"The output {task.output} would lie among the raw micrographs, which "
                "are needed for extraction. Give a folder of its own with --output."
            )
            raise InputError(msg)
