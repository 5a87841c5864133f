"""Fixtures shared by every kind of test."""

import gc
import os
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests import effort
from tests.servers.lacking import not_tested
from tests.servers.postgres import NoPostgres, find_binaries, postgres_server

# A busy machine is slow, not wrong; and CI must say the same of the same code every time.
settings.register_profile(
    "clearmark",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("clearmark")


_LONGEST_ID = 200


def pytest_make_parametrize_id(val: object) -> str | None:
    """A value of megabytes is no name: each worker would tell all of it of each test, and each child be told it."""
    if isinstance(val, (str, bytes)) and len(val) > _LONGEST_ID:
        return f"{val[: _LONGEST_ID // 4]!a} and so on, {len(val)} long"
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each test has an id of its own: of two with one id, pytest-xdist would run one and not say so."""
    for nodeid, times in Counter(item.nodeid for item in items).items():
        if times > 1:
            raise pytest.UsageError(f"{times} tests have the id {nodeid}")
    if effort.SHORT and (left_out := [*effort.twins(items), *effort.unsampled(items)]):
        config.hook.pytest_deselected(items=left_out)
        ids = {item.nodeid for item in left_out}
        items[:] = [item for item in items if item.nodeid not in ids]
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: effort.turn(item.location[0]))


def pytest_collection_finish() -> None:
    """What was imported and collected stays: no look for garbage need go through all of it."""
    gc.freeze()
    gc.set_threshold(100_000)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL server's URL; take a database of your own with `create_database`."""
    try:
        find_binaries()
    except NoPostgres as absent:
        not_tested("PostgreSQL", absent)
    with postgres_server() as url:
        yield url
