"""Letters on their way: over SMTP, or into a folder where the operator finds them as `.eml` files."""

import smtplib
import ssl
from collections.abc import Iterable
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Protocol
from urllib.parse import unquote, urlsplit

from api.settings import Settings
from registry.models import Mail

_TIMEOUT_S = 30.0
_SMTP_PORT, _SMTPS_PORT = 587, 465


class Post(Protocol):
    """Where letters go."""

    def send(self, mail: Mail) -> None:
        """Hand a letter over; sending it again does no harm. Raises: OSError, smtplib.SMTPException."""

    def forget(self, mail_ids: Iterable[str]) -> None:
        """Delete what is kept here of letters."""


def make_post(settings: Settings) -> Post:
    return SmtpPost(settings) if settings.mail_url else FolderPost(settings)


class FolderPost:
    """A file for each letter, for trying out and for operators who send them by other means."""

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

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._at = urlsplit(settings.mail_url)

    def send(self, mail: Mail) -> None:
        with self._connected() as server:
            server.send_message(message(mail, self._settings))

    def forget(self, mail_ids: Iterable[str]) -> None:
        """They are with the mail server, and with whom they were for."""

    def _connected(self) -> smtplib.SMTP:
        at, context = self._at, ssl.create_default_context()
        host = at.hostname or "localhost"
        if at.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, at.port or _SMTPS_PORT, timeout=_TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(host, at.port or _SMTP_PORT, timeout=_TIMEOUT_S)
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
        if at.username:
            if not isinstance(server.sock, ssl.SSLSocket):
                raise smtplib.SMTPNotSupportedError(
                    "the mail server offers no TLS: a password is not sent in the clear"
                )
            server.login(unquote(at.username), unquote(at.password or ""))
        return server


def message(mail: Mail, settings: Settings) -> EmailMessage:
    """The letter as RFC 5322 has it; its id stays the same when it is sent twice."""
    made = EmailMessage()
    made["From"], made["Subject"] = settings.mail_from, mail.subject
    made["To"] = Address(addr_spec=mail.recipient)  # one recipient, whatever it looks like
    made["Date"] = format_datetime(mail.created_at)
    made["Message-ID"] = f"<{mail.id}@{urlsplit(settings.url).hostname or 'localhost'}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(f"{mail.text}\n-- \n{settings.url}\n")
    return made
