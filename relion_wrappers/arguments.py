"""The words with which RELION starts an External job.

RELION writes `--o External/job003/ --in_mics FILE [--label [value]]... --j 1`, and
adds `--pipeline_control DIR` if `relion_` is anywhere in the command. It does not
quote values, and a label whose value was left empty arrives alone. A mistake in a
label or a value is told in one sentence, because RELION itself tells nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import TypeVar, cast

import click

from cryoscore_plugin.cli.options import Callback, with_options
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.settings import (
    DenoiseSettings,
    TrainSettings,
    checked_settings,
)

JobSettings = TypeVar("JobSettings", DenoiseSettings, TrainSettings)


_CONTROL = click.option(
    "--pipeline_control",
    expose_value=False,
    metavar="DIR",
    help="Taken and not used; RELION adds it to some commands.",
)
_FOLDER = click.option(
    "--o",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of the job, such as External/job003/.",
)


@dataclass(frozen=True, kw_only=True)
class JobArguments:
    """What RELION itself tells a job; the rest are settings.

    Attributes
    ----------
    folder : Path
        Folder of the job.
    in_mics : str
        Table of micrographs, as RELION wrote it.
    threads : int or None
        CPU threads.
    """

    folder: Path
    in_mics: str
    threads: int | None


@dataclass(frozen=True, kw_only=True)
class PicksArguments:
    """What RELION itself tells a job on picks.

    Attributes
    ----------
    folder : Path
        Folder of the job.
    in_coords : str
        List of picks, as RELION wrote it.
    in_mics : str or None
        Table of micrographs, as RELION wrote it; None if it was not given.
    """

    folder: Path
    in_coords: str
    in_mics: str | None


class Takes(Enum):
    """What may follow an option."""

    NOTHING = 0
    A_VALUE = 1
    PERHAPS_A_VALUE = 2


def job_options(callback: Callback) -> Callback:
    """Add the options of every job on micrographs; pass on one object.

    Parameters
    ----------
    callback : Callback
        Click callback that takes `arguments`, keyword-only.
    """

    @functools.wraps(callback)
    def with_arguments(
        *args: object, o: Path, in_mics: str, j: int | None, **values: object
    ) -> object:
        arguments = JobArguments(folder=o, in_mics=in_mics, threads=j)
        return callback(*args, arguments=arguments, **values)

    threads = click.option(
        "--j", type=click.IntRange(min=1), help="CPU threads, as --threads."
    )
    in_mics = click.option(
        "--in_mics", required=True, metavar="STAR", help="Table of micrographs."
    )
    options = (_FOLDER, in_mics, threads, _CONTROL)
    return with_options(cast("Callback", with_arguments), options)


def picks_options(callback: Callback) -> Callback:
    """Add the options of a job on picks; pass on one object.

    Parameters
    ----------
    callback : Callback
        Click callback that takes `arguments`, keyword-only.
    """

    @functools.wraps(callback)
    def with_arguments(
        *args: object, o: Path, in_coords: str, in_mics: str | None, **values: object
    ) -> object:
        arguments = PicksArguments(folder=o, in_coords=in_coords, in_mics=in_mics)
        return callback(*args, arguments=arguments, **values)

    threads = click.option(
        "--j",
        expose_value=False,
        type=click.IntRange(min=1),
        help="Taken and not used; RELION always sends it.",
    )
    in_mics = click.option(
        "--in_mics",
        metavar="STAR",
        help="The raw micrographs to extract from, or the denoised ones of the picks. "
        "Needed only where the picks do not lead to a denoise job.",
    )
    in_coords = click.option(
        "--in_coords",
        required=True,
        metavar="STAR",
        help="Picks on denoised micrographs: coords_suffix_*.star of RELION 3.1, or "
        "autopick.star, manualpick.star and the like of RELION 4 and 5; or the picks of "
        "many micrographs in one .txt, .csv or .star file, as Topaz writes them.",
    )
    options = (_FOLDER, in_coords, in_mics, threads, _CONTROL)
    return with_options(cast("Callback", with_arguments), options)


def folder_among(words: Sequence[str]) -> Path | None:
    """Folder of the job, even if the rest of the command cannot be understood.

    Parameters
    ----------
    words : Sequence[str]
        The command line after the name of the command.
    """
    for word, following in pairwise([*words, ""]):
        if word == "--o" and following and not following.startswith("--"):
            return Path(following)
        if word.startswith("--o=") and len(word) > len("--o="):
            return Path(word.removeprefix("--o="))
    return None


def check_grammar(words: Sequence[str], takes: Callable[[str], Takes | None]) -> None:
    """Refuse words that are no `--label value`, which RELION makes of typing errors.

    Parameters
    ----------
    words : Sequence[str]
        The command line after the name of the command.
    takes : Callable[[str], Takes or None]
        What may follow an option; None for a word that is no option of the command.

    Raises
    ------
    ConfigError
        If a value is missing, or there is one too many.
    """
    expected = Takes.NOTHING
    option = ""
    for word in words:
        if word.startswith("--"):
            _check_given(option, expected)
            option = word
            # An unknown option is told by click, which proposes the right name.
            known = takes(word) or Takes.PERHAPS_A_VALUE
            expected = Takes.NOTHING if "=" in word else known
        elif expected is Takes.NOTHING and option:
            msg = (
                f"{option} should be followed by the next parameter, but {word!r} "
                "comes between. A parameter that is a switch has no value, and a "
                "value with a space stands in double quotes."
            )
            raise ConfigError(msg)
        else:
            expected = Takes.NOTHING
    _check_given(option, expected)


def _check_given(option: str, expected: Takes) -> None:
    if expected is Takes.A_VALUE:
        msg = (
            f"{option} should have a value, but has none. Give one, or empty the "
            "label of this parameter too."
        )
        raise ConfigError(msg)


def job_settings(
    settings: JobSettings, *, threads: int | None, gpu: str | None
) -> JobSettings:
    """Settings with what RELION users say in RELION's words.

    Parameters
    ----------
    settings : JobSettings
        Settings as given; `threads` counts more than `--j`, which RELION always
        sends.
    threads : int or None
        Value of `--j`.
    gpu : str or None
        Value of `--gpu`: GPU numbers with `,` or RELION's `:` between; empty for
        all that are free. None if it was not given.

    Raises
    ------
    ConfigError
        If `--gpu` and `--device` contradict each other, or are no device.
    """
    changes: dict[str, object] = {}
    if settings.threads is None and threads is not None:
        changes["threads"] = threads
    if gpu is not None:
        device = gpu.strip().replace(":", ",") or "auto"
        default = type(settings).model_fields["device"].default
        if settings.device not in (default, device):
            msg = (
                f"--gpu is {gpu} and --device is {settings.device}, but they are the "
                "same setting. Give one of them."
            )
            raise ConfigError(msg)
        changes["device"] = device
    values = {**settings.model_dump(), **changes}
    return checked_settings(type(settings), values, origin="settings")


def with_reference(settings: DenoiseSettings, in_3dref: str | None) -> DenoiseSettings:
    """Settings with the reference of RELION's field "Input 3D reference".

    Parameters
    ----------
    settings : DenoiseSettings
        Settings as given.
    in_3dref : str or None
        Value of `--in_3dref`; None if it was not given.

    Raises
    ------
    ConfigError
        If `--reference` is another one.
    """
    if in_3dref is None:
        return settings
    if settings.reference not in (None, in_3dref):
        msg = (
            f"--in_3dref is {in_3dref} and --reference is {settings.reference}, but "
            "they are the same setting. Give one of them."
        )
        raise ConfigError(msg)
    return settings.model_copy(update={"reference": in_3dref})
