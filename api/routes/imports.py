"""Whole catalogues: into the register from a file, and out of it as one."""

from collections.abc import Iterator
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from api.access import IdempotencyHeader, TheActor, TheService
from api.paging import Cursor, Limit, page
from api.schemas.base import Page
from api.schemas.exchange import RemarkOut
from api.schemas.imports import CatalogueReportOut, ImportOut, ImportRowOut
from api.uploads import ReceivedFile, form_body
from registry import catalogue, idempotency, imports
from registry.access import Scope
from registry.catalogue import CatalogueFormat, WrittenFormat
from registry.errors import Invalid
from registry.imports import Outcome
from registry.models import Import, ImportRow

router = APIRouter(prefix="/v1", tags=["imports"])

_FIELDS: dict[str, dict[str, Any]] = {
    "dry_run": {"type": "string", "enum": ["true", "false"], "description": "Say what would become of each row."}
}
_MEDIA_TYPES: dict[WrittenFormat, str] = {
    CatalogueFormat.CSV: "text/csv; charset=utf-8",
    CatalogueFormat.JSONL: "application/x-ndjson",
}
_SNIFFED_BYTES = 4096
_MOST_TOLD = 1000


@router.post("/imports", status_code=202, openapi_extra=form_body(document=False, **_FIELDS))
def import_catalogue(
    actor: TheActor,
    received: ReceivedFile,
    service: TheService,
    response: Response,
    idempotency_key: IdempotencyHeader = None,
) -> ImportOut:
    """Register the works of a CSV, JSON Lines or DDEX ERN file; `GET` it for how far it is, and `rows` for each row."""
    actor.require(Scope.WORKS_WRITE)
    upload, at = received.require_upload(), service.now()
    dry_run = received.fields.get("dry_run", "false").lower()
    if dry_run not in ("true", "false"):
        raise Invalid(field="dry_run", problem="Send true or false.")
    digest = idempotency.digest(f"{upload.sha256} {dry_run}")
    with service.database.reading() as session:
        known = idempotency.recall(session, actor, "import", idempotency_key, digest)
        task = imports.own(session, actor, known) if known else None
    if task is None:
        with upload.path.open("rb") as file:
            kind = catalogue.format_of(file.read(_SNIFFED_BYTES))
        blob = f"import_{upload.path.name}"
        with service.blobs.adopted(upload.path, blob), service.database.transaction() as session:
            task, job_id = imports.accept(session, actor, kind, blob_key=blob, dry_run=dry_run == "true", at=at)
            idempotency.remember(session, actor, "import", idempotency_key, digest, task.id, at=at)
        service.hint(job_id, "import")
    response.headers["Location"] = f"/v1/imports/{task.id}"
    return ImportOut.model_validate(task, from_attributes=True)


@router.get("/imports")
def list_imports(actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50) -> Page[ImportOut]:
    actor.require(Scope.WORKS_WRITE)
    own = sa.select(Import).where(Import.holder_id == actor.holder_id)
    with service.database.reading() as session:
        return page(
            session, own, Import.id, cursor, limit, lambda row: ImportOut.model_validate(row, from_attributes=True)
        )


@router.get("/imports/{import_id}")
def get_import(import_id: str, actor: TheActor, service: TheService) -> ImportOut:
    with service.database.reading() as session:
        return ImportOut.model_validate(imports.own(session, actor, import_id), from_attributes=True)


@router.get("/imports/{import_id}/rows")
def list_import_rows(
    import_id: str,
    actor: TheActor,
    service: TheService,
    outcome: Annotated[Outcome | None, Query(description="Only these.")] = None,
    cursor: Annotated[int, Query(ge=0, le=2**31 - 1, description="`next` of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Page[ImportRowOut]:
    """What became of each row, in the order of the file."""
    with service.database.reading() as session:
        imports.own(session, actor, import_id)
        query = sa.select(ImportRow).where(ImportRow.import_id == import_id, ImportRow.number > cursor)
        if outcome is not None:
            query = query.where(ImportRow.outcome == outcome)
        rows = session.scalars(query.order_by(ImportRow.number).limit(limit + 1)).all()
    items = [ImportRowOut.model_validate(row, from_attributes=True) for row in rows[:limit]]
    return Page(items=items, next=str(items[-1].number) if len(rows) > limit else None)


@router.get("/exports/works.{format}", response_class=StreamingResponse)
def export_catalogue(format: WrittenFormat, actor: TheActor, service: TheService) -> StreamingResponse:
    """One's own works with what is reserved of them, as an import takes them; what is left out is in the report."""
    actor.require(Scope.WORKS_WRITE)

    def lines() -> Iterator[str]:
        with service.database.reading() as session:
            yield from catalogue.write(imports.entries_of(session, actor, at=service.now()), format)

    headers = {"Content-Disposition": f'attachment; filename="works.{format}"'}
    return StreamingResponse(lines(), media_type=_MEDIA_TYPES[format], headers=headers)


@router.get("/exports/works.{format}/report")
def report_catalogue(format: WrittenFormat, actor: TheActor, service: TheService) -> CatalogueReportOut:
    """What the file does not say of one's works, one by one."""
    with service.database.reading() as session:
        left_out = imports.left_out(session, actor, format, most=_MOST_TOLD, at=service.now())
    told = [RemarkOut(where=remark.where, problem=remark.problem) for remark in left_out.remarks]
    return CatalogueReportOut(
        media_type=_MEDIA_TYPES[format], works=left_out.works, left_out_count=left_out.count, left_out=told
    )
