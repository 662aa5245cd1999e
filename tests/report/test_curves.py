"""Curves keep their colour from plot to plot, and say what they are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from cryoscore_plugin.report.curves import (
    COLOURS,
    MOST_MARKED,
    MOST_NAMED,
    Axis,
    Curve,
    Plot,
    write_plots,
)

X, Y = Axis(label="abscissa"), Axis(label="ordinate")


def curve(name: str, points: int = 3, **more: object) -> Curve:
    x = np.linspace(1, 2, points)
    return Curve(name=name, x=x, y=x, **more)


def plot(*curves: Curve) -> Plot:
    return Plot(curves=curves, x=X, y=Y)


def drawn(path: Path, *plots: Plot) -> str:
    write_plots(path / "out.svg", plots)
    return (path / "out.svg").read_text()


def lines(svg: str) -> list[tuple[str, bool]]:
    """Colour of each of our lines, and whether it is broken."""
    found = re.findall(r'<path d="[^"]*" clip-path="[^"]*" style="([^"]*)"', svg)
    colours = [re.search(r"stroke: (#\w+)", style) for style in found]
    ours = {colour.lower() for colour in COLOURS[:6]}
    return [
        (colour[1], "dasharray" in style)
        for colour, style in zip(colours, found, strict=True)
        if colour and colour[1] in ours
    ]


def test_a_family_has_one_colour_in_all_plots(tmp_path):
    one, two = (curve(f"a, {dose}", family="a") for dose in (1, 2))
    first, second = (colour.lower() for colour in COLOURS[:2])
    svg = drawn(tmp_path, plot(one, two, curve("b")), plot(curve("b"), curve("a")))
    assert lines(svg) == [
        (first, False),
        (first, True),
        (second, False),
        (second, False),
        (first, False),
    ]


def test_equal_curves_have_one_legend_and_others_their_own(tmp_path):
    both = curve("first"), curve("second")
    same = drawn(tmp_path, plot(*both), plot(*both))
    assert same.count("<!-- first -->") == 1
    other = drawn(tmp_path, plot(both[0]), plot(*both))
    assert other.count("<!-- first -->") == 2
    many = [curve(f"m{number}") for number in range(MOST_NAMED + 1)]
    assert "<!-- m1 -->" not in drawn(tmp_path, plot(*many))


def test_intervals_are_bars_of_few_points_and_a_shade_of_many(tmp_path):
    def filled(points: int) -> int:
        x = np.linspace(1, 2, points)
        shown = curve("a", points, low=x - 1, high=x + 1)
        return drawn(tmp_path, plot(shown)).count("FillBetween")

    assert filled(MOST_MARKED) == 0
    assert filled(MOST_MARKED + 1) > 0


def test_ticks_and_caption_are_written(tmp_path):
    axis = Axis(label="view", ticks={1.0: "end", 2.0: "side"})
    write_plots(
        tmp_path / "out.svg",
        [Plot(curves=[curve("a")], x=axis, y=Y, threshold=1.5)],
        caption="What bars are.",
    )
    svg = (tmp_path / "out.svg").read_text()
    for word in ("end", "side", "What bars are.", "view"):
        assert f"<!-- {word} -->" in svg


def test_letters_of_a_pdf_are_truetype(tmp_path):
    write_plots(tmp_path / "out.pdf", [plot(curve("a"))])
    assert b"/FontFile2" in (tmp_path / "out.pdf").read_bytes()
