"""Following a ledger from outside: whoever keeps its last checkpoint sees it when history is rewritten.

A new key of the log is believed when the one that was kept introduced it, through as many keys as lie between. Given
the keys of witnesses, the log must also have shown itself to each of them as it shows itself here.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clearmark.client import Client
from registry.domain.checkpoint import Checkpoint, open_checkpoint
from registry.domain.handover import introduces, read_handovers
from registry.domain.merkle import verify_consistency
from registry.domain.witness import name_of, open_cosignature
from registry.errors import LedgerError
from registry.ledger_keys import newest_signer


def follow(client: Client, kept: Path, *, witnesses: Sequence[str] = ()) -> dict[str, Any]:
    """Compare a log with the checkpoint kept of it, and keep the newest.

    The first time there is nothing to compare with: what the service says is believed and kept, its key too.

    Args:
        witnesses: verifier keys of those who must have seen the same log.
    Raises:
        LedgerError: the log was rewritten, another key signs it, or a witness did not see it like this; what was kept
            stays as it was, as evidence.
    """
    # First what witnesses saw, then the newest: the other way round the log may have grown between.
    seen = client.cosigned_checkpoint([name_of(witness) for witness in witnesses]) if witnesses else ""
    note, key = client.checkpoint()
    before = _read(kept)
    if before is not None and before["key"] != key:
        _check_introduced(client, before["key"], key)
    head = open_checkpoint(note, verifier_key=key)
    old = open_checkpoint(before["checkpoint"], verifier_key=before["key"]) if before else None
    if old is not None:
        _check_added(client, old, head, by="seen before")
    witnessed = _witnessed(client, seen, head, key, witnesses) if witnesses else []
    partial = kept.with_name(f"{kept.name}.{os.getpid()}")
    partial.write_text(json.dumps({"checkpoint": note, "key": key}) + "\n")
    partial.replace(kept)
    return {
        "origin": head.origin, "before": old.size if old else 0, "size": head.size, "checkpoint": note, "key": key,
        "witnesses": witnessed,
    }  # fmt: skip


def _check_introduced(client: Client, known: str, key: str) -> None:
    handovers = read_handovers(client.ledger_keys())
    if introduces(handovers, known, key):
        return
    if introduces(handovers, key, known):
        raise LedgerError(
            problem="The log is signed with the key before the one seen last: not every process of the service was"
            " started again after the key was rotated. Ask again when they were."
        )
    raise LedgerError(problem=f"The log is signed with another key than before: {key}")


def _check_added(client: Client, old: Checkpoint, head: Checkpoint, *, by: str) -> None:
    if head.origin != old.origin:
        raise LedgerError(problem=f"It is another log: {head.origin} instead of {old.origin}.")
    if head.size < old.size:
        raise LedgerError(problem=f"The log had {old.size} entries and now has {head.size}: entries are gone.")
    proof = client.consistency(old.size, head.size) if old.size > 0 else []
    if not verify_consistency(old.size, head.size, old.root, head.root, proof):
        raise LedgerError(problem=f"The log is not the one of {old.size} entries {by}: it was rewritten.")


def _witnessed(
    client: Client, note: str, head: Checkpoint, key: str, witnesses: Sequence[str]
) -> list[dict[str, object]]:
    """What each witness saw and when, once it is shown that the log only added to it."""
    handovers = read_handovers(client.ledger_keys())
    older = [handover.old for handover in handovers if introduces(handovers, handover.old, key)]
    cosignatures = [open_cosignature(note, witness_key=witness) for witness in witnesses]
    seen = open_checkpoint(note, verifier_key=newest_signer(note, [*older, key]) or key)
    _check_added(client, seen, head, by="that witnesses saw")
    return [{"name": said.witness, "size": seen.size, "at": said.at.isoformat()} for said in cosignatures]


def _read(kept: Path) -> dict[str, str] | None:
    if not kept.exists():
        return None
    try:
        said = json.loads(kept.read_text())
        return {"checkpoint": str(said["checkpoint"]), "key": str(said["key"])}
    except (ValueError, KeyError, TypeError):
        raise LedgerError(problem=f"{kept} is not what `clearmark ledger follow` keeps. Give another file.") from None
