"""Names: one plain line, made of what can be seen, and the same for all that look the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain import names
from registry.errors import Invalid


@pytest.mark.parametrize(
    "alike",
    [
        ("ÉDITIONS", "Éditions", "E\u0301ditions"),
        ("Studio Q", "studio q", "Ｓtudio Ｑ", "Studio\u00a0 Q", "Stu\u200bdio Q", "Studio Q\u202e", "Stu\u00addio Q"),
        ("Straße", "STRASSE"),
        ("Kim", "Kim\u3164", "\ufe0fKim", "\u212aim"),
    ],
)
def test_names_that_look_the_same_are_one(alike: tuple[str, ...]) -> None:
    assert len({names.key_of(name) for name in alike}) == 1


def test_names_that_differ_are_two() -> None:
    assert len({names.key_of(name) for name in ("Ada", "Áda", "Ada 2", "Ad a", "")}) == 5


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "x" * 201, "Ada\nLovelace", "Ada\r", "Ada\tLovelace", "Ada\u2028", "Ada\x85", "Ada\u200b", "\u202eadA",
        "Ada\x00", "Ada\u3164", "Ada\ufe0f", "See https://evil.example", "a://b", "\ud800",
    ],
)  # fmt: skip
def test_a_name_is_one_line_that_can_be_seen_and_leads_nowhere(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        names.checked(name, field="holder")
    assert refused.value.field == "holder"


def test_every_blank_is_a_plain_one() -> None:
    assert names.checked("Ada\u00a0\u3000 Films ", field="name") == "Ada Films"


@pytest.mark.parametrize("name", ["Ada", "Éditions du Seuil", "東宝", "M&M: 50% <Films> {x}", "x" * 200])
def test_an_ordinary_name_stands_as_it_is(name: str) -> None:
    assert names.checked(f"  {name}", field="name") == name


@given(st.text(max_size=600))
def test_whatever_somebody_wrote_is_one_short_line(text: str) -> None:
    line = names.one_line(text)
    assert len(line) <= 200
    assert line.isprintable()
    assert line == line.strip()
    assert names.one_line(line) == line


@given(st.text(max_size=600) | st.text("a:/ \u200b\ufe0f", max_size=20))
def test_a_name_from_elsewhere_is_one_that_is_taken_here(text: str) -> None:
    name = names.made_from(text)
    assert name is None or names.checked(name, field="name") == name


@given(st.text(max_size=50))
def test_a_key_is_its_own_key(name: str) -> None:
    assert names.key_of(names.key_of(name)) == names.key_of(name)


@pytest.mark.parametrize("text", ["Night Train", "Éditions 2: <b>", "東宝", ""])
def test_what_runs_as_the_sentence_does_stands_in_it_as_it_is(text: str) -> None:
    assert names.isolated(text) == text


@pytest.mark.parametrize("text", ["Night\u202e", "\u2069\u202eNight", "Night\u200f\u061c"])
def test_nothing_that_turns_text_gets_out_of_its_own(text: str) -> None:
    assert names.isolated(text) == "\u2068Night\u2069"


def test_what_runs_from_right_to_left_does_so_for_itself() -> None:
    assert names.isolated("רכבת 7") == "\u2068רכבת 7\u2069"
