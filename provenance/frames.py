"""Messages between a process and its worker: JSON with its length in front, on a socket."""

import json
import socket
import time
from typing import Any

MAX_FRAME_BYTES = 64 * 1024 * 1024
_LENGTH_BYTES = 4


class Garbled(Exception):
    """What came is no message."""


def send(connection: socket.socket, message: Any, *, deadline_s: float | None = None) -> None:
    """Send one message; OSError when the other side is gone.

    Args:
        deadline_s: until when all of it must have been taken, on the monotonic clock.
    Raises:
        TimeoutError: it was not taken in time.
    """
    content = json.dumps(message).encode()
    _wait_until(connection, deadline_s)
    connection.sendall(len(content).to_bytes(_LENGTH_BYTES, "big") + content)


def receive(connection: socket.socket, *, deadline_s: float | None = None) -> Any | None:
    """The next message, None when the other side closed.

    Args:
        deadline_s: until when all of it must have come, on the monotonic clock.
    Raises:
        Garbled: it is too long, cut off, or no JSON.
        TimeoutError: it did not come in time.
    """
    header = _read(connection, _LENGTH_BYTES, deadline_s)
    if not header:
        return None
    size = int.from_bytes(header, "big")
    if len(header) < _LENGTH_BYTES or size > MAX_FRAME_BYTES:
        raise Garbled
    content = _read(connection, size, deadline_s)
    try:
        if len(content) < size:
            raise Garbled
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Garbled from error


def _read(connection: socket.socket, size: int, deadline_s: float | None) -> bytes:
    """So many bytes, fewer only when the other side closed."""
    content = bytearray()
    while len(content) < size:
        _wait_until(connection, deadline_s)
        if not (chunk := connection.recv(min(1 << 16, size - len(content)))):
            break
        content += chunk
    return bytes(content)


def _wait_until(connection: socket.socket, deadline_s: float | None) -> None:
    """Give the next call on the socket the time that is left."""
    if deadline_s is not None:
        connection.settimeout(max(1e-3, deadline_s - time.monotonic()))
