"""Where the signing key lies, in the operator's words, and the request for its certificate.

Decides which adapter opens which reference. What a signer's certificate must say is C2PA's word; who is to say it,
the certificate authority's.
"""

import re
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from api.distant_keys import PSS, BadKeyReference, apart
from api.keys_kms import AwsKmsKey
from api.keys_pkcs11 import Pkcs11Key
from api.keys_remote import RemoteKey
from provenance.authority import C2PA_CLAIM_SIGNING
from provenance.keys import PemKey, PublicKey, SigningKey, algorithm_of

__all__ = ["BadKeyReference", "open_key", "request_certificate", "without_secrets"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_PIN = re.compile(r"(?<=[?&]pin-value=)[^&]*")
_QUERY = re.compile(r"(?<=\?).*")


def open_key(said: str, *, token: str = "") -> SigningKey:
    """The key that a reference names: a path or file://, pkcs11:, awskms:, https:// (http:// on this machine).

    Nothing is asked of it yet.

    Args:
        token: for a signing service, which alone wants one.
    Raises:
        BadKeyReference: says what to write instead.
    """
    found = _SCHEME.match(said)
    match found and found[1].lower():
        case None if said:
            return PemKey(Path(said))
        case "file":
            return PemKey(_file(said))
        case "pkcs11":
            return Pkcs11Key(said)
        case "awskms":
            return AwsKmsKey(said)
        case "https" | "http":
            return RemoteKey(said, token=token)
    raise BadKeyReference(reason="give the path of a PEM file, or what begins with file://, pkcs11:, awskms: or https:")


def without_secrets(said: str) -> str:
    """A reference as it may be shown: a PIN, or what is asked of a signing service, is left out."""
    return (_QUERY if said.lower().startswith(("https:", "http:")) else _PIN).sub("***", said)


def _file(said: str) -> Path:
    try:
        parsed = urlsplit(said)
    except ValueError:
        parsed = urlsplit("")
    if parsed.netloc not in ("", "localhost") or not parsed.path.startswith("/"):
        raise BadKeyReference(reason="write file:// and the whole path of a PEM file: file:///etc/clearmark/key.pem")
    return Path(unquote(parsed.path))


def request_certificate(key: SigningKey, *, common_name: str, organization: str, country: str | None) -> bytes:
    """A request (PKCS#10, PEM) for a C2PA claim signer's certificate, signed by its key wherever that lies.

    Args:
        country: ISO 3166, two letters; None: left out.
    Raises:
        KeyUnavailable, IdentityInvalid: as from the key.
        ValueError: a name is empty or too long, or the country not of two letters.
    Source: C2PA 2.4 section 14.5.1, RFC 2986.
    """
    public = key.public_key()
    said: list[tuple[ObjectIdentifier, str | None]] = [
        (NameOID.COUNTRY_NAME, country),
        (NameOID.ORGANIZATION_NAME, organization),
        (NameOID.COMMON_NAME, common_name),
    ]
    uses = [ObjectIdentifier(C2PA_CLAIM_SIGNING), ExtendedKeyUsageOID.EMAIL_PROTECTION]
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(name, value) for name, value in said if value is not None]))
        .add_extension(_DIGITAL_SIGNATURE, critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .sign(
            _asked(key, public),
            algorithm_of(public).digest,  # type: ignore[arg-type]  # one of those that it takes
            rsa_padding=PSS if isinstance(public, rsa.RSAPublicKey) else None,
        )
    )
    return request.public_bytes(serialization.Encoding.PEM)


_DIGITAL_SIGNATURE = x509.KeyUsage(
    digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
)  # fmt: skip


class _Asked:
    """A signing key as the builder wants one: it asks for the public half and to sign, in this one way."""

    def __init__(self, key: SigningKey, public: PublicKey) -> None:
        self._key, self._public = key, public

    def public_key(self) -> PublicKey:
        return self._public

    def sign(self, data: bytes, *_: object) -> bytes:
        return self._key.sign(bytes(data))


# Registered, not derived: the classes have much that a key which is only asked cannot do.
@rsa.RSAPrivateKey.register
class _AskedRsa(_Asked):
    """It pads as PSS says, with which the builder is called."""


@ed25519.Ed25519PrivateKey.register
class _AskedEd25519(_Asked):
    """Nothing is to be chosen."""


@ec.EllipticCurvePrivateKey.register
class _AskedEllipticCurve(_Asked):
    """X.509 has DER (RFC 5758 section 3.2) where claims have r and s as they are."""

    def sign(self, data: bytes, *_: object) -> bytes:
        return apart(super().sign(data))


def _asked(key: SigningKey, public: PublicKey) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    asked: _Asked
    match public:
        case ec.EllipticCurvePublicKey():
            asked = _AskedEllipticCurve(key, public)
        case rsa.RSAPublicKey():
            asked = _AskedRsa(key, public)
        case ed25519.Ed25519PublicKey():
            asked = _AskedEd25519(key, public)
    return cast("ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey", asked)
