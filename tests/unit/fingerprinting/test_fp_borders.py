"""What counts as a border, and that a picture within borders meets the same picture without."""

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinting.borders import Box, borders, crop
from fingerprinting.phash import FRAME_PX, mirrored, phash

type Frames = npt.NDArray[np.uint8]


def pictures(count: int = 6, *, seed: int = 1) -> Frames:
    """Smooth moving frames without flat edges."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:FRAME_PX, :FRAME_PX] / FRAME_PX
    waves = random.uniform(1, 5, (5, 2))
    phases = random.uniform(0, 6, 5)[:, None] + np.arange(count) * 0.3
    drawn = sum(np.sin(6 * (a * x + b * y)[None] + p[:, None, None]) for (a, b), p in zip(waves, phases, strict=True))
    return np.asarray(np.clip(128 + 24 * np.asarray(drawn), 0, 255), np.uint8)


def within(frames: Frames, *, top: int, left: int, value: int = 7) -> Frames:
    """The frames squeezed into a border of so many pixels at either end."""
    framed = np.full_like(frames, value)
    box = Box(top, FRAME_PX - top, left, FRAME_PX - left)
    rows = np.linspace(0, FRAME_PX - 1, box.bottom - box.top).round().astype(int)
    columns = np.linspace(0, FRAME_PX - 1, box.right - box.left).round().astype(int)
    framed[:, box.top : box.bottom, box.left : box.right] = frames[:, rows][:, :, columns]
    return framed


def bits_apart(one: Frames, other: Frames) -> float:
    return float(np.median(np.bitwise_count(phash(one) ^ phash(other)).sum(axis=1)))


def test_a_picture_without_borders_is_kept_whole() -> None:
    assert borders(pictures()) == Box.all_of(FRAME_PX)


@pytest.mark.parametrize("value", [0, 7, 128, 255])
@pytest.mark.parametrize(("top", "left"), [(8, 0), (0, 9), (7, 7), (16, 2)])
def test_borders_of_any_colour_are_found_to_the_pixel(top: int, left: int, value: int) -> None:
    found = borders(within(pictures(), top=top, left=left, value=value))
    assert found == Box(top, FRAME_PX - top, left, FRAME_PX - left)


def test_compression_does_not_hide_a_border() -> None:
    framed = within(pictures(), top=8, left=0).astype(np.int16)
    noise = np.random.default_rng(3).integers(-3, 4, framed.shape)
    assert borders(np.clip(framed + noise, 0, 255).astype(np.uint8)) == Box(8, 56, 0, 64)


def test_a_border_within_a_border_is_taken_off_too() -> None:
    boxed = within(within(pictures(), top=8, left=0, value=0), top=6, left=6, value=200)
    assert bits_apart(crop(boxed, borders(boxed)), pictures()) < 56


def test_a_dark_edge_that_comes_and_goes_is_picture() -> None:
    some = pictures()
    some[2:4, :10] = 5
    assert borders(some) == Box.all_of(FRAME_PX)


def test_a_frame_of_nothing_but_border_is_left_alone() -> None:
    assert borders(np.full((3, FRAME_PX, FRAME_PX), 16, np.uint8)) == Box.all_of(FRAME_PX)


def test_a_sliver_of_picture_is_not_all_there_is() -> None:
    assert borders(within(pictures(), top=26, left=0)) == Box.all_of(FRAME_PX)


@pytest.mark.parametrize(("top", "left"), [(8, 0), (0, 9), (7, 7)])
def test_hashes_meet_once_the_border_is_off(top: int, left: int) -> None:
    framed = within(pictures(), top=top, left=left)
    assert bits_apart(framed, pictures()) > 56
    assert bits_apart(crop(framed, borders(framed)), pictures()) < 30


def test_the_hash_of_a_mirrored_picture_is_known_without_seeing_it() -> None:
    frames = np.concatenate([pictures(seed=seed) for seed in range(8)])
    apart = np.bitwise_count(phash(frames[:, :, ::-1]) ^ mirrored(phash(frames))).sum(axis=1)
    assert np.median(apart) <= 12
    assert np.array_equal(mirrored(mirrored(phash(frames))), phash(frames))
