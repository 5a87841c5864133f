"""What becomes of a test whose server or tool this machine lacks: a laptop may skip it, CI may not."""

import os
from typing import NoReturn

import pytest


def not_tested(what: str, why: object, *, excused: bool = False) -> NoReturn:
    """End the test or the fixture that asks: under CI it fails, elsewhere it is skipped and says so.

    Args:
        what: what is not tested then, in the plural or as a name: "the pages", "PostgreSQL".
        excused: CI may skip it too, for a reason that lies outside this repository.
    """
    said = f"NOT TESTED HERE: {what}: {why}"
    if os.environ.get("CI") and not excused:
        pytest.fail(said, pytrace=False)
    pytest.skip(said)
