"""Lists of notices for pages: what waits for whom, what each party may do, what was published last."""

from dataclasses import replace
from datetime import timedelta

import pytest

from api import noticeboard
from api.noticeboard import PARTIES, Wanted
from api.schemas.notices import NoticeIn
from registry.access import Actor, Scope
from registry.database import Database
from registry.errors import Conflict, Forbidden
from registry.index import IndexEngine
from registry.suspensions import Measure, Side
from takedown import misuse, records, retention
from takedown.domain.completeness import Outcome
from takedown.domain.states import Actor as Role
from takedown.domain.states import Event, State
from takedown.domain.track import TrackName
from takedown.misuse import Tier
from takedown.records import Publication, Search
from takedown.service import Desk
from tests import factories
from tests.factories import AT
from tests.integration.test_takedown_misuse import DAY, HOUR, Town

CLAIMANT, REVIEWER = frozenset({Role.CLAIMANT}), frozenset({Role.REVIEWER})


@pytest.fixture
def town(database: Database, index: IndexEngine, desk: Desk) -> Town:
    return Town(database, index, desk)


def mine(town: Town, actor: Actor, *, are_over: bool = False) -> list[str]:
    with town.database.reading() as session:
        rows, _ = noticeboard.of_party(session, town.desk, actor, are_over=are_over, at=AT)
    return [one.id for one in rows]


def may(town: Town, actor: Actor, notice: str, among: frozenset[Role] = PARTIES) -> set[Event]:
    with town.database.reading() as session:
        row = town.desk.visible(session, actor, notice)
        return set(noticeboard.standing(session, town.desk, actor, row, among=among)[1])


def test_a_maker_sees_a_notice_once_something_was_taken_down(town: Town) -> None:
    declined, disabled = (town.file(about=town.released(seed=seed)) for seed in (1, 2))
    assert set(mine(town, town.claimant)) == {declined, disabled}
    assert mine(town, town.uploader) == []
    town.act(declined, Event.DECLINE)
    town.act(disabled, Event.DISABLE)
    assert mine(town, town.uploader) == [disabled], "of a claim that nothing came of its maker is not told"
    town.act(disabled, Event.RETRACT)
    assert mine(town, town.uploader) == []
    assert mine(town, town.uploader, are_over=True) == [disabled]
    assert mine(town, town.reviewer) == [], "who only reviews it is no party"


def test_open_notices_are_listed_by_what_is_due_first(town: Town) -> None:
    later = town.file(at=AT, signature=None)
    sooner = town.file(at=AT + HOUR, track=TrackName.TAKE_IT_DOWN)
    assert mine(town, town.claimant) == [sooner, later]


def test_one_that_nobody_ended_is_over_once_it_is_forgotten(town: Town) -> None:
    left = town.file(about=town.released())
    town.act(left, Event.DISABLE)
    for who in (town.claimant, town.uploader):
        assert mine(town, who) == [left]
    with town.database.transaction() as session:
        retention.forget(session, left, at=AT, is_left=True)
    for who in (town.claimant, town.uploader):
        assert (mine(town, who), mine(town, who, are_over=True)) == ([], [left])


def test_over_notices_are_listed_newest_first_in_pages(town: Town) -> None:
    filed = [town.file(at=AT + n * HOUR) for n in range(3)]
    for one in filed:
        town.act(one, Event.RETRACT)
    with town.database.reading() as session:
        desk, actor = town.desk, town.claimant
        first, next_ = noticeboard.of_party(session, desk, actor, are_over=True, limit=2, at=AT)
        rest, end = noticeboard.of_party(session, desk, actor, are_over=True, limit=2, before=next_, at=AT)
    assert [one.id for one in (*first, *rest)] == filed[::-1]
    assert end is None


def test_a_queue_is_narrowed_and_counts_what_waits_in_all(town: Town) -> None:
    town.file()
    illegal = town.file(track=TrackName.DSA_16, at=AT + HOUR)
    closed = town.file(at=AT + 2 * HOUR)
    town.act(closed, Event.RETRACT)
    with town.database.reading() as session:
        desk = town.desk
        late = AT + 30 * DAY
        queue = noticeboard.queue(session, desk, Wanted(track=TrackName.DSA_16), offset=0, limit=10, at=late)
        assert [one.id for one in queue.rows] == [illegal]
        assert (queue.total, queue.tracks.total(), queue.late, queue.soon) == (1, 2, 2, 0)
        assert noticeboard.queue(session, desk, Wanted(tier=Tier.DOMAIN), offset=0, limit=10, at=AT).rows == []
        found, _ = noticeboard.found(session, desk, Wanted(state=State.RETRACTED), before=None, limit=10, at=AT)
        assert [one.id for one in found] == [closed]
        everything, next_ = noticeboard.found(session, desk, Wanted(), before=None, limit=2, at=AT)
        assert ([one.id for one in everything], next_) == ([closed, illegal], illegal)
        assert [one.subject for one in queue.rows] == ["The film “Night Train”"]


def test_each_part_may_do_its_own(town: Town) -> None:
    notice = town.file(about=town.released())
    assert may(town, town.claimant, notice) == {Event.RETRACT}
    assert Event.DISABLE in may(town, town.reviewer, notice, REVIEWER)
    town.act(notice, Event.DISABLE)
    assert may(town, town.claimant, notice) == {Event.RETRACT}
    assert may(town, town.uploader, notice) == {Event.RECEIVE_COUNTER}
    silent = replace(town.claimant, scopes=frozenset({Scope.RELEASES_WRITE}))
    assert may(town, silent, notice) == set(), "not every key of a holder speaks for them"


def test_a_complaint_is_for_who_was_decided_against(town: Town) -> None:
    notice = town.file(about=town.released(), track=TrackName.DSA_16)
    town.act(notice, Event.DISABLE)
    assert Event.COMPLAIN not in may(town, town.claimant, notice)
    assert may(town, town.uploader, notice) == {Event.COMPLAIN}
    assert Event.COMPLAIN in may(town, town.reviewer, notice, REVIEWER)


def test_an_intimate_depiction_that_is_down_is_not_put_back_by_its_claimant(town: Town) -> None:
    notice = town.file(about=town.released(), track=TrackName.TAKE_IT_DOWN)
    assert may(town, town.claimant, notice) == {Event.RETRACT}
    town.act(notice, Event.DISABLE)
    assert may(town, town.claimant, notice) == set()
    assert Event.RETRACT in may(town, town.reviewer, notice, REVIEWER)


def test_what_a_notice_would_lack_is_told_before_it_is_filed() -> None:
    said = NoticeIn(work_description="The Film", contact_email="ada@example.org", release_id="rel_1")
    lacks = noticeboard.lacks(said)
    assert lacks.outcome is Outcome.CURABLE
    assert [one.name for one in lacks.missing] == ["signature", "good_faith", "accuracy_and_authority"]
    assert noticeboard.lacks(NoticeIn()).outcome is Outcome.DEFECTIVE


def test_works_to_name_are_ones_own_newest_first(town: Town) -> None:
    with town.database.transaction() as session:
        first, second = (factories.work(session, town.claimant, title=title) for title in ("First", "Second"))
        named = noticeboard.works_to_name(session, town.claimant)
        assert [one.id for one in named] == sorted((first.id, second.id), reverse=True)
        assert noticeboard.works_to_name(session, town.uploader) == []
        assert noticeboard.works_to_name(session, town.claimant, "chk_none") == []


def test_published_notices_come_newest_first(town: Town) -> None:
    filed = [town.file(at=AT + n * HOUR) for n in range(3)]
    for one in filed:
        town.act(one, Event.DECLINE)
    with town.database.reading() as session:
        first, next_ = records.newest_public(session, Search(), limit=2)
        rest, end = records.newest_public(session, Search(), before=next_, limit=2)
    assert [one.id for one in (*first, *rest)] == filed[::-1]
    assert end is None


def test_a_preview_is_what_is_published_and_publishes_nothing(town: Town) -> None:
    notice = town.file(work_description="The film of the boy next door")
    said = Publication(terms=("the boy next door",))
    with town.database.transaction() as session:
        row = town.desk.visible(session, town.reviewer, notice)
        with pytest.raises(Conflict):
            records.redacted(session, town.reviewer, row, said)
    town.act(notice, Event.DECLINE)
    with town.database.transaction() as session:
        row = town.desk.visible(session, town.reviewer, notice)
        with pytest.raises(Forbidden):
            records.redacted(session, town.claimant, row, said)
        shown = records.redacted(session, town.reviewer, row, said)
        assert shown["work_description"] == "The film of [redacted]"
        assert row.public_texts is None
        records.publish(session, town.reviewer, row, said, at=AT)
        assert row.public_texts is not None
        assert {name: row.public_texts[name] for name in shown} == shown


def test_who_has_a_strike_or_is_suspended_is_of_concern(town: Town) -> None:
    def concern(at: timedelta = HOUR) -> list[str]:
        with town.database.reading() as session:
            return misuse.of_concern(session, at=AT + at)

    assert concern() == []
    town.act(town.file(), Event.REJECT_ABUSE)
    assert concern() == [town.claimant.holder_id]
    town.suspend(until=AT + 500 * DAY)
    assert concern(400 * DAY) == [town.claimant.holder_id], "the strike is over, the suspension is not"
    town.decide(Measure.LIFT, Side.CLAIMANT, at=AT + 399 * DAY)
    assert concern(400 * DAY) == []


def test_flaggers_are_listed_with_who_was_one(town: Town) -> None:
    with town.database.transaction() as session:
        misuse.trust(session, town.operator, town.claimant.holder_id, "Awarded in March.", at=AT)
        misuse.trust(session, town.operator, town.uploader.holder_id, "Awarded in May.", at=AT + HOUR)
        misuse.distrust(session, town.operator, town.uploader.holder_id, "It ended.", at=AT + DAY)
        listed = [row.holder_id for row, _ in misuse.flaggers(session)]
    assert listed == [town.claimant.holder_id, town.uploader.holder_id]
