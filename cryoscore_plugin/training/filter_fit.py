"""Fit the linear filter of a denoiser before its network learns.

The error that a filter of gain g makes is known exactly in each band: of the signal S it
loses `(1 - g)^2 S`, and of all else N it lets `g^2 N` through. So the best gain for what is
known of a micrograph is found from the spectra of many, without a picture, in half a minute.

The tests hold that what is found is the Wiener filter where nothing is uncertain.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64

from cryoscore_plugin.excess import PARTS
from cryoscore_plugin.networks.spectral_filter import BandValues
from cryoscore_plugin.networks.unet import NoiseLevels
from cryoscore_plugin.preconditioning import PreconditionedDenoiser
from cryoscore_plugin.training.crops import acceptable
from cryoscore_plugin.training.exposures import draw_exposures, spectra_of
from cryoscore_plugin.training.recipe import Recipe
from cryoscore_plugin.training.scenes import ScenePool
from cryoscore_plugin.training.told_excess import measured

BATCH, BATCHES, RATE = 1024, 20, 3e-3
"""Micrographs at each step, most that are drawn in units of these, first learning rate."""


def fit_filter(model: PreconditionedDenoiser, recipe: Recipe, pool: ScenePool) -> None:
    """Find the best gains for the micrographs of a recipe; in place.

    Parameters
    ----------
    model : PreconditionedDenoiser
        The denoiser whose filter is fitted.
    recipe : Recipe
        What micrographs are like, and how many steps are taken (`filter_steps`).
    pool : ScenePool
        The scenes they show.
    """

    def tensor(values: Float64[np.ndarray, "*any"]) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(device)

    device = next(model.parameters()).device
    rng = np.random.default_rng([recipe.seed, 2])
    count = BATCH * min(recipe.filter_steps, BATCHES)
    drawn = draw_exposures(pool, recipe.mix, count=count, rng=rng)
    spectra = spectra_of(pool, drawn, rng=rng)
    kept = recipe.background == "kept"
    signal = tensor(spectra.particles + kept * spectra.background)
    other = tensor(spectra.noise + (not kept) * spectra.background)
    background = tensor(spectra.background)
    power = acceptable(
        tensor(pool.expected_power(drawn.electrons)),
        background @ background.new_tensor(PARTS),
        background=recipe.background,
    )
    sigma = tensor(drawn.sigma)
    optimizer = torch.optim.Adam(model.filter.parameters(), lr=RATE)
    course = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.filter_steps)
    for _ in range(recipe.filter_steps):
        some = rng.integers(count, size=BATCH)
        excess = measured(spectra.excess[some], sigma=drawn.sigma[some], rng=rng)
        gain = model.gain(sigma[some], tensor(excess))
        errors = error_of(gain, signal[some], other[some])
        loss = (errors / (power[some] + recipe.floor)).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        course.step()


def error_of(gain: BandValues, signal: BandValues, other: BandValues) -> NoiseLevels:
    """Mean squared error of a filtered image, from the powers of what it holds."""
    errors = (1 - gain) ** 2 * signal + gain**2 * other
    of_all_bands: NoiseLevels = errors @ errors.new_tensor(PARTS)
    return of_all_bands
