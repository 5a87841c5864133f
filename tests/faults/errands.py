"""Errands: what people want done of a service that keeps dying, each under one key until it is acknowledged.

A rights holder registers works, files and reservations and files notices; a pipeline asks and releases. What was
acknowledged is kept beside what was asked: `tests.faults.invariants` holds one against the other.
"""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import httpx

from fingerprinting.document import to_document
from tests import factories
from tests.api.test_notices import NOTICE

# Answers that say "not now": the errand is tried again, under its key.
NOT_NOW = frozenset({
    HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE,
})  # fmt: skip
# Where the machine is busy a service takes minutes to come back.
_PAUSE_S, _PATIENCE_S = 0.2, 600.0


class Kind(StrEnum):
    WORK = "work"
    ASSET = "asset"
    RESERVATION = "reservation"
    CHECK = "check"
    RELEASE = "release"
    NOTICE = "notice"


@dataclass(slots=True, kw_only=True)
class Errand:
    """One thing to be done; `about` is of what, by its id, and `answer` the newest that acknowledged it."""

    kind: Kind
    who: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    file: bytes | None = None
    about: str = ""
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    answer: dict[str, Any] | None = None
    tries: int = 0

    @property
    def id(self) -> str:
        assert self.answer is not None, "it was not acknowledged"
        return str(self.answer["id"])


@dataclass(slots=True)
class Errands:
    """All that was asked, by everybody, and what went wrong that never may.

    Attributes:
        url: where the service is now.
        keys: of who asks.
        wrong: answers that no kill excuses.
    """

    url: Callable[[], str]
    keys: dict[str, str]
    asked: list[Errand] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def attempt(self, client: httpx.Client, errand: Errand) -> bool:
        """Try once; whether it is acknowledged. A connection that ends says nothing either way."""
        errand.tries += 1
        headers = {"Authorization": f"Bearer {self.keys[errand.who]}", "Idempotency-Key": errand.key}
        said: dict[str, Any] = {"files": {"file": errand.file}} if errand.file is not None else {"json": errand.body}
        try:
            answer = client.post(self.url() + errand.path, headers=headers, **said)
        except httpx.TransportError:
            return False
        self.statuses[answer.status_code] += 1
        if answer.is_success:
            found = answer.json()
            if errand.answer is not None and errand.id != found["id"]:
                self.wrong.append(f"{errand.kind} {errand.key} is {errand.id}, and then {found['id']}")
            errand.answer = found
            return True
        if answer.status_code not in NOT_NOW or (
            answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE and not _is_told(answer)
        ):
            self.wrong.append(f"{errand.kind}: {answer.status_code} {answer.text[:300]}")
        return False

    def carry_out(self, client: httpx.Client, errand: Errand) -> None:
        """Try until it is acknowledged."""
        self.asked.append(errand)
        until_s = time.monotonic() + _PATIENCE_S
        while not self.attempt(client, errand):
            if time.monotonic() > until_s or len(self.wrong) > 20:
                self.wrong.append(f"{errand.kind} {errand.key} was never acknowledged")
                return
            time.sleep(_PAUSE_S)

    def acknowledged(self, kind: Kind) -> list[Errand]:
        return [errand for errand in list(self.asked) if errand.kind is kind and errand.answer is not None]


def _is_told(answer: httpx.Response) -> bool:
    """Whether a refusal says when to come back, as it must."""
    return "retry-after" in answer.headers


@dataclass(slots=True)
class Load:
    """People at work in threads of their own, until they are told to stop; what they began they bring to an end.

    Attributes:
        registered, made: small video files of the studio's and of the pipeline's; each is sent with bytes after its end
            that make it a file of its own.
    """

    errands: Errands
    registered: list[bytes]
    made: list[bytes]
    seed: int
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _seeds: int = 1_000

    def start(self) -> None:
        self._over.clear()
        round_seed = self.seed + len(self.errands.asked)
        self._threads = [
            threading.Thread(target=self._work, args=(act, random.Random(round_seed + number)))
            for number, act in enumerate((self._studio, self._pipeline, self._complainant))
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait until everybody has what they began."""
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=_PATIENCE_S + 60)
            assert not thread.is_alive(), "somebody still waits for an answer"

    def _work(self, act: Callable[[httpx.Client, random.Random], None], chance: random.Random) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._over.is_set():
                try:
                    act(client, chance)
                except Exception as error:  # a thread that dies says nothing
                    self.errands.wrong.append(f"{type(error).__name__}: {error}")
                    return
                self._over.wait(chance.uniform(0.02, 0.25))

    def _file(self, clips: list[bytes], chance: random.Random) -> bytes:
        return chance.choice(clips) + b"\0\0\0\x18free" + uuid.uuid4().bytes

    def _document(self, seed: int) -> dict[str, Any]:
        return to_document(factories.fingerprint(seed, seconds=6.0))

    def _studio(self, client: httpx.Client, chance: random.Random) -> None:
        said = {"title": f"Work {uuid.uuid4().hex[:8]}", "kind": "clip", "policy": "block"}
        work = self._done(client, Errand(kind=Kind.WORK, who="studio", path="/v1/works", body=said))
        if work is None:
            return
        about = f"/v1/works/{work.id}"
        self._seeds += 1
        shown = (
            {"body": self._document(self._seeds)}
            if chance.random() < 0.8
            else {"file": self._file(self.registered, chance)}
        )
        self._done(client, Errand(kind=Kind.ASSET, who="studio", path=f"{about}/assets", about=work.id, **shown))
        word = {"use": "train", "value": "reserved"}
        said_of = f"{about}/reservations"
        self._done(client, Errand(kind=Kind.RESERVATION, who="studio", path=said_of, about=work.id, body=word))

    def _pipeline(self, client: httpx.Client, chance: random.Random) -> None:
        if chance.random() < 0.6:
            copied = chance.randrange(1_001, self._seeds + 2)  # of a work, or of one that is yet to come
            self._done(client, Errand(kind=Kind.CHECK, who="pipeline", path="/v1/checks", body=self._document(copied)))
            return
        check = self._done(
            client, Errand(kind=Kind.CHECK, who="pipeline", path="/v1/checks", file=self._file(self.made, chance))
        )
        if check is not None and check.answer is not None and check.answer["verdict"] == "clear":
            said = {"check_id": check.id}
            release = Errand(kind=Kind.RELEASE, who="pipeline", path="/v1/releases", about=check.id, body=said)
            self._done(client, release)

    def _complainant(self, client: httpx.Client, chance: random.Random) -> None:
        material = f"https://tube.example/watch/{uuid.uuid4()}"
        said = {**NOTICE, "contact_email": "ada@studio.example", "material": [material]}
        self._done(client, Errand(kind=Kind.NOTICE, who="studio", path="/v1/notices", body=said))
        self._over.wait(chance.uniform(0.2, 0.8))

    def _done(self, client: httpx.Client, errand: Errand) -> Errand | None:
        self.errands.carry_out(client, errand)
        return errand if errand.answer is not None else None
