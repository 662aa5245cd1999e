"""Commands as users type them, and small micrographs to give them."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pytest

from cryoscore_plugin.cli import main
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph


@dataclass(frozen=True)
class Answer:
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str


FAKE_TOPAZ = f"""#!{sys.executable} -S
# Speaks as Topaz does: denoises and normalizes by copying, picks without looking.
import os, shutil, sys
words = sys.argv[1:]
target, files = words[words.index("-o") + 1], [w for w in words if w.endswith(".mrc")]
if words[0] in ("denoise", "preprocess"):
    os.makedirs(target, exist_ok=True)
    for file in files:
        shutil.copy(file, target)
else:
    assert words[words.index("-r") + 1] == "10"
    with open(target, "w") as table:
        table.write("image_name\\tx_coord\\ty_coord\\tscore\\n")
        table.write("image0\\t3\\t9\\t1.5\\nimage0\\t30\\t20\\t2.5\\n")
with open(__file__ + ".log", "a") as log:
    log.write(words[0] + " " + str(len(files)) + "\\n")
"""


@pytest.fixture
def fake_topaz(tmp_path):
    """A program that stands for Topaz; beside it a log of what it was asked for."""
    path = tmp_path / "topaz"
    path.write_text(FAKE_TOPAZ)
    path.chmod(0o755)
    return path


@pytest.fixture
def shell(capsys):
    """Type words after `cryoscore`."""

    def run(*words):
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """Folder `raw` of the current one, with three noisy micrographs of 3 Å/px."""
    folder = tmp_path / "raw"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate("abc"):
        noise = np.random.default_rng(number).normal(100, 10, (80, 96))
        micrograph = Micrograph(pixels=noise.astype(np.float32), pixel_size=3.0)
        write_micrograph(folder / f"{name}.mrc", micrograph)
    return folder


@pytest.fixture
def denoise(shell, raw, tiny_checkpoint):  # noqa: ARG001  it sets the current folder
    """`cryoscore denoise` with a tiny model, beside `raw` and into `out`."""

    def run(*words):
        fixed = ("--output", "out", "--model", tiny_checkpoint)
        return shell("denoise", *fixed, *words)

    return run
