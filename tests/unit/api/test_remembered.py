"""What is remembered of files: bounded, and never older than it may be."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.remembered import Remembered


def test_what_was_asked_for_longest_ago_makes_room() -> None:
    held: Remembered[str, int] = Remembered(5 * (1000 + 2048))
    for number in range(5):
        held.put(str(number), number, size_bytes=1000)
    assert held.get("0") == 0
    held.put("5", 5, size_bytes=1000)
    assert (held.get("0"), held.get("1"), held.get("5")) == (0, None, 5)
    assert held.size_bytes <= 5 * (1000 + 2048)


def test_one_film_does_not_drive_out_everything_else() -> None:
    held: Remembered[str, int] = Remembered(100_000)
    held.put("clip", 1, size_bytes=1000)
    held.put("film", 2, size_bytes=99_000)
    assert (held.get("clip"), held.get("film")) == (1, None)


def test_what_is_told_anew_takes_its_own_place() -> None:
    held: Remembered[str, int] = Remembered(100_000)
    for value in range(100):
        held.put("same", value, size_bytes=1000)
    assert (held.get("same"), held.size_bytes) == (99, 1000 + 2048)


def test_what_follows_from_the_time_is_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    held: Remembered[str, int] = Remembered(100_000, kept_s=30)
    held.put("a", 1, size_bytes=0)
    now_s[0] = 129.9
    assert held.get("a") == 1
    now_s[0] = 130.0
    assert (held.get("a"), held.size_bytes) == (None, 0)


def test_of_those_who_want_the_same_value_one_finds_it_out() -> None:
    memory: Remembered[str, str] = Remembered(1_000_000)
    found_out: list[str] = []

    def ask(key: str) -> str:
        with memory.finding_out(key):
            known = memory.get(key)
            if known is None:
                time.sleep(0.05)
                found_out.append(key)
                known = key * 2
                memory.put(key, known, size_bytes=2)
        return known

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, "abababab")) == ["aa", "bb"] * 4
    assert sorted(found_out) == ["a", "b"]


def test_nobody_waits_for_who_finds_out_something_else() -> None:
    memory: Remembered[str, str] = Remembered(1000)
    with memory.finding_out("a"), ThreadPoolExecutor(1) as threads:

        def take_a_turn() -> bool:
            with memory.finding_out("b"):
                return True

        assert threads.submit(take_a_turn).result(timeout=10)


def test_who_fails_to_find_out_leaves_it_to_the_next() -> None:
    memory: Remembered[str, str] = Remembered(1000)
    for _ in range(2):
        with pytest.raises(MemoryError), memory.finding_out("a"):
            raise MemoryError
    assert not memory._turns
    assert not memory._turn_takers
