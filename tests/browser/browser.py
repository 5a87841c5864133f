"""A browser on the pages, as people have one: which Chromium, how it is watched, and what it must never show.

Whatever a journey shows, the console stays silent: a script or style that the policy refused, or an error of our own
scripts, fails the test that met it. `Window.look` also looks for barriers (axe-core) and keeps a picture, where
CLEARMARK_SCREENSHOTS names a folder: that is how those in the docs are made.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Response, expect, sync_playwright

from tests.api.service import RunningService
from tests.effort import SHORT

SCREENSHOTS = "CLEARMARK_SCREENSHOTS"
PHONE, DESK = 360, 1200
# The first has no windows to draw, and takes half of the time.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# The dark theme changes colours and nothing else (`tests/unit/api/pages/test_styles.py`).
_THEMES: dict[Literal["light", "dark"], list[str]] = {
    "light": _RULES,
    "dark": ["color-contrast", "link-in-text-block"],
}
# What the browser says by itself of an answer that a test asked for, and what no page asks for in vain.
_EXPECTED = "Failed to load resource: the server responded with a status of"
_NEEDED = frozenset({"script", "stylesheet", "image", "font"})
# Cumulative layout shift: what moved without anybody having touched it. A pixel of a line may, as a font comes.
_MOVED_AT_MOST = 0.01
_MOVED = """() => new Promise(done => {
  let moved = 0;
  new PerformanceObserver(seen => seen.getEntries().forEach(one => { if (!one.hadRecentInput) moved += one.value; }))
    .observe({type: "layout-shift", buffered: true});
  setTimeout(() => done(moved), 50);
})"""


class NoBrowser(Exception):
    """There is no Chromium here."""


def _chromiums() -> list[str | None]:
    """Those to try: the one named and no other, else Playwright's own (None) and then the system's."""
    if named := os.environ.get("CLEARMARK_CHROMIUM"):
        return [named]
    return [None, *filter(None, map(shutil.which, _NAMES))]


@contextmanager
def started() -> Iterator[Browser]:
    """A browser for as long as the block lasts. Raises: NoBrowser."""
    args = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser, faults = None, []
        for path in _chromiums():
            try:
                browser = playwright.chromium.launch(executable_path=path, args=args)
                break
            except Error as error:
                faults.append(f"{path or 'its own'} does not start: {error.message.splitlines()[0]}")
        if browser is None:
            raise NoBrowser(
                "no Chromium was found: run `.venv/bin/playwright install --only-shell chromium`, install your "
                f"system's package `chromium`, or name one in CLEARMARK_CHROMIUM ({'; '.join(faults)})"
            )
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True, kw_only=True)
class Window:
    """A window of one person's browser, on a service."""

    page: Page
    service: RunningService
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str, *, status: int = 200) -> Page:
        """Go to a page of the service, or to the way to sign in before it; it must be answered like that."""
        answer = self.page.goto(self.service.url + path)
        # There is none where the page is the same but for its fragment.
        assert answer is None or answer.status == status, f"{path}: {answer.status}"
        return self.page

    def sign_in(self, key: str, at: str = "/sign-in") -> Page:
        """Sign in with a key, as operators, reviewers and programs do; in whatever language the page is."""
        page = self.open(at)
        page.locator("details:has(#f-key) > summary").click()
        page.locator("#f-key").fill(key)
        page.locator("form:has(#f-key) button").click()
        expect(page).not_to_have_url(re.compile(r"/sign-in(\?|$)"))
        return page

    def barriers(self, rules: list[str] = _RULES) -> list[str]:
        """What axe-core finds on the page as it is, in the theme it has."""
        found = Axe().run(self.page, options={"runOnly": rules, "resultTypes": ["violations"]})
        return [
            f"{one['id']}: {one['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
            for one in found.response["violations"]
            for node in one["nodes"]
        ]

    def stays_put(self, name: str) -> None:
        """Nothing on the page moved after it was shown, unless somebody touched it."""
        assert (moved := self.page.evaluate(_MOVED)) < _MOVED_AT_MOST, f"{name} moved after it was shown, by {moved}"

    def look(self, name: str, *, whole: bool = True) -> None:
        """Look at a page as people with and without sight do, in both themes and on a phone; keep pictures of it.

        Args:
            name: of the pictures.
            whole: all of the page, not only what a screen shows.
        """
        page = self.page
        self.stays_put(name)
        folder = os.environ.get(SCREENSHOTS)
        for theme, rules in _THEMES.items():
            if theme == "dark" and SHORT and not folder:
                continue
            _wear(page, theme)
            barriers = self.barriers(rules)
            assert barriers == [], f"{name}, {theme}: " + "\n".join(barriers)
            if folder:
                page.screenshot(path=Path(folder, f"{name}-{theme}.png"), full_page=whole)
        _wear(page, "light")
        before = page.viewport_size
        page.set_viewport_size({"width": PHONE, "height": 740})
        assert _overflow_px(page) <= 0, f"{name} is wider than a phone, by {_overflow_px(page)} px"
        if folder:
            page.screenshot(path=Path(folder, f"{name}-phone.png"), full_page=whole)
        if before:
            page.set_viewport_size(before)

    def heed(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_EXPECTED):
            self.complaints.append(f"{message.text} at {self.page.url}")

    def miss(self, answer: Response) -> None:
        if answer.status >= 400 and answer.request.resource_type in _NEEDED:
            self.complaints.append(f"{answer.status} for {answer.url} at {self.page.url}")


def _wear(page: Page, theme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")


def _overflow_px(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


@contextmanager
def window(
    browser: Browser, service: RunningService, *, width: int = DESK, language: str = "en-GB", scripts: bool = True
) -> Iterator[Window]:
    """A window of a browser that was never here; fails if the console complained or a part of a page was missing."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, locale=language, java_script_enabled=scripts, accept_downloads=True
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(20_000)
    page = context.new_page()
    opened = Window(page=page, service=service)
    page.on("console", lambda message: opened.heed(message))
    page.on("response", lambda answer: opened.miss(answer))
    page.on("pageerror", lambda error: opened.complaints.append(f"{error} at {page.url}"))
    try:
        yield opened
        assert opened.complaints == []
    finally:
        context.close()
