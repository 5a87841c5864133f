"""The site: all pages, put on the application that has the API."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from api.pages import (
    account,
    catalogue,
    dashboard,
    desk,
    domains,
    events,
    home,
    matches,
    moderation,
    notices,
    operator,
    pipeline,
    playback,
    public_ledger,
    registry_search,
    review,
    sign_in,
    uploads,
    verify,
    works,
)
from api.pages.assets import PREFIX, Assets
from api.pages.origins import is_page
from api.pages.page import SignInNeeded, ask_to_sign_in, problem_page

MODULES = (
    verify, sign_in, home, account, dashboard, works, catalogue, domains, matches, pipeline, review, moderation,
    notices, desk, registry_search, public_ledger, operator, playback, uploads, events,
)  # fmt: skip


def install(app: FastAPI) -> None:
    """Add the pages; problems that people run into become pages, too."""
    app.state.problem_page = problem_page
    app.add_exception_handler(SignInNeeded, ask_to_sign_in)
    for module in MODULES:
        app.include_router(module.router, include_in_schema=False)
    app.mount(PREFIX, Assets())
    app.add_middleware(HeadOfPages)


class HeadOfPages:
    """Middleware: whoever only checks a link asks for the head of its page; the server leaves the body out.

    Of an upload HEAD asks something else: how much of it is there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_head = scope["type"] == "http" and scope["method"] == "HEAD" and is_page(scope["path"])
        if is_head and not scope["path"].startswith("/uploads"):
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
