"""What can go wrong in the registry, with the fields a caller needs to say so.

Every error of the package descends from RegistryError. Errors carry fields,
not only text, and know no HTTP: the process edge turns them into problem
documents.
"""


class RegistryError(Exception):
    """Root of everything the registry raises on purpose."""


class NotFound(RegistryError):
    """Nothing of that kind has that id, or the actor may not know that it exists."""

    def __init__(self, *, kind: str, id: str) -> None:
        super().__init__(f"There is no {kind} {id}.")
        self.kind = kind
        self.id = id


class Forbidden(RegistryError):
    """The actor is known and may not do this."""

    def __init__(self, *, action: str) -> None:
        super().__init__(f"Not allowed: {action}.")
        self.action = action


class Conflict(RegistryError):
    """The request is well formed, but what is stored stands against it."""

    def __init__(self, *, kind: str, id: str, problem: str) -> None:
        super().__init__(f"{kind} {id}: {problem}")
        self.kind = kind
        self.id = id
        self.problem = problem


class Invalid(RegistryError):
    """A value cannot be accepted; `problem` says what to do about it."""

    def __init__(self, *, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class TooSoon(RegistryError):
    """It was done a moment ago, and may be done again in `wait_s`."""

    def __init__(self, *, problem: str, wait_s: float) -> None:
        super().__init__(problem)
        self.problem = problem
        self.wait_s = wait_s


class LedgerError(RegistryError):
    """The ledger was asked for something that no append-only log can answer."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
