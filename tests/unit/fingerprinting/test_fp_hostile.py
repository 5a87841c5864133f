"""Every file of the hostile corpus comes to its right end, in time, and leaves nothing behind."""

import time
from pathlib import Path

import pytest

from fingerprinting.decode import DecodeLimits
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.extract import Extracted, extract
from fingerprinting.hamming import distances
from fingerprinting.quality import reference_of
from fingerprinting.sandbox import ProcessLimits
from fingerprinting.traits import TRAITS
from tests import media
from tests.hostile import CORPUS, TRUE_SECONDS, TRUE_SEED, Hostile, hostile, names
from tests.unit.fingerprinting.conftest import NoTrace

# Tight, so that the giants reach them soon; enough for everything that is small.
LIMITS = DecodeLimits(process=ProcessLimits(cpu_s=2, wall_s=6.0, memory_bytes=1 << 30))
LATEST_S = 12.0


def read(path: Path) -> Extracted:
    extracted = extract(path, limits=LIMITS)
    reference_of(extracted.fingerprint)
    return extracted


@pytest.mark.parametrize("file", [each for each in CORPUS if not each.is_fine], ids=lambda each: each.name)
def test_a_hostile_file_is_refused_for_the_right_reason(file: Hostile, tmp_path: Path, no_trace: NoTrace) -> None:
    path = file.build(tmp_path)
    started = time.monotonic()
    refused: MediaError | None = None
    with no_trace():
        try:
            read(path)
        except MediaError as error:
            refused = error
    assert time.monotonic() - started < LATEST_S
    if refused is None:
        assert file.may_pass
    else:
        assert refused.fault in file.faults
        assert str(tmp_path) not in refused.problem


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Extracted:
    path = tmp_path_factory.mktemp("truth") / "clip.mp4"
    return read(media.clip_with_sound(path, seconds=TRUE_SECONDS, seed=TRUE_SEED))


@pytest.mark.parametrize("file", [each for each in CORPUS if each.is_fine], ids=lambda each: each.name)
def test_a_file_that_only_lies_gives_what_it_truly_holds(
    file: Hostile, truth: Extracted, tmp_path: Path, no_trace: NoTrace
) -> None:
    path = file.build(tmp_path)
    with no_trace():
        found = read(path)
    assert found.fingerprint.duration_s == pytest.approx(TRUE_SECONDS, abs=0.2)
    for true in truth.fingerprint.descriptors:
        seen = found.fingerprint.of(true.algorithm)
        assert seen is not None
        assert len(seen) == pytest.approx(len(true), rel=0.05, abs=2)
        if true.algorithm in TRAITS:
            assert distances(seen.vectors, true.vectors).min(axis=1).max() <= 16


def test_no_word_of_a_file_reaches_a_problem(tmp_path: Path) -> None:
    """Problems are shown on pages and in letters: they are our words alone."""
    for name in ("markup", "hls_playlist", "endless_by_its_header"):
        with pytest.raises(MediaError) as refused:
            read(hostile(name).build(tmp_path))
        assert "<" not in refused.value.problem
        assert "passwd" not in refused.value.problem


def test_the_corpus_has_each_kind_once() -> None:
    assert len(set(names(CORPUS))) == len(CORPUS)
    assert {MediaFault.EMPTY, MediaFault.UNREADABLE, MediaFault.TOO_LONG, MediaFault.CORRUPT} <= {
        fault for file in CORPUS for fault in file.faults
    }
    assert sum(file.is_fine for file in CORPUS) >= 5
