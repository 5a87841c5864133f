"""Verifying: where a file came from, for anyone; the front page, and the answer at an address of its own.

The file is let go of with the request; the answer is shown from what is kept of it.
"""

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.responses import Response

from api.access import BaseUrl
from api.pages import playback
from api.pages.forms import Form
from api.pages.page import Page, ThePage
from api.pages.uploads import PageFiles
from api.problems import Problem
from api.routes import verifications as api
from api.schemas.releases import VerificationOut
from registry import headline, verifications
from registry.domain import timeline
from registry.errors import NotFound

router = APIRouter()
# Of a report; the whole is a download.
_MOST_RAW_CHARS: Final = 30_000


@router.get("/")
def show_front(page: ThePage) -> Response:
    return _front(page, page.form())


@router.get("/verifications")
def show_front_again(page: ThePage) -> Response:
    """Where the address of a form that was refused leads."""
    return page.go("/")


@router.post("/verifications")
def verify(page: ThePage, sent: PageFiles) -> Response:
    form = sent.form
    with form.heeding():
        found = api.verify(sent.require_file(), page.service, recognise=not form.get("read_only"))
        return page.go(f"/verifications/{found.id}")
    form.errors = {"file": " ".join(form.errors.values())}  # nothing else is asked for
    return _front(page, form)


@router.get("/verifications/{verification_id}")
def show_verification(verification_id: str, page: ThePage, url: BaseUrl) -> Response:
    try:
        found = api.get_verification(verification_id, page.service)
    except NotFound:
        return page.show("verify/gone.html.j2", status=HTTPStatus.NOT_FOUND, kept=verifications.KEPT)
    return page.show("verify/answer.html.j2", **_told(page, found), address=f"{url}/verifications/{found.id}")


@router.get("/verifications/{verification_id}/thumbnails/{number}")
def show_thumbnail(verification_id: str, number: Annotated[int, Path(ge=0)], page: ThePage) -> Response:
    """A picture that the credentials hold, and nothing else that they might call one."""
    with page.service.database.reading() as session:
        pictures = verifications.thumbnails(session, verification_id)
    if number >= len(pictures):
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", page.gettext("There is no such picture."))
    picture = pictures[number]
    return Response(picture.content, media_type=picture.media_type, headers=dict(playback.HEADERS))


def _front(page: Page, form: Form) -> Response:
    return page.show("verify/front.html.j2", status=form.status, form=form, kept=verifications.KEPT)


def _told(page: Page, found: VerificationOut) -> dict[str, Any]:
    """All that the page of an answer shows."""
    answer = found.model_dump()
    with page.service.database.reading() as session:
        pictures = verifications.thumbnails(session, found.id)
    raw = json.dumps(found.raw, indent=1, ensure_ascii=False) if found.raw else ""
    return {
        "found": found,
        "headline": headline.headline(headline.Facts.of(answer)),
        "line": timeline.of_clip(found.recovered, found.registry_matches, embedded_s=_embedded_s(found)),
        "lines": {one["release_id"]: timeline.of_release(one) for one in found.recovered},
        "pictures": {one.manifest_label: number for number, one in enumerate(pictures)},
        "raw": raw[:_MOST_RAW_CHARS],
        "raw_is_whole": len(raw) <= _MOST_RAW_CHARS,
        "kept_until": found.verified_at + verifications.KEPT,
        "moment_of": _moment_of,
    }


def _embedded_s(found: VerificationOut) -> float | None:
    """How much of a clip the credentials in it answer for: all of one that is intact."""
    return found.duration_s if found.manifest_source == "embedded" and found.integrity["state"] == "intact" else None


def _moment_of(said: str | None) -> datetime | None:
    """A time as a manifest writes it; None where it is none."""
    try:
        at = datetime.fromisoformat(said or "")
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
