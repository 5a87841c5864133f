"""The commands of `clearmark evidence`: the bundle of a notice, fetched once and verified wherever it lies.

`verify` needs nothing but the file: no service, no data folder, no settings. `fetch` speaks to a service over HTTP.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from api.console import URL, AsJson, Exit, Holder, Key, Url, columns, fields, service_at, show

if TYPE_CHECKING:
    from takedown.bundle_verification import Verified

evidence = typer.Typer(help="Evidence bundles of notices.", no_args_is_help=True)


def _verifier_key(text: str) -> str:
    """What is no verifier key is a slip of who typed it, and says nothing of the bundle."""
    from registry.domain.checkpoint import BadCheckpoint, decode_verifier_key

    key = text.strip()
    try:
        decode_verifier_key(key)
    except BadCheckpoint as bad:
        said = f"{text!r} is no verifier key. {bad.reason} One looks like clearmark.example+1a2b3c4d+AZ…="
        raise typer.BadParameter(said) from None
    return key


@evidence.command("verify")
def evidence_verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's file.")],
    key: Annotated[
        str | None,
        typer.Option(
            parser=_verifier_key, metavar="VERIFIER_KEY",
            help="A key of the ledger, known from elsewhere than the bundle.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Verify an evidence bundle, with no service and no data folder. Exit code: 0 all of it holds, 14 anything else."""
    from takedown.bundle import BadBundle
    from takedown.bundle_verification import verify

    try:
        found = verify(bundle, verifier_key=key)
    except OSError as error:
        raise typer.BadParameter(f"{bundle} cannot be read: {error.strerror}", param_hint="BUNDLE") from None
    except BadBundle as bad:
        problem = bad.problem
        told = {"valid": False, "findings": [{"file": None, "problem": problem}]}
        show(told, as_json=as_json, table=lambda: f"It proves nothing. {problem}")
        raise typer.Exit(Exit.NOT_VERIFIED) from None
    show(_told(found, key), as_json=as_json, table=lambda: _holding(found, key) if found.ok else _failing(found))
    raise typer.Exit(Exit.OK if found.ok else Exit.NOT_VERIFIED)


def _told(found: "Verified", key: str | None) -> dict[str, Any]:
    return {
        "valid": found.ok,
        "notice": found.notice_id,
        "files": found.files,
        "made_at": found.made_at and found.made_at.isoformat(),
        "signed_by": found.signed_by,
        "key_checked": key is not None,
        "receipts": [
            {
                "file": one.path, "record": one.record, "step": one.step, "at": one.at, "entry": one.number,
                "log_size": one.checkpoint_size,
            }
            for one in found.receipts
        ],
        "findings": [{"file": one.path or None, "problem": one.problem} for one in found.findings],
    }  # fmt: skip


def _holding(found: "Verified", key: str | None) -> str:
    receipts = [
        f"entry {one.number} of {one.checkpoint_size}: {one.record} {one.step} {one.at}" for one in found.receipts
    ]
    rows = {
        "notice": found.notice_id,
        "files": found.files,
        "made at": f"{found.made_at and found.made_at.isoformat()}  (as who signed it says)",
        "signed by": f"{found.signed_by}{'' if key else '  (the bundle’s own: compare it, or give --key)'}",
        "receipts": "\n".join(receipts),
    }
    return fields("The bundle holds", rows)


def _failing(found: "Verified") -> RenderableType:
    rows: list[list[object]] = [[one.path or "the archive", one.problem] for one in found.findings]
    return columns("The bundle does not hold", ["file", "finding"], rows)


@evidence.command("fetch")
def evidence_fetch(
    notice_id: Annotated[str, typer.Argument(help="The notice's id, ntc_…")],
    key: Key,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the bundle.")],
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Fetch all that proves a notice's course as one file, for `clearmark evidence verify` years later."""
    with service_at(url, key, holder) as client:
        client.evidence(notice_id, output)
    show({"notice": notice_id, "file": str(output)}, as_json=as_json, table=lambda: f"Written to {output}.")
