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
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from cryoscore_plugin.training.crops import TrainingPair, mix_batch
from cryoscore_plugin.training.filter_fit import fit_filter
from cryoscore_plugin.training.processes import is_first, share_of
from cryoscore_plugin.training.recipe import Recipe
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
from cryoscore_plugin.training.scenes import ScenePool
from cryoscore_plugin.training.validation import ValidationResult, validate

log = logging.getLogger(__name__)

CPU = torch.device("cpu")


@without_denormals()
def train(
    recipe: Recipe,
    pool: ScenePool,
    held_out: ScenePool,
    *,
    output: Path,
    start: Mapping[str, Tensor] | None = None,
    device: torch.device = CPU,
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
        The first weights, if they are not to be random. Then they are judged, too.
    device : torch.device
        Where the network learns.

    Returns
    -------
    weights : dict[str, Tensor]
        Averaged weights at the best validation.
    """
    output.mkdir(parents=True, exist_ok=True)
    run = start_run(recipe, start, device=device)
    if (output / STATE).exists():
        resume_run(run, output / STATE)
        log.info("continue after step %d", run.step)
    else:
        fit_filter(run.model, recipe, pool)
        run.averaged.module.load_state_dict(run.model.state_dict())
        if start is not None and is_first():
            before = _judged(run, recipe, held_out)
            _report(output / CURVE, 0, math.nan, before, math.nan)
    began, first, loss_sum, count = time.monotonic(), run.step, 0.0, 0
    while run.step < recipe.steps:
        loss_sum += _one_step(run, recipe, pool)
        count += 1
        if run.step % recipe.checkpoint_every == 0 or run.step == recipe.steps:
            result = _judged(run, recipe, held_out)
            _keep_best(run, result)
            seconds = (time.monotonic() - began) / (run.step - first)
            if is_first():
                _report(output / CURVE, run.step, loss_sum / count, result, seconds)
                save_run(run, output / STATE)
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


def _one_step(run: Run, recipe: Recipe, pool: ScenePool) -> float:
    pair = mix_batch(
        pool,
        recipe.mix,
        batch=recipe.batch,
        crop=recipe.crop,
        rng=run.rng,
        background=recipe.background,
    )
    share, device = share_of(recipe.batch), next(run.model.parameters()).device
    pair = TrainingPair(
        **{name: x[share.part].to(device) for name, x in vars(pair).items()}
    )
    inputs = run.model.noisy_and_filtered(pair.u, pair.sigma, pair.excess)
    # The filter stays the best linear estimate, whatever the network makes of it.
    laid_out = inputs.detach().contiguous(memory_format=torch.channels_last)
    # Convolutions take half the time, and the rounding is far below the noise.
    with torch.autocast(laid_out.device.type, dtype=torch.bfloat16):
        output = run.model.estimate(laid_out, pair.sigma, pair.excess)
    loss = weighted_loss(output.float(), pair, recipe.floor)
    return descend(run, recipe, share.fraction * loss)


class _SeenFromCpu(nn.Module):
    """A network on any device, for inputs and outputs on the CPU."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        device = next(self.model.parameters()).device
        output: Tensor = self.model(*(x.to(device) for x in inputs))
        return output.cpu()


def _judged(run: Run, recipe: Recipe, held_out: ScenePool) -> ValidationResult:
    """How good the averaged weights are on particles that were left out."""
    return validate(
        _SeenFromCpu(run.averaged),
        held_out,
        floor=recipe.floor,
        seed=recipe.seed,
        background=recipe.background,
    )


def _keep_best(run: Run, result: ValidationResult) -> None:
    if result.risk < float(str(run.best["risk"])):
        run.best = {
            "step": run.step,
            "figures": json.dumps(asdict(result)),
            "risk": result.risk,
            "weights": averaged_weights(run),
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
