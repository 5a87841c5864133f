"""The commands of `clearmark index`: they work on the database and the data folder, beside a running service too."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.console import AsJson, Exit, complain, fields, progress, show, the_service
from api.settings import SettingsError
from api.settings_shown import without_password
from fingerprinting.errors import FingerprintingError

if TYPE_CHECKING:
    from api.service import Service
    from registry.shared_index import SharedIndexes

index = typer.Typer(help="The fingerprint index.", no_args_is_help=True)
# Others may have their turn between, and whoever waits is told how far it is.
_SLICE_S = 30.0
# A quarter of the cells holds 0.986 of what is near (docs/benchmarks/index.md); less than this is no index of ours.
_LEAST_FOUND_0_1 = 0.95


@index.command("status")
def index_status(as_json: AsJson = False) -> None:
    """What the index holds, and whether the snapshot on disk is sound."""
    with the_service() as service:
        try:
            snapshot: object = service.index.restore(service.settings.snapshot_path)
        except FingerprintingError as error:
            snapshot = f"none that can be used: {error}"
        with service.database.reading() as session:
            head = service.index.catch_up(session, timeout_s=3600)
        found: dict[str, Any] = {"head": head, "snapshot": snapshot, "rows": service.index.sizes}
        found = {"engine": service.settings.index_engine, **found}
    rows = {"engine": found["engine"], "log head": head, "snapshot at": snapshot, **found["rows"]}
    show(found, as_json=as_json, table=lambda: fields("Index", rows))


@index.command("rebuild")
def index_rebuild(as_json: AsJson = False) -> None:
    """Build the index from the database alone and write a snapshot; a running service is not disturbed."""
    _write_snapshot(from_snapshot=False, as_json=as_json)


@index.command("snapshot")
def index_snapshot(as_json: AsJson = False) -> None:
    """Bring the snapshot up to date, so that the next start is quick."""
    _write_snapshot(from_snapshot=True, as_json=as_json)


@index.command("migrate")
def index_migrate(
    to: Annotated[str, typer.Option(help="The engine to fill: milvus://user:password@host:19530/database")],
    as_json: AsJson = False,
) -> None:
    """Fill another engine from the database while checks go on, and hold it against exact answers.

    It changes no setting. Interrupted, it goes on from where it was when it is started again.
    """
    from api.service import make_shared
    from registry.index_samples import sample

    try:
        shared = make_shared(to)
    except ValueError as error:
        raise SettingsError(f"--to: {error}") from error
    if shared is None:
        problem = "every process builds it from the database: set CLEARMARK_INDEX_URL=faiss:// and restart"
        raise SettingsError(f"--to: faiss:// needs nothing moved; {problem}")
    with the_service() as service, progress("Filling the engine", quiet=as_json) as done:
        sequence = _fill(service, shared, done)
        with service.database.reading() as session:
            reached, indexes = shared.caught_up(session, sequence, until=time.monotonic() + _SLICE_S)
            sampled = sample(session, indexes)
    setting = f"CLEARMARK_INDEX_URL={without_password(to)}"
    is_right = sampled.share_0_1 >= _LEAST_FOUND_0_1
    found: dict[str, Any] = {
        "sequence": reached, "rows": dict(shared.sizes(afresh=True)), "sampled_searches": sampled.searches,
        "found_0_1": round(sampled.share_0_1, 4), "is_right": is_right, "set": setting,
    }  # fmt: skip
    then = f"set {setting} and restart the processes one by one; those not yet restarted answer as before"
    rows = {
        "log sequence": reached, **found["rows"],
        "sampled searches": f"{sampled.searches}, which found {sampled.share_0_1:.2%} of the exact answers",
        "then": then if is_right else "do not use it, it misses what is there: look at Milvus, then run this again",
    }  # fmt: skip
    show(found, as_json=as_json, table=lambda: fields("Filled", rows))
    raise typer.Exit(Exit.OK if is_right else Exit.ERROR)


def _fill(service: "Service", shared: "SharedIndexes", done: Any) -> int:
    """Apply the log to its end, which moves while others register; returns where it was at last."""
    from registry.index import IndexBehind, head_sequence

    while True:
        with service.database.reading() as session:
            head = head_sequence(session)
            try:
                shared.caught_up(session, head, until=time.monotonic() + _SLICE_S)
            except IndexBehind as behind:
                done(behind.sequence / max(1, behind.target))
                continue
            return head


def _write_snapshot(*, from_snapshot: bool, as_json: bool) -> None:
    with the_service() as service, progress("Building the index", quiet=as_json):
        path = service.settings.snapshot_path
        if from_snapshot and path.exists():
            try:
                service.index.restore(path)
            except FingerprintingError as error:
                complain(f"the old snapshot is not used: {error}")
        with service.database.reading() as session:
            service.index.catch_up(session, timeout_s=24 * 3600)
        found: dict[str, Any] = {"sequence": service.index.save(path), "rows": service.index.sizes}
    rows = {"log sequence": found["sequence"], **found["rows"]}
    show(found, as_json=as_json, table=lambda: fields(f"Snapshot {path}", rows))
