"""Effective preference: what the rights holders of a work have said about one use of it.

Rules, in this order:

1. Only declarations in force at the time asked count, and only by the owners. Of those that one owner made
   about one thing, for one territory, the newest speaks: what was said for a time steps aside when it ends.
2. A restriction counts where it touches the territory asked; a permission
   counts only where it covers all of it.
3. Of one owner's declarations the most restrictive wins: reserved, then
   constrained, then allowed. Constrained without terms equals reserved, since
   nobody could meet terms that are not shown.
4. Owners who answer differently make the result disputed. An owner's silence
   does not weaken another's reservation and does not join another's permission.
5. Nothing said is unset, never allowed.

It does not decide who the owners are, which declarations bear on a work
(scopes are resolved by who loads them), or what follows from an answer (policy).
Each use stands alone: a reservation of one says nothing about another.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from registry.errors import Invalid

WORLDWIDE: Final = "worldwide"
EU: Final = "EU"
# fmt: off
# ISO 3166 alpha-2, so Greece is GR; the 27 members since 2020-02-01.
EU_MEMBERS: Final = frozenset(
    ("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
     "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK")
)
# fmt: on

_COUNTRY_OR_EU: Final = re.compile(r"[A-Z]{2}")


class Use(StrEnum):
    """What someone may want to do with a work."""

    TRAIN = "train"
    TRAIN_GENERATIVE = "train_generative"
    INPUT = "input"
    SEARCH = "search"
    TDM = "tdm"
    DEPICT_IN_OUTPUT = "depict_in_output"


class Value(StrEnum):
    """What one declaration says of its use."""

    ALLOWED = "allowed"
    CONSTRAINED = "constrained"
    RESERVED = "reserved"


STRICTEST_FIRST: Final = (Value.RESERVED, Value.CONSTRAINED, Value.ALLOWED)


class Answer(StrEnum):
    """What all declarations together say of a use."""

    RESERVED = "reserved"
    CONSTRAINED = "constrained"
    ALLOWED = "allowed"
    UNSET = "unset"
    DISPUTED = "disputed"


class Scope(StrEnum):
    """What a declaration was made about."""

    ASSET = "asset"
    WORK = "work"
    CATALOGUE = "catalogue"
    LOCATION = "location"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One holder's word on one use.

    In force in [max(valid_from, declared_at), the earliest of valid_until,
    withdrawn_at and superseded_at): a declaration may announce the future but
    cannot rewrite what had been said in the past. `about` is the id of the
    work or asset, or the location; None for a whole catalogue.
    """

    id: str
    use: Use
    value: Value
    declared_by: str
    declared_at: datetime
    valid_from: datetime
    valid_until: datetime | None
    withdrawn_at: datetime | None
    superseded_at: datetime | None
    scope: Scope
    about: str | None
    territory: str
    terms_url: str | None

    def __post_init__(self) -> None:
        check_territory(self.territory)

    def in_force(self, at: datetime) -> bool:
        """Whether the declaration speaks at `at`."""
        ends = (self.valid_until, self.withdrawn_at, self.superseded_at)
        return max(self.valid_from, self.declared_at) <= at and all(end is None or at < end for end in ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """The answer, and the declarations that decided it, oldest first."""

    answer: Answer
    declarations: tuple[Declaration, ...]


def effective_preference(
    declarations: Iterable[Declaration],
    use: Use,
    *,
    at: datetime,
    owners: frozenset[str],
    territory: str | None = None,
) -> Effective:
    """What holds for `use` at `at`.

    Args:
        declarations: all that bear on the work, in any order.
        owners: ids of the holders who claim the work; more than one only while
            their claims are in dispute.
        territory: "EU" or ISO 3166 alpha-2; None and "worldwide" ask for everywhere.
    Raises:
        Invalid: `territory` is none of these.
    """
    asked = WORLDWIDE if territory is None else check_territory(territory)
    newest: dict[tuple[str, Scope, str | None, str], Declaration] = {}
    for said in sorted(declarations, key=_age):
        if said.use is use and said.declared_by in owners and said.in_force(at):
            newest[said.declared_by, said.scope, said.about, said.territory] = said
    spoken = [declaration for declaration in newest.values() if _bears_on(declaration, asked)]
    by_owner = {
        owner: _most_restrictive([declaration for declaration in spoken if declaration.declared_by == owner])
        for owner in {declaration.declared_by for declaration in spoken}
    }
    if not by_owner:
        return Effective(answer=Answer.UNSET, declarations=())
    deciding = sorted(
        (declaration for effective in by_owner.values() for declaration in effective.declarations),
        key=_age,
    )
    answers = {effective.answer for effective in by_owner.values()}
    answer = answers.pop() if len(answers) == 1 else Answer.DISPUTED
    if answer is not Answer.RESERVED and len(by_owner) < len(owners):
        answer = Answer.DISPUTED
    return Effective(answer=answer, declarations=tuple(deciding))


def _age(declaration: Declaration) -> tuple[datetime, str]:
    return declaration.declared_at, declaration.id


_ORDER: Final = (Answer.RESERVED, Answer.CONSTRAINED, Answer.ALLOWED)


def _most_restrictive(declarations: list[Declaration]) -> Effective:
    """One owner's answer; `declarations` is not empty."""
    answer = min((_meaning(declaration) for declaration in declarations), key=_ORDER.index)
    return Effective(
        answer=answer,
        declarations=tuple(declaration for declaration in declarations if _meaning(declaration) is answer),
    )


def _meaning(declaration: Declaration) -> Answer:
    if declaration.value is Value.CONSTRAINED and not (declaration.terms_url or "").strip():
        return Answer.RESERVED
    return Answer(declaration.value)


def _bears_on(declaration: Declaration, asked: str) -> bool:
    said = declaration.territory
    covers = contains(said, asked)
    return covers if declaration.value is Value.ALLOWED else covers or contains(asked, said)


def contains(outer: str, inner: str) -> bool:
    """Whether one territory holds all of another."""
    return outer in (WORLDWIDE, inner) or (outer == EU and inner in EU_MEMBERS)


def check_territory(territory: str) -> str:
    """The territory, when it is one. Raises: Invalid."""
    if territory != WORLDWIDE and not _COUNTRY_OR_EU.fullmatch(territory):
        raise Invalid(
            field="territory",
            problem='Use "worldwide", "EU" or a two-letter country code in capitals (ISO 3166), such as "FR".',
        )
    return territory
