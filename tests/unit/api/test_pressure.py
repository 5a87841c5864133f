"""Back-pressure: beyond so much at once one is told to come again, and what is slow does not last for ever."""

import asyncio
import json
import time
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.pressure import COMING, BodyTooSlow, Pressure


class Caller:
    """A request, whose body comes as the test says."""

    def __init__(self, *, length: int | None = 0, address: str = "203.0.113.1", path: str = "/v1/checks") -> None:
        said = [(b"transfer-encoding", b"chunked")] if length is None else [(b"content-length", str(length).encode())]
        self.scope: Scope = {"type": "http", "path": path, "headers": said, "client": (address, 1)}
        self.pieces: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []

    def brings(self, content: bytes, *, more: bool = False) -> None:
        self.pieces.put_nowait({"type": "http.request", "body": content, "more_body": more})

    async def ask(self, app: Pressure) -> None:
        async def send(message: Message) -> None:
            self.sent.append(message)

        await app(self.scope, self.pieces.get, send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def refusal(self) -> dict[str, Any]:
        headers = dict(self.sent[0]["headers"])
        assert headers[b"content-type"] == b"application/problem+json"
        assert int(headers[b"retry-after"]) >= 1
        document: dict[str, Any] = json.loads(self.sent[1]["body"])
        return document


async def reading(_scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads the whole body, then answers."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _begun(app: Pressure, *callers: Caller) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(caller.ask(app)) for caller in callers]
    await asyncio.sleep(0)
    return tasks


def test_beyond_so_many_requests_one_comes_again_and_health_is_told_all_the_same() -> None:
    async def scene() -> None:
        app, waiting = Pressure(reading, requests=2), [Caller(), Caller()]
        tasks = await _begun(app, *waiting)
        late, health = Caller(), Caller(path="/healthz")
        await late.ask(app)
        assert (late.status, late.refusal["type"]) == (503, "urn:clearmark:problem:busy")
        health.brings(b"")
        await health.ask(app)
        assert health.status == 200
        for caller in waiting:
            caller.brings(b"")
        await asyncio.gather(*tasks)
        after = Caller()
        after.brings(b"")
        await after.ask(app)
        assert [caller.status for caller in (*waiting, after)] == [200, 200, 200]

    asyncio.run(scene())


@pytest.mark.parametrize("length", [1 << 20, None])
def test_one_address_leaves_room_for_the_bodies_of_others(length: int | None) -> None:
    async def scene() -> None:
        app = Pressure(reading, bodies=3, bodies_of_one=2)
        mine = [Caller(length=length), Caller(length=length)]
        tasks = await _begun(app, *mine)
        third, small, other = Caller(length=length), Caller(length=10), Caller(length=length, address="203.0.113.2")
        await third.ask(app)
        assert third.status == 503
        small.brings(b"0123456789")
        other.brings(b"all of it")
        await asyncio.gather(small.ask(app), other.ask(app))
        assert (small.status, other.status) == (200, 200)
        for caller in mine:
            caller.brings(b"all of it")
        await asyncio.gather(*tasks)

    asyncio.run(scene())


def test_what_others_are_still_to_bring_counts_as_taken() -> None:
    async def scene() -> None:
        app, first, second = Pressure(reading), Caller(length=5 << 30), Caller(length=1 << 20)
        tasks = await _begun(app, first, second)
        assert (first.scope[COMING], second.scope[COMING]) == (0, 5 << 30)
        first.brings(b"")
        second.brings(b"")
        await asyncio.gather(*tasks)
        third = Caller(length=1 << 20)
        third.brings(b"")
        await third.ask(app)
        assert third.scope[COMING] == 0

    asyncio.run(scene())


def test_a_body_that_falls_silent_is_given_up() -> None:
    async def scene() -> None:
        app, silent = Pressure(reading, silence_s=0.05), Caller(length=1 << 20)
        silent.brings(b"a little", more=True)
        with pytest.raises(BodyTooSlow):
            await silent.ask(app)

    asyncio.run(scene())


def test_a_body_that_drips_is_given_up() -> None:
    async def scene() -> None:
        app, drips = Pressure(reading, grace_s=0.1), Caller(length=1 << 20)

        async def drip() -> None:
            while True:
                drips.brings(b"x", more=True)
                await asyncio.sleep(0.01)

        began = time.monotonic()
        task = asyncio.create_task(drip())
        with pytest.raises(BodyTooSlow):
            await drips.ask(app)
        task.cancel()
        assert time.monotonic() - began < 5

    asyncio.run(scene())


def test_a_stream_of_answers_may_last_once_the_body_came() -> None:
    async def scene() -> None:
        async def streaming(_scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            assert (await receive())["type"] == "http.disconnect"
            await send({"type": "http.response.start", "status": 200, "headers": []})

        app, looks_on = Pressure(streaming, silence_s=0.05), Caller()
        looks_on.brings(b"")
        [task] = await _begun(app, looks_on)
        await asyncio.sleep(0.2)
        looks_on.pieces.put_nowait({"type": "http.disconnect"})
        await task
        assert looks_on.status == 200

    asyncio.run(scene())
