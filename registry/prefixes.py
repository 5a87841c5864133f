"""Texts by how they begin: of thousands, those that a text begins with, without trying each."""

import bisect
from collections.abc import Iterable, Iterator


class Prefixes[Thing]:
    """Things under texts; several may be under one."""

    def __init__(self, things: Iterable[tuple[str, Thing]]) -> None:
        under: dict[str, list[Thing]] = {}
        for text, thing in things:
            under.setdefault(text, []).append(thing)
        self._texts = sorted(under)
        self._things = [under[text] for text in self._texts]
        # For each, the longest of the others that it begins with: among sorted texts one of the open ones before it.
        self._above: list[int | None] = []
        nearest: int | None = None
        for place, text in enumerate(self._texts):
            while nearest is not None and not text.startswith(self._texts[nearest]):
                nearest = self._above[nearest]
            self._above.append(nearest)
            nearest = place

    def beginning(self, text: str) -> Iterator[Thing]:
        """What is under the texts that `text` begins with, itself among them; the longest first."""
        # What it begins with is before it, and the last one before it begins with that too.
        place: int | None = bisect.bisect_right(self._texts, text) - 1
        if place == -1:
            return
        while place is not None and not text.startswith(self._texts[place]):
            place = self._above[place]
        while place is not None:
            yield from self._things[place]
            place = self._above[place]

    def continuing(self, text: str) -> Iterator[Thing]:
        """What is under the texts that go on from `text`, itself not among them."""
        for place in range(bisect.bisect_right(self._texts, text), len(self._texts)):
            if not self._texts[place].startswith(text):
                return
            yield from self._things[place]
