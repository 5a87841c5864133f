"""Checkpoints: the ledger's size and root, signed, in the format other logs' tools read.

Decides the text of a tree head (C2SP tlog-checkpoint) and of the signed note
around it (C2SP signed-note), with Ed25519 as the only algorithm. It does not
decide when to sign, nor whether two checkpoints are consistent (merkle), nor
where the key is kept.

A note's text means nothing until its signature is verified, so the only way to
read a checkpoint here is `open_checkpoint`.

Source: c2sp.org/signed-note, c2sp.org/tlog-checkpoint.
"""

import binascii
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
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

_ED25519: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_PUBLIC_KEY_BYTES: Final = 32
_SIGNATURE_LINE: Final = re.compile(r"— (\S+) (\S+)")
_TREE_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


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
    signature = _key_id(signer_name, key.public_key()) + key.sign(text.encode())
    return f"{text}\n— {signer_name} {b64encode(signature).decode()}\n"


def open_note(note: str, *, verifier_key: str) -> str:
    """The text of a signed note, once a signature by `verifier_key` is found good.

    Raises:
        BadCheckpoint: malformed, not signed by that key, or wrongly signed.
    """
    name, public_key = decode_verifier_key(verifier_key)
    _check_note(note)
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = signatures.split("\n")[:-1]
    if not separator or not lines:
        raise BadCheckpoint(reason="The note carries no signature.")
    verified = False
    for line in lines:
        match = _SIGNATURE_LINE.fullmatch(line)
        if match is None:
            raise BadCheckpoint(reason="A signature line is malformed.")
        signer_name, signature = match[1], _decode_base64(match[2], what="signature")
        key_id, signature = signature[:_KEY_ID_BYTES], signature[_KEY_ID_BYTES:]
        if signer_name != name or key_id != _key_id(name, public_key):
            continue  # another key's, say a witness's: unknown signatures are ignored
        try:
            public_key.verify(signature, text.encode())
        except InvalidSignature:
            raise BadCheckpoint(reason=f"The signature by {name} does not match the note.") from None
        verified = True
    if not verified:
        raise BadCheckpoint(reason=f"The note is not signed by {name}.")
    return text


def encode_verifier_key(*, signer_name: str, key: Ed25519PublicKey) -> str:
    """The text a verifier needs: name+hex key id+base64(0x01 || public key)."""
    _check_signer_name(signer_name)
    encoded = b64encode(_ED25519 + key.public_bytes_raw()).decode()
    return f"{signer_name}+{_key_id(signer_name, key).hex()}+{encoded}"


def decode_verifier_key(verifier_key: str) -> tuple[str, Ed25519PublicKey]:
    """The signer's name and public key.

    Raises:
        BadCheckpoint: malformed, not Ed25519, or the key id is not this key's.
    """
    parts = verifier_key.split("+", 2)
    if len(parts) != 3:
        raise BadCheckpoint(reason="A verifier key reads name+key id+key.")
    name, key_id, encoded = parts
    _check_signer_name(name)
    key = _decode_base64(encoded, what="verifier key")
    if key[:1] != _ED25519 or len(key) != 1 + _PUBLIC_KEY_BYTES:
        raise BadCheckpoint(reason="The verifier key is not an Ed25519 key.")
    public_key = Ed25519PublicKey.from_public_bytes(key[1:])
    if key_id != _key_id(name, public_key).hex():
        raise BadCheckpoint(reason="The verifier key's id does not belong to its name and key.")
    return name, public_key


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


def _key_id(name: str, key: Ed25519PublicKey) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + key.public_bytes_raw()).digest()[:_KEY_ID_BYTES]


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
