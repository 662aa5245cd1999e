"""The page about a batch: one HTML file that needs nothing else, no network either.

What must be read by everybody (numbers, failures, model card, command) is plain HTML.
Table and pictures are made by a script in the page from data in the page, so that
thousands of micrographs make a page that opens at once.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

import yaml

from cryoscore_plugin.report.digits import short
from cryoscore_plugin.report.histograms import histogram_svg, session_svg
from cryoscore_plugin.report.provenance import reference_sentences

LABELS = {
    "noise_level": "Noise level",
    "noise_variation": "Noise variation",
    "signal_to_noise": "Kept / removed",
    "residual_whiteness": "Whiteness",
    "half_correlation": "Halves",
    "clipped_fraction": "Clipped",
}
"""Heads of columns; another number is called by its own name."""

MEANINGS = {
    "noise_level": "Standard deviation of the noise at the model's pixel size, in grey "
    "values",
    "noise_variation": "Relative variation of the noise level over the micrograph",
    "signal_to_noise": "Power kept over power removed, from 250 to 20 Å",
    "residual_whiteness": "How white what was removed is, 0 to 1; low where structure "
    "was removed",
    "half_correlation": "Denoised even frames against odd ones as recorded: mean Fourier "
    "ring correlation from 250 to 20 Å",
    "clipped_fraction": "Part of the pixels that were outliers",
}

_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)
"""The browser itself then refuses whatever is not in the page."""

_MOST_LISTED = 10


@dataclass(frozen=True, kw_only=True)
class BatchPage:
    """What the page tells.

    Attributes
    ----------
    mark : str
        Which state of the ledger it tells of (`current.ledger_mark`).
    folder : str
        The folder of outputs.
    run : Mapping[str, Any]
        The last run: command, project, model card, settings.
    summary : dict[str, Any]
        Numbers over all micrographs.
    rows : Sequence[Mapping[str, Any]]
        One for each micrograph.
    previews : Mapping[str, Any]
        Pictures and spectra by name, those to look at first first.
    """

    mark: str
    folder: str
    run: Mapping[str, Any]
    summary: dict[str, Any]
    rows: Sequence[Mapping[str, Any]]
    previews: Mapping[str, Any]

    @property
    def numbers(self) -> list[str]:
        """Names of the numbers that some micrograph has, ours first."""
        found = {name for row in self.rows for name in row["quality"]}
        return [name for name in LABELS if name in found] + sorted(found - set(LABELS))


def page_text(page: BatchPage) -> str:
    """The whole page as HTML.

    Parameters
    ----------
    page : BatchPage
        What it tells.
    """
    title = f"Denoised micrographs in {page.folder}"
    sections = {
        "Summary": _summary(page),
        "Failures": _failures(page),
        "Before and after": _viewer(page),
        "Distribution": _distribution(page),
        "All micrographs": _table(page),
        "Model": _model(page),
        "Repeat": _repeat(page),
    }
    body = "\n".join(
        f'<section id="{_anchor(name)}" aria-labelledby="{_anchor(name)}-head">\n'
        f'<h2 id="{_anchor(name)}-head">{name}</h2>\n{text}\n</section>'
        for name, text in sections.items()
    )
    links = "".join(
        f'<li><a href="#{_anchor(name)}">{name}</a></li>' for name in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="cryoscore-ledger" content="{page.mark}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_part('batch.css')}</style>\n"
        f'</head>\n<body>\n<a class="skip" href="#main">Skip to the report</a>\n'
        f"<header><h1>{escape(title)}</h1>\n<p>{escape(_subtitle(page))}</p></header>\n"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n<main id="main">\n{body}\n'
        '</main>\n<p id="live" role="status" class="note"></p>\n'
        f'<script type="application/json" id="data">{_data(page)}</script>\n'
        f"<script>\n{_part('batch.js')}</script>\n</body>\n</html>\n"
    )


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _part(name: str) -> str:
    return (files("cryoscore_plugin.report") / name).read_text(encoding="utf-8")


def _data(page: BatchPage) -> str:
    """The data of the script; no text in them can end the element they are in."""
    data = {
        "rows": page.rows,
        "numbers": page.numbers,
        "labels": {name: LABELS.get(name, name) for name in page.numbers},
        "previews": page.previews,
        "order": list(page.previews),
    }
    return json.dumps(data, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")


def _subtitle(page: BatchPage) -> str:
    first, last = page.summary["first_time"], page.summary["last_time"]
    times = [time.strftime("%Y-%m-%d %H:%M", time.localtime(t)) for t in (first, last)]
    when = " to ".join(dict.fromkeys(times))
    found = str(page.run.get("project", ""))
    return f"{when}. {found[:1].upper()}{found[1:]}." if found else f"{when}."


def _summary(page: BatchPage) -> str:
    summary, seconds = page.summary, page.summary["median_seconds"]
    figures = [
        ("Micrographs", summary["micrographs"], "plain"),
        ("Denoised", summary["denoised"], "plain"),
        ("Failed", summary["failed"], "bad" if summary["failed"] else "plain"),
        ("Unlike the rest", summary["unlike_the_rest"], "plain"),
        ("With warnings", summary["with_warnings"], "plain"),
        ("Median time", "–" if seconds is None else f"{seconds:.3g} s", "plain"),
    ]
    cells = "".join(
        f'<div class="{kind}"><dt>{name}</dt><dd>{value}</dd></div>'
        for name, value, kind in figures
    )
    return (
        f'<dl class="figures">{cells}</dl>\n'
        '<p class="note">Pick particles on the denoised micrographs, and extract them '
        "from the raw ones. The numbers compare micrographs of one data set with each "
        "other; they are no measure of truth.</p>"
    )


def _failures(page: BatchPage) -> str:
    failed = [row for row in page.rows if row["status"] == "failed"]
    if not failed:
        return "<p>None.</p>"
    items = "\n".join(
        f"<li><strong>{escape(row['name'])}</strong>: {escape(row['message'])}</li>"
        for row in failed
    )
    return f"<ul>\n{items}\n</ul>"


def _viewer(page: BatchPage) -> str:
    if not page.previews:
        return (
            "<p>There are no pictures: either nothing was denoised, or the files have "
            "been moved, or Pillow is not installed (pip install "
            "'cryoscore[report]').</p>"
        )
    listed = [
        row for row in page.rows if row["unlike"] and row["name"] in page.previews
    ]
    listed = sorted(listed, key=lambda row: -row["distance"])[:_MOST_LISTED]
    items = "".join(
        f'<li><button type="button" class="link" data-show="{escape(row["name"])}">'
        f"{escape(row['name'])}</button>: {escape(_difference(row))}</li>"
        for row in listed
    )
    first = (
        f"<h3>Look at these first: unlike the rest</h3>\n<ol>{items}</ol>"
        if listed
        else "<p>No micrograph is unlike the rest.</p>"
    )
    return f"{first}\n{_part('viewer.html').replace('PICTURED', _pictured(page))}"


def _pictured(page: BatchPage) -> str:
    """How many are pictured, and how to get more, where `cryoscore report` can."""
    done = page.summary["denoised"]
    if len(page.previews) >= done:
        return "All denoised micrographs are pictured."
    told = f"{len(page.previews)} of {done} denoised micrographs are pictured"
    if not page.mark:
        return f"{told}."
    command = shlex.join(["cryoscore", "report", page.folder, "--pictures", str(done)])
    return f"{told}; all of them with <code>{escape(command)}</code>."


def _difference(row: Mapping[str, Any]) -> str:
    """What is unlike the rest in a micrograph, and how far it is from them."""
    name, distance = row["differs_in"], row["distance"]
    far = f"{distance:.3g}" if distance < 1000 else "more than 1000"
    return (
        f"{LABELS.get(name, name)} {short(row['quality'][name])}, {far} robust standard "
        "deviations from the median of all"
    )


def _distribution(page: BatchPage) -> str:
    charts = []
    for name in page.numbers:
        values = [row["quality"].get(name) for row in page.rows]
        label = LABELS.get(name, name)
        meaning = escape(MEANINGS.get(name, name))
        known = {value for value in values if value is not None}
        if len(known) == 1:
            charts.append(
                f"<p><strong>{escape(label)}.</strong> {meaning}: {known.pop():.4g} for "
                "all.</p>"
            )
            continue
        charts.append(
            f"<figure>{histogram_svg(values, label=label)}\n"
            f"{session_svg(values, label=label)}\n"
            f"<figcaption><strong>{escape(label)}.</strong> {meaning}. Above, how many "
            "micrographs have which value; below, each in the order of report.csv."
            "</figcaption></figure>"
        )
    return f'<div class="charts">{"".join(charts)}</div>' if charts else "<p>None.</p>"


def _table(page: BatchPage) -> str:
    columns = [("name", "Micrograph"), ("status", "Status"), ("distance", "Distance")]
    columns += [(name, LABELS.get(name, name)) for name in page.numbers]
    columns += [("seconds", "Time (s)")]
    heads = "".join(
        f'<th scope="col" data-key="{escape(key)}" aria-sort="none">'
        f'<button type="button" title="Sort by {escape(label)}">{escape(label)}'
        "</button></th>"
        for key, label in columns
    )
    return _part("table.html").replace("HEADS", heads)


def _model(page: BatchPage) -> str:
    card = page.run.get("card")
    if not isinstance(card, dict):
        return "<p>The ledger does not say which model was used.</p>"
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True)
    reference = escape(" ".join(reference_sentences(page.run)))
    limits = "".join(f"<li>{escape(str(one))}</li>" for one in card.get("limits", []))
    return (
        f"<p><strong>{escape(str(page.run.get('model', '')))}</strong>: "
        f"{escape(str(card.get('description', '')))}</p>\n"
        f"<p>{reference}</p>\n<h3>Limits</h3>\n<ul>{limits}</ul>\n"
        f"<details><summary>The whole model card</summary><pre>{escape(text)}</pre>"
        "</details>"
    )


def _repeat(page: BatchPage) -> str:
    run = page.run
    if not run:
        return "<p>The ledger does not say which command was used.</p>"
    settings = yaml.safe_dump(run.get("settings", {}), sort_keys=False)
    return (
        f"<p>In the folder <code>{escape(str(run.get('folder', '')))}</code>, with "
        f"cryoscore {escape(str(run.get('version', '')))}:</p>\n"
        f"<pre>{escape(str(run.get('command', '')))}</pre>\n"
        f"<details><summary>All settings</summary><pre>{escape(settings)}</pre></details>"
    )
