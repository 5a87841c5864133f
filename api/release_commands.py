"""The commands about provenance: signing what may go out, verifying, and finding credentials again."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from api.console import (
    URL,
    AsJson,
    Exit,
    Holder,
    Key,
    Media,
    Reason,
    Url,
    columns,
    day,
    fields,
    progress,
    service_at,
    show,
    span,
)

releases = typer.Typer(help="Signed outputs.", no_args_is_help=True)

ReleaseId = Annotated[str, typer.Argument(help="The release's id, rel_…")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where to write it.")]


def release(
    check_id: Annotated[str, typer.Argument(help="A check that allows it.")],
    key: Key,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the signed file.")],
    title: Annotated[str | None, typer.Option()] = None,
    generator: Annotated[str | None, typer.Option(help="Name of the model that made the clip.")] = None,
    source_type: Annotated[
        str | None, typer.Option(help="How it was made, in IPTC's words.", show_default="trainedAlgorithmicMedia")
    ] = None,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Sign the file of a check and fetch it."""
    said: dict[str, Any] = {"title": title} if title else {}
    if generator:
        said["generator"] = {"name": generator}
    if source_type:
        said["digital_source_type"] = source_type
    with service_at(url, key, holder) as client, progress("Signing", quiet=as_json):
        made = client.release(check_id, **said)
        client.download(made["id"], output)
    rows = {"release": made["id"], "file": output, "sha256": made["sha256"], "manifest": made["manifest_id"]}
    show(made, as_json=as_json, table=lambda: fields(made["title"], rows))


def verify(
    file: Media,
    manifest: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, readable=True, help="Credentials that lie beside it (.c2pa)."),
    ] = None,
    recognise: Annotated[bool, typer.Option(help="Look for works and releases in what it shows.")] = True,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Ask where a file came from. Exit code: 0 intact, trusted and stood by, 14 anything else."""
    with service_at(url) as client, progress(f"Verifying {file.name}", quiet=as_json):
        found = client.verify(file, manifest=manifest, recognise=recognise)
    signer, stamp, standing = found["signer"], found["time_stamp"], found["release"]
    fallen = standing if standing is not None and standing["state"] != "signed" else None
    rows: dict[str, object] = {
        "integrity": found["integrity"]["state"],
        "failures": "\n".join(f"{one['explanation']} ({one['code']})" for one in found["integrity"]["failures"]),
        "signer": f"{signer['state']} {signer['name'] or ''}",
        "trust list": f"{signer['standing']}: {signer['trust_list']}" if signer["trust_list"] else "",
        "time-stamp": f"{stamp['state']} {stamp['at'] or ''} {stamp['authority'] or ''}",
        "made by": found["claim_generator"],
        "steps": "\n".join(_step(action) for action in found["actions"]),
        "made with AI": found["ai_generated"],
        "training": ", ".join(f"{use} {rule.get('use')}" for use, rule in found["training_mining"].items()),
        "identities": "\n".join(f"{', '.join(one['names'])} ({one['state']})" for one in found["identities"]),
        "made from": "\n".join(_tree(found["ingredients"])),
        "redacted": "\n".join(one["assertion"] for one in found["redactions"]),
        "release": f"{fallen['release_id']} {_fall(fallen)}" if fallen else "",
        "recovered": "\n".join(line for one in found["recovered"] for line in _recovered(one)),
        "registered works": "\n".join(f"{m['title']} {span(m, 'query')}" for m in found["registry_matches"]),
        "not compared": found["fingerprint_problem"],
        "consents": "\n".join(f"{c['id']} {c['state']}" for c in found["consents"]),
    }
    told = {name: value for name, value in rows.items() if value not in ("", None) or name in _ALWAYS}
    show(found, as_json=as_json, table=lambda: fields(file.name, told))
    trusted = found["integrity"]["state"] == "intact" and signer["state"] == "trusted" and fallen is None
    raise typer.Exit(Exit.OK if trusted else Exit.NOT_VERIFIED)


_ALWAYS = ("integrity", "signer", "made with AI", "recovered", "registered works")


def _fall(standing: Mapping[str, Any]) -> str:
    return f"revoked: {standing['revocation_reason']}" if standing["state"] == "revoked" else "taken down"


def _step(action: Mapping[str, Any]) -> str:
    kind = (action["digital_source_type"] or "").rpartition("/")[2]
    return " ".join(filter(None, [action["action"], action["software_agent"], kind and f"({kind})"]))


def _tree(ingredients: list[dict[str, Any]], depth: int = 0) -> list[str]:
    lines = []
    for one in ingredients:
        state = f"{one['integrity']['state']}, signer {one['signer']['state']}"
        lines.append(f"{'  ' * depth}{one['title'] or 'untitled'} ({one['relationship']}): {state}")
        lines += _tree(one["ingredients"], depth + 1)
    return lines


def _recovered(one: Mapping[str, Any]) -> list[str]:
    """What a file was led back to, and what was changed of it."""
    lines = [one["statement"]]
    for change in one["differences"]:
        side = "reference" if change["query_start_s"] == change["query_end_s"] else "query"
        where = "of the release" if side == "reference" else "of the file"
        lines.append(f"  {change['change'].replace('_', ' ')}: {span(change, side)} {where}")
    return lines


@releases.command("list")
def list_releases(key: Key, holder: Holder = None, url: Url = URL, as_json: AsJson = False) -> None:
    """List your releases."""
    with service_at(url, key, holder) as client:
        found = list(client.releases())
    rows: list[list[object]] = [[r["id"], r["title"], r["state"], r["media_type"], day(r["created_at"])] for r in found]
    show(
        found, as_json=as_json, table=lambda: columns("Releases", ["release", "title", "state", "kind", "signed"], rows)
    )


@releases.command("revoke")
def revoke_release(
    release_id: ReleaseId,
    key: Key,
    reason: Reason,
    revocation: Annotated[
        str, typer.Option("--as", help="bad_check, mistake, withdrawn, key_compromise; a reviewer also takedown.")
    ],
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Stand by a release no more: whoever verifies it is told at once, and its file is not served. For good."""
    with service_at(url, key, holder) as client:
        revoked = client.revoke_release(release_id, revocation, reason)
    rows = {"state": revoked["state"], "as": revoked["revocation"], "reason": revoked["revocation_reason"]}
    show(revoked, as_json=as_json, table=lambda: fields(revoked["title"], rows))


@releases.command("manifest")
def release_manifest(
    release_id: ReleaseId, key: Key, output: Output, holder: Holder = None, url: Url = URL, as_json: AsJson = False
) -> None:
    """Fetch a release's credentials alone: what lies beside a file that cannot carry them (.c2pa)."""
    with service_at(url, key, holder) as client:
        client.release_manifest(release_id, output)
    show({"release": release_id, "file": str(output)}, as_json=as_json, table=lambda: f"Written to {output}.")


@releases.command("snippet")
def release_snippet(
    release_id: ReleaseId, key: Key, holder: Holder = None, url: Url = URL, as_json: AsJson = False
) -> None:
    """Print the JSON-LD that a page which shows the release gives to search engines."""
    del as_json  # it is JSON either way
    from registry.snippets import written

    with service_at(url, key, holder) as client:
        said = client.release_snippet(release_id)
    sys.stdout.write(written(said) + "\n")


def recover(
    file: Media,
    resolver: Annotated[
        str, typer.Option("--resolver", help="A Soft Binding Resolution service: its origin, or the base of its API.")
    ],
    token: Annotated[
        str | None, typer.Option(envvar="CLEARMARK_RESOLVER_TOKEN", help="What its operator gave you, if it wants one.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the credentials of the best match here, as .c2pa.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find a file's credentials again with any C2PA resolver. Exit code: 0 found, 14 none found.

    What is found belongs to what the resolver says the file resembles; read it with `clearmark verify`.
    """
    from clearmark.client.resolver import Resolver

    with Resolver(resolver, token) as asked, progress(f"Asking {resolver}", quiet=as_json):
        found = asked.recover(file)
    if output is not None and found:
        output.write_bytes(found[0].store)
    told: list[dict[str, Any]] = [
        {
            "manifest_id": one.manifest_id, "similarity": one.similarity, "endpoint": one.endpoint,
            "size_bytes": len(one.store),
        }
        for one in found
    ]  # fmt: skip
    rows: list[list[object]] = [[t["manifest_id"], t["similarity"] or "", t["size_bytes"], t["endpoint"]] for t in told]
    names = ["manifest", "similarity, of 100", "bytes", "from"]
    title = f"Credentials of what {file.name} resembles" if told else "No credentials were found."
    show(told, as_json=as_json, table=lambda: columns(title, names, rows) if rows else title)
    raise typer.Exit(Exit.OK if found else Exit.NOT_VERIFIED)
