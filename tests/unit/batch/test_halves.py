"""Halves are found in every layout, and are no micrographs of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryoscore_plugin.batch.halves import find_halves, training_sources, wholes_of
from cryoscore_plugin.batch.inputs import FoundMicrograph, find_micrographs

LAYOUTS = {
    "RELION, MotionCor": ("a.mrc", "a_EVN.mrc", "a_ODD.mrc"),
    "MotionCor, dose-weighted": ("a_DW.mrc", "a_EVN.mrc", "a_ODD.mrc"),
    "Warp": ("average/a.mrc", "average/even/a.mrc", "average/odd/a.mrc"),
}


@pytest.fixture(params=LAYOUTS.values(), ids=LAYOUTS)
def layout(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path, Path]:
    """A micrograph and its halves in the current folder."""
    monkeypatch.chdir(tmp_path)
    whole, even, odd = map(Path, request.param)
    for path in (whole, even, odd):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return whole, even, odd


def test_halves_beside_a_micrograph_are_found(layout: tuple[Path, Path, Path]) -> None:
    whole, even, odd = layout
    assert find_halves(whole) == (even, odd)


def test_half_alone_is_none(layout: tuple[Path, Path, Path]) -> None:
    whole, even, odd = layout
    odd.unlink()
    assert find_halves(whole) == ()
    # What is left of a pair is a micrograph like any other.
    found = find_micrographs([Path()])
    assert {one.path for one in training_sources(found)} == {whole, even}


def test_search_of_a_folder_does_not_count_halves_again(
    layout: tuple[Path, Path, Path],
) -> None:
    whole, even, odd = layout
    [source] = training_sources(find_micrographs([Path()]))
    assert source.path == whole
    assert source.halves == (even, odd)


def test_halves_without_their_micrograph_stand_for_it(
    layout: tuple[Path, Path, Path],
) -> None:
    whole, even, odd = layout
    whole.unlink()
    [source] = training_sources(find_micrographs([Path()]))
    assert source.halves == (even, odd)


def test_sums_with_and_without_dose_weighting_are_one_micrograph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mrc", "a_DW.mrc", "a_EVN.mrc", "a_ODD.mrc", "b_DW.mrc"):
        Path(name).touch()
    sources = training_sources(find_micrographs([Path()]))
    assert [str(one.path) for one in sources] == ["a.mrc", "b_DW.mrc"]


def test_halves_that_a_table_names_count_more_than_the_files_beside(
    layout: tuple[Path, Path, Path],
) -> None:
    whole, _, _ = layout
    named = (Path("x.mrc"), Path("y.mrc"))
    found = FoundMicrograph(path=whole, below=whole, pixel_size=1.5, halves=named)
    [source] = training_sources([found])
    assert (source.halves, source.pixel_size) == (named, 1.5)
    both = FoundMicrograph(path=whole, below=whole, halves=(Path("both.mrc"),))
    assert training_sources([both])[0].halves == (Path("both.mrc"),)


def test_halves_of_a_whole_that_is_there_are_no_micrographs(
    layout: tuple[Path, Path, Path],
) -> None:
    whole, even, odd = layout
    [one] = wholes_of(find_micrographs([Path()]))
    assert one.path == whole
    whole.unlink()
    assert {one.path for one in wholes_of(find_micrographs([Path()]))} == {even, odd}
