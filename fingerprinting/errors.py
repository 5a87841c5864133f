"""What can go wrong between a media file and its matches. Errors know nothing of HTTP."""

from enum import StrEnum


class FingerprintingError(Exception):
    """Root of this package's errors."""


class MediaFault(StrEnum):
    """Why a file gave no fingerprint. Stored with assets and checks: values are never renamed."""

    EMPTY = "empty"
    UNREADABLE = "unreadable"
    NO_MEDIA = "no_media"
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"
    TOO_SHORT = "too_short"
    CORRUPT = "corrupt"
    SEVERAL_TRACKS = "several_tracks"
    LIMIT_EXCEEDED = "limit_exceeded"
    BLACK = "black"
    STATIC = "static"
    SILENT = "silent"
    REPETITIVE = "repetitive"
    COUNTING = "counting"
    NOISE = "noise"
    UNJUDGED = "unjudged"
    NO_CONTENT = "no_content"


class MediaError(FingerprintingError):
    """The file cannot be used as media; `fault` is stable, `problem` tells a person what to do."""

    def __init__(self, *, fault: MediaFault, problem: str) -> None:
        super().__init__(f"{fault}: {problem}")
        self.fault = fault
        self.problem = problem


class BadDocument(FingerprintingError):
    """A fingerprint document breaks its schema at `path`."""

    def __init__(self, *, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class BadSnapshot(FingerprintingError):
    """A snapshot file is damaged or not of this version; the index must be rebuilt."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class EngineAway(FingerprintingError):
    """The index engine does not answer, or not in time: what it holds is not known."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
