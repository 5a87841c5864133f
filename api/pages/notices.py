"""Notices as anybody sees them: what a takedown is here, what was published, and whom to write to.

Filing one is `filing`; what its parties see of it `parties`.
"""

from datetime import datetime, time, timedelta
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from pydantic import StringConstraints
from starlette.responses import Response

from api.pages import filing, parties
from api.pages.forms import Form
from api.pages.notice_words import NoticeWords
from api.pages.page import Page, ThePage
from api.routes import public_notices
from api.schemas.base import Day, In
from api.schemas.notices import PublicNoticeOut
from takedown import records
from takedown.domain.outline import main_line
from takedown.domain.states import DOWN, OVER, State
from takedown.domain.track import TrackName
from takedown.domain.tracks import TRACKS
from takedown.records import Search

router = APIRouter()
router.include_router(filing.router)
router.include_router(parties.router)

_Word = Annotated[str, StringConstraints(max_length=200)]


class PublicSearch(In):
    """What somebody looks for among published notices."""

    q: _Word | None = None
    track: TrackName | None = None
    state: State | None = None
    since: Day | None = None
    until: Day | None = None
    cursor: _Word | None = None


@router.get("/notices")
def show_takedown(page: ThePage) -> Response:
    """How it works, and what was published, newest first."""
    form, rows, next_ = Form(page.request.query_params.multi_items()), list[PublicNoticeOut](), None
    with form.heeding():
        rows, next_ = _published(page, form.parse(PublicSearch))
    say = NoticeWords.of(page)
    asked = [(name, value) for name, value in page.request.query_params.items() if name != "cursor" and value]
    return page.show(
        "notices/index.html.j2", status=form.status, form=form, rows=rows, next=next_, is_search=bool(form.tree()),
        path=f"/notices?{urlencode(asked)}", say=say, policy=page.service.desk.policy,
        calendar=page.service.desk.calendar, courses=[(name.value, main_line(track)) for name, track in TRACKS.items()],
        tracks=[(name.value, say.track(name)) for name in TRACKS],
        states=[(state.value, say.state(state)) for state in State if state in DOWN | OVER | {State.DECLINED}],
    )  # fmt: skip


@router.get("/notices/{notice_id}")
def show_public_copy(notice_id: str, page: ThePage) -> Response:
    notice = public_notices.get(notice_id, page.service)
    say = NoticeWords.of(page)
    return page.show(
        "notices/public.html.j2", notice=notice, operator=page.service.desk.policy.operator, say=say,
        is_down=notice.state in DOWN, reasons=[say.titled(notice.track, one) for one in notice.reasons],
    )  # fmt: skip


@router.get("/agent")
def show_agent(page: ThePage) -> Response:
    return page.show("notices/agent.html.j2", policy=page.service.desk.policy, say=NoticeWords.of(page))


def _published(page: Page, said: PublicSearch) -> tuple[list[PublicNoticeOut], str | None]:
    zone = ZoneInfo(page.service.desk.calendar.time_zone)
    until = said.until + timedelta(days=1) if said.until else None
    search = Search(
        words=said.q, track=said.track, state=said.state,
        since=datetime.combine(said.since, time(), zone) if said.since else None,
        until=datetime.combine(until, time(), zone) if until else None,
    )  # fmt: skip
    with page.service.database.reading() as session:
        found, next_ = records.newest_public(session, search, before=said.cursor)
        copies = [records.public_copy(one, page.service.desk.calendar) for one in found]
    return [PublicNoticeOut.model_validate(one) for one in copies], next_
