"""Checkpoints: the ledger's size and root, signed, in the format other logs' tools read.

Decides the text of a tree head (C2SP tlog-checkpoint) and of the signed note
around it (C2SP signed-note), with Ed25519 as the only algorithm. It does not
decide when to sign, nor whether two checkpoints are consistent (merkle), nor
where the key is kept, nor what a witness signs (witness).

A note's text means nothing until its signature is verified, so the only way to
read a checkpoint here is `open_checkpoint`.

Source: c2sp.org/signed-note, c2sp.org/tlog-checkpoint.
"""

import binascii
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from registry.domain.merkle import EMPTY_ROOT, HASH_BYTES
from registry.errors import LedgerError

# The specification asks for some limit that still admits 16 signatures of 5 kB.
MAX_NOTE_CHARS: Final = 1_000_000

_KEY_ID_BYTES: Final = 4
_PUBLIC_KEY_BYTES: Final = 32
_SIGNATURE_LINE: Final = re.compile(r"— (\S+) (\S+)")
_TREE_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


class KeyKind(Enum):
    """What a key signs; the byte that C2SP signed-note gives it."""

    NOTE = b"\x01"
    COSIGNATURE_V1 = b"\x04"


class BadCheckpoint(LedgerError):
    """A checkpoint, its signature or the key to it cannot be accepted."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(problem=reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A tree head: `origin` names the log, `root` is the hash over its first `size` entries."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or _has_control(self.origin):
            raise BadCheckpoint(reason="The origin must be one line of text.")
        if self.size < 0:
            raise BadCheckpoint(reason=f"A log cannot hold {self.size} entries.")
        if len(self.root) != HASH_BYTES:
            raise BadCheckpoint(reason=f"The root hash must have {HASH_BYTES} bytes, not {len(self.root)}.")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise BadCheckpoint(reason="The root hash is not that of an empty log.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature line of a note, `line` without its newline; not verified yet."""

    line: str
    name: str
    key_id: bytes
    value: bytes


def sign_checkpoint(checkpoint: Checkpoint, *, signer_name: str, key: Ed25519PrivateKey) -> str:
    """The checkpoint as a signed note; the specification wants `signer_name` to equal the origin."""
    root = b64encode(checkpoint.root).decode()
    return sign_note(f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n", signer_name=signer_name, key=key)


def open_checkpoint(note: str, *, verifier_key: str) -> Checkpoint:
    """Verify the note and read the checkpoint in it.

    Args:
        note: as `sign_checkpoint` or another log made it. Signatures by other
            keys and extension lines are allowed and ignored.
        verifier_key: as `encode_verifier_key` makes it.
    Raises:
        BadCheckpoint: not signed by that key, or not a checkpoint.
    """
    lines = open_note(note, verifier_key=verifier_key).split("\n")[:-1]
    if len(lines) < 3 or not all(lines):
        raise BadCheckpoint(reason="A checkpoint has at least three lines, none of them empty.")
    origin, size, root, *_extensions = lines
    if not _TREE_SIZE.fullmatch(size):
        raise BadCheckpoint(reason="The tree size is not a plain decimal number.")
    return Checkpoint(origin=origin, size=int(size), root=_decode_base64(root, what="root hash"))


def sign_note(text: str, *, signer_name: str, key: Ed25519PrivateKey) -> str:
    """Sign `text`, whose last character is a newline, as a C2SP signed note."""
    _check_signer_name(signer_name)
    _check_note(text)
    line = signature_line(signer_name, key_id(signer_name, key.public_key()), key.sign(text.encode()))
    return f"{text}\n{line}"


def open_note(note: str, *, verifier_key: str) -> str:
    """The text of a signed note, once a signature by `verifier_key` is found good.

    Raises:
        BadCheckpoint: malformed, not signed by that key, or wrongly signed.
    """
    name, public_key = decode_verifier_key(verifier_key)
    text, signatures = split_note(note)
    verified = False
    for signature in signatures:
        if (signature.name, signature.key_id) != (name, key_id(name, public_key)):
            continue  # another key's, say a witness's: unknown signatures are ignored
        try:
            public_key.verify(signature.value, text.encode())
        except InvalidSignature:
            raise BadCheckpoint(reason=f"The signature by {name} does not match the note.") from None
        verified = True
    if not verified:
        raise BadCheckpoint(reason=f"The note is not signed by {name}.")
    return text


def split_note(note: str) -> tuple[str, list[Signature]]:
    """A note's text and its signatures, of which nothing is verified yet.

    Raises:
        BadCheckpoint: malformed.
    """
    _check_note(note)
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines:
        raise BadCheckpoint(reason="The note carries no signature.")
    return text + "\n", [_read_signature(line) for line in lines.split("\n")[:-1]]


def add_signature(note: str, *, signer_name: str, key: Ed25519PrivateKey) -> str:
    """The note with one signature more."""
    text, _ = split_note(note)
    return note + sign_note(text, signer_name=signer_name, key=key).removeprefix(f"{text}\n")


def only_signed_by(note: str, *, verifier_key: str) -> str:
    """The note with the signature of one key alone, which is verified: the same bytes whoever signed it since.

    Raises:
        BadCheckpoint: as `open_note`; or that key signed it twice.
    """
    text = open_note(note, verifier_key=verifier_key)
    [line] = _signatures_by(note, verifier_key)
    return f"{text}\n{line.line}\n"


def bears_signature(note: str, *, verifier_key: str) -> bool:
    """Whether a key signed a note of ours; it is not verified."""
    return bool(_signatures_by(note, verifier_key))


def _signatures_by(note: str, verifier_key: str) -> list[Signature]:
    name, public_key = decode_verifier_key(verifier_key)
    found = [s for s in split_note(note)[1] if (s.name, s.key_id) == (name, key_id(name, public_key))]
    if len(found) > 1:
        raise BadCheckpoint(reason=f"The note is signed twice by {name}.")
    return found


def _read_signature(line: str) -> Signature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None:
        raise BadCheckpoint(reason="A signature line is malformed.")
    value = _decode_base64(match[2], what="signature")
    return Signature(line=line, name=match[1], key_id=value[:_KEY_ID_BYTES], value=value[_KEY_ID_BYTES:])


def signature_line(name: str, key_id: bytes, value: bytes) -> str:
    """A signature as the last lines of a note have it, newline included."""
    return f"— {name} {b64encode(key_id + value).decode()}\n"


def encode_verifier_key(*, signer_name: str, key: Ed25519PublicKey, kind: KeyKind = KeyKind.NOTE) -> str:
    """The text a verifier needs: name+hex key id+base64(kind || public key)."""
    _check_signer_name(signer_name)
    encoded = b64encode(kind.value + key.public_bytes_raw()).decode()
    return f"{signer_name}+{key_id(signer_name, key, kind).hex()}+{encoded}"


def decode_verifier_key(verifier_key: str, kind: KeyKind = KeyKind.NOTE) -> tuple[str, Ed25519PublicKey]:
    """The signer's name and public key.

    Raises:
        BadCheckpoint: malformed, not an Ed25519 key of that kind, or the key id is not this key's.
    """
    parts = verifier_key.split("+", 2)
    if len(parts) != 3:
        raise BadCheckpoint(reason="A verifier key reads name+key id+key.")
    name, named_id, encoded = parts
    _check_signer_name(name)
    key = _decode_base64(encoded, what="verifier key")
    if key[:1] != kind.value or len(key) != 1 + _PUBLIC_KEY_BYTES:
        what = "an Ed25519 key" if kind is KeyKind.NOTE else "a witness's Ed25519 key (kind 4)"
        raise BadCheckpoint(reason=f"The verifier key is not {what}.")
    public_key = Ed25519PublicKey.from_public_bytes(key[1:])
    if named_id != key_id(name, public_key, kind).hex():
        raise BadCheckpoint(reason="The verifier key's id does not belong to its name and key.")
    return name, public_key


def key_id(name: str, key: Ed25519PublicKey, kind: KeyKind = KeyKind.NOTE) -> bytes:
    """The four bytes by which a signature line names its key."""
    return sha256(name.encode() + b"\n" + kind.value + key.public_bytes_raw()).digest()[:_KEY_ID_BYTES]


def generate_key() -> Ed25519PrivateKey:
    """A new signing key."""
    return Ed25519PrivateKey.generate()


def key_to_pem(key: Ed25519PrivateKey) -> bytes:
    """The key as unencrypted PKCS #8 PEM; whoever stores it guards it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_from_pem(pem: bytes) -> Ed25519PrivateKey:
    """Read what `key_to_pem` wrote.

    Raises:
        LedgerError: not an unencrypted Ed25519 private key.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise LedgerError(problem="The ledger key is not a readable, unencrypted PEM private key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerError(problem="The ledger key is not an Ed25519 key.")
    return key


def _check_signer_name(name: str) -> None:
    if not name or "+" in name or _has_control(name) or any(character.isspace() for character in name):
        raise BadCheckpoint(reason="A signer's name has no spaces, no plus sign and at least one character.")


def _check_note(note: str) -> None:
    if len(note) > MAX_NOTE_CHARS:
        raise BadCheckpoint(reason=f"The note is longer than {MAX_NOTE_CHARS} characters.")
    if not note.endswith("\n") or _has_control(note.replace("\n", "")):
        raise BadCheckpoint(reason="A note is plain text and ends with a newline.")


def _has_control(text: str) -> bool:
    """Whether `text` has what a note may not: control characters, or what UTF-8 cannot carry."""
    return any(character < " " or "\ud800" <= character <= "\udfff" for character in text)


def _decode_base64(encoded: str, *, what: str) -> bytes:
    try:
        decoded = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise BadCheckpoint(reason=f"The {what} is not base64.") from None
    if b64encode(decoded).decode() != encoded:  # one value, one spelling
        raise BadCheckpoint(reason=f"The {what} is not canonical base64.")
    return decoded
