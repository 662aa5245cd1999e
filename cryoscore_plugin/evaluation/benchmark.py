"""Time, memory and throughput of denoising, of cryoscore and of Topaz-Denoise.

Each program denoises the same file, started anew for each measurement, with the
same number of threads. Ratios are taken within one run on one computer; a computer
that is busy with other things makes the seconds on the wall worthless, and the
processor seconds a little too large.

The micrograph is a yardstick, not cryo-EM: blobs of 40 px in white noise on a ramp.
What a denoiser does to it says nothing about quality, and its cost does not depend on
what is in the picture.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
from scipy import ndimage

from cryoscore_plugin.arrays import Image
from cryoscore_plugin.evaluation.programs import OURS, TOPAZ, Program, last_line
from cryoscore_plugin.evaluation.resources import ResourceUse, measure_command
from cryoscore_plugin.micrograph import Micrograph

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What the numerical libraries of both programs listen to."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one program took for one micrograph.

    Attributes
    ----------
    program, version : str
        Which.
    device : str
        As it was asked for.
    size : int
        Side of the micrograph, in px.
    seconds, cpu_seconds : float
        Median over the repeats, in s, start and end of the program included.
    peak_bytes : int
        Largest over the repeats; memory of the computer, not of a GPU.
    failure : str
        Why there are no figures; empty if there are.
    """

    program: str
    version: str
    device: str
    size: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    failure: str = ""

    @property
    def pixels_per_second(self) -> float:
        """Pixels of the micrograph per second on the wall."""
        return self.size**2 / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times as much Topaz takes as cryoscore, for one size and device."""

    device: str
    size: int
    seconds: float
    cpu_seconds: float
    peak_bytes: float


def yardstick_micrograph(size: int, *, pixel_size: float, seed: int = 0) -> Micrograph:
    """Blobs of 40 px in white noise on a ramp.

    Parameters
    ----------
    size : int
        Side, in px.
    pixel_size : float
        In Å/px.
    seed : int
        Another number gives another picture of the same kind.
    """
    rng = np.random.default_rng(seed)
    blobs = np.zeros((size, size), dtype=np.float32)
    count = int(300 * (size / 4096) ** 2) + 1
    rows, columns = rng.integers(0, size, count), rng.integers(0, size, count)
    blobs[rows, columns] = 1
    blobs = ndimage.gaussian_filter(blobs, 40, mode="wrap")
    ramp = np.linspace(-0.3, 0.3, size, dtype=np.float32)
    noise = rng.standard_normal((size, size), dtype=np.float32)
    pixels: Image = 10 - 0.4 * blobs / blobs.max() + ramp + np.float32(1.5) * noise
    return Micrograph(pixels=pixels, pixel_size=pixel_size)


def measure_all(
    programs: Sequence[Program],
    *,
    inputs: dict[int, Path],
    devices: Sequence[str],
    repeats: int,
    threads: int,
) -> Iterator[Measurement]:
    """Measure every program on every size and device; yield each when it is done.

    Parameters
    ----------
    programs : Sequence[Program]
        What to measure. They take turns, so that a change of the computer's load
        meets all of them.
    inputs : dict[int, Path]
        Micrograph file of each size; outputs go beside it.
    devices : Sequence[str]
        `cpu`, `cuda`, or GPU numbers.
    repeats : int
        Runs of each.
    threads : int
        Of the processor, for each program.
    """
    environment = {name: str(threads) for name in THREAD_VARIABLES}
    for device, (size, source) in product(devices, inputs.items()):
        runs: dict[str, list[ResourceUse]] = {program.name: [] for program in programs}
        failures: dict[str, str] = {}
        for repeat, program in product(range(repeats), programs):
            if program.name in failures:
                continue
            target = source.parent / f"{program.name}_{device}_{size}_{repeat}"
            target.mkdir()
            use = measure_command(
                program.command(source, target, device), environment=environment
            )
            runs[program.name].append(use)
            if failure := _failure(use, target / source.name, device):
                failures[program.name] = failure
            shutil.rmtree(target)
        for program in programs:
            yield _summary(
                program,
                device,
                size,
                runs[program.name],
                failures.get(program.name, ""),
            )


def ratios(measurements: Sequence[Measurement]) -> list[Ratio]:
    """Topaz over cryoscore, wherever both have figures."""
    by_case = {(m.program, m.device, m.size): m for m in measurements if not m.failure}
    found = []
    for (program, device, size), ours in by_case.items():
        peer = by_case.get((TOPAZ, device, size))
        if program == OURS and peer is not None:
            found.append(
                Ratio(
                    device=device,
                    size=size,
                    seconds=peer.seconds / ours.seconds,
                    cpu_seconds=peer.cpu_seconds / ours.cpu_seconds,
                    peak_bytes=peer.peak_bytes / ours.peak_bytes,
                )
            )
    return found


def _failure(use: ResourceUse, output: Path, device: str) -> str:
    """Why a run does not count; empty if it does."""
    if use.exit_code != 0:
        return f"ended with code {use.exit_code}: {last_line(use.output)}"
    if not output.exists():
        return f"ended with code 0, but wrote no output: {last_line(use.output)}"
    # Topaz falls back to the CPU without an error, and says so only in its log.
    if device != "cpu" and "cuda=False" in use.output:
        return f"used the CPU although device {device} was asked for"
    return ""


def _summary(
    program: Program, device: str, size: int, runs: Sequence[ResourceUse], failure: str
) -> Measurement:
    """One measurement of all repeats."""
    return Measurement(
        program=program.name,
        version=program.version,
        device=device,
        size=size,
        seconds=median(use.seconds for use in runs),
        cpu_seconds=median(use.cpu_seconds for use in runs),
        peak_bytes=max(use.peak_bytes for use in runs),
        failure=failure,
    )
