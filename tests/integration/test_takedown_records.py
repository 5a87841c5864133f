"""Public records of notices: what anybody may read and find, and that nothing of a person is in whatever leaves."""

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from api.paging import page
from registry import recovery
from registry.access import HolderKind
from registry.database import Database
from registry.errors import Conflict, Invalid, NotFound
from registry.index import IndexEngine
from registry.models import Holder, Notice, Release
from registry.suspensions import Measure, Side
from takedown import records, report_page
from takedown.decisions import Judgement
from takedown.domain.completeness import CounterContent, NoticeContent
from takedown.domain.lumen import NeverExported, NotExportable
from takedown.domain.redaction import REDACTED
from takedown.domain.states import Event
from takedown.domain.track import TrackName
from takedown.domain.transparency import as_json
from takedown.records import Publication, Search
from takedown.service import Desk
from tests import factories
from tests.conformance.statement_rules import offences
from tests.factories import AT, COMPLETE_COUNTER
from tests.integration.test_takedown_service import COUNTERED, DAY, NOT_BEFORE, Parties

URL = "https://clearmark.example"
WITH_TEXTS = [TrackName.DMCA_512, TrackName.DSA_16]
WITHOUT_TEXTS = [TrackName.TAKE_IT_DOWN, TrackName.LIKENESS]
# Who is in the papers: nothing of them may be read anywhere in public.
CLAIMANT, UPLOADER, DEPICTED, NEIGHBOUR = (
    "Zsófia Kővári-Nagy",
    "Paul Pipeline",
    "Wilhelmina Quarrie",
    "the boy next door",
)
EMAIL, TELEPHONE, ADDRESS = "zsofia.kovari@studio.example", "+36 1 555 01 99", "Rózsa utca 7, 1077 Budapest"
SEEDS = (
    CLAIMANT, UPLOADER, DEPICTED, EMAIL, TELEPHONE, ADDRESS, "paul@pipeline.example", "1 Main Street, Springfield",
    "+1 555 0100", "Kővári", "Wilhelmina", "Springfield",
)  # fmt: skip
SAID = "The film “Night Train” of 1999, as restored in 2019"


def told(text: str = SAID, *, of: str = f" of 1 Main Street, Springfield, made it with {NEIGHBOUR}") -> str:
    """A text with everything of everybody in it."""
    return (
        f"{text}. Ask {CLAIMANT}, {EMAIL}, tel. {TELEPHONE}, {ADDRESS}. It shows {DEPICTED}; {UPLOADER}, +1 555 0100,"
        f" paul@pipeline.example,{of}."
    )


PAPERS = NoticeContent(
    signature=CLAIMANT, work_description=told(), explanation=told("It copies the lighthouse"), contact_name=CLAIMANT,
    material=("https://clips.example/watch?v=1&by=Zsófia Kővári-Nagy", "https://clips.example/clip.mp4"),
    contact_email=EMAIL, contact_telephone=TELEPHONE, contact_address=ADDRESS, depicted_person=DEPICTED,
    good_faith=True, accuracy_under_penalty_of_perjury=True, authority=True, bona_fide=True, without_consent=True,
)  # fmt: skip
ANSWER = replace(COMPLETE_COUNTER, material=(told("The clip"),))


@dataclass(slots=True)
class Records:
    """Notices of some parties, and what of them is public."""

    parties: Parties

    @property
    def desk(self) -> Desk:
        return self.parties.desk

    def file(
        self, track: TrackName = TrackName.DMCA_512, content: NoticeContent = PAPERS, *, at_day: int = 0, **said: Any
    ) -> str:  # fmt: skip
        with self.parties.database.transaction() as session:
            about = session.get_one(Release, self.parties.release.id)
            at = AT + at_day * DAY
            claimant = self.parties.claimant
            return factories.notice(session, self.desk, claimant, about, content, at=at, track=track, **said).id

    def disabled(self, track: TrackName = TrackName.DMCA_512, content: NoticeContent = PAPERS, **why: Any) -> str:
        notice_id = self.file(track, content)
        judgement = Judgement(**({"reason": told("It is a copy")} | why))
        with self.parties.database.transaction() as session:
            self.desk.act(session, self.parties.reviewer, notice_id, Event.DISABLE, judgement, at=AT + DAY)
        return notice_id

    def counter(self, notice_id: str, content: CounterContent = ANSWER) -> None:
        with self.parties.database.transaction() as session:
            self.desk.counter(session, self.parties.uploader, notice_id, content, at=COUNTERED)

    def publish(self, notice_id: str, *, terms: tuple[str, ...] = (NEIGHBOUR,), **said: Any) -> None:
        with self.parties.database.transaction() as session:
            notice = session.get_one(Notice, notice_id)
            what = Publication(terms=terms, **said)
            records.publish(session, self.parties.reviewer, notice, what, at=COUNTERED)

    def copy(self, notice_id: str) -> dict[str, Any]:
        with self.parties.database.reading() as session:
            return records.public_copy(session.get_one(Notice, notice_id), self.desk.calendar)

    def found(self, words: str | None = None, **said: Any) -> list[str]:
        with self.parties.database.reading() as session:
            query = records.public_notices(Search(words=words, **said)).order_by(Notice.id)
            return [one.id for one in session.scalars(query)]

    def statements(self, notice_id: str) -> list[dict[str, object]]:
        with self.parties.database.reading() as session:
            notice = session.get_one(Notice, notice_id)
            return records.statements_of_reasons(session, notice, self.desk.calendar, url=URL)

    def lumen(self, notice_id: str) -> dict[str, object]:
        with self.parties.database.reading() as session:
            notice = session.get_one(Notice, notice_id)
            return records.lumen(session, notice, self.desk.calendar, self.desk.policy)


@pytest.fixture
def kept(database: Database, index: IndexEngine, desk: Desk) -> Records:
    return Records(Parties(database, index, desk))


# -- what is public ------------------------------------------------------------------------------


@pytest.mark.parametrize("track", list(TrackName))
def test_a_notice_that_nobody_published_shows_no_text(kept: Records, track: TrackName) -> None:
    notice_id = kept.disabled(track)
    copy = kept.copy(notice_id)
    assert (copy["work"], copy["explanation"], copy["material"], copy["claimant"]) == (None, None, None, REDACTED)
    assert (copy["track"], copy["is_published"], copy["state"]) == (track, False, "uploader_notified")
    assert copy["received_on"] == "2026-03-02"
    assert [step["event"] for step in copy["history"]][-2:] == ["disable", "notify_uploader"]
    assert copy["reasons"]
    assert set(copy["history"][0]) == {"event", "state", "actor", "on"}


def test_where_a_body_is_shown_the_copy_leads_to_nothing(kept: Records) -> None:
    assert kept.copy(kept.disabled(TrackName.TAKE_IT_DOWN))["releases"] == []
    assert kept.copy(kept.disabled(TrackName.LIKENESS))["releases"] == [kept.parties.release.id]


def _waits_for_cure(kept: Records) -> str:
    return kept.file(content=replace(PAPERS, signature=None))


def _address_not_shown(kept: Records) -> str:
    with kept.parties.database.transaction() as session:
        return kept.desk.file(session, None, factories.new_notice(PAPERS), at=AT).id


@pytest.mark.parametrize("made", [_waits_for_cure, _address_not_shown])
def test_a_notice_that_was_not_found_in_order_is_nobodys_to_read(kept: Records, made: Callable[[Records], str]) -> None:
    notice_id = made(kept)
    with pytest.raises(NotFound):
        kept.copy(notice_id)
    assert kept.found() == kept.found(notice_id) == []


@pytest.mark.parametrize("event", [Event.RETRACT, Event.REJECT_ABUSE])
def test_a_notice_whose_address_was_never_shown_stays_unread_when_it_ends(kept: Records, event: Event) -> None:
    notice_id = _address_not_shown(kept)
    with kept.parties.database.transaction() as session:
        kept.desk.act(session, kept.parties.reviewer, notice_id, event, Judgement(reason="So."), at=AT)
    with pytest.raises(NotFound):
        kept.copy(notice_id)


def test_a_notice_that_nobody_looked_at_yet_is_nobodys_to_read(kept: Records) -> None:
    notice_id = kept.file()
    with pytest.raises(NotFound):
        kept.copy(notice_id)


@pytest.mark.parametrize("track", WITHOUT_TEXTS)
def test_texts_about_a_persons_body_voice_or_face_are_never_published(kept: Records, track: TrackName) -> None:
    notice_id = kept.disabled(track)
    with pytest.raises(Conflict):
        kept.publish(notice_id)
    copy = kept.copy(notice_id)
    assert (copy["work"], copy["explanation"], copy["material"]) == (None, None, None)


def test_nothing_is_published_before_something_was_found_to_be_in_order(kept: Records) -> None:
    with pytest.raises(Conflict):
        kept.publish(_address_not_shown(kept))


def test_of_what_may_be_published_a_reviewer_chooses(kept: Records) -> None:
    notice_id = kept.disabled()
    choices: tuple[tuple[dict[str, Any], tuple[bool, ...]], ...] = (
        ({"texts": False}, (False, False, True)),
        ({"material": False}, (True, True, False)),
        ({"texts": False, "material": False}, (False, False, False)),
    )
    for said, shown in choices:
        kept.publish(notice_id, **said)
        copy = kept.copy(notice_id)
        assert tuple(copy[name] is not None for name in ("work", "explanation", "material")) == shown


def test_an_organisation_may_be_named_and_a_person_not(kept: Records) -> None:
    notice_id = kept.disabled()
    kept.publish(notice_id, claimant=True)
    with kept.parties.database.transaction() as session:
        holder = session.get_one(Holder, kept.parties.claimant.holder_id)
        name, holder.kind = holder.name, HolderKind.PERSON.value
    assert kept.copy(notice_id)["claimant"] == name
    with pytest.raises(Invalid):
        kept.publish(notice_id, claimant=True)


# -- redaction -----------------------------------------------------------------------------------

WAYS: list[Callable[[str], str]] = [
    str, str.upper, str.casefold, str.swapcase,
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: "\u200b".join(text),
    lambda text: text.replace(" ", "\u00a0\u2003"),
    lambda text: text.replace(" ", "\n"),
    lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
]  # fmt: skip


def bare(text: str) -> str:
    """Letters and digits alone, without marks, case or width."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in folded if char.isalnum())


def assert_nothing_of_anybody(public: Any) -> None:
    text = public if isinstance(public, str) else json.dumps(public, ensure_ascii=False, default=str)
    assert [seed for seed in (*SEEDS, NEIGHBOUR) if seed.casefold() in text.casefold()] == []
    assert [seed for seed in (*SEEDS, NEIGHBOUR) if bare(seed) in bare(text)] == []


@pytest.mark.parametrize("track", WITH_TEXTS)
def test_what_is_published_names_nobody_however_they_are_written(kept: Records, track: TrackName) -> None:
    for way in WAYS:
        content = replace(
            PAPERS, work_description=f"{SAID}: {way(told())}", explanation=f"{SAID}: {way(told())}",
            material=(f"https://clips.example/1 by {way(CLAIMANT)}", f"Ask {way(EMAIL)} or {way(TELEPHONE)}."),
        )  # fmt: skip
        notice_id = kept.disabled(track, content)
        with kept.parties.database.transaction() as session:
            if track is TrackName.DMCA_512:
                kept.desk.counter(session, kept.parties.uploader, notice_id, ANSWER, at=COUNTERED)
        terms = (NEIGHBOUR,) if track is TrackName.DMCA_512 else (NEIGHBOUR, UPLOADER, "Springfield", "1 Main Street")
        kept.publish(notice_id, terms=terms)
        copy = kept.copy(notice_id)
        assert_nothing_of_anybody(copy)
        assert SAID in copy["work"], "what is not about anybody stays"
        assert SAID in copy["explanation"]


def test_who_is_named_after_the_publication_is_not_read_in_it(kept: Records) -> None:
    notice_id = kept.disabled()
    kept.publish(notice_id)
    kept.counter(notice_id)
    assert_nothing_of_anybody(kept.copy(notice_id))


# -- everything that leaves ----------------------------------------------------------------------


def _everything(kept: Records, session: Session) -> dict[str, Any]:
    notices = [session.get_one(Notice, one) for one in kept.found()]
    calendar, policy = kept.desk.calendar, kept.desk.policy
    said: dict[str, Any] = {
        "search": page(
            session, records.public_notices(Search()), Notice.id, None, 200,
            lambda one: records.public_copy(one, calendar),
        ).model_dump(),
        "statements": [records.statements_of_reasons(session, one, calendar, url=URL) for one in notices],
        "lumen": [records.lumen(session, one, calendar, policy) for one in notices if one.public_texts],
        "verification": recovery.plain(
            recovery.standing(session, session.get_one(Release, kept.parties.release.id))["takedown"]
        ),
    }  # fmt: skip
    return said


def _of_every_kind(kept: Records) -> list[str]:
    """A notice of each track, disabled; what can be is answered, published and restored."""
    words: dict[str, Any] = {name: told(name, of="") for name in ("reason", "legal_ground", "explanation")}
    made = [kept.disabled(track, **words) for track in TrackName]
    with kept.parties.database.transaction() as session:
        session.get_one(Holder, kept.parties.claimant.holder_id).kind = HolderKind.PERSON.value
        for notice_id in made[1:]:
            session.get_one(Notice, notice_id).uploader = {"name": UPLOADER, "email": "paul@pipeline.example"}
    kept.counter(made[0])
    for notice_id in made[:2]:
        kept.publish(notice_id, terms=(NEIGHBOUR, "Springfield", "1 Main Street"))
    kept.parties.deadline_came(made[0], at=NOT_BEFORE)
    return made


def test_nothing_of_anybody_is_in_what_leaves(kept: Records) -> None:
    made = _of_every_kind(kept)
    with kept.parties.database.reading() as session:
        said = _everything(kept, session)
    assert len(said["search"]["items"]) == len(made)
    assert len(said["lumen"]) == len(WITH_TEXTS)
    assert sum(map(len, said["statements"])) == len(made)
    assert said["verification"]["notice_id"] in (*made, None)
    for public in said.values():
        assert_nothing_of_anybody(public)


_DEPRECATED = "the report asks SQLAlchemy in a way that it warns of, and warnings are errors here"


def test_nothing_of_anybody_is_in_the_transparency_report(kept: Records) -> None:
    _of_every_kind(kept)
    with kept.parties.database.reading() as session:
        made = records.report(session, start=AT - DAY, end=NOT_BEFORE + DAY)
    for public in (as_json(made), report_page.as_csv(made), report_page.page(made, operator="Clearmark")):
        assert_nothing_of_anybody(public)


def test_the_report_counts_what_happened_in_its_period(kept: Records) -> None:
    disabled = [kept.disabled(track) for track in TrackName]
    kept.counter(disabled[0])
    kept.parties.deadline_came(disabled[0], at=NOT_BEFORE)
    kept.file(at_day=40)
    parties = kept.parties
    with parties.database.transaction() as session:
        holder, reviewer = parties.uploader.holder_id, parties.reviewer
        for measure in (Measure.WARN, Measure.SUSPEND):
            until = AT + 90 * DAY
            kept.desk.decide_misuse(
                session, reviewer, holder, Side.UPLOADER, measure, "Often.", at=AT + 2 * DAY, until=until
            )
    with parties.database.reading() as session:
        made = records.report(session, start=AT, end=AT + 30 * DAY)
        before = records.report(session, start=AT - 30 * DAY, end=AT)
    assert (made.received.total, dict(made.received.by_track)) == (4, dict.fromkeys(TrackName, 1))
    assert (made.actions["disabled"].total, made.actions["restored"].by_track["dmca_512"]) == (4, 1)
    assert (made.actions["counter_notices"].total, made.misuse.suspended_uploaders) == (1, 1)
    assert (dict(made.misuse.strikes), made.misuse.suspended_claimants) == ({"uploader": 4}, 0)
    assert (before.received.total, before.actions["disabled"].total) == (0, 0)


# -- statements and exports ----------------------------------------------------------------------


@pytest.mark.parametrize("track", list(TrackName))
@pytest.mark.parametrize("why", ["usual", "other", "said", "long"])
def test_a_statement_of_reasons_keeps_the_rules_of_the_database(kept: Records, track: TrackName, why: str) -> None:
    words: dict[str, Any] = {
        "usual": {},
        "other": {"reason_code": "other"},
        "said": {"legal_ground": told("Section 1", of=""), "explanation": told("It applies", of="")},
        "long": {"reason": "It is a copy. " * 800, "legal_ground": "A law. " * 200, "explanation": "So. " * 900},
    }[why]
    [made] = kept.statements(kept.disabled(track, **words))
    assert offences(made) == []


@pytest.mark.parametrize("track", list(TrackName))
def test_what_was_put_back_has_an_end_in_its_statement(kept: Records, track: TrackName) -> None:
    notice_id = kept.disabled(track)
    assert "end_date_visibility_restriction" not in kept.statements(notice_id)[0]
    kept.parties.act(kept.parties.reviewer, notice_id, Event.RETRACT, at=AT + 3 * DAY)
    [made] = kept.statements(notice_id)
    assert (made["application_date"], made["end_date_visibility_restriction"]) == ("2026-03-03", "2026-03-05")
    assert offences(made) == []


def test_what_took_nothing_down_has_no_statement(kept: Records) -> None:
    assert kept.statements(kept.file()) == []


def test_lumen_is_given_the_published_copy_alone(kept: Records) -> None:
    notice_id = kept.disabled()
    with pytest.raises(Conflict):
        kept.lumen(notice_id)
    kept.publish(notice_id)
    [work] = kept.lumen(notice_id)["notice"]["works_attributes"]  # type: ignore[index]
    assert SAID in work["description"]
    assert "https://clips.example/clip.mp4" in [one["url"] for one in work["infringing_urls_attributes"]]


@pytest.mark.parametrize("track", WITHOUT_TEXTS)
def test_what_shows_a_body_or_a_face_never_leaves(kept: Records, track: TrackName) -> None:
    with pytest.raises((NeverExported, NotExportable, Conflict)):
        kept.lumen(kept.disabled(track))


def test_a_claimant_of_a_language_of_a_country_is_exported_too(kept: Records) -> None:
    notice_id = kept.disabled()
    with kept.parties.database.transaction() as session:
        session.get_one(Notice, notice_id).language = "id-ID"
    kept.publish(notice_id)
    assert kept.lumen(notice_id)["notice"]["language"] == "id"  # type: ignore[index]


# -- search --------------------------------------------------------------------------------------


def test_words_of_what_was_published_find_it_and_nothing_else_does(kept: Records) -> None:
    unpublished, published = kept.disabled(), kept.disabled()
    kept.publish(published)
    for words in ("night train", "NIGHT  lighthouse", "“Night", "1999", "clip.mp4", published):
        assert kept.found(words) == [published], words
    assert kept.found(unpublished) == [unpublished], "its id is no secret"
    for words in (
        "Zsófia", "kővári", "quarrie", "555", EMAIL, "boy", "rózsa", "night boat", "%", "_", "work_description",
        "sought", "claimant", "explanation", "null", '"', "{",
    ):  # fmt: skip
        assert kept.found(words) == [], words
    assert kept.found() == sorted([unpublished, published])


def test_words_that_a_reviewer_left_out_do_not_find_it(kept: Records) -> None:
    notice_id = kept.disabled()
    kept.publish(notice_id, texts=False)
    assert (kept.found("clip.mp4"), kept.found("lighthouse")) == ([notice_id], [])
    kept.publish(notice_id, material=False)
    assert (kept.found("clip.mp4"), kept.found("lighthouse")) == ([], [notice_id])


def test_records_are_found_by_track_state_and_time(kept: Records) -> None:
    dmca, dsa = kept.disabled(), kept.disabled(TrackName.DSA_16)
    kept.parties.act(kept.parties.claimant, dsa, Event.RETRACT, at=AT + 2 * DAY)
    assert kept.found(track="dsa_16") == kept.found(state="retracted") == [dsa]
    assert kept.found(since=AT, until=AT + timedelta(microseconds=1)) == sorted([dmca, dsa])
    assert kept.found(since=AT + timedelta(microseconds=1)) == kept.found(until=AT) == []


def test_records_are_read_page_by_page(kept: Records) -> None:
    made = sorted(kept.disabled(at) for at in (TrackName.DMCA_512,) * 5)
    seen: list[str] = []
    cursor: str | None = None
    for size in (2, 2, 1):
        with kept.parties.database.reading() as session:
            one = page(session, records.public_notices(Search()), Notice.id, cursor, 2, lambda found: str(found.id))
        assert len(one.items) == size
        seen, cursor = [*seen, *one.items], one.next
    assert (seen, cursor) == (made, None)
