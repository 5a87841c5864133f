"""The commands of `clearmark people` and `clearmark audit`: what is held about a person, and who did what."""

import json
import os
import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer

from api.console import AsJson, columns, fields, show, the_service

people = typer.Typer(help="What is held about a person: given to them, or erased.", no_args_is_help=True)
audit = typer.Typer(help="Who decided what, and what operators did.", no_args_is_help=True)

_Who = Annotated[str, typer.Argument(metavar="ADDRESS|ACCOUNT", help="Their e-mail address, or acc_….")]


@people.command("export")
def export_person(
    who: _Who,
    output: Annotated[Path, typer.Option("--output", "-o", dir_okay=False, help="Where to write it; .json or .zip.")],
    as_json: AsJson = False,
) -> None:
    """Write all that is held about a person, and why and how long, for them to have."""
    from registry.admin_actions import Action, console, note
    from registry.people_data import export, find

    if output.suffix not in (".json", ".zip"):
        raise typer.BadParameter("Name a file that ends with .json or .zip.", param_hint="--output")
    with the_service() as service:
        with service.database.reading() as session:  # it may take a while, and nobody waits for it
            person = find(session, who)
            held = export(session, person)
        counts = {table: len(rows) for table, rows in held["records"].items()}
        try:
            _write_for_one(output, json.dumps(held, ensure_ascii=False, indent=1, default=str))
        except OSError as error:
            raise typer.BadParameter(f"It cannot be written: {error}.", param_hint="--output") from error
        with service.database.transaction() as session:
            note(session, Action.PERSON_EXPORTED, person.id, by=console(), at=service.now(), details=counts)
    title = f"Written to {output}" if counts else f"Nothing is held. Written to {output}"
    found = {"file": str(output), "person": person.id, "records": counts, "ledger": len(held["ledger"])}
    show(found, as_json=as_json, table=lambda: fields(title, counts))


def _write_for_one(output: Path, text: str) -> None:
    """Write what its owner alone may read, whoever could read a file that was there."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.truncate()
        if output.suffix == ".zip":
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("person.json", text)
        else:
            file.write(text.encode() + b"\n")


@people.command("erase")
def erase_person(
    who: _Who,
    reason: Annotated[str, typer.Option(help="Why, in a sentence, for the audit: that they asked, and when.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person: account, letters, and what they said that is over. Says what stays, and why."""
    from registry.admin_actions import Action, console, note
    from registry.people_data import StillHeld, erase, find
    from takedown.people import forget_claims, reasons_to_keep

    if not yes:
        typer.confirm(f"Erase {who}? It cannot be undone.", abort=True, err=True)
    with the_service() as service:
        at = service.now()
        with service.database.transaction() as session:
            person = find(session, who)
            if reasons := reasons_to_keep(session, person.notice_ids):
                raise StillHeld(reasons=reasons)
            erased = erase(session, person, at=at)
            claims = forget_claims(session, person.notice_ids, service.desk.policy, at=at)
            records = erased.records | claims.forgotten
            letters = [*erased.mail_ids, *claims.mail_ids]
            if person.email is not None and (person.account is not None or records or letters):
                said = {"records": len(records), "letters": len(letters)}
                note(session, Action.PERSON_ERASED, person.id, by=console(), at=at, reason=reason, details=said)
        service.post.forget(letters)
    stays = [*erased.stays, *claims.stays]
    found = {"person": person.id, "records": records, "letters": len(letters), "stays": stays}
    rows = {"records": "\n".join(records), "letters": len(letters), "stays": "\n".join(stays)}
    show(found, as_json=as_json, table=lambda: fields(f"Erased: {person.id}", rows))


@audit.command("list")
def list_acts(
    kind: Annotated[str | None, typer.Option(help="Only about: check, conflict, notice, holder, operator, …")] = None,
    by: Annotated[str | None, typer.Option(help="Only of this account, key or holder, or console:NAME.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List decisions of people and acts of operators, the newest first."""
    from registry.access import NOBODY, Actor, Scope
    from registry.audit import Kind, decisions

    if kind is not None and kind not in set(Kind):
        raise typer.BadParameter(f"{kind!r} is none of: {', '.join(Kind)}", param_hint="--kind")
    here = Actor(holder_id=NOBODY, scopes=frozenset({Scope.REVIEW}))
    with the_service() as service, service.database.reading() as session:
        rows = decisions(session, here, kind=Kind(kind) if kind else None, by=by, limit=limit)
    found: list[dict[str, Any]] = [
        {
            "at": row.at.isoformat(), "kind": row.kind.value, "about": row.about, "decision": row.decision,
            "reason": row.reason, "by": row.by, "who": row.who, "record": row.record, "entry": row.entry,
        }
        for row in rows
    ]  # fmt: skip
    cells = [[f["at"][:19], f["decision"], f["about"], f["who"] or f["by"] or "", f["reason"] or ""] for f in found]
    show(found, as_json=as_json, table=lambda: columns("Audit", ["when", "what", "about", "who", "why"], cells))
