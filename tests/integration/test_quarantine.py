"""Flood quarantine: an asset that suddenly matches everybody's clips asks for a person, not for a block."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import ledger, quarantine
from registry.access import Actor, Scope
from registry.database import Database
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.index import IndexEngine
from registry.ledger import LedgerIdentity
from registry.models import Asset, Check, OutboxMessage, Quarantine
from registry.quarantine import FloodLimits, QuarantineDecision
from tests import factories
from tests.factories import AT

LIMITS = FloodLimits(checks=6, askers=3, window=timedelta(hours=1))
COPY = factories.fingerprint(1)


def registered(session: Session, index: IndexEngine, *, webhook_url: str | None = None) -> Asset:
    owner = factories.actor_of(factories.holder(session, webhook_url=webhook_url))
    return factories.asset(session, owner, factories.work(session, owner), index, COPY)


def ask(session: Session, index: IndexEngine, asker: Actor, number: int, at: datetime = AT) -> Check:
    sha256 = f"{number:064x}"
    return factories.check(session, asker, index, COPY, sha256=sha256, at=at, flood=LIMITS)


def flood(session: Session, index: IndexEngine, *, first: int = 0, at: datetime = AT) -> None:
    """Two files of each of three askers."""
    for asker in [factories.actor(session) for _ in range(3)]:
        for number in range(2):
            ask(session, index, asker, first + number, at)
            first += 10


def held(session: Session) -> list[Quarantine]:
    return list(session.scalars(sa.select(Quarantine).order_by(Quarantine.id)))


def test_a_flood_puts_an_asset_in_quarantine_and_its_matches_before_people(
    database: Database, index: IndexEngine
) -> None:
    with database.transaction() as session:
        asset = registered(session, index, webhook_url="https://studio.example/hook")
        flood(session, index)
        [row] = held(session)
        assert (row.asset_id, row.matched_checks, row.askers, row.decision) == (asset.id, 6, 3, None)
        check = ask(session, index, factories.actor(session), 99)
        assert (check.verdict, [r["code"] for r in check.reasons]) == ("review", ["policy_block", "quarantined"])
        assert [match.doubts for match in check.matches] == [["quarantined"]]
        assert held(session) == [row], "one at a time"
        [told] = session.scalars(sa.select(OutboxMessage))
        assert (told.holder_id, told.event, told.payload["id"]) == (
            asset.work.holder_id,
            "asset.quarantined",
            asset.id,
        )


def test_one_asker_alone_cannot_unblock_a_work(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        registered(session, index)
        pirate, friend = factories.actor(session), factories.actor(session)
        for number in range(20):
            ask(session, index, pirate, number)
            ask(session, index, friend, 100 + number)
        assert held(session) == []
        assert ask(session, index, pirate, 99).verdict == "block"


def test_the_same_file_again_says_nothing_new(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        registered(session, index)
        for asker in [factories.actor(session) for _ in range(3)]:
            for _ in range(5):
                ask(session, index, asker, 7)
        assert held(session) == []


def test_what_comes_slowly_is_no_flood(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        registered(session, index)
        askers = [factories.actor(session) for _ in range(3)]
        for number in range(12):
            ask(session, index, askers[number % 3], number, AT + timedelta(minutes=15 * number))
        assert held(session) == []


def test_ones_own_clips_are_no_flood(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        for _ in range(3):
            factories.asset(session, owner, factories.work(session, owner), index, COPY)
        for number in range(12):
            ask(session, index, owner, number)
        assert held(session) == []


def test_an_asset_that_was_let_go_counts_again_until_it_matches_far_more(
    database: Database, index: IndexEngine
) -> None:
    with database.transaction() as session:
        asset, operator = registered(session, index), factories.operator(session)
        flood(session, index)
        quarantine.decide(session, operator, asset.id, QuarantineDecision.RELEASE, "A hit of today.", at=AT)
        assert ask(session, index, factories.actor(session), 99).verdict == "block"
        flood(session, index, first=1000)
        assert len(held(session)) == 1
        for round_ in range(3):
            flood(session, index, first=10_000 * (round_ + 1), at=AT + timedelta(minutes=1))
        assert [row.decision for row in held(session)] == ["release", None]


def test_an_asset_that_is_withdrawn_is_found_no_more(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        asset, operator = registered(session, index), factories.operator(session)
        flood(session, index)
        quarantine.decide(session, operator, asset.id, QuarantineDecision.WITHDRAW, "A stock ident.", at=AT)
        assert asset.status == "withdrawn"
        check = ask(session, index, factories.actor(session), 99)
        assert (check.verdict, check.matches) == ("clear", [])


def test_only_an_operator_decides_once_and_says_why(database: Database, index: IndexEngine) -> None:
    release = QuarantineDecision.RELEASE
    with database.transaction() as session:
        asset, operator = registered(session, index), factories.operator(session)
        with pytest.raises(Conflict):
            quarantine.decide(session, operator, asset.id, release, "Fine.", at=AT)
        flood(session, index)
        owner = Actor(holder_id=asset.work.holder_id, scopes=frozenset({Scope.WORKS_WRITE, Scope.REVIEW}))
        with pytest.raises(Forbidden):
            quarantine.decide(session, owner, asset.id, release, "Fine.", at=AT)
        with pytest.raises(Invalid):
            quarantine.decide(session, operator, asset.id, release, " ", at=AT)
        with pytest.raises(NotFound):
            quarantine.decide(session, operator, "ast_0", release, "Fine.", at=AT)
        quarantine.decide(session, operator, asset.id, release, "Fine.", at=AT)
        with pytest.raises(Conflict):
            quarantine.decide(session, operator, asset.id, release, "Fine.", at=AT)


def test_a_quarantine_and_its_end_are_in_the_ledger(
    database: Database, index: IndexEngine, identity: LedgerIdentity
) -> None:
    with database.transaction() as session:
        asset = registered(session, index)
        flood(session, index)
        operator = factories.operator(session)
        quarantine.decide(session, operator, asset.id, QuarantineDecision.RELEASE, "Fine.", at=AT)
    with database.transaction() as session:
        kinds = [entry.data for entry in ledger.entries(session, start=0, limit=99) if "quarantine." in entry.data]
        assert [("opened" in kind, "decided" in kind) for kind in kinds] == [(True, False), (False, True)]
        assert list(ledger.verify(session, verifier_key=identity.verifier_key)) == []
