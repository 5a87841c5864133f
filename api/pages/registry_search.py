"""The public registry: what is registered, and what is reserved of it."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.access import base_url
from api.pages.days import day_of
from api.pages.page import ThePage
from api.paging import Cursor
from api.routes import public_registry

router = APIRouter()
_AT_ONCE = 25


@router.get("/registry")
def search(page: ThePage, cursor: Cursor = None, q: Annotated[str, Query(max_length=200)] = "") -> Response:
    found = public_registry.search_works(page.service, cursor, _AT_ONCE, q.strip())
    return page.show("registry/search.html.j2", found=found, q=q.strip(), is_first=cursor is None)


@router.get("/registry/{work_id}")
def show_work(page: ThePage, work_id: str, on: Annotated[str, Query(max_length=40)] = "") -> Response:
    """What is said of a work; with `on`, what was in force when that day (UTC) ended."""
    day = day_of(on, field="on")
    at = page.at if day is None else _end_of(day, now=page.at)
    work = public_registry.get_public_work(work_id, page.service, at)
    canonical = f"{base_url(page.request)}/registry/{work.id}"
    return page.show("registry/work.html.j2", work=work, on=on, canonical=canonical)


def _end_of(day: date, *, now: datetime) -> datetime:
    """The last moment of a day; of today, now."""
    begins = datetime.combine(day, time(), UTC)
    ends = begins + timedelta(days=1) - timedelta.resolution
    return now if begins <= now <= ends else ends
