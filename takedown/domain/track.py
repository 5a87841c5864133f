"""What a track of law is made of: the shape of the data that `courses` and `tracks` fill in."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from takedown.domain.completeness import CounterContent, Element, NoticeContent, Statement, made_by
from takedown.domain.deadlines import Terms
from takedown.domain.states import Actor, Event, Transitions


class TrackName(StrEnum):
    """Stored: values are never renamed."""

    DMCA_512 = "dmca_512"
    DSA_16 = "dsa_16"
    TAKE_IT_DOWN = "take_it_down"
    LIKENESS = "likeness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One entry of a list that a reviewer chooses from; their own words stand beside it.

    Attributes:
        law: what it rests on, where a reviewer names nothing else; None: the statute of the track.
    """

    code: str
    title: str
    law: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Which letter an event gives rise to (`takedown.letters` has it), and to whom."""

    name: str
    to: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One track of law.

    Attributes:
        elements, counter_elements: in the law's order; a track without counter-notices has none.
        transitions, terms: the course, and what is pending in each of its states.
        letters: by event; one that the system brings about and one of a person's are written alike.
        reasons: for each decision, what a reviewer chooses from; the first is what most are for.
        finds_identical_copies: whether other releases that show the same are disabled with the one that is named.
        is_put_back_by_reviewer: whether a retraction does not put material back by itself: somebody may have been made
            to retract.
        is_suspendable: whether notices of a claimant who misuses them may be left lying (DSA art. 23(2)).
    """

    name: TrackName
    title: str
    statute: str
    elements: tuple[Element, ...]
    statements: tuple[Statement, ...]
    counter_elements: tuple[Element, ...] = ()
    counter_statements: tuple[Statement, ...] = ()
    transitions: Transitions
    terms: Terms
    letters: Mapping[Event, tuple[Letter, ...]]
    reasons: Mapping[Event, tuple[Reason, ...]]
    finds_identical_copies: bool = False
    is_put_back_by_reviewer: bool = False
    is_suspendable: bool = True

    def statements_in(self, content: NoticeContent | CounterContent) -> tuple[Statement, ...]:
        """What a party subscribed to with these papers."""
        is_counter = isinstance(content, CounterContent)
        return made_by(self.counter_statements if is_counter else self.statements, content)
