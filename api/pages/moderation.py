"""What people decide beside checks: conflicts, findings, floods, and the bank of material that everybody may use."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.pages import playback
from api.pages.forms import Form
from api.pages.page import Page, PageActor, PostedForm, ThePage
from api.pages.uploads import PageFiles
from api.paging import Cursor
from api.routes import assets, conflicts, negatives
from api.schemas.conflicts import ConflictDecisionIn, FindingDecisionIn
from api.schemas.works import QuarantineIn
from registry import audit, lookback, review
from registry import conflicts as rivalries
from registry.access import Actor, Scope
from registry.models import Release

router = APIRouter(prefix="/review")
_AT_ONCE: Final = 50
_All = Annotated[bool, Query(alias="all")]  # also what is decided
_Number = Annotated[int, Query(ge=0)]

# -- conflicts -----------------------------------------------------------------------------------


@router.get("/conflicts")
def show_conflicts(page: ThePage, actor: PageActor, everything: _All = False, cursor: Cursor = None) -> Response:
    actor.require(Scope.ADMIN)
    found = conflicts.list_conflicts(actor, page.service, is_open=not everything, cursor=cursor, limit=_AT_ONCE)
    return page.show("review/conflicts.html.j2", found=found, everything=everything)


@router.get("/conflicts/{conflict_id}")
def show_conflict(conflict_id: str, page: ThePage, actor: PageActor, stretch: _Number = 0) -> Response:
    return _conflict(page, actor, conflict_id, page.form(), stretch)


@router.post("/conflicts/{conflict_id}")
def decide_conflict(conflict_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """Decide whose it is."""
    with form.heeding():
        conflicts.decide_conflict(conflict_id, form.parse(ConflictDecisionIn), actor, page.service)
        told = page.gettext("Decided, and told to both sides. Whoever did not get it may appeal.")
        return page.go("/review/conflicts", told=told)
    return _conflict(page, actor, conflict_id, form)


def _conflict(page: Page, actor: Actor, conflict_id: str, form: Form, stretch: int = 0) -> Response:
    actor.require(Scope.ADMIN)
    with page.service.database.reading() as session:
        row = rivalries.visible(session, actor, conflict_id)
        earlier, later = (playback.of_asset(page.service, actor, one) for one in (row.rival, row.asset))
        decider = audit.named(session, row.decided_by)
    found = conflicts.get_conflict(conflict_id, actor, page.service)
    return page.show(
        "review/conflict.html.j2", status=form.status, form=form, conflict=found, earlier=earlier, later=later,
        decider=decider, stretch=stretch if stretch < len(found.alike) else 0,
    )  # fmt: skip


# -- findings ------------------------------------------------------------------------------------


@router.get("/findings")
def show_findings(page: ThePage, actor: PageActor, everything: _All = False, cursor: Cursor = None) -> Response:
    actor.require(Scope.REVIEW)
    found = conflicts.list_findings(actor, page.service, is_open=not everything, cursor=cursor, limit=_AT_ONCE)
    return page.show("review/findings.html.j2", found=found, everything=everything)


@router.get("/findings/{finding_id}")
def show_finding(finding_id: str, page: ThePage, actor: PageActor, stretch: _Number = 0) -> Response:
    return _finding(page, actor, finding_id, page.form(), stretch)


@router.post("/findings/{finding_id}")
def decide_finding(finding_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """Decide whether it holds, and whether its release may stay."""
    with form.heeding():
        decided = conflicts.decide_finding(finding_id, form.parse(FindingDecisionIn), actor, page.service)
        told = page.gettext("Decided, and told to both sides.")
        if decided.release_disabled:
            told = page.gettext("Decided, and told to both sides. The release is taken down.")
        return page.go("/review/findings", told=told)
    return _finding(page, actor, finding_id, form)


def _finding(page: Page, actor: Actor, finding_id: str, form: Form, stretch: int = 0) -> Response:
    actor.require(Scope.REVIEW)
    with page.service.database.reading() as session:
        row = lookback.visible(session, actor, finding_id)
        release = session.get(Release, row.release_id) if row.release_id else None
        clip = playback.of_check(page.service, session, actor, row.check)
        seen = review.sides_of(session, row)
        file = playback.of_asset(page.service, actor, seen.asset)
        decider = audit.named(session, row.decided_by)
    found = conflicts.get_finding(finding_id, actor, page.service)
    return page.show(
        "review/finding.html.j2", status=form.status, form=form, finding=found, seen=seen, release=release, clip=clip,
        file=file, decider=decider, stretch=stretch if stretch < len(found.segments) else 0,
    )  # fmt: skip


# -- floods --------------------------------------------------------------------------------------


@router.get("/quarantines")
def show_floods(page: ThePage, actor: PageActor) -> Response:
    with page.service.database.reading() as session:
        rows = review.held(session, actor)
    return page.show("review/quarantines.html.j2", rows=rows, rules=page.service.rules.flood)


@router.get("/quarantines/{asset_id}")
def show_flood(asset_id: str, page: ThePage, actor: PageActor) -> Response:
    return _flood(page, actor, asset_id, page.form())


@router.post("/quarantines/{asset_id}")
def decide_flood(asset_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """Let a file count as before, or withdraw it."""
    with form.heeding():
        assets.decide_quarantine(asset_id, form.parse(QuarantineIn), actor, page.service)
        return page.go("/review/quarantines", told=page.gettext("Decided, and told to the holder."))
    return _flood(page, actor, asset_id, form)


def _flood(page: Page, actor: Actor, asset_id: str, form: Form) -> Response:
    with page.service.database.reading() as session:
        flood = review.flood(session, actor, asset_id)
        decider = audit.named(session, flood.quarantine.decided_by)
    return page.show(
        "review/quarantine.html.j2", status=form.status, form=form, flood=flood, decider=decider,
        file=playback.of_asset(page.service, actor, flood.asset),
    )  # fmt: skip


# -- the bank ------------------------------------------------------------------------------------


@router.get("/negatives")
def show_bank(page: ThePage, actor: PageActor, cursor: Cursor = None) -> Response:
    return _bank(page, actor, page.form(), cursor)


@router.post("/negatives")
def add_to_bank(page: ThePage, actor: PageActor, sent: PageFiles) -> Response:
    """Add a file that everybody may use."""
    actor.require(Scope.ADMIN)
    form = sent.form
    with form.heeding():
        added = negatives.add_negative(actor, sent.require_file(), page.service, Response(), title=form.get("title"))
        told = page.gettext(
            "“%(title)s” is being looked at. It counts for nobody as soon as that is done.", title=added.title
        )
        return page.go("/review/negatives", told=told)
    if "" in form.errors:
        form.errors["file"] = form.errors.pop("")
    return _bank(page, actor, form, None)


@router.post("/negatives/{negative_id}/remove")
def remove_from_bank(negative_id: str, page: ThePage, actor: PageActor, _form: PostedForm) -> Response:
    negatives.remove_negative(negative_id, actor, page.service)
    return page.go("/review/negatives", told=page.gettext("Removed. What only it kept from counting counts again."))


def _bank(page: Page, actor: Actor, form: Form, cursor: str | None) -> Response:
    with page.service.database.reading() as session:
        rows = review.bank(session, actor, before=cursor, limit=_AT_ONCE + 1)
    more = rows[_AT_ONCE - 1].entry.id if len(rows) > _AT_ONCE else None
    return page.show("review/negatives.html.j2", status=form.status, form=form, rows=rows[:_AT_ONCE], next=more)
