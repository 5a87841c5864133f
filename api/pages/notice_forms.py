"""Forms of notices: what somebody ticked and typed, as the bodies that the API takes.

A statement is one box, whose whole text is subscribed to; the body has a field for each thing that it says. What is
said in lines becomes a list.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from api.pages.forms import Form
from api.schemas.notices import CounterNoticeIn, NoticeIn, NoticeTransition, PublicationIn
from takedown.domain.completeness import Statement
from takedown.domain.states import Event
from takedown.domain.track import Track

STATEMENTS: Final = "statements[]"
# Boxes and fields of the pages that no body has.
_OWN: Final = (STATEMENTS, "as_it_is", "idempotency_key", "other_work", "work_id", "sure")


def notice_of(form: Form, track: Track) -> NoticeIn:
    """A notice as it was filled in. Raises: ValidationError."""
    works = [one for one in (*form.all("work_ids[]"), form.get("other_work").strip()) if one]
    said = _said(form, track.statements)
    with aside(form):
        return form.parse(NoticeIn, material=form.lines("material"), work_ids=works, **said)


def counter_of(form: Form, track: Track) -> CounterNoticeIn:
    said = _said(form, track.counter_statements)
    lists = {name: form.lines(name) for name in ("material", "former_locations")}
    with aside(form):
        return form.parse(CounterNoticeIn, **lists, **said)


def cure_of(form: Form, track: Track) -> NoticeTransition:
    """What was missing, and nothing of what was said before."""
    said = _said(form, track.statements)
    lists = {name: lines for name in ("material", "work_ids") if (lines := form.lines(f"supplied.{name}"))}
    with aside(form):
        supplied: dict[str, Any] = form.tree().get("supplied", {})
        return form.parse(NoticeTransition, event=Event.CURE.value, supplied=supplied | lists | said)


def publication_of(form: Form) -> PublicationIn:
    """What a reviewer finds fit to be read; a box that is not ticked says no."""
    shown = {name: form.get(name) == "true" for name in ("publish_texts", "publish_material", "publish_claimant")}
    return form.parse(PublicationIn, terms=form.lines("terms"), **shown)


@contextmanager
def aside(form: Form) -> Iterator[None]:
    """A block in which the form has only what belongs to a body; it keeps what was typed."""
    kept = {name: form.all(name) for name in _OWN if form.all(name)}
    form.drop(*_OWN)
    try:
        yield
    finally:
        for name, values in kept.items():
            form.put(name, *values)


def _said(form: Form, statements: Iterable[Statement]) -> dict[str, bool]:
    """The fields of the statements that were ticked."""
    ticked = form.all(STATEMENTS)
    return {field: True for one in statements if one.name in ticked for field in one.fields}
