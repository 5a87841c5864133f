"""Receipts: one small file that proves, without the service that gave it, what was put on record and when.

A receipt holds what a record said, the salt under which the ledger committed to it, the entry with that
commitment, the way from the entry to the root of the log, and the signed checkpoint with that root. It is
canonical JSON (RFC 8785) from its first byte to its last, and every member takes part in the proof, so no
byte of it can be changed. What it cannot prove is that the key is the service's own: who reads it years
later compares the key with one that they got elsewhere, which may be an older or a newer key of the log.

Where there are any, it also holds a time-stamp of the checkpoint, the cosignatures of witnesses, and the
handovers that led to the key. These can be left out of a receipt, which then says less; they cannot be changed.
The first format had none of them.
"""

import binascii
import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import rfc8785
from cryptography.x509 import Certificate

from registry.domain.checkpoint import BadCheckpoint, Checkpoint, only_signed_by, open_checkpoint
from registry.domain.handover import Handover, introduces, open_handover
from registry.domain.merkle import leaf_hash, verify_inclusion
from registry.domain.timestamp import BadTimestamp, Stamp, is_vouched, read_reply, verify_reply
from registry.domain.witness import Cosignature, open_cosignature
from registry.errors import LedgerError

FIRST_FORMAT: Final = "clearmark-receipt-1"
FORMAT: Final = "clearmark-receipt-2"
MAX_BYTES: Final = 1 << 20
_MEMBERS: Final = frozenset({"format", "facts", "salt", "number", "entry", "hashes", "checkpoint", "key"})
_TEXTS_OF_ENTRY: Final = ("subject", "kind", "at")


class BadReceipt(LedgerError):
    """It proves nothing; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    """The reply of a time-stamp authority about the note of a checkpoint, and the log's signature on all of it."""

    reply: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a receipt says.

    Attributes:
        facts: what the record said, as the ledger holds it to it.
        salt: with which the entry commits to the facts.
        entry: the exact text of the entry, number `number` of the log.
        hashes: from the entry to the root.
        checkpoint: the signed note with that root: a line by the key, then one by each of the witnesses.
        verifier_key: the key of the note, as C2SP signed-note writes it.
        timestamp: of the note with the key's signature alone.
        handovers: the notes by which each key of the log introduced the next, up to this one.
        witnesses: the keys of who cosigned the checkpoint, in the order of their lines.
    """

    facts: dict[str, Any]
    salt: bytes
    number: int
    entry: str
    hashes: tuple[bytes, ...]
    checkpoint: str
    verifier_key: str
    timestamp: Timestamp | None = None
    handovers: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """A receipt that holds.

    Attributes:
        entry: the ledger's entry taken apart; its `subject`, `kind` and `at` are text.
        head: the log that it stands in.
        stamp: when the checkpoint was there at the latest; who says so is verified only where roots were given.
        cosignatures: which witnesses saw the log like this.
    """

    receipt: Receipt
    entry: dict[str, Any]
    head: Checkpoint
    stamp: Stamp | None
    cosignatures: tuple[Cosignature, ...]


def commitment(salt: bytes, facts: dict[str, Any]) -> str:
    """What an entry says of a record's facts without telling them: SHA-256 of salt and canonical JSON, in hex."""
    return hashlib.sha256(salt + rfc8785.dumps(facts)).hexdigest()


def write(receipt: Receipt, *, format: str = FORMAT) -> bytes:
    """The receipt as a file."""
    said: dict[str, Any] = {
        "format": format,
        "facts": receipt.facts,
        "salt": b64encode(receipt.salt).decode(),
        "number": receipt.number,
        "entry": receipt.entry,
        "hashes": [b64encode(value).decode() for value in receipt.hashes],
        "checkpoint": receipt.checkpoint,
        "key": receipt.verifier_key,
    }
    if receipt.timestamp is not None:
        stamp = receipt.timestamp
        said["timestamp"] = {"reply": b64encode(stamp.reply).decode(), "signature": b64encode(stamp.signature).decode()}
    if receipt.handovers:
        said["handovers"] = list(receipt.handovers)
    if receipt.witnesses:
        said["witnesses"] = list(receipt.witnesses)
    return rfc8785.dumps(said)


def prove(
    file: bytes,
    *,
    verifier_key: str | None = None,
    handovers: Sequence[Handover] = (),
    witnesses: Sequence[str] = (),
    tsa_roots: Sequence[Certificate] | None = None,
) -> Proved:
    """Check a receipt from its bytes alone.

    Args:
        verifier_key: a key of the service, known from elsewhere; None takes the receipt's own.
        handovers: of that service, beside those in the receipt: they lead to keys that came later.
        witnesses: the keys of witnesses without whose cosignatures it is not believed.
        tsa_roots: where the certificate of its time-stamp must end; None does not verify who stamped.
    Raises:
        BadReceipt: something in it does not hold, or is not there.
    """
    receipt = _read(file)
    try:
        head = open_checkpoint(receipt.checkpoint, verifier_key=receipt.verifier_key)
        chain = _chain_in(receipt)
        stamped = only_signed_by(receipt.checkpoint, verifier_key=receipt.verifier_key)
        cosignatures = tuple(open_cosignature(receipt.checkpoint, witness_key=key) for key in receipt.witnesses)
        if receipt.checkpoint != stamped + "".join(f"{cosignature.line}\n" for cosignature in cosignatures):
            raise BadCheckpoint(reason="It bears signatures that the receipt does not account for.")
    except BadCheckpoint as error:
        raise BadReceipt(problem=f"Its checkpoint does not hold: {error.reason}") from None
    if verifier_key is not None:
        _check_key(receipt.verifier_key, verifier_key.strip(), [*chain, *handovers])
    if missing := [key for key in witnesses if key.strip() not in receipt.witnesses]:
        raise BadReceipt(problem=f"Its checkpoint is not cosigned by {missing[0]}.")
    return Proved(
        receipt=receipt,
        entry=_entry_in(receipt, head),
        head=head,
        stamp=_stamp_in(receipt, stamped.encode(), tsa_roots),
        cosignatures=cosignatures,
    )


def _chain_in(receipt: Receipt) -> list[Handover]:
    """The handovers that led to the key, which must do so one after another."""
    chain = [open_handover(note) for note in receipt.handovers]
    if any(one.new != other.old for one, other in pairwise(chain)) or (chain and chain[-1].new != receipt.verifier_key):
        raise BadCheckpoint(reason="The handovers do not lead to its key.")
    return chain


def _check_key(key: str, known: str, handovers: Sequence[Handover]) -> None:
    if key != known and not introduces(handovers, known, key) and not introduces(handovers, key, known):
        raise BadReceipt(
            problem="It is signed with another key than the one given, and no handover leads from one to the other."
        )


def _entry_in(receipt: Receipt, head: Checkpoint) -> dict[str, Any]:
    leaf = leaf_hash(receipt.entry.encode())
    if not verify_inclusion(leaf, receipt.number, head.size, list(receipt.hashes), head.root):
        raise BadReceipt(problem="Its entry does not stand in the log that the checkpoint signs.")
    try:
        entry = json.loads(receipt.entry)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict) or entry.get("number") != receipt.number or not _says_what_happened(entry):
        raise BadReceipt(problem="Its entry is not one of this ledger.")
    if entry.get("commitment") != commitment(receipt.salt, receipt.facts):
        raise BadReceipt(problem="What it says was put on record is not what the entry commits to.")
    return entry


def _says_what_happened(entry: dict[str, Any]) -> bool:
    return all(isinstance(entry.get(name), str) for name in _TEXTS_OF_ENTRY)


def _stamp_in(receipt: Receipt, message: bytes, roots: Sequence[Certificate] | None) -> Stamp | None:
    stamp = receipt.timestamp
    if stamp is None:
        if roots is not None:
            raise BadReceipt(problem="It holds no time-stamp. Fetch a newer receipt, or leave the roots out.")
        return None
    if not is_vouched(stamp.signature, stamp.reply, message, verifier_key=receipt.verifier_key):
        raise BadReceipt(problem="Its time-stamp is not the one that the log vouches for.")
    try:
        if roots is None:
            return read_reply(stamp.reply, message)
        return verify_reply(stamp.reply, message, roots=roots)
    except BadTimestamp as bad:
        raise BadReceipt(problem=bad.problem) from None


def _read(file: bytes) -> Receipt:
    if len(file) > MAX_BYTES:
        raise BadReceipt(problem=f"A receipt has at most {MAX_BYTES} bytes.")
    try:
        said = json.loads(file)
        if rfc8785.dumps(said) != file:
            raise BadReceipt(problem="It was changed: it is not written as receipts are.")
        receipt = _taken_apart(said)
        known = said["format"] == FORMAT or (said["format"] == FIRST_FORMAT and said.keys() == _MEMBERS)
        if not known or not isinstance(said["facts"], dict) or write(receipt, format=said["format"]) != file:
            raise BadReceipt(problem=f"It is not a receipt of the format {FORMAT}.")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, rfc8785.CanonicalizationError):
        raise BadReceipt(problem="It is not a receipt.") from None
    return receipt


def _taken_apart(said: dict[str, Any]) -> Receipt:
    stamp = said.get("timestamp")
    return Receipt(
        facts=said["facts"],
        salt=_decoded(said["salt"]),
        number=_whole(said["number"]),
        entry=_text(said["entry"]),
        hashes=tuple(_decoded(value) for value in said["hashes"]),
        checkpoint=_text(said["checkpoint"]),
        verifier_key=_text(said["key"]),
        timestamp=None if stamp is None else _timestamp(stamp),
        handovers=tuple(_text(note) for note in said.get("handovers", ())),
        witnesses=tuple(_text(key) for key in said.get("witnesses", ())),
    )


def _timestamp(said: dict[str, Any]) -> Timestamp:
    return Timestamp(reply=_decoded(said["reply"]), signature=_decoded(said["signature"]))


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
