"""The report as a page, as comma-separated values and as pictures: the same figures in each, and nothing that runs."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from defusedxml import ElementTree

from takedown.domain.transparency import TIERS, Case, Report, as_json, figures
from takedown.report_page import as_csv, body, page
from takedown.report_pictures import plots
from takedown.report_words import Tongue

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 7, 1, tzinfo=UTC)
TRACKS = ("dmca_512", "dsa_16", "take_it_down", "likeness")

HISTORIES: tuple[tuple[tuple[str, str, float], ...], ...] = (
    (),
    (("request_cure", "cure_requested", 1),),
    (("find_valid", "valid", 3), ("disable", "disabled", 20.5)),
    (("find_valid", "valid", 2), ("decline", "declined", 7)),
    (("disable", "disabled", 60), ("receive_counter", "counter_received", 90), ("court_action", "held", 99)),
    (("disable", "disabled", 30), ("forward_counter", "forwarded", 90), ("restore", "restored", 400)),
    (("disable", "disabled", 9), ("complain", "uploader_complaint", 40), ("restore", "restored", 55)),
    (("disable", "disabled", 9), ("complain", "uploader_complaint", 40), ("uphold", "upheld", 77)),
    (("disable", "disabled", 9), ("retract", "retracted", 10)),
    (("reject_abuse", "rejected_abuse", 4),),
)


def cases() -> Iterator[Case]:
    """Every history on every track, spread over the tiers and the months."""
    for number, (track, steps) in enumerate((track, steps) for track in TRACKS for steps in HISTORIES):
        at = START + timedelta(days=4 * number)
        yield Case(
            notice_id=f"ntc_{number}",
            track=track,
            tier=TIERS[number % len(TIERS)],
            state=steps[-1][1] if steps else "submitted",
            history=(
                ("submit", "submitted", at),
                *((event, state, at + timedelta(hours=hours)) for event, state, hours in steps),
            ),
            materials=40 * number + 7,
            automated_detection=number % 3 == 0,
            is_duplicate=number % 7 == 0,
            complaints=("uploader",) if any(event == "complain" for event, _, _ in steps) else (),
        )


@pytest.fixture(scope="module")
def report() -> Report:
    return figures(
        cases(), start=START, end=END, suspended_claimants=1234, suspended_uploaders=5, strikes={"abuse": 17}
    )


@pytest.fixture(scope="module")
def empty() -> Report:
    return figures((), start=START, end=END)


class Read(HTMLParser):
    """A page's tables by their captions, its tags with their attributes, its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.tables: dict[str, dict[str, list[str]]] = {}
        self._into: list[str] = []
        self._caption, self._row = "", ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in {"caption", "th", "td", "thead", "style"}:
            self._into.append(tag)
        if tag == "td" and self._row:
            self.tables[self._caption][self._row].append("")

    def handle_endtag(self, tag: str) -> None:
        if self._into and self._into[-1] == tag:
            self._into.pop()
        if tag == "tr":
            self._row = ""

    def handle_data(self, data: str) -> None:
        where = self._into[-1] if self._into else ""
        if where != "style":
            self.text.append(data)
        if "thead" in self._into:
            return
        if where == "caption":
            self._caption = data
            self.tables[data] = {}
        elif where == "th":
            self._row = data
            self.tables[self._caption][data] = []
        elif where == "td" and self._row:
            self.tables[self._caption][self._row][-1] += data.strip()


def written(value: float | None) -> set[str]:
    """How a number of the JSON may stand on the page."""
    if value is None:
        return {"–"}
    if isinstance(value, int):
        return {f"{value:,}"}
    return {f"{value:,.2f}", f"{value:.1%}"}


def numbers(value: Any) -> Iterator[float | None]:
    if isinstance(value, dict):
        for each in value.values():
            yield from numbers(each)
    elif not isinstance(value, str):
        yield value


# -- comma-separated values ----------------------------------------------------------------------


def rows(text: str) -> dict[tuple[str, str, str], str]:
    return {(row["figure"], row["track"], row["tier"]): row["value"] for row in csv.DictReader(io.StringIO(text))}


def test_the_csv_gives_back_every_number_of_the_json(report: Report) -> None:
    told, read = as_json(report), rows(as_csv(report))
    assert int(read["received", "all", "all"]) == told["received"]["total"] == 40
    for track, count in told["received"]["by_track"].items():
        assert int(read["received", track, "all"]) == count
    for tier, count in told["received"]["by_tier"].items():
        assert int(read["received", "all", tier]) == count
    for outcome, split in told["outcomes"].items():
        assert int(read[f"outcomes.{outcome}", "likeness", "all"]) == split["by_track"]["likeness"]
    spread = told["times"]["complete_to_decision"]["by_track"]["dsa_16"]
    assert float(read["times.complete_to_decision.median_h", "dsa_16", "all"]) == spread["median_h"]
    share = told["trusted_flaggers"]["share"]["share_0_1"]
    assert float(read["trusted_flaggers.share.share_0_1", "all", "trusted_flagger"]) == share
    assert read["misuse.suspended_claimants", "all", "all"] == "1234"
    mine = sorted("" if number is None else str(number) for number in numbers(told))
    assert sorted(read.values()) == mine


def test_each_line_of_the_csv_says_of_which_period_it_is(report: Report) -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert {(line["period_start"], line["period_end"]) for line in lines} == {(START.isoformat(), END.isoformat())}
    assert len({(line["figure"], line["track"], line["tier"]) for line in lines}) == len(lines)


def test_what_was_not_measured_is_an_empty_cell(empty: Report) -> None:
    assert rows(as_csv(empty))["times.complete_to_decision.median_h", "all", "all"] == ""


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(monkeypatch: pytest.MonkeyPatch, empty: Report, beginning: str) -> None:
    cell = f"{beginning}cmd|' /C calc'!A0"
    told = as_json(empty) | {cell: 1}
    monkeypatch.setattr("takedown.report_page.as_json", lambda _: told)
    figures_named = [row["figure"] for row in csv.DictReader(io.StringIO(as_csv(empty), newline=""))]
    assert f"'{cell}" in figures_named
    assert cell not in figures_named


# -- pictures ------------------------------------------------------------------------------------


def test_there_is_a_picture_of_each_kind(report: Report) -> None:
    assert set(plots(report)) == {"received", "outcomes", "times", "restored"}


def test_a_period_of_which_nothing_is_to_be_seen_has_no_pictures(empty: Report) -> None:
    assert plots(empty) == {}


def test_a_picture_runs_nothing_and_leads_nowhere(report: Report) -> None:
    for svg in plots(report).values():
        root = ElementTree.fromstring(svg)
        for element in root.iter():
            assert element.tag.removeprefix("{http://www.w3.org/2000/svg}") in {
                "svg",
                "g",
                "rect",
                "path",
                "text",
                "title",
                "desc",
                "line",
            }
            for name, value in element.attrib.items():
                assert "href" not in name
                assert not name.startswith("on")
                assert "url(" not in value
        bare = re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg)
        assert "//" not in bare
        assert "@import" not in bare
        assert not re.search(r"\bnan\b", svg, re.IGNORECASE)


def test_a_picture_needs_no_style(report: Report) -> None:
    for svg in plots(report).values():
        assert not re.search(r"(style|class)=", svg)
        [colour] = {text.get("fill") for text in _figures_upon(ElementTree.fromstring(svg))}
        assert colour is None, "as the group says that they are in"


def _figures_upon(picture: Any) -> Iterator[Any]:
    for group in picture.iter("{http://www.w3.org/2000/svg}g"):
        if group.get("fill") == "#111":
            yield from group.iter("{http://www.w3.org/2000/svg}text")


def test_a_picture_says_what_it_shows(report: Report) -> None:
    for name, svg in plots(report).items():
        root = ElementTree.fromstring(svg)
        title, desc = list(root)[:2]
        assert root.get("role") == "img"
        assert root.get("aria-labelledby") == title.get("id") == f"chart-{name}-title"
        assert root.get("aria-describedby") == desc.get("id") == f"chart-{name}-desc"
        assert title.text
    desc = list(ElementTree.fromstring(plots(report)["received"]))[1]
    assert desc.text.startswith("Jan 2026: DMCA 8.")  # one every fourth day
    desc = list(ElementTree.fromstring(plots(report)["outcomes"]))[1]
    assert "Likeness: Not decided yet 1," in desc.text


def test_the_same_report_gives_the_same_pictures(report: Report) -> None:
    assert plots(report) == plots(report)
    assert not [name for name, svg in plots(report).items() if "<!--" in svg]  # pygal's says on which day it drew


def test_ids_are_of_one_picture_alone(report: Report) -> None:
    ids = re.findall(r'\bid="([^"]*)"', page(report, operator="Example"))
    assert len(ids) == len(set(ids)) == 12


# -- the page ------------------------------------------------------------------------------------


def test_the_page_shows_every_number_of_the_json(report: Report) -> None:
    read = Read(page(report, operator="Example"))
    shown = {cell for table in read.tables.values() for row in table.values() for cell in row}
    shown |= set(re.findall(r"[\d,.]+%?|–", " ".join(read.text)))
    told = as_json(report)
    missing = [number for number in numbers(told) if not written(number) & shown]
    assert missing == []


def test_each_number_stands_in_its_own_row_and_column(report: Report) -> None:
    tables = Read(page(report, operator="Example")).tables
    told = as_json(report)

    def line(split: dict[str, Any]) -> list[str]:
        return [f"{n:,}" for n in (split["total"], *split["by_track"].values(), *split["by_tier"].values())]

    assert tables["Notices received"]["Notices received"] == line(told["received"])
    assert tables["Notices received"]["Pieces of material named"] == line(told["materials_named"])
    assert tables["Notices received, by month"]["Feb 2026"] == line(told["received_by_month"]["2026-02"])
    assert tables["Where the notices received stand now"]["Declined"] == line(told["outcomes"]["declined"])
    assert tables["What was done in the period"]["Court actions reported"] == line(told["actions"]["court_actions"])
    median = tables["From the complete notice to the decision, in hours"]["Median"]
    assert median[2] == f"{told['times']['complete_to_decision']['by_track']['dsa_16']['median_h']:.2f}"
    share = tables["What became of what was disabled in the period"]["Restored, share of those disabled"]
    assert share[0] == f"{told['restorations']['share']['total']['share_0_1']:.1%}"
    assert tables["Measures against misuse"]["Strikes: abuse"] == ["17"]
    assert tables["Notices of trusted flaggers"]["Notices received"] == [str(told["received"]["by_tier"][TIERS[0]])]


def test_the_page_loads_nothing_and_runs_nothing(report: Report) -> None:
    html = page(report, operator="Example", csv_href="report.csv?a=1&b=2", json_href="report.json")
    read = Read(html)
    assert not {tag for tag, _ in read.tags} & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    attributes = [(tag, name, value) for tag, attrs in read.tags for name, value in attrs.items()]
    assert not [name for _, name, _ in attributes if name.startswith("on") or name in {"src", "srcset", "data"}]
    assert [value for _, name, value in attributes if name == "href"] == ["report.csv?a=1&b=2", "report.json"]
    styles = "".join(re.findall(r"<style[^>]*>(.*?)</style>", html, re.S))
    assert "url(" not in styles
    assert "@import" not in styles
    policy = next(attrs["content"] for tag, attrs in read.tags if attrs.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")


def test_within_another_page_the_report_has_its_language(report: Report) -> None:
    def say(text: str, **values: object) -> str:
        return f"«{text % values if values else text}»"

    shown = body(report, Tongue(say=say, locale="id"))
    assert "31.480" in shown
    assert "31,480" not in shown
    assert "Mei 2026" in shown
    read = Read(shown)
    assert not {tag for tag, _ in read.tags} & {"html", "head", "main", "h1", "style", "script"}
    assert all(caption.startswith("«") for caption in read.tables)
    said = [text.strip() for text in read.text if re.search("[A-Za-z]{4}", text)]
    assert [text for text in said if "«" not in text and "2026" not in text] == []


def test_what_an_operator_is_called_is_text(report: Report) -> None:
    html = page(report, operator="<script>alert(1)</script> & Sons", csv_href='"><b>')
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Sons" in html


def test_a_page_without_addresses_has_no_links(report: Report) -> None:
    assert "<a " not in page(report, operator="Example")


def test_every_table_has_a_caption_and_every_heading_a_scope(report: Report) -> None:
    read = Read(page(report, operator="Example"))
    tags = [tag for tag, _ in read.tags]
    assert tags.count("table") == tags.count("caption") == 12
    assert all(attrs.get("scope") in {"row", "col", "colgroup"} for tag, attrs in read.tags if tag == "th")
    lengths = {len(row) for caption, table in read.tables.items() for row in table.values() if "misuse" not in caption}
    assert lengths == {1, 1 + len(TRACKS) + len(TIERS)}


def test_a_page_says_its_period_by_the_last_day_in_it(report: Report) -> None:
    assert "1 January 2026 to 30 June 2026" in page(report, operator="Example")


def test_an_empty_period_says_so(report: Report, empty: Report) -> None:
    said = "No notice was received in this period"
    assert said in page(empty, operator="Example")
    assert said not in page(report, operator="Example")
    assert "<svg" not in page(empty, operator="Example")


def test_no_notice_is_named(report: Report) -> None:
    assert "ntc_" not in page(report, operator="Example") + as_csv(report)


def test_a_language_that_nobody_wrote_is_refused(report: Report) -> None:
    assert '<html lang="en">' in page(report, operator="Example")
    for language in ("xx", "../en"):
        with pytest.raises(ValueError, match="language"):
            page(report, operator="Example", language=language)
