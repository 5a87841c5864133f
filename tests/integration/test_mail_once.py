"""Letters go out once: whatever the mail server says or leaves unsaid, and wherever the process dies."""

import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from api import noticeboard
from api.mail import FolderPost, SmtpPost, _Timed
from api.runner import Runner
from api.service import Service
from api.settings import Settings
from registry import mail
from registry.errors import Conflict, NotFound
from registry.jobs import LEASE, MAX_ATTEMPTS, JobKind
from registry.models import Job, JobState, Mail, NoticeLetter
from tests.factories import AT
from tests.fakes import Clock, Killed, die_once
from tests.integration.at_once import at_once
from tests.integration.test_takedown_service import Parties
from tests.people import ADA
from tests.servers.smtp import HANG_UP, SAY_NOTHING, MailServer, Manners, mail_server

SOON, A_DAY = timedelta(seconds=6), timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostOffice:
    """A service that sends by a mail server, on a clock of the test's."""

    service: Service
    clock: Clock
    server: MailServer

    def write(self, text: str = "Hello.", *, html: str | None = None) -> str:
        with self.service.database.transaction() as session:
            return mail.post(session, ADA, "A letter", text, at=self.clock(), html=html).id

    def jobs(self) -> list[Job]:
        with self.service.database.reading() as session:
            return list(session.scalars(sa.select(Job).where(Job.kind == JobKind.MAIL).order_by(Job.id)))

    def run_all(self) -> None:
        """Look at every job once, as runners do that know no better."""
        for job in self.jobs():
            Runner(self.service).run(job.id)

    def later(self, time: timedelta = SOON) -> None:
        self.clock.pass_by(time)
        self.run_all()

    def again(self, mail_id: str) -> None:
        with self.service.database.transaction() as session:
            mail.again(session, mail_id, at=self.clock())

    def letter(self, mail_id: str) -> Mail:
        with self.service.database.reading() as session:
            return session.get_one(Mail, mail_id)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def office(
    service: Service, clock: Clock, server: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PostOffice:
    monkeypatch.setattr("api.mail._TIMEOUT_S", 0.5)
    service.post = SmtpPost(Settings(data_dir=tmp_path, mail_url=server.url))
    return PostOffice(service=service, clock=clock, server=server)


# -- sent once -----------------------------------------------------------------------------------


def test_a_letter_is_sent_once_and_its_text_forgotten(office: PostOffice) -> None:
    letter = office.write()
    office.run_all()
    for job in office.jobs():  # a broker's message may come twice
        Runner(office.service).run(job.id)
    office.later(A_DAY)
    assert len(office.server.taken) == 1
    kept = office.letter(letter)
    assert (kept.sent_at, kept.text, kept.problem, kept.bounced_at) == (AT, None, None, None)


def test_a_letter_has_a_text_and_where_there_is_one_an_html_alternative(office: PostOffice) -> None:
    office.write("The text.\n.\nafter a dot", html="<p>The page.</p>")
    office.write("Alone.")
    office.run_all()
    both, alone = sorted(office.server.letters(), key=lambda letter: letter.get_content_type())
    text, html = both.get_body(("plain",)), both.get_body(("html",))
    assert both.get_content_type() == "multipart/alternative"
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == ["The text.", ".", "after a dot"]
    assert html.get_content().splitlines() == ["<p>The page.</p>"]
    assert (alone.get_content_type(), alone["To"]) == ("text/plain", ADA)


def test_of_two_who_send_the_same_letter_at_once_one_does(office: PostOffice) -> None:
    """The operator asks for it again while it waits for its next try: then there are two jobs."""
    office.server.manners = [Manners(recipient="450 Later")]
    letter = office.write()
    office.run_all()
    office.again(letter)
    office.clock.pass_by(SOON)
    due = [job.id for job in office.jobs() if job.state == JobState.QUEUED]
    assert len(due) == 2
    assert at_once(*(partial(Runner(office.service).run, job_id) for job_id in due)) == [None, None]
    office.later(A_DAY)
    assert len(office.server.taken) == 1
    assert office.letter(letter).problem is None


@pytest.mark.parametrize("goodbye", ["421 Closing down", "500 What?"])
def test_a_letter_that_was_taken_is_sent_whatever_is_said_at_parting(office: PostOffice, goodbye: str) -> None:
    office.server.manners = [Manners(goodbye=goodbye)]
    letter = office.write()
    office.run_all()
    office.later()
    assert len(office.server.taken) == 1
    assert (office.letter(letter).sent_at, office.letter(letter).bounced_at) == (AT, None)


@pytest.mark.parametrize("goodbye", [HANG_UP, SAY_NOTHING])
def test_a_server_need_not_say_goodbye(office: PostOffice, goodbye: str) -> None:
    office.server.manners = [Manners(goodbye=goodbye)]
    letter = office.write()
    office.run_all()
    office.later()
    assert (len(office.server.taken), office.letter(letter).sent_at) == (1, AT)


# -- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "manners",
    [
        Manners(recipient="550 5.1.1 No such user"), Manners(recipient="553 5.7.1 Not here"),
        Manners(letter="554 5.7.1 Spam"), Manners(sender="550 5.7.1 Who are you?"),
    ],
)  # fmt: skip
def test_what_is_refused_for_good_came_back_and_is_not_tried_again(office: PostOffice, manners: Manners) -> None:
    office.server.manners = [manners]
    letter = office.write()
    office.run_all()
    office.later(A_DAY)
    kept = office.letter(letter)
    assert (kept.bounced_at, kept.sent_at) == (AT, None)
    said = next(said for said in (manners.recipient, manners.letter, manners.sender) if said.startswith("5"))
    assert said[4:] in str(kept.problem)
    assert (office.server.taken, [job.state for job in office.jobs()]) == ([], [JobState.DONE])


@pytest.mark.parametrize(
    "manners",
    [
        Manners(recipient="450 4.2.1 Greylisted"), Manners(letter="451 4.3.0 Try later"),
        Manners(sender="452 4.3.1 Full"), Manners(greeting="421 4.3.2 Busy"),
    ],
)  # fmt: skip
def test_what_is_put_off_is_tried_again(office: PostOffice, manners: Manners) -> None:
    office.server.manners = [manners]
    letter = office.write()
    office.run_all()
    kept = office.letter(letter)
    assert (kept.sent_at, kept.bounced_at, kept.handed_over_at) == (None, None, None)
    assert kept.problem is not None
    office.later()
    office.later(A_DAY)
    assert (len(office.server.taken), office.letter(letter).problem) == (1, None)


def test_what_is_put_off_for_ever_is_given_up(office: PostOffice) -> None:
    office.server.manners = [Manners(recipient="450 Later")] * (MAX_ATTEMPTS + 3)
    letter = office.write()
    office.run_all()
    for _ in range(MAX_ATTEMPTS + 2):
        office.later(A_DAY)
    assert office.letter(letter).bounced_at is not None
    assert len(office.server.manners) == 3, "tried as often as jobs are, and no more"


def test_a_server_that_is_away_is_tried_again(office: PostOffice, tmp_path: Path) -> None:
    with mail_server() as gone:
        pass
    letter = office.write()
    office.service.post = SmtpPost(Settings(data_dir=tmp_path, mail_url=gone.url))
    office.run_all()
    assert office.letter(letter).sent_at is None
    office.service.post = SmtpPost(Settings(data_dir=tmp_path, mail_url=office.server.url))
    office.later()
    assert (len(office.server.taken), office.letter(letter).problem) == (1, None)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[smtplib.SMTP]]:
    """Those that were made to mail servers; none is left open."""
    made: list[smtplib.SMTP] = []

    class Noted(_Timed):
        def __init__(self, *where: Any, **how: Any) -> None:
            super().__init__(*where, **how)
            made.append(self)

    monkeypatch.setattr("api.mail._Timed", Noted)
    yield made
    for one in made:
        one.close()


@pytest.fixture
def refused(office: PostOffice, connections: list[smtplib.SMTP], tmp_path: Path) -> str:
    """A letter to be sent by a server that asks for a password, and offers no TLS."""
    with_password = office.server.url.replace("//", "//clearmark:secret@")
    office.service.post = SmtpPost(Settings(data_dir=tmp_path, mail_url=with_password))
    letter = office.write()
    office.run_all()
    assert len(connections) == 1
    return letter


def test_a_password_is_not_sent_in_the_clear(office: PostOffice, refused: str) -> None:
    assert "in the clear" in str(office.letter(refused).problem)
    assert not [said for said in office.server.commands if said.upper().startswith(("AUTH", "MAIL"))]


@pytest.mark.usefixtures("refused")
def test_a_connection_that_leads_nowhere_is_closed(connections: list[smtplib.SMTP]) -> None:
    assert [one.sock for one in connections] == [None]


# -- nobody knows --------------------------------------------------------------------------------


@pytest.mark.parametrize("unsaid", [HANG_UP, SAY_NOTHING])
def test_a_letter_of_which_nobody_knows_is_not_sent_again_by_itself(office: PostOffice, unsaid: str) -> None:
    office.server.manners = [Manners(letter=unsaid)]
    letter = office.write()
    office.run_all()
    for _ in range(3):
        office.later(A_DAY)
    assert len(office.server.heard) == 1
    kept = office.letter(letter)
    assert (kept.problem, kept.sent_at, kept.bounced_at) == (mail.UNSURE, None, None)
    office.again(letter)
    office.later()
    assert len(office.server.taken) == 1
    assert (office.letter(letter).problem, office.letter(letter).text) == (None, None)


def _died_before_it_was_handed_over(patch: pytest.MonkeyPatch) -> None:
    die_once(patch, "api.mail.SmtpPost.send")


def _died_after_it_was_taken(patch: pytest.MonkeyPatch) -> None:
    die_once(patch, "registry.mail.sent")


@pytest.mark.parametrize("died", [_died_before_it_was_handed_over, _died_after_it_was_taken])
def test_a_process_that_died_over_a_letter_does_not_send_it_twice(
    office: PostOffice, died: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    died(monkeypatch)
    letter = office.write()
    with pytest.raises(Killed):
        office.run_all()
    taken = len(office.server.taken)
    for _ in range(3):
        office.later(LEASE + SOON)
    assert (len(office.server.taken), office.letter(letter).problem) == (taken, mail.UNSURE)
    assert {job.state for job in office.jobs()} == {JobState.DONE}, "nobody tries any more"
    office.again(letter)
    office.later()
    assert (len(office.server.taken), office.letter(letter).problem) == (taken + 1, None)


def test_a_process_that_died_before_it_noted_anything_sends_it_later(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_once(monkeypatch, "registry.mail.hand_over")
    letter = office.write()
    with pytest.raises(Killed):
        office.run_all()
    office.later(LEASE + SOON)
    assert (len(office.server.taken), office.letter(letter).problem) == (1, None)


def test_a_folder_gets_the_same_file_however_often(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    office.service.post = FolderPost(office.service.settings)
    die_once(monkeypatch, "registry.mail.sent")
    letter = office.write(html="<p>Hello.</p>")
    with pytest.raises(Killed):
        office.run_all()
    folder = office.service.settings.mail_folder
    [first] = [path.read_bytes() for path in folder.iterdir()]
    office.later(LEASE + SOON)
    office.later(A_DAY)
    assert [path.name for path in folder.iterdir()] == [f"{letter}.eml"]
    again = (folder / f"{letter}.eml").read_bytes()
    boundary = first.partition(b'boundary="')[2].partition(b'"')[0]
    assert again.replace(again.partition(b'boundary="')[2].partition(b'"')[0], boundary) == first
    assert (office.letter(letter).sent_at, office.letter(letter).problem) == (AT + LEASE + SOON, None)


# -- a person decides ----------------------------------------------------------------------------


def test_only_a_letter_that_is_stuck_is_sent_again(office: PostOffice) -> None:
    waiting, sent = office.write(), office.write()
    with pytest.raises(Conflict):
        office.again(waiting)
    office.run_all()
    with pytest.raises(Conflict):
        office.again(sent)
    with pytest.raises(NotFound):
        office.again("mal_0")


@pytest.mark.parametrize("manners", [Manners(letter=HANG_UP), Manners(recipient="550 No such user")])
def test_a_notice_whose_letter_is_stuck_waits_for_a_reviewer(office: PostOffice, manners: Manners) -> None:
    service = office.service
    parties = Parties(service.database, service.index, service.desk)
    notice_id = parties.disabled()  # it is the uploader's turn
    with service.database.reading() as session:
        asked = sa.select(NoticeLetter.mail_id).where(NoticeLetter.name == "disabled_claimant")
        stuck = session.scalars(asked).one()
    office.clock.at = AT + A_DAY
    jobs = {job.subject_id: job.id for job in office.jobs()}
    for mail_id, job_id in jobs.items():
        office.server.manners = [manners] if mail_id == stuck else []
        Runner(service).run(job_id)

    def waiting() -> list[str]:
        with service.database.reading() as session:
            return [one.id for one in noticeboard.waiting(session, service.desk)]

    assert waiting() == [notice_id]
    office.again(stuck)
    office.later()
    assert waiting() == []
