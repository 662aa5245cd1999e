"""What every test has: the same random choices in each run, and no user's settings."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from slurm_cluster import running_slurm

# Before anything imports matplotlib: tests have no screen.
os.environ["MPLBACKEND"] = "Agg"

# Before anything imports torch: two processes share the cores, and the images are so
# small that more threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts the tests in the background has Ctrl-C ignored, and `nohup` that a
# terminal hung up; all of them would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

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


@pytest.fixture(autouse=True)
def _loggers_of_a_fresh_process() -> None:
    """Forget how a command that ran in this process set up its messages."""
    for name in ("cryoscore_plugin", "relion_wrappers", "cryosparc_jobs"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    logging.getLogger("cryoscore_plugin.training").setLevel(logging.NOTSET)


@pytest.fixture
def mount_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a file system of a size such as `64k`; gives its folder."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    folder = tmp_path / "disk"
    if mount is None or umount is None or os.getuid() != 0:
        pytest.skip("only root can mount a small file system")

    def make(size: str) -> Path:
        folder.mkdir()
        command = [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("this computer lets no file system be mounted")
        return folder

    yield make
    if folder.is_mount():
        subprocess.run([umount, "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A Slurm of one node; its environment."""
    with running_slurm(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with a network of few, random weights: fast, and good for little.

    It gives the linear estimate, to which a random network adds a little. No weight is
    zero; it works at 3 Å/px, and is the same file in each run.
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
    tensors["parts.weight"] *= 0.1
    tensors["parts.bias"][0] += 1  # the part of the linear estimate
    tensors["network.head.weight"] *= 0.1
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
