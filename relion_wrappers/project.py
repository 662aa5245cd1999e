"""How RELION names files in a project, and what a job folder says about its RELION.

RELION finds what belongs to a micrograph by its name without the folder of the job
that made it: `MotionCorr/job002/Movies/a.mrc` and `External/job012/Movies/a.mrc` are
the same `Movies/a.mrc`, their post-job name. A denoised micrograph that keeps the
post-job name of its raw one is found by every later job; one that does not is passed
over in silence. The tests hold that the name is kept whole, and that two micrographs
never share one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from pathlib import Path, PurePosixPath

from cryoscore_plugin.errors import InputError

# decomposePipelineFileName in RELION's src/filename.cpp: the first folder below
# another one that begins with `job` and three digits; only then the first of all.
_JOB_BELOW = re.compile(r"./job\d{3}[^/]*/")
_JOB_FIRST = re.compile(r"^job\d{3}[^/]*/")
_JOB_FILE = re.compile(r"^job\d{3}")


class RelionStyle(Enum):
    """Generations of RELION that differ in their files."""

    V3 = "3.1"
    V4 = "4.0"
    V5 = "5.0"


def relion_style(job_folder: Path) -> RelionStyle | None:
    """Tell from `job.star` which RELION started a job; None without that file.

    Parameters
    ----------
    job_folder : Path
        The folder given by `--o`.
    """
    try:
        text = (job_folder / "job.star").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    if "_rlnJobTypeLabel" not in text:
        return RelionStyle.V3
    # The version number alone cannot tell 3.1 from 4.0: both write 30001.
    version = re.search(r"#\s*version\s+(\d+)", text)
    is_five = version is not None and int(version.group(1)) >= 50001
    return RelionStyle.V5 if is_five else RelionStyle.V4


def project_name(folder: Path) -> PurePosixPath:
    """Name of a job folder as RELION would write it: relative to the project.

    Parameters
    ----------
    folder : Path
        The folder given by `--o`. The current folder is the project.

    Returns
    -------
    name : PurePosixPath
        For example `External/job003`; absolute only if it is outside the project.

    Raises
    ------
    InputError
        If it cannot stand in a STAR file or a RELION project.
    """
    name = folder
    for absolute in (folder, folder.resolve()):
        if absolute.is_absolute() and absolute.is_relative_to(Path.cwd()):
            name = absolute.relative_to(Path.cwd())
            break
    if ".." in name.parts or any(sign.isspace() for sign in str(name)):
        msg = (
            f"The job folder {str(folder)!r} has .. or a space in its name, which "
            "RELION cannot follow. Give one below the project folder with --o."
        )
        raise InputError(msg)
    return PurePosixPath(name)


def post_job_name(name: str) -> str:
    """Name of a file without everything up to the folder of the job that made it.

    Parameters
    ----------
    name : str
        As RELION wrote it, for example `CtfFind/job003/Movies/a.mrc`.

    Returns
    -------
    post : str
        For example `Movies/a.mrc`; the whole name if no job folder is in it.
    """
    match = _JOB_BELOW.search(name) or _JOB_FIRST.search(name)
    return name[match.end() :] if match else name


def micrograph_key(name: str) -> PurePosixPath:
    """What a micrograph has in common with all that is made from it.

    Parameters
    ----------
    name : str
        For example `MotionCorr/job002/Movies/a.mrc`.

    Returns
    -------
    key : PurePosixPath
        The post-job name without extension, for example `Movies/a`.
    """
    # Absolute names lose their root: what is made from them lies below a job, too.
    return PurePosixPath(post_job_name(name).lstrip("/")).with_suffix("")


def output_names(names: Sequence[str]) -> list[PurePosixPath]:
    """Where each denoised micrograph goes, relative to the folder of the job.

    Parameters
    ----------
    names : Sequence[str]
        Micrographs as the table names them.

    Returns
    -------
    outputs : list[PurePosixPath]
        The post-job name of each, ending in `.mrc`; all are different.

    Raises
    ------
    InputError
        If a name would lead out of the folder, cannot stand in a STAR file, or
        gives the output of another one.
    """
    owner: dict[PurePosixPath, str] = {}
    outputs = []
    for name in names:
        output = _output_name(name)
        if output in owner:
            raise InputError(_collision(owner[output], name, output))
        owner[output] = name
        outputs.append(output)
    return outputs


def _output_name(name: str) -> PurePosixPath:
    if any(sign.isspace() for sign in name):
        msg = (
            f"The micrograph name {name!r} has a space in it, which RELION takes for "
            "the end of the name. Rename the file and its row."
        )
        raise InputError(msg)
    parts = PurePosixPath(name).parts
    if ".." in parts:
        msg = (
            f"The micrograph name {name} has .. in it, which would lead RELION out of "
            "its job folder. Name it from the project folder, or link it there."
        )
        raise InputError(msg)
    post = PurePosixPath(post_job_name(name).lstrip("/"))
    # RELION takes such a file for a job folder and is left with an empty name.
    swallowed = str(post) == name.lstrip("/") and _JOB_FILE.match(post.name)
    if not post.name or swallowed:
        msg = (
            f"RELION would take the micrograph {name!r} for the folder of a job. Give "
            "it a file name that does not begin with job and three digits."
        )
        raise InputError(msg)
    return post.with_suffix(".mrc")


def _collision(first: str, second: str, output: PurePosixPath) -> str:
    if first == second:
        return (
            f"The table lists the micrograph {first} twice, where one row is expected. "
            "Take one of the rows out."
        )
    return (
        f"The micrographs {first} and {second} would both become {output}, and RELION "
        "could not tell them apart. Denoise them in two jobs, or rename one."
    )
