"""Learning from own data: what is drawn and measured teaches the posterior mean.

As in `test_recorruption`, the best linear denoiser of a band is a number, the
regression of targets on inputs; for Gaussian images it is the posterior mean.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from cryoscore_plugin.evaluation.fidelity import cross_half_risk
from cryoscore_plugin.preparation import prepare, prepare_noise
from cryoscore_plugin.score import recorrupted_pair
from cryoscore_plugin.spectrum import apply_radial_gain, power_spectrum
from cryoscore_plugin.training.own_micrographs import OwnMicrograph
from cryoscore_plugin.training.own_risk import held_out_pairs, held_out_risk
from cryoscore_plugin.training.recorruption import (
    FREQUENCIES,
    LARGEST_SHARE,
    SessionSpectra,
    draw,
    drawn_power,
    join_halves,
    kept_profile,
    mean_profile,
    radial_profile,
)
from cryoscore_plugin.training.sources import TrainingSource

SIDE = 512
TAUS = (0.5, 1.0, 2.0)


def image_of(profile: np.ndarray, seed: int) -> torch.Tensor:
    return draw(profile, shape=(SIDE, SIDE), rng=np.random.default_rng(seed))


SIGNAL = 3 * np.exp(-((FREQUENCIES / 0.15) ** 2))
BACKGROUND = 20 * np.exp(-((FREQUENCIES / 0.05) ** 2))
NOISE = np.full_like(FREQUENCIES, 1.0)
WIENER = SIGNAL / (SIGNAL + BACKGROUND + NOISE)
"""Gain of the posterior mean, with the background among the noise."""

SPECTRA = SessionSpectra(
    total=SIGNAL + BACKGROUND + NOISE,
    noise=NOISE,
    kept=WIENER * (SIGNAL + BACKGROUND + NOISE),
)


def learned_gain(noisier: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    """What least squares would learn, frequency by frequency."""
    return kept_profile(noisier, target) / radial_profile(noisier)


COEFFICIENTS = 2 * np.pi * SIDE * FREQUENCIES[1:]
"""Real numbers in the ring at each frequency but zero: errors fall with their root."""


def test_a_drawn_image_has_the_power_it_was_drawn_with() -> None:
    ratio = radial_profile(image_of(BACKGROUND + NOISE, 1)) / (BACKGROUND + NOISE)
    standard_error = np.sqrt(2 / COEFFICIENTS)
    assert np.abs((ratio[1:] - 1) / standard_error).max() < 4.5


@pytest.mark.parametrize("levels", [(1.0, 1.0), (6.0, 1.0), (0.5, 2.0)])
def test_halves_of_any_noise_come_back_at_their_tau(
    levels: tuple[float, float],
) -> None:
    clean = image_of(SIGNAL, 1)
    first, second = (
        clean + level * image_of(NOISE, seed) for seed, level in enumerate(levels, 2)
    )
    joined = join_halves(first, second, levels=levels)
    pair = recorrupted_pair(joined.mean, joined.corruption, tau=levels[0] / levels[1])
    torch.testing.assert_close(pair.noisier, first, rtol=0, atol=1e-4)
    torch.testing.assert_close(pair.target, second, rtol=0, atol=1e-4)
    noise = joined.mean - clean
    # A quarter of a million products: four standard errors.
    assert abs(float((noise * joined.corruption).mean())) < 4 / SIDE * float(
        noise.var()
    )
    assert float(joined.corruption.var()) == pytest.approx(float(noise.var()), rel=0.02)
    best = 1 / sum(level**-2 for level in levels)
    assert float(noise.var()) == pytest.approx(best, rel=0.02)


def test_background_is_what_a_posterior_mean_does_not_keep() -> None:
    """Cross power of a posterior mean with its input is the power of the signal."""
    rings = np.linspace(0, 0.5, SIDE // 2 + 1)
    gain = torch.from_numpy(np.interp(rings, FREQUENCIES, WIENER))
    noisy = [
        image_of(SIGNAL, seed)
        + image_of(BACKGROUND, seed + 50)
        + image_of(NOISE, seed + 90)
        for seed in range(4)
    ]
    spectra = SessionSpectra(
        total=mean_profile([radial_profile(image) for image in noisy]),
        noise=NOISE,
        kept=mean_profile(
            [kept_profile(image, apply_radial_gain(image, gain)) for image in noisy]
        ),
    )
    inner = slice(6, 25)  # Enough coefficients, and enough background.
    np.testing.assert_allclose(
        spectra.background[inner], BACKGROUND[inner], rtol=0.2, atol=0.3
    )


@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("with_halves", [True, False])
def test_own_data_teach_the_posterior_mean_without_background(
    tau: float, with_halves: bool
) -> None:
    """Gain `S_x / (S_y + tau² (S_n + S_b))` in every band, as with clean targets."""
    clean, background = image_of(SIGNAL, 1), image_of(BACKGROUND, 2)
    scene = clean + background
    drawn = image_of(
        drawn_power(SPECTRA, background_share=1.0, with_halves=with_halves), 3
    )
    if with_halves:
        halves = [scene + 2**0.5 * image_of(NOISE, seed) for seed in (4, 5)]
        joined = join_halves(*halves, levels=(2**0.5, 2**0.5))
        noisy, corruption = joined.mean, joined.corruption + drawn
    else:
        noisy, corruption = scene + image_of(NOISE, 6), drawn
    pair = recorrupted_pair(noisy, corruption, tau=tau)
    removed = NOISE + BACKGROUND
    if not with_halves:  # There is no more of it than a part of the whole.
        removed = np.minimum(removed, LARGEST_SHARE * SPECTRA.total)
    input_power = SPECTRA.total + tau**2 * removed
    expected = (SPECTRA.total - removed) / input_power
    # The posterior mean of the clean image, wherever there is enough of it.
    clear = 0.06 * SPECTRA.total < SIGNAL
    np.testing.assert_allclose(expected[clear], (SIGNAL / input_power)[clear])
    target_power = SPECTRA.total + removed / tau**2
    scatter = np.sqrt((target_power / input_power - expected**2)[1:] / COEFFICIENTS)
    scores = (learned_gain(pair.noisier, pair.target) - expected)[1:] / scatter
    assert np.abs(scores).max() < 4.5
    assert abs(scores.mean()) < 4 / len(scores) ** 0.5


def test_background_that_is_kept_is_learnt_as_signal() -> None:
    power = drawn_power(SPECTRA, background_share=0.0, with_halves=True)
    assert not power.any()
    half = drawn_power(SPECTRA, background_share=0.5, with_halves=True)
    np.testing.assert_allclose(half, 0.5 * BACKGROUND, atol=1e-9)
    alone = drawn_power(SPECTRA, background_share=0.0, with_halves=False)
    np.testing.assert_allclose(alone, np.minimum(NOISE, 0.95 * SPECTRA.total))


def test_noise_is_prepared_as_its_micrograph_is() -> None:
    """The noise of a difference is that which the micrograph has, scale and all."""
    rng = np.random.default_rng(1)
    smooth = ndimage.gaussian_filter(rng.normal(0, 60, (400, 420)), 8, mode="wrap")
    noise = rng.normal(0, 5, (400, 420))
    image = torch.from_numpy((1000 + smooth + noise).astype(np.float32))
    alone = torch.from_numpy(noise.astype(np.float32))
    for local_mean in (None, 20.0):
        words = {"pixel_size": 1.5, "working_pixel_size": 3.0, "local_mean": local_mean}
        prepared = prepare(image, **words)
        found = prepare_noise(alone, prepared, local_mean=local_mean)
        assert float(found.std()) == pytest.approx(1, abs=0.05)
        # Without it nothing is left but what is smooth.
        left = prepared.noisy.pixels - found
        assert float((left * found).mean()) == pytest.approx(0, abs=0.05)
        assert float(power_spectrum(left)[-40:].mean()) < 0.01


def own(seed: int, levels: tuple[float, float]) -> tuple[OwnMicrograph, torch.Tensor]:
    """A micrograph with halves, in units of its noise; and its clean image."""
    clean, background = image_of(SIGNAL, seed), image_of(BACKGROUND, seed + 1)
    first, second = (
        clean + background + level * image_of(NOISE, seed + number)
        for number, level in enumerate(levels, 2)
    )
    joined = join_halves(first, second, levels=levels)
    unit = sum(level**-2 for level in levels) ** -0.5
    micrograph = OwnMicrograph(
        source=TrainingSource(path=Path("a.mrc")),
        noisy=(joined.mean / unit).half(),
        corruption=(joined.corruption / unit).half(),
        pixel_size=3.0,
    )
    return micrograph, clean / unit


@pytest.mark.parametrize("levels", [(2**0.5, 2**0.5), (3.0, 1.1)])
@pytest.mark.parametrize("background_share", [0.0, 1.0])
def test_risk_without_truth_ranks_denoisers_as_the_truth_does(
    levels: tuple[float, float], background_share: float
) -> None:
    """The difference of two risks is that of two true errors, background and all."""
    unit = sum(level**-2 for level in levels) ** -1.0
    drawn = background_share * BACKGROUND / unit
    filters = {"sharp": 0.1, "soft": 0.03}
    risks, errors = dict.fromkeys(filters, 0.0), dict.fromkeys(filters, 0.0)
    for seed in range(0, 60, 10):
        micrograph, clean = own(seed, levels)
        pairs = held_out_pairs(micrograph, drawn, seed=seed)
        searched = (
            clean
            if background_share
            else clean + image_of(BACKGROUND, seed + 1) / unit**0.5
        )
        for name, width in filters.items():
            rings = torch.linspace(0, 0.5, SIDE // 2 + 1, dtype=torch.float64)
            gain = torch.exp(-((rings / width) ** 2))
            found = held_out_risk(lambda u, g=gain: apply_radial_gain(u, g), [pairs])
            risks[name] += found.mean
            for pair in pairs:
                estimate = apply_radial_gain(pair.noisier, gain)
                truth = searched / 2**0.5
                errors[name] += 0.5 * cross_half_risk(
                    estimate.numpy(), truth.numpy(), pixel_size=3.0
                )
    expected = errors["sharp"] - errors["soft"]
    assert risks["sharp"] - risks["soft"] == pytest.approx(expected, rel=0.05)
    assert abs(expected) > 0.1


def test_risk_is_smallest_for_the_posterior_mean() -> None:
    levels = (2**0.5, 2**0.5)
    micrograph, _ = own(3, levels)
    pairs = held_out_pairs(micrograph, BACKGROUND, seed=1)
    rings = np.linspace(0, 0.5, SIDE // 2 + 1)
    best = np.interp(rings, FREQUENCIES, SIGNAL / (SIGNAL + 2 * (BACKGROUND + NOISE)))

    def risk_of(gain: np.ndarray) -> float:
        ring_gain = torch.from_numpy(gain)
        return held_out_risk(lambda u: apply_radial_gain(u, ring_gain), [pairs]).mean

    for other in (0.6 * best, 1.4 * best, best**2, best + 0.05, np.zeros_like(best)):
        assert risk_of(best) < risk_of(other)
    explained = held_out_risk(torch.zeros_like, [pairs]).explained
    assert explained == pytest.approx(0, abs=1e-9)
