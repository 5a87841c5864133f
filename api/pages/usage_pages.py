"""Usage as a holder sees it: what was asked and let out day by day, how fast, and the limits in force."""

from typing import Annotated, Any, Final

from babel.dates import format_date
from fastapi import APIRouter, Query, Response

from api.pages.page import Page, PageActor, ThePage
from registry import usage
from registry.checks import EXPLANATION_AGE, VALIDITY
from registry.usage import PENDING, Latency, Usage

router = APIRouter()
PERIODS: Final = 7, 30, 90


@router.get("/usage")
def show_usage(page: ThePage, actor: PageActor, days: Annotated[int, Query(ge=1, le=usage.MOST_DAYS)] = 30) -> Response:
    with page.service.database.reading() as session:
        used = usage.usage_of(session, actor, days=days, at=page.at)
    return page.show(
        "pipeline/usage.html.j2", used=used, days=days, periods=PERIODS, settings=page.service.settings,
        validity_h=VALIDITY.total_seconds() / 3600, pictures_days=EXPLANATION_AGE.days,
        minutes=[round(seconds / 60, 1) for seconds in used.checked_s], **charts(page, used),
    )  # fmt: skip


def charts(page: Page, used: Usage) -> dict[str, Any]:
    """Labels and series for `parts/drawings.html.j2`."""
    named = {
        "clear": (page.gettext("Clear"), "good"), "review": (page.gettext("Review"), "doubt"),
        "block": (page.gettext("Block"), "bad"), "unknown": (page.gettext("Unknown"), "edge"),
        PENDING: (page.gettext("Being checked"), "calm"),
    }  # fmt: skip
    verdicts = [(name, used.checks[verdict], colour) for verdict, (name, colour) in named.items()]
    return {
        "labels": [format_date(day, "d MMM", locale=page.words.locale) for day in used.days],
        "verdicts": [one for one in verdicts if any(one[1]) or one[2] != "calm"],
        "latency": [
            (page.gettext("Half of the answers"), [_seconds(day, "p50_ms") for day in used.latency]),
            (page.gettext("95 of 100 answers"), [_seconds(day, "p95_ms") for day in used.latency]),
        ],
    }


def _seconds(day: Latency | None, name: str) -> float | None:
    return round(getattr(day, name) / 1000, 3) if day is not None else None
