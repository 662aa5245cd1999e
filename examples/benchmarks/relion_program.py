"""RELION's steps in the benchmarks here, as programs of RELION 3.1 or later.

Each function writes what the program reads, starts it once, and reads what it wrote.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grids import Pixels
from other_programs import run_program, write_images

from cryoscore_plugin.evaluation.pick_tables import NO_PICKS, read_picks
from cryoscore_plugin.evaluation.pickers import Picks
from cryoscore_plugin.mrc import read_header

LOWEST_THRESHOLD = "-2"
"""Of RELION's Laplacian of Gaussian, in standard deviations below its own choice: it
then proposes so many that the curve of precision over recall has all of its parts."""

REFINEMENT = (
    "--K 1 --tau2_fudge 4 --ctf --norm --scale --flatten_solvent --zero_mask "
    "--healpix_order 2 --oversampling 1 --offset_range 3 --offset_step 2 --pad 1 "
    "--j 1 --pool 30 --preread_images --dont_combine_weights_via_disc --random_seed 1"
)
"""How RELION aligns: all directions 15 degrees apart and, where likely, 7.5; shifts up to
3 px of the particles (18 Å at 6 Å/px)."""


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """How particles are aligned.

    Attributes
    ----------
    diameter : float
        Of the particle, in Å.
    symmetry : str
        Point group in RELION's words.
    rounds : int
        Of alignment.
    """

    diameter: float
    symmetry: str
    rounds: int


def relion_log_picks(
    images: Sequence[Pixels], *, diameter: float, pixel_size: float
) -> list[Picks]:
    """Picks of RELION's Laplacian of Gaussian; the diameter in Å."""
    with tempfile.TemporaryDirectory(prefix="cryoscore-") as name:
        folder = Path(name)
        files = write_images(images, folder / "Micrographs", pixel_size=pixel_size)
        words = ["relion_autopick", "--i", "Micrographs/*.mrc", "--odir", "AutoPick/"]
        words += ["--pickname", "log", "--LoG", "--angpix", f"{pixel_size:g}"]
        words += ["--LoG_diam_min", f"{0.9 * diameter:g}"]
        words += ["--LoG_diam_max", f"{1.1 * diameter:g}"]
        words += ["--LoG_adjust_threshold", LOWEST_THRESHOLD]
        run_program(words, folder)
        return [
            _picks_in(folder / "AutoPick" / "Micrographs" / f"{file.stem}_log.star")
            for file in files
        ]


def _picks_in(table: Path) -> Picks:
    """The picks of one image; where RELION finds nothing, it writes no table."""
    found = read_picks([table]) if table.exists() else {}
    return next(iter(found.values()), NO_PICKS)


def relion_extract(
    project: Path, coordinates: str, output: str, *, box: int, scaled: int
) -> Path:
    """Extract from the raw micrographs of a project; the table of particles."""
    words = ["relion_preprocess", "--i", "micrographs.star", "--coord_dir"]
    words += [coordinates, "--coord_suffix", "_pick.star", "--part_dir", output]
    words += ["--part_star", f"{output}particles.star", "--extract", "--extract_size"]
    words += [str(box), "--scale", str(scaled), "--norm", "--invert_contrast"]
    words += ["--bg_radius", str(round(0.4 * scaled))]
    run_program(words, project)
    return project / output / "particles.star"


def relion_align_symmetry(map_path: Path, output: Path, *, symmetry: str) -> None:
    """Turn a map so that its symmetry axes lie where RELION looks for them."""
    size = str(read_header(map_path).shape[-1])
    words = ["relion_align_symmetry", "--i", str(map_path), "--o", str(output)]
    run_program([*words, "--sym", symmetry, "--box_size", size])


def relion_refine(
    project: Path, particles: Path, output: Path, *, setting: Refinement
) -> Path:
    """Align particles to `reference.mrc` of the project, low-passed to 40 Å; the map.

    It is reconstructed once more from the last alignment, without the filter that
    alignment puts on it: maps that are empty beyond some resolution agree there.
    """
    (project / output).parent.mkdir(parents=True, exist_ok=True)
    words = ["relion_refine", "--i", str(particles), "--o", str(output)]
    words += ["--ref", "reference.mrc", "--firstiter_cc", "--ini_high", "40"]
    words += ["--iter", str(setting.rounds), "--sym", setting.symmetry]
    words += ["--particle_diameter", f"{1.1 * setting.diameter:.0f}"]
    run_program([*words, *shlex.split(REFINEMENT)], project)
    aligned = f"{output}_it{setting.rounds:03d}_data.star"
    words = ["relion_reconstruct", "--i", aligned, "--o", f"{output}.mrc", "--ctf"]
    run_program([*words, "--sym", setting.symmetry], project)
    return project / f"{output}.mrc"
