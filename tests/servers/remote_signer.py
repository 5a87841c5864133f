"""A signing service: `GET` gives its public key, `POST` signs the bytes that it gets. It fails as it is told to.

    python -m tests.servers.remote_signer KIND TOKEN

prints its URL and ends when its input does; `PUT` with the name of a failure tells it to fail.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.servers.loopback import Answer, Asked, serve_until_input_ends, serving

type PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class Failure(StrEnum):
    """What may be wrong with it; the two of `_ONCE` pass by themselves."""

    NONE = "none"
    ERROR = "error"
    BUSY = "busy"
    BUSY_ONCE = "busy-once"
    HANGS_UP_ONCE = "hangs-up-once"
    SLOW = "slow"
    GARBAGE = "garbage"
    LONG = "long"
    REDIRECT = "redirect"


_CURVES: dict[str, ec.EllipticCurve] = {"es256": ec.SECP256R1(), "es384": ec.SECP384R1(), "es512": ec.SECP521R1()}
_DIGESTS: dict[int, HashAlgorithm] = {32: SHA256(), 48: SHA384(), 66: SHA512()}
_ONCE = {Failure.BUSY_ONCE, Failure.HANGS_UP_ONCE}


def generate(kind: str) -> PrivateKey:
    """A key of the kind that a C2PA algorithm needs."""
    if kind == "ps256":
        return rsa.generate_private_key(65537, 2048)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(_CURVES[kind])


def signature(key: PrivateKey, data: bytes) -> bytes:
    """As COSE has it (RFC 9053 section 2, RFC 8230 section 2)."""
    match key:
        case ec.EllipticCurvePrivateKey():
            size = (key.curve.key_size + 7) // 8
            digest = _DIGESTS[size]
            return b"".join(part.to_bytes(size) for part in decode_dss_signature(key.sign(data, ec.ECDSA(digest))))
        case rsa.RSAPrivateKey():
            return key.sign(data, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
        case ed25519.Ed25519PrivateKey():
            return key.sign(data)


@dataclass(slots=True, kw_only=True)
class RemoteSigner:
    """Its key, whom it answers, what is wrong with it, and what it was asked."""

    key: PrivateKey
    token: str
    url: str = ""
    public_pem: bytes = b""
    failure: Failure = Failure.NONE
    asked: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.public_pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@contextmanager
def remote_signer(kind: str, *, token: str) -> Iterator[RemoteSigner]:
    """A service in this process."""
    signer = RemoteSigner(key=generate(kind), token=token)

    def answer(asked: Asked) -> Answer | None:
        if asked.method == "PUT":
            signer.failure = Failure(asked.body.decode())
            return Answer()
        signer.asked.append(asked.method)
        failure = signer.failure
        if failure in _ONCE:
            signer.failure = Failure.NONE
        if asked.headers.get("authorization") != f"Bearer {signer.token}":
            return Answer(body=b"who are you?", status=401)
        match failure:
            case Failure.ERROR:
                return Answer(body=b"a stack trace", status=500)
            case Failure.BUSY | Failure.BUSY_ONCE:
                return Answer(status=503)
            case Failure.SLOW:
                signer.over.wait(30)
                return None
            case Failure.HANGS_UP_ONCE:
                return None
            case Failure.GARBAGE:
                return Answer(body=b"\x01" * 64)
            case Failure.LONG:
                return Answer(body=bytes(1 << 17))
            case Failure.REDIRECT:
                return Answer(status=307, headers={"location": f"{signer.url}/elsewhere"})
        if asked.method == "GET":
            return Answer(body=signer.public_pem)
        if asked.headers.get("content-type") != "application/octet-stream":
            return Answer(status=415)
        return Answer(body=signature(signer.key, asked.body))

    with serving(answer) as signer.url:
        try:
            yield signer
        finally:
            signer.over.set()


@contextmanager
def remote_signer_process(kind: str, *, token: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A service in a process of its own, which may be killed; its URL and the process."""
    command = [sys.executable, "-m", "tests.servers.remote_signer", kind, token]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.communicate(timeout=30)


if __name__ == "__main__":
    with remote_signer(sys.argv[1], token=sys.argv[2]) as service:
        serve_until_input_ends(service.url)
