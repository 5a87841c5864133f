"""What strangers are told of a match."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.telling import rough_score, roughly


@pytest.mark.parametrize(
    ("score_0_1", "said"), [(0.0, 0.5), (0.599, 0.5), (0.6, 0.7), (0.799, 0.7), (0.8, 0.9), (1.0, 0.9)]
)
def test_a_score_is_one_of_three(score_0_1: float, said: float) -> None:
    assert rough_score(score_0_1) == said


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_score_is_never_told_as_a_lower_one(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert rough_score(low) <= rough_score(high)


@given(st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 1))
def test_times_are_whole_seconds_that_take_in_the_stretch(start_s: float, length_s: float, score: float) -> None:
    end_s = start_s + length_s
    match = {"query_start_s": start_s, "query_end_s": end_s, "score": score, "modality": "video"}
    told = roughly(match, query_duration_s=1e6)
    assert told["query_start_s"] <= start_s <= end_s <= told["query_end_s"]
    assert told["query_start_s"].is_integer()
    assert told["query_end_s"].is_integer()
    assert told["modality"] == "video"


def test_small_steps_towards_a_work_are_not_told() -> None:
    steps = [0.81 + number / 1000 for number in range(180)]
    assert {rough_score(score) for score in steps} == {0.9}


def test_no_stretch_ends_after_the_clip() -> None:
    match = {"query_start_s": 1.2, "query_end_s": 5.01, "reference_end_s": 7.5, "score": 0.9}
    told = roughly(match, query_duration_s=5.04)
    assert (told["query_start_s"], told["query_end_s"], told["reference_end_s"]) == (1.0, 5.04, 8.0)
