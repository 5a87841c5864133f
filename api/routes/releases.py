"""Releases: sign what may go out, and hand over the signed file."""

import logging
from http import HTTPStatus

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from api.access import BaseUrl, IdempotencyHeader, TheActor, TheService
from api.paging import Cursor, Limit, page
from api.problems import Problem
from api.schemas.base import Page
from api.schemas.releases import ReleaseIn, ReleaseOut, RevocationIn
from api.sent_blobs import sent_blob
from api.signing import release_check
from provenance.model import MiningEntry, MiningRule, MiningUse, Relationship, TrainingMining
from provenance.source_types import SourceType
from registry import idempotency, releases
from registry.access import Scope
from registry.errors import Conflict
from registry.models import Release, ReleaseState
from registry.releases import NewRelease, UsedFile
from registry.snippets import snippet, written

router = APIRouter(prefix="/v1", tags=["releases"])
_log = logging.getLogger(__name__)


@router.post("/releases", status_code=201)
def create_release(
    body: ReleaseIn,
    actor: TheActor,
    service: TheService,
    response: Response,
    idempotency_key: IdempotencyHeader = None,
) -> ReleaseOut:
    digest = idempotency.digest(body.model_dump_json())
    with service.database.reading() as session:
        known = idempotency.recall(session, actor, "release", idempotency_key, digest)
        if known is not None:
            return _release(releases.own_release(session, actor, known))
    release = release_check(service, actor, _said(body), idempotency_key=idempotency_key, request_sha256=digest)
    response.headers["Location"] = f"/v1/releases/{release.id}"
    return _release(release)


@router.get("/releases")
def list_releases(actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50) -> Page[ReleaseOut]:
    actor.require(Scope.RELEASES_WRITE)
    own = sa.select(Release).where(Release.holder_id == actor.holder_id)
    with service.database.reading() as session:
        return page(session, own, Release.id, cursor, limit, _release)


@router.get("/releases/{release_id}")
def get_release(release_id: str, actor: TheActor, service: TheService) -> ReleaseOut:
    with service.database.reading() as session:
        return _release(releases.own_release(session, actor, release_id))


@router.post("/releases/{release_id}/revocation")
def revoke_release(release_id: str, body: RevocationIn, actor: TheActor, service: TheService) -> ReleaseOut:
    """Say that a release is not stood by any more: verification reports it at once, and its file is not served."""
    with service.database.transaction() as session:
        revoked = releases.revoke(session, actor, release_id, body.revocation, body.reason, at=service.now())
        return _release(revoked)


@router.get(
    "/releases/{release_id}/manifest",
    response_class=Response,
    responses={200: {"content": {"application/c2pa": {}}, "description": "The manifest store alone."}},
)
def get_release_manifest(release_id: str, actor: TheActor, service: TheService) -> Response:
    """The credentials without the file: what lies beside a file that cannot carry them."""
    with service.database.reading() as session:
        release = releases.own_release(session, actor, release_id)
        store = releases.manifest_store(session, release)
    headers = {"Content-Disposition": f'attachment; filename="{release.id}.c2pa"'}
    return Response(store, media_type="application/c2pa", headers=headers)


@router.get(
    "/releases/{release_id}/jsonld",
    response_class=Response,
    responses={200: {"content": {"application/ld+json": {}}, "description": "schema.org JSON-LD for a web page."}},
)
def get_release_snippet(release_id: str, actor: TheActor, service: TheService, url: BaseUrl) -> Response:
    """What a page that shows the release says to search engines, the same as its manifest says."""
    with service.database.reading() as session:
        release = releases.own_release(session, actor, release_id)
    if release.state != ReleaseState.SIGNED:
        raise Conflict(kind="release", id=release.id, problem=f"It is {release.state}: no page should show it.")
    said = snippet(release, credentials_url=f"{url}/sbr/manifests/{release.manifest_id}")
    return Response(written(said), media_type="application/ld+json")


@router.get(
    "/releases/{release_id}/file",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The signed file."}},
)
def get_release_file(release_id: str, actor: TheActor, service: TheService, request: Request) -> Response:
    with service.database.reading() as session:
        release = releases.own_release(session, actor, release_id)
    if release.state == ReleaseState.DISABLED:
        detail = "This release was taken down; its file is not served."
        raise Problem(HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS, "disabled", detail)
    if release.state == ReleaseState.REVOKED:
        detail = f"This release was revoked ({release.revocation}); its file is not served."
        raise Problem(HTTPStatus.GONE, "revoked", detail)
    try:
        return sent_blob(
            service.blobs, release.blob_key, request, media_type=release.media_type, etag=f'"{release.sha256}"',
            must_have_bytes=release.size_bytes,
        )  # fmt: skip
    except FileNotFoundError:
        _log.error("the file of %s is damaged or lost: see `clearmark fsck`", release.id)
        detail = "The file of this release is damaged or lost here. The operator must restore it from a backup."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "file-damaged", detail) from None


def _said(body: ReleaseIn) -> NewRelease:
    rules = {
        MiningEntry(name): MiningRule(use=MiningUse(rule.use), constraint_info=rule.constraint_info)
        for name, rule in body.training_mining.items()
    }
    return NewRelease(
        check_id=body.check_id,
        title=body.title,
        generator_name=body.generator.name if body.generator else None,
        generator_version=body.generator.version if body.generator else None,
        source_type=body.digital_source_type or (SourceType.TRAINED_ALGORITHMIC_MEDIA if body.ai_generated else None),
        training_mining=TrainingMining(entries=rules),
        used=tuple(
            UsedFile(
                relationship=Relationship(one.relationship),
                check_id=one.check_id,
                release_id=one.release_id,
                title=one.title,
            )
            for one in body.ingredients
        ),
    )


def _release(release: Release) -> ReleaseOut:
    return ReleaseOut.model_validate(release, from_attributes=True)
