"""How good a network is on particles it never saw, at every dose.

The measure is the correlation of the output with the truth in the band of particles
(`evaluation.fidelity`), dose by dose, on scenes of particles that training leaves out, always
the same noise. Beside it stands the mean weighted error, by which the best state
of a run is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from cryoscore_plugin.evaluation.fidelity import band_correlation
from cryoscore_plugin.excess import spectral_excess
from cryoscore_plugin.simulation.micrographs import (
    QUANTUM_EFFICIENCY,
    TYPICAL_BACKGROUND,
)
from cryoscore_plugin.training.crops import damaged
from cryoscore_plugin.training.recipe import Background
from cryoscore_plugin.training.scenes import TYPICAL_CONTRAST, ScenePool

DOSES = (1.0, 2.0, 6.0, 20.0, 50.0)
"""From one movie frame to a full exposure, in e/Å²."""


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """Figures of one state of a network.

    Attributes
    ----------
    risk : float
        Mean squared error weighted as in training.
    raw, denoised : dict[float, float]
        Correlation with the truth before and after, by dose in e/Å².
    """

    risk: float
    raw: dict[float, float]
    denoised: dict[float, float]


def validate(
    model: nn.Module,
    pool: ScenePool,
    *,
    floor: float,
    seed: int,
    background: Background = "removed",
    batch: int = 8,
) -> ValidationResult:
    """Run a denoiser over all scenes at all doses.

    Parameters
    ----------
    model : nn.Module
        The denoiser `D(u; sigma, excess)`.
    pool : ScenePool
        Scenes of particles that it was not trained on.
    floor : float
        Of the weights, as in the recipe.
    seed : int
        Of the noise.
    background : {"removed", "kept"}
        Whether the truth is the particles alone, or all that is not noise.
    batch : int
        Scenes at once.
    """
    raw, denoised, risks = {}, {}, []
    for dose in DOSES:
        noisy, clean = _exposed(pool, dose, background, np.random.default_rng(seed))
        with torch.inference_mode():
            output = torch.cat([_denoised(model, u) for u in torch.split(noisy, batch)])
        electrons = dose * pool.pixel_sizes**2 * np.float32(QUANTUM_EFFICIENCY)
        power = torch.from_numpy(pool.expected_power(electrons))
        error = (output - clean).square().mean((1, 2, 3))
        risks.append(float((error / (power + floor)).mean()))
        raw[dose] = _mean_correlation(noisy, clean, pool.pixel_sizes)
        denoised[dose] = _mean_correlation(output, clean, pool.pixel_sizes)
    return ValidationResult(risk=float(np.mean(risks)), raw=raw, denoised=denoised)


def _denoised(model: nn.Module, u: Tensor) -> Tensor:
    """Estimate of the clean scenes; each is told its own spectrum, as it was measured."""
    excess = torch.stack([spectral_excess(scene) for scene in u[:, 0]])
    estimate: Tensor = model(u, torch.ones(len(u)), excess)
    return estimate


def _exposed(
    pool: ScenePool, dose: float, background: Background, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """All scenes at one dose, in units of the noise: noisy, and the truth."""
    electrons = dose * pool.pixel_sizes**2 * QUANTUM_EFFICIENCY
    amplitude = np.sqrt(electrons).astype(np.float32)[:, None, None]
    contrast = np.stack(
        [
            damaged(scene.astype(np.float32), dose=dose, pixel_size=float(size))
            for scene, size in zip(pool.clean, pool.pixel_sizes, strict=True)
        ]
    )
    clean = amplitude * np.float32(TYPICAL_CONTRAST) * contrast
    strength = amplitude * np.float32(TYPICAL_BACKGROUND)
    rest = strength * pool.background.astype(np.float32)
    noise = rng.standard_normal(clean.shape, dtype=np.float32)
    noisy = (clean + rest + noise).clip(-12, 12)
    truth = clean + rest if background == "kept" else clean
    return torch.from_numpy(noisy)[:, None], torch.from_numpy(truth)[:, None]


def _mean_correlation(
    images: Tensor, truth: Tensor, pixel_sizes: Float32[np.ndarray, " n"]
) -> float:
    """Correlation with the truth, averaged over the images."""
    triples = zip(images[:, 0].numpy(), truth[:, 0].numpy(), pixel_sizes, strict=True)
    return float(
        np.mean(
            [band_correlation(a, b, pixel_size=float(size)) for a, b, size in triples]
        )
    )
