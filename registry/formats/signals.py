"""Signals: formats of keys that say yes or no, in a header of their own and in robots.txt.

What Content-Usage and Content-Signal have in common; each says for itself how a line is read. Decided here:

* Any no wins, wherever it was said. A yes counts only where nothing about that use was unreadable, and where it is
  certain to whom and to what a rule speaks: not before the first group, not with `$` at the end of its path, not in a
  file too long to be read whole.
* In robots.txt the rule with the longest path speaks alone (RFC 9309, section 2.2.2), also about what it is silent on.
  We have no word for "unknown here", so a yes is not taken over where a longer rule that could match within it
  does not say yes or no itself. What is read therefore never allows more than the rules do, and reserves all that
  they reserve. Which paths may be crawled at all (Allow, Disallow) is another question and is not read.
* For the same reason a written rule for a longer path repeats what holds there by a shorter one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from registry.domain.preferences import Use, Value
from registry.formats import robots
from registry.formats.carried import Carried, Carries, carried, speaking
from registry.formats.places import Place, meeting, orders, place
from registry.formats.sources import shown
from registry.formats.statements import FormatError, Reading, Remark, Statement, Written, few, named
from registry.prefixes import Prefixes

MAX_HEADER_LINES = 100
MAX_VALUE_BYTES = 4096
MAX_PATHS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What one line says; `unread` are uses of which something was said that is neither yes nor no."""

    reserved: frozenset[Use] = frozenset()
    allowed: frozenset[Use] = frozenset()
    unread: frozenset[Use] = frozenset()
    problems: tuple[str, ...] = ()

    def __or__(self, other: "Signals") -> "Signals":
        """What both say; the problems stay with each."""
        return Signals(
            reserved=self.reserved | other.reserved,
            allowed=self.allowed | other.allowed,
            unread=self.unread | other.unread,
        )

    def values(self) -> dict[Use, Value]:
        """What it comes to, in the order of the uses."""
        allowed = self.allowed - self.reserved - self.unread
        either = dict.fromkeys(self.reserved, Value.RESERVED) | dict.fromkeys(allowed, Value.ALLOWED)
        return {use: either[use] for use in Use if use in either}

    def only_reserving(self) -> "Signals":
        """The same without its permissions, which are then as good as unread."""
        return Signals(reserved=self.reserved, unread=self.unread | self.allowed, problems=self.problems)


def counted(members: Iterable[tuple[str, str | None]], words: Mapping[str, Use], *, yes: str, no: str) -> Signals:
    """What members say together; a value of None is one that cannot be read."""
    allowed: set[Use] = set()
    reserved: set[Use] = set()
    unread: set[Use] = set()
    problems: list[str] = []
    for key, value in members:
        if (use := words.get(key)) is None:
            problems.append(f"There is no meaning for {shown(key)}; it is ignored.")
            continue
        if value not in (yes, no):
            problems.append(f"What is said of {shown(key)} is neither {yes} nor {no}.")
        (allowed if value == yes else reserved if value == no else unread).add(use)
    return Signals(
        reserved=frozenset(reserved), allowed=frozenset(allowed), unread=frozenset(unread), problems=tuple(problems)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A format of this kind: its field, how a line of it is read, and what it writes for each use.

    Attributes:
        whole_site: what stands in a rule of robots.txt before the members when they are about the whole site.
    """

    field: str
    parse: Callable[[bytes], Signals]
    words: Mapping[Use, tuple[str, ...]]
    yes: str
    no: str
    whole_site: str = ""

    def read(self, value: bytes) -> Signals:
        """One line; of one that is too long nothing is known."""
        if len(value) > MAX_VALUE_BYTES:
            return self.unread(f"{self.field} has more than {MAX_VALUE_BYTES} bytes and is not read.")
        return self.parse(value)

    def unread(self, problem: str) -> Signals:
        return Signals(unread=frozenset(self.words), problems=(problem,))

    def write(self, values: Mapping[Use, Value]) -> str:
        tokens = {Value.ALLOWED: self.yes, Value.RESERVED: self.no}
        members = (
            f"{word}={tokens[values[use]]}" for use, words in self.words.items() if use in values for word in words
        )
        return ", ".join(members)


# -- reading -------------------------------------------------------------------------------------


def read_header(language: Language, lines: tuple[str, ...]) -> Reading:
    """What the lines of one response's header say of its content.

    Raises:
        FormatError: there are too many of them.
    """
    if len(lines) > MAX_HEADER_LINES:
        raise FormatError(problem=f"There are more than {MAX_HEADER_LINES} {language.field} headers.")
    read = [language.read(line.strip().encode(errors="surrogatepass")) for line in lines]
    together = Signals()
    for signals in read:
        together |= signals
    remarks = (Remark(where=language.field, problem=problem) for signals in read for problem in signals.problems)
    statements = tuple(Statement(use=use, value=value) for use, value in together.values().items())
    return Reading(statements=statements, remarks=few(remarks))


def read_robots(language: Language, data: bytes) -> Reading:
    """What a robots.txt says to every crawler, by path.

    Raises:
        FormatError: it has rules for too many paths.
    """
    found = robots.rules(data, field=language.field)
    remarks = list(found.remarks)
    said: dict[str | None, Signals] = {}
    for rule in found.rules:
        signals = language.read(rule.value)
        doubt = _doubt(rule)
        problems = [*signals.problems, *([f"{doubt}; only reservations are taken over."] if doubt else [])]
        remarks += [Remark(where=f"line {rule.line}", problem=problem) for problem in problems]
        signals = signals.only_reserving() if doubt or not found.whole else signals
        said[rule.path] = said.get(rule.path, Signals()) | signals
        if len(said) > MAX_PATHS:
            raise FormatError(problem=f"It has {language.field} rules for more than {MAX_PATHS} paths.")
    places, order = {path: place(path) for path in said}, orders(said)
    values = {path: signals.values() for path, signals in said.items()}
    statements: list[Statement] = []
    for path, by_use in values.items():
        for use, value in by_use.items():
            silent = (places[other] for other in values if use not in values[other])
            longer = _longer(places[path], silent) if value is Value.ALLOWED else None
            if longer is None:
                statements.append(Statement(use=use, value=value, location=path, order=order[path]))
            else:
                problem = f"It is not taken over: a rule for {longer.path} in it does not say yes or no."
                remarks.append(Remark(where=f"{use.value}: allowed for {path or 'all'}", problem=problem))
    return Reading(statements=tuple(statements), remarks=few(remarks))


def _doubt(rule: robots.Rule) -> str | None:
    if rule.ends:
        return "Its path ends with $, and we cannot say where a path ends"
    return None if rule.grouped else "It stands before any User-agent line"


def _longer(here: Place, others: Iterable[Place]) -> Place | None:
    """One of the others whose rule could speak for a URL in this place."""
    return next((other for other in others if other.length > here.length and other.may_meet(here)), None)


# -- writing -------------------------------------------------------------------------------------


def write_header(language: Language, statements: Iterable[Statement]) -> Written:
    """The value of the header of a response that the statements are about; empty where there is nothing to say."""
    kept, left_out = carried(statements, Carries(uses=frozenset(language.words)))
    chosen, others = speaking(kept)
    text = language.write({use: one.said.value for use, one in chosen.items()})
    return Written(text=text, media_type="text/plain", left_out=(*left_out, *others))


def write_robots(language: Language, statements: Iterable[Statement]) -> Written:
    """A group for every crawler, to be put into the robots.txt of the site that the paths are of.

    Raises:
        FormatError: the statements are about more paths than we would read.
    """
    kept, left_out = carried(statements, Carries(uses=frozenset(language.words), locations=_is_path))
    places = {one.said.location: place(one.said.location) for one in kept}
    if len(places) > MAX_PATHS:
        raise FormatError(problem=f"The statements are about more than {MAX_PATHS} paths.")
    begun = Prefixes((places[one.said.location].begin, (places[one.said.location], one)) for one in kept)
    values = {location: _holding(here, begun) for location, here in places.items()}
    left_out += [
        Remark(where=named(one.made), problem="Another statement speaks before it there.")
        for one in kept
        if values[one.said.location][one.said.use] != one.said.value
    ]
    lines = [
        f"{language.field}: {f'{location} ' if location else language.whole_site}{language.write(held)}"
        for location, held in values.items()
    ]
    text = "".join(f"{line}\n" for line in ("User-agent: *", *lines)) if lines else ""
    return Written(text=text, media_type="text/plain", left_out=tuple(left_out))


def _is_path(location: str) -> bool:
    plain = location.isprintable() and not set(location) & set(" #") and not location.endswith("$")
    return location.startswith("/") and plain


def _holding(here: Place, begun: Prefixes[tuple[Place, Carried]]) -> dict[Use, Value]:
    """What holds in a place by its own statements and those of shorter ones: of the first in order, the strictest."""
    length = here.length
    holding = [
        one
        for there, one in meeting(begun, here)
        if there.length <= length and (one.said.value is Value.RESERVED or there.covers(here))
    ]
    return {use: one.said.value for use, one in speaking(holding)[0].items()}
