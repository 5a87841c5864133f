"""A service that is empty at first, and windows of browsers on it."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.api.service import RunningService, running_service
from tests.browser.browser import NoBrowser, Window, started, window
from tests.servers.lacking import not_tested


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of each file its own: while Playwright runs, nothing else may run an event loop."""
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(started())
        except NoBrowser as absent:
            not_tested("the pages", absent)
        yield found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Of each file its own, and nobody has been there before."""
    with running_service(tmp_path_factory.mktemp("service"), sscd_model="none") as running:
        yield running


@pytest.fixture
def opened(browser: Browser, service: RunningService) -> Iterator[Callable[..., Window]]:
    """Opens windows, each of another person's browser: `opened()`, `opened(width=PHONE, language="id")`."""
    with contextlib.ExitStack() as stack:
        yield lambda **how: stack.enter_context(window(browser, service, **how))


@pytest.fixture
def visitor(opened: Callable[..., Window]) -> Window:
    """Somebody who looks at the pages."""
    return opened()
