"""A widened network says the same, and can learn in all that is new."""

from __future__ import annotations

import pytest
import torch

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.excess import BANDS
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.preconditioning import PreconditionedDenoiser
from cryoscore_plugin.training.widening import widened

NARROW = UNetSettings(channels=(4, 6, 8), embedding=5)
WIDE = UNetSettings(channels=(6, 9, 8), embedding=5)


def trained(settings: UNetSettings) -> PreconditionedDenoiser:
    """A denoiser whose weights are all different from zero."""
    torch.manual_seed(1)
    model = PreconditionedDenoiser(settings)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def test_widened_denoiser_says_the_same_and_learns() -> None:
    model = trained(NARROW)
    wide = PreconditionedDenoiser(WIDE)
    wide.load_state_dict(widened(model.state_dict(), narrow=NARROW, wide=WIDE, seed=2))
    torch.manual_seed(3)
    inputs = (
        torch.randn(2, 1, 32, 32),
        torch.full((2,), 1.5),
        torch.rand(2, len(BANDS)),
    )
    torch.testing.assert_close(wide(*inputs), model(*inputs), atol=1e-5, rtol=1e-5)
    optimizer = torch.optim.Adam(wide.parameters(), 1e-3)
    for _ in range(4):  # first what was zero, then what it is multiplied with
        optimizer.zero_grad()
        (wide(*inputs) - 1).square().mean().backward()
        optimizer.step()
    for name, parameter in wide.network.named_parameters():
        assert (parameter.grad != 0).all(), name


def test_seed_decides_what_is_new() -> None:
    weights = trained(NARROW).state_dict()
    first, again, other = (
        widened(weights, narrow=NARROW, wide=WIDE, seed=seed)["network.stem.weight"]
        for seed in (1, 1, 2)
    )
    torch.testing.assert_close(first, again)
    assert not torch.equal(first, other)


def test_network_of_the_same_size_keeps_its_weights() -> None:
    weights = trained(NARROW).state_dict()
    kept = widened(weights, narrow=NARROW, wide=NARROW, seed=1)
    assert all(torch.equal(kept[name], weight) for name, weight in weights.items())


@pytest.mark.parametrize(
    "other",
    [
        {"channels": (6, 9)},
        {"channels": (3, 9, 10)},
        {"channels": (6, 8, 8)},  # its last level would carry what it gets
        {"embedding": 8},
    ],
)
def test_network_that_is_no_wider_form_is_refused(other: dict[str, object]) -> None:
    weights = trained(NARROW).state_dict()
    with pytest.raises(ConfigError, match="or wider in some levels"):
        widened(weights, narrow=NARROW, wide=WIDE.model_copy(update=other), seed=1)
