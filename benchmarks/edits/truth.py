"""What an edited file copies: the values that edits make and metrics judge by."""

from dataclasses import dataclass
from pathlib import Path

from fingerprinting.model import ItemNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of an edited file that copies a work; both intervals are [start, end), seconds."""

    item: ItemNumber
    query_start_s: float
    query_end_s: float
    reference_start_s: float
    reference_end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """An edited file and all that it copies."""

    path: Path
    pieces: tuple[Piece, ...]
