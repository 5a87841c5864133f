"""Visits: who looks at a page, in which language and theme, by the cookies that their browser shows.

A sign-in is the same key or token that the API takes, sealed, so that a stolen cookie is worth no more than a visit. No
route of the API looks at cookies: there, another site could ask in somebody's name.

What a form sends is believed only with the token that its page was given, which is bound to this browser and sign-in;
that the form was not on another site is looked at before (`api.pages.origins`).
"""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from babel import negotiate_locale
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response

from api.keyring import open_ring
from api.pages.words import LANGUAGES

SIGN_IN, VISIT, LANGUAGE, THEME, TOLD = (
    "clearmark_sign_in", "clearmark_visit", "clearmark_language", "clearmark_theme", "clearmark_told",
)  # fmt: skip
SIGN_IN_LASTS: Final = timedelta(hours=12)
_CHOICE_LASTS: Final = timedelta(days=365)
_TOLD_LASTS: Final = timedelta(minutes=5)


class Theme(StrEnum):
    """`auto` is whatever the system says."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What a browser showed of who it is.

    Attributes:
        credential: a key or token as the API takes it.
        as_holder: the holder that they act for.
        since: when it was shown; None: now.
    """

    credential: str
    as_holder: str | None = None
    since: datetime | None = None


class Seals:
    """Seals what lies in cookies, by a ring of keys that all processes of a service share."""

    def __init__(self, folder: Path) -> None:
        keys = [Fernet(key) for key in open_ring(folder, Fernet.generate_key)]
        self._fernet = MultiFernet(keys[::-1])
        self._token_key = hashlib.sha256(b"forms" + b"".join(open_ring(folder, Fernet.generate_key))).digest()

    def seal(self, said: dict[str, Any], *, at: datetime, as_what: str = "") -> str:
        """Args: as_what: the name of the cookie, so that none is taken for another."""
        return self._fernet.encrypt_at_time(json.dumps([as_what, said]).encode(), int(at.timestamp())).decode()

    def open(self, sealed: str, *, lasts: timedelta, at: datetime, as_what: str = "") -> dict[str, Any] | None:
        """What was sealed; None when it was not by us, as something else, or too long ago."""
        try:
            plain = self._fernet.decrypt_at_time(
                sealed.encode(), ttl=int(lasts.total_seconds()), current_time=int(at.timestamp())
            )
        except InvalidToken:
            return None
        name, said = json.loads(plain)
        return said if name == as_what else None

    def token(self, visit: str, signed_in: SignedIn | None) -> str:
        """What a form carries to show that it is one of ours, for this browser and sign-in."""
        whose = f"{visit} {signed_in.credential} {signed_in.as_holder}" if signed_in else visit
        return hmac.new(self._token_key, whose.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A browser that looks at pages.

    Attributes:
        id: random; tells browsers apart that are not signed in.
        is_new: whether the browser has yet to be told its id.
        told: what the page before wanted said.
    """

    id: str
    is_new: bool
    signed_in: SignedIn | None
    language: str
    theme: Theme
    token: str
    told: str | None = None

    @classmethod
    def of(cls, asked: HTTPConnection, seals: Seals, *, at: datetime) -> "Visit":
        """What the cookies of a request say."""
        cookies = asked.cookies
        known = cookies.get(VISIT, "")
        visit = known if len(known) == _ID_CHARS and known.isascii() else secrets.token_urlsafe(_ID_BYTES)
        signed_in = signed_in_of(asked, seals, at=at)
        told = seals.open(cookies[TOLD], lasts=_TOLD_LASTS, at=at, as_what=TOLD) if TOLD in cookies else None
        theme = cookies.get(THEME, "")
        return cls(
            id=visit,
            is_new=visit != known,
            signed_in=signed_in,
            language=_language(cookies.get(LANGUAGE, ""), asked.headers),
            theme=Theme(theme) if theme in set(Theme) else Theme.AUTO,
            token=seals.token(visit, signed_in),
            told=told["text"] if told else None,
        )


_ID_BYTES = 24
_ID_CHARS = len(secrets.token_urlsafe(_ID_BYTES))


def signed_in_of(asked: HTTPConnection, seals: Seals, *, at: datetime) -> SignedIn | None:
    """Who a browser says it is; whether they still are, `registry.access` knows."""
    sealed = asked.cookies.get(SIGN_IN)
    said = seals.open(sealed, lasts=SIGN_IN_LASTS, at=at, as_what=SIGN_IN) if sealed else None
    if said is None:
        return None
    since = datetime.fromisoformat(said["since"])
    return SignedIn(credential=said["credential"], as_holder=said["as_holder"], since=since)


def _language(chosen: str, headers: Headers) -> str:
    if chosen in LANGUAGES:
        return chosen
    wanted = [part.partition(";")[0].strip() for part in headers.get("accept-language", "").split(",")]
    return negotiate_locale(wanted, LANGUAGES, sep="-") or LANGUAGES[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookies:
    """Puts cookies on an answer, and takes them away."""

    seals: Seals
    secure: bool

    def sign_in(self, answer: Response, signed_in: SignedIn, *, at: datetime) -> None:
        """Also for another holder than until now: it lasts no longer for that."""
        since = signed_in.since or at
        said = {"credential": signed_in.credential, "as_holder": signed_in.as_holder, "since": since.isoformat()}
        self._put(answer, SIGN_IN, self.seals.seal(said, at=since, as_what=SIGN_IN), lasts=SIGN_IN_LASTS)

    def sign_out(self, answer: Response) -> None:
        answer.delete_cookie(SIGN_IN, path="/", httponly=True, secure=self.secure, samesite="lax")

    def know(self, answer: Response, visit: Visit) -> None:
        self._put(answer, VISIT, visit.id)

    def tell(self, answer: Response, text: str, *, at: datetime) -> None:
        """Have the next page say something."""
        self._put(answer, TOLD, self.seals.seal({"text": text}, at=at, as_what=TOLD), lasts=_TOLD_LASTS)

    def told(self, answer: Response) -> None:
        answer.delete_cookie(TOLD, path="/", httponly=True, secure=self.secure, samesite="lax")

    def choose(self, answer: Response, *, language: str, theme: Theme) -> None:
        self._put(answer, LANGUAGE, language, lasts=_CHOICE_LASTS)
        self._put(answer, THEME, theme, lasts=_CHOICE_LASTS)

    def _put(self, answer: Response, name: str, value: str, *, lasts: timedelta | None = None) -> None:
        answer.set_cookie(
            name, value, max_age=int(lasts.total_seconds()) if lasts else None, path="/", httponly=True,
            secure=self.secure, samesite="lax",
        )  # fmt: skip
