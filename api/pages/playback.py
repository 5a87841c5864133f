"""Playback: the media of checks, works and releases, for those who may see it, and never as a page of ours.

A file is called only what its first bytes say, and only kinds that a player shows: whatever else somebody uploaded is
not here. It is sent in ranges, and opened by itself it can load and run nothing.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.pages.page import Page, PageActorOrNobody, ThePage
from api.problems import Problem
from api.sent_blobs import media_type_of_blob, sent_blob
from api.service import Service
from registry import recent
from registry.access import Actor, Scope
from registry.blobs import BlobsAway
from registry.errors import NotFound
from registry.matches import may_see_query
from registry.models import Asset, AssetStatus, Check, Release, ReleaseState

router = APIRouter(prefix="/media")

# By what `media_type_of` says: what it is called, and by what name it is saved. No kind of document is among them.
_SHOWN: Final = {
    "video/mp4": ("video/mp4", "mp4"), "video/quicktime": ("video/mp4", "mov"), "video/webm": ("video/webm", "webm"),
    "video/x-matroska": ("video/x-matroska", "mkv"), "video/x-msvideo": ("video/x-msvideo", "avi"),
    "video/3gpp": ("video/3gpp", "3gp"), "video/mp2t": ("video/mp2t", "ts"), "application/ogg": ("video/ogg", "ogg"),
    "audio/mpeg": ("audio/mpeg", "mp3"), "audio/mp4": ("audio/mp4", "m4a"), "audio/wav": ("audio/wav", "wav"),
    "audio/flac": ("audio/flac", "flac"), "audio/aac": ("audio/aac", "aac"), "audio/aiff": ("audio/aiff", "aiff"),
    "image/jpeg": ("image/jpeg", "jpg"), "image/png": ("image/png", "png"), "image/gif": ("image/gif", "gif"),
    "image/webp": ("image/webp", "webp"), "image/avif": ("image/avif", "avif"), "image/tiff": ("image/tiff", "tiff"),
    "image/heic": ("image/heic", "heic"), "image/heif": ("image/heif", "heif"),
}  # fmt: skip
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
    "Vary": "Cookie",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Playable:
    """A file that somebody may play.

    Attributes:
        kind: which element shows it: video, audio or image.
    """

    address: str
    kind: str


@router.get("/checks/{check_id}")
def play_check(check_id: str, page: ThePage, actor: PageActorOrNobody) -> Response:
    """The clip of a check: for who asked, reviewers, and once it is out for the owner of what it copies."""
    with page.service.database.reading() as session:
        check = session.get(Check, check_id)
        if check is None or actor is None or not may_see_query(session, actor, check):
            raise NotFound(kind="check", id=check_id)
        return _sent(page, check.blob_key, check.id)


@router.get("/assets/{asset_id}")
def play_asset(asset_id: str, page: ThePage, actor: PageActorOrNobody) -> Response:
    """The file of a work: for its owner and reviewers. An owner who shows frames to askers does not give them all."""
    with page.service.database.reading() as session:
        asset = session.get(Asset, asset_id)
        if asset is None or not _may_play(actor, asset.work.holder_id, Scope.WORKS_WRITE):
            raise NotFound(kind="asset", id=asset_id)
        key = asset.blob_key if asset.status != AssetStatus.WITHDRAWN else None
        return _sent(page, key, asset.id)


@router.get("/releases/{release_id}")
def play_release(release_id: str, page: ThePage, actor: PageActorOrNobody) -> Response:
    """The file of a release that is out: for its holder, reviewers, and whose work it matched."""
    with page.service.database.reading() as session:
        release = session.get(Release, release_id)
        if release is None or not _may_play_release(session, actor, release):
            raise NotFound(kind="release", id=release_id)
    if release.state == ReleaseState.DISABLED:
        detail = page.gettext("This release was taken down; its file is not shown.")
        raise Problem(HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS, "disabled", detail)
    if release.state == ReleaseState.REVOKED:
        raise Problem(HTTPStatus.GONE, "revoked", page.gettext("This release was revoked; its file is not shown."))
    return _sent(page, release.blob_key, release.id)


def of_check(service: Service, session: Session, actor: Actor, check: Check) -> Playable | None:
    """Where the clip of a check is played; None where it is not kept, or not for this actor."""
    if check.blob_key is None:  # what was released of it is still there
        release = recent.release_of(session, check.id)
        return of_release(service, session, actor, release) if release is not None else None
    sees = may_see_query(session, actor, check)
    return _playable(service, check.blob_key, f"/media/checks/{check.id}") if sees else None


def of_asset(service: Service, actor: Actor, asset: Asset) -> Playable | None:
    """Where the file of a work is played; None where it is not kept, or not for this actor."""
    sees = asset.status != AssetStatus.WITHDRAWN and _may_play(actor, asset.work.holder_id, Scope.WORKS_WRITE)
    return _playable(service, asset.blob_key, f"/media/assets/{asset.id}") if sees else None


def of_release(service: Service, session: Session, actor: Actor, release: Release) -> Playable | None:
    """Where the file of a release is played; None where it is not out, or not for this actor."""
    sees = release.state == ReleaseState.SIGNED and _may_play_release(session, actor, release)
    return _playable(service, release.blob_key, f"/media/releases/{release.id}") if sees else None


def _may_play(actor: Actor | None, holder_id: str, scope: Scope) -> bool:
    """Whether it is theirs and their part in it, or they review."""
    if actor is None:
        return False
    return (actor.holder_id == holder_id and actor.may(scope)) or actor.may(Scope.REVIEW)


def _may_play_release(session: Session, actor: Actor | None, release: Release) -> bool:
    if actor is None:
        return False
    check = session.get_one(Check, release.check_id)
    return _may_play(actor, release.holder_id, Scope.RELEASES_WRITE) or may_see_query(session, actor, check)


def _playable(service: Service, key: str | None, address: str) -> Playable | None:
    try:
        shown = _SHOWN.get(media_type_of_blob(service.blobs, key) or "") if key else None
    except (FileNotFoundError, BlobsAway):  # the page is worth more than its player
        return None
    return Playable(address=address, kind=shown[0].partition("/")[0]) if shown else None


def _sent(page: Page, key: str | None, name: str) -> Response:
    """Raises: Problem: the file is not kept any more, or nothing that a player shows."""
    blobs = page.service.blobs
    try:
        if key is None:
            raise FileNotFoundError
        shown = _SHOWN.get(media_type_of_blob(blobs, key) or "")
        if shown is None:
            detail = page.gettext("This file is of a kind that is not shown here.")
            raise Problem(HTTPStatus.NOT_FOUND, "not-playable", detail)
        media_type, suffix = shown
        headers = {**HEADERS, "Content-Disposition": f'inline; filename="{name}.{suffix}"'}
        return sent_blob(blobs, key, page.request, media_type=media_type, headers=headers)
    except FileNotFoundError:
        detail = page.gettext("This file is not kept here any more.")
        raise Problem(HTTPStatus.NOT_FOUND, "not-kept", detail) from None
