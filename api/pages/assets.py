"""What pages load besides themselves: style and scripts of our own, under addresses that change when they do."""

import hashlib
from functools import cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "static"
PREFIX = "/static"


@cache
def version() -> str:
    """Of all of them together: scripts load each other by name."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def address_of(name: str) -> str:
    """Where a page finds one of them."""
    return f"{PREFIX}/{version()}/{name}"


class Assets(StaticFiles):
    """Serves them; whatever version is asked for, there is only this one."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    async def get_response(self, path: str, scope: Scope) -> Response:
        asked, _, name = path.partition("/")
        answer = await super().get_response(name, scope)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if asked == version() else "no-cache"
        answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return answer
