"""Fixtures shared by every kind of test."""

import os
from collections.abc import Iterator

import pytest

from tests.servers.postgres import NoPostgres, find_binaries, postgres_server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL server's URL; take a database of your own with `create_database`."""
    try:
        find_binaries()
    except NoPostgres as absent:
        if os.environ.get("CI"):
            pytest.fail(f"PostgreSQL is not tested: {absent}")
        pytest.skip(f"PostgreSQL IS NOT TESTED HERE: {absent}")
    with postgres_server() as url:
        yield url
