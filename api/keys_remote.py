"""Keys with a signing service that is asked by HTTP: bytes in, signature out.

    GET URL    the public key: PEM, a SubjectPublicKeyInfo or a certificate chain, the signer's first
    POST URL   the bytes to sign, application/octet-stream; the signature as a claim holds it, as it is

Decides what such a service may do: it answers in time, briefly, and itself (redirections are not followed), and its
word is checked. Both carry `Authorization: Bearer TOKEN` where a token is set.
"""

import ssl
from collections.abc import Mapping
from http import HTTPStatus

import httpcore
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from api.distant_keys import BadKeyReference, DistantKey, split_url
from api.outbound import Address, Outbound, OutboundError
from provenance.errors import KeyUnavailable
from provenance.keys import PublicKey

MAX_SIGNATURE_BYTES, MAX_KEY_BYTES, TIMEOUT_S = 8 << 10, 64 << 10, 10.0
_PASSING = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
_REASONS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "the signing service refuses the token",
    HTTPStatus.FORBIDDEN: "the signing service refuses the token",
    HTTPStatus.NOT_FOUND: "the signing service knows no key at this address",
}


class RemoteKey(DistantKey):
    """The private key that a signing service answers for at `url`.

    Args:
        token: for `Authorization`; empty: none is sent.
        timeout_s: for one whole exchange; one that was cut off or found the service busy is tried once more.
        tls: whom to believe; None: the authorities that everybody believes, or those of SSL_CERT_FILE.
    Raises:
        BadKeyReference: `url` is not https://, or http:// on this machine; or the token cannot be sent.
    """

    def __init__(
        self, url: str, *, token: str = "", timeout_s: float = TIMEOUT_S, tls: ssl.SSLContext | None = None
    ) -> None:
        parsed = split_url(url)
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise BadKeyReference(reason="the signing service's token has characters that cannot be sent")
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout_s = timeout_s
        # The operator chose this address, so it may lie in their own network; in clear text, on this machine alone.
        self._out = Outbound(permits=_is_loopback if parsed.scheme == "http" else _is_anywhere, tls=tls)

    def _ask_public_key(self) -> PublicKey:
        pem = self._ask("GET", max_bytes=MAX_KEY_BYTES)
        try:
            # DistantKey refuses the kinds that C2PA does not allow.
            if b"-----BEGIN CERTIFICATE-----" in pem:
                return x509.load_pem_x509_certificates(pem)[0].public_key()  # type: ignore[return-value]
            return serialization.load_pem_public_key(pem)  # type: ignore[return-value]
        except (ValueError, TypeError) as error:
            raise KeyUnavailable(reason="the signing service gave no public key in PEM") from error

    def _ask_signature(self, data: bytes, public: PublicKey) -> bytes:  # noqa: ARG002 - the service knows its key
        said = {"Content-Type": "application/octet-stream"}
        return self._ask("POST", max_bytes=MAX_SIGNATURE_BYTES, headers=said, content=data)

    def _ask(
        self, method: str, *, max_bytes: int, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> bytes:
        for again in (True, False):
            try:
                answer = self._out.fetch(
                    self._url,
                    method=method,
                    headers=self._headers | dict(headers or {}),
                    content=content,
                    max_bytes=max_bytes,
                    timeout_s=self._timeout_s,
                )
            except OutboundError as error:
                if again and isinstance(error.__cause__, httpcore.NetworkError | httpcore.RemoteProtocolError):
                    continue
                raise KeyUnavailable(reason=f"the signing service does not answer: {error.problem}") from error
            if again and answer.status in _PASSING:
                continue
            break
        if answer.status == HTTPStatus.OK:
            return answer.body
        if 300 <= answer.status < 400:
            raise KeyUnavailable(reason="the signing service sends elsewhere; give the address that answers itself")
        reason = _REASONS.get(answer.status, "the signing service failed")
        raise KeyUnavailable(reason=f"{reason} ({answer.status})")


def _is_loopback(address: Address) -> bool:
    return address.is_loopback


def _is_anywhere(_: Address) -> bool:
    return True
