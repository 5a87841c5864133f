"""Signed statements of this service: JSON that others check without asking it, as compact JWS (RFC 7515).

ES256, since every JOSE library has it; a key is named by its thumbprint (RFC 7638). `typ` says what a statement
is (RFC 8725, section 3.11), so that one kind can never pass for another. Which keys sign, and since when, is
decided where they are kept; what a statement means, by who makes it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from joserfc import jws
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import ECKey, KeySet

from registry.errors import RegistryError

MAX_CHARS: Final = 16 << 20
_ALGORITHM: Final = "ES256"
_CURVE: Final = "P-256"


class BadToken(RegistryError):
    """It is not a statement of that kind signed by one of those keys."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class UnknownKey(BadToken):
    """It names a key that is none of those: the signer has a new one, or it is somebody else's statement."""


class _Registry(jws.JWSRegistry):
    """The library's rules, with room for a page of a feed."""

    max_payload_length = MAX_CHARS


_REGISTRY: Final = _Registry(algorithms=[_ALGORITHM])


def generate_pem() -> bytes:
    """A new signing key, PKCS #8 and not encrypted; whoever stores it guards it."""
    return ECKey.generate_key(_CURVE).as_pem(private=True)


class TokenKeys:
    """Keys of one signer, oldest first: the newest signs, all verify."""

    def __init__(self, pems: Sequence[bytes]) -> None:
        """Raises: BadToken: one of them is no private P-256 key, or there is none."""
        try:
            keys = [ECKey.import_key(pem, {"use": "sig", "alg": _ALGORITHM}) for pem in pems]
        except (JoseError, ValueError, TypeError) as error:
            raise BadToken(problem=f"A key that signs statements cannot be read: {error}") from None
        if not keys or any(key.curve_name != _CURVE or not key.is_private for key in keys):
            raise BadToken(problem="Statements are signed with a private key on the curve P-256.")
        self._keys = {key.thumbprint(): key for key in keys}

    def public(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517)."""
        return {"keys": [{**key.as_dict(private=False), "kid": name} for name, key in self._keys.items()]}

    def sign(self, claims: Mapping[str, Any], *, type: str) -> str:
        """The claims as a statement of a kind, such as `clearmark-feed+jwt`."""
        name, key = list(self._keys.items())[-1]
        header = {"alg": _ALGORITHM, "typ": type, "kid": name}
        payload = json.dumps(claims, ensure_ascii=False, separators=(",", ":")).encode()
        return jws.serialize_compact(header, payload, key, registry=_REGISTRY)


def open_token(token: str, *, type: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """What a statement says, once its signature is found good.

    Args:
        keys: the JWK set of whoever is believed.
    Raises:
        BadToken: not a statement, not of that kind, or not signed by one of those keys.
        UnknownKey: it says that another key signed it.
    """
    if len(token) > MAX_CHARS:
        raise BadToken(problem=f"A signed statement has at most {MAX_CHARS} characters.")
    try:
        trusted = KeySet([ECKey.import_key(key) for key in keys["keys"] if key["kty"] == "EC"])
    except (JoseError, ValueError, TypeError, KeyError):
        raise BadToken(problem="The keys are not a JWK set.") from None
    try:
        opened = jws.deserialize_compact(token, trusted, registry=_REGISTRY)
        claims = json.loads(opened.payload)
    except InvalidKeyIdError:
        raise UnknownKey(problem="It is not signed by a known key, but by another.") from None
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise BadToken(problem=f"It is not signed by a known key: {error}") from None
    if opened.headers().get("typ") != type:
        raise BadToken(problem=f"It is not a statement of the kind {type}.")
    if not isinstance(claims, dict):
        raise BadToken(problem="Its content is not a JSON object.")
    return claims
