"""The processes in which hostile media is opened: `python -m provenance.worker DESCRIPTOR`.

One process loads the library once and opens nothing; for each request it forks a child, which binds itself
(isolation), answers one request on the socket that came with it, and ends. A child is given no key: what it would
have signed goes back over the socket. What the death of a child means is isolated's to say.
"""

import os
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from fingerprinting.bounds import adopt_orphans
from provenance import frames
from provenance.authority import SigningIdentity, TrustAnchor
from provenance.encoding import decode, encode
from provenance.errors import KeyUnavailable, ProvenanceError
from provenance.isolation import WorkerLimits, bind
from provenance.keys import PublicKey
from provenance.model import Ingredient, ReleaseClaim

MESSAGE_BYTES = 16
_LOOK_S = 0.05


class Operation(StrEnum):
    """What a worker can be asked."""

    SIGN = "sign"
    READ = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything one operation needs; `sign` fills target and claim, `read` media_type and perhaps a store."""

    operation: Operation
    identity: SigningIdentity
    trust_anchors: tuple[TrustAnchor, ...]
    former_sha256: tuple[str, ...]
    tsa_urls: tuple[str, ...]
    limits: WorkerLimits
    source: Path
    target: Path | None = None
    claim: ReleaseClaim | None = None
    ingredients: tuple[Ingredient, ...] = ()
    media_type: str | None = None
    manifest_store: bytes | None = None


class _KeyBehindSocket:
    """The signing key, which stays with who asked: a `SigningKey` for the library."""

    def __init__(self, connection: socket.socket, identity: SigningIdentity) -> None:
        self._connection = connection
        self._identity = identity

    def public_key(self) -> PublicKey:
        return self._identity.public_key()

    def sign(self, data: bytes) -> bytes:
        frames.send(self._connection, {"sign": encode(data)})
        match frames.receive(self._connection):
            case {"signature": str(signature)}:
                return decode(bytes, signature)
            case {"refused": str(reason)}:
                raise KeyUnavailable(reason=reason)
        raise KeyUnavailable(reason="nobody answered")


def perform(request: Request, connection: socket.socket) -> dict[str, Any]:
    """The answer to a request: `{"ok": true, "value": …}` or `{"ok": false, "error": {kind, fields}}`."""
    # Here and not above: isolated imports this module, and its process has no need of c2pa.
    from provenance.authority import Credentials, Signer
    from provenance.engine import LibraryEngine

    signer = Signer(
        identity=request.identity, key=_KeyBehindSocket(connection, request.identity), key_at="behind the socket"
    )
    engine = LibraryEngine(
        Credentials(
            signer=signer,
            trust_anchors=request.trust_anchors,
            former_sha256=request.former_sha256,
            tsa_urls=request.tsa_urls,
        )
    )
    try:
        if request.operation is Operation.READ:
            facts = engine.read(request.source, request.media_type or "", request.manifest_store)
            return {"ok": True, "value": encode(facts)}
        if request.target is None or request.claim is None:
            raise ValueError("a sign request has a target and a claim")
        signed = engine.sign(request.source, request.target, request.claim, request.ingredients)
        return {"ok": True, "value": encode(signed)}
    except ProvenanceError as error:
        return {"ok": False, "error": {"kind": type(error).__name__, "fields": encode(vars(error))}}


def answer(connection: socket.socket) -> None:
    """Answer the one request of a connection."""
    request = decode(Request, frames.receive(connection))
    files = [request.source, *(one.path for one in request.ingredients)]
    folder = request.target.parent if request.target is not None else None
    # An authority's time-stamp is fetched by the library itself.
    network = request.operation is Operation.SIGN and bool(request.tsa_urls)
    os.setsid()  # whoever ends it ends what it started
    bind(request.limits, network=network, reads=files, writes=folder)
    if folder is not None:
        os.environ["TMPDIR"] = str(folder)  # where the library puts what is too large for memory
    frames.send(connection, {"began": True})
    frames.send(connection, perform(request, connection))


def serve(control: socket.socket) -> None:
    """Fork a child for each socket that comes, end those that are late, until the other side closes.

    What comes with a socket is how many seconds its child has, in `MESSAGE_BYTES` characters.
    """
    import provenance.engine  # noqa: F401 - loads the library before the first fork

    adopt_orphans()
    control.setblocking(True)
    deadlines: dict[int, float] = {}
    while True:
        control.settimeout(_LOOK_S if deadlines else None)
        try:
            line, descriptors, *_ = socket.recv_fds(control, MESSAGE_BYTES, 1)
        except TimeoutError:
            line, descriptors = b"", []
        else:
            if not line:
                break
        for descriptor in descriptors:
            try:
                child = os.fork()
            except OSError:  # there are too many processes; who asked sees that nobody began
                os.close(descriptor)
                continue
            if child == 0:
                _live(control, descriptor)
            os.close(descriptor)
            deadlines[child] = time.monotonic() + float(line)
        _reap(deadlines)
    for child in deadlines:
        _end(child)
    _reap_strays({})


def _live(control: socket.socket, descriptor: int) -> None:
    """A child's whole life."""
    status = 1
    try:
        control.close()
        with socket.socket(fileno=descriptor) as connection:
            answer(connection)
        status = 0
    finally:
        os._exit(status)  # nothing of the parent's is tidied up here


def _reap(deadlines: dict[int, float]) -> None:
    """Forget children that ended, and end those that are late; none is reaped elsewhere, so no id is another's."""
    for child, deadline in list(deadlines.items()):
        ended, _ = os.waitpid(child, os.WNOHANG)
        if not ended and time.monotonic() > deadline:
            _end(child)
            os.waitpid(child, 0)
            ended = child
        if ended:
            del deadlines[child]
            _reap_strays(deadlines)


def _reap_strays(deadlines: dict[int, float]) -> None:
    """End what a child left behind: it becomes ours, since we adopt orphans (bounds.adopt_orphans)."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    if not listed.exists():
        return
    while strays := [pid for pid in map(int, listed.read_text().split()) if pid not in deadlines]:
        for pid in strays:
            _end(pid)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _end(child: int) -> None:
    """A child leads its own group from its first step on; before that it has no children."""
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which then closes the socket
    with socket.socket(fileno=int(sys.argv[1])) as control_socket:
        serve(control_socket)
