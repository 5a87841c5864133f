"""Peaks of sound, and copies found by them: in another key and tempo, under noise, in the midst of other sound."""

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinting.constellation import find_by_landmarks
from fingerprinting.index.landmarks import LandmarkIndex
from fingerprinting.landmark import (
    QUERY_PEAKS_PER_S,
    REFERENCE_PEAKS_PER_S,
    SAMPLE_RATE_HZ,
    PeakPicker,
    frames_of,
    strongest,
)
from fingerprinting.match import Reference
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber, Segment
from tests import media

Sound = npt.NDArray[np.float64]

_REFERENCE_S = 40.0


def music(seed: int, *, seconds: float = _REFERENCE_S) -> Sound:
    """A tune, at our rate."""
    drawn: Sound = media.tune(seconds=seconds, seed=seed).astype(np.float64)
    ours: Sound = drawn[:: media.SAMPLE_RATE_HZ // SAMPLE_RATE_HZ]
    return ours


def noise(seconds: float, *, seed: int, amplitude: float = 3000) -> Sound:
    return np.random.default_rng(seed).normal(0, amplitude, round(seconds * SAMPLE_RATE_HZ))


def cut(sound: Sound, start_s: float, end_s: float) -> Sound:
    return sound[round(start_s * SAMPLE_RATE_HZ) : round(end_s * SAMPLE_RATE_HZ)]


def played(sound: Sound, *, speed: float) -> Sound:
    """Faster and higher, or slower and lower."""
    count = round(len(sound) / speed)
    heard_at: Sound = np.interp(np.arange(count) * speed, np.arange(len(sound)), sound).astype(np.float64)
    return heard_at


def heard(sound: Sound, *, chunk_bytes: int = 1 << 20) -> Descriptors:
    data, picker = sound.round().clip(-32768, 32767).astype("<i2").tobytes(), PeakPicker()
    for start in range(0, len(data), chunk_bytes):
        picker.take(data[start : start + chunk_bytes])
    return picker.finish()


class Registry:
    """Tunes one to eight, indexed and to be loaded."""

    def __init__(self) -> None:
        self.index, self.references = LandmarkIndex(), dict[ItemNumber, Reference]()
        for seed in range(1, 9):
            self.register(ItemNumber(seed), music(seed))

    def register(self, item: ItemNumber, sound: Sound) -> None:
        peaks = heard(sound)
        fingerprint = Fingerprint(duration_s=len(sound) / SAMPLE_RATE_HZ, descriptors=(peaks,))
        self.references[item] = Reference(item=item, fingerprint=fingerprint)
        self.index.add(item, peaks)

    def find(self, sound: Sound) -> list[Segment]:
        return find_by_landmarks(
            heard(sound),
            self.index,
            query_duration_s=len(sound) / SAMPLE_RATE_HZ,
            reference_of=self.references.get,
        )


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


def assert_copies(
    found: list[Segment], item: int, *, query_s: tuple[float, float], reference_s: tuple[float, float]
) -> None:
    """One segment, of this item, with both intervals within half a second."""
    assert [segment.item for segment in found] == [item]
    assert (found[0].query_start_s, found[0].query_end_s) == pytest.approx(query_s, abs=0.5)
    assert (found[0].reference_start_s, found[0].reference_end_s) == pytest.approx(reference_s, abs=0.5)


def test_peaks_are_the_same_however_the_stream_is_cut() -> None:
    sound = music(1, seconds=60)
    whole = heard(sound)
    for chunk_bytes in (1001, 65536):
        parts = heard(sound, chunk_bytes=chunk_bytes)
        assert np.array_equal(parts.times_s, whole.times_s)
        assert np.array_equal(parts.vectors, whole.vectors)


def test_times_never_descend_and_survive_rounding_to_milliseconds() -> None:
    peaks = heard(music(1))
    assert (np.diff(peaks.times_s) >= 0).all()
    rounded = Descriptors(
        algorithm=Algorithm.AUDIO_LANDMARK_V1, times_s=np.round(peaks.times_s, 3), vectors=peaks.vectors
    )
    assert np.array_equal(frames_of(rounded), frames_of(peaks))


def test_no_second_has_more_peaks_than_it_may() -> None:
    peaks = heard(noise(20, seed=1))
    seconds = np.bincount(peaks.times_s.astype(np.int64))
    # Ranks are taken around each peak: a second at the end of a crowd may have some more.
    assert seconds.max() <= 1.2 * QUERY_PEAKS_PER_S
    assert np.bincount(strongest(peaks).times_s.astype(np.int64)).max() <= 1.2 * REFERENCE_PEAKS_PER_S


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(0),
        np.zeros(100),
        np.zeros(5 * SAMPLE_RATE_HZ),
        np.full(5 * SAMPLE_RATE_HZ, 9000.0),
        noise(5, seed=1, amplitude=1),
    ],
    ids=["nothing", "too short", "silence", "a constant", "rounding noise"],
)
def test_silence_has_no_peaks(sound: Sound) -> None:
    assert len(heard(sound)) == 0


def test_a_held_tone_has_hardly_any_peaks() -> None:
    tone = 9000 * np.sin(2 * np.pi * 440 * np.arange(20 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
    assert len(heard(tone)) <= 20


def test_an_excerpt_is_found_where_it_is(registry: Registry) -> None:
    found = registry.find(cut(music(3), 20, 25))
    assert_copies(found, 3, query_s=(0, 5), reference_s=(20, 25))


@pytest.mark.parametrize("speed", [0.9, 0.95, 1.05, 1.1])
def test_an_excerpt_is_found_at_another_speed(registry: Registry, speed: float) -> None:
    found = registry.find(played(cut(music(3), 20, 20 + 6 * speed), speed=speed))
    assert_copies(found, 3, query_s=(0, 6), reference_s=(20, 20 + 6 * speed))


def test_an_excerpt_is_found_under_noise_as_loud_as_itself(registry: Registry) -> None:
    sound = cut(music(3), 20, 25)
    found = registry.find(sound + noise(5, seed=9, amplitude=float(sound.std())))
    assert_copies(found, 3, query_s=(0, 5), reference_s=(20, 25))


def test_only_the_copied_piece_of_a_clip_is_reported(registry: Registry) -> None:
    clip = np.concatenate([music(21, seconds=33), cut(music(3), 20, 25), music(22, seconds=40)])
    assert_copies(registry.find(clip), 3, query_s=(33, 38), reference_s=(20, 25))


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.1])
def test_a_copy_longer_than_a_passage_is_one_segment(registry: Registry, speed: float) -> None:
    clip = np.concatenate([music(21, seconds=10), played(music(3), speed=speed), music(22, seconds=10)])
    assert_copies(registry.find(clip), 3, query_s=(10, 10 + 40 / speed), reference_s=(0, 40))


def test_copies_of_several_items_are_all_found(registry: Registry) -> None:
    clip = np.concatenate([cut(music(2), 10, 16), music(21, seconds=5), cut(music(5), 3, 10)])
    found = registry.find(clip)
    assert [segment.item for segment in found] == [5, 2]
    assert (found[0].query_start_s, found[0].query_end_s) == pytest.approx((11, 18), abs=0.5)
    assert (found[1].query_start_s, found[1].query_end_s) == pytest.approx((0, 6), abs=0.5)


def test_a_piece_that_is_played_twice_is_found_twice(registry: Registry) -> None:
    piece = cut(music(2), 10, 16)
    found = registry.find(np.concatenate([piece, music(21, seconds=5), piece]))
    assert sorted(round(segment.query_start_s) for segment in found) == [0, 11]
    assert [round(segment.reference_start_s) for segment in found] == [10, 10]


def test_a_copy_that_stops_for_a_while_is_two_segments(registry: Registry) -> None:
    clip = music(2)
    clip[10 * SAMPLE_RATE_HZ : 14 * SAMPLE_RATE_HZ] = music(21, seconds=4)
    found = sorted(registry.find(cut(clip, 4, 22)), key=lambda segment: segment.query_start_s)
    assert [(s.query_start_s, s.query_end_s) for s in found] == [
        pytest.approx((0, 6), abs=0.5),
        pytest.approx((10, 18), abs=0.5),
    ]


@pytest.mark.parametrize(
    "query",
    [
        music(30, seconds=30),
        noise(30, seed=4),
        np.zeros(30 * SAMPLE_RATE_HZ),
        9000 * np.sin(2 * np.pi * 440 * np.arange(20 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ),
        np.zeros(0),
    ],
    ids=["another tune", "noise", "silence", "a held tone", "nothing"],
)
def test_what_copies_nothing_is_found_to_copy_nothing(registry: Registry, query: Sound) -> None:
    assert registry.find(query) == []


def test_metronomes_do_not_match_each_other() -> None:
    """Every beat sounds like every other: that proves no copy."""
    registry = Registry()
    for item, (rate_hz, pitch_hz) in enumerate([(2.0, 1000.0), (2.0, 800.0), (2.05, 1000.0)], start=100):
        beats = np.arange(30 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
        clicks = np.exp(-60 * (beats % (1 / rate_hz))) * np.sin(2 * np.pi * pitch_hz * beats) * 9000
        if item < 102:
            registry.register(ItemNumber(item), clicks)
    assert registry.find(cut(clicks, 3, 20)) == []


def test_an_item_that_was_withdrawn_meanwhile_is_not_reported(registry: Registry) -> None:
    query = heard(cut(music(3), 20, 25))
    assert find_by_landmarks(query, registry.index, query_duration_s=5, reference_of=lambda _: None) == []
