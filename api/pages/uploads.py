"""Uploads from pages: in pieces that can be resumed (`sending.js`, the protocol of `api.routes.uploads`), or in a form.

What comes in pieces is the browser's that sent it, while the same holder, or nobody, is signed in there. A page whose
form brings files, or names uploads, takes them as `PageFiles`, whichever way they came.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request, Response

from api.pages.forms import TOKEN, Form
from api.pages.page import Page, ThePage
from api.pages.visit import Visit
from api.pages.words import words_of
from api.problems import Problem, response
from api.resumable import MOST_UPLOADS, Owner, Uploads, is_unusable
from api.routes.uploads import Length, Metadata, Offset, TusRoute, begun, gone_on, require_version, standing
from api.service import Service
from api.uploads import UPLOAD, Submission, Upload, received_form, taken
from registry.errors import NotFound

_MOST_FIELDS: Final = 2000
_FILE: Final = "file"


class _DocumentRoute(TusRoute):
    """Refuses with documents, in the visitor's language: it is a script that asks."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def documenting(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                service: Service = request.app.state.service
                visit = Visit.of(request, service.seals, at=service.now())
                problem.detail = words_of(visit.language).gettext(problem.detail)
                return response(problem)

        return documenting


router = APIRouter(route_class=_DocumentRoute)


def _uploads(page: Page) -> Uploads:
    visit_id, holder_id = page.visit.id, page.actor.holder_id if page.actor is not None else ""
    owner = Owner.holder(holder_id, visit_id=visit_id) if holder_id else Owner.visitor(visit_id)
    return Uploads(page.service, owner)


def _uploads_of(
    page: ThePage,
    _version: Annotated[None, Depends(require_version)],
    token: Annotated[str, Header(alias="X-Clearmark-Token")] = "",
) -> Uploads:
    """Those of a browser that shows the token of a form."""
    page.require_token(token)
    return _uploads(page)


PageUploads = Annotated[Uploads, Depends(_uploads_of)]


@router.post("/uploads")
def begin_upload(uploads: PageUploads, length: Length, metadata: Metadata = "") -> Response:
    return begun(uploads.create(length, metadata), "/uploads")


@router.head("/uploads/{upload_id}")
def get_upload(upload_id: str, uploads: PageUploads) -> Response:
    return standing(uploads.find(upload_id))


@router.patch("/uploads/{upload_id}")
async def continue_upload(request: Request, upload_id: str, uploads: PageUploads, offset: Offset) -> Response:
    return await gone_on(request, uploads, upload_id, offset)


@router.delete("/uploads/{upload_id}")
def end_upload(upload_id: str, uploads: PageUploads) -> Response:
    uploads.end(upload_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


class FilesForm(Form):
    """A form with files.

    Attributes:
        uploads: id and file of those that it named.
        is_kept: whether the form is shown again with them, so that they stay.
    """

    def __init__(self, said: Iterable[tuple[str, str]], translate: Callable[[str], str] = str) -> None:
        super().__init__(said, translate)
        self.uploads: list[tuple[str, Upload]] = []
        self.is_kept = False

    def keep(self) -> list[tuple[str, Upload]]:
        """The uploads, for a form that is shown again and names them: nobody has to send a file twice."""
        self.is_kept = True
        return self.uploads

    def refuse(self, error: Exception) -> None:
        super().refuse(error)
        if is_unusable(error):
            self.uploads = []


@dataclass(slots=True, kw_only=True)
class SentFiles:
    """What a form with files sent: its fields, its token looked at, and the files."""

    form: FilesForm
    files: list[Submission]
    problem: Problem | None = None

    def require_files(self) -> list[Submission]:
        """At least one. Raises: Problem: none, or not all came."""
        if self.problem is not None:
            raise self.problem
        if not self.files:
            raise _of_the_field("Choose a file.")
        return self.files

    def require_file(self) -> Submission:
        """The one. Raises: Problem: none, or it did not come whole."""
        return self.require_files()[0]


class _Kept(Exception):
    """The uploads were not used up."""


async def page_files(request: Request, page: ThePage) -> AsyncIterator[SentFiles]:
    """The files of a form; what was not adopted is gone afterwards, unless the form is shown again with it.

    Raises:
        Problem: it is none of ours, or cannot be taken.
    """
    with suppress(_Kept):
        async with AsyncExitStack() as used:
            sent = await _received(request, page, used)
            yield sent
            if sent.form.is_kept and sent.form.uploads:
                raise _Kept


async def _received(request: Request, page: Page, used: AsyncExitStack) -> SentFiles:
    if page.visit.is_new:  # no form of ours is there: nothing of this is taken in
        page.require_token("")
    most_files = MOST_UPLOADS if page.actor is not None else 1
    brought = received_form(request, manifest=True, most_files=most_files, most_fields=_MOST_FIELDS)
    parts = await used.enter_async_context(brought)
    said, files = parts.said, [one for one in parts.files if not one.is_blank]
    page.require_token(next((value for name, value in said if name == TOKEN), ""))
    form = FilesForm(((name, value) for name, value in said if name != UPLOAD), page.words.gettext)
    sent = SentFiles(form=form, files=[])
    for upload_id in [value for name, value in said if name == UPLOAD and value][:MOST_UPLOADS]:
        try:
            upload = await used.enter_async_context(taken(_uploads(page), upload_id))
        except NotFound:
            sent.problem = _of_the_field("The file is no longer here. Choose it again.")
        except Problem as problem:
            problem.members["field"] = _FILE
            sent.problem = problem
        else:
            sent.form.uploads.append((upload_id, upload))
            files.append(upload)
    fields = {name: value for name, value in said if value.strip() and name not in (TOKEN, UPLOAD)}
    beside = parts.manifest if parts.manifest is not None and not parts.manifest.is_blank else None
    sent.files += [Submission(upload=one, manifest=beside, fields={**fields, "name": one.name}) for one in files]
    return sent


def _of_the_field(detail: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, field=_FILE)


PageFiles = Annotated[SentFiles, Depends(page_files)]
