"""Content-Signal: Cloudflare's Content Signals Policy (contentsignals.org), in robots.txt and as a header.

A line has members `key=yes` or `key=no`, separated by commas; the keys are `search`, `ai-input` and `ai-train`.
What is not said is neither granted nor restricted. The policy has no grammar: members are told apart at commas,
letters may be large or small, blanks do not matter, and a member that cannot be read spoils no other. A rule may begin
with a path, as those of robots.txt do; without one it is about the whole site. `ai-train` is training of any kind.
"""

from collections.abc import Iterable
from typing import Final

from registry.domain.preferences import Use
from registry.formats import signals
from registry.formats.signals import Language, Signals, counted
from registry.formats.statements import Reading, Statement, Written

FIELD: Final = "Content-Signal"
_WORDS: Final = {"search": Use.SEARCH, "ai-input": Use.INPUT, "ai-train": Use.TRAIN}


def read_header(*lines: str) -> Reading:
    """What the Content-Signal headers of one response, each as one line, say of its content. Raises: FormatError."""
    return signals.read_header(_LANGUAGE, lines)


def read_robots(data: bytes) -> Reading:
    """What the Content-Signal rules of a robots.txt say to every crawler. Raises: FormatError."""
    return signals.read_robots(_LANGUAGE, data)


def write_header(statements: Iterable[Statement]) -> Written:
    """The value of a Content-Signal header."""
    return signals.write_header(_LANGUAGE, statements)


def write_robots(statements: Iterable[Statement]) -> Written:
    """Content-Signal rules in a group of robots.txt. Raises: FormatError."""
    return signals.write_robots(_LANGUAGE, statements)


def _parse(value: bytes) -> Signals:
    members = (member.partition("=") for member in value.decode(errors="replace").lower().split(","))
    pairs = [(key.strip(), said.strip()) for key, _, said in members]
    return counted((pair for pair in pairs if any(pair)), _WORDS, yes="yes", no="no")


_LANGUAGE: Final = Language(
    field=FIELD, parse=_parse, words={use: (word,) for word, use in _WORDS.items()}, yes="yes", no="no"
)
