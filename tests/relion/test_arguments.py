"""What RELION writes is understood, and a typing error is told in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.settings import DenoiseSettings
from relion_wrappers.arguments import (
    Takes,
    check_grammar,
    folder_among,
    job_settings,
)

OPTIONS = {
    "--o": Takes.A_VALUE,
    "--model": Takes.A_VALUE,
    "--gpu": Takes.PERHAPS_A_VALUE,
    "--overwrite": Takes.NOTHING,
}


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        (["--o", "External/job003/", "--j", "1"], "External/job003"),
        (["--wrong", "1", "--o", "External/job003/"], "External/job003"),
        (["--o=External/job003/"], "External/job003"),
        (["--in_mics", "a.star", "--o"], None),
        (["--o", "--j", "1"], None),
        (["--o="], None),
        (["--out", "x"], None),
        ([], None),
    ],
)
def test_folder_is_found_among_any_words(words: list[str], folder: str | None) -> None:
    assert folder_among(words) == (None if folder is None else Path(folder))


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--o x --gpu --model m --overwrite",
        "--o x --gpu 0 --overwrite --model -1",
        "--o=x --overwrite",
        "--unknown --o x",
        "--unknown 1 --o x",
    ],
)
def test_labels_with_their_values_pass(words: str) -> None:
    check_grammar(words.split(), OPTIONS.get)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--model --o x", "--model should have a value"),
        ("--o x --model", "--model should have a value"),
        ("--overwrite Yes --o x", "'Yes' comes between"),
        ("--model my model --o x", "'model' comes between"),
        ("--o=x y", "'y' comes between"),
    ],
)
def test_label_without_a_value_and_value_without_a_label_are_told(
    words: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check_grammar(words.split(), OPTIONS.get)


def test_j_gives_the_threads_where_no_setting_does() -> None:
    given = DenoiseSettings(threads=3)
    assert job_settings(DenoiseSettings(), threads=2, gpu=None).threads == 2
    assert job_settings(given, threads=2, gpu=None).threads == 3
    assert job_settings(DenoiseSettings(), threads=None, gpu=None).threads is None


@pytest.mark.parametrize(
    ("gpu", "device"),
    [("0", "0"), ("0,1", "0,1"), ("0:1", "0,1"), ("", "auto"), ("auto", "auto")],
)
def test_gpu_is_the_device(gpu: str, device: str) -> None:
    assert job_settings(DenoiseSettings(), threads=1, gpu=gpu).device == device


def test_gpu_and_device_that_contradict_each_other_are_told() -> None:
    with pytest.raises(ConfigError, match="--gpu is 0 and --device is 1"):
        job_settings(DenoiseSettings(device="1"), threads=1, gpu="0")
    same = job_settings(DenoiseSettings(device="0,1"), threads=1, gpu="0:1")
    assert same.device == "0,1"


def test_other_settings_stay_as_they_are() -> None:
    given = DenoiseSettings(model="faithful", tile_size=128)
    changed = job_settings(given, threads=2, gpu="0")
    assert changed.model_copy(update={"threads": None, "device": "auto"}) == given
