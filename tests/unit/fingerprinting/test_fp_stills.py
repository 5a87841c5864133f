"""Images: a registered one in a clip, a frame of a clip as an image, an image that copies an image."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinting.decode import FRAME_RATE_HZ
from fingerprinting.index.exact import ExactIndex
from fingerprinting.match import Reference, find_copies
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber, Segment, Vectors
from fingerprinting.sscd import DIMENSIONS, quantised

HASHES, EMBEDDINGS = Algorithm.VIDEO_PHASH_V1, Algorithm.VIDEO_SSCD_V1
RATE_HZ = {HASHES: FRAME_RATE_HZ, EMBEDDINGS: 2}


def rows(algorithm: Algorithm, count: int, *, seed: int) -> Vectors:
    random = np.random.default_rng(seed)
    if algorithm is HASHES:
        return random.integers(0, 256, (count, 32), dtype=np.uint8)
    made = random.normal(size=(count, DIMENSIONS)).astype(np.float32)
    unit: npt.NDArray[np.float32] = made / np.linalg.norm(made, axis=1, keepdims=True)
    return quantised(unit)


def fingerprint(algorithm: Algorithm, vectors: Vectors, *, still: bool = False) -> Fingerprint:
    seen = Descriptors(algorithm=algorithm, times_s=np.arange(len(vectors)) / RATE_HZ[algorithm], vectors=vectors)
    return Fingerprint(duration_s=0.0 if still else len(vectors) / RATE_HZ[algorithm], descriptors=(seen,))


def found(query: Fingerprint, reference: Fingerprint) -> list[Segment]:
    (descriptors,) = reference.descriptors
    index, item = ExactIndex(descriptors.algorithm), ItemNumber(1)
    index.add(item, descriptors)
    return find_copies(
        query, {descriptors.algorithm: index}, reference_of=lambda _: Reference(item=item, fingerprint=reference)
    )


@pytest.fixture(params=[HASHES, EMBEDDINGS])
def algorithm(request: pytest.FixtureRequest) -> Algorithm:
    asked: Algorithm = request.param
    return asked


@pytest.mark.parametrize("shown_s", [1.0, 2.5, 8.0])
def test_an_image_is_found_in_a_clip_that_shows_it(algorithm: Algorithm, shown_s: float) -> None:
    image = rows(algorithm, 1, seed=1)
    others, count = rows(algorithm, 20 * RATE_HZ[algorithm], seed=2), round(shown_s * RATE_HZ[algorithm])
    start = 6 * RATE_HZ[algorithm]
    others[start : start + count] = image
    (segment,) = found(fingerprint(algorithm, others), fingerprint(algorithm, image, still=True))
    assert segment.query_start_s == pytest.approx(6, abs=0.1)
    assert segment.query_end_s == pytest.approx(6 + shown_s, abs=0.6)
    assert (segment.reference_start_s, segment.reference_end_s) == (0, 0)
    assert segment.confirmed


def test_an_image_shown_twice_is_found_twice(algorithm: Algorithm) -> None:
    image, clip = rows(algorithm, 1, seed=1), rows(algorithm, 20 * RATE_HZ[algorithm], seed=2)
    for start_s in (3, 12):
        clip[start_s * RATE_HZ[algorithm] : (start_s + 2) * RATE_HZ[algorithm]] = image
    segments = found(fingerprint(algorithm, clip), fingerprint(algorithm, image, still=True))
    assert sorted(round(segment.query_start_s) for segment in segments) == [3, 12]


def test_a_flash_of_an_image_is_not_enough() -> None:
    image, clip = rows(HASHES, 1, seed=1), rows(HASHES, 10 * FRAME_RATE_HZ, seed=2)
    clip[40 : 40 + FRAME_RATE_HZ // 2] = image
    assert found(fingerprint(HASHES, clip), fingerprint(HASHES, image, still=True)) == []


def test_a_frame_of_a_film_is_found_as_an_image(algorithm: Algorithm) -> None:
    film = rows(algorithm, 30 * RATE_HZ[algorithm], seed=3)
    image = film[11 * RATE_HZ[algorithm]][None]
    (segment,) = found(fingerprint(algorithm, image, still=True), fingerprint(algorithm, film))
    assert (segment.query_start_s, segment.query_end_s) == (0, 0)
    assert segment.reference_start_s == pytest.approx(11, abs=0.1)


def test_an_image_is_found_as_an_image(algorithm: Algorithm) -> None:
    image = fingerprint(algorithm, rows(algorithm, 1, seed=4), still=True)
    (segment,) = found(image, image)
    assert segment.score_0_1 > 0.9
    assert segment.query_length_s == 0
    assert segment.confirmed


def test_another_image_is_not_found(algorithm: Algorithm) -> None:
    images = [fingerprint(algorithm, rows(algorithm, 1, seed=seed), still=True) for seed in (5, 6)]
    assert found(*images) == []


def test_an_image_that_is_only_like_another_is_left_to_a_person() -> None:
    image = rows(HASHES, 1, seed=7)
    bits = np.unpackbits(image, axis=1)
    bits[0, :40] ^= 1
    alike = replace(fingerprint(HASHES, np.packbits(bits, axis=1), still=True))
    (segment,) = found(alike, fingerprint(HASHES, image, still=True))
    assert not segment.confirmed
