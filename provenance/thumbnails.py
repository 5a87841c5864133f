"""The small pictures that a manifest store holds, one of each manifest at most.

Decides where in a store they lie and which kinds of picture are handed on: JPEG and PNG, by their own bytes, whatever
the store calls them. Nothing is decoded, and whether a picture is the one that was signed is not asked.

All input is hostile: boxes are walked to a fixed depth, so many of them and no more, and one that leads past the end
of what holds it ends the walk.

Source: C2PA 2.2 section 18.12 (thumbnails), ISO 19566-5 (JUMBF, embedded files).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_THUMBNAIL_BYTES: Final = 1 << 20
MAX_THUMBNAILS: Final = 32
_MAX_BOXES: Final = 2000
_ASSERTIONS, _THUMBNAIL = "c2pa.assertions", "c2pa.thumbnail.claim"
_HEADER_BYTES, _UUID_AND_TOGGLES_BYTES = 8, 17
_PREFIXES: Final = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A picture of the file that a manifest is about, as the manifest's signer made it."""

    manifest_label: str
    media_type: str
    content: bytes


def thumbnails_of(store: bytes) -> list[Thumbnail]:
    """The pictures in a manifest store (application/c2pa), in its order."""
    walk = _Walk()
    found: list[Thumbnail] = []
    whole = memoryview(store)
    for manifest in (inner for outer in walk.superboxes(whole) for inner in walk.superboxes(outer.content)):
        content = _content(walk, manifest)
        media_type = next((kind for prefix, kind in _PREFIXES.items() if content.startswith(prefix)), None)
        if media_type is not None and len(content) <= MAX_THUMBNAIL_BYTES and len(found) < MAX_THUMBNAILS:
            found.append(Thumbnail(manifest_label=manifest.label, media_type=media_type, content=content))
    return found


@dataclass(frozen=True, slots=True)
class _Superbox:
    label: str
    content: memoryview


class _Walk:
    """Boxes one after another, until too many were seen."""

    def __init__(self) -> None:
        self._left = _MAX_BOXES

    def boxes(self, content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
        at = 0
        while at + _HEADER_BYTES <= len(content) and self._left:
            self._left -= 1
            length = int.from_bytes(content[at : at + 4])
            if length < _HEADER_BYTES or at + length > len(content):
                return
            yield bytes(content[at + 4 : at + 8]), content[at + _HEADER_BYTES : at + length]
            at += length

    def superboxes(self, content: memoryview) -> Iterator[_Superbox]:
        for kind, inside in self.boxes(content):
            described = next(self.boxes(inside), None) if kind == b"jumb" else None
            if described is not None and described[0] == b"jumd":
                label = bytes(described[1][_UUID_AND_TOGGLES_BYTES:]).partition(b"\0")[0]
                yield _Superbox(label.decode(errors="replace"), inside)


def _content(walk: _Walk, manifest: _Superbox) -> bytes:
    """What a manifest's first picture is; empty where it has none."""
    for assertions in walk.superboxes(manifest.content):
        if assertions.label != _ASSERTIONS:
            continue
        for one in walk.superboxes(assertions.content):
            if one.label.startswith(_THUMBNAIL):
                return next((bytes(data) for kind, data in walk.boxes(one.content) if kind == b"bidb"), b"")
    return b""
