"""A page stands alone, and shows text as it was given."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from cryoscore_plugin.report.figures import Panel, write_picture
from cryoscore_plugin.report.page import Picture, Table, Text, write_page


class Reader(HTMLParser):
    """Collects tags, attributes and the text a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: dict[str, list[str | None]] = {}
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        if tag not in {"meta", "img"}:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(f"{tag}.{name}", []).append(value)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.words.append(data)


def page_with(tmp_path: Path, *sections: Text | Picture | Table) -> str:
    path = tmp_path / "report.html"
    write_page(path, "A <title> & more", sections)
    return path.read_text(encoding="utf-8")


def test_text_is_shown_as_it_was_given(tmp_path: Path) -> None:
    tricky = "<script>alert('x')</script> & \"quotes\" Å"
    text = Text(heading=tricky, paragraphs=[tricky], commands=[tricky])
    table = Table(caption=tricky, header=[tricky], rows=[[tricky]])
    reader = Reader(page_with(tmp_path, text, table))
    assert reader.words.count(tricky) == 6
    assert reader.words.count("A <title> & more") == 2
    assert reader.open == []


def test_page_needs_no_other_file_and_no_network(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    image = np.eye(16, dtype=np.float32)
    write_picture(picture, [[Panel(image=image, pixel_size=1.0, title="raw")]])
    page = page_with(tmp_path, Picture(path=picture, caption='A "caption" in Å'))
    reader = Reader(page)
    [source] = reader.attributes["img.src"]
    assert source is not None
    assert source.startswith("data:image/png;base64,")
    assert reader.attributes["img.alt"] == ['A "caption" in Å']
    assert not re.search(r"https?://|<script|<link|url\(", page)


def test_no_partial_page_is_left(tmp_path: Path) -> None:
    page_with(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
