"""What of a notice goes to the Lumen database."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takedown.domain.lumen import (
    MAX_TITLE_CHARS,
    REDACTED,
    Action,
    NeverExported,
    NotExportable,
    PartyKind,
    PublicNotice,
    PublicParty,
    PublicWork,
    lumen_notice,
)
from takedown.errors import TakedownError

NOTICE = PublicNotice(
    track="dmca_512",
    title="Notice about the film 'Carphone'",
    subject="A film shown without licence",
    body="The video shows the whole film.",
    sent_on=date(2026, 5, 18),
    received_on=date(2026, 5, 19),
    action=Action.YES,
    language="en",
    jurisdictions=("US", "IE"),
    tags=("film", "video"),
    source="Online form",
    works=(
        PublicWork(
            description="The film 'Carphone'",
            kind="movie",
            copyrighted_urls=("https://film.example/carphone",),
            infringing_urls=("https://video.example/1", "https://video.example/2"),
        ),
    ),
    sender=PublicParty(name="Example Films", kind=PartyKind.ORGANIZATION, country="IE"),
    operator=PublicParty(name="Example Video", kind=PartyKind.ORGANIZATION, country="US"),
)


def exported(**changes: Any) -> dict[str, Any]:
    body = lumen_notice(replace(NOTICE, **changes))
    assert list(body) == ["notice"]
    notice = body["notice"]
    assert isinstance(notice, dict)
    return notice


def test_a_notice_in_lumens_fields() -> None:
    assert exported() == {
        "type": "DMCA",
        "title": "Notice about the film 'Carphone'",
        "subject": "A film shown without licence",
        "body": "The video shows the whole film.",
        "date_sent": "2026-05-18",
        "date_received": "2026-05-19",
        "action_taken": "Yes",
        "language": "en",
        "jurisdiction_list": "US, IE",
        "tag_list": "film, video",
        "source": "Online form",
        "works_attributes": [
            {
                "description": "The film 'Carphone'",
                "kind": "movie",
                "copyrighted_urls_attributes": [{"url": "https://film.example/carphone"}],
                "infringing_urls_attributes": [{"url": "https://video.example/1"}, {"url": "https://video.example/2"}],
            }
        ],
        "entity_notice_roles_attributes": [
            {"name": "sender", "entity_attributes": _entity("Example Films", "IE")},
            {"name": "recipient", "entity_attributes": _entity("Example Video", "US")},
            {"name": "submitter", "entity_attributes": _entity("Example Video", "US")},
        ],
    }


def test_what_is_not_known_is_left_out() -> None:
    notice = exported(
        subject=None, body=None, sent_on=None, language=None, jurisdictions=(), tags=(), source=None,
        works=(PublicWork(description="A song"),),
    )  # fmt: skip

    assert set(notice) == {
        "type", "title", "date_received", "action_taken", "works_attributes", "entity_notice_roles_attributes",
    }  # fmt: skip
    assert notice["works_attributes"] == [{"description": "A song"}]


@pytest.mark.parametrize(
    ("track", "type_"), [("dmca_512", "DMCA"), ("dsa_16", "Other"), ("likeness", "PrivateInformation")]
)
def test_the_type_follows_the_track(track: str, type_: str) -> None:
    assert exported(track=track)["type"] == type_


def test_a_counter_notice_says_what_it_answers() -> None:
    notice = exported(is_counter_notice=True, answers=4711)

    assert notice["type"] == "Counternotice"
    assert notice["counternotice_for_id"] == 4711


@pytest.mark.parametrize("track", ["take_it_down", "a_track_of_next_year"])
@pytest.mark.parametrize("is_counter_notice", [True, False])
def test_a_track_that_stays_with_the_operator_is_never_exported(track: str, *, is_counter_notice: bool) -> None:
    with pytest.raises(NeverExported) as refusal:
        exported(track=track, is_counter_notice=is_counter_notice)

    assert refusal.value.track == track


@pytest.mark.parametrize("name", [None, "", " "])
def test_a_name_that_was_not_published_is_redacted(name: str | None) -> None:
    hidden = PublicParty(name=name, kind=PartyKind.INDIVIDUAL)
    roles = _roles(exported(sender=hidden, principal=hidden))

    assert roles["sender"] == roles["principal"] == {"name": REDACTED, "kind": "individual"}
    assert roles["recipient"]["name"] == "Example Video"


@pytest.mark.parametrize("hidden", ["ada@example.org", "+353 1 555 0100"])
@pytest.mark.parametrize("field", ["title", "subject", "body"])
def test_a_copy_that_still_shows_a_way_to_reach_a_person_stays_here(field: str, hidden: str) -> None:
    assert _refused(**{field: f"Ask {hidden}."})[0].startswith(f"{field}: ")


def test_works_and_names_are_looked_at_too() -> None:
    works = (PublicWork(description="The film of ada@example.org"),)
    sender = PublicParty(name="ada@example.org", kind=PartyKind.INDIVIDUAL)

    assert [problem.partition(":")[0] for problem in _refused(works=works, sender=sender)] == ["works", "sender"]


def test_an_address_of_the_web_is_what_a_notice_is_about() -> None:
    url = "https://video.example/@ada/0301234567"
    notice = exported(works=(PublicWork(description="A song", infringing_urls=(url,)),))

    assert notice["works_attributes"][0]["infringing_urls_attributes"] == [{"url": url}]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"title": " "}, "title"),
        ({"works": ()}, "works"),
        ({"works": (PublicWork(description="A song", infringing_urls=(" ",)),)}, "works"),
        ({"received_on": date(1998, 10, 28)}, "received_on"),
        ({"sent_on": date(1998, 10, 28)}, "sent_on"),
        ({"operator": PublicParty(name=None, kind=PartyKind.ORGANIZATION)}, "operator"),
        ({"tags": ("film, video",)}, "jurisdictions, tags"),
        ({"tags": ("",)}, "jurisdictions, tags"),
        ({"jurisdictions": ("Ireland",)}, "jurisdictions, country"),
        ({"sender": PublicParty(name="A", kind=PartyKind.INDIVIDUAL, country="ie")}, "jurisdictions, country"),
        ({"language": "English"}, "language"),
    ],
)
def test_what_lumen_would_not_take_is_refused(changes: dict[str, Any], named: str) -> None:
    assert [problem.partition(": ")[0] for problem in _refused(**changes)] == [named]


def test_refusals_are_errors_of_this_package() -> None:
    assert issubclass(NeverExported, TakedownError)
    assert issubclass(NotExportable, TakedownError)


@given(title=st.text(), body=st.none() | st.text(), name=st.none() | st.text())
def test_whatever_the_texts_what_is_exported_fits_and_hides_the_unpublished(
    title: str, body: str | None, name: str | None
) -> None:
    sender = PublicParty(name=name, kind=PartyKind.INDIVIDUAL)
    try:
        notice = exported(title=title, body=body, sender=sender)
    except NotExportable:
        return

    assert json.loads(json.dumps(notice)) == notice
    assert 0 < len(notice["title"]) <= MAX_TITLE_CHARS
    assert 0 < len(_roles(notice)["sender"]["name"]) <= MAX_TITLE_CHARS
    assert "@" not in f"{notice['title']}{notice.get('body')}{_roles(notice)['sender']['name']}"


def test_a_long_title_is_cut_to_what_lumen_holds() -> None:
    assert exported(title="word " * 100)["title"] == "word " * 50 + "word…"


def _refused(**changes: Any) -> tuple[str, ...]:
    with pytest.raises(NotExportable) as refusal:
        exported(**changes)
    return refusal.value.problems


def _roles(notice: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {role["name"]: role["entity_attributes"] for role in notice["entity_notice_roles_attributes"]}


def _entity(name: str, country: str) -> dict[str, str]:
    return {"name": name, "kind": "organization", "country_code": country}
