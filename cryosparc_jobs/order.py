"""What a user asks a cluster for: arguments and options of `submit`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import click

from cryoscore_plugin.cli.options import Callback, with_options
from cryoscore_plugin.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a user asks a cluster for.

    Attributes
    ----------
    template : Path
        The site's `cluster_script.sh`.
    submit_command : str or None
        What submits a script; None takes it from `cluster_info.json`.
    cpus, gpus : int
        How many.
    ram_gb : float
        Memory in GB.
    more : dict[str, str]
        Variables of the site's own.
    script : Path
        Where to write the script.
    only_write : bool
        Whether to leave the submitting to the user.
    """

    template: Path
    submit_command: str | None
    cpus: int
    gpus: int
    ram_gb: float
    more: dict[str, str]
    script: Path
    only_write: bool


def submit_options(callback: Callback) -> Callback:
    """Add the options that say what to ask for; pass on one `order`.

    Parameters
    ----------
    callback : Callback
        Click callback that takes `order`, keyword-only. The command raises
        `ConfigError` if a variable is not written as name=value.
    """

    @functools.wraps(callback)
    def with_order(*args: object, **values: Any) -> object:  # noqa: ANN401  as click has it
        names = ("template", "submit_command", "cpus", "gpus", "ram_gb", "script")
        order = Order(
            more=_pairs(values.pop("variables")),
            only_write=values.pop("only_write"),
            **{name: values.pop(name) for name in names},
        )
        return callback(*args, order=order, **values)

    return with_options(cast("Callback", with_order), _OPTIONS)


def _pairs(words: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name.isidentifier():
            msg = (
                f"--set should be followed by name=value, but is by {word!r}. Type, "
                "for example, --set partition=gpu."
            )
            raise ConfigError(msg)
        found[name] = value
    return found


_OPTIONS = (
    click.argument(
        "template", type=click.Path(path_type=Path, exists=True, dir_okay=False)
    ),
    click.option(
        "--submit-command",
        help="What submits a script, such as sbatch. Default: qsub_cmd_tpl of the "
        "cluster_info.json beside TEMPLATE.",
    ),
    click.option("--cpus", type=click.IntRange(min=1), default=4, show_default=True),
    click.option("--gpus", type=click.IntRange(min=0), default=1, show_default=True),
    click.option(
        "--ram-gb", type=click.FloatRange(min=1), default=16, show_default=True
    ),
    click.option(
        "--set",
        "variables",
        multiple=True,
        metavar="NAME=VALUE",
        help="A variable of TEMPLATE that is the site's own; may be repeated.",
    ),
    click.option(
        "--script",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("cryoscore_submit.sh"),
        show_default=True,
        help="Where to write the script.",
    ),
    click.option("--only-write", is_flag=True, help="Write the script, and stop."),
)
