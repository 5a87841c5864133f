"""Handovers: one key of the log introduces the next, so that who knows one can believe the other.

A handover is a C2SP signed note with a text of its own, signed by the old key, which vouches for the new one, and by
the new one, which shows that it is held and says whom it relieves. A chain of them leads forwards, from a key that was
pinned to the one that signs today, and backwards, from today's to the one under an old receipt; never both in one
chain, for a key that was stolen later could introduce a second heir. It does not decide how long the old key goes on
signing beside the new one.

What cannot be told from a handover: whether the old key was already stolen when it made it.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from registry.domain.checkpoint import (
    BadCheckpoint,
    add_signature,
    decode_verifier_key,
    encode_verifier_key,
    only_signed_by,
    open_note,
    sign_note,
    split_note,
)

FORMAT: Final = "clearmark-ledger-handover-1"
MAX_DOCUMENT_BYTES: Final = 1 << 20
_TEXT: Final = re.compile(rf"{FORMAT}\nsize (0|[1-9][0-9]{{0,18}})\nfrom (\S+)\nto (\S+)\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """The key `old` of a log of `size` entries says that `new` signs what comes; both in C2SP's writing."""

    size: int
    old: str
    new: str
    note: str


def hand_over(*, origin: str, size: int, old: Ed25519PrivateKey, new: Ed25519PrivateKey) -> Handover:
    """Introduce a new key of a log by its old one."""
    names = [encode_verifier_key(signer_name=origin, key=key.public_key()) for key in (old, new)]
    text = f"{FORMAT}\nsize {size}\nfrom {names[0]}\nto {names[1]}\n"
    note = add_signature(sign_note(text, signer_name=origin, key=old), signer_name=origin, key=new)
    return Handover(size=size, old=names[0], new=names[1], note=note)


def open_handover(note: str) -> Handover:
    """Read a handover; every byte of it is bound by its two signatures.

    Raises:
        BadCheckpoint: not one, or not signed by both keys, the old one first.
    """
    text, signatures = split_note(note)
    match = _TEXT.fullmatch(text)
    if match is None or len(signatures) != 2:
        raise BadCheckpoint(reason="It is not the handover of a ledger's key.")
    old, new = match[2], match[3]
    if old == new or decode_verifier_key(old)[0] != decode_verifier_key(new)[0]:
        raise BadCheckpoint(reason="A handover is from one key of a log to another of the same log.")
    for key, signature in zip((old, new), signatures, strict=True):
        open_note(note, verifier_key=key)
        if not only_signed_by(note, verifier_key=key).endswith(f"\n{signature.line}\n"):
            raise BadCheckpoint(reason="A handover is signed by the old key first.")
    return Handover(size=int(match[1]), old=old, new=new, note=note)


def read_handovers(document: bytes) -> list[Handover]:
    """The handovers in what a service says of its keys (`GET /v1/ledger/keys`); who to believe is decided elsewhere.

    Raises:
        BadCheckpoint: it is not that, or one of them is bad.
    """
    try:
        said = json.loads(document) if len(document) <= MAX_DOCUMENT_BYTES else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, list) or not all(isinstance(key, dict) and "handover" in key for key in said):
        raise BadCheckpoint(reason="It is not what a service says of its ledger's keys.")
    return [open_handover(str(key["handover"])) for key in said if key["handover"] is not None]


def introduces(handovers: Iterable[Handover], known: str, new: str) -> bool:
    """Whether a chain of handovers leads from a known key to another, each signed by the one before."""
    heirs: dict[str, list[str]] = {}
    for handover in handovers:
        heirs.setdefault(handover.old, []).append(handover.new)
    reached, open_ends = {known}, [known]
    while open_ends:
        found = [heir for heir in heirs.get(open_ends.pop(), ()) if heir not in reached]
        reached.update(found)
        open_ends += found
    return new in reached
