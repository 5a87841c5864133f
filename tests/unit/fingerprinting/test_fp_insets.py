"""Rectangles that stand in a moving picture are found; what is filmed has none."""

import numpy as np
import numpy.typing as npt
import pytest

from fingerprinting.insets import MOST_INSETS, find_insets
from fingerprinting.sscd import FRAME_PX, Box

type Pictures = npt.NDArray[np.uint8]
COUNT = 16


def moving(*, seed: int, count: int = COUNT) -> Pictures:
    """Coloured waves that wander: uint8 (count, FRAME_PX, FRAME_PX, 3)."""
    random, places = np.random.default_rng(seed), np.arange(FRAME_PX) / FRAME_PX
    film = np.zeros((count, FRAME_PX, FRAME_PX, 3))
    for _ in range(6):
        across, down, pace = *random.uniform(-12, 12, 2), random.uniform(-2, 2)
        for number, frame in enumerate(film):
            waves = np.sin(2 * np.pi * (across * places[None] + down * places[:, None] + pace * number))
            frame += waves[..., None] * random.uniform(-1, 1, 3)
    shown: Pictures = (127 + 120 * film / np.abs(film).max()).astype(np.uint8)
    return shown


def put(host: Pictures, shown: Pictures, box: Box, *, first: int = 0, last: int = COUNT) -> Pictures:
    """The host with a smaller picture in it, for some of its frames."""
    film = host.copy()
    left, top, right, bottom = (round(share * FRAME_PX) for share in box)
    film[first:last, top:bottom, left:right] = shown[first:last, : bottom - top, : right - left]
    return film


def off_px(found: Box, true: Box) -> float:
    return FRAME_PX * max(abs(a - b) for a, b in zip(found, true, strict=True))


@pytest.mark.parametrize(
    "box",
    [(0.5, 0.05, 0.95, 0.5), (0.8, 0.05, 0.96, 0.55), (0.3, 0.0, 0.7, 1.0), (0.0, 0.6, 0.4, 1.0), (0.1, 0.1, 0.9, 0.9)],
    ids=["in a corner", "narrow", "across the frame", "at the frame's corner", "nearly all"],
)
def test_a_picture_in_a_picture_is_found_where_it_lies(box: Box) -> None:
    found = find_insets(put(moving(seed=1), moving(seed=2), box))
    assert off_px(found[0], box) <= 2


def test_what_is_shown_for_some_seconds_only_is_found_too() -> None:
    box = (0.55, 0.1, 0.95, 0.5)
    found = find_insets(put(moving(seed=1), moving(seed=2), box, first=10))
    assert off_px(found[0], box) <= 2


def test_what_lies_below_a_caption_is_a_rectangle_of_its_own() -> None:
    film = moving(seed=3)
    film[:, : FRAME_PX // 4] = 255
    assert any(off_px(box, (0.0, 0.25, 1.0, 1.0)) <= 2 for box in find_insets(film))


def test_in_a_moving_picture_alone_nothing_stands() -> None:
    assert find_insets(moving(seed=4)) == ()


def test_nothing_stands_in_one_colour() -> None:
    assert find_insets(np.full((3, FRAME_PX, FRAME_PX, 3), 90, np.uint8)) == ()


def test_one_frame_is_enough_to_look() -> None:
    box = (0.5, 0.05, 0.95, 0.5)
    found = find_insets(put(moving(seed=1, count=1), moving(seed=2, count=1), box))
    assert any(off_px(one, box) <= 2 for one in found)


def test_a_board_of_squares_gives_a_few_rectangles_and_no_more() -> None:
    squares = (np.indices((FRAME_PX, FRAME_PX)) // 40).sum(axis=0) % 2
    board = np.broadcast_to((200 * squares).astype(np.uint8)[None, ..., None], (4, FRAME_PX, FRAME_PX, 3))
    assert 0 < len(find_insets(board)) <= MOST_INSETS
