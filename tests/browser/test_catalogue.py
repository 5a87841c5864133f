"""Catalogues and domains: a file tried and then done for real, one's works taken out, and a site shown to be one's."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from registry import catalogue
from registry.catalogue import CatalogueFormat
from tests.api.service import RunningService, until
from tests.browser.browser import PHONE, Window

MARKUP = '<script>alert(1)</script>"><img src=x onerror=alert(1)> 50% off'
ROWS = (
    "reference,title,kind,isrc,train,territory\n"
    "1,Night Train,film,,reserved,\n"
    "2,Bad Kind,movie star,,,\n"
    '3,"{markup}",film,US-X,,\n'
    "4,'=HYPERLINK(1),clip,,,\n"
    "5,\u202ednuora,film,,allowed,Europe\n"
)


@pytest.fixture
def key(service: RunningService) -> str:
    return service.key("Ada Films", "works:write", "holder:write")


def file_of(text: str, name: str = "works.csv") -> FilePayload:
    return {"name": name, "mimeType": "text/csv", "buffer": text.encode()}


def rows() -> str:
    return ROWS.format(markup=MARKUP.replace('"', '""'))


def brought_in(page: Page, file: FilePayload) -> None:
    page.get_by_label("Your file").set_input_files(file)
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("Tried on|Import of"))).to_be_visible()


def reloaded_until(shown: Locator) -> None:
    """As somebody does who has no scripts."""
    until(lambda: shown.count() or (shown.page.reload() and None))


def test_a_file_is_tried_and_then_done_for_real_without_choosing_it_again(visitor: Window, key: str) -> None:
    page = visitor.sign_in(key)
    visitor.open("/imports")
    expect(page.get_by_text("No imports yet")).to_be_visible()
    page.get_by_text("The columns explained").click()
    visitor.look("imports-empty")
    brought_in(page, file_of(rows()))
    expect(page.get_by_role("heading", name="Now for real?")).to_be_visible()
    expect(page.get_by_text("2 works are then registered")).to_be_visible()
    visitor.look("import-tried")
    page.get_by_role("navigation", name="Which rows").get_by_role("link", name="To be mended").click()
    table = page.get_by_role("region", name="Rows of the file")
    expect(table.get_by_role("row")).to_have_count(4)
    expect(table).to_contain_text("kind: Give one of")
    expect(table).to_contain_text(MARKUP)
    expect(table).to_contain_text("territory")
    expect(table.locator("img")).to_have_count(0)
    visitor.look("import-rows")
    page.get_by_role("button", name="Do it for real").click()
    expect(page.get_by_role("heading", name=re.compile("Import of"))).to_be_visible()
    expect(page.get_by_text("They are found in copies once")).to_be_visible()
    expect(page.get_by_role("link", name="Night Train")).to_be_visible()
    visitor.look("import-done")
    page.get_by_role("link", name="=HYPERLINK(1)").click()
    expect(page.locator("h1")).to_contain_text("=HYPERLINK(1)")
    visitor.open("/imports")
    expect(page.get_by_text("tried only")).to_have_count(1)
    expect(page.get_by_role("region", name="Imports, newest first").get_by_role("row")).to_have_count(3)
    visitor.look("imports")


def test_without_scripts_too_and_a_file_that_is_none_is_told(opened: Callable[..., Window], key: str) -> None:
    window = opened(scripts=False)
    page = window.sign_in(key)
    window.open("/imports")
    page.get_by_label("Your file").evaluate("field => field.required = false")
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.locator("#f-file-error")).to_have_text("Choose a file.")
    brought_in(page, file_of(f'title,kind,"{MARKUP.replace(chr(34), chr(34) * 2)}"\n'))
    reloaded_until(page.locator(".note.bad"))
    expect(page.locator(".note.bad")).to_contain_text("There is no column")
    expect(page.locator(".note.bad img")).to_have_count(0)
    expect(page.get_by_role("button", name="Do it for real")).to_have_count(0)
    window.open("/imports")
    page.get_by_label("For real").check()
    brought_in(page, file_of("reference,title,kind\n1,Night Train,film\n", name="again.csv"))
    row = page.get_by_role("row", name="Night Train")
    reloaded_until(row)
    expect(row).to_contain_text("Known already")


def test_the_columns_are_all_explained_and_what_goes_out_comes_back(visitor: Window, key: str) -> None:
    page = visitor.sign_in(key)
    visitor.open("/imports")
    with page.expect_download() as empty:
        page.get_by_role("link", name="Get an empty file with the columns").click()
    data = Path(empty.value.path()).read_bytes()
    explained = page.locator("details code").all_text_contents()
    assert [name for name in data.decode("utf-8-sig").strip().split(",") if name not in explained] == []
    assert list(catalogue.read(io.BytesIO(data), CatalogueFormat.CSV)) == []
    for name in ("Save as CSV", "Save as JSON Lines"):
        with page.expect_download() as saved:
            page.get_by_role("link", name=name).click()
        assert b"Night Train" in Path(saved.value.path()).read_bytes()
    page.get_by_role("link", name="What CSV leaves out").click()
    expect(page.get_by_text("The file has 2 works")).to_be_visible()
    visitor.look("export")


def test_a_domain_is_claimed_looked_at_and_let_go_by_keyboard(visitor: Window, key: str) -> None:
    page = visitor.sign_in(key)
    visitor.open("/domains")
    visitor.look("domains-empty")
    page.get_by_label("Domain", exact=True).focus()
    page.keyboard.type("https://not a domain")
    page.keyboard.press("Enter")
    expect(page.locator("#f-domain-error")).to_contain_text("Give a domain name alone")
    page.get_by_label("Domain", exact=True).fill("studio.invalid")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("studio.invalid")
    expect(page.get_by_text("Not looked at yet")).to_be_visible()
    expect(page.get_by_text(re.compile("clearmark-verification=")).first).to_be_visible()
    page.get_by_role("button", name="Check now").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#errors, .note.doubt").first).to_contain_text(
        re.compile("did not find the text|We could not ask for it")
    )
    visitor.look("domain")
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("#errors")).to_contain_text("looked at a moment ago")
    page.get_by_text("Let it go…").click()
    page.get_by_role("button", name="Let studio.invalid go").click()
    expect(page.get_by_role("status").first).to_contain_text("no longer answers for you")


def test_others_imports_and_domains_are_not_there(opened: Callable[..., Window], visitor: Window, key: str) -> None:
    visitor.sign_in(key)
    mine = visitor.open("/imports").get_by_role("region", name="Imports, newest first").get_by_role("link").first
    path = str(mine.get_attribute("href"))
    window = opened()
    page = window.sign_in(window.service.key("Somebody Else", "works:write"))
    window.open(path, status=404)
    expect(page).to_have_title(re.compile("404"))
    window.open("/domains", status=403)
    expect(page).to_have_title(re.compile("403"))


def test_in_indonesian_too(opened: Callable[..., Window], key: str) -> None:
    window = opened(width=PHONE, language="id")
    page = window.sign_in(key, at="/sign-in?next=/imports")
    expect(page).to_have_url(f"{window.service.url}/imports")
    expect(page.locator("html")).to_have_attribute("lang", "id")
    expect(page.locator("input[type=file]")).to_be_attached()
    window.open("/domains")
    expect(page.locator("#f-domain")).to_be_visible()
