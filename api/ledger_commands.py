"""The commands of `clearmark ledger`: proofs of what was put on record, beside the service and far from it.

`prove` of a receipt needs nothing but the file; `receipt` and `follow` speak to a service over HTTP; the others work
on the data folder. `rotate-key` and `forget` are acts of the operator that cannot be undone.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.console import URL, AsJson, Exit, Holder, Key, Url, fields, progress, service_at, show, the_service

if TYPE_CHECKING:
    from registry.domain.checkpoint import KeyKind

ledger = typer.Typer(help="The append-only log.", no_args_is_help=True)


@ledger.command("checkpoint")
def ledger_checkpoint(as_json: AsJson = False) -> None:
    """Print the signed head of the log."""
    from registry.ledger import checkpoint

    with the_service() as service, service.database.transaction() as session:
        note = checkpoint(session, service.ledger, at=service.now())
        found = {"checkpoint": note, "key": service.ledger.verifier_key}
    show(found, as_json=as_json, table=lambda: note.rstrip())


@ledger.command("prove")
def ledger_prove(
    proved: Annotated[str, typer.Argument(metavar="RECEIPT|NUMBER", help="A receipt's file, or an entry's number.")],
    key: Annotated[str | None, typer.Option(help="A key of the ledger, known from elsewhere than the receipt.")] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, readable=True,
            help="What /v1/ledger/keys answered: leads from the receipt's key to a newer one.",
        ),
    ] = None,
    witness: Annotated[
        list[str] | None, typer.Option(help="Verifier key of a witness that must have cosigned; may be repeated.")
    ] = None,
    tsa_roots: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, readable=True,
            help="PEM file with the roots of time-stamp authorities: verifies who stamped.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Prove a receipt, with no service and no data folder; or that an entry stands in the log of this one."""
    if proved.isascii() and proved.isdigit():
        _prove_entry(int(proved), as_json=as_json)
        return
    from registry.domain.checkpoint import KeyKind
    from registry.domain.handover import read_handovers
    from registry.domain.timestamp import read_roots

    _check_keys([key] if key is not None else [], KeyKind.NOTE, "--key")
    _check_keys(witness or [], KeyKind.COSIGNATURE_V1, "--witness")
    asked: dict[str, Any] = {
        "verifier_key": key,
        "handovers": read_handovers(keys.read_bytes()) if keys else (),
        "witnesses": witness or (),
        "tsa_roots": read_roots(tsa_roots.read_bytes()) if tsa_roots else None,
    }
    _prove_receipt(Path(proved), asked, as_json=as_json)


def _check_keys(keys: list[str], kind: "KeyKind", option: str) -> None:
    """What is no verifier key is a slip of who typed it, and says nothing of the receipt or the log."""
    from registry.domain.checkpoint import BadCheckpoint, decode_verifier_key

    for key in keys:
        try:
            decode_verifier_key(key.strip(), kind)
        except BadCheckpoint as bad:
            said = f"{key!r} is no verifier key. {bad.reason} One looks like clearmark.example+1a2b3c4d+AZ…="
            raise typer.BadParameter(said, param_hint=option) from None


def _prove_receipt(file: Path, asked: dict[str, Any], *, as_json: bool) -> None:
    from registry.domain.receipt import MAX_BYTES, BadReceipt, prove

    try:
        with file.open("rb") as opened:
            found = prove(opened.read(MAX_BYTES + 1), **asked)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="RECEIPT|NUMBER") from None
    except BadReceipt as bad:
        problem = bad.problem
        show({"valid": False, "problem": problem}, as_json=as_json, table=lambda: f"It proves nothing. {problem}")
        raise typer.Exit(Exit.ERROR) from None
    key, stamp = asked["verifier_key"], found.stamp
    told = {
        "valid": True, "record": found.entry["subject"], "step": found.entry["kind"], "at": found.entry["at"],
        "facts": found.receipt.facts, "entry": found.receipt.number, "log_size": found.head.size,
        "origin": found.head.origin, "key": found.receipt.verifier_key, "key_checked": key is not None,
        "timestamp": stamp and {
            "at": stamp.at.isoformat(), "authority": stamp.authority, "verified": asked["tsa_roots"] is not None,
        },
        "witnesses": [{"key": said.witness_key, "at": said.at.isoformat()} for said in found.cosignatures],
    }  # fmt: skip
    unverified = "" if asked["tsa_roots"] is not None else "  (not verified: give --tsa-roots)"
    rows = {
        "record": told["record"], "step": told["step"], "put on record": told["at"],
        **{f"said: {name}": value for name, value in found.receipt.facts.items() if value not in (None, [], {})},
        "entry": f"{found.receipt.number} of {found.head.size}", "log": found.head.origin,
        "key": f"{found.receipt.verifier_key}{'' if key else '  (the receipt’s own: compare it, or give --key)'}",
        "time-stamp": stamp and f"{stamp.at.isoformat()} by {stamp.authority}{unverified}",
        "witnesses": "\n".join(f"{said.at.isoformat()} by {said.witness_key}" for said in found.cosignatures),
    }  # fmt: skip
    show(told, as_json=as_json, table=lambda: fields("The receipt holds", rows))


def _prove_entry(number: int, *, as_json: bool) -> None:
    from registry.domain.checkpoint import open_checkpoint
    from registry.domain.merkle import leaf_hash, verify_inclusion
    from registry.ledger import prove

    with the_service() as service, service.database.transaction() as session:
        proof = prove(session, number, service.ledger, at=service.now())
        head = open_checkpoint(proof.checkpoint, verifier_key=service.ledger.verifier_key)
    hashes = list(proof.hashes)
    valid = verify_inclusion(leaf_hash(proof.data.encode()), number, head.size, hashes, head.root)
    found = {
        "number": number, "data": proof.data, "checkpoint": proof.checkpoint,
        "hashes": [value.hex() for value in hashes], "valid": valid,
    }  # fmt: skip
    rows = {"entry": proof.data, "log size": head.size, "root": head.root.hex(), "proof holds": valid}
    show(found, as_json=as_json, table=lambda: fields(f"Entry {number}", rows))
    raise typer.Exit(Exit.OK if valid else Exit.ERROR)


@ledger.command("receipt")
def ledger_receipt(
    subject_id: Annotated[str, typer.Argument(help="A work, reservation, consent, check, release or notice of yours.")],
    key: Key,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the receipt.")],
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Fetch the file that proves what a record says, for `clearmark ledger prove` years later; proves it once."""
    from registry.domain.receipt import prove

    with service_at(url, key, holder) as client:
        file = client.receipt(subject_id)
    found = prove(file)
    output.write_bytes(file)
    told = {"record": subject_id, "entry": found.receipt.number, "file": str(output)}
    show(told, as_json=as_json, table=lambda: f"Written to {output}.")


@ledger.command("follow")
def ledger_follow(
    kept: Annotated[
        Path, typer.Argument(dir_okay=False, help="Where the last checkpoint seen is kept; made when new.")
    ],
    witness: Annotated[
        list[str] | None, typer.Option(help="Verifier key of a witness that must have seen the log; may be repeated.")
    ] = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Take the log's newest checkpoint and prove that the log only added to the one seen before."""
    from api.follow import follow
    from registry.domain.checkpoint import KeyKind

    _check_keys(witness or [], KeyKind.COSIGNATURE_V1, "--witness")
    with service_at(url) as client:
        found = follow(client, kept, witnesses=witness or ())
    seen = "\n".join(f"{said['size']} entries, {said['at']}, {said['name']}" for said in found["witnesses"])
    rows = {
        "log": found["origin"], "key": found["key"], "entries before": found["before"], "entries now": found["size"],
        "seen by witnesses": seen,
    }  # fmt: skip
    show(found, as_json=as_json, table=lambda: fields("The log only added to what it was", rows))


@ledger.command("rotate-key")
def ledger_rotate_key(as_json: AsJson = False) -> None:
    """Make the key that signs checkpoints from the next start on; the present one introduces it."""
    from api.keyring import rotate
    from api.service import ledger_identity, ledger_ring, new_ledger_key
    from registry.admin_actions import Action, console, note
    from registry.ledger import introduce_keys
    from registry.ledger_keys import OVERLAP

    with the_service() as service:
        file = rotate(ledger_ring(service.settings), new_ledger_key)
        with service.database.transaction() as session:
            *_, before, new = introduce_keys(session, ledger_identity(service.settings), at=service.now())
            note(session, Action.LEDGER_KEY_ROTATED, new.id, by=console(), at=service.now())
    until = new.introduced_at + OVERLAP
    found = {
        "key": new.verifier_key, "number": new.number, "file": str(file), "before": before.verifier_key,
        "both_sign_until": until.isoformat(), "takes_effect": "at the next start",
    }  # fmt: skip
    said = (
        f"Key {new.number} is {new.verifier_key}\nIt lies in {file}: back it up. It signs from the next start on:"
        f" start every process of the service again.\nUntil {until:%Y-%m-%d} the key before signs too; tell your"
        " witnesses of the new one until then."
    )
    show(found, as_json=as_json, table=lambda: said)


@ledger.command("forget")
def ledger_forget(
    subject_id: Annotated[str, typer.Argument(help="A work, reservation, check or notice that is over.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase what a record says of a person, and destroy what opens the log's commitments to it. For good."""
    from registry.admin_actions import Action, console, note
    from registry.domain.identifiers import Prefix
    from registry.forgetting import forget
    from takedown import retention

    if not yes:
        typer.confirm(f"Forget {subject_id}? What it said can never be proved again.", abort=True, err=True)
    with the_service() as service:
        with service.database.transaction() as session:
            if subject_id.partition("_")[0] == Prefix.NOTICE:
                forgotten = retention.forget(session, subject_id, at=service.now())
                closed, letters = forgotten.entries, forgotten.mail_ids
            else:
                closed, letters = forget(session, subject_id, at=service.now()), ()
            note(session, Action.RECORD_FORGOTTEN, subject_id, by=console(), at=service.now())
        service.post.forget(letters)
    found = {"record": subject_id, "entries": closed}
    said = f"{subject_id} is forgotten: {closed} entries of the log can no longer be opened. Backups still hold it."
    show(found, as_json=as_json, table=lambda: said)


@ledger.command("verify")
def ledger_verify(as_json: AsJson = False) -> None:
    """Prove the whole log from the database; says what was changed or is missing."""
    from registry.ledger import forgotten_records, size_of, verify

    with the_service() as service, service.database.reading() as session:
        size, forgotten = size_of(session), forgotten_records(session)
        with progress(f"Proving {size} entries", quiet=as_json):
            problems = list(verify(session, verifier_key=service.ledger.verifier_key))
    found = {"entries": size, "valid": not problems, "forgotten": forgotten, "problems": problems}
    said = "\n".join(problems) if problems else f"All {size} entries are there, unchanged, and signed for."
    if forgotten:
        said += f"\n{forgotten} records were forgotten: what they said can no longer be proved."
    show(found, as_json=as_json, table=lambda: said)
    raise typer.Exit(Exit.ERROR if problems else Exit.OK)
