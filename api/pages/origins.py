"""Origins: what a browser sends is done only when one of our own pages had it sent.

Browsers say whether a request comes from the same site (`Sec-Fetch-Site`, Fetch Metadata), older ones from which
origin. This is looked at before a body is read; the token of a form is looked at after it (`api.pages.page`).
"""

from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from api.problems import Problem

# Everything else that is asked by a path is for people.
_FOR_PROGRAMS: Final = (
    "/v1/", "/sbr/", "/.well-known/", "/healthz", "/readyz", "/metrics", "/license.xml", "/openapi.json", "/docs",
    "/redoc",
)  # fmt: skip
_SAFE: Final = ("GET", "HEAD", "OPTIONS")


def is_page(path: str) -> bool:
    """Whether people ask for this in a browser, and not programs by the API."""
    return not path.startswith(_FOR_PROGRAMS)


def require_same_origin(request: Request) -> None:
    """Raises: Problem: another site had this sent."""
    if request.method in _SAFE or not is_page(request.url.path):
        return
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None:
        ours = fetched in ("same-origin", "none")
    else:
        origin = request.headers.get("origin")
        ours = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not ours:
        detail = "Another site sent this form; nothing was done. Open the page here and send it from there."
        raise Problem(HTTPStatus.FORBIDDEN, "cross-origin", detail)
