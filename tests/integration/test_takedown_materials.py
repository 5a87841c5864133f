"""What notices are about: how a claimant leads to releases, what is taken down and put back, and identical copies."""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from api.runner import Runner
from api.service import Service
from fingerprinting.extract import Extracted
from fingerprinting.model import Fingerprint
from registry import ledger, lookback, releases, soft_bindings, verifications
from registry.access import Actor
from registry.checks import FindingDecision
from registry.database import Database
from registry.domain.policy import Assurance, Policy
from registry.errors import Forbidden, Invalid, NotFound
from registry.index import IndexEngine
from registry.jobs import JobKind
from registry.ledger import LedgerIdentity
from registry.models import (
    Check,
    Finding,
    Job,
    Mail,
    Notice,
    NoticeLetter,
    OutboxMessage,
    Release,
    Revocation,
)
from registry.releases import NewRelease
from takedown.decisions import Judgement
from takedown.domain.states import Event
from takedown.domain.track import TrackName
from takedown.materials import Target
from takedown.policy import Policy as DeskPolicy
from takedown.service import Desk, NewNotice
from tests import factories, people
from tests.factories import AT, COMPLETE_NOTICE
from tests.fakes import Clock

DAY = timedelta(days=1)
COMPLETE = replace(
    COMPLETE_NOTICE, explanation="It is my film.", depicted_person="Ada", bona_fide=True, without_consent=True
)
TAKE_IT_DOWN = TrackName.TAKE_IT_DOWN
FILM = factories.fingerprint(1)
ROWS = "org.clearmark.video-phash-v1"
_numbers = itertools.count(1)


def sha256(number: int) -> str:
    return f"{number:064x}"


class Shelf:
    """A claimant, two who make releases and a reviewer; each step in a transaction of its own."""

    def __init__(self, database: Database, index: IndexEngine, desk: Desk) -> None:
        self.database, self.index, self.desk = database, index, desk
        with database.transaction() as session:
            self.claimant, self.reviewer, self.judge = (
                factories.actor(session),
                *(factories.reviewer(session) for _ in range(2)),
            )
            hears = "https://hooks.example"
            self.maker, self.other = (
                factories.actor_of(factories.holder(session, webhook_url=hears)) for _ in range(2)
            )

    def release(self, shown: Fingerprint = FILM, *, by: Actor | None = None, source: int | None = None) -> str:
        """Of a file of its own, unless it is said of which."""
        number, maker = next(_numbers), by or self.maker
        with self.database.transaction() as session:
            file = sha256(source or 10_000 + number)
            check = factories.check(session, maker, self.index, shown, sha256=file)
            return self._released(session, maker, check, number)

    def _released(self, session: Any, maker: Actor, check: Check, number: int) -> str:
        new = NewRelease(check_id=check.id, title="Train")
        prepared = releases.prepare(session, maker, new, ledger_origin="o", at=AT)
        signed = replace(factories.signed_file(sha256(20_000 + number)), manifest_label=f"urn:c2pa:{number}")
        return releases.publish(session, maker, prepared, signed, blob_key=f"release_{number}", at=AT).id

    def file(
        self, *material: str, by: Actor | None = None, track: TrackName = TrackName.DMCA_512, **target: Any
    ) -> str:
        """Filed by the claimant unless it is said by whom."""
        content = replace(COMPLETE, material=material)
        said = NewNotice(content=content, track=track, target=Target(**target))
        with self.database.transaction() as session:
            return self.desk.file(session, by or self.claimant, said, at=AT).id

    def about(self, *release_ids: str, **said: Any) -> str:
        return self.file(*release_ids, **said)

    def act(self, notice_id: str, event: Event, *, by: Actor | None = None) -> None:
        with self.database.transaction() as session:
            judgement = Judgement(reason="So it is.")
            self.desk.act(session, by or self.reviewer, notice_id, event, judgement, at=AT + DAY)

    def taken_down(self, *release_ids: str, **said: Any) -> str:
        notice_id = self.about(*release_ids, **said)
        self.act(notice_id, Event.DISABLE)
        return notice_id

    def named(self, notice_id: str) -> list[str]:
        """What it names, sorted, and what it is most about first."""
        with self.database.reading() as session:
            notice = session.get_one(Notice, notice_id)
            first = [notice.release_id] if notice.release_id else []
            return first + [one.release_id for one in notice.releases if one.is_named and one.release_id not in first]

    def copies(self, notice_id: str) -> list[str]:
        with self.database.reading() as session:
            return [one.release_id for one in session.get_one(Notice, notice_id).releases if not one.is_named]

    def are_served(self, *release_ids: str) -> list[bool]:
        with self.database.reading() as session:
            return [session.get_one(Release, one).state == "signed" for one in release_ids]

    def told(self, event: str, whom: Actor) -> list[dict[str, Any]]:
        with self.database.reading() as session:
            query = sa.select(OutboxMessage).where(OutboxMessage.event == event)
            query = query.where(OutboxMessage.holder_id == whom.holder_id).order_by(OutboxMessage.id)
            return [one.payload for one in session.scalars(query)]


@pytest.fixture
def shelf(database: Database, index: IndexEngine, desk: Desk) -> Shelf:
    return Shelf(database, index, desk)


# -- what leads to a release -------------------------------------------------------------------


def verified(shelf: Shelf, *, carried: str | None = None, recovered: tuple[str, ...] = ()) -> str:
    """A verification whose file carried a release's credentials, or was led back to releases."""
    answer = {
        "release": {"release_id": carried} if carried else None,
        "recovered": [{"release_id": one} for one in recovered],
    }
    with shelf.database.transaction() as session:
        return verifications.keep(session, sha256(1), answer, at=AT).id


@pytest.mark.parametrize(
    "by", ["release_id", "sha256 signed", "sha256 before", "carried", "recovered", "found", "mentioned"]
)
def test_whatever_a_claimant_can_say_of_a_release_leads_to_it(shelf: Shelf, by: str) -> None:
    shelf.release(factories.fingerprint(9))
    release_id = shelf.release()
    with shelf.database.reading() as session:
        row = session.get_one(Release, release_id)
    words = f"The clip at https://x.example/v/{release_id}?t=3, from second 4 on." if by == "mentioned" else "The clip"
    ways: dict[str, dict[str, Any]] = {
        "release_id": {"release_id": release_id},
        "sha256 signed": {"sha256": row.sha256},
        "sha256 before": {"sha256": row.source_sha256},
        "carried": {"verification_id": verified(shelf, carried=release_id)},
        "recovered": {"verification_id": verified(shelf, recovered=(release_id,))},
        "found": {"found": [release_id]},
        "mentioned": {},
    }
    notice_id = shelf.file(words, **ways[by])
    assert shelf.named(notice_id) == [release_id]
    shelf.act(notice_id, Event.DISABLE)
    assert shelf.are_served(release_id) == [False]


@pytest.mark.parametrize(
    ("field", "target"),
    [
        ("release_id", {"release_id": "rel_0"}),
        ("sha256", {"sha256": sha256(0)}),
        ("verification_id", {"verification_id": "vrf_0"}),
        ("check_id", {"check_id": "chk_0"}),
        ("fingerprint", {"found": []}),
        ("fingerprint", {"found": ["rel_0"]}),
    ],
)
def test_what_leads_to_nothing_is_refused_and_nothing_is_kept(shelf: Shelf, field: str, target: dict[str, Any]) -> None:
    shelf.release()
    with pytest.raises(Invalid) as refused:
        shelf.file("https://clips.example/1", **target)
    assert (refused.value.field, bool(refused.value.problem)) == (field, True)
    with shelf.database.reading() as session:
        assert session.scalars(sa.select(Notice)).all() == []


def test_a_verification_that_found_nothing_or_is_forgotten_leads_nowhere(shelf: Shelf) -> None:
    nothing, forgotten = verified(shelf), verified(shelf, carried=shelf.release())
    with pytest.raises(Invalid, match="led back to no release"):
        shelf.file(verification_id=nothing)
    with shelf.database.transaction() as session:
        verifications.forget(session, older_than=AT + DAY)
    with pytest.raises(Invalid, match="Verify the file again"):
        shelf.file(verification_id=forgotten)


def checked(shelf: Shelf, *, is_released: bool) -> tuple[Actor, str, str | None]:
    """A check that matched a work, with its release: the work's holder, the check, the release."""
    number = next(_numbers)
    with shelf.database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner, policy=Policy.NOTIFY)
        factories.asset(session, owner, work, shelf.index, FILM)
        check = factories.check(session, shelf.maker, shelf.index, FILM)
        assert [match.work_id for match in check.matches] == [work.id]
        return owner, check.id, shelf._released(session, shelf.maker, check, number) if is_released else None


def test_a_check_that_matched_ones_own_work_leads_to_its_release(shelf: Shelf) -> None:
    owner, check_id, release_id = checked(shelf, is_released=True)
    notice_id = shelf.file(by=owner, check_id=check_id)
    assert shelf.named(notice_id) == [release_id]
    with shelf.database.reading() as session:
        assert session.get_one(Notice, notice_id).check_id == check_id


def test_anothers_check_is_refused_as_one_that_never_was(shelf: Shelf) -> None:
    """Neither the claimant of another work, nor who asked for the check, nor who has no key learns that it is there."""
    _, check_id, _ = checked(shelf, is_released=True)
    refusals = set()
    for who in (shelf.claimant, shelf.maker):
        for one in (check_id, "chk_0"):
            with pytest.raises(Invalid) as refused:
                shelf.file(by=who, check_id=one)
            refusals.add(refused.value.problem)
    with shelf.database.transaction() as session, pytest.raises(Invalid) as refused:
        shelf.desk.file(session, None, NewNotice(content=COMPLETE, target=Target(check_id=check_id)), at=AT)
    assert refusals == {refused.value.problem}


def test_a_check_without_a_release_is_what_the_notice_is_about(shelf: Shelf) -> None:
    owner, check_id, _ = checked(shelf, is_released=False)
    notice_id = shelf.file(by=owner, check_id=check_id)
    with shelf.database.reading() as session:
        notice = session.get_one(Notice, notice_id)
        assert (notice.content["material"], notice.releases, notice.state) == ([check_id], [], "valid")


def test_several_ways_lead_to_several_releases_each_once_the_one_named_by_id_first(shelf: Shelf) -> None:
    by_file, by_id, mentioned = (shelf.release(factories.fingerprint(seed)) for seed in (2, 3, 4))
    with shelf.database.reading() as session:
        file = session.get_one(Release, by_file).sha256
    notice_id = shelf.file(f"{mentioned} and {by_id}", release_id=by_id, sha256=file, found=[by_file])
    assert shelf.named(notice_id)[0] == by_id
    assert sorted(shelf.named(notice_id)) == sorted([by_file, by_id, mentioned])


def test_a_file_leads_to_every_release_of_it(shelf: Shelf) -> None:
    both = sorted([shelf.release(source=7), shelf.release(source=7)])
    assert sorted(shelf.named(shelf.file(sha256=sha256(7)))) == both


def test_what_is_mentioned_and_is_not_here_is_words_alone(shelf: Shelf) -> None:
    assert shelf.named(shelf.file(f"rel_{0:032x} somewhere")) == []


def test_who_says_no_more_than_what_leads_there_is_about_what_was_found(shelf: Shelf) -> None:
    release_id = shelf.release(source=7)
    silent, said = shelf.file(sha256=sha256(7)), shelf.file("My clip", sha256=sha256(7))
    with shelf.database.reading() as session:
        material = [session.get_one(Notice, one).content["material"] for one in (silent, said)]
    assert material == [[release_id], ["My clip"]]


# -- down and back -----------------------------------------------------------------------------


def test_a_notice_takes_down_all_that_it_is_about_and_puts_all_back(shelf: Shelf) -> None:
    one, two = shelf.release(), shelf.release(factories.fingerprint(2))
    notice_id = shelf.taken_down(one, two)
    assert shelf.are_served(one, two) == [False, False]
    assert {said["release_id"] for said in shelf.told("notice.disabled", shelf.maker)} == {one, two}
    shelf.act(notice_id, Event.RETRACT, by=shelf.claimant)
    assert shelf.are_served(one, two) == [True, True]


def test_only_what_no_other_notice_keeps_down_is_put_back(shelf: Shelf) -> None:
    alone, shared = shelf.release(), shelf.release(factories.fingerprint(2))
    first, second = shelf.taken_down(alone, shared), shelf.taken_down(shared)
    shelf.act(first, Event.RETRACT)
    assert shelf.are_served(alone, shared) == [True, False]
    shelf.act(second, Event.REJECT_ABUSE)
    assert shelf.are_served(shared) == [True]


def test_what_a_finding_took_down_no_notice_puts_back(shelf: Shelf) -> None:
    alone, found = shelf.release(factories.fingerprint(2)), shelf.release()
    notice_id = shelf.taken_down(alone, found)
    with shelf.database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        asset = factories.asset(session, owner, work, shelf.index, FILM)
        session.add(Finding(
            id="fnd_1", look_back_id=lookback.arrange(session, asset, at=AT).id, work_id=work.id, asset_id=asset.id,
            check_id=session.get_one(Release, found).check_id, release_id=found, verdict="block", reasons=[],
            segments=[], found_at=AT,
        ))  # fmt: skip
        session.flush()
        upheld = FindingDecision.UPHOLD
        lookback.decide(session, shelf.reviewer, "fnd_1", upheld, "A copy.", disables=True, at=AT + DAY)
    shelf.act(notice_id, Event.RETRACT)
    assert shelf.are_served(alone, found) == [True, False]


def test_what_was_revoked_meanwhile_stays_revoked(shelf: Shelf) -> None:
    release_id = shelf.release()
    notice_id = shelf.taken_down(release_id)
    with shelf.database.transaction() as session:
        releases.revoke(session, shelf.reviewer, release_id, Revocation.TAKEDOWN, "It was upheld.", at=AT + DAY)
    shelf.act(notice_id, Event.RETRACT)
    assert shelf.are_served(release_id) == [False]


def test_what_is_reinstated_can_be_taken_down_once_more(shelf: Shelf) -> None:
    release_id = shelf.release()
    notice_id = shelf.taken_down(release_id, track=TrackName.DSA_16)
    for event, who, is_served in (
        (Event.REJECT_ABUSE, shelf.reviewer, True), (Event.COMPLAIN, shelf.claimant, True),
        (Event.REINSTATE, shelf.judge, True), (Event.DISABLE, shelf.judge, False),
        (Event.RETRACT, shelf.claimant, True),
    ):  # fmt: skip
        shelf.act(notice_id, event, by=who)
        assert shelf.are_served(release_id) == [is_served]


def test_a_notice_is_about_one_makers_releases(shelf: Shelf) -> None:
    """Each answers for their own, and does not read what the other answers."""
    one, two = shelf.release(), shelf.release(factories.fingerprint(2), by=shelf.other)
    with pytest.raises(Invalid, match="for each maker"):
        shelf.about(one, two)


# -- identical copies --------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _a_day_later(clock: Clock) -> None:
    """When what was filed is decided, and what that asks for is done."""
    clock.at = AT + DAY


@pytest.mark.parametrize("track", list(TrackName))
def test_other_releases_of_the_same_file_go_down_with_an_intimate_depiction(shelf: Shelf, track: TrackName) -> None:
    named, copy = shelf.release(source=7), shelf.release(source=7, by=shelf.other)
    other = shelf.release(factories.fingerprint(2), by=shelf.other)
    notice_id = shelf.taken_down(named, track=track)
    is_depiction = track is TAKE_IT_DOWN
    assert shelf.copies(notice_id) == ([copy] if is_depiction else [])
    assert shelf.are_served(named, copy, other) == [False, not is_depiction, True]


def test_who_made_a_copy_is_told_and_written_to(shelf: Shelf, identity: LedgerIdentity) -> None:
    with shelf.database.transaction() as session:
        account = people.sign_up(session, "maker@clips.example", holder="Clips")
        row = people.holder_of(session, account)
        row.assurance = Assurance.VETTED.value
        maker = factories.actor_of(row)
    named, copy = shelf.release(source=7), shelf.release(source=7, by=maker)
    shelf.release(source=7, by=shelf.other)
    notice_id = shelf.taken_down(named, track=TAKE_IT_DOWN)
    assert [one["id"] for one in shelf.told("notice.disabled", shelf.other)] == [notice_id]
    with shelf.database.reading() as session:
        letters = sa.select(NoticeLetter).join(Mail, Mail.id == NoticeLetter.mail_id)
        letters = letters.where(NoticeLetter.name == "identical_copy_uploader")
        [letter] = session.scalars(letters.where(Mail.recipient == "maker@clips.example")).all()
        assert letter.notice_id == notice_id
        entries = [e.data for e in ledger.entries(session, start=0, limit=99) if e.subject_id == notice_id]
        assert sum("notice.identical_copies" in data for data in entries) == 1
        assert list(ledger.verify(session, verifier_key=identity.verifier_key)) == []
    assert shelf.are_served(copy) == [False]


def looked_for(service: Service, notice_id: str) -> None:
    """Carries out the search that taking it down asked for."""
    with service.database.reading() as session:
        query = sa.select(Job.id).where(Job.kind == JobKind.IDENTICAL_COPIES, Job.subject_id == notice_id)
        job_id = session.scalars(query).one()
    Runner(service).run(job_id)


@pytest.mark.parametrize(
    ("shown", "is_identical"),
    [
        pytest.param(FILM, True, id="whole"),
        pytest.param(factories.fingerprint(1, seconds=11), True, id="nearly whole"),
        pytest.param(factories.fingerprint(1, seconds=4), False, id="a third"),
        pytest.param(factories.mixed(FILM, factories.fingerprint(9, seconds=30)), False, id="part of a long one"),
        pytest.param(factories.fingerprint(2), False, id="another"),
    ],
)
def test_what_shows_the_same_from_beginning_to_end_goes_down_as_well(
    service: Service, shown: Fingerprint, is_identical: bool
) -> None:
    shelf = Shelf(service.database, service.index, service.desk)
    named, like = shelf.release(), shelf.release(shown, by=shelf.other)
    notice_id = shelf.taken_down(named, track=TAKE_IT_DOWN)
    assert shelf.are_served(named, like) == [False, True]
    looked_for(service, notice_id)
    assert (shelf.copies(notice_id), shelf.are_served(like)) == ([like] if is_identical else [], [not is_identical])
    assert [one["release_id"] for one in shelf.told("notice.disabled", shelf.other)] == shelf.copies(notice_id)
    with pytest.raises(Forbidden):  # somebody may have been made to retract
        shelf.act(notice_id, Event.RETRACT, by=shelf.claimant)
    shelf.act(notice_id, Event.RETRACT)
    assert shelf.are_served(named, like) == [True, True]


def test_nothing_is_looked_for_on_other_tracks(service: Service) -> None:
    shelf = Shelf(service.database, service.index, service.desk)
    shelf.taken_down(shelf.release(), track=TrackName.DSA_16)
    with service.database.reading() as session:
        assert session.scalars(sa.select(Job).where(Job.kind == JobKind.IDENTICAL_COPIES)).all() == []


def test_copies_that_are_found_once_it_was_put_back_stay(service: Service) -> None:
    shelf = Shelf(service.database, service.index, service.desk)
    notice_id = shelf.taken_down(shelf.release(), track=TAKE_IT_DOWN)
    copy = shelf.release(by=shelf.other)
    shelf.act(notice_id, Event.RETRACT)
    looked_for(service, notice_id)
    assert (shelf.copies(notice_id), shelf.are_served(copy)) == ([], [True])


def test_a_copy_that_another_notice_keeps_down_stays_down(shelf: Shelf) -> None:
    named, copy = shelf.release(source=7), shelf.release(source=7, by=shelf.other)
    first, second = shelf.taken_down(named, track=TAKE_IT_DOWN), shelf.taken_down(copy)
    shelf.act(first, Event.RETRACT)
    assert shelf.are_served(named, copy) == [True, False]
    shelf.act(second, Event.RETRACT)
    assert shelf.are_served(copy) == [True]


# -- elsewhere, and in public ------------------------------------------------------------------


def test_the_platform_is_told_which_addresses_to_disable_and_to_restore(shelf: Shelf) -> None:
    places = ["https://clips.example/1", "https://clips.example/2"]
    with shelf.database.transaction() as session:
        platform = factories.holder(session, name="Platform", webhook_url="https://platform.example")
    shelf.desk = replace(shelf.desk, policy=DeskPolicy(platform_holder="Platform"))
    told = factories.actor_of(platform)
    never_down, down = shelf.file(*places), shelf.file(*places)
    shelf.act(down, Event.DISABLE)
    [asked] = shelf.told("platform.disable", told)
    assert (asked["id"], asked["material"], shelf.told("platform.restore", told)) == (down, places, [])
    shelf.act(never_down, Event.RETRACT)
    assert shelf.told("platform.restore", told) == []
    shelf.act(down, Event.RETRACT)
    [asked] = shelf.told("platform.restore", told)
    assert (asked["id"], asked["material"]) == (down, places)


def test_where_no_platform_is_named_none_is_told(shelf: Shelf) -> None:
    shelf.taken_down("https://clips.example/1")
    with shelf.database.reading() as session:
        assert session.scalars(sa.select(OutboxMessage).where(OutboxMessage.event.startswith("platform."))).all() == []


def test_what_is_down_is_not_given_out_and_is_said_to_be_down(shelf: Shelf) -> None:
    still, second, shown = shelf.release(factories.fingerprint(9)), shelf.release(), FILM.descriptors[0]
    with shelf.database.reading() as session:
        manifest = session.get_one(Release, second).manifest_id

    def given_out() -> tuple[list[str], Any]:
        with shelf.database.reading() as session:
            by_rows = soft_bindings.by_value(session, shelf.index, ROWS, shown.vectors[::5].tobytes(), most=9)
            extracted = Extracted(fingerprint=FILM)
            assert by_rows == soft_bindings.by_content(session, sha256(0), extracted, shelf.index, most=9)
            [said] = verifications.recognise(session, extracted, shelf.index, at=AT)["recovered"]
            return [one.manifest_id for one in by_rows], (
                said["state"],
                said["takedown"] and said["takedown"]["notice_id"],
            )

    assert given_out() == ([manifest], ("signed", None))
    notice_id = shelf.taken_down(still, second, track=TrackName.DSA_16)
    assert given_out() == ([], ("disabled", notice_id))
    with shelf.database.reading() as session, pytest.raises(NotFound):
        soft_bindings.manifest_store(session, manifest)
    shelf.act(notice_id, Event.COMPLAIN, by=shelf.maker)
    assert given_out() == ([], ("disabled", notice_id))
    shelf.act(notice_id, Event.RESTORE, by=shelf.judge)
    assert given_out() == ([manifest], ("signed", notice_id))
