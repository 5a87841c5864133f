"""A receiver of webhooks with nothing but Python's own web server.

    CLEARMARK_WEBHOOK_SECRET=whsec_… python webhook_receiver.py [port] [file of what was done]

It believes nothing that is not signed, and does each message once however often it comes: a message is known by its
`webhook-id`. It answers 2xx only when the work is on record, so that what it could not do comes again.
"""

import os
import sqlite3
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

MOST_BYTES = 1 << 20


class Inbox:
    """What was done already; a file, so that it is known after a restart too."""

    def __init__(self, path: str, secret: str, act: Callable[[dict[str, Any]], None]) -> None:
        self._done = sqlite3.connect(path, isolation_level=None)
        self._done.execute("CREATE TABLE IF NOT EXISTS done (id TEXT PRIMARY KEY)")
        self._webhook, self._act = Webhook(secret), act

    def take(self, headers: Mapping[str, str], body: bytes) -> HTTPStatus:
        """Act on a message, once."""
        try:
            message = self._webhook.verify(body, dict(headers))
        except (WebhookVerificationError, ValueError):
            return HTTPStatus.BAD_REQUEST
        self._done.execute("BEGIN IMMEDIATE")
        try:
            identity = [headers["webhook-id"]]
            if self._done.execute("INSERT OR IGNORE INTO done VALUES (?)", identity).rowcount:
                self._act(message)
            self._done.execute("COMMIT")
        except BaseException:
            self._done.execute("ROLLBACK")
            raise
        return HTTPStatus.NO_CONTENT


def act(message: dict[str, Any]) -> None:
    """What your system does with it: fetch the check, tell a person, …"""
    print(message["type"], message["data"], flush=True)


def server(inbox: Inbox, port: int) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdecimal() or int(length) > MOST_BYTES:
                self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(inbox.take(headers, self.rfile.read(int(length))))
            self.end_headers()

    return HTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8010
    file = sys.argv[2] if len(sys.argv) > 2 else "done.db"
    listening = server(Inbox(file, os.environ["CLEARMARK_WEBHOOK_SECRET"], act), port)
    print(f"Listening on http://127.0.0.1:{listening.server_port}/", flush=True)
    listening.serve_forever()


if __name__ == "__main__":
    main()
