"""Rollouts: an algorithm that came later comes to all that can have it, and nothing is lost on the way."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from api import housekeeping, media_jobs
from api.runner import Runner
from api.service import Service
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.extract import Extracted
from fingerprinting.model import Algorithm, Descriptors, Fingerprint
from registry import rollouts, works
from registry.errors import Conflict
from registry.index import Operation, algorithm_named, head_sequence, log_again
from registry.jobs import JobKind
from registry.models import Asset, Corpus, IndexLogRow, Item, Job, JobState, Rollout, StoredDescriptors
from tests import factories
from tests.factories import AT
from tests.fakes import Clock, FakeEmbedder, Killed, die_once

OLD, NEW = Algorithm.VIDEO_PHASH_V1, Algorithm.VIDEO_SSCD_V1
SUCCESSION = {NEW: OLD}
SHOWN = factories.fingerprint(1)


def seen_by_both(shown: Fingerprint = SHOWN) -> Fingerprint:
    times_s = shown.descriptors[0].times_s[::4]
    rows = np.random.default_rng(3).integers(0, 256, (len(times_s), NEW.row_bytes), dtype=np.uint8)
    return replace(
        shown, descriptors=(*shown.descriptors, Descriptors(algorithm=NEW, times_s=times_s, vectors=rows))
    )  # fmt: skip


@pytest.fixture
def runner(service: Service, shows: Callable[[Fingerprint], None]) -> Runner:
    shows(SHOWN)
    return Runner(service)


@pytest.fixture
def shows(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fingerprint], None]:
    """What every file shows from now on."""

    def show(fingerprint: Fingerprint) -> None:
        found = Extracted(fingerprint=fingerprint)
        monkeypatch.setattr("api.media_jobs.extract", lambda *_arguments, **_limits: found)

    return show


def registered(service: Service, runner: Runner, *, count: int = 1) -> list[str]:
    """Assets whose media is kept, as they were registered before the new algorithm came."""
    ids = []
    for number in range(count):
        key, content = f"asset_{number}", f"media {number}".encode()
        staged = service.blobs.staging / "upload"
        staged.write_bytes(content)
        service.blobs.adopt(staged, key)
        with service.database.transaction() as session:
            owner = factories.actor(session)
            work = factories.work(session, owner)
            sha256 = hashlib.sha256(content).hexdigest()
            ids.append(works.add_upload(session, owner, work.id, blob_key=key, sha256=sha256, at=AT).id)
    done(service, runner)
    return ids


def done(service: Service, runner: Runner) -> int:
    """Do all that is due, and what comes of it; returns how many jobs were backfill."""
    backfills = 0
    while True:
        with service.database.reading() as session:
            query = sa.select(Job.id, Job.kind).where(Job.state == JobState.QUEUED, Job.run_at <= service.now())
            due = session.execute(query).all()
        if not due:
            return backfills
        for job_id, kind in due:
            runner.run(job_id)
            backfills += kind == JobKind.BACKFILL


def turned_on(service: Service, shows: Callable[[Fingerprint], None]) -> None:
    service.embedder = FakeEmbedder()
    shows(seen_by_both())


def rolled_out(service: Service, runner: Runner, clock: Clock) -> None:
    housekeeping.begin_rollouts(service)
    for _ in range(20):
        done(service, runner)
        clock.at += timedelta(minutes=1)


def covered(service: Service, algorithm: Algorithm = NEW) -> rollouts.Coverage:
    with service.database.reading() as session:
        return next(one for one in rollouts.coverage(session, SUCCESSION) if one.algorithm is algorithm)


def rows_of(service: Service, algorithm: Algorithm = NEW) -> int:
    with service.database.reading() as session:
        service.index.catch_up(session, timeout_s=30)
    return service.index.sizes[f"{Corpus.WORKS}/{algorithm}"]


def test_what_was_stored_before_is_found_by_the_new_one_too(
    service: Service, runner: Runner, shows: Callable[[Fingerprint], None], clock: Clock
) -> None:
    registered(service, runner, count=3)
    turned_on(service, shows)
    assert (covered(service).lacking, rows_of(service)) == (3, 0)
    rolled_out(service, runner, clock)
    now = covered(service)
    assert (now.having, now.lacking, now.added, now.is_under_way) == (3, 0, 3, False)
    assert rows_of(service) > 0
    with service.database.reading() as session:
        assert session.get_one(Rollout, NEW.value).completed_at is not None


def test_a_service_without_the_algorithm_begins_nothing(service: Service, runner: Runner) -> None:
    registered(service, runner)
    housekeeping.begin_rollouts(service)
    assert done(service, runner) == 0


def test_while_it_is_under_way_none_is_begun_beside_it(
    service: Service, runner: Runner, shows: Callable[[Fingerprint], None]
) -> None:
    registered(service, runner)
    turned_on(service, shows)
    for _ in range(2):
        housekeeping.begin_rollouts(service)
    with service.database.transaction() as session:
        assert not rollouts.begin_again(session, NEW, at=AT)
        assert session.scalar(sa.select(sa.func.count()).where(Job.kind == JobKind.BACKFILL)) == 1
    assert covered(service).is_under_way


def test_while_it_is_under_way_the_operator_is_told(
    service: Service, runner: Runner, shows: Callable[[Fingerprint], None], clock: Clock
) -> None:
    registered(service, runner)
    turned_on(service, shows)
    housekeeping.begin_rollouts(service)
    assert [rollout.algorithm for rollout in told(service)] == [NEW]
    rolled_out(service, runner, clock)
    assert told(service) == []


def told(service: Service) -> list[Rollout]:
    with service.database.reading() as session:
        return rollouts.under_way(session)


def test_who_made_the_fingerprint_is_found_by_what_they_made(
    service: Service, runner: Runner, shows: Callable[[Fingerprint], None], clock: Clock
) -> None:
    with service.database.transaction() as session:
        owner = factories.actor(session)
        factories.asset(session, owner, factories.work(session, owner), service.index, SHOWN)
    turned_on(service, shows)
    rolled_out(service, runner, clock)
    now = covered(service)
    assert (now.having, now.lacking, now.without_media) == (0, 0, 1)


def test_a_kill_in_the_midst_loses_and_doubles_nothing(
    service: Service, runner: Runner, shows: Callable[[Fingerprint], None], clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    registered(service, runner, count=2)
    turned_on(service, shows)
    housekeeping.begin_rollouts(service)
    die_once(monkeypatch, "registry.rollouts.store")
    with pytest.raises(Killed):
        done(service, runner)
    clock.at += timedelta(minutes=5)  # the lease has ended
    with service.database.transaction() as session:
        session.execute(sa.update(Job).where(Job.state == JobState.RUNNING).values(state=JobState.QUEUED))
    rolled_out(service, runner, clock)
    with service.database.reading() as session:
        log = sa.select(IndexLogRow.item_number).where(IndexLogRow.algorithm == NEW.value)
        items = list(session.scalars(log))
    assert (len(items), len(set(items)), covered(service).added) == (2, 2, 2)


def test_what_was_withdrawn_meanwhile_stays_withdrawn(
    service: Service, runner: Runner, shows: Callable[[Fingerprint], None]
) -> None:
    [asset_id] = registered(service, runner)
    turned_on(service, shows)
    with service.database.transaction() as session:
        rollouts.begin_due(session, [NEW], at=AT)
        lacking = rollouts.next_lacking(session, NEW)
        assert lacking is not None
        works.reject_asset(session, session.get_one(Asset, asset_id), reason="withdrawn", problem="", at=AT)
        rollouts.store(session, NEW, lacking, seen_by_both(), at=AT)
    assert rows_of(service) == 0


def test_media_that_shows_nothing_any_more_holds_up_nobody(
    service: Service, runner: Runner, shows: Callable[[Fingerprint], None], clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    registered(service, runner, count=2)
    turned_on(service, shows)
    broken = iter([True])

    def extract(*_arguments: object, **_limits: object) -> Extracted:
        if next(broken, False):
            raise MediaError(fault=MediaFault.UNREADABLE, problem="It is damaged.")
        return Extracted(fingerprint=seen_by_both())

    monkeypatch.setattr("api.media_jobs.extract", extract)
    rolled_out(service, runner, clock)
    assert (covered(service).having, covered(service).lacking) == (1, 1)
    with service.database.transaction() as session:
        assert rollouts.begin_again(session, NEW, at=service.now())
    rolled_out(service, runner, clock)
    assert covered(service).lacking == 0


def test_what_fails_each_time_is_passed_over(
    service: Service, runner: Runner, shows: Callable[[Fingerprint], None], clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    registered(service, runner, count=2)
    turned_on(service, shows)
    sha256 = hashlib.sha256(b"media 0").hexdigest()
    shown_by = media_jobs.shown_by

    def shown(service: Service, sent: rollouts.Lacking) -> Extracted | MediaError:
        if sent.sha256 == sha256:
            raise MemoryError
        return shown_by(service, sent)

    monkeypatch.setattr(media_jobs, "shown_by", shown)
    housekeeping.begin_rollouts(service)
    for _ in range(12):
        done(service, runner)
        clock.at += timedelta(hours=5)
    assert (covered(service).having, covered(service).lacking) == (1, 1)


def test_what_comes_later_without_it_is_seen_too(
    service: Service, runner: Runner, shows: Callable[[Fingerprint], None], clock: Clock
) -> None:
    """Another process, or a service that was started without the network once."""
    turned_on(service, shows)
    rolled_out(service, runner, clock)
    shows(SHOWN)
    registered(service, runner)
    shows(seen_by_both())
    rolled_out(service, runner, clock)
    assert covered(service).having == 1


def test_the_old_one_goes_when_the_new_one_has_come_to_all(
    service: Service, runner: Runner, shows: Callable[[Fingerprint], None], clock: Clock
) -> None:
    registered(service, runner, count=2)
    turned_on(service, shows)
    with service.database.transaction() as session, pytest.raises(Conflict, match="2 items are found by it"):
        rollouts.retire(session, OLD, SUCCESSION, at=AT)
    housekeeping.begin_rollouts(service)
    with service.database.transaction() as session, pytest.raises(Conflict, match="under way"):
        rollouts.retire(session, OLD, SUCCESSION, at=AT)
    rolled_out(service, runner, clock)
    assert rows_of(service, OLD) > 0
    with service.database.transaction() as session:
        rollouts.retire(session, OLD, SUCCESSION, at=AT)
        assert rollouts.withdraw_some(session, at=AT) == 2
        assert rollouts.withdraw_some(session, at=AT) == 0
    assert rows_of(service, OLD) == 0
    assert rows_of(service) > 0
    assert covered(service, OLD).retired_at == AT
    with service.database.reading() as session:
        left = session.scalars(sa.select(StoredDescriptors.algorithm).join(Item)).all()
    assert left == [NEW, NEW]


def test_what_only_the_old_one_finds_is_lost_when_somebody_says_so(service: Service) -> None:
    with service.database.transaction() as session:
        owner = factories.actor(session)
        factories.asset(session, owner, factories.work(session, owner), service.index, SHOWN)
        with pytest.raises(Conflict):
            rollouts.retire(session, OLD, SUCCESSION, at=AT)
        rollouts.retire(session, OLD, SUCCESSION, although=1, at=AT)
        assert rollouts.withdraw_some(session, at=AT) == 1


def test_what_nothing_succeeds_stays(service: Service) -> None:
    with service.database.transaction() as session, pytest.raises(Conflict, match="Nothing succeeds it"):
        rollouts.retire(session, OLD, {}, although=1000, at=AT)


def test_what_was_retired_does_not_come_back(service: Service) -> None:
    with service.database.transaction() as session:
        rollouts.retire(session, OLD, SUCCESSION, at=AT)
    with service.database.transaction() as session:
        assert rollouts.begin_due(session, [OLD], at=AT) == []
        with pytest.raises(Conflict, match="retired"):
            rollouts.begin_again(session, OLD, at=AT)


def test_an_algorithm_of_a_later_version_is_passed_over(
    service: Service, runner: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    """While processes are upgraded one by one, older ones read what newer ones put on the log."""
    algorithm_named.cache_clear()
    [asset_id] = registered(service, runner)
    with service.database.transaction() as session:
        item = session.scalars(sa.select(Item).where(Item.subject_id == asset_id)).one()
        later = StoredDescriptors(algorithm="video-phash-v9", times_ms=b"", vectors=b"")
        item.descriptors.append(later)
        log_again(
            session, Operation.ADD, corpus=item.corpus, item_number=item.number, algorithm=later.algorithm, at=AT
        )  # fmt: skip
    with service.database.reading() as session:
        found = service.index.search(session, Corpus.WORKS, SHOWN, timeout_s=30)
        head = head_sequence(session)
    assert ([found.subjects[one.item] for one in found.segments], found.sequence) == ([asset_id], head)
    assert sum("video-phash-v9 is of a later version" in line for line in caplog.messages) == 1
