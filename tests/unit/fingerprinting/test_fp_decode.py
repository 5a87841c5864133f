"""Real files become descriptors with the right times, or a fault that says why not."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fingerprinting import chromaprint
from fingerprinting.decode import FRAME_RATE_HZ, DecodeLimits, decode, ffmpeg_has_chromaprint, probe
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.extract import extract
from fingerprinting.hamming import distances
from fingerprinting.index.exact import ExactIndex
from fingerprinting.layout import LAYOUTS, thinned
from fingerprinting.match import Reference, find_copies
from fingerprinting.model import Algorithm, ItemNumber
from fingerprinting.sandbox import ProcessLimits
from tests import media
from tests.unit.fingerprinting.conftest import NoTrace

PICTURE, SOUND = Algorithm.VIDEO_PHASH_V1, Algorithm.AUDIO_CHROMAPRINT_V1
LIMITS = DecodeLimits()


def fault_of(path: Path, limits: DecodeLimits = LIMITS) -> MediaFault:
    with pytest.raises(MediaError) as refused:
        extract(path, limits=limits)
    assert refused.value.problem
    return refused.value.fault


def test_headers_say_what_the_file_holds(made: Path) -> None:
    found = probe(made / "one.mp4")
    assert found.container == "mov,mp4,m4a,3gp,3g2,mj2"
    assert found.duration_s == pytest.approx(14, abs=0.1)
    assert (found.width, found.height) == (media.WIDTH_PX, media.HEIGHT_PX)
    assert (found.has_video, found.has_audio) == (True, True)


def test_one_decode_gives_picture_and_sound_with_their_times(made: Path) -> None:
    extracted = extract(made / "one.mp4")
    assert extracted.fingerprint.duration_s == pytest.approx(14, abs=0.1)
    picture, sound = extracted.fingerprint.of(PICTURE), extracted.fingerprint.of(SOUND)
    assert picture is not None
    assert sound is not None
    assert np.array_equal(picture.times_s, np.arange(14 * FRAME_RATE_HZ) / FRAME_RATE_HZ)
    assert sound.times_s[0] == pytest.approx(chromaprint.FIRST_ROW_S)
    assert np.diff(sound.times_s) == pytest.approx(chromaprint.STEP_S)
    assert sound.times_s[-1] == pytest.approx(14 - chromaprint.FIRST_ROW_S, abs=0.3)


@pytest.mark.parametrize("rate", ["10", "24000/1001", "25", "60"])
def test_a_frame_is_timed_alike_at_any_frame_rate(made: Path, tmp_path: Path, rate: str) -> None:
    """Scenes change every 2.2 s: the hash must jump there, whatever the copy's frame rate."""
    clip = media.copied(made / "one.mp4", tmp_path / "copy.mp4", options=["-vf", f"fps={rate}", "-an"])
    picture = extract(clip).fingerprint.of(PICTURE)
    assert picture is not None
    jumps = distances(picture.vectors[:-1], picture.vectors[1:]).diagonal()
    jumped_s = picture.times_s[1:][jumps > 60]
    assert len(jumped_s) < 20
    assert np.abs(np.subtract.outer(np.arange(1, 7) * 2.2, jumped_s)).min(axis=1).max() <= 0.13


def test_sound_that_begins_late_is_timed_late(made: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.mkv"
    source = made / "one.mp4"
    media.ffmpeg(
        "-i", source, "-itsoffset", "5", "-i", source, "-map", "0:v", "-map", "1:a", "-c", "copy", late
    )  # fmt: skip
    before, after = extract(source).fingerprint.of(SOUND), extract(late).fingerprint.of(SOUND)
    assert before is not None
    assert after is not None
    nearest = distances(before.vectors[20:60], after.vectors).argmin(axis=1)
    assert after.times_s[nearest] - before.times_s[20:60] == pytest.approx(5, abs=0.15)


def test_a_sound_file_is_sound_alone(tmp_path: Path) -> None:
    for name in ("song.mp3", "song.flac", "song.ogg", "song.m4a", "song.wav"):
        extracted = extract(media.track(tmp_path / name, seconds=8, seed=5))
        assert [d.algorithm for d in extracted.fingerprint.descriptors] == [SOUND, Algorithm.AUDIO_LANDMARK_V1]
        assert extracted.fingerprint.duration_s == pytest.approx(8, abs=0.3)


def test_cover_art_is_no_picture(tmp_path: Path) -> None:
    song, cover = media.track(tmp_path / "song.mp3", seconds=6, seed=5), tmp_path / "cover.png"
    media.ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", "1", cover)
    with_cover = tmp_path / "cover.mp3"
    media.ffmpeg("-i", song, "-i", cover, "-map", "0", "-map", "1", "-c", "copy", with_cover)
    assert [d.algorithm for d in extract(with_cover).fingerprint.descriptors] == [SOUND, Algorithm.AUDIO_LANDMARK_V1]


def test_a_file_without_sound_has_picture_alone(tmp_path: Path) -> None:
    extracted = extract(media.moving_clip(tmp_path / "clip.webm.mp4", seconds=3, seed=5))
    assert [d.algorithm for d in extracted.fingerprint.descriptors] == [PICTURE]


@pytest.mark.parametrize(
    "name", ["{frames} {0} {}.mp4", "-i.mp4", "a\nb.mp4", "%03d.mp4", "it's;$(x) é.mp4", "no_suffix"]
)
def test_a_file_is_read_whatever_its_name(tmp_path: Path, made: Path, name: str, no_trace: NoTrace) -> None:
    path = tmp_path / name
    path.write_bytes((made / "one.mp4").read_bytes())
    with no_trace():
        assert decode(path).frames == 14 * FRAME_RATE_HZ


def test_a_file_is_read_by_what_it_is_not_by_its_name(tmp_path: Path, made: Path) -> None:
    path = tmp_path / "film.txt"
    path.write_bytes((made / "one.mp4").read_bytes())
    assert probe(path).has_video


# --- Rows -------------------------------------------------------------------------------------------------


def test_blank_frames_have_no_rows(tmp_path: Path, made: Path) -> None:
    path = tmp_path / "faded.mp4"
    media.copied(made / "one.mp4", path, options=["-an", "-vf", "drawbox=t=fill:c=black:enable='between(t,4,8)'"])
    picture = extract(path).fingerprint.of(PICTURE)
    assert picture is not None
    assert not ((picture.times_s > 4.1) & (picture.times_s < 7.9)).any()
    assert ((picture.times_s < 3.9) | (picture.times_s > 8.1)).sum() >= 9.5 * FRAME_RATE_HZ


def test_a_reference_keeps_the_coarser_grid(made: Path) -> None:
    for descriptors in map(thinned, extract(made / "one.mp4").fingerprint.descriptors):
        if descriptors.algorithm is not Algorithm.AUDIO_LANDMARK_V1:  # peaks come when they come
            layout = LAYOUTS[descriptors.algorithm]
            assert np.diff(descriptors.times_s) == pytest.approx(layout.step_s)
            assert descriptors.times_s[0] == pytest.approx(layout.first_s)


# --- Limits ------------------------------------------------------------------------------------------------


def test_a_claimed_length_past_the_limit_is_too_long(made: Path, no_trace: NoTrace) -> None:
    with no_trace():
        assert fault_of(made / "one.mp4", DecodeLimits(max_duration_s=5.0)) is MediaFault.TOO_LONG
    assert extract(made / "one.mp4", limits=DecodeLimits(max_duration_s=14.2)).fingerprint.duration_s > 13.9


@pytest.mark.parametrize("option", ["-an", "-vn", "-shortest"])
def test_an_unclaimed_length_past_the_limit_is_too_long(
    made: Path, tmp_path: Path, option: str, no_trace: NoTrace
) -> None:
    """A file decoded in part must not pass for one that was looked at."""
    live = tmp_path / "live.mkv"
    media.ffmpeg("-i", made / "one.mp4", "-c", "copy", option, "-live", "1", live)
    assert probe(live).duration_s is None
    with no_trace():
        assert fault_of(live, DecodeLimits(max_duration_s=5.0)) is MediaFault.TOO_LONG
    assert extract(live).fingerprint.duration_s == pytest.approx(14, abs=0.3)


def test_a_picture_past_the_limit_is_too_large(made: Path) -> None:
    assert fault_of(made / "one.mp4", DecodeLimits(max_pixels=160 * 120 - 1)) is MediaFault.TOO_LARGE
    assert decode(made / "one.mp4", limits=DecodeLimits(max_pixels=160 * 120)).frames


@pytest.mark.parametrize(
    "tight",
    [
        pytest.param(replace(LIMITS.process, wall_s=0.001), id="wall"),
        pytest.param(replace(LIMITS.process, memory_bytes=150 << 20), id="memory"),
    ],
)
def test_a_decode_past_its_limits_is_said_to_be_so(made: Path, tight: ProcessLimits, no_trace: NoTrace) -> None:
    with no_trace():
        assert fault_of(made / "one.mp4", replace(LIMITS, process=tight)) is MediaFault.LIMIT_EXCEEDED
        assert fault_of(made / "one.mp4", replace(LIMITS, probe=tight)) is MediaFault.LIMIT_EXCEEDED


def test_a_file_that_is_not_there_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        extract(tmp_path / "absent.mp4")


def test_without_any_chromaprint_a_sound_is_refused_with_what_to_install(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fingerprinting.decode.ffmpeg_has_chromaprint", lambda: False)
    monkeypatch.setitem(sys.modules, "chromaprint", None)
    with pytest.raises(MediaError, match="libchromaprint"):
        decode(made / "one.mp4")


def test_the_systems_chromaprint_hears_the_same_words(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ffmpeg lacks Chromaprint, the samples go to the library instead: same words, same times."""
    if not ffmpeg_has_chromaprint():
        pytest.skip("this ffmpeg has no Chromaprint to compare with")
    try:
        import chromaprint as library
    except ImportError:
        pytest.skip("libchromaprint is not installed")
    assert library
    expected = decode(made / "one.mp4").words
    monkeypatch.setattr("fingerprinting.decode.ffmpeg_has_chromaprint", lambda: False)
    found = decode(made / "one.mp4").words
    assert len(found) == len(expected)
    assert np.bitwise_count(found ^ expected).mean() < 1


# --- Images ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["still.png", "still.jpg", "still.webp", "still.gif", "%03d.png", "no_suffix"])
def test_an_image_is_a_video_of_one_frame(tmp_path: Path, name: str) -> None:
    suffix = Path(name).suffix or ".png"
    made, path = tmp_path / f"made{suffix}", tmp_path / name
    media.ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180", "-frames:v", "1", made)
    made.rename(path)
    extracted = extract(path)
    assert probe(path).is_still
    assert extracted.fingerprint.is_still
    (hashes,) = extracted.fingerprint.descriptors
    assert hashes.times_s.tolist() == [0.0]


def pictures(path: Path, count: int, **how: Any) -> Path:
    """An animation of so many pictures, the first of them plain."""
    plain = np.full((90, 160), 200, np.uint8)
    first, *rest = [Image.fromarray(one) for one in (plain, *media.frames(seconds=1, seed=5)[: count - 1])]
    first.save(path, save_all=True, append_images=rest, **how)
    return path


@pytest.mark.parametrize("delay_ms", [0, 200])  # without a delay a GIF does not say how long it lasts
def test_a_gif_that_moves_is_looked_at_to_its_end(tmp_path: Path, delay_ms: int) -> None:
    extracted = extract(pictures(tmp_path / "moves.gif", 3, duration=delay_ms))
    assert not extracted.fingerprint.is_still
    assert len(extracted.fingerprint.descriptors[0])


def test_the_last_picture_of_a_gif_is_shown_as_long_as_it_says(tmp_path: Path) -> None:
    decoded = decode(pictures(tmp_path / "slow.gif", 2, duration=5000))
    assert decoded.duration_s == pytest.approx(10, abs=0.2)
    assert decoded.shown[-1] == decoded.frames - 1


def test_what_is_hidden_behind_the_first_picture_of_a_png_is_not_accepted(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="Send the animation as a video"):
        extract(pictures(tmp_path / "moves.png", 3, duration=200))


def test_a_png_with_pieces_without_end_is_not_read_to_their_end(tmp_path: Path) -> None:
    still = pictures(tmp_path / "still.png", 1)
    content = still.read_bytes()
    head = content[: 8 + 25]  # signature and IHDR
    still.write_bytes(head + b"\0\0\0\0tEXt\0\0\0\0" * 20_000 + content[len(head) :])
    with pytest.raises(MediaError):
        extract(still)


def test_an_image_is_read_alone_whatever_lies_beside_it(tmp_path: Path) -> None:
    for number in range(3):
        color = f"testsrc2=s=320x180,hue=h={number * 90}"
        media.ffmpeg("-f", "lavfi", "-i", color, "-frames:v", "1", tmp_path / f"{number:03d}.png")
    assert len(extract(tmp_path / "000.png").fingerprint.descriptors[0]) == 1


def test_a_picture_within_borders_has_a_row_with_them_and_one_without(tmp_path: Path, made: Path) -> None:
    path = tmp_path / "boxed.mp4"
    media.copied(made / "one.mp4", path, options=["-an", "-vf", "pad=iw:ih*4/3:0:(oh-ih)/2"])
    boxed = extract(path).fingerprint.of(PICTURE)
    plain = extract(made / "one.mp4").fingerprint.of(PICTURE)
    assert boxed is not None
    assert plain is not None
    assert np.all(np.unique(boxed.times_s, return_counts=True)[1] == 2)
    rows = min(len(boxed) // 2, len(plain))
    apart = distances(boxed.vectors[1 : 2 * rows : 2], plain.vectors[:rows]).diagonal()
    assert np.median(apart) < 40


@pytest.mark.parametrize(
    "framing", ["pad=iw:ih*4/3:0:(oh-ih)/2", "pad=iw*5/4:ih*5/4:(ow-iw)/2:(oh-ih)/2:orange", "hflip"]
)
def test_hashes_alone_find_a_copy_within_borders_or_mirrored(tmp_path: Path, made: Path, framing: str) -> None:
    path, item = tmp_path / "copy.mp4", ItemNumber(1)
    media.copied(made / "one.mp4", path, options=["-an", "-vf", framing])
    stored = extract(made / "one.mp4").fingerprint
    index = ExactIndex(PICTURE)
    index.add(item, thinned(stored.descriptors[0]))
    found = find_copies(
        extract(path).fingerprint, {PICTURE: index}, reference_of=lambda _: Reference(item=item, fingerprint=stored)
    )
    assert found
    assert found[0].query_length_s > 10
