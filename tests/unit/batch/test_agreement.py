"""Halves in a run: their figure, and what happens where they are missing or bad."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.batch import agreement
from cryoscore_plugin.batch.agreement import require_halves
from cryoscore_plugin.errors import ConfigError, MicrographError
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import read_halves, read_labels, write_micrograph
from cryoscore_plugin.settings import DenoiseSettings


@pytest.fixture(autouse=True)
def _figure_of_two_grey_values(monkeypatch):
    """In the place of the correlation: it says which image was taken for which half."""

    def figure(_denoiser, even, odd):
        return float(even.pixels[1, 1] + odd.pixels[1, 1] / 100)

    monkeypatch.setattr(agreement, "half_correlation", figure)


def write_half(path: Path, value: float, shape=(4, 5)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full(shape, value, np.float32)
    write_micrograph(path, Micrograph(pixels=pixels, pixel_size=1.5))
    return path


@pytest.fixture
def task(make_tasks):
    """A micrograph with halves beside it."""
    [task] = make_tasks(1)
    for end, value in (("EVN", 3), ("ODD", 7)):
        write_half(task.source.with_name(f"{task.source.stem}_{end}.mrc"), value)
    return task


def test_figure_is_told_kept_and_found_again(task, denoise):
    [result] = denoise([task], halves=True)
    assert result.quality == pytest.approx({"mean": 0.95, "half_correlation": 3.07})
    assert "half_correlation=3.07" in read_labels(task.output)[2]
    [again] = denoise([task], halves=True)
    assert again.status == "skipped"
    assert again.quality == pytest.approx(result.quality)


def test_halves_are_not_looked_at_unless_asked_for(task, denoise):
    [result] = denoise([task])
    assert result.quality == pytest.approx({"mean": 0.95})
    [later] = denoise([task], halves=True)
    assert (later.status, "half_correlation" in later.quality) == ("denoised", True)


def test_halves_that_a_table_names_count_more(task, denoise, tmp_path):
    named = tuple(write_half(tmp_path / f"{value}.mrc", value) for value in (5, 6))
    [result] = denoise([dataclasses.replace(task, halves=named)], halves=True)
    assert result.quality["half_correlation"] == pytest.approx(5.06)


def test_other_halves_are_another_result(task, denoise):
    denoise([task], halves=True)
    write_half(task.source.with_name("m0_EVN.mrc"), 4)
    [result] = denoise([task], halves=True)
    assert result.status == "denoised"
    assert result.quality["half_correlation"] == pytest.approx(4.07)


def test_micrograph_without_halves_is_denoised_with_a_warning(
    task, make_tasks, denoise
):
    [_, other] = make_tasks(2)
    results = denoise([task, other], halves=True)
    assert [result.status for result in results] == ["denoised", "denoised"]
    assert results[0].warnings == ("doubled",)
    assert results[1].warnings == (
        "No half_correlation: no images of even and odd frames were found for it.",
        "doubled",
    )


@pytest.mark.parametrize(
    ("value", "shape", "reason"),
    [
        (7, (4, 5), "are the same image"),
        (3, (4, 6), "have \\(4, 6\\) and \\(4, 5\\) px"),
        (None, (), "is empty"),
    ],
)
def test_bad_half_costs_only_the_figure(task, denoise, value, shape, reason):
    half = task.source.with_name("m0_EVN.mrc")
    if value is None:
        half.write_bytes(b"")
    else:
        write_half(half, value, shape)
    [result] = denoise([task], halves=True)
    assert (result.status, result.quality) == (
        "denoised",
        pytest.approx({"mean": 0.95}),
    )
    with pytest.raises(MicrographError, match=reason):
        read_halves(agreement.halves_of(task))
    assert any(
        warning.startswith("No half_correlation: ") for warning in result.warnings
    )


def test_halves_of_another_size_than_the_whole_cost_the_figure(task, denoise):
    for end in ("EVN", "ODD"):
        write_half(
            task.source.with_name(f"m0_{end}.mrc"), len(end) + ord(end[0]), (8, 10)
        )
    [result] = denoise([task], halves=True)
    assert "its halves are (8, 10) px" in result.warnings[0]


def test_half_that_cannot_be_denoised_costs_the_figure(task, denoise, monkeypatch):
    def fail(*_):
        message = "It holds no noise."
        raise MicrographError(message)

    monkeypatch.setattr(agreement, "half_correlation", fail)
    [result] = denoise([task], halves=True)
    assert result.warnings == ("doubled", "No half_correlation: It holds no noise.")


def test_wish_for_halves_where_there_are_none_is_refused(task, make_tasks):
    wish = DenoiseSettings(halves=True)
    tasks = make_tasks(3)
    require_halves([*tasks[1:], task], wish)
    for half in ("m0_EVN.mrc", "m0_ODD.mrc"):
        os.remove(task.source.with_name(half))  # noqa: PTH107
    require_halves(tasks, DenoiseSettings())
    with pytest.raises(
        ConfigError, match="none of the 3 micrographs has images of even"
    ):
        require_halves(tasks, wish)
