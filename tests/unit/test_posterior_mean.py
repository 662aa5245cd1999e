"""One step of restoration: same result for all tiles, or a clear complaint."""

from __future__ import annotations

import pytest
import torch
from plain_network import PlainNetwork

from cryoscore_plugin.devices import Engine
from cryoscore_plugin.errors import DeviceError
from cryoscore_plugin.inference.posterior_mean import posterior_mean
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.preconditioning import PreconditionedDenoiser

CPU = torch.device("cpu")


class Blur(PlainNetwork):
    """A linear denoiser on a grid of 4 px that looks 1 px far."""

    grid = 4
    receptive_radius = 1

    def __init__(self, most_pixels: float = float("inf")) -> None:
        self.most_pixels = most_pixels
        self.failures = 0

    def __call__(self, u: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        if u.numel() > self.most_pixels:
            self.failures += 1
            msg = "CUDA out of memory. Tried to allocate 2.00 GiB."
            raise torch.OutOfMemoryError(msg)
        kernel = torch.full((1, 1, 3, 3), 1 / 9)
        return torch.nn.functional.conv2d(u, kernel, padding=1) * sigma


@pytest.fixture
def noisy() -> torch.Tensor:
    return torch.randn((75, 101), generator=torch.Generator().manual_seed(1))


def test_tile_size_never_changes_the_result(noisy: torch.Tensor) -> None:
    whole = posterior_mean(Blur(), noisy, Engine(device=CPU))
    for tile_size in (4, 30, 64):
        tiled = posterior_mean(Blur(), noisy, Engine(device=CPU, tile_size=tile_size))
        torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-6)


def test_little_memory_gives_the_same_result(noisy: torch.Tensor) -> None:
    whole = posterior_mean(Blur(), noisy, Engine(device=CPU))
    blur = Blur(most_pixels=300)
    tiled = posterior_mean(blur, noisy, Engine(device=CPU))
    assert blur.failures > 2
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-6)


def test_memory_that_holds_no_tile_is_reported(noisy: torch.Tensor) -> None:
    with pytest.raises(
        DeviceError, match=r"memory for a tile of 4 x 4 px.*cpu ran out"
    ):
        posterior_mean(Blur(most_pixels=10), noisy, Engine(device=CPU))


def test_another_error_of_the_network_is_not_taken_for_memory(
    noisy: torch.Tensor,
) -> None:
    class Broken(Blur):
        def __call__(self, u: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            msg = f"no kernel for {u.dtype} at {sigma}"
            raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="no kernel"):
        posterior_mean(Broken(), noisy, Engine(device=CPU))


def test_the_noise_level_reaches_the_network(noisy: torch.Tensor) -> None:
    one, two = (
        posterior_mean(Blur(), noisy, Engine(device=CPU), sigma=s) for s in (1.0, 2.0)
    )
    torch.testing.assert_close(two, 2 * one)


def test_one_tile_is_what_the_real_network_says_at_that_noise_level() -> None:
    torch.manual_seed(3)
    network = PreconditionedDenoiser(UNetSettings(channels=(4, 4), embedding=4))
    torch.nn.init.kaiming_normal_(network.network.head.weight)
    noisy = torch.randn(64, 48)
    clean = posterior_mean(network, noisy, Engine(device=CPU), sigma=1.3)
    informed = network.for_micrograph(noisy, sigma=1.3)
    expected = informed(informed.inputs(noisy)[None], torch.tensor([1.3]))[0, 0]
    torch.testing.assert_close(clean, expected.detach())


def test_bfloat16_differs_by_its_rounding_alone(noisy: torch.Tensor) -> None:
    torch.manual_seed(3)
    network = PreconditionedDenoiser(UNetSettings(channels=(8, 8), embedding=4))
    torch.nn.init.kaiming_normal_(network.network.head.weight)
    exact, rounded = (
        posterior_mean(network, noisy, Engine(device=CPU, dtype=dtype))
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert rounded.dtype == torch.float32
    error = (rounded - exact).std() / exact.std()
    # bfloat16 holds 8 bits: 0.4 % in each of a dozen operations.
    assert 0 < error < 0.02


def test_the_result_may_be_changed_in_place(noisy: torch.Tensor) -> None:
    clean = posterior_mean(Blur(), noisy, Engine(device=CPU))
    clean += 1
    assert not clean.is_inference()
