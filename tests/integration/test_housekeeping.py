"""Now and then: files nobody needs are deleted, those that somebody needs never are."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from api import housekeeping
from api.service import Service
from fingerprinting.index.snapshot import read_snapshot
from registry import access, accounts, checks, idempotency, jobs, verifications, works
from registry.accounts import NewAccount
from registry.database import Database
from registry.jobs import JobKind
from registry.models import Check, Job, JobState, LedgerCheckpoint, Letter, SignIn, Verification
from tests import factories
from tests.factories import SHA256
from tests.fakes import Clock
from tests.people import sign_up

FOREVER = datetime(2999, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    """Files bear the machine's time."""
    return Clock(datetime.now(UTC))


def keep(service: Service, blob_key: str) -> str:
    path = service.blobs.staging / "upload"
    path.write_bytes(b"media")
    service.blobs.adopt(path, blob_key)
    return blob_key


def kept(service: Service) -> set[str]:
    return set(service.blobs.keys(older_than=FOREVER))


def test_files_that_a_crash_left_without_a_row_are_deleted_after_a_while(service: Service, clock: Clock) -> None:
    with service.database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        works.add_upload(session, owner, work.id, blob_key=keep(service, "asset_1"), sha256=SHA256, at=clock())
        checks.ask(session, owner, context={}, at=clock(), blob_key=keep(service, "check_1"))
        asked = factories.check(session, owner, service.index, factories.fingerprint(1), blob_key="check_2", at=clock())
        release = factories.release(session, owner, asked, at=clock())
    keep(service, release.blob_key)
    keep(service, "asset_orphan")
    (service.blobs.staging / "half").write_bytes(b"an upload that was cut off")
    housekeeping.run_long(service)
    assert "asset_orphan" in kept(service)  # its row may come yet
    assert (service.blobs.staging / "half").exists()
    clock.pass_by(timedelta(hours=7))
    housekeeping.run_long(service)
    assert kept(service) == {"asset_1", "check_1", release.blob_key}
    assert not (service.blobs.staging / "half").exists()


def test_the_pictures_of_an_explanation_are_deleted_after_their_time(service: Service, clock: Clock) -> None:
    with service.database.transaction() as session:
        owner = factories.actor(session)
        factories.asset(session, owner, factories.work(session, owner), service.index, factories.fingerprint(1))
        asker = factories.actor(session)
        check = factories.check(session, asker, service.index, factories.fingerprint(1), at=clock(), blob_key=None)
        checks.explained(check, keep(service, "explanation_1"))
    clock.pass_by(timedelta(days=29))
    housekeeping.remove_orphans(service)
    housekeeping.forget_explanations(service)
    assert kept(service) == {"explanation_1"}
    clock.pass_by(timedelta(days=2))
    housekeeping.forget_explanations(service)
    assert kept(service) == set()
    with service.database.reading() as session:
        stored = session.get_one(Check, check.id)
        assert (stored.explanation, stored.explanation_key) == ("forgotten", None)
        assert stored.matches, "what matched where stays"


def test_media_of_checks_that_lead_nowhere_is_deleted(service: Service, clock: Clock) -> None:
    with service.database.transaction() as session:
        asker = factories.actor(session)
        fault = checks.Unanswerable(code="corrupt", message="Damaged.")
        factories.check(session, asker, service.index, fault, blob_key=keep(service, "unknown"), at=clock())
        clear = factories.fingerprint(1)
        factories.check(session, asker, service.index, clear, blob_key=keep(service, "clear"), at=clock())
    housekeeping.forget_media(service)
    assert kept(service) == {"clear"}
    clock.pass_by(checks.VALIDITY)
    housekeeping.forget_media(service)
    assert kept(service) == set()


def test_answers_about_strangers_files_are_forgotten(service: Service, clock: Clock) -> None:
    with service.database.transaction() as session:
        verifications.keep(session, SHA256, {}, at=clock())
        clock.pass_by(timedelta(days=31))
        recent = verifications.keep(session, SHA256, {}, at=clock()).id
    housekeeping.forget_verifications(service)
    with service.database.reading() as session:
        assert session.scalars(sa.select(Verification.id)).all() == [recent]


def test_who_signed_up_and_never_came_back_is_forgotten(service: Service, clock: Clock) -> None:
    with service.database.transaction() as session:
        accounts.sign_up(session, NewAccount(email="ada@studio.example", name="Ada"), at=clock())
    housekeeping.run(service)
    with service.database.reading() as session:
        assert session.scalars(sa.select(Letter.email)).all() == ["ada@studio.example"]
    clock.pass_by(timedelta(days=1))
    housekeeping.run(service)
    with service.database.reading() as session:
        assert session.scalars(sa.select(Letter.email)).all() == []


def test_a_round_signs_the_log_and_saves_the_index(service: Service) -> None:
    with service.database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        works.add_fingerprint(session, owner, work.id, factories.fingerprint(1), at=factories.AT)
    housekeeping.run(service)
    housekeeping.keep_index(service)
    assert not service.settings.snapshot_path.exists()  # an index that is not up yet would be saved empty
    service.load_index()
    housekeeping.keep_index(service)
    assert read_snapshot(service.settings.snapshot_path).sequence == 1
    assert _checkpoints(service.database) == [1]
    housekeeping.run(service)
    assert _checkpoints(service.database) == [1]


def test_one_part_that_fails_holds_up_no_other(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_service: Service) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(housekeeping, "forget_media", fail)
    housekeeping.run(service)
    assert "disk full" in caplog.text
    assert _checkpoints(service.database) == [0]


def _checkpoints(database: Database) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(sa.select(LedgerCheckpoint.size)))


def test_what_was_over_long_ago_is_let_go_of_and_nothing_that_is_looked_at_later(
    service: Service, clock: Clock
) -> None:
    def job(kind: JobKind, state: JobState) -> str:
        row = jobs.enqueue(session, kind, f"x_{kind}_{state}", at=clock())
        row.state, row.finished_at = state.value, None if state is JobState.QUEUED else clock()
        return row.id

    with service.database.transaction() as session:
        account, actor = sign_up(session), factories.actor(session)
        access.sign_in(session, account, lasts=timedelta(hours=12), at=clock())
        done, kept = job(JobKind.MAIL, JobState.DONE), {
            job(JobKind.MAIL, JobState.FAILED), job(JobKind.NOTICE_DEADLINE, JobState.QUEUED),
            job(JobKind.STAMP, JobState.DONE), job(JobKind.CONFLICT_DEADLINE, JobState.DONE),
        }  # fmt: skip
        idempotency.remember(session, actor, "work", "key-1", "digest", "wrk_1", at=clock())

    def left() -> tuple[bool, bool, bool]:
        housekeeping.forget_bygone(service)
        with service.database.reading() as session:
            assert kept <= set(session.scalars(sa.select(Job.id)))
            is_remembered = idempotency.recall(session, actor, "work", "key-1", "digest") is not None
            return session.get(Job, done) is not None, bool(session.scalars(sa.select(SignIn)).all()), is_remembered

    assert left() == (True, True, True)
    clock.pass_by(timedelta(days=29))
    assert left() == (True, True, True)
    clock.pass_by(timedelta(days=2))
    assert left() == (False, False, True), "whoever sends a request again may come late"
    clock.pass_by(timedelta(days=60))
    assert left() == (False, False, False)
