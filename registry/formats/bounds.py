"""Bounds on what is read: how many remarks, how large a document, what counts as a link."""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from registry.formats.statements import FormatError, Remark

MAX_REMARKS = 100
_MAX_LINK_CHARS = 2000
_SHOWN_CHARS = 60


def few(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """The remarks without repetitions; of very many the first, and how many more there are."""
    all_of_them = tuple(dict.fromkeys(remarks))
    if len(all_of_them) <= MAX_REMARKS:
        return all_of_them
    more = len(all_of_them) - MAX_REMARKS
    return (*all_of_them[:MAX_REMARKS], Remark(where="the rest", problem=f"There are {more} more remarks."))


def shown(text: object) -> str:
    """Text of a source as a remark may show it: short, and nothing in it that a page or a log would obey."""
    return repr(text if isinstance(text, str | bytes) else str(type(text).__name__))[: _SHOWN_CHARS + 2]


def link(text: object) -> str | None:
    """The http or https URL that a text is, or None."""
    if not isinstance(text, str) or len(text) > _MAX_LINK_CHARS:
        return None
    url = text.strip()
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    is_link = parts.scheme in ("https", "http") and bool(parts.netloc)
    return url if is_link and url.isprintable() and " " not in url else None


def json_object(data: bytes, *, max_bytes: int) -> dict[str, Any]:
    """The JSON object that the bytes are.

    Raises:
        FormatError: they are too many, no JSON, no object, or say something twice.
    """
    if len(data) > max_bytes:
        raise FormatError(problem=f"It has more than {max_bytes} bytes.")
    try:
        said = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise FormatError(problem="It is not JSON. Give the document as it was written.") from None
    if not isinstance(said, dict):
        raise FormatError(problem="It is not a JSON object.")
    return said


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) != len(pairs):
        raise FormatError(problem="It says something twice. Each key may stand in it once.")
    return said
