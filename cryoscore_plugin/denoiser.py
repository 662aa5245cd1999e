"""One micrograph in, one micrograph out.

`preparation` makes of it what the network looks at, `inference` runs the network over
it, and what was prepared is undone: the result is on the input's grid and in its grey
scale, and holds nothing beyond the working Nyquist frequency.

Here numpy arrays become tensors on a device, and tensors become arrays again.

The tests hold that scale and offset of the input come out as they went in, that a
network which changes nothing gives the band-limited input, and that nothing
depends on the size of the tiles.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from cryoscore_plugin.checkpoint import Checkpoint, load_checkpoint
from cryoscore_plugin.devices import (
    Engine,
    choose_devices,
    choose_dtype,
    use_exact_arithmetic,
    use_threads,
)
from cryoscore_plugin.errors import CheckpointError, MicrographError
from cryoscore_plugin.inference.inference import Inference, infer
from cryoscore_plugin.inference.posterior_mean import MicrographDenoiser
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.preconditioning import PreconditionedDenoiser
from cryoscore_plugin.preparation import (
    Prepared,
    on_input_grid,
    on_working_grid,
    prepare,
)
from cryoscore_plugin.pretrained import find_checkpoint, model_fingerprint
from cryoscore_plugin.quality import relative_change
from cryoscore_plugin.restoration import Restoration, doubts, placed, quality_of
from cryoscore_plugin.settings import DenoiseSettings
from cryoscore_plugin.target import Target, load_target
from cryoscore_plugin.tensors import ImageTensor, ResizedTensor

BYTES_PER_CHANNEL = 8.0
"""Memory per pixel and channel of a U-Net, counting a level's channels by its part of
the pixels: eight features of 4 bytes are alive at a time, on a quarter of the pixels
each. Measured, for five sizes of network: 4.5 to 9.5."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Denoiser:
    """Denoises one micrograph at a time, on one device.

    Attributes
    ----------
    network : MicrographDenoiser
        The network, on the engine's device.
    engine : Engine
        Where and how it runs.
    working_pixel_size : float
        Pixel size at which the network looks at a micrograph, in Å/px.
    fingerprint : str
        Name of the model and the first 12 digits of its SHA-256.
    local_mean : float | None
        What the model's card says of it, in working px.
    keeps_background : bool
        Whether the slow level that was taken off comes back with the result.
    write_binned : bool
        Whether results stay at the working pixel size.
    target : Target or None
        The known particle that guides the results, if any.
    inference : Inference
        What is inferred with the network.
    """

    network: MicrographDenoiser
    engine: Engine
    working_pixel_size: float
    fingerprint: str
    local_mean: float | None = None
    keeps_background: bool = False
    write_binned: bool = False
    target: Target | None = None
    inference: Inference = field(default_factory=Inference)

    @property
    def description(self) -> str:
        """Model, device and arithmetic in words."""
        engine = (
            f"model {self.fingerprint} at {self.working_pixel_size:g} Å/px on "
            f"{self.engine.description}"
        )
        target = "" if self.target is None else self.target.description
        return ", ".join(
            part for part in (engine, self.inference.description, target) if part
        )

    def denoise(self, micrograph: Micrograph) -> Restoration:
        """Restore the particle signal of a micrograph.

        Parameters
        ----------
        micrograph : Micrograph
            The micrograph, as motion correction wrote it.

        Returns
        -------
        restoration : Restoration
            The result on the grid of the micrograph, or on the working grid.

        Raises
        ------
        MicrographError
            If the micrograph holds no noise, is constant, or is too small.
        DeviceError
            If not even the smallest tile fits into the memory.
        """
        try:
            with torch.inference_mode():
                return self._restore(micrograph)
        except MicrographError as error:
            msg = f"{micrograph.source or 'This micrograph'}: {error}"
            raise MicrographError(msg) from error

    def _restore(self, micrograph: Micrograph) -> Restoration:
        """`denoise`, with messages that do not name the file."""
        values = np.require(micrograph.pixels, np.float32, ["C", "W"])
        image = torch.from_numpy(values).to(self.engine.device)
        prepared = prepare(
            image,
            pixel_size=micrograph.pixel_size,
            working_pixel_size=self.working_pixel_size,
            local_mean=self.local_mean,
            keeps_background=self.keeps_background,
        )
        found = infer(
            self.network,
            prepared.noisy.pixels,
            self.engine,
            self.inference,
            name=micrograph.source.stem if micrograph.source else "",
        )
        found_there = prepared.as_seen_where_clipped(found.clean)
        clean, change = self._guided(found_there, prepared, micrograph)
        quality = quality_of(prepared, clean) | change
        result = self._finished(prepared, prepared.with_background(clean), image)
        spread = found.deviation
        if spread is not None:
            # Of a difference of grey values; what is no image is known, and has none.
            scale, border = prepared.without_offset(), torch.zeros_like(image)
            spread = self._finished(scale, spread, border).clamp_min_(0)
        return Restoration(
            micrograph=placed(result.cpu().numpy(), micrograph),
            quality=quality,
            warnings=doubts(
                prepared,
                quality,
                pixel_size=micrograph.pixel_size,
                working_pixel_size=self.working_pixel_size,
            ),
            uncertainty=(
                None if spread is None else placed(spread.cpu().numpy(), micrograph)
            ),
        )

    def _guided(
        self, clean: ImageTensor, prepared: Prepared, micrograph: Micrograph
    ) -> tuple[ImageTensor, dict[str, float]]:
        """The estimate as the target, if any, changes it, and by how much."""
        if self.target is None:
            return clean, {}
        guided = self.target.guided(clean, prepared, micrograph, self.local_mean)
        return guided, {"guided_change": relative_change(clean, guided)}

    def _finished(
        self, prepared: Prepared, clean: ImageTensor, image: ResizedTensor
    ) -> Tensor:
        """What was prepared undone, on the grid that is wanted."""
        finish = on_working_grid if self.write_binned else on_input_grid
        return finish(prepared, clean, image)


def load_denoisers(settings: DenoiseSettings) -> list[Denoiser]:
    """Load a model onto each device that is asked for.

    Parameters
    ----------
    settings : DenoiseSettings
        Which model, where, and how.

    Returns
    -------
    denoisers : list[Denoiser]
        One for each device. They are alike in all else.

    Raises
    ------
    ConfigError
        If there is no such model, or the device is none of the words allowed.
    CheckpointError
        If the model file is no sound checkpoint.
    DeviceError
        If a device that was asked for is not there.
    """
    use_threads(settings.threads)
    use_exact_arithmetic()
    devices = choose_devices(settings.device)
    path = find_checkpoint(settings.model)
    checkpoint = load_checkpoint(path)
    target = load_target(settings)
    network, size = _network(checkpoint, path)
    card = checkpoint.card
    channels = sum(number / 4**level for level, number in enumerate(size.channels))
    return [
        Denoiser(
            network=copy.deepcopy(network).to(device),
            engine=Engine(
                device=device,
                dtype=choose_dtype(settings.precision, device),
                tile_size=settings.tile_size,
                bytes_per_pixel=BYTES_PER_CHANNEL * channels,
            ),
            working_pixel_size=settings.working_pixel_size or card.working_pixel_size,
            fingerprint=model_fingerprint(card.name, checkpoint.sha256),
            local_mean=card.local_mean,
            keeps_background=card.background == "kept",
            write_binned=settings.write_binned,
            target=target,
            inference=Inference(
                estimate=settings.estimate,
                steps=settings.steps,
                step_size=settings.step_size,
                probes=settings.probes if settings.uncertainty else 0,
                seed=settings.seed,
            ),
        )
        for device in devices
    ]


def _network(
    checkpoint: Checkpoint, path: Path
) -> tuple[PreconditionedDenoiser, UNetSettings]:
    """The network of a checkpoint, ready to run, and its size."""
    try:
        size = UNetSettings.model_validate(checkpoint.card.network)
        network = PreconditionedDenoiser(size)
        network.load_state_dict(checkpoint.tensors)
    except (ValidationError, RuntimeError) as error:
        msg = (
            f"{path} should hold the weights that its card describes, but does not fit "
            f"this version of cryoscore: {error}. Train it again, or see `cryoscore "
            "models list`."
        )
        raise CheckpointError(msg) from error
    network.eval().requires_grad_(requires_grad=False)
    # Convolutions are about 1.6 times faster with the channels of a pixel together.
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(
                memory_format=torch.channels_last
            )
    return network, size
