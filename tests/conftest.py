"""What every test has: the same random choices in each run, and no user's settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before anything imports matplotlib: tests have no screen.
os.environ["MPLBACKEND"] = "Agg"

# deadline=None: with shape checks on a busy machine the default deadline fails good
# code. derandomize: the same examples in each run, so that a failure is repeatable.
settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _no_user_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "xdg"))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with a network of few, random weights: fast, and good for nothing.

    It changes its input (no weight is zero), works at 3 Å/px, and is the same file in
    each run.
    """
    # Not at the top: torch takes seconds, and most tests of the shell do without.
    import torch

    from cryoscore_plugin.checkpoint import ModelCard, save_checkpoint
    from cryoscore_plugin.networks.unet import UNetSettings
    from cryoscore_plugin.preconditioning import PreconditionedDenoiser

    settings = UNetSettings(channels=(4, 8), embedding=4)
    generator = torch.Generator().manual_seed(7)
    tensors = {
        name: 0.1 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in PreconditionedDenoiser(settings).state_dict().items()
    }
    card = ModelCard(
        name="tiny",
        description="Random weights, for tests.",
        network=settings.model_dump(mode="json"),
        working_pixel_size=3.0,
        background="removed",
        training={"seed": 7},
        limits=["Of no use but in tests."],
    )
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(path, tensors, card)
    return path
