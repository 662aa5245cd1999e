"""Settings as options of a job for the CCP-EM Pipeliner, and as words of its command."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pipeliner.job_options import (
    BooleanJobOption,
    FloatJobOption,
    IntJobOption,
    JobOption,
    MultipleChoiceJobOption,
    StringJobOption,
)
from pipeliner.pipeliner_job import PipelinerJob
from pydantic.fields import FieldInfo

_OPTIONS: dict[Any, Any] = {
    bool: BooleanJobOption,
    float: FloatJobOption,
    int: IntJobOption,
}
"""The Pipeliner's option by the type of a setting; any other type is text."""


def setting_option(name: str, field: FieldInfo, *, on_top: bool) -> JobOption[Any]:
    """The option of one setting; its type, default and help are the setting's.

    Parameters
    ----------
    name : str
        Of the setting.
    field : FieldInfo
        Its definition.
    on_top : bool
        Whether it is one that a user meets first.
    """
    is_choice = get_origin(field.annotation) is Literal
    alternatives = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    kind = alternatives[0] if alternatives and not is_choice else field.annotation
    common = {
        "label": f"{name.replace('_', ' ').capitalize()}:",
        "help_text": field.description,
        "in_continue": True,
        "jobop_group": "Main" if on_top else "Details",
        "default_value": field.default,
    }
    if is_choice:
        return MultipleChoiceJobOption(choices=[*get_args(kind)], **common)
    if kind in _OPTIONS:
        return _OPTIONS[kind](**common)
    # A text that is not set is empty to the Pipeliner.
    return StringJobOption(**common | {"default_value": field.default or ""})


def given_settings(
    job: PipelinerJob, fields: Mapping[str, FieldInfo]
) -> dict[str, object]:
    """Settings of a job that differ from their default.

    Only those become words of the command: a settings file among the additional
    arguments counts less than a word, and would else have no effect.

    Parameters
    ----------
    job : PipelinerJob
        The job.
    fields : Mapping[str, FieldInfo]
        Its settings by name.
    """
    return {
        name: job.joboptions[name].value
        for name, field in fields.items()
        if job.joboptions[name].value not in ("", None, field.default)
    }


def words_for_settings(given: Mapping[str, object]) -> list[str]:
    """Words of the command for settings; a switch has no value."""
    words = []
    for name, value in given.items():
        words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words
