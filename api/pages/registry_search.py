"""The public registry: what is registered, and what is reserved of it."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.access import base_url
from api.pages.days import day_of, end_of
from api.pages.page import ThePage
from api.paging import Cursor
from api.routes import public_registry
from registry.errors import Invalid

router = APIRouter()
_AT_ONCE = 25


@router.get("/registry")
def search(page: ThePage, cursor: Cursor = None, q: Annotated[str, Query(max_length=200)] = "") -> Response:
    found = public_registry.search_works(page.service, cursor, _AT_ONCE, q.strip())
    return page.show("registry/search.html.j2", found=found, q=q.strip(), is_first=cursor is None)


@router.get("/registry/{work_id}")
def show_work(page: ThePage, work_id: str, on: Annotated[str, Query(max_length=40)] = "") -> Response:
    """What is said of a work; with `on`, what was in force when that day (UTC) ended."""
    try:
        day = day_of(on, field="on")
    except Invalid as wrong:
        return page.go(f"/registry/{work_id}", told=page.gettext(wrong.problem))
    at = page.at if day in (None, page.at.date()) else end_of(day)
    work = public_registry.get_public_work(work_id, page.service, at)
    canonical = f"{base_url(page.request)}/registry/{work.id}"
    return page.show("registry/work.html.j2", work=work, on=on, canonical=canonical)
