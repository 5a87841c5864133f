"""Traffic: the kinds of request that clients mix, each asked as an outsider asks it, and what came back.

An answer is as it should be when it is 2xx, or 429 or 503 with `Retry-After` and a problem document. All else is an
error, broken connections too.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus

import httpx

from tests.load.clips import distinct, form

_REFUSALS = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_PAGES = ("/", "/registry", "/ledger", "/notices/new", "/v1/ledger/checkpoint", "/healthz")
# A client that was refused comes again this soon, whatever it was told: that is what the service must bear.
_COMES_AGAIN_S = 0.2
_KEPT_WORKS = 12


class Kind(StrEnum):
    """What a client asks for."""

    REGISTER = "register"
    CHECK = "check"
    VERIFY = "verify"
    PAGE = "page"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request and its outcome; `status` is 0 where none came, `fault` says what was wrong with the answer."""

    kind: Kind
    took_s: float
    status: int
    fault: str | None


@dataclass(slots=True, kw_only=True)
class House:
    """A service that was made ready for traffic.

    Attributes:
        key: of a holder who may register and ask.
        unreleased, works: contents of clips to ask about, and to register.
        signed: releases of this service.
    """

    url: str
    key: str
    unreleased: list[bytes]
    works: list[bytes]
    signed: list[bytes]
    registered: deque[str] = field(default_factory=deque)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=120)


def traffic(house: House, mix: Mapping[Kind, float], *, clients: int, seconds: float, seed: int = 0) -> list[Asked]:
    """What so many clients got, each of whom asks again as soon as it is answered."""
    asked: list[Asked] = []
    until_s = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_client, args=(house, mix, random.Random(seed * 1000 + number), until_s, asked))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return asked


def _client(house: House, mix: Mapping[Kind, float], chance: random.Random, until_s: float, asked: list[Asked]) -> None:
    kinds, weights = list(mix), list(mix.values())
    with house.client() as client:
        while time.monotonic() < until_s:
            one = ask(house, client, chance.choices(kinds, weights)[0], chance)
            asked.append(one)
            if one.status in _REFUSALS or not one.status:
                time.sleep(_COMES_AGAIN_S)


def ask(house: House, client: httpx.Client, kind: Kind, chance: random.Random) -> Asked:
    """One request of a kind."""
    began = time.perf_counter()
    try:
        answer = _ASKING[kind](house, client, chance)
    except httpx.HTTPError as error:
        return Asked(kind=kind, took_s=time.perf_counter() - began, status=0, fault=type(error).__name__)
    return Asked(kind=kind, took_s=time.perf_counter() - began, status=answer.status_code, fault=fault_of(answer))


def fault_of(answer: httpx.Response) -> str | None:
    """What is wrong with an answer; None when nothing is."""
    if answer.is_success:
        return None
    if answer.status_code not in _REFUSALS:
        return f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:200]}"
    if "retry-after" not in answer.headers or answer.headers["content-type"] != "application/problem+json":
        return f"{answer.status_code} without Retry-After and problem document"
    return None


def _check(house: House, client: httpx.Client, chance: random.Random) -> httpx.Response:
    return _send(client, "/v1/checks", distinct(chance.choice(house.unreleased)))


def _verify(house: House, client: httpx.Client, chance: random.Random) -> httpx.Response:
    return _send(client, "/v1/verifications", chance.choice(house.signed))


def _page(_house: House, client: httpx.Client, chance: random.Random) -> httpx.Response:
    return client.get(chance.choice(_PAGES), follow_redirects=True)


def _register(house: House, client: httpx.Client, chance: random.Random) -> httpx.Response:
    """A work with its file; the oldest is withdrawn, so that what is registered does not grow for ever."""
    answer = client.post("/v1/works", json={"title": f"Work {chance.random()}", "kind": "clip", "policy": "notify"})
    if not answer.is_success:
        return answer
    house.registered.append(work := answer.json()["id"])
    answer = _send(client, f"/v1/works/{work}/assets", distinct(chance.choice(house.works)))
    if answer.is_success and len(house.registered) > _KEPT_WORKS:
        return client.delete(f"/v1/works/{house.registered.popleft()}")
    return answer


def _send(client: httpx.Client, path: str, content: bytes) -> httpx.Response:
    body, kind = form(content)
    return client.post(path, content=body, headers={"Content-Type": kind})


_ASKING: Mapping[Kind, Callable[[House, httpx.Client, random.Random], httpx.Response]] = {
    Kind.REGISTER: _register,
    Kind.CHECK: _check,
    Kind.VERIFY: _verify,
    Kind.PAGE: _page,
}
