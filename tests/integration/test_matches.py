"""Matches: what a holder learns of checks that found their works, and who may see the clip."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.model import Fingerprint
from registry import checks, conflicts, lookback, matches, releases, works
from registry.access import Actor, Scope
from registry.checks import DecisionValue
from registry.database import Database
from registry.domain.policy import Policy
from registry.errors import Forbidden, NotFound
from registry.index import IndexEngine
from registry.matches import may_see_query, may_see_reference
from registry.models import Asset, Check, Conflict, Corpus, LookBack, Release, Revocation, Work
from takedown.service import Desk
from tests import factories
from tests.factories import AT

LATER = AT + timedelta(hours=1)


def owned(session: Session, index: IndexEngine, *, seed: int = 1, **said: Any) -> tuple[Actor, Work]:
    owner = factories.actor(session)
    work = factories.work(session, owner, **{"policy": Policy.REVIEW, **said})
    factories.asset(session, owner, work, index, factories.fingerprint(seed))
    return owner, work


def asked(session: Session, index: IndexEngine, shown: Fingerprint | None = None, **how: Any) -> tuple[Actor, Check]:
    asker = how.pop("asker", None) or factories.actor(session)
    return asker, factories.check(session, asker, index, shown or factories.fingerprint(1), **how)


def released(session: Session, asker: Actor, check: Check) -> Release:
    checks.review(session, factories.reviewer(session), check.id, DecisionValue.APPROVE, "A licence.", at=AT)
    return factories.release(session, asker, check)


def test_before_it_is_out_the_owner_learns_of_their_work_and_nothing_of_the_clip(
    database: Database, index: IndexEngine
) -> None:
    with database.transaction() as session:
        owner, work = owned(session, index, title="Night Train")
        other, _ = owned(session, index, seed=2)
        clip = factories.mixed(
            factories.fingerprint(3, seconds=8), factories.fingerprint(1, seconds=8, start_s=2),
            factories.fingerprint(2, seconds=6),
        )  # fmt: skip
        _, check = asked(session, index, clip, context={"prompt": "a secret"})
        [found] = matches.on_works_of(session, owner)
        assert (found.check_id, found.verdict, found.release, found.sees_query) == (check.id, "review", None, False)
        [of_work] = found.works
        [stretch] = of_work.stretches
        assert of_work.work.id == work.id
        assert of_work.seconds == pytest.approx(8, abs=1)
        assert stretch.reference_start_s == pytest.approx(2, abs=1)
        assert (stretch.query_start_s, stretch.query_end_s) == (None, None)
        assert all("Night Train" in reason for reason in of_work.reasons)
        assert not hasattr(found, "holder_id")
        assert [len(one.works) for one in matches.on_works_of(session, other)] == [1]
        line = of_work.line(stretch.asset)
        assert line is not None
        assert line.length_s == pytest.approx(12)


def test_only_who_asked_and_reviewers_see_a_clip_before_it_is_out_and_then_its_owner_until_it_is_revoked(
    database: Database, index: IndexEngine, desk: Desk
) -> None:
    with database.transaction() as session:
        owner, _ = owned(session, index)
        stranger, reviewer = factories.actor(session), factories.reviewer(session)
        asker, check = asked(session, index)

        def seers() -> list[Actor]:
            who = (asker, reviewer, owner, stranger)
            return [one for one in who if may_see_query(session, one, check)]

        assert seers() == [asker, reviewer]
        release = released(session, asker, check)
        assert seers() == [asker, reviewer, owner]
        [found] = matches.on_works_of(session, owner)
        assert found.release is not None
        assert found.sees_query
        assert found.works[0].stretches[0].query_end_s == pytest.approx(12, abs=1)
        assert found.notices == ()
        filed = factories.notice(session, desk, owner, release)
        releases.disable(session, release, at=AT)
        assert seers() == [asker, reviewer, owner]
        assert matches.found(session, owner, check.id).notices == (filed.id,)
        releases.revoke(session, asker, release.id, Revocation.WITHDRAWN, "Mine.", at=AT)
        assert seers() == [asker, reviewer]
        again = matches.found(session, owner, check.id)
        assert (again.sees_query, again.works[0].stretches[0].query_start_s) == (False, None)


def test_an_owner_with_another_task_sees_no_clip(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner, _ = owned(session, index)
        asker, check = asked(session, index)
        released(session, asker, check)
        only_asks = Actor(holder_id=owner.holder_id, scopes=frozenset({Scope.CHECKS_WRITE}))
        legal = Actor(holder_id=owner.holder_id, scopes=frozenset({Scope.NOTICES_WRITE}))
        assert not may_see_query(session, only_asks, check)
        assert may_see_query(session, legal, check)
        with pytest.raises(Forbidden):
            matches.on_works_of(session, only_asks)
        assert len(matches.on_works_of(session, legal)) == 1


def test_who_may_not_see_the_clip_of_their_own_holder_is_told_nothing_of_it(
    database: Database, index: IndexEngine
) -> None:
    with database.transaction() as session:
        owner, _ = owned(session, index)
        _, check = asked(session, index, asker=owner)
        for scope, sees in ((Scope.WORKS_WRITE, False), (Scope.NOTICES_WRITE, False), (None, True)):
            actor = Actor(holder_id=owner.holder_id, scopes=frozenset({scope}) if scope else owner.scopes)
            found = matches.found(session, actor, check.id)
            told = found.works[0].stretches[0].query_end_s is not None
            assert (may_see_query(session, actor, check), found.sees_query, told) == (sees, sees, sees)
            assert found.is_own


def test_the_list_is_newest_first_filtered_paged_and_has_each_check_once(
    database: Database, index: IndexEngine
) -> None:
    with database.transaction() as session:
        owner, first = owned(session, index, title="B")
        second = factories.work(session, owner, title="A", policy=Policy.BLOCK)
        factories.asset(session, owner, second, index, factories.fingerprint(2))
        both = factories.mixed(factories.fingerprint(1), factories.fingerprint(2))
        asker = factories.actor(session)
        shown = [factories.fingerprint(1), both, factories.fingerprint(2), factories.fingerprint(9)]
        ids = [
            asked(session, index, one, asker=asker, at=AT + timedelta(minutes=number))[1].id
            for number, one in enumerate(shown)
        ]
        _, mine = asked(session, index, asker=owner, at=LATER)

        def listed(**how: Any) -> list[str]:
            return [one.check_id for one in matches.on_works_of(session, owner, **how)]

        assert listed() == ids[2::-1]
        assert listed(own=True) == [mine.id, *ids[2::-1]]
        assert listed(work_id=first.id) == [ids[1], ids[0]]
        assert listed(verdict="block") == [ids[2], ids[1]]
        assert listed(limit=2) == [ids[2], ids[1]]
        assert listed(before=ids[1]) == [ids[0]]
        assert [work.id for work in matches.works_matched(session, owner)] == [second.id, first.id]
        assert matches.found(session, owner, mine.id).is_own
        with pytest.raises(NotFound):
            matches.found(session, owner, ids[3])
        with pytest.raises(NotFound):
            matches.found(session, factories.actor(session), ids[0])


def test_of_what_came_before_the_work_the_owner_sees_what_was_released(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        askers = [asked(session, index) for _ in range(2)]
        out_asker, out = askers[0]
        factories.release(session, out_asker, out)
        owner = factories.actor(session)
        work = factories.work(session, owner, at=LATER)
        asset = factories.asset(session, owner, work, index, factories.fingerprint(1), at=LATER)
        row = lookback.arrange(session, asset, at=LATER)
        past = lookback.next_past(session, session.get_one(LookBack, row.id), limit=9)
        alone = index.one_alone(session, asset.id)
        assert alone is not None
        looked = [(one, alone.in_query(one.fingerprint)) for one in past]
        assert len(lookback.note(session, row, looked, factories.RULES, at=LATER)) == 2
        [finding] = matches.findings(session, owner)
        assert finding.check_id == out.id
        assert matches.findings(session, owner, before=finding.id) == []
        assert matches.findings(session, factories.actor(session)) == []
        line = matches.line_of(finding, asset)
        assert line is not None
        assert [lane.modality for lane in line.lanes] == ["video"]
        assert [may_see_query(session, owner, check) for _, check in askers] == [True, False]


def test_where_two_works_are_alike_is_told_of_each(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        sides = [factories.actor(session) for _ in range(2)]
        long = factories.mixed(factories.fingerprint(5, seconds=6), factories.fingerprint(1, seconds=12))
        assets: list[Asset] = []
        for number, (who, shown) in enumerate(zip(sides, (factories.fingerprint(1), long), strict=True)):
            at = AT + timedelta(minutes=number)
            work = factories.work(session, who, at=at)
            asset = factories.asset(session, who, work, index, shown, at=at)
            alone = index.search(session, Corpus.WORKS, shown, timeout_s=30)
            conflicts.settle_asset(session, asset, alone, not_claimed=(), at=at)
            assets.append(asset)
        conflict = session.scalars(sa.select(Conflict)).one()
        earlier, later = (matches.alike(conflict, asset) for asset in assets)
        assert earlier is not None
        assert later is not None
        assert earlier.lanes[0].stretches[0].start_s == pytest.approx(0, abs=1)
        assert later.lanes[0].stretches[0].start_s == pytest.approx(6, abs=1)


def test_pictures_of_a_work_are_for_its_owner_reviewers_and_whom_the_owner_lets(
    database: Database, index: IndexEngine
) -> None:
    with database.transaction() as session:
        owner, work = owned(session, index)
        stranger = factories.actor(session)
        assert may_see_reference(owner, work)
        assert may_see_reference(factories.reviewer(session), work)
        assert not may_see_reference(stranger, work)
        works.change(session, owner, work.id, {"shows_frames": True}, at=AT)
        assert may_see_reference(stranger, work)
