"""Letters: what the parties to a notice, and the operator, are told, as plain text and as HTML.

Decides the words, in each language that has a folder in `templates`, and that what somebody wrote stays what it is:
one plain line, or a quotation. It does not decide who is written to nor when, sends nothing, and knows neither clock
nor database: a letter says what its facts say (`letter_facts`), and a date that they don't give is not in it.

One source a letter and language makes the subject, the text and the HTML: it extends the layout it is given, and
writes with the macros of that format. What the service itself words elsewhere in a letter (the title of a track, what
is still to be supplied) is in the language's `words.json`. A source that changes takes a new version
(`templates/versions.json`).
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
from jinja2.runtime import Context

from registry.domain.names import one_line
from takedown.errors import NaiveDatetime
from takedown.letter_facts import LetterFacts

TEMPLATES: Final = Path(__file__).with_name("templates")
FALLBACK: Final = "en"
LANGUAGES: Final = tuple(sorted(folder.name for folder in TEMPLATES.iterdir() if folder.is_dir()))

_COLUMNS: Final = 78  # RFC 5322, 2.1.1
_SUBJECT_CHARS: Final = 200
# Long enough for any address of a page; what is longer is no name and no address.
_LINE_CHARS: Final = 2000
_VERSION: Final = re.compile(r"\{# version: ([0-9]+) #\}\n")
_DATA: Final = ("calendar", "words")


class LetterName(StrEnum):
    """A letter. Values are the names of the sources; stored, never renamed."""

    CONFIRM_ADDRESS = "confirm_address"
    NOTICE_RECEIVED = "notice_received"
    CURE_REQUESTED = "cure_requested"
    NOTICE_DEFECTIVE = "notice_defective"
    DISABLED_CLAIMANT = "disabled_claimant"
    DISABLED_UPLOADER = "disabled_uploader"
    DECLINED_CLAIMANT = "declined_claimant"
    COUNTER_INCOMPLETE = "counter_incomplete"
    COUNTER_RECEIVED = "counter_received"
    COUNTER_FORWARDED = "counter_forwarded"
    HELD_UPLOADER = "held_uploader"
    RESTORED_CLAIMANT = "restored_claimant"
    RESTORED_UPLOADER = "restored_uploader"
    RETRACTED_CLAIMANT = "retracted_claimant"
    REJECTED_ABUSE = "rejected_abuse"
    COMPLAINT_RECEIVED = "complaint_received"
    COMPLAINT_DECIDED = "complaint_decided"
    STRIKE_GIVEN = "strike_given"
    MISUSE_WARNING = "misuse_warning"
    SUSPENDED = "suspended"
    ESCALATION = "escalation"
    IDENTICAL_COPY_UPLOADER = "identical_copy_uploader"


_ALL_TRACKS: Final = ("dmca_512", "dsa_16", "take_it_down", "likeness")
# The counter-notice is the answer that 17 U.S.C. 512(g) gives an uploader; on the other tracks they complain.
TRACKS_OF: Final[Mapping[LetterName, tuple[str, ...]]] = dict.fromkeys(LetterName, _ALL_TRACKS) | {
    LetterName.COUNTER_INCOMPLETE: ("dmca_512",),
    LetterName.COUNTER_RECEIVED: ("dmca_512",),
    LetterName.COUNTER_FORWARDED: ("dmca_512",),
    LetterName.HELD_UPLOADER: ("dmca_512",),
    LetterName.IDENTICAL_COPY_UPLOADER: ("take_it_down",),
}
"""On which tracks a letter can be sent; its text is right for these alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A letter ready to send. `version` is its source's, in `language`; `subject` is one line."""

    name: LetterName
    language: str
    version: int
    subject: str
    text: str
    html: str


def render(name: LetterName, facts: LetterFacts, *, language: str = FALLBACK) -> Rendered:
    """Write a letter.

    Args:
        language: a tag such as "id" or "id-ID"; a language without letters falls back to English.
    Raises:
        ValueError: the letter does not occur on this track, or the facts lack what it says.
        NaiveDatetime: a time names no zone.
    """
    if facts.track not in TRACKS_OF[name]:
        raise ValueError(f"there is no letter {name} on track {facts.track!r}")
    language = _known(language)
    plain = _plain(facts)
    said = {fact.name: getattr(plain, fact.name) for fact in fields(plain)} | {"language": language}

    def written(layout: str) -> str:
        source = _environment(html=layout == "html").get_template(f"{language}/{name}.j2")
        try:
            return source.render(said, layout=f"layout.{layout}.j2")
        except jinja2.UndefinedError as error:
            raise ValueError(f"letter {name} lacks a fact: {error.message}") from error

    return Rendered(
        name=name,
        language=language,
        version=version_of(name, language),
        subject=one_line(written("subject"), max_chars=_SUBJECT_CHARS),
        text=re.sub(r"\n{3,}", "\n\n", written("txt")).strip() + "\n",
        html=written("html").strip() + "\n",
    )


def worded(language: str, key: str, default: str | None = None) -> str:
    """What the service itself words, in a letter's language.

    Args:
        key: what it is and its name, such as "track.dsa_16", "reason.other", "counter_element.dmca_512.signature".
        default: the domain's own English, for a language that has no entry.
    Raises:
        KeyError: the language has no entry, and there is no default.
    """
    words: dict[str, str] = _data(_known(language), "words")["words"]
    said = words.get(key, default)
    if said is None:
        raise KeyError(key)
    return said


def version_of(name: LetterName, language: str) -> int:
    """The version that a letter's source says it has."""
    return _version_in(TEMPLATES / _known(language) / f"{name}.j2")


def sources() -> Iterator[tuple[str, int, bytes]]:
    """Every source that letters are made of: its key in `versions.json`, its version, its bytes."""
    for path in sorted(TEMPLATES.rglob("*.j2")):
        yield path.relative_to(TEMPLATES).as_posix().removesuffix(".j2"), _version_in(path), path.read_bytes()
    for language in LANGUAGES:
        for name in _DATA:
            path = TEMPLATES / language / f"{name}.json"
            yield f"{language}/{name}", json.loads(path.read_bytes())["version"], path.read_bytes()


def _version_in(path: Path) -> int:
    stated = _VERSION.match(path.read_text(encoding="utf-8"))
    if stated is None:
        raise ValueError(f"{path} states no version")
    return int(stated[1])


def _known(language: str) -> str:
    primary = language.partition("-")[0].lower()
    return primary if primary in LANGUAGES else FALLBACK


def _plain(value: Any, *, quoted: bool = False) -> Any:
    """The same facts, every text of them one line, or plain lines where it is quoted.

    Done to the facts and not in the sources: there a filter is forgotten once.
    """
    if isinstance(value, str):
        return "\n".join(_lines(value)) if quoted else one_line(value, max_chars=_LINE_CHARS)
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _plain(getattr(value, f.name), quoted=f.metadata.get("quoted", False)) for f in fields(value)}
        return replace(value, **parts)
    return value


def _lines(text: str) -> list[str]:
    """The lines of a quotation that hold something, each plain; nothing is cut off."""
    lines = (one_line(line, max_chars=len(line) + 1) for line in text.splitlines())
    return [line for line in lines if line]


@cache
def _environment(*, html: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=html,  # noqa: S701  the other is plain text
        undefined=jinja2.StrictUndefined,
        finalize=_given,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["parts"] = "parts.html.j2" if html else "parts.txt.j2"
    environment.filters |= {"filled": _filled, "dense": _dense, "lines": _lines, "day": _day, "moment": _moment}
    environment.filters["span"] = _span
    return environment


def _given(value: Any) -> Any:
    """What a source prints must be there: None would be printed as a word."""
    if value is None:
        raise jinja2.UndefinedError("a value that is printed is None")
    return value


def _filled(text: str, first: str = "", rest: str = "") -> str:
    """A paragraph in lines of text, addresses unbroken; `first` begins its first line, `rest` the others."""
    return textwrap.fill(
        " ".join(text.split()),
        width=_COLUMNS,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _dense(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.strip())


@cache
def _data(language: str, name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((TEMPLATES / language / f"{name}.json").read_bytes())
    return data


def _calendar(language: str) -> dict[str, Any]:
    """How a language writes dates: data, for the names that the process knows are its locale's."""
    return _data(language, "calendar")


@jinja2.pass_context
def _day(context: Context, value: date) -> str:
    calendar = _calendar(context["language"])
    return str(calendar["day"].format(day=value.day, month=calendar["months"][value.month - 1], year=value.year))


@jinja2.pass_context
def _moment(context: Context, value: datetime) -> str:
    """A time of day on its day, with its zone: without one it is an hour of nowhere."""
    if value.utcoffset() is None:
        raise NaiveDatetime(at=value)
    return str(_calendar(context["language"])["moment"].format(day=_day(context, value), at=value))


@jinja2.pass_context
def _span(context: Context, value: timedelta) -> str:
    """How long, past or to come: days and hours, minutes where it is less than an hour."""
    minutes = int(abs(value).total_seconds()) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    counted = [("day", days), ("hour", hours)] if minutes >= 60 else [("minute", minutes)]
    units = _calendar(context["language"])["units"]
    return " ".join(f"{n} {units[unit][n != 1]}" for unit, n in counted if n or unit == "minute")
