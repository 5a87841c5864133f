"""Works: registering them, changing and withdrawing them, and their files."""

import secrets
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from starlette.responses import Response

from api.pages import playback, reservations, work_forms
from api.pages.forms import Form
from api.pages.page import Page, PageActor, PostedForm, ThePage
from api.pages.uploads import PageFiles
from api.pages.work_forms import EditIn, RegistrationIn, StretchIn, heeding
from api.routes import assets, ledger, works
from api.schemas.works import AssetOut, ExclusionsIn, IntervalIn, WorkOut
from api.uploads import Submission
from fingerprinting.errors import MediaError
from registry import overview, sheets, thresholds
from registry.access import Actor, Scope
from registry.domain.identifiers import validate_identifiers
from registry.domain.names import one_line
from registry.domain.preferences import Use
from registry.errors import Conflict, Invalid, NotFound
from registry.exclusions import ExclusionSource
from registry.sheets import Thing
from registry.works import own_work, visible_asset

router = APIRouter()
router.include_router(reservations.router)
Cursor = Annotated[str | None, Query(max_length=64)]
_FILES_SHOWN = 20
_LABEL_CHARS, _NAME_CHARS = 200, 60
# Of refusals; they travel in a cookie.
_MOST_TOLD = 3


@router.get("/works")
def list_works(
    page: ThePage, actor: PageActor, q: Annotated[str, Query(max_length=500)] = "", cursor: Cursor = None
) -> Response:
    with page.service.database.reading() as session:
        shelved, more = overview.shelf(
            session, actor, asked=q.strip(), before=cursor, block_from=page.service.rules.block_from, at=page.at
        )
    return page.show("works/list.html.j2", shelved=shelved, next=more, q=q.strip(), is_first=cursor is None)


@router.get("/works/identifiers")
def check_identifier(
    page: ThePage,
    _actor: PageActor,
    scheme: Annotated[str, Query(max_length=32)],
    value: Annotated[str, Query(max_length=500)],
) -> JSONResponse:
    """How a number is written, or what is wrong with it: asked as it is typed."""
    try:
        return JSONResponse({"value": validate_identifiers({scheme: value})[scheme]})
    except Invalid as error:
        return JSONResponse({"problem": page.gettext(error.problem)})


@router.get("/works/new")
def show_registration(page: ThePage, actor: PageActor) -> Response:
    actor.require(Scope.WORKS_WRITE)
    return _registration(page, page.form())


@router.post("/works/new")
def register(page: ThePage, actor: PageActor, sent: PageFiles) -> Response:
    form = sent.form
    if form.get("add"):
        return _registration(page, form)
    with heeding(form):
        body = form.parse(RegistrationIn)
        if sent.problem is not None:
            raise sent.problem
        work = works.create_work(body.work(), actor, page.service, body.once)
        refused = _add_files(page, actor, work.id, sent.files)
        told = page.gettext("“%(title)s” is registered.", title=one_line(work.title, max_chars=_NAME_CHARS))
        return page.go(f"/works/{work.id}", told=" ".join([told, *refused]))
    return _registration(page, form)


def _registration(page: Page, form: Form) -> Response:
    """The form; sent twice, it registers once."""
    form.put("once", secrets.token_urlsafe(16))
    more = work_forms.more_of(form)
    return page.show("works/new.html.j2", status=form.status, form=form, rows=more)


@router.get("/works/{work_id}")
def show_work(page: ThePage, actor: PageActor, work_id: str, cursor: Cursor = None) -> Response:
    return _work(page, actor, work_id, page.form(), cursor)


@router.post("/works/{work_id}/files")
def add_files(page: ThePage, actor: PageActor, work_id: str, sent: PageFiles) -> Response:
    form = sent.form
    with form.heeding():
        files = sent.require_files()
        label, language = form.get("label").strip(), form.get("language").strip()
        if len(files) == 1:  # what is wrong with one is said beside its field
            _add_file(page, actor, work_id, files[0], label=label, language=language)
            return page.go(f"/works/{work_id}", told=page.gettext("The file is being fingerprinted."))
        refused = _add_files(page, actor, work_id, files, language=language)
        told = " ".join(refused) or page.gettext("The files are being fingerprinted.")
        return page.go(f"/works/{work_id}", told=told)
    if "" in form.errors:
        form.errors["file"] = form.errors.pop("")
    return _work(page, actor, work_id, form, None)


@router.get("/works/{work_id}/receipt")
def get_receipt(page: ThePage, actor: PageActor, work_id: str) -> Response:
    return ledger.get_receipt(work_id, actor, page.service)


@router.get("/works/{work_id}/edit")
def show_edit(page: ThePage, actor: PageActor, work_id: str) -> Response:
    work = works.get_work(work_id, actor, page.service)
    said = work.model_dump(mode="json", exclude_none=True)
    body: dict[str, Any] = {name: said[name] for name in said.keys() & EditIn.model_fields.keys()}
    body["ids"] = [{"scheme": scheme, "value": value} for scheme, value in body.pop("identifiers").items()]
    body["creators"] = "\n".join(work.creators)
    return _edit(page, work, Form.filled(body))


@router.post("/works/{work_id}/edit")
def edit(page: ThePage, actor: PageActor, work_id: str, form: PostedForm) -> Response:
    work = works.get_work(work_id, actor, page.service)
    if form.get("add"):
        return _edit(page, work, form)
    with heeding(form):
        work = works.change_work(work_id, form.parse(EditIn).changes(), actor, page.service)
        return page.go(f"/works/{work_id}", told=page.gettext("What you changed is on record."))
    return _edit(page, work, form)


def _edit(page: Page, work: WorkOut, form: Form) -> Response:
    more = work_forms.more_of(form)
    floor = thresholds.floor_of(page.holder) if page.holder else thresholds.SERVICE
    return page.show("works/edit.html.j2", status=form.status, work=work, form=form, rows=more, floor=floor)


@router.get("/works/{work_id}/withdraw")
def ask_to_withdraw(page: ThePage, actor: PageActor, work_id: str) -> Response:
    return page.show("works/withdraw.html.j2", work=works.get_work(work_id, actor, page.service))


@router.post("/works/{work_id}/withdraw")
def withdraw(page: ThePage, actor: PageActor, work_id: str, _form: PostedForm) -> Response:
    work = works.get_work(work_id, actor, page.service)
    works.withdraw_work(work_id, actor, page.service)
    title = one_line(work.title, max_chars=_NAME_CHARS)
    return page.go("/works", told=page.gettext("“%(title)s” is withdrawn.", title=title))


# -- one file ------------------------------------------------------------------------------------


@router.get("/works/{work_id}/files/{asset_id}")
def show_file(page: ThePage, actor: PageActor, work_id: str, asset_id: str) -> Response:
    return _file(page, actor, _own_file(page, actor, work_id, asset_id), page.form())


@router.post("/works/{work_id}/files/{asset_id}/exclusions")
def exclude(page: ThePage, actor: PageActor, work_id: str, asset_id: str, form: PostedForm) -> Response:
    """One more stretch that does not count."""
    file = _own_file(page, actor, work_id, asset_id)
    with form.heeding():
        stretch = IntervalIn(**form.parse(StretchIn).model_dump())
        body = ExclusionsIn(intervals=[*_excluded(file), stretch])
        assets.put_exclusions(asset_id, body, actor, page.service)
        return page.go(_at(file), told=page.gettext("This stretch does not count now."))
    return _file(page, actor, file, form)


@router.post("/works/{work_id}/files/{asset_id}/exclusions/remove")
def include(page: ThePage, actor: PageActor, work_id: str, asset_id: str, form: PostedForm) -> Response:
    """Let a stretch count again."""
    file = _own_file(page, actor, work_id, asset_id)
    body = ExclusionsIn(intervals=_excluded(file, but=form.get("exclusion")))
    assets.put_exclusions(asset_id, body, actor, page.service)
    return page.go(_at(file), told=page.gettext("This stretch counts again."))


# -- parts ---------------------------------------------------------------------------------------


def _work(page: Page, actor: Actor, work_id: str, form: Form, cursor: str | None) -> Response:
    """A work with its newest files; the form is the one that adds files."""
    work = works.get_work(work_id, actor, page.service)
    older = [one for one in reversed(work.assets) if cursor is None or one < cursor]
    files = [assets.get_asset(one, actor, page.service) for one in older[:_FILES_SHOWN]]
    said = works.list_reservations(work_id, actor, page.service).items
    with page.service.database.reading() as session:
        holding = sheets.answers(session, actor, Thing(work_id=work_id), at=page.at)
        leads_to = overview.leads_to(
            session, own_work(session, actor, work_id), holding[Use.DEPICT_IN_OUTPUT],
            block_from=page.service.rules.block_from, at=page.at,
        )  # fmt: skip
    return page.show(
        "works/work.html.j2", status=form.status, work=work, files=files, holding=holding, leads_to=leads_to, form=form,
        said=said[::-1],
        next=older[_FILES_SHOWN - 1] if len(older) > _FILES_SHOWN else None,
    )  # fmt: skip


def _file(page: Page, actor: Actor, file: AssetOut, form: Form) -> Response:
    work = works.get_work(file.work_id, actor, page.service)
    with page.service.database.reading() as session:
        media = playback.of_asset(page.service, actor, visible_asset(session, actor, file.id))
    own = ExclusionSource.OWNER
    return page.show("works/file.html.j2", status=form.status, work=work, file=file, media=media, own=own, form=form)


def _own_file(page: Page, actor: Actor, work_id: str, asset_id: str) -> AssetOut:
    """Raises: NotFound, also where it is a file of another work."""
    file = assets.get_asset(asset_id, actor, page.service)
    if file.work_id != work_id:
        raise NotFound(kind="asset", id=asset_id)
    return file


def _at(file: AssetOut) -> str:
    return f"/works/{file.work_id}/files/{file.id}"


def _excluded(file: AssetOut, *, but: str | None = None) -> list[IntervalIn]:
    """What the owner excluded already."""
    own = [one for one in file.exclusions if one.source == ExclusionSource.OWNER and one.id != but]
    return [IntervalIn(start_s=one.start_s, end_s=one.end_s, reason=one.reason) for one in own]


def _add_file(page: Page, actor: Actor, work_id: str, file: Submission, *, label: str = "", language: str = "") -> None:
    """One file of a work; without a label it is called as it was on its owner's machine."""
    name = one_line(label or file.fields.get("name", ""), max_chars=_LABEL_CHARS)
    received = Submission(upload=file.upload, fields={"label": name, "language": language})
    works.add_asset(work_id, actor, received, page.service, Response())


def _add_files(page: Page, actor: Actor, work_id: str, files: Iterable[Submission], *, language: str = "") -> list[str]:
    """Those that can be taken. Returns a sentence about each that cannot."""
    refused = []
    for file in files:
        try:
            _add_file(page, actor, work_id, file, language=language)
        except (MediaError, Conflict, Invalid) as error:
            name = one_line(file.fields.get("name", ""), max_chars=_NAME_CHARS)
            why = page.gettext(error.problem)
            refused.append(page.gettext("The file “%(name)s” was not taken: %(why)s", name=name, why=why))
    told = refused[:_MOST_TOLD]
    return told if len(refused) <= _MOST_TOLD else [*told, page.gettext("Other files were not taken either.")]
