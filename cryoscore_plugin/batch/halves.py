"""Images of odd and even frames: where they lie, and which files are such images.

Their noise is independent, and all else is the same, so that a network can learn from
them without a clean image. The layouts:

- a table names them (columns of RELION, a slot of CryoSPARC);
- `NAME_EVN.mrc` and `NAME_ODD.mrc` beside `NAME.mrc`, or beside `NAME_DW.mrc`: RELION
  and MotionCor2 and 3;
- `even/NAME.mrc` and `odd/NAME.mrc` below the folder of `NAME.mrc`: Warp.

A search of a folder finds the halves, too. They are no micrographs of their own: the
same area, once seen in training and once held out, would make any model look good.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from cryoscore_plugin.batch.inputs import FoundMicrograph
from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.files import absolute
from cryoscore_plugin.training.sources import TrainingSource

EVEN, ODD = "_EVN", "_ODD"
"""How the names of halves end."""

_WEIGHTED = "_DW"
"""How MotionCor ends the name of a dose-weighted sum, whose halves do without."""

_EVEN_FOLDER, _ODD_FOLDER = "even", "odd"
"""Folders of Warp."""


def find_halves(path: Path) -> tuple[Path, ...]:
    """Images of odd and even frames next to a micrograph.

    Parameters
    ----------
    path : Path
        The micrograph, which need not exist.

    Returns
    -------
    halves : tuple[Path, ...]
        The two files, the even one first; empty if not both are there.
    """
    for pair in _places(path):
        if all(half.is_file() for half in pair):
            return pair
    return ()


def halves_of(task: MicrographTask) -> tuple[Path, ...]:
    """Halves of a micrograph: those that a table names, else those beside it.

    Parameters
    ----------
    task : MicrographTask
        What is to be done with it.

    Returns
    -------
    halves : tuple[Path, ...]
        Two files, the even one first, or one that holds both; empty if there are none.
    """
    return task.halves or find_halves(task.source)


def wholes_of(found: Sequence[FoundMicrograph]) -> list[FoundMicrograph]:
    """What was found, without the halves of other micrographs.

    Parameters
    ----------
    found : Sequence[FoundMicrograph]
        What the user named.
    """
    return [
        one
        for one in found
        if (whole := _whole_of(one.path)) is None or not whole.is_file()
    ]


def training_sources(found: Sequence[FoundMicrograph]) -> list[TrainingSource]:
    """Micrographs with their halves; files that are halves are not counted again.

    Parameters
    ----------
    found : Sequence[FoundMicrograph]
        What the user named, halves perhaps among it.

    Returns
    -------
    sources : list[TrainingSource]
        In the same order, each micrograph once. Two halves whose micrograph is not
        there stand for it.
    """
    sources: dict[tuple[Path, ...], TrainingSource] = {}
    for one in found:
        path = _whole_of(one.path) or one.path
        halves = one.halves or find_halves(path)
        source = TrainingSource(
            path=path, pixel_size=one.pixel_size, halves=halves, optics=one.optics
        )
        # A sum with dose weighting and one without have the same halves.
        key = tuple(absolute(place) for place in halves or (path,))
        sources.setdefault(key, source)
    taken = {place for key in sources if len(key) == 2 for place in key}
    return [
        source
        for key, source in sources.items()
        if key[0] not in taken or len(key) == 2
    ]


def _places(path: Path) -> Iterator[tuple[Path, Path]]:
    """Where the halves of a micrograph may lie."""
    stem = path.stem
    for name in (stem, stem.removesuffix(_WEIGHTED)):
        yield (
            path.with_name(f"{name}{EVEN}{path.suffix}"),
            path.with_name(f"{name}{ODD}{path.suffix}"),
        )
    yield (
        path.parent / _EVEN_FOLDER / path.name,
        path.parent / _ODD_FOLDER / path.name,
    )


def _whole_of(path: Path) -> Path | None:
    """The micrograph that a file is half of; None if its other half is not there."""
    for candidate in _candidates(path):
        if path in (halves := find_halves(candidate)) and candidate not in halves:
            return candidate
    return None


def _candidates(path: Path) -> Iterator[Path]:
    """Micrographs that a file may be half of, the likeliest first."""
    for end in (EVEN, ODD):
        if path.stem.endswith(end):
            stem = path.stem.removesuffix(end)
            weighted = path.with_name(f"{stem}{_WEIGHTED}{path.suffix}")
            whole = path.with_name(f"{stem}{path.suffix}")
            yield weighted if weighted.exists() and not whole.exists() else whole
    if path.parent.name in {_EVEN_FOLDER, _ODD_FOLDER}:
        yield path.parent.parent / path.name
