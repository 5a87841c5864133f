"""Outsiders on loopback: a real HTTP server that answers as a test says, however badly."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer; `trickle_s` is waited before each of its bytes, of head and body."""

    body: bytes = b""
    status: int = 200
    media_type: str = "text/plain"
    trickle_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Outsider:
    """What was asked of it: path, media type, body."""

    url: str
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)


@contextmanager
def outsider(answer: Callable[[bytes], Reply]) -> Iterator[Outsider]:
    """A server whose every POST is answered by `answer`."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told.asked.append((self.path, self.headers["content-type"], body))
            reply = answer(body)
            head = f"HTTP/1.1 {reply.status} .\r\nContent-Type: {reply.media_type}\r\nConnection: close\r\n\r\n"
            whole = head.encode() + reply.body
            self.close_connection = True
            try:
                if not reply.trickle_s:
                    self.wfile.write(whole)
                    return
                for byte in whole:
                    self.wfile.write(bytes([byte]))
                    if over.wait(reply.trickle_s):
                        return
            except OSError:
                pass  # who asked hung up

        def log_message(self, format: str, *args: object) -> None:
            """Requests are kept, not logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told = Outsider(url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
