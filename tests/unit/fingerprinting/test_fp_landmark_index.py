"""The landmark index: what it holds, what it forgets, and that it can be written down and read back."""

import threading
import time

import numpy as np
import pytest

from fingerprinting.index import landmarks
from fingerprinting.index.landmarks import LandmarkIndex
from fingerprinting.landmark import BANDS, FIRST_FRAME_S, FRAME_S, REFERENCE_PEAKS_PER_S
from fingerprinting.model import Algorithm, Descriptors, ItemNumber


def stars(seed: int, *, seconds: float = 20.0) -> Descriptors:
    """Thirty peaks a second anywhere, all of them strong."""
    random = np.random.default_rng(seed)
    count = round(30 * seconds)
    frames = np.sort(random.integers(0, round(seconds / FRAME_S), count))
    rows = np.stack([random.integers(0, BANDS, count), np.zeros(count, np.int64)], axis=1).astype(np.uint8)
    return Descriptors(
        algorithm=Algorithm.AUDIO_LANDMARK_V1,
        times_s=(FIRST_FRAME_S + frames * FRAME_S).astype(np.float64),
        vectors=rows,
    )


def excerpt(whole: Descriptors, start_s: float, end_s: float, *, shift_bands: int = 0) -> Descriptors:
    """The peaks of [start_s, end_s), so many bands lower, from the start of a file."""
    inside = (whole.times_s >= start_s) & (whole.times_s < end_s)
    bands = whole.vectors[inside].astype(np.int64) - (shift_bands, 0)
    heard = (bands[:, 0] >= 0) & (bands[:, 0] < BANDS)
    moved_s = round(start_s / FRAME_S) * FRAME_S
    return Descriptors(
        algorithm=whole.algorithm,
        times_s=whole.times_s[inside][heard] - moved_s,
        vectors=bands[heard].astype(np.uint8),
    )


def holding(*seeds: int) -> LandmarkIndex:
    index = LandmarkIndex()
    for seed in seeds:
        index.add(ItemNumber(seed), stars(seed))
    return index


def best(index: LandmarkIndex, query: Descriptors) -> ItemNumber | None:
    found = index.candidates(query, limit=5)
    return found[0].item if found else None


def test_an_empty_index_finds_nothing() -> None:
    index = LandmarkIndex()
    assert index.size == 0
    assert index.items() == set()
    assert index.candidates(stars(1, seconds=5), limit=5) == []
    assert index.remove(ItemNumber(1)) == 0


def test_an_excerpt_is_found_with_its_place_and_its_pitch() -> None:
    index = holding(*range(20))
    found = index.candidates(excerpt(stars(7), 8, 13, shift_bands=4), limit=3)[0]
    assert (found.item, found.shift_bands) == (7, 4)
    assert found.stretch == pytest.approx(1, abs=0.02)
    assert found.reference_frame - found.query_frame == pytest.approx(8 / FRAME_S, abs=3)


def test_another_tempo_is_found_with_its_stretch() -> None:
    index, part = holding(*range(20)), excerpt(stars(7), 8, 14)
    faster = Descriptors(algorithm=part.algorithm, times_s=part.times_s / 1.08, vectors=part.vectors)
    found = index.candidates(faster, limit=3)[0]
    assert found.item == 7
    assert found.stretch == pytest.approx(1.08, abs=0.02)


def test_silence_has_no_candidates() -> None:
    assert holding(1).candidates(excerpt(stars(2), 30, 40), limit=5) == []


def test_an_item_without_peaks_is_not_held() -> None:
    index = LandmarkIndex()
    index.add(ItemNumber(1), excerpt(stars(1), 30, 40))
    assert (index.size, index.items()) == (0, set())


def test_only_the_strongest_peaks_of_a_reference_are_held() -> None:
    weak = stars(1)
    weak.vectors[:, 1] = REFERENCE_PEAKS_PER_S
    index = LandmarkIndex()
    index.add(ItemNumber(1), weak)
    assert index.size == 0


def test_what_was_removed_is_not_found_and_the_rest_is() -> None:
    index = holding(*range(12))
    before = index.size
    removed = index.remove(ItemNumber(7))
    assert removed > 0
    assert index.size == before - removed
    assert index.items() == set(range(12)) - {7}
    assert best(index, excerpt(stars(7), 8, 13)) != 7
    assert best(index, excerpt(stars(8), 8, 13)) == 8
    assert index.remove(ItemNumber(7)) == 0


def test_what_was_removed_can_come_back() -> None:
    index = holding(*range(5))
    index.remove(ItemNumber(3))
    index.add(ItemNumber(3), stars(3))
    assert best(index, excerpt(stars(3), 8, 13)) == 3
    for seed in range(5, 20):  # merges drop what was removed, not what came back
        index.add(ItemNumber(seed), stars(seed))
    assert best(index, excerpt(stars(3), 8, 13)) == 3
    assert index.remove(ItemNumber(3)) > 0
    assert best(index, excerpt(stars(3), 8, 13)) != 3


def test_adding_leaves_few_levels_and_removing_most_leaves_little_to_read() -> None:
    index = holding(*range(64))
    assert len(index._levels) <= 7
    for seed in range(60):
        index.remove(ItemNumber(seed))
    assert sum(len(level.keys) for level in index._levels) <= 2 * index.size


def test_a_dump_loads_into_the_same_index() -> None:
    index, other = holding(*range(6)), LandmarkIndex()
    index.remove(ItemNumber(2))
    other.load(index.dump())
    assert (other.size, other.items()) == (index.size, index.items())
    other.add(ItemNumber(9), stars(9))
    for seed in (1, 4, 9):
        assert best(other, excerpt(stars(seed), 8, 13)) == seed


def test_an_empty_dump_loads() -> None:
    index = holding(1)
    index.load(LandmarkIndex().dump())
    assert (index.size, index.items()) == (0, set())


@pytest.mark.parametrize("damage", ["nothing", "a name", "a posting", "order", "width"])
def test_what_is_no_dump_is_refused_and_nothing_is_lost(damage: str) -> None:
    index = holding(1)
    arrays = dict(holding(2, 3).dump())
    match damage:
        case "nothing":
            arrays = {}
        case "a name":
            del arrays["items"]
        case "a posting":
            arrays["keys"] = arrays["keys"][:-1]
        case "order":
            arrays["keys"] = arrays["keys"][::-1]
        case "width":
            arrays["keys"] = arrays["keys"].astype(np.uint32)
    with pytest.raises(ValueError, match="not a dump"):
        index.load(arrays)
    assert best(index, excerpt(stars(1), 8, 13)) == 1


def test_a_large_merge_does_not_hold_up_searches_or_removals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge that takes long goes on beside whoever adds; what is removed meanwhile stays removed."""
    monkeypatch.setattr(landmarks, "_LARGE_MERGE", 1)
    may_end, merged = threading.Event(), landmarks._merged

    def slow(levels: tuple[landmarks._Level, ...]) -> landmarks._Level:
        result = merged(levels)
        assert may_end.wait(timeout=30)
        return result

    monkeypatch.setattr(landmarks, "_merged", slow)
    index = holding(1, 2)
    assert best(index, excerpt(stars(1), 8, 13)) == 1
    index.remove(ItemNumber(1))
    assert best(index, excerpt(stars(1), 8, 13)) != 1
    may_end.set()
    deadline = time.monotonic() + 30
    while len(index._levels) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert index.items() == {2}
    assert best(index, excerpt(stars(2), 8, 13)) == 2


def test_a_load_during_a_merge_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarks, "_LARGE_MERGE", 1)
    may_end, done, merged = threading.Event(), threading.Event(), landmarks._merged
    dump = holding(5).dump()

    def slow(levels: tuple[landmarks._Level, ...]) -> landmarks._Level:
        assert may_end.wait(timeout=30)
        done.set()
        return merged(levels)

    monkeypatch.setattr(landmarks, "_merged", slow)
    index = holding(1, 2)
    index.load(dump)
    may_end.set()
    assert done.wait(timeout=30)
    assert index.items() == {5}


def test_many_threads_may_add_remove_and_search() -> None:
    index, failures = LandmarkIndex(), list[BaseException]()

    def work(thread: int) -> None:
        try:
            for seed in range(thread * 100, thread * 100 + 12):
                index.add(ItemNumber(seed), stars(seed))
                assert best(index, excerpt(stars(seed), 8, 13)) == seed
                if seed % 2:
                    index.remove(ItemNumber(seed))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for running in threads:
        running.start()
    for running in threads:
        running.join()
    assert failures == []
    assert index.items() == {thread * 100 + even for thread in range(4) for even in range(0, 12, 2)}
