"""Keys that sign claims, wherever they lie.

Decides what a signing key is to the rest (`SigningKey`), which algorithms C2PA allows, and how a signature is
written in a claim. The development CA and PEM files are here; keys behind a device or a network are adapters of
the same protocol (api).

Source: C2PA 2.4 section 13.2 (allowed algorithms), RFC 9053 (COSE signatures).
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from provenance.errors import IdentityInvalid, KeyUnavailable

type PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class SigningAlgorithm(StrEnum):
    """Claim signature algorithms that C2PA allows."""

    ES256 = "es256"
    ES384 = "es384"
    ES512 = "es512"
    PS256 = "ps256"
    ED25519 = "ed25519"

    @property
    def digest(self) -> hashes.HashAlgorithm | None:
        """What is signed is this hash of the data; None: the data itself."""
        return _DIGESTS[self]


_DIGESTS: dict[SigningAlgorithm, hashes.HashAlgorithm | None] = {
    SigningAlgorithm.ES256: hashes.SHA256(),
    SigningAlgorithm.ES384: hashes.SHA384(),
    SigningAlgorithm.ES512: hashes.SHA512(),
    SigningAlgorithm.PS256: hashes.SHA256(),
    SigningAlgorithm.ED25519: None,
}
_BY_CURVE = {
    "secp256r1": SigningAlgorithm.ES256,
    "secp384r1": SigningAlgorithm.ES384,
    "secp521r1": SigningAlgorithm.ES512,
}


class SigningKey(Protocol):
    """A private key that may be asked to sign, and need not be seen."""

    def public_key(self) -> PublicKey:
        """The key that checks the signatures.

        Raises:
            KeyUnavailable: it cannot be reached now.
        """

    def sign(self, data: bytes) -> bytes:
        """A signature over `data` as a claim holds it: for elliptic curves r and s, one after the other.

        Raises:
            KeyUnavailable: it cannot be reached now, or refused.
        """


def algorithm_of(key: object) -> SigningAlgorithm:
    """The algorithm that a public key checks.

    Raises:
        IdentityInvalid: C2PA allows none with it.
    """
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in _BY_CURVE:
            return _BY_CURVE[key.curve.name]
        case rsa.RSAPublicKey() if key.key_size >= 2048:
            return SigningAlgorithm.PS256
        case ed25519.Ed25519PublicKey():
            return SigningAlgorithm.ED25519
    raise IdentityInvalid(reason=f"{type(key).__name__.strip('_')} is not a kind of key that C2PA allows")


def joined(der: bytes, curve: ec.EllipticCurve) -> bytes:
    """An ECDSA signature as claims hold it, from the DER that most devices and services give.

    Raises:
        KeyUnavailable: it is no signature of this curve.
    """
    size = (curve.key_size + 7) // 8
    try:
        r, s = decode_dss_signature(der)
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    except (ValueError, OverflowError) as error:
        raise KeyUnavailable(reason="it gave a signature that cannot be read") from error


@dataclass(frozen=True, slots=True)
class PemKey:
    """A private key in a PEM file; the file is opened when it is asked to sign, and the key not kept."""

    path: Path

    def public_key(self) -> PublicKey:
        public = self._load().public_key()
        algorithm_of(public)
        return public  # type: ignore[return-value]  # algorithm_of refused every other kind

    def sign(self, data: bytes) -> bytes:
        key = self._load()
        match key:
            case ec.EllipticCurvePrivateKey():
                digest = algorithm_of(key.public_key()).digest
                assert digest is not None
                return joined(key.sign(data, ec.ECDSA(digest)), key.curve)
            case rsa.RSAPrivateKey():
                digest = hashes.SHA256()
                return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
            case ed25519.Ed25519PrivateKey():
                return key.sign(data)
        raise KeyUnavailable(reason=f"{type(key).__name__} signs no claims")

    def _load(self) -> PrivateKeyTypes:
        try:
            return serialization.load_pem_private_key(self.path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:  # TypeError: the key is encrypted
            raise KeyUnavailable(reason=f"its PEM file cannot be read ({type(error).__name__})") from error
