"""What the service wrote to people: how each letter fared and, where letters go into a folder, what it says."""

import logging
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.page import PageActor, PostedForm, ThePage
from api.paging import Cursor
from api.routes import takedown_desk
from registry import health
from registry.errors import NotFound

_log = logging.getLogger(__name__)
router = APIRouter(prefix="/letters")
_AT_ONCE = 50
_MOST_BYTES, _MOST_CHARS = 1 << 20, 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter as text; never as the page that it may also be."""

    sender: str
    recipient: str
    subject: str
    date: str
    text: str
    is_cut: bool


@router.get("")
def list_letters(page: ThePage, actor: PageActor, cursor: Cursor = None) -> Response:
    with page.service.database.reading() as session:
        found = health.letters(session, actor, before=cursor, limit=_AT_ONCE + 1)
    more = found[_AT_ONCE - 1].id if len(found) > _AT_ONCE else None
    folder = None if page.service.settings.mail_url else page.service.settings.mail_folder
    readable = {path.stem for path in folder.glob("*.eml")} if folder else set()
    return page.show(
        "operator/letters.html.j2", letters=found[:_AT_ONCE], more=more, folder=folder, readable=readable
    )  # fmt: skip


@router.get("/{mail_id}")
def read_letter(page: ThePage, actor: PageActor, mail_id: str) -> Response:
    """A letter that lies in the folder."""
    with page.service.database.reading() as session:
        row = health.letter(session, actor, mail_id)  # nobody names a file that is none of ours
    path = page.service.settings.mail_folder / f"{row.id}.eml"
    if page.service.settings.mail_url or not path.is_file():
        raise NotFound(kind="letter that is kept", id=mail_id)
    return page.show("operator/letter.html.j2", row=row, letter=_read(path))


@router.post("/{mail_id}/again")
def send_again(page: ThePage, actor: PageActor, mail_id: str, _form: PostedForm) -> Response:
    takedown_desk.send_again(mail_id, actor, page.service)
    return page.go("/operator/letters", told=page.gettext("The letter goes out once more."))


def _read(path: Path) -> Letter:
    """The text of a file, also of one that is no letter at all."""
    with path.open("rb") as file:
        raw = file.read(_MOST_BYTES)
    heads, text = {}, raw.decode("utf-8", "replace")
    try:
        message = BytesParser(EmailMessage, policy=policy.default).parsebytes(raw)
        heads = {name: str(message.get(name, "")) for name in ("From", "To", "Subject", "Date")}
        body = message.get_body(preferencelist=("plain",))
        text = body.get_content() if body is not None else text
    except Exception as odd:  # the parser gives up on some files with whatever it stumbled over
        _log.warning("the letter %s cannot be read as one: %s", path.name, odd)
    return Letter(
        sender=heads.get("From", ""), recipient=heads.get("To", ""), subject=heads.get("Subject", ""),
        date=heads.get("Date", ""), text=text[:_MOST_CHARS], is_cut=len(text) > _MOST_CHARS,
    )  # fmt: skip
