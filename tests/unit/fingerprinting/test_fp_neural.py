"""The real network on real frames: hard edits are found, and what is no network is refused."""

from pathlib import Path

import numpy as np
import pytest

from fingerprinting.extract import Extracted, extract, extract_output
from fingerprinting.index.exact import ExactIndex
from fingerprinting.layout import thinned
from fingerprinting.match import Reference, find_copies
from fingerprinting.model import Algorithm, Fingerprint, ItemNumber, Segment
from fingerprinting.onnx_embedder import BadModel, OnnxEmbedder, find_model
from fingerprinting.sscd import INPUT_PX
from tests import media

LOOKS = Algorithm.VIDEO_SSCD_V1
ITEM = ItemNumber(1)
_SHIFT_S = 4.0


@pytest.fixture(scope="module")
def embedder() -> OnnxEmbedder:
    model = find_model()
    assert model is not None, "the extra `neural` is not installed"
    return OnnxEmbedder(model)


@pytest.fixture(scope="module")
def reference(made: Path, embedder: OnnxEmbedder) -> Fingerprint:
    fingerprint = extract(made / "one.mp4", embedder=embedder).fingerprint
    kept = tuple(thinned(each) for each in fingerprint.descriptors)
    return Fingerprint(duration_s=fingerprint.duration_s, descriptors=kept)


def edited(made: Path, target: Path, graph: str, *, host: bool = False) -> Path:
    """Seconds 4 to 10 of the first clip through a filter graph; `host` is the second clip, as [1:v]."""
    inputs: list[str | Path] = ["-ss", str(_SHIFT_S), "-t", "6", "-i", made / "one.mp4"]
    inputs += ["-t", "6", "-i", made / "two.mp4"] if host else []
    media.ffmpeg(*inputs, "-filter_complex", f"{graph}[v]", "-map", "[v]", "-pix_fmt", "yuv420p", "-y", target)
    return target


def found(query: Extracted, reference: Fingerprint) -> list[Segment]:
    rows = reference.of(LOOKS)
    assert rows is not None
    index = ExactIndex(LOOKS)
    index.add(ITEM, rows)
    stored = Reference(item=ITEM, fingerprint=reference)
    return find_copies(query.fingerprint, {LOOKS: index}, reference_of=lambda _: stored, glance=query.glance)


HARD = {
    "crop to half": "[0:v]crop=iw/2:ih/2",
    "corner": "[0:v]crop=iw*0.6:ih*0.6:0:0",
    "upright cut": "[0:v]crop=ih*9/16:ih",
    "mirror, crop, box": "[0:v]hflip,crop=iw*0.8:ih*0.8,drawbox=y=ih*0.8:h=ih*0.1:w=iw:color=black:t=fill",
    "letterbox": "[0:v]pad=iw:ih*4/3:0:(oh-ih)/2",
    "tilted": "[0:v]rotate=0.1",
    "picture in picture": "[1:v]scale=640:360[h];[0:v]scale=320:180[c];[h][c]overlay=W-w-10:H-h-10",
    "narrow picture in picture": "[1:v]scale=640:360[h];[0:v]scale=100:180[c];[h][c]overlay=W-w-16:16",
}


@pytest.mark.parametrize("graph", HARD.values(), ids=HARD.keys())
def test_a_hard_edit_is_found_where_it_comes_from(
    tmp_path: Path, made: Path, embedder: OnnxEmbedder, reference: Fingerprint, graph: str
) -> None:
    clip = edited(made, tmp_path / "clip.mp4", graph, host="[1:v]" in graph)
    segments = found(extract_output(clip, embedder=embedder), reference)
    assert segments
    best = segments[0]
    assert (best.query_start_s, best.query_end_s) == pytest.approx((0, 6), abs=1)
    assert (best.reference_start_s, best.reference_end_s) == pytest.approx((_SHIFT_S, _SHIFT_S + 6), abs=1)


def test_another_picture_is_not_found(tmp_path: Path, embedder: OnnxEmbedder, reference: Fingerprint) -> None:
    for number, drawn in enumerate(("mandelbrot=s=640x360:r=12", "life=s=640x360:r=12:mold=10", "testsrc2=s=640x360")):
        clip = tmp_path / f"{number}.mp4"
        media.ffmpeg("-f", "lavfi", "-i", drawn, "-t", "6", "-pix_fmt", "yuv420p", clip)
        assert found(extract_output(clip, embedder=embedder), reference) == []


def test_a_clip_in_the_same_style_is_at_most_left_to_a_person(
    made: Path, embedder: OnnxEmbedder, reference: Fingerprint
) -> None:
    segments = found(extract_output(made / "two.mp4", embedder=embedder), reference)
    assert not any(segment.confirmed for segment in segments)


def test_embeddings_are_of_unit_length_and_do_not_depend_on_the_batch(embedder: OnnxEmbedder) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (20, INPUT_PX, INPUT_PX, 3), dtype=np.uint8)
    together, alone = embedder.embed(pictures), embedder.embed(pictures[7:8])
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    assert float((together[7] * alone[0]).sum()) > 0.999
    assert embedder.embed(pictures[:0]).shape == (0, together.shape[1])


def test_what_is_no_network_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(b"not a network")
    for path in (tmp_path / "other.onnx", tmp_path / "missing.onnx"):
        with pytest.raises(BadModel, match=path.name):
            OnnxEmbedder(path)
