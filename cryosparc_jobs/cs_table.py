"""Exposures in `.cs` files, without a server: inputs of `cryoscore denoise`.

CryoSPARC keeps an output in two files of one folder, such as `micrographs.cs` and
`J42_passthrough_micrographs.cs`: what the job made, and what came from its inputs. Both
are read and joined by `uid`. The file that is written has all columns of both, and the
denoised micrographs in the slot `micrograph_blob_denoised`. A `.csg` file beside it says
what CryoSPARC's "Import Result Group" needs to know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.files import name_from, replacing

if TYPE_CHECKING:
    from cryoscore_plugin.batch.inputs import TableRow
    from cryosparc_jobs.exposures import Exposure


class CsTable:
    """`.cs` files as inputs of `cryoscore denoise`, found by the suffix."""

    @staticmethod
    def read(path: Path, *, root: Path | None = None) -> list[TableRow]:
        """Micrographs of a `.cs` file, in its order.

        Parameters
        ----------
        path : Path
            The file.
        root : Path or None
            Folder of the project. None looks from the folder of the file and those
            above it.

        Returns
        -------
        rows : list[TableRow]
            One for each row. A micrograph that is nowhere is listed as it is named.

        Raises
        ------
        InputError
            If the file cannot be read as exposures.
        """
        from cryoscore_plugin.batch.inputs import TableRow  # noqa: PLC0415  as below

        _, exposures = _exposures(path)
        project = root or _project_of(path, exposures)
        return [
            TableRow(
                path=project / exposure.path,
                pixel_size=exposure.pixel_size,
                halves=() if exposure.halves is None else (project / exposure.halves,),
                optics=exposure.optics,
            )
            for exposure in exposures
        ]

    @staticmethod
    def write_denoised(
        source: Path,
        target: Path,
        outputs: Mapping[Path, Path],
        *,
        root: Path | None = None,
    ) -> None:
        """Write the exposures again, each with its denoised micrograph.

        Parameters
        ----------
        source : Path
            The file that was read.
        target : Path
            The file to write.
        outputs : Mapping[Path, Path]
            Denoised micrograph by the path that `read` gave. Rows without one are
            left out; a name is relative to the project if it lies below it.
        root : Path or None
            As for `read`.

        Raises
        ------
        InputError
            If one of the files cannot be read or written.

        Notes
        -----
        The `.csg` file has the name of the target but for its ending.
        """
        # The client takes half a second, numpy more: `cryoscore --help` saves them.
        from cryosparc_jobs.exposures import (  # noqa: PLC0415
            DENOISED,
            DenoisedFile,
            fill,
            of_uids,
        )
        from cryosparc_jobs.result_group import result_group  # noqa: PLC0415

        rows, exposures = _exposures(source)
        project = root or _project_of(source, exposures)
        files = {
            exposure.uid: DenoisedFile.of(
                outputs[project / exposure.path],
                name_from(project, outputs[project / exposure.path]),
            )
            for exposure in exposures
            if project / exposure.path in outputs
        }
        good = of_uids(rows, list(files))
        made = good.copy().add_fields(_like_raw(good, DENOISED))
        fill(made, DENOISED, raw=good, files=files)
        _save(made, target)
        group = result_group(made.fields(exclude_uid=True), len(made), target.name)
        with _writing(target.with_suffix(".csg")) as temporary:
            temporary.write_text(group, encoding="utf-8")


def _exposures(path: Path) -> tuple[Any, list[Exposure]]:
    """All columns of an output, and the micrographs in it."""
    from cryosparc_jobs.exposures import read_exposures  # noqa: PLC0415  as above

    rows = _load(path)
    for partner in _partners(path) or _with_same_uids(path, rows):
        rows = _joined(rows, _load(partner))
    return rows, read_exposures(rows, str(path))


def _partners(path: Path) -> list[Path]:
    """The file with the rest of an output, if it is there."""
    job, middle, output = path.stem.partition("_passthrough_")
    if middle:
        found = [path.with_name(f"{output}.cs"), path.with_name(f"{job}_{output}.cs")]
    else:
        bare = path.stem.removeprefix(f"{path.parent.name}_")
        found = list(path.parent.glob(f"J*_passthrough_{bare}.cs"))
    return [one for one in found if one.exists()][:1]


def _with_same_uids(path: Path, rows: Any) -> list[Path]:  # noqa: ANN401  Dataset
    """The files with the rest of an output, by its micrographs and not by its name.

    Patch CTF calls the two `exposures_ctf_estimated.cs` and `J3_passthrough_exposures.cs`.
    """
    passed_on = "_passthrough_" in path.stem
    uids = {int(uid) for uid in rows["uid"]}
    found = []
    for other in sorted(path.parent.glob("*.cs")):
        if ("_passthrough_" in other.stem) != passed_on:
            with suppress(InputError):
                if {int(uid) for uid in _load(other)["uid"]} == uids:
                    found.append(other)
    return found


def _load(path: Path) -> Any:  # noqa: ANN401  Dataset of an untyped client
    from cryosparc.dataset import Dataset  # noqa: PLC0415  as above

    try:
        return Dataset.load(path)
    except Exception as error:
        cause = error.__cause__ or error
        msg = (
            f"{path} should be a dataset of CryoSPARC, but cannot be read: {cause}. "
            "Give the .cs file of an output with micrographs."
        )
        raise InputError(msg) from error


def _joined(rows: Any, more: Any) -> Any:  # noqa: ANN401  Datasets
    from cryosparc.dataset import Dataset  # noqa: PLC0415  as above

    known = set(rows.fields(exclude_uid=True))
    new = [name for name in more.fields(exclude_uid=True) if name not in known]
    return Dataset.innerjoin(rows, more.filter_fields(new, copy=True))


def _like_raw(rows: Any, slot: str) -> list[Any]:  # noqa: ANN401  Dataset
    """Fields of a slot with the types that the raw micrographs have."""
    from cryosparc_jobs.exposures import RAW  # noqa: PLC0415  as above

    return [
        (f"{slot}/{field[0].removeprefix(f'{RAW}/')}", *field[1:])
        for field in rows.descr(exclude_uid=True)
        if field[0].startswith(f"{RAW}/")
        and f"{slot}/{field[0].removeprefix(f'{RAW}/')}" not in rows.fields()
    ]


def _save(rows: Any, target: Path) -> None:  # noqa: ANN401  Dataset
    with _writing(target) as temporary, temporary.open("wb") as file:
        rows.save(file)


@contextmanager
def _writing(target: Path) -> Iterator[Path]:
    try:
        with replacing(target) as temporary:
            yield temporary
    except OSError as error:
        msg = f"Cannot write {target}: {error.strerror}. Make room on its disk."
        raise InputError(msg) from error


def _project_of(path: Path, exposures: list[Exposure]) -> Path:
    """The folder above the file from which its micrographs are named."""
    above = list(path.absolute().parents)
    for folder in above:
        if any((folder / exposure.path).exists() for exposure in exposures[:10]):
            return folder
    return above[0]
