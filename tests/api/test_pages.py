"""What holds for every page, also for one that is yet to be written: who may ask, what is sent along, how large."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from api.pages import site
from api.pages.origins import is_page
from tests.api.conftest import HOLDER_SCOPES
from tests.api.service import RunningService

MOST_BYTES = 100_000
_HTML = "text/html; charset=utf-8"
# What an id in an address may be, where there is nothing of that id.
_PLACEHOLDER = re.compile(r"\{[^}]+\}")


def routes_of(router: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of every route, also of routers within routers."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield from ((method, prefix + route.path) for method in route.methods or ())
        elif hasattr(route, "original_router"):
            yield from routes_of(route.original_router, prefix + route.include_context.prefix)


ROUTES = sorted({one for module in site.MODULES for one in routes_of(module.router)})
GETS = [path for method, path in ROUTES if method == "GET"]
WRITES = [(method, path) for method, path in ROUTES if method not in ("GET", "HEAD", "OPTIONS")]
# Those of the protocol for uploads have answers of their own: tests/api/test_resumable.py.
FORMS = [one for one in WRITES if not one[1].startswith("/uploads")]


def filled(path: str) -> str:
    return _PLACEHOLDER.sub("none", path)


@pytest.fixture(scope="module")
def everything(service: RunningService) -> Iterator[httpx.Client]:
    """A browser of somebody who may do everything, signed in with a key."""
    key = service.key("Everybody", *HOLDER_SCOPES, "review", "admin")
    with service.client() as client:
        token = token_in(client.get("/sign-in").text)
        answer = client.post("/sign-in", data={"token": token, "key": key})
        assert answer.status_code == httpx.codes.SEE_OTHER, answer.text[:500]
        yield client


def token_in(page: str) -> str:
    found = re.search(r'name="token" value="([0-9a-f]{64})"', page)
    assert found is not None, page[:500]
    return found[1]


def test_the_head_of_a_page_is_that_of_its_page(everything: httpx.Client) -> None:
    for path in ("/", "/registry", "/works", "/works/none", "/static/none"):
        head, page = everything.head(path), everything.get(path)
        assert (head.status_code, head.headers["content-type"]) == (page.status_code, page.headers["content-type"])
        assert head.content == b""


def test_every_address_of_a_page_is_one() -> None:
    assert [path for _, path in ROUTES if not is_page(path)] == []


@pytest.mark.parametrize("path", GETS)
def test_a_page_for_nobody_is_a_page_or_the_way_to_sign_in(anyone: httpx.Client, path: str) -> None:
    answer = anyone.get(filled(path))
    assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status_code == httpx.codes.SEE_OTHER:
        assert answer.headers["location"].startswith("/")


@pytest.mark.parametrize("path", GETS)
def test_a_page_runs_nothing_of_others_and_is_small(everything: httpx.Client, path: str) -> None:
    answer = everything.get(filled(path))
    assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR
    if answer.headers.get("content-type") != _HTML:
        return
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert len(answer.content) < MOST_BYTES
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", answer.text), path
    assert re.findall(r'(?:src|href|action)="(?:https?:)?//(?!127\.0\.0\.1)[^"]*"', answer.text) == []


@pytest.mark.parametrize("path", GETS)
def test_every_form_of_a_page_has_its_token(everything: httpx.Client, path: str) -> None:
    text = everything.get(filled(path)).text
    for form in re.findall(r"<form\b.*?</form>", text, flags=re.DOTALL):
        is_post = 'method="post"' in form.partition(">")[0]
        assert is_post == ('name="token"' in form), form[:300]


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_what_another_site_has_sent_is_refused(everything: httpx.Client, method: str, path: str) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = everything.request(method, filled(path), headers=headers, data={"token": "x"})
        assert answer.status_code == httpx.codes.FORBIDDEN
        assert "Another site sent this" in answer.text


@pytest.mark.parametrize(("method", "path"), FORMS)
def test_a_form_without_the_right_token_does_nothing(everything: httpx.Client, method: str, path: str) -> None:
    for token in ({}, {"token": ""}, {"token": "0" * 64}, {"token": "ü"}):
        assert _is_refused(_sent(everything, method, path, token))


@pytest.mark.parametrize(("method", "path"), FORMS)
def test_the_token_of_one_browser_is_worth_nothing_in_another(
    everything: httpx.Client, anyone: httpx.Client, method: str, path: str
) -> None:
    stolen = token_in(everything.get("/sign-in").text)
    assert _is_refused(_sent(anyone, method, path, {"token": stolen}))


def _sent(client: httpx.Client, method: str, path: str, said: dict[str, str]) -> httpx.Response:
    answer = client.request(method, filled(path), data=said)
    if answer.status_code != httpx.codes.UNSUPPORTED_MEDIA_TYPE:
        return answer
    return client.request(method, filled(path), data=said, files={"file": ("a.mp4", b"")})  # it comes in parts


def _is_refused(answer: httpx.Response) -> bool:
    """Or asked to sign in first, which comes before anything is looked at."""
    if answer.status_code == httpx.codes.SEE_OTHER:
        return answer.headers["location"].startswith("/sign-in")
    return answer.status_code == httpx.codes.FORBIDDEN


def test_the_api_does_not_look_at_cookies(everything: httpx.Client) -> None:
    assert everything.get("/v1/works").status_code == httpx.codes.UNAUTHORIZED


def test_what_is_not_there_is_said_on_a_page(anyone: httpx.Client) -> None:
    answer = anyone.get("/nothing/here")
    assert (answer.status_code, answer.headers["content-type"]) == (httpx.codes.NOT_FOUND, _HTML)


def test_a_program_still_gets_a_document(anyone: httpx.Client) -> None:
    assert anyone.get("/v1/nothing").headers["content-type"] == "application/problem+json"


def test_static_files_stay_good_as_long_as_their_address(anyone: httpx.Client) -> None:
    address = re.search(r'href="(/static/[^"]+\.css)"', anyone.get("/sign-in").text)
    assert address is not None
    assert "immutable" in anyone.get(address[1]).headers["cache-control"]
    assert anyone.get("/static/old/site.css").headers["cache-control"] == "no-cache"
    assert anyone.get("/static/x/../../../pyproject.toml").status_code == httpx.codes.NOT_FOUND
    assert anyone.get("/static/x/%2e%2e/%2e%2e/page.py").status_code == httpx.codes.NOT_FOUND
