"""Which frames and views are shown to the network, and what its rows say to the index."""

import itertools
import tracemalloc
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprinting.index.embedded import embedded_index
from fingerprinting.layout import places, thinned
from fingerprinting.looks import HELD_S, Glance, ReferenceLooks
from fingerprinting.match import Reference, find_copies
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber
from fingerprinting.sscd import (
    DIMENSIONS,
    FRAME_PX,
    FRAME_RATE_HZ,
    INPUT_PX,
    QUERY_VIEWS,
    REFERENCE_VIEWS,
    boxes_of,
    embeddings_of,
    quantised,
    signs,
    views_of,
)
from tests.effort import examples
from tests.fakes import FakeEmbedder

type Pictures = npt.NDArray[np.uint8]
STEP_S = 1 / FRAME_RATE_HZ


def scene(*, seed: int) -> Pictures:
    """One frame of coloured waves, which have no straight edge."""
    random, places = np.random.default_rng(seed), np.arange(FRAME_PX) / FRAME_PX
    frame = np.zeros((FRAME_PX, FRAME_PX, 3))
    for _ in range(6):
        across, down = random.uniform(-20, 20, 2)
        waves = np.sin(2 * np.pi * (across * places[None] + down * places[:, None]) + random.uniform(0, 6))
        frame += waves[..., None] * random.uniform(-1, 1, 3)
    shown: Pictures = (127 + 120 * frame / np.abs(frame).max()).astype(np.uint8)
    return shown


def film(seeds: Iterable[int]) -> bytes:
    return b"".join(scene(seed=seed).tobytes() for seed in seeds)


def unit_rows(count: int, *, seed: int) -> npt.NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_view_is_a_part_of_the_frame_at_the_size_the_network_takes() -> None:
    frame = scene(seed=1)[None]
    cut = views_of(frame, boxes_of(tall=False))
    assert cut.shape == (QUERY_VIEWS, INPUT_PX, INPUT_PX, 3)
    corner = cut[8]  # the upper left quarter, pixel by pixel
    assert np.array_equal(corner, frame[0, : FRAME_PX // 2, : FRAME_PX // 2])


def test_the_strip_that_a_reference_keeps_crosses_the_longer_side() -> None:
    frame = scene(seed=1)[None]
    wide, tall = (views_of(frame, boxes_of(tall=is_tall)) for is_tall in (False, True))
    assert np.array_equal(wide[[2, 3]], tall[[3, 2]])
    assert np.array_equal(wide[[0, 1, *range(4, QUERY_VIEWS)]], tall[[0, 1, *range(4, QUERY_VIEWS)]])


@given(st.integers(0, 1000))
def test_rows_keep_the_cosines_of_embeddings(seed: int) -> None:
    rows = unit_rows(8, seed=seed)
    kept = embeddings_of(quantised(rows))
    assert np.abs(kept @ kept.T - rows @ rows.T).max() < 0.005


def test_codes_differ_by_the_angle_between_embeddings() -> None:
    one, other = unit_rows(400, seed=1), unit_rows(400, seed=2)
    for share in (0.2, 0.5, 0.8):
        mixed = share * one + np.sqrt(1 - share**2) * other
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        angles = np.arccos((one * mixed).sum(axis=1)) / np.pi * DIMENSIONS
        bits = np.bitwise_count(signs(quantised(one)) ^ signs(quantised(mixed))).sum(axis=1)
        assert np.mean(bits) == pytest.approx(np.mean(angles), abs=3)


def test_a_reference_keeps_a_frame_where_its_picture_changes() -> None:
    looks = ReferenceLooks(FakeEmbedder(), tall=False)
    looks.take(film([1, 1, 1, 2, 2, 3]))
    seen = looks.finish()
    assert seen.times_s.tolist() == np.repeat([0, 3 * STEP_S, 5 * STEP_S], REFERENCE_VIEWS).tolist()


def test_a_reference_that_never_changes_still_has_a_row_now_and_then() -> None:
    looks = ReferenceLooks(FakeEmbedder(), tall=False)
    looks.take(film([1] * 30))
    assert np.diff(np.unique(looks.finish().times_s)).max() <= HELD_S


def test_a_frame_without_picture_has_no_row() -> None:
    blank = np.broadcast_to(np.array([250, 0, 90], np.uint8), (FRAME_PX, FRAME_PX, 3)).tobytes()
    for looks in (ReferenceLooks(FakeEmbedder(), tall=False), Glance(FakeEmbedder(), tall=False)):
        looks.take(film([1]) + 2 * blank + film([2]))
        assert set(looks.finish().times_s) == {0.0, 3 * STEP_S}


@settings(max_examples=examples(15))
@given(st.lists(st.integers(1, 900_000), min_size=1, max_size=6))
def test_how_the_bytes_are_cut_changes_nothing(cuts: list[int]) -> None:
    whole, pieces = (Glance(FakeEmbedder(), tall=False) for _ in range(2))
    raw = film([1, 2, 2, 3])
    whole.take(raw)
    edges = [0, *sorted({min(cut, len(raw)) for cut in cuts}), len(raw)]
    for start, end in itertools.pairwise(edges):
        pieces.take(raw[start:end])
    expected, found = whole.finish(), pieces.finish()
    assert np.array_equal(expected.times_s, found.times_s)
    assert np.array_equal(expected.vectors, found.vectors)


def test_a_glance_costs_little_and_a_closer_look_sees_the_rest() -> None:
    embedder = FakeEmbedder()
    glance = Glance(embedder, tall=False)
    glance.take(film(range(1, 13)))
    first = glance.finish()
    assert embedder.shown == 9 + 3 * QUERY_VIEWS
    nearer = glance.closer([(0.0, 3.0)])
    assert nearer is not None
    views = np.unique(nearer.times_s, return_counts=True)
    assert all(count == QUERY_VIEWS for time_s, count in zip(*views, strict=True) if time_s < 3.0)
    assert {count for time_s, count in zip(*views, strict=True) if time_s >= 3.0} == {1, QUERY_VIEWS}
    assert set(first.times_s) == set(nearer.times_s)


def test_a_frame_that_is_held_is_seen_in_every_view_at_once() -> None:
    glance = Glance(FakeEmbedder(), tall=False)
    glance.take(film([1, 2, 3, 3, 3, 4, 5, 6]))
    times_s, counts = np.unique(glance.finish().times_s, return_counts=True)
    assert dict(zip(times_s.tolist(), counts.tolist(), strict=True)) == {
        0.0: QUERY_VIEWS, 0.5: 1, 1.0: QUERY_VIEWS, 2.5: 1, 3.0: QUERY_VIEWS, 3.5: 1,
    }  # fmt: skip


def test_a_closer_look_takes_only_the_views_it_is_told() -> None:
    embedder = FakeEmbedder()
    glance = Glance(embedder, tall=False)
    glance.take(film(range(1, 9)))
    glance.finish()
    before = embedder.shown
    nearer = glance.closer([(0.0, 99.0)], [7])
    assert nearer is not None
    assert embedder.shown - before == 6 * 2
    assert set(np.unique(nearer.times_s, return_counts=True)[1]) == {2, QUERY_VIEWS}


def test_nothing_is_looked_at_twice() -> None:
    glance = Glance(FakeEmbedder(), tall=False)
    glance.take(film(range(1, 9)))
    glance.finish()
    assert glance.closer([(0.0, 99.0)]) is not None
    assert glance.closer([(0.0, 99.0)]) is None
    assert glance.closer([]) is None


def test_a_small_moving_picture_in_a_still_one_is_seen_moving() -> None:
    frames = [scene(seed=1) for _ in range(4)]
    for number, frame in enumerate(frames):
        frame[200:300, 200:300] = scene(seed=50 + number)[:100, :100]
    glance = Glance(FakeEmbedder(), tall=False)
    glance.take(b"".join(frame.tobytes() for frame in frames))
    assert len(set(glance.finish().times_s)) == 4


def test_a_long_query_is_bounded_in_memory_and_still_seen_in_parts() -> None:
    glance = Glance(FakeEmbedder(), tall=False)
    shown = film(range(20))
    for _ in range(21):
        glance.take(shown)
    late = glance.finish()
    places_late = places(np.round(late.times_s * FRAME_RATE_HZ).astype(np.int64))[late.times_s > 110]
    assert places_late.max() == QUERY_VIEWS - 1
    seen = glance.closer([(110.0, 999.0)])
    assert seen is None  # what comes that late was not kept


def test_what_a_glance_says_that_it_holds_is_all_that_it_holds() -> None:
    """Glances are remembered, up to so many bytes of them."""
    shown, embedder = film(range(9)), FakeEmbedder()
    tracemalloc.start()
    try:
        glance = Glance(embedder, tall=False)
        glance.take(shown)
        glance.finish()
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes == pytest.approx(glance.size_bytes, rel=0.1)


def test_a_reference_made_from_a_query_keeps_its_first_views() -> None:
    glance = Glance(FakeEmbedder(), tall=False)
    glance.take(film(range(1, 9)))
    glance.finish()
    seen = glance.closer([(0.0, 99.0)])
    assert seen is not None
    kept = thinned(seen)
    assert len(kept) == 8 * REFERENCE_VIEWS
    first = seen.vectors[places(np.round(seen.times_s * FRAME_RATE_HZ).astype(np.int64)) < REFERENCE_VIEWS]
    assert np.array_equal(kept.vectors, first)


def test_what_is_a_little_like_a_plain_copy_asks_for_no_closer_look() -> None:
    """Of a million strangers some are always near: behind a plain copy they must be nearer to count."""
    seconds = 12
    looks = ReferenceLooks(FakeEmbedder(), tall=False)
    looks.take(film(range(2 * seconds)))
    copied = looks.finish()
    whole = embeddings_of(copied.vectors[::REFERENCE_VIEWS])
    aside = unit_rows(len(whole), seed=3)
    aside -= (aside * whole).sum(axis=1, keepdims=True) * whole
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)

    def a_little_like(cosine: float) -> Descriptors:  # each at another time than its like: nothing lines up
        rows = quantised(cosine * whole + np.sqrt(1 - cosine**2) * aside)[::3]
        times_s = 4 * HELD_S * np.random.default_rng(4).permutation(len(rows))
        order = np.argsort(times_s)
        return Descriptors(algorithm=copied.algorithm, times_s=times_s[order].astype(np.float64), vectors=rows[order])

    def shown(*items: Descriptors) -> int:
        embedder, index = FakeEmbedder(), embedded_index(Algorithm.VIDEO_SSCD_V1)
        known = {}
        for number, descriptors in enumerate(items):
            index.add(ItemNumber(number), descriptors)
            held = Fingerprint(duration_s=float(descriptors.times_s[-1]) + 0.5, descriptors=(descriptors,))
            known[ItemNumber(number)] = Reference(item=ItemNumber(number), fingerprint=held)
        glance = Glance(embedder, tall=False)
        glance.take(film(range(2 * seconds)))
        query = Fingerprint(duration_s=float(seconds), descriptors=(glance.finish(),))
        find_copies(query, {Algorithm.VIDEO_SSCD_V1: index}, reference_of=known.get, glance=glance)
        return embedder.shown

    assert shown(a_little_like(0.42)) > shown(copied)
    assert shown(a_little_like(0.42), copied) == shown(copied)
    assert shown(a_little_like(0.6), copied) > shown(copied)
