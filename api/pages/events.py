"""Live progress: how far files, checks and imports are, told to a page as it changes (server-sent events, `live.js`).

A stream ends when all are finished, after a while, and when the service stops; the browser then comes again by itself.
"""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Annotated, Final

from anyio import sleep, to_thread
from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from api import metrics
from api.pages.page import Page, PageActor, ThePage
from api.pressure import MOST_REQUESTS
from api.problems import Problem
from registry import checks, imports, works
from registry.access import Actor
from registry.domain.identifiers import Prefix
from registry.errors import NotFound
from registry.models import AssetStatus, CheckStatus, ImportStatus

router = APIRouter()
_MOST: Final = 20
# Looked at so often while something changes, and ever more seldom while nothing does.
_SOON_S, _LATE_S, _SLOWER = 0.4, 2.0, 1.2
_LASTS_S, _AGAIN_MS, _ALIVE_S = 60.0, 1000, 15.0
# Streams that one person has open at once: some tabs; and all persons together. Each is a request in hand for as long
# as it lasts, and half of those are left to everybody else.
_MOST_STREAMS, _MOST_OF_ALL = 20, MOST_REQUESTS // 2
_open: Counter[str] = Counter()
_WAITS: Final = frozenset({AssetStatus.QUEUED, CheckStatus.QUEUED, ImportStatus.QUEUED})
_WORKS: Final = frozenset({AssetStatus.PROCESSING, CheckStatus.PROCESSING, ImportStatus.PROCESSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far something is.

    Attributes:
        progress: from 0 to 1; None: it is not known how much there is to do.
        text: the same in words, in the visitor's language.
    """

    id: str
    status: str
    progress: float | None
    text: str
    done: bool


@router.get("/events")
def show_events(
    page: ThePage, actor: PageActor, of: Annotated[list[str], Query(max_length=_MOST)], request: Request
) -> StreamingResponse:
    """Tell how far these are, each when it changes. Raises: NotFound: one of them is not this visitor's."""
    _standings(page, actor, of)
    if _open[actor.person] >= _MOST_STREAMS:
        detail = "Too many pages are open that show how far things are. Close some."
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers={"Retry-After": "30"})
    if _open.total() >= _MOST_OF_ALL:
        metrics.slot_refused("streams")
        detail = "Too many pages are open that show how far things are. Ask again in a moment."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, headers={"Retry-After": "10"})
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(request, page, actor, of), media_type="text/event-stream", headers=headers)


async def _stream(request: Request, page: Page, actor: Actor, ids: list[str]) -> AsyncIterator[str]:
    is_over: Callable[[], bool] = getattr(request.app.state, "is_stopping", lambda: False)
    ends_s, told_s, wait_s = time.monotonic() + _LASTS_S, time.monotonic(), _SOON_S
    told: dict[str, Standing] = {}
    _open[actor.person] += 1
    try:
        yield f"retry: {_AGAIN_MS}\n\n"
        if _open[actor.person] > _MOST_STREAMS or _open.total() > _MOST_OF_ALL:  # several asked at once
            return
        while time.monotonic() < ends_s and not is_over() and not await request.is_disconnected():
            standings = await to_thread.run_sync(_standings, page, actor, ids)
            news = [one for one in standings if told.get(one.id) != one]
            for one in news:
                told[one.id], told_s = one, time.monotonic()
                yield f"data: {json.dumps(asdict(one))}\n\n"
            if all(one.done for one in standings):
                return
            if time.monotonic() - told_s > _ALIVE_S:  # or those between would think that nobody is there
                told_s = time.monotonic()
                yield ":\n\n"
            wait_s = _SOON_S if news else min(_LATE_S, wait_s * _SLOWER)
            await sleep(wait_s)
    except NotFound:
        return
    finally:
        _open[actor.person] -= 1
        if not _open[actor.person]:
            del _open[actor.person]


def _standings(page: Page, actor: Actor, ids: list[str]) -> list[Standing]:
    """Raises: NotFound."""
    with page.service.database.reading() as session:
        return [_standing(page, session, actor, one) for one in dict.fromkeys(ids)]


def _standing(page: Page, session: Session, actor: Actor, id: str) -> Standing:
    match id.partition("_")[0]:
        case Prefix.ASSET:
            asset = works.visible_asset(session, actor, id)
            status, progress = asset.status, asset.progress
        case Prefix.CHECK:
            check = checks.visible(session, actor, id)
            status, progress = check.status, check.progress
        case Prefix.IMPORT:
            task = imports.own(session, actor, id)
            if task.status in _WORKS:
                rows = page.words.ngettext("%(num)d row", "%(num)d rows", task.rows_done) % {"num": task.rows_done}
                return Standing(id=id, status=task.status, progress=None, text=rows, done=False)
            status, progress = task.status, 0.0 if task.status in _WAITS else 1.0
        case _:
            raise NotFound(kind="thing to be told of", id=id[:40])
    done = status not in _WAITS | _WORKS
    text = page.words.percent(progress) if progress else ""
    if status in _WAITS:
        text = page.gettext("Waiting")
    elif done:
        text = page.gettext("Finished")
    return Standing(id=id, status=status, progress=progress, text=text, done=done)
