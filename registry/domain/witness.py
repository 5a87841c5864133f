"""Witnesses: others who sign a checkpoint after they have seen that the log only added to what it was.

Decides the text of a cosignature (C2SP tlog-cosignature, Ed25519, version 1) and of the request for one (C2SP
tlog-witness). A cosignature is one more signature line of the checkpoint's note, and says when it was made. It does not
decide whom to ask, nor how: that is the process edge's.

Source: c2sp.org/tlog-cosignature, c2sp.org/tlog-witness.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from registry.domain.checkpoint import (
    BadCheckpoint,
    KeyKind,
    Signature,
    decode_verifier_key,
    encode_verifier_key,
    key_id,
    signature_line,
    split_note,
)

_KIND: Final = KeyKind.COSIGNATURE_V1
_TIME_BYTES: Final = 8
_SIGNATURE_BYTES: Final = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_S: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """A witness saw the log as its checkpoint says, at `at`, and never saw it otherwise."""

    witness_key: str
    line: str
    at: datetime

    @property
    def witness(self) -> str:
        return name_of(self.witness_key)


def encode_witness_key(*, name: str, key: Ed25519PublicKey) -> str:
    """The witness's key as those who rely on it write it down."""
    return encode_verifier_key(signer_name=name, key=key, kind=_KIND)


def name_of(witness_key: str) -> str:
    """Raises: BadCheckpoint: not the key of a witness."""
    return decode_verifier_key(witness_key, _KIND)[0]


def cosign(note: str, *, name: str, key: Ed25519PrivateKey, at: datetime) -> Cosignature:
    """Sign a checkpoint as a witness, who has verified it before."""
    text, _ = split_note(note)
    time_s = (at - _EPOCH) // timedelta(seconds=1)
    value = time_s.to_bytes(_TIME_BYTES, "big") + key.sign(_message(text, time_s))
    line = signature_line(name, key_id(name, key.public_key(), _KIND), value).removesuffix("\n")
    public = encode_witness_key(name=name, key=key.public_key())
    return Cosignature(witness_key=public, line=line, at=_EPOCH + timedelta(seconds=time_s))


def open_cosignature(note: str, *, witness_key: str) -> Cosignature:
    """The witness's signature on a checkpoint, once it is found good.

    Raises:
        BadCheckpoint: the witness did not sign it, signed it more than once, or something else.
    """
    name, public_key = decode_verifier_key(witness_key, _KIND)
    text, signatures = split_note(note)
    found = [s for s in signatures if (s.name, s.key_id) == (name, key_id(name, public_key, _KIND))]
    if len(found) != 1:
        how = "more than once" if found else "not"
        raise BadCheckpoint(reason=f"The checkpoint is cosigned {how} by {name}.")
    time_s = _verify(found[0], text, public_key)
    return Cosignature(witness_key=witness_key, line=found[0].line, at=_EPOCH + timedelta(seconds=time_s))


def _verify(signature: Signature, text: str, public_key: Ed25519PublicKey) -> int:
    if len(signature.value) != _TIME_BYTES + _SIGNATURE_BYTES:
        raise BadCheckpoint(reason=f"The cosignature by {signature.name} has a wrong length.")
    time_s = int.from_bytes(signature.value[:_TIME_BYTES], "big")
    try:
        public_key.verify(signature.value[_TIME_BYTES:], _message(text, time_s))
    except InvalidSignature:
        raise BadCheckpoint(reason=f"The cosignature by {signature.name} does not match the checkpoint.") from None
    if time_s > _LATEST_S:
        raise BadCheckpoint(reason=f"The cosignature by {signature.name} is of no time that there is.")
    return time_s


def _message(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def add_checkpoint_request(note: str, *, old_size: int, proof: Sequence[bytes]) -> bytes:
    """The body that asks a witness for its cosignature; `proof` leads from what it saw last to the checkpoint."""
    lines = [f"old {old_size}", *(b64encode(value).decode() for value in proof), "", note]
    return "\n".join(lines).encode()
