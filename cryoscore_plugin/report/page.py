"""One HTML page that needs nothing else: no network, no other file, no script."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from cryoscore_plugin.files import replacing

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto;
       padding: 0 1rem; color: #1c1c1c; background: #ffffff; }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; }
th, td { padding: 0.25rem 1rem 0.25rem 0; text-align: left;
         border-bottom: 1px solid #d0d0d0; font-variant-numeric: tabular-nums; }
figcaption, .note { color: #505050; }
code { background: #f2f2f2; padding: 0.1rem 0.3rem; overflow-wrap: anywhere; }
"""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Numbers of a page.

    Attributes
    ----------
    caption : str
        What the numbers are, with their unit.
    header : Sequence[str]
        Names of the columns.
    rows : Sequence[Sequence[str]]
        Cells, one sequence for each row, as long as the header.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_html(self) -> str:
        """The table, every cell escaped."""
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.header)
        body = "\n".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        caption = f"<p>{escape(self.caption)}</p>"
        return f"{caption}\n<table>\n<tr>{head}</tr>\n{body}\n</table>"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG of a page; its bytes go into the page.

    Attributes
    ----------
    path : Path
        The file.
    caption : str
        What it shows; also read to those who cannot see it.
    """

    path: Path
    caption: str

    def to_html(self) -> str:
        """The picture and its caption."""
        data = base64.b64encode(self.path.read_bytes()).decode("ascii")
        caption = escape(self.caption)
        return (
            f'<figure><img src="data:image/png;base64,{data}" alt="{caption}">\n'
            f"<figcaption>{caption}</figcaption></figure>"
        )


@dataclass(frozen=True, kw_only=True)
class Text:
    """Paragraphs, and lines to type.

    Attributes
    ----------
    heading : str
        Above the paragraphs; none if empty.
    paragraphs : Sequence[str]
        One sentence or more each.
    commands : Sequence[str]
        Shown as they are typed, after the paragraphs.
    """

    heading: str = ""
    paragraphs: Sequence[str] = ()
    commands: Sequence[str] = ()

    def to_html(self) -> str:
        """Heading, paragraphs and commands, escaped."""
        parts = [f"<h2>{escape(self.heading)}</h2>"] if self.heading else []
        parts += [f"<p>{escape(paragraph)}</p>" for paragraph in self.paragraphs]
        parts += [f"<p><code>{escape(line)}</code></p>" for line in self.commands]
        return "\n".join(parts)


def write_page(
    path: Path, title: str, sections: Sequence[Text | Picture | Table]
) -> None:
    """Write a page.

    Parameters
    ----------
    path : Path
        The file to write.
    title : str
        Its title and first heading.
    sections : Sequence[Text or Picture or Table]
        From top to bottom.
    """
    body = "\n".join(section.to_html() for section in sections)
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
