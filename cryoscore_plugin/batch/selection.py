"""Which micrographs of a project a run takes: by pattern, by part, by number.

The part of a micrograph follows from its name alone. So the parts of an array job fit
together, whatever each of them saw of a folder that was still growing. The tests hold
that the parts are disjoint and complete.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from cryoscore_plugin.batch.monitor import MicrographTask
from cryoscore_plugin.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Part `number` of `count`, counted from 1.

    Attributes
    ----------
    number, count : int
        For example 2 and 8.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `2/8`.

        Parameters
        ----------
        text : str
            The words of the user.

        Raises
        ------
        ConfigError
            If it is not a part of a whole.
        """
        first, _, second = text.partition("/")
        if first.isdecimal() and second.isdecimal():
            shard = cls(number=int(first), count=int(second))
            if 1 <= shard.number <= shard.count:
                return shard
        msg = (
            f"--shard should be a part such as 2/8, from 1/8 to 8/8, but is {text!r}. "
            "In an array job, use sbatch --array=1-8 and "
            "--shard $SLURM_ARRAY_TASK_ID/8."
        )
        raise ConfigError(msg)

    def has(self, name: str) -> bool:
        """Whether a micrograph belongs to this part.

        Parameters
        ----------
        name : str
            Its place below the output folder.
        """
        # Not encode(): the bytes of a name need not be UTF-8.
        digest = hashlib.sha256(os.fsencode(name)).digest()
        return int.from_bytes(digest[:8]) % self.count == self.number - 1


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What to take of a project; the default is everything.

    Attributes
    ----------
    include, exclude : tuple[str, ...]
        Patterns such as `day2/*` or `*_0001*`, for the name of a micrograph or its
        place below the project. Without `include` all are taken.
    shard : Shard or None
        The part of the work that is ours.
    limit : int or None
        At most so many, the first ones.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shard: Shard | None = None
    limit: int | None = None

    def choose(
        self, tasks: Iterable[MicrographTask], output: Path
    ) -> list[MicrographTask]:
        """The tasks that are taken, in their order.

        Parameters
        ----------
        tasks : Iterable[MicrographTask]
            All tasks of the project.
        output : Path
            Folder of the outputs.
        """
        chosen = []
        for task in tasks:
            place = task.output.relative_to(output).as_posix()
            names = (task.source.name, place, str(task.source))
            if self.include and not _matches(names, self.include):
                continue
            if _matches(names, self.exclude):
                continue
            if self.shard is None or self.shard.has(place):
                chosen.append(task)
        return chosen if self.limit is None else chosen[: self.limit]


def _matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
