"""What is inferred from a micrograph, as the settings ask: an estimate and its spread."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import torch

from cryoscore_plugin.devices import Engine
from cryoscore_plugin.inference.posterior_mean import (
    MicrographDenoiser,
    estimate_tiled,
)
from cryoscore_plugin.inference.solvers import SOLVERS, Course
from cryoscore_plugin.inference.uncertainty import posterior_deviation
from cryoscore_plugin.tensors import ImageTensor


@dataclass(frozen=True, kw_only=True)
class Inference:
    """What is wanted.

    Attributes
    ----------
    estimate : str
        Which estimate: a key of `SOLVERS`.
    steps : int
        To an estimate other than the mean.
    step_size : float
        Of score ascent.
    probes : int
        Of the standard deviation; 0 if it is not wanted.
    seed : int
        Of what is random. Each micrograph has random numbers of its own.
    """

    estimate: str = "mean"
    steps: int = 10
    step_size: float = 0.2
    probes: int = 0
    seed: int = 1

    @property
    def description(self) -> str:
        """What is unusual about it, in words; empty for the posterior mean."""
        if self.estimate == "mean":
            return ""
        return f"estimate {self.estimate} in {self.steps} steps"

    def generator(self, name: str) -> torch.Generator:
        """Random numbers, the same for each micrograph of this name on any device."""
        # Not encode(): the bytes of a name need not be UTF-8.
        words = np.random.SeedSequence([self.seed, *os.fsencode(name)])
        seed = int(words.generate_state(1, np.uint64)[0])
        # torch takes a signed number of 64 bits.
        return torch.Generator().manual_seed(seed >> 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Inferred:
    """What was found, in units of the noise.

    Attributes
    ----------
    clean : ImageTensor
        The estimate.
    deviation : ImageTensor or None
        Standard deviation of the clean images that could lie behind the noisy one.
    """

    clean: ImageTensor
    deviation: ImageTensor | None


def infer(
    network: MicrographDenoiser,
    noisy: ImageTensor,
    engine: Engine,
    wanted: Inference,
    *,
    name: str,
) -> Inferred:
    """Find what is wanted about the clean image behind a noisy one.

    Parameters
    ----------
    network : MicrographDenoiser
        The denoiser D, on the engine's device.
    noisy : ImageTensor
        A micrograph of unit noise, on that device.
    engine : Engine
        Where and how to compute.
    wanted : Inference
        What to find.
    name : str
        Of the micrograph.

    Raises
    ------
    ConfigError
        If the steps of score ascent are too large.
    DeviceError
        If not even the smallest tile fits into the memory.
    """
    course = Course(
        steps=wanted.steps,
        step_size=wanted.step_size,
        generator=wanted.generator(name),
    )
    # What a solver denoises on its way is no micrograph: its spectrum says nothing.
    informed = network.for_micrograph(noisy, sigma=1.0)
    clean = SOLVERS[wanted.estimate](
        lambda image, sigma: estimate_tiled(
            informed.at_level(sigma), image, engine, sigma=sigma
        ),
        noisy,
        course,
    )
    deviation = None
    if wanted.probes:
        deviation = posterior_deviation(
            network,
            noisy,
            engine,
            probes=wanted.probes,
            generator=wanted.generator(name),
        )
    return Inferred(clean=clean, deviation=deviation)
