"""A fingerprint document comes back as it was sent, or is refused with the place that is wrong."""

import base64
import copy
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprinting.document import (
    MAX_DURATION_S,
    descriptors_from_bytes,
    from_document,
    times_to_bytes,
    to_document,
)
from fingerprinting.errors import BadDocument
from fingerprinting.index.exact import ExactIndex
from fingerprinting.index.landmarks import LandmarkIndex
from fingerprinting.index.protocol import FingerprintIndex
from fingerprinting.layout import LAYOUTS
from fingerprinting.match import Reference, find_copies
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber
from fingerprinting.traits import TRAITS

type Json = dict[str, Any]


def on_grid(algorithm: Algorithm, ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Times where the algorithm's rows can stand, in whole milliseconds as a document has them."""
    layout = LAYOUTS[algorithm]
    return (layout.first_s + ticks * layout.query_step_s).round(3).astype(np.float64)


def fingerprint(*, seed: int = 1, rows: int = 60, algorithms: tuple[Algorithm, ...] = tuple(Algorithm)) -> Fingerprint:
    random = np.random.default_rng(seed)
    return Fingerprint(
        duration_s=2 * rows + 4.0,
        descriptors=tuple(
            Descriptors(
                algorithm=algorithm,
                times_s=on_grid(algorithm, np.sort(random.choice(rows * 4, rows, replace=False))),
                vectors=random.integers(0, LAYOUTS[algorithm].first_bytes, (rows, algorithm.row_bytes)).astype(
                    np.uint8
                ),
            )
            for algorithm in algorithms
        ),
    )


def assert_same(one: Fingerprint, other: Fingerprint) -> None:
    assert one.duration_s == other.duration_s
    assert [d.algorithm for d in one.descriptors] == [d.algorithm for d in other.descriptors]
    for left, right in zip(one.descriptors, other.descriptors, strict=True):
        assert np.array_equal(left.times_s, right.times_s)
        assert np.array_equal(left.vectors, right.vectors)
        assert right.times_s.dtype == np.float64


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 200),
    st.sampled_from([tuple(Algorithm), *((algorithm,) for algorithm in Algorithm)]),
)
def test_a_fingerprint_survives_its_document_and_json(seed: int, rows: int, algorithms: tuple[Algorithm, ...]) -> None:
    made = fingerprint(seed=seed, rows=rows, algorithms=algorithms)
    assert_same(made, from_document(json.loads(json.dumps(to_document(made)))))


def test_an_algorithm_without_rows_may_stand_beside_one_with_rows() -> None:
    picture = fingerprint(algorithms=(Algorithm.VIDEO_PHASH_V1,)).descriptors[0]
    silence = Descriptors(
        algorithm=Algorithm.AUDIO_CHROMAPRINT_V1, times_s=np.empty(0), vectors=np.empty((0, 32), np.uint8)
    )
    made = Fingerprint(duration_s=15.0, descriptors=(picture, silence))
    assert_same(made, from_document(to_document(made)))


def test_stored_bytes_that_do_not_fit_each_other_are_refused() -> None:
    row = fingerprint(rows=2).descriptors[0]
    for times, vectors in ((times_to_bytes(row)[:4], row.vectors.tobytes()), (b"", b"\0"), (b"\0", b"")):
        with pytest.raises(ValueError, match=r"."):
            descriptors_from_bytes(row.algorithm, times, vectors)


def changed(change: Callable[[Json], object]) -> Json:
    document = copy.deepcopy(to_document(fingerprint()))
    change(document)
    return document


def first(**values: object) -> Callable[[Json], object]:
    return lambda document: document["descriptors"][0].update(values)


def packed(*times_ms: int, rows: int | None = None) -> Callable[[Json], object]:
    vectors = bytes(32 * (len(times_ms) if rows is None else rows))
    times = np.array(times_ms, "<u4").tobytes()
    return first(times_ms=base64.b64encode(times).decode(), vectors=base64.b64encode(vectors).decode())


MALFORMED: dict[str, tuple[Callable[[Json], object], str]] = {
    "another format": (lambda d: d.update(format="clearmark-fingerprint-2"), "$.format"),
    "a format that is no text": (lambda d: d.update(format=["clearmark-fingerprint-1"]), "$.format"),
    "no duration": (lambda d: d.pop("duration_s"), "$"),
    "one key too many": (lambda d: d.update(comment=""), "$"),
    "an image with a second moment": (lambda d: d.update(duration_s=0), "$.descriptors[0].times_ms"),
    "a negative length": (lambda d: d.update(duration_s=-1.0), "$.duration_s"),
    "no number": (lambda d: d.update(duration_s=math.nan), "$.duration_s"),
    "endless": (lambda d: d.update(duration_s=math.inf), "$.duration_s"),
    "an integer past any float": (lambda d: d.update(duration_s=10**400), "$.duration_s"),
    "longer than a day": (lambda d: d.update(duration_s=MAX_DURATION_S + 1), "$.duration_s"),
    "yes for a length": (lambda d: d.update(duration_s=True), "$.duration_s"),
    "text for a length": (lambda d: d.update(duration_s="15"), "$.duration_s"),
    "no descriptors": (lambda d: d.update(descriptors=[]), "$.descriptors"),
    "descriptors by name": (lambda d: d.update(descriptors={}), "$.descriptors"),
    "thousands of descriptors": (lambda d: d.update(descriptors=d["descriptors"] * 5000), "$.descriptors"),
    "one algorithm twice": (lambda d: d.update(descriptors=d["descriptors"][:1] * 2), "$.descriptors"),
    "nothing for an entry": (lambda d: d.update(descriptors=[None]), "$.descriptors[0]"),
    "an entry without times": (lambda d: d["descriptors"][1].pop("times_ms"), "$.descriptors[1]"),
    "an unknown algorithm": (first(algorithm="video-sscd-v9"), "$.descriptors[0].algorithm"),
    "a list for an algorithm": (first(algorithm=["video-phash-v1"]), "$.descriptors[0].algorithm"),
    "times that are no text": (first(times_ms=[0, 250]), "$.descriptors[0].times_ms"),
    "times that are no base64": (first(times_ms="not base64!"), "$.descriptors[0].times_ms"),
    "times beyond ASCII": (first(times_ms="\u00e9\u20ac"), "$.descriptors[0].times_ms"),
    "vectors without padding": (first(vectors="AAAAA"), "$.descriptors[0].vectors"),
    "half a time": (first(times_ms="AAA="), "$.descriptors[0]"),
    "fewer vectors than times": (packed(0, 250, rows=1), "$.descriptors[0]"),
    "more vectors than times": (packed(0, 250, rows=3), "$.descriptors[0]"),
    "times that stand still": (packed(250, 250, 250), "$.descriptors[0].times_ms"),
    "times that go back": (packed(500, 250), "$.descriptors[0].times_ms"),
    "times past the end": (packed(0, 140_000), "$.descriptors[0].times_ms"),
    "only empty descriptors": (lambda d: (packed()(d), d["descriptors"].__delitem__(slice(1, None))), "$.descriptors"),
}


@pytest.mark.parametrize(("change", "path"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_document_is_refused_where_it_is_wrong(change: Callable[[Json], object], path: str) -> None:
    with pytest.raises(BadDocument) as refused:
        from_document(changed(change))
    assert refused.value.path == path
    assert refused.value.problem


@pytest.mark.parametrize("document", [None, True, 3, "text", [], {}, b"bytes", [to_document(fingerprint())]])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(BadDocument) as refused:
        from_document(document)
    assert refused.value.path == "$"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn) -> object:
    """A good document with one to three things replaced, dropped, added or scrambled somewhere inside."""
    document: Any = to_document(fingerprint(seed=draw(st.integers(0, 9)), rows=draw(st.integers(1, 12))))
    for _ in range(draw(st.integers(1, 3))):
        parent, place = document, draw(st.sampled_from(["format", "duration_s", "descriptors"]))
        descriptors = document.get("descriptors") if isinstance(document, dict) else None
        if isinstance(descriptors, list) and descriptors and draw(st.booleans()):
            entry = draw(st.sampled_from(descriptors))
            if isinstance(entry, dict):
                parent, place = entry, draw(st.sampled_from(["algorithm", "times_ms", "vectors"]))
        match draw(st.sampled_from(["replace", "drop", "add", "scramble", "reorder"])):
            case "replace":
                parent[place] = draw(anything)
            case "drop":
                parent.pop(place, None)
            case "add":
                parent[draw(st.text(max_size=6))] = draw(anything)
            case "scramble":
                raw = draw(st.binary(max_size=32 * 12))
                parent[place] = base64.b64encode(raw[: len(raw) // 4 * 4]).decode()
            case _ if isinstance(parent.get("times_ms"), str):
                times = draw(st.lists(st.integers(0, 4000), max_size=12, unique=True).map(sorted))
                packed_times = np.array(times, "<u4").tobytes()
                parent["times_ms"] = base64.b64encode(packed_times).decode()
                parent["vectors"] = base64.b64encode(bytes(32 * len(times))).decode()
    return document


def assert_usable(found: Fingerprint) -> None:
    """Whatever was accepted can stand in an index, be searched for and be aligned."""
    indexes: dict[Algorithm, FingerprintIndex] = {algorithm: ExactIndex(algorithm) for algorithm in TRAITS}
    indexes[Algorithm.AUDIO_LANDMARK_V1] = LandmarkIndex()
    for descriptors in found.descriptors:
        indexes[descriptors.algorithm].add(ItemNumber(1), descriptors)
    for segment in find_copies(found, indexes, reference_of=lambda n: Reference(item=n, fingerprint=found)):
        assert segment.query_length_s > 0 or found.is_still
        assert 0 <= segment.score_0_1 <= 1


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_a_mutated_document_is_refused_or_usable(document: object) -> None:
    refused, found = None, None
    try:
        found = from_document(document)
    except BadDocument as error:
        refused = error
    if found is not None:
        assert_usable(found)
    else:
        assert refused is not None
        assert refused.path.startswith("$")


@settings(max_examples=200)
@given(anything)
def test_no_value_whatever_breaks_the_reader(document: object) -> None:
    with pytest.raises(BadDocument):
        from_document(document)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_rows_off_the_algorithms_grid_are_refused(algorithm: Algorithm) -> None:
    """Alignment puts rows on that grid: rows between would be put where they are not."""
    rows = np.random.default_rng(5).integers(0, 256, (6, algorithm.row_bytes)).astype(np.uint8)
    askew = Descriptors(algorithm=algorithm, times_s=2.011 + np.arange(6) / 10, vectors=rows)
    with pytest.raises(BadDocument, match="grid") as refused:
        from_document(to_document(Fingerprint(duration_s=3.0, descriptors=(askew,))))
    assert refused.value.path == "$.descriptors[0].times_ms"


def test_rows_before_an_algorithm_can_have_any_are_refused() -> None:
    """Chromaprint's first row describes nearly four seconds: none can stand at 0.07 s."""
    layout = LAYOUTS[Algorithm.AUDIO_CHROMAPRINT_V1]
    early = Descriptors(
        algorithm=Algorithm.AUDIO_CHROMAPRINT_V1,
        times_s=np.array([layout.first_s - 14 * layout.step_s]),
        vectors=np.zeros((1, 32), np.uint8),
    )
    with pytest.raises(BadDocument, match="grid"):
        from_document(to_document(Fingerprint(duration_s=9.0, descriptors=(early,))))


@pytest.mark.parametrize("algorithm", [a for a in Algorithm if LAYOUTS[a].rows_a_time > 1])
def test_one_moment_has_no_more_rows_than_its_algorithm_gives_it(algorithm: Algorithm) -> None:
    most = LAYOUTS[algorithm].rows_a_time
    for count in (most, most + 1):
        crowd = Descriptors(
            algorithm=algorithm,
            times_s=np.full(count, LAYOUTS[algorithm].first_s),
            vectors=np.zeros((count, algorithm.row_bytes), np.uint8),
        )
        document = to_document(Fingerprint(duration_s=3.0, descriptors=(crowd,)))
        if count == most:
            assert len(from_document(document).descriptors[0]) == most
        else:
            with pytest.raises(BadDocument, match=f"{most} times"):
                from_document(document)


def test_an_image_travels_as_a_fingerprint_without_length() -> None:
    image = Descriptors(
        algorithm=Algorithm.VIDEO_PHASH_V1, times_s=np.zeros(1), vectors=np.arange(32, dtype=np.uint8)[None]
    )
    assert from_document(to_document(Fingerprint(duration_s=0.0, descriptors=(image,)))).is_still
