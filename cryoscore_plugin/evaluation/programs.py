"""The programs that `cryoscore benchmark` measures, and how each is started.

Topaz-Denoise is another program, under the GPL; it is started if it is found, and
nothing of it is imported. It is run with `--arch unet` (version 0.3 ignores `-m`) and
its default tiles, made explicit.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.evaluation.resources import measure_command

OURS, TOPAZ = "cryoscore", "topaz"

CommandMaker = Callable[[Path, Path, str], list[str]]
"""From input file, output folder and device to the words of a command."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A denoiser that can be started.

    Attributes
    ----------
    name : str
        `OURS` or `TOPAZ`.
    version : str
        What it says of itself.
    command : CommandMaker
        How it is started.
    """

    name: str
    version: str
    command: CommandMaker


def find_topaz(given: Path | None) -> Path | None:
    """The program `topaz`: as given, else from PATH; None if it is not there.

    Parameters
    ----------
    given : Path or None
        What the user says; None to look on PATH.

    Raises
    ------
    ConfigError
        If what the user says cannot be started.
    """
    found = shutil.which(given or TOPAZ)
    if found is None and given is not None:
        msg = (
            f"--topaz should be the program of Topaz, but {given} is not a file that "
            "can be started. Give its full path, such as topaz-env/bin/topaz."
        )
        raise ConfigError(msg)
    return None if found is None else Path(found)


def cryoscore_program(model: str | None, *, version: str, threads: int) -> Program:
    """Our own `cryoscore denoise`, as a user starts it.

    Parameters
    ----------
    model : str or None
        Packaged model or path of a checkpoint; None for the default.
    version : str
        Of cryoscore.
    threads : int
        For its `--threads`.
    """

    def command(source: Path, target: Path, device: str) -> list[str]:
        words = [sys.executable, "-m", "cryoscore_plugin", "denoise", str(source)]
        words += ["--output", str(target), "--device", device]
        words += ["--threads", str(threads)]
        return words if model is None else [*words, "--model", model]

    return Program(name=OURS, version=version, command=command)


def topaz_program(path: Path, *, threads: int) -> Program:
    """Topaz-Denoise as users get it: pretrained `unet`, default tiles.

    Parameters
    ----------
    path : Path
        The program `topaz`.
    threads : int
        For its `-j`.

    Raises
    ------
    ConfigError
        If it does not say its version.
    """
    answer = measure_command([str(path), "--version"], environment={})
    version = re.search(r"\d+(\.\d+)+\S*", answer.output)
    if answer.exit_code != 0 or version is None:
        msg = (
            f"`{path} --version` should print the version of Topaz, but ended with code "
            f"{answer.exit_code}: {last_line(answer.output)} Repair that installation, "
            "or leave Topaz out by giving another --topaz."
        )
        raise ConfigError(msg)

    def command(source: Path, target: Path, device: str) -> list[str]:
        number = {"cpu": "-1", "cuda": "0"}.get(device, device)
        options = f"-d {number} -j {threads} --arch unet -s 1024 -p 500 -o".split()
        return [str(path), "denoise", *options, str(target), str(source)]

    return Program(name=TOPAZ, version=version.group(), command=command)


def last_line(output: str) -> str:
    """The last line that a program wrote, where errors are explained."""
    lines = output.strip().splitlines()
    return lines[-1] if lines else "it said nothing."
