"""The C2PA manifest store as it lies in a file, byte for byte.

Decides where each kind of media keeps its store and puts the pieces together. It
validates nothing: what comes out is for other tools to judge, as is the file.

All input is hostile. A file is read a bounded number of times, a few bytes each
until its one store is found. A piece that is missing or leads past the end, or a
second store, means that none can be taken out.

Source: C2PA 2.2 appendix A (embedding), ISO 19566-5 (JUMBF and its JPEG segments).
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from provenance.lengths import gif_colour_table_bytes, syncsafe

MAX_STORE_BYTES = 32 * 1024 * 1024

_LEAST_BYTES = 8 + 30  # an empty store has its header and its description
_MAX_READS = 3 * MAX_STORE_BYTES // 255  # a GIF has a store in blocks of 255 bytes, each read twice
_HEAD_BYTES = 64  # enough of any box or segment to tell what it is
_STORE_UUID = bytes.fromhex("63327061 0011 0010 8000 00AA00389B71")
_BMFF_UUID = bytes.fromhex("D8FEC3D6 1B0E 483C 9297 5828877EC481")
_TIFF_FIELD = (0xCD41, 7)  # the tag, and the type of bytes of no type
_ID3_MEDIA_TYPES = {b"application/c2pa", b"application/x-c2pa-manifest-store"}
_ID3_OBJECT_HEAD_BYTES = 1024  # media type, file name and description

type _Span = tuple[int, int]  # where it starts in the file, length in bytes
type _Found = tuple[bytes, list[_Span]]  # what may be a store: its purpose (only ISO media say), its pieces in order


class _File:
    """A file that can be read some number of times, and never past its end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._reads_left = _MAX_READS
        self.size_bytes = stream.seek(0, os.SEEK_END)

    def read(self, at: int, max_bytes: int) -> bytes:
        """What there is at a place: nothing past the end, or when all reads are used up."""
        self._reads_left -= 1
        if self._reads_left < 0 or max_bytes <= 0 or not 0 <= at < self.size_bytes:
            return b""
        self._stream.seek(at)
        return self._stream.read(max_bytes)

    def join(self, pieces: list[_Span], max_bytes: int) -> bytes:
        """The first bytes of what the pieces hold together; they end where a piece is cut off."""
        joined = bytearray()
        for at, length in pieces:
            wanted = min(length, max_bytes - len(joined))
            joined += (piece := self.read(at, wanted))
            if len(piece) < wanted or len(joined) == max_bytes:
                break
        return bytes(joined)


def manifest_store_of(path: Path, media_type: str) -> bytes | None:
    """The bytes of a file's C2PA manifest store (application/c2pa).

    An ISO media file with an update manifest has two stores that count as one; they come joined.

    Args:
        media_type: as media_types.media_type_of says; any other is taken for a bare store (.c2pa).
    Returns:
        None where there is none that can be taken out, or it is past MAX_STORE_BYTES.
    Raises:
        OSError: the file cannot be opened or read.
    """
    with path.open("rb") as stream:
        file = _File(stream)
        match [found for found in _WALKS.get(media_type, _bare)(file) if _is_store(file, found[1])]:
            case [(b"manifest", pieces)]:
                return _superbox(file, pieces)
            case [(b"original", pieces), (b"update", more)]:
                original, update = _superbox(file, pieces), _superbox(file, more)
                return _updated(original, update) if original and update else None
        return None


def _box(head: bytes) -> _Span:
    """Length of an ISO box's header, and of the whole box; 0: the box goes on to the end."""
    length = int.from_bytes(head[:4])
    return (16, int.from_bytes(head[8:16])) if length == 1 else (8, length)


def _is_store(file: _File, pieces: list[_Span]) -> bool:
    head = file.join(pieces, _HEAD_BYTES)
    start, _ = _box(head)
    description = head[start:]
    labelled = int.from_bytes(description[24:25]) & 2 != 0 and description[25:30] == b"c2pa\0"
    return head[4:8] == b"jumb" and description[4:24] == b"jumd" + _STORE_UUID and labelled


def _superbox(file: _File, pieces: list[_Span]) -> bytes | None:
    """The box that the pieces hold, without what follows it."""
    _, length = _box(file.join(pieces, _HEAD_BYTES))
    length = length or sum(size for _, size in pieces)
    if not _LEAST_BYTES <= length <= MAX_STORE_BYTES:
        return None
    store = file.join(pieces, length)
    return store if len(store) == length else None


def _updated(original: bytes, update: bytes) -> bytes | None:
    """One store with the manifests of the first and then those of the second, the last being the active one."""
    start, _ = _box(update)
    _, description_bytes = _box(update[start:])
    content = original[_box(original)[0] :] + update[start + description_bytes :]
    length = 8 + len(content)
    return length.to_bytes(4) + b"jumb" + content if length <= MAX_STORE_BYTES else None


def _bare(file: _File) -> Iterator[_Found]:
    yield b"manifest", [(0, file.size_bytes)]


def _bmff(file: _File) -> Iterator[_Found]:
    """MP4, QuickTime, HEIF: a `uuid` box at the top; those of other purposes help to check parts of the media."""
    at = 0
    while head := file.read(at, _HEAD_BYTES):
        start, length = _box(head)
        length = length or file.size_bytes - at
        if length < start:
            return
        if head[4:8] == b"uuid" and head[start : start + 16] == _BMFF_UUID:
            purpose = head[start + 20 :].partition(b"\0")[0]  # after version and flags
            if purpose in (b"manifest", b"original", b"update"):
                start += 20 + len(purpose) + 1 + 8  # the place of the first Merkle box
                yield purpose, [(at + start, length - start)]
        at += length


def _jpeg(file: _File) -> Iterator[_Found]:
    """APP11 segments up to the picture itself: those of one box share its number and are counted from 1."""
    boxes: dict[bytes, list[tuple[int, _Span]]] = {}
    at = 2
    while (head := file.read(at, _HEAD_BYTES))[:1] == b"\xff":
        marker, length = head[1:2], int.from_bytes(head[2:4])
        if marker == b"\xff":  # a fill byte
            at += 1
            continue
        if marker in (b"\xd9", b"\xda") or length < 2:
            break
        if marker == b"\xeb" and head[4:6] == b"JP":
            sequence = int.from_bytes(head[8:12])
            repeated = _box(head[12:])[0] if sequence > 1 else 0  # the header of the box, which stands in each
            piece = (at + 12 + repeated, length - 10 - repeated)
            boxes.setdefault(head[6:8], []).append((sequence, piece))
        at += 2 + length
    for numbered in map(sorted, boxes.values()):
        if [sequence for sequence, _ in numbered] == list(range(1, len(numbered) + 1)):
            yield b"manifest", [piece for _, piece in numbered]


def _png(file: _File) -> Iterator[_Found]:
    at = 8
    while (head := file.read(at, 8)) and head[4:] != b"IEND":
        length = int.from_bytes(head[:4])
        if head[4:] == b"caBX":
            yield b"manifest", [(at + 8, length)]
        at += 8 + length + 4


def _riff(file: _File) -> Iterator[_Found]:
    at = 12
    while head := file.read(at, 8):
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"C2PA":
            yield b"manifest", [(at + 8, length)]
        at += 8 + length + length % 2


def _gif(file: _File) -> Iterator[_Found]:
    """Extensions before the first picture, each a chain of blocks of up to 255 bytes."""
    flags = int.from_bytes(file.read(10, 1))
    at = 13 + gif_colour_table_bytes(flags)
    while (head := file.read(at, 2))[:1] == b"!":
        blocks: list[_Span] = []
        at += 2
        while length := int.from_bytes(file.read(at, 1)):
            blocks.append((at + 1, length))
            at += 1 + length
        at += 1
        if head[1:] == b"\xff" and file.join(blocks[:1], 8) == b"C2PA_GIF":
            yield b"manifest", blocks[1:]


def _tiff(file: _File) -> Iterator[_Found]:
    """A tag of the first directory; in a BigTIFF counts and places are wider."""
    head = file.read(0, 16)
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    big = int.from_bytes(head[2:4], order) == 43
    word, count_bytes = (8, 8) if big else (4, 2)
    at = int.from_bytes(head[word : 2 * word], order)
    entries = int.from_bytes(file.read(at, count_bytes), order)
    at += count_bytes
    while entries > 0 and (entry := file.read(at, 4 + 2 * word)):
        tag, kind = int.from_bytes(entry[:2], order), int.from_bytes(entry[2:4], order)
        if (tag, kind) == _TIFF_FIELD:
            length, start = int.from_bytes(entry[4:-word], order), int.from_bytes(entry[-word:], order)
            yield b"manifest", [(start, length)]
        at += 4 + 2 * word
        entries -= 1


def _id3(file: _File) -> Iterator[_Found]:
    """A GEOB frame of an ID3v2.3 or 2.4 tag, in front of MP3 and FLAC alike.

    Packed, encrypted or unsynchronised ones are left out: no hash over the file could allow for them.
    """
    head = file.read(0, 10).ljust(10, b"\0")
    version, flags = head[3], head[5]
    if head[:3] != b"ID3" or version not in (3, 4) or flags & 0x80:
        return
    length_of = syncsafe if version == 4 else int.from_bytes
    at, end = 10, 10 + syncsafe(head[6:])
    if flags & 0x40:  # an extended header, whose own length counts itself since 2.4
        at += length_of(file.read(at, 4)) + (0 if version == 4 else 4)
    while at < end and (frame := file.read(at, 10)).strip(b"\0"):
        length = length_of(frame[4:8])
        if frame[:4] == b"GEOB" and frame[9:] == b"\0":
            start = _object_start(file.read(at + 10, min(length, _ID3_OBJECT_HEAD_BYTES)))
            if start is not None:
                yield b"manifest", [(at + 10 + start, length - start)]
        at += 10 + length


def _object_start(content: bytes) -> int | None:
    """Where the object of a GEOB frame starts, when it is a store."""
    media_type = content[1:].partition(b"\0")[0]
    if media_type not in _ID3_MEDIA_TYPES:
        return None
    width = 2 if content[0] in (1, 2) else 1  # of a character in the file name and the description
    at = 1 + len(media_type) + 1
    for _ in range(2):
        while content[at : at + width] not in (b"", bytes(width)):
            at += width
        at += width
    return at


_BMFF_TYPES = ["audio/mp4", "image/avif", "image/heic", "image/heif", "video/3gpp", "video/mp4", "video/quicktime"]
_WALKS: dict[str, Callable[[_File], Iterator[_Found]]] = {
    **dict.fromkeys(_BMFF_TYPES, _bmff),
    **dict.fromkeys(("audio/wav", "image/webp", "video/x-msvideo"), _riff),
    **dict.fromkeys(("audio/flac", "audio/mpeg"), _id3),
    "image/gif": _gif,
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/tiff": _tiff,
}
