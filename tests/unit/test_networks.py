"""The network looks no farther than it says, and starts with nothing."""

from __future__ import annotations

import pytest
import torch

from cryoscore_plugin.excess import BANDS, spectral_excess
from cryoscore_plugin.networks.unet import UNet, UNetSettings
from cryoscore_plugin.preconditioning import (
    LINEAR,
    SIGMA_BACKGROUND,
    SIGMA_DATA,
    PreconditionedDenoiser,
)

SIZES = [
    pytest.param((4,), id="one level"),
    pytest.param((4, 6), id="two levels"),
    pytest.param((4, 6, 8), id="three levels"),
]


def random_network(channels: tuple[int, ...]) -> UNet:
    torch.manual_seed(3)
    network = UNet(UNetSettings(channels=channels, embedding=4))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.double()


@pytest.mark.parametrize("channels", SIZES)
def test_gradient_reaches_exactly_the_receptive_radius(
    channels: tuple[int, ...],
) -> None:
    network = random_network(channels)
    radius, grid = network.receptive_radius, network.grid
    middle = grid * (radius // grid + 2)
    image = torch.randn(1, 2, 2 * middle, 2 * middle, dtype=torch.double)
    image.requires_grad_()
    output = network(image, torch.zeros(1, 1 + len(BANDS), dtype=torch.double))
    farthest = 0
    for pixel in range(middle, middle + grid):
        (gradient,) = torch.autograd.grad(
            output[0, 0, pixel, pixel], image, retain_graph=True
        )
        seen = gradient[0].nonzero()[:, 1:] - pixel
        farthest = max(farthest, int(seen.abs().max()))
    assert farthest == radius


@pytest.mark.parametrize("channels", SIZES)
def test_all_that_is_known_changes_the_output(channels: tuple[int, ...]) -> None:
    network = random_network(channels)
    image = torch.randn(1, 2, 32, 32, dtype=torch.double)
    nothing = torch.zeros(1, 1 + len(BANDS), dtype=torch.double)
    plain = network(image, nothing)
    for number in range(1 + len(BANDS)):
        known = nothing.clone()
        known[0, number] = 1
        assert not torch.allclose(network(image, known), plain)


def test_untrained_denoiser_returns_the_mean_of_what_is_searched() -> None:
    denoiser = PreconditionedDenoiser(UNetSettings(channels=(4, 6), embedding=4))
    u = torch.randn(2, 1, 16, 16)
    assert not denoiser(u, torch.ones(2), torch.ones(2, len(BANDS))).any()


@pytest.mark.parametrize("sigma", [0.25, 1.0, 2.5])
def test_input_and_target_of_the_network_have_unit_variance(sigma: float) -> None:
    """Karras et al. (2022), appendix B.6: what the scalings are for."""
    generator = torch.Generator().manual_seed(1)
    count = 320 * 320
    clean = SIGMA_DATA * torch.randn(count, generator=generator)
    background = SIGMA_BACKGROUND * torch.randn(count, generator=generator)
    u = clean + background + sigma * torch.randn(count, generator=generator)
    power = SIGMA_DATA**2 + SIGMA_BACKGROUND**2
    seen: list[torch.Tensor] = []
    denoiser = small_denoiser()

    def network(scaled: torch.Tensor, _known: torch.Tensor) -> torch.Tensor:
        seen.append(scaled)
        return torch.ones_like(scaled[:, :1])

    denoiser.network.forward = network  # type: ignore[method-assign]
    level, excess = torch.full((1,), sigma), torch.full((1, len(BANDS)), power)
    c_out = denoiser(u.reshape(1, 1, 320, 320), level, excess)[0, 0, 0, 0]
    # Its inputs are compressed: sinh undoes it.
    noisy, filtered = LINEAR * torch.sinh(seen[0][0] / LINEAR)
    assert noisy.std() == pytest.approx(1, abs=0.01)
    assert filtered.std() == pytest.approx(1, abs=0.03)
    assert (clean / c_out).std() == pytest.approx(1, abs=0.01)


def small_denoiser() -> PreconditionedDenoiser:
    torch.manual_seed(3)
    denoiser = PreconditionedDenoiser(UNetSettings(channels=(4,), embedding=4))
    return denoiser.requires_grad_(requires_grad=False)


def test_a_part_of_the_linear_estimate_is_taken_as_it_is() -> None:
    denoiser, excess, level = small_denoiser(), torch.ones(1, len(BANDS)), torch.ones(1)
    denoiser.parts.bias[0] = 0.7
    u = torch.randn(1, 1, 32, 32)
    filtered = denoiser.noisy_and_filtered(u, level, excess)[:, 1:]
    torch.testing.assert_close(denoiser(u, level, excess), 0.7 * filtered)


def test_what_is_known_scales_what_the_network_says() -> None:
    denoiser, excess, level = small_denoiser(), torch.ones(1, len(BANDS)), torch.ones(1)
    torch.nn.init.normal_(denoiser.network.head.weight)
    u = torch.randn(1, 1, 32, 32)
    before = denoiser(u, level, excess)
    denoiser.parts.bias[1] = 0.5
    torch.testing.assert_close(denoiser(u, level, excess), 1.5 * before)


def test_a_micrograph_is_filtered_as_a_whole() -> None:
    denoiser, noisy = small_denoiser(), 2 * torch.randn(64, 48)
    excess = spectral_excess(noisy, noise=1.5**2)[None]
    expected = denoiser.noisy_and_filtered(
        noisy[None, None], torch.tensor([1.5]), excess
    )
    informed = denoiser.for_micrograph(noisy, sigma=1.5)
    assert torch.equal(informed.inputs(noisy), expected[0])
    assert torch.equal(informed.inputs(noisy)[0], noisy)


def test_at_another_level_a_micrograph_keeps_its_spectrum() -> None:
    denoiser, noisy = small_denoiser(), 2 * torch.randn(64, 48)
    informed = denoiser.for_micrograph(noisy, sigma=1.0).at_level(0.5)
    excess = spectral_excess(noisy, noise=1.0)[None]
    expected = denoiser(noisy[None, None], torch.tensor([0.5]), excess)
    found = informed(informed.inputs(noisy)[None], torch.tensor([0.5]))
    torch.testing.assert_close(found, expected)
