"""Matches: what checks found of a holder's works, and what of before copies works that came later."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import explanations
from api.pages import conflicts, playback
from api.pages.page import PageActor, ThePage
from api.routes import conflicts as routes
from registry import matches
from registry.models import Asset, Check, Finding, Release

router = APIRouter()
router.include_router(conflicts.router)
_LISTED: Final = 25
_Id = Annotated[str, Query(max_length=64)]


@router.get("/matches")
def list_matches(
    page: ThePage, actor: PageActor, work: _Id = "", verdict: _Id = "", own: bool = False, cursor: _Id = ""
) -> Response:
    """Newest first; on the first page of all of them also the newest findings."""
    with page.service.database.reading() as session:
        found = matches.on_works_of(
            session, actor, work_id=work or None, verdict=verdict or None, own=own, before=cursor or None,
            limit=_LISTED + 1,
        )  # fmt: skip
        works = matches.works_matched(session, actor)
        is_all = not (work or verdict or cursor)
        before = matches.findings(session, actor, limit=_LISTED) if is_all else []
    more = found[_LISTED - 1].check_id if len(found) > _LISTED else None
    return page.show(
        "matches/matches.html.j2", found=found[:_LISTED], next=more, works=works, findings=before, is_all=is_all,
        asked={"work": work, "verdict": verdict, "own": "true" if own else ""},
    )  # fmt: skip


@router.get("/matches/findings/{finding_id}")
def show_finding(finding_id: str, page: ThePage, actor: PageActor) -> Response:
    """An output of before that copies a work of the visitor's."""
    told = routes.get_finding(finding_id, actor, page.service)
    with page.service.database.reading() as session:
        finding, asset = session.get_one(Finding, finding_id), session.get_one(Asset, told.asset_id)
        release = session.get(Release, told.release_id) if told.release_id else None
        query = playback.of_check(page.service, session, actor, finding.check)
        reference = playback.of_asset(page.service, actor, asset)
    line = matches.line_of(finding, asset)
    longest = max(told.segments, key=lambda one: one.query_end_s - one.query_start_s)
    return page.show(
        "matches/finding.html.j2", finding=told, release=release, line=line, longest=longest, query=query,
        reference=reference,
    )  # fmt: skip


@router.get("/matches/{check_id}")
def show_match(
    check_id: str, page: ThePage, actor: PageActor, stretch: Annotated[int | None, Query(ge=0)] = None
) -> Response:
    """What one check found of the visitor's works; one stretch of it is played."""
    with page.service.database.reading() as session:
        found, check = matches.found(session, actor, check_id), session.get_one(Check, check_id)
        every = [one for of_work in found.works for one in of_work.stretches]
        pictured = max(every, key=lambda one: one.modality == "video")
        chosen = next((one for one in every if one.position == stretch), pictured)
        query = playback.of_check(page.service, session, actor, check)
        reference = playback.of_asset(page.service, actor, chosen.asset)
        pictures = explanations.kept(page.service, check) if found.sees_query else None
        shown = explanations.shown(session, actor, check, pictures) if found.sees_query else []
    return page.show(
        "matches/match.html.j2", found=found, chosen=chosen, query=query, reference=reference,
        shown={one.work.id: one for one in shown}, duration_s=check.duration_s if found.sees_query else None,
    )  # fmt: skip
