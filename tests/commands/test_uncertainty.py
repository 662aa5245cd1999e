"""`--uncertainty`: a second image, found by who looks for it and by nobody else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import (
    read_header,
    read_labels,
    read_micrograph,
    write_micrograph,
    write_stack,
)

FILE = Path("out/uncertainty/a_uncertainty.mrc")


def pixels():
    return read_micrograph(FILE).pixels


@pytest.fixture
def uncertain(raw, denoise):
    """Denoise one micrograph with its uncertainty, from few probes."""

    def run(*words, code=0):
        answer = denoise(raw / "a.mrc", "--uncertainty", "--probes", "2", *words)
        assert answer.code == code, answer.err
        return answer

    return run


def test_it_lies_in_a_folder_of_its_own_and_says_what_it_is(raw, uncertain):
    uncertain()
    assert read_micrograph(FILE).pixels.shape == (80, 96)
    assert read_header(FILE).pixel_size == read_header(raw / "a.mrc").pixel_size
    labels = read_labels(FILE)
    assert "cryoscore standard deviation, not an image: 2 probes, seed 1" in labels
    assert [path.name for path in Path("out").glob("*.mrc")] == ["a.mrc"]
    # Of noise of 10 grey values: more than nothing, less than all of it.
    assert 0 < np.median(pixels()) < 10


def test_without_the_option_there_is_none_and_the_output_is_the_same(
    raw, denoise, uncertain
):
    assert denoise(raw / "a.mrc").code == 0
    assert not FILE.parent.exists()
    alone = Path("out/a.mrc").read_bytes()
    uncertain()
    assert Path("out/a.mrc").read_bytes()[1024:] == alone[1024:]


@pytest.mark.parametrize("words", [("--probes", "3"), ("--seed", "2")])
def test_probes_and_seed_change_it_and_not_the_output(uncertain, words):
    uncertain()
    before, output = pixels(), Path("out/a.mrc").read_bytes()
    assert "1 was finished before" not in uncertain(*words).out
    assert not np.array_equal(pixels(), before)
    assert Path("out/a.mrc").read_bytes()[1024:] == output[1024:]


def test_it_is_made_where_it_is_missing_and_only_there(raw, denoise, uncertain):
    uncertain()
    before = pixels()
    assert "1 was finished before" in uncertain().out
    assert "1 was finished before" in denoise(raw / "a.mrc").out
    FILE.unlink()
    assert "1 was finished before" not in uncertain().out
    assert np.array_equal(pixels(), before)


def test_a_batch_makes_it_where_it_is_missing(shell, raw, tiny_checkpoint):
    def batch():
        words = ("--uncertainty", "--probes", "1", "--model", tiny_checkpoint)
        answer = shell("batch", raw.name, *words)
        assert answer.code == 0, answer.err
        return answer.out

    assert "3 to do" in batch()
    assert "0 to do" in batch() or "3 were finished before" in batch()
    missing = raw / "cryoscore" / "uncertainty" / "b_uncertainty.mrc"
    missing.unlink()
    assert "1 to do" in batch()
    assert missing.exists()


def test_a_yaml_file_asks_for_it_as_well(raw, denoise):
    Path("s.yaml").write_text("uncertainty: true\nprobes: 1\n")
    assert denoise(raw / "a.mrc", "--settings", "s.yaml").code == 0
    assert FILE.exists()


def test_another_image_of_its_name_is_kept(uncertain):
    FILE.parent.mkdir(parents=True)
    write_micrograph(
        FILE, Micrograph(pixels=np.ones((4, 4), np.float32), pixel_size=1.0)
    )
    answer = uncertain(code=1)
    assert f"{FILE} exists, and was not written by cryoscore" in answer.err


def test_a_stack_is_refused_in_a_sentence(raw, denoise):
    image = read_micrograph(raw / "a.mrc")
    write_stack(raw / "s.mrcs", iter([image, image]))
    answer = denoise(raw / "s.mrcs", "--uncertainty")
    assert answer.code == 1
    assert "uncertainty is for single micrographs, but s.mrcs is a stack" in answer.err
