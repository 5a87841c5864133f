"""The commands of `clearmark ledger`: proofs of what was put on record, beside the service and far from it.

`prove` of a receipt needs nothing but the file; `receipt` and `follow` speak to a service over HTTP; the others work
on the data folder.
"""

from pathlib import Path
from typing import Annotated

import typer

from api.client import Client
from api.console import URL, AsJson, Exit, Key, Url, fields, progress, show, the_service

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
    key: Annotated[str | None, typer.Option(help="The ledger's key, known from elsewhere than the receipt.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove a receipt, with no service and no data folder; or that an entry stands in the log of this one."""
    if proved.isascii() and proved.isdigit():
        _prove_entry(int(proved), as_json=as_json)
    else:
        _prove_receipt(Path(proved), key, as_json=as_json)


def _prove_receipt(file: Path, key: str | None, *, as_json: bool) -> None:
    from registry.domain.receipt import MAX_BYTES, BadReceipt, prove

    try:
        with file.open("rb") as opened:
            found = prove(opened.read(MAX_BYTES + 1), verifier_key=key)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="RECEIPT|NUMBER") from None
    except BadReceipt as bad:
        problem = bad.problem
        show({"valid": False, "problem": problem}, as_json=as_json, table=lambda: f"It proves nothing. {problem}")
        raise typer.Exit(Exit.ERROR) from None
    told = {
        "valid": True, "record": found.entry["subject"], "step": found.entry["kind"], "at": found.entry["at"],
        "facts": found.receipt.facts, "entry": found.receipt.number, "log_size": found.head.size,
        "origin": found.head.origin, "key": found.receipt.verifier_key, "key_checked": key is not None,
    }  # fmt: skip
    rows = {
        "record": told["record"], "step": told["step"], "put on record": told["at"],
        **{f"said: {name}": value for name, value in found.receipt.facts.items() if value not in (None, [], {})},
        "entry": f"{found.receipt.number} of {found.head.size}", "log": found.head.origin,
        "key": f"{found.receipt.verifier_key}{'' if key else '  (the receipt’s own: compare it, or give --key)'}",
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
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Fetch the file that proves what a record says, for `clearmark ledger prove` years later; proves it once."""
    from registry.domain.receipt import prove

    with Client(url, key) as client:
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
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Take the log's newest checkpoint and prove that the log only added to the one seen before."""
    from api.follow import follow

    with Client(url) as client:
        found = follow(client, kept)
    rows = {"log": found["origin"], "entries before": found["before"], "entries now": found["size"]}
    show(found, as_json=as_json, table=lambda: fields("The log only added to what it was", rows))


@ledger.command("verify")
def ledger_verify(as_json: AsJson = False) -> None:
    """Prove the whole log from the database; says what was changed or is missing."""
    from registry.ledger import size_of, verify

    with the_service() as service, service.database.reading() as session:
        size = size_of(session)
        with progress(f"Proving {size} entries", quiet=as_json):
            problems = list(verify(session, verifier_key=service.ledger.verifier_key))
    found = {"entries": size, "valid": not problems, "problems": problems}
    said = "\n".join(problems) if problems else f"All {size} entries are there, unchanged, and signed for."
    show(found, as_json=as_json, table=lambda: said)
    raise typer.Exit(Exit.ERROR if problems else Exit.OK)
