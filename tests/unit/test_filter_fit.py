"""The fitted filter is the Wiener filter, and knows what is to be kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from cryoscore_plugin.excess import BANDS, spectral_excess
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.preconditioning import PreconditionedDenoiser
from cryoscore_plugin.training.crops import mix_batch
from cryoscore_plugin.training.exposures import draw_exposures, spectra_of
from cryoscore_plugin.training.filter_fit import error_of, fit_filter
from cryoscore_plugin.training.recipe import MixSettings, Recipe
from cryoscore_plugin.training.scenes import ScenePool

CERTAIN = MixSettings(
    empty=0,
    dose=(20.0, 20.0),
    contrast=(1.0, 1.0),
    background=(1.0, 1.0),
    coloured=0,
    full_dose=1,
)
"""Micrographs of one kind: then the best gain is S / (S + B + N)."""


@pytest.fixture(scope="module")
def pool() -> ScenePool:
    rng = np.random.default_rng(2)
    smooth = ndimage.gaussian_filter(rng.normal(0, 0.3, (1, 128, 128)), (0, 1, 1))
    return ScenePool(
        clean=smooth.astype(np.float16),
        background=rng.normal(0, 0.05, (1, 128, 128)).astype(np.float16),
        pixel_sizes=np.full(1, 3.0, dtype=np.float32),
    )


def test_error_is_what_is_lost_and_what_comes_through() -> None:
    """White signal of power 3 in white noise of power 2, a gain of 0.6 in all bands."""
    generator = torch.Generator().manual_seed(1)
    signal, noise = (
        power**0.5 * torch.randn((1, 1, 256, 256), generator=generator)
        for power in (3.0, 2.0)
    )
    bands = torch.ones(1, len(BANDS))
    found = float(error_of(0.6 * bands, 3 * bands, 2 * bands))
    area = np.pi * (BANDS[-1][1] ** 2 - BANDS[0][0] ** 2)
    error = (0.6 * (signal + noise) - signal).square().mean()
    assert found == pytest.approx(area * float(error), rel=0.02)


def test_spectra_are_those_of_the_pictures(pool: ScenePool) -> None:
    """Told without a picture, and measured on the crops themselves."""
    faint = CERTAIN.model_copy(update={"background": (1e-9, 1e-9)})
    drawn = draw_exposures(pool, faint, count=8, rng=np.random.default_rng(1))
    told = spectra_of(pool, drawn, rng=np.random.default_rng(1)).particles.mean(0)
    pair = mix_batch(pool, faint, batch=8, crop=128, rng=np.random.default_rng(1))
    crops = [spectral_excess(crop, noise=0.0).numpy() for crop in pair.clean[:, 0]]
    np.testing.assert_allclose(np.mean(crops, 0), told, rtol=0.02)


def test_empty_crops_have_no_particles_but_may_be_told_of_some(pool: ScenePool) -> None:
    half = CERTAIN.model_copy(update={"empty": 0.99, "background": (1e-9, 1e-9)})
    rng = np.random.default_rng(1)
    drawn = draw_exposures(pool, half, count=400, rng=rng)
    spectra = spectra_of(pool, drawn, rng=rng)
    assert not spectra.particles[drawn.empty].any()
    told = spectra.excess[drawn.empty].max(1) > 1e-3
    assert told.mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("background", ["removed", "kept"])
def test_where_nothing_is_uncertain_it_is_the_wiener_filter(
    pool: ScenePool, background: str
) -> None:
    torch.manual_seed(1)
    recipe = Recipe(
        name="certain",
        description="For a test.",
        background=background,
        mix=CERTAIN,
        filter_steps=400,
    )
    model = PreconditionedDenoiser(UNetSettings(channels=(4,), embedding=8))
    fit_filter(model, recipe, pool)
    rng = np.random.default_rng(3)
    drawn = draw_exposures(pool, CERTAIN, count=1, rng=rng)
    spectra = spectra_of(pool, drawn, rng=rng)
    wanted = spectra.particles + (background == "kept") * spectra.background
    total = spectra.particles + spectra.background + spectra.noise
    gain = model.gain(torch.ones(1), torch.from_numpy(spectra.excess).float())
    # Fine bands hold nearly all coefficients, and so nearly all of the error.
    np.testing.assert_allclose(
        gain.detach().numpy()[0, 8:], (wanted / total)[0, 8:], atol=0.05
    )
