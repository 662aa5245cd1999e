"""What a user asks a job to do: arguments and options that are no settings."""

from __future__ import annotations

import functools
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import click
from pydantic import BaseModel

from cryoscore_plugin.cli.options import Callback, with_options
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
    scratch : Path or None
        Folder for files that go through the server; None takes one in the cache.
    picking_output : bool
        Whether to write the second output, for pickers only.
    half_sample : int
        Of how many micrographs the halves are used to see how good the result is.
    reference_volume : Source or None
        A volume that guides.
    """

    project: str
    workspace: str
    source: Source
    job: str | None = None
    scratch: Path | None = None
    picking_output: bool = False
    half_sample: int = 5
    reference_volume: Source | None = None

    def command(self, verb: str, job: str, settings: BaseModel) -> str:
        """The command that goes on with a job; without account and address.

        Parameters
        ----------
        verb : str
            The command of `cryoscore cryosparc`.
        job : str
            The job, such as `J51`.
        settings : BaseModel
            How to do it.
        """
        words = ["cryoscore", "cryosparc", verb, self.project, self.workspace]
        words += [str(self.source), "--job", job]
        if self.picking_output:
            words.append("--picking-output")
        if self.half_sample != Request.half_sample:
            words += ["--half-sample", str(self.half_sample)]
        if self.reference_volume is not None:
            words += ["--reference-volume", str(self.reference_volume)]
        for name, value in changed_settings(settings).items():
            words.append(f"--{name.replace('_', '-')}")
            words += [] if value is True else [str(value)]
        return shlex.join(words)


def changed_settings(settings: BaseModel) -> dict[str, object]:
    """Settings that are not the default, as JSON has them.

    Parameters
    ----------
    settings : BaseModel
        All of them, each with a default.
    """
    defaults = type(settings)().model_dump(mode="json")
    return {
        name: value
        for name, value in settings.model_dump(mode="json").items()
        if value != defaults[name]
    }


def job_options(callback: Callback) -> Callback:
    """Add what each job needs to be told; pass on one `request`.

    Parameters
    ----------
    callback : Callback
        Click callback that takes `request`, keyword-only. The command raises
        `ConfigError` if an output is not written as JOB:OUTPUT.
    """
    return with_options(_with_request(callback), _OPTIONS)


def denoise_options(callback: Callback) -> Callback:
    """Add what a denoise job needs to be told; pass on one `request`.

    Parameters
    ----------
    callback : Callback
        As for `job_options`.
    """
    return with_options(_with_request(callback), (*_OPTIONS, *_DENOISE_OPTIONS))


def _with_request(callback: Callback) -> Callback:
    @functools.wraps(callback)
    def with_request(*args: object, **values: Any) -> object:  # noqa: ANN401  as click has it
        volume = values.pop("reference_volume", None)
        request = Request(
            project=values.pop("project"),
            workspace=values.pop("workspace"),
            source=Source.parsed(values.pop("source")),
            job=values.pop("job"),
            scratch=values.pop("scratch"),
            picking_output=values.pop("picking_output", False),
            half_sample=values.pop("half_sample", Request.half_sample),
            reference_volume=None if volume is None else Source.parsed(volume),
        )
        return callback(*args, request=request, **values)

    return cast("Callback", with_request)


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
        "--scratch",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for files that go through the server, where the project directory "
        "is not seen. Default: in ~/.cache.",
    ),
)

_DENOISE_OPTIONS = (
    click.option(
        "--picking-output",
        is_flag=True,
        help="Write a second output, for pickers that do not know denoised micrographs.",
    ),
    click.option(
        "--half-sample",
        type=click.IntRange(min=0),
        default=Request.half_sample,
        show_default=True,
        help="Of how many micrographs, spread evenly, the halves are used at the end to "
        "see how well they agree, if the exposures have halves. --halves uses all.",
    ),
    click.option(
        "--reference-volume",
        metavar="J55:volume",
        help="Known particle that guides the result: a volume of the project, in place "
        "of --reference. How independent it is, is read from the jobs that it comes "
        "from. Needs guidance.",
    ),
)
