"""What a user asks a job to do: arguments and options of `denoise` and `watch`."""

from __future__ import annotations

import functools
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import click

from cryoscore_plugin.cli.options import Callback, with_options
from cryoscore_plugin.settings import DenoiseSettings
from cryosparc_jobs.source import Source


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for, besides the settings.

    Attributes
    ----------
    project, workspace : str
        Where the job is, such as `P3` and `W1`.
    source : Source
        The raw micrographs.
    job : str or None
        An External job to go on with; None makes a new one.
    picking_output : bool
        Whether to write the second output, for pickers only.
    scratch : Path or None
        Folder for files that go through the server; None takes one in the cache.
    """

    project: str
    workspace: str
    source: Source
    job: str | None = None
    picking_output: bool = False
    scratch: Path | None = None

    def command(self, job: str, settings: DenoiseSettings) -> str:
        """The command that goes on with a job; without account and address.

        Parameters
        ----------
        job : str
            The job, such as `J51`.
        settings : DenoiseSettings
            How to denoise.
        """
        words = ["cryoscore", "cryosparc", "denoise", self.project, self.workspace]
        words += [str(self.source), "--job", job]
        if self.picking_output:
            words.append("--picking-output")
        defaults = DenoiseSettings().model_dump(mode="json")
        for name, value in settings.model_dump(mode="json").items():
            if value != defaults[name]:
                words.append(f"--{name.replace('_', '-')}")
                words += [] if value is True else [str(value)]
        return shlex.join(words)


def request_options(callback: Callback) -> Callback:
    """Add the arguments and options that say what to do; pass on one `request`.

    Parameters
    ----------
    callback : Callback
        Click callback that takes `request`, keyword-only. The command raises
        `ConfigError` if the source is not written as JOB:OUTPUT.
    """

    @functools.wraps(callback)
    def with_request(*args: object, **values: Any) -> object:  # noqa: ANN401  as click has it
        request = Request(
            project=values.pop("project"),
            workspace=values.pop("workspace"),
            source=Source.parsed(values.pop("source")),
            job=values.pop("job"),
            picking_output=values.pop("picking_output"),
            scratch=values.pop("scratch"),
        )
        return callback(*args, request=request, **values)

    return with_options(cast("Callback", with_request), _OPTIONS)


_OPTIONS = (
    click.argument("project"),
    click.argument("workspace"),
    click.argument("source"),
    click.option(
        "--job",
        metavar="J51",
        help="Go on with this External job: one that was stopped, or an empty one.",
    ),
    click.option(
        "--picking-output",
        is_flag=True,
        help="Write a second output, for pickers that do not know denoised micrographs.",
    ),
    click.option(
        "--scratch",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for files that go through the server, where the project directory "
        "is not seen. Default: in ~/.cache.",
    ),
)
