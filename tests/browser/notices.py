"""What the journeys about notices share: a service whose clock is moved, a release to complain of, letters to read."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Page, expect

from tests import media
from tests.api.service import RunningService, ok, send
from tests.browser import people
from tests.browser.browser import Window
from tests.browser.people import PASSWORD, code_for

# 2026-12-21 is a Monday; the 25th and January 1st are holidays.
MAKER = "bo@moving.example"
MONDAY = datetime(2026, 12, 21, 15, 0, tzinfo=UTC)
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u202egnp.exe {{ 7*7 }}'


@dataclass(slots=True, kw_only=True)
class Town:
    """A service, its clock, and the keys of those who act there, each made once."""

    service: RunningService
    clock: Path
    folder: Path
    keys: dict[str, str] = field(default_factory=dict)

    def moves(self, at: datetime) -> None:
        self.clock.write_text(at.isoformat())

    def key(self, who: str, *scopes: str) -> str:
        if who not in self.keys:
            self.keys[who] = self.service.key(who.rstrip("2"), *scopes)
        return self.keys[who]

    @property
    def maker(self) -> str:
        """The sign-in of somebody who has an account, and so is written to."""
        if MAKER not in self.keys:
            with self.service.client() as anyone:
                anyone.post("/v1/accounts", json={"email": MAKER, "name": "Bo", "holder": "Moving Pictures"})
                said = {"code": code_for(self.service, MAKER), "password": PASSWORD}
                ok(anyone.post("/v1/accounts/confirm", json=said))
                token = ok(anyone.post("/v1/sessions", json={"email": MAKER, "password": PASSWORD}), 201)["token"]
            self.keys[MAKER] = token
        return self.keys[MAKER]

    @property
    def reviewer(self) -> str:
        return self.key("Desk", "review", "admin")

    @property
    def second(self) -> str:
        return self.key("Desk2", "review", "admin")

    def releases(self, title: str = "Night Train, copied") -> tuple[str, Path]:
        """A release of the maker's, and a copy of its file such as somebody finds."""
        seed = uuid.uuid4().int % 2**31
        path = media.moving_clip(self.folder / f"{seed}.mp4", seconds=8, seed=seed)
        with self.service.client(self.maker) as maker:
            check = ok(send(maker, "/v1/checks", path))
            made = ok(maker.post("/v1/releases", json={"check_id": check["id"], "title": title}), 201)
        return made["id"], media.copied(path, self.folder / f"{seed}-found.mp4")

    def file_status(self, release: str) -> int:
        with self.service.client(self.reviewer) as reviewer:  # whose key outlasts what the clock does to sign-ins
            return reviewer.get(f"/v1/releases/{release}/file").status_code


def sign_in(window: Window) -> Page:
    """As the maker, to what notices there are."""
    page = people.sign_in(window, MAKER, at="/sign-in?next=/my-notices")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page


def declare(page: Page) -> None:
    """Tick every statement that the page asks for."""
    for box in page.locator(".oath").get_by_role("checkbox").all():
        box.check()


def notice_id(page: Page) -> str:
    """Of the notice whose page this is."""
    return page.url.partition("notices/")[2].partition("/")[0].partition("?")[0].partition("#")[0]


def stands(page: Page, words: str) -> None:
    expect(page.get_by_role("region", name="Where it stands")).to_contain_text(words)
