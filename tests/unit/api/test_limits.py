"""Limits on passwords of one account: very many addresses are slowed, and nobody is shut out."""

from pathlib import Path

import pytest

from api.limits import Kind, RateLimiter, Standing, guard, guard_password
from api.problems import Problem
from api.settings import Settings

ADA, BOB = "ada@studio.example", "bob@studio.example"


class _Away(RateLimiter):
    """One whose counters cannot be reached."""

    def hit(self, kind: Kind, caller: str) -> Standing:
        raise ConnectionError(f"nothing is known of {kind} {caller}")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, limit_sign_in="3/hour")


@pytest.fixture
def limiter(settings: Settings) -> RateLimiter:
    return RateLimiter(settings)


def _tries(limiter: RateLimiter, address: str, account: str = ADA) -> int:
    """How often of three times somebody may try a password from an address."""
    return sum(1 for _ in range(3) if _may_try(limiter, address, account))


def _may_try(limiter: RateLimiter, address: str, account: str) -> bool:
    try:
        guard_password(limiter, {"type": "http", "client": (address, 1)}, account)
    except Problem:
        return False
    return True


def test_when_very_many_addresses_try_each_is_slowed_and_none_is_shut_out(limiter: RateLimiter) -> None:
    for number in range(10):
        assert _tries(limiter, f"203.0.113.{number}") == 3
    assert _tries(limiter, "198.51.100.99") == 1
    assert _tries(limiter, "198.51.100.98") == 1
    assert _tries(limiter, "198.51.100.98", BOB) == 3


def test_where_the_counters_are_away_nothing_is_refused(settings: Settings) -> None:
    limiter = _Away(settings)
    assert _tries(limiter, "198.51.100.7") == 3
    guard(limiter, Kind.SIGN_IN, f"to {ADA}")
