"""A key management service that speaks as AWS KMS does: `Sign` and `GetPublicKey`, real keys, Signature Version 4.

It knows one access key and checks its signature by the rules of AWS itself. As AWS, it signs no message of more than
4096 bytes, no digest of another length, and with no algorithm that is not the key's.

    python -m tests.servers.kms KIND

prints its URL and ends when its input does; the key is `alias/c2pa`.
"""

import hashlib
import hmac
import json
import re
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.servers.loopback import Answer, Asked, serve_until_input_ends, serving
from tests.servers.remote_signer import PrivateKey, generate

ACCESS_KEY, SECRET_KEY, REGION = "AKIATESTTESTTESTTEST", "a-secret-access-key/of+tests", "eu-west-1"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/((\d{8})/([\w-]+)/kms/aws4_request), "
    r"SignedHeaders=([\w;-]+), Signature=(\w{64})"
)
_ALGORITHMS: dict[str, HashAlgorithm] = {
    "ECDSA_SHA_256": SHA256(),
    "ECDSA_SHA_384": SHA384(),
    "ECDSA_SHA_512": SHA512(),
}


@dataclass(slots=True, kw_only=True)
class KmsServer:
    """Its keys by id or alias, and how it fails: with these error codes, one after the other, or not at all."""

    url: str = ""
    keys: dict[str, PrivateKey] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    is_slow: bool = False
    asked: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


class Refused(Exception):
    """An error of AWS: its code."""


@contextmanager
def kms_server(**keys: str) -> Iterator[KmsServer]:
    """A service whose keys are `alias/NAME`, each of the kind that a C2PA algorithm needs."""
    server = KmsServer(keys={f"alias/{name}": generate(kind) for name, kind in keys.items()})

    def answer(asked: Asked) -> Answer:
        try:
            said, status = perform(asked), 200
        except Refused as error:
            said, status = {"__type": str(error), "message": f"{SECRET_KEY} is not for you"}, 400
        headers = {"content-type": "application/x-amz-json-1.1"}
        return Answer(body=json.dumps(said).encode(), status=status, headers=headers)

    def perform(asked: Asked) -> dict[str, str]:
        operation = asked.headers["x-amz-target"].removeprefix("TrentService.")
        server.asked.append(operation)
        if server.is_slow:
            server.over.wait(30)
        if server.failures:
            raise Refused(server.failures.pop(0))
        check_signature(asked)
        request = json.loads(asked.body)
        key = server.keys.get(request["KeyId"])
        if key is None:
            raise Refused("NotFoundException")
        if operation == "GetPublicKey":
            public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return {"KeyId": request["KeyId"], "PublicKey": b64encode(public).decode()}
        if operation != "Sign":
            raise Refused("UnsupportedOperationException")
        made = sign(key, b64decode(request["Message"]), request["MessageType"], request["SigningAlgorithm"])
        return {"KeyId": request["KeyId"], "Signature": b64encode(made).decode()}

    with serving(answer) as server.url:
        try:
            yield server
        finally:
            server.over.set()


def sign(key: PrivateKey, message: bytes, kind: str, algorithm: str) -> bytes:
    """Raises: Refused."""
    if kind == "RAW" and len(message) > 4096:
        raise Refused("ValidationException")
    digest = _ALGORITHMS.get(algorithm, SHA256())
    if kind == "DIGEST" and len(message) != digest.digest_size:
        raise Refused("ValidationException")
    hashed = utils.Prehashed(digest) if kind == "DIGEST" else digest
    match key:
        case ec.EllipticCurvePrivateKey() if algorithm == f"ECDSA_SHA_{min(key.curve.key_size, 512)}":
            return key.sign(message, ec.ECDSA(hashed))
        case rsa.RSAPrivateKey() if algorithm == "RSASSA_PSS_SHA_256":
            return key.sign(message, padding.PSS(padding.MGF1(digest), digest.digest_size), hashed)
        case ed25519.Ed25519PrivateKey() if (algorithm, kind) == ("ED25519_SHA_512", "RAW"):
            return key.sign(message)
    raise Refused("InvalidKeyUsageException")


def check_signature(asked: Asked) -> None:
    """Signature Version 4, as the reference of AWS describes it. Raises: Refused."""
    found = _AUTHORIZATION.fullmatch(asked.headers.get("authorization", ""))
    if found is None:
        raise Refused("MissingAuthenticationTokenException")
    access_key, scope, day, region, signed, claimed = found.groups()
    if access_key != ACCESS_KEY or region != REGION:
        raise Refused("UnrecognizedClientException")
    shown = "".join(f"{name}:{' '.join(asked.headers[name].split())}\n" for name in signed.split(";"))
    canonical = "\n".join((asked.method, asked.path, "", shown, signed, hashlib.sha256(asked.body).hexdigest()))
    text = "\n".join((
        "AWS4-HMAC-SHA256", asked.headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()
    ))  # fmt: skip
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (day, region, "kms", "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(key.hex(), claimed):
        raise Refused("InvalidSignatureException")


if __name__ == "__main__":
    with kms_server(c2pa=sys.argv[1]) as service:
        serve_until_input_ends(service.url)
