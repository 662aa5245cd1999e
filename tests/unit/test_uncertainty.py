"""How sure a restoration is: closed forms, and the same whatever the tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from plain_network import PlainNetwork

from cryoscore_plugin.denoiser import Denoiser
from cryoscore_plugin.devices import Engine
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.inference.inference import Inference
from cryoscore_plugin.inference.uncertainty import SMOOTHING, posterior_deviation
from cryoscore_plugin.local_mean import local_mean
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.preconditioning import PreconditionedDenoiser
from cryoscore_plugin.score import posterior_covariance_product, posterior_variance
from cryoscore_plugin.settings import DenoiseSettings
from cryoscore_plugin.spectrum import frequency_grid
from cryoscore_plugin.target import load_target

CPU = torch.device("cpu")


class Wiener(PlainNetwork):
    """The posterior mean of a Gaussian signal of a spectrum; sees the whole image."""

    def __init__(self, shape: tuple[int, int], *, strength: float = 5.0) -> None:
        self.shape = shape
        self.signal = strength * torch.exp(-12 * frequency_grid(shape))

    def gain(self, sigma: float) -> torch.Tensor:
        return self.signal / (self.signal + sigma**2)

    def __call__(self, u: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        plane = torch.fft.rfft2(u) * self.gain(float(sigma))
        return torch.fft.irfft2(plane, s=self.shape)


def noise(shape: tuple[int, int], seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def random_network() -> PreconditionedDenoiser:
    torch.manual_seed(5)
    network = PreconditionedDenoiser(UNetSettings(channels=(6, 8), embedding=4))
    for parameter in network.parameters():
        if parameter.dim() == 4:
            torch.nn.init.kaiming_normal_(parameter)
    return network.requires_grad_(requires_grad=False)


def deviation(network, noisy, *, probes=4, seed=1, tile_size=None, dtype=torch.float32):
    return posterior_deviation(
        network,
        noisy,
        Engine(device=CPU, tile_size=tile_size, dtype=dtype),
        probes=probes,
        generator=torch.Generator().manual_seed(seed),
    )


def test_a_wiener_filter_has_the_deviation_of_the_closed_form() -> None:
    """Covariance `S / (S + 1)` in each band, so everywhere the mean of that."""
    shape, probes = (96, 120), 64
    network = Wiener(shape)
    point = torch.zeros(shape)
    point[0, 0] = 1
    row = torch.fft.irfft2(torch.fft.rfft2(point) * network.gain(1.0), s=shape)
    found = deviation(network, noise(shape), probes=probes)
    # The scatter of a pixel, over the pixels that a Gaussian mean takes together.
    averaged = 4 * torch.pi * SMOOTHING**2
    scatter = (2 * row.square().sum() / probes / averaged).sqrt() / row[0, 0]
    # Probes of neighbouring pixels have part of their errors in common.
    ratio = found.square() / row[0, 0]
    assert (ratio - 1).abs().max() < 6 * scatter
    assert float(ratio.mean()) == pytest.approx(1, abs=0.02)


def test_the_difference_quotient_is_the_derivative_of_the_real_network() -> None:
    network, noisy = random_network(), noise((64, 48))
    informed, level = network.for_micrograph(noisy), torch.ones(1)
    exact = posterior_variance(
        lambda signs: posterior_covariance_product(
            lambda u: informed(informed.inputs(u)[None], level)[0, 0],
            noisy,
            torch.ones(64, 25),
            signs,
        ),
        (64, 48),
        probes=2,
        generator=torch.Generator().manual_seed(3),
    )
    # The variance: a root near zero makes a large error of a small one.
    expected = local_mean(exact, sigma=SMOOTHING).clamp_min(0)
    found = deviation(network, noisy, probes=2, seed=3).square()
    torch.testing.assert_close(
        found, expected, rtol=0.02, atol=5e-3 * float(expected.max())
    )


def test_tiles_change_no_more_than_rounding() -> None:
    network, noisy = random_network(), noise((150, 130))
    whole = deviation(network, noisy).square()
    tiled = deviation(network, noisy, tile_size=64).square()
    # Restorations agree to 1e-6; a quotient of step 2^-8 makes 256 times that of it.
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-3 * float(whole.max()))


def test_low_precision_is_not_used_for_differences() -> None:
    network, noisy = random_network(), noise((48, 48))
    torch.testing.assert_close(
        deviation(network, noisy, dtype=torch.bfloat16), deviation(network, noisy)
    )


def test_probes_are_the_same_for_a_name_and_others_for_another() -> None:
    first, again, other, seeded = (
        torch.rand(4, generator=Inference(seed=seed).generator(name))
        for name, seed in (("a", 1), ("a", 1), ("b", 1), ("a", 2))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, seeded)


@pytest.mark.parametrize("binned", [False, True])
def test_it_is_in_grey_values_on_the_grid_of_the_output(*, binned: bool) -> None:
    """A scale of the input is one of the deviation, an offset is not."""
    pixels = np.random.default_rng(3).normal(size=(120, 96)).astype(np.float32)

    def found(image: np.ndarray) -> np.ndarray:
        restoration = Denoiser(
            network=random_network(),
            engine=Engine(device=CPU),
            working_pixel_size=3.0,
            fingerprint="",
            write_binned=binned,
            inference=Inference(probes=2),
        ).denoise(Micrograph(pixels=image, pixel_size=1.5))
        assert restoration.uncertainty is not None
        assert (
            restoration.uncertainty.pixels.shape == restoration.micrograph.pixels.shape
        )
        return restoration.uncertainty.pixels

    plain = found(pixels)
    assert plain.min() >= 0
    assert plain.max() > 0
    changed = found(20 * pixels + 1000)
    np.testing.assert_allclose(changed, 20 * plain, atol=0.02 * 20 * plain.max())


def test_a_dead_border_has_none() -> None:
    pixels = np.random.default_rng(3).normal(10, 1, (90, 90)).astype(np.float32)
    pixels[:, :12] = 10
    restoration = Denoiser(
        network=random_network(),
        engine=Engine(device=CPU),
        working_pixel_size=3.0,
        fingerprint="",
        inference=Inference(probes=1),
    ).denoise(Micrograph(pixels=pixels, pixel_size=3.0))
    assert restoration.uncertainty is not None
    assert not restoration.uncertainty.pixels[:, :12].any()
    assert restoration.uncertainty.pixels[:, 12:].any()


def test_guidance_and_uncertainty_together_are_refused() -> None:
    settings = DenoiseSettings(reference="r", guidance=0.5, uncertainty=True)
    with pytest.raises(ConfigError, match="uncertainty is that of the model alone"):
        load_target(settings)
