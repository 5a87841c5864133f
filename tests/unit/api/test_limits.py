"""Limits on passwords: a stranger runs out of tries, and shuts nobody else out."""

from pathlib import Path

import pytest

from api.limits import RateLimiter, guard_password
from api.problems import Problem
from api.settings import Settings

ADA, BOB = "ada@studio.example", "bob@studio.example"


@pytest.fixture
def limiter(tmp_path: Path) -> RateLimiter:
    return RateLimiter(Settings(data_dir=tmp_path, limit_sign_in="3/hour"))


def _tries(limiter: RateLimiter, address: str, account: str = ADA) -> int:
    """How often somebody may try a password from an address, before they are told to wait."""
    return sum(1 for _ in range(20) if _may_try(limiter, address, account))


def _may_try(limiter: RateLimiter, address: str, account: str) -> bool:
    try:
        guard_password(limiter, {"type": "http", "client": (address, 1)}, account)
    except Problem:
        return False
    return True


def test_who_tries_many_passwords_waits_and_shuts_nobody_out(limiter: RateLimiter) -> None:
    assert _tries(limiter, "198.51.100.7") == 3
    assert _tries(limiter, "198.51.100.7", BOB) == 3  # another account
    assert _tries(limiter, "198.51.100.99") == 3  # another address


def test_when_very_many_addresses_try_each_is_slowed_and_none_is_shut_out(limiter: RateLimiter) -> None:
    for number in range(10):
        assert _tries(limiter, f"203.0.113.{number}") == 3
    assert _tries(limiter, "198.51.100.99") == 1
    assert _tries(limiter, "198.51.100.98", BOB) == 3
