"""Signing in at an identity provider: only a fresh, signed answer to this browser's own sign-in counts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.app import create_app
from api.oidc import LASTS, OidcError, OpenIdProvider
from api.service import Service
from api.settings import Settings
from registry.accounts import Claimed
from registry.domain.tokens import TokenKeys, generate_pem
from tests.integration.inside import Inside
from tests.servers.identity import CLIENT, SECRET, IdentityProvider, identity_provider

PERSON = {"sub": "17", "email": "ada@studio.example", "email_verified": True, "name": "Ada Example"}


@pytest.fixture
def there() -> Iterator[IdentityProvider]:
    with identity_provider() as provider:
        provider.person = dict(PERSON)
        yield provider


@pytest.fixture
def here(there: IdentityProvider, tmp_path: Path) -> OpenIdProvider:
    settings = Settings(
        data_dir=tmp_path, oidc_issuer=there.issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET,
        public_url="https://clearmark.example/",
    )  # fmt: skip
    return OpenIdProvider(settings, TokenKeys([generate_pem()]))


def _back(url: str) -> dict[str, str]:
    """What the provider sends the browser back with."""
    location = urlsplit(httpx.get(url).headers["location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == "https://clearmark.example/v1/oidc/callback"
    return {name: values[0] for name, values in parse_qs(location.query).items()}


def _signed_in(here: OpenIdProvider) -> Claimed:
    at = datetime.now(UTC)
    departure = here.depart(at=at)
    return here.arrive(**_back(departure.url), cookie=departure.cookie, at=at)


def test_who_signed_in_there_is_known_here(here: OpenIdProvider, there: IdentityProvider) -> None:
    claimed = _signed_in(here)
    assert (claimed.issuer, claimed.subject, claimed.email) == (there.issuer, "17", "ada@studio.example")
    assert claimed.email_verified


def test_new_keys_of_the_provider_are_fetched(here: OpenIdProvider, there: IdentityProvider) -> None:
    _signed_in(here)
    there.rotate()
    assert _signed_in(here).subject == "17"


@pytest.mark.parametrize(
    "instead",
    [{"iss": "https://evil.example"}, {"aud": "another"}, {"aud": [CLIENT, "another"]}, {"exp": 1}, {"exp": "soon"},
     {"nonce": "another"}, {"nonce": None}, {"sub": ""}],
)  # fmt: skip
def test_what_is_not_for_this_sign_in_does_not_count(
    here: OpenIdProvider, there: IdentityProvider, instead: dict[str, object]
) -> None:
    there.instead = instead
    with pytest.raises(OidcError):
        _signed_in(here)


def test_an_answer_of_another_browser_or_of_yesterday_does_not_count(here: OpenIdProvider) -> None:
    at = datetime.now(UTC)
    mine, other = here.depart(at=at), here.depart(at=at)
    back = _back(mine.url)
    with pytest.raises(OidcError, match="another sign-in"):
        here.arrive(**back, cookie=other.cookie, at=at)
    with pytest.raises(OidcError, match="this browser"):
        here.arrive(**back, cookie="", at=at)
    with pytest.raises(OidcError, match="too long"):
        here.arrive(**back, cookie=mine.cookie, at=at + LASTS + timedelta(seconds=1))
    with pytest.raises(OidcError, match="did not confirm"):
        here.arrive(code="guessed", state=back["state"], cookie=mine.cookie, at=at)


def test_a_provider_that_calls_itself_something_else_is_not_believed(
    here: OpenIdProvider, there: IdentityProvider
) -> None:
    there.issuer += "/other"
    with pytest.raises(OidcError, match="something else"):
        here.depart(at=datetime.now(UTC))


def test_a_provider_that_is_away_is_told(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, oidc_issuer="http://127.0.0.1:9", oidc_client_id=CLIENT, oidc_client_secret=SECRET
    )
    with pytest.raises(OidcError, match="does not answer"):
        OpenIdProvider(settings, TokenKeys([generate_pem()])).depart(at=datetime.now(UTC))


# -- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def browser(service: Service, here: OpenIdProvider) -> Inside:
    service.oidc = here
    return Inside(create_app(service))


def _cookies(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.cookies.items() if value}


def _with(cookies: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


def test_a_browser_that_set_out_from_the_pages_is_signed_in_there(browser: Inside) -> None:
    out = browser.get("/sign-in/oidc?next=/works")
    carried = _cookies(out)
    back = browser.get("/v1/oidc/callback", params=_back(out.headers["location"]), headers=_with(carried))
    assert back.status_code == 303
    assert back.headers["location"].startswith("/sign-in/oidc/back?code=")
    done = browser.get(back.headers["location"], headers=_with(carried))
    assert (done.status_code, done.headers["location"]) == (303, "/works")
    signed_in = _cookies(done)
    assert set(signed_in) == {"clearmark_sign_in"}
    assert "Ada Example" in browser.get("/account", headers=_with(signed_in)).text


def test_who_set_out_by_the_api_gets_its_answer(browser: Inside) -> None:
    out = browser.get("/v1/oidc/login")
    assert set(_cookies(out)) == {"clearmark-oidc"}
    answer = browser.get("/v1/oidc/callback", params=_back(out.headers["location"]), headers=_with(_cookies(out)))
    assert answer.status_code == 200
    assert answer.json()["token"].startswith("cs_")
    assert browser.get("/v1/oidc/callback").status_code == 422


@pytest.mark.parametrize("said", [{"error": "access_denied"}, {"code": "guessed", "state": "guessed"}])
def test_a_refusal_is_told_on_the_page(browser: Inside, said: dict[str, str]) -> None:
    carried = _cookies(browser.get("/sign-in/oidc"))
    back = browser.get("/v1/oidc/callback", params=said, headers=_with(carried))
    answer = browser.get(back.headers["location"], headers=_with(carried))
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "clearmark_sign_in" not in answer.cookies


def test_without_a_cookie_of_ours_nobody_is_signed_in(browser: Inside) -> None:
    back = _back(browser.get("/sign-in/oidc").headers["location"])
    for cookies in ({}, {"clearmark_oidc": "made up"}):
        answer = browser.get("/sign-in/oidc/back", params=back, headers=_with(cookies))
        assert "clearmark_sign_in" not in answer.cookies
        assert "was not begun in this browser" in answer.text


def test_where_there_is_no_provider_the_page_says_so(service: Service) -> None:
    assert Inside(create_app(service)).get("/sign-in/oidc").status_code == 404
