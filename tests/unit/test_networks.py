"""The network looks no farther than it says, and starts with nothing."""

from __future__ import annotations

import pytest
import torch

from cryoscore_plugin.excess import BANDS
from cryoscore_plugin.networks.unet import LinearPath, UNet, UNetSettings
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
    image = torch.randn(1, 1, 2 * middle, 2 * middle, dtype=torch.double)
    image.requires_grad_()
    output = network(image, torch.zeros(1, 1 + len(BANDS), dtype=torch.double))
    farthest = 0
    for pixel in range(middle, middle + grid):
        (gradient,) = torch.autograd.grad(
            output[0, 0, pixel, pixel], image, retain_graph=True
        )
        seen = gradient[0, 0].nonzero() - pixel
        farthest = max(farthest, int(seen.abs().max()))
    assert farthest == radius


@pytest.mark.parametrize("channels", SIZES)
def test_all_that_is_known_changes_the_output(channels: tuple[int, ...]) -> None:
    network = random_network(channels)
    image = torch.randn(1, 1, 32, 32, dtype=torch.double)
    nothing = torch.zeros(1, 1 + len(BANDS), dtype=torch.double)
    plain = network(image, nothing)
    for number in range(1 + len(BANDS)):
        known = nothing.clone()
        known[0, number] = 1
        assert not torch.allclose(network(image, known), plain)


def test_linear_path_is_linear_in_the_picture() -> None:
    torch.manual_seed(3)
    path = LinearPath(levels=3, embedding=4).double()
    for parameter in path.parameters():
        torch.nn.init.normal_(parameter)
    one, other = torch.randn(2, 1, 1, 32, 48, dtype=torch.double)
    known = torch.randn(1, 4, dtype=torch.double)
    torch.testing.assert_close(
        path(one + 3 * other, known), path(one, known) + 3 * path(other, known)
    )
    # What is known decides how much of each kernel counts.
    assert not torch.allclose(path(one, known), path(one, 2 * known))


def test_untrained_denoiser_returns_the_mean_of_what_is_searched() -> None:
    denoiser = PreconditionedDenoiser(UNetSettings(channels=(4, 6), embedding=4))
    u = torch.randn(2, 1, 16, 16)
    assert not denoiser(u, torch.ones(2), torch.ones(2, len(BANDS))).any()


@pytest.mark.parametrize("sigma", [0.25, 1.0, 2.5])
def test_input_and_target_of_the_network_have_unit_variance(sigma: float) -> None:
    """Karras et al. (2022), appendix B.6: what the scalings are for."""
    generator = torch.Generator().manual_seed(1)
    clean = SIGMA_DATA * torch.randn(100_000, generator=generator)
    background = SIGMA_BACKGROUND * torch.randn(100_000, generator=generator)
    u = clean + background + sigma * torch.randn(100_000, generator=generator)
    seen: list[torch.Tensor] = []
    denoiser = PreconditionedDenoiser(UNetSettings(channels=(4,), embedding=4))

    def network(scaled: torch.Tensor, _known: torch.Tensor) -> torch.Tensor:
        seen.append(scaled)
        return torch.ones_like(scaled)

    denoiser.network.forward = network  # type: ignore[method-assign]
    level, excess = torch.full((1,), sigma), torch.zeros(1, len(BANDS))
    c_out = denoiser(u.reshape(1, 1, -1, 1), level, excess)[0, 0, 0, 0]
    # Its input is compressed: sinh undoes it.
    assert (LINEAR * torch.sinh(seen[0] / LINEAR)).std() == pytest.approx(1, abs=0.01)
    assert (clean / c_out).std() == pytest.approx(1, abs=0.01)
