"""The `clearmark` command. `register`, `import`, `export`, `check`, `explain`, `release`, `releases`, `verify`,
`consents`, `reservations`, `negatives`, `conflicts`, `findings`, `quarantines`, `notices`, `misuse`, `transparency`,
`holders`, `domains`, `agents` and `sync` speak to a service over HTTP; `recover` to any resolver of credentials;
`preferences` asks a service, or a copy with no network at all; `letters` and `evidence` speak to a service, but to
`preview` the words and to `verify` a bundle they need none; `keys`, `trust`, `signer`, `webhooks`, `index`, `fsck`,
`backup`, `people` and `audit` work on the data folder, beside a running service too; `restore` where none runs;
`ledger` does both.

Exit codes: 0 fine; 1 error; 2 wrong use; 10 block; 11 review; 12 unknown, also of a file that cannot be read;
13 a file to be registered, added or verified cannot be used; 14 verification found something that is not intact or not
trusted, or no credentials were recovered; 15 rows of an import were refused, or a format could not say all.
"""

import gc
import itertools
import json
import logging
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from api.algorithm_commands import algorithms
from api.backup_commands import backup, restore
from api.consent_commands import consents
from api.console import (
    URL,
    VERDICT_EXITS,
    AsJson,
    Exit,
    Holder,
    Key,
    Media,
    Url,
    columns,
    complain,
    fields,
    progress,
    said_of_database,
    service_at,
    show,
    span,
)
from api.copy_commands import preferences, sync
from api.decision_commands import conflicts, findings, quarantines
from api.desk_commands import letters, misuse
from api.evidence_commands import evidence
from api.fsck_commands import fsck
from api.holder_commands import agents, domains, holders
from api.index_commands import index
from api.key_commands import keys
from api.ledger_commands import ledger
from api.notice_commands import notices, transparency
from api.people_commands import audit, people
from api.release_commands import recover, release, releases, verify
from api.reservation_commands import reservations
from api.settings import SettingsError, load_settings
from api.trust_commands import signer, trust
from api.webhook_commands import webhooks
from clearmark.client import ClearmarkError, Problem, Unreachable
from clearmark.client import local as local_fingerprint
from fingerprinting.errors import FingerprintingError
from provenance.errors import ProvenanceError
from registry.errors import RegistryError
from takedown.errors import TakedownError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
negatives = typer.Typer(help="Material that everybody may use.", no_args_is_help=True)
_GROUPS = {
    "keys": keys,
    "webhooks": webhooks,
    "index": index,
    "algorithms": algorithms,
    "ledger": ledger,
    "negatives": negatives,
    "consents": consents,
    "preferences": preferences,
    "reservations": reservations,
    "conflicts": conflicts,
    "findings": findings,
    "quarantines": quarantines,
    "notices": notices,
    "letters": letters,
    "misuse": misuse,
    "evidence": evidence,
    "holders": holders,
    "domains": domains,
    "agents": agents,
    "releases": releases,
    "trust": trust,
    "signer": signer,
    "people": people,
    "audit": audit,
}
for name, group in _GROUPS.items():
    app.add_typer(group, name=name)
app.command("sync")(sync)
app.command("recover")(recover)
app.command("release")(release)
app.command("verify")(verify)
app.command("fsck")(fsck)
app.command("backup")(backup)
app.command("restore")(restore)
app.command("transparency")(transparency)


def _tell_version(value: bool) -> None:
    if value:
        typer.echo(f"clearmark {metadata.version('clearmark')}")
        raise typer.Exit


@app.callback(help=__doc__)
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say it.")] = False,
) -> None:
    """What may stand before a command."""


# How many objects come to be before Python looks for cycles among them. It would each 700: hundreds of times while
# modules are imported, for a quarter of a start, and as often in one answer about ten thousand works.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> None:
    """Run the command; every error that can be foreseen is one line, not a trace."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        app()
    except Unreachable as error:
        complain(f"{error}. Start it with: clearmark serve")
        sys.exit(Exit.ERROR)
    except Problem as problem:
        complain(str(problem))
        fault = "fault" in problem.document
        sys.exit(Exit.REJECTED if fault else Exit.ERROR)
    except (SettingsError, RegistryError, TakedownError, FingerprintingError, ProvenanceError, ClearmarkError) as error:
        complain(str(error))
        sys.exit(Exit.ERROR)
    except Exception as error:
        if (words := said_of_database(error)) is None:
            raise
        complain(words)
        sys.exit(Exit.ERROR)


# -- a service ---------------------------------------------------------------------------------


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Run the service in the foreground, worker included; SIGTERM stops it cleanly."""
    from api.server import serve as run

    given = {"host": host, "port": port}
    run(load_settings(**{name: value for name, value in given.items() if value is not None}))


@app.command()
def worker(
    beat: Annotated[bool, typer.Option(help="Also send the periodic tasks; one worker must.")] = False,
    queues: Annotated[
        str, typer.Option(help="What to take, comma-separated: fingerprint, sign, deliver, deadlines. Empty: all.")
    ] = "",
) -> None:
    """Run a worker process, for a service with a broker. Each queue must be taken by one; the index is held, and
    media opened, only by those that take `fingerprint`."""
    from api import gauges, housekeeping, logs, telemetry
    from api.lookout import Lookout
    from api.runner import give_back_leases
    from api.service import build_service
    from api.worker import kinds_of, make_celery, queues_named, register_tasks, run_worker

    try:
        named = queues_named(queues)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--queues") from None

    settings = load_settings()
    if settings.is_embedded:
        raise SettingsError("CLEARMARK_BROKER_URL: memory:// has its worker inside `clearmark serve`")
    logs.configure(as_json=settings.logs_json, level=settings.log_level)
    looks_at_media = "fingerprint" in named
    service = build_service(settings, compares_pictures=looks_at_media)
    if looks_at_media:
        service.load_index()
    telemetry.start(settings, "worker", engine=service.database.engine)
    gauges.serve_beside(service)
    housekeeping.start_sweeping(service)
    celery = make_celery(settings)
    register_tasks(celery, service)
    Lookout(service=service, kinds=kinds_of(named)).start()

    def let_go() -> None:
        give_back_leases(service)
        telemetry.stop()

    run_worker(celery, settings, named, beat=beat, give_back=let_go)


@app.command()
def demo(
    keep: Annotated[Path | None, typer.Option(help="Keep the demo's files in this folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the main job end to end on real clips and music; fails if any outcome differs."""
    from api.demo import run_demo

    raise typer.Exit(run_demo(keep, as_json=as_json))


@app.command()
def settings(as_json: AsJson = False) -> None:
    """List the settings, all of them environment variables: Markdown tables, or as JSON those in force."""
    from api.settings_shown import describe, in_force

    if as_json:
        show(in_force(load_settings()), as_json=True, table=str)
    else:
        sys.stdout.write(describe())


@app.command()
def openapi() -> None:
    """Print the API's specification."""
    from api.app import specification

    sys.stdout.write(json.dumps(specification(), indent=2) + "\n")


# -- over HTTP ---------------------------------------------------------------------------------


@app.command()
def register(
    file: Media,
    key: Key,
    title: Annotated[str, typer.Option(help="Title of the work.")],
    kind: Annotated[str, typer.Option(help="film, clip, sound_recording, …")] = "clip",
    policy: Annotated[str, typer.Option(help="What to do with copies: block, review or notify.")] = "review",
    reserve: Annotated[
        list[str] | None, typer.Option(help="A reserved use: train, depict_in_output, …; may be repeated.")
    ] = None,
    confidential: Annotated[
        bool, typer.Option("--confidential", help="Withhold the title: others learn that it is registered, not what.")
    ] = False,
    local: Annotated[
        bool,
        typer.Option("--fingerprint-only", help="Fingerprint here; the media never leaves this machine."),
    ] = False,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Register a work with one file and reserve its uses."""
    said: dict[str, Any] = {
        "title": title,
        "kind": kind,
        "policy": policy,
        "confidential": confidential,
        "reservations": [{"use": use, "value": "reserved"} for use in reserve or []],
    }
    with service_at(url, key, holder) as client, progress(f"Registering {file.name}", quiet=as_json) as tell:
        source = _document(file) if local else file
        work = client.register_work(**said)
        asset = client.add_asset(work["id"], source, progress=tell)
    result = {"work": work, "asset": asset}
    rows = {
        "work": work["id"], "asset": asset["id"], "status": asset["status"], "reason": asset["problem"],
        "fingerprints": ", ".join(asset["fingerprints"]), "conflicts": len(asset["conflicts"]),
    }  # fmt: skip
    show(result, as_json=as_json, table=lambda: fields(title, rows))
    raise typer.Exit(Exit.OK if asset["status"] == "indexed" else Exit.REJECTED)


@app.command()
def check(
    file: Media,
    key: Key,
    explain_to: Annotated[
        Path | None, typer.Option("--explain", help="Write a page that shows what matches, as HTML.")
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="A JSON object: persons whom the clip shows, consents, project, generator, …")
    ] = None,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Ask whether a clip copies a registered work. Exit code: 0 clear, 10 block, 11 review, 12 unknown.

    Unknown is also what cannot be read. Whatever is not 0 must not go out, 1 and 2 included: then nobody answered.
    """
    with service_at(url, key, holder) as client, progress(f"Checking {file.name}", quiet=as_json) as tell:
        try:
            found = client.check(file, context=_json_object(context, "--context"), progress=tell)
        except Problem as problem:
            if "fault" not in problem.document:
                raise
            complain(str(problem))
            raise typer.Exit(Exit.UNKNOWN) from None
        if explain_to is not None and found["explanation"] is not None:
            explain_to.write_text(client.explanation(found["id"]))
    verdict = found["verdict"] or "unknown"

    def table() -> RenderableType:
        rows: list[list[object]] = [
            [m["title"], m["modality"], span(m, "query"), span(m, "reference"), f"{m['score']:.2f}"]
            for m in found["matches"]
        ]
        title = f"{verdict.upper()}  {found['id']}\n" + "\n".join(r["message"] for r in found["reasons"])
        return columns(title, ["work", "by", "in this clip", "in the work", "score"], rows)

    show(found, as_json=as_json, table=table)
    raise typer.Exit(VERDICT_EXITS[verdict])


@app.command()
def explain(
    check_id: Annotated[str, typer.Argument(help="A check that matched something.")],
    key: Key,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the page, as HTML.")],
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Write a page that shows what a check matched: frames, sound, and where they lie in the work."""
    with service_at(url, key, holder) as client, progress("Explaining", quiet=as_json):
        output.write_text(client.explanation(check_id))
    show({"check": check_id, "file": str(output)}, as_json=as_json, table=lambda: f"Written to {output}.")


@app.command("import")
def import_catalogue(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV, JSON Lines or DDEX ERN.")
    ],
    key: Key,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become of each row, and do nothing.")
    ] = False,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Register the works of a file; rows that cannot be taken are named, the others go on record."""
    with service_at(url, key, holder) as client, progress(f"Importing {file.name}", quiet=as_json):
        found = client.import_catalogue(file, dry_run=dry_run)
        refused = list(client.import_rows(found["id"], outcome="refused"))
        told = [outcome for outcome in ("registered", "skipped") if found["format"] == "ddex" and found[outcome]]
        others = itertools.chain.from_iterable(client.import_rows(found["id"], outcome=outcome) for outcome in told)
        notes = Counter(row["note"] for row in others if row["note"])
    would = "would be " * dry_run
    title = f"{found['registered']} {would}registered, {found['known']} known already, {found['refused']} refused"
    title += f", {found['skipped']} skipped" * bool(found["skipped"])
    rows: list[list[object]] = [[row["number"], row["title"], row["field"], row["problem"]] for row in refused]
    rows += [[f"{count} ×", "", "note", note] for note, count in notes.most_common()]
    if found["problem"]:
        complain(found["problem"])
    if as_json or found["rows_done"] or not found["problem"]:  # of a file that was not read, only why is told
        show(
            {**found, "rows_refused": refused, "notes": notes},
            as_json=as_json,
            table=lambda: columns(title, ["row", "title", "in", "problem"], rows) if rows else title,
        )
    raise typer.Exit(Exit.ERROR if found["status"] == "failed" else Exit.INCOMPLETE if refused else Exit.OK)


@app.command("export")
def export_catalogue(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where to write; .csv or .jsonl.")],
    key: Key,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Write your works and what you say of them, as `clearmark import` takes them. Exit code 15: not all of it."""
    if file.suffix not in (".csv", ".jsonl"):
        raise typer.BadParameter("Name a file that ends with .csv or .jsonl.", param_hint="FILE")
    with service_at(url, key, holder) as client:
        client.export_catalogue(file, file.suffix.removeprefix("."))
        report = client.export_reservations(f"works{file.suffix}")
    show({"file": str(file), **report}, as_json=as_json, table=lambda: f"Written to {file}.")
    for remark in report["left_out"]:
        complain(f"{remark['where']}: {remark['problem']}")
    if more := report["left_out_count"] - len(report["left_out"]):
        complain(f"and {more} more things that the file does not say")
    raise typer.Exit(Exit.INCOMPLETE if report["left_out"] else Exit.OK)


@negatives.command("add")
def add_negative(
    file: Media,
    key: Key,
    title: Annotated[str, typer.Option(help="What it is, and why everybody may use it.")],
    local: Annotated[
        bool,
        typer.Option("--fingerprint-only", help="Fingerprint here; the media never leaves this machine."),
    ] = False,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Add material that everybody may use: what matches it counts for nobody."""
    with service_at(url, key, holder) as client, progress(f"Adding {file.name}", quiet=as_json) as tell:
        added = client.add_negative(title, _document(file) if local else file, progress=tell)
    rows = {"entry": added["id"], "status": added["status"], "reason": added["problem"]}
    show(added, as_json=as_json, table=lambda: fields(title, rows))
    raise typer.Exit(Exit.OK if added["status"] == "indexed" else Exit.REJECTED)


@negatives.command("list")
def list_negatives(key: Key, holder: Holder = None, url: Url = URL, as_json: AsJson = False) -> None:
    """List the negative bank."""
    with service_at(url, key, holder) as client:
        found = list(client.negatives())
    rows: list[list[object]] = [[n["id"], n["title"], n["status"], n["problem"] or ""] for n in found]
    show(found, as_json=as_json, table=lambda: columns("Negative bank", ["entry", "title", "status", ""], rows))


@negatives.command("remove")
def remove_negative(
    negative_id: Annotated[str, typer.Argument(help="The entry's id.")],
    key: Key,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Take material out of the negative bank: works that hold it claim it again."""
    with service_at(url, key, holder) as client:
        client.remove_negative(negative_id)
    show({"id": negative_id, "removed": True}, as_json=as_json, table=lambda: f"{negative_id} is removed.")


# -- on this machine ---------------------------------------------------------------------------


@app.command()
def fingerprint(
    file: Media,
    query: Annotated[
        bool, typer.Option("--query", help="Make it to be checked: larger, with every view of every frame.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fingerprint a file here and print the document; the media never leaves this machine."""
    del as_json  # a document is JSON either way
    with progress(f"Fingerprinting {file.name}", quiet=False):
        document = _document(file, is_query=query)
    sys.stdout.write(json.dumps(document) + "\n")


# -- parts -------------------------------------------------------------------------------------


def _document(file: Path, *, is_query: bool = False) -> dict[str, Any]:
    from api.service import make_embedder

    return local_fingerprint.document(file, is_query=is_query, embedder=make_embedder(load_settings()))


def _json_object(text: str | None, option: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text) if text is not None else None
    except ValueError:
        found = text
    if found is not None and not isinstance(found, dict):
        raise typer.BadParameter("Give a JSON object.", param_hint=option)
    return found


if __name__ == "__main__":
    main()
