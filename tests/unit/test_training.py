"""Training pairs are what they say, and a stopped run ends like an undisturbed one."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch
from scipy import ndimage

from cryoscore_plugin.checkpoint import load_checkpoint
from cryoscore_plugin.density.shapes import random_shape
from cryoscore_plugin.errors import ConfigError, InputError
from cryoscore_plugin.local_mean import without_local_mean
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.noise_level import NOISE_BAND
from cryoscore_plugin.training import loop, run_state
from cryoscore_plugin.training.crops import TrainingPair, mix_batch
from cryoscore_plugin.training.from_recipe import read_models, train_from_recipe
from cryoscore_plugin.training.noise import NoiseColour, coloured_noise, random_colour
from cryoscore_plugin.training.recipe import MixSettings, PoolSettings, Recipe
from cryoscore_plugin.training.scenes import ScenePool, level_scenes, simulate_group
from cryoscore_plugin.training.told_excess import CENTRES, measured, scene_power
from cryoscore_plugin.training.validation import DOSES, validate

RECIPE = Recipe(
    name="tiny",
    description="For tests.",
    network=UNetSettings(channels=(4, 6), embedding=4),
    pool=PoolSettings(groups=2, scenes_per_group=2, scene_size=64, views=2),
    steps=6,
    filter_steps=2,
    batch=2,
    crop=32,
    warmup=2,
    checkpoint_every=3,
)


@pytest.fixture(scope="module")
def pool() -> ScenePool:
    rng = np.random.default_rng(2)
    smooth = ndimage.gaussian_filter(rng.normal(0, 0.5, (4, 64, 64)), (0, 3, 3))
    return ScenePool(
        clean=smooth.astype(np.float16),
        background=rng.normal(0, 0.1, (4, 64, 64)).astype(np.float16),
        pixel_sizes=np.full(4, 3.0, dtype=np.float32),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"scenes_per_group": 2},
        {"scene_size": 96},
        {"views": 3},
        {"procedural": 1.0},
        {"assembled": 1.0},
        {"pixel_size": (6.0, 6.1)},
        {"occupancy": (0.9, 1.0)},
        {"spacing": (2.0, 2.1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_of_a_pool_changes_its_scenes(change: dict[str, object]) -> None:
    models = [random_shape(np.random.default_rng(seed)) for seed in (1, 2)]

    def scenes(settings: PoolSettings) -> list[bytes]:
        group = simulate_group(models, settings, np.random.default_rng(3))
        return [picture.tobytes() for picture, _ in group]

    settings = RECIPE.pool.model_copy(update={"procedural": 0.0, "scenes_per_group": 1})
    assert scenes(settings.model_copy(update=change)) != scenes(settings)


def test_shares_of_invented_particles_are_parts_of_one() -> None:
    PoolSettings(procedural=0.5, assembled=0.5)
    with pytest.raises(ValueError, match="at most 1"):
        PoolSettings(procedural=0.6, assembled=0.5)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_noise_has_unit_variance_where_it_is_defined(share: float) -> None:
    rng = np.random.default_rng(1)
    noise = coloured_noise(random_colour(64, share=share, rng=rng), 64, rng=rng)
    k = torch.hypot(torch.fft.fftfreq(64)[:, None], torch.fft.rfftfreq(64)[None])
    power = torch.fft.rfft2(noise).abs().square() / 64**2
    band = (k >= NOISE_BAND[0]) & (k < NOISE_BAND[1])
    # 64 crops of about 700 coefficients: a standard error of half a percent.
    assert float(power[..., band].mean()) == pytest.approx(1, abs=0.02)
    low = float(power[..., (k > 0.02) & (k < 0.05)].mean())
    assert (low > 1.05) == (share == 1.0)


def test_noise_has_the_power_that_its_colour_says() -> None:
    colour = NoiseColour(excess=np.full(200, 2.0), reach=np.full(200, 0.1))
    noise = coloured_noise(colour, 64, rng=np.random.default_rng(1))[:, 0]
    power = torch.fft.rfft2(noise).abs().square().mean(0).numpy() / 64**2
    for place in ((0, 3), (0, 8), (0, 20)):
        expected = colour.power(np.array(place[1] / 64))[0]
        # 200 exponential variates: a standard error of 7 %.
        assert power[place] == pytest.approx(expected, rel=0.25)


def test_scene_power_is_that_of_the_scene() -> None:
    """A wave of amplitude 1 has the mean square 1/2, all of it in its band."""
    phase = 2 * np.pi * 16 / 128 * np.arange(128)
    wave = np.tile(np.cos(phase), (128, 1)).astype(np.float16)[None]
    [power] = scene_power(wave, wraps=True)
    band = int(np.argmin(np.abs(np.log(CENTRES / (16 / 128)))))
    assert np.argmax(power) == band
    assert power[band] > 100 * np.delete(power, band).max()
    [faded] = scene_power(wave, wraps=False)
    assert faded[band] == pytest.approx(power[band], rel=0.3)


def test_excess_is_told_with_the_error_of_a_spectrum() -> None:
    rng, sigma = np.random.default_rng(1), np.full(4000, 1.5)
    found = measured(np.full((4000, len(CENTRES)), 0.2), sigma=sigma, rng=rng)
    errors = found.std(0)
    # There are as many more coefficients as the square of the frequency is larger.
    np.testing.assert_allclose(errors * CENTRES, (errors * CENTRES).mean(), rtol=0.1)
    np.testing.assert_allclose(found.mean(0), 0.2, atol=4 * errors.max() / 4000**0.5)


def test_pair_is_told_the_power_of_what_it_shows(pool: ScenePool) -> None:
    mix = MixSettings(empty=0, background=(1e-9, 1e-8), coloured=0, full_dose=1)
    faint, strong = (
        mix_batch(
            pool,
            mix.model_copy(update={"dose": (dose, dose)}),
            batch=32,
            crop=32,
            rng=np.random.default_rng(1),
        )
        for dose in (1.0, 40.0)
    )
    # Smooth scenes: their power is in the lower bands, and grows with the dose.
    ratio = strong.excess[:, 3].mean() / faint.excess[:, 3].mean()
    assert 20 < float(ratio) < 45


def test_empty_crops_have_an_empty_target(pool: ScenePool) -> None:
    rng = np.random.default_rng(1)
    pair = mix_batch(pool, MixSettings(empty=0.5), batch=200, crop=32, rng=rng)
    empty = (pair.clean.flatten(1).abs().amax(1) == 0).float().mean()
    assert float(empty) == pytest.approx(0.5, abs=0.12)


def test_without_background_the_rest_is_noise_of_the_stated_level(
    pool: ScenePool,
) -> None:
    none = (1e-9, 1e-9)
    settings = MixSettings(background=none, coloured=0, full_dose=0, dose=(1, 2))
    pair = mix_batch(pool, settings, batch=16, crop=64, rng=np.random.default_rng(1))
    noise = (pair.u - pair.clean).flatten(1).std(1)
    torch.testing.assert_close(noise, pair.sigma, rtol=0.08, atol=0)


def test_background_that_is_kept_is_part_of_the_target(pool: ScenePool) -> None:
    removed, kept = (
        mix_batch(
            pool,
            MixSettings(coloured=0, full_dose=1, background=(1.0, 1.0)),
            batch=8,
            crop=64,
            rng=np.random.default_rng(1),
            background=background,
        )
        for background in ("removed", "kept")
    )
    torch.testing.assert_close(kept.u, removed.u)
    rest = kept.clean - removed.clean
    assert rest.std() > 0.3
    # What is neither particle nor background is the noise alone.
    assert (kept.u - kept.clean).std() == pytest.approx(1, abs=0.05)
    assert (removed.u - removed.clean).std() > 1.05


def test_noisy_target_is_a_second_exposure_of_what_is_seen(pool: ScenePool) -> None:
    clean, noisy = (
        mix_batch(
            pool,
            MixSettings(coloured=0, full_dose=0, dose=(1, 2), target=target),
            batch=16,
            crop=64,
            rng=np.random.default_rng(1),
            background="kept",
        )
        for target in ("clean", "noisy")
    )
    torch.testing.assert_close(noisy.u, clean.u)
    second = noisy.clean - clean.clean
    torch.testing.assert_close(second.flatten(1).std(1), clean.sigma, rtol=0.08, atol=0)
    # Independent: 65 536 pixels, a standard error of 0.004.
    first = (clean.u - clean.clean) / clean.sigma[:, None, None, None]
    assert float((first * second).mean()) == pytest.approx(0, abs=0.02)


def test_scenes_lose_the_level_that_micrographs_lose(pool: ScenePool) -> None:
    sloping = replace(
        pool, background=pool.background + np.linspace(0, 9, 64, dtype=np.float16)
    )
    centred, level = (level_scenes(sloping, mean) for mean in (None, 8.0))
    assert np.abs(np.median(centred.background, axis=(1, 2))).max() < 0.01
    assert np.array_equal(centred.clean, pool.clean)
    assert np.ptp(centred.background) > 8
    assert np.ptp(level.background) < 4
    # What wraps around has no edge: its mean is that of all surroundings.
    flat = without_local_mean(
        torch.from_numpy(pool.clean).float(), sigma=8.0, wraps=True
    )
    np.testing.assert_allclose(level.clean, flat.numpy(), atol=1e-3)


def test_a_run_starts_from_the_weights_it_is_given(
    pool: ScenePool, tmp_path: Path
) -> None:
    first = loop.train(RECIPE, pool, pool, output=tmp_path / "first")
    still = RECIPE.model_copy(update={"learning_rate": 1e-12})
    second = loop.train(still, pool, pool, output=tmp_path / "second", start=first)
    for name, tensor in first.items():
        if not name.startswith("filter."):  # it is fitted to the recipe again
            torch.testing.assert_close(second[name], tensor)


def test_validation_asks_for_what_the_recipe_asks(pool: ScenePool) -> None:
    class Everything(torch.nn.Module):
        """The truth if background is kept, but for the noise."""

        def forward(
            self, u: torch.Tensor, sigma: torch.Tensor, _: torch.Tensor
        ) -> torch.Tensor:
            return u + 0 * sigma[:, None, None, None]

    removed, kept = (
        validate(Everything(), pool, floor=0.01, seed=1, background=background)
        for background in ("removed", "kept")
    )
    assert kept.risk < removed.risk
    assert kept.raw[50.0] > removed.raw[50.0]


def test_loss_weighs_a_crop_by_the_signal_expected_at_its_dose() -> None:
    clean = torch.stack([torch.zeros(1, 16, 16), torch.full((1, 16, 16), 2.0)])
    power = torch.tensor([0.0, 4.0])
    pair = TrainingPair(
        u=clean,
        sigma=torch.ones(2),
        excess=torch.zeros(2, len(CENTRES)),
        clean=clean,
        power=power,
    )
    loss = loop.weighted_loss(clean + 0.1, pair, 0.05)
    expected = (0.01 / 0.05 + 0.01 / 4.05) / 2
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_weights_do_not_know_the_particles(pool: ScenePool) -> None:
    """Those that do make the output fainter than the truth."""
    mix = MixSettings(background=(1e-9, 1e-8), empty=0.5, contrast=(0.1, 3.0))
    mix = mix.model_copy(update={"dose": (20.0, 20.0)})
    pair = mix_batch(pool, mix, batch=32, crop=32, rng=np.random.default_rng(4))
    assert pair.clean.square().mean((1, 2, 3)).std() > 0
    assert pair.power.std() == pytest.approx(0, abs=1e-6)


def test_learning_rate_rises_and_ends_at_zero() -> None:
    rates = [run_state.learning_rate(RECIPE, step) for step in range(RECIPE.steps + 1)]
    assert rates[0] < rates[1] == pytest.approx(RECIPE.learning_rate)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-12)


class StoppedError(Exception):
    """Stands for a kill."""


def test_stopped_run_ends_with_the_same_weights(
    pool: ScenePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = loop.train(RECIPE, pool, pool, output=tmp_path / "undisturbed")
    one_step = loop._one_step

    def fail_at_step_five(
        run: run_state.Run, recipe: Recipe, scenes: ScenePool
    ) -> float:
        if run.step == 4:
            raise StoppedError
        return one_step(run, recipe, scenes)

    monkeypatch.setattr(loop, "_one_step", fail_at_step_five)
    with pytest.raises(StoppedError):
        loop.train(RECIPE, pool, pool, output=tmp_path / "stopped")
    monkeypatch.setattr(loop, "_one_step", one_step)
    found = loop.train(RECIPE, pool, pool, output=tmp_path / "stopped")
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def test_other_seed_gives_other_weights(pool: ScenePool, tmp_path: Path) -> None:
    first = loop.train(RECIPE, pool, pool, output=tmp_path / "a")
    other = RECIPE.model_copy(update={"seed": 9})
    second = loop.train(other, pool, pool, output=tmp_path / "b")
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_numbers_are_as_before_after_training(pool: ScenePool, tmp_path: Path) -> None:
    """The smallest numbers are zero while it lasts, which other programs notice."""
    loop.train(RECIPE, pool, pool, output=tmp_path)
    assert float(np.finfo(np.float64).smallest_subnormal) * 1.0 > 0
    assert torch.tensor(1e-40) * 1 > 0


def test_validation_prefers_the_truth_to_the_noise(pool: ScenePool) -> None:
    class Nothing(torch.nn.Module):
        def forward(
            self, u: torch.Tensor, sigma: torch.Tensor, _: torch.Tensor
        ) -> torch.Tensor:
            return u * 0 + sigma[0] * 1e-6 * u

    class Identity(torch.nn.Module):
        def forward(self, u: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
            return u

    nothing = validate(Nothing(), pool, floor=0.01, seed=1)
    identity = validate(Identity(), pool, floor=0.01, seed=1)
    assert nothing.risk < identity.risk
    assert identity.denoised == pytest.approx(identity.raw)
    raw = [identity.raw[dose] for dose in DOSES]
    assert raw == sorted(raw)


def test_recipe_and_models_give_a_checkpoint_with_its_card(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for seed, name in enumerate(["seen", "kept"]):
        shape = random_shape(np.random.default_rng(seed))
        numbers = np.full(len(shape.potentials), 6, dtype=np.uint8)
        np.savez(models / f"{name}.npz", xyz=shape.positions_xyz, Z=numbers)
    recipe = RECIPE.model_copy(update={"held_out": ("kept",)})
    with caplog.at_level(logging.INFO):
        path = train_from_recipe(recipe, models=models, output=tmp_path / "run")
    card = load_checkpoint(path).card
    assert card.training["atomic_models"] == ["seen"]
    assert card.training["recipe"]["held_out"] == ["kept"]
    assert set(card.figures) == {"risk", "raw", "denoised"}
    assert card.training["started_from"] is None
    assert card.local_mean is None
    assert "held-out risk" in caplog.text

    wider = recipe.network.model_copy(update={"channels": (5, 8)})
    goes_on = recipe.model_copy(
        update={"start": str(path), "local_mean": 9.0, "network": wider}
    )
    later = train_from_recipe(goes_on, models=models, output=tmp_path / "later")
    card = load_checkpoint(later).card
    assert card.training["started_from"]["sha256"] == load_checkpoint(path).sha256
    assert card.local_mean == 9
    assert card.network["channels"] == [5, 8]

    with pytest.raises(InputError, match="does not have"):
        train_from_recipe(
            recipe.model_copy(update={"held_out": ("other",)}),
            models=models,
            output=tmp_path / "run",
        )
    with pytest.raises(InputError, match="no atomic models"):
        train_from_recipe(recipe, models=tmp_path / "run", output=tmp_path / "run")


def test_recipe_says_of_its_particles_what_files_do_not(tmp_path: Path) -> None:
    density = np.zeros((16, 16, 16), dtype=np.float32)
    density[4:12, 4:12, 4:12] = 1.0
    with mrcfile.new(tmp_path / "box.mrc") as file:
        file.set_data(density)
        file.voxel_size = 5.0
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("name: x\ndescription: y\nparticles: {box: {mass: 40}}\n")
    about = Recipe.from_yaml(recipe).particles
    [box] = read_models(tmp_path, about)
    assert len(box.volumes) == pytest.approx(40e3 / 14.3, rel=0.01)
    with pytest.raises(InputError, match="units are arbitrary"):
        read_models(tmp_path, {})


def test_misspelt_recipe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: x\ndescription: y\nstepz: 3\n")
    with pytest.raises(ConfigError, match="stepz"):
        Recipe.from_yaml(path)
