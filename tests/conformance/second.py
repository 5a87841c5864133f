"""Another verifier's opinion: encypher-c2pa, which shares no code with the library that we read with.

Decides how its report maps to the states that ours has. It is asked offline, with our anchors alone, and may send
nothing: telemetry is off, and its settings lie in a folder of the tests.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import encypher_c2pa

from provenance.authority import Credentials, TrustAnchor
from provenance.media_types import media_type_of
from provenance.model import IntegrityState
from tests.conformance.workshop import Opinion, integrity_codes

SUPPORTED = frozenset(encypher_c2pa.supported_mime_types())


# Unreadable is a way of not being intact: what is at fault, where the library gives no report.
NOT_INTACT = frozenset({IntegrityState.INVALID, IntegrityState.UNREADABLE})


def agree(ours: IntegrityState, theirs: IntegrityState) -> bool:
    return ours is theirs or {ours, theirs} <= NOT_INTACT


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondOpinion(Opinion):
    """With what it says of the signer, and of the time-stamp."""

    trusted: bool
    all_codes: frozenset[str]


def second_says(
    path: Path, credentials: Credentials, *, anchors: tuple[TrustAnchor, ...] | None = None,
    tsa_pem: str | None = None, manifest_store: bytes | None = None,
) -> SecondOpinion | None:  # fmt: skip
    """Its opinion; None for a kind of file that it does not know."""
    media_type = media_type_of(path)
    if media_type not in SUPPORTED:
        return None
    trusted = credentials.anchors if anchors is None else anchors
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(os.environ, ENCYPHER_C2PA_CONFIG_DIR=folder, ENCYPHER_C2PA_TELEMETRY="off"),
    ):
        report = encypher_c2pa.verify(
            path.read_bytes(),
            media_type,
            manifest_store=manifest_store,
            trust_pem="\n".join(anchor.pem for anchor in trusted),
            tsa_trust_pem=tsa_pem,
            no_default_trust=True,
            telemetry=False,
            online=False,
        )
    results = report["validation_results"] or {}
    codes = [entry["code"] for entry in results.get("failure", ())]
    succeeded = [entry["code"] for entry in results.get("success", ())]
    state = IntegrityState.INTACT if report["integrity"] == "valid" else IntegrityState.INVALID
    if codes == ["manifest.inaccessible"]:  # as it says that they are kept elsewhere
        state = IntegrityState.REMOTE
    elif not report["present"]:
        state = IntegrityState.ABSENT
    return SecondOpinion(
        state=state,
        codes=integrity_codes(codes),
        trusted=report["trust"]["status"] == "valid_for_supplied_material",
        all_codes=frozenset([*codes, *succeeded]),
    )
