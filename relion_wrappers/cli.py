"""`cryoscore relion denoise`, `train`, `restore-picks`, and the aliases that users type.

The alias `cryoscore-relion-denoise` is the same command as `cryoscore relion denoise`,
and likewise for the others. It has a name of its own because the field "External
executable" is easiest filled with one word, and its name has dashes because RELION
changes a command that contains `relion_`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from cryoscore_plugin.cli.exits import run_command, verbose_option
from cryoscore_plugin.cli.options import settings_options
from cryoscore_plugin.settings import DenoiseSettings, TrainSettings
from relion_wrappers.arguments import (
    JobArguments,
    PicksArguments,
    Takes,
    check_grammar,
    folder_among,
    job_options,
    job_settings,
    picks_options,
    with_reference,
)
from relion_wrappers.job import Marker, RelionJob, leave_marker

# `--tile_size`, a setting's own name, is the same option as `--tile-size`. An alias
# has no parent to inherit this from.
_CONTEXT: dict[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
    "token_normalize_func": lambda token: token.replace("_", "-"),
}


class JobCommand(click.Command):
    """A command that RELION starts: it leaves a marker, however it ends."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as click has it
        """Run as a program, with the messages and exit codes of `cryoscore`."""
        if not kwargs.get("standalone_mode", True):
            return super().main(*args, **kwargs)
        words = kwargs.get("args") or (args[0] if args else None)
        name = kwargs.get("prog_name") or f"cryoscore-relion-{self.name}"
        sys.exit(run_command(self, words, name=name))

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401  as click has it
    ) -> click.Context:
        """Read the words; if that fails, RELION is told by the marker."""
        words = list(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.exceptions.Exit:
            raise  # --help is no job.
        except BaseException:
            mark_failed(words)
            raise

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what RELION makes of typing errors, then parse as usual."""
        options = {
            _normalized(name): option
            for option in self.params
            if isinstance(option, click.Option)
            for name in (*option.opts, *option.secondary_opts)
        }
        check_grammar(args, lambda word: _takes(options.get(_normalized(word))))
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            msg = (
                f"{error.format_message()} RELION's window keeps the parameters of the "
                "last External job: those of another job must be emptied in the tab "
                "Params."
            )
            raise click.UsageError(msg, ctx) from error

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  as click has it
        """Run the callback inside the job, which is its context's `obj`."""
        with RelionJob(ctx.params["o"]) as ctx.obj:
            return super().invoke(ctx)


class JobGroup(click.Group):
    """The jobs; a misspelt one is told to RELION by the marker, too."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            mark_failed(args)
            raise


def mark_failed(words: Sequence[str]) -> None:
    """Leave the marker of failure, if the words name a folder for it.

    Parameters
    ----------
    words : Sequence[str]
        The command line.
    """
    folder = folder_among(words)
    # What is wrong with the words matters more than a folder that cannot be written.
    if folder is not None:
        with suppress(OSError):
            leave_marker(folder, Marker.FAILURE)


def _normalized(word: str) -> str:
    return word.partition("=")[0].replace("_", "-")


def _takes(option: click.Option | None) -> Takes | None:
    if option is None:
        return None
    if option.is_flag or option.count:
        return Takes.NOTHING
    return (
        Takes.PERHAPS_A_VALUE if isinstance(option.flag_value, str) else Takes.A_VALUE
    )


_max_failed = click.option(
    "--max_failed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The job succeeds although this many micrographs fail.",
)


_gpu = click.option(
    "--gpu",
    is_flag=False,
    flag_value="auto",
    help="GPU numbers such as 0 or 0,1, as --device. Alone or empty: auto.",
)


@click.group(cls=JobGroup, context_settings=_CONTEXT)
def relion() -> None:
    """Jobs that RELION starts: type them as "External executable"."""


@relion.command(cls=JobCommand, context_settings=_CONTEXT)
@job_options
@_gpu
@click.option(
    "--in_3dref",
    metavar="FILE",
    help="Reference made by `cryoscore reference`, as --reference. Needs --guidance.",
)
@_max_failed
@settings_options(DenoiseSettings)
@verbose_option
@click.pass_obj
def denoise(
    job: RelionJob,
    *,
    arguments: JobArguments,
    settings: DenoiseSettings,
    gpu: str | None,
    in_3dref: str | None,
    max_failed: int,
) -> None:
    """Denoise the micrographs of a RELION table.

    Pick on denoised_micrographs.star, which it writes into the folder of the job, and
    extract from the raw micrographs.
    """
    # The engine brings torch: two seconds that --help and wrong options save.
    from relion_wrappers.denoise import denoise_table  # noqa: PLC0415

    denoise_table(
        job,
        arguments.in_mics,
        with_reference(
            job_settings(settings, threads=arguments.threads, gpu=gpu), in_3dref
        ),
        max_failed=max_failed,
    )


@relion.command(cls=JobCommand, context_settings=_CONTEXT)
@job_options
@_gpu
@settings_options(TrainSettings)
@verbose_option
@click.pass_obj
def train(
    job: RelionJob,
    *,
    arguments: JobArguments,
    settings: TrainSettings,
    gpu: str | None,
) -> None:
    """Let a model go on learning from the micrographs of a RELION table.

    Images of odd and even frames are found beside the micrographs or in the table. At
    the end it is said whether that helped; a denoise job takes the model with --model.
    """
    # The engine brings torch: two seconds that --help and wrong options save.
    from relion_wrappers.train import train_on_table  # noqa: PLC0415

    given = job_settings(settings, threads=arguments.threads, gpu=gpu)
    train_on_table(job, arguments.in_mics, given)


@relion.command("restore-picks", cls=JobCommand, context_settings=_CONTEXT)
@picks_options
@_max_failed
@verbose_option
@click.pass_obj
def restore_picks(
    job: RelionJob, *, arguments: PicksArguments, max_failed: int
) -> None:
    """Give picks made on denoised micrographs to the raw ones.

    Extract particles with the picks that it writes into the folder of the job. In
    RELION 4 and 5 nothing is extracted from raw micrographs without it.
    """
    # STAR files bring pandas: half a second that --help and wrong options save.
    from relion_wrappers import restore_picks as job_module  # noqa: PLC0415

    job_module.restore_picks(
        job,
        arguments.in_coords,
        in_mics=arguments.in_mics,
        max_failed=max_failed,
    )
