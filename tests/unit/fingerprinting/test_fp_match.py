"""Which stretch of a query copies which stretch of an item: drawn films and sounds, no media."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprinting import align, chromaprint, phash
from fingerprinting.decode import FRAME_RATE_HZ
from fingerprinting.index.exact import ExactIndex
from fingerprinting.index.protocol import Hits
from fingerprinting.layout import thinned
from fingerprinting.match import Reference, covered_s, find_copies
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber, Segment, Vectors
from fingerprinting.traits import TRAITS

PICTURE, SOUND = Algorithm.VIDEO_PHASH_V1, Algorithm.AUDIO_CHROMAPRINT_V1
NEAR_S = 1.0
type Words = npt.NDArray[np.uint32]


def film(*, seconds: float, seed: int, bits_a_frame: int = 5) -> Vectors:
    """Frames at `FRAME_RATE_HZ`: scenes of about three seconds in which every frame differs a little."""
    random = np.random.default_rng(seed)
    frames = np.empty((round(seconds * FRAME_RATE_HZ), 256), bool)
    for row in range(len(frames)):
        if row % 47 == 0:
            frames[row] = random.random(256) < 0.5
        else:
            frames[row] = frames[row - 1]
            frames[row, random.integers(0, 256, bits_a_frame)] ^= True
    return np.packbits(frames, axis=1)


def slow_scene(*, seconds: float, seed: int) -> Vectors:
    """One scene without a cut in which a bit changes from frame to frame: each moment is near to all others."""
    random, frames = np.random.default_rng(seed), np.empty((round(seconds * FRAME_RATE_HZ), 256), bool)
    frames[0] = random.random(256) < 0.5
    for row in range(1, len(frames)):
        frames[row] = frames[row - 1]
        frames[row, random.integers(0, 256)] ^= True
    return np.packbits(frames, axis=1)


def still(*, seconds: float, seed: int) -> Vectors:
    return np.repeat(film(seconds=1, seed=seed)[:1], round(seconds * FRAME_RATE_HZ), axis=0)


def part(frames: Vectors, start_s: float, end_s: float) -> Vectors:
    return frames[round(start_s * FRAME_RATE_HZ) : round(end_s * FRAME_RATE_HZ)]


def at_speed(frames: Vectors, speed: float) -> Vectors:
    """What is seen when the film runs `speed` times as fast."""
    return frames[np.arange(0, len(frames) - 1, speed).astype(np.int64)]


def noisy(frames: Vectors, *, bits: int, seed: int = 1) -> Vectors:
    """Up to `bits` bits of every row turned over."""
    random = np.random.default_rng(seed)
    unpacked = np.unpackbits(frames, axis=1)
    for row in unpacked:
        row[random.choice(256, random.integers(0, bits + 1), replace=False)] ^= 1
    return np.packbits(unpacked, axis=1)


def pictures(*parts: Vectors) -> Fingerprint:
    frames = np.concatenate(parts)
    seen = Descriptors(algorithm=PICTURE, times_s=np.arange(len(frames)) / FRAME_RATE_HZ, vectors=frames)
    return Fingerprint(duration_s=len(frames) / FRAME_RATE_HZ, descriptors=(seen,))


def words(*, seconds: float, seed: int) -> Words:
    count = round(seconds / chromaprint.STEP_S)
    return np.random.default_rng(seed).integers(0, 1 << 32, count).astype(np.uint32)


def sounds(*parts: Words) -> Fingerprint:
    heard = np.concatenate(parts)
    return Fingerprint(duration_s=chromaprint.heard_s(heard), descriptors=(chromaprint.describe(heard),))


@dataclass
class Library:
    """Items registered as the service does it: thinned to the reference's grid."""

    indexes: dict[Algorithm, ExactIndex] = field(default_factory=lambda: {a: ExactIndex(a) for a in TRAITS})
    references: dict[ItemNumber, Reference] = field(default_factory=dict)

    def add(self, number: int, made: Fingerprint) -> None:
        item = ItemNumber(number)
        kept = Fingerprint(duration_s=made.duration_s, descriptors=tuple(thinned(each) for each in made.descriptors))
        self.references[item] = Reference(item=item, fingerprint=kept)
        for descriptors in kept.descriptors:
            self.indexes[descriptors.algorithm].add(item, descriptors)

    def find(self, query: Fingerprint) -> list[Segment]:
        return find_copies(query, self.indexes, reference_of=self.references.get)


def library(*films: Vectors) -> Library:
    made = Library()
    for number, frames in enumerate(films, start=1):
        made.add(number, pictures(frames))
    return made


def assert_found(segments: Sequence[Segment], *expected: tuple[int, float, float, float, float]) -> None:
    """Exactly these segments, each (item, query start, query end, reference start, reference end)."""
    found = sorted((s.item, s.query_start_s, s.query_end_s, s.reference_start_s, s.reference_end_s) for s in segments)
    assert [row[0] for row in found] == [row[0] for row in sorted(expected)], found
    for row, wanted in zip(found, sorted(expected), strict=True):
        assert row == pytest.approx(wanted, abs=NEAR_S)


ONE, TWO, OTHER = (film(seconds=40, seed=seed) for seed in (1, 2, 3))


def test_an_exact_copy_is_one_whole_segment() -> None:
    (segment,) = library(ONE, TWO).find(pictures(ONE))
    assert_found([segment], (1, 0, 40, 0, 40))
    assert segment.score_0_1 > 0.95
    assert segment.algorithm is PICTURE


_ASKED = {
    "itself": (ONE,),
    "an excerpt": (part(TWO, 7.3, 12),),
    "another copy": (noisy(ONE, bits=30),),
    "faster": (at_speed(part(ONE, 0, 30), 1.5),),
    "slower": (at_speed(part(ONE, 4, 14), 0.6),),
    "the same at two speeds": (part(ONE, 0, 10), at_speed(part(ONE, 10, 30), 2.0)),
    "pieces": (part(ONE, 5, 11), part(OTHER, 0, 4), part(TWO, 30, 36), part(ONE, 5, 11)),
    "nothing": (OTHER,),
}


@pytest.mark.parametrize("asked", list(_ASKED))
def test_what_cannot_explain_more_is_not_tried_and_nothing_else_is_found(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, known = pictures(*_ASKED[asked]), library(ONE, TWO)
    found = known.find(query)
    monkeypatch.setattr(align._Search, "_most_worth", lambda *_: np.inf)
    monkeypatch.setattr(align._Search, "_is_itself", lambda *_: False)
    assert known.find(query) == found


def test_of_the_very_same_no_other_speed_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("somebody waits for this")

    monkeypatch.setattr(align._Search, "_support", refuse)
    assert_found(library(ONE).find(pictures(ONE)), (1, 0, 40, 0, 40))


@pytest.mark.parametrize("start_s", [0.0, 7.3, 20.1, 35.0])
def test_an_excerpt_is_found_where_it_stands(start_s: float) -> None:
    segments = library(ONE, TWO).find(pictures(part(TWO, start_s, start_s + 5)))
    assert_found(segments, (2, 0, 5, start_s, start_s + 5))


def test_an_excerpt_inside_a_longer_query_is_cut_out_of_it() -> None:
    query = pictures(part(OTHER, 0, 13), part(ONE, 10.4, 15.4), part(OTHER, 20, 40))
    assert_found(library(ONE, TWO).find(query), (1, 13, 18, 10.4, 15.4))


def test_several_pieces_of_several_items_are_several_segments() -> None:
    query = pictures(part(ONE, 5, 11), part(OTHER, 0, 4), part(TWO, 30, 36), part(ONE, 22, 30))
    segments = library(ONE, TWO).find(query)
    assert_found(segments, (1, 0, 6, 5, 11), (1, 16, 24, 22, 30), (2, 10, 16, 30, 36))
    assert [s.query_length_s for s in segments] == sorted((s.query_length_s for s in segments), reverse=True)


def test_a_piece_shown_twice_is_two_segments() -> None:
    query = pictures(part(ONE, 10, 16), part(OTHER, 0, 3), part(ONE, 10, 16))
    assert_found(library(ONE, TWO).find(query), (1, 0, 6, 10, 16), (1, 9, 15, 10, 16))


def test_scenes_in_reversed_order_are_found_each_in_its_place() -> None:
    query = pictures(part(ONE, 30, 36), part(ONE, 20, 26), part(ONE, 10, 16))
    expected = (1, 0, 6, 30, 36), (1, 6, 12, 20, 26), (1, 12, 18, 10, 16)
    assert_found(library(ONE, TWO).find(query), *expected)


@pytest.mark.parametrize("bits", [10, 20, 30])
def test_noise_of_thirty_bits_a_row_hides_nothing(bits: int) -> None:
    query = pictures(part(OTHER, 0, 5), noisy(part(ONE, 12, 20), bits=bits))
    assert_found(library(ONE, TWO).find(query), (1, 5, 13, 12, 20))


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_a_copy_at_another_speed_is_found_with_both_intervals(speed: float) -> None:
    shown = at_speed(part(ONE, 8, 28), speed)
    length_s = len(shown) / FRAME_RATE_HZ
    query = pictures(part(OTHER, 0, 6), shown, part(OTHER, 20, 25))
    assert_found(library(ONE, TWO).find(query), (1, 6, 6 + length_s, 8, 28))


def test_pieces_cut_out_of_a_slow_scene_are_found_each_in_its_place() -> None:
    scene = slow_scene(seconds=20, seed=4)
    segments = library(scene, TWO).find(pictures(part(scene, 1, 4), part(scene, 5.5, 8.5), part(scene, 10, 13)))
    assert_found(segments, (1, 0, 3, 1, 4), (1, 3, 6, 5.5, 8.5), (1, 6, 9, 10, 13))


def test_a_slow_scene_is_one_segment() -> None:
    scene = slow_scene(seconds=20, seed=4)
    assert_found(library(scene).find(pictures(noisy(part(scene, 2, 14), bits=20))), (1, 0, 12, 2, 14))


def test_a_mirrored_copy_is_found_beside_a_plain_one() -> None:
    segments = library(ONE, TWO).find(pictures(part(ONE, 5, 15), phash.mirrored(part(TWO, 5, 15))))
    assert_found(segments, (1, 0, 10, 5, 15), (2, 10, 20, 5, 15))


def test_what_is_plain_is_not_looked_for_mirrored(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    search = ExactIndex.search

    def counting(index: ExactIndex, vectors: Vectors, *, radius_bits: int, limit: int) -> Hits:
        asked.append(len(vectors))
        return search(index, vectors, radius_bits=radius_bits, limit=limit)

    monkeypatch.setattr(ExactIndex, "search", counting)
    held = library(ONE)
    for query, rows in ((part(ONE, 0, 10), [80, 0]), (OTHER[:160], [80, 80])):
        held.find(pictures(query))
        assert asked == rows
        asked.clear()


def test_an_unrelated_film_has_no_segment() -> None:
    assert library(ONE, TWO).find(pictures(OTHER)) == []


def test_nothing_copies_nothing() -> None:
    empty = Descriptors(algorithm=PICTURE, times_s=np.empty(0), vectors=np.empty((0, 32), np.uint8))
    nothing = Fingerprint(duration_s=3.0, descriptors=(empty,))
    assert library(ONE).find(nothing) == []
    assert library(ONE).find(Fingerprint(duration_s=3.0, descriptors=())) == []
    assert Library().find(pictures(ONE)) == []


def test_blank_rows_inside_a_copy_do_not_break_it() -> None:
    """A fade has no rows; what stands before and after it is one copy."""
    reference, query = pictures(ONE), pictures(part(ONE, 10, 30))

    def without(made: Fingerprint, start_s: float, end_s: float) -> Fingerprint:
        (seen,) = made.descriptors
        kept = (seen.times_s < start_s) | (seen.times_s >= end_s)
        shown = Descriptors(algorithm=PICTURE, times_s=seen.times_s[kept], vectors=seen.vectors[kept])
        return Fingerprint(duration_s=made.duration_s, descriptors=(shown,))

    films = Library()
    films.add(1, without(reference, 18, 20))
    assert_found(films.find(without(query, 8, 10)), (1, 0, 20, 10, 30))


def test_a_withdrawn_item_has_no_segment_though_its_rows_are_still_indexed() -> None:
    films = library(ONE, TWO)
    del films.references[ItemNumber(1)]
    assert_found(films.find(pictures(part(ONE, 0, 10), part(TWO, 0, 10))), (2, 10, 20, 0, 10))


def test_a_still_scene_does_not_hide_another_item() -> None:
    card = still(seconds=90, seed=9)
    query = pictures(part(card, 0, 20), part(ONE, 10, 15))
    segments = library(card, ONE).find(query)
    assert_found([s for s in segments if s.item == 2], (2, 20, 25, 10, 15))


def test_a_still_scene_that_many_items_share_does_not_hide_another() -> None:
    """A distributor's card stands before forty films; the copied one has none."""
    card = still(seconds=10, seed=9)
    films = [np.concatenate([card, film(seconds=10, seed=100 + n)]) for n in range(40)]
    query = pictures(card, part(ONE, 10, 16))
    segments = library(*films, ONE).find(query)
    assert_found([s for s in segments if s.item == 41], (41, 10, 16, 10, 16))


def test_a_copied_scene_stays_found_beside_a_still_of_the_same_item() -> None:
    card = still(seconds=12, seed=9)
    whole = np.concatenate([card, ONE])
    segments = library(whole).find(pictures(part(OTHER, 0, 8), part(whole, 6, 20)))
    assert_found(segments, (1, 8, 22, 6, 20))


# --- Sound ----------------------------------------------------------------------------------------------


def songs(*tunes: Words) -> Library:
    made = Library()
    for number, tune in enumerate(tunes, start=1):
        made.add(number, sounds(tune))
    return made


SONG, TUNE, NOISE = (words(seconds=40, seed=seed) for seed in (1, 2, 3))


def heard(song: Words, start_s: float, end_s: float) -> Words:
    return song[round(start_s / chromaprint.STEP_S) : round(end_s / chromaprint.STEP_S)]


@pytest.mark.parametrize("start_s", [0.0, 11.7, 34.0])
def test_an_excerpt_of_a_sound_is_found_where_it_stands(start_s: float) -> None:
    excerpt = sounds(heard(SONG, start_s, start_s + 5))
    (segment,) = songs(TUNE, SONG).find(excerpt)
    assert (segment.item, segment.algorithm) == (2, SOUND)
    assert segment.query_start_s == pytest.approx(0, abs=NEAR_S)
    assert segment.query_end_s == pytest.approx(excerpt.duration_s, abs=NEAR_S)
    assert segment.reference_start_s == pytest.approx(start_s, abs=NEAR_S)
    assert segment.reference_end_s == pytest.approx(start_s + excerpt.duration_s, abs=NEAR_S)


def test_a_sound_inside_a_longer_query_is_cut_out_of_it() -> None:
    query = sounds(heard(NOISE, 0, 10), heard(SONG, 20, 28), heard(NOISE, 20, 30))
    (segment,) = songs(TUNE, SONG).find(query)
    # Words that hear both sides of a cut match neither here, so the ends are rough: real sound has its own test.
    assert segment.query_start_s == pytest.approx(10, abs=2)
    assert segment.query_end_s == pytest.approx(18 + chromaprint.FIRST_WORD_S, abs=2)
    assert segment.reference_start_s - segment.query_start_s == pytest.approx(10, abs=0.2)


def test_a_sound_with_bit_errors_is_found() -> None:
    errors = np.random.default_rng(4).random((len(SONG), 32)) < 0.1
    worn = SONG ^ np.packbits(errors, axis=1, bitorder="little").view("<u4").ravel().astype(np.uint32)
    (segment,) = songs(TUNE, SONG).find(sounds(heard(worn, 10, 22)))
    assert segment.item == 2
    assert segment.reference_start_s == pytest.approx(10, abs=NEAR_S)
    assert segment.reference_end_s == pytest.approx(22 + chromaprint.FIRST_WORD_S, abs=NEAR_S)


def test_an_unrelated_sound_has_no_segment() -> None:
    assert songs(TUNE, SONG).find(sounds(NOISE)) == []


def test_a_held_tone_and_silence_have_no_rows() -> None:
    silence = np.full(100, 627_964_279, np.uint32)
    assert len(chromaprint.describe(silence)) == 0
    assert len(chromaprint.describe(np.tile(words(seconds=0.4, seed=1)[:3], 30))) == 0
    assert len(chromaprint.describe(silence[:0])) == 0
    assert len(chromaprint.describe(SONG[:7])) == 0
    assert len(chromaprint.describe(SONG[:8])) == 1


def test_picture_and_sound_of_one_item_are_two_segments() -> None:
    films = library(ONE)
    films.add(2, sounds(SONG))
    both = pictures(part(ONE, 0, 20)).descriptors + sounds(heard(SONG, 0, 18)).descriptors
    segments = films.find(Fingerprint(duration_s=20.0, descriptors=both))
    assert {(s.item, s.algorithm) for s in segments} == {(1, PICTURE), (2, SOUND)}


# --- Rules for every film -------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    reference_s=st.integers(12, 50),
    length_s=st.floats(5, 12),
    place=st.floats(0, 1),
    before_s=st.floats(0, 15),
    after_s=st.floats(0, 15),
    bits=st.integers(0, 25),
)
def test_a_planted_excerpt_is_found_within_a_second_and_no_other_item_is(
    seed: int,
    reference_s: int,
    length_s: float,
    place: float,
    before_s: float,
    after_s: float,
    bits: int,
) -> None:
    source, unrelated, filler = (film(seconds=s, seed=seed + n) for n, s in enumerate((reference_s, 30, 30)))
    start_s = place * (reference_s - length_s)
    planted = noisy(part(source, start_s, start_s + length_s), bits=bits, seed=seed)
    query = pictures(part(filler, 0, before_s), planted, part(filler, 15, 15 + after_s))
    segments = library(unrelated, source).find(query)
    assert_found(segments, (2, before_s, before_s + length_s, start_s, start_s + length_s))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40))
def test_random_films_never_match(seed: int, one_s: int, other_s: int) -> None:
    assert library(film(seconds=one_s, seed=seed)).find(pictures(film(seconds=other_s, seed=seed + 1))) == []


intervals = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=8)


@given(intervals)
def test_covered_seconds_count_every_second_once(spans: list[tuple[int, int]]) -> None:
    segments = [
        Segment(
            item=ItemNumber(number),
            algorithm=PICTURE,
            query_start_s=float(start),
            query_end_s=float(start + length),
            reference_start_s=0.0,
            reference_end_s=float(length),
            score_0_1=1.0,
        )
        for number, (start, length) in enumerate(spans)
    ]
    seconds = set(itertools.chain.from_iterable(range(start, start + length) for start, length in spans))
    assert covered_s(segments) == len(seconds)
