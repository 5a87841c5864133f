"""Catalogues as files: works with what is reserved of them, as CSV and as JSON Lines, and works from DDEX messages.

Reads a file row by row: a row is an entry or says what is wrong with it, and a bad row spoils no other. Writes
CSV and JSON Lines. What a row comes to on record is decided in `registry.imports`; what of a DDEX message is a row,
in `registry.ddex`.

JSON Lines says all that an entry holds. A row of CSV has one word for each use, one territory, terms and contact for
all of them, and no times: a restriction is written wider where it must be, a permission in full or not at all.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any, BinaryIO, Literal, TextIO

from registry import ddex
from registry.domain.credits import MOST, AlternativeTitle, Contributor, Share, as_json
from registry.domain.identifiers import Prefix, parse_id
from registry.domain.names import one_line
from registry.domain.policy import Policy
from registry.domain.preferences import STRICTEST_FIRST, WORLDWIDE, Use, Value
from registry.errors import Invalid
from registry.formats.statements import Remark, Statement, named
from registry.reservations import NewReservation
from registry.search import STANDARD_NUMBERS
from registry.standing import consistent, lasting, together
from registry.works import NewWork, WorkKind

MAX_ROWS = 200_000
_MAX_LINE_CHARS = 1 << 16
# A holder's own number for a work; an identifier like any other.
REFERENCE = "reference"
# Our id of it, as an export writes it.
WORK_ID = "work_id"
_COLUMNS = (
    REFERENCE, "title", "kind", "year", "policy", "confidential", "creators", *STANDARD_NUMBERS, *Use, "territory",
    "terms_url", "contact", WORK_ID,
)  # fmt: skip
_CREDITS = ("contributors", "shares", "alternative_titles")
_MEMBERS = frozenset(
    {REFERENCE, "title", "kind", "year", "policy", "confidential", "creators", "identifiers", "reservations", WORK_ID}
).union(_CREDITS)
_SAID_MEMBERS = frozenset(
    {"use", "value", "territory", "terms_url", "contact", "valid_from", "valid_until"}
)  # fmt: skip
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d.*")
# What a spreadsheet would run is written with an apostrophe before it and read without; so is an apostrophe itself.
_GUARDED = ("=", "+", "-", "@", "'")
_YES_OR_NO = {"yes": True, "true": True, "no": False, "false": False}


class CatalogueFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    DDEX = "ddex"


WrittenFormat = Literal[CatalogueFormat.CSV, CatalogueFormat.JSONL]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A work and what is said of it; the reservations name no work yet.

    Attributes:
        work_id: ours, where the file knows it; another holder's is not ours to know it by.
        unsaid: what is said of it on record and in no file.
    """

    work: NewWork
    reservations: tuple[NewReservation, ...] = ()
    work_id: str | None = None
    unsaid: tuple[Remark, ...] = ()

    @property
    def reference(self) -> str | None:
        return self.work.identifiers.get(REFERENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a file, numbered as a spreadsheet, an editor or the message numbers it.

    Attributes:
        title: as one plain line, whatever it is made of.
        entry, problem: the entry, or what is wrong with it; neither of a row that is none of ours.
        note: what of the row was not taken over.
    """

    number: int
    title: str
    entry: Entry | None = None
    problem: Invalid | None = None
    note: str | None = None


def format_of(beginning: bytes) -> CatalogueFormat:
    """Which format a file has, told from its first bytes."""
    in_utf_16 = beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = beginning.decode("utf-16" if in_utf_16 else "utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    known = {"<": CatalogueFormat.DDEX, "{": CatalogueFormat.JSONL}
    return known.get(text[:1], CatalogueFormat.CSV)


def read(file: BinaryIO, format: CatalogueFormat) -> Iterator[Row]:
    """The rows of a file, as they come.

    Raises:
        Invalid: the file itself cannot be read, e.g. a column that does not exist; nothing of it should be taken.
        UnicodeDecodeError: CSV or JSON Lines that is not UTF-8.
    """
    match format:
        case CatalogueFormat.CSV:
            rows = _csv_rows(_text(file))
        case CatalogueFormat.JSONL:
            rows = _json_rows(_text(file))
        case CatalogueFormat.DDEX:
            rows = map(_ddex_row, ddex.read(file))
    for count, row in enumerate(rows):
        if count == MAX_ROWS:
            raise Invalid(field="file", problem=f"It has more than {MAX_ROWS} rows. Split it.")
        yield row


def _text(file: BinaryIO) -> TextIO:
    return io.TextIOWrapper(file, encoding="utf-8", newline="")


# -- CSV -----------------------------------------------------------------------------------------


def _csv_rows(file: TextIO) -> Iterator[Row]:
    beginning = file.readline(_MAX_LINE_CHARS).removeprefix("\ufeff")
    delimiter = max(",;\t", key=beginning.count)
    header = [name.strip().lower() for name in next(csv.reader([beginning], delimiter=delimiter), [])]
    unknown = [name for name in header if name not in _COLUMNS]
    if unknown or len(set(header)) != len(header):
        named = f"There is no column {unknown[0]!r}." if unknown else "A column is there twice."
        raise Invalid(field="file", problem=f"{named} The columns are: {', '.join(_COLUMNS)}.")
    if not {"title", "kind"} <= set(header):
        raise Invalid(field="file", problem="The first row names the columns; title and kind must be among them.")
    reader = csv.reader(_bounded(file), delimiter=delimiter, strict=True)
    for number in range(2, MAX_ROWS + 4):
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Invalid(field="file", problem=f"Row {number} cannot be read as CSV: {error}.") from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield _csv_row(number, header, cells)


def _bounded(file: TextIO) -> Iterator[str]:
    while line := file.readline(_MAX_LINE_CHARS):
        if len(line) == _MAX_LINE_CHARS:
            raise Invalid(field="file", problem=f"It has a line of more than {_MAX_LINE_CHARS} characters.")
        yield line


def _csv_row(number: int, header: list[str], cells: list[str]) -> Row:
    said = {name: _unguarded(cell.strip()) for name, cell in zip(header, cells, strict=False) if cell.strip()}
    title = one_line(said.get("title", ""))
    try:
        _require_text(said)
        if len(cells) > len(header):
            raise Invalid(field="row", problem=f"It has {len(cells)} cells and the first row {len(header)}.")
        how = {name: said[name] for name in ("territory", "terms_url", "contact") if name in said}
        described: dict[str, Any] = {
            "title": said.get("title"),
            "kind": said.get("kind"),
            "year": _year(said.get("year")),
            "policy": said.get("policy"),
            "confidential": _yes_or_no(said.get("confidential"), "confidential"),
            "creators": [one.strip() for one in said.get("creators", "").split(";") if one.strip()],
            "identifiers": {name: said[name] for name in (REFERENCE, *STANDARD_NUMBERS) if name in said},
            WORK_ID: said.get(WORK_ID),
            "reservations": [{"use": use, "value": said[use], **how} for use in Use if use in said],
        }
        if how and not described["reservations"]:
            raise Invalid(field=next(iter(how)), problem="It is said of a reservation, and the row makes none.")
        return Row(number=number, title=title, entry=_entry(described))
    except Invalid as problem:
        return Row(number=number, title=title, problem=problem)


def _year(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{4}", text):
        raise Invalid(field="year", problem="Give the year of release in four digits.")
    return int(text)


def _yes_or_no(text: str | None, field: str) -> bool | None:
    """As people write it, and as spreadsheets write a tick."""
    if text is None:
        return None
    said = _YES_OR_NO.get(text.lower())
    if said is None:
        raise Invalid(field=field, problem="Write yes or no.")
    return said


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_GUARDED) else cell


# -- JSON Lines ----------------------------------------------------------------------------------


def _json_rows(file: TextIO) -> Iterator[Row]:
    for number, line in enumerate(_bounded(file), start=1):
        text = line.removeprefix("\ufeff").strip()
        if text:
            yield _json_row(number, text)


def _json_row(number: int, text: str) -> Row:
    title = ""
    try:
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            raise Invalid(field="row", problem="It is not JSON.") from None
        if not isinstance(said, dict):
            raise Invalid(field="row", problem="It is not a JSON object.")
        title = one_line(str(said.get("title", "")))
        _require_text(said)
        _no_others(said, _MEMBERS, "row")
        identifiers = _typed(said, "identifiers", dict, {})
        reference = _typed(said, REFERENCE, str, None)
        described = {**said, "identifiers": identifiers if reference is None else {**identifiers, REFERENCE: reference}}
        return Row(number=number, title=title, entry=_entry(described))
    except Invalid as problem:
        return Row(number=number, title=title, problem=problem)


# -- DDEX ----------------------------------------------------------------------------------------


def _ddex_row(resource: ddex.Resource) -> Row:
    entry = problem = None
    try:
        if resource.described is not None:
            _require_text(resource.described)
            entry = _entry(resource.described)
    except Invalid as invalid:
        problem = invalid
    return Row(number=resource.number, title=resource.title, entry=entry, problem=problem, note=resource.note)


# -- what is described ---------------------------------------------------------------------------


def _require_text(said: Mapping[str, Any]) -> None:
    """Raises: Invalid: something in it is no text that can be kept."""
    written = json.dumps(said, default=str, ensure_ascii=False)
    # As JSON the character is an escape; a backslash that is text is two.
    if "\\u0000" in written.replace("\\\\", ""):
        raise Invalid(field="row", problem="It holds the character U+0000, which no text needs.")
    try:
        written.encode()
    except UnicodeEncodeError:
        raise Invalid(field="row", problem="It holds half of a character (U+D800 to U+DFFF alone).") from None


def _entry(said: Mapping[str, Any]) -> Entry:
    """Raises: Invalid."""
    creators = _typed(said, "creators", list, [])
    identifiers = _typed(said, "identifiers", dict, {})
    year = said.get("year")
    if year is not None and (not isinstance(year, int) or isinstance(year, bool)):
        raise Invalid(field="year", problem="Give the year of release as a whole number.")
    if not all(isinstance(one, str) and 0 < len(one) <= 500 for one in creators) or len(creators) > 100:
        raise Invalid(field="creators", problem="Give at most 100 names of at most 500 characters.")
    if not all(isinstance(value, str) for value in identifiers.values()):
        raise Invalid(field="identifiers", problem="Give each identifier as text.")
    reservations = tuple(_reservation(one) for one in _typed(said, "reservations", list, []))
    in_turn = sorted(map(_statement, reservations), key=lambda one: (one.use, one.territory, lasting(one)))
    if any(
        (one.use, one.territory) == (other.use, other.territory) and together(one, other)
        for one, other in pairwise(in_turn)
    ):
        raise Invalid(field="reservations", problem="It says two things of one use, territory and time.")
    work = NewWork(
        title=_typed(said, "title", str, ""),
        kind=_one_of(WorkKind, said.get("kind"), "kind"),
        identifiers=identifiers,
        creators=creators,
        contributors=tuple(Contributor.of(one) for one in _objects(said, "contributors")),
        shares=tuple(_share(one) for one in _objects(said, "shares")),
        alternative_titles=tuple(AlternativeTitle.of(one) for one in _objects(said, "alternative_titles")),
        year=year,
        policy=_one_of(Policy, said.get("policy") or Policy.REVIEW, "policy"),
        confidential=_typed(said, "confidential", bool, False),
    )
    return Entry(work=work, reservations=reservations, work_id=_work_id(said))


def _work_id(said: Mapping[str, Any]) -> str | None:
    text = _typed(said, WORK_ID, str, None)
    try:
        known = text is None or parse_id(text).prefix is Prefix.WORK
    except Invalid:
        known = False
    if not known:
        problem = f"Leave it as it was exported, or away. Your own number of the work is its {REFERENCE}."
        raise Invalid(field=WORK_ID, problem=problem)
    return text  # type: ignore[no-any-return]


def _objects(said: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    ones: list[Any] = _typed(said, name, list, [])
    if len(ones) > MOST or not all(isinstance(one, dict) for one in ones):
        raise Invalid(field=name, problem=f"Give at most {MOST} objects.")
    return ones


def _share(said: dict[str, Any]) -> Share:
    uses = _typed(said, "uses", list, [])
    return Share.of({**said, "uses": [_one_of(Use, use, "shares.uses") for use in uses]})


def _reservation(said: object) -> NewReservation:
    if not isinstance(said, dict):
        raise Invalid(field="reservations", problem="Each is an object with use and value.")
    _no_others(said, _SAID_MEMBERS, "reservations")
    use = _one_of(Use, said.get("use"), "reservations.use")
    terms_url, contact = (_typed(said, name, str, None) for name in ("terms_url", "contact"))
    if max(len(terms_url or ""), len(contact or "")) > 2000:
        raise Invalid(field="reservations", problem="A link or contact has at most 2000 characters.")
    return NewReservation(
        use=use,
        value=_one_of(Value, said.get("value"), use.value),
        territory=_typed(said, "territory", str, WORLDWIDE),
        terms_url=terms_url,
        contact=contact,
        valid_from=_time(said.get("valid_from"), "valid_from"),
        valid_until=_time(said.get("valid_until"), "valid_until"),
    )


def _typed(said: Mapping[str, Any], name: str, kind: type, otherwise: Any) -> Any:
    value = said.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, kind):
        named = {"str": "text", "list": "a list", "dict": "an object", "bool": "true or false"}
        raise Invalid(field=name, problem=f"It must be {named[kind.__name__]}.")
    return value


def _no_others(said: Mapping[str, Any], known: frozenset[str], field: str) -> None:
    unknown = sorted(set(said) - known)
    if unknown:
        raise Invalid(field=field, problem=f"There is no member {unknown[0]!r}. There are: {', '.join(sorted(known))}.")


def _one_of[E: StrEnum](kind: type[E], text: object, field: str) -> E:
    name = text.strip().lower().replace(" ", "_").replace("-", "_") if isinstance(text, str) else ""
    if name not in set(kind):
        raise Invalid(field=field, problem=f"Give one of: {', '.join(kind)}.")
    return kind(name)


def _time(text: object, field: str) -> datetime | None:
    if text is None:
        return None
    try:
        if not isinstance(text, str) or not _RFC_3339.fullmatch(text):
            raise ValueError(text)
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError(text)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        problem = "Write a time as RFC 3339 does, for example 2026-01-31T12:00:00Z."
        raise Invalid(field=field, problem=problem) from None


# -- writing -------------------------------------------------------------------------------------


def write(entries: Iterable[Entry], format: WrittenFormat) -> Iterator[str]:
    """The entries as a file, line by line; reading it gives the same ones, but for what `left_out` names."""
    if format is CatalogueFormat.JSONL:
        yield from (json.dumps(_described(entry), ensure_ascii=False) + "\n" for entry in entries)
        return
    yield _csv_line(_COLUMNS)
    for entry in entries:
        yield _csv_line(_cells(entry))


def left_out(entry: Entry, format: WrittenFormat) -> list[Remark]:
    """What of an entry the file does not say."""
    remarks = list(entry.unsaid)
    if format is CatalogueFormat.CSV:
        work = entry.work
        others = sorted(set(work.identifiers) - {REFERENCE, *STANDARD_NUMBERS})
        unsaid = [*(name for name in _CREDITS if getattr(work, name)), *(f"identifiers.{name}" for name in others)]
        remarks += [Remark(where=name, problem="CSV has no column for it.") for name in unsaid]
        if any(";" in name for name in work.creators):
            remarks.append(Remark(where="creators", problem="A name with ; in it is read as two."))
        remarks += _in_a_row(entry)[1]
    about = entry.reference or entry.work_id or entry.work.title
    return [Remark(where=f"{about}, {remark.where}", problem=remark.problem) for remark in remarks]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """The words of a row: one for each use, and what holds for all of them."""

    values: Mapping[Use, Value]
    territory: str = ""
    terms_url: str | None = None
    contact: str | None = None


def _in_a_row(entry: Entry) -> tuple[_Said, list[Remark]]:
    """What a row says of an entry's reservations, and what it does not, or not as it was said."""
    kept, remarks = consistent(map(_statement, entry.reservations), lands=False, times=False)
    # The restrictions settle what the whole row says, and those first that hold only on their terms.
    leading = sorted(kept, key=lambda one: (Value.CONSTRAINED, Value.RESERVED, Value.ALLOWED).index(one.value))
    if not leading:
        return _Said(values={}), remarks
    lands = {one.territory for one in entry.reservations if one.value is not Value.ALLOWED}
    lands = lands or {one.territory for one in kept}
    row = replace(leading[0], territory=lands.pop() if len(lands) == 1 else WORLDWIDE)
    values: dict[Use, Value] = {}
    for one in leading:
        value, problem = _in_row(one, row)
        if problem is not None:
            remarks.append(Remark(where=named(one), problem=problem))
        if value is not None:
            values[one.use] = min(value, values.get(one.use, value), key=STRICTEST_FIRST.index)
    if not values:
        return _Said(values={}), remarks
    return _Said(values=values, territory=row.territory, terms_url=row.terms_url, contact=row.contact), remarks


def _in_row(one: Statement, row: Statement) -> tuple[Value | None, str | None]:
    """How a row says a word, and what is wrong with that."""
    in_full = replace(row, use=one.use, value=one.value, valid_from=None, valid_until=None) == one
    if in_full:
        return one.value, None
    if one.value is Value.ALLOWED:
        return None, "A row has one territory, terms and contact, and no times. This permission is not written."
    if one.value is Value.CONSTRAINED and one.terms_url != row.terms_url:
        return Value.RESERVED, "A row has one link to terms, and this has another. It is written as reserved."
    return one.value, "A row has one territory, terms and contact, and no times. It is written with those of the row."


def _cells(entry: Entry) -> list[str]:
    work, said = entry.work, _in_a_row(entry)[0]
    values: dict[str, str] = {
        "title": work.title, "kind": work.kind, "year": str(work.year or ""), "policy": work.policy,
        "confidential": "yes" if work.confidential else "", "creators": "; ".join(work.creators),
        **{name: work.identifiers[name] for name in (REFERENCE, *STANDARD_NUMBERS) if name in work.identifiers},
        **{use.value: value.value for use, value in said.values.items()}, "territory": said.territory,
        "terms_url": said.terms_url or "", "contact": said.contact or "", WORK_ID: entry.work_id or "",
    }  # fmt: skip
    cells = [values.get(column, "") for column in _COLUMNS]
    return [f"'{cell}" if cell.startswith(_GUARDED) else cell for cell in cells]


def _statement(one: NewReservation) -> Statement:
    return Statement(
        use=one.use, value=one.value, territory=one.territory, terms_url=one.terms_url, contact=one.contact,
        valid_from=one.valid_from, valid_until=one.valid_until,
    )  # fmt: skip


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _described(entry: Entry) -> dict[str, Any]:
    work = entry.work
    identifiers = {key: value for key, value in work.identifiers.items() if key != REFERENCE}
    described = {
        REFERENCE: entry.reference, "title": work.title, "kind": work.kind, "year": work.year, "policy": work.policy,
        "confidential": work.confidential or None, "creators": work.creators, "identifiers": identifiers,
        **{name: as_json(getattr(work, name)) for name in _CREDITS},
        "reservations": [_said(one) for one in entry.reservations], WORK_ID: entry.work_id,
    }  # fmt: skip
    return {name: value for name, value in described.items() if value not in (None, [], {})}


def _said(one: NewReservation) -> dict[str, Any]:
    said = {
        "use": one.use, "value": one.value, "territory": one.territory, "terms_url": one.terms_url,
        "contact": one.contact, "valid_from": _written(one.valid_from), "valid_until": _written(one.valid_until),
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def _written(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
