"""Where models are found, and how one is told from another; without the network."""

from __future__ import annotations

from pathlib import Path

from cryoscore_plugin.errors import ConfigError

PACKAGED = Path(__file__).parent / "weights"
"""Folder of the packaged models, inside the installed package."""

SUFFIX = ".safetensors"


def packaged_models() -> list[str]:
    """Names of the packaged models, sorted."""
    return sorted(path.stem for path in PACKAGED.glob(f"*{SUFFIX}"))


def model_fingerprint(name: str, sha256: str) -> str:
    """What tells a model from others: its name and the first 12 digits of its hash.

    Parameters
    ----------
    name : str
        As its card says.
    sha256 : str
        Hash over weights and card, in hexadecimal.
    """
    return f"{name} {sha256[:12]}"


def find_checkpoint(model: str) -> Path:
    """File of a model.

    Parameters
    ----------
    model : str
        Name of a packaged model, or path of a checkpoint. A packaged model comes
        first; write `./particle` for a file of that name.

    Raises
    ------
    ConfigError
        If there is no packaged model and no file of that name.
    """
    names = packaged_models()
    if model in names:
        return PACKAGED / f"{model}{SUFFIX}"
    path = Path(model).expanduser()
    if path.is_file():
        return path
    msg = (
        f"model is {model!r}, which is neither a packaged model nor a file. Packaged "
        f"are: {', '.join(names) or 'none'}. Or give the path of a {SUFFIX} file."
    )
    raise ConfigError(msg)
