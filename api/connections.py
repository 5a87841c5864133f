"""Connections: how long somebody may take to say what they want, and how many there may be at once.

Decides that about connections, which are not requests yet: those are `api.pressure`'s. uvicorn itself waits for the
head of a request as long as it takes, so a few thousand silent connections would be all that a service has.
"""

import asyncio
import json
import weakref
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from api import metrics

# From the first byte to the last of a request's head; and from the beginning of a connection.
HEAD_S: Final = 15.0
MOST_CONNECTIONS: Final = 1000
_AGAIN_S: Final = 5
_READS_S: Final = 1.0


class BoundedConnection(H11Protocol):
    """One connection: closed where the head of a request does not come, refused where there are too many."""

    most, head_s = MOST_CONNECTIONS, HEAD_S
    # Of all servers of this process, which has one.
    _accepted: ClassVar[weakref.WeakSet[H11Protocol]] = weakref.WeakSet()
    _late: asyncio.TimerHandle | None = None
    _is_refused = _is_told = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._is_refused = len(self._accepted) >= self.most
        if not self._is_refused:
            self._accepted.add(self)
        self._wait(self.head_s)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            if not self._is_told:
                self._is_told = True
                metrics.slot_refused("connections")
                self.transport.write(_refusal())
                self._came()
                self._wait(_READS_S)  # closed at once, it might be gone before it was read
            return
        if self._late is None and not self._is_answering:
            self._wait(self.head_s)
        super().data_received(data)
        if self._is_answering:
            self._came()

    def connection_lost(self, exc: Exception | None) -> None:
        self._came()
        self._accepted.discard(self)
        super().connection_lost(exc)

    @property
    def _is_answering(self) -> bool:
        """Whether the head of a request came that is not answered yet."""
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _wait(self, most_s: float) -> None:
        self._late = self.loop.call_later(most_s, self._give_up)

    def _came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if self._is_refused or not self._is_answering:
            self.transport.close()


def _refusal() -> bytes:
    document = {
        "type": "urn:clearmark:problem:busy", "title": "Busy", "status": 503,
        "detail": "Too many are connected. Ask again in a moment.",
    }  # fmt: skip
    body = json.dumps(document).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: {_AGAIN_S}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
