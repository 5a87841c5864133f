"""Letters on their way: over SMTP, or into a folder where the operator finds them as `.eml` files."""

import contextlib
import itertools
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.policy import compat32
from email.utils import format_datetime
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from api.settings import Settings
from registry.domain.identifiers import Prefix
from registry.models import Mail

# Of one step, and of a whole conversation, in which a server may drip a byte at a time.
_TIMEOUT_S, _CONVERSATION_S = 30.0, 180.0
_SMTP_PORT, _SMTPS_PORT = 587, 465
_REFUSED = 500
_MOST_PARTS, _MOST_LINES = 20, 20_000
# Of a header with what is folded below it, or a line of a body; the parser's work grows with the square of it.
_LONGEST_LINE, _UNFOLDED = 20_000, re.compile(rb"\r?\n(?![ \t])")
_OUR_ID = re.compile(rf"<({Prefix.MAIL}_[0-9a-z]+)@[^<>@\s]+>")


class MaybeSent(Exception):
    """The connection ended after the letter was handed over, and before the server said that it took it."""


class Post(Protocol):
    """Where letters go."""

    @property
    def may_repeat(self) -> bool:
        """Whether handing a letter over again does no harm."""

    def send(self, mail: Mail) -> None:
        """Hand a letter over.

        Raises:
            OSError, smtplib.SMTPException: it was not taken.
            MaybeSent: nobody can say.
        """

    def forget(self, mail_ids: Iterable[str]) -> None:
        """Delete what is kept here of letters."""


def make_post(settings: Settings) -> Post:
    return SmtpPost(settings) if settings.mail_url else FolderPost(settings)


class FolderPost:
    """A file for each letter, for trying out and for operators who send them by other means."""

    may_repeat = True  # it is the same file

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, mail: Mail) -> None:
        folder = self._settings.mail_folder
        folder.mkdir(mode=0o700, exist_ok=True)
        partial, path = folder / f"{mail.id}.part", folder / f"{mail.id}.eml"
        partial.write_bytes(bytes(message(mail, self._settings)))
        partial.replace(path)

    def forget(self, mail_ids: Iterable[str]) -> None:
        for mail_id in mail_ids:
            for ending in ("part", "eml"):
                (self._settings.mail_folder / f"{mail_id}.{ending}").unlink(missing_ok=True)


class SmtpPost:
    """An SMTP server; with STARTTLS where it offers that, and never a password in the clear."""

    may_repeat = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._at = urlsplit(settings.mail_url)

    def send(self, mail: Mail) -> None:
        letter = message(mail, self._settings)
        server = self._connected()
        try:
            server.send_message(letter)
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused):
            raise  # it answered
        except OSError as silence:
            raise MaybeSent(str(silence)) from silence
        finally:
            with contextlib.suppress(OSError):  # what is said at parting changes nothing
                server.quit()
            server.close()

    def forget(self, mail_ids: Iterable[str]) -> None:
        """They are with the mail server, and with whom they were for."""

    def _connected(self) -> smtplib.SMTP:
        at, context = self._at, ssl.create_default_context()
        host = at.hostname or "localhost"
        if at.scheme == "smtps":
            server: smtplib.SMTP = _TimedTls(host, at.port or _SMTPS_PORT, timeout=_TIMEOUT_S, context=context)
        else:
            server = _Timed(host, at.port or _SMTP_PORT, timeout=_TIMEOUT_S)
        try:
            self._introduce(server, context)
        except BaseException:
            server.close()
            raise
        return server

    def _introduce(self, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
        server.ehlo()
        if not isinstance(server.sock, ssl.SSLSocket) and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        if self._at.username:
            if not isinstance(server.sock, ssl.SSLSocket):
                raise smtplib.SMTPNotSupportedError(
                    "the mail server offers no TLS: a password is not sent in the clear"
                )
            server.login(unquote(self._at.username), unquote(self._at.password or ""))


class _Timed(smtplib.SMTP):
    """A conversation that is hung up on when its time is over."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self._over = threading.Timer(_CONVERSATION_S, self._hang_up)
        self._over.daemon = True
        self._over.start()
        try:
            super().__init__(*arguments, **more)
        except BaseException:
            self._over.cancel()
            raise

    def close(self) -> None:
        self._over.cancel()
        super().close()

    def _hang_up(self) -> None:
        if self.sock is not None:
            with contextlib.suppress(OSError):  # the plain socket's: who reads through TLS sees the end of it
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _TimedTls(_Timed, smtplib.SMTP_SSL):
    """The same, in TLS from the beginning."""


def message(mail: Mail, settings: Settings) -> EmailMessage:
    """The letter as RFC 5322 has it; its id stays the same when it is sent twice."""
    made = EmailMessage()
    made["From"], made["Subject"] = settings.mail_from, mail.subject
    made["To"] = Address(addr_spec=mail.recipient)  # one recipient, whatever it looks like
    made["Date"] = format_datetime(mail.created_at)
    made["Message-ID"] = f"<{mail.id}@{urlsplit(settings.url).hostname or 'localhost'}>"
    made["Auto-Submitted"] = "auto-generated"
    if mail.html is None:
        made.set_content(f"{mail.text}\n-- \n{settings.url}\n")
    else:  # it says by itself who wrote it
        made.set_content(str(mail.text))
        made.add_alternative(mail.html, subtype="html")
    return made


def is_refused_for_good(error: Exception) -> bool:
    """Whether a mail server will not take a letter however often it is sent: RFC 5321 says so with 5xx."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= _REFUSED for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= _REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """A letter of ours that came back, and why."""

    mail_id: str
    problem: str


class NoBounce(Exception):
    """It is no report that a letter of ours was not delivered."""


def read_bounce(raw: bytes) -> Bounce:
    """Read a delivery status notification (RFC 3464) about a letter of ours.

    Raises:
        NoBounce: it is none, or not about one of ours, or it says that the letter arrived or is only late.
    """
    lines = _UNFOLDED.split(raw)
    if len(lines) > _MOST_LINES or raw.lower().count(b"boundary") > _MOST_PARTS or max(map(len, lines)) > _LONGEST_LINE:
        raise NoBounce("No mail server writes a report like that.")
    try:
        return _bounce_in(list(itertools.islice(message_from_bytes(raw, policy=compat32).walk(), _MOST_PARTS)))
    except NoBounce:
        raise
    except Exception as odd:  # the parser gives up on some messages with whatever it stumbled over
        raise NoBounce("It cannot be read as a message.") from odd


def _bounce_in(parts: Sequence[Message]) -> Bounce:
    status = next((part for part in parts if part.get_content_type() == "message/delivery-status"), None)
    if status is None:
        raise NoBounce("It is no delivery status notification (RFC 3464).")
    failed = [one for one in status.walk() if str(one.get("Action", "")).strip().lower() == "failed"]
    if not failed:
        raise NoBounce("It does not say that a letter failed.")
    ours = (_OUR_ID.search(str(part.get("Message-ID", ""))) for part in parts[1:])
    text = (_OUR_ID.search(_text_of(part)) for part in parts if part.get_content_type() == "text/rfc822-headers")
    found = next(filter(None, itertools.chain(ours, text)), None)
    if found is None:
        raise NoBounce("It is not about a letter of ours.")
    why = failed[0].get("Diagnostic-Code") or failed[0].get("Status") or "it came back"
    return Bounce(mail_id=found[1], problem=f"It came back: {why}")


def _text_of(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
