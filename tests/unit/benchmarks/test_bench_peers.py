"""How other systems compare, on examples worked by hand; none of their packages is needed."""

import numpy as np
import pytest

from benchmarks.peers.acoustid import compare


def words(count: int, *, seed: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.random.default_rng(seed).integers(0, 1 << 32, count, np.uint32)


def test_a_fingerprint_is_wholly_like_itself() -> None:
    whole = words(200, seed=1)
    assert compare(whole, whole, most_offset=None) == (1.0, 0)


def test_a_piece_is_found_where_it_stands() -> None:
    whole = words(200, seed=1)
    assert compare(whole[60:120], whole, most_offset=None) == (1.0, 60)


def test_an_offset_past_the_limit_is_not_tried() -> None:
    whole = words(200, seed=1)
    assert compare(whole[100:180], whole, most_offset=80)[0] == 0.0


def test_each_wrong_bit_costs_twice_its_share() -> None:
    whole = words(100, seed=1)
    # One of the last 18 bits of every word: the first 14 still vote.
    score, offset = compare(whole ^ np.uint32(1), whole, most_offset=None)
    assert offset == 0
    assert score == pytest.approx(1 - 2 / 32)


def test_half_an_overlap_is_half_a_score() -> None:
    whole = words(150, seed=1)
    score, offset = compare(whole[:100], whole[50:], most_offset=None)
    assert offset == -50
    assert score == pytest.approx(0.5)


def test_strangers_have_nothing_in_line() -> None:
    assert compare(words(200, seed=1), words(200, seed=2), most_offset=None)[0] < 0.05


def test_a_fingerprint_that_repeats_itself_says_less() -> None:
    loop = np.tile(words(5, seed=1), 40)
    assert compare(loop, loop, most_offset=None)[0] == 1.0
    noisy = loop ^ np.uint32(0b1111)
    assert compare(noisy, loop, most_offset=None)[0] < 1 - 2 * 4 / 32
