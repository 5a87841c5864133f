"""Reach: of thousands of words on places, those that hold wherever a place lies, or may.

As `registry.locations` reads places. A word reaches a place when its own covers that one; and, since paths with `*` are
not compared in full, when some path may lie in both and that one does not cover its own. Trying each word for each
place would take minutes for what one file may say: they are found by how their paths begin. What is said by the
words, and when and where in the world it holds, is not decided here.
"""

import itertools
import re
from collections.abc import Iterable, Iterator

from registry.locations import host_of, path_covers, path_of
from registry.prefixes import Prefixes

# So many paths that begin alike are compared for one place, and fewer where there are more stars in them. What is not
# compared is taken to reach it: some path may lie in both.
MOST_COMPARED = 200
_IDLE_STARS = re.compile(r"\*+")


class Reaching[Word]:
    """Words by the places that they are about; None is everywhere."""

    def __init__(self, words: Iterable[tuple[str | None, Word]]) -> None:
        self._everywhere: list[Word] = []
        hosts: dict[str, dict[str, list[Word]]] = {}
        for location, word in words:
            if location is None:
                self._everywhere.append(word)
            else:
                hosts.setdefault(host_of(location), {}).setdefault(_path(location), []).append(word)
        self._hosts = {
            host: Prefixes((_begin(path), (path, said)) for path, said in paths.items())
            for host, paths in hosts.items()
        }

    def to(self, location: str | None) -> Iterator[Word]:
        """The words that reach a place."""
        yield from self._everywhere
        if location is not None and (there := self._hosts.get(host_of(location))):
            here = _path(location)
            begin = _begin(here)
            alike: list[tuple[str, list[Word]]] = []
            for path, words in there.beginning(begin):
                if path == begin or _begin(path) != begin:
                    yield from words
                else:
                    alike.append((path, words))
            if here != begin:  # else what goes on with a star is narrower
                yield from _compared(here, itertools.chain(alike, there.continuing(begin)))


def _compared[Word](here: str, alike: Iterable[tuple[str, list[Word]]]) -> Iterator[Word]:
    """The words that reach a place with a star, of those whose paths begin as its own does."""
    left = MOST_COMPARED
    for there, words in alike:
        left -= 1 + here.count("*") + there.count("*")
        if left < 0 or path_covers(there, here) or not path_covers(here, there):
            yield from words


def _path(location: str) -> str:
    """The path of a location without stars that change nothing."""
    return _IDLE_STARS.sub("*", path_of(location)).removesuffix("*")


def _begin(path: str) -> str:
    return path.partition("*")[0]
