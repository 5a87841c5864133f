"""The transparency report: what was asked to be taken down in a period, and what became of it."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from markupsafe import Markup
from starlette.responses import Response

from api.pages.days import day_of
from api.pages.page import Page, ThePage
from api.routes.public_notices import days_of, report_of
from takedown import report_page
from takedown.domain.transparency import Report
from takedown.report_words import Tongue

router = APIRouter(prefix="/transparency")
_Asked = Annotated[str, Query(max_length=40)]


@router.get("")
def show_report(page: ThePage, since: _Asked = "", until: _Asked = "") -> Response:
    form, asked = page.form(), None
    with form.heeding():
        asked = _report(page, since, until)
    report, first, last = asked or _report(page, "", "")
    form.put("since", since if form.errors else first.isoformat())
    form.put("until", until if form.errors else last.isoformat())
    # A template of its own made it, which escapes.
    body = Markup(report_page.body(report, Tongue(say=page.gettext, locale=page.words.language)))  # noqa: S704
    return page.show(
        "transparency/report.html.j2", status=form.status, form=form, body=body, first=first, last=last,
        operator=page.service.desk.policy.operator, today=days_of(page.service, None, None)[1],
    )  # fmt: skip


@router.get("/report.html")
def download_report(page: ThePage, since: _Asked = "", until: _Asked = "") -> Response:
    """The same as one file, to keep or to publish elsewhere; it has a style of its own, and is no page of ours."""
    report, first, last = _report(page, since, until)
    asked, url = f"?since={first}&until={last}", page.service.settings.url
    shown = report_page.page(
        report, operator=page.service.desk.policy.operator, csv_href=f"{url}/v1/public/transparency.csv{asked}",
        json_href=f"{url}/v1/public/transparency{asked}",
    )  # fmt: skip
    disposition = f'attachment; filename="transparency-{first}-{last}.html"'
    return Response(shown, media_type="application/octet-stream", headers={"Content-Disposition": disposition})


def _report(page: Page, since: str, until: str) -> tuple[Report, date, date]:
    """What is told of a period, and its first and last day. Raises: Invalid."""
    first, last = days_of(page.service, day_of(since, field="since"), day_of(until, field="until"))
    return report_of(page.service, first, last), first, last
