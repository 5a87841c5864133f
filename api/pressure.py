"""Back-pressure: how many requests and bodies are in hand at once; who comes beyond that is told when to come again.

Middleware outside everything that needs a thread, so that a refusal costs nothing. Requests wait for one of some dozens
of threads; beyond `MOST_REQUESTS` they would wait longer than anybody does. Bodies hold disk and a connection for as
long as their sender likes: there are so many at once, of one address fewer, each must go on at least so fast, and what
all together say that they will bring must fit on the disk. What is slow in itself has slots besides (`api.slots`).
"""

import time
from collections import Counter
from http import HTTPStatus
from typing import Final

from anyio import fail_after
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import metrics, problems
from api.limits import address_of
from api.problems import Problem

MOST_REQUESTS: Final = 256
MOST_BODIES: Final = 64
MOST_BODIES_OF_ONE: Final = 24
# What is in memory at once in any case is no body that anybody waits for.
_SMALL_BYTES: Final = 1 << 16
# A body may fall silent for so long, and must come at this rate, counted from its beginning with so much grace.
SILENCE_S: Final = 30.0
LEAST_BYTES_A_S: Final = 1024
GRACE_S: Final = 60.0
_FREE: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_AGAIN_S: Final = 2
COMING: Final = "clearmark.coming"


class BodyTooSlow(HTTPException):
    """A body does not come. FastAPI lets no other exception out while it reads one."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_TIMEOUT)


def on_body_too_slow(request: Request, _error: Exception) -> Response:
    detail = f"The body came too slowly: less than {LEAST_BYTES_A_S} bytes a second, or nothing for {SILENCE_S:.0f} s."
    return problems.answer(request, Problem(HTTPStatus.REQUEST_TIMEOUT, "timeout", detail))


class Pressure:
    """The middleware."""

    def __init__(
        self, app: ASGIApp, *, requests: int = MOST_REQUESTS, bodies: int = MOST_BODIES,
        bodies_of_one: int = MOST_BODIES_OF_ONE, silence_s: float = SILENCE_S, grace_s: float = GRACE_S,
    ) -> None:  # fmt: skip
        self._app = app
        self._most_requests, self._most_bodies, self._most_of_one = requests, bodies, bodies_of_one
        self._silence_s, self._grace_s = silence_s, grace_s
        self._requests = 0
        self._bodies: Counter[str] = Counter()
        self._coming_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _FREE:
            await self._app(scope, receive, send)
            return
        if self._requests >= self._most_requests:
            await self._refuse("requests", scope, receive, send)
            return
        self._requests += 1
        try:
            await self._with_body(scope, receive, send)
        finally:
            self._requests -= 1

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = _declared_bytes(Headers(scope=scope))
        if declared is not None and declared <= _SMALL_BYTES:
            body = _Body(receive, declared, silence_s=self._silence_s, grace_s=self._grace_s)
            await self._app(scope, body.receive, send)
            return
        address = address_of(scope)
        if self._bodies.total() >= self._most_bodies or self._bodies[address] >= self._most_of_one:
            await self._refuse("bodies", scope, receive, send)
            return
        body = _Body(receive, declared or 0, silence_s=self._silence_s, grace_s=self._grace_s)
        scope[COMING] = self._coming_bytes  # by now, beside this one
        self._bodies[address] += 1
        self._coming_bytes += body.declared_bytes
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._coming_bytes -= body.declared_bytes
            self._bodies[address] -= 1
            if not self._bodies[address]:
                del self._bodies[address]

    async def _refuse(self, what: str, scope: Scope, receive: Receive, send: Send) -> None:
        metrics.slot_refused(what)
        detail = f"Too many {what} are in hand. Ask again in a moment."
        busy = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, headers={"Retry-After": str(_AGAIN_S)})
        await problems.response(busy)(scope, receive, send)


class _Body:
    """A body as it comes."""

    def __init__(self, receive: Receive, declared_bytes: int, *, silence_s: float, grace_s: float) -> None:
        self.declared_bytes = declared_bytes
        self._receive, self._silence_s, self._grace_s = receive, silence_s, grace_s
        self._began_s, self._taken_bytes = time.monotonic(), 0
        self._is_whole = False

    async def receive(self) -> Message:
        if self._is_whole:  # what comes now is that the client went, and may take as long as it likes
            return await self._receive()
        try:
            with fail_after(self._silence_s):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow from None
        self._taken_bytes += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        taken_s = time.monotonic() - self._began_s - self._grace_s
        if not self._is_whole and self._taken_bytes < taken_s * LEAST_BYTES_A_S:
            raise BodyTooSlow
        return message


def _declared_bytes(headers: Headers) -> int | None:
    """How long the body is said to be; None where it comes in chunks without a word."""
    if "transfer-encoding" in headers:
        return None
    said = headers.get("content-length", "0")
    return int(said) if said.isdecimal() else 0
