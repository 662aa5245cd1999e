"""Denoise in this process, on the devices of this computer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cryoscore_plugin.batch.monitor import (
    Gate,
    JobMonitor,
    MicrographResult,
    MicrographTask,
)
from cryoscore_plugin.settings import DenoiseSettings

if TYPE_CHECKING:
    from cryoscore_plugin.denoiser import Denoiser


class LocalEngine:
    """Loads the model when there is work, and keeps it.

    Parameters
    ----------
    settings : DenoiseSettings
        How to denoise.
    """

    def __init__(self, settings: DenoiseSettings) -> None:
        self._settings = settings
        self._denoisers: Sequence[Denoiser] = ()

    def __call__(
        self, tasks: Sequence[MicrographTask], monitor: JobMonitor, gate: Gate
    ) -> list[MicrographResult]:
        """Results of the tasks that the gate let through.

        Raises
        ------
        JobAbortedError
            If the monitor asked to stop.
        ConfigError, CheckpointError, DeviceError
            If a setting, the model or a device cannot be used.
        """
        # The engine brings torch: seconds that a run without work saves.
        from cryoscore_plugin.batch.run import denoise_micrographs  # noqa: PLC0415
        from cryoscore_plugin.denoiser import load_denoisers  # noqa: PLC0415

        if not self._denoisers:
            self._denoisers = load_denoisers(self._settings)
        return denoise_micrographs(
            tasks, self._settings, monitor, gate=gate, denoisers=self._denoisers
        )
