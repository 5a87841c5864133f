"""Checks as their asker sees them: the list with its figures, one answer with its evidence, and a page to try it."""

import json
from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from api import explanations
from api.access import BaseUrl
from api.pages import playback, snippets
from api.pages.forms import Form
from api.pages.page import Page, PageActor, PostedForm, ThePage
from api.pages.uploads import PageFiles
from api.pages.usage_pages import charts
from api.paging import Cursor
from api.routes import checks, releases
from api.schemas.checks import CheckOut
from api.schemas.releases import ReleaseIn
from api.uploads import Submission
from registry import recent, usage
from registry.access import Actor, Scope
from registry.domain import timeline
from registry.domain.policy import Verdict
from registry.errors import Conflict, Forbidden, Invalid
from registry.models import Check
from registry.releases import NewRelease, prepare
from registry.usage import PENDING

router = APIRouter()
_DAYS: Final = 30


@router.get("/checks")
def show_checks(
    page: ThePage, actor: PageActor, url: BaseUrl, cursor: Cursor = None,
    verdict: Annotated[str, Query(max_length=20)] = "", id: Annotated[str, Query(max_length=100)] = "",
) -> Response:  # fmt: skip
    """The newest first; with `id`, go to that one."""
    if id.strip():
        return page.go(f"/checks/{quote(id.strip(), safe='')}")
    verdict = verdict if verdict in (*Verdict, PENDING) else ""
    with page.service.database.reading() as session:
        found = recent.checks(session, actor, verdict=verdict or None, before=cursor)
        used = usage.usage_of(session, actor, days=_DAYS, at=page.at)
    return page.show(
        "pipeline/checks.html.j2", checks=found.rows, next=found.next, verdict=verdict, used=used,
        is_empty=not (found.rows or verdict or cursor), exports=snippets.exports(url), gates=snippets.gates(url),
        **charts(page, used),
    )  # fmt: skip


@router.get("/checks/{check_id}")
def show_check(check_id: str, page: ThePage, actor: PageActor) -> Response:
    return _check_page(page, actor, check_id, page.form())


@router.post("/checks/{check_id}/release")
def release(check_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """Sign the file of a check."""
    with form.heeding():
        if not form.get("ai_generated"):  # which the API takes for yes; a person says it
            raise Invalid(field="ai_generated", problem="Say whether it was made by AI.")
        body = form.parse(ReleaseIn, check_id=check_id, training_mining=_training_mining(form))
        made = releases.create_release(body, actor, page.service, Response())
        told = page.gettext("The clip is signed. Here is the file that may go out.")
        return page.go(f"/releases/{made.id}", told=told)
    return _check_page(page, actor, check_id, form)


@router.get("/try")
def show_trial(page: ThePage, actor: PageActor) -> Response:
    actor.require(Scope.CHECKS_WRITE)
    return page.show("pipeline/try.html.j2", form=page.form())


@router.post("/try")
def ask(page: ThePage, actor: PageActor, sent: PageFiles) -> Response:
    """Ask about a file, as a pipeline would; nobody waits for the answer, it comes to the page of the check."""
    actor.require(Scope.CHECKS_WRITE)
    form = sent.form
    with form.heeding():
        asked = _with_context(sent.require_file(), form)
        check = checks.create_check(actor, asked, page.service, Response())
        return page.go(f"/checks/{check.id}")
    return page.show("pipeline/try.html.j2", status=form.status, form=form)


def _check_page(page: Page, actor: Actor, check_id: str, form: Form) -> Response:
    check = checks.get_check(check_id, actor, page.service)
    with page.service.database.reading() as session:
        row = session.get_one(Check, check_id)
        is_own = row.holder_id == actor.holder_id
        made = recent.release_of(session, check_id)
        obstacle = _obstacle(session, page, actor, check) if is_own and made is None else None
        media = playback.of_check(page.service, session, actor, row)
        works = explanations.shown(session, actor, row, explanations.kept(page.service, row))
    found = [match.model_dump() for match in check.matches]
    return page.show(
        "pipeline/check.html.j2", status=form.status, check=check, is_own=is_own, release=made, obstacle=obstacle,
        media=media, works=works, form=form, drawn=_timeline(check, found),
        context=written(check.context) if check.context else None,
    )  # fmt: skip


def _obstacle(session: Session, page: Page, actor: Actor, check: CheckOut) -> str | None:
    """Why a clip cannot be signed now whose verdict would allow it."""
    approved = check.decision is not None and check.decision.decision == "approve"
    if not (check.verdict == "clear" or approved) or not actor.may(Scope.RELEASES_WRITE):
        return None
    try:
        prepare(session, actor, NewRelease(check_id=check.id), ledger_origin=page.service.ledger.origin, at=page.at)
    except Conflict as refused:
        return refused.problem
    except Forbidden as refused:
        return str(refused)
    return None


def _timeline(check: CheckOut, found: list[dict[str, Any]]) -> timeline.Timeline | None:
    """What of the clip comes from which work."""
    works: dict[str, dict[str, Any]] = {}
    for match in found:
        work = {"work_id": match["work_id"], "title": match["title"], "query_duration_s": check.duration_s}
        works.setdefault(match["work_id"], work | {"segments": []})["segments"].append(match)
    return timeline.of_clip([], works.values())


def _with_context(received: Submission, form: Form) -> Submission:
    """What was sent, with the context that the fields spell. Raises: Problem: it is no JSON object."""
    said = received.json_field("context")
    named = {name: form.get(name).strip() for name in ("generator", "model") if form.get(name).strip()}
    named |= {"file": received.fields["name"]} if received.fields.get("name") else {}
    return replace(received, fields={"context": json.dumps(named | said), "wait": "0"})


def _training_mining(form: Form) -> dict[str, Any]:
    """The rules that were chosen: their names have a dot, which in the name of a field leads further in."""
    said = form.tree().get("training_mining")
    rules = said.get("cawg") if isinstance(said, dict) else None
    return {f"cawg.{name}": rule for name, rule in rules.items()} if isinstance(rules, dict) else {}


def written(body: dict[str, Any]) -> str:
    """JSON for people to read."""
    return json.dumps(body, indent=2, ensure_ascii=False)
