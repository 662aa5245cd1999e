"""`cryoscore models`: list, show, verify; and what doctor says about models."""

from __future__ import annotations

import shutil

import pytest
import yaml

from cryoscore_plugin import pretrained
from cryoscore_plugin.checkpoint import load_checkpoint


@pytest.fixture(autouse=True)
def packaged(tmp_path, monkeypatch, tiny_checkpoint):
    """A folder of packaged models with the tiny one."""
    folder = tmp_path / "weights"
    folder.mkdir()
    shutil.copy(tiny_checkpoint, folder / "tiny.safetensors")
    monkeypatch.setattr(pretrained, "PACKAGED", folder)
    return folder


def corrupt(folder):
    path = folder / "tiny.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_list_has_a_line_for_each_model(shell):
    answer = shell("models", "list")
    assert answer.code == 0
    assert answer.out.split()[:3] == ["tiny", "3", "Å/px"]
    assert "Random weights, for tests." in answer.out


@pytest.mark.parametrize("by_path", [False, True])
def test_show_prints_the_card(shell, tiny_checkpoint, by_path):
    answer = shell("models", "show", tiny_checkpoint if by_path else "tiny")
    assert answer.code == 0
    card = yaml.safe_load(answer.out)
    checkpoint = load_checkpoint(tiny_checkpoint)
    assert card["sha256"] == checkpoint.sha256
    assert card["working_pixel_size"] == 3.0
    assert card["limits"] == ["Of no use but in tests."]
    assert list(card)[:3] == ["name", "file", "sha256"]


def test_show_of_no_model_names_the_packaged_ones(shell):
    answer = shell("models", "show", "nonsense")
    assert answer.code == 2
    assert "Packaged are: tiny" in answer.err


def test_verify_says_ok_and_the_hash(shell, tiny_checkpoint):
    digest = load_checkpoint(tiny_checkpoint).sha256
    for words in ([], ["tiny"], [str(tiny_checkpoint)]):
        answer = shell("models", "verify", *words)
        assert answer.code == 0
        assert answer.out.startswith("OK  ")
        assert digest in answer.out


def test_verify_fails_on_corruption_and_looks_at_the_others(
    packaged, shell, tiny_checkpoint
):
    corrupt(packaged)
    answer = shell("models", "verify", "tiny", tiny_checkpoint)
    assert answer.code == 1
    assert "contents differ from what was written" in answer.err
    assert answer.out.startswith("OK  ")


def test_without_any_model_it_says_what_to_do(packaged, shell):
    (packaged / "tiny.safetensors").unlink()
    for command in ("list", "verify"):
        answer = shell("models", command)
        assert answer.code == 1
        assert "Install cryoscore again" in answer.err
