"""The two clients. They do what the calls ask for, each in its own way, and decide nothing."""

import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import anyio
import anyio.to_thread
import httpx

from clearmark.client.calls import Calls, Pages
from clearmark.client.errors import BadAnswer, Misconfigured
from clearmark.client.exchange import Answer, Compute, Computed, Failed, Flow, Outcome, Retries, Send, Step, Wait

# The largest are pages of the feed; files go to disk as they come.
MAX_ANSWER_BYTES = 64 << 20
_CONNECT_S, _WRITE_S = 10.0, 60.0


class Closing:
    """Keeps connections open, and lets go of them at the end of its `with`."""

    _http: httpx.Client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()


class Client(Closing, Calls):
    """A connection to a service, for programs that wait; `AsyncClient` is the same for those that do not.

    with Client("https://clearmark.example", key) as clearmark:
        if clearmark.gate("clip.mp4"):
            ...
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        holder: str | None = None,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            holder: the id of the holder to act for, where the key does not say it: as their agent, or of several.
            transport: how requests travel, where it is not the usual way: a proxy, a test.
        Raises:
            Misconfigured: no service can have that address, or no key or id of a holder look like that.
        """
        super().__init__(retries or Retries())
        self._http = httpx.Client(base_url=service_address(url), headers=_headers(key, holder), transport=transport)

    def run[T](self, flow: Flow[T]) -> T:
        """Do what a call asks for until it has its result."""
        return carry_out(flow, self._do)

    def iterate[Item](self, pages: Pages[Item]) -> Iterator[Item]:
        following: Pages[Item] | None = pages
        while following is not None:
            items, following = self.run(self.page(following))
            yield from items

    def _do(self, step: Step) -> Outcome:
        match step:
            case Wait():
                self._sleep(step.seconds)
                return None
            case Compute():
                return Computed(step.work())
            case Send():
                return self._send(step)

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def _send(self, send: Send) -> Answer:
        with _opened(send) as sent, self._http.stream(send.method, send.path, **_arguments(send, sent)) as answer:
            if send.target is None or not answer.is_success:
                content = bytearray()
                for chunk in answer.iter_bytes():
                    _gather(content, chunk)
                return _answer(answer, bytes(content))
            with _written_whole(send.target) as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
            return _answer(answer, b"")


class AsyncClient(Calls):
    """`Client` for programs with an event loop, asyncio or trio: every call is awaited, every list gone through
    with `async for`.

    async with AsyncClient("https://clearmark.example", key) as clearmark:
        if await clearmark.gate("clip.mp4"):
            ...
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        holder: str | None = None,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """As `Client`."""
        super().__init__(retries or Retries())
        self._http = httpx.AsyncClient(
            base_url=service_address(url), headers=_headers(key, holder), transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def run[T](self, flow: Flow[T]) -> T:
        """Do what a call asks for until it has its result."""
        outcome: Outcome = None
        try:
            while True:
                step = flow.send(outcome)
                try:
                    outcome = await self._do(step)
                except Exception as error:
                    outcome = Failed(error)
        except StopIteration as finished:
            result: T = finished.value
            return result

    async def iterate[Item](self, pages: Pages[Item]) -> AsyncIterator[Item]:
        following: Pages[Item] | None = pages
        while following is not None:
            items, following = await self.run(self.page(following))
            for item in items:
                yield item

    async def _do(self, step: Step) -> Outcome:
        match step:
            case Wait():
                await self._sleep(step.seconds)
                return None
            case Compute():
                return Computed(await anyio.to_thread.run_sync(step.work))
            case Send():
                return await self._send(step)

    async def _sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def _send(self, send: Send) -> Answer:
        with _opened(send) as sent:
            async with self._http.stream(send.method, send.path, **_arguments(send, sent)) as answer:
                if send.target is None or not answer.is_success:
                    content = bytearray()
                    async for chunk in answer.aiter_bytes():
                        _gather(content, chunk)
                    return _answer(answer, bytes(content))
                with _written_whole(send.target) as file:
                    async for chunk in answer.aiter_bytes():
                        await anyio.to_thread.run_sync(file.write, chunk)
                return _answer(answer, b"")


def carry_out[T](flow: Flow[T], do: Callable[[Step], Outcome]) -> T:
    """Do what a flow asks for, one step after another, until it has its result."""
    outcome: Outcome = None
    try:
        while True:
            step = flow.send(outcome)
            try:
                outcome = do(step)
            except Exception as error:
                outcome = Failed(error)
    except StopIteration as finished:
        result: T = finished.value
        return result


def service_address(url: str) -> httpx.URL:
    """An address as a user gave it. Raises: Misconfigured: no service can have it."""
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):  # ValueError: half a character
        address = httpx.URL("")
    if address.scheme not in ("http", "https") or not can_be_reached(address):
        raise Misconfigured(f"{url!r} is not the address of a service; it looks like http://127.0.0.1:8000")
    return address


def can_be_reached(address: httpx.URL) -> bool:
    """Whether a host can have that name and a port that number; what cannot would fail in words of its own."""
    try:
        _ = address.host  # httpx reads it too, on the way; `xn--` before what no name is written as raises
    except ValueError:
        return False
    labels = address.raw_host.removesuffix(b".").split(b".")
    return all(0 < len(label) < 64 for label in labels) and address.port != 0 and (address.port or 0) < 1 << 16


def patience(wait_s: float) -> httpx.Timeout:
    """How long each part of a request may take, where the service may say nothing for `wait_s`."""
    return httpx.Timeout(wait_s, connect=_CONNECT_S, write=_WRITE_S)


def _headers(key: str | None, holder: str | None) -> dict[str, str]:
    said = {"the key": key or "", "the holder's id": holder or ""}
    for name, value in said.items():
        if not (value.isascii() and value.isprintable()):
            raise Misconfigured(f"{name} holds characters that none has; copy it again")
    return {
        **({"Authorization": f"Bearer {key}"} if key else {}),
        **({"Clearmark-Holder": holder} if holder else {}),
    }


@contextlib.contextmanager
def _opened(send: Send) -> Iterator[dict[str, Any]]:
    """The files of a request from their beginnings, as parts of a form, which is streamed from them; or one piece."""
    with contextlib.ExitStack() as opened:
        file = opened.enter_context(send.file.open("rb")) if send.file is not None else None
        if file is not None and send.piece is not None:
            file.seek(send.piece[0])
            yield {"content": file.read(send.piece[1])}
            return
        files: dict[str, Any] = {"file": ("media", file)} if file is not None else {}
        if send.manifest is not None:
            files["manifest"] = ("manifest", opened.enter_context(send.manifest.open("rb")), "application/c2pa")
        yield {"files": files or None, "data": dict(send.fields)}


def _arguments(send: Send, sent: dict[str, Any]) -> dict[str, Any]:
    return {
        "params": dict(send.parameters),
        "headers": {**send.headers, **({"Idempotency-Key": send.key} if send.key else {})},
        "json": send.body,
        "timeout": patience(send.wait_s),
        **sent,
    }


def _gather(content: bytearray, chunk: bytes) -> None:
    """Take one more piece of an answer that is held in memory. Raises: BadAnswer: it does not end."""
    content += chunk
    if len(content) > MAX_ANSWER_BYTES:
        raise BadAnswer(f"The answer has more than {MAX_ANSWER_BYTES} bytes, which no answer of a service has.")


def _answer(answer: httpx.Response, content: bytes) -> Answer:
    return Answer(status=answer.status_code, headers=answer.headers, content=content)


@contextlib.contextmanager
def _written_whole(target: Path) -> Iterator[IO[bytes]]:
    """A file beside `target` that takes its place once all of it is written."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with partial.open("xb") as file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
