"""Every setting of a run, once: its name, unit, default, limits and help.

A field is at the same time the key in a YAML file, the option in the shell
(`tile_size` is `--tile-size`) and the parameter label in RELION.
"""

from cryoscore_plugin.settings.denoising import DenoiseSettings
from cryoscore_plugin.settings.reading import (
    Settings,
    checked_settings,
    settings_from_yaml,
)
from cryoscore_plugin.settings.training import AROUND_THE_RUN, TrainSettings

__all__ = [
    "AROUND_THE_RUN",
    "DenoiseSettings",
    "Settings",
    "TrainSettings",
    "checked_settings",
    "settings_from_yaml",
]
