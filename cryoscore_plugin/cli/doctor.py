"""`cryoscore doctor`: what is installed, what is missing, and what to do about it.

Each line begins with OK, with `note` for what limits some uses, or with PROBLEM for
what must be repaired. Adapters add lines of their own through the entry points
`cryoscore.checks`: a function that returns pairs of (is it as it should be, sentence).
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal

import click

from cryoscore_plugin import __version__
from cryoscore_plugin.cli.exits import FAILED
from cryoscore_plugin.errors import CryoScoreError

Level = Literal["OK", "note", "PROBLEM"]
Line = tuple[Level, str]

LEAST_MEMORY = 2e9
"""Bytes; a micrograph of 4096 x 4096 px takes about 1.5 GB from start to end."""

LEAST_DISK = 1e9
"""Bytes; room for 15 outputs of 4096 x 4096 px in float32."""


@click.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Say what is installed, what is missing, and what to do about it."""
    sections: list[Callable[[], Iterator[Line]]] = [
        check_python,
        check_packages,
        check_torch,
        check_models,
        check_room,
        check_adapters,
    ]
    levels = []
    for section in sections:
        for level, sentence in section():
            click.echo(f"{level:8}{sentence}")
            levels.append(level)
    if "PROBLEM" in levels:
        context.exit(FAILED)


def check_python() -> Iterator[Line]:
    """Say which program and which Python this is."""
    yield "OK", f"cryoscore {__version__} in {Path(__file__).parents[1]}"
    level: Level = "OK" if sys.version_info >= (3, 11) else "PROBLEM"
    yield level, f"Python {platform.python_version()} ({sys.executable})"


def check_packages() -> Iterator[Line]:
    """Say which versions of the packages we need are installed."""
    try:
        required = metadata.requires("cryoscore") or []
    except metadata.PackageNotFoundError:
        yield "PROBLEM", "cryoscore is not installed. Type: pip install -e ."
        return
    found = []
    for requirement in required:
        if "extra ==" in requirement:
            continue
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield "PROBLEM", f"{name} is missing. Type: pip install '{requirement}'"
    yield "OK", f"Packages: {', '.join(sorted(found))}"
    if importlib.util.find_spec("tifffile") is None:
        yield "note", "TIFF files need more. Type: pip install 'cryoscore[tiff]'"


def check_torch() -> Iterator[Line]:
    """Say what computes here."""
    try:
        import torch  # noqa: PLC0415  seconds, and it may be broken

        from cryoscore_plugin.devices import (  # noqa: PLC0415
            choose_dtype,
            use_threads,
        )
    except (ImportError, OSError) as error:
        yield "PROBLEM", f"torch does not load ({error}). Install it again."
        return
    use_threads(None)
    arithmetic = str(choose_dtype("auto", torch.device("cpu"))).removeprefix("torch.")
    sentence = (
        f"CPU: {os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}, {arithmetic}"
    )
    yield "OK", sentence
    yield from check_gpus()


def check_gpus() -> Iterator[Line]:
    """Say which GPUs torch sees, and why it sees none."""
    import torch  # noqa: PLC0415  seconds

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        yield "OK", f"CUDA_VISIBLE_DEVICES is {visible!r}; GPU numbers count within it."
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            gpu = torch.cuda.get_device_properties(number)
            size = f"{gpu.total_memory / 1e9:.0f} GB"
            yield "OK", f"GPU {number}: {gpu.name}, {size} (--device {number})"
    elif visible == "" or shutil.which("nvidia-smi") is None:
        yield "note", "No GPU is visible; the CPU will be used."
    elif torch.version.cuda is None:
        sentence = (
            "There is an NVIDIA GPU, but this torch was built without CUDA. Install "
            "torch with CUDA, as pytorch.org says."
        )
        yield "PROBLEM", sentence
    else:
        sentence = (
            "There is an NVIDIA driver, but torch sees no GPU. Type nvidia-smi, and "
            f"compare the driver's CUDA version with torch's ({torch.version.cuda})."
        )
        yield "PROBLEM", sentence


def check_models() -> Iterator[Line]:
    """Verify the packaged models."""
    from cryoscore_plugin.checkpoint import load_checkpoint  # noqa: PLC0415  torch
    from cryoscore_plugin.pretrained import (  # noqa: PLC0415  as above
        find_checkpoint,
        packaged_models,
    )

    names = packaged_models()
    if not names:
        yield "PROBLEM", "No model came with cryoscore. Install it again."
    for name in names:
        try:
            checkpoint = load_checkpoint(find_checkpoint(name))
        except CryoScoreError as error:
            yield "PROBLEM", str(error)
        else:
            yield "OK", f"Model {name} is whole (SHA-256 {checkpoint.sha256[:12]}...)"


def check_room() -> Iterator[Line]:
    """Say how much memory and disk are free."""
    memory = _free_memory()
    if memory is not None:
        few = memory < LEAST_MEMORY
        advice = " Close other programs, or use a smaller --tile-size." if few else ""
        yield (
            "note" if few else "OK",
            f"Memory: {memory / 1e9:.1f} GB are free.{advice}",
        )
    disk = shutil.disk_usage(Path.cwd()).free
    few = disk < LEAST_DISK
    advice = " Make room before a run." if few else ""
    yield (
        "note" if few else "OK",
        f"Disk of this folder: {disk / 1e9:.1f} GB are free.{advice}",
    )


def check_adapters() -> Iterator[Line]:
    """Ask the adapters, and say which of them cannot be used."""
    for plug in metadata.entry_points(group="cryoscore.commands"):
        try:
            plug.load()
        except Exception as error:  # noqa: BLE001  a broken adapter must not break us
            yield "PROBLEM", f"`cryoscore {plug.name}` cannot be used: {error}"
    for plug in metadata.entry_points(group="cryoscore.checks"):
        try:
            for is_well, sentence in plug.load()():
                yield "OK" if is_well else "PROBLEM", sentence
        except Exception as error:  # noqa: BLE001  as above
            yield "PROBLEM", f"The checks of {plug.name} cannot be run: {error}"


def _free_memory() -> float | None:
    """Free memory in bytes; None where the system does not say."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"MemAvailable:\s+(\d+) kB", text)
    return None if found is None else 1024.0 * int(found[1])
