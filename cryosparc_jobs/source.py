"""An output of a job, as a user types it."""

from __future__ import annotations

from dataclasses import dataclass

from cryoscore_plugin.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Source:
    """An output of a job, as a user types it: `J42:exposures`.

    Attributes
    ----------
    job : str
        The job.
    output : str
        The output.
    """

    job: str
    output: str

    def __str__(self) -> str:
        return f"{self.job}:{self.output}"

    @classmethod
    def parsed(cls, text: str) -> Source:
        """Read `J42:exposures`.

        Raises
        ------
        ConfigError
            If it is something else.
        """
        job, _, output = text.partition(":")
        if not job[1:].isdecimal() or job[:1] != "J" or not output:
            msg = (
                f"An output is wanted as JOB:OUTPUT, such as J42:exposures, but found "
                f"{text!r}. The names are on the card of the job."
            )
            raise ConfigError(msg)
        return cls(job=job, output=output)
