"""What does not fit together is found and named, what can be put right is, and nothing is made up."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api import housekeeping
from api.fsck import Report, examine, repair
from api.service import Service
from registry import ledger
from registry.admin_actions import Action
from registry.consistency import MEANINGS, Code
from registry.domain.policy import Verdict
from registry.models import (
    AdminAction,
    Asset,
    AssetStatus,
    Check,
    Corpus,
    Heads,
    IdempotencyKey,
    IndexLogRow,
    Item,
    Job,
    JobState,
    LedgerEntry,
    Notice,
    Release,
    ReleaseManifest,
    StoredDescriptors,
)
from tests import factories
from tests.factories import AT
from tests.fakes import Clock
from tests.integration.small_registry import Registry, fill, keep

pytestmark = pytest.mark.both_databases


@pytest.fixture
def clock() -> Clock:
    """Files bear the machine's time."""
    return Clock(datetime.now(UTC))


@pytest.fixture
def registry(service: Service) -> Registry:
    return fill(service)


def codes(service: Service, *, is_quick: bool = False) -> list[Code]:
    return [flaw.code for flaw in examine(service, is_quick=is_quick) if flaw.counts]


def mended(service: Service) -> Report:
    return repair(service, is_quick=False)


def test_what_fits_is_clean_and_looking_changes_nothing(service: Service, registry: Registry) -> None:
    del registry
    with service.database.reading() as session:
        before = session.scalar(sa.select(sa.func.count()).select_from(LedgerEntry))
    assert codes(service) == codes(service, is_quick=True) == []
    report = mended(service)
    assert report.is_clean
    assert report.mended == () or list(report.mended) == []
    with service.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(LedgerEntry)) == before


def test_every_kind_of_flaw_says_what_is_done_about_it() -> None:
    assert set(MEANINGS) == set(Code)
    for meaning in MEANINGS.values():
        assert meaning.cure.endswith(".")


# -- files ---------------------------------------------------------------------------------------


def test_a_cut_off_file_is_set_aside_and_the_fingerprint_still_counts(service: Service, registry: Registry) -> None:
    with service.blobs.open("asset_1a") as path:
        path.write_bytes(path.read_bytes()[:-1])
    assert codes(service) == [Code.BLOB_CHANGED]
    report = mended(service)
    assert [flaw.code for flaw in report.mended] == [Code.BLOB_CHANGED]
    assert report.is_clean
    assert (service.settings.data_dir / "lost+found" / "asset_1a").exists()
    with service.database.reading() as session:
        asset = session.get_one(Asset, registry.asset)
        assert (asset.blob_key, asset.status) == (None, AssetStatus.INDEXED)
        assert "media: lost" in asset.warnings
        assert session.scalar(sa.select(Item.number).where(Item.subject_id == asset.id)) is not None
        [act] = session.scalars(sa.select(AdminAction))
        assert (act.action, act.subject, act.details["code"]) == (Action.FLAWS_MENDED, asset.id, "blob_changed")
        assert act.by.startswith("console:")


def test_a_release_whose_file_is_cut_off_is_named_by_its_size_alone_and_not_made_up(
    service: Service, registry: Registry
) -> None:  # fmt: skip
    with service.blobs.open("release_1") as path:
        path.write_bytes(b"half")
    assert codes(service, is_quick=True) == [Code.BLOB_CHANGED]
    report = mended(service)
    assert [flaw.code for flaw in report.mended] == [Code.BLOB_CHANGED], (
        "it was taken out of the store, and that is told"
    )
    assert [flaw.code for flaw in report.flaws if flaw.counts] == [Code.BLOB_MISSING]
    assert not report.is_clean
    assert (service.settings.data_dir / "lost+found" / "release_1").read_bytes() == b"half"
    with service.database.reading() as session:
        assert session.get_one(Release, registry.release).blob_key == "release_1"
        [act] = session.scalars(sa.select(AdminAction))
        assert (act.subject, act.details["code"]) == (registry.release, "blob_changed")
    assert list(mended(service).mended) == []


@pytest.mark.parametrize("spoil", [{"verdict": Verdict.BLOCK.value}, {"expires_at": AT}, {"decision": "reject"}])
def test_a_file_that_housekeeping_would_let_go_of_is_not_lost(
    service: Service, registry: Registry, spoil: dict[str, object]
) -> None:
    service.blobs.delete("check_1")
    assert codes(service, is_quick=True) == [Code.BLOB_MISSING]
    with service.database.transaction() as session:
        session.execute(sa.update(Check).where(Check.id == registry.check).values(spoil))
    [flaw] = examine(service, is_quick=True)
    assert (flaw.code, flaw.subject, flaw.counts) == (Code.BLOB_FORGOTTEN, registry.check, False)
    housekeeping.forget_media(service)
    assert examine(service, is_quick=True) == []


def test_a_lost_file_is_named_and_one_that_a_job_has_yet_to_read_is_left_to_it(
    service: Service, registry: Registry
) -> None:  # fmt: skip
    for key in ("asset_1a", "asset_2", "check_1"):
        service.blobs.delete(key)
    assert codes(service, is_quick=True) == [Code.BLOB_MISSING] * 3
    report = mended(service)
    assert [flaw.subject for flaw in report.flaws if flaw.counts] == [registry.upload]
    with service.database.reading() as session:
        assert session.get_one(Check, registry.check).blob_key is None


def test_files_that_no_row_names_are_told_of_once_they_are_old_and_are_no_finding(
    service: Service, registry: Registry, clock: Clock
) -> None:  # fmt: skip
    del registry
    keep(service, "asset_9", b"of a later time than this backup")
    assert examine(service, is_quick=True) == []
    clock.pass_by(timedelta(hours=7))
    [flaw] = [flaw for flaw in examine(service, is_quick=True) if flaw.code is Code.BLOB_UNNAMED]
    assert (flaw.subject, flaw.counts) == ("asset_9", False)


# -- fingerprints, the log of the index and its snapshot -----------------------------------------


def item_of(session: Session, subject_id: str) -> Item:
    return session.scalars(sa.select(Item).where(Item.subject_id == subject_id)).one()


def lose_a_log_row(session: Session, of: Registry) -> None:
    session.execute(sa.delete(IndexLogRow).where(IndexLogRow.item_number == item_of(session, of.asset).number))


def lose_an_item(session: Session, of: Registry) -> None:
    session.delete(item_of(session, of.second))


def leave_an_item(session: Session, of: Registry) -> None:
    session.get_one(Asset, of.third).status = AssetStatus.WITHDRAWN.value


def spoil_descriptors(session: Session, of: Registry) -> None:
    number = item_of(session, of.asset).number
    session.execute(
        sa.update(StoredDescriptors).where(StoredDescriptors.item_number == number).values(vectors=b"short")
    )


def set_a_head_back(session: Session, _of: Registry) -> None:
    session.execute(sa.update(Heads).values(index_sequence=Heads.index_sequence - 1))


def lose_jobs(session: Session, of: Registry) -> None:
    session.execute(sa.delete(Job).where(Job.subject_id.in_((of.upload, of.notice))))


def end_a_job_too_soon(session: Session, of: Registry) -> None:
    job = session.scalars(sa.select(Job).where(Job.subject_id == of.upload)).one()
    job.state = JobState.DONE.value


def double_a_job(session: Session, of: Registry) -> None:
    kept = session.scalars(sa.select(Job).where(Job.subject_id == of.upload)).one()
    said = {name: getattr(kept, name) for name in Job.__table__.columns.keys()}  # noqa: SIM118
    session.add(Job(**{**said, "id": "job_zzz"}))


def leave_a_job(session: Session, of: Registry) -> None:
    job = session.scalars(sa.select(Job).where(Job.subject_id == of.upload)).one()
    session.add(Job(id="job_zzz", kind=job.kind, subject_id="ast_gone", state=JobState.QUEUED.value,
                    run_at=AT, hint_at=AT, created_at=AT))  # fmt: skip


def remember_nothing(session: Session, of: Registry) -> None:
    holder = session.get_one(Check, of.check).holder_id
    session.add(IdempotencyKey(holder_id=holder, operation="check", key="k", request_sha256="0", resource_id="chk_gone",
                               created_at=AT))  # fmt: skip


# One after the other, each on what the ones before left.
BREAKS: list[tuple[Callable[[Session, Registry], None], set[Code]]] = [
    (set_a_head_back, {Code.HEAD_BEHIND, Code.SNAPSHOT_AHEAD}),
    (lose_jobs, {Code.JOB_LOST, Code.NOTICE_UNWATCHED}),
    (end_a_job_too_soon, {Code.JOB_LOST}),
    (double_a_job, {Code.JOB_TWICE}),
    (leave_a_job, {Code.JOB_WITHOUT_SUBJECT}),
    (remember_nothing, {Code.IDEMPOTENCY_WITHOUT_RESOURCE}),
    (lose_an_item, {Code.ITEM_MISSING, Code.INDEX_LOG_HAS_MORE}),
    (leave_an_item, {Code.ITEM_WITHOUT_SUBJECT}),
    (lose_a_log_row, {Code.INDEX_LOG_GAP, Code.INDEX_LOG_LACKS, Code.SNAPSHOT_DIFFERS}),
    (spoil_descriptors, {Code.DESCRIPTORS_UNREADABLE, Code.INDEX_LOG_GAP}),
]


def test_what_a_crash_or_a_hand_broke_is_named_and_put_right(service: Service, registry: Registry) -> None:
    for spoil, expected in BREAKS:
        with service.database.reading() as session:
            service.index.catch_up(session, timeout_s=30)
        service.index.save(service.settings.snapshot_path)
        with service.database.transaction() as session:
            acts = len(session.scalars(sa.select(AdminAction)).all())
            spoil(session, registry)
        assert set(codes(service)) == expected, spoil
        report = mended(service)
        # The gap does no harm, and is not hidden.
        assert {flaw.code for flaw in report.flaws if flaw.counts} <= {Code.INDEX_LOG_GAP}, spoil
        with service.database.reading() as session:
            assert len(session.scalars(sa.select(AdminAction)).all()) - acts == len(report.mended) > 0, spoil


def test_what_was_mended_in_the_index_is_found_again(service: Service, registry: Registry) -> None:
    with service.database.transaction() as session:
        lose_a_log_row(session, registry)
    mended(service)
    with service.database.reading() as session:
        answer = service.index.search(session, Corpus.WORKS, factories.fingerprint(1), timeout_s=30)
        assert {answer.subjects[segment.item] for segment in answer.segments} == {registry.asset}


def test_a_snapshot_that_cannot_be_read_is_dropped(service: Service, registry: Registry) -> None:
    del registry
    path = service.settings.snapshot_path
    path.write_bytes(path.read_bytes()[:-3])
    assert codes(service) == [Code.SNAPSHOT_UNREADABLE]
    assert mended(service).is_clean
    assert not path.exists()


# -- what is only told ---------------------------------------------------------------------------


def test_the_ledger_is_proved_and_never_touched(service: Service, registry: Registry) -> None:
    with service.database.transaction() as session:
        entry = ledger.last_entry_about(session, registry.release)
        assert entry is not None
        entry.data = entry.data.replace("release.signed", "release.sigmed")
    assert set(codes(service)) == {Code.LEDGER}
    assert codes(service, is_quick=True) == []
    report = mended(service)
    assert not report.is_clean
    assert list(report.mended) == []


def test_a_lost_manifest_is_told(service: Service, registry: Registry) -> None:
    with service.database.transaction() as session:
        session.execute(sa.delete(ReleaseManifest).where(ReleaseManifest.release_id == registry.release))
    assert codes(service) == [Code.MANIFEST_MISSING]
    assert not mended(service).is_clean


@pytest.mark.parametrize("backend", ["sqlite"])  # PostgreSQL holds references itself
def test_broken_references_of_sqlite_are_told(service: Service, registry: Registry) -> None:
    with service.database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.execute("UPDATE notices SET release_id = 'rel_gone' WHERE id = ?", (registry.notice,))
        raw.execute("PRAGMA foreign_keys=ON")
    assert Code.REFERENCE_BROKEN in codes(service, is_quick=True)
    with service.database.transaction() as session:
        session.get_one(Notice, registry.notice).release_id = registry.release
