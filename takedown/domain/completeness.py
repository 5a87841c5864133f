"""Whether a notice, or a counter-notice, says all that its track of law asks of it.

Decides which elements are there and what follows when some are not. It judges form alone: not whether a statement is
true, a signature genuine, or a location one of ours. Which elements a track asks for is data (`tracks`).
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One thing that the law asks for.

    Attributes:
        name: stored and told, so never renamed.
        reference: where the law says so.
        what_to_supply: in plain words.
        needs: fields of the papers: one of each group must be said.
        indispensable: without it the papers count for nothing, and cannot be cured.
    """

    name: str
    reference: str
    what_to_supply: str
    needs: tuple[tuple[str, ...], ...]
    indispensable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Words a party subscribes to. A changed text takes a new version.

    Attributes:
        fields: of the papers; whoever says all of them has made the statement.
        perjury: whether it is made under penalty of perjury.
    """

    name: str
    version: int
    text: str
    fields: tuple[str, ...]
    perjury: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeContent:
    """What a claimant said; what was not said is None, empty or False.

    Attributes:
        explanation: why it is illegal, or was made or published without consent.
        depicted_person: whose voice, likeness or body it shows.
        bona_fide, without_consent: statements of the tracks that ask for them.
    """

    signature: str | None = None
    work_description: str | None = None
    work_ids: tuple[str, ...] = ()
    material: tuple[str, ...] = ()
    contact_name: str | None = None
    contact_address: str | None = None
    contact_telephone: str | None = None
    contact_email: str | None = None
    good_faith: bool = False
    accuracy_under_penalty_of_perjury: bool = False
    authority: bool = False
    explanation: str | None = None
    depicted_person: str | None = None
    bona_fide: bool = False
    without_consent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterContent:
    """What an uploader answered; what was not said is None, empty or False."""

    signature: str | None = None
    material: tuple[str, ...] = ()
    former_locations: tuple[str, ...] = ()
    mistake_under_penalty_of_perjury: bool = False
    name: str | None = None
    address: str | None = None
    telephone: str | None = None
    consent_to_jurisdiction: bool = False
    accept_service: bool = False


class Outcome(StrEnum):
    """What follows from the form of the papers. Stored: values are never renamed."""

    COMPLETE = "complete"
    CURABLE = "curable"
    DEFECTIVE = "defective"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The outcome, and what is missing in the law's order."""

    outcome: Outcome
    missing: tuple[Element, ...]


def assess(elements: Sequence[Element], content: NoticeContent | CounterContent) -> Assessment:
    """Hold papers against the elements that a track asks for."""
    missing = tuple(element for element in elements if not _is_supplied(element, content))
    if not missing:
        outcome = Outcome.COMPLETE
    elif any(element.indispensable for element in missing):
        outcome = Outcome.DEFECTIVE
    else:
        outcome = Outcome.CURABLE
    return Assessment(outcome=outcome, missing=missing)


def made_by(statements: Sequence[Statement], content: NoticeContent | CounterContent) -> tuple[Statement, ...]:
    """The statements that were made with these papers."""
    return tuple(one for one in statements if all(getattr(content, field) for field in one.fields))


def _is_supplied(element: Element, content: NoticeContent | CounterContent) -> bool:
    return all(any(_is_said(getattr(content, field)) for field in group) for group in element.needs)


def _is_said(value: object) -> bool:
    """White space says nothing, nor does what shows nothing."""
    if isinstance(value, tuple):
        return any(map(_is_said, value))
    if isinstance(value, str):
        return any(unicodedata.category(char)[0] not in "CZ" for char in value)
    return bool(value)
