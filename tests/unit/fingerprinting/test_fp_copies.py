"""From file to segment: copies people really make are found with both intervals, and nothing else is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fingerprinting.document import from_document, to_document
from fingerprinting.extract import extract
from fingerprinting.index.faiss_index import FaissIndex
from fingerprinting.layout import thinned
from fingerprinting.match import Reference, find_copies
from fingerprinting.model import Fingerprint, ItemNumber, Modality, Segment
from fingerprinting.quality import reference_of
from fingerprinting.traits import TRAITS
from tests import media

type Find = Callable[[Fingerprint], list[Segment]]

ONE, TWO = ItemNumber(1), ItemNumber(2)


@pytest.fixture(scope="module")
def find(made: Path) -> Find:
    # By rows alone: landmarks have tests of their own.
    indexes = {algorithm: FaissIndex(algorithm) for algorithm in TRAITS}
    references = {}
    for item, name in ((ONE, "one.mp4"), (TWO, "two.mp4")):
        whole = reference_of(extract(made / name).fingerprint)
        kept = replace(whole, descriptors=tuple(map(thinned, whole.descriptors)))
        references[item] = Reference(item=item, fingerprint=kept)
        for descriptors in kept.descriptors:
            if descriptors.algorithm in indexes:
                indexes[descriptors.algorithm].add(item, descriptors)
    return lambda query: find_copies(query, indexes, reference_of=references.get)


def found(segments: list[Segment], modality: Modality) -> list[tuple[int, float, float, float, float]]:
    return sorted(
        (s.item, s.query_start_s, s.query_end_s, s.reference_start_s, s.reference_end_s)
        for s in segments
        if s.algorithm.modality is modality
    )


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["-crf", "36"], id="re-encoded"),
        pytest.param(["-c:v", "mpeg4", "-q:v", "8"], id="another codec"),
        pytest.param(["-vf", "scale=96:72"], id="scaled"),
        pytest.param(["-vf", "scale=240:120"], id="stretched"),
        pytest.param(["-r", "12"], id="other frame rate"),
        pytest.param(["-vf", "eq=brightness=0.06:contrast=1.2:gamma=1.1"], id="other colours"),
    ],
)
def test_an_edited_excerpt_is_found_in_picture_and_sound(
    find: Find, made: Path, tmp_path: Path, options: list[str]
) -> None:
    copy = media.copied(made / "two.mp4", tmp_path / "copy.mp4", start_s=4, seconds=6, options=options)
    segments = find(extract(copy).fingerprint)
    assert {s.item for s in segments} == {TWO}
    for modality in Modality:
        (segment,) = found(segments, modality)
        assert segment == pytest.approx((TWO, 0, 6, 4, 10), abs=1.0)


def test_an_excerpt_inside_a_longer_clip_is_found_where_it_stands(find: Find, made: Path, tmp_path: Path) -> None:
    piece = media.copied(made / "one.mp4", tmp_path / "piece.mp4", start_s=6, seconds=5)
    around = [media.clip_with_sound(tmp_path / f"{seed}.mp4", seconds=7, seed=seed) for seed in (31, 32)]
    whole = media.joined([around[0], piece, around[1]], tmp_path / "whole.mp4", sound=True)
    segments = find(extract(whole).fingerprint)
    (picture,) = found(segments, Modality.VIDEO)
    (sound,) = found(segments, Modality.AUDIO)
    assert picture == pytest.approx((ONE, 7, 12, 6, 11), abs=1.0)
    assert sound == pytest.approx((ONE, 7, 12, 6, 11), abs=1.0)


def test_a_copied_sound_under_another_picture_is_found_as_sound_alone(find: Find, tmp_path: Path) -> None:
    dubbed = media.clip_with_sound(tmp_path / "dubbed.mp4", seconds=14, seed=41, sound_seed=1)
    segments = find(extract(dubbed).fingerprint)
    assert found(segments, Modality.VIDEO) == []
    assert found(segments, Modality.AUDIO) == [pytest.approx((ONE, 0, 14, 0, 14), abs=1.0)]


def test_a_copied_picture_under_another_sound_is_found_as_picture_alone(find: Find, tmp_path: Path) -> None:
    dubbed = media.clip_with_sound(tmp_path / "dubbed.mp4", seconds=14, seed=1, sound_seed=41)
    segments = find(extract(dubbed).fingerprint)
    assert found(segments, Modality.VIDEO) == [pytest.approx((ONE, 0, 14, 0, 14), abs=1.0)]
    assert found(segments, Modality.AUDIO) == []


@pytest.mark.parametrize("seed", [51, 52, 53])
def test_an_unrelated_clip_has_no_segment(find: Find, tmp_path: Path, seed: int) -> None:
    assert find(extract(media.clip_with_sound(tmp_path / "new.mp4", seconds=14, seed=seed)).fingerprint) == []


def test_a_fingerprint_made_elsewhere_matches_as_the_file_does(find: Find, made: Path) -> None:
    fingerprint = extract(made / "one.mp4").fingerprint
    sent = from_document(to_document(fingerprint))
    assert [(s.item, s.algorithm) for s in find(sent)] == [(s.item, s.algorithm) for s in find(fingerprint)]
    assert {s.item for s in find(sent)} == {ONE}
