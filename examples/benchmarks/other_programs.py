"""Programs of others, as the benchmarks here find and run them; nothing is imported."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from grids import Pixels

from cryoscore_plugin.errors import ConfigError, CryoScoreError
from cryoscore_plugin.evaluation.programs import last_line
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph


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


def write_images(
    images: Sequence[Pixels], folder: Path, *, pixel_size: float = 1.0
) -> list[Path]:
    """Write images for a program that reads files; where each lies."""
    folder.mkdir(parents=True)
    paths = [folder / f"image{number}.mrc" for number in range(len(images))]
    for path, pixels in zip(paths, images, strict=True):
        write_micrograph(path, Micrograph(pixels=pixels, pixel_size=pixel_size))
    return paths
