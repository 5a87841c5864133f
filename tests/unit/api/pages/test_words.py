"""Words: every text of the pages is there in every language, with the same blanks to fill in."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from babel.messages.catalog import Message

from api.pages.words import LANGUAGES, bring_up_to_date, extracted, known, words_of

OTHERS = LANGUAGES[1:]
_BLANK = re.compile(r"%\(\w+\)[sd]|%%|\{\w+\}")
AT = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


def _forms(message: Message) -> list[str]:
    """A translation, or those of one and of many."""
    said = message.string or ""
    return [said] if isinstance(said, str) else list(said)


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str) -> None:
    untranslated = [message.id for message in bring_up_to_date(language) if message.id and not message.string]
    assert untranslated == [], "run `python -m api.pages.words`, and translate what is new"


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_translated_that_is_gone(language: str) -> None:
    texts = {message.id for message in extracted()}
    assert [message.id for message in known(language) if message.id not in texts] == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_blanks_of_its_text(language: str) -> None:
    for message in filter(lambda message: message.id, known(language)):  # the first is the catalogue's own head
        wanted = message.id if isinstance(message.id, str) else message.id[-1]
        forms = _forms(message)
        for form in forms:
            assert sorted(set(_BLANK.findall(form))) == sorted(set(_BLANK.findall(wanted))), message.id


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_no_markup_of_its_own(language: str) -> None:
    for message in filter(lambda message: message.id, known(language)):  # the first is the catalogue's own head
        for form in _forms(message):
            assert re.findall(r"[<>]", form) == re.findall(r"[<>]", str(message.id)), message.id


def test_what_services_say_of_errors_is_translated_too() -> None:
    assert words_of("id").gettext("This is needed.") != "This is needed."
    assert words_of("en").gettext("This is needed.") == "This is needed."


@pytest.mark.parametrize(
    ("language", "said"), [("en", "1 May 2026 12:30 UTC"), ("id", "1 Mei 2026 12:30 UTC")]
)  # fmt: skip
def test_times_are_in_utc_and_in_the_words_of_the_language(language: str, said: str) -> None:
    assert words_of(language).moment(AT) == said


def test_how_long_ago_is_said_in_words() -> None:
    assert words_of("en").ago(AT - timedelta(days=2), now=AT) == "2 days ago"
    assert words_of("id").ago(AT + timedelta(days=2), now=AT) == "dalam 2 hari"
    assert words_of("id").number(1234.5) == "1.234,5"
    assert words_of("en").percent(0.5) == "50%"
