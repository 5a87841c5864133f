"""What can go wrong in provenance, with fields rather than only text.

A file that carries no credentials, or credentials that do not hold, is not an
error: it is an answer (model.ManifestFacts).
"""


class ProvenanceError(Exception):
    """Root of every error of this package."""


class SigningFailed(ProvenanceError):
    """A file was not signed; nothing was left at the target."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"signing failed: {reason}")


class UnsupportedContainer(ProvenanceError):
    """The kind of file cannot carry a manifest here."""

    def __init__(self, *, media_type: str | None, supported: tuple[str, ...]) -> None:
        self.media_type = media_type
        self.supported = tuple(supported)
        super().__init__(f"{media_type or 'unknown kind of file'} cannot be signed")


class ReadFailed(ProvenanceError):
    """Reading could not be tried at all: the fault is not the file's content."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"reading failed: {reason}")


class IdentityInvalid(ProvenanceError):
    """A certificate chain and key cannot be used to sign, or not any more."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"signing identity refused: {reason}")


class KeyUnavailable(ProvenanceError):
    """A signing key cannot be reached, or it refused; trying again later may help."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"signing key: {reason}")


class CannotCarry(ProvenanceError):
    """A file takes up no XMP, or its own cannot be read; nothing was written."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"no XMP: {reason}")


class TimeStampFailed(ProvenanceError):
    """No time-stamp authority of the list gave a usable time-stamp; nothing was left at the target."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"no time-stamp: {reason}")


class WorkerDied(ProvenanceError):
    """The isolated process ended without a usable answer; `how` is one of `timeout`, `exit`, `garbled`, `unstarted`."""

    def __init__(self, *, operation: str, how: str) -> None:
        self.operation = operation
        self.how = how
        super().__init__(f"{operation} worker: {how}")
