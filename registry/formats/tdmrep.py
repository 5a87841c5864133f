"""TDMRep: reservations of text and data mining as sites say them, in a file, in headers and in pages.

Reads and writes the protocol of the W3C community group (final report of 10 May 2024, https://www.w3.org/2022/tdmrep/;
named below by its section titles):

1. `tdm-reservation` 1 reserves, and with a policy licenses on the terms of the policy: constrained. 0 allows, and a
   policy beside it is not read. Anything else is a protocol error and leaves the question open.
2. A reservation stands beside what cannot be read, a permission does not: what cannot be read might have reserved.
3. Of the rules of a file the first that covers a path speaks, also where it says nothing that can be read.
4. Written is what is meant or, where the protocol lacks the words, more reserved than meant; and remarked.

It does not decide which of file, header, page and document speaks (section "Processing priority": the later found
replaces the earlier), since that is known to whoever fetched them. EPUB and PDF are in `tdmrep_documents`, policies in
`odrl`. Writers take statements that are in force: `valid_from` is a limit like any other.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from html.parser import HTMLParser
from itertools import islice
from typing import Any, Final

from registry.domain.preferences import STRICTEST_FIRST, WORLDWIDE, Use, Value
from registry.formats.patterns import (
    beginning,
    canonical,
    covers,
    is_pattern,
    may_meet,
    named_host,
    pattern_of,
    specificity,
)
from registry.formats.sources import is_url, json_of, shown
from registry.formats.statements import FormatError, Reading, Remark, Statement, Written, distinct, named

RESERVATION: Final = "tdm-reservation"
POLICY: Final = "tdm-policy"
MAX_FILE_BYTES: Final = 4 << 20
MAX_RULES: Final = 10_000
MAX_HEADERS: Final = 1000
# Of a page only this much is looked at: the head is at its beginning.
MAX_HEAD_BYTES: Final = 1 << 18
# After so many rules that cannot be read, no permission of the file is believed.
_MAX_UNREAD: Final = 100
_MAX_VALUE_CHARS: Final = 100


def said(reservations: Sequence[str], policies: Sequence[str], *, unread: Sequence[Remark] = ()) -> Reading:
    """What the properties of one resource come to, each as often as it was found (section "Declaring the …").

    Args:
        unread: what else was there and could not be read: beside it, no permission is believed.
    """
    wrong = [value for value in dict.fromkeys(reservations) if value not in ("0", "1")]
    errors = [*unread, *(Remark(where=RESERVATION, problem=f"It is 1 or 0, not {shown(value)}.") for value in wrong)]
    if "1" in reservations:
        return _reserved(policies, [*errors, *([_BOTH] if "0" in reservations else [])])
    if "0" in reservations and not errors:
        ignored = [Remark(where=POLICY, problem="A policy beside 0 is not read.")] if policies else []
        return Reading(statements=(Statement(use=Use.TDM, value=Value.ALLOWED),), remarks=tuple(ignored))
    if reservations or policies:
        errors.append(Remark(where=RESERVATION, problem="What is said of mining cannot be told from this."))
    return Reading(remarks=tuple(errors))


_BOTH: Final = Remark(where=RESERVATION, problem="Both 1 and 0 are said; the reservation stands.")


def _reserved(policies: Sequence[str], remarks: list[Remark]) -> Reading:
    links = [policy for policy in dict.fromkeys(policies) if is_url(policy)]
    for policy in dict.fromkeys(policies):
        if policy not in links[:1]:
            problem = "is not the first policy" if policy in links else "is not a full link; the reservation stands"
            remarks.append(Remark(where=POLICY, problem=f"{shown(policy)} {problem}."))
    value = Value.CONSTRAINED if links else Value.RESERVED
    statement = Statement(use=Use.TDM, value=value, terms_url=links[0] if links else None)
    return Reading(statements=(statement,), remarks=tuple(remarks))


def decide(reading: Reading, url_path: str) -> Statement | None:
    """What a reading says of a path, which may come with its query: the first that covers it; None: nothing."""
    for statement in sorted(reading.statements, key=lambda statement: statement.order):
        if statement.location is None or covers(statement.location, url_path):
            return statement
    return None


# -- the file ------------------------------------------------------------------------------------


def read_file(data: bytes) -> Reading:
    """The rules of `/.well-known/tdmrep.json` (section "TDM File on the Origin Server").

    A rule that cannot be read is a remark. Since it would have spoken for what it covers, a permission in a later
    rule is not taken over where the two may meet; a reservation is.

    Raises:
        FormatError: it is no list of rules.
    """
    rules = json_of(data, max_bytes=MAX_FILE_BYTES)
    if not isinstance(rules, list):
        raise FormatError(problem="It must be a list of rules, in brackets also where there is only one.")
    if len(rules) > MAX_RULES:
        raise FormatError(problem=f"It has more than {MAX_RULES} rules. Join them with *.")
    statements: list[Statement] = []
    remarks: list[Remark] = []
    unread: list[str] = []
    for order, rule in enumerate(rules):
        found = _read_rule(rule)
        where = f"rule {order + 1}"
        remarks += [replace(remark, where=f"{where}, {remark.where}") for remark in found.remarks]
        pattern = rule["location"] if isinstance(rule, dict) and is_pattern(rule.get("location")) else "*"
        begins = beginning(pattern)
        if not found.statements:
            unread = [*unread, begins] if len(unread) < _MAX_UNREAD else [""]
        for statement in found.statements:
            is_in_doubt = any(may_meet(begins, earlier) for earlier in unread)
            if statement.value is Value.ALLOWED and is_in_doubt:
                problem = "A rule before it cannot be read and may speak for the same; a permission is not taken over."
                remarks.append(Remark(where=where, problem=problem))
            else:
                statements.append(replace(statement, location=pattern, order=order))
    return Reading(statements=tuple(statements), remarks=tuple(remarks))


def _read_rule(rule: Any) -> Reading:
    if not isinstance(rule, dict):
        return Reading(remarks=(Remark(where="the rule", problem="It is not an object that names each member once."),))
    unknown = sorted(rule.keys() - {"location", RESERVATION, POLICY})
    remarks = [Remark(where=shown(", ".join(unknown)), problem="The protocol has no such member.")] if unknown else []
    if not is_pattern(rule.get("location")):
        problem = f"It is a path that begins with /, not {shown(rule.get('location'))}."
        return Reading(remarks=(*remarks, Remark(where="location", problem=problem)))
    value = rule.get(RESERVATION)
    if type(value) is not int or value not in (0, 1):  # true is no number, and 1.0 and "1" are protocol errors too
        problem = f"It is the number 1 or 0, not {shown(value)}."
        return Reading(remarks=(*remarks, Remark(where=RESERVATION, problem=problem)))
    policies = [] if rule.get(POLICY) is None else [rule[POLICY]]
    found = said([str(value)], [policy if isinstance(policy, str) else shown(policy) for policy in policies])
    return replace(found, remarks=(*remarks, *found.remarks))


def write_file(statements: Iterable[Statement], *, host: str | None = None) -> Written:
    """The file for one host, the most specific location first, so that the first that covers a path is the one meant.

    Statements keep their `order` before that; of those about the same location the strictest is written.

    Args:
        host: whose file it is; None: the only host that the locations name, where they name any.
    Raises:
        FormatError: the locations name several hosts, or there is more than a file holds.
    """
    plain, left_out = _sayable(statements, may_name_place=True)
    here: list[tuple[Statement, Statement]] = []
    hosts = {host.lower()} if host else set()
    for meant, statement in plain:
        its_host = named_host(statement.location)
        if its_host == "":
            raise FormatError(problem=f"{shown(statement.location)} is neither a path nor a location with its host.")
        if host and its_host not in (None, host.lower()):
            left_out.append(Remark(where=named(meant), problem=f"It is not about {host}."))
            continue
        if its_host is not None:
            hosts.add(its_host)
        here.append((meant, replace(statement, location=pattern_of(statement.location or "/"))))
    if len(hosts) > 1:
        raise FormatError(problem=f"A file is about one host, not {', '.join(sorted(hosts))}. Name the one meant.")
    rules: dict[tuple[int, str], Statement] = {}
    for meant, statement in sorted(here, key=lambda pair: _turn(pair[1])):
        spoken = rules.setdefault((statement.order, canonical(statement.location or "/")), statement)
        if (spoken.value, spoken.terms_url) != (statement.value, statement.terms_url):
            left_out.append(_outdone(meant))
    if len(rules) > MAX_RULES or any(not is_pattern(statement.location) for statement in rules.values()):
        raise FormatError(problem=f"A file holds {MAX_RULES} rules with short paths. Join locations with *.")
    written = [
        {"location": statement.location, **dict(_properties(statement)), RESERVATION: int(_is_reserved(statement))}
        for statement in rules.values()
    ]
    text = json.dumps(written, indent=2, ensure_ascii=False) + "\n"
    if len(text.encode()) > MAX_FILE_BYTES:
        raise FormatError(problem=f"A file has at most {MAX_FILE_BYTES} bytes. Join locations with *.")
    return Written(text=text, media_type="application/json", left_out=tuple(left_out))


def _turn(statement: Statement) -> tuple[Any, ...]:
    location = statement.location or "/"
    literal, stars = specificity(location)
    strictness = STRICTEST_FIRST.index(statement.value)
    return statement.order, -literal, -stars, strictness, location, statement.terms_url or ""


# -- headers -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Fields for one response; reading them again gives all that was meant but what `left_out` names."""

    fields: tuple[tuple[str, str], ...]
    left_out: tuple[Remark, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(f"{name}: {value}" for name, value in self.fields)


def read_headers(headers: Iterable[tuple[str, str]]) -> Reading:
    """What the headers of a response say of it (section "TDM Header Field in HTTP Responses"). Raises: FormatError."""
    fields = list(islice(headers, MAX_HEADERS + 1))
    if len(fields) > MAX_HEADERS:
        raise FormatError(problem=f"There are more than {MAX_HEADERS} headers.")
    found: dict[str, list[str]] = {RESERVATION: [], POLICY: []}
    for name, value in fields:
        found.get(name.strip().lower(), []).append(value.strip())
    # A field that was sent twice may arrive as one, with a comma.
    single = [value.split(",") if len(value) <= _MAX_VALUE_CHARS else [value] for value in found[RESERVATION]]
    return said([value.strip() for values in single for value in values], found[POLICY])


def write_headers(statements: Iterable[Statement]) -> Headers:
    """The headers of one response, for the statements that are about it: the strictest is written."""
    statement, left_out = _strictest(statements)
    fields = tuple(_properties(statement)) if statement else ()
    return Headers(fields=fields, left_out=tuple(left_out))


# -- pages ---------------------------------------------------------------------------------------


def read_html(data: bytes) -> Reading:
    """What the head of a page says of the page (section "TDM Metadata in HTML Content")."""
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    head, unread = _Head(), []
    try:
        # Not closed: what is incomplete says nothing, and html.parser takes square time to find that out.
        head.feed(data[:MAX_HEAD_BYTES].decode(encoding, errors="replace"))
        if len(data) > MAX_HEAD_BYTES:
            unread.append(Remark(where="the page", problem="Its head is longer than what is read of a page."))
    except _HeadIsOver:
        pass
    except AssertionError:  # so html.parser says that a declaration makes no sense
        unread.append(Remark(where="the page", problem="Its head cannot be read to the end."))
    return said(head.found[RESERVATION], head.found[POLICY], unread=unread)


def write_html_meta(statements: Iterable[Statement]) -> Written:
    """The elements for the head of one page, for the statements that are about it: the strictest is written."""
    statement, left_out = _strictest(statements)
    properties = _properties(statement) if statement else []
    text = "".join(f'<meta name="{name}" content="{escape(value)}">\n' for name, value in properties)
    return Written(text=text, media_type="text/html", left_out=tuple(left_out))


class _HeadIsOver(Exception):
    pass


class _Head(HTMLParser):
    """Collects the metadata of a page up to its first element that is not of a head."""

    # What stands in these is text or is not shown, whatever it looks like.
    _MUTE = frozenset({"noscript", "template", "title"})
    _ELEMENTS = frozenset({"html", "head", "base", "link", "meta", "script", "style"}) | _MUTE

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {RESERVATION: [], POLICY: []}
        self._muted_by: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._muted_by:
            return
        if tag not in self._ELEMENTS:
            raise _HeadIsOver
        if tag in self._MUTE:
            self._muted_by = tag
        if tag == "meta":
            first = dict(reversed(attrs))
            values = self.found.get((first.get("name") or "").strip().lower())
            if values is not None:
                values.append((first.get("content") or "").strip())

    def handle_endtag(self, tag: str) -> None:
        if tag == self._muted_by:
            self._muted_by = None
        elif tag == "head" and not self._muted_by:
            raise _HeadIsOver


# -- what can be said ----------------------------------------------------------------------------


def _sayable(
    statements: Iterable[Statement], *, may_name_place: bool
) -> tuple[list[tuple[Statement, Statement]], list[Remark]]:
    """Statements beside what the protocol can say of them, and remarks on the rest."""
    plain, remarks = [], []
    for statement in distinct(statements):
        sayable, problems = _plain(statement, may_name_place=may_name_place)
        remarks += [Remark(where=named(statement), problem=problem) for problem in problems]
        if sayable:
            plain.append((statement, sayable))
    return plain, remarks


def _plain(statement: Statement, *, may_name_place: bool) -> tuple[Statement | None, list[str]]:
    if statement.use is not Use.TDM:
        return None, ["TDMRep speaks of text and data mining only."]
    limits = {
        "location": statement.location is not None and not may_name_place,
        "territory": statement.territory != WORLDWIDE,
        "valid_from": statement.valid_from is not None,
        "valid_until": statement.valid_until is not None,
    }
    limited = ", ".join(name for name, is_limited in limits.items() if is_limited)
    if limited and statement.value is Value.ALLOWED:
        return None, [f"TDMRep cannot say its {limited}, and permits more without. It is not written."]
    problems = [f"TDMRep cannot say its {limited}. It is written without, and reserves more."] if limited else []
    value, terms_url = statement.value, statement.terms_url
    if value is Value.CONSTRAINED and not is_url(terms_url):
        value, terms_url = Value.RESERVED, None
        problems.append("It shows no terms that can be linked to. It is written as reserved.")
    elif value is not Value.CONSTRAINED and terms_url:
        terms_url = None
        problems.append("Only what is constrained has a policy. Its terms_url is not written.")
    if statement.contact:
        problems.append("TDMRep cannot say its contact; a policy can.")
    location = statement.location if may_name_place else None
    sayable = Statement(use=Use.TDM, value=value, location=location, terms_url=terms_url, order=statement.order)
    return sayable, problems


def _strictest(statements: Iterable[Statement]) -> tuple[Statement | None, list[Remark]]:
    plain, left_out = _sayable(statements, may_name_place=False)
    plain.sort(key=lambda pair: _turn(replace(pair[1], order=0)))
    for meant, statement in plain:
        if (statement.value, statement.terms_url) != (plain[0][1].value, plain[0][1].terms_url):
            left_out.append(_outdone(meant))
    return plain[0][1] if plain else None, left_out


def _outdone(statement: Statement) -> Remark:
    return Remark(
        where=named(statement), problem="Something at least as strict is said of the same. It is not written."
    )


def _properties(statement: Statement) -> list[tuple[str, str]]:
    policy = [(POLICY, statement.terms_url)] if statement.terms_url else []
    return [(RESERVATION, str(int(_is_reserved(statement)))), *policy]


def _is_reserved(statement: Statement) -> bool:
    return statement.value is not Value.ALLOWED
