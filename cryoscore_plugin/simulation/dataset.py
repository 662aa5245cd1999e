"""A simulated data set on disk: micrographs, and all the truth about them.

    DIR/
    ├── micrographs.star              as RELION 3.1 and later read it, with defocus
    ├── Micrographs/mic_0001.mrc      and, on wish, its two halves
    └── Truth/
        ├── particles.star            where, how turned, at which defocus
        └── mic_0001.mrc              what the particles alone contribute

DIR is a RELION project in all but name: its tables are relative to it. Each micrograph
depends on the seed and its own number alone.

The halves have half of the electrons each, chosen at random, so that their noise is
independent and their sum is the micrograph.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.ctf import Optics
from cryoscore_plugin.density.atomic_model import AtomicModel
from cryoscore_plugin.files import make_new_folder, replacing
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph
from cryoscore_plugin.simulation.micrographs import (
    Exposure,
    SceneSettings,
    SimulatedMicrograph,
    simulate_micrograph,
)

IMAGES, TRUTH, TABLE = "Micrographs", "Truth", "micrographs.star"
HALVES = ("_EVN", "_ODD")
"""What RELION adds to the names of sums of even and of odd frames."""

LABEL = "Simulated by cryoscore"


@dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """What a data set is made of.

    Attributes
    ----------
    count : int
        Number of micrographs.
    exposure : Exposure
        Size, sampling and dose of each.
    scene : SceneSettings
        How each is filled.
    defocus : tuple[float, float]
        Range in Å.
    voltage : float
        In kV.
    astigmatism : float
        Mean difference of the two defoci, in Å.
    phase_shift : float
        Of a phase plate, in degrees.
    b_factor : float
        Of the envelope, in Å².
    halves : bool
        Whether to write halves.
    seed : int
        Of everything random.
    """

    count: int
    exposure: Exposure
    scene: SceneSettings
    defocus: tuple[float, float]
    voltage: float = 300.0
    astigmatism: float = 200.0
    phase_shift: float = 0.0
    b_factor: float = 80.0
    halves: bool = False
    seed: int = 1


def write_dataset(
    folder: Path, models: Sequence[AtomicModel], settings: DatasetSettings
) -> Iterator[str]:
    """Simulate micrographs, and yield the name of each when it is written.

    Parameters
    ----------
    folder : Path
        A new or empty folder.
    models : Sequence[AtomicModel]
        Particles; each micrograph shows one of them, chosen at random.
    settings : DatasetSettings
        What to make. The tables are written when the last micrograph is.

    Raises
    ------
    InputError
        If the folder holds anything, or cannot be written.
    """
    make_new_folder(folder)
    micrographs, particles = [], []
    for number in range(1, settings.count + 1):
        name = f"mic_{number:04d}"
        rng = np.random.default_rng([settings.seed, number])
        optics = _optics(settings, rng)
        image = simulate_micrograph(
            models, optics, settings.scene, settings.exposure, rng=rng
        )
        _write_images(folder, name, image, halves=settings.halves, rng=rng)
        micrographs.append(_micrograph_row(name, optics))
        particles += _particle_rows(name, image)
        yield name
    optics_row = (
        f"opticsGroup1 1 {settings.exposure.pixel_size} {settings.voltage} 2.7 "
        f"{AMPLITUDE_CONTRAST}"
    )
    box = box_size(models, settings.exposure.pixel_size)
    images_row = f"{optics_row} {settings.exposure.pixel_size} {box} 2"
    _write_table(
        folder / TABLE,
        {
            "optics": (OPTICS_LABELS, [optics_row]),
            "micrographs": (MICROGRAPH_LABELS, micrographs),
        },
    )
    _write_table(
        folder / TRUTH / "particles.star",
        {
            "optics": ((*OPTICS_LABELS, *IMAGE_LABELS), [images_row]),
            "particles": (PARTICLE_LABELS, particles),
        },
    )


AMPLITUDE_CONTRAST = 0.1
OPTICS_LABELS = (
    *("rlnOpticsGroupName", "rlnOpticsGroup", "rlnMicrographPixelSize"),
    *("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast"),
)
IMAGE_LABELS = ("rlnImagePixelSize", "rlnImageSize", "rlnImageDimensionality")
"""Of the particle images to come: RELION extracts particles again, and asks for them."""

CTF_LABELS = (
    *("rlnOpticsGroup", "rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"),
    "rlnPhaseShift",
)
MICROGRAPH_LABELS = ("rlnMicrographName", *CTF_LABELS)
PARTICLE_LABELS = (
    *MICROGRAPH_LABELS,
    *("rlnCoordinateX", "rlnCoordinateY", "rlnOriginXAngst", "rlnOriginYAngst"),
    *("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"),
)


def box_size(models: Sequence[AtomicModel], pixel_size: float) -> int:
    """Even side of a box for the largest particle, half of it for its surroundings."""
    largest = max(model.diameter for model in models)
    return 2 * math.ceil(0.75 * largest / pixel_size)


def euler_angles(rotation: Rotation) -> tuple[float, float, float]:
    """Angles rot, tilt and psi of the 3DEM convention, in degrees.

    Parameters
    ----------
    rotation : Rotation
        From the particle's coordinates to those of the image, `(x, y, z)`.

    References
    ----------
    Heymann, Chagoyen and Belnap (2005), J. Struct. Biol. 151, 196-207: the particle's
    axes, not the particle, are turned about z by rot, y by tilt and z by psi.
    """
    psi, tilt, rot = rotation.inv().as_euler("zyz", degrees=True)
    return float(rot), float(tilt), float(psi)


def _optics(settings: DatasetSettings, rng: np.random.Generator) -> Optics:
    defocus = rng.uniform(*settings.defocus)
    return Optics(
        defocus_u=defocus + settings.astigmatism * rng.exponential(),
        defocus_v=defocus,
        defocus_angle=rng.uniform(0, 180),
        voltage=settings.voltage,
        amplitude_contrast=AMPLITUDE_CONTRAST,
        phase_shift=settings.phase_shift,
        b_factor=settings.b_factor,
    )


def _write_images(
    folder: Path,
    name: str,
    image: SimulatedMicrograph,
    *,
    halves: bool,
    rng: np.random.Generator,
) -> None:
    """The micrograph, what the particles contribute, and the halves."""

    def write(path: Path, pixels: Image) -> None:
        micrograph = Micrograph(pixels=pixels, pixel_size=image.pixel_size)
        write_micrograph(path, micrograph, labels=[LABEL])

    for part in (IMAGES, TRUTH):
        (folder / part).mkdir(exist_ok=True)
    write(folder / IMAGES / f"{name}.mrc", image.noisy)
    write(folder / TRUTH / f"{name}.mrc", image.clean)
    if halves:
        even = rng.binomial(image.noisy.astype(np.int64), 0.5).astype(np.float32)
        for ending, half in zip(HALVES, (even, image.noisy - even), strict=True):
            write(folder / IMAGES / f"{name}{ending}.mrc", half)


def _micrograph_row(name: str, optics: Optics) -> str:
    return (
        f"{IMAGES}/{name}.mrc 1 {optics.defocus_u:.2f} {optics.defocus_v:.2f} "
        f"{optics.defocus_angle:.3f} {optics.phase_shift:.2f}"
    )


def _particle_rows(name: str, image: SimulatedMicrograph) -> list[str]:
    """A row for each particle; its picture must be moved by the origin to be centred."""
    beginning = _micrograph_row(name, image.optics)
    rows = []
    for (y, x), pose in zip(image.centers_yx, image.poses, strict=True):
        dy, dx = (-image.pixel_size * shift for shift in pose.shift_yx)
        angles = " ".join(f"{angle:.4f}" for angle in euler_angles(pose.rotation))
        rows.append(f"{beginning} {x:.1f} {y:.1f} {dx:.4f} {dy:.4f} {angles}")
    return rows


def _write_table(
    path: Path, blocks: Mapping[str, tuple[Sequence[str], Sequence[str]]]
) -> None:
    """A STAR file of tables: labels and rows by name."""
    text = ""
    for name, (labels, rows) in blocks.items():
        columns = "\n".join(f"_{label} #{i}" for i, label in enumerate(labels, 1))
        text += f"\n# version 30001\n\ndata_{name}\n\nloop_\n{columns}\n"
        text += "\n".join(rows) + "\n\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
