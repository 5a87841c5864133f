"""Excluded intervals: who may say so, what it changes, and that it stays on record."""

import pytest
from sqlalchemy.orm import Session

from fingerprinting.model import Modality
from registry import exclusions, ledger, works
from registry.access import Actor, Scope
from registry.database import Database
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.exclusions import BankStretch, Interval
from registry.index import IndexEngine
from registry.ledger import LedgerIdentity
from registry.models import Asset, Check
from tests import factories
from tests.factories import AT

WHOLE = [Interval(start_s=0.0, end_s=12.0, reason="a licensed shot")]


def registered(session: Session, index: IndexEngine, owner: Actor) -> Asset:
    return factories.asset(session, owner, factories.work(session, owner), index, factories.fingerprint(1))


def asked(session: Session, index: IndexEngine) -> Check:
    return factories.check(session, factories.actor(session), index, factories.fingerprint(1))


def test_what_is_excluded_does_not_count(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        asset = registered(session, index, owner)
        assert asked(session, index).verdict == "block"
        exclusions.put(session, owner, asset.id, WHOLE, at=AT)
        check = asked(session, index)
    assert (check.verdict, [reason["code"] for reason in check.reasons]) == ("clear", ["excluded"])
    assert {match.no_weight for match in check.matches} == {"excluded"}


def test_only_the_excluded_seconds_are_lost(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        asset = registered(session, index, owner)
        some = [Interval(start_s=4.0, end_s=6.0, reason="the ident")]
        exclusions.put(session, owner, asset.id, some, at=AT)
        check = asked(session, index)
    assert (check.verdict, [reason["code"] for reason in check.reasons]) == ("block", ["policy_block", "excluded"])
    shown = sorted((match.reference_start_s, match.reference_end_s, match.no_weight) for match in check.matches)
    assert [weight for _, _, weight in shown] == [None, "excluded", None]
    assert (shown[1][0], shown[1][1]) == (4.0, 6.0)


def test_what_is_said_anew_replaces_what_the_same_side_said(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner, operator = factories.actor(session), factories.operator(session)
        asset = registered(session, index, owner)
        exclusions.put(session, owner, asset.id, WHOLE, at=AT)
        ident = [Interval(start_s=0.0, end_s=2.0, reason="an ident")]
        exclusions.put(session, operator, asset.id, ident, at=AT)
        exclusions.put(session, owner, asset.id, [], at=AT)
        [left] = exclusions.in_force(session, asset.id)
        assert (left.source, left.reason) == ("operator", "an ident")
        again = exclusions.put(session, operator, asset.id, ident, at=AT)
        assert [row.id for row in exclusions.in_force(session, again.id)] == [left.id], "the same again is nothing new"


def test_an_owner_cannot_take_back_what_others_excluded(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        asset = registered(session, index, owner)
        entry = factories.negative(session, index, factories.fingerprint(1, seconds=6.0))
        assert [row.source for row in exclusions.in_force(session, asset.id)] == ["bank"]
        exclusions.put(session, owner, asset.id, [], at=AT)
        assert [row.negative_id for row in exclusions.in_force(session, asset.id)] == [entry.id]


def test_nobody_else_may_exclude(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        asset = registered(session, index, owner)
        with pytest.raises(NotFound):
            exclusions.put(session, factories.actor(session), asset.id, WHOLE, at=AT)
        for weak in (Scope.REVIEW, Scope.CHECKS_WRITE):
            weakly = Actor(holder_id=owner.holder_id, scopes=frozenset({weak}))
            with pytest.raises(Forbidden):
                exclusions.put(session, weakly, asset.id, WHOLE, at=AT)
        with pytest.raises(NotFound):
            exclusions.put(session, owner, "ast_0", WHOLE, at=AT)


@pytest.mark.parametrize(
    "interval",
    [
        Interval(start_s=5.0, end_s=5.0, reason="nothing"),
        Interval(start_s=-1.0, end_s=5.0, reason="before"),
        Interval(start_s=5.0, end_s=float("inf"), reason="for ever"),
        Interval(start_s=float("nan"), end_s=5.0, reason="nowhere"),
        Interval(start_s=13.0, end_s=14.0, reason="after the end"),
        Interval(start_s=0.0, end_s=5.0, reason="  "),
    ],
)
def test_an_interval_that_is_none_is_refused(database: Database, index: IndexEngine, interval: Interval) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        asset = registered(session, index, owner)
        with pytest.raises(Invalid):
            exclusions.put(session, owner, asset.id, [interval], at=AT)
        with pytest.raises(Invalid):
            exclusions.put(session, owner, asset.id, WHOLE * (exclusions.MOST_INTERVALS + 1), at=AT)
        assert exclusions.in_force(session, asset.id) == []


def test_a_withdrawn_work_is_left_as_it_is(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        asset = registered(session, index, owner)
        works.withdraw(session, owner, asset.work_id, at=AT)
        with pytest.raises(Conflict):
            exclusions.put(session, owner, asset.id, WHOLE, at=AT)


def test_material_of_the_bank_is_excluded_once_and_grows(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        asset = registered(session, index, factories.actor(session))
        entry = factories.negative(session, index, factories.fingerprint(9))

        def found(start_s: float, end_s: float) -> None:
            stretch = BankStretch(
                asset_id=asset.id, negative_id=entry.id, modality=Modality.VIDEO, start_s=start_s, end_s=end_s
            )
            exclusions.exclude_bank_material(session, [stretch], at=AT)

        for start_s, end_s in ((2.0, 5.0), (2.5, 5.0), (4.0, 8.0), (10.0, 11.0)):
            found(start_s, end_s)
        rows = exclusions.in_force(session, asset.id)
        assert [(row.start_s, row.end_s) for row in rows] == [(2.0, 8.0), (10.0, 11.0)]
        assert "Countdown" in rows[0].reason


def test_every_exclusion_is_in_the_ledger(database: Database, index: IndexEngine, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        asset = registered(session, index, owner)
        exclusions.put(session, owner, asset.id, WHOLE, at=AT)
        exclusions.put(session, owner, asset.id, [], at=AT)
        exclusions.put(session, owner, asset.id, WHOLE, at=AT)
    with database.transaction() as session:
        kinds = [entry.data for entry in ledger.entries(session, start=0, limit=50) if "exclusion." in entry.data]
        assert [data.split('"kind":"')[1].split('"')[0].partition(".")[2] for data in kinds] == [
            "declared",
            "withdrawn",
            "declared",
        ]
        assert list(ledger.verify(session, verifier_key=identity.verifier_key)) == []
        exclusions.in_force(session, asset.id)[0].end_s = 3.0
        session.flush()
        [problem] = ledger.verify(session, verifier_key=identity.verifier_key)
        assert "was changed without an entry" in problem
