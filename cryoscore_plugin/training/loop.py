"""Train a denoiser on simulated pairs: denoising score matching.

The network learns `E[x | u]` by least squares; by Tweedie's formula this is the
score of the noisy images. Because the input holds structured background and the
target does not, background is treated as noise and goes.

A run is resumable (its whole state is written now and then, and renamed into
place), seeded, and judged on particles it never saw.

References
----------
Vincent (2011), Neural Computation 23, 1661-1674 (denoising score matching).
Karras et al. (2022), arXiv 2206.00364 (preconditioning).
"""

from __future__ import annotations

import csv
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cryoscore_plugin.files import replacing
from cryoscore_plugin.preconditioning import PreconditionedDenoiser
from cryoscore_plugin.training.crops import ScenePool, TrainingPair, mix_batch
from cryoscore_plugin.training.recipe import Recipe
from cryoscore_plugin.training.validation import ValidationResult, validate

log = logging.getLogger(__name__)

STATE, CURVE = "state.pt", "curve.csv"


@dataclass(kw_only=True, eq=False)
class Run:
    """A training run as it stands; the only thing here that changes.

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


@without_denormals()
def train(
    recipe: Recipe,
    pool: ScenePool,
    held_out: ScenePool,
    *,
    output: Path,
    start: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Train to the end of the recipe, from the last saved state if there is one.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    pool, held_out : ScenePool
        Scenes to learn from, and scenes of other particles to judge by.
    output : Path
        Folder for the state and the curve.
    start : Mapping[str, Tensor] | None
        The first weights, if they are not to be random.

    Returns
    -------
    weights : dict[str, Tensor]
        Averaged weights at the best validation.
    """
    output.mkdir(parents=True, exist_ok=True)
    run = _start(recipe, start)
    if (output / STATE).exists():
        _resume(run, output / STATE)
        log.info("continue after step %d", run.step)
    began, first, loss_sum, count = time.monotonic(), run.step, 0.0, 0
    while run.step < recipe.steps:
        loss_sum += _one_step(run, recipe, pool)
        count += 1
        if run.step % recipe.checkpoint_every == 0 or run.step == recipe.steps:
            result = validate(
                run.averaged,
                held_out,
                floor=recipe.floor,
                seed=recipe.seed,
                background=recipe.background,
            )
            _keep_best(run, result)
            seconds = (time.monotonic() - began) / (run.step - first)
            _report(output / CURVE, run.step, loss_sum / count, result, seconds)
            _save(run, output / STATE)
            loss_sum, count = 0.0, 0
    weights = run.best["weights"]
    if not isinstance(weights, dict):
        msg = "the best weights of a run are a dictionary"
        raise TypeError(msg)
    return weights


def weighted_loss(output: Tensor, pair: TrainingPair, floor: float) -> Tensor:
    """Mean squared error, weighted by `1 / (acceptable + floor)`.

    What is acceptable follows from the dose and the background, never from the
    particles in the crop: weights that know the target would pull the output to zero.
    """
    error = (output - pair.clean).square().mean((1, 2, 3))
    return (error / (pair.power + floor)).mean()


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear rise, then a cosine fall to zero at the last step."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def _start(recipe: Recipe, weights: Mapping[str, Tensor] | None) -> Run:
    torch.manual_seed(recipe.seed)
    model = PreconditionedDenoiser(recipe.network)
    if weights is not None:
        model.load_state_dict(weights)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema))  # type: ignore[no-untyped-call]
    optimizer = torch.optim.AdamW(
        model.parameters(),
        recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    return Run(
        model=model,
        averaged=averaged,
        optimizer=optimizer,
        rng=np.random.default_rng([recipe.seed, 1]),
        step=0,
        best={"risk": math.inf},
    )


def _one_step(run: Run, recipe: Recipe, pool: ScenePool) -> float:
    pair = mix_batch(
        pool,
        recipe.mix,
        batch=recipe.batch,
        crop=recipe.crop,
        rng=run.rng,
        background=recipe.background,
    )
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, run.step)
    u = pair.u.contiguous(memory_format=torch.channels_last)
    loss = weighted_loss(run.model(u, pair.sigma), pair, recipe.floor)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.model.parameters(), recipe.clip)
    run.optimizer.step()
    run.averaged.update_parameters(run.model)
    run.step += 1
    return float(loss.detach())


def _keep_best(run: Run, result: ValidationResult) -> None:
    if result.risk < float(str(run.best["risk"])):
        weights = run.averaged.module.state_dict()
        run.best = {
            "step": run.step,
            "figures": json.dumps(asdict(result)),
            "risk": result.risk,
            "weights": {name: x.detach().clone() for name, x in weights.items()},
        }


def _report(
    curve: Path, step: int, loss: float, result: ValidationResult, seconds: float
) -> None:
    """One line in the log, one in the table of the curve."""
    figures = " ".join(f"{x:.3f}" for x in result.denoised.values())
    log.info(
        "step %d: loss %.4f, held-out risk %.4f, correlation %s, %.2f s a step",
        step,
        loss,
        result.risk,
        figures,
        seconds,
    )
    header = ["step", "loss", "risk", *(f"correlation_{d:g}" for d in result.denoised)]
    with curve.open("a", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        if file.tell() == 0:
            table.writerow(header)
        table.writerow([step, loss, result.risk, *result.denoised.values()])


def _save(run: Run, path: Path) -> None:
    """Write the whole state, or leave the one before."""
    state = {
        "model": run.model.state_dict(),
        "averaged": run.averaged.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "rng": json.dumps(run.rng.bit_generator.state),
        "step": run.step,
        "best": run.best,
    }
    with replacing(path) as temporary:
        torch.save(state, temporary)


def _resume(run: Run, path: Path) -> None:
    """Go on from a state that this program wrote; weights_only refuses code."""
    state = torch.load(path, weights_only=True)
    run.model.load_state_dict(state["model"])
    run.averaged.load_state_dict(state["averaged"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.rng.bit_generator.state = json.loads(state["rng"])
    run.step, run.best = state["step"], state["best"]
