"""What a run tells the shell and the event log, and how files get to CryoSPARC.

Each micrograph is delivered as soon as it is written, so that a job that is stopped
keeps all that was done. One that cannot be delivered counts as failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import click

from cryoscore_plugin.batch.monitor import MicrographResult, MicrographTask
from cryoscore_plugin.batch.uncertainty import uncertainty_file
from cryoscore_plugin.cli.progress import ShellMonitor
from cryoscore_plugin.errors import MicrographError
from cryosparc_jobs.exposures import DenoisedFile, Exposure
from cryosparc_jobs.external_job import ExternalJob
from cryosparc_jobs.lifecycle import KillWatch
from cryosparc_jobs.places import Place

MOST_WARNINGS = 20
"""How many different warnings, and how many failures, the event log shows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """What became of the micrographs of a job; grows while it runs.

    Attributes
    ----------
    files : dict[int, DenoisedFile]
        Denoised micrograph by uid.
    reasons : dict[int, str]
        Why a micrograph failed, by uid.
    passing : set[int]
        Those of them that may succeed another time, such as after a full disk.
    results : dict[int, MicrographResult]
        What the run said, by uid.
    description : list[str]
        Model and device in words, once the run has begun.
    halves : dict[int, PurePosixPath]
        File of the halves by uid, relative to the project.
    agreement : dict[int, float]
        How well they agree by uid, where it was measured.
    doubts : list[str]
        What is wrong with the job as a whole, although it has its results.
    """

    files: dict[int, DenoisedFile] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    passing: set[int] = field(default_factory=set)
    results: dict[int, MicrographResult] = field(default_factory=dict)
    description: list[str] = field(default_factory=list)
    halves: dict[int, PurePosixPath] = field(default_factory=dict)
    agreement: dict[int, float] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether no micrograph failed, and nothing else is wrong."""
        return not self.reasons and not self.doubts


class EventLogMonitor:
    """Tells the shell and CryoSPARC of each micrograph, and delivers it.

    Parameters
    ----------
    job : ExternalJob
        The job that runs.
    place : Place
        Where its files are.
    exposures : Mapping[Path, Exposure]
        Exposure by output file.
    record : Record
        Is filled.
    with_halves : bool
        Whether the halves are wanted, too.
    """

    def __init__(
        self,
        job: ExternalJob,
        place: Place,
        exposures: Mapping[Path, Exposure],
        record: Record,
        *,
        with_halves: bool = False,
    ) -> None:
        self._job = job
        self._place = place
        self._exposures = exposures
        self._record = record
        self._with_halves = with_halves
        self._watch = KillWatch(job)
        self._shell = ShellMonitor()
        self._counts: Counter[str] = Counter()
        self._warnings: dict[str, None] = {}

    def on_start(self, description: str, *, total: int) -> None:
        """Say what is going to happen."""
        self._shell.on_start(description, total=total)
        self._record.description[:] = [description]
        self._job.events.log(f"{total} micrographs, {description}")

    def take(self, task: MicrographTask) -> bool:
        """Whether the raw micrograph is there; where the server has it, it is fetched."""
        exposure = self._exposures[task.output]
        try:
            _refuse_stack(exposure)
            self._place.fetch(exposure.path)
        except MicrographError as error:
            self._fail(exposure, str(error))
            click.echo(f"{exposure.path.name} FAILED: {error}", err=True)
            return False
        if self._with_halves and exposure.halves is not None:
            # The run warns of halves that it does not find.
            with suppress(MicrographError):
                self._place.fetch(exposure.halves)
        return True

    def on_result(self, result: MicrographResult, *, done: int, total: int) -> None:
        """Deliver the micrograph, and say how far the job is."""
        exposure = self._exposures[result.task.output]
        self._record.results[exposure.uid] = result
        self._shell.on_result(result, done=done, total=total)
        if result.status == "failed":
            self._fail(exposure, result.message, passing=result.passing)
        else:
            self._deliver(exposure, result)
        for warning in result.warnings:
            self._warn(f"{exposure.path.name}: {warning}", key=warning)
        ended = self._counts.total()
        self._job.events.progress(self._progress(ended, total), last=ended == total)

    def abort_requested(self) -> bool:
        """Whether the job was killed or cleared in CryoSPARC."""
        return self._watch.stopped()

    def close(self) -> None:
        """Leave the progress bar of the shell."""
        self._shell.close()

    def _deliver(self, exposure: Exposure, result: MicrographResult) -> None:
        file = result.task.output
        path = f"{self._job.uid}/{exposure.denoised_name}"
        try:
            # The uncertainty belongs to no output of the job; it lies beside its image.
            for one in (file, uncertainty_file(file)):
                if one is file or one.exists():
                    self._place.deliver(one)
            described = DenoisedFile.of(file, path)
        except MicrographError as error:
            self._fail(exposure, str(error), passing=True)
            return
        self._record.files[exposure.uid] = described
        # It may have failed when it was tried before.
        self._record.reasons.pop(exposure.uid, None)
        self._record.passing.discard(exposure.uid)
        self._counts[result.status] += 1

    def _fail(self, exposure: Exposure, message: str, *, passing: bool = False) -> None:
        self._counts["failed"] += 1
        if passing:
            self._record.passing.add(exposure.uid)
        self._record.reasons[exposure.uid] = message
        self._warn(f"{exposure.path.name} failed: {message}", key=message)

    def _warn(self, text: str, *, key: str) -> None:
        """Write a warning, each kind once, and not hundreds of them."""
        if key in self._warnings or len(self._warnings) >= MOST_WARNINGS:
            return
        self._warnings[key] = None
        self._job.events.log(text, level="warning")

    def _progress(self, done: int, total: int) -> str:
        words = [f"Denoised {self._counts['denoised']} of {total}"]
        if self._counts["skipped"]:
            words.append(f"{self._counts['skipped']} were finished before")
        if self._counts["failed"]:
            words.append(f"{self._counts['failed']} failed")
        return f"{', '.join(words)} ({100 * done // total} %)."


def _refuse_stack(exposure: Exposure) -> None:
    if exposure.section:
        msg = (
            f"{exposure.path} should be the only image of its file, but is number "
            f"{exposure.section + 1}. Import single micrographs."
        )
        raise MicrographError(msg)
