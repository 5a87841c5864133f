"""Slots: so much at once, so many who wait, and everybody else is told to come again."""

import threading
from http import HTTPStatus

import pytest

from api.problems import Problem
from api.slots import Slots


def test_when_all_are_taken_and_as_many_wait_as_may_others_are_told_to_come_again() -> None:
    slots = Slots(1, waiting=1, wait_s=60)
    had = threading.Event()

    def wait() -> None:
        with slots.taken():
            had.set()

    waiter = threading.Thread(target=wait)
    with slots.taken():
        waiter.start()
        while slots._room.acquire(blocking=False):
            slots._room.release()
        with pytest.raises(Problem) as refused, slots.taken():
            pytest.fail("there was no room")
        assert not had.is_set()
    waiter.join()
    assert had.is_set()
    assert refused.value.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert refused.value.name == "busy"
    assert refused.value.headers == {"Retry-After": "60"}


def test_who_waited_long_enough_is_told_to_come_again_and_leaves_room_for_others() -> None:
    slots = Slots(1, waiting=1, wait_s=0)
    with slots.taken():
        for _ in range(3):
            with pytest.raises(Problem), slots.taken():
                pytest.fail("it was taken")
    with slots.taken():
        pass


def test_what_fails_in_a_slot_gives_it_back() -> None:
    slots = Slots(1, waiting=0, wait_s=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), slots.taken():
            1 / 0  # noqa: B018
