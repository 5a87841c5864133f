"""The runner: each accepted job takes effect once, wherever a process dies, and nobody is left waiting."""

import hashlib
import itertools
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.runner import Runner
from api.service import Service
from api.worker import LANES, QUEUES
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.extract import Extracted
from registry import checks, exclusions, jobs, negatives, works
from registry.access import Actor
from registry.database import Database
from registry.jobs import LEASE, MAX_ATTEMPTS, JobKind
from registry.models import (
    Asset,
    Check,
    Conflict,
    Corpus,
    IndexLogRow,
    Item,
    Job,
    LedgerEntry,
    Match,
    Negative,
    OutboxMessage,
    Work,
)
from tests import factories, media
from tests.factories import AT
from tests.fakes import Clock, Killed, die_once
from tests.integration.at_once import at_once

FOREVER = datetime(2999, 1, 1, tzinfo=UTC)
SHA256 = hashlib.sha256(b"media").hexdigest()
COPY = Extracted(fingerprint=factories.fingerprint(1))


@pytest.fixture(autouse=True)
def decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is clip 1, unless a test says otherwise."""
    for name in ("extract", "extract_output"):
        monkeypatch.setattr(f"api.media_jobs.{name}", lambda *_arguments, **_limits: COPY)


@pytest.fixture
def runner(service: Service) -> Runner:
    return Runner(service)


def kept(service: Service, blob_key: str, content: bytes = b"media") -> str:
    path = service.blobs.staging / "upload"
    path.write_bytes(content)
    service.blobs.adopt(path, blob_key)
    return blob_key


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def uploaded(service: Service, content: bytes = b"media") -> str:
    """An upload that was answered with 202."""
    blob_key = kept(service, "asset_1", content)
    with service.database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        return works.add_upload(session, owner, work.id, blob_key=blob_key, sha256=sha256_of(content), at=AT).id


def asked(service: Service) -> str:
    """A check that was answered with 202, of a clip that copies a work."""
    blob_key = kept(service, "check_1")
    with service.database.transaction() as session:
        owner, asker = factories.actor(session), factories.actor(session)
        factories.asset(session, owner, factories.work(session, owner), service.index, COPY.fingerprint)
        session.execute(sa.delete(Job))
        check = checks.ask(session, asker, context={}, at=AT, blob_key=blob_key, sha256=SHA256, media_type="video/mp4")
        checks.enqueue_answer(session, check, at=AT)
        return check.id


def claimed(service: Service) -> str:
    """An indexed asset of a work that shows clip 1."""
    with service.database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        return factories.asset(session, owner, work, service.index, COPY.fingerprint).id


def banked(service: Service) -> str:
    """A file for the negative bank that was answered with 202."""
    blob_key = kept(service, "negative_1")
    with service.database.transaction() as session:
        operator = factories.operator(session)
        entry, _ = negatives.add_upload(session, operator, "Stock", blob_key=blob_key, sha256=SHA256, at=AT)
        return entry.id


def job_of(database: Database, subject_id: str, *, explains: bool = False) -> Job:
    explaining = (Job.kind == JobKind.EXPLAIN) == explains
    with database.reading() as session:
        return session.scalars(sa.select(Job).where(Job.subject_id == subject_id, explaining)).one()


def run(runner: Runner, subject_id: str, *, explains: bool = False) -> None:
    runner.run(job_of(runner.service.database, subject_id, explains=explains).id)


def one[Row](database: Database, model: type[Row], id_: str) -> Row:
    with database.reading() as session:
        return session.get_one(model, id_)


def found(service: Service) -> list[str]:
    with service.database.reading() as session:
        answer = service.index.search(session, Corpus.WORKS, COPY.fingerprint, timeout_s=30)
    return sorted(answer.subjects[segment.item] for segment in answer.segments)


def assert_indexed_once(service: Service, asset_id: str) -> None:
    asset = one(service.database, Asset, asset_id)
    assert (asset.status, asset.progress, asset.reason) == ("indexed", 1.0, None)
    assert job_of(service.database, asset_id).state == "done"
    with service.database.reading() as session:
        assert session.scalars(sa.select(Item.subject_id)).all() == [asset_id]
        assert session.scalars(sa.select(IndexLogRow.operation)).all() == ["add"]
    assert found(service) == [asset_id]


def assert_answered_once(service: Service, check_id: str) -> None:
    check = one(service.database, Check, check_id)
    assert (check.status, check.verdict, check.progress) == ("done", "block", 1.0)
    assert job_of(service.database, check_id).state == "done"
    with service.database.reading() as session:
        assert len(session.scalars(sa.select(Match).where(Match.check_id == check_id)).all()) == 1
        entries = session.scalars(sa.select(LedgerEntry).where(LedgerEntry.subject_id == check_id)).all()
    assert [entry.data.count("verdict.given") for entry in entries] == [1]


# -- real media --------------------------------------------------------------------------------


def test_a_real_file_becomes_searchable_and_a_copy_of_it_is_blocked(
    service: Service, runner: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    clip = media.moving_clip(tmp_path / "clip.mp4", seconds=6, seed=1)
    asset_id = uploaded(service, clip.read_bytes())
    run(runner, asset_id)
    asset = one(service.database, Asset, asset_id)
    assert asset.status == "indexed"
    assert asset.duration_s == pytest.approx(6.0, abs=0.3)
    copy = media.copied(clip, tmp_path / "copy.mp4", start_s=1, seconds=4).read_bytes()
    kept(service, "check_1", copy)
    with service.database.transaction() as session:
        asker = factories.actor(session)
        check = checks.ask(session, asker, context={}, at=AT, blob_key="check_1", sha256=sha256_of(copy))
        job_id = checks.enqueue_answer(session, check, at=AT)
    runner.run(job_id)
    answered = one(service.database, Check, check.id)
    assert answered.verdict == "block"
    assert set(answered.timings_ms) == {"decode", "search", "total"}
    assert answered.engine["rows"]["works/video-phash-v1"] > 0


# -- once and only once ------------------------------------------------------------------------


def test_a_job_that_runs_again_changes_nothing(service: Service, runner: Runner) -> None:
    asset_id = uploaded(service)
    run(runner, asset_id)
    run(runner, asset_id)
    assert_indexed_once(service, asset_id)


def test_a_check_that_runs_again_changes_nothing(service: Service, runner: Runner, clock: Clock) -> None:
    check_id = asked(service)
    run(runner, check_id)
    with service.database.transaction() as session:  # a message that came late, of a job forced open again
        session.execute(sa.update(Job).values(state="queued"))
    clock.pass_by(timedelta(days=1))
    run(runner, check_id)
    assert_answered_once(service, check_id)
    assert one(service.database, Check, check_id).finished_at == AT


def test_a_job_that_two_runners_are_told_of_is_done_once(service: Service) -> None:
    asset_id = uploaded(service)
    assert at_once(*[lambda: run(Runner(service), asset_id)] * 4) == [None] * 4
    assert_indexed_once(service, asset_id)
    assert job_of(service.database, asset_id).attempts == 1


def test_two_holders_who_claim_the_same_footage_at_once_are_in_conflict(
    service: Service, runner: Runner, clock: Clock
) -> None:
    with service.database.transaction() as session:
        owners = [factories.actor(session) for _ in range(3)]
        ids = [factories.work(session, owner).id for owner in owners]

    def claim(owner: Actor, work_id: str) -> None:
        with service.database.transaction() as session:
            asset = works.add_fingerprint(session, owner, work_id, COPY.fingerprint, at=AT)
            job_id, _ = works.job_of(session, asset)
        runner.run(job_id)

    claims = [lambda pair=pair: claim(*pair) for pair in zip(owners, ids, strict=True)]
    assert at_once(*claims) == [None] * 3
    clock.pass_by(timedelta(minutes=1))
    with service.database.reading() as session:
        fingerprinted = sa.select(Job.state).where(Job.kind == JobKind.FINGERPRINT)
        assert session.scalars(fingerprinted).all() == ["done"] * 3
        assert session.scalar(sa.select(sa.func.count()).select_from(Conflict)) == 3  # each pair of the three


# -- wherever it dies --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        "api.media_jobs.extract",
        "registry.works.store_asset",
        "registry.index.IndexEngine.rivals",
        "registry.conflicts.settle_asset",
        "registry.jobs.finish",
    ],
)
def test_an_upload_survives_a_death_anywhere(
    service: Service, runner: Runner, clock: Clock, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    asset_id = uploaded(service)
    reached = die_once(monkeypatch, where)
    with pytest.raises(Killed):
        run(runner, asset_id)
    run(runner, asset_id)
    assert reached() == 1  # its lease still stands
    clock.pass_by(LEASE + timedelta(seconds=1))
    run(runner, asset_id)
    assert reached() == 2
    assert_indexed_once(service, asset_id)


@pytest.mark.parametrize(
    "where",
    [
        "api.media_jobs.extract_output",
        "registry.index.IndexEngine.search",
        "registry.checks.answer",
        "registry.jobs.finish",
    ],
)
def test_a_check_survives_a_death_anywhere(
    service: Service, runner: Runner, clock: Clock, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    check_id = asked(service)
    die_once(monkeypatch, where)
    with pytest.raises(Killed):
        run(runner, check_id)
    assert one(service.database, Check, check_id).verdict is None
    clock.pass_by(LEASE + timedelta(seconds=1))
    run(runner, check_id)
    assert_answered_once(service, check_id)


@pytest.mark.parametrize(
    "where", ["api.media_jobs.extract", "registry.negatives.store", "registry.negatives.settle", "registry.jobs.finish"]
)
def test_an_entry_of_the_bank_survives_a_death_anywhere(
    service: Service, runner: Runner, clock: Clock, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    asset_id = claimed(service)
    entry_id = banked(service)
    die_once(monkeypatch, where)
    with pytest.raises(Killed):
        run(runner, entry_id)
    clock.pass_by(LEASE + timedelta(seconds=1))
    run(runner, entry_id)
    assert one(service.database, Negative, entry_id).status == "indexed"
    with service.database.reading() as session:
        assert [row.negative_id for row in exclusions.in_force(session, asset_id)] == [entry_id]
        assert list(session.scalars(sa.select(Item.corpus).where(Item.subject_id == entry_id))) == ["negatives"]
    assert "negative_1" not in service.blobs.keys(older_than=FOREVER), "the file is needed no more"


@pytest.mark.parametrize("where", ["api.explanations.make", "registry.jobs.finish", "registry.checks.explained"])
def test_an_explanation_survives_a_death_anywhere(
    service: Service, runner: Runner, clock: Clock, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    check_id = asked(service)
    run(runner, check_id)
    die_once(monkeypatch, where)
    with pytest.raises(Killed):
        run(runner, check_id, explains=True)
    assert one(service.database, Check, check_id).explanation == "waiting"
    clock.pass_by(LEASE + timedelta(seconds=1))
    run(runner, check_id, explains=True)
    check = one(service.database, Check, check_id)
    assert (check.explanation, check.verdict) == ("ready", "block")
    assert [k for k in service.blobs.keys(older_than=FOREVER) if "explanation" in k] == [check.explanation_key]


def test_an_explanation_that_always_fails_is_given_up_and_the_verdict_stands(
    service: Service, runner: Runner, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_id = asked(service)
    run(runner, check_id)

    def fail(*_arguments: object) -> bytes:
        raise OSError("no room")

    monkeypatch.setattr("api.explanations.make", fail)
    for _ in range(MAX_ATTEMPTS):
        clock.pass_by(timedelta(hours=5))
        run(runner, check_id, explains=True)
    check = one(service.database, Check, check_id)
    assert (check.explanation, check.explanation_key, check.verdict) == ("failed", None, "block")


def test_a_damaged_file_for_the_bank_is_rejected(
    service: Service, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_arguments: object, **_limits: object) -> Extracted:
        raise DAMAGED

    monkeypatch.setattr("api.media_jobs.extract", read)
    entry_id = banked(service)
    run(runner, entry_id)
    entry = one(service.database, Negative, entry_id)
    assert (entry.status, entry.reason, entry.blob_key) == ("rejected", "corrupt", None)
    assert service.blobs.keys(older_than=FOREVER) == []


def test_an_entry_removed_while_its_file_is_read_stays_removed(
    service: Service, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset_id, entry_id = claimed(service), banked(service)

    def read(*_arguments: object, **_limits: object) -> Extracted:
        with service.database.transaction() as session:
            negatives.remove(session, factories.operator(session), entry_id, at=AT)
        return COPY

    monkeypatch.setattr("api.media_jobs.extract", read)
    run(runner, entry_id)
    assert one(service.database, Negative, entry_id).status == "withdrawn"
    with service.database.reading() as session:
        assert exclusions.in_force(session, asset_id) == []


def test_a_restarted_service_goes_on_at_once(service: Service, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    asset_id = uploaded(service)
    die_once(monkeypatch, "api.media_jobs.extract")
    with pytest.raises(Killed):
        run(runner, asset_id)
    with service.database.transaction() as session:
        jobs.release_leases(session, at=AT)
        [(job_id, _)] = jobs.to_hint(session, at=AT)
    Runner(service).run(job_id)
    assert_indexed_once(service, asset_id)


def test_who_was_too_slow_stores_nothing(
    service: Service, runner: Runner, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset_id = uploaded(service)

    def slow(*_arguments: object, **_limits: object) -> Extracted:
        monkeypatch.setattr("api.media_jobs.extract", lambda *_a, **_l: COPY)
        clock.pass_by(2 * LEASE)
        run(Runner(service), asset_id)  # another finishes it meanwhile
        return Extracted(fingerprint=factories.fingerprint(9))

    monkeypatch.setattr("api.media_jobs.extract", slow)
    run(runner, asset_id)
    assert_indexed_once(service, asset_id)


def test_an_error_is_tried_again_later(
    service: Service, runner: Runner, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asset_id = uploaded(service)
    die_once(monkeypatch, "api.media_jobs.extract", MemoryError)
    with caplog.at_level(logging.CRITICAL):
        run(runner, asset_id)
    job = job_of(service.database, asset_id)
    assert (job.state, job.error) == ("queued", "MemoryError: ")
    clock.pass_by(timedelta(seconds=5))
    run(runner, asset_id)
    assert_indexed_once(service, asset_id)


# -- nobody is left waiting --------------------------------------------------------------------


def run_to_the_end(runner: Runner, clock: Clock, subject_id: str, *, attempts: int = MAX_ATTEMPTS) -> None:
    for _ in range(attempts):
        run(runner, subject_id)
        clock.pass_by(timedelta(hours=4))


def failing(monkeypatch: pytest.MonkeyPatch, where: str, error: type[BaseException]) -> None:
    def fail(*_arguments: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(where, fail)


@pytest.mark.parametrize("where", ["api.media_jobs.extract", "registry.index.IndexEngine.rivals"])
def test_after_the_last_attempt_an_asset_is_rejected_and_found_nowhere(
    service: Service, runner: Runner, clock: Clock, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    asset_id = uploaded(service)
    failing(monkeypatch, where, RuntimeError)
    run_to_the_end(runner, clock, asset_id, attempts=MAX_ATTEMPTS - 1)
    assert one(service.database, Asset, asset_id).status == "processing"
    run_to_the_end(runner, clock, asset_id, attempts=1)
    asset, job = one(service.database, Asset, asset_id), job_of(service.database, asset_id)
    assert (asset.status, asset.reason, asset.progress) == ("rejected", "internal_error", 1.0)
    assert (job.state, job.error) == ("failed", "RuntimeError: ")
    assert found(service) == []


def test_after_the_last_attempt_a_check_is_unknown(
    service: Service, runner: Runner, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_id = asked(service)
    failing(monkeypatch, "api.media_jobs.extract_output", RuntimeError)
    run_to_the_end(runner, clock, check_id)
    check = one(service.database, Check, check_id)
    assert (check.status, check.verdict, check.reasons[0]["code"]) == ("done", "unknown", "engine_error")
    assert job_of(service.database, check_id).state == "failed"


def test_a_file_that_kills_every_process_ends_too(
    service: Service, runner: Runner, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_id = asked(service)
    failing(monkeypatch, "api.media_jobs.extract_output", Killed)
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(Killed):
            run(runner, check_id)
        clock.pass_by(timedelta(hours=4))
    run(runner, check_id)
    assert one(service.database, Check, check_id).verdict == "unknown"
    assert job_of(service.database, check_id).state == "failed"


# -- bad media ---------------------------------------------------------------------------------

DAMAGED = MediaError(fault=MediaFault.CORRUPT, problem="The file is damaged.")


def damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_limits: object) -> Extracted:
        raise DAMAGED

    for name in ("extract", "extract_output"):
        monkeypatch.setattr(f"api.media_jobs.{name}", fail)


def test_a_bad_file_is_rejected_with_its_reason_and_let_go(
    service: Service, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset_id = uploaded(service)
    damaged(monkeypatch)
    run(runner, asset_id)
    asset = one(service.database, Asset, asset_id)
    assert (asset.status, asset.reason, asset.problem) == ("rejected", "corrupt", "The file is damaged.")
    assert (asset.blob_key, job_of(service.database, asset_id).state) == (None, "done")
    assert service.blobs.keys(older_than=AT + timedelta(days=36500)) == []


def test_what_fails_the_quality_gate_is_rejected(
    service: Service, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Extracted(fingerprint=factories.fingerprint(1, seconds=1.0))
    monkeypatch.setattr("api.media_jobs.extract", lambda *_arguments, **_limits: short)
    asset_id = uploaded(service)
    run(runner, asset_id)
    assert one(service.database, Asset, asset_id).reason == "too_short"
    assert found(service) == []


def test_a_bad_clip_is_unknown_and_never_clear(
    service: Service, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_id = asked(service)
    damaged(monkeypatch)
    run(runner, check_id)
    check = one(service.database, Check, check_id)
    assert (check.verdict, check.reasons[0]["code"]) == ("unknown", "corrupt")


def test_a_file_that_was_lost_is_unknown_or_rejected(service: Service, runner: Runner) -> None:
    asset_id = uploaded(service)
    service.blobs.delete("asset_1")
    run(runner, asset_id)
    assert one(service.database, Asset, asset_id).reason == "unreadable"
    check_id = asked(service)
    service.blobs.delete("check_1")
    run(runner, check_id)
    assert one(service.database, Check, check_id).verdict == "unknown"


@pytest.mark.parametrize("outcome", ["good", "damaged"])
def test_a_work_withdrawn_while_its_file_is_read_stays_withdrawn(
    service: Service, runner: Runner, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    asset_id = uploaded(service)

    def read(*_arguments: object, **_limits: object) -> Extracted:
        with service.database.transaction() as session:
            work = session.get_one(Work, session.get_one(Asset, asset_id).work_id)
            works.withdraw(session, factories.actor_of(work.holder), work.id, at=AT)
        if outcome == "damaged":
            raise DAMAGED
        return COPY

    monkeypatch.setattr("api.media_jobs.extract", read)
    run(runner, asset_id)
    assert one(service.database, Asset, asset_id).status == "withdrawn"
    assert job_of(service.database, asset_id).state == "done"
    assert found(service) == []


def test_who_wants_to_hear_is_told_once(service: Service, runner: Runner) -> None:
    check_id = asked(service)
    with service.database.transaction() as session:
        check = session.get_one(Check, check_id)
        name = f"Holder of {check_id}"
        asker = factories.holder(session, name=name, webhook_url="https://hooks.example")
        check.holder_id = asker.id
    run(runner, check_id)
    run(runner, check_id)
    with service.database.reading() as session:
        [message] = session.scalars(sa.select(OutboxMessage)).all()
    assert (message.event, message.payload) == ("check.done", {"id": check_id, "verdict": "block"})


def test_every_kind_of_job_has_a_queue() -> None:
    assert set(LANES) == set(JobKind)
    assert set(LANES.values()) == set(itertools.chain(*QUEUES.values())), "each is taken by some worker"
