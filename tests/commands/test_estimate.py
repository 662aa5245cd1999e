"""`--estimate`: each way is reached, and each of its settings acts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.mrc import read_labels, read_micrograph

OUT = Path("out/a.mrc")


@pytest.fixture
def estimate(raw, denoise):
    """Denoise one micrograph in one way, in few steps."""

    def run(*words):
        answer = denoise(raw / "a.mrc", "--threads", "1", *words)
        assert answer.code == 0, answer.err
        return read_micrograph(OUT).pixels

    return run


@pytest.mark.parametrize("way", ["map", "ascent", "sample"])
def test_each_way_changes_the_output_and_is_written_into_it(estimate, way):
    mean = estimate()
    found = estimate("--estimate", way, "--steps", "3")
    assert not np.allclose(found, mean)
    assert f"cryoscore estimate {way}, not the posterior mean" in read_labels(OUT)
    assert not np.allclose(estimate("--estimate", way, "--steps", "5"), found)


def test_the_mean_takes_one_step_whatever_is_asked(raw, denoise, estimate):
    estimate()
    words = ("--steps", "3", "--step-size", "0.5", "--seed", "2")
    assert "1 was finished before" in denoise(raw / "a.mrc", *words).out


def test_the_step_size_changes_ascent(estimate):
    ascent = ("--estimate", "ascent", "--steps", "2")
    small = estimate(*ascent, "--step-size", "0.1")
    assert not np.allclose(estimate(*ascent, "--step-size", "1.5"), small)


def test_the_seed_changes_a_sample(estimate):
    sample = ("--estimate", "sample", "--steps", "3")
    one = estimate(*sample)
    assert not np.allclose(estimate(*sample, "--seed", "2"), one)
    np.testing.assert_array_equal(estimate(*sample, "--seed", "1"), one)


def test_a_step_that_overshoots_is_refused_in_a_sentence(raw, denoise):
    answer = denoise(raw, "--estimate", "ascent", "--step-size", "2")
    assert answer.code == 2
    assert "step_size should be more than 0 and less than 1.8" in answer.err
    assert not OUT.exists()


def test_a_yaml_file_says_it_as_well(raw, denoise, estimate):
    expected = estimate("--estimate", "ascent", "--steps", "2")
    Path("s.yaml").write_text("estimate: ascent\nsteps: 2\n")
    assert denoise(raw / "a.mrc", "--settings", "s.yaml").code == 0
    np.testing.assert_array_equal(read_micrograph(OUT).pixels, expected)
