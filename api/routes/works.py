"""Works, what is added to them, and their reservations."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from api.access import IdempotencyHeader, TheActor, TheService
from api.backlog import require_room
from api.paging import Cursor, Limit, page, page_together
from api.routes.assets import asset_out
from api.routes.holders import thresholds_out
from api.schemas.base import Page, Time
from api.schemas.preferences import ReservationIn, ReservationOut, ScopedReservationIn
from api.schemas.works import AlternativeTitleIO, AssetOut, ContributorIO, ShareIO, WorkChanges, WorkIn, WorkOut
from api.service import Service
from api.uploads import Received, form_body
from fingerprinting.decode import probe
from registry import idempotency, reservations, thresholds, works
from registry.access import Actor, Scope
from registry.catalogue import REFERENCE
from registry.domain.credits import AlternativeTitle, Contributor, Share
from registry.domain.policy import Policy
from registry.errors import Invalid
from registry.jobs import JobKind
from registry.models import Asset, Reservation, Work
from registry.reservations import NewReservation
from registry.works import Described, NewWork

router = APIRouter(prefix="/v1", tags=["works"])
_MAY_BE_TAKEN_BACK = ("year", "thresholds")
_CREDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "contributors": Contributor.of, "shares": Share.of, "alternative_titles": AlternativeTitle.of,
}  # fmt: skip
_FIELDS: dict[str, dict[str, Any]] = {
    "label": {"type": "string", "description": "Which file of the work it is, such as its trailer."},
    "language": {"type": "string", "description": "In which language, as BCP 47 writes it."},
}
_COPIES = "Copies of its files, however edited."
_CLIPS = "Copies of its reference clips; nobody is recognised by face, voice or looks."


@router.post("/works", status_code=201)
def create_work(
    body: WorkIn, actor: TheActor, service: TheService, idempotency_key: IdempotencyHeader = None
) -> WorkOut:
    at = service.now()
    digest = idempotency.digest(body.model_dump_json())
    with service.database.transaction() as session:
        known = idempotency.recall(session, actor, "work", idempotency_key, digest)
        if known is not None:
            return _work(session, works.own_work(session, actor, known))
        said = NewWork(
            **body.model_dump(exclude={"reference", "identifiers", "reservations", "thresholds", *_CREDITS}),
            identifiers=_identifiers(body),
            **_credits(body.model_dump(include=set(_CREDITS))),
            thresholds=body.thresholds.said() if body.thresholds else None,
        )
        work = works.register(session, actor, said, at=at)
        for reservation in body.reservations:
            reservations.declare(session, actor, _said(reservation, work_id=work.id), at=at)
        idempotency.remember(session, actor, "work", idempotency_key, digest, work.id, at=at)
        return _work(session, work)


@router.get("/works")
def list_works(actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50) -> Page[WorkOut]:
    actor.require(Scope.WORKS_WRITE)
    own = sa.select(Work).where(Work.holder_id == actor.holder_id, Work.withdrawn_at.is_(None))
    with service.database.reading() as session:
        return page_together(session, own, Work.id, cursor, limit, lambda found: _works(session, found))


@router.get("/works/{work_id}")
def get_work(work_id: str, actor: TheActor, service: TheService) -> WorkOut:
    with service.database.reading() as session:
        return _work(session, works.own_work(session, actor, work_id))


@router.patch("/works/{work_id}")
def change_work(work_id: str, body: WorkChanges, actor: TheActor, service: TheService) -> WorkOut:
    changes: dict[str, Any] = body.model_dump(exclude_unset=True, mode="json")
    said = {name: value for name, value in changes.items() if value is not None or name in _MAY_BE_TAKEN_BACK}
    said |= _credits({name: said[name] for name in _CREDITS if name in said})
    if body.thresholds is not None:
        said["thresholds"] = body.thresholds.said()
    with service.database.transaction() as session:
        work = works.change(session, actor, work_id, said, at=service.now())
        return _work(session, work)


@router.delete("/works/{work_id}", status_code=204)
def withdraw_work(work_id: str, actor: TheActor, service: TheService) -> Response:
    with service.database.transaction() as session:
        freed = works.withdraw(session, actor, work_id, at=service.now())
    for key in freed:
        service.blobs.delete(key)
    return Response(status_code=204)


@router.post("/works/{work_id}/assets", status_code=202, openapi_extra=form_body(document=True, **_FIELDS))
def add_asset(
    work_id: str,
    actor: TheActor,
    received: Received,
    service: TheService,
    response: Response,
    idempotency_key: IdempotencyHeader = None,
    label: Annotated[str | None, Query(max_length=200, description="Which file it is; of a document.")] = None,
    language: Annotated[str | None, Query(max_length=40, description="In which language; of a document.")] = None,
) -> AssetOut:
    """Add a file of the work, or the fingerprint of one that stays where it is."""
    described = Described(
        label=received.fields.get("label", label) or None, language=received.fields.get("language", language) or None
    )
    operation = f"asset:{work_id}"
    with service.database.reading() as session:
        known = idempotency.recall(session, actor, operation, idempotency_key, received.sha256)
        if known is not None:
            return asset_out(session, works.visible_asset(session, actor, known))
        works.own_work(session, actor, work_id)  # before the file is looked at
    if received.upload is not None:
        asset = _add_file(service, actor, work_id, received, described, operation, idempotency_key)
    else:
        asset = _add_document(service, actor, work_id, received, described, operation, idempotency_key)
    response.headers["Location"] = f"/v1/assets/{asset.id}"
    with service.database.reading() as session:
        return asset_out(session, works.visible_asset(session, actor, asset.id))


def _add_file(
    service: Service,
    actor: Actor,
    work_id: str,
    received: Received,
    described: Described,
    operation: str,
    key: str | None,
) -> Asset:
    upload = received.require_upload()
    require_room(service, JobKind.FINGERPRINT)
    probe(upload.path, limits=service.decode_limits)  # what is no media at all is refused at once
    blob = f"asset_{upload.path.name}"
    at = service.now()
    with service.blobs.adopted(upload.path, blob), service.database.transaction() as session:
        asset = works.add_upload(
            session, actor, work_id, blob_key=blob, sha256=upload.sha256, described=described, at=at
        )
        idempotency.remember(session, actor, operation, key, upload.sha256, asset.id, at=at)
        job_id, kind = works.job_of(session, asset)
    service.hint(job_id, kind)
    return asset


def _add_document(
    service: Service,
    actor: Actor,
    work_id: str,
    received: Received,
    described: Described,
    operation: str,
    key: str | None,
) -> Asset:
    assert received.fingerprint is not None
    at = service.now()
    with service.database.transaction() as session:
        asset = works.add_fingerprint(session, actor, work_id, received.fingerprint, described=described, at=at)
        idempotency.remember(session, actor, operation, key, received.sha256, asset.id, at=at)
        job_id, kind = works.job_of(session, asset)
    service.hint(job_id, kind)
    return asset


@router.post("/works/{work_id}/reservations", status_code=201)
def reserve(
    work_id: str, body: ReservationIn, actor: TheActor, service: TheService, idempotency_key: IdempotencyHeader = None
) -> ReservationOut:
    return _declared(service, actor, _said(body, work_id=work_id), idempotency_key, body.model_dump_json())


@router.get("/works/{work_id}/reservations")
def list_reservations(
    work_id: str,
    actor: TheActor,
    service: TheService,
    at: Annotated[Time | None, Query(description="Only what was in force then; all ever said, when left out.")] = None,
) -> Page[ReservationOut]:
    with service.database.reading() as session:
        rows = reservations.of_work(session, actor, work_id, at=at)
        return Page(items=[_reservation(row) for row in rows], next=None)


@router.post("/reservations", status_code=201)
def reserve_more(
    body: ScopedReservationIn, actor: TheActor, service: TheService, idempotency_key: IdempotencyHeader = None
) -> ReservationOut:
    return _declared(service, actor, NewReservation(**body.model_dump()), idempotency_key, body.model_dump_json())


@router.get("/reservations")
def list_all_reservations(
    actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50
) -> Page[ReservationOut]:
    actor.require(Scope.WORKS_WRITE)
    own = sa.select(Reservation).where(Reservation.holder_id == actor.holder_id)
    with service.database.reading() as session:
        return page(session, own, Reservation.id, cursor, limit, _reservation)


@router.delete("/reservations/{reservation_id}", status_code=204)
@router.delete("/works/{work_id}/reservations/{reservation_id}", status_code=204)
def withdraw_reservation(
    reservation_id: str, actor: TheActor, service: TheService, work_id: str | None = None
) -> Response:
    with service.database.transaction() as session:
        reservations.withdraw(session, actor, reservation_id, work_id=work_id, at=service.now())
    return Response(status_code=204)


def _declared(service: Service, actor: Actor, said: NewReservation, key: str | None, request: str) -> ReservationOut:
    actor.require(Scope.WORKS_WRITE)
    at, operation, digest = service.now(), f"reservation:{said.work_id or ''}", idempotency.digest(request)
    with service.database.transaction() as session:
        known = idempotency.recall(session, actor, operation, key, digest)
        if known is not None:
            return _reservation(session.get_one(Reservation, known))
        row = reservations.declare(session, actor, said, at=at)
        idempotency.remember(session, actor, operation, key, digest, row.id, at=at)
        return _reservation(row)


def _identifiers(body: WorkIn) -> dict[str, str]:
    if body.reference is None:
        return body.identifiers
    if body.identifiers.get(REFERENCE, body.reference) != body.reference:
        raise Invalid(field=REFERENCE, problem="The identifiers have another reference. Give it once.")
    return {**body.identifiers, REFERENCE: body.reference}


def _credits(said: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {name: tuple(_CREDITS[name](one) for one in ones) for name, ones in said.items()}


def _said(body: ReservationIn, *, work_id: str) -> NewReservation:
    return NewReservation(work_id=work_id, **body.model_dump())


def _reservation(row: Reservation) -> ReservationOut:
    return ReservationOut.model_validate(row, from_attributes=True)


def _work(session: Session, work: Work) -> WorkOut:
    [told] = _works(session, [work])
    return told


def _works(session: Session, found: Sequence[Work]) -> list[WorkOut]:
    ids = [work.id for work in found]
    said = session.scalars(
        sa.select(Reservation)
        .where(Reservation.work_id.in_(ids), Reservation.withdrawn_at.is_(None))
        .order_by(Reservation.id)
    )
    held = session.execute(sa.select(Asset.work_id, Asset.id).where(Asset.work_id.in_(ids)).order_by(Asset.id))
    reservations_of, assets_of = defaultdict(list), defaultdict(list)
    for row in said:
        reservations_of[row.work_id].append(_reservation(row))
    for work_id, asset_id in held:
        assets_of[work_id].append(asset_id)
    return [_work_out(work, reservations_of[work.id], assets_of[work.id]) for work in found]


def _work_out(work: Work, said: list[ReservationOut], held: list[str]) -> WorkOut:
    return WorkOut(
        id=work.id,
        title=work.title,
        kind=works.WorkKind(work.kind),
        identifiers=work.identifiers,
        creators=work.creators,
        contributors=[ContributorIO.model_validate(one) for one in work.contributors],
        shares=[ShareIO.model_validate(one) for one in work.shares],
        alternative_titles=[AlternativeTitleIO.model_validate(one) for one in work.alternative_titles],
        year=work.year,
        policy=Policy(work.policy),
        thresholds=thresholds_out(asked) if (asked := thresholds.asked_for(work)) else None,
        thresholds_in_force=thresholds_out(thresholds.in_force(work)),
        shows_frames=work.shows_frames,
        confidential=work.confidential,
        created_at=work.created_at,
        updated_at=work.updated_at,
        found_by=_CLIPS if work.kind in works.BEYOND_COPIES else _COPIES,
        reservations=said,
        assets=held,
    )
