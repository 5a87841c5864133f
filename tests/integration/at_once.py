"""Things that happen at the same time, arranged so that each run of a test meets them the same way."""

import threading
from collections.abc import Callable

from sqlalchemy.orm import Session

from registry.database import Database

# How long a transaction is held open for another to run into it. One that does not wait ends well within.
_HELD_S = 0.25


def at_once(*actions: Callable[[], object]) -> list[BaseException | None]:
    """Run each action in a thread of its own, all released together; what each raised, in order."""
    ready = threading.Barrier(len(actions))
    raised: list[BaseException | None] = [None] * len(actions)

    def run(number: int, action: Callable[[], object]) -> None:
        ready.wait(10)
        try:
            action()
        except BaseException as error:  # the test judges it
            raised[number] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def overlapping(
    database: Database, first: Callable[[Session], object], second: Callable[[Session], object]
) -> BaseException | None:
    """Begin `second`'s transaction while `first` has done its work and not committed; what `second` raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            with database.transaction() as session:
                second(session)
        except BaseException as error:  # the test judges it
            raised.append(error)

    thread = threading.Thread(target=run)
    with database.transaction() as session:
        first(session)
        thread.start()
        thread.join(_HELD_S)
    thread.join()
    return raised[0] if raised else None
