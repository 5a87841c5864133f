"""What every answer says to browsers, whatever made it: what they may do with it, and that we are reached by https.

A page says more of its own (`api.pages`), which stands. The interactive documentation of FastAPI loads scripts of its
own and is left out of the policy.
"""

from typing import Final

from fastapi import Request, Response

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_DOCUMENTATION: Final = ("/docs", "/redoc")
_A_YEAR_S: Final = 365 * 24 * 3600


def is_secure(request: Request) -> bool:
    """Whether people reach this service by https."""
    url: str = request.app.state.service.settings.url
    return request.url.scheme == "https" or url.startswith("https://")


def add_headers(request: Request, answer: Response) -> None:
    """Say it on an answer that is about to go out."""
    if not request.url.path.startswith(_DOCUMENTATION):
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
    if is_secure(request):
        answer.headers["Strict-Transport-Security"] = f"max-age={_A_YEAR_S}"
