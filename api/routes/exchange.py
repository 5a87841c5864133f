"""Reservations in the formats of the field: into the record from a site or a file, out of it, and served for a site."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from api.access import TheActor, TheService
from api.hosting import page_of
from api.page import POLICY
from api.reading import read_credentials, read_source
from api.schemas.exchange import ExportOut, RemarkOut, SourceOut, StatementOut
from api.schemas.preferences import ReservationOut
from api.uploads import ReceivedFile, form_body
from registry import exchange
from registry.access import Scope
from registry.errors import Invalid, NotFound
from registry.exchange import ExportFormat, Target
from registry.formats import odrl, rsl
from registry.formats.reading import ALSO_CALLED, SourceKind
from registry.formats.statements import Remark, Written
from registry.hosting import HostedFile, Site, site
from registry.locations import host_of
from registry.models import Reservation
from registry.reservations import NewReservation

router = APIRouter(tags=["reservations"])
_LEFT_OUT = "Clearmark-Left-Out"
# The manifest of a media file, read by the library for credentials; what is no such file is one of `SourceKind`.
_MEDIA = "media"
_FIELDS: dict[str, dict[str, Any]] = {
    "kind": {"type": "string", "enum": [*SourceKind, *ALSO_CALLED, _MEDIA], "description": "What the file is."},
    "work_id": {"type": "string", "description": "What it is about: this work,"},
    "asset_id": {"type": "string", "description": "or this file of one,"},
    "location": {"type": "string", "description": "or a site, such as https://studio.example."},
    "dry_run": {"type": "string", "enum": ["true", "false"]},
}
_MEDIA_TYPES = ("text/plain", "text/html", "application/json", odrl.MEDIA_TYPE, rsl.MEDIA_TYPE)
_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {name: {} for name in _MEDIA_TYPES}}}


@router.post("/v1/reservations/import", openapi_extra=form_body(document=False, **_FIELDS))
def import_source(actor: TheActor, received: ReceivedFile, service: TheService) -> SourceOut:
    """Put on record what a site's file, the headers of a response, a document or a media file's manifest say.

    Nothing is fetched: send what was found. What our record has no word for is in `remarks`.
    """
    actor.require(Scope.WORKS_WRITE)
    path, said = received.require_upload().path, received.fields
    dry_run = said.get("dry_run", "false").lower()
    if dry_run not in ("true", "false"):
        raise Invalid(field="dry_run", problem="Send true or false.")
    kind = said.get("kind", "")
    if kind not in {*SourceKind, *ALSO_CALLED, _MEDIA}:
        raise Invalid(field="kind", problem=f"Say what the file is: {', '.join([*SourceKind, _MEDIA])}.")
    target = Target(**{name: said.get(name) for name in ("work_id", "asset_id", "location")})
    reading = read_credentials(service, path) if kind == _MEDIA else read_source(service, _source(kind), path)
    at = service.now()
    with service.database.reading() as session:  # comparing thousands of statements, while others may write
        taken = exchange.take(session, actor, reading, target, at=at)
    rows: list[Reservation] = []
    if dry_run == "false":
        for some in exchange.portions(taken):
            with service.database.transaction() as session:
                rows += exchange.declare(session, actor, some, at=at)
    return SourceOut(
        dry_run=dry_run == "true",
        statements=[_statement(one) for one in taken.declarations],
        reservations=[ReservationOut.model_validate(row, from_attributes=True) for row in rows],
        remarks=_remarks(taken.remarks),
    )


@router.get("/v1/exports/{export}", response_class=Response, responses=_TEXT)
def export_reservations(
    export: ExportFormat,
    actor: TheActor,
    service: TheService,
    work_id: Annotated[str | None, Query(max_length=100, description="Of one work.")] = None,
    host: Annotated[str | None, Query(max_length=300, description="Of one site; else of all you say.")] = None,
) -> Response:
    """What you say, in a format of the field; the header `Clearmark-Left-Out` counts what it cannot say."""
    written = _written(actor, service, export, work_id, host)
    return _file(written)


@router.get("/v1/exports/{export}/report")
def report_export(
    export: ExportFormat,
    actor: TheActor,
    service: TheService,
    work_id: Annotated[str | None, Query(max_length=100)] = None,
    host: Annotated[str | None, Query(max_length=300)] = None,
) -> ExportOut:
    """The same, with what the format cannot say, one by one."""
    written = _written(actor, service, export, work_id, host)
    return ExportOut(media_type=written.media_type, text=written.text, left_out=_remarks(written.left_out))


@router.get("/v1/hosted/{host}", response_class=HTMLResponse)
def get_hosting(host: str, service: TheService) -> HTMLResponse:
    """One page with all that a site is to serve, to copy from: for domains that were shown to be their holder's."""
    with _site(service, host) as site:
        shown = page_of(site, url=f"{service.settings.url}/v1/hosted/{site.host}")
    return HTMLResponse(shown, headers={"Content-Security-Policy": POLICY})


@router.get("/v1/hosted/{host}/{file}", response_class=Response, responses=_TEXT)
def get_hosted(host: str, file: HostedFile, service: TheService) -> Response:
    """What is said of a site, to be served there: for domains that were shown to be their holder's."""
    return _hosted(service, host, file)


@router.get("/.well-known/tdmrep.json", response_class=Response, responses=_TEXT)
def get_tdmrep(request: Request, service: TheService) -> Response:
    """For a site whose name leads here."""
    return _hosted(service, request.url.hostname or "", HostedFile.TDMREP)


@router.get("/license.xml", response_class=Response, responses=_TEXT)
def get_license(request: Request, service: TheService) -> Response:
    """For a site whose name leads here."""
    return _hosted(service, request.url.hostname or "", HostedFile.LICENSE)


def _hosted(service: TheService, host: str, file: HostedFile) -> Response:
    with _site(service, host) as site:
        return _file(site.file(file))


@contextmanager
def _site(service: TheService, host: str) -> Iterator[Site]:
    """A site while there is room to make its files. Raises: NotFound: nobody showed that it is theirs."""
    with service.hosted_slots.taken(), service.database.reading() as session:
        found = site(session, host_of(host), at=service.now())
        if found is None:
            raise NotFound(kind="site", id=host)
        yield found


def _written(
    actor: TheActor, service: TheService, format: ExportFormat, work_id: str | None, host: str | None
) -> Written:
    actor.require(Scope.WORKS_WRITE)
    url = f"{service.settings.url}/v1/exports/{format}"
    with service.database.reading() as session:
        subject = exchange.about(session, actor, work_id=work_id, host=host)
        return exchange.write(session, subject, format, url=url, at=service.now())


def _file(written: Written) -> Response:
    headers = {_LEFT_OUT: str(len(written.left_out))}
    return Response(written.text, media_type=written.media_type, headers=headers)


def _source(kind: str) -> SourceKind:
    return ALSO_CALLED.get(kind) or SourceKind(kind)


def _statement(said: NewReservation) -> StatementOut:
    return StatementOut.model_validate(said, from_attributes=True)


def _remarks(remarks: tuple[Remark, ...]) -> list[RemarkOut]:
    return [RemarkOut(where=remark.where, problem=remark.problem) for remark in remarks]
