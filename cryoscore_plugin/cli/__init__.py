"""The shell command `cryoscore`, and its sub-commands.

A sub-command is imported when it is used, so that `cryoscore --help` answers at
once. Adapters plug their own groups in through the entry points
`cryoscore.commands`; one that cannot be imported is named with the reason, and
does not disturb the others.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import click

from cryoscore_plugin import __version__
from cryoscore_plugin.cli.exits import run_command, verbose_option

COMMANDS = {
    "audit": "Find out what a reference alone puts into images.",
    "batch": "Denoise a project folder: resumes, shares the work, watches.",
    "benchmark": "Measure seconds, memory and throughput; compare with Topaz.",
    "demo": "Denoise a simulated project, and compare with the truth.",
    "denoise": "Denoise micrographs: files, folders, patterns or a table.",
    "doctor": "Say what is installed, what is missing, and what to do about it.",
    "evaluate": "Judge picks, denoised images and maps; compare methods.",
    "models": "List, show and verify the models.",
    "reference": "Prepare a known particle for guidance.",
    "report": "Write a page, a CSV and a JSON file about a batch.",
    "simulate": "Make micrographs of known truth from atomic models.",
    "train": "Make a model from your own micrographs, or from a recipe.",
}
"""Module in this folder, and attribute in it, by name; and one line about it."""


class LazyGroup(click.Group):
    """A group that imports a command of ours only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names of our commands and of the plugged ones."""
        return sorted({*COMMANDS, *_plugs()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name, imported now."""
        if cmd_name in COMMANDS:
            module = importlib.import_module(f"cryoscore_plugin.cli.{cmd_name}")
            command: click.Command = getattr(module, cmd_name)
            return command
        plug = _plugs().get(cmd_name)
        return None if plug is None else _plugged_command(plug)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the list of commands without importing ours."""
        rows = []
        for name in self.list_commands(ctx):
            if (help_line := COMMANDS.get(name)) is None:
                command = self.get_command(ctx, name)
                help_line = "" if command is None else command.get_short_help_str(200)
            rows.append((name, help_line))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _plugs() -> dict[str, EntryPoint]:
    """Commands that adapters plug in, by name."""
    # Made anew: the package `importlib_metadata`, once imported, puts its own in.
    return {
        plug.name: EntryPoint(plug.name, plug.value, plug.group)
        for plug in entry_points(group="cryoscore.commands")
    }


def _plugged_command(plug: EntryPoint) -> click.Command:
    """The command of an adapter, or one that says why it cannot be used."""
    try:
        command: click.Command = plug.load()
    except Exception as error:  # noqa: BLE001  a broken adapter must not break us
        reason = f"unavailable ({type(error).__name__}: {error})"
    else:
        return command

    def refuse() -> None:
        msg = (
            f"`{plug.name}` ({plug.value}) cannot be used: {reason}. Install cryoscore "
            "again, or repair what the message names."
        )
        raise click.ClickException(msg)

    return click.Command(
        plug.name,
        callback=refuse,
        short_help=reason,
        # So that the reason is said whatever words follow.
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        # `--tile_size`, as in a settings file, is the same option as `--tile-size`.
        "token_normalize_func": lambda token: token.replace("_", "-"),
    },
)
@click.version_option(
    __version__, prog_name="cryoscore", message="%(prog)s %(version)s"
)
@verbose_option
def cryoscore() -> None:
    """Denoise cryo-EM micrographs.

    Pick particles on the denoised micrographs, and extract them from the raw ones.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `cryoscore` with words of the shell; the exit code is in `exits.py`."""
    return run_command(cryoscore, arguments, name="cryoscore")
