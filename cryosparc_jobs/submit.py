"""A denoise job on a cluster, with the site's own script for CryoSPARC's jobs.

Lanes of CryoSPARC cannot run External jobs. But its cluster template, `cluster_script.sh`,
knows how the site wants its jobs; it is filled here with our command in the place of
CryoSPARC's, and given to the command that `cluster_info.json` names.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import StrictUndefined, TemplateError, UndefinedError
from jinja2.sandbox import SandboxedEnvironment

from cryoscore_plugin.errors import ConfigError, InputError

INFO = "cluster_info.json"
"""Beside the template; its `qsub_cmd_tpl` submits a script."""

SECRETS = ("CRYOSPARC_PASSWORD",)
"""Variables that a cluster would store with the job."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What to ask the cluster for.

    Attributes
    ----------
    cpus, gpus : int
        How many.
    ram_gb : float
        Memory in GB.
    more : dict[str, str]
        Variables of the site's own.
    """

    cpus: int
    gpus: int
    ram_gb: float
    more: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the job is, for the variables of the template.

    Attributes
    ----------
    project, job : str
        Numbers of both.
    folder : Path
        Folder of the project.
    """

    project: str
    job: str
    folder: Path


def command_line(words: Sequence[str]) -> str:
    """A `cryoscore` command for a shell, with this Python.

    Parameters
    ----------
    words : Sequence[str]
        What follows `cryoscore`.
    """
    return shlex.join([sys.executable, "-m", "cryoscore_plugin", *words])


def variables(command: str, place: Place, resources: Resources) -> dict[str, object]:
    """Values of the variables that CryoSPARC's templates know.

    Parameters
    ----------
    command : str
        What the cluster runs.
    place : Place
        Where the job is.
    resources : Resources
        What to ask for.
    """
    folder = place.folder / place.job
    return {
        "run_cmd": command,
        "num_cpu": resources.cpus,
        "num_gpu": resources.gpus,
        "ram_gb": resources.ram_gb,
        "project_uid": place.project,
        "job_uid": place.job,
        "job_type": "cryoscore",
        "project_dir_abs": str(place.folder),
        "job_dir_abs": str(folder),
        "job_log_path_abs": str(folder / "cryoscore.log"),
        **resources.more,
    }


def rendered(template: str, values: Mapping[str, object], *, origin: str) -> str:
    """Fill a template.

    Parameters
    ----------
    template : str
        The text, as CryoSPARC has it.
    values : Mapping[str, object]
        Its variables.
    origin : str
        Where it is from, for messages.

    Raises
    ------
    ConfigError
        If it wants a variable that has no value, or is no template.
    """
    environment = SandboxedEnvironment(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    try:
        return environment.from_string(template).render(values)
    except UndefinedError as error:
        msg = (
            f"{origin} wants a variable that has no value: {error.message}. Give one, "
            "such as --set partition=gpu."
        )
        raise ConfigError(msg) from error
    except TemplateError as error:
        msg = f"{origin} should be a template of CryoSPARC, but is not: {error}."
        raise ConfigError(msg) from error


def submit_template(script: Path, given: str | None) -> str:
    """The command that submits a script, with `{{ script_path_abs }}` in it.

    Parameters
    ----------
    script : Path
        The template of the script, beside which `cluster_info.json` may lie.
    given : str or None
        Value of `--submit-command`.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if given is not None:
        return (
            given if "script_path_abs" in given else f"{given} {{{{script_path_abs}}}}"
        )
    info = script.with_name(INFO)
    try:
        found: str = json.loads(info.read_text(encoding="utf-8"))["qsub_cmd_tpl"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = (
            f"The command that submits scripts should be in {info}, under "
            "qsub_cmd_tpl, but is not. Give it, such as --submit-command sbatch."
        )
        raise ConfigError(msg) from error
    return found


def submit(command: str) -> str:
    """Run the command that submits, without secrets in its environment.

    Parameters
    ----------
    command : str
        The command, for a shell.

    Returns
    -------
    answer : str
        What it printed.

    Raises
    ------
    InputError
        If it fails.
    """
    environment = {k: v for k, v in os.environ.items() if k not in SECRETS}
    try:
        answer = subprocess.run(  # noqa: S603  the user's own command, and no shell
            shlex.split(command),
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or error
        msg = (
            f"`{command}` should submit the job, but failed: {str(said).strip()}. The "
            "script is kept; mend it or the command, and submit it by hand."
        )
        raise InputError(msg) from error
    return answer.stdout.strip()
