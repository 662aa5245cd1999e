"""What a Dask worker does with one micrograph."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cryoscore_plugin import __version__
from cryoscore_plugin.batch.monitor import MicrographResult, MicrographTask
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.settings import DenoiseSettings

if TYPE_CHECKING:
    from cryoscore_plugin.denoiser import Denoiser

_loaded: dict[DenoiseSettings, Denoiser] = {}
_loading = threading.Lock()


def denoise_on_worker(
    task: MicrographTask, settings: DenoiseSettings, expected: tuple[str, str]
) -> MicrographResult:
    """Denoise a micrograph on the first device of this process; the model is kept.

    Parameters
    ----------
    task : MicrographTask
        What to do.
    settings : DenoiseSettings
        How.
    expected : tuple[str, str]
        Version of cryoscore, and name and hash of the model, of whoever asks.

    Raises
    ------
    ConfigError
        If version or model here are other ones.
    CheckpointError, DeviceError
        If model or device cannot be used.
    """
    from cryoscore_plugin.batch.run import denoise_one  # noqa: PLC0415  brings torch

    denoiser = _denoiser(settings)
    found = (__version__, denoiser.fingerprint)
    if found != expected:
        msg = (
            f"A worker should have cryoscore {expected[0]} and the model {expected[1]}, "
            f"but has {found[0]} and {found[1]}. Install the same on all computers."
        )
        raise ConfigError(msg)
    return denoise_one(task, settings, denoiser)


def _denoiser(settings: DenoiseSettings) -> Denoiser:
    from cryoscore_plugin.denoiser import load_denoisers  # noqa: PLC0415  as above

    with _loading:
        if settings not in _loaded:
            _loaded[settings] = load_denoisers(settings)[0]
        return _loaded[settings]
