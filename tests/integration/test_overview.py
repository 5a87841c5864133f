"""What holders see of their own at a glance: works on a shelf, files on their way, notices by what is due."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from api.app import create_app
from api.pages.visit import SIGN_IN
from api.pages.words import words_of
from api.service import Service
from registry import overview, reservations, works
from registry.access import Scope
from registry.database import Database
from registry.domain.conflicts import EVIDENCE_LASTS
from registry.domain.policy import Action, Assurance, Policy
from registry.domain.preferences import Answer, Use, Value
from registry.domain.preferences import Scope as Reach
from registry.errors import Forbidden
from registry.index import IndexEngine
from registry.models import AssetStatus, Conflict, Holder
from registry.reservations import NewReservation
from takedown.decisions import Judgement
from takedown.domain.states import Event
from tests import factories
from tests.factories import AT
from tests.integration.inside import Inside
from tests.people import cookie_of

HOUR = timedelta(hours=1)


def test_an_empty_holder_has_nothing_and_is_told_so(database: Database) -> None:
    with database.transaction() as session:
        seen = overview.of_holder(session, factories.actor(session), at=AT)
    assert (seen.works, seen.files, seen.in_progress, seen.rejected) == (0, {}, [], [])
    assert (seen.matched_checks, seen.conflicts, seen.is_anything_reserved, seen.domains) == (0, 0, False, [])


def test_files_are_seen_on_their_way_and_where_they_were_refused(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner, stranger = factories.actor(session), factories.actor(session)
        work = factories.work(session, owner)
        factories.asset(session, owner, work, index, factories.fingerprint(1))
        waiting = works.add_fingerprint(session, owner, work.id, factories.fingerprint(2), at=AT)
        dark = works.add_fingerprint(session, owner, work.id, factories.fingerprint(3), at=AT + HOUR)
        works.reject_asset(session, dark, reason="black", problem="It is black.", at=AT)
        seen = overview.of_holder(session, owner, at=AT)
        theirs = overview.of_holder(session, stranger, at=AT)
    assert seen.files == {AssetStatus.INDEXED: 1, AssetStatus.PROCESSING: 1, AssetStatus.REJECTED: 1}
    assert [file.id for file in seen.in_progress] == [waiting.id]
    assert [(file.id, file.reason, file.title) for file in seen.rejected] == [(dark.id, "black", "Night Train")]
    assert theirs.files == {}


def test_matches_of_others_are_counted_and_ones_own_are_not(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner, asker = factories.actor(session), factories.actor(session)
        work = factories.work(session, owner)
        factories.asset(session, owner, work, index, factories.fingerprint(1))
        reservations.declare(
            session, owner, NewReservation(use=Use.TRAIN, value=Value.RESERVED, work_id=work.id), at=AT
        )
        for who, when in ((asker, AT), (asker, AT + HOUR), (owner, AT)):
            factories.check(session, who, index, factories.fingerprint(1), at=when)
        seen = overview.of_holder(session, owner, at=AT + 2 * HOUR)
        later = overview.of_holder(session, owner, at=AT + overview.LATELY + 3 * HOUR)
        said = overview.verdicts(session, asker, at=AT + 2 * HOUR)
    assert (seen.matched_checks, seen.is_anything_reserved) == (2, True)
    assert later.matched_checks == 0
    assert said == {"block": 2}


def test_the_shelf_is_newest_first_in_pages_without_what_was_withdrawn(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        factories.work(session, factories.actor(session), title="Another's")
        titles = [f"Film {number}" for number in range(5)]
        made = [factories.work(session, owner, title=title, at=AT + n * HOUR) for n, title in enumerate(titles)]
        works.withdraw(session, owner, made[2].id, at=AT)
        first, cursor = overview.shelf(session, owner, limit=3, at=AT)
        rest, end = overview.shelf(session, owner, limit=3, before=cursor, at=AT)
    assert [one.work.title for one in (*first, *rest)] == ["Film 4", "Film 3", "Film 1", "Film 0"]
    assert (cursor, end) == (made[1].id, None)


@pytest.mark.parametrize(
    ("asked", "finds"),
    [
        ("night", True), ("ÉTÉ train", True), ("100% night", False), ("day", False),
        ("us-rc1-76-07839", True), ("USRC17607839", True), ("NT 7", True), (" NT 7 ", True), ("NT", False),
        ("%", False),
    ],
)  # fmt: skip
def test_works_are_found_by_words_of_the_title_and_by_whole_numbers(
    database: Database, asked: str, finds: bool
) -> None:  # fmt: skip
    with database.transaction() as session:
        owner = factories.actor(session)
        numbers = {"isrc": "us-rc1-76-07839", "reference": "NT 7"}
        work = factories.work(session, owner, title="Night Train: L’Été", identifiers=numbers)
        found, _ = overview.shelf(session, owner, asked=asked, at=AT)
        by_id = [overview.shelf(session, owner, asked=one, at=AT)[0] for one in (work.id, f" {work.id.upper()}")]
    assert [one.work.id for one in found] == ([work.id] if finds else [])
    assert [[one.work.id for one in some] for some in by_id] == [[work.id], [work.id]]


def test_the_shelf_says_what_holds_and_how_files_are(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work, other = factories.work(session, owner), factories.work(session, owner, at=AT + HOUR)
        factories.asset(session, owner, work, index, factories.fingerprint(1))
        works.add_fingerprint(session, owner, work.id, factories.fingerprint(2), at=AT)
        of_all = NewReservation(use=Use.TDM, value=Value.RESERVED, scope=Reach.CATALOGUE)
        allowed = NewReservation(use=Use.SEARCH, value=Value.ALLOWED, work_id=work.id)
        reservations.declare_all(session, owner, [of_all, allowed], at=AT)
        newer, older = overview.shelf(session, owner, at=AT)[0]
    assert (newer.work.id, older.work.id) == (other.id, work.id)
    assert (older.files[AssetStatus.INDEXED], older.in_progress, newer.files) == (1, 1, {})
    assert (older.holding[Use.TDM], older.holding[Use.SEARCH]) == (Answer.RESERVED, Answer.ALLOWED)
    assert (older.leads_to, older.conflicts) == (Action.BLOCK, 0)
    assert (newer.holding[Use.TDM], newer.holding[Use.SEARCH]) == (Answer.RESERVED, Answer.UNSET)


@pytest.mark.parametrize(
    ("policy", "preference", "assurance", "comes"),
    [
        (Policy.NOTIFY, Answer.RESERVED, Assurance.VETTED, Action.BLOCK),
        (Policy.BLOCK, Answer.UNSET, Assurance.EMAIL, Action.REVIEW),
        (Policy.BLOCK, Answer.ALLOWED, Assurance.VETTED, Action.NOTIFY),
        (Policy.REVIEW, Answer.UNSET, Assurance.VETTED, Action.REVIEW),
    ],
)
def test_what_a_copy_leads_to_is_told_by_the_rules_of_checks(
    database: Database, policy: Policy, preference: Answer, assurance: Assurance, comes: Action
) -> None:
    with database.transaction() as session:
        work = factories.work(session, factories.actor(session, assurance=assurance), policy=policy)
        assert overview.leads_to(session, work, preference, block_from=Assurance.DOMAIN, at=AT) is comes


def test_a_rival_turns_a_block_into_a_review(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner, rival = factories.actor(session), factories.actor(session)
        for who in (owner, rival):
            factories.asset(session, who, factories.work(session, who), index, factories.fingerprint(1))
        shelved, _ = overview.shelf(session, owner, at=AT)
    assert [(one.leads_to, one.conflicts) for one in shelved] == [(Action.REVIEW, 1)]


def test_who_may_not_look_after_works_sees_none(database: Database) -> None:
    with database.transaction() as session:
        actor = factories.actor(session, Scope.CHECKS_WRITE)
        for look in (overview.of_holder, overview.shelf):
            with pytest.raises(Forbidden):
                look(session, actor, at=AT)


def _dashboard(service: Service, holder_id: str, *scopes: Scope) -> str:
    with service.database.transaction() as session:
        key = factories.key(session, session.get_one(Holder, holder_id), *scopes).key
    browser = Inside(create_app(service))
    return browser.get("/dashboard", headers={"Cookie": f"{SIGN_IN}={cookie_of(service, key)}"}).text


def test_a_conflict_is_on_the_dashboards_of_both_sides_with_its_day(service: Service) -> None:
    with service.database.transaction() as session:
        sides = [factories.actor(session), factories.actor(session)]
        for side in sides:
            factories.asset(session, side, factories.work(session, side), service.index, factories.fingerprint(1))
        [conflict] = session.scalars(sa.select(Conflict))
    for side in sides:
        page = _dashboard(service, side.holder_id, Scope.WORKS_WRITE)
        assert f'href="/conflicts/{conflict.id}"' in page
        assert f"Evidence until {words_of('en').day(AT + EVIDENCE_LASTS)}" in page
        assert "Waits for you" in page
    assert "/conflicts/cfl_" not in _dashboard(service, sides[0].holder_id, Scope.NOTICES_WRITE)


def _noticed(page: str) -> list[tuple[str, str]]:
    """Those that have a date, and whose it is said that they are."""
    return re.findall(
        r'href="/my-notices/(ntc_\w+)">([^<]*)</a>\s*<span class="hint">[^<]*</span>\s*<span class="when">', page
    )


def test_notices_are_on_the_dashboards_of_both_sides_by_what_is_due_also_where_that_has_passed(
    service: Service, index: IndexEngine
) -> None:
    desk = service.desk
    with service.database.transaction() as session:
        claimant, maker, reviewer = factories.actor(session), factories.actor(session), factories.reviewer(session)
        made = factories.check(session, maker, index, factories.fingerprint(1))
        release = factories.release(session, maker, made)
        fresh = factories.notice(session, desk, claimant, release)
        incomplete = replace(factories.COMPLETE_NOTICE, signature=None)
        late = factories.notice(session, desk, claimant, None, incomplete, at=AT - 300 * 24 * HOUR)
    ours, theirs = (_dashboard(service, who.holder_id, Scope.NOTICES_WRITE) for who in (claimant, maker))
    assert _noticed(ours) == [(late.id, "Your notice"), (fresh.id, "Your notice")]
    assert _noticed(theirs) == [], "its maker is told once it is down"
    with service.database.transaction() as session:
        desk.act(session, reviewer, fresh.id, Event.DISABLE, Judgement(reason="A copy."), at=AT)
    assert f'href="/my-notices/{fresh.id}">A notice about your release<' in _dashboard(
        service, maker.holder_id, Scope.NOTICES_WRITE
    )


def test_whose_page_it_is_is_looked_up_once(service: Service) -> None:
    with service.database.transaction() as session:
        owner = factories.actor(session)
    asked = 0

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal asked
        asked += bool(re.search(r"FROM holders\s+WHERE holders.id = ", statement))

    with service.database.reading() as session:
        engine = session.get_bind()
    sa.event.listen(engine, "before_cursor_execute", count)
    _dashboard(service, owner.holder_id, Scope.NOTICES_WRITE)
    sa.event.remove(engine, "before_cursor_execute", count)
    assert asked <= 2, "one of them gives the key"
