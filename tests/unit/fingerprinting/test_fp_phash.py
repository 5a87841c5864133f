"""Our hashes are imagehash's, bit for bit, so that anyone's hashes of the same frame meet ours."""

import imagehash
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fingerprinting.hamming import distances
from fingerprinting.phash import FRAME_PX, disagreements_with_imagehash, phash

GOLDEN = "912604129302000093ff6ffe93266d926dad9b69471cc70d3f7b5e6f1f076db2"

type Frames = npt.NDArray[np.uint8]

SIDE = np.arange(FRAME_PX)
CENTRED = np.abs(SIDE - (FRAME_PX - 1) / 2)


def expected(frames: Frames) -> Frames:
    hashes = [imagehash.phash(Image.fromarray(frame), hash_size=16).hash for frame in frames]
    return np.packbits(np.array(hashes).reshape(len(frames), -1), axis=1)


def frames_of(values: npt.NDArray[np.float64]) -> Frames:
    return values.clip(0, 255).astype(np.uint8).reshape(-1, FRAME_PX, FRAME_PX)


@st.composite
def frames(draw: st.DrawFn) -> Frames:
    """Noise, flats, slopes, mirrored pictures, checkerboards: where a sign or a tie could go either way."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, span = draw(st.integers(0, 255)), draw(st.integers(0, 255))
    cell = draw(st.integers(1, 40))
    kind = draw(st.sampled_from(["noise", "flat", "slope", "rings", "mirrored", "board", "dot"]))
    if kind == "noise":
        return frames_of(random.integers(low, low + span + 1, (FRAME_PX, FRAME_PX)).astype(float))
    if kind == "flat":
        return frames_of(np.full((FRAME_PX, FRAME_PX), float(low)))
    if kind == "slope":
        return frames_of(low + np.add.outer(SIDE * (span - 128) / 64, SIDE * (cell - 20) / 20))
    if kind == "rings":
        return frames_of(low + span * np.cos(np.hypot.outer(CENTRED, CENTRED) / cell))
    if kind == "mirrored":
        half = random.integers(0, 256, (FRAME_PX, FRAME_PX // 2)).astype(float)
        return frames_of(np.hstack([half, half[:, ::-1]]))
    if kind == "board":
        return frames_of(low + span * (np.add.outer(SIDE // cell, SIDE // cell) % 2).astype(float))
    dot = np.full((FRAME_PX, FRAME_PX), float(low))
    dot[cell, span % FRAME_PX] = 255 - low
    return frames_of(dot)


@given(st.lists(frames(), min_size=1, max_size=12))
def test_every_bit_is_that_of_imagehash(batch: list[Frames]) -> None:
    stacked = np.concatenate(batch)
    assert np.array_equal(phash(stacked), expected(stacked))
    assert disagreements_with_imagehash(stacked) == 0


@pytest.mark.parametrize("level", [0, 1, 16, 127, 128, 235, 255])
def test_flat_frames_hash_as_imagehash_does(level: int) -> None:
    flat = np.full((1, FRAME_PX, FRAME_PX), level, np.uint8)
    assert np.array_equal(phash(flat), expected(flat))


def test_a_batch_says_of_each_frame_what_it_says_of_it_alone() -> None:
    batch = np.random.default_rng(1).integers(0, 256, (300, FRAME_PX, FRAME_PX)).astype(np.uint8)
    alone = np.concatenate([phash(batch[i : i + 1]) for i in range(len(batch))])
    assert np.array_equal(phash(batch), alone)
    assert np.array_equal(phash(batch), expected(batch))


def test_the_first_version_hashes_as_it_always_did() -> None:
    """Stored hashes must be met for ever: other output is another algorithm with another name."""
    y, x = np.mgrid[0:FRAME_PX, 0:FRAME_PX]
    frame = ((3 * x * x + 7 * y + x * y // 5) % 251).astype(np.uint8)
    assert phash(frame[None]).tobytes().hex() == GOLDEN


def test_no_frames_have_no_hashes() -> None:
    assert phash(np.empty((0, FRAME_PX, FRAME_PX), np.uint8)).shape == (0, 32)


def test_a_disagreement_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = np.random.default_rng(2).integers(0, 256, (3, FRAME_PX, FRAME_PX)).astype(np.uint8)
    off_by_one = phash(batch)
    off_by_one[1, 5] ^= 0b100
    monkeypatch.setattr("fingerprinting.phash.phash", lambda _: off_by_one)
    assert disagreements_with_imagehash(batch) == 1


@given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.integers(0, 5))
def test_distances_count_the_bits_that_differ(seed: int, rows: int, columns: int) -> None:
    random = np.random.default_rng(seed)
    left, right = (random.integers(0, 256, (n, 32)).astype(np.uint8) for n in (rows, columns))
    bits = np.unpackbits(left, axis=1)[:, None] != np.unpackbits(right, axis=1)[None]
    assert np.array_equal(distances(left, right), bits.sum(axis=2))
