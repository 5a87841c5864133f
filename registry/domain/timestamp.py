"""Time-stamps of checkpoints: an authority outside says that a signed tree head existed at a time (RFC 3161).

Decides what is stamped, the bytes of a note with the log's own signature and no other, and when an authority's reply
holds: granted, for these bytes, and signed by a certificate for time-stamping that ends at a known root. It does not
decide whom to ask nor when.

A reply has bytes that its signature does not cover. So that none can be changed in a receipt, the log's key signs the
reply as a whole: `vouch`.

Source: RFC 3161; RFC 5816.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from registry.domain.checkpoint import decode_verifier_key
from registry.errors import LedgerError

MAX_REPLY_BYTES: Final = 64 << 10
_FORMAT: Final = "clearmark-ledger-timestamp-1"
_SHA256: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_GRANTED: Final = 0


class BadTimestamp(LedgerError):
    """A reply of a time-stamp authority that proves nothing; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a reply says: when, and by whom; the name is the certificate's subject (RFC 4514)."""

    at: datetime
    authority: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request, and the number that its reply must bear."""

    body: bytes
    nonce: int


def new_request(message: bytes) -> Request:
    """Ask for a time-stamp of a message, by its SHA-256."""
    made = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256).build()
    assert made.nonce is not None
    return Request(body=made.as_bytes(), nonce=made.nonce)


def read_reply(reply: bytes, message: bytes) -> Stamp:
    """What a reply says of a message; its signature is not verified.

    Raises:
        BadTimestamp: not a reply, not granted, or of another message.
    """
    return _read(_decode(reply), message)


def verify_reply(reply: bytes, message: bytes, *, roots: Sequence[x509.Certificate], nonce: int | None = None) -> Stamp:
    """What a reply says of a message, once its signature and its chain are found good at the time it states.

    Args:
        nonce: of the request, where it is known.
    Raises:
        BadTimestamp: as `read_reply`, or not signed under one of `roots`.
    """
    decoded = _decode(reply)
    stamp = _read(decoded, message)
    try:
        VerifierBuilder(roots=list(roots), nonce=nonce).build().verify_message(decoded, message)
    except (VerificationError, ValueError, x509.InvalidVersion) as error:
        told = str(error).partition(":")[0]
        raise BadTimestamp(problem=f"The time-stamp is not signed under a known root: {told}.") from None
    return stamp


def read_roots(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Raises: BadTimestamp: no certificates in PEM."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        raise BadTimestamp(problem="The roots of time-stamp authorities are certificates in PEM.") from None


def vouch(reply: bytes, message: bytes, *, key: Ed25519PrivateKey) -> bytes:
    """The log's own signature on a reply, to its last byte."""
    return key.sign(_vouched(reply, message))


def is_vouched(signature: bytes, reply: bytes, message: bytes, *, verifier_key: str) -> bool:
    try:
        decode_verifier_key(verifier_key)[1].verify(signature, _vouched(reply, message))
    except InvalidSignature:
        return False
    return True


def _vouched(reply: bytes, message: bytes) -> bytes:
    # A text that no note can have: it ends without a newline.
    return f"{_FORMAT}\n{hashlib.sha256(message).hexdigest()}\n{hashlib.sha256(reply).hexdigest()}".encode()


def _decode(reply: bytes) -> TimeStampResponse:
    if len(reply) > MAX_REPLY_BYTES:
        raise BadTimestamp(problem=f"The reply of a time-stamp authority has at most {MAX_REPLY_BYTES} bytes.")
    try:
        decoded = decode_timestamp_response(reply)
    except ValueError:
        raise BadTimestamp(problem="It is not the reply of a time-stamp authority.") from None
    if decoded.status != _GRANTED:
        said = "; ".join(decoded.status_string)[:200]
        raise BadTimestamp(problem=f"The authority gave no time-stamp: status {decoded.status}. {said}".strip())
    return decoded


def _read(decoded: TimeStampResponse, message: bytes) -> Stamp:
    try:
        info, signed = decoded.tst_info, decoded.signed_data
        imprint, at = info.message_imprint, info.gen_time
        signers = {(signer.issuer, signer.serial_number) for signer in signed.signer_infos}
        certificates = [x509.load_der_x509_certificate(der) for der in signed.certificates]
        names = [c.subject.rfc4514_string() for c in certificates if (c.issuer, c.serial_number) in signers]
    except Exception:  # the parsers of certificates name a dozen errors of their own
        raise BadTimestamp(problem="The time-stamp in the reply cannot be read.") from None
    if imprint.hash_algorithm != _SHA256 or imprint.message != hashlib.sha256(message).digest():
        raise BadTimestamp(problem="The time-stamp is of another checkpoint.")
    if len(names) != 1:
        raise BadTimestamp(problem="The reply does not bear the certificate of who signed it.")
    return Stamp(at=at, authority=names[0])
