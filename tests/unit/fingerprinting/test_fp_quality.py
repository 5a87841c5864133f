"""The quality gate: what would match everything, belongs to nobody or matches nothing is no reference."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from fingerprinting import landmark
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.extract import extract
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, Modality
from fingerprinting.quality import reference_of, weaknesses
from tests import media
from tests.media import HEIGHT_PX, RATE_HZ, WIDTH_PX

PICTURE, SOUND = Algorithm.VIDEO_PHASH_V1, Algorithm.AUDIO_CHROMAPRINT_V1
# Which of the seven bars of a digit are lit: top, upper right, lower right, bottom, lower left, upper left, middle.
DIGITS = ("1111110", "0110000", "1101101", "1111001", "0110011", "1011011", "1011111", "1110000", "1111111", "1111011")
BARS = ((40, 20, 80, 28), (72, 20, 80, 64), (72, 56, 80, 100), (40, 92, 80, 100), (40, 56, 48, 100), (40, 20, 48, 64))


def gate_fault_of(fingerprint: Fingerprint) -> MediaFault:
    with pytest.raises(MediaError) as refused:
        reference_of(fingerprint)
    assert refused.value.problem.endswith(".")
    return refused.value.fault


def digit(number: int) -> npt.NDArray[np.uint8]:
    picture = np.full((HEIGHT_PX, WIDTH_PX), 60, np.uint8)
    for lit, (left, top, right, bottom) in zip(DIGITS[number], (*BARS, (40, 56, 80, 64)), strict=True):
        if lit == "1":
            picture[top:bottom, left + 20 : right + 20] = 230
    return picture


def logo(*, seconds: float, fade_s: float, growth: float = 0.0) -> npt.NDArray[np.uint8]:
    """A card that fades in, grows a little and fades out."""
    [card] = media.frames(seconds=1 / RATE_HZ, seed=3)
    shown = []
    for t in np.arange(0, seconds, 1 / RATE_HZ):
        light = np.clip(min(t, seconds - t) / fade_s, 0, 1)
        zoom = 1 + growth * t / seconds
        rows = ((np.arange(HEIGHT_PX) - HEIGHT_PX / 2) / zoom + HEIGHT_PX / 2).astype(int)
        columns = ((np.arange(WIDTH_PX) - WIDTH_PX / 2) / zoom + WIDTH_PX / 2).astype(int)
        shown.append((card[np.ix_(rows, columns)] * light).astype(np.uint8))
    return np.stack(shown)


@pytest.mark.parametrize(
    ("source", "seconds", "video", "fault"),
    [
        ("color=black:s=160x120:r=25", 4, True, MediaFault.BLACK),
        ("color=white:s=160x120:r=25", 4, True, MediaFault.BLACK),
        ("testsrc2=s=160x120:r=25,trim=end_frame=1,loop=loop=-1:size=1", 4, True, MediaFault.STATIC),
        ("smptebars=s=160x120:r=25", 4, True, MediaFault.STATIC),
        ("smptehdbars=s=160x120:r=25,noise=alls=20:allf=t", 8, True, MediaFault.STATIC),
        ("pal75bars=s=160x120:r=25", 4, True, MediaFault.STATIC),
        ("anullsrc=r=22050:cl=mono", 6, False, MediaFault.SILENT),
        ("sine=440", 6, False, MediaFault.SILENT),
        ("sine=1000", 12, False, MediaFault.SILENT),
        ("aevalsrc=0.3*sin(2*PI*50*t)+0.2*sin(2*PI*150*t)+0.02*random(0)", 12, False, MediaFault.SILENT),
        ("anoisesrc=c=white:r=22050:seed=1", 4, False, MediaFault.NOISE),
        ("anoisesrc=c=white:r=22050:seed=2", 12, False, MediaFault.NOISE),
        ("anoisesrc=c=pink:r=22050:seed=3", 20, False, MediaFault.NOISE),
        ("anoisesrc=c=blue:r=22050:seed=4:a=0.1", 12, False, MediaFault.NOISE),
        ("anoisesrc=c=brown:r=22050:seed=5", 12, False, MediaFault.NOISE),
        ("testsrc2=s=160x120:r=25", 1.5, True, MediaFault.TOO_SHORT),
        ("anoisesrc=r=22050", 1, False, MediaFault.TOO_SHORT),
        ("anoisesrc=r=22050", 3, False, MediaFault.TOO_SHORT),
    ],
)
def test_what_would_match_everything_or_nothing_is_no_reference(
    tmp_path: Path, source: str, seconds: float, *, video: bool, fault: MediaFault
) -> None:
    path = tmp_path / ("made.mp4" if video else "made.wav")
    assert gate_fault_of(extract(media.filtered(path, source, seconds=seconds, video=video)).fingerprint) is fault


def test_a_counting_leader_is_no_reference(tmp_path: Path) -> None:
    counted = np.concatenate([np.repeat(digit(n)[None], RATE_HZ, axis=0) for n in range(9, -1, -1)])
    path = media.drawn_clip(tmp_path / "leader.mp4", counted)
    assert gate_fault_of(extract(path).fingerprint) is MediaFault.COUNTING


def test_pictures_held_for_other_times_are_no_counting_leader(tmp_path: Path) -> None:
    pictures = [media.frames(seconds=1 / RATE_HZ, seed=seed)[0] for seed in range(10)]
    shown = [np.repeat(picture[None], RATE_HZ + 7 * (n % 3), axis=0) for n, picture in enumerate(pictures)]
    path = media.drawn_clip(tmp_path / "slides.mp4", np.concatenate(shown))
    assert weaknesses(extract(path).fingerprint) == {}


@pytest.mark.parametrize("growth", [0.0, 0.1], ids=["still", "growing"])
def test_an_intro_card_is_no_reference(tmp_path: Path, growth: float) -> None:
    black = np.zeros((2 * RATE_HZ, HEIGHT_PX, WIDTH_PX), np.uint8)
    path = media.drawn_clip(tmp_path / "card.mp4", np.concatenate([logo(seconds=5, fade_s=1, growth=growth), black]))
    assert gate_fault_of(extract(path).fingerprint) in (MediaFault.STATIC, MediaFault.REPETITIVE)


@pytest.mark.parametrize("seconds", [0.52, 1.0, 1.48])
def test_a_short_loop_is_no_reference(tmp_path: Path, seconds: float) -> None:
    once = media.frames(seconds=seconds, seed=4)
    path = media.drawn_clip(tmp_path / "loop.mp4", np.concatenate([once] * round(12 / seconds)))
    assert gate_fault_of(extract(path).fingerprint) in (MediaFault.STATIC, MediaFault.REPETITIVE)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.7])
def test_a_short_loop_of_sound_is_no_reference(tmp_path: Path, seconds: float) -> None:
    media.write_wav(tmp_path / "loop.wav", np.tile(media.tune(seconds=seconds, seed=4), round(12 / seconds)))
    assert gate_fault_of(extract(tmp_path / "loop.wav").fingerprint) is MediaFault.REPETITIVE


def test_calm_music_is_no_noise(tmp_path: Path) -> None:
    """Chords that hardly differ: their words are as near to each other as those of noise."""
    t_s = np.arange(20 * media.SAMPLE_RATE_HZ) / media.SAMPLE_RATE_HZ
    voices = [
        np.sin(2 * np.pi * hz * t_s) * (1.2 + np.sin(2 * np.pi * t_s / period_s + hz))
        for hz, period_s in ((220, 3.1), (277, 4.3), (330, 5.2), (440, 2.7), (660, 3.7), (880, 4.9))
    ]
    media.write_wav(tmp_path / "calm.wav", (np.sum(voices, axis=0) * 1500).astype(np.int16))
    assert weaknesses(extract(tmp_path / "calm.wav").fingerprint) == {}


def test_a_song_that_begins_with_noise_is_no_noise(tmp_path: Path) -> None:
    noise = np.random.default_rng(6).normal(0, 4000, 40 * media.SAMPLE_RATE_HZ).astype(np.int16)
    media.write_wav(tmp_path / "rain.wav", np.concatenate([noise, media.tune(seconds=40, seed=6)]))
    assert weaknesses(extract(tmp_path / "rain.wav").fingerprint) == {}


def test_a_clip_whose_parts_are_shown_twice_is_a_reference(tmp_path: Path) -> None:
    once = media.frames(seconds=4, seed=4)
    path = media.drawn_clip(tmp_path / "twice.mp4", np.concatenate([once, once, once]))
    assert weaknesses(extract(path).fingerprint) == {}


def test_moving_pictures_and_music_have_no_weakness(made: Path) -> None:
    assert weaknesses(extract(made / "one.mp4").fingerprint) == {}


def test_a_weak_picture_beside_good_sound_leaves_the_sound(tmp_path: Path) -> None:
    song, path = media.track(tmp_path / "song.wav", seconds=8, seed=5), tmp_path / "black.mp4"
    media.ffmpeg("-f", "lavfi", "-i", "color=black:s=160x120:r=10", "-i", song, "-shortest", path)
    fingerprint = extract(path).fingerprint
    assert weaknesses(fingerprint) == {Modality.VIDEO: MediaFault.BLACK}
    assert {d.algorithm.modality for d in reference_of(fingerprint).descriptors} == {Modality.AUDIO}


def test_silence_beside_a_good_picture_leaves_the_picture(tmp_path: Path, made: Path) -> None:
    path = tmp_path / "silent.mp4"
    media.ffmpeg("-i", made / "one.mp4", "-f", "lavfi", "-i", "anullsrc", "-map", "0:v", "-map", "1:a",
                 "-c:v", "copy", "-shortest", path)  # fmt: skip
    fingerprint = extract(path).fingerprint
    assert weaknesses(fingerprint) == {Modality.AUDIO: MediaFault.SILENT}
    assert {d.algorithm.modality for d in reference_of(fingerprint).descriptors} == {Modality.VIDEO}


def test_colour_bars_with_their_tone_are_no_reference(tmp_path: Path) -> None:
    path = tmp_path / "bars.mp4"
    media.ffmpeg("-f", "lavfi", "-i", "smptebars=s=160x120:r=10", "-f", "lavfi", "-i", "sine=1000", "-t", "8", path)
    assert gate_fault_of(extract(path).fingerprint) is MediaFault.STATIC


# -- made by hand: what a document may hold --------------------------------------------------------


def described(algorithm: Algorithm, rows: int, *, step_s: float = 0.25) -> Descriptors:
    vectors = np.random.default_rng(7).integers(0, 256, (rows, algorithm.row_bytes), np.uint8)
    return Descriptors(algorithm=algorithm, times_s=(np.arange(rows) * step_s).astype(np.float64), vectors=vectors)


def test_a_weak_modality_takes_all_of_its_descriptors_with_it() -> None:
    still = replace(described(PICTURE, 40), vectors=np.tile(described(PICTURE, 1).vectors, (40, 1)))
    sound = sounding(60)
    fingerprint = Fingerprint(duration_s=10.0, descriptors=(still, described(Algorithm.VIDEO_SSCD_V1, 20), *sound))
    assert weaknesses(fingerprint) == {Modality.VIDEO: MediaFault.STATIC}
    assert reference_of(fingerprint).descriptors == sound


def test_a_modality_that_cannot_be_judged_is_no_reference() -> None:
    alone = Fingerprint(duration_s=10.0, descriptors=(described(Algorithm.VIDEO_SSCD_V1, 20),))
    assert gate_fault_of(alone) is MediaFault.UNJUDGED
    for heard in sounding(60):
        assert gate_fault_of(Fingerprint(duration_s=10.0, descriptors=(heard,))) is MediaFault.UNJUDGED


def test_a_still_is_a_reference_unless_it_is_blank() -> None:
    shown = Fingerprint(duration_s=0.0, descriptors=(described(PICTURE, 1),))
    assert reference_of(shown) == shown
    blank = Fingerprint(duration_s=0.0, descriptors=(described(PICTURE, 0), described(Algorithm.VIDEO_SSCD_V1, 1)))
    assert gate_fault_of(blank) is MediaFault.BLACK


def sounding(rows: int) -> tuple[Descriptors, Descriptors]:
    """Words as far apart as those of music, and peaks that come together."""
    row_s = 4096 // 3 / 11025
    words = replace(described(SOUND, rows), times_s=(1.795 + np.arange(rows) * row_s).astype(np.float64))
    times_s = landmark.FIRST_FRAME_S + np.repeat(np.arange(rows), 4) * 6 * landmark.FRAME_S
    bands = np.random.default_rng(8).integers(0, landmark.BANDS, 4 * rows, np.uint8)
    peaks = np.stack([bands, np.zeros_like(bands)], axis=1)
    return words, Descriptors(algorithm=Algorithm.AUDIO_LANDMARK_V1, times_s=times_s.astype(np.float64), vectors=peaks)


def test_a_long_recording_is_judged_as_quickly_as_a_short_one() -> None:
    assert weaknesses(Fingerprint(duration_s=15_000.0, descriptors=sounding(120_000))) == {}


def test_an_image_file_passes_unless_it_is_blank(tmp_path: Path) -> None:
    [picture] = media.frames(seconds=1 / RATE_HZ, seed=6)
    for name, pixels in (("picture.png", picture), ("blank.png", np.full_like(picture, 90))):
        Image.fromarray(pixels).save(tmp_path / name)
    assert reference_of(extract(tmp_path / "picture.png").fingerprint).is_still
    assert gate_fault_of(extract(tmp_path / "blank.png").fingerprint) is MediaFault.BLACK
