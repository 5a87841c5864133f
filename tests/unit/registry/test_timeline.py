"""Which stretches of a clip come from where, as lanes."""

from typing import Any

import pytest

from registry.domain import timeline
from registry.domain.timeline import What


def segment(here: tuple[float, float], there: tuple[float, float], modality: str = "video") -> dict[str, Any]:
    return {
        "modality": modality, "algorithm": "any", "score": 1.0, "query_start_s": here[0], "query_end_s": here[1],
        "reference_start_s": there[0], "reference_end_s": there[1],
    }  # fmt: skip


def change(what: str, here: tuple[float, float], there: tuple[float, float]) -> dict[str, Any]:
    return {
        "change": what, "query_start_s": here[0], "query_end_s": here[1], "reference_start_s": there[0],
        "reference_end_s": there[1],
    }  # fmt: skip


def release(*segments: dict[str, Any], differences: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {
        "release_id": "rel_1", "title": "Harbour", "segments": list(segments), "differences": list(differences),
        "query_end_s": max((one["query_end_s"] for one in segments), default=None),
    }  # fmt: skip


def spans(lane: timeline.Lane) -> list[tuple[What, float, float]]:
    return [(one.what, one.start_s, one.end_s) for one in lane.stretches]


def test_segments_that_go_on_are_one_stretch_and_a_jump_is_another() -> None:
    found = timeline.of_clip(
        [release(segment((0, 4), (2, 6)), segment((0.2, 5), (2.2, 7)), segment((5, 8), (20, 23)))], []
    )
    assert found is not None
    [lane] = found.lanes
    assert spans(lane) == [(What.SAME, 0, 5), (What.SAME, 5, 8)]
    assert [(one.other_start_s, one.other_end_s) for one in lane.stretches] == [(2, 7), (20, 23)]


def test_picture_sound_and_what_was_changed_have_lanes_of_their_own() -> None:
    cut = change("missing", (0, 0), (0, 3))
    other = change("altered_sound", (2, 4), (5, 7))
    found = timeline.of_clip(
        [release(segment((0, 6), (3, 9)), segment((0, 6), (3, 9), "audio"), differences=(cut, other))], []
    )
    assert found is not None
    assert [lane.modality for lane in found.lanes] == ["video", "audio", None]
    assert spans(found.lanes[2]) == [(What.CUT, 0, 0), (What.ALTERED_SOUND, 2, 4)]
    assert found.kinds == [What.SAME, What.ALTERED_SOUND, What.CUT]


def test_works_are_drawn_over_the_whole_length_of_the_clip() -> None:
    work = {"work_id": "wrk_1", "title": "Train", "segments": [segment((1, 3), (0, 2))], "query_duration_s": 10.0}
    found = timeline.of_clip([], [work])
    assert found is not None
    assert (found.length_s, found.lanes[0].of, spans(found.lanes[0])) == (10.0, "wrk_1", [(What.WORK, 1, 3)])
    assert found.share(3) == pytest.approx(0.3)


def test_the_very_same_file_is_one_stretch() -> None:
    found = timeline.of_clip([release() | {"query_end_s": 5.0}], [])
    assert found is not None
    assert spans(found.lanes[0]) == [(What.SAME, 0, 5)]


@pytest.mark.parametrize("one", [release(), release(segment((0, 0), (0, 0)))])
def test_a_still_or_a_file_of_unknown_length_has_no_time_line(one: dict[str, Any]) -> None:
    assert timeline.of_clip([one], []) is None


def test_a_release_shows_what_of_it_is_missing() -> None:
    cut = change("missing", (0, 0), (0, 3))
    found = timeline.of_release(release(segment((0, 5), (3, 8)), segment((0, 6), (3, 9), "audio"), differences=(cut,)))
    assert found is not None
    assert spans(found.lanes[0]) == [(What.MISSING, 0, 3), (What.HERE, 3, 9)]
    assert timeline.of_release(release(segment((0, 5), (3, 8)))) is None


def test_no_more_lanes_than_can_be_read() -> None:
    works = [
        {"work_id": f"wrk_{n}", "title": "Train", "segments": [segment((0, 9), (0, 9))], "query_duration_s": 9.0}
        for n in range(50)
    ]
    found = timeline.of_clip([], works)
    assert found is not None
    assert len(found.lanes) == 12


@pytest.mark.parametrize("length_s", [0.6, 3, 9.5, 61, 600, 7000, 100_000])
def test_the_axis_is_labelled_at_few_round_times(length_s: float) -> None:
    ticks = timeline.Timeline(length_s=length_s, lanes=()).ticks_s
    assert 1 <= len(ticks) <= 9
    assert all(0 <= tick <= length_s for tick in ticks)


def test_a_clip_that_is_as_its_credentials_say_has_a_lane_of_all_of_it() -> None:
    found = timeline.of_clip([release()], [], embedded_s=7.5)
    assert found is not None
    assert found.length_s == 7.5
    assert (found.lanes[0].of, found.lanes[0].stretches) == (
        "", (timeline.Stretch(what=What.EMBEDDED, start_s=0.0, end_s=7.5),),
    )  # fmt: skip
    assert found.kinds[0] is What.EMBEDDED
    alone = timeline.of_clip([], [], embedded_s=3.0)
    assert alone is not None
    assert len(alone.lanes) == 1
    assert timeline.of_clip([], [], embedded_s=0.0) is None
