"""An OpenID provider on the loopback interface: discovery, keys, authorization codes with PKCE, ID tokens."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT, SECRET = "clearmark", "a secret of the provider"


@dataclass(slots=True)
class IdentityProvider:
    """Who signs in there next, and what is wrong with what it then says."""

    issuer: str
    person: dict[str, Any] = field(default_factory=dict)
    instead: dict[str, Any] = field(default_factory=dict)
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    asked: dict[str, dict[str, str]] = field(default_factory=dict)

    def rotate(self) -> None:
        self.key = ECKey.generate_key("P-256")

    def authorize(self, said: dict[str, str]) -> str:
        code = secrets.token_urlsafe(8)
        self.asked[code] = said
        return said["redirect_uri"] + "?" + urlencode({"code": code, "state": said["state"]})

    def token(self, said: dict[str, str], credentials: str) -> dict[str, Any] | None:
        asked = self.asked.pop(said.get("code", ""), None)
        digest = hashlib.sha256(said["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        known = base64.b64decode(credentials.removeprefix("Basic ")).decode() == f"{CLIENT}:{SECRET}"
        if asked is None or not known or challenge != asked["code_challenge"]:
            return None
        claims = {
            "iss": self.issuer, "aud": CLIENT, "exp": int(time.time()) + 300, "iat": int(time.time()),
            "nonce": asked["nonce"], **self.person, **self.instead,
        }  # fmt: skip
        header = {"alg": "ES256", "kid": self.key.thumbprint()}
        return {"access_token": "x", "token_type": "Bearer", "id_token": jwt.encode(header, claims, self.key)}


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            at = urlsplit(self.path)
            if at.path == "/.well-known/openid-configuration":
                self._answer({
                    "issuer": provider.issuer, "authorization_endpoint": f"{provider.issuer}/authorize",
                    "token_endpoint": f"{provider.issuer}/token", "jwks_uri": f"{provider.issuer}/keys",
                })  # fmt: skip
            elif at.path == "/keys":
                public = provider.key.as_dict(private=False) | {"kid": provider.key.thumbprint()}
                self._answer({"keys": [public]})
            else:
                self.send_response(302)
                said = {name: values[0] for name, values in parse_qs(at.query).items()}
                self.send_header("location", provider.authorize(said))
                self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            said = {name: values[0] for name, values in parse_qs(body).items()}
            token = provider.token(said, self.headers.get("authorization", ""))
            self._answer(token or {"error": "invalid_grant"}, 200 if token else 400)

        def _answer(self, body: dict[str, Any], status: int = 200) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = IdentityProvider(issuer=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
