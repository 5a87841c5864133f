"""Stand-ins for what tests do not want for real: signing, the clock, a holder's web server, a death."""

import hashlib
import json
import pkgutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from fingerprinting.sscd import DIMENSIONS, INPUT_PX, Embeddings, Frames
from provenance.errors import ProvenanceError
from provenance.model import (
    Ingredient,
    Integrity,
    IntegrityState,
    ManifestFacts,
    ReleaseClaim,
    SignedFile,
    SignerFacts,
    SignerState,
)
from registry.domains import Unreachable

_SEAL = b"\nsigned by a fake: "


class FakeProvenance:
    """A `ProvenanceEngine` that seals a file with a hash at its end; as with a real one, a changed file is invalid."""

    def __init__(self) -> None:
        self.fails_with: ProvenanceError | None = None
        self.claims: list[ReleaseClaim] = []
        self.ingredients: list[tuple[Ingredient, ...]] = []

    def sign(
        self, source: Path, target: Path, claim: ReleaseClaim, ingredients: tuple[Ingredient, ...] = ()
    ) -> SignedFile:  # fmt: skip
        if self.fails_with is not None:
            raise self.fails_with
        media = source.read_bytes()
        label = f"urn:c2pa:{claim.release_id}"
        signed = media + _SEAL + hashlib.sha256(media).hexdigest().encode() + label.encode()
        target.write_bytes(signed)
        self.claims.append(claim)
        self.ingredients.append(ingredients)
        return SignedFile(
            sha256=hashlib.sha256(signed).hexdigest(),
            size_bytes=len(signed),
            manifest_label=label,
            manifest_json=json.dumps({"label": label, "title": claim.title}),
            manifest_store=label.encode(),
            is_sidecar=False,
            source_type_in_file=False,
        )

    def close(self) -> None:
        pass

    def read(self, path: Path, media_type: str, manifest_store: bytes | None = None) -> ManifestFacts:  # noqa: ARG002 - the protocol's
        media, seal, rest = path.read_bytes().rpartition(_SEAL)
        if not seal:
            return ManifestFacts(integrity=Integrity(state=IntegrityState.ABSENT))
        intact = rest[:64].decode() == hashlib.sha256(media).hexdigest()
        return ManifestFacts(
            integrity=Integrity(state=IntegrityState.INTACT if intact else IntegrityState.INVALID),
            signer=SignerFacts(state=SignerState.TRUSTED, name="a fake"),
            manifest_label=rest[64:].decode(),
        )


@dataclass(slots=True)
class FakeProbe:
    """A `DomainProbe` on what a test says the world holds; `is_down` says that nobody can be asked."""

    records: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    is_down: bool = False

    def texts(self, name: str) -> list[str]:
        if self.is_down:
            raise Unreachable(f"no answer about {name}")
        return self.records.get(name, [])

    def file(self, domain: str) -> str | None:
        return self.files.get(domain)


@dataclass(slots=True)
class Clock:
    """A clock that stands until a test moves it."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, time: timedelta) -> None:
        self.at += time


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request that a receiver got; header names in lower case."""

    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """A holder's web server: what it got, and how it answers; statuses are used up one by one, then 204."""

    url: str
    statuses: list[int] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """A real HTTP server on the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.deliveries.append(Delivery(headers=headers, body=body))
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Requests are kept, not logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hooks")
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Killed(BaseException):
    """The process died here: nothing after it ran, nothing was caught."""


def die_once(monkeypatch: pytest.MonkeyPatch, where: str, error: type[BaseException] = Killed) -> Callable[[], int]:
    """The first time that the function `where` is reached, `error`; returns how often it was reached."""
    times, real = 0, pkgutil.resolve_name(where)

    def reached(*arguments: object, **more: object) -> object:
        nonlocal times
        times += 1
        if times == 1:
            raise error
        return real(*arguments, **more)

    monkeypatch.setattr(where, reached)
    return lambda: times


class FakeEmbedder:
    """A `FrameEmbedder`: pictures that look alike from afar are near, others are not; counts what it is shown."""

    name = "fake"

    def __init__(self) -> None:
        self.shown = 0
        self._mix = np.random.default_rng(7).normal(size=(8 * 8 * 3, DIMENSIONS)).astype(np.float32)

    def embed(self, pictures: Frames) -> Embeddings:
        self.shown += len(pictures)
        block = INPUT_PX // 8
        coarse = pictures.reshape(-1, 8, block, 8, block, 3).mean(axis=(2, 4)).reshape(len(pictures), -1)
        rows: Embeddings = (coarse - coarse.mean(axis=1, keepdims=True)).astype(np.float32) @ self._mix
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        return rows
