"""Reservations: what is said of the uses of works, of places and of the whole catalogue; what it comes to, in words and
in the formats of the field; and what one's own site says already.
"""  # fmt: skip

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.pages.forms import Form
from api.pages.page import Page, PageActor, PostedForm, ThePage, onward
from api.pages.uploads import PageFiles, SentFiles
from api.pages.work_forms import SheetIn, sheet_form
from api.routes import exchange, works
from api.schemas.exchange import SourceOut
from api.schemas.works import WorkOut
from api.uploads import Submission, Upload
from registry import sheets
from registry.access import Actor
from registry.domain.preferences import WORLDWIDE
from registry.exchange import ExportFormat
from registry.locations import normal
from registry.sheets import Effect, Rehearsal, Sheet, Thing

router = APIRouter()
Territory = Annotated[str, Query(max_length=9)]
Place = Annotated[str, Query(max_length=2000)]
_MOST_PASTED_BYTES = 60_000


@router.get("/reservations")
def list_reservations(page: ThePage, actor: PageActor) -> Response:
    """Of the catalogue and of places; those of works are with the works."""
    with page.service.database.reading() as session:
        catalogue = sheets.read(session, actor, Thing(), at=page.at)
        places = sheets.places(session, actor, at=page.at)
    return page.show("works/reservations.html.j2", catalogue=catalogue, places=places)


@router.get("/reservations/catalogue")
def show_catalogue(page: ThePage, actor: PageActor, territory: Territory = WORLDWIDE) -> Response:
    return _standing(page, actor, Thing(territory=territory))


@router.post("/reservations/catalogue")
def say_of_catalogue(page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    return _say(page, actor, form)


@router.get("/reservations/place")
def show_place(page: ThePage, actor: PageActor, location: Place = "", territory: Territory = WORLDWIDE) -> Response:
    """Which place it is, is asked first: something may be said of it already."""
    form = Form([("location", location)], page.words.gettext)
    if location.strip():
        with form.heeding():
            return _standing(page, actor, Thing(location=normal(location), territory=territory))
    return page.show("works/place.html.j2", status=form.status, form=form)


@router.post("/reservations/place")
def say_of_place(page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    return _say(page, actor, form, is_place=True)


@router.get("/works/{work_id}/reservations")
def show_work(page: ThePage, actor: PageActor, work_id: str, territory: Territory = WORLDWIDE) -> Response:
    work = works.get_work(work_id, actor, page.service)
    return _standing(page, actor, Thing(work_id=work_id, territory=territory), work)


@router.post("/works/{work_id}/reservations")
def say_of_work(page: ThePage, actor: PageActor, work_id: str, form: PostedForm) -> Response:
    return _say(page, actor, form, works.get_work(work_id, actor, page.service))


@router.post("/reservations/end")
def end(page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """Take one word back: one for a time, for later, or on one file."""
    works.withdraw_reservation(form.get("reservation"), actor, page.service)
    return page.go(onward(form.get("next")), told=page.gettext("It is withdrawn: from now on you do not say so."))


@router.get("/reservations/exports/{export}")
def get_export(
    page: ThePage,
    actor: PageActor,
    export: ExportFormat,
    work_id: Annotated[str | None, Query(max_length=100)] = None,
    host: Annotated[str | None, Query(max_length=300)] = None,
) -> Response:
    """What is said, as a file."""
    answer = exchange.export_reservations(export, actor, page.service, work_id, host)
    name = export.value if "." in export else f"{export}.txt"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@router.get("/reservations/import")
def show_import(page: ThePage, actor: PageActor, work: Annotated[str | None, Query(max_length=100)] = None) -> Response:
    of = works.get_work(work, actor, page.service) if work else None
    return _import(page, page.form(), of)


@router.post("/reservations/import")
def take_over(page: ThePage, actor: PageActor, sent: PageFiles) -> Response:
    """What a file of one's site says: shown, and put on record where that was asked for."""
    form = sent.form
    work = works.get_work(form.get("work_id"), actor, page.service) if form.get("work_id") else None
    with form.heeding(), _source(page, sent) as file:
        name = file.fields.get("name", "").lower()
        said = {"kind": form.get("kind") or name, "dry_run": "false" if form.get("take") else "true"}
        said |= {part: form.get(part).strip() for part in ("work_id", "location") if form.get(part).strip()}
        found = exchange.import_source(actor, replace(file, fields=said), page.service)
        form.put("kind", said["kind"])
        form.put("text", _text_of(file))
        return _import(page, form, work, found)
    return _import(page, form, work)


# -- parts ---------------------------------------------------------------------------------------


def _standing(page: Page, actor: Actor, thing: Thing, work: WorkOut | None = None) -> Response:
    """The sheet as it stands."""
    with page.service.database.reading() as session:
        sheet = sheets.read(session, actor, thing, at=page.at)
        effect = sheets.effect(session, actor, thing, url=_url(page), at=page.at)
    form = sheet_form(sheet.words, location=thing.location, territory=thing.territory)
    return _sheet(page, work, thing, form, sheet, effect=effect)


def _say(
    page: Page, actor: Actor, form: Form, work: WorkOut | None = None, *, is_place: bool = False
) -> Response:  # fmt: skip
    """Put a sheet on record, or only show what it would come to."""
    is_preview = bool(form.get("see"))
    form.drop("see")
    location = None
    if is_place:
        with form.heeding():
            location = normal(form.get("location"))
        if location is None:
            return page.show("works/place.html.j2", status=form.status, form=form)
    thing = Thing(work_id=work.id if work else None, location=location, territory=form.get("territory", WORLDWIDE))
    with form.heeding():
        body = form.parse(SheetIn)
        with page.service.database.transaction() as session:
            if is_preview:
                rehearsed = sheets.rehearse(
                    session, actor, thing, body.wanted(), **body.times(), url=_url(page), at=page.at
                )
            else:
                changes = sheets.say(session, actor, thing, body.wanted(), **body.times(), at=page.at)
        if not is_preview:
            return page.go(_address(thing), told=_told(page, len(changes)))
        until = body.times()["valid_until"]
        return _sheet(page, work, thing, form, _read(page, actor, thing), rehearsed=rehearsed, until=until)
    return _sheet(page, work, thing, form, _read(page, actor, thing))


def _read(page: Page, actor: Actor, thing: Thing) -> Sheet:
    with page.service.database.reading() as session:
        return sheets.read(session, actor, thing, at=page.at)


def _told(page: Page, changes: int) -> str:
    if not changes:
        return page.gettext("Nothing changed: all of this was on record already.")
    return page.words.ngettext("%(num)d change is on record.", "%(num)d changes are on record.", changes) % {
        "num": changes
    }


def _sheet(
    page: Page, work: WorkOut | None, thing: Thing, form: Form, sheet: Sheet, *,
    effect: Effect | None = None, rehearsed: Rehearsal | None = None, until: datetime | None = None,
) -> Response:  # fmt: skip
    return page.show(
        "works/sheet.html.j2", status=form.status, work=work, thing=thing, form=form, sheet=sheet, until=until,
        rehearsed=rehearsed, effect=rehearsed.effect if rehearsed else effect, address=_address(thing),
    )  # fmt: skip


def _address(thing: Thing) -> str:
    """Where a sheet is."""
    asked = {"territory": thing.territory} if thing.territory != WORLDWIDE else {}
    if thing.work_id is not None:
        path = f"/works/{thing.work_id}/reservations"
    elif thing.location is None:
        path = "/reservations/catalogue"
    else:
        path, asked = "/reservations/place", {"location": thing.location, **asked}
    return f"{path}?{urlencode(asked)}" if asked else path


def _url(page: Page) -> str:
    """Where exports are served, for formats that say it."""
    return f"{page.service.settings.url}/v1/exports"


@contextmanager
def _source(page: Page, sent: SentFiles) -> Iterator[Submission]:
    """The file that was sent, or the text that was pasted, as a file. Raises: Problem: neither."""
    text = sent.form.get("text").strip()
    if sent.files or not text:
        yield sent.require_file()
        return
    content, path = text.encode(), page.service.blobs.staging / secrets.token_hex(16)
    try:
        path.write_bytes(content)
        upload = Upload(path=path, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
        yield Submission(upload=upload)
    finally:
        path.unlink(missing_ok=True)


def _text_of(file: Submission) -> str:
    """The text of a file, so that it need not be chosen again; "" where it is none, or long."""
    upload = file.require_upload()
    if upload.size_bytes > _MOST_PASTED_BYTES:
        return ""
    try:
        return upload.path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def _import(page: Page, form: Form, work: WorkOut | None, found: SourceOut | None = None) -> Response:
    return page.show("works/import.html.j2", status=form.status, form=form, work=work, found=found)
