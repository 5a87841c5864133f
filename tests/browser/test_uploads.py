"""Files on their way: through connections that break, pages that are left, and by whatever hand sends them."""

import contextlib
import hashlib
import re
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Page, Request, Route, expect

from tests import media
from tests.api.service import RunningService, ok, until
from tests.browser.browser import Window

HOSTILE = '"><img src=x onerror=alert(1)>\u202e4pm.mp4'
FILES = "Drop its files here"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of some 20 MB: a short one, with room left free in it, as the format allows."""
    path = media.clip_with_sound(tmp_path_factory.mktemp("film") / "film.mp4", seconds=4, seed=71)
    free = 20 << 20
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", free, b"free") + bytes(free - 8))
    return path


@pytest.fixture(scope="module")
def key(service: RunningService) -> str:
    return service.key("Studio", "works:write")


@pytest.fixture
def studio(visitor: Window, key: str) -> Window:
    """A rights holder who registers works."""
    visitor.sign_in(key)
    return visitor


class Pieces:
    """The pieces that a page sends: `become` is called with each, and their number."""

    def __init__(self, page: Page, become: Callable[[Route, int], object] = lambda route, _: route.continue_()) -> None:
        self.offsets: list[int] = []
        self.begun = 0
        self._become = become
        page.route("**/uploads/upl_*", self._on_piece)
        page.on("request", self._on_request)

    def _on_piece(self, route: Route) -> None:
        if route.request.method != "PATCH":
            route.continue_()
            return
        self.offsets.append(int(route.request.headers["upload-offset"]))
        self._become(route, len(self.offsets))

    def _on_request(self, request: Request) -> None:
        self.begun += request.method == "POST" and request.url.endswith("/uploads")


def _slowly(route: Route, _number: int) -> None:
    time.sleep(0.3)
    route.continue_()


def _shows(window: Window, film: Path, work: str) -> None:
    """The work has the file, byte for byte."""
    with window.service.client(window.service.key("Studio", "works:write")) as client:
        [asset] = ok(client.get(f"/v1/works/{work}"))["assets"]
        assert ok(client.get(f"/v1/assets/{asset}"))["sha256"] == hashlib.sha256(film.read_bytes()).hexdigest()


def _registering(window: Window, title: str) -> Page:
    page = window.open("/works/new")
    page.get_by_label("Title", exact=True).fill(title)
    return page


def _forgive(window: Window) -> None:
    """What the browser says itself of connections that a test broke."""
    window.complaints[:] = [one for one in window.complaints if "net::ERR_" not in one]


def test_a_film_comes_through_a_connection_that_breaks(studio: Window, film: Path) -> None:
    def become(route: Route, number: int) -> None:
        match number:
            case 2:
                route.abort("connectionreset")
            case 3 | 4:
                route.fulfill(status=503)
            case 5:
                route.fulfill(status=409, json={"detail": "It goes on elsewhere."})
            case _:
                _slowly(route, number)

    page = _registering(studio, "Through storms")
    pieces = Pieces(page, become)
    page.get_by_label(FILES).set_input_files(film)
    row = page.get_by_role("listitem").filter(has_text="film.mp4")
    expect(row).to_contain_text("MB")
    page.get_by_role("button", name="Register it").click()
    expect(page.get_by_role("button", name="Sending…")).to_be_visible()
    expect(row).to_contain_text("Trying again in", timeout=60_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("Through storms", timeout=60_000)
    assert pieces.begun == 1
    assert len(set(pieces.offsets)) < len(pieces.offsets)  # some were sent again, from where the service stood
    expect(page.get_by_text("Protected")).to_be_visible(timeout=60_000)  # it says so by itself
    _shows(studio, film, page.url.rpartition("/")[2])
    _forgive(studio)


def test_a_page_that_was_left_goes_on_where_it_was(studio: Window, film: Path) -> None:
    page = _registering(studio, "Left")
    hung: list[Route] = []
    pieces = Pieces(page, lambda route, number: route.continue_() if number == 1 else hung.append(route))
    page.get_by_label(FILES).set_input_files(film)
    page.get_by_role("button", name="Register it").click()
    page.wait_for_function("() => document.querySelector('.uploads progress').value > 0.2")
    while not hung:
        page.wait_for_timeout(50)
    page.unroute_all(behavior="ignoreErrors")
    page = _registering(studio, "Left and found")
    expect(page.get_by_text("You had begun to send film.mp4. Choose it again")).to_be_visible()
    studio.look("upload-begun")
    again = Pieces(page)
    page.get_by_label(FILES).set_input_files(film)
    page.get_by_role("button", name="Register it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Left and found", timeout=60_000)
    assert (pieces.begun, again.begun) == (1, 0)
    assert again.offsets[0] >= pieces.offsets[-1] > 0  # of the piece that hung, some may have come
    _shows(studio, film, page.url.rpartition("/")[2])
    _forgive(studio)


def _choose_by_keyboard(page: Page, path: Path) -> None:
    """Press a key on a field for files; this Chromium overlooks one now and then, on pages without scripts, too."""
    for _ in range(5):
        with contextlib.suppress(Error):
            with page.expect_file_chooser(timeout=3000) as chooser:
                page.keyboard.press("Space")
            chooser.value.set_files(path)
            return
    pytest.fail("no key opens the choice of files")


def test_by_the_keyboard_alone_it_is_paused_and_goes_on_and_is_cancelled(studio: Window, film: Path) -> None:
    page = _registering(studio, "Keys")
    Pieces(page, _slowly)
    files = page.get_by_label(FILES)
    files.focus()
    _choose_by_keyboard(page, film)
    expect(page.get_by_role("status").filter(has_text="film.mp4 is chosen.")).to_be_attached()
    page.get_by_label("Title", exact=True).focus()
    page.keyboard.press("Enter")
    pause = page.get_by_role("button", name="Pause: film.mp4")
    expect(pause).to_be_visible()
    pause.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("listitem").filter(has_text="Paused ·")).to_be_visible()
    studio.look("upload-paused")
    page.context.set_offline(True)
    page.keyboard.press("Space")  # it is "Go on" now, and has the focus still
    expect(page.get_by_role("listitem").filter(has_text="You are offline.")).to_be_visible()
    studio.page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel: film.mp4")).to_be_focused()
    page.context.set_offline(False)
    expect(page.get_by_role("listitem").filter(has_text="%")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel: film.mp4")).to_have_count(0)
    expect(files).to_be_focused()
    expect(page.get_by_role("button", name="Register it")).to_be_visible()
    _forgive(studio)


def test_a_form_that_is_shown_again_keeps_its_files(studio: Window, film: Path, tmp_path: Path) -> None:
    page = _registering(studio, "Kept")
    hostile = tmp_path / HOSTILE.replace("/", "")
    hostile.write_bytes(b"no film at all")
    page.get_by_label(FILES).set_input_files([film, hostile])
    page.get_by_role("button", name=f"Remove: {hostile.name}").click()
    expect(page.get_by_role("status").filter(has_text="is removed.")).to_be_attached()
    page.get_by_text("Creators, year").click()
    page.get_by_label("Year of release").fill("last year")
    page.get_by_role("button", name="Register it").click()
    row = page.get_by_role("listitem").filter(has_text="film.mp4")
    expect(page.locator("#f-year-error")).to_be_visible(timeout=60_000)
    expect(row).to_contain_text("Sent")
    studio.look("upload-kept")
    pieces = Pieces(page)
    page.get_by_label("Year of release").fill("2026")
    page.get_by_role("button", name="Register it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Kept", timeout=60_000)
    assert pieces.offsets == []
    _shows(studio, film, page.url.rpartition("/")[2])


def _files(page: Page, *names: str) -> Any:
    """What a hand drops, or a clipboard holds."""
    script = """(names) => {
        const all = new DataTransfer();
        for (const name of names) all.items.add(new File([name ? "content" : ""], name || "empty.mp4"));
        return all;
    }"""
    return page.evaluate_handle(script, list(names))


def test_files_are_dropped_and_pasted_and_unfit_ones_named(opened: Callable[..., Window], key: str) -> None:
    window = opened(language="id")
    window.sign_in(key)
    page = window.open("/works/new")
    zone, rows = page.locator(".drop"), page.locator(".uploads > li")
    over = {"dataTransfer": _files(page, HOSTILE)}
    page.locator("h1").dispatch_event("dragover", over)
    expect(zone).to_have_class("field drop lively over")
    page.locator("h1").dispatch_event("drop", over)
    expect(zone).not_to_have_class("field drop lively over")
    expect(rows).to_have_count(1)
    expect(rows.locator("bdi")).to_have_text(HOSTILE)
    page.evaluate(
        "(files) => document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: files, bubbles: true}))",
        _files(page, "pasted.png", ""),
    )
    expect(rows).to_have_count(3)
    expect(rows.last.locator(".error")).to_be_visible()
    page.locator("form[data-upload]").evaluate("(form) => { form.dataset.most = 3; }")
    page.locator("h1").dispatch_event("drop", {"dataTransfer": _files(page, "large.mp4")})
    expect(rows.last.locator(".error")).to_contain_text("3")
    window.look("upload-unfit")
    assert page.evaluate("() => document.querySelectorAll('img[src=x]').length") == 0


def test_without_scripts_a_form_brings_its_file_itself(opened: Callable[..., Window], film: Path, key: str) -> None:
    window = opened(scripts=False)
    window.sign_in(key)
    page = _registering(window, "At once")
    page.get_by_label(FILES).set_input_files(film)
    page.get_by_role("button", name="Register it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("At once")
    _shows(window, film, page.url.rpartition("/")[2])


def test_where_there_is_no_room_for_pieces_the_form_brings_the_file(studio: Window, film: Path) -> None:
    page = _registering(studio, "Whole")
    page.route("**/uploads", lambda route: route.fulfill(status=507, json={"detail": "There is no room."}))
    page.get_by_label(FILES).set_input_files(film)
    page.get_by_role("button", name="Register it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Whole", timeout=60_000)
    _shows(studio, film, page.url.rpartition("/")[2])


def test_what_the_service_refuses_is_said_in_its_words(studio: Window, film: Path) -> None:
    page = _registering(studio, "Refused")
    refusal = {"detail": "This form is too old."}
    page.route("**/uploads", lambda route: route.fulfill(status=403, json=refusal), times=1)
    page.get_by_label(FILES).set_input_files(film)
    page.get_by_role("button", name="Register it").click()
    row = page.get_by_role("listitem").filter(has_text="film.mp4")
    expect(row.locator(".error")).to_contain_text("This form is too old.")
    expect(page.get_by_role("button", name="Register it")).to_be_visible()
    studio.look("upload-refused")
    page.get_by_role("button", name="Try again: film.mp4").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Refused", timeout=60_000)


@pytest.mark.parametrize(
    ("path", "button", "answer"),
    [
        ("/", None, r"/verifications/vrf_"),
        ("/notices/new?track=dmca_512", "Find the release", r"verification_id=vrf_"),
    ],
    ids=["at once", "by a button"],
)
def test_a_file_that_was_chosen_before_the_scripts_came_is_sent(
    visitor: Window, film: Path, path: str, button: str | None, answer: str
) -> None:
    page, held = visitor.page, list[Route]()
    page.route("**/upload*.js*", lambda route: route.continue_() if held else held.append(route))
    page.goto(visitor.service.url + path, wait_until="commit")
    page.get_by_label("or choose").set_input_files(film)
    until(lambda: page.evaluate("1") and held)
    held[0].continue_()
    if button:
        expect(page.locator(".drop.lively")).to_be_visible()
        page.get_by_role("button", name=button).click()
    page.wait_for_url(re.compile(answer), timeout=60_000)


def test_anybody_verifies_as_soon_as_a_file_is_chosen(visitor: Window, film: Path) -> None:
    page = visitor.open("/")
    pieces = Pieces(page)
    page.get_by_label("Drop a clip, paste it, or choose a file").set_input_files(film)
    page.wait_for_url("**/verifications/vrf_*", timeout=60_000)
    assert (pieces.begun, pieces.offsets[0]) == (1, 0)
