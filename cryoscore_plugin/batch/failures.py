"""Why a micrograph failed, in a sentence, and whether that may pass by itself."""

from __future__ import annotations

import errno
from pathlib import Path

from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.errors import CryoScoreError


def failure_sentence(task: MicrographTask, error: Exception) -> str:
    """Say why a micrograph failed, and what to do.

    Parameters
    ----------
    task : MicrographTask
        What was to be done.
    error : Exception
        What was raised.
    """
    if isinstance(error, CryoScoreError):
        return str(error)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return disk_is_full(task.output, "")
    if isinstance(error, OSError):
        return (
            f"{task.output} cannot be written: {error.strerror or error}. Check the "
            "folder, or give another one with --output."
        )
    return (
        f"{task.source}: unexpected {type(error).__name__}: {error}. This is a bug of "
        "cryoscore; please report it with what `cryoscore --verbose` shows."
    )


def may_pass(error: Exception) -> bool:
    """Whether the cause of a failure may pass by itself: of files, not of contents.

    Parameters
    ----------
    error : Exception
        What was raised.
    """
    # gzip says that contents are bad with an OSError, too; that one has no number.
    return any(
        isinstance(one, OSError) and one.errno is not None
        for one in (error, error.__cause__)
    )


def disk_is_full(output: Path, sizes: str) -> str:
    """The sentence about a disk that is full.

    Parameters
    ----------
    output : Path
        What should be written.
    sizes : str
        How much room is needed and there, in brackets after a space; or nothing.
    """
    return (
        f"{output} cannot be written: the disk is full{sizes}. Make room, or give "
        "another folder with --output; the same command then goes on from here."
    )
