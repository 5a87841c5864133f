"""What was changed in a copy: drawn films and sounds with segments as they are found, and a few real files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fingerprinting import chromaprint
from fingerprinting.differences import Change, Difference, differences
from fingerprinting.extract import extract, extract_query
from fingerprinting.index.exact import ExactIndex
from fingerprinting.layout import thinned
from fingerprinting.match import Reference, find_copies
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber, Segment
from fingerprinting.sscd import quantised
from tests import media
from tests.factories import fingerprint, mixed

PICTURE, NETWORK, SOUND, PEAKS = (
    Algorithm.VIDEO_PHASH_V1,
    Algorithm.VIDEO_SSCD_V1,
    Algorithm.AUDIO_CHROMAPRINT_V1,
    Algorithm.AUDIO_LANDMARK_V1,
)
ITEM, NEAR_S, LENGTH_S = ItemNumber(1), 0.75, 12.0
MISSING, INSERTED, ALTERED_PICTURE, ALTERED_SOUND = Change
type Words = npt.NDArray[np.uint32]


def words(seed: int, *, seconds: float = LENGTH_S) -> Words:
    count = round((seconds - chromaprint.FIRST_WORD_S) / chromaprint.STEP_S) + 1
    return np.random.default_rng(seed).integers(0, 1 << 32, count).astype(np.uint32)


def sounds(heard: Words) -> Fingerprint:
    return Fingerprint(duration_s=LENGTH_S, descriptors=(chromaprint.describe(heard),))


def heard_otherwise(heard: Words, start_s: float, end_s: float, other: Words | None = None) -> Words:
    """Other words, or those of silence, wherever a word hears most of what is replaced."""
    at_s = np.arange(len(heard)) * chromaprint.STEP_S + chromaprint.FIRST_WORD_S / 2
    silence = np.full(len(heard), 0x256DF977, np.uint32)
    return np.where((at_s >= start_s) & (at_s < end_s), silence if other is None else other, heard)


def looked_at(seed: int, *, seconds: float = LENGTH_S, seen_in: int = 1) -> Descriptors:
    """What a network says of clip `seed`, twice a second: unrelated pictures are orthogonal."""
    drawn = np.random.default_rng(seed).standard_normal((round(2 * seconds), 512)).astype(np.float32)
    rows = quantised(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
    times_s = np.repeat(np.arange(len(rows)) / 2, seen_in)
    return Descriptors(algorithm=NETWORK, times_s=times_s, vectors=np.repeat(rows, seen_in, axis=0))


def together(*parts: Fingerprint | Descriptors) -> Fingerprint:
    """Tracks of one file."""
    tracks = [one if isinstance(one, Descriptors) else one.descriptors[0] for one in parts]
    durations_s = [one.duration_s for one in parts if isinstance(one, Fingerprint)]
    return Fingerprint(duration_s=max(durations_s, default=LENGTH_S), descriptors=tuple(tracks))


def noisy(shown: Fingerprint, bits: int) -> Fingerprint:
    """The same with so many bits of each hash turned over."""
    (described,) = shown.descriptors
    random, turned = np.random.default_rng(9), np.unpackbits(described.vectors, axis=1)
    for row in turned:
        row[random.choice(256, bits, replace=False)] ^= 1
    return replace(shown, descriptors=(replace(described, vectors=np.packbits(turned, axis=1)),))


def found(
    start_s: float,
    end_s: float,
    at_s: float,
    *,
    algorithm: Algorithm = PICTURE,
    reference_length_s: float | None = None,
    confirmed: bool = True,
) -> Segment:  # fmt: skip
    """A segment: [start_s, end_s) of the file is in the release from `at_s` on."""
    return Segment(
        item=ITEM,
        algorithm=algorithm,
        query_start_s=start_s,
        query_end_s=end_s,
        reference_start_s=at_s,
        reference_end_s=at_s + (end_s - start_s if reference_length_s is None else reference_length_s),
        score_0_1=0.9,
        confirmed=confirmed,
    )


ALL_OF_IT = found(0, LENGTH_S, 0)
FILM, OTHER = fingerprint(1), fingerprint(2)


def part(seed: int, start_s: float, end_s: float) -> Fingerprint:
    return fingerprint(seed, seconds=end_s - start_s, start_s=start_s)


def told(one: Difference) -> tuple[str, float, float, float, float]:
    return one.change, one.query_start_s, one.query_end_s, one.reference_start_s, one.reference_end_s


def assert_told(
    differing: Sequence[Difference], *expected: tuple[Change, float, float, float, float]
) -> None:  # fmt: skip
    """Exactly these, in this order, each (change, query start, query end, reference start, reference end)."""
    assert [one.change for one in differing] == [change for change, *_ in expected], differing
    for one, (_, *interval) in zip(differing, expected, strict=True):
        assert told(one)[1:] == pytest.approx(interval, abs=NEAR_S)


# -- what is on no line ------------------------------------------------------------------------


def test_the_same_has_no_difference() -> None:
    heard = sounds(words(1))
    both = together(FILM, looked_at(1), heard)
    assert differences(both, both, [ALL_OF_IT, found(0, 12, 0, algorithm=SOUND)]) == []


def test_what_was_cut_out_is_missing_where_it_stood() -> None:
    query = mixed(part(1, 0, 5), part(1, 8, 12))
    told_of = differences(query, FILM, [found(0, 5, 0), found(5, 9, 8)])
    assert_told(told_of, (MISSING, 5, 5, 5, 8))
    assert told_of[0].query_start_s == told_of[0].query_end_s


def test_of_an_excerpt_both_ends_are_missing() -> None:
    told_of = differences(part(1, 4, 9), FILM, [found(0, 5, 4)])
    assert_told(told_of, (MISSING, 0, 0, 0, 4), (MISSING, 5, 5, 9, 12))


def test_what_was_put_in_is_inserted_where_the_release_was_parted() -> None:
    query = mixed(part(1, 0, 6), part(2, 0, 3), part(1, 6, 12))
    assert_told(differences(query, FILM, [found(9, 15, 6), found(0, 6, 0)]), (INSERTED, 6, 9, 6, 6))


def test_what_stands_before_and_after_a_copy_is_inserted() -> None:
    query = mixed(part(2, 0, 3), FILM, part(2, 3, 6))
    assert_told(differences(query, FILM, [found(3, 15, 0)]), (INSERTED, 0, 3, 0, 0), (INSERTED, 15, 18, 12, 12))


def test_what_took_the_place_of_something_longer_is_both() -> None:
    query = mixed(part(1, 0, 4), part(2, 0, 2), part(1, 8, 12))
    told_of = differences(query, FILM, [found(0, 4, 0), found(6, 10, 8)])
    assert_told(told_of, (MISSING, 4, 4, 4, 8), (INSERTED, 4, 6, 4, 4))


def test_another_order_and_a_part_shown_twice_are_no_differences() -> None:
    query = mixed(part(1, 8, 12), part(1, 4, 8), part(1, 0, 4), part(1, 4, 8))
    segments = [found(0, 4, 8), found(4, 8, 4), found(8, 12, 0), found(12, 16, 4)]
    assert differences(query, FILM, segments) == []


def test_segments_of_several_algorithms_that_overlap_are_one_time_line() -> None:
    query = mixed(part(1, 0, 5), part(1, 8, 12))
    sound = found(0, 5.8, 0.1, algorithm=SOUND), found(4.3, 9, 7.4, algorithm=SOUND)
    told_of = differences(query, FILM, [*sound, found(5, 9, 8), found(0, 5, 0), found(0, 4, 0)])
    assert_told(told_of, (MISSING, 5, 5, 5, 8))


def test_a_doubtful_segment_does_not_hide_a_cut() -> None:
    query = mixed(part(1, 0, 5), part(1, 8, 12))
    sure = [found(0, 5, 0, algorithm=SOUND), found(5, 9, 8, algorithm=SOUND)]
    told_of = differences(query, FILM, [found(0, 9, 0, confirmed=False), *sure])
    assert (MISSING, 5.0, 8.0) in [(d.change, d.reference_start_s, d.reference_end_s) for d in told_of]


def test_a_copy_at_another_speed_has_no_difference() -> None:
    (described,) = fingerprint(1, seconds=24).descriptors
    twice = replace(described, vectors=np.repeat(FILM.descriptors[0].vectors, 2, axis=0))
    slow = Fingerprint(duration_s=24, descriptors=(twice,))
    assert differences(slow, FILM, [found(0, 24, 0, reference_length_s=12)]) == []


# -- the picture -------------------------------------------------------------------------------


def test_another_picture_within_a_segment_is_altered() -> None:
    query = mixed(part(1, 0, 5), part(2, 5, 8), part(1, 8, 12))
    assert_told(differences(query, FILM, [ALL_OF_IT]), (ALTERED_PICTURE, 5, 8, 5, 8))


def test_another_picture_between_two_segments_of_one_line_is_altered() -> None:
    query = mixed(part(1, 0, 5), part(2, 5, 8), part(1, 8, 12))
    assert_told(differences(query, FILM, [found(0, 5, 0), found(8, 12, 8)]), (ALTERED_PICTURE, 5, 8, 5, 8))


def test_another_picture_at_the_end_is_altered_where_the_sound_goes_on() -> None:
    query = together(mixed(part(1, 0, 9), part(2, 9, 12)), sounds(words(1)))
    release = together(FILM, sounds(words(1)))
    segments = [found(0, 9, 0), found(0, 12, 0, algorithm=SOUND)]
    assert_told(differences(query, release, segments), (ALTERED_PICTURE, 9, 12, 9, 12))


def test_a_picture_that_went_black_is_altered() -> None:
    (described,) = FILM.descriptors
    shown = (described.times_s < 5) | (described.times_s >= 8)
    kept = replace(described, times_s=described.times_s[shown], vectors=described.vectors[shown])
    dark = replace(FILM, descriptors=(kept,))
    assert_told(differences(dark, FILM, [ALL_OF_IT]), (ALTERED_PICTURE, 5, 8, 5, 8))
    assert_told(differences(FILM, dark, [ALL_OF_IT]), (ALTERED_PICTURE, 5, 8, 5, 8))
    assert differences(dark, dark, [ALL_OF_IT]) == []


@pytest.mark.parametrize("bits", [20, 50])
def test_noise_all_along_is_no_difference(bits: int) -> None:
    assert differences(noisy(FILM, bits), FILM, [ALL_OF_IT]) == []


def test_hashes_alone_cannot_tell_a_crop_from_another_picture() -> None:
    release = together(FILM, sounds(words(1)))
    query = together(OTHER, sounds(words(1)))
    assert differences(query, release, [found(0, 12, 0, algorithm=SOUND)]) == []


@pytest.mark.parametrize("seen_in", [1, 13])
def test_the_network_tells_another_picture_throughout(seen_in: int) -> None:
    release = together(FILM, looked_at(1), sounds(words(1)))
    query = together(OTHER, looked_at(2, seen_in=seen_in), sounds(words(1)))
    told_of = differences(query, release, [found(0, 12, 0, algorithm=SOUND)])
    assert_told(told_of, (ALTERED_PICTURE, 0, 12, 0, 12))


def test_what_a_segment_recognised_is_no_other_picture_or_sound_throughout() -> None:
    query, release = (together(fingerprint(n), looked_at(n), sounds(words(n))) for n in (2, 1))
    recognised = found(0, 12, 0, algorithm=NETWORK), found(0, 12, 0, algorithm=PEAKS)
    assert differences(query, release, recognised) == []


def test_the_network_tells_another_picture_where_hashes_cannot() -> None:
    kept, other = looked_at(1), looked_at(2)
    inside = (kept.times_s >= 5) & (kept.times_s < 8)
    changed = replace(kept, vectors=np.where(inside[:, None], other.vectors, kept.vectors))
    told_of = differences(together(OTHER, changed), together(FILM, kept), [found(0, 12, 0, algorithm=NETWORK)])
    assert_told(told_of, (ALTERED_PICTURE, 5, 8, 5, 8))


# -- the sound ---------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [words(2), None], ids=["another", "silence"])
def test_other_sound_for_a_while_is_altered(other: Words | None) -> None:
    heard = words(1)
    query = together(FILM, sounds(heard_otherwise(heard, 4, 8, other)))
    assert_told(differences(query, together(FILM, sounds(heard)), [ALL_OF_IT]), (ALTERED_SOUND, 4, 8, 4, 8))


def test_peaks_say_where_other_sound_starts_and_ends() -> None:
    heard = words(1)
    query = together(FILM, sounds(heard_otherwise(heard, 4, 8, words(2))))
    peaks = found(0, 3.5, 0, algorithm=PEAKS), found(8.5, 12, 8.5, algorithm=PEAKS)
    (one,) = differences(query, together(FILM, sounds(heard)), [ALL_OF_IT, *peaks])
    assert told(one) == (ALTERED_SOUND, 3.5, 8.5, 3.5, 8.5)


def test_other_sound_throughout_is_altered() -> None:
    query, release = together(FILM, sounds(words(2))), together(FILM, sounds(words(1)))
    assert_told(differences(query, release, [ALL_OF_IT]), (ALTERED_SOUND, 0, 12, 0, 12))


def test_a_silent_track_is_altered() -> None:
    silent = together(FILM, sounds(heard_otherwise(words(1), 0, 12)))
    assert_told(differences(silent, together(FILM, sounds(words(1))), [ALL_OF_IT]), (ALTERED_SOUND, 0, 12, 0, 12))


def test_a_sound_at_another_speed_is_not_called_another_one() -> None:
    segment = found(0, 11, 0, reference_length_s=12)
    query = replace(together(FILM, sounds(words(2))), duration_s=11.0)
    assert ALTERED_SOUND not in {d.change for d in differences(query, together(FILM, sounds(words(1))), [segment])}


def test_sound_across_a_cut_is_no_other_sound() -> None:
    heard = words(1, seconds=20)
    step = round(3 / chromaprint.STEP_S)
    half = len(heard) // 2
    query = together(
        mixed(part(1, 0, 10), part(1, 13, 20)), sounds(np.concatenate([heard[:half], heard[half + step :]]))
    )
    release = replace(together(fingerprint(1, seconds=20), sounds(heard)), duration_s=20.0)
    query = replace(query, duration_s=17.0)
    told_of = differences(query, release, [found(0, 10, 0), found(10, 17, 13)])
    assert_told(told_of, (MISSING, 10, 10, 10, 13))


# -- tracks that are not there -----------------------------------------------------------------


def test_a_sound_track_that_was_taken_off_is_altered_sound() -> None:
    release = together(FILM, sounds(words(1)))
    assert_told(differences(FILM, release, [ALL_OF_IT]), (ALTERED_SOUND, 0, 12, 0, 12))


def test_of_a_file_that_is_sound_alone_the_picture_is_altered() -> None:
    release, segment = together(FILM, sounds(words(1))), found(0, 12, 0, algorithm=SOUND)
    assert_told(differences(sounds(words(1)), release, [segment]), (ALTERED_PICTURE, 0, 12, 0, 12))


def test_of_a_track_that_the_release_lacks_nothing_is_told() -> None:
    assert differences(together(FILM, sounds(words(1))), FILM, [ALL_OF_IT]) == []


# -- what nothing can be told of ---------------------------------------------------------------


def test_without_segments_there_is_nothing_to_tell() -> None:
    assert differences(FILM, OTHER, []) == []
    assert differences(FILM, FILM, [found(3, 3, 3), found(0, 4, 2, reference_length_s=0)]) == []


def test_stills_have_no_differences() -> None:
    still = replace(part(1, 0, 0.25), duration_s=0.0)
    assert differences(still, FILM, [found(0, 0, 3)]) == []
    assert differences(FILM, still, [ALL_OF_IT]) == []


def rows(count: int, algorithm: Algorithm) -> Descriptors:
    return Descriptors(
        algorithm=algorithm,
        times_s=np.linspace(0, 11, count) // 0.25 * 0.25,
        vectors=np.full((count, algorithm.row_bytes), 7, np.uint8),
    )


@pytest.mark.parametrize("mine", [0, 1, 2])
@pytest.mark.parametrize("other", [0, 1, 2])
def test_hardly_any_rows_raise_nothing(mine: int, other: int) -> None:
    query, release = (
        Fingerprint(duration_s=LENGTH_S, descriptors=tuple(rows(count, a) for a in (PICTURE, NETWORK, SOUND)))
        for count in (mine, other)
    )
    differences(query, release, [ALL_OF_IT, found(0.1, 0.2, 11.8), found(30, 40, 50)])


INTERVALS = st.tuples(*[st.floats(-3, 20, width=32)] * 4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(Algorithm), INTERVALS, st.booleans()), max_size=8))
@example([(PICTURE, (0.0, 1.0, 0.0, 1e-17), True)])
@example([(PICTURE, (0.0, 1e-17, 0.0, 1.0), True)])
def test_any_segments_give_intervals_in_order(drawn: list[tuple[Algorithm, tuple[float, ...], bool]]) -> None:
    segments = [
        found(a, b, c, algorithm=algorithm, reference_length_s=d - c, confirmed=sure)
        for algorithm, (a, b, c, d), sure in drawn
    ]
    both = together(FILM, looked_at(1), sounds(words(1)))
    told_of = differences(both, both, segments)
    assert [one.query_start_s for one in told_of] == sorted(one.query_start_s for one in told_of)
    for one in told_of:
        assert one.query_start_s <= one.query_end_s
        assert one.reference_start_s <= one.reference_end_s


# -- real files --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def release(made: Path) -> Fingerprint:
    """The first clip as it is registered."""
    whole = extract(made / "one.mp4").fingerprint
    return Fingerprint(duration_s=whole.duration_s, descriptors=tuple(map(thinned, whole.descriptors)))


def changes(query: Path, release: Fingerprint) -> list[Difference]:
    """As a service asks: the release is registered, the file is looked for."""
    indexes = {algorithm: ExactIndex(algorithm) for algorithm in (PICTURE, SOUND)}
    for descriptors in release.descriptors:
        if descriptors.algorithm in indexes:
            indexes[descriptors.algorithm].add(ITEM, descriptors)
    asked, kept = extract_query(query).fingerprint, {ITEM: Reference(item=ITEM, fingerprint=release)}
    return differences(asked, release, find_copies(asked, indexes, reference_of=kept.get))


def edited(made: Path, path: Path, graph: str, *options: str) -> Path:
    """One clip with another at hand, by ffmpeg's filters to [v] and [a]."""
    inputs = ["-i", str(made / "one.mp4"), "-i", str(made / "two.mp4")]
    media.ffmpeg(
        *inputs, "-filter_complex", graph, "-map", "[v]", "-map", "[a]", "-preset", "ultrafast", *options, path
    )
    return path


def test_encoded_anew_nothing_differs(made: Path, release: Fingerprint, tmp_path: Path) -> None:
    query = edited(made, tmp_path / "copy.mp4", "[0:v]scale=96:72[v];[0:a]anull[a]", "-crf", "33", "-b:a", "48k")
    assert changes(query, release) == []


def test_a_piece_cut_out_of_a_file_is_missing(made: Path, release: Fingerprint, tmp_path: Path) -> None:
    kept = "not(between(t,5,7.99))"
    graph = f"[0:v]select='{kept}',setpts=N/25/TB[v];[0:a]aselect='{kept}',asetpts=N/SR/TB[a]"
    assert_told(changes(edited(made, tmp_path / "cut.mp4", graph), release), (MISSING, 5, 5, 5, 8))


def test_other_picture_and_other_sound_in_a_file_are_altered(made: Path, release: Fingerprint, tmp_path: Path) -> None:
    graph = (
        "[0:v][1:v]overlay=enable='between(t,3,4.99)'[v];"
        "[0:a]volume=0:enable='between(t,8,10.99)'[m];[1:a]volume=0:enable='lt(t,8)+gte(t,11)'[o];"
        "[m][o]amix=inputs=2:normalize=0[a]"
    )
    told_of = changes(edited(made, tmp_path / "altered.mp4", graph), release)
    assert [one.change for one in told_of] == [ALTERED_PICTURE, ALTERED_SOUND]
    assert told(told_of[0])[1:] == pytest.approx((3, 5, 3, 5), abs=NEAR_S)
    assert told(told_of[1])[1:] == pytest.approx((8, 11, 8, 11), abs=1.25)  # without peaks: rows of 3.5 s
