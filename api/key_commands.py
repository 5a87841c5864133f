"""The commands of `clearmark keys`: they work on the data folder, beside a running service too."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

from api.console import AsJson, Over, columns, day, fields, noted, show, the_service
from api.settings import load_settings

keys = typer.Typer(help="API keys.", no_args_is_help=True)


@keys.command("create")
def create_key(
    holder: Annotated[str, typer.Option(help="Name of the holder; made when there is none.")],
    scopes: Annotated[str, typer.Option(help="Comma-separated: works:write,checks:write,…")],
    days: Annotated[int | None, typer.Option(min=1, help="Days until the key expires.")] = None,
    assurance: Annotated[str, typer.Option(help="For a new holder: unverified, email, domain or vetted.")] = "vetted",
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once."""
    from registry.access import Scope, find_or_add_holder, issue_key
    from registry.admin_actions import Action, console, note
    from registry.domain.policy import Assurance

    wanted = [_one_of(Scope, text.strip(), "--scopes") for text in scopes.split(",")]
    level = _one_of(Assurance, assurance, "--assurance")
    with the_service() as service, service.database.transaction() as session:
        at = service.now()
        row = find_or_add_holder(session, name=holder, assurance=level, at=at)
        holder_id = row.id
        expires_at = at + timedelta(days=days) if days else None
        issued = issue_key(session, row, wanted, at=at, expires_at=expires_at)
        said = {"holder": holder_id, "scopes": [scope.value for scope in issued.scopes]}
        note(session, Action.KEY_MADE, issued.id, by=console(), at=at, details=said)
    scopes_given = [scope.value for scope in issued.scopes]
    result = {"id": issued.id, "key": issued.key, "scopes": scopes_given, "holder_id": holder_id}
    rows = {"id": issued.id, "key": issued.key, "scopes": ", ".join(scopes_given), "holder": holder_id}
    show(result, as_json=as_json, table=lambda: fields(f"Key of {holder}: it is shown this once", rows))


@keys.command("list")
def list_keys(
    holder: Annotated[str | None, typer.Option(help="Only those of this holder: its name or hld_…")] = None,
    over: Over = False,
    as_json: AsJson = False,
) -> None:
    """List keys and when each was last used; what a key is made of is shown when it is made, and never again."""
    import sqlalchemy as sa

    from registry.access import live
    from registry.models import ApiKey, Holder

    query = sa.select(ApiKey).join(Holder, Holder.id == ApiKey.holder_id).order_by(ApiKey.id)
    if holder is not None:
        query = query.where(sa.or_(Holder.name == holder, Holder.id == holder))
    with the_service() as service, service.database.reading() as session:
        if not over:
            query = query.where(live(service.now()))
        found: list[dict[str, Any]] = [
            {
                "id": key.id, "holder_id": key.holder_id, "holder": key.holder.name, "name": key.name,
                "scopes": key.scopes, "created_at": key.created_at, "expires_at": key.expires_at,
                "revoked_at": key.revoked_at, "used_at": key.used_at,
            }
            for key in session.scalars(query)
        ]  # fmt: skip
    names = ["key", "holder", "holder id", "name", "scopes", "created", "expires", "last used"]
    rows = [
        [
            key["id"], key["holder"], key["holder_id"], key["name"] or "", ", ".join(key["scopes"]),
            day(key["created_at"]), "revoked" if key["revoked_at"] else day(key["expires_at"]), day(key["used_at"]),
        ]
        for key in found
    ]  # fmt: skip
    show(found, as_json=as_json, table=lambda: columns("Keys", names, rows))


@keys.command("rotate-signing")
def rotate_signing(as_json: AsJson = False) -> None:
    """Make a new key for feeds and consents. It signs from the next start on; copies then ask for --trust-new-keys."""
    from api.keyring import rotate
    from registry.admin_actions import Action
    from registry.domain.tokens import generate_pem

    file = rotate(load_settings().keys_folder / "tokens", generate_pem)
    noted(Action.SIGNING_KEY_ROTATED, file.name)
    show({"file": str(file)}, as_json=as_json, table=lambda: f"{file} signs once the service is started again.")


@keys.command("revoke")
def end_key(key_id: Annotated[str, typer.Argument(help="The key's id.")], as_json: AsJson = False) -> None:
    """End a key at once."""
    from registry.access import revoke_key
    from registry.admin_actions import Action, console, note

    with the_service() as service, service.database.transaction() as session:
        revoke_key(session, key_id, at=service.now())
        note(session, Action.KEY_REVOKED, key_id, by=console(), at=service.now())
    show({"id": key_id, "revoked": True}, as_json=as_json, table=lambda: f"{key_id} is revoked.")


def _one_of[E: StrEnum](kind: type[E], text: str, option: str) -> E:
    try:
        return kind(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is none of: {', '.join(kind)}", param_hint=option) from None
