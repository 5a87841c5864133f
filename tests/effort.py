"""How much is tried. Whoever runs pytest gets all of it; `make test` leaves out what is nearly the same twice.

With CLEARMARK_TESTS=short a test that runs on both databases runs on one, which its name decides; pages are looked at
in the light theme alone; and of drawn examples, and of the cases of a test marked `sampled`, a third is tried.
"""

import os
import re
import zlib
from collections import defaultdict

import pytest

SHORT = os.environ.get("CLEARMARK_TESTS") == "short"
# Where a file of tests can take minutes, waiting or working.
_LONG = frozenset({"api", "browser", "faults"})
_BACKEND = re.compile(r"\b(?:sqlite|postgresql)\b")


def examples(number: int) -> int:
    """How many of so many examples to draw."""
    return -(-number // 3) if SHORT else number


def unsampled(items: list[pytest.Item]) -> list[pytest.Item]:
    """Of the cases of tests marked `sampled`, two thirds, to leave out; each meets one of three tests of a file."""
    left_out, numbers = [], defaultdict[str, dict[str, int]](dict)
    for item in items:
        if item.get_closest_marker("sampled") is not None:
            path, _, test = item.nodeid.partition("::")
            name, _, case = test.partition("[")
            number = numbers[path].setdefault(name, len(numbers[path]))
            if (zlib.crc32(case.encode()) + number) % 3:
                left_out.append(item)
    return left_out


def twins(items: list[pytest.Item]) -> list[pytest.Item]:
    """Of the tests that run on one database and then on another, those to leave out: one of each two.

    A test marked `both_databases` is about what differs between them, and stays.
    """
    alike = defaultdict(list)
    for item in items:
        if item.get_closest_marker("both_databases") is None:
            alike[_BACKEND.sub("*", item.nodeid)].append(item)
    return [pair[zlib.crc32(name.encode()) % 2] for name, pair in alike.items() if len(pair) == 2]


def turn(path: str) -> tuple[bool, int]:
    """When a file's tests are run beside others: long ones first, those that wait among those that work."""
    _, kind, *_ = path.split("/")
    return kind not in _LONG, zlib.crc32(path.encode())
