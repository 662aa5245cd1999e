"""What our jobs for the CCP-EM Pipeliner share: the program, and how it is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeliner.job_options import IntJobOption, JobOption
from pipeliner.nodes import Node
from pipeliner.pipeliner_job import ExternalProgram, JobInfo, PipelinerJob

from cryoscore_plugin import __version__
from relion_wrappers.checks import command_path


def program() -> str:
    """The command `cryoscore` of the environment that runs the Pipeliner."""
    return str(command_path("cryoscore"))


def describe(jobinfo: JobInfo, *, name: str, purpose: str, explanation: str) -> None:
    """Fill in what the Pipeliner tells its user about a job and its program.

    Parameters
    ----------
    jobinfo : JobInfo
        The job's, which is changed.
    name : str
        What the job is called in menus.
    purpose, explanation : str
        What it does, in one line and in a few sentences.
    """
    jobinfo.display_name = name
    jobinfo.short_desc = purpose
    jobinfo.long_desc = explanation
    jobinfo.version = __version__
    jobinfo.job_author = "The cryoscore developers"
    version = [program(), "--version"]
    jobinfo.programs = [ExternalProgram(program(), name="cryoscore", vers_com=version)]


def max_failed_option() -> JobOption[Any]:
    """The option `--max_failed` of our commands."""
    return IntJobOption(
        label="Micrographs that may fail:",
        default_value=0,
        hard_min=0,
        in_continue=True,
        jobop_group="Details",
        help_text="The job succeeds although this many micrographs fail.",
    )


def words_for_max_failed(option: JobOption[Any]) -> list[str]:
    """Words of the command for `max_failed_option`; none if it was left empty."""
    return [] if option.value is None else ["--max_failed", str(option.value)]


def nodes_that_exist(job: PipelinerJob) -> list[Node]:
    """What a job has made that was stopped, and is then marked as finished.

    Parameters
    ----------
    job : PipelinerJob
        The job, whose list of output nodes is made again.
    """
    job.output_nodes = []
    job.create_output_nodes()
    job.create_post_run_output_nodes()
    return [node for node in job.output_nodes if Path(node.name).is_file()]
