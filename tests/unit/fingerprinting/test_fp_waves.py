"""How loud a sound is around a match, as it is drawn."""

from pathlib import Path

import numpy as np
import pytest

from fingerprinting.explain import Wave, explain
from fingerprinting.model import Algorithm, ItemNumber, Segment
from tests import media


@pytest.fixture(scope="module")
def swelling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of sound, silent at first and loud from the fifth on."""
    path = tmp_path_factory.mktemp("waves") / "swelling.wav"
    sound = media.tune(seconds=10, seed=1)
    media.write_wav(path, np.where(np.arange(len(sound)) < len(sound) // 2, 0, sound).astype(np.int16))
    return path


def heard(query: Path | None, *, start_s: float, end_s: float) -> tuple[Wave | None, Wave | None]:
    segment = Segment(
        item=ItemNumber(1), algorithm=Algorithm.AUDIO_CHROMAPRINT_V1, query_start_s=start_s, query_end_s=end_s,
        reference_start_s=start_s, reference_end_s=end_s, score_0_1=0.9, confirmed=True,
    )  # fmt: skip
    [pair] = explain(segment, query=query, reference=None).pairs
    return pair.query_wave, pair.reference_wave


def test_a_wave_shows_the_stretch_and_what_lies_around_it(swelling: Path) -> None:
    wave, absent = heard(swelling, start_s=4, end_s=6)
    assert absent is None
    assert wave is not None
    assert wave.start_s == pytest.approx(2)
    assert wave.end_s == pytest.approx(8, abs=0.05)
    assert len(wave.peaks) == 240
    assert set(wave.peaks[:100]) == {0}, "silence"
    assert max(wave.peaks[130:]) > 30
    assert all(0 <= peak <= 100 for peak in wave.peaks)


def test_a_wave_ends_where_the_file_does(swelling: Path) -> None:
    wave, _ = heard(swelling, start_s=1, end_s=9)
    assert wave is not None
    assert wave.start_s == 0
    assert wave.end_s == pytest.approx(10, abs=0.05)


def test_a_picture_has_no_wave(tmp_path: Path) -> None:
    silent = media.moving_clip(tmp_path / "silent.mp4", seconds=2, seed=1)
    assert heard(silent, start_s=0, end_s=2) == (None, None)
