"""Letters about notices: who is written to at which step, where, and what of a letter is kept and forgotten."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from api import housekeeping
from api.runner import Runner
from api.service import Service
from registry import access, ledger, mail
from registry.access import Actor, Role
from registry.errors import Conflict, Invalid, NotFound
from registry.jobs import JobKind
from registry.ledger import LedgerIdentity
from registry.models import Job, Mail, Membership, NoticeLetter, Release
from takedown import correspondence, retention
from takedown.correspondence import Uploader
from takedown.decisions import Judgement
from takedown.domain.completeness import NoticeContent
from takedown.domain.states import Event
from takedown.domain.track import TrackName
from takedown.policy import Policy
from takedown.retention import FORGOTTEN
from takedown.service import Desk
from tests import factories, people
from tests.factories import AT, COMPLETE_COUNTER, COMPLETE_NOTICE
from tests.fakes import Clock
from tests.integration.test_forgetting import everything
from tests.integration.test_takedown_service import COUNTERED, DAY, NOT_AFTER, NOT_BEFORE

ADA, PAUL, OPERATOR = "ada@studio.example", "paul@pipeline.example", "desk@clearmark.example"
COMPLETE = {
    TrackName.DMCA_512: COMPLETE_NOTICE,
    TrackName.DSA_16: replace(COMPLETE_NOTICE, explanation="It copies the film.", bona_fide=True),
    TrackName.TAKE_IT_DOWN: replace(COMPLETE_NOTICE, without_consent=True, explanation="It shows me."),
    TrackName.LIKENESS: replace(COMPLETE_NOTICE, without_consent=True, depicted_person="Ada Studio"),
}


@dataclass(slots=True)
class Desks:
    """A desk whose operator is written to, a claimant, an uploader who reads letters, and reviewers."""

    service: Service
    claimant: Actor
    uploader: Actor
    reviewer: Actor
    second: Actor
    release: Release

    @property
    def desk(self) -> Desk:
        return self.service.desk

    def file(
        self, track: TrackName = TrackName.DMCA_512, content: NoticeContent | None = None, *, by: Actor | None = None,
        about: Release | None = None, language: str = "en",
    ) -> str:  # fmt: skip
        said = factories.new_notice(
            content or COMPLETE[track], release_id=(about or self.release).id, track=track, language=language
        )
        with self.service.database.transaction() as session:
            return self.desk.file(session, by or self.claimant, said, at=AT).id

    def anonymous(self, content: NoticeContent = COMPLETE_NOTICE, *, language: str = "en") -> str:
        said = factories.new_notice(content, release_id=self.release.id, language=language)
        with self.service.database.transaction() as session:
            return self.desk.file(session, None, said, at=AT).id

    def act(self, by: Actor, notice_id: str, *events: Event, day: int = 1) -> None:
        for event in events:
            with self.service.database.transaction() as session:
                self.desk.act(session, by, notice_id, event, Judgement(reason="So it is."), at=AT + day * DAY)

    def counter(self, notice_id: str, *, by: Actor | None = None, whole: bool = True) -> None:
        content = COMPLETE_COUNTER if whole else replace(COMPLETE_COUNTER, signature=None)
        with self.service.database.transaction() as session:
            self.desk.counter(session, by or self.uploader, notice_id, content, at=COUNTERED)

    def letters(self, notice_id: str) -> list[tuple[NoticeLetter, Mail]]:
        with self.service.database.reading() as session:
            return self.desk.letters.all_of(session, notice_id)

    def written(self, notice_id: str) -> list[tuple[str, str]]:
        """Which letters went where; those of one moment in no order."""
        return sorted((letter.name, sent.recipient) for letter, sent in self.letters(notice_id))

    def text(self, notice_id: str, name: str) -> str:
        """The newest letter of a name, as it waits to be sent."""
        return next(str(sent.text) for letter, sent in reversed(self.letters(notice_id)) if letter.name == name)

    def code(self, notice_id: str) -> str:
        return secret_of(self.text(notice_id, "confirm_address"))


def secret_of(text: str) -> str:
    """The code or ticket of a letter, which has a line of its own; long rows of tables go on in such lines too."""
    alone = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    return next((line for line in alone if line.startswith("nt_")), alone[0])


@pytest.fixture
def desks(service: Service) -> Desks:
    service.desk = replace(service.desk, policy=Policy(email=OPERATOR))
    with service.database.transaction() as session:
        claimant = factories.actor(session)
        uploader = factories.actor_of(people.holder_of(session, people.sign_up(session, PAUL, holder="Paul's clips")))
        check = factories.check(session, uploader, service.index, factories.fingerprint(1))
        return Desks(
            service=service, claimant=claimant, uploader=uploader, reviewer=factories.reviewer(session),
            second=factories.reviewer(session), release=factories.release(session, uploader, check),
        )  # fmt: skip


# -- who gets which ------------------------------------------------------------------------------


@pytest.mark.parametrize("track", list(TrackName))
def test_of_a_takedown_both_sides_are_told(desks: Desks, track: TrackName) -> None:
    notice_id = desks.file(track)
    assert desks.written(notice_id) == [("notice_received", ADA)]
    desks.act(desks.reviewer, notice_id, Event.DISABLE)
    assert desks.written(notice_id) == [
        ("disabled_claimant", ADA), ("disabled_uploader", PAUL), ("notice_received", ADA), ("strike_given", PAUL),
    ]  # fmt: skip


@pytest.mark.parametrize("track", list(TrackName))
@pytest.mark.parametrize(
    ("content", "name"),
    [(replace(COMPLETE_NOTICE, signature=None), "cure_requested"), (NoticeContent(), "notice_defective")],
)
def test_of_what_a_notice_lacks_the_claimant_is_told_alone(
    desks: Desks, track: TrackName, content: NoticeContent, name: str
) -> None:
    if track in (TrackName.DSA_16, TrackName.TAKE_IT_DOWN):  # a release and an address are enough to be asked for more
        name = "cure_requested"
    if track is TrackName.LIKENESS and content.material:
        content = replace(content, depicted_person="Ada Studio")
    content = replace(content, contact_name="Ada Studio", contact_email=ADA)
    assert desks.written(desks.file(track, content)) == [(name, ADA)]


@pytest.mark.parametrize("track", list(TrackName))
@pytest.mark.parametrize(
    ("event", "names"),
    [(Event.DECLINE, ["declined_claimant"]), (Event.RETRACT, ["retracted_claimant"]),
     (Event.REJECT_ABUSE, ["rejected_abuse"])],
)  # fmt: skip
def test_an_uploader_who_was_never_told_is_not_told_of_the_end(
    desks: Desks, track: TrackName, event: Event, names: list[str]
) -> None:
    notice_id = desks.file(track)
    desks.act(desks.reviewer, notice_id, event)
    assert desks.written(notice_id) == sorted((name, ADA) for name in [*names, "notice_received"])


def new_of(desks: Desks, notice_id: str, before: list[tuple[str, str]]) -> list[tuple[str, str]]:
    left = desks.written(notice_id)
    for one in before:
        left.remove(one)
    return left


@pytest.mark.parametrize("track", list(TrackName))
@pytest.mark.parametrize(
    ("event", "name"), [(Event.RETRACT, "retracted_claimant"), (Event.REJECT_ABUSE, "rejected_abuse")]
)
def test_of_what_puts_material_back_both_sides_are_told(
    desks: Desks, track: TrackName, event: Event, name: str
) -> None:
    notice_id = desks.file(track)
    desks.act(desks.reviewer, notice_id, Event.DISABLE)
    before = desks.written(notice_id)
    desks.act(desks.reviewer, notice_id, event, day=2)
    assert new_of(desks, notice_id, before) == sorted([(name, ADA), ("restored_uploader", PAUL)])


def test_a_counter_notice_goes_to_the_claimant_in_full(desks: Desks) -> None:
    notice_id = desks.file()
    desks.act(desks.reviewer, notice_id, Event.DISABLE)
    before = desks.written(notice_id)
    desks.counter(notice_id, whole=False)
    assert new_of(desks, notice_id, before) == [("counter_incomplete", PAUL)]
    before = desks.written(notice_id)
    desks.counter(notice_id)
    assert new_of(desks, notice_id, before) == [("counter_forwarded", ADA), ("counter_received", PAUL)]
    copy = " ".join(desks.text(notice_id, "counter_forwarded").split())
    for part in ("Paul Pipeline", "1 Main Street, Springfield", "+1 555 0100", "The clip “Train”", "perjury"):
        assert part in copy


def test_of_a_restoration_and_of_a_court_action_both_learn_what_concerns_them(desks: Desks) -> None:
    held, restored = desks.file(), desks.file()
    for notice_id in (held, restored):
        desks.act(desks.reviewer, notice_id, Event.DISABLE)
        desks.counter(notice_id)
    before = desks.written(held)
    desks.act(desks.claimant, held, Event.COURT_ACTION, day=4)
    assert new_of(desks, held, before) == [("held_uploader", PAUL)]
    before = desks.written(restored)
    with desks.service.database.transaction() as session:
        desks.desk.deadline_came(session, restored, at=NOT_BEFORE)
    assert new_of(desks, restored, before) == [("restored_claimant", ADA), ("restored_uploader", PAUL)]


@pytest.mark.parametrize("track", [track for track in TrackName if track is not TrackName.DMCA_512])
def test_of_an_uploaders_complaint_they_learn_that_it_came_and_both_how_it_ended(
    desks: Desks, track: TrackName
) -> None:
    for event, names in (
        (Event.UPHOLD, [("complaint_decided", ADA), ("complaint_decided", PAUL)]),
        (Event.RESTORE, [("restored_claimant", ADA), ("restored_uploader", PAUL)]),
    ):
        notice_id = desks.file(track)
        desks.act(desks.reviewer, notice_id, Event.DISABLE)
        before = desks.written(notice_id)
        desks.act(desks.uploader, notice_id, Event.COMPLAIN, day=2)
        assert new_of(desks, notice_id, before) == [("complaint_received", PAUL)]
        before = desks.written(notice_id)
        desks.act(desks.second, notice_id, event, day=3)
        assert new_of(desks, notice_id, before) == names


@pytest.mark.parametrize("track", list(TrackName))
def test_of_a_claimants_complaint_the_claimant_is_told_alone(desks: Desks, track: TrackName) -> None:
    notice_id = desks.file(track)
    desks.act(desks.reviewer, notice_id, Event.DECLINE)
    before = desks.written(notice_id)
    desks.act(desks.claimant, notice_id, Event.COMPLAIN, day=2)
    assert new_of(desks, notice_id, before) == [("complaint_received", ADA)]
    before = desks.written(notice_id)
    desks.act(desks.second, notice_id, Event.UPHOLD, day=3)
    assert new_of(desks, notice_id, before) == [("complaint_decided", ADA)]


def test_whoever_made_a_copy_is_told_why_and_that_it_counts(desks: Desks) -> None:
    """TAKE IT DOWN, section 3: identical copies go too."""
    bo = "bo@clips.example"
    with desks.service.database.transaction() as session:
        other = factories.actor_of(people.holder_of(session, people.sign_up(session, bo, holder="Bo's clips")))
    release(desks, other)
    notice_id = desks.file(TrackName.TAKE_IT_DOWN)
    desks.act(desks.reviewer, notice_id, Event.DISABLE)
    assert [name for name, address in desks.written(notice_id) if address == bo] == [
        "identical_copy_uploader", "strike_given",
    ]  # fmt: skip


def test_one_notice_names_releases_of_one_maker_who_is_told_of_all(desks: Desks) -> None:
    with desks.service.database.transaction() as session:
        other = factories.actor(session)
    for maker, problem in ((desks.uploader, None), (other, "a notice for each maker")):
        material = (desks.release.id, release(desks, maker, seed=2).id)
        content = replace(COMPLETE_NOTICE, material=material)
        if problem is not None:
            with pytest.raises(Invalid, match=problem):
                desks.file(content=content)
            continue
        notice_id = desks.file(content=content)
        desks.act(desks.reviewer, notice_id, Event.DISABLE)
        assert all(one in desks.text(notice_id, "disabled_uploader") for one in material)


def release(desks: Desks, maker: Actor, *, seed: int = 1) -> Release:
    """A release of the same file as every other."""
    with desks.service.database.transaction() as session:
        check = factories.check(session, maker, desks.service.index, factories.fingerprint(seed))
        return factories.release(session, maker, check)


# -- to which address ----------------------------------------------------------------------------


def test_nobody_is_written_to_before_the_address_is_known(desks: Desks) -> None:
    notice_id = desks.anonymous()
    assert desks.written(notice_id) == [("confirm_address", ADA)]
    desks.act(desks.reviewer, notice_id, Event.REJECT_ABUSE)
    assert desks.written(notice_id) == [("confirm_address", ADA)]


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("owner@studio.example", "owner@studio.example"),  # one of their people's
        ("Owner@Studio.example ", "owner@studio.example"),
        (ADA, "owner@studio.example"),  # whose it is nobody knows: their own people are written to
    ],
)
def test_letters_go_to_an_address_that_is_known_else_to_the_holders_people(
    desks: Desks, email: str, expected: str
) -> None:
    with desks.service.database.transaction() as session:
        account = people.sign_up(session, "owner@studio.example", holder="Studio")
        claimant = factories.actor_of(people.holder_of(session, account))
    notice_id = desks.file(by=claimant, content=replace(COMPLETE_NOTICE, contact_email=email))
    assert desks.written(notice_id) == [("notice_received", expected)]


def test_the_operators_word_for_a_holder_covers_the_address_they_give(desks: Desks) -> None:
    notice_id = desks.file(content=replace(COMPLETE_NOTICE, contact_email="agent@elsewhere.example"))
    assert desks.written(notice_id) == [("notice_received", "agent@elsewhere.example")]


def test_people_who_do_not_read_for_a_holder_get_none_of_its_letters(desks: Desks) -> None:
    with desks.service.database.transaction() as session:
        members = session.scalars(sa.select(Membership).where(Membership.holder_id == desks.uploader.holder_id))
        for member in members:
            member.role = Role.CATALOGUE.value
    notice_id = desks.file()
    desks.act(desks.reviewer, notice_id, Event.DISABLE)
    assert {address for _, address in desks.written(notice_id)} == {ADA}


@pytest.mark.parametrize(("language", "said"), [("id", "id"), ("id-ID", "id"), ("en", "en"), ("fr", "en")])
def test_a_claimant_is_written_to_in_their_language_where_there_is_one(desks: Desks, language: str, said: str) -> None:
    notice_id = desks.anonymous(language=language)
    with desks.service.database.transaction() as session:
        desks.desk.confirm_address(session, notice_id, desks.code(notice_id), at=AT)
    desks.act(desks.reviewer, notice_id, Event.DISABLE)
    spoken = {letter.name: letter.language for letter, _ in desks.letters(notice_id)}
    assert spoken == {
        "confirm_address": said, "notice_received": said, "disabled_claimant": said, "disabled_uploader": "en",
        "strike_given": "en",
    }  # fmt: skip
    assert ("Dengan hormat" in desks.text(notice_id, "notice_received") or "Yth" in desks.text(
        notice_id, "notice_received"
    )) == (said == "id")  # fmt: skip


def elsewhere(desks: Desks) -> str:
    """A disabled notice about material that no holder here released."""
    with desks.service.database.transaction() as session:
        notice_id = factories.notice(session, desks.desk, desks.claimant, None).id
    desks.act(desks.reviewer, notice_id, Event.DISABLE)
    with desks.service.database.transaction() as session:
        said = Uploader(name="Paul Pipeline", email=PAUL)
        desks.desk.set_uploader(session, desks.reviewer, notice_id, said, at=AT + DAY)
    return notice_id


def with_ticket(desks: Desks, ticket: str) -> Actor:
    with desks.service.database.reading() as session:
        actor = access.authenticate(session, ticket, at=AT)
    assert actor is not None
    return actor


def test_who_is_written_to_by_the_operators_word_gets_what_opens_the_notice(desks: Desks) -> None:
    notice_id, other = elsewhere(desks), desks.file()
    assert ("disabled_uploader", PAUL) in desks.written(notice_id)
    paul = with_ticket(desks, secret_of(desks.text(notice_id, "disabled_uploader")))
    with desks.service.database.reading() as session:
        assert desks.desk.visible(session, paul, notice_id).id == notice_id
        with pytest.raises(NotFound):
            desks.desk.visible(session, paul, other)
    desks.counter(notice_id, by=paul)
    assert ("counter_received", PAUL) in desks.written(notice_id)


def test_the_key_of_every_letter_opens_the_notice(desks: Desks) -> None:
    """A later letter may never arrive."""
    notice_id = elsewhere(desks)
    first = secret_of(desks.text(notice_id, "disabled_uploader"))
    desks.counter(notice_id, by=with_ticket(desks, first))
    later = secret_of(desks.text(notice_id, "counter_received"))
    assert first != later
    for ticket in (first, later):
        with desks.service.database.reading() as session:
            assert desks.desk.visible(session, with_ticket(desks, ticket), notice_id).id == notice_id


def test_a_letter_that_went_astray_opens_nothing_once_the_address_is_put_right(desks: Desks) -> None:
    notice_id = elsewhere(desks)
    astray, right = secret_of(desks.text(notice_id, "disabled_uploader")), "paul@right.example"
    with desks.service.database.transaction() as session:
        said = Uploader(name="Paul Pipeline", email=right)
        desks.desk.set_uploader(session, desks.reviewer, notice_id, said, at=AT + 2 * DAY)
    [letter] = [sent for _, sent in desks.letters(notice_id) if sent.recipient == right]
    with_ticket(desks, secret_of(str(letter.text)))
    with desks.service.database.reading() as session:
        assert access.authenticate(session, astray, at=AT) is None


def test_the_uploader_of_a_release_here_is_not_said_by_a_reviewer(desks: Desks) -> None:
    notice_id = desks.file()
    with desks.service.database.transaction() as session, pytest.raises(Conflict):
        desks.desk.set_uploader(session, desks.reviewer, notice_id, Uploader(name="Eve", email="eve@e.example"), at=AT)


# -- what is kept --------------------------------------------------------------------------------


def test_what_is_kept_of_letters_is_what_was_sent_but_for_what_opens_something(desks: Desks) -> None:
    filed, uploaded = desks.anonymous(), elsewhere(desks)
    letters = [*desks.letters(filed), *desks.letters(uploaded)]
    secrets = [desks.code(filed), secret_of(desks.text(uploaded, "disabled_uploader"))]
    assert secrets[1].startswith("nt_")
    for letter, sent in letters:
        assert letter.sha256 == correspondence.digest(letter.subject, letter.text, letter.html)
        assert sent.text is not None
        assert sent.html is not None
        hidden = [secret for secret in secrets if secret in sent.text]
        text, html = sent.text, sent.html
        for secret in hidden:
            assert secret in html
            text, html = (
                text.replace(secret, "(sent in the letter alone)"),
                html.replace(secret, "(sent in the letter alone)"),
            )
        assert (letter.text, letter.html, letter.subject) == (text, html, sent.subject)
        assert not [secret for secret in secrets if secret in letter.text + letter.html + letter.subject]


# -- the operator --------------------------------------------------------------------------------


def test_the_operator_is_told_once_that_a_duty_is_near_and_once_that_it_is_late(desks: Desks, clock: Clock) -> None:
    notice_id = desks.file(TrackName.TAKE_IT_DOWN)

    def escalated() -> list[str]:
        written = [letter for letter, sent in desks.letters(notice_id) if sent.recipient == OPERATOR]
        assert {(letter.name, letter.party) for letter in written} <= {("escalation", "operator")}
        return [letter.subject.partition(":")[0] for letter in written]

    for hours, expected in (
        (23, []), (24, ["Due soon"]), (30, ["Due soon"]), (47, ["Due soon"]), (48, ["Due soon", "Overdue"]),
        (99, ["Due soon", "Overdue"]),
    ):  # fmt: skip
        clock.at = AT + timedelta(hours=hours, seconds=1)
        run_jobs(desks.service, JobKind.NOTICE_DEADLINE)
        assert escalated() == expected, hours


def run_jobs(service: Service, kind: JobKind) -> None:
    with service.database.reading() as session:
        ids = session.scalars(sa.select(Job.id).where(Job.kind == kind)).all()
    for job_id in ids:
        Runner(service).run(job_id)


# -- forgetting ----------------------------------------------------------------------------------


def test_a_notice_is_forgotten_when_its_time_has_passed_and_not_before(desks: Desks) -> None:
    over, still_open = desks.file(), desks.file()
    desks.act(desks.claimant, over, Event.RETRACT)
    ends = AT + DAY + desks.desk.policy.retention
    for at, expected in ((ends, []), (ends + timedelta(microseconds=1), [over])):
        with desks.service.database.reading() as session:
            assert retention.due(session, desks.desk.policy, at=at) == expected
    assert still_open not in expected


def test_housekeeping_erases_what_was_said_to_whom_it_was_written_and_the_files(
    desks: Desks, clock: Clock, identity: LedgerIdentity
) -> None:
    notice_id, other = elsewhere(desks), desks.file()
    desks.counter(notice_id, by=with_ticket(desks, secret_of(desks.text(notice_id, "disabled_uploader"))))
    with desks.service.database.transaction() as session:
        desks.desk.deadline_came(session, notice_id, at=NOT_BEFORE)
    clock.at = NOT_AFTER
    run_jobs(desks.service, JobKind.MAIL)
    folder = desks.service.settings.mail_folder
    kept = {f"{sent.id}.eml" for _, sent in desks.letters(other)}
    forgotten = {f"{sent.id}.eml" for _, sent in desks.letters(notice_id)}
    assert kept | forgotten <= {path.name for path in folder.iterdir()}

    clock.at = NOT_AFTER + desks.desk.policy.retention
    housekeeping.forget_notices(desks.service)
    names = {path.name for path in folder.iterdir()}
    assert (kept <= names, forgotten & names) == (True, set())
    for letter, sent in desks.letters(notice_id):
        assert {letter.subject, letter.text, letter.html, sent.recipient, sent.subject} == {FORGOTTEN}
    assert sum(letter.text != FORGOTTEN for letter, _ in desks.letters(other)) == len(kept)
    with desks.service.database.reading() as session:
        assert list(ledger.verify(session, verifier_key=identity.verifier_key)) == []


def test_nothing_of_the_parties_is_left_anywhere_of_a_forgotten_notice(desks: Desks, clock: Clock) -> None:
    notice_id = elsewhere(desks)
    desks.counter(notice_id, by=with_ticket(desks, secret_of(desks.text(notice_id, "disabled_uploader"))))
    with desks.service.database.transaction() as session:
        desks.desk.deadline_came(session, notice_id, at=NOT_BEFORE)
        mail.bounced(session, desks.letters(notice_id)[0][1].id, f"550 <{ADA}>: no such user", at=NOT_BEFORE)
        # Whom the tests wrote to otherwise is not the notice's to forget.
        session.execute(sa.delete(Mail).where(Mail.id.not_in(sa.select(NoticeLetter.mail_id))))
    clock.at = NOT_AFTER + desks.desk.policy.retention
    housekeeping.forget_notices(desks.service)
    left = everything(desks.service.database)
    found = [said for said in (ADA, "Ada Studio", "Paul Pipeline", "1 Main Street", "555 0100") if said in left]
    assert found == []
