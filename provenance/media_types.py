"""Media types by magic bytes, and which of them can be signed.

Decides what a file is from its first bytes, never from its name, and whether
it ends before the length it announces. It does not parse media.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from provenance.lengths import syncsafe

_HEAD_BYTES = 1024

# Each was signed and read back with c2pa-python 0.38.1 (test_provenance_engines
# does it again). Matroska, WebM, Ogg, AAC, AIFF, BMP and MPEG-TS were refused.
# An MP4 in fragments is signed as one file; its pieces apart are not, since the library signs none from Python.
SIGNABLE: frozenset[str] = frozenset(
    {
        "audio/flac",
        "audio/mp4",
        "audio/mpeg",
        "audio/wav",
        "image/avif",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/tiff",
        "image/webp",
        "video/mp4",
        "video/quicktime",
        "video/x-msvideo",
    }
)

# Kinds that carry no credentials and are published all the same: theirs lie beside the file.
BESIDE: frozenset[str] = frozenset({"application/ogg", "video/webm", "video/x-matroska"})

_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "application/ogg"),
)
_RIFF_FORMS = {b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo", b"WEBP": "image/webp"}
_AIFF_FORMS = {b"AIFF": "audio/aiff", b"AIFC": "audio/aiff"}
_BRANDS = {
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
}
_QUICKTIME_FIRST_BOXES = {b"moov", b"mdat", b"wide"}  # QuickTime from before `ftyp`
_UNKNOWN_LENGTHS = {0, 0xFFFFFFFF}  # what a stream writer leaves in a RIFF header


def media_type_of(path: Path) -> str | None:
    """The media type of a file by its first bytes; None when they are not known.

    Reads at most 2 KiB. Raises OSError when the file cannot be opened.
    """
    with path.open("rb") as stream:

        def piece(start: int, length: int) -> bytes:
            stream.seek(start)
            return stream.read(length)

        return media_type_in(piece)


def media_type_in(piece: Callable[[int, int], bytes]) -> str | None:
    """The same of what is read by pieces: from where, and at most how many bytes."""
    head = piece(0, _HEAD_BYTES)
    if head[:3] == b"ID3" and len(head) >= 10:
        # FLAC and AAC may follow an ID3 tag (a signed FLAC always does); else it is MP3.
        return _by_head(piece(10 + syncsafe(head[6:10]), _HEAD_BYTES)) or "audio/mpeg"
    return _by_head(head)


def ends_early(path: Path) -> bool:
    """Whether an ISO media (MP4, MOV, AVIF) or RIFF file stops before the length it announces.

    Credentials may have been in the part that is gone, so "none found" is not an answer then.
    """
    size_bytes = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(12)
        if head[:4] == b"RIFF" and len(head) == 12:
            announced = int.from_bytes(head[4:8], "little")
            return announced not in _UNKNOWN_LENGTHS and announced + 8 > size_bytes
        return head[4:8] == b"ftyp" and _box_past_end(stream, size_bytes)


def _box_past_end(stream: BinaryIO, size_bytes: int) -> bool:
    at = 0
    while at < size_bytes:
        stream.seek(at)
        header = stream.read(16)
        if len(header) < 8:
            return True
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:  # the last box reaches to the end of the file
            return False
        if length < 8:
            return True
        at += length
    return at > size_bytes


def _by_head(head: bytes) -> str | None:
    for prefix, media_type in _PREFIXES:
        if head.startswith(prefix):
            return media_type
    if head[:4] in (b"RIFF", b"RF64"):
        return _RIFF_FORMS.get(head[8:12])
    if head[:4] == b"FORM":
        return _AIFF_FORMS.get(head[8:12])
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "video/3gpp" if brand[:2] == b"3g" else _BRANDS.get(brand, "video/mp4")
    if head[4:8] in _QUICKTIME_FIRST_BOXES:
        return "video/quicktime"
    if head[:1] == b"\x47" and head[188:189] == b"\x47" and head[376:377] == b"\x47":
        return "video/mp2t"
    return _by_frame_header(head)


def _by_frame_header(head: bytes) -> str | None:
    """MPEG audio has no signature, only an 11-bit sync word and fields with forbidden values."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = (head[1] >> 3) & 3, (head[1] >> 1) & 3
    if layer == 0:
        return "audio/aac" if head[1] & 0xF0 == 0xF0 and (head[2] >> 2) & 0xF < 13 else None
    plausible = version != 1 and head[2] >> 4 not in (0, 15) and (head[2] >> 2) & 3 != 3
    return "audio/mpeg" if plausible and layer == 1 else None
