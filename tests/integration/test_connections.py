"""Connections to a server of its own: silent ones end, and beyond so many one is told to come again."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from api.connections import BoundedConnection


class _Bounded(BoundedConnection):
    most, head_s = 3, 0.6


async def _whole(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = Starlette(routes=[Route("/", _whole, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=_Bounded, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(10)
    return connection


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
def test_who_does_not_say_what_they_want_is_left(port: int, head: bytes) -> None:
    with _connect(port) as silent:
        silent.sendall(head)
        assert _is_closed(silent)


def test_a_head_that_drips_is_left_after_an_answer_too(port: int) -> None:
    with _connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        try:
            while not connection.send(b"G") or time.monotonic() - began < 5:
                time.sleep(0.05)
            pytest.fail("it was let go on")
        except (BrokenPipeError, ConnectionResetError):
            pass


def test_a_body_may_take_longer_than_a_head(port: int) -> None:
    with _connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        for byte in b"slow":
            time.sleep(0.3)
            connection.sendall(bytes([byte]))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_beyond_so_many_connections_one_comes_again(port: int) -> None:
    held = [_connect(port) for _ in range(3)]
    time.sleep(0.1)
    with _connect(port) as late:
        late.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = late.recv(2000)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: " in answer
        assert b"application/problem+json" in answer
        assert _is_closed(late)
    for connection in held:
        connection.close()
    time.sleep(0.1)
    with _connect(port) as after:
        after.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert after.recv(1000).startswith(b"HTTP/1.1 200")
