"""Rows of exposures: what is read from them, and what is written in their place.

A row belongs to a micrograph by its `uid`, which is kept. Paths are relative to the
project and may begin with `>`. What a denoised micrograph does not change is copied from
the raw one, so that CryoSPARC knows both as one exposure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from cryoscore_plugin.errors import InputError
from cryoscore_plugin.mrc import read_header, read_micrograph
from cryoscore_plugin.optics import Optics
from cryoscore_plugin.report.figures import GREY_PERCENTILES
from cryoscore_plugin.report.thumbnails import thumbnail
from cryosparc_jobs.microscope import optics_of

RAW = "micrograph_blob"
DENOISED = "micrograph_blob_denoised"
"""Slots: pickers look at the second, extraction at the first."""

HALVES = "micrograph_blob_non_dw_AB"
"""Slot of the two halves, made where Patch Motion writes data for training a denoiser.
It has one path for both, so that the file must hold both; this was not seen yet."""

INPUT = "micrographs"
OUTPUT = "micrographs"
PICKING_OUTPUT = "micrographs_denoised_only"
REJECTED_OUTPUT = "micrographs_rejected"
"""Names of input and outputs."""

FOLDER = "denoised"
"""Folder of the denoised micrographs, in that of the job."""

INPUT_SLOTS = (
    {"name": RAW, "dtype": "micrograph_blob", "required": True},
    {"name": "mscope_params", "dtype": "mscope_params", "required": False},
    {"name": "ctf", "dtype": "ctf", "required": False},
    {"name": "background_blob", "dtype": "stat_blob", "required": False},
    {"name": HALVES, "dtype": "micrograph_blob", "required": False},
)

_LONGEST_STEM = 180
"""Characters, so that a name fits into the 255 bytes of a file system."""


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """One micrograph of a dataset.

    Attributes
    ----------
    uid : int
        Its key.
    path : PurePosixPath
        Its file, relative to the project.
    pixel_size : float or None
        In Å/px; None where the dataset does not say.
    section : int
        Its place in the file; 0 unless the file is a stack.
    halves : PurePosixPath or None
        File that holds the images of its odd and even frames, relative to the project.
    optics : Optics or None
        How it was taken, where the dataset says all of it.
    """

    uid: int
    path: PurePosixPath
    pixel_size: float | None
    section: int = 0
    halves: PurePosixPath | None = None
    optics: Optics | None = None

    @property
    def denoised_name(self) -> str:
        """The denoised file in the folder of a job; its name begins with the uid."""
        number = f"{self.uid:021d}"
        stem = self.path.stem.removeprefix(f"{number}_")[:_LONGEST_STEM]
        return f"{FOLDER}/{number}_{stem}_denoised.mrc"


@dataclass(frozen=True, kw_only=True)
class DenoisedFile:
    """A denoised micrograph, as CryoSPARC's tables describe it.

    Attributes
    ----------
    path : str
        Relative to the project.
    shape : tuple[int, int]
        Height and width in px.
    pixel_size : float
        In Å/px.
    format : str
        Kind of file and of its pixels, such as `MRC/2`.
    black, white : float
        Grey values to show as black and as white.
    """

    path: str
    shape: tuple[int, int]
    pixel_size: float
    format: str
    black: float
    white: float

    @classmethod
    def of(cls, file: Path, path: str) -> DenoisedFile:
        """Describe a file.

        Parameters
        ----------
        file : Path
            The file, here.
        path : str
            The file, relative to the project.

        Raises
        ------
        MicrographError
            If it cannot be read.
        """
        header = read_header(file)
        small, _ = thumbnail(read_micrograph(file))
        black, white = np.percentile(small, GREY_PERCENTILES)
        mode = 12 if header.dtype.itemsize == 2 else 2
        return cls(
            path=path,
            shape=(header.shape[-2], header.shape[-1]),
            pixel_size=header.pixel_size or 0.0,
            format=f"MRC/{mode}",
            black=float(black),
            white=float(white),
        )


def read_exposures(rows: Any, origin: str) -> list[Exposure]:  # noqa: ANN401  Dataset
    """The micrographs of a dataset, in its order.

    Parameters
    ----------
    rows : Dataset
        The dataset.
    origin : str
        Where it is from, for messages.

    Raises
    ------
    InputError
        If it holds no micrographs, or one twice.
    """
    names = rows.fields()
    if f"{RAW}/path" not in names:
        found = ", ".join(sorted({name.split("/")[0] for name in names} - {"uid"}))
        msg = (
            f"{origin} should hold micrographs in {RAW}, but holds {found or 'nothing'}."
            " Give the exposures of Patch Motion, Patch CTF or Curate."
        )
        raise InputError(msg)
    uids = [int(uid) for uid in rows["uid"]]
    if len(set(uids)) < len(uids):
        msg = (
            f"{origin} should hold each micrograph once, but some occur twice. Connect "
            "one output only."
        )
        raise InputError(msg)
    count = len(uids)
    sizes = rows[f"{RAW}/psize_A"] if f"{RAW}/psize_A" in names else [0.0] * count
    sections = rows[f"{RAW}/idx"] if f"{RAW}/idx" in names else [0] * count
    halves = rows[f"{HALVES}/path"] if f"{HALVES}/path" in names else [""] * count
    return [
        Exposure(
            uid=uid,
            path=project_path(path),
            pixel_size=float(size) or None,
            section=int(section),
            halves=project_path(both) if len(both) else None,
            optics=optics,
        )
        for uid, path, size, section, both, optics in zip(
            uids,
            rows[f"{RAW}/path"],
            sizes,
            sections,
            halves,
            optics_of(rows),
            strict=True,
        )
    ]


def of_uids(rows: Any, uids: Sequence[int]) -> Any:  # noqa: ANN401  Datasets
    """The rows of these micrographs, in the order of the dataset.

    Parameters
    ----------
    rows : Dataset
        All rows.
    uids : Sequence[int]
        Which of them.
    """
    wanted = set(uids)
    return rows.mask(np.array([int(uid) in wanted for uid in rows["uid"]], dtype=bool))


def fill(
    rows: Any,  # noqa: ANN401  Dataset
    slot: str,
    *,
    raw: Any,  # noqa: ANN401  Dataset
    files: Mapping[int, DenoisedFile],
) -> None:
    """Describe denoised micrographs in the fields of a slot.

    Parameters
    ----------
    rows : Dataset
        Allocated rows, in the order of `raw`; changed.
    slot : str
        The slot.
    raw : Dataset
        The rows of the raw micrographs, for what does not change.
    files : Mapping[int, DenoisedFile]
        File of each micrograph by uid.
    """
    described = [files[int(uid)] for uid in rows["uid"]]
    copy_slot(rows, slot, raw=raw)
    values = {
        "path": [one.path for one in described],
        "idx": [0] * len(described),
        "shape": np.array([one.shape for one in described]).reshape(-1, 2),
        "psize_A": [one.pixel_size for one in described],
        "format": [one.format for one in described],
        "vmin": [one.black for one in described],
        "vmax": [one.white for one in described],
    }
    for name in set(rows.fields()) & {f"{slot}/{key}" for key in values}:
        rows[name] = values[name.removeprefix(f"{slot}/")]


def copy_slot(rows: Any, slot: str, *, raw: Any) -> None:  # noqa: ANN401  Datasets
    """Copy what the raw micrographs have into the fields of a slot.

    Parameters
    ----------
    rows : Dataset
        Rows with the fields of the slot, in the order of `raw`; changed.
    slot : str
        The slot.
    raw : Dataset
        The rows of the raw micrographs.
    """
    known = set(raw.fields())
    for name in rows.fields():
        prefix, _, key = name.partition("/")
        if prefix == slot and f"{RAW}/{key}" in known:
            rows[name] = raw[f"{RAW}/{key}"]


def project_path(stored: bytes | str) -> PurePosixPath:
    """A path relative to the project, as a dataset has it."""
    text = stored.decode() if isinstance(stored, bytes) else str(stored)
    return PurePosixPath(text.removeprefix(">"))
