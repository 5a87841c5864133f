"""What is told of a file on this machine: fingerprints, so that the media never leaves it, and its kind."""

import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearmark.client.errors import CannotFingerprint

# What is slow to load is loaded by who needs it: most callers send files.
if TYPE_CHECKING:
    from fingerprinting.sscd import FrameEmbedder

_BEGINNINGS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
)
_OF_RIFF = {b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo", b"WEBP": "image/webp"}
_OF_BRANDS = {
    b"qt  ": "video/quicktime", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4",
    b"avif": "image/avif", b"avis": "image/avif", b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heif",
}  # fmt: skip


def document(path: Path, *, is_query: bool, embedder: "FrameEmbedder | None") -> dict[str, Any]:
    """The fingerprint document of a file.

    Args:
        is_query: to be checked, not registered: larger, with every view of every frame.
        embedder: the network that sees pictures; without one, pictures are compared by hashes alone.
    Raises:
        CannotFingerprint: the file cannot be used; says why.
    """
    from fingerprinting.document import to_document
    from fingerprinting.errors import FingerprintingError
    from fingerprinting.extract import extract, extract_output

    try:
        if is_query:
            return to_document(extract_output(path, embedder=embedder).in_full())
        return to_document(extract(path, embedder=embedder).fingerprint)
    except FingerprintingError as error:
        raise CannotFingerprint(str(error)) from error


def iscc(path: Path) -> bytes:
    """The value of a file's soft binding `io.iscc.v0`.

    Raises:
        CannotFingerprint: the file cannot be used, or nothing tells its content from others'; says why.
    """
    from fingerprinting.decode import probe
    from fingerprinting.errors import FingerprintingError
    from fingerprinting.iscc import iscc_of

    try:
        code = iscc_of(path, probe(path))
    except FingerprintingError as error:
        raise CannotFingerprint(str(error)) from error
    if code is None:
        raise CannotFingerprint("Nothing in this file tells it from others: one plain colour, or next to no sound.")
    return code.value


def installed_embedder() -> "FrameEmbedder | None":
    """The network of the extra `neural`, where it is installed. Raises: CannotFingerprint."""
    from fingerprinting.onnx_embedder import BadModel, OnnxEmbedder, find_model

    model = find_model()
    try:
        return OnnxEmbedder(model) if model else None
    except BadModel as error:
        raise CannotFingerprint(str(error)) from error


def media_type(path: Path) -> str:
    """What kind of file it is by its first bytes, else by its name; resolvers refuse what they are not told."""
    with path.open("rb") as file:
        head = file.read(64)
    for beginning, media_type in _BEGINNINGS:
        if head.startswith(beginning):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] in _OF_RIFF:
        return _OF_RIFF[head[8:12]]
    if head[4:8] == b"ftyp":
        return _OF_BRANDS.get(head[8:12], "video/mp4")
    named = mimetypes.guess_type(path.name, strict=False)[0] or ""
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head else "video/x-matroska"
    if head.startswith(b"OggS"):  # `application/ogg` is refused where only media is taken
        return "video/ogg" if path.suffix.lower() == ".ogv" else "audio/ogg"
    return named if named.startswith(("audio/", "image/", "video/")) else "application/octet-stream"
