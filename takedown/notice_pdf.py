"""A notice as a PDF: what was filed, found and decided, on paper.

Decides how a notice looks, not what it says: the document comes as plain values. What people wrote is data to the
template, never markup, and typst sees a temporary folder with nothing in it but the template, the data and the
pictures; it loads no package. The same document gives the same bytes (PDF/A-2b), dated as the document says.

Its fonts are those that typst carries: Latin, Greek and Cyrillic, Hebrew and Arabic letters, and the usual signs. Any
other character, and one that shows nothing or turns text around, stands there as its code point, and the paper says so.
"""

import io
import itertools
import json
import re
import tempfile
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typst
from PIL import Image

_TEMPLATE: Final = Path(__file__).parent / "typst" / "notice.typ"
_LONG_RUN: Final = re.compile(r"(\S{400})(?=\S)")  # the template breaks lines in runs, each step of which nests
_FRAME_PIXELS: Final = 480  # 7 cm at 170 dots per inch; the frames themselves lie in the evidence bundle
_FRAME_QUALITY: Final = 85
_MAX_FRAME_PIXELS: Final = 4096 * 4096

# Blocks whose every assigned character has a glyph in typst's own fonts (a test sets them all in one document).
_SHOWN: Final = (
    range(0x0020, 0x007F),
    range(0x00A0, 0x0500),  # Latin, IPA, Greek, Cyrillic
    range(0x05D0, 0x05EB),  # Hebrew letters
    range(0x0621, 0x063B),  # Arabic letters
    range(0x0640, 0x064B),
    range(0x1E00, 0x2000),  # Latin and Greek, additional
    range(0x2010, 0x2028),  # punctuation
    range(0x2030, 0x2040),
    range(0x20A0, 0x20C0),  # currencies
    range(0x2190, 0x2300),  # arrows, mathematics
)
# Unassigned; invisible; or a mark, for which no font may have the letter below it as well.
_NEVER_SHOWN: Final = frozenset({"Cn", "Cc", "Cf", "Mn", "Mc", "Me"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Who somebody is and how to reach them; None is what was not said."""

    name: str | None = None
    address: str | None = None
    telephone: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedStatement:
    """Words that a party subscribed to."""

    name: str
    version: int
    text: str
    accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingElement:
    """What the statute asks for and was not supplied."""

    name: str
    reference: str
    what_to_supply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row of the history."""

    at: datetime
    what: str
    by: str
    words: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the reviewer decided and why; `fair_use` is what was considered of it."""

    reason: str
    words: str | None = None
    fair_use: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterNotice:
    """What the uploader answered."""

    received_at: datetime
    contact: Contact
    signature: str | None = None
    material: tuple[str, ...] = ()
    former_locations: tuple[str, ...] = ()
    statements: tuple[AcceptedStatement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePair:
    """Two pictures that look alike, each a JPEG with its time; None is a picture that is not at hand."""

    query: bytes | None
    reference: bytes | None
    query_s: float
    reference_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedSegment:
    """A stretch of the query that copies a stretch of a work; intervals are [start, end)."""

    work: str
    modality: str
    query_start_s: float
    query_end_s: float
    reference_start_s: float
    reference_end_s: float
    score_0_1: float
    frames: tuple[FramePair, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDate:
    """Something that is due; `statutory` False is the operator's own target."""

    what: str
    at: datetime
    statutory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFacts:
    """The release that the notice is about."""

    id: str
    sha256: str
    manifest_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeDocument:
    """All that the paper says.

    Attributes:
        made_at: the date of the document; nothing else gives it one.
        ledger_entries: the numbers of the log's entries about this notice.
    """

    notice_id: str
    made_at: datetime
    track: str
    statute: str
    state: str
    filed_at: datetime
    claimant: Contact
    signature: str | None = None
    work: str | None = None
    work_ids: tuple[str, ...] = ()
    material: tuple[str, ...] = ()
    statements: tuple[AcceptedStatement, ...] = ()
    missing: tuple[MissingElement, ...] = ()
    history: tuple[Step, ...] = ()
    decision: Decision | None = None
    counter: CounterNotice | None = None
    matches: tuple[MatchedSegment, ...] = ()
    deadlines: tuple[DueDate, ...] = ()
    release: ReleaseFacts | None = None
    ledger_entries: tuple[int, ...] = ()


def notice_pdf(document: NoticeDocument) -> bytes:
    """Set the document in type; a picture that cannot be read is left out, and the paper says so."""
    data = _Data()
    said = data.of(document) | {"has_code_points": data.has_code_points}
    with tempfile.TemporaryDirectory(prefix="clearmark-notice-") as folder:
        root = Path(folder)
        source = root / _TEMPLATE.name
        source.write_bytes(_TEMPLATE.read_bytes())
        (root / "notice.json").write_text(json.dumps(said, allow_nan=False), encoding="utf-8")
        for name, picture in data.pictures.items():
            (root / name).write_bytes(picture)
        return typst.compile(
            source,
            root=root,
            ignore_system_fonts=True,
            format="pdf",
            pdf_standards="a-2b",
            package_path=root,
            package_cache_path=root,
            timestamp=int(document.made_at.timestamp()),
        )


class _Data:
    """Turns values into what JSON can hold and paper can show: pictures become files, the rest text and numbers."""

    def __init__(self) -> None:
        self.pictures: dict[str, bytes] = {}
        self.has_code_points = False

    def of(self, value: object) -> Any:
        match value:
            case str():
                return self._text(value)
            case bytes():
                return self._picture(value)
            case datetime():
                return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            case tuple():
                return [self.of(item) for item in value]
            case _ if is_dataclass(value):
                return {field.name: self.of(getattr(value, field.name)) for field in fields(value)}
        return value

    def _text(self, text: str) -> str | None:
        written: list[str] = []
        composed = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\t", " "))
        for shown, characters in itertools.groupby(composed, key=_is_shown):
            if shown:
                written += characters
            else:
                written.append(_code_points(characters))
                self.has_code_points = True
        return _LONG_RUN.sub(r"\1 ", "".join(written)).strip() or None

    def _picture(self, jpeg: bytes) -> str | None:
        drawn = _redrawn(jpeg)
        if drawn is None:
            return None
        name = f"frame-{len(self.pictures)}.jpg"
        self.pictures[name] = drawn
        return name


def _is_shown(character: str) -> bool:
    if character == "\n":
        return True
    return unicodedata.category(character) not in _NEVER_SHOWN and any(ord(character) in block for block in _SHOWN)


def _code_points(characters: Iterable[str]) -> str:
    return f"[{' '.join(f'U+{ord(character):04X}' for character in characters)}]"


def _redrawn(jpeg: bytes) -> bytes | None:
    """The picture drawn anew, small, in plain RGB: typst reads only JPEGs that were made here."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
            if picture.width * picture.height > _MAX_FRAME_PIXELS:
                return None
            drawn = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    drawn.thumbnail((_FRAME_PIXELS, _FRAME_PIXELS))
    written = io.BytesIO()
    drawn.save(written, "JPEG", quality=_FRAME_QUALITY)
    return written.getvalue()
