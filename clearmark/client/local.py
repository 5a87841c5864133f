"""Fingerprints made on this machine, so that the media never leaves it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearmark.client.errors import CannotFingerprint

# What is slow to load is loaded by who needs it: most callers send files.
if TYPE_CHECKING:
    from fingerprinting.sscd import FrameEmbedder


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


def installed_embedder() -> "FrameEmbedder | None":
    """The network of the extra `neural`, where it is installed. Raises: CannotFingerprint."""
    from fingerprinting.onnx_embedder import BadModel, OnnxEmbedder, find_model

    model = find_model()
    try:
        return OnnxEmbedder(model) if model else None
    except BadModel as error:
        raise CannotFingerprint(str(error)) from error
