"""`cryoscore doctor`: OK, note or PROBLEM, and what to type."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from cryoscore_plugin import pretrained
from cryoscore_plugin.cli import doctor


class Plug:
    """An entry point that gives `value`, or raises it."""

    def __init__(self, name, value):
        self.name = name
        self.value = value

    def load(self):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@pytest.fixture
def plugs(monkeypatch):
    """What is plugged in, by group; nothing at first."""
    groups = {}
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: groups.get(group, [])
    )
    return groups


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch, tiny_checkpoint):
    folder = tmp_path / "weights"
    folder.mkdir()
    shutil.copy(tiny_checkpoint, folder / "tiny.safetensors")
    monkeypatch.setattr(pretrained, "PACKAGED", folder)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return folder


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda _: None)


def lines(section):
    return list(section())


@pytest.mark.usefixtures("plugs", "no_gpu")
def test_healthy_computer_has_no_problem(shell):
    answer = shell("doctor")
    assert answer.code == 0
    kinds = {line.split()[0] for line in answer.out.splitlines()}
    assert kinds <= {"OK", "note"}
    for word in (
        "cryoscore 0.1.0",
        "Python 3.",
        "torch 2",
        "CPU: ",
        "Model tiny is whole",
    ):
        assert word in answer.out


def test_real_adapters_are_asked(shell):
    assert "RELION" in shell("doctor").out


@pytest.mark.usefixtures("plugs", "no_gpu")
def test_corrupt_model_is_a_problem(shell, weights):
    content = bytearray((weights / "tiny.safetensors").read_bytes())
    content[-1] ^= 1
    (weights / "tiny.safetensors").write_bytes(content)
    answer = shell("doctor")
    assert answer.code == 1
    assert "PROBLEM" in answer.out
    assert "contents differ" in answer.out


def test_missing_model_is_a_problem(weights):
    (weights / "tiny.safetensors").unlink()
    ((level, sentence),) = lines(doctor.check_models)
    assert level == "PROBLEM"
    assert "Install it again" in sentence


def test_missing_package_is_a_problem_with_what_to_type(monkeypatch):
    monkeypatch.setattr(
        importlib.metadata,
        "requires",
        lambda _: ["click>=8.1", "no-such-thing>=3", "nor-this; extra == 'test'"],
    )
    (problem, versions) = lines(doctor.check_packages)
    assert problem[0] == "PROBLEM"
    assert problem[1].endswith("Type: pip install 'no-such-thing>=3'")
    assert versions[1].startswith("Packages: click 8")


def test_program_that_is_not_installed_is_a_problem(monkeypatch):
    def missing(_name):
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "requires", missing)
    ((level, sentence),) = lines(doctor.check_packages)
    assert level == "PROBLEM"
    assert "not installed" in sentence


def test_missing_tiff_reader_is_a_note(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    level, sentence = lines(doctor.check_packages)[-1]
    assert level == "note"
    assert "pip install 'cryoscore[tiff]'" in sentence


def test_gpus_are_listed_with_their_numbers(monkeypatch):
    properties = namedtuple("properties", "name total_memory")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda n: properties(f"Card {n}", 24e9)
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    found = lines(doctor.check_gpus)
    assert [level for level, _ in found] == ["OK"] * 3
    assert "CUDA_VISIBLE_DEVICES is '4,5'" in found[0][1]
    assert found[2][1] == "GPU 1: Card 1, 24 GB (--device 1)"


@pytest.mark.usefixtures("no_gpu")
def test_no_gpu_is_a_note():
    assert lines(doctor.check_gpus) == [
        ("note", "No GPU is visible; the CPU will be used.")
    ]


@pytest.mark.parametrize(("cuda", "word"), [(None, "without CUDA"), ("12.8", "12.8")])
def test_gpu_that_torch_does_not_see_is_a_problem(monkeypatch, cuda, word):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(torch.version, "cuda", cuda)
    ((level, sentence),) = lines(doctor.check_gpus)
    assert level == "PROBLEM"
    assert word in sentence
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert lines(doctor.check_gpus)[-1][0] == "note"


def test_little_room_is_a_note(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 0, 10**8))
    monkeypatch.setattr(
        Path, "read_text", lambda *_args, **_options: "MemAvailable:  1000000 kB\n"
    )
    memory, disk = lines(doctor.check_room)
    assert memory[0] == disk[0] == "note"
    assert memory[1].startswith("Memory: 1.0 GB are free. Close other programs")
    assert disk[1].endswith("0.1 GB are free. Make room before a run.")


def test_adapters_add_lines_and_a_broken_one_is_a_problem(plugs):
    plugs["cryoscore.commands"] = [
        Plug("good", object()),
        Plug("bad", ImportError("no module")),
    ]
    plugs["cryoscore.checks"] = [
        Plug("some", lambda: [(True, "It is here."), (False, "It is not.")]),
        Plug("broken", RuntimeError("oh")),
    ]
    assert lines(doctor.check_adapters) == [
        ("PROBLEM", "`cryoscore bad` cannot be used: no module"),
        ("OK", "It is here."),
        ("PROBLEM", "It is not."),
        ("PROBLEM", "The checks of broken cannot be run: oh"),
    ]
