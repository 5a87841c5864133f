"""Keys that lie elsewhere, in a device or with a service: what their adapters share.

Decides that nobody gets a signature which the key's own public half does not confirm, and how a key may be referred
to. How one is asked is each adapter's own matter; what a signing key is, provenance's.
"""

import ipaddress
from abc import ABC, abstractmethod
from urllib.parse import SplitResult, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from provenance.errors import KeyUnavailable
from provenance.keys import PublicKey, algorithm_of


class BadKeyReference(Exception):
    """What was said does not refer to a key; `reason` says what to write, and repeats no secret."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DistantKey(ABC):
    """A signing key that is asked, and not believed: each signature is checked before anybody gets it.

    The public key is asked for once and kept for that; asking `public_key` asks again.
    """

    _known: PublicKey | None = None

    def public_key(self) -> PublicKey:
        """The key that checks the signatures, as it is now.

        Raises:
            KeyUnavailable: it cannot be reached now.
            IdentityInvalid: C2PA allows no key of its kind.
        """
        public = self._ask_public_key()
        algorithm_of(public)
        self._known = public
        return public

    def sign(self, data: bytes) -> bytes:
        """A signature as a claim holds it. Raises: as `public_key`."""
        public = self._known or self.public_key()
        signature = self._ask_signature(data, public)
        if not has_signed(public, signature, data):
            raise KeyUnavailable(
                reason="what it gave is no signature by its public key; if the key was replaced, set the certificate"
                " of the new one and start again"
            )
        return signature

    @abstractmethod
    def _ask_public_key(self) -> PublicKey:
        """Raises KeyUnavailable. Whether C2PA allows its kind is seen afterwards."""

    @abstractmethod
    def _ask_signature(self, data: bytes, public: PublicKey) -> bytes:
        """Raises KeyUnavailable. Whether it is a signature is seen afterwards."""


def has_signed(public: PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether a signature, as a claim holds it, is this key's over `data`."""
    algorithm = algorithm_of(public)
    try:
        match public:
            case ec.EllipticCurvePublicKey():
                if len(signature) != 2 * ((public.curve.key_size + 7) // 8):
                    return False
                assert algorithm.digest is not None
                public.verify(apart(signature), data, ec.ECDSA(algorithm.digest))
            case rsa.RSAPublicKey():
                public.verify(signature, data, PSS, hashes.SHA256())
            case ed25519.Ed25519PublicKey():
                public.verify(signature, data)
    except InvalidSignature:
        return False
    return True


# RSASSA-PSS as C2PA has it: COSE PS256 (RFC 8230 section 2).
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)


def apart(signature: bytes) -> bytes:
    """The DER of an ECDSA signature whose r and s stand one after the other; what `keys.joined` undoes."""
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


def digest_of(data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def split_url(url: str) -> SplitResult:
    """Where a signer answers: by https:// anywhere, by http:// on this machine alone.

    Raises:
        BadKeyReference: it is no such URL, or has a password in it.
    """
    try:
        parsed = urlsplit(url)
        host, _ = parsed.hostname, parsed.port
    except ValueError:
        raise BadKeyReference(reason="the signer's address is no URL") from None
    if parsed.username is not None or parsed.password is not None:
        raise BadKeyReference(reason="leave the user name and password out of the signer's address")
    if not host or parsed.scheme not in ("https", "http"):
        raise BadKeyReference(reason="the signer's address begins with https:// and a host")
    if parsed.scheme == "http" and not _is_here(host):
        raise BadKeyReference(reason=f"http://{host} would show the signer's traffic to others; give https://")
    return parsed


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
