"""The public ledger: its checkpoints, and proving that something stands in it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile
from starlette.responses import Response

from api.access import base_url
from api.pages import transparency
from api.pages.forms import TOKEN, Form
from api.pages.page import Page, ThePage
from api.routes import ledger as routes
from registry import public_ledger
from registry.domain.receipt import MAX_BYTES
from registry.errors import Invalid
from registry.public_ledger import Entry

router = APIRouter()
router.include_router(transparency.router)
_AT_ONCE = 25
_MOST_DIGITS = 9


async def _sent_receipt(request: Request, page: ThePage) -> tuple[Form, bytes]:
    """The file of a form, whose token is right, or as much of it as says that it is too long."""
    async with request.form(max_files=1, max_fields=10) as sent:
        file, token = sent.get("file"), sent.get(TOKEN)
        form = page.form({TOKEN: token if isinstance(token, str) else ""})
        return form, await file.read(MAX_BYTES + 1) if isinstance(file, UploadFile) else b""


@router.get("/ledger")
def show_ledger(
    page: ThePage,
    of: Annotated[str, Query(max_length=100)] = "",
    before: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
) -> Response:
    """The head of the log, and its entries: the newest, or those of a number or a record."""
    return _shown(page, page.form(), of=of.strip(), before=before)


@router.post("/ledger/receipt")
def check_receipt(page: ThePage, sent: Annotated[tuple[Form, bytes], Depends(_sent_receipt)]) -> Response:
    form, file = sent
    service = page.service
    with form.heeding():
        if not file:
            raise Invalid(field="file", problem=page.gettext("Choose the file of a receipt."))
        with service.database.reading() as session:
            found = public_ledger.check(session, file, service.ledger, tsa_roots=service.tsa_roots)
        return page.show("ledger/receipt.html.j2", found=found)
    return _shown(page, form, of="", before=None)


def _shown(page: Page, form: Form, *, of: str, before: int | None) -> Response:
    service = page.service
    checkpoint, keys = routes.get_checkpoint(service), routes.get_keys(service)
    with service.database.reading() as session:
        vouchers = public_ledger.vouchers(session)
        entries = _entries(session, of, before)
    return page.show(
        "ledger/ledger.html.j2", status=form.status, form=form, checkpoint=checkpoint, keys=keys, vouchers=vouchers,
        size=int(checkpoint.splitlines()[1]), entries=entries[:_AT_ONCE], of=of, is_first=before is None,
        older=entries[_AT_ONCE - 1].number if len(entries) > _AT_ONCE else None, url=base_url(page.request),
    )  # fmt: skip


def _entries(session: Session, of: str, before: int | None) -> list[Entry]:
    if not of:
        return public_ledger.newest(session, before=before, limit=_AT_ONCE + 1)
    if of.isascii() and of.isdigit():
        return public_ledger.numbered(session, int(of)) if len(of) <= _MOST_DIGITS else []
    return public_ledger.about(session, of, before=before, limit=_AT_ONCE + 1)
