"""How sure a restoration is: the posterior standard deviation of each place.

Behind one noisy image many clean ones may lie. The posterior mean is their mean, and
this is their spread. With the Jacobian J of the denoiser and noise of unit variance,
their covariance is J (second-order Tweedie, `cryoscore_plugin.score`), and its diagonal
is found with probes v of random signs, as the mean of `v J v`.

The product `J v` is the difference quotient of two restorations. It costs one run of
the network, cut into tiles like any other, where an exact derivative costs four and
many times the memory. Its error is far below the scatter of the probes, which a mean
over the surroundings makes small.

Structured background counts as noise for the network, but not here: where the network
cannot tell whether something is background, the spread is larger than said.

The tests hold that a Wiener filter has the spread of the closed form, that the quotient
is the derivative, and that nothing depends on the size of the tiles.

References
----------
Efron (2011), doi:10.1198/jasa.2011.tm11181. Manor and Michaeli (2024), arXiv 2309.13598
(moments of the posterior from derivatives of a denoiser, as difference quotients).
"""

from __future__ import annotations

from dataclasses import replace

import torch

from cryoscore_plugin.devices import Engine
from cryoscore_plugin.inference.posterior_mean import (
    MicrographDenoiser,
    estimate_tiled,
)
from cryoscore_plugin.local_mean import local_mean
from cryoscore_plugin.score import posterior_variance
from cryoscore_plugin.tensors import ImageTensor

STEP = 2.0**-8
"""Length of the difference quotient in units of the noise. For the packaged model it
differs by 0.4 % from the derivative; what rounding adds is smaller until 2^-11."""

SMOOTHING = 10.0
"""Standard deviation in px of the Gaussian mean over the variance: 30 Å at 3 Å/px."""


def posterior_deviation(
    network: MicrographDenoiser,
    noisy: ImageTensor,
    engine: Engine,
    *,
    probes: int,
    generator: torch.Generator,
) -> ImageTensor:
    """Standard deviation of the clean images that could lie behind a noisy one.

    Parameters
    ----------
    network : MicrographDenoiser
        The denoiser D, on the engine's device.
    noisy : ImageTensor
        A micrograph of unit noise, on that device.
    engine : Engine
        Where to compute; always in float32, because bfloat16 cannot hold differences
        this small.
    probes : int
        Images of random signs; each takes as long as one restoration.
    generator : torch.Generator
        Draws the signs, on the CPU.

    Returns
    -------
    deviation : ImageTensor
        In units of the noise, at least 0; each pixel is the root of the mean variance
        of its surroundings.

    Raises
    ------
    ConfigError
        If there is no probe.
    DeviceError
        If not even the smallest tile fits into the memory.
    """
    exact = replace(engine, dtype=torch.float32)
    # What is known of the micrograph stays as it is while the micrograph is moved.
    informed = network.for_micrograph(noisy, sigma=1.0)
    clean = estimate_tiled(informed, noisy, exact)

    def covariance_product(direction: ImageTensor) -> ImageTensor:
        moved = noisy + STEP * direction.to(noisy)
        return (estimate_tiled(informed, moved, exact) - clean) / STEP

    h, w = noisy.shape
    variance = posterior_variance(
        covariance_product, (h, w), probes=probes, generator=generator
    )
    # Probes that have not averaged out can leave a variance below 0.
    return local_mean(variance, sigma=SMOOTHING).clamp_min_(0).sqrt_()
