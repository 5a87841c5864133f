"""A mail server on loopback that takes letters, refuses them, hangs up, or says nothing more, as a test wants.

It speaks as much of RFC 5321 as `smtplib` asks for. It offers neither TLS nor passwords.
"""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

HANG_UP, SAY_NOTHING = "", "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """What the server answers in one conversation; `HANG_UP` and `SAY_NOTHING` are answers as well.

    Attributes:
        greeting, sender, recipient, letter, goodbye: to whoever connects, to MAIL, to RCPT, to a letter after DATA, and
            to QUIT.
    """

    greeting: str = "220 mail.example"
    sender: str = "250 OK"
    recipient: str = "250 OK"
    letter: str = "250 OK, taken"
    goodbye: str = "221 Bye"


POLITE = Manners()


@dataclass(slots=True)
class MailServer:
    """A running server.

    Attributes:
        manners: of the conversations to come, one each; polite afterwards.
        taken: letters that it took, as they came.
        heard: letters that it heard to their end, whatever it said then.
        commands: all that it was told.
    """

    url: str
    manners: list[Manners] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def letters(self) -> list[EmailMessage]:
        """What it took, parsed."""
        return [message_from_bytes(raw, policy=default) for raw in self.taken]


class _HungUp(Exception):
    """The conversation is over."""


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A server for as long as the block lasts."""
    is_over = threading.Event()

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            manners = server.manners.pop(0) if server.manners else POLITE
            with suppress(_HungUp, OSError):
                self._say(manners.greeting)
                while line := self.rfile.readline():
                    self._answer(line.decode().strip(), manners)

        def _answer(self, said: str, manners: Manners) -> None:
            server.commands.append(said)
            match said.partition(" ")[0].upper():
                case "EHLO":
                    self._say("250-mail.example", "250 8BITMIME")
                case "MAIL":
                    self._say(manners.sender)
                case "RCPT":
                    self._say(manners.recipient)
                case "DATA":
                    self._say("354 Go on")
                    letter = self._letter()
                    server.heard.append(letter)
                    if manners.letter.startswith("2"):
                        server.taken.append(letter)
                    self._say(manners.letter)
                case "QUIT":
                    self._say(manners.goodbye)
                    raise _HungUp
                case _:
                    self._say("250 OK")

        def _letter(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                if not line:
                    raise _HungUp
                lines.append(line[1:] if line.startswith(b".") else line)
            return b"".join(lines)

        def _say(self, *lines: str) -> None:
            if lines == (SAY_NOTHING,):
                is_over.wait(60)
            if lines in ((HANG_UP,), (SAY_NOTHING,)):
                raise _HungUp
            self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
            if lines[0].startswith("421"):
                raise _HungUp

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as listening:
        listening.daemon_threads = True
        server = MailServer(f"smtp://127.0.0.1:{listening.server_address[1]}")
        thread = threading.Thread(target=lambda: listening.serve_forever(poll_interval=0.02), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            is_over.set()
            listening.shutdown()
            thread.join()
