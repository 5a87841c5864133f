"""Where each kind of file has its XMP packet, and which bytes change when it gets another.

Decides on places only; what a packet says is xmp's. Containers are walked, not decoded. All input is hostile: reads
are counted and stay within the file, and what does not fit together raises `CannotCarry`. So does a second packet,
since a reader might believe either.

Source: XMP specification part 3 (2020), storage in files.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from provenance.errors import CannotCarry
from provenance.lengths import gif_colour_table_bytes, syncsafe

MAX_PACKET_BYTES = 1 << 20
_MAX_READS = 1 << 20  # of the parts of one file; a few seconds
TORN = "the file ends early, or its lengths are wrong"
CHANGED = "the file changed while it was read"


class Edit(NamedTuple):
    """At an offset of the source, `removed` bytes give way to others. What is only inserted sorts first."""

    at: int
    removed: int
    inserted: bytes


class _Packet(NamedTuple):
    """An XMP packet, and the part of the file that is there for it."""

    at: int
    length: int
    content: bytes


class Place(NamedTuple):
    """The packet that a file has, and what a new one changes."""

    packet: bytes | None
    edits: Callable[[bytes], list[Edit]]


class _Parts:
    """A file to be read in parts, each of them whole, and not without end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._reads_left = _MAX_READS
        self.size = stream.seek(0, 2)

    def read(self, at: int, length: int) -> bytes:
        self._reads_left -= 1
        if self._reads_left < 0:
            raise CannotCarry("the file has too many parts")
        if length > MAX_PACKET_BYTES:
            raise CannotCarry("its XMP is too large")
        if length < 0 or at + length > self.size:
            raise CannotCarry(TORN)
        self._stream.seek(at)
        content = self._stream.read(length)
        if len(content) != length:
            raise CannotCarry(CHANGED)
        return content

    def number(self, at: int, length: int) -> int:
        return int.from_bytes(self.read(at, length), "big")

    def starts(self, at: int, length: int, beginning: bytes) -> bool:
        return length >= len(beginning) and self.read(at, len(beginning)) == beginning


def place_of(stream: BinaryIO, media_type: str) -> Place:
    if media_type not in _PLACES:
        raise CannotCarry("this kind of file has no place for it")
    return _PLACES[media_type](_Parts(stream))


def _only(old: _Packet | None, new: _Packet) -> _Packet:
    if old is not None:
        raise CannotCarry("it has XMP twice")
    return new


def _replacing(old: _Packet | None, edits: Callable[[bytes], list[Edit]]) -> Place:
    """A place whose old packet goes and whose new one comes by `edits`."""
    if old is None:
        return Place(None, edits)
    return Place(old.content, lambda packet: [Edit(old.at, old.length, b""), *edits(packet)])


def _in_jpeg(parts: _Parts) -> Place:
    """APP1, behind JFIF and EXIF, which must come first."""
    name = b"http://ns.adobe.com/xap/1.0/\0"
    old, at, place, has_offsets, is_fixed = None, 2, 2, False, False
    if not parts.starts(0, 2, b"\xff\xd8"):
        raise CannotCarry("not a JPEG")
    while (marker := parts.number(at, 2)) not in (0xFFDA, 0xFFD9):  # the picture, or the end
        if marker == 0xFFFF:  # the first of them only fills
            at += 1
            continue
        length = parts.number(at + 2, 2)
        if not 0xFFC0 <= marker <= 0xFFFE or 0xFFD0 <= marker <= 0xFFD8 or length < 2:
            raise CannotCarry("not a JPEG segment")
        body = parts.read(at + 4, length - 2)
        if at == place and (marker == 0xFFE0 or (marker == 0xFFE1 and body[:5] == b"Exif\0")):
            place += 2 + length
        elif marker == 0xFFE1 and body.startswith(name):
            old, is_fixed = _only(old, _Packet(at, 2 + length, body[len(name) :])), has_offsets
        elif marker == 0xFFE1 and body.startswith(b"http://ns.adobe.com/xmp/ext") and b"DigitalSourceType" in body:
            raise CannotCarry("its source type is in extended XMP")
        has_offsets |= marker == 0xFFE2 and body[:4] == b"MPF\0"
        at += 2 + length

    def edits(packet: bytes) -> list[Edit]:
        if (length := 2 + len(name) + len(packet)) > 0xFFFF:
            raise CannotCarry("its XMP is too large for a JPEG segment")
        if is_fixed:
            raise CannotCarry("offsets to its further pictures would change")
        return [Edit(place, 0, struct.pack(">HH", 0xFFE1, length) + name + packet)]

    return _replacing(old, edits)


def _in_png(parts: _Parts) -> Place:
    """An iTXt chunk right behind IHDR, where no other chunk has to be."""
    keyword = b"XML:com.adobe.xmp\0"
    old, at, kind = None, 8, b""
    if not parts.starts(0, 16, b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"):
        raise CannotCarry("not a PNG")
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", parts.read(at, 8))
        if kind == b"iTXt" and parts.starts(at + 8, length, keyword):
            text = parts.read(at + 8, length)[len(keyword) :]
            old = _only(old, _Packet(at, 12 + length, _international(text)))
        at += 12 + length
        parts.read(at - 4, 4)

    def edits(packet: bytes) -> list[Edit]:
        chunk = b"iTXt" + keyword + bytes(4) + packet
        return [Edit(33, 0, struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)))]

    return _replacing(old, edits)


def _international(text: bytes) -> bytes:
    fields = text[2:].split(b"\0", 2)  # language, translated keyword, text
    if len(fields) != 3:
        raise CannotCarry("not a PNG text")
    if text[0] == 0:
        return fields[2]
    try:
        content = zlib.decompressobj().decompress(fields[2], MAX_PACKET_BYTES + 1)
    except zlib.error as error:
        raise CannotCarry("not a PNG text") from error
    if len(content) > MAX_PACKET_BYTES:
        raise CannotCarry("its XMP is too large")
    return content


def _in_gif(parts: _Parts) -> Place:
    """An application extension before the first picture and its control block.

    The packet is not cut into sub-blocks: whoever takes its letters for lengths
    lands in the trailer, whose falling numbers lead from anywhere to its end.
    """
    name, trailer = b"\x21\xff\x0bXMP DataXMP", bytes((1, *range(255, -1, -1), 0))
    if parts.read(0, 6) not in (b"GIF87a", b"GIF89a"):
        raise CannotCarry("not a GIF")
    old, place, at = None, None, 13 + gif_colour_table_bytes(parts.number(10, 1))
    while (kind := parts.number(at, 1)) != 0x3B:
        if kind not in (0x21, 0x2C):
            raise CannotCarry("not a GIF block")
        is_picture = kind == 0x2C
        if place is None and (is_picture or parts.number(at + 1, 1) in (0x01, 0xF9)):
            place = at
        after = at + 11 + gif_colour_table_bytes(parts.number(at + 9, 1)) if is_picture else at + 2
        while length := parts.number(after, 1):
            after += 1 + length
        after += 1
        if parts.starts(at, after - at, name):
            content = parts.read(at + len(name), after - at - len(name))
            if not content.endswith(trailer):
                raise CannotCarry("its XMP has no end")
            old = _only(old, _Packet(at, after - at, content.removesuffix(trailer)))
        at = after
    where = at if place is None else place
    version = Edit(0, 6, b"GIF89a")  # extensions came with it
    return _replacing(old, lambda packet: [version, Edit(where, 0, name + packet + trailer)])


def _in_wav(parts: _Parts) -> Place:
    return _in_riff(parts, b"WAVE", b"_PMX", [])


def _in_webp(parts: _Parts) -> Place:
    """The last chunk, and the flag that says so; a simple file gets the header that has flags."""
    kind, length, head = struct.unpack("<4sI10s", parts.read(12, 18))
    width = height = alpha = 0
    if kind == b"VP8X" and length >= 10:
        return _in_riff(parts, b"WEBP", b"XMP ", [Edit(20, 1, bytes((head[0] | 0x04,)))])
    if kind == b"VP8 " and length >= 10 and head[3:6] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", head[6:]))
    elif kind == b"VP8L" and length >= 5 and head[0] == 0x2F:
        bits = int.from_bytes(head[1:5], "little")
        width, height, alpha = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bits >> 28 & 1
    if width == 0 or height == 0:
        raise CannotCarry("not a WebP picture")
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
    return _in_riff(parts, b"WEBP", b"XMP ", [Edit(12, 0, struct.pack("<4sII", b"VP8X", 10, 4 | alpha << 4) + sides)])


def _in_riff(parts: _Parts, form: bytes, kind: bytes, further: list[Edit]) -> Place:
    """The last chunk. `further` edits are those that its container asks for."""
    magic, size, found_form = struct.unpack("<4sI4s", parts.read(0, 12))
    if magic != b"RIFF" or found_form != form or not 4 < size < 0xFFFFFFFF:
        raise CannotCarry("not a RIFF file, or one of unknown length")
    old, at, end = None, 12, 8 + size
    while at < end:
        found, length = struct.unpack("<4sI", parts.read(at, 8))
        after = at + 8 + length
        if after > min(end, parts.size):
            raise CannotCarry(TORN)
        after += length % 2
        if found == kind:
            old = _only(old, _Packet(at, after - at, parts.read(at + 8, length)))
        at = after
    padding = b""
    if at > end and not (parts.size > end and parts.starts(end, 1, b"\0")):
        # Some writers leave the last padding byte out; others write and do not count it.
        padding, at = b"\0", end
    kept = at - 8
    if old is not None:
        kept -= old.length
        if old.at + old.length > at:
            raise CannotCarry(TORN)

    def edits(packet: bytes) -> list[Edit]:
        chunk = padding + struct.pack("<4sI", kind, len(packet)) + packet + bytes(len(packet) % 2)
        changed = [*further, Edit(at, 0, chunk)]
        length = kept + sum(len(edit.inserted) - edit.removed for edit in changed)
        if length >= 0xFFFFFFFF:
            raise CannotCarry("the file is too large for its lengths")
        return [Edit(4, 4, struct.pack("<I", length)), *changed]

    return _replacing(old, edits)


class _Box(NamedTuple):
    """A box of ISO media in [at, after), its content from `body` on."""

    kind: bytes
    at: int
    body: int
    after: int
    is_open: bool


def _boxes(parts: _Parts, at: int, end: int, *, may_be_open: bool) -> Iterator[_Box]:
    """The boxes in [at, end), where a rest too short for one is left. An open one has length 0, for "to the end"."""
    while at + 8 <= end:
        length, kind = struct.unpack(">I4s", parts.read(at, 8))
        body, is_open = at + 8, may_be_open and length == 0
        if length == 1:
            length, body = parts.number(at + 8, 8), at + 16
        after = end if is_open else at + length
        if not body <= after <= end:
            raise CannotCarry(TORN)
        yield _Box(kind, at, body, after, is_open)
        at = after


def _in_iso_media(parts: _Parts) -> Place:
    """A `uuid` box behind all others, so that no offset of a sample changes.

    QuickTime's own place, in `moov`, often stands before the samples. A packet
    there moves to the new box, which readers find in QuickTime too.
    """
    uuid = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    old, last, has_moov = None, None, False
    for last in _boxes(parts, 0, parts.size, may_be_open=True):
        if last.kind == b"uuid" and parts.starts(last.body, last.after - last.body, uuid):
            content = parts.read(last.body + 16, last.after - last.body - 16)
            old = _only(old, _Packet(last.at, last.after - last.at, content))
        elif last.kind == b"moov":
            has_moov = True
            for packet in _in_user_data(parts, last):
                old = _only(old, packet)
    if last is None or not has_moov or last.after != parts.size:
        raise CannotCarry(TORN)
    is_last = old is not None and old.at == last.at
    place = last.at if is_last or last.kind == b"mfra" else last.after  # `mfra` is looked for at the end

    def edits(packet: bytes) -> list[Edit]:
        made = [Edit(place, 0, struct.pack(">I4s", 24 + len(packet), b"uuid") + uuid + packet)]
        if old is not None:
            made.append(Edit(old.at, old.length, b"") if is_last else Edit(old.at + 4, 4, b"free"))
        if last.is_open and place == last.after:
            if last.after - last.at > 0xFFFFFFFF:
                raise CannotCarry("its last box has no end, and no room for a length")
            made.append(Edit(last.at, 4, struct.pack(">I", last.after - last.at)))
        return made

    return Place(old.content if old is not None else None, edits)


def _in_user_data(parts: _Parts, moov: _Box) -> Iterator[_Packet]:
    for box in _boxes(parts, moov.body, moov.after, may_be_open=False):
        if box.kind == b"udta":
            for entry in _boxes(parts, box.body, box.after, may_be_open=False):
                if entry.kind == b"XMP_":
                    yield _Packet(entry.at, entry.after - entry.at, parts.read(entry.body, entry.after - entry.body))


def _in_id3(parts: _Parts) -> Place:
    """A PRIV frame, the last of the ID3v2 tag at the front."""
    head, at, end = parts.read(0, 10), 10, 10
    if head[:3] == b"ID3":
        if head[3] not in (3, 4) or head[5]:
            raise CannotCarry("an ID3 tag of another version, or with flags")
        end += _id3_length(head[6:10])
    elif head[0] == 0xFF and head[1] >= 0xE0:
        head, at, end = b"ID3\3\0\0", 0, 0
    else:
        raise CannotCarry("not MPEG audio")
    is_syncsafe, old, kept = head[3] == 4, None, 0
    while at + 10 <= end and (frame := parts.read(at, 10))[0]:  # then padding, which goes
        length = _id3_length(frame[4:8]) if is_syncsafe else int.from_bytes(frame[4:8], "big")
        after = at + 10 + length
        if after > end or not re.fullmatch(rb"[A-Z0-9]{4}", frame[:4]):
            raise CannotCarry("not an ID3 frame")
        if frame[:4] == b"PRIV" and parts.starts(at + 10, length, b"XMP\0"):
            if frame[9]:
                raise CannotCarry("its XMP is compressed or encrypted")
            old = _only(old, _Packet(at, 10 + length, parts.read(at + 14, length - 4)))
        else:
            kept += 10 + length
        at = after
    parts.read(end, 1)  # there is sound behind the tag

    def edits(packet: bytes) -> list[Edit]:
        length = 4 + len(packet)
        frame = b"PRIV" + (_as_syncsafe(length) if is_syncsafe else struct.pack(">I", length)) + b"\0\0XMP\0" + packet
        tag = head[:6] + _as_syncsafe(kept + len(frame))
        return [Edit(0, 10, tag), Edit(at, end - at, frame)] if end else [Edit(0, 0, tag + frame)]

    return _replacing(old, edits)


def _id3_length(four: bytes) -> int:
    if max(four) > 0x7F:
        raise CannotCarry("not a length of ID3")
    return syncsafe(four)


def _as_syncsafe(length: int) -> bytes:
    if length >= 1 << 28:
        raise CannotCarry("its ID3 tag is too large")
    return bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0))


_PLACES: dict[str, Callable[[_Parts], Place]] = {
    "audio/mp4": _in_iso_media,
    "audio/mpeg": _in_id3,
    "audio/wav": _in_wav,
    "image/gif": _in_gif,
    "image/jpeg": _in_jpeg,
    "image/png": _in_png,
    "image/webp": _in_webp,
    "video/mp4": _in_iso_media,
    "video/quicktime": _in_iso_media,
}
# Of what can be signed, FLAC has no standard place for XMP. In TIFF and AVIF it is an
# entry of a directory, and room for it moves what offsets point to; so it does in AVI,
# where the indexes of OpenDML point into the file.
CARRIERS: frozenset[str] = frozenset(_PLACES)
