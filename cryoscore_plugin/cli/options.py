"""Options of a command, made from the settings.

The name, type, limits, default and help of a setting exist once, in its model;
here they become an option of the shell. A YAML file given with `--settings` is
read first; what is given on the command line counts more.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cryoscore_plugin.settings import Settings, checked_settings, settings_from_yaml

Callback = TypeVar("Callback", bound=Callable[..., object])
Decorator = Callable[[Callable[..., object]], Callable[..., object]]

_SETTINGS_FILE = click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path),
    metavar="YAML",
    help="File with settings, one `name: value` a line; options given here count more.",
)


def settings_options(model: type[BaseModel]) -> Callable[[Callback], Callback]:
    """Add `--settings` and an option for each setting; pass on one object.

    Parameters
    ----------
    model : type[BaseModel]
        The settings.

    Returns
    -------
    decorate : Callable
        Decorator for a click callback that takes `settings`, keyword-only. The
        command raises `ConfigError` for an unknown key or a bad value.
    """

    def decorate(callback: Callback) -> Callback:
        @functools.wraps(callback)
        def with_settings(
            *args: object, settings_file: Path | None, **values: object
        ) -> object:
            given = {name: values.pop(name) for name in model.model_fields}
            settings = merged_settings(model, settings_file, given)
            return callback(*args, settings=settings, **values)

        options = [_option(name, field) for name, field in model.model_fields.items()]
        return with_options(cast("Callback", with_settings), [_SETTINGS_FILE, *options])

    return decorate


def gathered_options(
    kind: Callable[..., object], options: Sequence[Decorator]
) -> Callable[[Callback], Callback]:
    """Add options and arguments; pass them on as one object.

    Parameters
    ----------
    kind : Callable
        A dataclass whose fields are called as the options.
    options : Sequence[Decorator]
        As `click.option` and `click.argument` give them.

    Returns
    -------
    decorate : Callable
        Decorator for a click callback that takes `choices`, keyword-only.
    """
    names = list(inspect.signature(kind).parameters)

    def decorate(callback: Callback) -> Callback:
        @functools.wraps(callback)
        def with_choices(*args: object, **values: object) -> object:
            choices = kind(**{name: values.pop(name) for name in names})
            return callback(*args, choices=choices, **values)

        return with_options(cast("Callback", with_choices), options)

    return decorate


def with_options(callback: Callback, options: Sequence[Decorator]) -> Callback:
    """Add options and arguments; the first of the list is the first of the help.

    Parameters
    ----------
    callback : Callback
        Function of a click command.
    options : Sequence[Decorator]
        As `click.option` and `click.argument` give them.
    """
    decorated: Callable[..., object] = callback
    # The option applied last is the first of the help.
    for option in reversed(options):
        decorated = option(decorated)
    return cast("Callback", decorated)


def merged_settings(
    model: type[Settings], settings_file: Path | None, given: dict[str, object]
) -> Settings:
    """Settings of a YAML file, overridden by those of the command line.

    Parameters
    ----------
    model : type[Settings]
        The settings.
    settings_file : Path or None
        YAML file, or None for the defaults.
    given : dict[str, object]
        Value of each option by the setting's name; None where it was not given.

    Raises
    ------
    ConfigError
        If a key is unknown or a value is out of range.
    """
    base = (
        model() if settings_file is None else settings_from_yaml(model, settings_file)
    )
    chosen = {name: value for name, value in given.items() if value is not None}
    values = base.model_dump() | chosen
    return checked_settings(model, values, origin="On the command line")


def _option(name: str, field: FieldInfo) -> Decorator:
    """One option; None means not given, so that it does not hide the YAML file."""
    kind = _value_type(field.annotation)
    flag = "--" + name.replace("_", "-")
    return click.option(
        f"{flag}/--no-{flag[2:]}" if kind is bool else flag,
        name,
        type=click.Choice(get_args(kind)) if get_origin(kind) is Literal else kind,
        default=None,
        help=f"{field.description}{_default_in_words(field.default)}",
    )


def _value_type(annotation: object) -> Any:  # noqa: ANN401  a type, or a Literal
    """The type of a value, without the `| None` of an optional setting."""
    alternatives = [kind for kind in get_args(annotation) if kind is not type(None)]
    if get_origin(annotation) is Literal or not alternatives:
        return annotation
    return alternatives[0]


def _default_in_words(default: object) -> str:
    """The default as the help shows it; where there is none, the description does."""
    if default is None:
        return ""
    if isinstance(default, bool):
        default = "yes" if default else "no"
    return f"  [default: {default}]"
