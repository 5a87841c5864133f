"""A notice's row as the domain sees it: its track, its papers and what they lack, its history, its statements."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from registry.errors import Invalid
from registry.models import Notice, NoticeStatement
from takedown.domain.completeness import Assessment, CounterContent, NoticeContent, assess
from takedown.domain.states import ACTOR, COMPLAINANT, DOWN, Actor, Event, State, events_from
from takedown.domain.track import Track, TrackName
from takedown.domain.tracks import TRACKS


def track_of(notice: Notice) -> Track:
    return TRACKS[TrackName(notice.track)]


def content_of(notice: Notice) -> NoticeContent:
    return NoticeContent(**_tuples(notice.content))


def assessment_of(notice: Notice) -> Assessment:
    """What the notice still lacks, or the counter-notice once there is one."""
    track = track_of(notice)
    if notice.counter is not None and notice.state == State.COUNTER_RECEIVED:
        return assess(track.counter_elements, CounterContent(**_tuples(notice.counter)))
    return assess(track.elements, content_of(notice))


def possible_events(notice: Notice) -> tuple[Event, ...]:
    return events_from(track_of(notice).transitions, State(notice.state))


def events_for(notice: Notice, roles: frozenset[Actor]) -> tuple[Event, ...]:
    """What somebody in these parts may bring about now, unless a date forbids it."""
    return tuple(one for one in possible_events(notice) if roles & _whose(notice, one))


def _whose(notice: Notice, event: Event) -> frozenset[Actor]:
    if event is Event.COMPLAIN:
        return frozenset({COMPLAINANT[State(notice.state)], Actor.REVIEWER})
    if event is Event.RETRACT and track_of(notice).is_put_back_by_reviewer and is_down(notice):
        return frozenset({Actor.REVIEWER})
    return ACTOR[event]


def history_of(notice: Notice) -> list[tuple[State, datetime]]:
    """The states that it was in, with the time each was entered."""
    return [(State(event.state), event.at) for event in notice.events]


def is_down(notice: Notice) -> bool:
    """Whether what it took down is down."""
    return notice.state in DOWN


def subscribe(
    notice: Notice, content: NoticeContent | CounterContent, party: Actor, address: str | None, *, at: datetime
) -> None:
    """Keep the words that a party subscribed to with these papers, once each."""
    made = {(one.party, one.name, one.version) for one in notice.statements}
    for statement in track_of(notice).statements_in(content):
        if (party.value, statement.name, statement.version) not in made:
            notice.statements.append(
                NoticeStatement(
                    position=len(notice.statements), party=party.value, name=statement.name,
                    version=statement.version, text=statement.text, address=address, accepted_at=at,
                )
            )  # fmt: skip


def require_missing(said: Mapping[str, Any], supplied: Mapping[str, Any]) -> None:
    """What was said stays: only what was not can be supplied. Raises: Invalid."""
    for name, value in supplied.items():
        if said.get(name) and value != said[name]:
            problem = "It was said already, and differs. File another notice to say it otherwise."
            raise Invalid(field=f"supplied.{name}", problem=problem)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
