"""From a YAML file, or values of unknown quality, to settings."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from cryoscore_plugin.errors import ConfigError

Settings = TypeVar("Settings", bound=BaseModel)


def settings_from_yaml(model: type[Settings], path: Path) -> Settings:
    """Read settings from a YAML file of `name: value` lines.

    Parameters
    ----------
    model : type[Settings]
        What the settings are of.
    path : Path
        The file.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a key or value is not a setting.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = (
            f"Cannot read the settings {path}: {error}. Expected lines of the "
            "form `name: value`."
        )
        raise ConfigError(msg) from error
    if not isinstance(values, dict):
        msg = (
            f"{path} should hold lines of the form `name: value`, but holds a "
            f"{type(values).__name__}."
        )
        raise ConfigError(msg)
    return checked_settings(model, values, origin=str(path))


def checked_settings(
    model: type[Settings], values: dict[str, object], *, origin: str
) -> Settings:
    """Make settings from values of unknown quality.

    Parameters
    ----------
    model : type[Settings]
        What the settings are of.
    values : dict[str, object]
        Their values by name.
    origin : str
        Where they were found, for messages.

    Raises
    ------
    ConfigError
        If a name is not a setting or a value is out of range.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}, "
            f"but found {fault['input']!r}"
            for fault in error.errors()
        )
        msg = f"{origin}: {faults}. Settings are: {known}."
        raise ConfigError(msg) from error
