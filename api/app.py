"""The web application: routes on a service that somebody else built and will close."""

from collections.abc import Awaitable, Callable
from functools import cache
from http import HTTPStatus
from typing import Any

from anyio import to_thread
from fastapi import Depends, FastAPI, Request, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from api import logs, problems
from api.gauges import Gauges
from api.headers import add_headers
from api.limits import RateLimits
from api.pages import site
from api.pages.origins import require_same_origin
from api.pressure import BodyTooSlow, Pressure, on_body_too_slow
from api.problems import ProblemDocument
from api.readiness import Readiness
from api.requests import Watched, note_what_is_asked
from api.routes import (
    accounts,
    assets,
    checks,
    conflicts,
    consents,
    exchange,
    feeds,
    holders,
    imports,
    ledger,
    negatives,
    notices,
    oidc,
    operations,
    own,
    preferences,
    public_notices,
    public_registry,
    releases,
    soft_binding,
    takedown_desk,
    uploads,
    verifications,
    webhooks,
    well_known,
    works,
)
from api.service import Service
from api.uploads import BodyTooLarge, BoundedBodies, on_body_too_large

DESCRIPTION = """\
Register works and reserve their uses, ask before publishing whether a clip copies one, sign what may
go out, verify where a clip came from, and take down what should not be there. Errors are RFC 9457
problem documents with a stable `type`.

Nobody is recognised by face or voice: a person is protected where a check names them, and where their
registered reference clips are copied.
"""
_ROUTERS = (
    works, consents, imports, exchange, uploads, assets, conflicts, checks, releases, verifications, soft_binding,
    preferences, feeds, notices, takedown_desk, public_notices, public_registry,
    ledger, holders, own, accounts, oidc, negatives, webhooks, well_known, operations,
)  # fmt: skip
_FOR_ALL_SITES = ("/sbr/", "/.well-known/c2pa-soft-binding-resolution")


def create_app(service: Service) -> FastAPI:
    """The application on `service`."""
    app = _bare_app()
    app.state.service = service
    app.state.gauges = Gauges(service)
    app.state.readiness = Readiness(service, app.state.gauges)
    return app


@cache
def specification() -> dict[str, Any]:
    """The API's OpenAPI document, the same each time; needs no service."""
    return _bare_app().openapi()


def _bare_app() -> FastAPI:
    app = FastAPI(
        title="Clearmark",
        version="1",
        description=DESCRIPTION,
        responses={"4XX": _PROBLEM, "5XX": _PROBLEM},
        dependencies=[Depends(note_what_is_asked)],
    )
    problems.install(app)
    app.add_exception_handler(BodyTooLarge, on_body_too_large)
    app.add_middleware(BoundedBodies)
    app.add_exception_handler(BodyTooSlow, on_body_too_slow)
    app.add_middleware(RateLimits)
    app.add_middleware(Pressure)
    app.add_middleware(OpenToAnyOrigin)  # outside the limits, so that a page may read that it asked too much
    for module in _ROUTERS:
        app.include_router(module.router)
    site.install(app)

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            _require_sound_address(request)
            require_same_origin(request)
        except problems.Problem as problem:
            answer = await to_thread.run_sync(problems.answer, request, problem)
        else:
            answer = await call_next(request)
        add_headers(request, answer)
        return answer

    app.add_middleware(Watched)  # outside everything: what is refused is seen, too
    return app


def _require_sound_address(request: Request) -> None:
    """No id and no cursor holds U+0000, and PostgreSQL cannot even be asked for it. Raises: Problem."""
    if "\x00" in request.url.path or b"%00" in request.scope["query_string"]:
        detail = "The address holds the character U+0000, which nothing here has."
        raise problems.Problem(HTTPStatus.BAD_REQUEST, "bad-request", detail)


class OpenToAnyOrigin:
    """Middleware: what readers of credentials ask from pages of any site (CORS); nothing there knows who asks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["Retry-After", "RateLimit", "RateLimit-Policy", logs.REQUEST_ID],
            max_age=86_400,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_open = scope["type"] == "http" and scope["path"].startswith(_FOR_ALL_SITES)
        await (self._open if is_open else self._app)(scope, receive, send)


_PROBLEM: dict[str, Any] = {
    "description": "A problem document.",
    "content": {problems.MEDIA_TYPE: {"schema": ProblemDocument.model_json_schema()}},
}
