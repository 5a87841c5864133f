"""Sources: JSON, XML and links taken apart within limits, before any format looks at them.

What cannot be taken apart is a `FormatError`; what a format makes of the rest is its own matter.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from registry.formats.statements import FormatError

MAX_URL_CHARS: Final = 2000
# What RFC 3986 lets a URL consist of: no white space, no quotes, nothing outside ASCII.
_URL: Final = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.IGNORECASE)
_SHOWN_CHARS: Final = 60

# Stands for an object that names a member twice: readers would disagree on which of the two counts.
DOUBLED: Final = object()


def json_of(data: bytes, *, max_bytes: int) -> Any:
    """The value that a JSON text stands for; objects that name a member twice are `DOUBLED`. Raises: FormatError."""
    _check_size(data, max_bytes)
    try:
        return json.loads(data, object_pairs_hook=_object)
    except RecursionError:
        raise FormatError(problem="It is nested too deeply.") from None
    except ValueError as error:
        raise FormatError(problem=f"It is not JSON: {str(error)[:200]}.") from None


def _object(pairs: Sequence[tuple[str, Any]]) -> object:
    found = dict(pairs)
    return found if len(found) == len(pairs) else DOUBLED


def xml_of(data: bytes, *, max_bytes: int) -> Element:
    """The root of an XML document; entities are refused, none is fetched. Raises: FormatError."""
    _check_size(data, max_bytes)
    try:
        root: Element = ElementTree.fromstring(data)
    except DefusedXmlException:
        raise FormatError(problem="It declares entities. Write them out.") from None
    except (ParseError, LookupError, ValueError) as error:
        raise FormatError(problem=f"It is not well-formed XML: {str(error)[:200]}.") from None
    return root


def _check_size(data: bytes, max_bytes: int) -> None:
    if len(data) > max_bytes:
        raise FormatError(problem=f"It has more than {max_bytes} bytes.")


def is_url(text: object) -> bool:
    """Whether it is a link that everybody reads in the same way."""
    if not isinstance(text, str) or len(text) > MAX_URL_CHARS or not _URL.fullmatch(text):
        return False
    try:
        return bool(urlsplit(text).hostname)
    except ValueError:
        return False


def link(text: object) -> str | None:
    """The link that a text is, blanks around it left away; None where it is none."""
    url = text.strip() if isinstance(text, str) else None
    return url if is_url(url) else None


def shown(value: object) -> str:
    """A value as a remark may quote it: short, and without characters that nobody sees."""
    text = ascii(value) if isinstance(value, str | bytes | int | float | None) else f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
