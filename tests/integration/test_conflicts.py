"""Conflicts: both sides stay and see it, an outcome costs a side the stretch in question, an appeal opens it again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.mail import message
from api.runner import Runner
from api.service import Service
from fingerprinting.model import Fingerprint
from registry import conflicts, exclusions, ledger, works
from registry.access import Actor, Scope
from registry.conflicts import NewStatement
from registry.domain.conflicts import APPEAL_LASTS, EVIDENCE_LASTS, Outcome, Position, State
from registry.domain.policy import Assurance, Verdict
from registry.errors import Conflict as ConflictError
from registry.errors import Forbidden, NotFound
from registry.index import IndexEngine
from registry.jobs import JobKind
from registry.models import Account, Asset, Conflict, Job, Mail, Membership, OutboxMessage
from tests import factories
from tests.factories import AT
from tests.fakes import Clock

SAID = NewStatement(position=Position.MINE, text="We filmed it in May.", links=["https://studio.example/dailies"])


@dataclass(frozen=True, slots=True)
class Sides:
    """Two holders who registered the same 12 s, and a third who asks."""

    earlier: Actor
    later: Actor
    earlier_asset: str
    later_asset: str
    conflict: str


@pytest.fixture
def sides(service: Service) -> Sides:
    with service.database.transaction() as session:
        one, other = (factories.actor_of(factories.holder(session, webhook_url="https://x.example/")) for _ in range(2))
        first = factories.asset(session, one, factories.work(session, one), service.index, factories.fingerprint(1))
    with service.database.transaction() as session:
        at = AT + timedelta(seconds=1)
        work = factories.work(session, other, title="Day Train", at=at)
        second = factories.asset(session, other, work, service.index, factories.fingerprint(1), at=at)
        [conflict] = conflicts.open_of(session, second.id)
    return Sides(one, other, first.id, second.id, conflict.id)


def _decided(service: Service, sides: Sides, outcome: Outcome, *, at: datetime = AT + EVIDENCE_LASTS) -> Actor:
    with service.database.transaction() as session:
        operator = factories.operator(session)
        conflicts.decide(session, operator, sides.conflict, outcome, "The dailies show it.", at=at + timedelta(days=1))
    return operator


def _verdict(service: Service, *, at: datetime = AT + timedelta(days=60)) -> tuple[Verdict, dict[str, str | None]]:
    """Of a stranger's copy, and what each work's match weighs."""
    with service.database.transaction() as session:
        check = factories.check(session, factories.actor(session), service.index, factories.fingerprint(1), at=at)
        return Verdict(str(check.verdict)), {match.asset_id: match.no_weight for match in check.matches}


def test_both_sides_see_what_is_alike_and_others_nothing(service: Service, sides: Sides) -> None:
    with service.database.reading() as session:
        for side in (sides.earlier, sides.later):
            seen = conflicts.visible(session, side, sides.conflict)
            assert (seen.rival_asset_id, seen.asset_id) == (sides.earlier_asset, sides.later_asset)
            [stretch] = seen.segments
            assert stretch["modality"] == "video"
            assert stretch["earlier_s"] == pytest.approx([0, 12], abs=0.5)
            assert stretch["later_s"] == pytest.approx([0, 12], abs=0.5)
    with service.database.transaction() as session, pytest.raises(NotFound):
        conflicts.visible(session, factories.actor(session), sides.conflict)


def test_both_sides_are_told(service: Service, sides: Sides) -> None:
    with service.database.reading() as session:
        told = session.execute(sa.select(OutboxMessage.holder_id, OutboxMessage.event)).all()
    assert {(sides.earlier.holder_id, "conflict.opened"), (sides.later.holder_id, "conflict.opened")} == set(told)


def test_a_title_adds_no_line_and_no_header_to_the_letter_about_it(service: Service) -> None:
    hostile = "Film\r\nBcc: b@evil.example\n\nYour account was attacked.\u202e" + "x" * 300
    with service.database.transaction() as session:
        holder = factories.holder(session)
        person = Account(id="acc_1", email="ada@studio.example", name="Ada", created_at=AT, email_confirmed_at=AT)
        session.add_all([person, Membership(holder_id=holder.id, account_id="acc_1", role="owner", added_at=AT)])
        for owner, title in ((factories.actor_of(holder), hostile), (factories.actor(session), hostile)):
            work = factories.work(session, owner, title=title)
            factories.asset(session, owner, work, service.index, factories.fingerprint(1))
        mail = session.scalars(sa.select(Mail)).one()
        letter = message(mail, service.settings)
        assert letter["Bcc"] is None
        assert "another holder claims" in letter["Subject"]
        lines = letter.get_content().splitlines()
        assert not [line for line in lines if line.startswith(("Bcc", "Your account"))]
        assert not {"\u202e"} & set(letter.get_content())


def test_while_it_is_open_a_copy_goes_to_people(service: Service, sides: Sides) -> None:
    verdict, weights = _verdict(service)
    assert verdict is Verdict.REVIEW
    assert weights == {sides.earlier_asset: None, sides.later_asset: None}


@pytest.mark.parametrize(
    ("outcome", "verdict", "losers"),
    [(Outcome.EARLIER, Verdict.BLOCK, {"later"}), (Outcome.LATER, Verdict.BLOCK, {"earlier"}),
     (Outcome.SHARED, Verdict.BLOCK, set()), (Outcome.NEITHER, Verdict.CLEAR, {"earlier", "later"})],
)  # fmt: skip
def test_an_outcome_costs_a_side_the_stretch_and_not_the_asset(
    service: Service, sides: Sides, outcome: Outcome, verdict: Verdict, losers: set[str]
) -> None:
    _decided(service, sides, outcome)
    found, weights = _verdict(service)
    assert found is verdict
    lost = {"earlier": sides.earlier_asset, "later": sides.later_asset}
    assert {asset for asset, weight in weights.items() if weight == "excluded"} == {lost[side] for side in losers}
    with service.database.reading() as session:
        assert {session.get_one(Asset, asset).status for asset in lost.values()} == {"indexed"}


def test_an_owner_cannot_take_back_what_was_decided(service: Service, sides: Sides) -> None:
    _decided(service, sides, Outcome.EARLIER)
    with service.database.transaction() as session:
        exclusions.put(session, sides.later, sides.later_asset, [], at=AT)
        assert [row.source for row in exclusions.in_force(session, sides.later_asset)] == ["conflict"]


def test_who_gives_way_ends_it_at_once(service: Service, sides: Sides) -> None:
    with service.database.transaction() as session:
        said = NewStatement(position=Position.THEIRS, text="Uploaded by mistake.")
        conflict = conflicts.state_a_position(session, sides.later, sides.conflict, said, at=AT)
        assert (conflict.state, conflict.outcome, conflict.closed_at) == ("ended", "earlier", AT)
        with pytest.raises(ConflictError, match="no longer open"):
            conflicts.state_a_position(session, sides.earlier, sides.conflict, SAID, at=AT)
        with pytest.raises(ConflictError, match="has ended"):
            conflicts.appeal(session, sides.later, sides.conflict, SAID, at=AT)
    assert _verdict(service)[0] is Verdict.BLOCK


def test_sides_that_share_need_nobody(service: Service, sides: Sides) -> None:
    with service.database.transaction() as session:
        shared = NewStatement(position=Position.SHARED, text="A co-production.")
        conflict = conflicts.state_a_position(session, sides.earlier, sides.conflict, shared, at=AT)
        assert conflict.state == State.OPEN
        conflict = conflicts.state_a_position(session, sides.later, sides.conflict, shared, at=AT)
        assert (conflict.state, conflict.outcome) == ("ended", "shared")


def test_nothing_is_decided_before_both_spoke_or_had_their_time(service: Service, sides: Sides) -> None:
    with service.database.transaction() as session:
        operator = factories.operator(session)
        conflicts.state_a_position(session, sides.earlier, sides.conflict, SAID, at=AT)

        def decide(at: datetime) -> Conflict:
            return conflicts.decide(session, operator, sides.conflict, Outcome.EARLIER, "Seen.", at=at)

        with pytest.raises(ConflictError, match="has not spoken"):
            decide(AT + EVIDENCE_LASTS - timedelta(hours=1))
        conflicts.state_a_position(session, sides.later, sides.conflict, SAID, at=AT + timedelta(seconds=2))
        assert decide(AT + timedelta(days=1)).state == State.DECIDED


def test_silence_loses_for_now_when_the_day_has_come(service: Service, sides: Sides, clock: Clock) -> None:
    with service.database.transaction() as session:
        conflicts.state_a_position(session, sides.later, sides.conflict, SAID, at=AT)
        job_id = session.scalars(sa.select(Job.id).where(Job.kind == JobKind.CONFLICT_DEADLINE)).one()
    clock.pass_by(EVIDENCE_LASTS - timedelta(minutes=1))
    Runner(service).run(job_id)
    clock.pass_by(timedelta(minutes=2))
    Runner(service).run(job_id)
    with service.database.transaction() as session:
        conflict = session.get_one(Conflict, sides.conflict)
        assert (conflict.state, conflict.outcome, conflict.cause) == ("decided", "later", "default")
        again = conflicts.appeal(session, sides.earlier, sides.conflict, SAID, at=clock())
        assert again.state == State.ON_APPEAL


def test_when_nobody_spoke_a_person_must_decide(service: Service, sides: Sides) -> None:
    with service.database.transaction() as session:
        conflicts.deadline_came(session, sides.conflict, at=AT + EVIDENCE_LASTS)
        assert session.get_one(Conflict, sides.conflict).state == State.OPEN


def test_an_appeal_opens_it_again_and_is_decided_by_somebody_else(service: Service, sides: Sides) -> None:
    first = _decided(service, sides, Outcome.EARLIER)
    at = AT + EVIDENCE_LASTS + timedelta(days=2)
    with service.database.transaction() as session:
        with pytest.raises(ConflictError, match="what you asked for"):
            conflicts.appeal(session, sides.earlier, sides.conflict, SAID, at=at)
        again = conflicts.appeal(session, sides.later, sides.conflict, SAID, at=at)
        assert (again.appeal_of, again.state, again.closed_at) == (sides.conflict, "on_appeal", None)
        assert session.get_one(Conflict, sides.conflict).state == State.APPEALED
    assert _verdict(service)[0] is Verdict.REVIEW
    with service.database.transaction() as session:
        conflicts.state_a_position(session, sides.earlier, again.id, SAID, at=at)
        with pytest.raises(Forbidden, match="somebody else"):
            conflicts.decide(session, first, again.id, Outcome.LATER, "Now I see.", at=at)
        other = factories.operator(session)
        ended = conflicts.decide(session, other, again.id, Outcome.LATER, "The contract shows it.", at=at)
        assert ended.state == State.ENDED
        with pytest.raises(ConflictError, match="has ended"):
            conflicts.appeal(session, sides.earlier, again.id, SAID, at=at)
    verdict, weights = _verdict(service)
    assert (verdict, weights[sides.earlier_asset], weights[sides.later_asset]) == (Verdict.BLOCK, "excluded", None)


def test_a_film_is_not_lost_to_a_strangers_copy_in_silence(service: Service, clock: Clock) -> None:
    """Neither to who is known less, nor where nobody could be told."""
    with service.database.transaction() as session:
        for seed, theirs in ((1, Assurance.UNVERIFIED), (2, Assurance.VETTED)):
            reached = "https://x.example/" if theirs is Assurance.UNVERIFIED else None
            studio = factories.actor_of(factories.holder(session, webhook_url=reached))
            film = factories.fingerprint(seed)
            factories.asset(session, studio, factories.work(session, studio), service.index, film)
            stranger = factories.actor(session, assurance=theirs)
            work = factories.work(session, stranger, title="Copy", at=AT)
            copy = factories.asset(session, stranger, work, service.index, film, at=AT + timedelta(seconds=1))
            [conflict] = conflicts.open_of(session, copy.id)
            conflicts.state_a_position(session, stranger, conflict.id, SAID, at=AT)
    clock.at = AT + EVIDENCE_LASTS
    with service.database.transaction() as session:
        for row in session.scalars(sa.select(Conflict)):
            conflicts.deadline_came(session, row.id, at=clock.at)
            assert (row.state, row.outcome) == (State.OPEN, None)


def _default(service: Service, sides: Sides) -> None:
    with service.database.transaction() as session:
        conflicts.state_a_position(session, sides.later, sides.conflict, SAID, at=AT)
    with service.database.transaction() as session:
        conflicts.deadline_came(session, sides.conflict, at=AT + EVIDENCE_LASTS)
        assert session.get_one(Conflict, sides.conflict).outcome == Outcome.LATER


def test_what_silence_lost_comes_back_when_the_winner_withdraws(service: Service, sides: Sides) -> None:
    _default(service, sides)
    with service.database.transaction() as session:
        assert exclusions.in_force(session, sides.earlier_asset)
        works.withdraw(session, sides.later, session.get_one(Asset, sides.later_asset).work_id, at=AT + EVIDENCE_LASTS)
    with service.database.transaction() as session:
        assert exclusions.in_force(session, sides.earlier_asset) == []
        assert list(ledger.verify(session, verifier_key=service.ledger.verifier_key)) == []
    assert _verdict(service)[0] is Verdict.BLOCK
    with service.database.transaction() as session, pytest.raises(ConflictError, match="nothing left to appeal"):
        conflicts.appeal(session, sides.earlier, sides.conflict, SAID, at=AT + EVIDENCE_LASTS + timedelta(days=1))


def test_what_a_person_decided_stays_decided_when_the_winner_withdraws(service: Service, sides: Sides) -> None:
    _decided(service, sides, Outcome.LATER)
    with service.database.transaction() as session:
        works.withdraw(session, sides.later, session.get_one(Asset, sides.later_asset).work_id, at=AT + EVIDENCE_LASTS)
        assert exclusions.in_force(session, sides.earlier_asset)


def _again(
    service: Service, who: Actor, *, at: datetime, shown: Fingerprint | None = None
) -> tuple[str, Conflict | None]:
    """The same material, put on record once more: the asset, and the conflict that is on record about it."""
    with service.database.transaction() as session:
        work = factories.work(session, who, title="Once More", at=at)
        asset = factories.asset(session, who, work, service.index, shown or factories.fingerprint(1), at=at)
        return asset.id, session.scalar(sa.select(Conflict).where(Conflict.asset_id == asset.id))


@pytest.mark.parametrize("outcome", [Outcome.EARLIER, Outcome.SHARED])
def test_a_decision_settles_it_also_when_the_same_is_brought_again(
    service: Service, sides: Sides, outcome: Outcome
) -> None:
    _decided(service, sides, outcome)
    asset_id, conflict = _again(service, sides.later, at=AT + EVIDENCE_LASTS + APPEAL_LASTS + timedelta(days=2))
    assert conflict is not None
    assert (conflict.state, conflict.cause, conflict.outcome) == (State.ENDED, "settled", outcome)
    with service.database.reading() as session:
        assert bool(exclusions.in_force(session, asset_id)) == (outcome is Outcome.EARLIER)
    assert _verdict(service)[0] is Verdict.BLOCK


def test_what_silence_decided_settles_nothing(service: Service, sides: Sides) -> None:
    _default(service, sides)
    _, conflict = _again(service, sides.earlier, at=AT + EVIDENCE_LASTS + APPEAL_LASTS + timedelta(days=2))
    assert conflict is not None
    assert conflict.state == State.OPEN


def test_what_may_still_be_appealed_settles_nothing(service: Service, sides: Sides) -> None:
    _decided(service, sides, Outcome.EARLIER)
    _, conflict = _again(service, sides.later, at=AT + EVIDENCE_LASTS + timedelta(days=2))
    assert conflict is not None
    assert conflict.state == State.OPEN


def test_what_was_appealed_settles_nothing(service: Service, sides: Sides) -> None:
    _decided(service, sides, Outcome.EARLIER)
    with service.database.transaction() as session:
        conflicts.appeal(session, sides.later, sides.conflict, SAID, at=AT + EVIDENCE_LASTS + timedelta(days=2))
    _, conflict = _again(service, sides.later, at=AT + EVIDENCE_LASTS + APPEAL_LASTS + timedelta(days=9))
    assert conflict is not None
    assert conflict.state == State.OPEN


def test_other_stretches_are_not_settled_with_it(service: Service, sides: Sides) -> None:
    with service.database.transaction() as session:
        work = factories.work(session, sides.earlier, title="Long Train", at=AT)
        long = factories.fingerprint(7, seconds=60)
        factories.asset(session, sides.earlier, work, service.index, long)
    at = AT + timedelta(seconds=1)
    _, conflict = _again(service, sides.later, at=at, shown=factories.fingerprint(7, seconds=12))
    assert conflict is not None
    with service.database.transaction() as session:
        conflicts.state_a_position(
            session, sides.later, conflict.id, NewStatement(position=Position.THEIRS, text="By mistake."), at=AT
        )
    end = AT + timedelta(days=1)
    _, settled = _again(service, sides.later, at=end, shown=factories.fingerprint(7, seconds=10))
    _, fresh = _again(service, sides.later, at=end, shown=factories.fingerprint(7, seconds=12, start_s=30))
    assert settled is not None
    assert fresh is not None
    assert (settled.state, fresh.state) == (State.ENDED, State.OPEN)


def test_the_sides_find_what_can_still_be_appealed(service: Service, sides: Sides) -> None:
    operator = _decided(service, sides, Outcome.EARLIER)
    decided_at = AT + EVIDENCE_LASTS + timedelta(days=1)
    with service.database.transaction() as session:
        for who, at, seen in (
            (sides.later, decided_at, 1),
            (sides.earlier, decided_at, 1),
            (sides.later, decided_at + APPEAL_LASTS, 0),
            (operator, decided_at, 0),
        ):
            assert len(session.scalars(conflicts.listed(who, is_open=True, at=at)).all()) == seen
        again = conflicts.appeal(session, sides.later, sides.conflict, SAID, at=decided_at)
        assert conflicts.appeal_against(session, session.get_one(Conflict, sides.conflict)) == again.id


def test_what_cannot_happen_says_where_the_conflict_stands(service: Service, sides: Sides) -> None:
    with service.database.transaction() as session, pytest.raises(ConflictError, match="not decided yet"):
        conflicts.appeal(session, sides.earlier, sides.conflict, SAID, at=AT)
    operator = _decided(service, sides, Outcome.EARLIER)
    with service.database.transaction() as session, pytest.raises(ConflictError, match="may appeal"):
        conflicts.decide(session, operator, sides.conflict, Outcome.LATER, "No.", at=AT + EVIDENCE_LASTS)


def test_after_two_weeks_nobody_appeals(service: Service, sides: Sides) -> None:
    _decided(service, sides, Outcome.EARLIER)
    late = AT + EVIDENCE_LASTS + timedelta(days=1) + APPEAL_LASTS
    with service.database.transaction() as session, pytest.raises(ConflictError, match="too late"):
        conflicts.appeal(session, sides.later, sides.conflict, SAID, at=late)


def test_a_work_that_is_withdrawn_ends_its_conflicts(service: Service, sides: Sides) -> None:
    with service.database.transaction() as session:
        asset = session.get_one(Asset, sides.later_asset)
        works.withdraw(session, sides.later, asset.work_id, at=AT)
        conflict = session.get_one(Conflict, sides.conflict)
        assert (conflict.state, conflict.cause, conflict.outcome) == ("ended", "withdraw", None)
    assert _verdict(service)[0] is Verdict.BLOCK


@pytest.mark.parametrize(
    "act",
    [
        lambda session, who, conflict: conflicts.state_a_position(session, who, conflict, SAID, at=AT),
        lambda session, who, conflict: conflicts.appeal(session, who, conflict, SAID, at=AT),
    ],
)
def test_only_the_two_holders_take_part(
    service: Service, sides: Sides, act: Callable[[Session, Actor, str], object]
) -> None:
    with service.database.transaction() as session:
        with pytest.raises(NotFound):
            act(session, factories.actor(session), sides.conflict)
        with pytest.raises(Forbidden):
            act(session, factories.operator(session), sides.conflict)


def test_a_side_does_not_decide(service: Service, sides: Sides) -> None:
    with service.database.transaction() as session, pytest.raises(Forbidden, match=Scope.ADMIN):
        conflicts.decide(session, sides.earlier, sides.conflict, Outcome.EARLIER, "Mine.", at=AT)


def test_every_step_is_in_the_ledger_and_the_record_cannot_be_changed(service: Service, sides: Sides) -> None:
    _decided(service, sides, Outcome.EARLIER)
    with service.database.transaction() as session:
        assert list(ledger.verify(session, verifier_key=service.ledger.verifier_key)) == []
        session.get_one(Conflict, sides.conflict).outcome = "later"
        session.flush()
        [said] = ledger.verify(session, verifier_key=service.ledger.verifier_key)
        assert sides.conflict in said


def test_lists_hold_ones_own_conflicts_alone(service: Service, sides: Sides, index: IndexEngine) -> None:
    del index
    with service.database.transaction() as session:
        for who, count in ((sides.earlier, 1), (factories.actor(session), 0), (factories.operator(session), 1)):
            assert len(session.scalars(conflicts.listed(who, is_open=True, at=AT)).all()) == count
