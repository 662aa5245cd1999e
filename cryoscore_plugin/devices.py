"""Choose where a network runs, in which arithmetic, and on how much at once.

A GPU that is asked for and not there is an error that says what is there; nothing
falls back to the CPU by itself, but for `auto`, which says what it chose.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import torch

from cryoscore_plugin.errors import ConfigError, DeviceError

CPU_MEMORY = 550 * 2**20
"""Bytes that a network's features may take on a CPU. More would save little: the
halos of a 4096 x 4096 micrograph at 1 Å/px then cost a fifth of the work, and a
node of a cluster often has 2 GB for each core."""

GPU_SHARE = 0.7
"""Part of a GPU's free memory that a network's features may take; convolutions need
some more for themselves."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One device, and how it is used.

    Attributes
    ----------
    device : torch.device
        Where.
    dtype : torch.dtype
        Arithmetic of convolutions: float32 or bfloat16.
    tile_size : int or None
        Side of a tile without halo in px; None for tiles that fit the memory.
    bytes_per_pixel : float
        Memory that the features of one pixel take.
    """

    device: torch.device
    dtype: torch.dtype = torch.float32
    tile_size: int | None = None
    bytes_per_pixel: float = 500.0

    @property
    def pixels_at_once(self) -> int:
        """Pixels that fit into the memory that is free now."""
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            # What torch holds back for itself is free for us as well.
            held = torch.cuda.memory_reserved(self.device)
            used = torch.cuda.memory_allocated(self.device)
            memory = GPU_SHARE * (free + held - used)
        else:
            memory = CPU_MEMORY
        return int(memory / self.bytes_per_pixel)

    @property
    def description(self) -> str:
        """The device and its arithmetic in words."""
        arithmetic = "bfloat16" if self.dtype == torch.bfloat16 else "float32"
        if self.device.type == "cuda":
            name = torch.cuda.get_device_name(self.device)
            return f"GPU {self.device.index} ({name}), {arithmetic}"
        threads = torch.get_num_threads()
        return f"CPU, {threads} thread{'s' * (threads != 1)}, {arithmetic}"


def choose_devices(request: str) -> list[torch.device]:
    """Devices that are asked for.

    Parameters
    ----------
    request : str
        `cpu`; `cuda` for the first GPU; GPU numbers such as `0` or `0,1`; or `auto`
        for the first GPU if there is one, else the CPU. Numbers count the GPUs
        that CUDA_VISIBLE_DEVICES leaves visible, from 0.

    Returns
    -------
    devices : list[torch.device]
        One for each number, else one.

    Raises
    ------
    ConfigError
        If the request is none of these, or names a GPU twice.
    DeviceError
        If a GPU that was asked for is not there.
    """
    request = request.strip().lower()
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if request == "cpu" or (request == "auto" and not present):
        return [torch.device("cpu")]
    numbers = [0] if request in {"auto", "cuda"} else _gpu_numbers(request)
    missing = [number for number in numbers if number >= present]
    if missing:
        raise DeviceError(_missing_gpu(request, present))
    return [torch.device("cuda", number) for number in numbers]


def choose_dtype(
    request: Literal["auto", "float32", "bfloat16"], device: torch.device
) -> torch.dtype:
    """Arithmetic of the network's convolutions.

    Parameters
    ----------
    request : {"auto", "float32", "bfloat16"}
        `auto` takes bfloat16 where the hardware computes in it. Elsewhere it would
        be emulated, which is about three times slower than float32.
    device : torch.device
        Where the network will run.
    """
    if request == "auto":
        native = (
            # A GPU of compute capability 8.0 (2020) or newer has it in hardware.
            torch.cuda.get_device_capability(device) >= (8, 0)
            if device.type == "cuda"
            else _cpu_has_bfloat16()
        )
        return torch.bfloat16 if native else torch.float32
    return torch.bfloat16 if request == "bfloat16" else torch.float32


def use_threads(threads: int | None) -> None:
    """Let this process compute with so many CPU threads.

    Parameters
    ----------
    threads : int, optional
        How many. If not given, OMP_NUM_THREADS counts, else all cores that this
        process may use.
    """
    if threads is None and "OMP_NUM_THREADS" in os.environ:
        return
    torch.set_num_threads(threads or _allowed_cores())


def use_exact_arithmetic() -> None:
    """Let GPUs give the same result in each run, in float32 that is not rounded.

    For the whole process, because torch keeps these choices for all threads, and
    each GPU has a thread of its own.
    """
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device's memory was full."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("out of memory" in text or "can't allocate memory" in text)
    )


def _gpu_numbers(request: str) -> list[int]:
    """The numbers in a request such as `0,1`."""
    words = [word.strip() for word in request.split(",")]
    if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
        msg = (
            f"device should be auto, cpu, cuda, or different GPU numbers such as 0 or "
            f"0,1, but is {request!r}. Try auto."
        )
        raise ConfigError(msg)
    return [int(word) for word in words]


def _missing_gpu(request: str, present: int) -> str:
    """What to tell who asked for a GPU that is not there."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    limit = "" if visible is None else f" (CUDA_VISIBLE_DEVICES is {visible!r})"
    if present:
        numbers = ",".join(map(str, range(present)))
        found = f"torch {torch.__version__} sees {present} GPU(s){limit}"
        advice = f"Use --device {numbers}, or --device auto."
    elif torch.version.cuda is None:
        found = f"this torch {torch.__version__} was built without CUDA"
        advice = "Install torch with CUDA from pytorch.org, or use --device cpu."
    else:
        found = f"torch {torch.__version__} sees no GPU{limit}"
        advice = "Check the driver with nvidia-smi, or use --device cpu."
    return f"device is {request!r}, but {found}. {advice}"


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware (AVX512_BF16 or AMX)."""
    # Not public in all versions of torch from 2.4 on; without them: float32.
    queries = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, query, bool)() for query in queries)


def _allowed_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
