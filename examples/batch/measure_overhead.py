"""Measure what a batch costs beside the computing: time, resuming, memory.

A denoiser that only copies stands in the place of the model, so that all that is
measured is reading, writing, claims, hashes and the ledger. Run on a calm machine:

    python examples/batch/measure_overhead.py --count 2000
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from cryoscore_plugin.batch.model import ModelFacts
from cryoscore_plugin.batch.run import denoise_micrographs
from cryoscore_plugin.batch.session import (
    BatchRequest,
    plan_batch,
    run_batch,
    write_tables,
)
from cryoscore_plugin.denoiser import Denoiser
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph
from cryoscore_plugin.restoration import Restoration
from cryoscore_plugin.settings import DenoiseSettings


class Copier(Denoiser):
    """Denoises nothing, at once."""

    fingerprint = "copier 000000000000"
    description = "no device"

    def __init__(self) -> None:
        pass

    def denoise(self, micrograph: Micrograph) -> Restoration:
        """The micrograph as it is."""
        return Restoration(micrograph=micrograph, quality={"noise_level": 1.0})


class MemoryMonitor:
    """Notes the memory of this process after each micrograph."""

    def __init__(self) -> None:
        self.megabytes: list[float] = []

    def on_start(self, description: str, *, total: int) -> None:
        """Nothing to say."""

    def on_result(self, result: object, *, done: int, total: int) -> None:  # noqa: ARG002
        """Note it."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.megabytes.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)

    def abort_requested(self) -> bool:
        """Never."""
        return False


def timed(request: BatchRequest, monitor: MemoryMonitor) -> tuple[float, float]:
    """Seconds by the clock and of the CPU for one run, with its table."""
    clock, cpu = time.perf_counter(), time.process_time()
    plan = plan_batch(request)
    run_batch(
        request,
        plan,
        monitor,
        lambda tasks, told, gate: denoise_micrographs(
            tasks, request.settings, told, gate=gate, denoisers=[Copier()]
        ),
    )
    write_tables(request, plan)
    return time.perf_counter() - clock, time.process_time() - cpu


def main() -> None:
    """Make micrographs, run twice, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--side", type=int, default=128)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        raw.mkdir()
        noise = np.random.default_rng(0).normal(size=(words.side, words.side))
        image = Micrograph(pixels=noise.astype(np.float32), pixel_size=1.5)
        for number in range(words.count):
            write_micrograph(raw / f"m{number:06}.mrc", image)
        request = BatchRequest(
            project=raw,
            output=Path(folder) / "out",
            settings=DenoiseSettings(),
            model=ModelFacts(fingerprint=Copier.fingerprint, card={}),
        )
        (Path(folder) / "out").mkdir()
        monitor = MemoryMonitor()
        clock, cpu = timed(request, monitor)
        half = len(monitor.megabytes) // 2
        slope = np.polyfit(range(half), monitor.megabytes[-half:], 1)[0]
        again, cpu_again = timed(request, monitor)
    each = 1000 / words.count
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    print(f"first run:  {each * clock:.2f} ms each, {each * cpu:.2f} ms of CPU")
    print(f"second run: {again:.2f} s, {cpu_again:.2f} s of CPU for {words.count}")
    print(f"memory: {monitor.megabytes[-1]:.0f} MB, slope {1000 * slope:.1f} kB each")


if __name__ == "__main__":
    main()
