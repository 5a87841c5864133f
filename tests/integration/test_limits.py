"""Rate limits: what counts against whom. A key is believed once it was found on record, and not for its looks."""

import itertools
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from api.app import create_app
from api.limits import RateLimiter
from api.service import Service
from api.settings import Settings
from registry import access
from registry.access import Scope
from registry.models import ApiKey, Mail
from tests import factories
from tests.factories import AT
from tests.integration.inside import Inside

_numbers = itertools.count()
LIMITS = {"limit_key": "6/day", "limit_holder": "9/day", "limit_anonymous": "5/day",
          "limit_verifications": "2/day", "limit_verifications_key": "4/day", "limit_sign_in": "3/day"}  # fmt: skip

type Caller = Callable[..., Inside]


@pytest.fixture
def caller(service: Service) -> Caller:
    """A client at an address, of a service that lets nobody ask much."""
    service.limiter = RateLimiter(Settings(data_dir=service.settings.data_dir, **LIMITS))  # type: ignore[arg-type]
    app = create_app(service)

    def make(key: str | None = None, *, address: str = "203.0.113.7") -> Inside:
        return Inside(app, key, address=address)

    return make


def _invented() -> str:
    return f"cm_x_{next(_numbers)}"


def _keys(service: Service, count: int) -> list[str]:
    """Keys of one holder."""
    with service.database.transaction() as session:
        holder = factories.holder(session)
        return [factories.key(session, holder, Scope.WORKS_WRITE).key for _ in range(count)]


def _until_refused(ask: Callable[[], int], most: int = 20) -> int:
    """How many times one may ask."""
    return next((times for times in range(most) if ask() == 429), most)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/v1/accounts/confirm", 3), ("/v1/accounts/password", 3), ("/v1/sessions", 3), ("/v1/verifications", 2)],
)
def test_an_invented_key_lifts_no_limit_of_an_address(caller: Caller, path: str, allowed: int) -> None:
    assert _until_refused(lambda: caller(_invented()).post(path, json={}).status_code) == allowed


def test_an_invented_key_counts_as_a_wrong_one_where_none_is_needed(caller: Caller) -> None:
    assert _until_refused(lambda: caller(_invented()).get("/v1/assurance").status_code) == 3


def test_a_key_that_is_on_record_has_a_limit_of_its_own_of_what_is_costly(service: Service, caller: Caller) -> None:
    one, other = (caller(key) for key in _keys(service, 2))
    assert _until_refused(lambda: one.post("/v1/verifications", json={}).status_code) == 4
    assert _until_refused(lambda: other.post("/v1/verifications", json={}).status_code) == 4
    assert _until_refused(lambda: caller().post("/v1/verifications", json={}).status_code) == 2


def test_a_wrong_key_gets_nothing_costly_beyond_what_its_address_may_have(caller: Caller) -> None:
    assert _until_refused(lambda: caller().post("/v1/verifications", json={}).status_code) == 2
    assert caller(_invented()).post("/v1/verifications", json={}).status_code == 429


def test_the_keys_of_a_holder_share_a_limit(service: Service, caller: Caller) -> None:
    every = itertools.cycle([caller(key) for key in _keys(service, 4)])
    assert _until_refused(lambda: next(every).get("/v1/works").status_code) == 9
    [others] = _keys(service, 1)
    assert caller(others).get("/v1/works").status_code == 200


def test_a_key_has_a_limit_of_its_own_whatever_its_address_did(service: Service, caller: Caller) -> None:
    [key] = _keys(service, 1)
    known = caller(key).get("/v1/works")
    assert known.headers["RateLimit-Policy"] == '"key";q=6;w=86400'
    assert _until_refused(lambda: caller(_invented()).get("/v1/works").status_code) == 3
    assert _until_refused(lambda: caller(key).get("/v1/works").status_code) == 5


def test_wrong_keys_are_looked_up_only_until_there_were_too_many(
    service: Service, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    real = access.bearer_of

    def noted(session, presented, *, at):  # type: ignore[no-untyped-def]
        looked.append(presented)
        return real(session, presented, at=at)

    monkeypatch.setattr("api.limits.bearer_of", noted)
    for _ in range(10):
        caller(_invented()).get("/v1/assurance")
    assert len(looked) == 3
    [key] = _keys(service, 1)
    for _ in range(3):
        caller(key, address="198.51.100.1").get("/v1/works")
    assert looked.count(key) == 1, "a key that is known is not looked up again"


def test_a_key_that_was_right_is_looked_up_again_whatever_its_address_did(
    service: Service, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.limits._KNOWN_S", 0.0)
    right, revoked, new = _keys(service, 3)
    assert [caller(key).get("/v1/works").status_code for key in (right, revoked)] == [200, 200]
    assert _until_refused(lambda: caller(_invented()).get("/v1/works").status_code) == 3
    with service.database.transaction() as session:
        for key in session.scalars(sa.select(ApiKey).where(ApiKey.prefix == revoked.split("_")[1])):
            access.revoke_key(session, key.id, at=service.now())
    assert [caller(key).get("/v1/works").status_code for key in (right, revoked, new)] == [200, 429, 429]


def test_letters_to_one_address_are_few_wherever_they_are_asked_for_from(service: Service, caller: Caller) -> None:
    def ask() -> int:
        number = next(_numbers)
        said = {"email": "Victim@example.org", "name": f"Name {number}"}
        return caller(address=f"198.51.100.{number % 250}").post("/v1/accounts", json=said).status_code

    assert _until_refused(ask) == 3
    with service.database.reading() as session:
        assert len(session.scalars(sa.select(Mail)).all()) == 3


def test_an_address_of_ipv4_that_ipv6_wraps_is_the_one_that_it_wraps(caller: Caller) -> None:
    def ask(address: str) -> int:
        return caller(address=address).post("/v1/accounts/confirm", json={}).status_code

    assert _until_refused(lambda: ask("::ffff:203.0.113.7")) == 3
    assert ask("203.0.113.7") == 429
    assert ask("::ffff:203.0.113.8") == 422
    assert _until_refused(lambda: ask(f"2001:db8::{next(_numbers):x}")) == 3, "of IPv6 a /64 is one customer's"


def test_only_a_key_that_holds_has_a_bearer(service: Service) -> None:
    with service.database.transaction() as session:
        row = factories.holder(session)
        assert access.bearer_of(session, "cs_invented", at=AT) is None
        assert access.bearer_of(session, "cm_", at=AT) is None
        key = factories.key(session, row)
        assert access.bearer_of(session, key.key, at=AT) == row.id
        access.revoke_key(session, key.id, at=AT)
        session.flush()
        assert access.bearer_of(session, key.key, at=AT) is None
