"""Misuse on both sides: limits, strikes, warnings and suspensions; filings in masses, signals, whom to trust first."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from api import noticeboard
from api.service import Service
from registry import ledger
from registry.access import Actor, Scope
from registry.database import Database
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.endpoints import set_by_operator
from registry.errors import Conflict, Forbidden, Invalid, NotFound, TooSoon
from registry.index import IndexEngine
from registry.jobs import JobKind
from registry.ledger import LedgerIdentity
from registry.models import Domain, Holder, Job, Mail, Notice, NoticeLetter, OutboxMessage, Release, Strike
from registry.suspensions import Measure, Side, suspended_until
from takedown import misuse, screening
from takedown.decisions import Gravity, Judgement
from takedown.domain.states import Event
from takedown.domain.track import TrackName
from takedown.misuse import Factors, Tier
from takedown.policy import Policy
from takedown.service import Desk
from tests import factories, people
from tests.factories import AT, COMPLETE_NOTICE
from tests.integration.inside import Browser

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COMPLETE = replace(COMPLETE_NOTICE, explanation="It is my film.", bona_fide=True, without_consent=True)
FEW = Policy(notices_per_day=2, notices_per_day_trusted=3, notices_per_day_anonymous=3)
CLAIMANT, UPLOADER = Side.CLAIMANT, Side.UPLOADER
TAKE_IT_DOWN = TrackName.TAKE_IT_DOWN


class Town:
    """A claimant, an uploader, a reviewer and an operator; each step in a transaction of its own."""

    def __init__(self, database: Database, index: IndexEngine, desk: Desk) -> None:
        self.database, self.index, self.desk = database, index, desk
        with database.transaction() as session:
            self.claimant, self.uploader = factories.actor(session), factories.actor(session)
            self.reviewer, self.operator = factories.reviewer(session), factories.operator(session)
            for one in (self.claimant, self.uploader):
                name = session.get_one(Holder, one.holder_id).name
                set_by_operator(session, holder=name, url="https://hooks.example", at=AT)

    def under(self, policy: Policy) -> "Town":
        self.desk = replace(self.desk, policy=policy)
        return self

    def someone(self, assurance: Assurance = Assurance.VETTED) -> Actor:
        with self.database.transaction() as session:
            return factories.actor(session, assurance=assurance)

    def whom(self, side: Side) -> str:
        return (self.claimant if side is CLAIMANT else self.uploader).holder_id

    def released(self, *, seed: int = 1, at: datetime = AT) -> Release:
        with self.database.transaction() as session:
            shown = factories.fingerprint(seed)
            check = factories.check(session, self.uploader, self.index, shown, at=at)
            return factories.release(session, self.uploader, check, at=at)

    def file(
        self, by: Actor | None = None, *, about: Release | None = None, track: TrackName = TrackName.DMCA_512,
        at: datetime = AT, **content: Any,
    ) -> str:  # fmt: skip
        """Filed by the claimant unless it is said by whom, about an address of its own unless it is said what."""
        said = {"material": (f"https://clips.example/{new_id(Prefix.NOTICE, at=at)}",)} | content
        new = factories.new_notice(replace(COMPLETE, **said), release_id=about.id if about else None, track=track)
        with self.database.transaction() as session:
            return self.desk.file(session, by or self.claimant, new, at=at).id

    def file_without_key(self, address: str = "ada@studio.example", *, at: datetime = AT) -> str:
        with self.database.transaction() as session:
            new = factories.new_notice(replace(COMPLETE, contact_email=address))
            return self.desk.file(session, None, new, at=at).id

    def is_known(self, notice_id: str) -> None:
        """Its address was shown, as by the code of a letter."""
        with self.database.transaction() as session:
            notice = session.get_one(Notice, notice_id)
            notice.is_address_known = True
            screening.group(session, notice)

    def act(self, notice_id: str, event: Event, *, at: datetime = AT, **said: Any) -> str:
        with self.database.transaction() as session:
            return self.desk.act(session, self.reviewer, notice_id, event, Judgement(reason="So.", **said), at=at).state

    def decide(
        self, measure: Measure, side: Side = CLAIMANT, *, why: str = "So.", at: datetime = AT, **said: Any
    ) -> None:
        with self.database.transaction() as session:
            self.desk.decide_misuse(session, self.reviewer, self.whom(side), side, measure, why, at=at, **said)

    def suspend(self, side: Side = CLAIMANT, *, until: datetime = AT + 30 * DAY) -> None:
        self.decide(Measure.WARN, side)
        self.decide(Measure.SUSPEND, side, at=AT + HOUR, until=until)

    def notice(self, notice_id: str) -> Notice:
        with self.database.reading() as session:
            return session.get_one(Notice, notice_id)

    def signals(self, notice_id: str) -> dict[str, str]:
        return {one["signal"]: one["explanation"] for one in self.notice(notice_id).signals}

    def strikes(self, side: Side, *, at: datetime = AT) -> list[Strike]:
        with self.database.reading() as session:
            return misuse.strikes_of(session, self.whom(side), side, at=at)

    def factors(self, side: Side, *, at: datetime = AT) -> Factors:
        with self.database.reading() as session:
            return misuse.factors(session, self.whom(side), side, self.desk.policy, at=at)

    def trust(self, whom: Actor) -> None:
        with self.database.transaction() as session:
            misuse.trust(session, self.operator, whom.holder_id, "Bundesnetzagentur", at=AT)

    def queue(self) -> list[str]:
        with self.database.reading() as session:
            return [one.id for one in noticeboard.waiting(session, self.desk)]


@pytest.fixture
def town(database: Database, index: IndexEngine, desk: Desk) -> Town:
    return Town(database, index, desk)


# -- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("assurance", list(Assurance))
def test_a_holder_files_so_many_in_24_hours_and_is_told_how_long_to_wait(town: Town, assurance: Assurance) -> None:
    town.under(FEW)
    who = town.someone(assurance)
    town.file(who)
    town.file(who, at=AT + HOUR)
    with pytest.raises(TooSoon, match="2 notices within a day") as refused:
        town.file(who, at=AT + 2 * HOUR)
    assert refused.value.wait_s == 22 * 3600
    town.file(who, at=AT + DAY)
    with pytest.raises(TooSoon):
        town.file(who, at=AT + DAY)
    town.file(town.someone(), at=AT + DAY)  # another's limit is theirs


def test_a_trusted_flagger_has_a_limit_of_their_own(town: Town) -> None:
    town.under(FEW).trust(town.claimant)
    for _ in range(3):
        town.file()
    with pytest.raises(TooSoon, match="3 notices"):
        town.file()


def test_without_a_key_the_limit_is_the_addresss(town: Town) -> None:
    town.under(replace(FEW, notices_per_day_anonymous=1)).file_without_key("ada@studio.example")
    with pytest.raises(TooSoon) as refused:
        town.file_without_key(" Ada@Studio.example ", at=AT + HOUR)
    assert refused.value.wait_s == 23 * 3600
    town.file_without_key("ben@studio.example", at=AT + HOUR)
    town.file(contact_email="ada@studio.example", at=AT + HOUR)
    town.file_without_key("ada@studio.example", at=AT + DAY)


# -- strikes -----------------------------------------------------------------------------------


def test_an_abuse_counts_against_the_claimant_until_it_expires(town: Town) -> None:
    town.under(Policy(strike_lasts=10 * DAY)).act(town.file(), Event.REJECT_ABUSE, gravity=Gravity.SERIOUS)
    [strike] = town.strikes(CLAIMANT, at=AT + 10 * DAY - timedelta(microseconds=1))
    assert (strike.gravity, strike.given_at, strike.expires_at) == ("serious", AT, AT + 10 * DAY)
    assert town.strikes(CLAIMANT, at=AT + 10 * DAY) == town.strikes(UPLOADER) == []


def test_what_is_taken_down_counts_against_who_made_it(town: Town) -> None:
    notice_id = town.file(about=town.released())
    assert town.act(notice_id, Event.DISABLE, at=AT + DAY) == "uploader_notified"
    [strike] = town.strikes(UPLOADER, at=AT + DAY)
    assert (strike.notice_id, strike.given_at, strike.lifted_at) == (notice_id, AT + DAY, None)
    assert town.strikes(CLAIMANT) == []


@pytest.mark.parametrize("ends", [Event.RETRACT, Event.REJECT_ABUSE])
def test_what_is_put_back_counts_no_more(town: Town, ends: Event) -> None:
    notice_id = town.file(about=town.released())
    town.act(notice_id, Event.DISABLE)
    town.act(notice_id, ends)
    assert town.strikes(UPLOADER) == []


def test_being_wrong_is_no_abuse_and_who_has_no_key_has_no_strikes(town: Town) -> None:
    town.act(town.file(), Event.DECLINE)
    town.act(town.file(), Event.RETRACT)
    town.act(town.file_without_key(), Event.REJECT_ABUSE)
    with town.database.reading() as session:
        assert session.scalars(sa.select(Strike)).all() == []


def test_reviewers_are_asked_to_think_of_who_has_many_and_is_not_suspended(town: Town) -> None:
    town.under(Policy(strikes_to_suspend=2, strike_lasts=10 * DAY))

    def considered(at: datetime = AT + 2 * HOUR) -> list[tuple[str, Side]]:
        with town.database.reading() as session:
            return misuse.to_consider(session, town.desk.policy, at=at)

    town.act(town.file(), Event.REJECT_ABUSE)
    assert considered() == []
    town.act(town.file(), Event.REJECT_ABUSE)
    assert considered() == [(town.claimant.holder_id, CLAIMANT)]
    assert considered(AT + 10 * DAY) == []
    town.suspend(until=AT + DAY)
    assert (considered(), considered(AT + DAY)) == ([], [(town.claimant.holder_id, CLAIMANT)])


def test_what_is_weighed_of_a_claimant_is_how_many_of_how_many_how_grave_and_why(town: Town) -> None:
    town.file(at=AT - 400 * DAY)  # of before strikes that count
    ids = [town.file() for _ in range(4)]
    town.act(ids[0], Event.REJECT_ABUSE, gravity=Gravity.GRAVE, intent="To silence.")
    town.act(ids[1], Event.REJECT_ABUSE)
    town.decide(Measure.WARN)
    town.decide(Measure.SUSPEND, at=AT + HOUR, until=AT + DAY)
    assert town.factors(CLAIMANT, at=AT + 2 * HOUR) == Factors(
        count=2, total=4, ratio_0_1=0.5, gravest=Gravity.GRAVE, intents=("To silence.",), warned_at=AT,
        suspended_until=AT + DAY,
    )  # fmt: skip


def test_what_is_weighed_of_an_uploader_are_their_releases(town: Town) -> None:
    down, *_ = [town.released(seed=seed) for seed in range(3)]
    town.act(town.file(about=down), Event.DISABLE)
    weighed = town.factors(UPLOADER)
    assert (weighed.count, weighed.total, weighed.ratio_0_1) == (1, 3, 0.3333)
    assert (weighed.gravest, weighed.intents, weighed.warned_at, weighed.suspended_until) == ("minor", (), None, None)
    nothing = town.factors(CLAIMANT, at=AT + 400 * DAY)
    assert (nothing.count, nothing.total, nothing.ratio_0_1, nothing.gravest) == (0, 0, 0.0, None)


# -- warnings and suspensions ------------------------------------------------------------------


@pytest.mark.parametrize("side", [CLAIMANT, UPLOADER])
def test_nobody_is_suspended_without_a_warning_and_an_end(town: Town, side: Side) -> None:
    with pytest.raises(Conflict, match="Warn them first"):
        town.decide(Measure.SUSPEND, side, until=AT + DAY)
    town.decide(Measure.WARN, side)
    for until in (None, AT + HOUR, AT):
        with pytest.raises(Invalid) as refused:
            town.decide(Measure.SUSPEND, side, at=AT + HOUR, until=until)
        assert refused.value.field == "until"
    assert town.factors(side).suspended_until is None
    town.decide(Measure.SUSPEND, side, at=AT + HOUR, until=AT + DAY)
    assert town.factors(side, at=AT + DAY - timedelta(microseconds=1)).suspended_until == AT + DAY
    assert town.factors(side, at=AT + DAY).suspended_until is None


def test_a_warning_as_claimant_is_none_as_uploader(town: Town) -> None:
    town.decide(Measure.WARN)
    with pytest.raises(Conflict), town.database.transaction() as session:
        town.desk.decide_misuse(
            session, town.reviewer, town.claimant.holder_id, UPLOADER, Measure.SUSPEND, "Now.", at=AT, until=AT + DAY
        )


def test_a_suspension_is_lifted_and_can_be_said_again(town: Town) -> None:
    with pytest.raises(Conflict, match="not suspended"):
        town.decide(Measure.LIFT)
    town.suspend()
    town.decide(Measure.LIFT, at=AT + 2 * HOUR)
    assert town.factors(CLAIMANT, at=AT + 2 * HOUR).suspended_until is None
    town.decide(Measure.SUSPEND, at=AT + 4 * HOUR, until=AT + DAY)
    assert town.factors(CLAIMANT, at=AT + 5 * HOUR).suspended_until == AT + DAY


def test_a_reviewer_decides_about_somebody_and_says_why(town: Town) -> None:
    about = town.claimant.holder_id
    for who, whom, problem in ((town.uploader, about, Forbidden), (town.reviewer, "hld_0", NotFound)):
        with pytest.raises(problem), town.database.transaction() as session:
            town.desk.decide_misuse(session, who, whom, CLAIMANT, Measure.WARN, "Stop.", at=AT)
    with pytest.raises(Invalid):
        town.decide(Measure.WARN, why="  ")


def test_what_was_decided_is_kept_with_what_was_weighed_logged_and_told(town: Town, identity: LedgerIdentity) -> None:
    town.act(town.file(), Event.REJECT_ABUSE)
    town.suspend()
    town.act(town.file(at=AT + HOUR), Event.REJECT_ABUSE, at=AT + HOUR)
    with town.database.reading() as session:
        warned, suspended = misuse.decisions_about(session, town.claimant.holder_id)
        assert (warned.decision, warned.until, warned.factors["count"]) == ("warn", None, 1)
        assert (suspended.decision, suspended.until, suspended.reason) == ("suspend", AT + 30 * DAY, "So.")
        assert (suspended.factors["warned_at"], suspended.decided_by) == (AT.isoformat(), town.reviewer.person)
        kinds = [e.data for e in ledger.entries(session, start=0, limit=99) if e.subject_id == suspended.id]
        assert ["misuse.suspend" in kind for kind in kinds] == [True]
        assert list(ledger.verify(session, verifier_key=identity.verifier_key)) == []
        told = session.scalars(sa.select(OutboxMessage).where(OutboxMessage.event.startswith("misuse."))).all()
        assert {one.event for one in told} == {"misuse.warn", "misuse.suspend"}
        assert {one.holder_id for one in told} == {town.claimant.holder_id}


def test_people_of_who_is_warned_or_suspended_are_written_to(town: Town) -> None:
    with town.database.transaction() as session:
        account = people.sign_up(session, "owner@studio.example", holder="Studio")
        row = people.holder_of(session, account)
        town.claimant = replace(town.claimant, holder_id=row.id)
    town.act(town.file(), Event.REJECT_ABUSE)
    town.suspend()
    with town.database.reading() as session:
        sent = sa.select(NoticeLetter.name).join(Mail, Mail.id == NoticeLetter.mail_id)
        sent = sent.where(
            Mail.recipient == "owner@studio.example", NoticeLetter.name.in_(("misuse_warning", "suspended"))
        )
        assert session.scalars(sent.order_by(NoticeLetter.mail_id)).all() == ["misuse_warning", "suspended"]


# -- what a suspension does --------------------------------------------------------------------


@pytest.mark.parametrize("assurance", [Assurance.UNVERIFIED, Assurance.VETTED])
def test_a_notice_of_who_is_suspended_is_kept_and_nothing_happens_by_itself(town: Town, assurance: Assurance) -> None:
    town.claimant = town.someone(assurance)
    town.suspend()
    notice_id = town.file(at=AT + DAY)
    with town.database.reading() as session:
        notice = session.get_one(Notice, notice_id)
        assert (notice.state, notice.is_set_aside, len(notice.events)) == ("submitted", True, 1)
        for reader in (town.claimant, town.reviewer):
            assert town.desk.visible(session, reader, notice_id).content["signature"] == COMPLETE.signature
        assert town.desk.deadlines(notice) == ()
        assert session.scalars(sa.select(Mail)).all() == []
    with town.database.transaction() as session:
        town.desk.deadline_came(session, notice_id, at=AT + 300 * DAY)
        town.desk.rearm(session, at=AT + 300 * DAY)
        assert session.scalars(sa.select(Job).where(Job.kind == JobKind.NOTICE_DEADLINE)).all() == []
    assert town.notice(notice_id).state == "submitted"
    assert not town.notice(town.file(at=AT + 30 * DAY)).is_set_aside  # it is over


def test_a_reviewer_may_take_up_what_was_set_aside(town: Town) -> None:
    town.suspend()
    notice_id = town.file(at=AT + DAY)
    assert notice_id in town.queue()
    assert town.act(notice_id, Event.CONFIRM_EMAIL, at=AT + 2 * DAY) == "valid"
    with town.database.reading() as session:
        assert town.desk.deadlines(session.get_one(Notice, notice_id)) != ()


def test_a_request_to_take_an_intimate_depiction_down_is_never_set_aside(town: Town) -> None:
    town.suspend()
    notice = town.notice(town.file(track=TAKE_IT_DOWN, at=AT + DAY))
    assert (notice.state, notice.is_set_aside) == ("valid", False)


def test_who_is_suspended_as_uploader_releases_nothing_until_it_ends(town: Town) -> None:
    town.suspend(UPLOADER, until=AT + 2 * DAY)
    with pytest.raises(Forbidden, match="suspended until 2026-03-04"):
        town.released(at=AT + DAY)
    with town.database.reading() as session:
        assert session.scalars(sa.select(Release)).all() == []
        assert suspended_until(session, town.uploader.holder_id, CLAIMANT, at=AT + DAY) is None
    assert not town.notice(town.file(town.uploader, at=AT + DAY)).is_set_aside
    town.released(at=AT + 2 * DAY)


# -- duplicates, masses, signals ---------------------------------------------------------------


def test_open_notices_of_a_claimant_about_the_same_material_are_grouped_under_the_oldest(town: Town) -> None:
    first, other = town.released(), town.released(seed=2)
    oldest = town.file(about=first)
    again, elsewhere = town.file(about=first, at=AT + HOUR), town.file(about=other, at=AT + HOUR)
    third = town.file(about=first, at=AT + 2 * HOUR)
    assert [town.notice(one).duplicate_of for one in (oldest, again, elsewhere, third)] == [None, oldest, None, oldest]
    assert again in town.signals(third)["duplicate"]
    with town.database.reading() as session:
        grouped = noticeboard.open_duplicates(session, session.get_one(Notice, oldest), Event.DISABLE)
        assert [one.id for one in grouped] == [again, third]


def test_the_same_address_is_the_same_material(town: Town) -> None:
    first = town.file(material=("https://clips.example/1", "https://clips.example/2"))
    second = town.file(material=(" https://clips.example/2\n",), at=AT + HOUR)
    assert town.notice(second).duplicate_of == first


def test_without_a_key_the_same_address_is_the_same_claimant(town: Town) -> None:
    first = town.file_without_key("ada@studio.example")
    again = town.file_without_key("ada@studio.example", at=AT + HOUR)
    assert town.notice(again).duplicate_of is None, "anybody can give an address: a stranger learns nothing of it"
    for notice_id in (first, again):
        town.is_known(notice_id)
    assert town.notice(again).duplicate_of == first
    another = town.file_without_key("ben@studio.example", at=AT + HOUR)
    town.is_known(another)
    assert town.notice(another).duplicate_of is None


@pytest.mark.parametrize("but", ["another claimant", "another track", "over"])
def test_what_is_no_duplicate(town: Town, but: str) -> None:
    about = town.released()
    first = town.file(about=about)
    if but == "over":
        town.act(first, Event.RETRACT)
    who = town.someone() if but == "another claimant" else None
    track = TrackName.DSA_16 if but == "another track" else TrackName.DMCA_512
    assert town.notice(town.file(who, about=about, track=track, at=AT + HOUR)).duplicate_of is None


def test_the_same_words_are_seen_whoever_says_them_while_they_are_open(town: Town) -> None:
    words = "The film “Night Train”"
    first = town.file(work_description=words)
    town.file(work_description="Another film")
    assert "same_text" not in town.signals(first)
    second = town.file(town.someone(), work_description="  the FILM “night   train” ")
    assert town.signals(second)["same_text"].endswith(": 1.")
    town.act(first, Event.RETRACT)
    town.act(second, Event.RETRACT)
    assert "same_text" not in town.signals(town.file(town.someone(), work_description=words))


def test_to_say_nothing_is_not_to_say_the_same(town: Town) -> None:
    for who in (town.claimant, town.someone()):
        notice_id = town.file(who, track=TAKE_IT_DOWN, work_description=None, explanation=None)
        assert "same_text" not in town.signals(notice_id)


def test_what_is_odd_is_stored_with_the_notice_gravest_first(town: Town) -> None:
    own = town.released()
    with town.database.transaction() as session:
        theirs = factories.work(session, town.claimant)
        session.add(Domain(
            id=new_id(Prefix.DOMAIN, at=AT), holder_id=town.claimant.holder_id, name="studio.example", proof="p",
            created_at=AT, verified_at=AT,
        ))  # fmt: skip
    town.act(town.file(town.uploader), Event.REJECT_ABUSE)
    notice = town.notice(town.file(town.uploader, about=own, work_ids=(theirs.id,)))
    found = [(one["signal"], one["weight"]) for one in notice.signals]
    stop = [name for name, weight in found if weight == "stop_and_look"]
    assert stop == ["anothers_domain", "work_of_another", "own_release"] == [name for name, _ in found[:3]]
    assert "rejected_before" in dict(found)
    assert "first_notice" not in dict(found)
    assert theirs.id in town.signals(notice.id)["work_of_another"]


def test_without_a_key_a_second_notice_is_not_the_first(town: Town) -> None:
    first = town.file_without_key()
    assert "first_notice" in town.signals(first)
    town.is_known(first)
    assert "first_notice" not in town.signals(town.file_without_key(at=AT + HOUR))


# -- trusted flaggers and the queue ------------------------------------------------------------


@pytest.mark.parametrize("assurance", list(Assurance))
def test_a_notice_keeps_how_well_its_claimant_was_known(town: Town, assurance: Assurance) -> None:
    who = town.someone(assurance)
    before = town.file(who)
    town.trust(who)
    during = town.file(who)
    with town.database.transaction() as session:
        misuse.distrust(session, town.operator, who.holder_id, "Awarded no more.", at=AT + DAY)
    tiers = [town.notice(one).tier for one in (before, during, town.file(who), town.file_without_key())]
    assert tiers == [assurance.value, Tier.TRUSTED_FLAGGER, assurance.value, Tier.ANONYMOUS]


def test_the_operator_says_who_is_trusted_and_on_what_basis(town: Town) -> None:
    operator, whom = town.operator, town.claimant.holder_id
    with town.database.transaction() as session:
        row = misuse.trust(session, operator, whom, "Bundesnetzagentur", at=AT)
        for who, name, basis, problem in (
            (town.reviewer, whom, "Me.", Forbidden), (operator, "hld_0", "Them.", NotFound),
            (operator, whom, "Again.", Conflict), (operator, town.uploader.holder_id, " ", Invalid),
        ):  # fmt: skip
            with pytest.raises(problem):
                misuse.trust(session, who, name, basis, at=AT)
        with pytest.raises(Forbidden):
            misuse.distrust(session, town.reviewer, whom, "Mine.", at=AT)
        assert misuse.distrust(session, operator, whom, "Over.", at=AT + DAY) is row
        assert (row.basis, row.ended_at, row.ended_reason) == ("Bundesnetzagentur", AT + DAY, "Over.")
        assert misuse.trust(session, operator, whom, "Anew.", at=AT + 2 * DAY).ended_at is None


def test_the_queue_is_what_a_statute_dates_then_trusted_flaggers_then_what_is_due_first(town: Town) -> None:
    later, sooner = town.file(at=AT + 3 * DAY), town.file(at=AT)
    flagger = town.someone()
    town.trust(flagger)
    trusted = town.file(flagger, at=AT + 4 * DAY)
    depiction = town.file(track=TAKE_IT_DOWN, at=AT + 5 * DAY)
    assert town.queue() == [depiction, trusted, sooner, later]


def test_nobody_waits_for_a_reviewer_where_a_party_or_time_has_the_turn(town: Town) -> None:
    told, declined, retracted = town.file(about=town.released()), town.file(), town.file()
    for one, event in ((told, Event.DISABLE), (declined, Event.DECLINE), (retracted, Event.RETRACT)):
        town.act(one, event)
    lacking = town.file(signature=None)
    assert town.notice(lacking).state == "cure_requested"
    assert town.queue() == []


def test_whoever_was_not_reached_is_a_reviewers_turn(town: Town) -> None:
    declined = town.file()
    town.act(declined, Event.DECLINE)
    with town.database.transaction() as session:
        letter = session.scalars(sa.select(NoticeLetter).where(NoticeLetter.name == "declined_claimant")).one()
        session.get_one(Mail, letter.mail_id).bounced_at = AT + HOUR
    assert town.queue() == [declined]


def test_what_is_no_day_is_said_beside_the_day_of_a_suspension(service: Service) -> None:
    with service.database.transaction() as session:
        whom, reviewer = factories.holder(session), factories.holder(session)
        browser = Browser(service, factories.key(session, reviewer, Scope.REVIEW).key)
    said = {"side": "claimant", "decision": "suspend", "reason": "Abuse.", "until": "rubbish"}
    refused = browser.send(f"/review/misuse/{whom.id}", said)
    assert refused.status_code == 422
    assert "Give a day, such as 2026-01-31." in refused.text
    assert 'value="rubbish"' in refused.text
    assert "RFC 3339" not in refused.text
