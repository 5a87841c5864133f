"""The certificates with which a manifest was signed, read out of its store.

The library names the signer's own certificate only. It has checked the signature; this finds the certificates
that came with it, and proves nothing. So that both speak of the same signature, a store in which another box could be
meant has no chain.

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
# What a box is, by the first bytes of its UUID; the rest is the same for all of them.
_UUID_END = bytes.fromhex("00110010800000AA00389B71")
_STORE, _MANIFESTS, _SIGNATURE = (b"c2pa",), (b"c2ma", b"c2um"), (b"c2cs",)


def chain_of(store: bytes, label: str) -> tuple[CertificateFacts, ...]:
    """The chain that came with the signature of the manifest `label`, the signer's own first; empty if unreadable."""
    try:
        signature = _signature_of(store, label)
        if signature is None:
            return ()
        return tuple(map(_facts, _certificates(signature)[:_MOST_CERTIFICATES]))
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        RecursionError,
        cbor2.CBORError,
        x509.InvalidVersion,  # a ValueError it is not
    ):
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


def _signature_of(store: bytes, label: str) -> bytes | None:
    """The COSE structure with which the manifest `label` is signed; None unless there is exactly one."""
    inside = store
    for name, kinds in (("c2pa", _STORE), (label, _MANIFESTS), ("c2pa.signature", _SIGNATURE)):
        of_kind = {kind + _UUID_END for kind in kinds}
        found = [(kind, content) for kind, told, content in _superboxes(inside) if told == name.encode()]
        if len(found) != 1 or found[0][0] not in of_kind:
            return None
        if kinds is _SIGNATURE and sum(kind in of_kind for kind, _, _ in _superboxes(inside)) != 1:
            return None
        [(_, inside)] = found
    content = [content for kind, content in _boxes(inside) if kind == b"cbor"]
    return content[0] if len(content) == 1 and len(content[0]) <= _MOST_CBOR_BYTES else None


def _superboxes(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Labelled JUMBF superboxes of one level: UUID, label, and what follows their description."""
    for kind, inside in _boxes(content):
        if kind != b"jumb":
            continue
        described = next(_boxes(inside), None)
        if described is None or described[0] != b"jumd":
            continue
        description = described[1]
        if len(description) > 17 and description[16] & _TOGGLES_LABEL:
            yield description[:16], description[17:].split(b"\0", 1)[0], inside[8 + len(description) :]


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of one level: type and content.

    Raises:
        ValueError: a length does not fit, or there are more boxes than are looked through.
    """
    at = 0
    for _ in range(_MOST_BOXES):
        if at == len(content):
            return
        size, kind, header = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8], 8
        if size == 1:
            size, header = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(content) - at
        if size < header or at + size > len(content):
            raise ValueError("a box that does not fit")
        yield kind, content[at + header : at + size]
        at += size
    raise ValueError("too many boxes")
