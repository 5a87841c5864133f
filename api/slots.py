"""Slots: room for so much at once of what takes long, and for few who wait for it.

Whoever waits keeps one of the threads that answer requests, of which there are some dozens for everything. So what is
slow has slots of its own, few may wait for them and not for long, and everybody else is told at once to come again.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from api import metrics
from api.problems import Problem


class Slots:
    """Room for `at_once`, and for `waiting` more who wait up to `wait_s`; refusals are counted under `name`."""

    def __init__(self, at_once: int, *, waiting: int, wait_s: float, name: str = "other") -> None:
        self._room = threading.BoundedSemaphore(at_once + waiting)
        self._slots = threading.BoundedSemaphore(at_once)
        self._wait_s, self._name = wait_s, name

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have a slot. Raises: Problem: all are taken, come again."""
        if not self._room.acquire(blocking=False):
            raise self._busy()
        try:
            if not self._slots.acquire(timeout=self._wait_s):
                raise self._busy()
            try:
                yield
            finally:
                self._slots.release()
        finally:
            self._room.release()

    def _busy(self) -> Problem:
        metrics.slot_refused(self._name)
        detail = "Others are having this done. Ask again in a moment."
        retry_s = str(max(1, round(self._wait_s)))
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, headers={"Retry-After": retry_s})
