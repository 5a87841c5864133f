"""A notice in the form that the Lumen database takes, made from its public copy alone.

Decides which of Lumen's types a notice is, and how its public, redacted copy goes into Lumen's fields. It does not
redact, and never sees the original: a name that was not published is "[redacted]". Nor does it send anything: the
operator's token goes beside what is made here, in the header X-Authentication-Token.

A request under the TAKE IT DOWN Act is never exported, not even redacted: its address would lead on to an intimate
depiction of a person, and its being there tells of one.

Source: Lumen's API documentation, "Create notice" (github.com/berkmancenter/lumendatabase, wiki and the controller
of notices), read in November 2026 from archived copies. Fields beyond those named there Lumen drops without a word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from takedown.domain.statement_of_reasons import personal_data
from takedown.domain.track import TrackName
from takedown.errors import TakedownError

REDACTED: Final = "[redacted]"
MAX_TITLE_CHARS: Final = 255  # of a title, and of the other short fields, in Lumen's tables

_FIRST_DAY: Final = date(1998, 10, 29)  # Lumen takes no day before the DMCA became law
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_LANGUAGE: Final = re.compile(r"[a-z]{2}")
# "Right of Publicity" is the topic under which Lumen files PrivateInformation; it has no type for the DSA.
_TYPE_OF_TRACK: Final[dict[str, str]] = {
    TrackName.DMCA_512: "DMCA",
    TrackName.DSA_16: "Other",
    TrackName.LIKENESS: "PrivateInformation",
}


class NeverExported(TakedownError):
    """Notices of this track do not leave the service."""

    def __init__(self, *, track: str) -> None:
        self.track = track
        super().__init__(f"notices of the track {track} are never exported to Lumen")


class NotExportable(TakedownError):
    """Lumen would not take the notice as it stands, or must not."""

    def __init__(self, *, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class Action(StrEnum):
    """What was done on a notice, in Lumen's words."""

    YES = "Yes"
    NO = "No"
    PARTIAL = "Partial"
    UNSPECIFIED = "Unspecified"


class PartyKind(StrEnum):
    """What a party is, in Lumen's words."""

    INDIVIDUAL = "individual"
    ORGANIZATION = "organization"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicParty:
    """A party as the public copy shows it.

    Attributes:
        name: None when it was not published.
        country: ISO 3166-1 alpha-2; None when it was not said.
    """

    name: str | None
    kind: PartyKind
    country: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicWork:
    """A work said to be infringed, where it is lawfully, and where the material is.

    Attributes:
        kind: "movie", "music", "image", "book", "software"; None leaves it to Lumen, which guesses.
    """

    description: str
    kind: str | None = None
    copyrighted_urls: tuple[str, ...] = ()
    infringing_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicNotice:
    """The public, redacted copy of a notice, or of the counter-notice to one.

    Attributes:
        answers: of a counter-notice, the number that Lumen gave to the notice it answers, if it has it.
        sender: who wrote it: the claimant or an agent; of a counter-notice, the uploader.
        principal: on whose behalf, when that is somebody else.
        operator: who received it, and submits it to Lumen.
        language: ISO 639-1, of what was written; None when it is not known.
        jurisdictions: ISO 3166-1 alpha-2 codes.
        source: how it came: "Online form", "Post".
    """

    track: str
    is_counter_notice: bool = False
    answers: int | None = None
    title: str
    subject: str | None = None
    body: str | None = None
    sent_on: date | None = None
    received_on: date
    action: Action = Action.UNSPECIFIED
    language: str | None = None
    jurisdictions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    source: str | None = None
    works: tuple[PublicWork, ...]
    sender: PublicParty
    principal: PublicParty | None = None
    operator: PublicParty


def lumen_notice(public: PublicNotice) -> dict[str, object]:
    """The body of a request that creates the notice at Lumen, ready to send as JSON.

    Raises:
        NeverExported: a notice of a track that stays with the operator: `take_it_down`, and any that is not known.
        NotExportable: something that Lumen needs is missing, or the copy still shows a way to reach a person.
    """
    if public.track not in _TYPE_OF_TRACK:
        raise NeverExported(track=public.track)
    if found := tuple(_problems(public)):
        raise NotExportable(problems=found)
    fields = {
        "type": "Counternotice" if public.is_counter_notice else _TYPE_OF_TRACK[public.track],
        "counternotice_for_id": public.answers if public.is_counter_notice else None,
        "title": _short(public.title),
        "subject": _short(public.subject),
        "body": public.body,
        "date_sent": public.sent_on.isoformat() if public.sent_on else None,
        "date_received": public.received_on.isoformat(),
        "action_taken": public.action.value,
        "language": public.language,
        # Lumen reads lists of words as one text with commas, and drops what comes as a JSON list.
        "jurisdiction_list": ", ".join(public.jurisdictions) or None,
        "tag_list": ", ".join(public.tags) or None,
        "source": _short(public.source),
        "works_attributes": [_work(work) for work in public.works],
        "entity_notice_roles_attributes": [
            {"name": role, "entity_attributes": _entity(party)} for role, party in _roles(public)
        ],
    }
    return {"notice": {name: value for name, value in fields.items() if value is not None}}


def _roles(public: PublicNotice) -> Iterator[tuple[str, PublicParty]]:
    yield "sender", public.sender
    if public.principal is not None:
        yield "principal", public.principal
    yield "recipient", public.operator
    yield "submitter", public.operator


def _entity(party: PublicParty) -> dict[str, str]:
    entity = {"name": _short(party.name) or REDACTED, "kind": party.kind.value}
    return entity if party.country is None else {**entity, "country_code": party.country}


def _work(work: PublicWork) -> dict[str, object]:
    fields: dict[str, object] = {"description": work.description}
    if work.kind is not None:
        fields["kind"] = work.kind
    for name, urls in (("copyrighted", work.copyrighted_urls), ("infringing", work.infringing_urls)):
        if urls:
            fields[f"{name}_urls_attributes"] = [{"url": url} for url in urls]
    return fields


def _short(text: str | None) -> str | None:
    """One line that fits a short field; None when nothing was said."""
    line = " ".join((text or "").split())
    if len(line) > MAX_TITLE_CHARS:
        line = line[: MAX_TITLE_CHARS - 1].rstrip() + "…"
    return line or None


def _problems(public: PublicNotice) -> Iterator[str]:
    if not public.title.strip():
        yield "title: give the notice a title"
    if not public.works:
        yield "works: name at least one work"
    for name, day in (("sent_on", public.sent_on), ("received_on", public.received_on)):
        if day is not None and day < _FIRST_DAY:
            yield f"{name}: give a day from {_FIRST_DAY}"
    if not public.operator.name:
        yield "operator: say who received the notice"
    if public.language is not None and not _LANGUAGE.fullmatch(public.language):
        yield "language: use two small letters (ISO 639-1), or leave it out"
    if any("," in word or not word.strip() for word in (*public.jurisdictions, *public.tags)):
        yield "jurisdictions, tags: use words without commas"
    countries = [*public.jurisdictions, *(party.country for _, party in _roles(public) if party.country is not None)]
    if not all(_COUNTRY.fullmatch(country) for country in countries):
        yield "jurisdictions, country: use two capital letters (ISO 3166-1 alpha-2)"
    if not all(url.strip() for work in public.works for url in (*work.copyrighted_urls, *work.infringing_urls)):
        yield "works: leave out empty addresses"
    for name, text in _texts(public):
        for kind in personal_data(text):
            yield f"{name}: the public copy still shows {kind}; redact it"


def _texts(public: PublicNotice) -> Iterator[tuple[str, str]]:
    """What people wrote. Addresses of the web are not among it: they are what a notice is about."""
    yield from (("title", public.title), ("subject", public.subject or ""), ("body", public.body or ""))
    yield from (("tags", tag) for tag in public.tags)
    yield from (("works", work.description) for work in public.works)
    yield from ((role, party.name or "") for role, party in _roles(public) if role in ("sender", "principal"))
