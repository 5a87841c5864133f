"""Every request is watched: it has an id, is timed, counted, and has one line in the log.

The outermost of our middleware, so that what is refused is seen too. An id that the caller gives is taken when it is a
plain word, so that it can be followed from a proxy to here; else one is made. Routes are told apart by their template:
paths and queries hold what strangers and holders say, and are neither logged nor counted.
"""

import logging
import re
import time
import uuid
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import logs, metrics, telemetry

_log = logging.getLogger("clearmark.access")
_WORD: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ROUTE: Final = "(none)"
_STATIC: Final = "/static"
# What asks all the time, and is of no interest one by one.
_NOT_LOGGED: Final = frozenset({"/healthz", "/readyz", "/metrics", _STATIC})
# The caller went before there was an answer; no status of HTTP's, but what proxies write.
_GONE: Final = 499
_began: ContextVar[float] = ContextVar("began", default=0.0)


class Watched:
    """The middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get(logs.REQUEST_ID, "")
        request_id = said if _WORD.fullmatch(said) else uuid.uuid4().hex
        logs.begin(request_id=request_id, **telemetry.trace())
        _began.set(time.perf_counter())
        answer = _Answer(send, request_id)
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            answer.status = answer.status or 500  # made outside of this
            raise
        finally:
            answer.tell(scope)


class _Answer:
    """What is sent back, as it goes by."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.status = 0
        self._send, self._request_id = send, request_id
        self._bytes, self._is_stream = 0, False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[logs.REQUEST_ID] = self._request_id
            self._is_stream = headers.get("content-type", "").startswith("text/event-stream")
        elif message["type"] == "http.response.body":
            self._bytes += len(message.get("body", b""))
        await self._send(message)

    def tell(self, scope: Scope) -> None:
        seconds = age_s()
        status, route = self.status or _GONE, _route(scope)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        if not self._is_stream:  # which is open as long as somebody looks
            is_refusal = status == HTTPStatus.SERVICE_UNAVAILABLE and logs.in_hand("slots") is not None
            metrics.requested(
                route=route, method=method, status=status, seconds=seconds, told_to_come_again=is_refusal
            )  # fmt: skip
        if route not in _NOT_LOGGED:
            said = {"method": method, "status": status, "ms": round(seconds * 1000, 1), "bytes": self._bytes}
            _log.info("request", extra={"route": route, **said})


def age_s() -> float:
    """How long ago the request in hand began: when a route is reached, what it took to receive it."""
    return time.perf_counter() - _began.get()


async def note_what_is_asked(request: Request) -> None:
    """A dependency of every route: lines of this request are about the ids in its path."""
    logs.note(*request.path_params.values(), route=_route(request.scope))


def _route(scope: Scope) -> str:
    """The template of the route that was asked."""
    if (noted := logs.in_hand("route")) is not None:
        return noted
    if scope["path"].startswith(f"{_STATIC}/"):
        return _STATIC
    # FastAPI keeps the template with the prefixes of its routers beside the route, which knows its own part alone.
    whole: Any = scope.get("fastapi", {}).get("effective_route_context")
    found: str = getattr(whole, "path", None) or getattr(scope.get("route"), "path", None) or _NO_ROUTE
    return found
