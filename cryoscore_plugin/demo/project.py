"""A small RELION project of simulated micrographs, with the truth about them.

All micrographs show one particle that exists nowhere; `simulation.dataset` makes and
writes them. The tests hold that the same seed gives the same pixels.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryoscore_plugin.density.atomic_model import AtomicModel
from cryoscore_plugin.density.shapes import random_shape
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.simulation.dataset import (
    IMAGES,
    TRUTH,
    DatasetSettings,
    write_dataset,
)
from cryoscore_plugin.simulation.micrographs import Exposure, SceneSettings

PIXEL_SIZE = 1.5
"""In Å/px: twice as fine as the models work, as in a usual data set."""

DOSE = 30.0
"""In e/Å²; a usual exposure has 30 to 60."""

DEFOCUS = (8000.0, 20000.0)
"""In Å."""

DIAMETERS = (130.0, 200.0)
"""Range of the particle's diameter in Å; many show up clearly in a small image."""

COUNT = 3
"""Number of micrographs."""

MADE_BY_US = ".cryoscore_demo"
"""An empty file that marks a folder as ours, so that it may be made anew."""


@dataclass(frozen=True, kw_only=True)
class DemoProject:
    """Where the parts of a demo lie.

    Attributes
    ----------
    folder : Path
        The folder of the demo.
    names : tuple[str, ...]
        File names of the micrographs.
    """

    folder: Path
    names: tuple[str, ...]

    @property
    def project(self) -> Path:
        """The RELION project, in which commands run."""
        return self.folder / "project"

    def raw(self, name: str) -> Path:
        """A simulated micrograph."""
        return self.project / IMAGES / name

    def truth(self, name: str) -> Path:
        """What the particles alone contribute to it."""
        return self.project / TRUTH / name


def make_project(folder: Path, *, size: int, seed: int) -> DemoProject:
    """Simulate the micrographs and write the project.

    Parameters
    ----------
    folder : Path
        A new or empty folder, or that of an earlier demo, which is replaced.
    size : int
        Side of a micrograph in px.
    seed : int
        The same seed gives the same micrographs.

    Raises
    ------
    InputError
        If the folder holds something else, or cannot be written.
    """
    folder = folder.absolute()
    _clear(folder)
    settings = DatasetSettings(
        count=COUNT,
        exposure=Exposure(shape=(size, size), pixel_size=PIXEL_SIZE, dose=DOSE),
        scene=SceneSettings(),
        defocus=DEFOCUS,
        seed=seed,
    )
    particle = random_particle(np.random.default_rng(seed))
    names = write_dataset(folder / "project", [particle], settings)
    return DemoProject(folder=folder, names=tuple(f"{name}.mrc" for name in names))


def random_particle(rng: np.random.Generator) -> AtomicModel:
    """Draw particles until one has a fitting diameter."""
    while True:
        particle = random_shape(rng)
        if DIAMETERS[0] <= particle.diameter <= DIAMETERS[1]:
            return particle


def _clear(folder: Path) -> None:
    """Make an empty folder; of what is there, only an earlier demo may be removed."""
    mark = folder / MADE_BY_US
    try:
        if folder.exists() and any(folder.iterdir()):
            if not mark.exists():
                msg = (
                    f"{folder} should be a new or empty folder, but holds files that "
                    "no demo made. Name another one with --output."
                )
                raise InputError(msg)
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        mark.touch()
    except OSError as error:
        msg = f"The demo cannot write to {folder}: {error}. Name another --output."
        raise InputError(msg) from error
