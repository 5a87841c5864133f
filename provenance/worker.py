"""One request on standard input, one answer on standard output: `python -m provenance.worker`.

The process in which hostile media is opened. It may die at any moment; what
that means is isolated's to say.
"""

import json
import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from provenance.authority import SigningIdentity, TrustAnchor
from provenance.encoding import decode, encode
from provenance.errors import ProvenanceError
from provenance.model import ReleaseClaim


class Operation(StrEnum):
    """What a worker can be asked."""

    SIGN = "sign"
    READ = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything one operation needs; `sign` fills target and claim, `read` media_type."""

    operation: Operation
    identity: SigningIdentity
    trust_anchors: tuple[TrustAnchor, ...]
    tsa_url: str | None
    source: Path
    target: Path | None = None
    claim: ReleaseClaim | None = None
    media_type: str | None = None


def perform(request: Request) -> dict[str, Any]:
    """The answer to a request: `{"ok": true, "value": …}` or `{"ok": false, "error": {kind, fields}}`."""
    # Here and not above: isolated imports this module, and its process has no need of c2pa.
    from provenance.engine import LibraryEngine

    engine = LibraryEngine(identity=request.identity, trust_anchors=request.trust_anchors, tsa_url=request.tsa_url)
    try:
        if request.operation is Operation.READ:
            return {"ok": True, "value": encode(engine.read(request.source, request.media_type or ""))}
        if request.target is None or request.claim is None:
            raise ValueError("a sign request has a target and a claim")
        return {"ok": True, "value": encode(engine.sign(request.source, request.target, request.claim))}
    except ProvenanceError as error:
        return {"ok": False, "error": {"kind": type(error).__name__, "fields": encode(vars(error))}}


def main() -> None:
    """Answer one request. Standard output is kept for the answer alone, whatever a library prints."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = decode(Request, json.load(sys.stdin))
    with answers:
        json.dump(perform(request), answers)


if __name__ == "__main__":
    main()
