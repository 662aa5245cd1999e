"""The steps from picks to half maps: choose picks, let RELION extract, align, reconstruct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import starfile
from cache import content_hash, kept
from grids import Pixels
from numpy.typing import NDArray
from reconstruction import Map, half_maps_figures, known_structure, write_map
from relion_program import (
    Refinement,
    relion_align_symmetry,
    relion_extract,
    relion_refine,
)

from cryoscore_plugin.density.atomic_model import AtomicModel
from cryoscore_plugin.evaluation.pickers import (
    Picks,
    find_picks,
    is_inside,
    laplacian_of_gaussian,
)
from cryoscore_plugin.evaluation.picking import match_picks
from cryoscore_plugin.mrc import read_micrograph, read_volume

PIXEL_SIZE = 3.0
"""Of the micrographs, in Å/px."""

BINNING = 2
"""Of the particles."""

BOX = 1.5
"""Side of a particle's box, in diameters."""

BETWEEN = 0.8
"""Smallest distance of two picks, in diameters."""

MATCH = 0.25
"""Largest distance of a pick that is right, in diameters."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is done with each method and seed."""

    model: AtomicModel
    symmetry: str
    rounds: int

    @property
    def diameter(self) -> float:
        """Of the particle, in px of the micrographs."""
        return self.model.diameter / PIXEL_SIZE

    @property
    def box(self) -> int:
        """Side of a particle's box, in px of the micrographs; a multiple of 4."""
        return 4 * round(BOX * self.diameter / 4)


def true_picks(project: Path, setup: Setup) -> dict[str, Picks]:
    """Particles whose boxes lie inside, by micrograph."""
    table = starfile.read(project / "Truth" / "particles.star")["particles"]
    picks = {}
    for name, rows in table.groupby("rlnMicrographName"):
        shape = read_micrograph(project / str(name)).pixels.shape
        centers_yx = rows[["rlnCoordinateY", "rlnCoordinateX"]].to_numpy(dtype=float)
        inside = is_inside(centers_yx, shape=shape, border=setup.box / 2)
        if inside.any():
            picks[str(name)] = Picks(
                centers_yx=centers_yx[inside], scores=np.zeros(int(inside.sum()))
            )
    return picks


def best_picks(image: Pixels, count: int, setup: Setup) -> Picks:
    """The best positions of the picker, at most `count`."""
    picks = find_picks(
        laplacian_of_gaussian(image, diameter=setup.diameter),
        min_distance=BETWEEN * setup.diameter,
        border=setup.box / 2,
    )
    return Picks(centers_yx=picks.centers_yx[:count], scores=picks.scores[:count])


def precision(
    picks: Mapping[str, Picks], truth: Mapping[str, Picks], setup: Setup
) -> float:
    """Part of the picks that are particles, all micrographs together."""
    reach = MATCH * setup.diameter
    hits = sum(
        int((match_picks(own, truth[name].centers_yx, max_distance=reach) >= 0).sum())
        for name, own in picks.items()
    )
    return hits / sum(map(len, picks.values()))


def reference_map(project: Path, setup: Setup, *, voxel_size: float) -> Map:
    """The known structure, turned so that its axes are RELION's; also in a file."""
    size = setup.box // BINNING
    known = known_structure(setup.model, size=size, voxel_size=voxel_size)
    as_given, path = project / "known.mrc", project / "reference.mrc"
    write_map(as_given, known, voxel_size=voxel_size)
    relion_align_symmetry(as_given, path, symmetry=setup.symmetry)
    return read_volume(path)[0]


def map_figures(
    project: Path,
    method: str,
    picks: Mapping[str, Picks],
    setup: Setup,
    *,
    seed: int,
    cache: Path,
) -> dict[str, float]:
    """Resolutions and agreement of the maps that picks lead to.

    Of the same picks on the same micrographs they are taken from the cache.
    """
    voxel_size = BINNING * PIXEL_SIZE
    names = ("half_maps", "truth", "agreement")

    def make(_: Sequence[Pixels]) -> list[NDArray[np.floating]]:
        # First, because RELION aligns to the file that it writes.
        known = reference_map(project, setup, voxel_size=voxel_size)
        figures = half_maps_figures(
            reconstruct(project, method, picks, setup, seed=seed),
            known,
            voxel_size=voxel_size,
            diameter=setup.model.diameter,
        )
        return [np.array([figures[name] for name in names])]

    images = [read_micrograph(project / name).pixels for name in picks]
    places = [
        np.insert(own.centers_yx, 0, number, axis=1)
        for number, own in enumerate(picks.values())
    ]
    kind = f"relion_{setup.symmetry}_{setup.rounds}_{content_hash(np.stack(images))}"
    [values] = kept(cache, kind, [np.concatenate(places).astype(np.float32)], make)
    return dict(zip(names, map(float, values), strict=True))


def reconstruct(
    project: Path, method: str, picks: Mapping[str, Picks], setup: Setup, *, seed: int
) -> tuple[Path, Path]:
    """Extract from the raw micrographs, align and reconstruct: two maps."""
    folder = f"{Path(method).stem}/"
    write_coordinates(project / "Picks" / folder, picks)
    extracted = relion_extract(
        project,
        f"Picks/{folder}",
        f"Extract/{folder}",
        box=setup.box,
        scaled=setup.box // BINNING,
    )
    halves = [
        relion_refine(
            project,
            half.relative_to(project),
            Path("Refine") / folder / half.stem,
            setting=Refinement(
                diameter=setup.model.diameter,
                symmetry=setup.symmetry,
                rounds=setup.rounds,
            ),
        )
        for half in split(extracted, seed=seed)
    ]
    return halves[0], halves[1]


def write_coordinates(folder: Path, picks: Mapping[str, Picks]) -> None:
    """A table for each micrograph, named as RELION looks for it."""
    for name, own in picks.items():
        path = (folder / name).with_name(f"{Path(name).stem}_pick.star")
        path.parent.mkdir(parents=True, exist_ok=True)
        y, x = own.centers_yx.T
        table = pd.DataFrame({"rlnCoordinateX": x, "rlnCoordinateY": y})
        starfile.write({"": table}, path, overwrite=True)


def split(particles: Path, *, seed: int) -> list[Path]:
    """Two tables, each with a random half of the particles."""
    tables = starfile.read(particles)
    rows = tables["particles"]
    order = np.random.default_rng(seed).permutation(len(rows))
    halves = []
    for number, chosen in enumerate(np.array_split(order, 2), start=1):
        halves.append(particles.with_name(f"half{number}.star"))
        own = tables | {"particles": rows.iloc[np.sort(chosen)]}
        starfile.write(own, halves[-1], overwrite=True)
    return halves
