"""Tables of micrographs: what to read from them, and what to write in their place.

RELION 3.1 to 5 put the pixel size of each optics group into `data_optics` and the
micrographs into `data_micrographs`; RELION 3.0 has one table without a name. The
table that we write is the one that we read: the same blocks, columns, rows and
words. Only the file names are those of the denoised micrographs, and a new last
column keeps the raw ones, because particles are extracted from those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.files import name_from
from relion_wrappers.located import located, located_halves
from relion_wrappers.optics import micrograph_optics, pixel_sizes
from relion_wrappers.project import post_job_name

if TYPE_CHECKING:
    import pandas as pd

    from cryoscore_plugin.batch.inputs import TableRow
    from cryoscore_plugin.optics import Optics
    from relion_wrappers.star_file import StarFile

NAME = "rlnMicrographName"
RAW_NAME = "rlnMicrographNameRaw"
REASON = "rlnFailureReason"
"""Labels; RELION keeps a column that it does not know."""

DENOISED_TABLE = "denoised_micrographs.star"
FAILED_TABLE = "failed_micrographs.star"
"""Tables of a denoise job, directly in its folder."""

_BLOCKS = ("micrographs", "")
"""Names of the table of micrographs: RELION 3.1 and later, RELION 3.0."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MicrographsStar:
    """A STAR file that lists micrographs.

    Attributes
    ----------
    path : Path
        The file.
    star : StarFile
        All that is in it.
    block : str
        Name of the block with the micrographs.
    table : pd.DataFrame
        That block; every value is text.
    names : tuple[str, ...]
        Micrographs as the file names them, in its order.
    pixel_sizes : tuple[float or None, ...]
        Pixel size of each in Å/px; None where the file does not say.
    optics : tuple[Optics or None, ...]
        How each was taken; None where the file does not say all of it.
    """

    path: Path
    star: StarFile
    block: str
    table: pd.DataFrame
    names: tuple[str, ...]
    pixel_sizes: tuple[float | None, ...]
    optics: tuple[Optics | None, ...]


def read_micrographs(path: Path) -> MicrographsStar:
    """Read the micrographs that a STAR file lists.

    Parameters
    ----------
    path : Path
        The file; written by RELION 3.0, 3.1, 4 or 5.

    Raises
    ------
    InputError
        If it cannot be read, has no micrographs, or gives a pixel size that is no
        positive number.
    """
    # starfile brings pandas: half a second that `cryoscore --help` saves.
    from relion_wrappers.star_file import read_star  # noqa: PLC0415

    star = read_star(path)
    block, table = _micrographs_table(path, star)
    return MicrographsStar(
        path=path,
        star=star,
        block=block,
        table=table,
        names=tuple(str(name) for name in table[NAME]),
        pixel_sizes=pixel_sizes(path, star, table),
        optics=micrograph_optics(star, table),
    )


def denoised_star(
    micrographs: MicrographsStar, denoised: Mapping[str, str]
) -> StarFile:
    """The same file with the names of the denoised micrographs.

    Parameters
    ----------
    micrographs : MicrographsStar
        The raw micrographs.
    denoised : Mapping[str, str]
        Name of the denoised micrograph by raw name. Rows without one are left out.
    """
    rows = _rows(micrographs, denoised)
    raw = rows[NAME]
    changed = rows.assign(**{NAME: raw.map(dict(denoised))})
    if RAW_NAME not in changed:  # A table denoised twice keeps the first raw name.
        changed[RAW_NAME] = raw
    return _with_rows(micrographs, changed)


def failed_star(micrographs: MicrographsStar, reasons: Mapping[str, str]) -> StarFile:
    """The rows that failed, with the reason in a new last column.

    Parameters
    ----------
    micrographs : MicrographsStar
        The raw micrographs.
    reasons : Mapping[str, str]
        Why each failed, by raw name. Rows without a reason are left out.
    """
    words = {name: plain_text(reason) for name, reason in reasons.items()}
    rows = _rows(micrographs, words)
    return _with_rows(micrographs, rows.assign(**{REASON: rows[NAME].map(words)}))


def plain_text(reason: str) -> str:
    """A sentence without the signs that would end a value of a STAR file.

    Parameters
    ----------
    reason : str
        The sentence.
    """
    return " ".join(reason.translate(dict.fromkeys(map(ord, "\"'#"))).split())


class StarTable:
    """STAR files as inputs of `cryoscore denoise`, found by the suffix `.star`."""

    @staticmethod
    def read(path: Path, *, root: Path | None = None) -> list[TableRow]:
        """Micrographs of a STAR file, in its order.

        Parameters
        ----------
        path : Path
            The file.
        root : Path or None
            Folder from which the file names micrographs. None looks from the
            current folder, then from that of the file and those above it, where
            a RELION project begins.

        Returns
        -------
        rows : list[TableRow]
            One for each row. A micrograph that is nowhere is listed as it is named.

        Raises
        ------
        InputError
            If the file cannot be read as a list of micrographs.
        """
        from cryoscore_plugin.batch.inputs import TableRow  # noqa: PLC0415  as above

        micrographs = read_micrographs(path)
        paths = located(path, micrographs.names, root)
        return [
            TableRow(
                path=found,
                pixel_size=pixel_size,
                below=_place_below(name),
                halves=halves,
                optics=optics,
            )
            for found, pixel_size, name, halves, optics in zip(
                paths,
                micrographs.pixel_sizes,
                micrographs.names,
                located_halves(path, micrographs.table, root),
                micrographs.optics,
                strict=True,
            )
        ]

    @staticmethod
    def write_denoised(
        source: Path,
        target: Path,
        outputs: Mapping[Path, Path],
        *,
        root: Path | None = None,
    ) -> None:
        """Write a STAR file again with the names of the denoised micrographs.

        Parameters
        ----------
        source : Path
            The file that was read.
        target : Path
            The file to write.
        outputs : Mapping[Path, Path]
            Denoised micrograph by the path that `read` gave. Rows without one are
            left out.
        root : Path or None
            Folder from which the files name micrographs, as for `read`; None writes
            names from the current folder. A file elsewhere gets an absolute name.

        Raises
        ------
        InputError
            If one of the files cannot be read or written.
        """
        from relion_wrappers.star_file import write_star  # noqa: PLC0415  as above

        micrographs = read_micrographs(source)
        denoised = {
            name: name_from(root or Path.cwd(), outputs[path])
            for name, path in zip(
                micrographs.names,
                located(source, micrographs.names, root),
                strict=True,
            )
            if path in outputs
        }
        write_star(target, denoised_star(micrographs, denoised))


def _micrographs_table(path: Path, star: StarFile) -> tuple[str, pd.DataFrame]:
    for name in _BLOCKS:
        block = star.blocks.get(name)
        if block is not None and not isinstance(block, dict):
            return name, _checked_table(path, name, block)
    found = ", ".join(f"data_{name}" for name in star.blocks)
    msg = (
        f"{path} should have a table data_micrographs (data_ in RELION 3.0), but has "
        f"{found}. Give the table of a MotionCorr, CtfFind or Select job."
    )
    raise InputError(msg)


def _checked_table(path: Path, name: str, table: pd.DataFrame) -> pd.DataFrame:
    if NAME not in table:
        found = ", ".join(map(str, table.columns))
        msg = (
            f"{path}: the table data_{name} should have the column {NAME}, but has "
            f"{found}. Give the table of a MotionCorr, CtfFind or Select job."
        )
        raise InputError(msg)
    if "rlnCoordinateX" in table or "rlnImageName" in table:
        msg = (
            f"{path} lists particles, where micrographs are expected. Give the "
            "micrographs .star file that the particles were picked on."
        )
        raise InputError(msg)
    return table


def _rows(micrographs: MicrographsStar, wanted: Mapping[str, str]) -> pd.DataFrame:
    table = micrographs.table
    return table[table[NAME].isin(list(wanted))]


def _with_rows(micrographs: MicrographsStar, rows: pd.DataFrame) -> StarFile:
    star = micrographs.star
    return replace(star, blocks={**star.blocks, micrographs.block: rows})


def _place_below(name: str) -> Path | None:
    """The post-job name, by which RELION finds what belongs to a micrograph."""
    place = PurePosixPath(post_job_name(name).lstrip("/"))
    return None if not place.name or ".." in place.parts else Path(place)
