"""Any source that says something of uses, read by what it is: a file of a site, the headers of a response, a document.

A source may speak several of the formats; all that it says is taken together. Run as a program, with the kind and a
file, it prints what it read as JSON: sources are strangers' files, and are read in a process that may die.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from registry.domain.preferences import Use, Value
from registry.formats import cawg, content_signal, content_usage, odrl, robots, rsl, tdmai, tdmrep
from registry.formats.statements import FormatError, Reading, Remark, Statement, distinct, few

MAX_BYTES = 64 << 20
_MAX_HEADER_BYTES = 1 << 18


class SourceKind(StrEnum):
    """What a source is."""

    TDMREP = "tdmrep.json"
    ROBOTS = "robots.txt"
    HEADERS = "headers"
    HTML = "html"
    RSL = "rsl.xml"
    ODRL = "odrl.json"
    CAWG = "cawg.json"
    TDMAI = "tdmai.json"
    CONTENT_USAGE = "content-usage"
    CONTENT_SIGNAL = "content-signal"
    EPUB = "epub"
    PDF = "pdf"


# The names that the same thing has as an export or on a site.
ALSO_CALLED: Mapping[str, SourceKind] = {
    "tdmrep.html": SourceKind.HTML,
    "headers.txt": SourceKind.HEADERS,
    "license.xml": SourceKind.RSL,
    "cawg": SourceKind.CAWG,
    "tdmai": SourceKind.TDMAI,
}


def read(kind: SourceKind, data: bytes) -> Reading:
    """What a source says. Raises: FormatError."""
    if len(data) > MAX_BYTES:
        raise FormatError(problem=f"It has more than {MAX_BYTES} bytes.")
    return _READERS[kind](data)


def _robots(data: bytes) -> Reading:
    unfetched = Reading(remarks=robots.unfetched(data))
    return _together([content_usage.read_robots(data), content_signal.read_robots(data), unfetched])


def _content_usage(data: bytes) -> Reading:
    """The value of a header, or rules of robots.txt: what an export of that name is, of a work or of a site."""
    is_value = b":" not in data
    return content_usage.read_header(*_lines(data)) if is_value else content_usage.read_robots(data)


def _content_signal(data: bytes) -> Reading:
    is_value = b":" not in data
    return content_signal.read_header(*_lines(data)) if is_value else content_signal.read_robots(data)


def _lines(data: bytes) -> list[str]:
    """Lines of headers; what is said of them is told by their format."""
    if len(data) > _MAX_HEADER_BYTES:
        raise FormatError(problem=f"Headers have at most {_MAX_HEADER_BYTES} bytes.")
    return [line for line in data.decode("latin-1").splitlines() if line.strip()]


def _headers(data: bytes) -> Reading:
    """The headers of one response, a line each, as `curl -I` prints them."""
    parts = (line.partition(":") for line in _lines(data))
    fields = [(name.strip().lower(), value.strip()) for name, colon, value in parts if colon]
    said = {name: [value for field, value in fields if field == name] for name in ("content-usage", "content-signal")}
    return _together(
        [
            tdmrep.read_headers(fields),
            content_usage.read_header(*said["content-usage"]),
            content_signal.read_header(*said["content-signal"]),
        ]
    )


def _cawg(data: bytes) -> Reading:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise FormatError(problem="It is not JSON. Give the data of a cawg.training-mining assertion.") from None
    return cawg.read(said)


def _epub(data: bytes) -> Reading:
    from registry.formats.tdmrep_documents import read_epub  # what it needs takes long to load

    return read_epub(data)


def _pdf(data: bytes) -> Reading:
    from registry.formats.tdmrep_documents import read_pdf

    return read_pdf(data)


_READERS: Mapping[SourceKind, Callable[[bytes], Reading]] = {
    SourceKind.TDMREP: tdmrep.read_file,
    SourceKind.ROBOTS: _robots,
    SourceKind.HEADERS: _headers,
    SourceKind.HTML: tdmrep.read_html,
    SourceKind.RSL: rsl.read,
    SourceKind.ODRL: odrl.read_policy,
    SourceKind.CAWG: _cawg,
    SourceKind.TDMAI: tdmai.read,
    SourceKind.CONTENT_USAGE: _content_usage,
    SourceKind.CONTENT_SIGNAL: _content_signal,
    SourceKind.EPUB: _epub,
    SourceKind.PDF: _pdf,
}


def _together(readings: Iterable[Reading]) -> Reading:
    every = list(readings)
    return Reading(
        statements=distinct(said for one in every for said in one.statements),
        remarks=few(remark for one in every for remark in one.remarks),
    )


# -- from one process to another -----------------------------------------------------------------


def to_json(reading: Reading) -> dict[str, Any]:
    """A reading as JSON can hold it."""
    return json.loads(json.dumps(asdict(reading), default=datetime.isoformat))  # type: ignore[no-any-return]


def from_json(told: Mapping[str, Any]) -> Reading:
    """What `to_json` was given."""
    return Reading(
        statements=tuple(_statement(one) for one in told["statements"]),
        remarks=tuple(Remark(**one) for one in told["remarks"]),
    )


def _statement(told: Mapping[str, Any]) -> Statement:
    times = {name: datetime.fromisoformat(told[name]) for name in ("valid_from", "valid_until") if told[name]}
    return Statement(**{**told, "use": Use(told["use"]), "value": Value(told["value"]), **times})


def main() -> None:
    """Print what a file says: `python -m registry.formats.reading KIND FILE`."""
    try:
        with Path(sys.argv[2]).open("rb") as file:
            told = to_json(read(SourceKind(sys.argv[1]), file.read(MAX_BYTES + 1)))
    except FormatError as error:
        told = {"problem": error.problem}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
