"""Origins: another site can have nothing done here in anybody's name."""

import pytest
from starlette.requests import Request

from api.pages.origins import is_page, require_same_origin
from api.pages.page import onward
from api.problems import Problem


def sent(method: str = "POST", path: str = "/sign-in", **headers: str) -> Request:
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "path": path, "headers": listed, "query_string": b""})


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"}, {"sec_fetch_site": "none"}, {}, {"host": "a.example", "origin": "https://a.example"},
        {"host": "a.example:8000", "origin": "http://a.example:8000"},
        {"sec_fetch_site": "same-origin", "host": "a.example", "origin": "null"},
    ],
)  # fmt: skip
def test_our_own_pages_may_send(headers: dict[str, str]) -> None:
    require_same_origin(sent(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}, {"sec_fetch_site": ""},
        {"sec_fetch_site": "cross-site", "origin": "null"}, {"host": "a.example", "origin": "null"},
        {"host": "a.example", "origin": "https://b.example"},
        {"host": "a.example", "origin": "https://a.example.b.example"},
        {"host": "a.example", "origin": "https://a.example:8443"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_other_sites_may_not(method: str, headers: dict[str, str]) -> None:
    with pytest.raises(Problem, match="Another site"):
        require_same_origin(sent(method, **headers))


def test_looking_is_free() -> None:
    require_same_origin(sent("GET", sec_fetch_site="cross-site"))


def test_the_api_knows_no_cookies_and_asks_for_no_origin() -> None:
    require_same_origin(sent(path="/v1/works", sec_fetch_site="cross-site"))
    assert not is_page("/v1/works")
    assert is_page("/works")


@pytest.mark.parametrize("path", ["/works", "/a?b=c#d", "/"])
def test_the_way_on_is_ours(path: str) -> None:
    assert onward(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "", "/a\r\nb: c", "evil",
        "/\tevil.example/", "/\t/evil.example",
    ],
)  # fmt: skip
def test_the_way_on_never_leads_elsewhere(path: str) -> None:
    assert onward(path, otherwise="/home") == "/home"
