"""Content-Usage: preferences of the IETF working group AIPREF, as a header and as a rule of robots.txt.

A line is an RFC 9651 dictionary whose keys are uses and whose values are the tokens `y` and `n`. Based on
draft-ietf-aipref-vocab-08 and draft-ietf-aipref-attach-05, both still without consensus. Where they leave room or
change, we decide:

* `train-ai` is generative training, as the vocabulary has it since the categories stopped nesting. `train-genai` was
  an older draft's word for just that and is read. Their words for all automated processing (`tdm`, `all`, `bots`)
  reached further than any use of ours; they are gone from the drafts and are ignored with a remark.
* `ai-use` is the draft's word for input. `ai-input` is what others call the same and is read as well; both are
  written, since a key that a reader does not know is ignored, and with it the reservation.
* Any `n` wins, also where a dictionary repeats a key and would keep only the last value.
* A line that is no dictionary says nothing that we know; a `y` on another line then does not count.
* Parameters change nothing: what they qualify is not defined.
* A rule without a path, as in earlier drafts, is about the whole site; we write the path.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import http_sf

from registry.domain.preferences import Use
from registry.formats import signals
from registry.formats.signals import Language, Signals, counted
from registry.formats.sources import shown
from registry.formats.statements import Reading, Statement, Written

FIELD: Final = "Content-Usage"
_WORDS: Final = {
    "train-ai": Use.TRAIN_GENERATIVE,
    "train-genai": Use.TRAIN_GENERATIVE,
    "ai-use": Use.INPUT,
    "ai-input": Use.INPUT,
    "search": Use.SEARCH,
}
# In a dictionary that can be read, a comma stands between members or in a string.
_MEMBER: Final = re.compile(rb'(?:"(?:[^"\\]|\\.)*"|[^",])+')


def read_header(*lines: str) -> Reading:
    """What the Content-Usage headers of one response, each as one line, say of its content. Raises: FormatError."""
    return signals.read_header(_LANGUAGE, lines)


def read_robots(data: bytes) -> Reading:
    """What the Content-Usage rules of a robots.txt say to every crawler. Raises: FormatError."""
    return signals.read_robots(_LANGUAGE, data)


def write_header(statements: Iterable[Statement]) -> Written:
    """The value of a Content-Usage header."""
    return signals.write_header(_LANGUAGE, statements)


def write_robots(statements: Iterable[Statement]) -> Written:
    """Content-Usage rules in a group of robots.txt. Raises: FormatError."""
    return signals.write_robots(_LANGUAGE, statements)


def _parse(value: bytes) -> Signals:
    try:
        http_sf.parse(value, tltype="dictionary")
        members = [_member(member) for member in map(bytes.strip, _MEMBER.findall(value)) if member]
    except (ValueError, OverflowError):
        return _LANGUAGE.unread(f"{shown(value)} is no dictionary of RFC 9651; nothing is known from it.")
    read = counted(((key, said) for key, said, _ in members), _WORDS, yes="y", no="n")
    qualified = tuple(f"The parameters of {shown(key)} are ignored." for key, _, parameters in members if parameters)
    return replace(read, problems=read.problems + qualified)


def _member(member: bytes) -> tuple[str, str | None, bool]:
    """A key, its value where that is a token, and whether it has parameters.

    Read by itself, since of several members with one key http-sf keeps only the last.
    """
    parsed = http_sf.parse(member, tltype="dictionary")
    assert isinstance(parsed, dict)
    [(key, item)] = parsed.items()
    value, parameters = item if isinstance(item, tuple) else (item, {})
    return key, str(value) if isinstance(value, http_sf.Token) else None, bool(parameters)


_LANGUAGE: Final = Language(
    field=FIELD,
    parse=_parse,
    words={Use.TRAIN_GENERATIVE: ("train-ai",), Use.INPUT: ("ai-input", "ai-use"), Use.SEARCH: ("search",)},
    yes="y",
    no="n",
    whole_site="/ ",
)
