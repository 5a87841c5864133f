"""Explaining a match: what a person is shown of both sides, small, and whatever the files turn out to be."""

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from fingerprinting.decode import DecodeLimits
from fingerprinting.explain import MOST_BYTES, explain, plot
from fingerprinting.model import Algorithm, ItemNumber, Segment
from fingerprinting.sandbox import ProcessLimits
from tests import media
from tests.hostile import CORPUS, Hostile
from tests.unit.fingerprinting.conftest import NoTrace

LIMITS = DecodeLimits(probe=ProcessLimits(cpu_s=2, wall_s=6.0, memory_bytes=1 << 30))


def segment(
    algorithm: Algorithm = Algorithm.VIDEO_PHASH_V1,
    query: tuple[float, float] = (0.0, 8.0),
    reference: tuple[float, float] = (4.0, 12.0),
    *,
    confirmed: bool = True,
) -> Segment:
    return Segment(
        item=ItemNumber(1),
        algorithm=algorithm,
        query_start_s=query[0],
        query_end_s=query[1],
        reference_start_s=reference[0],
        reference_end_s=reference[1],
        score_0_1=0.9,
        confirmed=confirmed,
    )


def pixels(jpeg: bytes | None) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    assert jpeg is not None
    picture = Image.open(io.BytesIO(jpeg))
    assert picture.format == "JPEG"
    assert max(picture.size) <= 320
    return np.asarray(picture.convert("L"), np.float64)


@pytest.fixture(scope="module")
def copy(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seconds 4 to 12 of `one.mp4`."""
    return media.copied(made / "one.mp4", tmp_path_factory.mktemp("copy") / "copy.mp4", start_s=4, seconds=8)


def test_frames_of_both_sides_are_of_the_same_moments(made: Path, copy: Path) -> None:
    seen = explain(segment(), query=copy, reference=made / "one.mp4")
    assert [(pair.query_s, pair.reference_s) for pair in seen.pairs] == [(1, 5), (3, 7), (5, 9), (7, 11)]
    for pair in seen.pairs:
        assert np.abs(pixels(pair.query) - pixels(pair.reference)).mean() < 8
    across = np.abs(pixels(seen.pairs[0].query) - pixels(seen.pairs[2].reference)).mean()
    assert across > 16, "else the test above would say nothing"


def test_all_that_is_kept_of_one_segment_is_small(made: Path, copy: Path) -> None:
    seen = explain(segment(), query=copy, reference=made / "one.mp4")
    assert 0 < seen.size_bytes < MOST_BYTES / 2


def test_sound_is_shown_as_one_pair_of_pictures(made: Path, copy: Path) -> None:
    seen = explain(segment(Algorithm.AUDIO_CHROMAPRINT_V1), query=copy, reference=made / "one.mp4")
    [pair] = seen.pairs
    alike = np.corrcoef(pixels(pair.query).ravel(), pixels(pair.reference).ravel())[0, 1]
    other = explain(
        segment(Algorithm.AUDIO_CHROMAPRINT_V1, reference=(0.0, 8.0)), query=copy, reference=made / "two.mp4"
    )
    different = np.corrcoef(pixels(pair.query).ravel(), pixels(other.pairs[0].reference).ravel())[0, 1]
    assert alike > 0.8 > different


def test_a_side_that_is_not_at_hand_is_left_out(copy: Path) -> None:
    seen = explain(segment(), query=copy, reference=None)
    assert all(pair.query and pair.reference is None for pair in seen.pairs)
    assert explain(segment(), query=None, reference=None).size_bytes == 0


def test_a_time_past_the_end_of_a_file_shows_nothing(made: Path, copy: Path) -> None:
    seen = explain(segment(query=(100.0, 108.0)), query=copy, reference=made / "one.mp4")
    assert all(pair.query is None and pair.reference for pair in seen.pairs)


def test_a_still_is_one_pair(made: Path, tmp_path: Path) -> None:
    media.ffmpeg("-ss", "6", "-i", made / "one.mp4", "-frames:v", "1", tmp_path / "still.png")
    found = segment(query=(0.0, 0.0), reference=(6.0, 6.06))
    [pair] = explain(found, query=tmp_path / "still.png", reference=made / "one.mp4").pairs
    assert np.abs(pixels(pair.query) - pixels(pair.reference)).mean() < 8


@pytest.mark.parametrize("file", [each for each in CORPUS if not each.is_fine], ids=lambda each: each.name)
@pytest.mark.parametrize("algorithm", [Algorithm.VIDEO_PHASH_V1, Algorithm.AUDIO_CHROMAPRINT_V1])
def test_a_hostile_file_shows_little_and_harms_nothing(
    file: Hostile, algorithm: Algorithm, tmp_path: Path, no_trace: NoTrace
) -> None:
    path = file.build(tmp_path)
    with no_trace():
        seen = explain(segment(algorithm, (0.0, 0.5), (0.0, 0.5)), query=path, reference=None, limits=LIMITS)
    assert seen.size_bytes < MOST_BYTES


def test_the_plot_is_a_drawing_of_numbers() -> None:
    drawn = plot(
        [segment(), segment(Algorithm.AUDIO_CHROMAPRINT_V1, confirmed=False)],
        query_duration_s=8.0,
        reference_duration_s=20.0,
    )
    root = ElementTree.fromstring(drawn)
    lines = [each for each in root.iter() if each.tag.endswith("}line")]
    assert len(lines) == 2
    x = [float(lines[0].attrib[name]) for name in ("x1", "x2")]
    y = [float(lines[0].attrib[name]) for name in ("y1", "y2")]
    assert x[0] < x[1]
    assert y[0] > y[1], "time goes up"
    assert "stroke-dasharray" in lines[1].attrib, "what is not confirmed is dashed"


def test_a_plot_of_stills_divides_by_nothing() -> None:
    still = segment(query=(0.0, 0.0), reference=(0.0, 0.0))
    assert "nan" not in plot([still], query_duration_s=0.0, reference_duration_s=0.0)
