"""JUMBF boxes as a tree that can be changed, and the places in files where they are kept.

Decides how a manifest store is taken apart, put together with right lengths again, and written into a file
instead of the one that is there. It checks nothing: what it makes is meant to be wrong.

Source: ISO 19566-5 (JUMBF), C2PA 2.4 section 11 and appendix A (embedding).
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from provenance.media_types import media_type_of
from provenance.store import manifest_store_of

STORE_UUID = bytes.fromhex("63327061 0011 0010 8000 00AA00389B71")
MANIFEST_UUID = bytes.fromhex("63326D61 0011 0010 8000 00AA00389B71")
ASSERTIONS_UUID = bytes.fromhex("63326173 0011 0010 8000 00AA00389B71")
CLAIM_UUID = bytes.fromhex("6332636C 0011 0010 8000 00AA00389B71")
COMPRESSED_UUID = bytes.fromhex("6332636D 0011 0010 8000 00AA00389B71")
SIGNATURE_UUID = bytes.fromhex("63326373 0011 0010 8000 00AA00389B71")
CBOR_UUID = bytes.fromhex("63626F72 0011 0010 8000 00AA00389B71")
_REQUESTABLE_AND_LABELLED = 0x03


@dataclass(slots=True)
class Box:
    """A box: its own content, or what a superbox holds; `start` is where it began in what was parsed."""

    kind: bytes
    content: bytes = b""
    boxes: list["Box"] = field(default_factory=list)
    start: int = 0

    @property
    def label(self) -> str:
        """What a superbox is called; empty for any other box."""
        described = self.boxes[0].content if self.boxes and self.boxes[0].kind == b"jumd" else b""
        return described[17:].split(b"\0", 1)[0].decode() if len(described) > 17 else ""

    def named(self, label: str) -> "Box":
        """The box below that is called so, at whatever depth; the last one, since the active manifest stands last."""
        return [each for each in self.walk() if each.label == label][-1]

    def walk(self) -> Iterator["Box"]:
        yield self
        for each in self.boxes:
            yield from each.walk()

    def to_bytes(self) -> bytes:
        inside = self.content + b"".join(each.to_bytes() for each in self.boxes)
        return (8 + len(inside)).to_bytes(4) + self.kind + inside


def superbox(uuid: bytes, label: str, *boxes: Box) -> Box:
    described = uuid + bytes([_REQUESTABLE_AND_LABELLED]) + label.encode() + b"\0"
    return Box(b"jumb", boxes=[Box(b"jumd", described), *boxes])


def parse(content: bytes, *, start: int = 0) -> Box:
    """The box that begins there, with all that is in it."""
    size, kind = int.from_bytes(content[start : start + 4]), content[start + 4 : start + 8]
    made, at, end = Box(kind, start=start), start + 8, start + size
    if kind != b"jumb":
        made.content = content[at:end]
        return made
    while at < end:
        made.boxes.append(parse(content, start=at))
        at += int.from_bytes(content[at : at + 4])
    return made


def store_of(path: Path) -> bytes:
    """A file's manifest store, which it must have."""
    store = manifest_store_of(path, media_type_of(path) or "")
    assert store is not None
    return store


def with_store(path: Path, store: bytes) -> bytes:
    """A file's bytes with another manifest store in place of its own, in the same place.

    A longer or shorter one moves what comes after it, so the hash over the content fails as well.
    """
    content, old = path.read_bytes(), store_of(path)
    match media_type_of(path):
        case "image/png":
            at = content.index(old) - 8
            after = content[at + 8 + len(old) + 4 :]
            chunk = b"caBX" + store
            return content[:at] + len(store).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4) + after
        case "audio/wav":
            at = content.index(old) - 8
            after = content[at + 8 + len(old) + len(old) % 2 :]
            chunk = b"C2PA" + len(store).to_bytes(4, "little") + store + bytes(len(store) % 2)
            whole = content[:at] + chunk + after
            return whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:]
        case "image/jpeg":
            first = content.index(b"\xff\xeb")
            last = first
            while content[last : last + 2] == b"\xff\xeb":
                last += 2 + int.from_bytes(content[last + 2 : last + 4])
            number = int.from_bytes(content[first + 6 : first + 8])
            return content[:first] + jpeg_segments(store, number=number) + content[last:]
        case "video/mp4":
            at = content.index(old)
            head = content.rindex(b"uuid", 0, at) - 4
            size = int.from_bytes(content[head : head + 4]) - len(old) + len(store)
            return content[:head] + size.to_bytes(4) + content[head + 4 : at] + store + content[at + len(old) :]
        case kind:
            raise ValueError(f"nobody said where a {kind} keeps its store")


def jpeg_segments(store: bytes, *, number: int = 1) -> bytes:
    """APP11 segments, each with the header of the box that they hold together and its number."""
    segments, head, room = b"", store[:8], 64_000
    for sequence, at in enumerate(range(8, max(len(store), 9), room), start=1):
        body = b"JP" + number.to_bytes(2) + sequence.to_bytes(4) + head + store[at : at + room]
        segments += b"\xff\xeb" + (2 + len(body)).to_bytes(2) + body
    return segments
