"""Several processes that train one network, as `torchrun` starts them.

Each makes and learns from its share of every batch; their gradients are added up, so
that all take the same step from the same weights. Apart from that all do the same with
the same random numbers, and the first one alone writes. So the number of processes does
not change the result, but for rounding: the tests hold that.

This is what `DistributedDataParallel` does, without its overlap of computing and sending:
our networks have a few megabytes of gradients, which one message holds.

References
----------
Li et al. (2020), arXiv 2006.15704 (data-parallel training in PyTorch).
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from cryoscore_plugin.devices import choose_devices
from cryoscore_plugin.errors import ConfigError

PATIENCE = datetime.timedelta(days=7)
"""How long a process waits for another, which may be simulating or judging."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one process takes of a batch.

    Attributes
    ----------
    part : slice
        Which of its members.
    fraction : float
        How much of it that is: weight of this part's mean in the mean of all.
    """

    part: slice
    fraction: float


@contextmanager
def joined_processes() -> Iterator[None]:
    """Work together with the other processes that `torchrun` started, if any."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(_local_rank() % torch.cuda.device_count())
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def count() -> int:
    """Number of processes that train one network."""
    return distributed.get_world_size() if _together() else 1


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return not _together() or distributed.get_rank() == 0


def own_device(request: str) -> str:
    """The device of this process.

    Parameters
    ----------
    request : str
        As for `devices.choose_devices`; of several GPUs, each process takes one.

    Raises
    ------
    ConfigError
        If several GPUs are asked for, and not as many processes as GPUs are there.
    DeviceError
        If a GPU that was asked for is not there.
    """
    if not _together():
        return request
    if request in {"auto", "cuda"} and torch.cuda.is_available():
        return str(_local_rank())
    devices = choose_devices(request)
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if len(devices) > 1 and len(devices) != local:
        msg = (
            f"device names {len(devices)} GPUs for {local} processes. Start one process "
            "for each GPU: torchrun --nproc-per-node."
        )
        raise ConfigError(msg)
    chosen = devices[_local_rank() % len(devices)]
    return "cpu" if chosen.type == "cpu" else str(chosen.index)


def share_of(batch: int) -> Share:
    """What this process takes of a batch.

    Parameters
    ----------
    batch : int
        Number of members.

    Raises
    ------
    ConfigError
        If there are more processes than members.
    """
    if not _together():
        return Share(part=slice(None), fraction=1.0)
    size = count()
    if size > batch:
        msg = (
            f"A batch has {batch} crops, so that at most {batch} processes can work on "
            f"it, but {size} were started. Start fewer with --nproc-per-node."
        )
        raise ConfigError(msg)
    part = slice(distributed.get_rank(), None, size)
    return Share(part=part, fraction=len(range(batch)[part]) / batch)


def add_gradients(model: nn.Module) -> None:
    """Replace the gradients by their sum over all processes."""
    if not _together():
        return
    gradients = [x.grad for x in model.parameters() if x.grad is not None]
    flat = _summed(torch.cat([gradient.flatten() for gradient in gradients]))
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, total in zip(gradients, torch.split(flat, sizes), strict=True):
        gradient.copy_(total.view_as(gradient))


def added(value: Tensor) -> Tensor:
    """Sum of a number over all processes."""
    return _summed(value.detach().clone()) if _together() else value.detach()


@contextmanager
def first_goes_ahead() -> Iterator[None]:
    """Let the first process do something, and then the others find it done."""
    if not is_first():
        distributed.barrier()
    yield
    if _together() and is_first():
        distributed.barrier()


def _summed(values: Tensor) -> Tensor:
    distributed.all_reduce(values)
    return values


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))
