"""The commands of `clearmark consents`: a person lets a pipeline use their likeness or voice, and takes it back.

All speak to a service over HTTP.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from api.console import URL, AsJson, Holder, Key, Until, Url, columns, fields, service_at, show

consents = typer.Typer(help="What persons allow of their likeness and voice.", no_args_is_help=True)


@consents.command("grant")
def grant_consent(
    person: Annotated[str, typer.Argument(help="The person: a work of the kind likeness or voice, wrk_…")],
    key: Key,
    to: Annotated[str, typer.Option(help="The pipeline: the id of its holder, hld_…")],
    uses: Annotated[str, typer.Option(help="likeness, voice or both.")] = "both",
    clip: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, readable=True, help="For this file alone.")
    ] = None,
    clip_sha256: Annotated[str | None, typer.Option("--sha256", help="For the file of this SHA-256 alone.")] = None,
    project: Annotated[
        str | None, typer.Option(help="For this project alone, as the check's context names it.")
    ] = None,
    until: Until = None,
    conditions: Annotated[str | None, typer.Option(help="In words.")] = None,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Grant a consent for one clip, for one project, or, with --until alone, for everything until then."""
    if sum(given is not None for given in (clip, clip_sha256, project)) > 1:
        raise typer.BadParameter("Give one of --clip, --sha256 and --project, or none of them and --until.")
    said: dict[str, Any] = {"grantee_id": to, "uses": uses, "scope": "until"}
    if clip is not None:
        with clip.open("rb") as file:
            clip_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if clip_sha256 is not None:
        said |= {"scope": "clip", "clip_sha256": clip_sha256}
    elif project is not None:
        said |= {"scope": "project", "project": project}
    if until is not None:
        said["expires"] = until.isoformat()
    if conditions is not None:
        said["conditions"] = conditions
    with service_at(url, key, holder) as client:
        granted = client.grant_consent(person, **said)
    rows = {
        "consent": granted["id"], "person": granted["title"], "to": granted["grantee_id"], "uses": granted["uses"],
        "for": granted["clip_sha256"] or granted["project"] or "everything", "until": granted["expires"],
        "token": granted["token"],
    }  # fmt: skip
    show(granted, as_json=as_json, table=lambda: fields("Granted: hand the token to the pipeline", rows))


@consents.command("list")
def list_consents(
    key: Key,
    person: Annotated[
        str | None, typer.Option("--of", help="Those of this person; yours as a pipeline, when left out.")
    ] = None,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """List the consents that were given to you, or those of a person."""
    with service_at(url, key, holder) as client:
        found = list(client.consents(person))
    rows: list[list[object]] = [
        [c["id"], c["grantee_id"] if person else c["title"], c["uses"], c["scope"], c["state"]] for c in found
    ]
    names = ["consent", "to" if person else "person", "uses", "scope", "state"]
    show(found, as_json=as_json, table=lambda: columns("Consents", names, rows))


@consents.command("revoke")
def revoke_consent(
    consent_id: Annotated[str, typer.Argument(help="The consent's id.")],
    key: Key,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Take a consent back, from this moment on."""
    with service_at(url, key, holder) as client:
        client.revoke_consent(consent_id)
    show({"id": consent_id, "revoked": True}, as_json=as_json, table=lambda: f"{consent_id} is revoked.")
