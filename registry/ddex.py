"""DDEX ERN: the resources of a NewReleaseMessage, described as a row of a catalogue would describe them.

Decides what of a message maps: a SoundRecording, and a Video that is no cover, is a work; images, texts and the
rest are told as skipped. Versions 3.8 and 4 are read by the local names of their elements, as senders qualify
them or not.

No message reserves or allows anything here. Its deals license a recipient; those for AI and data mining hold under
an agreement of the two (`UseType_ERN`, allowed value sets version 9). That is no word to everybody, and no value
says "reserved". What comes near is told as a note, and nothing is said for the holder.

Deals and releases come after the resources, so a file is read twice, a piece at a time: first what is said about
resources from elsewhere, then the resources. A message that is broken anywhere gives no row at all.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, override
from xml.etree.ElementTree import Element
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesNSImpl

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import create_parser

from registry.domain.identifiers import validate_identifiers
from registry.errors import Invalid
from registry.works import WorkKind

_MAX_FILE_BYTES = 1 << 30
_CHUNK_BYTES = 1 << 16
# Between two events the parser holds a tag, comment or instruction whole.
_MAX_TOKEN_BYTES = 1 << 20
_MAX_DEPTH = 64
_MAX_TEXT_CHARS = 1 << 16
# What one resource, release or deal may take, and what is remembered of all of them; a bare element counts 100.
_MAX_PIECE_CHARS = 1 << 25
_MAX_REMEMBERED_CHARS = 1 << 26
_ELEMENT_CHARS = 100
_MAX_NAME_CHARS = 501  # one more than a creator's name may have: it is refused with its row
_MAX_REMARKS = 8
_MAX_NOTE_CHARS = 1000

_ERN = re.compile(r"https?://(?:service\.)?ddex\.net/xml/ern/(?:38|4)[0-9]*/?")
_YEAR = re.compile(r"[0-9]{4}(?![0-9])")
_BLANKS = re.compile(r"[ \t\r\n]+")

_FILMS = frozenset({
    "Animation", "BalletVideo", "ChildrensFilm", "ConcertVideo", "Documentary", "FeatureFilm", "Fiction",
    "LongFormMusicalWorkVideo", "LongFormNonMusicalWorkVideo", "NonSerialAudioVisualRecording", "OperaVideo",
    "ShortFilm", "TheatricalWorkVideo", "TvFilm",
})  # fmt: skip
_SERIES = frozenset({"Season", "SerialAudioVisualRecording", "Series"})
_COVER = "FrontCoverVideo"
# Our name of a standard number, and theirs, the best first.
_NUMBERS = {"isrc": ("ISRC",), "isan": ("ISAN", "VISAN"), "eidr": ("EIDR",)}
_IDS = ("SoundRecordingId", "VideoId", "ResourceId")
_FIRST_DATES = ("FirstPublicationDate", "OriginalResourceReleaseDate", "ResourceReleaseDate")
_RELEASE_DATES = ("OriginalReleaseDate", "GlobalOriginalReleaseDate", "ReleaseDate", "GlobalReleaseDate")
_AI_USES = frozenset({"UseForDataMining", "UseForTrainingGenerativeAI", "UseForTrainingNonGenerativeAI"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource of a message, numbered from 1 in its order.

    Attributes:
        described: what a line of JSON Lines would say of it; None: it is none that we keep, and the note says why.
        note: what of it was not taken over.
    """

    number: int
    title: str
    described: dict[str, Any] | None
    note: str | None


def read(file: BinaryIO) -> Iterator[Resource]:
    """The resources of a message, as they come.

    Raises:
        Invalid: it is not XML, no NewReleaseMessage, or not fit to be held; before the first resource.
    """
    message = _survey(file)
    number = 0
    for place, piece in _pieces(file):
        if place == "ResourceList":
            number += 1
            yield _resource(number, piece, message)


# -- what is said elsewhere ----------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Message:
    """What the rest of a message says about its resources."""

    id: str | None = None
    release: str | None = None
    year: int | None = None
    names: dict[str, str] = field(default_factory=dict)  # by PartyReference
    remarks: dict[str, list[str]] = field(default_factory=dict)  # by ResourceReference


def _survey(file: BinaryIO) -> _Message:
    """Read a message to its end. Raises: Invalid."""
    message = _Message()
    contents: dict[str, list[str]] = {}  # the resources of each release
    remarks: dict[str, list[str]] = {}  # on each release
    main_was_named = False
    remembered = 0
    for place, piece in _pieces(file):
        kept: list[str] = []
        match place, piece.tag:
            case "MessageHeader", "MessageId":
                message.id = _text(piece) or None
            case "MessageHeader", "MessageControlType":
                if _text(piece) == "TestMessage":
                    problem = "It says that it is a TestMessage: nothing of it is for the record."
                    raise Invalid(field="file", problem=problem)
            case "PartyList", "Party":
                kept = [_child(piece, "PartyReference"), _name(piece)]
                message.names[kept[0]] = kept[1]
            case "ReleaseList", tag:
                is_main = _flag(piece, "IsMainRelease")
                if tag == "Release" and not main_was_named and (is_main or message.release is None):
                    message.release, message.year = _release_id(piece), _earliest(_children(piece, *_RELEASE_DATES))
                    main_was_named = is_main
                resources = [_text(one) for one in piece.iter("ReleaseResourceReference")]
                kept = [_child(piece, "ReleaseReference"), *resources]
                contents.setdefault(kept[0], []).extend(resources)
            case "DealList", "ReleaseDeal":
                if found := _remarks(piece):
                    kept = [_text(one) for one in piece.findall("DealReleaseReference")]
                    for release in kept:
                        _add(remarks, release, found)
                    kept += found
        remembered += sum(len(one) + _ELEMENT_CHARS for one in kept)
        if remembered > _MAX_REMEMBERED_CHARS:
            raise Invalid(field="file", problem="It has too many releases, parties and deals for one file. Split it.")
    for release, found in remarks.items():
        for resource in contents.get(release, ()):
            _add(message.remarks, resource, found)
    return message


def _add(remarks: dict[str, list[str]], about: str, more: list[str]) -> None:
    known = remarks.setdefault(about, [])
    known += [one for one in more if one not in known][: _MAX_REMARKS - len(known)]


def _release_id(release: Element) -> str | None:
    """The main release's own number, which a corrected message keeps."""
    ids = [one for one in release.findall("ReleaseId") if not _flag(one, "IsReplaced")]
    for name in ("ICPN", "GRid", "ProprietaryId", "CatalogNumber", "ISRC"):
        for one in ids:
            if found := _child(one, name):
                return found
    return None


def _remarks(piece: Element) -> list[str]:
    """What rights statements in a piece say that was not taken over, what matters most first."""
    uses = list(piece.iter("UseType"))
    own = [value for use in uses if (value := use.get("UserDefinedValue"))]
    found = [
        *(f"{use} is licensed in it to a recipient by agreement; that is no word to everybody."
          for use in map(_text, uses) if use in _AI_USES),
        *(f"Its claim policy {_short(_text(policy))} was not taken over; set the policy of the work."
          for policy in piece.iter("RightsClaimPolicyType")),
        *(f"Its use {_short(value)} is the sender's own word and was not taken over." for value in own),
    ]  # fmt: skip
    return list(dict.fromkeys(found))[:_MAX_REMARKS]


# -- a resource ----------------------------------------------------------------------------------


def _resource(number: int, piece: Element, message: _Message) -> Resource:
    title, kind = _title(piece), _kind(piece)
    if kind is None:
        what = _child(piece, "Type") or _child(piece, f"{piece.tag}Type")
        named = f"{_short(piece.tag)} ({_short(what)})" if what else _short(piece.tag)
        why = f"{named}: not taken. Recordings and videos are; register other works one by one."
        return Resource(number=number, title=title[:200], described=None, note=why)
    notes: list[str] = []
    numbers = _numbers(piece, notes)
    known_by = _reference(piece, numbers, message, notes)
    if (contains := _child(piece, "ContainsAI")) not in ("", "None"):
        notes.append(f"ContainsAI {_short(contains)} was not taken over: it tells how the work was made.")
    notes += dict.fromkeys([*_remarks(piece), *message.remarks.get(_child(piece, "ResourceReference"), ())])
    described = {
        "title": title,
        "kind": kind,
        "year": _year(piece) or message.year,
        "creators": _creators(piece, message),
        "identifiers": {**numbers, "reference": known_by} if known_by else numbers,
    }
    note = " ".join(notes)[:_MAX_NOTE_CHARS] or None
    return Resource(number=number, title=title[:200], described=described, note=note)


def _kind(piece: Element) -> WorkKind | None:
    if piece.tag == "SoundRecording":
        return WorkKind.SOUND_RECORDING
    if piece.tag != "Video":
        return None
    said = _child(piece, "Type") or _child(piece, "VideoType")
    if said == _COVER:
        return None
    return WorkKind.FILM if said in _FILMS else WorkKind.SERIES if said in _SERIES else WorkKind.CLIP


def _title(piece: Element) -> str:
    shown = _children(piece, "DisplayTitleText")
    if shown:
        return _text(next((one for one in shown if _flag(one, "IsDefault")), shown[0]))
    for name in ("DisplayTitle", "ReferenceTitle", "Title"):
        for one in _children(piece, name):
            if title := _child(one, "TitleText"):
                sub = _child(one, "SubTitle")
                return f"{title} ({sub})" if sub else title
    return ""


def _creators(piece: Element, message: _Message) -> list[str]:
    """The display artists in their order; the one line that is shown, where none is named."""
    for holder in _holders(piece):
        artists = sorted(holder.findall("DisplayArtist"), key=_order)
        names = [message.names.get(_child(one, "ArtistPartyReference")) or _name(one) for one in artists]
        if any(names):
            return list(dict.fromkeys(name for name in names if name))
    shown = _children(piece, "DisplayArtistName")
    return [name for name in map(_text, shown[:1]) if name]


def _order(artist: Element) -> int:
    number = artist.get("SequenceNumber", "")
    return int(number) if re.fullmatch(r"[0-9]{1,9}", number) else 1 << 30


def _year(piece: Element) -> int | None:
    """Of the first edition that a ℗ or © line names; else of the first publication."""
    for name in ("PLine", "CLine"):
        if year := _earliest(line for one in _children(piece, name) for line in one.findall("Year")):
            return year
    return _earliest(_children(piece, *_FIRST_DATES))


def _earliest(dates: Iterable[Element]) -> int | None:
    years = [int(found[0]) for one in dates if (found := _YEAR.match(_text(one)))]
    return min(years, default=None)


def _numbers(piece: Element, notes: list[str]) -> dict[str, str]:
    """Standard numbers that are in force, the first of each kind."""
    ids = _children(piece, *_IDS)
    found: dict[str, str] = {}
    for key, names in _NUMBERS.items():
        values = [_child(one, name) for name in names for one in ids if not _flag(one, "IsReplaced")]
        values = list(dict.fromkeys(value for value in values if value))
        if values:
            found[key] = values[0]
        if key == "isrc" and len(values) > 1:
            further = ", ".join(_short(one) for one in values[1:9])
            notes.append(f"Other editions have an ISRC of their own ({further}), for which a work has no place.")
    return found


def _reference(piece: Element, numbers: dict[str, str], message: _Message, notes: list[str]) -> str | None:
    """By what a work is known when a corrected message comes.

    A standard number or one of the sender's stays with the resource, whatever message it is in. The place in a
    release may be another's in the next message, so it is the last resort, and the note says so.
    """
    if numbers:
        key, value = next(iter(numbers.items()))
        return _normal(key, value)
    for one in _children(piece, *_IDS):
        own = one.find("ProprietaryId")
        if own is not None and not _flag(one, "IsReplaced") and (value := _text(own)):
            return f"{own.get('Namespace', '')}:{value}".removeprefix(":")
    within, place = message.release or message.id, _child(piece, "ResourceReference")
    if not within or not place:
        notes.append("It has no number, so it is registered anew each time that it is sent.")
        return None
    notes.append(f"It has no number, so it is known again by its place in the message, {_short(place)}.")
    return f"{within}/{place}"


def _normal(key: str, value: str) -> str:
    """The normal form of a number; what is none stays as it is, and is refused with its row."""
    try:
        return validate_identifiers({key: value})[key]
    except Invalid:
        return value


# -- elements ------------------------------------------------------------------------------------


def _holders(piece: Element) -> list[Element]:
    """The piece itself, then what it says by edition or by territory; what holds worldwide comes first."""
    parts = [one for one in piece if one.tag.endswith(("Edition", "DetailsByTerritory"))]
    return [piece, *sorted(parts, key=lambda one: _child(one, "TerritoryCode") not in ("", "Worldwide"))]


def _children(piece: Element, *names: str) -> list[Element]:
    return [one for holder in _holders(piece) for one in holder if one.tag in names]


def _child(element: Element, name: str) -> str:
    found = element.find(name)
    return "" if found is None else _text(found)


def _text(element: Element) -> str:
    """Lines are broken and indented for people: any run of blanks is one space."""
    return _BLANKS.sub(" ", element.text or "").strip(" ")


def _name(party: Element) -> str:
    name = party.find("PartyName")
    return "" if name is None else (_child(name, "FullName") or _text(name))[:_MAX_NAME_CHARS]


def _flag(element: Element, name: str) -> bool:
    return element.get(name) in ("true", "1")


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


# -- XML -----------------------------------------------------------------------------------------


def _pieces(file: BinaryIO) -> Iterator[tuple[str, Element]]:
    """The grandchildren of the root, each with the name of the list that it stands in; one is held at a time.

    Raises:
        Invalid: it is no well-formed NewReleaseMessage, has a DTD, or exceeds a limit.
    """
    file.seek(0)
    gathering = _Gathering()
    parser = create_parser(namespaceHandling=1, forbid_dtd=True)
    parser.setContentHandler(gathering)
    size = silent = 0
    while chunk := file.read(_CHUNK_BYTES):
        before = gathering.events
        _feed(parser, chunk)
        yield from gathering.take()
        size += len(chunk)
        silent = silent + len(chunk) if gathering.events == before else 0
        if size > _MAX_FILE_BYTES:
            raise Invalid(field="file", problem="It is larger than 1 GiB. Split it.")
        if silent > _MAX_TOKEN_BYTES:
            raise Invalid(field="file", problem="It has a tag or comment of more than 1 MiB.")
    _feed(parser, b"", last=True)


def _feed(parser: Any, chunk: bytes, *, last: bool = False) -> None:
    """Raises: Invalid."""
    try:
        parser.feed(chunk, isFinal=last)
    except DefusedXmlException:
        raise Invalid(field="file", problem="It has a DTD, which no DDEX message has. Leave it out.") from None
    except SAXException as error:
        line = f"Line {error.getLineNumber()}" if isinstance(error, SAXParseException) else "It"
        raise Invalid(field="file", problem=f"{line} cannot be read as XML: {error.getMessage()}.") from None
    except (LookupError, ValueError):  # from the codec that the file names
        raise Invalid(field="file", problem="It cannot be read in the encoding it names. Save it as UTF-8.") from None


class _Gathering(ContentHandler):
    """Makes elements of what the parser tells, by their local names."""

    def __init__(self) -> None:
        super().__init__()
        self.events = 0
        self._ready: list[tuple[str, Element]] = []
        self._depth = 0
        self._place = ""
        self._open: list[Element] = []
        self._size_chars = 0
        self._text: list[str] = []
        self._text_chars = 0

    def take(self) -> list[tuple[str, Element]]:
        """The pieces that are complete."""
        ready, self._ready = self._ready, []
        return ready

    @override
    def startElementNS(self, name: tuple[str | None, str], qname: str | None, attrs: AttributesNSImpl) -> None:
        namespace, local = name
        self.events += 1
        self._depth += 1
        self._text, self._text_chars = [], 0
        if self._depth == 1:
            _check_root(namespace, local)
        elif self._depth == 2:
            self._place = local
        elif self._depth > _MAX_DEPTH:
            raise Invalid(field="file", problem=f"Its elements are nested more than {_MAX_DEPTH} deep.")
        else:
            attributes = {key: value for (_, key), value in attrs.items()}
            element = Element(local, attributes)
            if self._open:
                self._open[-1].append(element)
            self._open.append(element)
            self._grow(_ELEMENT_CHARS + len(local) + sum(len(key) + len(attributes[key]) for key in attributes))

    @override
    def characters(self, content: str) -> None:
        self.events += 1
        if self._open:
            self._text.append(content)
            self._text_chars += len(content)
            if self._text_chars > _MAX_TEXT_CHARS:
                name = _short(self._open[-1].tag)
                raise Invalid(field="file", problem=f"The text of a {name} has more than {_MAX_TEXT_CHARS} characters.")

    @override
    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:
        self.events += 1
        self._depth -= 1
        if self._open:
            element = self._open.pop()
            if not len(element):
                element.text = "".join(self._text)
                self._grow(self._text_chars)
            if not self._open:
                self._ready.append((self._place, element))
                self._size_chars = 0
        self._text, self._text_chars = [], 0

    def _grow(self, by_chars: int) -> None:
        self._size_chars += by_chars
        if self._size_chars > _MAX_PIECE_CHARS:
            name = _short(self._open[0].tag)
            raise Invalid(field="file", problem=f"A {name} is too large to be held in memory. Split the message.")


def _check_root(namespace: str | None, name: str) -> None:
    if name == "PurgeReleaseMessage":
        problem = "It is a PurgeReleaseMessage, which takes a release back. Withdraw the works of it yourself."
    elif name != "NewReleaseMessage":
        problem = f"It is XML, but no NewReleaseMessage of DDEX ERN: its root is {_short(name)}."
    elif not _ERN.fullmatch(namespace or ""):
        problem = f"Its namespace is {_short(namespace or 'none')}. ERN 3.8 to 4.3 are read."
    else:
        return
    raise Invalid(field="file", problem=problem)
