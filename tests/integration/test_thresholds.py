"""Thresholds of holders and works: the operator's are a floor, a work may only ask for more."""

import pytest

from registry import ledger, thresholds, works
from registry.access import Actor
from registry.database import Database
from registry.domain.policy import Thresholds
from registry.errors import Forbidden, Invalid, NotFound
from registry.facts import facts_of
from registry.index import IndexEngine
from registry.ledger import LedgerIdentity
from registry.models import Holder
from tests import factories
from tests.factories import AT

LONG = Thresholds(review_matched_s=6.0, block_matched_s=9.0)
SHORT = Thresholds(review_matched_s=1.0, block_matched_s=1.5)


@pytest.mark.parametrize(("seconds", "verdict"), [(5.0, "clear"), (7.5, "review"), (10.0, "block")])
def test_a_work_counts_from_where_its_owner_asked(
    database: Database, index: IndexEngine, seconds: float, verdict: str
) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner, thresholds=LONG)
        factories.asset(session, owner, work, index, factories.fingerprint(1))
        shown = factories.mixed(
            factories.fingerprint(5), factories.fingerprint(1, seconds=seconds, start_s=1.0), factories.fingerprint(6)
        )
        assert factories.check(session, factories.actor(session), index, shown).verdict == verdict


def test_a_work_cannot_ask_for_less_than_its_holders_floor(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        with pytest.raises(Invalid):
            factories.work(session, owner, thresholds=SHORT)
        work = factories.work(session, owner)
        with pytest.raises(Invalid):
            works.change(session, owner, work.id, {"thresholds": SHORT}, at=AT)
        thresholds.set_floor(session, factories.operator(session), owner.holder_id, SHORT, at=AT)
        works.change(session, owner, work.id, {"thresholds": SHORT}, at=AT)
        assert thresholds.in_force(work) == SHORT


def test_the_floor_of_a_holder_holds_for_all_works(database: Database) -> None:
    with database.transaction() as session:
        owner, operator = factories.actor(session), factories.operator(session)
        asked = factories.work(session, owner, thresholds=Thresholds(review_matched_s=3.0, block_matched_s=20.0))
        silent = factories.work(session, owner)
        thresholds.set_floor(session, operator, owner.holder_id, LONG, at=AT)
        assert thresholds.in_force(silent) == LONG
        assert thresholds.in_force(asked) == Thresholds(review_matched_s=6.0, block_matched_s=20.0)
        thresholds.set_floor(session, operator, owner.holder_id, None, at=AT)
        assert thresholds.in_force(silent) == thresholds.SERVICE
        assert thresholds.floor_of(session.get_one(Holder, owner.holder_id)) == thresholds.SERVICE


def test_what_a_work_asked_for_can_be_taken_back(database: Database, identity: LedgerIdentity) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner, thresholds=LONG)
        assert thresholds.asked_for(work) == LONG
        works.change(session, owner, work.id, {"thresholds": None}, at=AT)
        assert (thresholds.asked_for(work), thresholds.in_force(work)) == (None, thresholds.SERVICE)
        work.block_matched_s = work.review_matched_s = 50.0
        session.flush()
        [problem] = ledger.verify(session, verifier_key=identity.verifier_key)
        assert work.id in problem


def test_only_an_operator_sets_a_floor(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        for who in (owner, factories.reviewer(session)):
            with pytest.raises(Forbidden):
                thresholds.set_floor(session, who, owner.holder_id, SHORT, at=AT)
        with pytest.raises(NotFound):
            thresholds.set_floor(session, factories.operator(session), "hld_0", SHORT, at=AT)


def test_a_threshold_longer_than_a_day_is_refused(database: Database) -> None:
    with database.transaction() as session:
        owner: Actor = factories.actor(session)
        endless = Thresholds(review_matched_s=3.0, block_matched_s=float("inf"))
        with pytest.raises(Invalid):
            factories.work(session, owner, thresholds=endless)


def test_what_older_entries_committed_to_still_holds(database: Database, index: IndexEngine) -> None:
    """Records that say nothing new commit to nothing new."""
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        factories.asset(session, owner, work, index, factories.fingerprint(1))
        check = factories.check(session, factories.actor(session), index, factories.fingerprint(1))
        assert set(facts_of(work)) == {
            "holder", "title", "kind", "identifiers", "creators", "year", "policy", "withdrawn",
        }  # fmt: skip
        [match] = facts_of(check)["matches"]
        assert len(match) == 10
