"""Facts of letters: all that a letter may say, before anything is worded.

Decides what a letter can be told, and which texts are quotations: their lines are kept, while every other text is one
line. It does not decide which letter needs which fact: a source that prints a fact that is not there is not written
(`letters`).
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any


class Side(StrEnum):
    """Whom a letter is for, or who complained."""

    CLAIMANT = "claimant"
    UPLOADER = "uploader"
    OPERATOR = "operator"


class Restoration(StrEnum):
    """Why material is back; counter_notice: one came, and no court action in time."""

    COUNTER_NOTICE = "counter_notice"
    COURT_ACTION_ENDED = "court_action_ended"
    COMPLAINT_GRANTED = "complaint_granted"
    DISPUTE_BODY = "dispute_body"
    RETRACTED = "retracted"
    REJECTED_ABUSE = "rejected_abuse"


def _quotation() -> Any:
    """A field whose lines are kept, for it is quoted; every other text is one line."""
    return field(default=None, metadata={"quoted": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who runs the service, and where to reach them. `email`: where mail is read; None where a reply arrives."""

    name: str
    url: str
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Addresses of the programming interface, for who writes programs; a person writes to the operator.

    `access_token` is the recipient's own: it opens the notice without an account.
    """

    notice: str
    counter_notice: str | None = None
    complaint: str | None = None
    access_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The code that shows that an address is its holder's."""

    code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingItem:
    """What to supply, and where the law or the policy asks for it."""

    what_to_supply: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision on a notice, and what it rests on.

    Args:
        reason: its title, or nothing; `code` is what the title is kept under, and no letter prints it.
        words: what the reviewer says of it.
        automated_detection: whether automated means found the material.
        automated_decision: whether automated means were used in deciding; else a person decided, whom software that
            looked at the form of the notice pointed things out to.
        fair_use_considered: None where nobody said so.
        law: the legal ground, or the clause of the terms; `explanation` says why it applies.
        territory: where the restriction holds; None for everywhere.
        until: its last day; None for a restriction without a term.
    """

    reason: str
    code: str = ""
    words: str | None = _quotation()
    automated_detection: bool = False
    automated_decision: bool = False
    fair_use_considered: bool | None = None
    law: str | None = None
    explanation: str | None = _quotation()
    territory: str | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One date. `statutory`: whether the law sets it, and not the operator."""

    title: str
    day: date
    basis: str
    statutory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterNotice:
    """A counter-notice as it was sent: the claimant gets a copy (17 U.S.C. 512(g)(2)(B))."""

    received_on: date
    name: str
    address: str
    telephone: str
    signature: str
    material: tuple[str, ...]
    former_locations: tuple[str, ...]
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """A complaint about a decision. `granted` is None until it is decided; why: `reason`, a title, and `words`."""

    by: Side
    received_on: date
    text: str | None = _quotation()
    granted: bool | None = None
    reason: str | None = None
    words: str | None = _quotation()


@dataclass(frozen=True, slots=True, kw_only=True)
class Strikes:
    """How many strikes count now, from how many on a suspension is considered, and when the latest stops counting."""

    count: int
    threshold: int
    expires_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """A date that needs a person. `left` is negative once it has passed."""

    title: str
    day: date
    left: timedelta

    @property
    def passed(self) -> bool:
        return self.left <= timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFacts:
    """All that a letter may say. What it does not need is None or empty.

    Texts that the service itself words (titles, what to supply) come in the letter's language.

    Args:
        track: one of `letters.TRACKS_OF`; `statute` is what it rests on.
        recipient: which side the letter goes to.
        work: the work, or what is depicted, in the claimant's words; not told to the uploader of a person's likeness.
        claimant_name: told to the uploader on dmca_512; on dsa_16 only if `identity_necessary` (art. 17(3)(b)).
        missing: nothing where the paper in question is complete.
        decision: in a letter about a restoration, that of the person who decided it; None where nobody here did.
    """

    notice_id: str
    track: str
    track_title: str
    statute: str
    filed_on: date
    operator: Operator
    links: Links
    recipient: Side
    recipient_name: str
    claimant_name: str | None = None
    identity_necessary: bool = False
    work: str | None = None
    material: tuple[str, ...] = ()
    confirmation: Confirmation | None = None
    missing: tuple[MissingItem, ...] = ()
    decision: Decision | None = None
    deadlines: tuple[Due, ...] = ()
    counter: CounterNotice | None = None
    restoration: Restoration | None = None
    complaint: Complaint | None = None
    strikes: Strikes | None = None
    suspended_until: date | None = None
    escalation: Escalation | None = None
