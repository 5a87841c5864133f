"""The dashboard: what somebody has here at a glance, by what they do: works, checks, reviews, the service itself."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api import noticeboard
from api.pages.notice_words import NoticeWords
from api.pages.page import Page, PageActor, ThePage
from api.routes import conflicts
from registry import overview, recent, review
from registry.access import Actor, Scope
from registry.domain.identifiers import Prefix
from registry.domain.policy import Assurance, most_severe

router = APIRouter()
_MOST = 5


@router.get("/dashboard")
def show_dashboard(page: ThePage, actor: PageActor) -> Response:
    return page.show("dashboard/dashboard.html.j2", **_seen(page, actor))


def _seen(page: Page, actor: Actor) -> dict[str, Any]:
    """What is for this actor; None of what is not."""
    desk, at, holder = page.service.desk, page.at, page.holder
    block_from = page.service.rules.block_from
    known = Assurance(holder.assurance) if holder else Assurance.UNVERIFIED
    with page.service.database.reading() as session:
        keeps, asks, is_reviewer = map(actor.may, (Scope.WORKS_WRITE, Scope.CHECKS_WRITE, Scope.REVIEW))
        told = actor.may_read(Prefix.NOTICE)
        opened = noticeboard.of_party(session, desk, actor, are_over=False, at=at)[0] if told else []
        return {
            "held": overview.of_holder(session, actor, most=_MOST, at=at) if keeps else None,
            "newest": overview.shelf(session, actor, limit=_MOST, block_from=block_from, at=at)[0] if keeps else (),
            "due": opened[:_MOST],
            "conflicts": conflicts.list_conflicts(actor, page.service, limit=_MOST).items if keeps else (),
            "verdicts": overview.verdicts(session, actor, at=at) if asks else None,
            "checks": recent.checks(session, actor, limit=_MOST).rows if asks else None,
            "waiting": review.waiting(session, actor) if is_reviewer else None,
            "notices_waiting": len(noticeboard.waiting(session, desk)) if is_reviewer else 0,
            "notice_words": NoticeWords.of(page),
            "known": known,
            "leads_to": most_severe(known, block_from=block_from),
        }
