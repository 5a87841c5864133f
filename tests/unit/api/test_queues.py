"""Queues: what a worker may be told to take, and that together they take everything."""

import itertools

import pytest

from api.settings import Settings
from api.worker import LANES, QUEUES, make_celery, queues_named
from registry.jobs import JobKind


def test_every_kind_of_job_is_in_one_queue() -> None:
    lanes = list(itertools.chain(*QUEUES.values()))
    assert len(lanes) == len(set(lanes))
    assert set(LANES) == set(JobKind)
    assert set(LANES.values()) == set(lanes)


def test_every_round_goes_to_a_queue_that_somebody_takes() -> None:
    schedule = make_celery(Settings()).conf.beat_schedule
    assert {one["options"]["queue"] for one in schedule.values()} <= set(itertools.chain(*QUEUES.values()))
    assert all(one["options"]["expires"] >= one["schedule"].total_seconds() for one in schedule.values())


def test_a_worker_takes_the_queues_that_it_is_told_and_all_of_them_when_told_none() -> None:
    assert queues_named("") == queues_named(" , ") == ("fingerprint", "sign", "deliver", "deadlines")
    assert queues_named("deliver, sign,deliver") == ("deliver", "sign")


@pytest.mark.parametrize("said", ["films", "sign,Sign", "look_back"])
def test_a_queue_that_is_not_there_is_named(said: str) -> None:
    with pytest.raises(ValueError, match=r"there is no such queue; the queues are fingerprint, sign"):
        queues_named(said)
