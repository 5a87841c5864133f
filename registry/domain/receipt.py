"""Receipts: one small file that proves, without the service that gave it, what was put on record and when.

A receipt holds what a record said, the salt under which the ledger committed to it, the entry with that
commitment, the way from the entry to the root of the log, and the signed checkpoint with that root. It is
canonical JSON (RFC 8785) from its first byte to its last, and every member takes part in the proof, so no
byte of it can be changed. What it cannot prove is that the key is the service's own: who reads it years
later compares the key with one that they got elsewhere.
"""

import binascii
import hashlib
import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

from registry.domain.checkpoint import BadCheckpoint, Checkpoint, open_checkpoint
from registry.domain.merkle import leaf_hash, verify_inclusion
from registry.errors import LedgerError

FORMAT: Final = "clearmark-receipt-1"
MAX_BYTES: Final = 1 << 20


class BadReceipt(LedgerError):
    """It proves nothing; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a receipt says.

    Attributes:
        facts: what the record said, as the ledger holds it to it.
        salt: with which the entry commits to the facts.
        entry: the exact text of the entry, number `number` of the log.
        hashes: from the entry to the root.
        checkpoint: the signed note with that root.
        verifier_key: the key of the note, as C2SP signed-note writes it.
    """

    facts: dict[str, Any]
    salt: bytes
    number: int
    entry: str
    hashes: tuple[bytes, ...]
    checkpoint: str
    verifier_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """A receipt that holds: `entry` is the ledger's entry taken apart, `head` the log that it stands in."""

    receipt: Receipt
    entry: dict[str, Any]
    head: Checkpoint


def commitment(salt: bytes, facts: dict[str, Any]) -> str:
    """What an entry says of a record's facts without telling them: SHA-256 of salt and canonical JSON, in hex."""
    return hashlib.sha256(salt + rfc8785.dumps(facts)).hexdigest()


def write(receipt: Receipt) -> bytes:
    """The receipt as a file."""
    return rfc8785.dumps(
        {
            "format": FORMAT,
            "facts": receipt.facts,
            "salt": b64encode(receipt.salt).decode(),
            "number": receipt.number,
            "entry": receipt.entry,
            "hashes": [b64encode(value).decode() for value in receipt.hashes],
            "checkpoint": receipt.checkpoint,
            "key": receipt.verifier_key,
        }
    )


def prove(file: bytes, *, verifier_key: str | None = None) -> Proved:
    """Check a receipt from its bytes alone.

    Args:
        verifier_key: the service's key, known from elsewhere; None takes the receipt's own.
    Raises:
        BadReceipt: something in it does not hold.
    """
    receipt = _read(file)
    if verifier_key is not None and verifier_key.strip() != receipt.verifier_key:
        raise BadReceipt(problem="It is signed with another key than the one given.")
    try:
        head = open_checkpoint(receipt.checkpoint, verifier_key=receipt.verifier_key)
    except BadCheckpoint as error:
        raise BadReceipt(problem=f"Its checkpoint does not hold: {error.reason}") from None
    leaf = leaf_hash(receipt.entry.encode())
    if not verify_inclusion(leaf, receipt.number, head.size, list(receipt.hashes), head.root):
        raise BadReceipt(problem="Its entry does not stand in the log that the checkpoint signs.")
    try:
        entry = json.loads(receipt.entry)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or entry.get("number") != receipt.number:
        raise BadReceipt(problem="Its entry is not one of this ledger.")
    if entry.get("commitment") != commitment(receipt.salt, receipt.facts):
        raise BadReceipt(problem="What it says was put on record is not what the entry commits to.")
    return Proved(receipt=receipt, entry=entry, head=head)


def _read(file: bytes) -> Receipt:
    if len(file) > MAX_BYTES:
        raise BadReceipt(problem=f"A receipt has at most {MAX_BYTES} bytes.")
    try:
        said = json.loads(file)
        if rfc8785.dumps(said) != file:
            raise BadReceipt(problem="It was changed: it is not written as receipts are.")
        if said["format"] != FORMAT or len(said) != 8 or not isinstance(said["facts"], dict):
            raise BadReceipt(problem=f"It is not a receipt of the format {FORMAT}.")
        return Receipt(
            facts=said["facts"],
            salt=_decoded(said["salt"]),
            number=_whole(said["number"]),
            entry=_text(said["entry"]),
            hashes=tuple(_decoded(value) for value in said["hashes"]),
            checkpoint=_text(said["checkpoint"]),
            verifier_key=_text(said["key"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError, rfc8785.CanonicalizationError):
        raise BadReceipt(problem="It is not a receipt.") from None


def _decoded(value: object) -> bytes:
    text = _text(value)
    decoded = b64decode(text, validate=True)
    if b64encode(decoded).decode() != text:  # one value, one spelling
        raise binascii.Error
    return decoded


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
