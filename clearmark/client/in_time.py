"""A request that is over when its time is up, in whatever part of it.

The limits of httpx hold for each read alone, and what drips never reaches them.
"""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from clearmark.client.errors import BadAnswer


@contextmanager
def ended_in_time(host: str, most_s: float) -> Iterator[Callable[[str, Mapping[str, Any]], None]]:
    """Break a request off when its time is up; gives what httpx is to tell of its steps (its extension `trace`).

    The request needs a connection of its own: it is learnt of when it is opened.

    Raises:
        BadAnswer: it was broken off.
    """
    opened: list[socket.socket] = []
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        for connection in opened:
            with suppress(OSError):  # closed, or TLS took its place
                # Neither `close` nor the `shutdown` of an SSLSocket: they take away what the reading thread still uses.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def trace(step: str, said: Mapping[str, Any]) -> None:
        if step.endswith(("connect_tcp.complete", "start_tls.complete")):
            opened.append(said["return_value"].get_extra_info("socket"))
            if is_over.is_set():
                end()

    timer = threading.Timer(most_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield trace
    except httpx.RequestError:
        if not is_over.is_set():
            raise
    finally:
        timer.cancel()
    if is_over.is_set():  # also without an error: a body may end with its connection
        raise BadAnswer(f"{host} was not done answering after {most_s:.0f} s; no more of it is taken.")
