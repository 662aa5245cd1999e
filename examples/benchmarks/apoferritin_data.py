"""Real apoferritin micrographs at three doses, as `apoferritin.py` explains them."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import starfile
from grids import Pixels

from cryoscore_plugin.arrays import CentersYX
from cryoscore_plugin.ctf import Optics
from relion_wrappers.micrographs_star import StarTable

PIXEL_SIZE = 1.5  # Å/px, as in micrographs.star
DOSES = ("full", "quarter", "frame")


def micrographs(data: Path) -> list[tuple[Path, float]]:
    """Each micrograph of the folder with its defocus in Å."""
    table = starfile.read(data / "micrographs.star", always_dict=True)["micrographs"]
    names, defoci = table["rlnMicrographName"], table["rlnDefocusU"]
    return [(data / name, float(u)) for name, u in zip(names, defoci, strict=True)]


def write_inputs(data: Path, target: Path) -> None:
    """Write the three conditions as float32 MRC, for programs that read files."""
    for dose in DOSES:
        (target / dose).mkdir(parents=True, exist_ok=True)
        for raw, _ in micrographs(data):
            with mrcfile.new(target / dose / raw.name, overwrite=True) as file:
                file.set_data(condition(raw, dose))
                file.voxel_size = PIXEL_SIZE


def read_pixels(path: Path) -> Pixels:
    """The pixels of an MRC file as float32."""
    with mrcfile.open(path, permissive=True) as file:
        return np.array(file.data, dtype=np.float32)


def hand_picks(raw: Path) -> CentersYX:
    """Places of particles in the micrograph `raw`, in px."""
    table = starfile.read(raw.with_name(f"{raw.stem}_picks.star"))
    centers: CentersYX = table[["rlnCoordinateY", "rlnCoordinateX"]].to_numpy(float)
    return centers


def condition(raw: Path, dose: str) -> Pixels:
    """The micrograph `raw` at one of the three doses."""
    if dose == "full":
        return read_pixels(raw)
    if dose == "frame":
        return read_pixels(raw.with_name(f"{raw.stem}_frame.mrc"))
    rest = read_pixels(raw.with_name(f"{raw.stem}_rest.mrc"))
    seed = [2026, *raw.stem.encode()]
    noise = np.random.default_rng(seed).standard_normal(rest.shape, dtype=np.float32)
    return rest + np.float32(np.sqrt(3) * noise_deviation(rest)) * noise


def noise_deviation(image: Pixels) -> float:
    """Deviation of white noise with the power found at 0.35 to 0.48 cycles/px."""
    fy, fx = (np.fft.fftfreq(length) for length in image.shape)
    radius = np.hypot(fy[:, None], fx)
    power = np.abs(np.fft.fft2(image)) ** 2 / image.size
    return float(np.sqrt(power[(radius > 0.35) & (radius < 0.48)].mean()))


def optics_of(raw: Path) -> Optics | None:
    """How a micrograph was taken, for guidance."""
    rows = StarTable().read(raw.with_name("micrographs.star"), root=raw.parent)
    return next(row.optics for row in rows if row.path.name == raw.name)
