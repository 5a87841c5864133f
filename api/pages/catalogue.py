"""Whole catalogues: importing them with a report of every row, and exporting them.

What was only tried is kept where uploads lie, so that it can be done for real without sending the file again.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.pages.forms import Form
from api.pages.page import Page, PageActor, ThePage
from api.pages.uploads import PageFiles
from api.problems import Problem
from api.resumable import Owner, Uploads
from api.routes import imports
from api.uploads import UPLOAD, Submission
from registry import catalogue
from registry import imports as service
from registry.access import Actor, Scope
from registry.catalogue import CatalogueFormat, WrittenFormat
from registry.imports import Outcome

router = APIRouter(prefix="/imports")
_LISTED: Final = 20
_ROWS: Final = 100
# By this a spreadsheet knows that a file is UTF-8.
_BOM: Final = "\ufeff"


@router.get("")
def list_imports(
    page: ThePage, actor: PageActor, cursor: Annotated[str | None, Query(max_length=64)] = None
) -> Response:
    return _imports(page, actor, page.form(), cursor)


@router.post("")
def bring_in(page: ThePage, actor: PageActor, sent: PageFiles) -> Response:
    with sent.form.heeding():
        received = sent.require_file()
        with _kept(page, actor, received) if sent.form.get("dry_run") == "true" else nullcontext("") as kept:
            task = imports.import_catalogue(actor, received, page.service, Response())
        return page.go(f"/imports/{task.id}{kept}")
    return _imports(page, actor, sent.form, None)


@router.get("/template.csv")
def get_template(actor: PageActor) -> Response:
    """A file with the columns and no rows."""
    actor.require(Scope.WORKS_WRITE)
    text = _BOM + "".join(catalogue.write((), CatalogueFormat.CSV))
    headers = {"Content-Disposition": 'attachment; filename="works-template.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/works.{format}")
def export(format: WrittenFormat, page: ThePage, actor: PageActor) -> Response:
    return imports.export_catalogue(format, actor, page.service)


@router.get("/export")
def show_export(page: ThePage, actor: PageActor, format: WrittenFormat = CatalogueFormat.CSV) -> Response:
    """What a file of the catalogue has, and what it leaves out."""
    report = imports.report_catalogue(format, actor, page.service)
    return page.show("catalogue/export.html.j2", report=report, format=format)


@router.get("/{import_id}")
def show_import(
    import_id: str,
    page: ThePage,
    actor: PageActor,
    outcome: Outcome | None = None,
    cursor: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    upload: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """How far an import is, and what became of each row."""
    task = imports.get_import(import_id, actor, page.service)
    rows = imports.list_import_rows(import_id, actor, page.service, outcome, cursor, _ROWS)
    return page.show("catalogue/import.html.j2", task=task, rows=rows, outcome=outcome, upload=upload)


def _imports(page: Page, actor: Actor, form: Form, cursor: str | None) -> Response:
    with page.service.database.reading() as session:
        found = service.recent(session, actor, before=cursor, limit=_LISTED + 1)
    more = found[_LISTED - 1].id if len(found) > _LISTED else None
    return page.show(
        "catalogue/imports.html.j2", status=form.status, form=form, tasks=found[:_LISTED], next=more,
        is_first=cursor is None,
    )  # fmt: skip


@contextmanager
def _kept(page: Page, actor: Actor, received: Submission) -> Iterator[str]:
    """Keep a file for a second time, unless the block refuses it; a query that names it, or "" without room for it."""
    kept = None
    with suppress(Problem):
        uploads = Uploads(page.service, Owner.holder(actor.holder_id, visit_id=page.visit.id))
        kept = uploads.copy(received.require_upload().path, received.fields["name"])
    try:
        yield f"?{UPLOAD}={kept.id}" if kept else ""
    except BaseException:
        if kept:
            kept.remove()
        raise
