"""Halves that exposures have say how good the denoised micrographs are."""

from __future__ import annotations

import json

import pytest


def told(site):
    return " ".join(event["text"] for event in site.jobs["J2"].events)


def facts(site):
    return json.loads((site.folder / "J2/provenance.json").read_text())


@pytest.fixture
def halved(site, add_halves):
    """A site whose exposures have halves."""
    add_halves(site)
    return site


@pytest.mark.parametrize("folder", [None, "/not/on/this/machine"])
def test_halves_of_some_micrographs_are_used_where_there_are_any(
    halved, denoise, folder
):
    halved.told_folder = folder or halved.told_folder
    answer = denoise("--half-sample", "2")
    assert answer.code == 0, answer.err
    assert len(facts(halved)["half_correlation"]) == 2
    assert "of 2 of 3 micrographs). --halves measures all of them" in told(halved)
    assert "--half-sample 2" in facts(halved)["command"]


@pytest.mark.parametrize("folder", [None, "/not/on/this/machine"])
def test_all_halves_are_used_if_asked_for(halved, denoise, folder):
    halved.told_folder = folder or halved.told_folder
    answer = denoise("--halves")
    assert answer.code == 0, answer.err
    figures = facts(halved)["half_correlation"]
    assert len(figures) == 3
    assert all(-1 <= figure <= 1 for figure in figures.values())
    assert "of 3 of 3 micrographs)." in told(halved)
    rows = json.loads((halved.folder / "J2/report.json").read_text())["micrographs"]
    quality = [row["quality"]["half_correlation"] for row in rows]
    assert sorted(quality) == pytest.approx(sorted(figures.values()), abs=1e-3)


def test_sample_measures_what_all_measure(halved, denoise):
    denoise("--half-sample", "3")
    some = facts(halved)["half_correlation"]
    denoise("--halves")
    every = json.loads((halved.folder / "J3/provenance.json").read_text())
    assert some == pytest.approx(every["half_correlation"])


def test_halves_can_be_left_alone(halved, denoise):
    assert denoise("--half-sample", "0").code == 0
    assert facts(halved)["half_correlation"] == {}
    assert "Halves" not in told(halved)


def test_halves_that_lie_otherwise_are_told_and_change_nothing(
    site, add_halves, denoise
):
    add_halves(site, images=(3,))
    assert denoise().code == 0
    assert "Halves are not used: " in told(site)
    assert "holds 3 image(s)" in told(site)
    assert facts(site)["half_correlation"] == {}


def test_wish_for_halves_that_are_not_there_is_refused(site, denoise):
    answer = denoise("--halves")
    assert answer.code == 2
    assert "none of the 3 micrographs has images of even and odd frames" in answer.err
    assert site.jobs["J2"].status == "failed"
