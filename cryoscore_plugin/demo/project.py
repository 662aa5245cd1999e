"""Simulate the micrographs of a small RELION project, and keep the truth beside it.

    DIR/
    ├── project/                      what a user of RELION has
    │   ├── Micrographs/mic_001.mrc
    │   └── micrographs.star
    └── truth/mic_001.mrc             what the particles alone contribute

All micrographs show one particle that exists nowhere, in random orientations, at
defoci from 0.8 to 2 µm, with the background that `simulation.background` draws. The
tests hold that the same seed gives the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.ctf import Optics
from cryoscore_plugin.density.atomic_model import AtomicModel
from cryoscore_plugin.density.shapes import random_shape
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph
from cryoscore_plugin.simulation.micrographs import (
    Exposure,
    SceneSettings,
    simulate_micrograph,
)

PIXEL_SIZE = 1.5
"""In Å/px: twice as fine as the models work, as in a usual data set."""

DOSE = 30.0
"""In e/Å²; a usual exposure has 30 to 60."""

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
        return self.project / "Micrographs" / name

    def truth(self, name: str) -> Path:
        """What the particles alone contribute to it."""
        return self.folder / "truth" / name


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
    names = tuple(f"mic_{number:03d}.mrc" for number in range(1, COUNT + 1))
    demo = DemoProject(folder=folder.absolute(), names=names)
    _clear(demo.folder)
    rng = np.random.default_rng(seed)
    particle = random_particle(rng)
    exposure = Exposure(shape=(size, size), pixel_size=PIXEL_SIZE, dose=DOSE)
    for name in names:
        simulated = simulate_micrograph(
            [particle],
            _optics(rng),
            SceneSettings(),
            exposure,
            rng=rng,
        )
        _write(demo.raw(name), simulated.noisy)
        _write(demo.truth(name), simulated.clean)
    table = demo.project / "micrographs.star"
    table.write_text(micrographs_table(names), encoding="utf-8")
    return demo


def random_particle(rng: np.random.Generator) -> AtomicModel:
    """Draw particles until one has a fitting diameter."""
    while True:
        particle = random_shape(rng)
        if DIAMETERS[0] <= particle.diameter <= DIAMETERS[1]:
            return particle


def micrographs_table(names: Sequence[str]) -> str:
    """The table that RELION's Import job would write (3.1 and later read it)."""
    optics = Optics(defocus_u=0.0, defocus_v=0.0)
    rows = "\n".join(f"Micrographs/{name} 1" for name in names)
    return (
        "\n# version 30001\n\ndata_optics\n\nloop_\n"
        "_rlnOpticsGroupName #1\n_rlnOpticsGroup #2\n_rlnMicrographPixelSize #3\n"
        "_rlnVoltage #4\n_rlnSphericalAberration #5\n_rlnAmplitudeContrast #6\n"
        f"opticsGroup1 1 {PIXEL_SIZE} {optics.voltage} {optics.spherical_aberration} "
        f"{optics.amplitude_contrast}\n\n"
        "\n# version 30001\n\ndata_micrographs\n\nloop_\n"
        "_rlnMicrographName #1\n_rlnOpticsGroup #2\n"
        f"{rows}\n\n"
    )


def _optics(rng: np.random.Generator) -> Optics:
    defocus = rng.uniform(8000, 20000)
    return Optics(
        defocus_u=defocus + 200,
        defocus_v=defocus,
        defocus_angle=rng.uniform(0, 180),
        b_factor=80.0,
    )


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
        for part in ("project/Micrographs", "truth"):
            (folder / part).mkdir(parents=True)
        mark.touch()
    except OSError as error:
        msg = f"The demo cannot write to {folder}: {error}. Name another --output."
        raise InputError(msg) from error


def _write(path: Path, pixels: Image) -> None:
    micrograph = Micrograph(pixels=pixels, pixel_size=PIXEL_SIZE)
    write_micrograph(path, micrograph, labels=["Simulated by cryoscore demo"])
