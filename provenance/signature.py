"""The certificates with which a manifest was signed, read out of its store.

The library names the signer's own certificate only. It has checked the signature; this finds the certificates
that came with it, and proves nothing.

Source: C2PA 2.4 sections 11 (JUMBF boxes) and 14.6 (`x5chain` in the COSE header, RFC 9360).
"""

import io
from collections.abc import Iterator

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from provenance.model import CertificateFacts

_X5CHAIN = 33
_MOST_CERTIFICATES, _MOST_BOXES, _MOST_CBOR_BYTES = 10, 4096, 1 << 20
_TOGGLES_LABEL = 0x02


def chain_of(store: bytes, label: str) -> tuple[CertificateFacts, ...]:
    """The chain that came with the signature of the manifest `label`, the signer's own first; empty if unreadable."""
    signature = _box_at(store, ("c2pa", label, "c2pa.signature"))
    if signature is None:
        return ()
    try:
        return tuple(map(_facts, _certificates(signature)[:_MOST_CERTIFICATES]))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, cbor2.CBORError):
        return ()


def _certificates(cose: bytes) -> list[x509.Certificate]:
    signed = cbor2.load(io.BytesIO(cose))
    protected, unprotected = (signed.value if isinstance(signed, cbor2.CBORTag) else signed)[:2]
    headers = [dict(cbor2.loads(protected)), dict(unprotected)]
    chains = [header[name] for header in headers for name in (_X5CHAIN, "x5chain") if name in header]
    if len(chains) != 1:  # which of several counts, readers might see otherwise than the library
        return []
    [chain] = chains
    return [x509.load_der_x509_certificate(one) for one in ([chain] if isinstance(chain, bytes) else list(chain))]


def _facts(certificate: x509.Certificate) -> CertificateFacts:
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string()[:500],
        issuer=certificate.issuer.rfc4514_string()[:500],
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sha256=certificate.fingerprint(SHA256()).hex(),
    )


def _box_at(store: bytes, path: tuple[str, ...]) -> bytes | None:
    """The CBOR content of the superbox with that path of labels."""
    inside = store
    for label in path:
        found = next((content for name, content in _superboxes(inside) if name == label), None)
        if found is None:
            return None
        inside = found
    small = (content for kind, content in _boxes(inside) if kind == b"cbor" and len(content) <= _MOST_CBOR_BYTES)
    return next(small, None)


def _superboxes(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Labelled JUMBF superboxes of one level, with what follows their description."""
    for kind, inside in _boxes(content):
        if kind != b"jumb":
            continue
        described = next(_boxes(inside), None)
        if described is None or described[0] != b"jumd":
            continue
        description = described[1]
        if len(description) > 17 and description[16] & _TOGGLES_LABEL:
            label = description[17:].split(b"\0", 1)[0].decode(errors="replace")
            yield label, inside[8 + len(description) :]


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of one level: type and content; ends where a length does not fit."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(content):
            return
        size, kind, header = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8], 8
        if size == 1:
            size, header = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(content) - at
        if size < header or at + size > len(content):
            return
        yield kind, content[at + header : at + size]
        at += size
