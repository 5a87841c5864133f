"""Following a ledger from outside: whoever keeps its last checkpoint sees it when history is rewritten."""

import json
import os
from pathlib import Path
from typing import Any

from api.client import Client
from registry.domain.checkpoint import open_checkpoint
from registry.domain.merkle import verify_consistency
from registry.errors import LedgerError


def follow(client: Client, kept: Path) -> dict[str, Any]:
    """Compare a log with the checkpoint kept of it, and keep the newest.

    The first time there is nothing to compare with: what the service says is believed and kept, its key too.

    Raises:
        LedgerError: the log was rewritten, or another key signs it; what was kept stays as it was, as evidence.
    """
    note, key = client.checkpoint()
    before = _read(kept)
    if before is not None and before["key"] != key:
        raise LedgerError(problem=f"The log is signed with another key than before: {key}")
    head = open_checkpoint(note, verifier_key=key)
    old = open_checkpoint(before["checkpoint"], verifier_key=key) if before else None
    if old is not None and old.size:
        if head.size < old.size:
            raise LedgerError(problem=f"The log had {old.size} entries and now has {head.size}: entries are gone.")
        proof = client.consistency(old.size, head.size)
        if not verify_consistency(old.size, head.size, old.root, head.root, proof):
            raise LedgerError(problem=f"The log is not the one of {old.size} entries seen before: it was rewritten.")
    partial = kept.with_name(f"{kept.name}.{os.getpid()}")
    partial.write_text(json.dumps({"checkpoint": note, "key": key}) + "\n")
    partial.replace(kept)
    return {"origin": head.origin, "before": old.size if old else 0, "size": head.size, "checkpoint": note}


def _read(kept: Path) -> dict[str, str] | None:
    if not kept.exists():
        return None
    try:
        said = json.loads(kept.read_text())
        return {"checkpoint": str(said["checkpoint"]), "key": str(said["key"])}
    except (ValueError, KeyError, TypeError):
        raise LedgerError(problem=f"{kept} is not what `clearmark ledger follow` keeps. Give another file.") from None
