"""Page: what a route of the pages is given to answer with: who looks, in which words, and how an answer is written."""

import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache, cached_property
from http import HTTPStatus
from importlib.util import cache_from_source
from pathlib import Path
from typing import Annotated, Any, Final, cast
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.security import HTTPAuthorizationCredentials
from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined, pass_context
from jinja2.bccache import Bucket
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.datastructures import UploadFile
from starlette.responses import Response

from api.access import TheService, party_of
from api.headers import is_secure
from api.pages import assets, drawing
from api.pages.forms import TOKEN, Form
from api.pages.origins import is_page
from api.pages.visit import Cookies, SignedIn, Visit
from api.pages.words import LANGUAGES, NAMES, Words, words_of
from api.problems import Problem
from api.service import Service
from registry.access import Actor, Scope
from registry.domain.names import isolated
from registry.errors import Forbidden
from registry.models import Account, Holder

_TEMPLATES = Path(__file__).parent / "templates"
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Referrer-Policy": "same-origin",  # with none at all, browsers would not say from where a form comes
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), browsing-topics=()",
    "Cache-Control": "no-store",
    "Vary": "Cookie, Accept-Language",
}


class SignInNeeded(Exception):
    """This page is for people who are signed in."""


class Page:
    """An answer in the making.

    Attributes:
        actor: who is signed in, for the holder they act for; None: nobody, or it is not said for which holder.
        is_stale: whether the browser shows a sign-in that is over.
        choose_holder: whether somebody is signed in who has yet to say for which of their holders.
    """

    def __init__(self, request: Request, service: Service) -> None:
        self.request, self.service = request, service
        self.at = service.now()
        self.visit = Visit.of(request, service.seals, at=self.at)
        self.words: Words = words_of(self.visit.language)
        self.cookies = Cookies(seals=service.seals, secure=is_secure(request))
        self.actor: Actor | None = None
        self.is_stale = self.choose_holder = False
        if self.visit.signed_in is not None:
            self._know(self.visit.signed_in)

    def _know(self, signed_in: SignedIn) -> None:
        credentials = HTTPAuthorizationCredentials(scheme="Bearer", credentials=signed_in.credential)
        try:
            self.actor = party_of(self.service, credentials, signed_in.as_holder)
        except Problem:
            self.is_stale = True
        except Forbidden:
            self.choose_holder = True

    def gettext(self, text: str, **values: object) -> str:
        """A text in the visitor's language, its `%(name)s` filled in."""
        return self.words.gettext(text) % _in_order(values) if values else self.words.gettext(text)

    def may(self, scope: str) -> bool:
        return self.actor is not None and self.actor.may(Scope(scope))

    def show(self, template: str, *, status: int = HTTPStatus.OK, **context: Any) -> HTMLResponse:
        """A page from a template, which is given `page` and the context."""
        made = environment_of(self.visit.language).get_template(template)
        answer = HTMLResponse(made.render(page=self, **context), status, headers=dict(HEADERS))
        return self._finished(answer)

    def go(self, path: str, *, told: str | None = None) -> RedirectResponse:
        """Send the browser on, after something was done; the next page says what."""
        answer = RedirectResponse(path, HTTPStatus.SEE_OTHER, headers={"Cache-Control": "no-store"})
        if told is not None:
            self.cookies.tell(answer, told, at=self.at)
        return answer

    def form(self, fields: Mapping[str, str] | None = None) -> Form:
        """A form: empty, or as it was sent with a file, whose token is looked at now. Raises: Problem."""
        if fields is None:
            return Form(translate=self.words.gettext)
        self.require_token(fields.get(TOKEN, ""))
        return Form(fields.items(), self.words.gettext)

    def require_token(self, shown: str) -> None:
        """Raises: Problem: the form is not one that this browser was given."""
        if not secrets.compare_digest(shown.encode(), self.visit.token.encode()):
            detail = (
                "This form is too old, or was not made for this browser. Open the page again and send it from there."
            )
            raise Problem(HTTPStatus.FORBIDDEN, "stale-form", detail)

    @cached_property
    def holder(self) -> Holder | None:
        """For whom they act."""
        if self.actor is None or not self.actor.holder_id:
            return None
        with self.service.database.reading() as session:
            return session.get(Holder, self.actor.holder_id)

    @cached_property
    def account(self) -> Account | None:
        if self.actor is None or self.actor.account_id is None:
            return None
        with self.service.database.reading() as session:
            return session.get(Account, self.actor.account_id)

    @property
    def languages(self) -> list[tuple[str, str]]:
        return [(language, NAMES[language]) for language in LANGUAGES]

    @property
    def path(self) -> str:
        """Where this page is, with what was asked of it."""
        query = self.request.url.query
        return self.request.url.path + (f"?{query}" if query else "")

    def _finished(self, answer: HTMLResponse) -> HTMLResponse:
        if self.visit.is_new:
            self.cookies.know(answer, self.visit)
        if self.visit.told is not None:
            self.cookies.told(answer)
        if self.is_stale:
            self.cookies.sign_out(answer)
        return answer


def page_of(request: Request, service: TheService) -> Page:
    return Page(request, service)


ThePage = Annotated[Page, Depends(page_of)]


def actor_of(page: ThePage) -> Actor:
    """Who is signed in. Raises: SignInNeeded; Forbidden: a ticket opens its notice alone."""
    actor = party(page)
    if actor.ticket_sha256 is not None:
        raise Forbidden(action="a ticket opens its notice and nothing else")
    return actor


def party(page: ThePage) -> Actor:
    """Who is signed in, also by the ticket of a notice. Raises: SignInNeeded."""
    if page.actor is None:
        raise SignInNeeded
    return page.actor


def actor_or_nobody(page: ThePage) -> Actor | None:
    """Who is signed in, on a page that needs nobody to be; a ticket is nobody here."""
    return page.actor if page.actor is not None and page.actor.ticket_sha256 is None else None


async def posted_form(request: Request, page: ThePage) -> Form:
    """What a form without files sent; its token is right. Raises: Problem."""
    async with request.form(max_files=0, max_fields=2000) as sent:
        said = [(name, value) for name, value in sent.multi_items() if not isinstance(value, UploadFile)]
    page.require_token(next((value for name, value in said if name == TOKEN), ""))
    return Form(said, page.words.gettext)


PageActor = Annotated[Actor, Depends(actor_of)]
PageParty = Annotated[Actor, Depends(party)]
PageActorOrNobody = Annotated[Actor | None, Depends(actor_or_nobody)]
PostedForm = Annotated[Form, Depends(posted_form)]


def problem_page(request: Request, problem: Problem) -> Response | None:
    """A problem as a page, where people asked; None where programs did."""
    if not is_page(request.url.path):
        return None
    page = Page(request, request.app.state.service)
    answer = page.show("error.html.j2", status=problem.status, problem=problem)
    answer.headers.update(problem.headers or {})
    return answer


def ask_to_sign_in(request: Request, _error: Exception) -> Response:
    """What becomes of SignInNeeded: the page comes after signing in."""
    page = Page(request, request.app.state.service)
    where = "/sign-in/holder" if page.choose_holder else "/sign-in"
    return page.go(f"{where}?next={quote(page.path if request.method == 'GET' else '/', safe='/')}")


def onward(path: str, *, otherwise: str = "/") -> str:
    """Where to go on to, as a query says; never to another site."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours else otherwise


class CompiledTemplates(FileSystemBytecodeCache):
    """Templates, compiled once for all languages, and for the next start if the folder can be written to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._codes: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._codes:
            bucket.bytecode_from_string(self._codes[bucket.key])
        else:
            with suppress(OSError):
                super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key] = bucket.bytecode_to_string()
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                Path(self.directory).mkdir(parents=True, exist_ok=True)
                super().dump_bytecode(bucket)


# Where Python keeps what it compiled of this folder itself.
_compiled = CompiledTemplates(Path(cache_from_source(str(_TEMPLATES / "any.py"))).parent)


def compile_templates() -> None:
    """Make every page ready, so that whoever opens it first does not wait for that."""
    for language in LANGUAGES:
        environment = environment_of(language)
        for name in environment.list_templates(extensions=["j2"]):
            environment.get_template(name)


@cache
def environment_of(language: str) -> Environment:
    """The templates in a language."""
    words = words_of(language)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        bytecode_cache=_compiled,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(words.catalogue, newstyle=True)  # type: ignore[attr-defined]
    for name in ("gettext", "ngettext"):
        environment.globals[name] = _filled_in(cast("Callable[..., str]", environment.globals[name]))
    environment.globals |= {"words": words, "asset": assets.address_of, "drawing": drawing}
    environment.filters |= {
        "moment": words.moment, "day": words.day, "number": words.number, "percent": words.percent,
        "clock": _clock, "bytes": _bytes, "iso": _iso, "plain": _plain,
    }  # fmt: skip
    return environment


def _filled_in(say: Callable[..., str]) -> Callable[..., str]:
    """Jinja's own, whose sentences keep their order whatever is filled in."""

    @pass_context
    def said(context: Context, *text: object, **values: object) -> str:
        return say(context, *text, **_in_order(values))

    return said


def _in_order(values: Mapping[str, object]) -> dict[str, object]:
    """Markup has elements of its own for that."""
    return {
        name: isolated(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        for name, value in values.items()
    }


def _clock(seconds: float) -> str:
    """Seconds as a player shows them: 1:02.5"""
    minutes, rest = divmod(round(float(seconds), 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest:04.1f}".removesuffix(".0")
    return f"{hours}:{minutes:02d}:{text}" if hours else f"{minutes}:{text}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _iso(at: datetime) -> str:
    return at.isoformat()


def _plain(name: str) -> str:
    """A stored name as words: email_confirmed → email confirmed."""
    return str(name).replace("_", " ")
