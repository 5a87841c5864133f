"""Public records of notices, and the transparency report: no key is needed, and no personal data is in them."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response

from api.access import TheService
from api.paging import Cursor, Limit, page
from api.schemas.base import Day, Page, Time
from api.schemas.notices import PublicNoticeOut
from api.service import Service
from registry.errors import Invalid, NotFound
from registry.models import Notice
from takedown import records, report_page
from takedown.domain.states import State
from takedown.domain.track import TrackName
from takedown.domain.transparency import Report, as_json
from takedown.records import Search

router = APIRouter(tags=["public records"])

_Day = Annotated[Day | None, Query(description="A local day of the operator's.")]
_YEAR = timedelta(days=365)


@router.get("/v1/public/notices")
def search(
    service: TheService, cursor: Cursor = None, limit: Limit = 50,
    q: Annotated[str | None, Query(max_length=200, description="Words of what was published, or an id.")] = None,
    track: Annotated[TrackName | None, Query()] = None,
    state: Annotated[State | None, Query()] = None,
    since: Annotated[Time | None, Query()] = None,
    until: Annotated[Time | None, Query()] = None,
) -> Page[PublicNoticeOut]:  # fmt: skip
    """Notices that anybody may read, oldest first."""
    query = records.public_notices(Search(words=q, track=track, state=state, since=since, until=until))
    with service.database.reading() as session:
        return page(session, query, Notice.id, cursor, limit, lambda notice: _public(service, notice))


@router.get("/v1/public/notices/{notice_id}")
def get(notice_id: str, service: TheService) -> PublicNoticeOut:
    with service.database.reading() as session:
        notice = session.get(Notice, notice_id)
        if notice is None:
            raise NotFound(kind="public notice", id=notice_id)
        return _public(service, notice)


@router.get("/v1/public/transparency")
def transparency(service: TheService, since: _Day = None, until: _Day = None) -> dict[str, Any]:
    """The figures of a period, from the first day to the last, both within it; by default the last year."""
    return as_json(report_of(service, since, until))


@router.get(
    "/v1/public/transparency.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "One figure a line."}},
)
def transparency_csv(service: TheService, since: _Day = None, until: _Day = None) -> Response:
    headers = {"Content-Disposition": 'attachment; filename="transparency.csv"'}
    text = report_page.as_csv(report_of(service, since, until))
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def report_of(service: Service, since: date | None, until: date | None) -> Report:
    """What `days_of` a period say. Raises: Invalid: there is no such period."""
    first, last = days_of(service, since, until)
    zone = ZoneInfo(service.desk.calendar.time_zone)
    if first > last:
        raise Invalid(field="until", problem="Ask for a period that ends after it begins.")
    start = datetime.combine(first, time(), zone)
    end = min(datetime.combine(last + timedelta(days=1), time(), zone), service.now().astimezone(zone))
    if start >= end:
        raise Invalid(field="since", problem="Ask for a period that has begun.")
    with service.database.reading() as session:
        return records.report(session, start=start, end=end)


def days_of(service: Service, since: date | None, until: date | None) -> tuple[date, date]:
    """The first and the last day of a period; by default those of the last year."""
    last = until or service.desk.calendar.local_day(service.now())
    return since or last - _YEAR + timedelta(days=1), last


def _public(service: Service, notice: Notice) -> PublicNoticeOut:
    return PublicNoticeOut.model_validate(records.public_copy(notice, service.desk.calendar))
