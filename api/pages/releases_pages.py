"""Releases as their holder sees them: the list, one with its file and what it says of itself, and its revocation."""

import mimetypes
from typing import Final

from fastapi import APIRouter, Response

from api.access import BaseUrl
from api.pages import playback
from api.pages.forms import Form
from api.pages.page import Page, PageActor, PostedForm, ThePage
from api.paging import Cursor
from api.routes import releases
from api.schemas.releases import ReleaseOut, RevocationIn
from provenance.report import facts_of
from provenance.source_types import source_type_of
from registry import recent
from registry.access import Actor
from registry.models import Release
from takedown.about import notices_about

router = APIRouter()
# A file is saved, and never shown as a page of ours.
_SAVED: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
}


@router.get("/releases")
def show_releases(page: ThePage, actor: PageActor, cursor: Cursor = None) -> Response:
    with page.service.database.reading() as session:
        found = recent.releases(session, actor, before=cursor)
        made = [ReleaseOut.model_validate(row, from_attributes=True) for row in found.rows]
    return page.show("pipeline/releases.html.j2", releases=made, next=found.next, is_empty=not made and cursor is None)


@router.get("/releases/{release_id}")
def show_release(release_id: str, page: ThePage, actor: PageActor, url: BaseUrl) -> Response:
    return _release_page(page, actor, release_id, url, page.form())


@router.post("/releases/{release_id}/revocation")
def revoke(release_id: str, page: ThePage, actor: PageActor, url: BaseUrl, form: PostedForm) -> Response:
    with form.heeding():
        releases.revoke_release(release_id, form.parse(RevocationIn), actor, page.service)
        told = page.gettext("The release is revoked. Whoever verifies the clip is told so from now on.")
        return page.go(f"/releases/{release_id}", told=told)
    return _release_page(page, actor, release_id, url, form)


@router.get("/releases/{release_id}/file")
def save_file(release_id: str, page: ThePage, actor: PageActor) -> Response:
    """The signed file."""
    answer = releases.get_release_file(release_id, actor, page.service, page.request)
    suffix = mimetypes.guess_extension((answer.media_type or "").partition(";")[0]) or ""
    answer.headers["Content-Disposition"] = f'attachment; filename="{release_id}{suffix}"'
    answer.headers.update(_SAVED)
    return answer


@router.get("/releases/{release_id}/credentials")
def save_credentials(release_id: str, page: ThePage, actor: PageActor) -> Response:
    """The manifest store alone."""
    answer = releases.get_release_manifest(release_id, actor, page.service)
    answer.headers.update(_SAVED)
    return answer


def _release_page(page: Page, actor: Actor, release_id: str, url: str, form: Form) -> Response:
    made = releases.get_release(release_id, actor, page.service)
    with page.service.database.reading() as session:
        row = session.get_one(Release, release_id)
        is_own = row.holder_id == actor.holder_id
        notices = notices_about(session, page.service.desk, actor, release_id)
        media = playback.of_release(page.service, session, actor, row)
    jsonld = None
    if made.state == "signed":
        said = bytes(releases.get_release_snippet(release_id, actor, page.service, url).body).decode()
        jsonld = f'<script type="application/ld+json">\n{said}\n</script>'
    facts = facts_of(made.manifest, anchors=())
    return page.show(
        "pipeline/release.html.j2", status=form.status, release=made, is_own=is_own, notices=notices, media=media,
        jsonld=jsonld, form=form, url=url, facts=facts, source_type_of=source_type_of,
    )  # fmt: skip
