"""What can go wrong when a service is asked. Every error descends from ClearmarkError; none of them means yes."""

from typing import Any


class ClearmarkError(Exception):
    """Root of everything that the client raises on purpose; its text says what to do."""


class Misconfigured(ClearmarkError):
    """The address or the key cannot be one; nothing was asked."""


class Unreachable(ClearmarkError):
    """No answer came, also after trying again: refused, broken off, or timed out."""


class NotReady(ClearmarkError):
    """The service did not become ready in the time given."""


class BadAnswer(ClearmarkError):
    """An answer came that no such service gives: something else listens there, stands between, or means no good."""


class CannotFingerprint(ClearmarkError):
    """A file could not be fingerprinted on this machine."""


class Unsupported(ClearmarkError):
    """The resolver cannot be asked about this file in any way that this client knows."""


class Unknown(ClearmarkError):
    """The check came to no verdict; `check` is what is known of it. Only `gate(…, on_unknown="raise")` raises it."""

    def __init__(self, why: str, *, check: Any) -> None:
        super().__init__(why)
        self.check = check


class Problem(ClearmarkError):
    """The service said no, with an RFC 9457 problem document.

    Attributes:
        type: stable, `urn:clearmark:problem:…`; `about:blank` when what answered is no Clearmark service.
        field: which part of the request is wrong; None when it is not one part.
        retry_after_s: how long the service asked to be left alone; None when it did not say.
        document: the whole document, with the members that its type adds.
    """

    def __init__(self, *, status: int, document: dict[str, Any], retry_after_s: float | None = None) -> None:
        super().__init__(str(document.get("detail") or document.get("title") or f"HTTP {status}"))
        self.status = status
        self.type = str(document.get("type", "about:blank"))
        self.detail = str(self)
        self.field: str | None = document.get("field")
        self.retry_after_s = retry_after_s
        self.document = document
