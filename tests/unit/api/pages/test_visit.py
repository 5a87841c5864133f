"""Visits: what a cookie is worth, for whom, and for how long."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from api.pages.visit import SIGN_IN, SIGN_IN_LASTS, TOLD, VISIT, Cookies, Seals, SignedIn, Theme, Visit

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
STUDIO = SignedIn(credential="cm_studio", as_holder="hld_1", since=AT)


@pytest.fixture
def seals(tmp_path: Path) -> Seals:
    return Seals(tmp_path / "pages")


def asked(cookies: dict[str, str] | None = None, **headers: str) -> Request:
    said = {**headers, "cookie": "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())}
    listed = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in said.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": listed, "query_string": b""})


def cookies_of(answer: Response) -> dict[str, str]:
    jar: SimpleCookie = SimpleCookie()
    for name, value in answer.raw_headers:
        if name == b"set-cookie":
            jar.load(value.decode())
    return {name: morsel.value for name, morsel in jar.items()}


def signed_in(seals: Seals, who: SignedIn = STUDIO) -> dict[str, str]:
    answer = Response()
    Cookies(seals=seals, secure=False).sign_in(answer, who, at=AT)
    return cookies_of(answer)


def test_a_cookie_tells_who_is_signed_in_and_shows_no_key(seals: Seals) -> None:
    cookies = signed_in(seals)
    assert Visit.of(asked(cookies), seals, at=AT).signed_in == STUDIO
    assert "cm_studio" not in cookies[SIGN_IN]


def test_a_sign_in_ends(seals: Seals) -> None:
    cookies = signed_in(seals)
    assert Visit.of(asked(cookies), seals, at=AT + SIGN_IN_LASTS - timedelta(seconds=1)).signed_in == STUDIO
    assert Visit.of(asked(cookies), seals, at=AT + SIGN_IN_LASTS + timedelta(seconds=1)).signed_in is None


@pytest.mark.parametrize("forged", ["", "x", "cm_studio", "ü", "gAAAAA" + "A" * 200])
def test_a_cookie_that_we_did_not_seal_is_nobody(seals: Seals, forged: str) -> None:
    assert Visit.of(asked({SIGN_IN: forged}), seals, at=AT).signed_in is None


def test_another_service_seals_with_other_keys(seals: Seals, tmp_path: Path) -> None:
    assert Visit.of(asked(signed_in(Seals(tmp_path / "others"))), seals, at=AT).signed_in is None


def test_processes_of_one_service_know_each_others_seals_and_tokens(seals: Seals, tmp_path: Path) -> None:
    cookies = signed_in(seals) | {VISIT: "v" * 32}
    other = Seals(tmp_path / "pages")
    assert Visit.of(asked(cookies), other, at=AT) == Visit.of(asked(cookies), seals, at=AT)


def test_a_token_is_of_one_browser_and_one_sign_in(seals: Seals) -> None:
    visits = [
        Visit.of(asked(cookies), seals, at=AT)
        for cookies in (
            {VISIT: "a" * 32},
            {VISIT: "b" * 32},
            {VISIT: "a" * 32, **signed_in(seals)},
            {VISIT: "a" * 32, **signed_in(seals, SignedIn(credential="cm_other"))},
        )
    ]
    assert len({visit.token for visit in visits}) == len(visits)
    assert Visit.of(asked({VISIT: "a" * 32}), seals, at=AT).token == visits[0].token


def test_cookies_are_for_http_alone_and_for_our_own_site(seals: Seals) -> None:
    answer = Response()
    Cookies(seals=seals, secure=True).sign_in(answer, STUDIO, at=AT)
    said = answer.headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(said.split("; "))


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("", "en"), ("id-ID,id;q=0.9", "id"), ("fr,id;q=0.5", "id"), ("fr", "en"), ("en-GB,id", "en"), ("*", "en"),
        (";;,", "en"),
    ],
)  # fmt: skip
def test_the_language_is_what_the_browser_wants_where_we_have_it(seals: Seals, wanted: str, language: str) -> None:
    assert Visit.of(asked(accept_language=wanted), seals, at=AT).language == language


def test_what_was_chosen_counts_over_what_the_browser_wants(seals: Seals) -> None:
    answer = Response()
    Cookies(seals=seals, secure=False).choose(answer, language="id", theme=Theme.DARK)
    visit = Visit.of(asked(cookies_of(answer), accept_language="en"), seals, at=AT)
    assert (visit.language, visit.theme) == ("id", Theme.DARK)


def test_what_was_to_be_told_is_told(seals: Seals) -> None:
    answer = Response()
    Cookies(seals=seals, secure=False).tell(answer, "It is saved.", at=AT)
    assert Visit.of(asked(cookies_of(answer)), seals, at=AT).told == "It is saved."


def test_one_cookie_is_never_taken_for_another(seals: Seals) -> None:
    answer = Response()
    Cookies(seals=seals, secure=False).tell(answer, "It is saved.", at=AT)
    [told], sign_in = cookies_of(answer).values(), signed_in(seals)[SIGN_IN]
    visit = Visit.of(asked({SIGN_IN: told, TOLD: sign_in}), seals, at=AT)
    assert (visit.signed_in, visit.told) == (None, None)


def test_a_sign_in_that_goes_on_for_another_holder_lasts_no_longer(seals: Seals) -> None:
    late = AT + SIGN_IN_LASTS - timedelta(minutes=1)
    seen = Visit.of(asked(signed_in(seals)), seals, at=late).signed_in
    assert seen is not None
    answer = Response()
    Cookies(seals=seals, secure=False).sign_in(answer, replace(seen, as_holder="hld_2"), at=late)
    assert Visit.of(asked(cookies_of(answer)), seals, at=late).signed_in == replace(seen, as_holder="hld_2")
    assert Visit.of(asked(cookies_of(answer)), seals, at=late + timedelta(minutes=2)).signed_in is None


def test_a_token_is_of_the_holder_that_is_acted_for(seals: Seals) -> None:
    acting = [
        Visit.of(asked({VISIT: "a" * 32, **signed_in(seals, replace(STUDIO, as_holder=holder))}), seals, at=AT).token
        for holder in ("hld_1", "hld_2")
    ]
    assert acting[0] != acting[1]
