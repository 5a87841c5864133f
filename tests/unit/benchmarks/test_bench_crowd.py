"""A crowd looks like strangers to real works, and each of its works like one work."""

import numpy as np
import pytest

from benchmarks.crowd import WORK_ROWS, Crowd, fingerprint_of
from fingerprinting import landmark, sscd
from fingerprinting.hamming import distances
from fingerprinting.model import Algorithm, Descriptors, Vectors
from fingerprinting.traits import TRAITS

BITS = [Algorithm.VIDEO_PHASH_V1, Algorithm.AUDIO_CHROMAPRINT_V1]


def drifting_bits(rows: int) -> Vectors:
    """Rows each of which has 4 bits other than the one before."""
    random = np.random.default_rng(5)
    turned = np.zeros((rows, 256), np.uint8)
    for row in turned[1:]:
        row[random.choice(256, 4, replace=False)] = 1
    return np.packbits(np.cumsum(turned, axis=0, dtype=np.uint8) % 2 ^ random.integers(0, 2, 256, np.uint8), axis=1)


def crowd(algorithm: Algorithm, real: Vectors) -> Crowd:
    return Crowd(algorithm, real, np.arange(len(real), dtype=np.float64))


@pytest.mark.parametrize("algorithm", BITS)
def test_a_work_of_the_crowd_changes_as_a_real_one_does(algorithm: Algorithm) -> None:
    real = drifting_bits(WORK_ROWS)
    ((_, work),) = crowd(algorithm, real).works(WORK_ROWS)
    steps = np.bitwise_count(work.vectors[1:] ^ work.vectors[:-1]).sum(axis=1)
    assert np.median(steps) == 4


@pytest.mark.parametrize("algorithm", BITS)
def test_the_crowd_is_strange_to_real_works(algorithm: Algorithm) -> None:
    real = drifting_bits(WORK_ROWS)
    for _, work in crowd(algorithm, real).works(5 * WORK_ROWS):
        assert distances(work.vectors, real).min() > TRAITS[algorithm].match_bits


def test_embeddings_of_the_crowd_are_strange_and_as_near_their_neighbours() -> None:
    random = np.random.default_rng(5)
    drifting = np.cumsum(random.standard_normal((WORK_ROWS, sscd.DIMENSIONS), np.float32), axis=0)
    real = sscd.quantised(drifting / np.linalg.norm(drifting, axis=1, keepdims=True))
    ((_, work),) = crowd(Algorithm.VIDEO_SSCD_V1, real).works(WORK_ROWS)
    theirs, ours = sscd.embeddings_of(real), sscd.embeddings_of(work.vectors)
    assert np.abs(ours @ theirs.T).max() < 0.32
    assert np.median((ours[1:] * ours[:-1]).sum(axis=1)) == pytest.approx(
        np.median((theirs[1:] * theirs[:-1]).sum(axis=1)), abs=0.01
    )


def test_a_work_of_the_crowd_is_made_from_its_number_alone() -> None:
    everyone = crowd(Algorithm.VIDEO_PHASH_V1, drifting_bits(WORK_ROWS))
    works: list[tuple[int, Descriptors]] = list(everyone.works(3 * WORK_ROWS))
    assert [number for number, _ in everyone.works(3 * WORK_ROWS, after=WORK_ROWS)] == [n for n, _ in works[1:]]
    item, held = list(everyone.works(2 * WORK_ROWS))[1]
    (again,) = fingerprint_of(item, [everyone]).descriptors
    assert np.array_equal(again.vectors, held.vectors)


def test_peaks_of_the_crowd_keep_their_times() -> None:
    random = np.random.default_rng(5)
    frames = np.sort(random.integers(0, 2000, WORK_ROWS))
    peaks = random.integers(0, 30, (WORK_ROWS, 2), np.uint8)
    ((_, work),) = Crowd(Algorithm.AUDIO_LANDMARK_V1, peaks, frames * np.float64(landmark.FRAME_S)).works(WORK_ROWS)
    assert np.array_equal(landmark.frames_of(work) + frames[0], frames)
