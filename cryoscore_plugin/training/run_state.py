"""A training run as it stands: started, moved by one step, kept, and taken up again.

Whoever trains brings the pairs and the loss. What is here is the same for all: AdamW
with a rate that rises and falls, gradients of bounded size, a running mean of the
weights, and one source of everything random. The whole state is written and renamed
into place, so that a run which was killed goes on as if nothing had happened.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cryoscore_plugin.files import replacing
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.preconditioning import PreconditionedDenoiser
from cryoscore_plugin.training.processes import add_gradients, added

STATE, CURVE = "state.pt", "curve.csv"
"""Files of a run, in its folder."""


@runtime_checkable  # The shape checks of the tests look at arguments.
class Schedule(Protocol):
    """What decides how the weights move; `recipe.Recipe` says what each of them is."""

    @property
    def network(self) -> UNetSettings: ...  # noqa: D102  see above
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def learning_rate(self) -> float: ...  # noqa: D102
    @property
    def warmup(self) -> int: ...  # noqa: D102
    @property
    def weight_decay(self) -> float: ...  # noqa: D102
    @property
    def clip(self) -> float: ...  # noqa: D102
    @property
    def ema(self) -> float: ...  # noqa: D102


@dataclass(kw_only=True, eq=False)
class Run:
    """A training run as it stands; the only thing in training that changes.

    Attributes
    ----------
    model, averaged : nn.Module
        The network, and the running mean of its weights, which is what is kept.
    optimizer : torch.optim.Optimizer
        With its own memory.
    rng : np.random.Generator
        Source of all pairs.
    step : int
        Steps done.
    best : dict
        Risk, step and weights of the best validation so far.
    """

    model: PreconditionedDenoiser
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    step: int
    best: dict[str, object]


@contextmanager
def without_denormals() -> Iterator[None]:
    """Take the smallest numbers for zero, as long as this lasts.

    Averages of weights that began at zero pass through numbers so small that the
    processor needs a hundred times longer for them.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def start_run(
    schedule: Schedule,
    weights: Mapping[str, Tensor] | None,
    *,
    device: torch.device | None = None,
) -> Run:
    """A run before its first step.

    Parameters
    ----------
    schedule : Schedule
        How the weights will move.
    weights : Mapping[str, Tensor] | None
        The first weights, if they are not to be random.
    device : torch.device, optional
        Where the network computes; the CPU if not given.
    """
    torch.manual_seed(schedule.seed)
    model = PreconditionedDenoiser(schedule.network)
    if weights is not None:
        model.load_state_dict(weights)
    model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(schedule.ema))  # type: ignore[no-untyped-call]
    optimizer = torch.optim.AdamW(
        model.parameters(),
        schedule.learning_rate,
        weight_decay=schedule.weight_decay,
        fused=True,
    )
    return Run(
        model=model,
        averaged=averaged,
        optimizer=optimizer,
        rng=np.random.default_rng([schedule.seed, 1]),
        step=0,
        best={"risk": math.inf},
    )


def learning_rate(schedule: Schedule, step: int) -> float:
    """Linear rise, then a cosine fall to zero at the last step."""
    if step < schedule.warmup:
        return schedule.learning_rate * (step + 1) / schedule.warmup
    done = (step - schedule.warmup) / max(schedule.steps - schedule.warmup, 1)
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def descend(run: Run, schedule: Schedule, loss: Tensor) -> float:
    """Move the weights by one step down the gradient; return the loss before it.

    Parameters
    ----------
    run : Run
        Is moved.
    schedule : Schedule
        How far.
    loss : Tensor
        What this process contributes to the mean over the batch (`processes.Share`).
    """
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(schedule, run.step)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    add_gradients(run.model)
    nn.utils.clip_grad_norm_(run.model.parameters(), schedule.clip)
    run.optimizer.step()
    run.averaged.update_parameters(run.model)
    run.step += 1
    return float(added(loss))


def averaged_weights(run: Run) -> dict[str, Tensor]:
    """A copy of the running mean of the weights."""
    weights = run.averaged.module.state_dict()
    return {name: x.detach().clone() for name, x in weights.items()}


def save_run(run: Run, path: Path, **more: object) -> None:
    """Write the whole state, or leave the one before.

    Parameters
    ----------
    run : Run
        The run.
    path : Path
        The file.
    **more : object
        What else the run needs to go on: plain values and tensors.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    state = {
        "model": run.model.state_dict(),
        "averaged": run.averaged.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "rng": json.dumps(run.rng.bit_generator.state),
        "step": run.step,
        "best": run.best,
        **more,
    }
    # Not straight into the file: torch does not say that a disk is full.
    with io.BytesIO() as memory, replacing(path) as temporary:
        torch.save(state, memory)
        temporary.write_bytes(memory.getvalue())


def resume_run(run: Run, path: Path) -> dict[str, Any]:
    """Go on from a state that `save_run` wrote; return all that it holds."""
    # weights_only refuses code.
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    run.model.load_state_dict(state["model"])
    run.averaged.load_state_dict(state["averaged"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.rng.bit_generator.state = json.loads(state["rng"])
    run.step, run.best = state["step"], state["best"]
    return state
