"""Topaz and RELION, as the benchmarks here run them: as programs, nothing is imported.

Topaz-Denoise and its pretrained detector need Topaz 0.3, RELION's steps need 3.1 or
later. Each function writes what the program reads, starts it once for all images, and
reads what it wrote. What was denoised in an earlier run is used again.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from denoisers import Pixels, on_grid

from cryoscore_plugin.errors import ConfigError, CryoScoreError
from cryoscore_plugin.evaluation.pick_tables import NO_PICKS, read_picks
from cryoscore_plugin.evaluation.pickers import Picks
from cryoscore_plugin.evaluation.programs import last_line
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_header, write_micrograph

DETECTOR_DIAMETER = 20.0
"""Diameter of a particle in px on the grid that Topaz's detector looks at: what it was
trained on, about (8 Å/px)."""

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


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Programs that pick, as far as they were found.

    Attributes
    ----------
    topaz, relion : Path or None
        `topaz` and `relion_autopick`.
    """

    topaz: Path | None
    relion: Path | None

    def picks(
        self, images: Mapping[str, Pixels], *, diameter: float, pixel_size: float
    ) -> dict[str, dict[str, Picks]]:
        """What each proposes on each image, best first; the diameter in Å."""
        found: dict[str, dict[str, Picks]] = {}
        with tempfile.TemporaryDirectory(prefix="cryoscore-") as folder:
            if self.relion is not None:
                found["relion-log"] = relion_log_picks(
                    images,
                    Path(folder) / "relion",
                    diameter=diameter,
                    pixel_size=pixel_size,
                )
            if self.topaz is not None:
                found["topaz"] = topaz_picks(
                    self.topaz,
                    images,
                    Path(folder) / "topaz",
                    diameter=diameter / pixel_size,
                )
        return found


def find_programs(topaz: Path | None) -> Programs:
    """The programs that pick; what is missing is said.

    Raises
    ------
    ConfigError
        If the Topaz that was given cannot be started.
    """
    found = Programs(
        topaz=find_program("topaz", topaz), relion=find_program("relion_autopick")
    )
    for name, path in (("Topaz", found.topaz), ("RELION", found.relion)):
        if path is None:
            click.echo(f"{name} was not found, and its picker is left out.")
    return found


def find_program(name: str, given: Path | None = None) -> Path | None:
    """A program as it was given, else from PATH; None if it is not there.

    Raises
    ------
    ConfigError
        If what was given cannot be started.
    """
    found = shutil.which(given or name)
    if found is None and given is not None:
        msg = f"{given} should be the program {name}, but is not a file that starts."
        raise ConfigError(msg)
    return None if found is None else Path(found)


def run_program(words: Sequence[str | Path], folder: Path | None = None) -> None:
    """Run a program to its end, on one thread.

    Raises
    ------
    CryoScoreError
        If it fails; the last line that it wrote is told.
    """
    done = subprocess.run(  # noqa: S603  words of our own, no shell
        [str(word) for word in words],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        msg = (
            f"`{words[0]}` ended with code {done.returncode}: {last_line(done.stdout)}"
        )
        raise CryoScoreError(msg)


def topaz_denoise(topaz: Path, images: Sequence[Path], outputs: Path) -> list[Path]:
    """Denoise images as wholes with the pretrained `unet`; where the results lie.

    Never `-m`, which version 0.3 ignores, and `-s -1`: each tile would have its own grey
    scale.
    """
    results = [outputs / path.name for path in images]
    left = [one for one, done in zip(images, results, strict=True) if not done.exists()]
    if left:
        words = shlex.split("denoise -d -1 -j 1 --arch unet -s -1 -o")
        run_program([topaz, *words, outputs, *left])
    return results


def topaz_picks(
    topaz: Path,
    images: Mapping[str, Pixels],
    work: Path,
    *,
    diameter: float,
) -> dict[str, Picks]:
    """Picks of Topaz's pretrained detector; all lengths in px of the images."""
    scale = min(1.0, DETECTOR_DIAMETER / diameter)
    small = {
        name: on_grid(image, tuple(round(side * scale) for side in image.shape))
        for name, image in images.items()
    }
    files = _write_images(small, work / "input", pixel_size=1.0)
    normalized, table = work / "normalized", work / "picks.txt"
    words = shlex.split("preprocess -s 1 -d -1 -t 0 -j 1 -o")
    run_program([topaz, *words, f"{normalized}/", *files])
    words = ["extract", "-d", "-1", "-j", "1"]
    words += ["-r", str(round(diameter * scale / 2)), "-o", str(table)]
    run_program([topaz, *words, *(normalized / file.name for file in files)])
    found = read_picks([table])
    return {
        name: _rescaled(found.get(name, NO_PICKS), small[name].shape, image.shape)
        for name, image in images.items()
    }


def relion_log_picks(
    images: Mapping[str, Pixels], work: Path, *, diameter: float, pixel_size: float
) -> dict[str, Picks]:
    """Picks of RELION's Laplacian of Gaussian; the diameter in Å."""
    _write_images(images, work / "Micrographs", pixel_size=pixel_size)
    words = ["relion_autopick", "--i", "Micrographs/*.mrc", "--odir", "AutoPick/"]
    words += ["--pickname", "log", "--LoG", "--angpix", f"{pixel_size:g}"]
    words += ["--LoG_diam_min", f"{0.9 * diameter:g}"]
    words += ["--LoG_diam_max", f"{1.1 * diameter:g}"]
    words += ["--LoG_adjust_threshold", LOWEST_THRESHOLD]
    run_program(words, work)
    folder = work / "AutoPick" / "Micrographs"
    found = {
        name: read_picks([folder / f"{name}_log.star"])
        if (folder / f"{name}_log.star").exists()
        else {}
        for name in images
    }
    return {name: next(iter(one.values()), NO_PICKS) for name, one in found.items()}


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


def _write_images(
    images: Mapping[str, Pixels], folder: Path, *, pixel_size: float
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.mrc" for name in images]
    for path, pixels in zip(paths, images.values(), strict=True):
        write_micrograph(path, Micrograph(pixels=pixels, pixel_size=pixel_size))
    return paths


def _rescaled(picks: Picks, coarse: tuple[int, ...], fine: tuple[int, ...]) -> Picks:
    """Picks on a finer grid of the same area."""
    factors = np.array(fine) / np.array(coarse)
    return Picks(
        centers_yx=(picks.centers_yx + 0.5) * factors - 0.5, scores=picks.scores
    )
