"""robots.txt (RFC 9309): the lines of one field, in the groups that speak to every crawler.

Reads groups and the lines of one field; what a line says is read by its format. Preferences for single crawlers have
no word of ours: what only other groups say becomes a remark, and so does what crawlers may not fetch at all. Lines
before the first group are kept, and marked: RFC 9309 ignores them, RSL's `License` means all crawlers by them. Of a
file that is longer than a crawler has to read, the beginning is read.
"""

import re
import string
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from registry.formats.places import WHOLE_SITE, unanchored
from registry.formats.sources import shown
from registry.formats.statements import Remark, few

# RFC 9309, section 2.5: what a crawler has to read at least.
MAX_BYTES = 500 * 1024
EVERYONE = b"*"
_LINE_END = re.compile(rb"\r\n|\r|\n")
# After one of these, `User-agent` begins a new group; other records stand in a group without being part of it.
_RULES = frozenset({b"allow", b"disallow", b"content-usage", b"content-signal", b"license"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of the field.

    Attributes:
        path: that it begins with, without the `$` that ends it; None for the whole site.
        ends: whether there was a `$`, so that the path covers more than was meant.
        grouped: whether it stands in a group.
    """

    line: int
    path: str | None
    value: bytes
    ends: bool
    grouped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules for everyone, in their order; `whole` when all of the file was read."""

    rules: tuple[Rule, ...]
    whole: bool
    remarks: tuple[Remark, ...]


def rules(data: bytes, *, field: str) -> Rules:
    """The rules of a field in the groups for `*` and before any group; each may begin with a path."""
    found: list[Rule] = []
    remarks: list[Remark] = []
    whole = len(data) <= MAX_BYTES
    if not whole:
        problem = f"It is longer than {MAX_BYTES} bytes; what comes after them is not read."
        remarks.append(Remark(where="the end of the file", problem=problem))
        data = data[:MAX_BYTES].rpartition(b"\n")[0]
    wanted = field.lower().encode()
    for number, key, value, agents in _records(data, wanted):
        if key != wanted:
            continue
        if agents and EVERYONE not in agents:
            problem = f"{field} is said to {_agent(next(iter(agents)))} only, not to every crawler."
            remarks.append(Remark(where=f"line {number}", problem=problem))
        else:
            found.append(_rule(number, value, grouped=bool(agents)))
    return Rules(rules=tuple(found), whole=whole, remarks=few(remarks))


def unfetched(data: bytes) -> tuple[Remark, ...]:
    """What crawlers may not fetch, each once: that says nothing of what may be done with it, whoever has it."""
    problem = "Disallow says what a crawler may not fetch. That reserves no use, and is not taken over."
    lines: dict[bytes, int] = {}
    told: Collection[bytes] = ()
    for number, key, value, agents in _records(data[:MAX_BYTES], b"disallow"):
        if key == b"disallow" and value and agents is not told:
            told = agents
            for agent in agents:
                lines.setdefault(agent, number)
    return few(Remark(where=f"line {number}, {_agent(agent)}", problem=problem) for agent, number in lines.items())


def _records(data: bytes, wanted: bytes) -> Iterator[tuple[int, bytes, bytes, Collection[bytes]]]:
    """Each line with its number, key in small letters, and value, and its group's crawlers, one object for a group."""
    agents: dict[bytes, None] = {}
    naming = False
    for number, line in enumerate(_LINE_END.split(data.removeprefix(b"\xef\xbb\xbf")), start=1):
        name, _, value = (part.strip(b" \t") for part in line.partition(b"#")[0].partition(b":"))
        key = name.lower()
        if key == b"user-agent":
            agents = agents if naming else {}
            agents[value] = None
            naming = True
        elif key in _RULES or key == wanted:
            naming = False
        yield number, key, value, agents


def _agent(name: bytes) -> str:
    return shown(name.decode(errors="replace"))


def _rule(number: int, value: bytes, *, grouped: bool) -> Rule:
    if not value.startswith(b"/"):
        return Rule(line=number, path=None, value=value, ends=False, grouped=grouped)
    raw, *rest = re.split(rb"[ \t]+", value, maxsplit=1)
    path, ends = unanchored(_text(raw))
    is_whole = path == WHOLE_SITE and not ends
    return Rule(line=number, path=None if is_whole else path, value=b"".join(rest), ends=ends, grouped=grouped)


def _text(raw: bytes) -> str:
    """A path as text; octets that are none are written as RFC 3986 (section 2.1) has them."""
    with suppress(UnicodeDecodeError):
        if (text := raw.decode()).isprintable():
            return text
    return quote(raw, safe=string.punctuation)
