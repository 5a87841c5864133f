"""Which letters follow from what happened: of a step, of strikes that count, of a warning or a suspension.

Decides what is written and to which side; `correspondence` knows who that is and writes it.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from registry import endpoints
from registry.models import MisuseDecision, Notice
from registry.suspensions import Measure, Side
from takedown import misuse
from takedown.correspondence import Case, Correspondence, makers
from takedown.domain.states import Event, State
from takedown.letter_facts import Side as Party
from takedown.letters import LetterName

_ABOUT = {Measure.WARN: LetterName.MISUSE_WARNING, Measure.SUSPEND: LetterName.SUSPENDED}


def of_step(
    letters: Correspondence, session: Session, case: Case, event: Event, *, was_down: bool, at: datetime
) -> None:
    """Write what the track says of a step.

    Args:
        was_down: whether the material was, before it: who was never told of a notice is not told that it ended.
    """
    for letter in case.track.letters.get(event, ()):
        side = Party(letter.to.value)
        if side is Party.UPLOADER and not was_down:
            continue
        if event is Event.FIND_VALID and any(one.event == Event.REINSTATE for one in case.notice.events):
            continue  # they know that we have it
        if event is Event.COMPLAIN and side is not _complainant(case.notice):
            continue
        strikes = None
        if letter.name == LetterName.REJECTED_ABUSE and case.notice.holder_id is not None:
            strikes = letters.strikes(misuse.strikes_of(session, case.notice.holder_id, Side.CLAIMANT, at=at))
        letters.write(session, case, LetterName(letter.name), side, at=at, strikes=strikes)


def of_strikes(letters: Correspondence, session: Session, case: Case, holders: Iterable[str], *, at: datetime) -> None:
    """Tell who made the material that this counts, and how long."""
    for holder_id in sorted(holders):
        strikes = letters.strikes(misuse.strikes_of(session, holder_id, Side.UPLOADER, at=at))
        people = letters.people_of(session, holder_id, "en")
        letters.write_to_people(session, case, LetterName.STRIKE_GIVEN, Party.UPLOADER, people, at=at, strikes=strikes)


def of_misuse(letters: Correspondence, session: Session, case: Case, decided: MisuseDecision, *, at: datetime) -> None:
    """Tell somebody that they are warned, or suspended; `case` is of the last notice that counts against them."""
    name, side = _ABOUT.get(Measure(decided.decision)), Side(decided.side)
    if name is None:
        return
    people = letters.people_of(session, decided.holder_id, case.notice.language)
    counted = misuse.strikes_of(session, decided.holder_id, side, at=at)
    ends = letters.calendar.local_day(decided.until) if decided.until else None
    letters.write_to_people(
        session, case, name, Party(side.value), people, at=at, strikes=letters.strikes(counted), suspended_until=ends
    )


def reaches_uploader(letters: Correspondence, session: Session, notice: Notice) -> bool:
    """Whether who uploaded the material hears of it, by a webhook or a letter."""
    named = makers(session, notice, named_only=True)
    hears = any(endpoints.active(session, holder_id) is not None for holder_id in named)
    return hears or bool(letters.recipients(session, notice, Party.UPLOADER))


def _complainant(notice: Notice) -> Party:
    return Party.UPLOADER if notice.state == State.UPLOADER_COMPLAINT else Party.CLAIMANT
