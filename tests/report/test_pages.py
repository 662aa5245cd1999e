"""The pages show what they say, and stay few however long the session is."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryoscore_plugin.batch.monitor import MicrographResult, MicrographTask
from cryoscore_plugin.errors import ConfigError, MicrographError
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph
from cryoscore_plugin.report.pages import chosen, write_pages
from cryoscore_plugin.report.thumbnails import central_spectrum, thumbnail


@pytest.fixture
def result(tmp_path: Path) -> MicrographResult:
    """A micrograph before and after, of which many are made."""
    pixels = np.random.default_rng(2).normal(size=(96, 128)).astype(np.float32)
    source, output = tmp_path / "raw.mrc", tmp_path / "clean.mrc"
    write_micrograph(source, Micrograph(pixels=pixels, pixel_size=1.5))
    write_micrograph(output, Micrograph(pixels=pixels / 2, pixel_size=1.5))
    return MicrographResult(
        task=MicrographTask(source=source, output=output, pixel_size=1.5),
        status="denoised",
        quality={
            "noise_level": 1.0,
            "noise_variation": 0.02,
            "signal_to_noise": 0.1,
            "residual_whiteness": 0.95,
        },
    )


def session(result: MicrographResult, count: int) -> list[MicrographResult]:
    return [
        replace(result, quality=result.quality | {"noise_level": 1 + 0.01 * (i % 7)})
        for i in range(count)
    ]


def pages_in(path: Path) -> int:
    return len(re.findall(rb"/Type /Page\b", path.read_bytes()))


@pytest.mark.parametrize(
    ("count", "pages"),
    # A micrograph may be shown for both reasons, so that there may be one page less.
    [(1, {2}), (3, {2}), (4, {3}), (6, {3}), (50, {4, 5}), (400, {4, 5})],
)
def test_pages_are_few_however_long_the_session_is(
    tmp_path: Path, result: MicrographResult, count: int, pages: set[int]
) -> None:
    write_pages(tmp_path / "x.pdf", session(result, count), title="t")
    assert pages_in(tmp_path / "x.pdf") in pages
    assert (tmp_path / "x.pdf").stat().st_size < 3e6


def test_few_are_all_shown_and_of_many_those_unlike_the_rest_too(
    result: MicrographResult,
) -> None:
    assert chosen(session(result, 6)) == dict.fromkeys(range(6), "")
    many = session(result, 50)
    many[17] = replace(result, quality=result.quality | {"residual_whiteness": 0.4})
    assert chosen(many)[17] == ", unlike the rest"
    assert set(chosen(session(result, 50)).values()) == {""}
    assert len(chosen(many)) <= 10


def test_same_run_gives_the_same_bytes_and_another_one_others(
    tmp_path: Path, result: MicrographResult
) -> None:
    paths = [tmp_path / f"{name}.pdf" for name in "abc"]
    noisier = replace(result, quality=result.quality | {"noise_level": 2.0})
    runs = [[result], [result], [noisier]]
    for path, results in zip(paths, runs, strict=True):
        write_pages(path, results, title="t")
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second != third
    assert len(list(tmp_path.glob(".*"))) == 0


def test_failed_micrographs_are_counted_and_not_read(
    tmp_path: Path, result: MicrographResult
) -> None:
    absent = MicrographTask(source=tmp_path / "no.mrc", output=tmp_path / "none.mrc")
    failed = MicrographResult(task=absent, status="failed", message="damaged")
    write_pages(tmp_path / "x.pdf", [result, failed], title="t")
    assert pages_in(tmp_path / "x.pdf") == 2


def test_micrograph_that_went_away_is_told_and_leaves_no_half_file(
    tmp_path: Path, result: MicrographResult
) -> None:
    result.task.output.unlink()
    with pytest.raises(MicrographError, match=r"clean\.mrc"):
        write_pages(tmp_path / "x.pdf", [result], title="t")
    assert [path.name for path in tmp_path.iterdir()] == ["raw.mrc"]


def test_missing_matplotlib_is_told(
    tmp_path: Path, result: MicrographResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install 'cryoscore\[report\]'"):
        write_pages(tmp_path / "x.pdf", [result], title="t")


def test_micrograph_without_numbers_is_shown_all_the_same(
    tmp_path: Path, result: MicrographResult
) -> None:
    write_pages(tmp_path / "x.pdf", [replace(result, quality={})], title="t")
    assert pages_in(tmp_path / "x.pdf") == 2


@pytest.mark.parametrize("shape", [(512, 512), (1030, 700), (4096, 16), (3, 2000)])
def test_thumbnail_is_small_and_keeps_the_mean_and_the_scale(
    shape: tuple[int, int],
) -> None:
    rows, columns = np.indices(shape)
    pixels = (rows + columns).astype(np.float32)
    small, pixel_size = thumbnail(Micrograph(pixels=pixels, pixel_size=1.5))
    assert max(small.shape) <= 512
    factor = pixel_size / 1.5
    assert small.shape[1] * factor <= max(shape[1], factor)
    # A square of pixels has the mean of its corner and its opposite corner.
    across = min(factor, shape[0]) - 1 + min(factor, shape[1]) - 1
    assert small[0, 0] == pytest.approx(across / 2)


def test_spectrum_shows_a_wave_at_its_frequency() -> None:
    y, x = np.indices((2100, 2600))
    pixels = (5 + np.cos(2 * np.pi * 0.25 * x) + 0 * y).astype(np.float32)
    spectrum = central_spectrum(Micrograph(pixels=pixels, pixel_size=2.0))
    assert spectrum.frequencies[np.argmax(spectrum.powers)] == pytest.approx(
        0.25 / 2.0, abs=1 / 2048
    )
    assert spectrum.frequencies[0] > 0
    assert spectrum.frequencies[-1] <= 0.5 / 2.0 + 1e-6
