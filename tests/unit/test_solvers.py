"""Other estimates than the mean: closed forms for a Gaussian prior."""

from __future__ import annotations

import pytest
import torch
from plain_network import PlainNetwork

from cryoscore_plugin.denoiser import Denoiser
from cryoscore_plugin.devices import Engine
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.inference.inference import Inference, infer
from cryoscore_plugin.inference.solvers import (
    LOWEST,
    SOLVERS,
    Course,
    map_estimate,
    nearest_to_both,
    noise_levels,
    posterior_mean_of,
    posterior_sample,
    score_ascent,
)
from cryoscore_plugin.settings import DenoiseSettings
from cryoscore_plugin.spectrum import frequency_grid
from cryoscore_plugin.target import load_target

SHAPE = (48, 40)
SIGNAL = 5 * torch.exp(-12 * frequency_grid(SHAPE))


def filtered(image: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    return torch.fft.irfft2(torch.fft.rfft2(image) * gain, s=SHAPE)


def wiener(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """The posterior mean of a Gaussian signal in white noise."""
    return filtered(image, SIGNAL / (SIGNAL + sigma**2))


def noise(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def noisy() -> torch.Tensor:
    return filtered(noise(1), SIGNAL.sqrt()) + noise(2)


def course(*, steps: int = 10, step_size: float = 0.2, seed: int = 1) -> Course:
    generator = torch.Generator().manual_seed(seed)
    return Course(steps=steps, step_size=step_size, generator=generator)


def test_the_mean_is_the_wiener_filter() -> None:
    found = posterior_mean_of(wiener, noisy(), course())
    torch.testing.assert_close(found, wiener(noisy(), 1.0))


@pytest.mark.parametrize("level", [0.3, 1.0])
def test_splitting_has_the_fixed_point_of_the_closed_form(level: float) -> None:
    """`(S + level²) / (S + level² + N) y`, for coloured noise of power N."""
    power = 0.5 + frequency_grid(SHAPE)
    clean = noisy()
    for _ in range(200):
        clean = nearest_to_both(noisy(), wiener(clean, level), power, level=level)
    gain = (SIGNAL + level**2) / (SIGNAL + level**2 + power)
    torch.testing.assert_close(clean, filtered(noisy(), gain), rtol=1e-3, atol=1e-4)


def test_splitting_ends_at_the_wiener_filter_with_many_steps() -> None:
    """The most probable image of a Gaussian is its mean, which `LOWEST` blurs a bit."""
    found = map_estimate(wiener, noisy(), course(steps=400))
    few = map_estimate(wiener, noisy(), course(steps=1))
    expected = wiener(noisy(), (1 + LOWEST**2) ** 0.5)
    # What the noise spectrum of so small an image is uncertain by.
    assert (found - expected).std() < 0.05 * expected.std()
    torch.testing.assert_close(few, wiener(noisy(), 1.0))


@pytest.mark.parametrize(("steps", "size"), [(1, 1.0), (3, 0.5), (5, 1.7)])
def test_ascent_is_a_power_in_each_band(steps: int, size: float) -> None:
    found = score_ascent(wiener, noisy(), course(steps=steps, step_size=size))
    gain = (1 - size / (SIGNAL + 1)) ** steps
    torch.testing.assert_close(found, filtered(noisy(), gain), rtol=1e-4, atol=1e-4)


def test_ascent_within_the_bound_shrinks_and_beyond_it_is_refused() -> None:
    start = noisy()
    end = score_ascent(wiener, start, course(steps=80, step_size=1.79))
    assert end.std() < start.std()
    for size in (0.0, 1.8, 2.1):
        with pytest.raises(ConfigError, match=r"step_size should be .* less than 1\.8"):
            course(step_size=size)


def test_samples_have_the_mean_and_the_variance_of_the_posterior() -> None:
    draws = 100
    generator = torch.Generator().manual_seed(4)
    way = Course(steps=60, step_size=0.2, generator=generator)
    samples = torch.stack(
        [posterior_sample(wiener, noisy(), way) for _ in range(draws)]
    )
    mean, variance = samples.mean(0), samples.var(0)
    expected = wiener(noisy(), 1.0)
    point = torch.zeros(SHAPE)
    point[0, 0] = 1
    # The last step is a mean: what is uncertain at the lowest level is not drawn.
    left = SIGNAL * LOWEST**2 / (SIGNAL + LOWEST**2)
    spread = float(filtered(point, SIGNAL / (SIGNAL + 1) - left)[0, 0])
    assert (mean - expected).std() < 2 * (spread / draws) ** 0.5
    assert float(variance.mean()) == pytest.approx(spread, rel=0.05)


def test_seed_decides_the_sample_and_steps_decide_how_good_it_is() -> None:
    one, again, other = (
        posterior_sample(wiener, noisy(), course(seed=seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    lonely = posterior_sample(wiener, noisy(), course(steps=1))
    torch.testing.assert_close(lonely, wiener(noisy(), 1.0))


def test_noise_levels_fall_from_one_to_the_lowest() -> None:
    assert noise_levels(1) == [1.0]
    assert noise_levels(3) == pytest.approx([1, LOWEST**0.5, LOWEST])


class Network(PlainNetwork):
    """The Wiener filter as a network."""

    def __call__(self, u: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return wiener(u[0, 0], float(sigma))[None, None]


@pytest.mark.parametrize("estimate", list(SOLVERS))
def test_each_estimate_is_what_its_solver_says(estimate: str) -> None:
    wanted = Inference(estimate=estimate, steps=4, step_size=0.7, seed=3)
    engine = Engine(device=torch.device("cpu"))
    found = infer(Network(), noisy(), engine, wanted, name="m")
    way = Course(steps=4, step_size=0.7, generator=wanted.generator("m"))
    torch.testing.assert_close(found.clean, SOLVERS[estimate](wiener, noisy(), way))
    assert found.deviation is None


class Told(PlainNetwork):
    """The Wiener filter for the power of the micrograph that it is told."""

    signal = 0.0

    def for_micrograph(self, noisy: torch.Tensor, *, sigma: float) -> Told:
        told = Told()
        told.signal = float(noisy.square().mean()) - sigma**2
        return told

    def __call__(self, u: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return shrunk(u, self.signal, float(sigma))


def shrunk(image: torch.Tensor, signal: float, sigma: float) -> torch.Tensor:
    return image * signal / (signal + sigma**2)


@pytest.mark.parametrize("estimate", list(SOLVERS))
def test_what_is_known_of_a_micrograph_is_not_asked_of_its_estimates(
    estimate: str,
) -> None:
    wanted = Inference(estimate=estimate, steps=4, seed=3)
    image, engine = noisy(), Engine(device=torch.device("cpu"))
    signal = float(image.square().mean()) - 1
    found = infer(Told(), image, engine, wanted, name="m").clean
    way = Course(steps=4, step_size=0.2, generator=wanted.generator("m"))
    expected = SOLVERS[estimate](lambda x, s: shrunk(x, signal, s), image, way)
    torch.testing.assert_close(found, expected)


def test_without_a_step_there_is_no_estimate() -> None:
    with pytest.raises(ConfigError, match="steps should be at least 1"):
        course(steps=0)


def test_what_is_written_is_said() -> None:
    def words(estimate: str) -> str:
        return Denoiser(
            network=Network(),
            engine=Engine(device=torch.device("cpu")),
            working_pixel_size=3.0,
            fingerprint="m",
            inference=Inference(estimate=estimate),
        ).description

    assert words("sample") == f"{words('mean')}, estimate sample in 10 steps"


def test_a_reference_guides_the_mean_alone() -> None:
    settings = DenoiseSettings(reference="r", guidance=0.5, estimate="map")
    with pytest.raises(ConfigError, match="guides the mean, but estimate is map"):
        load_target(settings)
