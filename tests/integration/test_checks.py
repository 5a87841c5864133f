"""Checks: what a verdict rests on, who decides what is left open, and when the media is let go."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.model import Algorithm, Fingerprint, ItemNumber, Segment
from registry import checks, reservations, works
from registry.access import Actor, Scope
from registry.checks import VALIDITY, DecisionValue, Unanswerable
from registry.database import Database
from registry.domain.policy import Assurance, Policy
from registry.domain.preferences import Use, Value
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.index import Answer, IndexEngine, fingerprint_of
from registry.models import Asset, Check, Corpus, Job, Match, Work
from registry.reservations import NewReservation
from registry.works import WorkKind
from tests import factories
from tests.factories import AT, EVIDENCE, RULES, SHA256
from tests.integration.at_once import overlapping

FAULT = Unanswerable(code="corrupt", message="The file is damaged.")
COPY = factories.fingerprint(1)


def registered(session: Session, index: IndexEngine, *, seed: int = 1, owner: Actor | None = None, **said: Any) -> Work:
    owner = owner or factories.actor(session)
    work = factories.work(session, owner, **said)
    factories.asset(session, owner, work, index, factories.fingerprint(seed))
    return work


def codes(check: Check) -> list[str]:
    return [reason["code"] for reason in check.reasons]


def reserve(session: Session, work: Work, value: Value) -> None:
    owner = Actor(holder_id=work.holder_id, scopes=frozenset({Scope.WORKS_WRITE}))
    said = NewReservation(use=Use.DEPICT_IN_OUTPUT, value=value, work_id=work.id)
    reservations.declare(session, owner, said, at=AT)


def test_a_clip_that_matches_nothing_is_clear(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        registered(session, index, seed=1)
        check = factories.check(session, factories.actor(session), index, factories.fingerprint(2))
    assert (check.verdict, codes(check), check.matches, check.status) == ("clear", ["no_match"], [], "done")
    assert (check.finished_at, check.expires_at, check.index_sequence) == (AT, AT + VALIDITY, 1)


def test_a_verdict_comes_with_the_stretch_that_it_rests_on(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        work = registered(session, index)
        clip = factories.mixed(
            factories.fingerprint(7, seconds=5.0), factories.fingerprint(1, seconds=6.0, start_s=3.0)
        )
        check = factories.check(session, factories.actor(session), index, clip)
    [match] = check.matches
    assert (check.verdict, codes(check)) == ("block", ["policy_block"])
    assert (match.work_id, match.title, match.modality, match.policy, match.own) == (
        work.id,
        work.title,
        "video",
        "block",
        False,
    )
    found = (match.query_start_s, match.query_end_s, match.reference_start_s, match.reference_end_s)
    assert found == pytest.approx((5.0, 11.0, 3.0, 9.0), abs=0.5)


@pytest.mark.parametrize(
    ("policy", "said", "verdict", "reason"),
    [
        (Policy.BLOCK, None, "block", "policy_block"),
        (Policy.REVIEW, None, "review", "policy_review"),
        (Policy.NOTIFY, None, "clear", "policy_notify"),
        (Policy.NOTIFY, Value.RESERVED, "block", "reserved"),
        (Policy.BLOCK, Value.ALLOWED, "clear", "allowed"),
        (Policy.NOTIFY, Value.CONSTRAINED, "block", "reserved"),  # terms that are not shown cannot be met
    ],
)
def test_the_holders_word_comes_before_the_works_policy(
    database: Database, index: IndexEngine, policy: Policy, said: Value | None, verdict: str, reason: str
) -> None:
    with database.transaction() as session:
        work = registered(session, index, policy=policy)
        if said is not None:
            reserve(session, work, said)
        check = factories.check(session, factories.actor(session), index, COPY)
    assert (check.verdict, codes(check)) == (verdict, [reason])


def test_an_unverified_holder_never_blocks_alone(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        nobody = factories.actor(session, assurance=Assurance.UNVERIFIED)
        registered(session, index, owner=nobody)
        check = factories.check(session, factories.actor(session), index, COPY)
    assert (check.verdict, codes(check)) == ("review", ["policy_block", "holder_unverified"])


def test_ones_own_work_is_shown_and_does_not_count(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        studio = factories.actor(session)
        registered(session, index, owner=studio)
        own = factories.check(session, studio, index, COPY)
        anothers = factories.check(session, factories.actor(session), index, COPY)
    assert (own.verdict, codes(own), [match.own for match in own.matches]) == ("clear", ["own_work"], [True])
    assert anothers.verdict == "block"


def test_a_work_in_dispute_is_for_a_person(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        registered(session, index)
        registered(session, index, policy=Policy.NOTIFY)
        check = factories.check(session, factories.actor(session), index, COPY)
    assert check.verdict == "review"
    assert "ownership_conflict" in codes(check)


def test_a_claim_of_someone_less_well_known_does_not_save_a_copy(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        registered(session, index)
        pirate = factories.actor(session, assurance=Assurance.EMAIL)
        registered(session, index, owner=pirate, policy=Policy.NOTIFY)
        assert factories.check(session, pirate, index, COPY).verdict == "block"


@pytest.mark.parametrize(("seconds", "verdict"), [(1.5, "clear"), (2.5, "review"), (4.0, "block")])
def test_a_block_needs_enough_matched_seconds(
    database: Database, index: IndexEngine, seconds: float, verdict: str
) -> None:
    with database.transaction() as session:
        registered(session, index)
        clip = factories.mixed(
            factories.fingerprint(5), factories.fingerprint(1, seconds=seconds, start_s=4.0), factories.fingerprint(6)
        )
        assert factories.check(session, factories.actor(session), index, clip).verdict == verdict


def test_the_most_severe_of_several_works_decides(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        for seed, policy in ((1, Policy.NOTIFY), (2, Policy.BLOCK), (3, Policy.REVIEW)):
            registered(session, index, seed=seed, policy=policy)
        clip = factories.mixed(*(factories.fingerprint(seed) for seed in (1, 2, 3)))
        check = factories.check(session, factories.actor(session), index, clip)
    assert (check.verdict, set(codes(check))) == ("block", {"policy_notify", "policy_block", "policy_review"})
    assert len({match.work_id for match in check.matches}) == 3


def test_a_work_withdrawn_during_the_search_does_not_count(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner, asker = factories.actor(session), factories.actor(session)
        work = registered(session, index, owner=owner)
    with database.reading() as session:
        found = checks.search(session, index, COPY, timeout_s=30)
    with database.transaction() as session:
        works.withdraw(session, owner, work.id, at=AT)
    with database.transaction() as session:
        check = checks.ask(session, asker, context={}, at=AT)
        checks.answer(session, check, found, EVIDENCE, fingerprint=COPY, at=AT, rules=RULES)
    assert (check.verdict, check.matches) == ("clear", [])


def answered(session: Session, found: checks.Found, shown: Fingerprint = COPY) -> Check:
    check = checks.ask(session, factories.actor(session), context={}, at=AT)
    checks.answer(session, check, found, EVIDENCE, fingerprint=shown, at=AT, rules=RULES)
    return check


def unconfirmed(found: checks.Found) -> checks.Found:
    segments = [replace(segment, confirmed=False) for segment in found.works.segments]
    return replace(found, works=replace(found.works, segments=segments))


def test_what_may_be_another_take_is_for_a_person(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        registered(session, index)
        check = answered(session, unconfirmed(checks.search(session, index, COPY, timeout_s=30)))
    assert (check.verdict, codes(check)) == ("review", ["policy_block", "unconfirmed"])
    assert [match.confirmed for match in check.matches] == [False]


def still_of(seed: int) -> Fingerprint:
    """An image: the first frame of clip `seed`."""
    [clip] = factories.fingerprint(seed).descriptors
    first = replace(clip, times_s=clip.times_s[:1], vectors=clip.vectors[:1])
    return Fingerprint(duration_s=0.0, descriptors=(first,))


def test_a_still_that_is_asked_about_needs_no_seconds(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        registered(session, index)
        found = checks.search(session, index, COPY, timeout_s=30)
        [segment] = found.works.segments
        shown = replace(segment, query_start_s=0.0, query_end_s=0.0, reference_end_s=0.25)
        one = replace(found, works=replace(found.works, segments=[shown]))
        sure, doubted = (answered(session, each, still_of(1)) for each in (one, unconfirmed(one)))
    assert (sure.verdict, codes(sure)) == ("block", ["policy_block"])
    assert (doubted.verdict, codes(doubted)) == ("review", ["policy_block", "unconfirmed"])


def test_a_registered_still_needs_no_seconds_either(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner, kind=WorkKind.IMAGE)
        asset = factories.asset(session, owner, work, index, still_of(1))
        assert (asset.status, asset.duration_s) == ("indexed", 0.0)
        segment = Segment(
            item=ItemNumber(1), algorithm=Algorithm.VIDEO_PHASH_V1, query_start_s=2.0, query_end_s=3.1,
            reference_start_s=0.0, reference_end_s=0.0, score_0_1=0.9,
        )  # fmt: skip
        works_found = Answer(segments=[segment], subjects={segment.item: asset.id}, sequence=1)
        nothing = Answer(segments=[], subjects={}, sequence=1)
        check = answered(session, checks.Found(works=works_found, bank=nothing, shared=[]))
    assert (check.verdict, codes(check)) == ("block", ["policy_block"])


def test_what_could_not_be_looked_at_is_unknown_and_never_clear(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        check = factories.check(session, factories.actor(session), index, FAULT)
    assert (check.verdict, check.index_sequence) == ("unknown", None)
    assert check.reasons == [{"code": "corrupt", "message": "The file is damaged.", "work_id": None}]


def test_a_verdict_is_given_once(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        registered(session, index)
        check_id = factories.check(session, factories.actor(session), index, COPY).id
    with database.transaction() as session:
        check = session.get_one(Check, check_id)
        checks.answer(session, check, FAULT, EVIDENCE, fingerprint=None, at=AT + VALIDITY, rules=RULES)
    with database.reading() as session:
        check = session.get_one(Check, check_id)
        assert (check.verdict, check.finished_at) == ("block", AT)
        assert session.scalar(sa.select(sa.func.count()).select_from(Match)) == 1


def test_the_fingerprint_of_what_was_asked_is_kept_and_not_searched(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        check_id = factories.check(session, factories.actor(session), index, COPY).id
    with database.reading() as session:
        assert fingerprint_of(session, check_id) is not None
        assert index.search(session, Corpus.WORKS, COPY, timeout_s=30).segments == []


def test_a_question_waits_for_one_job(database: Database) -> None:
    with database.transaction() as session:
        check = checks.ask(
            session, factories.actor(session), context={"model": "m1"}, at=AT, sha256=SHA256, blob_key="b"
        )
        job_id = checks.enqueue_answer(session, check, at=AT)
    with database.reading() as session:
        job = session.scalars(sa.select(Job)).one()
        assert (job.id, job.kind, job.subject_id) == (job_id, "check", check.id)
        assert session.get_one(Check, check.id).context == {"model": "m1"}


def test_who_may_ask_and_see(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        asker, stranger, reviewer = factories.actor(session), factories.actor(session), factories.reviewer(session)
        check = factories.check(session, asker, index, COPY)
        with pytest.raises(Forbidden):
            checks.ask(session, reviewer, context={}, at=AT)
        with pytest.raises(Invalid):
            checks.ask(session, asker, context={"prompt": "x" * 20_000}, at=AT)
        assert checks.visible(session, asker, check.id) is checks.visible(session, reviewer, check.id) is check
        with pytest.raises(NotFound):
            checks.visible(session, stranger, check.id)
        with pytest.raises(NotFound):
            checks.visible(session, asker, "chk_0")


# -- a person decides --------------------------------------------------------------------------


def left_open(session: Session, index: IndexEngine) -> Check:
    registered(session, index, policy=Policy.REVIEW)
    return factories.check(session, factories.actor(session), index, COPY)


@pytest.mark.parametrize("decision", DecisionValue)
def test_a_person_decides_what_is_for_review(database: Database, index: IndexEngine, decision: DecisionValue) -> None:
    with database.transaction() as session:
        reviewer, check_id = factories.reviewer(session), left_open(session, index).id
        checks.review(session, reviewer, check_id, decision, "  Seen it. ", at=AT + VALIDITY)
    with database.reading() as session:
        check = session.get_one(Check, check_id)
    assert (check.verdict, check.decision, check.decision_reason) == ("review", decision.value, "Seen it.")
    assert (check.decided_by, check.decided_at) == (reviewer.holder_id, AT + VALIDITY)


def test_a_decision_is_made_once(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        reviewer, check_id = factories.reviewer(session), left_open(session, index).id
    refused = overlapping(
        database,
        lambda session: checks.review(session, reviewer, check_id, DecisionValue.REJECT, "No.", at=AT),
        lambda session: checks.review(session, reviewer, check_id, DecisionValue.APPROVE, "Yes.", at=AT),
    )
    assert isinstance(refused, Conflict)
    with database.reading() as session:
        assert session.get_one(Check, check_id).decision == "reject"


def test_only_what_is_for_review_is_decided(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        reviewer, asker = factories.reviewer(session), factories.actor(session)
        registered(session, index)
        waiting = checks.ask(session, asker, context={}, at=AT)
        for check in (
            factories.check(session, asker, index, COPY),
            factories.check(session, asker, index, factories.fingerprint(2)),
            factories.check(session, asker, index, FAULT),
            waiting,
        ):
            with pytest.raises(Conflict):
                checks.review(session, reviewer, check.id, DecisionValue.APPROVE, "Fine.", at=AT)


def test_a_decision_needs_a_reviewer_and_a_reason(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        reviewer, check = factories.reviewer(session), left_open(session, index)
        asker = Actor(holder_id=check.holder_id, scopes=frozenset({Scope.CHECKS_WRITE}))
        with pytest.raises(Forbidden):
            checks.review(session, asker, check.id, DecisionValue.APPROVE, "Mine.", at=AT)
        with pytest.raises(Invalid):
            checks.review(session, reviewer, check.id, DecisionValue.APPROVE, " ", at=AT)
        with pytest.raises(NotFound):
            checks.review(session, reviewer, "chk_0", DecisionValue.APPROVE, "Fine.", at=AT)
        assert check.decision is None


# -- letting go of media -----------------------------------------------------------------------


def test_media_that_can_lead_to_no_release_is_let_go(database: Database, index: IndexEngine) -> None:
    later = AT + timedelta(hours=1)
    with database.transaction() as session:
        asker, reviewer = factories.actor(session), factories.reviewer(session)
        registered(session, index, seed=1)
        registered(session, index, seed=2, policy=Policy.REVIEW)
        blocked, reviewed = COPY, factories.fingerprint(2)
        factories.check(session, asker, index, blocked, blob_key="blocked")
        factories.check(session, asker, index, FAULT, blob_key="unknown")
        factories.check(session, asker, index, reviewed, blob_key="undecided", at=later)
        for blob_key, decision in (("rejected", DecisionValue.REJECT), ("approved", DecisionValue.APPROVE)):
            check = factories.check(session, asker, index, reviewed, blob_key=blob_key, at=later)
            checks.review(session, reviewer, check.id, decision, "Seen it.", at=later)
        factories.check(session, asker, index, factories.fingerprint(3), blob_key="clear")
        factories.check(session, asker, index, factories.fingerprint(3), blob_key="clear later", at=later)
        checks.ask(session, asker, context={}, at=AT, blob_key="waiting")
    assert _forgotten(database, at=later) == {"unknown"}, "the others are yet to be explained"
    with database.transaction() as session:
        for check in session.scalars(sa.select(Check).where(Check.explanation.is_not(None))):
            checks.explained(check, None)
    assert _forgotten(database, at=later) == {"blocked", "rejected"}
    assert _forgotten(database, at=later) == set()
    assert _forgotten(database, at=AT + VALIDITY) == {"clear"}
    assert _forgotten(database, at=later + VALIDITY) == {"clear later", "undecided", "approved"}
    with database.reading() as session:
        assert session.scalars(sa.select(Check.blob_key).where(Check.blob_key.is_not(None))).all() == ["waiting"]
        assert session.scalar(sa.select(sa.func.count()).select_from(Asset)) == 2


def _forgotten(database: Database, *, at: Any) -> set[str]:
    with database.transaction() as session:
        return set(checks.forget_media(session, at=at))
