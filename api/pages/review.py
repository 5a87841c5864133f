"""The review queue: checks that wait for a person, what they see of one, and who decided what before."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session
from starlette.responses import Response, StreamingResponse

from api import explanations
from api.explanations import ShownMatch, ShownWork
from api.pages import playback
from api.pages.forms import Form
from api.pages.page import Page, PageActor, PostedForm, ThePage
from api.routes import checks, notices
from api.schemas.checks import DecisionIn
from registry import audit, preferences, review
from registry.access import Actor, Scope
from registry.checks import DecisionValue
from registry.domain.preferences import Answer, Use
from registry.errors import NotFound
from registry.models import Check, ExplanationStatus, Work
from registry.review import Order, Show, Wanted
from takedown.report_page import harmless

router = APIRouter(prefix="/review")
_AT_ONCE: Final = 20
_ROWS_AT_ONCE: Final = 500
_COLUMNS: Final = "when", "kind", "record", "about", "decision", "reason", "by", "name", "ledger entry"
_Cursor = Annotated[str, Query(max_length=200)]
_Id = Annotated[str, Query(max_length=64)]


def _wanted(show: Show = Show.ALL, order: Order = Order.RISK, asker: _Id = "", work: _Id = "") -> Wanted:
    return Wanted(show=show, order=order, asker=asker or None, work=work or None)


TheWanted = Annotated[Wanted, Depends(_wanted)]


@router.get("")
def show_queue(page: ThePage, actor: PageActor, wanted: TheWanted, cursor: _Cursor = "") -> Response:
    """What waits for a person, and the checks among that, what matters most first."""
    with page.service.database.reading() as session:
        waiting = review.waiting(session, actor)
        rows = review.queue(session, actor, wanted, after=cursor or None, limit=_AT_ONCE + 1)
    noticed = notices.queue(actor, page.service, limit=1, offset=0)
    more = rows[_AT_ONCE - 1].place if len(rows) > _AT_ONCE else None
    return page.show(
        "review/queue.html.j2", waiting=waiting, notices=noticed, rows=rows[:_AT_ONCE], next=more, wanted=wanted,
        asked=_asked(wanted), ready=ExplanationStatus.READY,
    )  # fmt: skip


@router.get("/next")
def take_next(page: ThePage, actor: PageActor, wanted: TheWanted) -> Response:
    """The check that should be looked at now."""
    with page.service.database.reading() as session:
        found = review.first(session, actor, wanted)
    if found is None:
        return page.go(f"/review{_asked(wanted)}", told=page.gettext("No check waits for you."))
    return page.go(f"/review/checks/{found}{_asked(wanted)}")


@router.get("/checks/{check_id}")
def show_check(
    check_id: str, page: ThePage, actor: PageActor, wanted: TheWanted, match: Annotated[int | None, Query()] = None
) -> Response:
    return _case(page, actor, check_id, wanted, match=match)


@router.post("/checks/{check_id}")
def decide_check(check_id: str, page: ThePage, actor: PageActor, form: PostedForm, wanted: TheWanted) -> Response:
    """Decide, and go on to the next one."""
    with form.heeding():
        decided = checks.decide(check_id, form.parse(DecisionIn), actor, page.service)
        with page.service.database.reading() as session:
            case = review.look(session, actor, check_id, wanted)
            onward = case.after or review.first(session, actor, wanted)
        is_approved = decided.decision is not None and decided.decision.decision is DecisionValue.APPROVE
        done = page.gettext("Approved, and told to whoever asked.")
        if not is_approved:
            done = page.gettext("Rejected, and told to whoever asked.")
        if onward is None:
            return page.go(f"/review{_asked(wanted)}", told=f"{done} {page.gettext('No check waits any more.')}")
        return page.go(
            f"/review/checks/{onward}{_asked(wanted)}", told=f"{done} {page.gettext('Here is the next one.')}"
        )
    return _case(page, actor, check_id, wanted, form=form)


@router.get("/checks/{check_id}/frame")
def show_frame(check_id: str, page: ThePage, actor: PageActor) -> Response:
    """A frame that stands for a check in the queue."""
    actor.require(Scope.REVIEW)
    with page.service.database.reading() as session:
        check = session.get(Check, check_id)
    content = explanations.kept(page.service, check) if check is not None else None
    picture = explanations.first_picture(content) if content is not None else None
    if picture is None:
        raise NotFound(kind="frame of check", id=check_id)
    return Response(picture, media_type="image/jpeg", headers=dict(playback.HEADERS))


@router.get("/audit")
def show_audit(
    page: ThePage, actor: PageActor, kind: audit.Kind | None = None, by: _Id = "", cursor: _Cursor = ""
) -> Response:
    """Who decided what, and when."""
    with page.service.database.reading() as session:
        rows = audit.decisions(session, actor, kind=kind, by=by or None, before=cursor or None, limit=_AT_ONCE * 2 + 1)
        people = audit.people(session, actor)
    more = rows[-2].place if len(rows) > _AT_ONCE * 2 else None
    return page.show(
        "review/audit.html.j2", rows=rows[: _AT_ONCE * 2], next=more, people=people, kind=kind, by=by,
        kinds=list(audit.Kind),
    )  # fmt: skip


@router.get("/audit.csv")
def download_audit(page: ThePage, actor: PageActor, kind: audit.Kind | None = None, by: _Id = "") -> Response:
    """The same as a table for other programs."""
    actor.require(Scope.REVIEW)
    headers = {"Content-Disposition": 'attachment; filename="decisions.csv"', "Cache-Control": "no-store"}
    table = _table(_all_decisions(page, actor, kind, by or None))
    return StreamingResponse(table, media_type="text/csv; charset=utf-8", headers=headers)


def _case(
    page: Page, actor: Actor, check_id: str, wanted: Wanted, *, match: int | None = None, form: Form | None = None
) -> Response:
    with page.service.database.reading() as session:
        case = review.look(session, actor, check_id, wanted)
        check = case.queued.check
        works = explanations.shown(session, actor, check, explanations.kept(page.service, check))
        clip = playback.of_check(page.service, session, actor, check)
        chosen = _chosen(works, match)
        file = playback.of_asset(page.service, actor, chosen.asset) if chosen else None
        decider = audit.named(session, check.decided_by)
        copies = {one.work.id: _of_copies(session, one.work, at=page.at) for one in works}
    form = form or page.form()
    return page.show(
        "review/check.html.j2", status=form.status, form=form, case=case, check=check, works=works, clip=clip,
        file=file, chosen=chosen, decider=decider, copies=copies, asked=_asked(wanted),
    )  # fmt: skip


def _of_copies(session: Session, work: Work, *, at: datetime) -> Answer:
    """What its holder says of copies now, which may be more than when the check was answered."""
    return preferences.effective(session, work, [Use.DEPICT_IN_OUTPUT], at=at)[Use.DEPICT_IN_OUTPUT].answer


def _chosen(works: list[ShownWork], position: int | None) -> ShownMatch | None:
    """The match to play: the one asked for, or the longest that counts."""
    matches = [one for work in works for one in work.matches]
    asked = [one for one in matches if one.match.position == position]
    counted = [one for one in matches if one.match.no_weight is None]
    return next(iter([*asked, *counted, *matches]), None)


def _asked(wanted: Wanted) -> str:
    """The part of the queue and its order, as an address has them."""
    said = {"show": wanted.show, "order": wanted.order, "asker": wanted.asker, "work": wanted.work}
    usual = Wanted()
    said = {name: value for name, value in said.items() if value != getattr(usual, name)}
    return f"?{urlencode(said)}" if said else ""


def _all_decisions(page: Page, actor: Actor, kind: audit.Kind | None, by: str | None) -> Iterator[audit.Decided]:
    place = None
    while True:
        with page.service.database.reading() as session:
            rows = audit.decisions(session, actor, kind=kind, by=by, before=place, limit=_ROWS_AT_ONCE)
        yield from rows
        if len(rows) < _ROWS_AT_ONCE:
            return
        place = rows[-1].place


def _table(rows: Iterator[audit.Decided]) -> Iterator[str]:
    """Rows as CSV (RFC 4180), a line at a time."""
    written = io.StringIO()
    table = csv.writer(written)
    cells = ((row.at.isoformat(), row.kind, row.record, row.about, row.decision, row.reason, row.by, row.who, row.entry)
             for row in rows)  # fmt: skip
    for line in chain([_COLUMNS], cells):
        table.writerow(["" if cell is None else harmless(str(cell)) for cell in line])
        yield written.getvalue()
        written.seek(0)
        written.truncate()
