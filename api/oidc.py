"""Signing in at the operator's OpenID provider (OpenID Connect Core 1.0, authorization code flow with PKCE).

What must come back unchanged from the provider travels in a cookie that this service signed, so that nothing is kept
for people who never come back. The provider's address and keys are read once, and again when a key is unknown.
"""

import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from api.settings import Settings
from registry.accounts import Claimed
from registry.domain.tokens import BadToken, TokenKeys, open_token
from registry.errors import RegistryError

COOKIE = "clearmark-oidc"
LASTS = timedelta(minutes=10)
_TYPE = "clearmark-oidc+jwt"
_ALGORITHMS = ["RS256", "PS256", "ES256"]
_LEEWAY_S = 60
_TIMEOUT_S = 10.0


class OidcError(RegistryError):
    """Signing in at the provider did not work; says why."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Where to send the browser, and the cookie to give it on the way."""

    url: str
    cookie: str


class OpenIdProvider:
    """The provider of the settings."""

    def __init__(self, settings: Settings, tokens: TokenKeys) -> None:
        self._settings = settings
        self._tokens = tokens
        self._lock = threading.Lock()
        self._about: dict[str, Any] | None = None
        self._keys: KeySet | None = None

    @property
    def redirect_uri(self) -> str:
        return f"{self._settings.url}/v1/oidc/callback"

    def depart(self, *, at: datetime) -> Departure:
        """Begin a sign-in. Raises: OidcError: the provider does not answer."""
        verifier, nonce, state = (secrets.token_urlsafe(48) for _ in range(3))
        url = prepare_grant_uri(
            self._metadata()["authorization_endpoint"], self._settings.oidc_client_id, "code", self.redirect_uri,
            "openid email profile", state, nonce=nonce, code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )  # fmt: skip
        carried = {"state": state, "nonce": nonce, "verifier": verifier, "until": (at + LASTS).timestamp()}
        return Departure(url=url, cookie=self._tokens.sign(carried, type=_TYPE))

    def arrive(self, *, code: str, state: str, cookie: str, at: datetime) -> Claimed:
        """Who came back from the provider. Raises: OidcError."""
        carried = self._carried(cookie, state, at=at)
        try:
            claims = self._claims(self._id_token(code, carried["verifier"]))
        except (JoseError, ValueError) as error:
            raise OidcError(problem=f"What the identity provider sent does not hold: {error}") from error
        if not secrets.compare_digest(str(claims.get("nonce")).encode(), carried["nonce"].encode()):
            raise OidcError(problem="What the identity provider sent is not about this sign-in.")
        self._require_current(claims, at=at)
        return Claimed(
            issuer=self._settings.oidc_issuer,
            subject=str(claims["sub"]),
            email=str(claims.get("email") or ""),
            email_verified=claims.get("email_verified") is True,
            name=str(claims.get("name") or ""),
        )

    def _carried(self, cookie: str, state: str, *, at: datetime) -> dict[str, Any]:
        again = "Begin again: GET /v1/oidc/login."
        try:
            carried = open_token(cookie, type=_TYPE, keys=self._tokens.public())
        except BadToken:
            raise OidcError(problem=f"This sign-in was not begun in this browser. {again}") from None
        if not secrets.compare_digest(str(carried["state"]).encode(), state.encode()):
            raise OidcError(problem=f"This is the answer to another sign-in. {again}")
        if carried["until"] < at.timestamp():
            raise OidcError(problem=f"That took too long. {again}")
        return carried

    def _claims(self, id_token: str) -> dict[str, Any]:
        try:
            return jwt.decode(id_token, self._key_set(), algorithms=_ALGORITHMS).claims
        except JoseError:  # the provider may have changed its keys
            with self._lock:
                self._keys = None
            return jwt.decode(id_token, self._key_set(), algorithms=_ALGORITHMS).claims

    def _require_current(self, claims: dict[str, Any], *, at: datetime) -> None:
        """OpenID Connect Core 1.0, section 3.1.3.7."""
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        expires = claims.get("exp")
        holds = (
            claims.get("iss") == self._settings.oidc_issuer
            and self._settings.oidc_client_id in audiences
            and (len(audiences) == 1 or claims.get("azp") == self._settings.oidc_client_id)
            and isinstance(expires, int | float)
            and expires + _LEEWAY_S > at.timestamp()
            and bool(claims.get("sub"))
        )
        if not holds:
            raise OidcError(problem="What the identity provider sent is for another service, or is too old.")

    def _id_token(self, code: str, verifier: str) -> str:
        settings = self._settings
        said = {
            "grant_type": "authorization_code", "code": code, "code_verifier": verifier,
            "redirect_uri": self.redirect_uri,
        }  # fmt: skip
        try:
            answer = httpx.post(
                self._metadata()["token_endpoint"],
                data=said,
                auth=(settings.oidc_client_id, settings.oidc_client_secret),
                timeout=_TIMEOUT_S,
            )
            answer.raise_for_status()
            return str(answer.json()["id_token"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise OidcError(problem=f"The identity provider did not confirm the sign-in: {error}") from error

    def _metadata(self) -> dict[str, Any]:
        with self._lock:
            if self._about is None:
                about = _get(f"{self._settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration")
                if about.get("issuer") != self._settings.oidc_issuer:
                    raise OidcError(problem="The identity provider calls itself something else: CLEARMARK_OIDC_ISSUER.")
                self._about = about
            return self._about

    def _key_set(self) -> KeySet:
        address = self._metadata()["jwks_uri"]
        with self._lock:
            if self._keys is None:
                self._keys = KeySet.import_key_set(_get(address))  # type: ignore[arg-type]
            return self._keys


def _get(url: str) -> dict[str, Any]:
    try:
        answer = httpx.get(url, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        found = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise OidcError(problem=f"The identity provider does not answer: {error}") from error
    if not isinstance(found, dict):
        raise OidcError(problem=f"{url} is not what an OpenID provider says.")
    return found
