"""Stages: what a search spends its time on, for whoever asks to have it measured.

Decides nothing and costs nothing where nobody asked. What is measured is what the thread that asked does.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_spent: ContextVar[dict[str, float] | None] = ContextVar("spent", default=None)


@contextmanager
def measured() -> Iterator[Mapping[str, float]]:
    """Seconds by stage, growing as they are spent within the block."""
    spent: dict[str, float] = {}
    token = _spent.set(spent)
    try:
        yield spent
    finally:
        _spent.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """What this block takes counts as `name`; a stage within a stage counts as both."""
    spent = _spent.get()
    if spent is None:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - began
