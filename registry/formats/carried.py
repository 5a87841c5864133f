"""What a format can carry of what is to be said, and what is left out.

A format that has no word for a territory, a time or terms is read as speaking of everywhere, always and without
terms. So, as `registry.domain.preferences` counts: a restriction is written without what cannot be said of it, a
permission for a part or a time is not written at all, and `constrained` whose terms cannot be shown is written as
reserved. What is about one place only is never written for all. No clock is read: of what is already in force, leave
`valid_from` away.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from registry.domain.preferences import WORLDWIDE, Use, Value
from registry.formats.places import WHOLE_SITE
from registry.formats.sources import link
from registry.formats.statements import Remark, Statement, distinct, named


def _none(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Carries:
    """What a format has words for; times are said by none of ours.

    Attributes:
        constrained: it can say that a use is; `needs_terms`, only by naming a link to them.
        terms: the values beside which it can name such a link.
        locations: whether it can name a place other than all that it is about.
        contacts: whether it can name a contact.
    """

    uses: frozenset[Use]
    constrained: bool = False
    needs_terms: bool = False
    terms: frozenset[Value] = frozenset()
    territories: bool = False
    locations: Callable[[str], bool] = _none
    contacts: Callable[[str], bool] = _none


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A statement as it was made and as the format says it."""

    made: Statement
    said: Statement


def carried(statements: Iterable[Statement], format: Carries) -> tuple[list[Carried], list[Remark]]:
    """The statements that the format says, without repetitions, and what it leaves out."""
    kept: list[Carried] = []
    left_out: list[Remark] = []
    for made in distinct(statements):
        said, problems = _said(made, format)
        left_out += [Remark(where=named(made), problem=problem) for problem in problems]
        if said is not None:
            kept.append(Carried(made=made, said=said))
    return kept, left_out


def _said(made: Statement, format: Carries) -> tuple[Statement | None, list[str]]:
    if made.use not in format.uses:
        return None, ["The format has no word for this use."]
    if made.location is not None and not format.locations(made.location):
        return None, ["The format cannot name the place that it is about."]
    said = replace(made, valid_from=None, valid_until=None)
    problems = []
    if made.territory != WORLDWIDE and not format.territories:
        problems.append(f"The format cannot say that it is for {made.territory}.")
        said = replace(said, territory=WORLDWIDE)
    if made.valid_from is not None or made.valid_until is not None:
        problems.append("The format cannot say when it begins and ends.")
    if problems and made.value is Value.ALLOWED:
        return None, [*problems, "A permission for a part or a time is not written as one for all."]
    shows_terms = format.constrained and (link(made.terms_url) is not None or not format.needs_terms)
    if made.value is Value.CONSTRAINED and not shows_terms:
        problems.append("The format cannot show its terms; without them it is written as reserved.")
        said = replace(said, value=Value.RESERVED, terms_url=None)
    elif made.terms_url is not None and (made.value not in format.terms or link(made.terms_url) != made.terms_url):
        problems.append(f"The format cannot show these terms of what is {made.value.value}.")
        said = replace(said, terms_url=None)
    if made.contact is not None and not format.contacts(made.contact):
        problems.append("The format cannot name this contact.")
        said = replace(said, contact=None)
    return replace(said, location=None) if made.location == WHOLE_SITE else said, problems


def speaking(kept: Iterable[Carried]) -> tuple[dict[Use, Carried], list[Remark]]:
    """One statement for each use where a format has room for no more: of the first in order, the strictest.

    Two that are constrained by different terms come to reserved: to meet one of them is not enough.
    """
    by_use: dict[Use, list[Carried]] = {}
    for one in kept:
        by_use.setdefault(one.said.use, []).append(one)
    chosen: dict[Use, Carried] = {}
    left_out: list[Remark] = []
    for use, all_of_it in by_use.items():
        rank = min(_rank(one.said) for one in all_of_it)
        first, *rivals = (one for one in all_of_it if _rank(one.said) == rank)
        if any(one.said.terms_url != first.said.terms_url for one in rivals):
            first = replace(first, said=replace(first.said, value=Value.RESERVED, terms_url=None))
        chosen[use] = first
        word = (first.said.value, first.said.terms_url)
        problem = f"The format has room for one word on each use, and says {first.said.value.value}."
        left_out += [
            Remark(where=named(one.made), problem=problem)
            for one in all_of_it
            if (one.said.value, one.said.terms_url) != word
        ]
    return chosen, left_out


def _rank(said: Statement) -> tuple[int, int]:
    if said.value is Value.CONSTRAINED:
        return said.order, 2 if said.terms_url else 1
    return said.order, 3 if said.value is Value.ALLOWED else 0
