"""Pictures show every panel, with a scale bar of a length one can read."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.report.figures import Panel, scale_bar_length, write_picture


def panel(title: str, seed: int = 0) -> Panel:
    image = np.random.default_rng(seed).normal(size=(32, 48)).astype(np.float32)
    return Panel(image=image, pixel_size=1.5, title=title)


def ink(path: Path) -> float:
    """How far the picture is from white, on average."""
    return float(1 - imread(path)[..., :3].mean())


@given(st.floats(10, 1e6))
def test_scale_bar_is_a_round_length_between_a_tenth_and_a_quarter(
    width: float,
) -> None:
    length = scale_bar_length(width)
    assert width / 10 * (1 - 1e-9) <= length <= width / 4 * (1 + 1e-9)
    assert f"{length:.0e}"[0] in "125"


def test_picture_grows_by_a_row_for_each_micrograph(tmp_path: Path) -> None:
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    write_picture(one, [[panel("raw"), panel("denoised")]])
    write_picture(two, [[panel("raw"), panel("denoised")]] * 2)
    assert imread(two).shape[0] > 1.5 * imread(one).shape[0]
    assert imread(two).shape[1] == imread(one).shape[1]


def test_panel_shows_its_own_image(tmp_path: Path) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    write_picture(first, [[panel("raw", seed=1)]])
    write_picture(second, [[panel("raw", seed=2)]])
    assert (imread(first) != imread(second)).any()


def test_grey_scale_does_not_depend_on_the_units_of_the_image(tmp_path: Path) -> None:
    plain = panel("raw")
    scaled = Panel(image=100 * plain.image + 7, pixel_size=1.5, title="raw")
    paths = tmp_path / "plain.png", tmp_path / "scaled.png"
    for path, shown in zip(paths, (plain, scaled), strict=True):
        write_picture(path, [[shown]])
    assert abs(ink(paths[0]) - ink(paths[1])) < 0.01


def test_no_partial_picture_is_left(tmp_path: Path) -> None:
    write_picture(tmp_path / "picture.png", [[panel("raw")]])
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_missing_matplotlib_comes_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install 'cryoscore\[report\]'"):
        write_picture(tmp_path / "picture.png", [[panel("raw")]])
