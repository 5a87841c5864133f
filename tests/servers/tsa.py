"""A time-stamp authority for tests: RFC 3161, with a root and a certificate of its own.

What it signs is real, and `openssl ts -verify` takes it; CMS is put together by hand, since no library that we have
makes it. No clock is read: it stamps the time it is given.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SEQUENCE, SET, INTEGER, OCTETS, OID, TIME = 0x30, 0x31, 0x02, 0x04, 0x06, 0x18
_DAY = timedelta(days=1)


def tlv(tag: int, *parts: bytes) -> bytes:
    """One DER value."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def integer(value: int) -> bytes:
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    encoded = bytearray([40 * first + second])
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        encoded += bytes(reversed(groups))
    return tlv(OID, bytes(encoded))


def values(der: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The values in a row of DER: tag, content, and the whole."""
    while der:
        size, start = der[1], 2
        if size & 0x80:
            start = 2 + (size & 0x7F)
            size = int.from_bytes(der[2:start], "big")
        yield der[0], der[start : start + size], der[: start + size]
        der = der[start + size :]


_TST_INFO = oid("1.2.840.113549.1.9.16.1.4")
_SIGNED_DATA = oid("1.2.840.113549.1.7.2")
_SHA256 = tlv(SEQUENCE, oid("2.16.840.1.101.3.4.2.1"))
_ECDSA_SHA256 = tlv(SEQUENCE, oid("1.2.840.10045.4.3.2"))


def _attribute(name: str, value: bytes) -> bytes:
    return tlv(SEQUENCE, oid(name), tlv(SET, value))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=ca, crl_sign=ca, encipher_only=False, decipher_only=False,
    )  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Authority:
    """A root and the certificate that stamps under it, for `at` and a year on either side."""

    at: datetime
    name: str = "Test Time-stamps"
    root_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    root: x509.Certificate = field(init=False)
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        self.root = self._certify(
            f"{self.name} Root", self.root_key, 1, x509.BasicConstraints(ca=True, path_length=0), _usage(ca=True)
        )
        self.certificate = self._certify(
            self.name, self.key, 2, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), _usage(ca=False)
        )

    def _certify(
        self, common: str, key: ec.EllipticCurvePrivateKey, serial: int, *says: x509.ExtensionType
    ) -> x509.Certificate:
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root_key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common))
            .issuer_name(_name(f"{self.name} Root"))
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(self.at - 365 * _DAY)
            .not_valid_after(self.at + 365 * _DAY)
            .add_extension(issuer_key, critical=False)
        )
        for extension in says:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(self.root_key, SHA256())

    @property
    def roots_pem(self) -> bytes:
        return self.root.public_bytes(Encoding.PEM)

    def answer(self, request: bytes, *, at: datetime, nonce: int | None = None) -> bytes:
        """A granted TimeStampResp for a TimeStampReq; `nonce` instead of the one that was asked for."""
        [(_, content, _)] = values(request)
        _version, imprint, *optional = values(content)
        asked = [whole for tag, _, whole in optional if tag == INTEGER]
        info = tlv(
            SEQUENCE, integer(1), oid("1.3.6.1.4.1.99999.1"), imprint[2], integer(7),
            tlv(TIME, at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode()),
            integer(nonce) if nonce is not None else b"".join(asked),
        )  # fmt: skip
        return tlv(SEQUENCE, tlv(SEQUENCE, integer(0)), self._token(info))

    def _token(self, info: bytes) -> bytes:
        certificate = self.certificate.public_bytes(Encoding.DER)
        certificate_id = tlv(SEQUENCE, tlv(OCTETS, hashlib.sha256(certificate).digest()))
        attributes = b"".join(
            sorted((
                _attribute("1.2.840.113549.1.9.3", _TST_INFO),
                _attribute("1.2.840.113549.1.9.4", tlv(OCTETS, hashlib.sha256(info).digest())),
                _attribute("1.2.840.113549.1.9.16.2.47", tlv(SEQUENCE, tlv(SEQUENCE, certificate_id))),
            ))
        )  # fmt: skip
        signature = self.key.sign(tlv(SET, attributes), ec.ECDSA(SHA256()))
        issuer = tlv(SEQUENCE, self.certificate.issuer.public_bytes(), integer(self.certificate.serial_number))
        signer = tlv(
            SEQUENCE, integer(1), issuer, _SHA256, tlv(0xA0, attributes), _ECDSA_SHA256, tlv(OCTETS, signature)
        )
        content = tlv(SEQUENCE, _TST_INFO, tlv(0xA0, tlv(OCTETS, info)))
        signed = tlv(SEQUENCE, integer(3), tlv(SET, _SHA256), content, tlv(0xA0, certificate), tlv(SET, signer))
        return tlv(SEQUENCE, _SIGNED_DATA, tlv(0xA0, signed))
