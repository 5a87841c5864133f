"""What a service builds when it starts, and builds the same each time: made once, for all that are forked from here."""

from typing import Final

from fastapi import FastAPI

import api.app
from api.pages.page import compile_templates

_bare_app = api.app._bare_app
_SPARE: Final[list[FastAPI]] = [_bare_app()]
_SPARE[0].openapi()  # which works out what each route depends on, as the first request does otherwise
compile_templates()


def hand_over() -> None:
    """Let the first application of this process be the one that is ready."""
    api.app._bare_app = lambda: _SPARE.pop() if _SPARE else _bare_app()
