"""What tells a copy from another take of the same scene, and that a hard query gets its closer look."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinting.decode import FRAME_RATE_HZ
from fingerprinting.index.exact import ExactIndex
from fingerprinting.layout import thinned
from fingerprinting.looks import ALL_VIEWS, Glance, Span
from fingerprinting.match import Reference, find_copies
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber, Segment, Vectors
from fingerprinting.sscd import DIMENSIONS, quantised

HASHES, EMBEDDINGS = Algorithm.VIDEO_PHASH_V1, Algorithm.VIDEO_SSCD_V1
type Rows = npt.NDArray[np.float32]


def unit(rows: npt.NDArray[np.float64]) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def walk(seconds: float, *, seed: int, pace: float = 0.1) -> Rows:
    """Embeddings, two a second, each a little on from the one before."""
    random, rows = np.random.default_rng(seed), np.empty((round(2 * seconds), DIMENSIONS))
    rows[0] = random.normal(size=DIMENSIONS)
    for row in range(1, len(rows)):
        rows[row] = (1 - pace) * rows[row - 1] + np.sqrt(1 - (1 - pace) ** 2) * random.normal(size=DIMENSIONS)
    return unit(rows)


def take(seconds: float, *, seed: int) -> Rows:
    """Embeddings of one room by a locked camera: every moment is the room and a little of its own."""
    room = np.random.default_rng(5).normal(size=DIMENSIONS)
    return unit(room + 0.02 * np.random.default_rng(seed).normal(size=(round(2 * seconds), DIMENSIONS)))


def seen_as(rows: Rows, cosine: float, *, seed: int = 9) -> Rows:
    """The same frames after an edit that leaves them this alike."""
    noise = np.random.default_rng(seed).normal(size=rows.shape)
    noise -= (noise * rows).sum(axis=1, keepdims=True) * rows
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return np.asarray(cosine * rows + np.sqrt(1 - cosine**2) * noise, np.float32)


def embedded(rows: Rows, hashes: Vectors | None = None) -> Fingerprint:
    """As a fingerprint; by default its hashes have nothing to do with anything."""
    count, seed = len(rows) * FRAME_RATE_HZ // 2, int(abs(rows[0, 0]) * 1e6)
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 32), dtype=np.uint8) if hashes is None else hashes
    pictures = Descriptors(algorithm=HASHES, times_s=np.arange(count) / FRAME_RATE_HZ, vectors=drawn[:count])
    looks = Descriptors(algorithm=EMBEDDINGS, times_s=np.arange(len(rows)) / 2, vectors=quantised(rows))
    return Fingerprint(duration_s=len(rows) / 2, descriptors=(pictures, looks))


def with_rhythm(seconds: float, changes: Iterable[int], *, seed: int) -> Vectors:
    """Hashes that change by so many bits from one quarter second to the next, over and over."""
    random, rows = np.random.default_rng(seed), np.empty((round(seconds * FRAME_RATE_HZ), 256), bool)
    rhythm = list(changes)
    rows[:] = random.random(256) < 0.5
    for row in range(1, len(rows)):
        rows[row] = rows[row - 1]
        if row % 4 == 0:
            rows[row, random.choice(256, rhythm[row // 4 % len(rhythm)], replace=False)] ^= True
    return np.packbits(rows, axis=1)


def found(query: Fingerprint, reference: Fingerprint, glance: Glance | None = None) -> list[Segment]:
    kept = replace(reference, descriptors=tuple(thinned(each) for each in reference.descriptors))
    indexes, item = {EMBEDDINGS: ExactIndex(EMBEDDINGS)}, ItemNumber(1)
    indexes[EMBEDDINGS].add(item, kept.descriptors[1])
    return find_copies(query, indexes, reference_of=lambda _: Reference(item=item, fingerprint=kept), glance=glance)


def test_a_copy_of_a_moving_scene_is_confirmed_by_its_line() -> None:
    film = walk(40, seed=1)
    (segment,) = found(embedded(seen_as(film[20:44], 0.7)), embedded(film))
    assert segment.confirmed
    assert (segment.reference_start_s, segment.reference_end_s) == pytest.approx((10, 22), abs=1)


def test_what_hashes_say_plainly_the_network_does_not_say_again() -> None:
    film = embedded(walk(40, seed=1))
    kept = replace(film, descriptors=tuple(thinned(each) for each in film.descriptors))
    indexes = {each.algorithm: ExactIndex(each.algorithm) for each in kept.descriptors}
    for each in kept.descriptors:
        indexes[each.algorithm].add(ItemNumber(1), each)
    stored = Reference(item=ItemNumber(1), fingerprint=kept)
    (segment,) = find_copies(film, indexes, reference_of=lambda _: stored)
    assert (segment.algorithm, segment.confirmed) == (HASHES, True)
    [blind] = find_copies(film, {EMBEDDINGS: indexes[EMBEDDINGS]}, reference_of=lambda _: stored)
    assert blind.algorithm is EMBEDDINGS


@pytest.mark.parametrize("cosine", [0.6, 0.95])
def test_another_take_of_a_scene_is_left_to_a_person(cosine: float) -> None:
    segments = found(embedded(seen_as(take(12, seed=1), cosine)), embedded(take(12, seed=2)))
    assert segments
    assert not any(segment.confirmed for segment in segments)


def test_a_copy_of_a_locked_scene_is_confirmed_by_what_moves_in_it() -> None:
    room = take(12, seed=1)
    beats = np.random.default_rng(4).integers(1, 60, 48).tolist()
    original, cropped = (with_rhythm(12, beats, seed=seed) for seed in (1, 2))
    (segment,) = found(embedded(seen_as(room, 0.6), cropped), embedded(room, original))
    assert segment.confirmed


def test_what_is_hardly_alike_and_not_confirmed_is_not_told() -> None:
    assert found(embedded(seen_as(take(12, seed=1), 0.46)), embedded(take(12, seed=2))) == []


def test_unrelated_films_have_nothing_in_common() -> None:
    assert found(embedded(walk(20, seed=1)), embedded(walk(40, seed=2))) == []


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_a_copy_at_another_speed_is_found(speed: float) -> None:
    film = walk(60, seed=1)
    rows = film[20 + np.round(np.arange(0, 40) * speed).astype(int)]
    (segment,) = found(embedded(seen_as(rows, 0.7)), embedded(film))
    assert segment.reference_start_s == pytest.approx(10, abs=1)
    assert segment.reference_end_s - segment.reference_start_s == pytest.approx(20 * speed, abs=2)


def test_a_long_query_is_aligned_in_parts_and_told_as_one() -> None:
    film = walk(1500, seed=1)
    (segment,) = found(embedded(film), embedded(film))
    assert (segment.query_start_s, segment.query_end_s) == pytest.approx((0, 1500), abs=1)


class WatchedGlance(Glance):
    """Knows what a closer look would see, and remembers where it was asked for."""

    def __init__(self, brief: Descriptors, nearer: Descriptors) -> None:
        self.brief, self.nearer, self.asked = brief, nearer, [np.empty(0)]

    def seen(self) -> Descriptors:
        return self.brief

    def closer(self, spans: Iterable[Span], views: Sequence[int] = ALL_VIEWS) -> Descriptors | None:
        self.asked, self.views = [np.array(span) for span in spans], list(views)
        return self.nearer if self.asked else None


def test_an_easy_copy_and_a_stranger_need_no_closer_look() -> None:
    film = walk(40, seed=1)
    for query in (embedded(film[10:30]), embedded(walk(20, seed=2))):
        glance = WatchedGlance(query.descriptors[1], query.descriptors[1])
        found(query, embedded(film), glance)
        assert not glance.asked


def test_a_hint_is_followed_up_where_it_is() -> None:
    film = walk(60, seed=1)
    full = embedded(seen_as(film[20:60], 0.6)).descriptors[1]
    brief = unit(np.random.default_rng(8).normal(size=(40, DIMENSIONS)))
    brief[4] = seen_as(film[24:25], 0.6)[0]  # the one frame that was seen in every view
    query = embedded(brief)
    glance = WatchedGlance(query.descriptors[1], full)
    assert [segment.reference_start_s for segment in found(query, embedded(film), glance)] == [pytest.approx(10, abs=1)]
    assert glance.asked
    assert all(start <= 2 < end for start, end in glance.asked)
    assert glance.views == [0]
