"""The report on a batch: its numbers, its files, and the page in a real browser."""

from __future__ import annotations

import csv
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from cryoscore_plugin.batch.ledger import LedgerEntry, LedgerFile
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.micrograph import Micrograph
from cryoscore_plugin.mrc import write_micrograph
from cryoscore_plugin.report.batch_report import write_report
from cryoscore_plugin.report.current import is_current
from cryoscore_plugin.report.histograms import histogram_svg, session_svg
from cryoscore_plugin.report.provenance import reference_sentences

GUIDED = {
    "reference": "ball R3 0123456789ab",
    "settings": {"guidance": 0.5},
    "card": {"training": {"guidance": {"strength": 0.2, "reference": "rod R1 ba98"}}},
}
HOSTILE = "x</script><script>document.title='broken'</script>.mrc"
SENTENCE = "m3.mrc is truncated. Make or copy it again."


def add_micrograph(folder, name, number):
    """One micrograph before and after, and its line."""
    for place, spread in (("raw", 10), ("out", 2)):
        path = folder / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).normal(0, spread, (64, 96))
        image = Micrograph(pixels=pixels.astype(np.float32), pixel_size=2.0)
        write_micrograph(path, image)
    noise = 90.0 if number == 7 else 10 + 0.1 * number
    return LedgerEntry(
        output=name,
        source=str(folder / "raw" / name),
        status="denoised",
        recipe="r",
        seconds=0.5,
        warnings=["The header says 1 Å/px."] if number == 2 else [],
        quality={"noise_level": noise, "signal_to_noise": 0.01 * number},
        time=1000.0 + number,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Outputs of a run over 120 micrographs, one failed, and the report on it."""
    folder = tmp_path_factory.mktemp("batch")
    names = [f"day{number % 2}/m{number}.mrc" for number in range(119)]
    with LedgerFile(folder / "out") as ledger:
        ledger.add_run(
            {
                "command": "cryoscore batch 'my project' --limit 120",
                "folder": "/data",
                "project": "folder of micrographs x: 120 micrographs",
                "version": "0.1.0",
                "model": "tiny 0123456789ab",
                "card": {"description": "For tests.", "limits": ["Of no <use>."]},
                "settings": {"precision": "auto"},
            }
        )
        for number, name in enumerate(names):
            if number != 3:
                ledger.add(add_micrograph(folder, name, number))
        failed = {"output": names[3], "source": "/raw/m3.mrc", "status": "failed"}
        ledger.add(LedgerEntry(**failed, recipe="r", message=SENTENCE))
        ledger.add(
            LedgerEntry(**failed | {"output": HOSTILE}, recipe="r", message="No.")
        )
    write_report(folder / "out", pictures=12)
    return folder / "out"


def page_of(made):
    return (made / "report.html").read_text(encoding="utf-8")


def data_of(made):
    text = page_of(made)
    [data] = re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(data)


def test_reference_that_had_a_part_is_told_with_its_doubt():
    first, doubt, training, last = reference_sentences(GUIDED)
    assert first == "Guided with strength 0.5 by the reference ball R3 0123456789ab."
    assert doubt.startswith("Warning: the reference is from the same data set (R3)")
    assert training.endswith("guided in training, with strength 0.2, by rod R1 ba98.")
    assert "not independent" in last


def test_csv_has_a_row_for_each_micrograph_with_its_numbers(made):
    text = (made / "report.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 120
    by_name = {row["output"]: row for row in rows}
    assert by_name["day1/m7.mrc"]["noise_level"] == "90"
    assert float(by_name["day1/m7.mrc"]["distance"]) > 10
    assert by_name["day1/m3.mrc"]["message"] == SENTENCE
    assert by_name["day0/m2.mrc"]["warnings"] == "The header says 1 Å/px."


def test_json_has_the_summary_the_runs_and_all_micrographs(made):
    found = json.loads((made / "report.json").read_text(encoding="utf-8"))
    assert found["summary"]["micrographs"] == 120
    assert found["summary"]["denoised"] == 118
    assert found["summary"]["failed"] == 2
    assert found["summary"]["unlike_the_rest"] == 1
    assert found["summary"]["with_warnings"] == 1
    assert found["summary"]["median_seconds"] == 0.5
    assert found["runs"][0]["command"] == "cryoscore batch 'my project' --limit 120"
    assert len(found["micrographs"]) == 120


def test_page_names_nothing_outside_itself(made):
    places = []

    class Finder(HTMLParser):
        def handle_starttag(self, tag, attrs):
            places.extend(
                (tag, name, value) for name, value in attrs if name in ("src", "href")
            )

    Finder().feed(page_of(made))
    assert places
    assert all(value.startswith(("#", "data:")) for _, _, value in places)
    assert "default-src 'none'" in page_of(made)
    assert "http" not in re.sub(
        r"http://www\.w3\.org/2000/svg|http-equiv", "", page_of(made)
    )


def test_page_has_failures_model_and_command_without_javascript(made):
    text = page_of(made)
    assert SENTENCE in text
    assert "Of no &lt;use&gt;." in text
    assert "cryoscore batch &#x27;my project&#x27; --limit 120" in text
    assert "No reference density was used" in text


def test_pictured_are_those_unlike_the_rest_first_and_a_few_of_all(made):
    data = data_of(made)
    assert len(data["previews"]) == 12
    assert data["order"][0] == "day1/m7.mrc"
    preview = data["previews"]["day1/m7.mrc"]
    assert preview["before"].startswith("data:image/webp;base64,")
    assert preview["width"] == pytest.approx(192)
    # The output has a fifth of the spread of the input, at all frequencies.
    ratio = np.array(preview["denoised"]) / np.array(preview["raw"])
    assert ratio == pytest.approx(0.04, rel=0.01)
    assert "4 % at 20 Å" in preview["words"]


def test_page_says_what_is_unlike_and_how_to_see_all(made):
    text = page_of(made)
    assert "Noise level 90, " in text
    assert "Folder of micrographs x: 120 micrographs." in text
    assert "12 of 118 denoised micrographs are pictured; all of them with" in text
    assert f"<code>cryoscore report {made} --pictures 118</code>" in text


def test_binned_micrograph_has_no_curve_of_what_was_removed(tmp_path):
    folder = tmp_path / "binned"
    with LedgerFile(folder / "out") as ledger:
        ledger.add(add_micrograph(folder, "a.mrc", 1))
    small = Micrograph(pixels=np.eye(32, 48, dtype=np.float32), pixel_size=4.0)
    write_micrograph(folder / "out" / "a.mrc", small)
    write_report(folder / "out")
    preview = data_of(folder / "out")["previews"]["a.mrc"]
    assert preview["width"] == 96 * 2.0
    assert "removed" not in preview
    # Nothing beyond the Nyquist frequency of the binned image.
    assert preview["frequencies"][-1] > 1 / 8
    assert preview["denoised"][-1] == 0


def test_fewer_pictures_make_a_smaller_page_and_none_is_possible(made, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(made, copy)
    size = len(page_of(copy))
    write_report(copy, pictures=0)
    assert data_of(copy)["previews"] == {}
    assert "There are no pictures" in page_of(copy)
    assert len(page_of(copy)) < size


def test_second_report_takes_the_pictures_of_the_first(made, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(made, copy)
    before = data_of(copy)["previews"]
    for path in copy.rglob("*.mrc"):
        path.unlink()
    write_report(copy, pictures=12)
    assert data_of(copy)["previews"] == before


def test_micrograph_that_was_moved_away_has_no_picture(made, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(made, copy)
    shutil.rmtree(copy / "cryoscore_ledger" / "previews")
    (copy / "day1/m7.mrc").unlink()
    write_report(copy, pictures=12)
    assert "day1/m7.mrc" not in data_of(copy)["previews"]
    assert len(data_of(copy)["rows"]) == 120


def test_report_is_current_until_the_ledger_grows(made, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(made, copy)
    write_report(copy, pictures=0)
    assert is_current(copy)
    with LedgerFile(copy) as ledger:
        ledger.add_run({})
        assert not is_current(copy)


def test_folder_without_a_ledger_is_refused_in_words(tmp_path):
    with pytest.raises(InputError, match="has no ledger with micrographs"):
        write_report(tmp_path)


def test_charts_say_in_words_what_they_show():
    values = [1.0, 2.0, 3.0, None, 1000.0]
    chart = histogram_svg(values, label="Noise level")
    assert "Noise level of 4 micrographs: median 2.5, from 1 to 1000." in chart
    session = session_svg(values, label="Noise level")
    assert "median 1.5 in the first half, 501.5 in the second" in session
    assert session.count("<circle") == 4
    assert histogram_svg([None], label="x") == session_svg([], label="x") == ""


def test_scale_of_a_chart_ends_where_the_values_do_if_most_are_the_same():
    values = [0.0] * 9 + [3e-6]
    for chart in (histogram_svg(values, label="x"), session_svg(values, label="x")):
        assert ">0<" in chart
        assert ">3e-06<" in chart
        assert ">-0.5<" not in chart


def test_ledger_without_a_run_says_that_it_does_not_know_the_command(tmp_path):
    with LedgerFile(tmp_path / "out") as ledger:
        ledger.add(LedgerEntry(output="a.mrc", source="a", status="failed", recipe="r"))
    page = write_report(tmp_path / "out").read_text(encoding="utf-8")
    assert "The ledger does not say which command was used." in page


def test_large_numbers_of_a_chart_have_no_exponent():
    assert ">3377<" in session_svg([3151.0, 3377.0], label="x")


def test_small_numbers_have_room_beside_a_chart():
    chart = session_svg([0.000748, 0.026], label="x")
    [place] = re.findall(r'<text x="(\d+)"[^>]*>0.000748<', chart)
    assert int(place) >= 7 * len("0.000748")  # px; no letter of the chart is wider.


def test_long_session_is_drawn_with_a_bounded_number_of_dots():
    session = session_svg([float(n % 7) for n in range(100_000)], label="x")
    assert session.count("<circle") <= 2000


@pytest.fixture(scope="module")
def window():
    """A window of Chromium that nobody sees."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed"
    )
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.fixture
def page(window, made):
    """The report in a browser, which must not complain or ask for anything."""
    said, asked = [], []
    hears = {
        "console": lambda message: said.append(message.text),
        "pageerror": lambda error: said.append(str(error)),
        "request": lambda request: asked.append(request.url),
    }
    for kind, hear in hears.items():
        window.on(kind, hear)
    window.set_viewport_size({"width": 1280, "height": 900})
    address = (made / "report.html").as_uri()
    window.goto(address)
    yield window
    for kind, hear in hears.items():
        window.remove_listener(kind, hear)
    assert said == []
    outside = [url for url in asked if not url.startswith("data:")]
    assert outside == [address]


def names_in(page):
    return page.locator("#rows tr td:first-child").all_inner_texts()


def test_page_opens_with_the_outlier_first_and_no_text_breaks_it(page):
    assert page.title().startswith("Denoised micrographs in ")
    assert names_in(page)[0] == "day1/m7.mrc"
    assert page.locator("#shown-name").inner_text() == "day1/m7.mrc, unlike the rest"
    assert page.locator("#count").inner_text() == "Micrographs 1 to 50 of 120"


def test_table_sorts_with_the_keyboard_and_says_so(page):
    head = page.get_by_role("button", name="Noise level", exact=True)
    head.focus()
    page.keyboard.press("Enter")
    column = page.locator('th[data-key="noise_level"]')
    assert column.get_attribute("aria-sort") == "descending"
    assert names_in(page)[:2] == ["day1/m7.mrc", "day0/m118.mrc"]
    page.keyboard.press("Enter")
    assert column.get_attribute("aria-sort") == "ascending"
    assert names_in(page)[:2] == ["day0/m0.mrc", "day1/m1.mrc"]
    page.get_by_role("button", name="Micrograph", exact=True).click()
    assert names_in(page)[:3] == ["day0/m0.mrc", "day0/m2.mrc", "day0/m4.mrc"]


def test_table_filters_by_words_and_by_status(page):
    page.get_by_label("Filter by name").fill("truncated")
    assert names_in(page) == ["day1/m3.mrc"]
    assert page.locator("#live").inner_text() == (
        "Micrographs 1 to 1 of 1, chosen from 120"
    )
    page.get_by_label("Filter by name").fill("")
    for status, count in (
        ("unlike", 1),
        ("failed", 2),
        ("warned", 1),
        ("pictured", 12),
    ):
        page.get_by_label("Show", exact=True).select_option(status)
        assert len(names_in(page)) == count
    page.get_by_label("Filter by name").fill("nonsense")
    assert page.locator("#count").inner_text() == "No micrograph matches."


def test_long_table_has_pages(page):
    page.get_by_role("button", name="Next rows").click()
    page.get_by_role("button", name="Next rows").click()
    assert page.locator("#count").inner_text() == "Micrographs 101 to 120 of 120"
    assert page.get_by_role("button", name="Next rows").is_disabled()


def test_slider_moves_the_border_with_the_keyboard(page):
    slider = page.get_by_role("slider")
    slider.focus()

    def widths():
        return page.evaluate(
            "getComputedStyle(document.getElementById('before')).clipPath"
        )

    middle = widths()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "60"
    assert widths() != middle
    assert slider.get_attribute("aria-valuetext") == (
        "left 60 percent raw, rest denoised"
    )


def test_curve_below_the_scale_is_cut_off(page):
    curves = page.locator("#spectra polyline")
    assert curves.count() == 3
    for number in range(3):
        assert curves.nth(number).get_attribute("clip-path") == "url(#plot-area)"


def test_pictures_change_with_the_buttons_and_have_words(page):
    first = page.locator("#after").get_attribute("src")
    page.get_by_role("button", name="Next picture").click()
    assert page.locator("#after").get_attribute("src") != first
    assert ", 2 of 12" in page.locator("#live").inner_text()
    page.get_by_role("button", name="Previous picture").click()
    assert page.locator("#after").get_attribute("alt") == "day1/m7.mrc, denoised"
    assert page.evaluate("document.getElementById('after').naturalWidth") == 96
    chart = page.locator("#spectra svg").get_attribute("aria-label")
    assert chart.startswith("Power spectra. Power that was kept: ")


def test_name_in_the_table_shows_its_picture(page):
    page.get_by_label("Show", exact=True).select_option("pictured")
    name = names_in(page)[5]
    page.get_by_role("cell", name=name).get_by_role("button").click()
    assert page.locator("#shown-name").inner_text() == name


def test_every_control_has_a_name_and_nothing_is_wider_than_a_telephone(page):
    unnamed = page.evaluate(
        """[...document.querySelectorAll('button, input, select, img, svg')].filter(e =>
        !(e.textContent.trim() || e.labels?.length || e.alt ||
          e.getAttribute('aria-label') || e.getAttribute('aria-hidden'))).length"""
    )
    assert unnamed == 0
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_ten_thousand_micrographs_are_sorted_in_a_blink(window, tmp_path):
    with LedgerFile(tmp_path) as ledger:
        for number in range(10_000):
            ledger.add(
                LedgerEntry(
                    output=f"m{number}.mrc",
                    source=f"/raw/m{number}.mrc",
                    status="denoised",
                    recipe="r",
                    quality={"noise_level": float(number % 97)},
                )
            )
    write_report(tmp_path, pictures=0)
    window.goto((tmp_path / "report.html").as_uri())
    taken = window.evaluate(
        "(() => { const t = performance.now(); sortBy('noise_level');"
        " return performance.now() - t; })()"
    )
    # On a busy machine; a person waits for a second without noticing much.
    assert taken < 1000
    assert (tmp_path / "report.html").stat().st_size < 5e6
