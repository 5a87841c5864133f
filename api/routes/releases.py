"""Releases: sign what may go out, and hand over the signed file."""

from http import HTTPStatus

import sqlalchemy as sa
from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from api.access import IdempotencyHeader, TheActor, TheService
from api.paging import Cursor, Limit, page
from api.problems import Problem
from api.schemas.base import Page
from api.schemas.releases import ReleaseIn, ReleaseOut
from api.signing import release_check
from provenance.model import MiningEntry, MiningRule, MiningUse, TrainingMining
from registry import idempotency, releases
from registry.access import Scope
from registry.models import Release, ReleaseState
from registry.releases import NewRelease

router = APIRouter(prefix="/v1", tags=["releases"])


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


@router.get(
    "/releases/{release_id}/file",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The signed file."}},
)
def get_release_file(release_id: str, actor: TheActor, service: TheService) -> Response:
    with service.database.reading() as session:
        release = releases.own_release(session, actor, release_id)
    if release.state == ReleaseState.DISABLED:
        detail = "This release was taken down; its file is not served."
        raise Problem(HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS, "disabled", detail)
    with service.blobs.open(release.blob_key) as path:
        return FileResponse(path, media_type=release.media_type, headers={"ETag": f'"{release.sha256}"'})


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
        ai_generated=body.ai_generated,
        training_mining=TrainingMining(entries=rules),
    )


def _release(release: Release) -> ReleaseOut:
    return ReleaseOut.model_validate(release, from_attributes=True)
