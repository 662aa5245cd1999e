"""cryoscore: score-based denoising of cryo-EM micrographs.

The names below are the public surface. Each is loaded on first use, because torch
takes seconds to import, and reading a file or a setting needs none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryoscore_plugin.batch.monitor import JobMonitor, MicrographResult
    from cryoscore_plugin.batch.run import denoise_micrographs
    from cryoscore_plugin.denoiser import Denoiser, load_denoisers
    from cryoscore_plugin.errors import CryoScoreError
    from cryoscore_plugin.micrograph import Micrograph
    from cryoscore_plugin.mrc import read_micrograph, write_micrograph
    from cryoscore_plugin.noise_model import NoiseModel, estimate_noise_model
    from cryoscore_plugin.settings import DenoiseSettings

__version__ = "0.1.0"

__all__ = [
    "CryoScoreError",
    "DenoiseSettings",
    "Denoiser",
    "JobMonitor",
    "Micrograph",
    "MicrographResult",
    "NoiseModel",
    "denoise_micrographs",
    "estimate_noise_model",
    "load_denoisers",
    "read_micrograph",
    "write_micrograph",
]

_MODULES = {
    "CryoScoreError": "errors",
    "DenoiseSettings": "settings",
    "Denoiser": "denoiser",
    "JobMonitor": "batch.monitor",
    "Micrograph": "micrograph",
    "MicrographResult": "batch.monitor",
    "NoiseModel": "noise_model",
    "denoise_micrographs": "batch.run",
    "estimate_noise_model": "noise_model",
    "load_denoisers": "denoiser",
    "read_micrograph": "mrc",
    "write_micrograph": "mrc",
}
"""Where each public name lives."""


def __getattr__(name: str) -> object:
    """Load a public name on first use."""
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    return getattr(module, name)


def __dir__() -> list[str]:
    """All names, loaded or not."""
    return sorted({*globals(), *__all__})
