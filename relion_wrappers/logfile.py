"""`logfile.pdf`, which RELION shows under this name among the outputs of a job.

It is for looking, and nothing depends on it: where it cannot be written, the job says
why and succeeds all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cryoscore_plugin import __version__
from cryoscore_plugin.batch.monitor import MicrographResult
from cryoscore_plugin.errors import ConfigError, CryoScoreError
from cryoscore_plugin.report.figures import require_matplotlib
from cryoscore_plugin.report.pages import write_pages
from relion_wrappers.output_nodes import LOGFILE


def logfile_can_be_drawn() -> bool:
    """Whether the library that draws is installed."""
    try:
        require_matplotlib()
    except ConfigError:
        return False
    return True


def write_logfile(
    folder: Path, results: Sequence[MicrographResult], *, job: str
) -> None:
    """Write the pages about a job, or say why there are none.

    Parameters
    ----------
    folder : Path
        Folder of the job.
    results : Sequence[MicrographResult]
        What became of each micrograph. If all failed, no pages are left.
    job : str
        The job, as the project names it.
    """
    if all(result.status == "failed" for result in results):
        (folder / LOGFILE).unlink(missing_ok=True)
        return
    title = f"cryoscore {__version__}, {job}"
    try:
        write_pages(folder / LOGFILE, results, title=title)
    except (CryoScoreError, OSError) as error:
        # Pages of an earlier run would be taken for those of this run.
        (folder / LOGFILE).unlink(missing_ok=True)
        click.echo(f"No {LOGFILE}: {error}")
