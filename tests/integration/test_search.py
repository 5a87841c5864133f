"""Works are found by what they are called, and show what anybody may know of them; nothing more."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from api.app import create_app
from api.service import Service
from registry import public_record, reservations, search, works
from registry.access import Actor, Scope
from registry.database import Database
from registry.domain.credits import AlternativeTitle, Contributor
from registry.domain.policy import Assurance
from registry.domain.preferences import Answer, Use, Value
from registry.domain.preferences import Scope as Reach
from registry.errors import Forbidden, NotFound
from registry.models import Work
from registry.quarantine import FloodLimits
from registry.reservations import NewReservation
from tests import factories, people
from tests.factories import AT
from tests.integration.inside import Inside

DAY = timedelta(days=1)


def _titles(session: Session, asked: str, *, at: datetime = AT + DAY) -> list[str]:
    found, _ = public_record.find(session, asked, limit=50, at=at)
    return [one.work.title for one in found]


@pytest.fixture
def catalogue(database: Database) -> Database:
    """Three works of two holders."""
    with database.transaction() as session:
        studio = factories.actor(session, name="Éditions Łódź")
        factories.work(
            session, studio, title="L’Été à Paris", identifiers={"isrc": "US-SKG-19-12345", "reference": "SECRET-1"},
            alternative_titles=(AlternativeTitle(title="Summer in Paris"),),
            contributors=(Contributor(name="Ada Hidden", role="director"),),
        )  # fmt: skip
        factories.work(session, studio, title="Night Train", at=AT + timedelta(seconds=1))
        factories.work(session, factories.actor(session, name="Other"), title="100% Paris", at=AT + DAY)
    return database


@pytest.mark.parametrize(
    ("asked", "titles"),
    [
        ("ete", ["L’Été à Paris"]),
        ("PARIS summer", ["L’Été à Paris"]),
        ("paris", ["100% Paris", "L’Été à Paris"]),
        ("rai", ["Night Train"]),
        ("lodz", ["Night Train", "L’Été à Paris"]),
        ("night ŁÓDŹ", ["Night Train"]),
        ("ussKG1912345", ["L’Été à Paris"]),
        ("US-SKG-19-12345", ["L’Été à Paris"]),
        ("%", []),
        ("_", []),
        ("100%", ["100% Paris"]),
        ("nobody wrote this", []),
        ("SECRET-1", []),
        ("Hidden", []),
        ("", ["100% Paris", "Night Train", "L’Été à Paris"]),
        ("  ", ["100% Paris", "Night Train", "L’Été à Paris"]),
    ],
)
def test_works_are_found_by_titles_numbers_and_holders_alone(
    catalogue: Database, asked: str, titles: list[str]
) -> None:
    with catalogue.reading() as session:
        assert _titles(session, asked) == titles


def test_a_work_is_found_by_its_id_and_its_new_title(catalogue: Database) -> None:
    with catalogue.transaction() as session:
        [train] = search.works(session, "train", limit=9)
        owner = factories.actor_of(train.holder)
        works.change(session, owner, train.id, {"title": "Day Bus"}, at=AT + DAY)
        works.change(session, owner, train.id, {"alternative_titles": (AlternativeTitle(title="Ônibus"),)}, at=AT + DAY)
    with catalogue.reading() as session:
        assert _titles(session, train.id) == _titles(session, "onibus") == _titles(session, "bus day") == ["Day Bus"]
        assert _titles(session, "train") == []


def test_pages_of_a_search_hold_every_work_once(catalogue: Database) -> None:
    seen: list[str] = []
    cursor: str | None = None
    with catalogue.reading() as session:
        for _ in range(3):
            found, cursor = public_record.find(session, "paris", before=cursor, limit=1, at=AT + DAY)
            seen += [one.work.title for one in found]
            if cursor is None:
                break
    assert seen == ["100% Paris", "L’Été à Paris"]


def test_a_work_that_was_withdrawn_is_gone(catalogue: Database) -> None:
    with catalogue.transaction() as session:
        [train] = search.works(session, "train", limit=9)
        works.withdraw(session, factories.actor_of(train.holder), train.id, at=AT + DAY)
    with catalogue.reading() as session:
        assert _titles(session, "train") == _titles(session, train.id) == []
        with pytest.raises(NotFound):
            public_record.of_work(session, train.id, at=AT)


# -- what a record shows -------------------------------------------------------------------------


def _said(session: Session, owner: Actor, work: Work, value: Value, *, at: datetime) -> str:
    new = NewReservation(work_id=work.id, use=Use.TRAIN_GENERATIVE, value=value)
    return reservations.declare(session, owner, new, at=at).id


def test_a_record_says_what_was_in_force_on_a_day(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        first = _said(session, owner, work, Value.RESERVED, at=AT + DAY)
        second = _said(session, owner, work, Value.ALLOWED, at=AT + 3 * DAY)
        whole = reservations.declare(
            session, owner, NewReservation(scope=Reach.CATALOGUE, use=Use.TDM, value=Value.RESERVED), at=AT + 3.5 * DAY
        )
    with database.reading() as session:
        before, then, now = (public_record.of_work(session, work.id, at=AT + days * DAY) for days in (0, 2, 4))
    assert before.listed.answers == dict.fromkeys(Use, Answer.UNSET)
    assert (then.listed.answers[Use.TRAIN_GENERATIVE], now.listed.answers[Use.TRAIN_GENERATIVE]) == (
        Answer.RESERVED, Answer.ALLOWED,
    )  # fmt: skip
    assert [word.said.id for word in then.words] == [first]
    assert [word.said.id for word in now.words] == [second, whole.id]
    assert now.listed.answers[Use.TDM] is Answer.RESERVED
    assert now.listed.answers[Use.SEARCH] is Answer.UNSET
    assert then.entry is not None
    assert then.words[0].entry == then.entry + 1
    assert [word.entry for word in now.words] == [then.entry + 3, then.entry + 4]  # before: the first is superseded


def test_a_record_shows_who_else_claims_it(service: Service) -> None:
    with service.database.transaction() as session:
        first, second = (factories.actor(session, assurance=Assurance.EMAIL) for _ in range(2))
        mine, theirs = factories.work(session, first, title="Mine"), factories.work(session, second, title="Theirs")
        shown = factories.fingerprint(1)
        factories.asset(session, first, mine, service.index, shown)
    with service.database.transaction() as session:
        factories.asset(session, second, theirs, service.index, shown, at=AT + DAY)
    with service.database.reading() as session:
        for work, rival, came_first in ((mine, theirs, False), (theirs, mine, True)):
            found = public_record.of_work(session, work.id, at=AT + 2 * DAY)
            [dispute] = found.disputes
            assert found.listed.is_disputed
            assert (dispute.rival.id, dispute.came_first) == (rival.id, came_first)
            assert public_record.of_work(session, work.id, at=AT).disputes == []
        listed, _ = public_record.find(session, "", limit=9, at=AT + 2 * DAY)
        assert [one.is_disputed for one in listed] == [True, True]


def test_a_record_shows_that_it_waits_for_the_operator(service: Service) -> None:
    with service.database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        factories.asset(session, owner, work, service.index, factories.fingerprint(1))
    with service.database.transaction() as session:
        flood = FloodLimits(checks=1, askers=1)
        asker = factories.actor(session)
        factories.check(session, asker, service.index, factories.fingerprint(1), flood=flood, at=AT + DAY)
    with service.database.reading() as session:
        assert public_record.of_work(session, work.id, at=AT + 2 * DAY).listed.is_held
        assert not public_record.of_work(session, work.id, at=AT).listed.is_held


# -- for the operator ----------------------------------------------------------------------------


def test_the_operator_finds_holders_and_people(database: Database) -> None:
    with database.transaction() as session:
        operator = factories.operator(session)
        people.sign_up(session, people.ADA, holder="Éditions Ada", name="Ada Example")
        people.sign_up(session, "bob_100%@studio.example", name="Bob")  # at the same moment
        names = {"Bob", "Ada Example"}
        found = search.holders(session, operator, "editions", limit=9)
        assert [one.name for one in found] == ["Éditions Ada"]
        assert [one.name for one in search.holders(session, operator, found[0].id, limit=9)] == ["Éditions Ada"]
        assert search.holders(session, operator, "%", limit=9) == []
        assert {one.name for one in search.accounts(session, operator, "EXAMPLE", limit=9)} == names
        assert [one.name for one in search.accounts(session, operator, "100%", limit=9)] == ["Bob"]
        [newest] = search.accounts(session, operator, limit=1)
        rest = search.accounts(session, operator, before=newest.id, limit=9)
        assert {newest.name, *(one.name for one in rest)} == names


def test_nobody_else_lists_holders_and_people(database: Database) -> None:
    with database.transaction() as session:
        actor = factories.actor(session, Scope.REVIEW, Scope.HOLDER_WRITE)
        for looks in (search.holders, search.accounts):
            with pytest.raises(Forbidden):
                looks(session, actor, limit=9)


def test_a_page_says_what_held_when_a_day_ended_and_what_is_no_day(service: Service) -> None:
    with service.database.transaction() as session:
        work = factories.work(session, factories.actor(session))
    anyone = Inside(create_app(service))
    refused = anyone.get(f"/registry/{work.id}?on=garbage")
    assert refused.headers["Location"] == f"/registry/{work.id}"
    [(name, told)] = refused.cookies.items()
    shown = anyone.get(f"/registry/{work.id}", headers={"Cookie": f"{name}={told}"}).text
    assert "Give a day, such as 2026-01-31." in shown
    days = (AT.date() + timedelta(days=number) for number in range(-1, 2))
    found = [anyone.get(f"/registry/{work.id}?on={day}").text for day in days]
    assert ["it was not registered here" in page for page in found] == [True, False, False]
