"""What a job on picks was given, and which raw micrographs it leads to."""

from __future__ import annotations

from dataclasses import dataclass
from glob import glob
from pathlib import Path

from cryoscore_plugin.errors import InputError
from relion_wrappers.coordinates_folder import (
    PicksFolder,
    find_coordinates,
    is_suffix_file,
    picked_micrographs,
)
from relion_wrappers.coordinates_star import PicksList, read_list
from relion_wrappers.micrographs_star import MicrographsStar, read_micrographs
from relion_wrappers.project import RelionStyle, relion_style
from relion_wrappers.raw_names import (
    lists_denoised,
    names_as_listed,
    names_as_recorded,
    recorded_raw_names,
    table_or_none,
)
from relion_wrappers.spread_picks import SUFFIX, holds_many, spread_picks


@dataclass(frozen=True, kw_only=True)
class PicksSource:
    """What the job was given.

    Attributes
    ----------
    coords : str
        The list of picks, as RELION wrote it.
    picks : PicksList or PicksFolder
        What it lists.
    mics : MicrographsStar or None
        The table given by `--in_mics`.
    picked : MicrographsStar or None
        The table that was picked, where the picks name it.
    """

    coords: str
    picks: PicksList | PicksFolder
    mics: MicrographsStar | None
    picked: MicrographsStar | None

    @property
    def raw_table(self) -> MicrographsStar | None:
        """The table of raw micrographs, if it was given."""
        return None if self.mics is None or lists_denoised(self.mics) else self.mics


def read_source(coords: str, *, mics: str | None, folder: Path) -> PicksSource:
    """Read what the job was given.

    Parameters
    ----------
    coords : str
        The list of picks, as RELION wrote it.
    mics : str or None
        Table of the raw micrographs to extract from, or of the denoised ones.
    folder : Path
        Folder of the job, where picks of many micrographs in one file are spread.

    Raises
    ------
    InputError
        If a file cannot be used, or not by this RELION.
    """
    table = None if mics is None else read_micrographs(Path(mics))
    style = relion_style(folder)
    if not is_suffix_file(coords) and holds_many(Path(coords)):
        return _spread(coords, table, folder)
    if not is_suffix_file(coords):
        picks = read_list(coords)
        if style is RelionStyle.V3:
            msg = (
                f"{coords} is a list of picks of RELION 4 or 5, which Extract of this "
                "RELION 3.1 cannot read. Give the coords_suffix_*.star of the picking "
                "job."
            )
            raise InputError(msg)
        return PicksSource(coords=coords, picks=picks, mics=table, picked=None)
    target = picked_micrographs(coords)
    picked = table_or_none(Path(target))
    # A pattern has no table; RELION takes it from the project, or from the root.
    names = picked.names if picked else sorted(glob(target))  # noqa: PTH207
    found = find_coordinates(coords, target, (*names, *(table.names if table else ())))
    return PicksSource(coords=coords, picks=found, mics=table, picked=picked)


def _spread(coords: str, table: MicrographsStar | None, folder: Path) -> PicksSource:
    """Picks of many micrographs in one file, in the manner of the RELION that asks.

    Raises
    ------
    InputError
        If the table is not given, or they cannot be used with it.
    """
    if table is None:
        msg = (
            f"{coords} names micrographs without their folders, so that the table that "
            "was picked should be given with --in_mics, but it is not. Give "
            "denoised_micrographs.star of the denoise job as input micrographs."
        )
        raise InputError(msg)
    picks = spread_picks(Path(coords), table.names, folder)
    if relion_style(folder) is not RelionStyle.V3:
        return PicksSource(coords=coords, picks=picks, mics=table, picked=None)
    files = PicksFolder(
        suffix=SUFFIX, picked=str(table.path), micrographs=picks.micrographs
    )
    return PicksSource(coords=coords, picks=files, mics=table, picked=None)


def raw_names_of(source: PicksSource) -> tuple[dict[str, str], tuple[str, ...]]:
    """Raw name by the name in the picks; all raw micrographs that may have picks.

    Parameters
    ----------
    source : PicksSource
        What the job was given.

    Raises
    ------
    InputError
        If the table of raw micrographs has none of those that were picked.
    """
    names = [picked.name for picked in source.picks.micrographs if picked.name]
    tables = [table for table in (source.mics, source.picked) if table is not None]
    recorded = recorded_raw_names(names, tables, coords=source.coords)
    if source.raw_table is None:
        return names_as_recorded(names, recorded), tuple(recorded.values())
    listed = source.raw_table.names
    found = names_as_listed(names, recorded, listed)
    if found and not set(found.values()) & set(listed):
        name, raw = next(iter(found.items()))
        msg = (
            f"{source.raw_table.path} lists none of the micrographs that were picked: "
            f"{name} is from {raw}, but it begins with {listed[0]}. Give the table "
            "that was denoised."
        )
        raise InputError(msg)
    return found, listed
