"""Catalogues from files: every row stands for itself, and what stopped goes on where it was."""

import io
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.resumable import MOST_UPLOADS
from api.runner import Runner
from api.service import Service
from registry import catalogue, imports, ledger, preferences, reservations, works
from registry.access import Actor, Scope
from registry.catalogue import CatalogueFormat, Entry
from registry.database import Database
from registry.domain.identifiers import Prefix, new_id
from registry.domain.preferences import Scope as Reach
from registry.domain.preferences import Use, Value
from registry.models import Asset, Import, ImportRow, Job, JobState, Reservation, Work
from registry.reservations import NewReservation
from tests import factories
from tests.ddex_messages import album, image, message, recording
from tests.factories import AT
from tests.fakes import Clock
from tests.integration.inside import Browser

HEAD = "reference,title,kind,isrc,train,territory\n"
GOOD = HEAD + "1,One,film,,reserved,\n2,Two,clip,,,\n3,Three,film,,allowed,FR\n"


def begun(session: Session, owner: Actor, *, dry_run: bool = False) -> Import:
    task, _ = imports.accept(session, owner, CatalogueFormat.CSV, blob_key="import_1", dry_run=dry_run, at=AT)
    return task


def stored(
    session: Session, task: Import, text: str, *, most: int | None = None, format: CatalogueFormat = CatalogueFormat.CSV
) -> list[tuple[int, str, str | None]]:
    """Put (some) rows of a file on record; what became of all rows so far."""
    rows = islice(catalogue.read(io.BytesIO(text.encode()), format), task.rows_done, most)
    imports.store(session, task, list(rows), at=AT)
    found = session.scalars(sa.select(ImportRow).where(ImportRow.import_id == task.id).order_by(ImportRow.number))
    return [(row.number, row.outcome, row.field) for row in found]


def titles(session: Session) -> list[str]:
    return sorted(session.scalars(sa.select(Work.title)))


def test_bad_rows_are_named_and_the_others_go_on_record(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        task = begun(session, owner)
        text = (
            HEAD + "1,One,film,,reserved,\n2,Two,movie star,,,\n3,Three,film,US-X,,\n"
            "4,Four,film,,reserved,Europe\n5,Five,clip,,,\n"
        )
        assert stored(session, task, text) == [
            (2, "registered", None), (3, "refused", "kind"), (4, "refused", "identifiers.isrc"),
            (5, "refused", "territory"), (6, "registered", None),
        ]  # fmt: skip
        assert (task.rows_done, task.registered, task.known, task.refused) == (5, 2, 0, 3)
        assert titles(session) == ["Five", "One"]
        assert [said.use for said in session.scalars(sa.select(Reservation))] == ["train"]


@pytest.mark.parametrize("text", ["A\\u0000", "\\ud800", "A\\u0000\\ud800"])
@pytest.mark.parametrize("member", ["title", "reference", "A\\u0000\\ud800"])
def test_what_is_no_text_spoils_its_own_row_alone(database: Database, member: str, text: str) -> None:
    rows = [f'{{"title": "{text}", "kind": "film", "{member}": "{text}"}}', '{"title": "B", "kind": "film"}']
    with database.transaction() as session:
        task = begun(session, factories.actor(session))
        [bad, good] = stored(session, task, "\n".join(rows), format=CatalogueFormat.JSONL)
    assert (bad[1], bad[2], good[1]) == ("refused", "row", "registered")


def test_a_refused_row_leaves_nothing_behind(database: Database) -> None:
    with database.transaction() as session:
        task = begun(session, factories.actor(session))
        before = ledger.size_of(session)
        stored(session, task, HEAD + "1,One,film,,reserved,Europe\n")
        assert (titles(session), ledger.size_of(session)) == ([], before)


def test_a_dry_run_says_the_same_and_does_nothing(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        before = ledger.size_of(session)
        tried = begun(session, owner, dry_run=True)
        said = stored(session, tried, GOOD + "1,Again,film,,,\n")
        assert [outcome for _, outcome, _ in said] == ["registered"] * 3 + ["refused"]
        assert (titles(session), ledger.size_of(session)) == ([], before)
        assert stored(session, begun(session, owner), GOOD + "1,Again,film,,,\n") == said


def test_a_corrected_file_is_sent_again_whole(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        stored(session, begun(session, owner), GOOD)
        again = stored(session, begun(session, owner), GOOD + "4,Four,film,,,\n")
        assert [outcome for _, outcome, _ in again] == ["known", "known", "known", "registered"]
        assert titles(session) == ["Four", "One", "Three", "Two"]
        other = stored(session, begun(session, factories.actor(session)), GOOD)
        assert {outcome for _, outcome, _ in other} == {"registered"}, "another holder's numbers are their own"


def test_what_is_secret_goes_in_and_out_as_a_secret(database: Database) -> None:
    """Imported elsewhere it must not be told there either."""
    with database.transaction() as session:
        owner = factories.actor(session)
        stored(session, begun(session, owner), "title,kind,confidential\nOne,film,yes\nTwo,film,no\n")
        kept = {work.title: work.confidential for work in session.scalars(sa.select(Work))}
        assert kept == {"One": True, "Two": False}
        out = list(imports.entries_of(session, owner, at=AT))
        assert {entry.work.title: entry.work.confidential for entry in out} == kept


def test_a_work_that_was_withdrawn_is_known_no_more(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        stored(session, begun(session, owner), GOOD)
        one = session.scalars(sa.select(Work.id).where(Work.title == "One")).one()
        works.withdraw(session, owner, one, at=AT)
        again = stored(session, begun(session, owner), GOOD)
        assert [outcome for _, outcome, _ in again] == ["registered", "known", "known"]


def test_an_import_goes_on_after_the_last_row_that_was_stored(database: Database) -> None:
    with database.transaction() as session:
        task = begun(session, factories.actor(session))
        stored(session, task, GOOD, most=2)
    with database.transaction() as session:
        said = stored(session, session.get_one(Import, task.id), GOOD)
        assert [(number, outcome) for number, outcome, _ in said] == [
            (2, "registered"), (3, "registered"), (4, "registered"),
        ]  # fmt: skip
        assert titles(session) == ["One", "Three", "Two"]


def test_what_goes_out_is_what_came_in(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        stored(session, begun(session, owner), GOOD)
        factories.work(session, factories.actor(session))
        later = AT + timedelta(seconds=1)
        entries = list(imports.entries_of(session, owner, at=later))
    entries = [replace(entry, work_id=None) for entry in entries]
    came = [row.entry for row in catalogue.read(io.BytesIO(GOOD.encode()), CatalogueFormat.CSV)]

    def named(entry: Entry | None) -> str:
        return entry.work.title if entry else ""

    assert sorted(entries, key=named) == sorted(came, key=named)


def exported(session: Session, owner: Actor, format: CatalogueFormat = CatalogueFormat.JSONL) -> str:
    return "".join(catalogue.write(imports.entries_of(session, owner, at=AT), format))  # type: ignore[arg-type]


def taken_in(session: Session, owner: Actor, text: str, format: CatalogueFormat = CatalogueFormat.JSONL) -> list[str]:
    task = begun(session, owner)
    imports.store(session, task, list(catalogue.read(io.BytesIO(text.encode()), format)), at=AT)
    rows = session.execute(sa.select(ImportRow.outcome, ImportRow.problem).where(ImportRow.import_id == task.id))
    return [problem or outcome for outcome, problem in rows]


@pytest.mark.parametrize("format", [CatalogueFormat.CSV, CatalogueFormat.JSONL])
def test_what_went_out_is_known_when_it_comes_back_and_to_nobody_else(
    database: Database, format: CatalogueFormat
) -> None:
    with database.transaction() as session:
        owner, other = factories.actor(session), factories.actor(session)
        kept, gone = factories.work(session, owner, title="Kept"), factories.work(session, owner, title="Gone")
        text = exported(session, owner, format)
        assert taken_in(session, owner, text, format) == ["known", "known"]
        assert taken_in(session, other, text, format) == ["registered", "registered"]
        works.withdraw(session, owner, gone.id, at=AT)
        assert sorted(taken_in(session, owner, text, format)) == ["known", "registered"]
        assert kept.holder_id == owner.holder_id


def test_what_begins_later_goes_out_with_its_time_and_holds_for_who_takes_it_in(database: Database) -> None:
    later = AT + timedelta(days=5)
    with database.transaction() as session:
        owner, other = factories.actor(session), factories.actor(session)
        work = factories.work(session, owner)
        for value, begins in ((Value.ALLOWED, None), (Value.RESERVED, later)):
            declare(session, owner, work, value=value, valid_from=begins)
        declare(session, owner, work, use=Use.TRAIN, value=Value.ALLOWED)
        declare(session, owner, work, use=Use.TRAIN, value=Value.RESERVED, valid_until=later)
        text = exported(session, owner)
        assert taken_in(session, other, text) == ["registered"]
        copy = session.scalars(sa.select(Work).where(Work.holder_id == other.holder_id)).one()
        for at in (AT, later - timedelta(seconds=1), later, later + timedelta(days=999)):
            meant, held = (
                {use: found.answer for use, found in preferences.effective(session, one, list(Use), at=at).items()}
                for one in (work, copy)
            )
            assert meant == held, at


def test_what_is_said_of_a_file_or_of_all_works_is_in_no_row_and_takes_the_permission_with_it(
    database: Database,
) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        asset = Asset(id=new_id(Prefix.ASSET, at=AT), work_id=work.id, status="indexed", created_at=AT)
        session.add(asset)
        session.flush()
        for use in (Use.INPUT, Use.SEARCH, Use.TRAIN):
            declare(session, owner, work, use=use, value=Value.ALLOWED)
        declare(session, owner, None, use=Use.INPUT, scope=Reach.ASSET, asset_id=asset.id)
        declare(session, owner, None, use=Use.SEARCH, scope=Reach.CATALOGUE, valid_from=AT + timedelta(days=1))
        [entry] = imports.entries_of(session, owner, at=AT)
        assert [said.use for said in entry.reservations] == [Use.TRAIN]
        told = [remark.where for remark in catalogue.left_out(entry, CatalogueFormat.JSONL)]
        assert told[0] == f"{work.id}, input: reserved, of {asset.id}"
        assert sorted(told[1:]) == [f"{work.id}, input: allowed", f"{work.id}, search: allowed"]
        first = "search: reserved from 2026-03-03T17:00:00Z"
        for most, shown in ((0, []), (1, [first]), (3, [first, *told[:2]]), (9, [first, *told])):
            report = imports.left_out(session, owner, CatalogueFormat.JSONL, most=most, at=AT)
            assert (report.works, report.count) == (1, 1 + len(told))
            assert [remark.where for remark in report.remarks] == shown


def declare(session: Session, owner: Actor, work: Work | None, **said: Any) -> None:
    about = {"work_id": work.id} if work else {}
    new = NewReservation(**{"use": Use.TDM, "value": Value.RESERVED, **about, **said})
    reservations.declare(session, owner, new, at=AT)


# -- DDEX messages, as the job takes them ----------------------------------------------------------------


def sent(service: Service, owner: Actor, text: str) -> Import:
    """A message after its job has run."""
    accepted(service, owner, text)
    return finished(service)


def accepted(service: Service, owner: Actor, text: str) -> None:
    path = service.blobs.staging / "upload"
    path.write_text(text)
    with service.blobs.adopted(path, "import_1"), service.database.transaction() as session:
        kind = catalogue.format_of(text.encode())
        imports.accept(session, owner, kind, blob_key="import_1", dry_run=False, at=service.now())


def finished(service: Service) -> Import:
    """Run what is due, and give the newest import."""
    with service.database.reading() as session:
        due = session.scalars(sa.select(Job.id).where(Job.state != JobState.DONE)).all()
    for job_id in due:
        Runner(service).run(job_id)
    with service.database.reading() as session:
        return session.scalars(sa.select(Import).order_by(Import.id.desc()).limit(1)).one()


def outcomes(service: Service, task: Import) -> list[tuple[int, str, str | None]]:
    with service.database.reading() as session:
        rows = session.scalars(sa.select(ImportRow).where(ImportRow.import_id == task.id).order_by(ImportRow.number))
        return [(row.number, row.outcome, row.reference) for row in rows]


@pytest.fixture
def owner(service: Service) -> Actor:
    with service.database.transaction() as session:
        return factories.actor(session)


def test_a_message_registers_its_recordings_and_skips_its_cover(service: Service, owner: Actor) -> None:
    task = sent(service, owner, message(image(), recording(), recording("A2", isrc="broken"), artists=("Ada",)))
    assert (task.status, task.registered, task.refused, task.skipped) == ("done", 1, 1, 1)
    assert outcomes(service, task) == [
        (1, "skipped", None),
        (2, "registered", "USSKG1912345"),
        (3, "refused", "broken"),
    ]
    with service.database.reading() as session:
        work = session.scalars(sa.select(Work)).one()
        assert (work.title, work.kind, work.creators, work.year) == ("Night Train", "sound_recording", ["Ada"], 1998)
        assert work.identifiers == {"isrc": "USSKG1912345", "reference": "USSKG1912345"}
        notes = session.scalars(sa.select(ImportRow.note).order_by(ImportRow.number)).all()
        assert [bool(note) for note in notes] == [True, False, False]
        assert session.scalars(sa.select(Reservation)).all() == []


def test_a_corrected_message_is_known(service: Service, owner: Actor, clock: Clock) -> None:
    numberless = recording("A2", isrc=None, title="No Number")
    first = message(recording(), numberless, recording("A3", isrc="US-SKG-19-0000"))
    assert sent(service, owner, first).registered == 2
    clock.pass_by(timedelta(seconds=1))
    corrected = message(
        recording(title="Night Trains"), numberless, recording("A3", isrc="US-SKG-19-00003"),
        header="<MessageId>M2</MessageId>",
    )  # fmt: skip
    task = sent(service, owner, corrected)
    assert outcomes(service, task) == [
        (1, "known", "USSKG1912345"), (2, "known", "00602537022502/A2"), (3, "registered", "USSKG1900003"),
    ]  # fmt: skip


def test_a_job_that_died_goes_on_after_the_last_recording_that_was_stored(
    service: Service, owner: Actor, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    calls = 0
    store = imports.store

    def dying(*arguments: Any, **more: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("the disk is full")
        store(*arguments, **more)

    monkeypatch.setattr("registry.imports.store", dying)
    accepted(service, owner, album(120))
    assert finished(service).rows_done == 50
    clock.pass_by(timedelta(hours=1))
    task = finished(service)
    assert (task.status, task.rows_done, task.registered, task.skipped) == ("done", 121, 120, 1)
    assert [number for number, _, _ in outcomes(service, task)] == list(range(1, 122))


def test_a_message_that_breaks_off_puts_nothing_on_record(service: Service, owner: Actor) -> None:
    task = sent(service, owner, album(120)[:-40])
    assert (task.status, task.rows_done) == ("failed", 0)
    assert "cannot be read as XML" in (task.problem or "")


def test_what_is_tried_on_a_page_is_kept_once_and_what_is_refused_is_not(service: Service) -> None:
    with service.database.transaction() as session:
        owner = factories.holder(session)
        key, other = (factories.key(session, owner, *scopes).key for scopes in ((), (Scope.CHECKS_WRITE,)))
    browser, refused = Browser(service, key), Browser(service, other)
    file = {"file": ("works.csv", GOOD.encode())}
    assert refused.send("/imports", {"dry_run": "true"}, files=file).status_code == 403
    assert not list(service.blobs.staging.iterdir())
    for _ in range(MOST_UPLOADS + 5):
        tried = browser.send("/imports", {"dry_run": "true"}, files=file)
        assert "?upload=upl_" in tried.headers["Location"]
    assert len(list(service.blobs.staging.iterdir())) == 1
    real = browser.send("/imports", {"upload": tried.headers["Location"].partition("=")[2], "dry_run": "false"})
    assert real.headers["Location"].startswith("/imports/imp_")
    assert not list(service.blobs.staging.iterdir())
