"""Go on training a model with the user's own micrographs, and judge every state of it.

Pairs are made anew at each step (`training.recorruption`) from crops that are turned and
flipped. The loss is the squared error in units of the target's noise. Now and then the
averaged weights are judged on the micrographs kept out (`training.own_risk`); the best
of them are what is kept, and the model that training started from is judged with them.

A run that was killed goes on from the last time it was judged, and ends with the same
weights, because everything random comes from one generator whose state is kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from cryoscore_plugin.devices import Engine
from cryoscore_plugin.errors import ConfigError, JobAbortedError
from cryoscore_plugin.inference.posterior_mean import posterior_mean
from cryoscore_plugin.networks.unet import NoiseLevels, Tiles, UNetSettings
from cryoscore_plugin.preconditioning import PreconditionedDenoiser
from cryoscore_plugin.tensors import ImageTensor
from cryoscore_plugin.training.curve import CurveRow, add_to_curve
from cryoscore_plugin.training.monitor import Progress, TrainingMonitor
from cryoscore_plugin.training.own_batches import (
    BATCH,
    OwnData,
    crop_side,
    training_batch,
)
from cryoscore_plugin.training.own_risk import (
    HeldOutRisk,
    held_out_pairs,
    held_out_risk,
)
from cryoscore_plugin.training.processes import is_first, share_of
from cryoscore_plugin.training.recorruption import Profile, UnitPair
from cryoscore_plugin.training.run_state import (
    CURVE,
    STATE,
    Run,
    averaged_weights,
    descend,
    resume_run,
    save_run,
    start_run,
    without_denormals,
)

JUDGEMENTS = 10
"""How often the held-out micrographs are looked at in the course of a run."""


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How the weights move (`run_state.Schedule`); short and slow, for they are good.

    Attributes
    ----------
    network : UNetSettings
        Size of the network that is trained.
    seed, steps : int
        Of everything random, and length of the run.
    learning_rate : float
        The largest one, of a linear rise and a cosine fall.
    weight_decay, clip, ema : float
        As in a recipe; the averaged weights remember a hundred steps.
    """

    network: UNetSettings
    seed: int
    steps: int
    learning_rate: float
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.99

    @property
    def warmup(self) -> int:
        """Steps of the linear rise."""
        return min(50, self.steps // 10)

    @property
    def judged_every(self) -> int:
        """Steps between two looks at the held-out micrographs."""
        return max(1, self.steps // JUDGEMENTS)


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """How good weights are on the micrographs kept out.

    Attributes
    ----------
    risk : HeldOutRisk
        With the background among the errors, as far as training asks for it. By this
        the best weights are chosen.
    cross_half : HeldOutRisk or None
        Between the halves as they are, background counting as signal; None without
        halves.
    """

    risk: HeldOutRisk
    cross_half: HeldOutRisk | None


@dataclass(frozen=True, kw_only=True, eq=False)
class FineTuned:
    """What came of a run.

    Attributes
    ----------
    weights : dict[str, Tensor]
        The best averaged weights.
    best_step : int
        The step they are of, more than 0.
    before, after : Judgement
        Of the model that training started from, and of `weights`.
    """

    weights: dict[str, Tensor]
    best_step: int
    before: Judgement
    after: Judgement


class _Judge:
    """The held-out micrographs, and how to look at them."""

    def __init__(self, data: OwnData, engine: Engine) -> None:
        self._engine = engine
        self._pairs = _pairs_of(data, data.drawn)
        with_halves = all(one.corruption is not None for one in data.held_out)
        self._halves = _pairs_of(data, 0 * data.drawn) if with_halves else None

    def risk(self, run: Run) -> HeldOutRisk:
        """By which weights are chosen."""
        return held_out_risk(partial(self._denoise, run), self._pairs)

    def in_full(self, run: Run) -> Judgement:
        """All that is known about the averaged weights."""
        risk = self.risk(run)
        if self._halves is None:
            return Judgement(risk=risk, cross_half=None)
        halves = held_out_risk(partial(self._denoise, run), self._halves)
        return Judgement(risk=risk, cross_half=halves)

    def _denoise(self, run: Run, noisy: ImageTensor) -> ImageTensor:
        network = cast("PreconditionedDenoiser", run.averaged.module)
        return posterior_mean(network, noisy.to(self._engine.device), self._engine)


def _pairs_of(data: OwnData, drawn: Profile) -> list[tuple[UnitPair, UnitPair]]:
    return [
        held_out_pairs(one, drawn, seed=number)
        for number, one in enumerate(data.held_out)
    ]


@without_denormals()
def fine_tune(
    start: Mapping[str, Tensor],
    data: OwnData,
    schedule: FineTuning,
    *,
    output: Path,
    engine: Engine,
    monitor: TrainingMonitor,
) -> FineTuned:
    """Train to the last step, from the last saved state if there is one.

    Parameters
    ----------
    start : Mapping[str, Tensor]
        The first weights.
    data : OwnData
        What to learn from.
    schedule : FineTuning
        How the weights move.
    output : Path
        Folder for state and curve; it exists.
    engine : Engine
        Where to compute.
    monitor : TrainingMonitor
        Whoever wants to know.

    Raises
    ------
    JobAbortedError
        If the monitor asked to stop. The state is kept.
    ConfigError
        If the steps are so large that nothing finite comes of them.
    InputError
        If a micrograph is smaller than one cell of the network's grid.
    """
    run = start_run(schedule, start, device=engine.device)
    judge = _Judge(data, engine)
    before = judge.in_full(run)
    if (output / STATE).exists():
        resume_run(run, output / STATE)
        monitor.on_message(f"Going on after step {run.step}.")
    else:
        _note(output, CurveRow(step=0, loss=math.nan, risk=before.risk.mean))
    began, first, losses = time.monotonic(), run.step, list[float]()
    while run.step < schedule.steps:
        if monitor.abort_requested():
            msg = f"Stopped as you asked. The same command goes on from {output}."
            raise JobAbortedError(msg)
        losses.append(_one_step(run, schedule, data, engine))
        loss, risk = float(np.mean(losses)), None
        if run.step % schedule.judged_every == 0 or run.step == schedule.steps:
            risk = _judge_and_keep(run, judge, output, loss=loss)
            losses.clear()
        monitor.on_progress(
            Progress(
                step=run.step,
                steps=schedule.steps,
                loss=loss,
                risk=risk,
                start_risk=before.risk.mean,
                seconds_per_step=(time.monotonic() - began) / (run.step - first),
            )
        )
    return _finished(run, judge, before)


def weighted_error(output: Tiles, target: Tiles, weights: NoiseLevels) -> Tensor:
    """Mean squared error, that of each pair in units of its target's noise."""
    error = (output - target).square().mean((1, 2, 3))
    return (weights * error).mean()


def _one_step(run: Run, schedule: FineTuning, data: OwnData, engine: Engine) -> float:
    side, share = crop_side(data.seen, run.model.grid), share_of(BATCH)
    batch = training_batch(data, side=side, rng=run.rng, part=share.part)
    noisier, target = (
        torch.stack(images)[:, None].to(engine.device)
        for images in zip(
            *((x.pair.noisier, x.pair.target) for x in batch), strict=True
        )
    )
    weights = torch.tensor([one.pair.weight for one in batch], device=engine.device)
    excess = torch.stack([one.excess for one in batch]).to(engine.device)
    laid_out = noisier.contiguous(memory_format=torch.channels_last)
    output = run.model(laid_out, torch.ones_like(weights), excess)
    loss = share.fraction * weighted_error(output, target, weights)
    return descend(run, schedule, loss)


def _note(output: Path, row: CurveRow) -> None:
    if is_first():
        add_to_curve(output / CURVE, row)


def _judge_and_keep(run: Run, judge: _Judge, output: Path, *, loss: float) -> float:
    """Keep the averaged weights if they are the best so far, and save the run.

    Returns
    -------
    risk : float
        Mean held-out risk of these weights.
    """
    risk = judge.risk(run).mean
    if risk < float(str(run.best["risk"])):
        run.best = {"step": run.step, "risk": risk, "weights": averaged_weights(run)}
    _note(output, CurveRow(step=run.step, loss=loss, risk=risk))
    if is_first():
        save_run(run, output / STATE)
    return risk


def _finished(run: Run, judge: _Judge, before: Judgement) -> FineTuned:
    """Judge the best weights once more, micrograph by micrograph."""
    weights = run.best.get("weights")
    if not isinstance(weights, dict):
        msg = (
            "The risk on held-out micrographs should be a number, but is none after any "
            "step: training diverged. Give a smaller learning_rate, and another folder."
        )
        raise ConfigError(msg)
    run.averaged.module.load_state_dict(weights)
    return FineTuned(
        weights=weights,
        best_step=int(str(run.best["step"])),
        before=before,
        after=judge.in_full(run),
    )
