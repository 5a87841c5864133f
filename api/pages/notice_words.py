"""What notices are called: the stored names of tracks, states, dates, reasons and elements in the visitor's words.

They are the words of the letters (`takedown.letters.worded`), so that a page and a letter say the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.pages.page import Page
from api.pages.words import words_of
from takedown.domain.completeness import Element, Statement
from takedown.domain.states import Event
from takedown.domain.track import Track, TrackName
from takedown.domain.tracks import TRACKS
from takedown.letters import worded


@dataclass(frozen=True, slots=True)
class NoticeWords:
    """Of one language."""

    language: str

    @classmethod
    def of(cls, page: Page) -> "NoticeWords":
        return cls(page.visit.language)

    def track(self, name: str) -> str:
        return worded(self.language, f"track.{name}", _track(name).title)

    def state(self, name: str) -> str:
        return worded(self.language, f"state.{name}")

    def due(self, name: str) -> str:
        return worded(self.language, f"deadline.{name}")

    def day(self, day: str) -> str:
        """A local day of the operator's, as deadlines have it."""
        return words_of(self.language).day(datetime.fromisoformat(day))

    def elements(self, track: str, *, counter: bool = False) -> Sequence[Element]:
        """All that the law asks for, in its order."""
        return _track(track).counter_elements if counter else _track(track).elements

    def statements(self, track: str, *, counter: bool = False) -> Sequence[Statement]:
        """What is subscribed to; the words are the law's, in English."""
        return _track(track).counter_statements if counter else _track(track).statements

    def supply(self, track: str, name: str, *, counter: bool = False) -> str:
        """What is to be supplied for an element."""
        found = next(one for one in self.elements(track, counter=counter) if one.name == name)
        paper = "counter_element" if counter else "element"
        return worded(self.language, f"{paper}.{track}.{name}", found.what_to_supply)

    def reasons(self, track: str, event: str) -> list[tuple[str, str]]:
        """What a reviewer chooses from for a decision: codes and titles."""
        listed = _track(track).reasons.get(Event(event), ())
        return [(one.code, worded(self.language, f"reason.{one.code}", one.title)) for one in listed]

    def reason(self, track: str, code: str | None) -> str | None:
        """The title of a reason that somebody chose."""
        listed = _track(track).reasons.values()
        title = next((one.title for reasons in listed for one in reasons if one.code == code), None)
        return worded(self.language, f"reason.{code}", title) if title else None

    def titled(self, track: str, title: str) -> str:
        """A reason that is known by its English title alone, as public copies have it."""
        listed = (one for reasons in _track(track).reasons.values() for one in reasons)
        return next((worded(self.language, f"reason.{one.code}", title) for one in listed if one.title == title), title)


def _track(name: str) -> Track:
    return TRACKS[TrackName(name)]
