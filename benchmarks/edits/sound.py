"""Edits of sound: an excerpt of a track, mixed, filtered and encoded under a moving picture of another clip.

Levels are of the excerpt as it is: "at 0 dB" is as loud as the music, by power over the excerpt (speech:
over the parts where somebody speaks). Of an excerpt that is sped up or stretched, as much is taken as
makes the length named.
"""

import wave
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve

from benchmarks import cache, ffmpeg
from benchmarks.edits.picture import Shot
from benchmarks.edits.truth import Edited, Piece
from benchmarks.ffmpeg import SOUND_RATE_HZ, Samples
from benchmarks.media import Clip
from fingerprinting.model import ItemNumber

_AAC = ("-c:a", "aac", "-b:a", "128k")
_SEED = 20_240_501
# What surrounds an excerpt inside a longer clip.
_AROUND_S, _BEFORE_S = 60.0, 23.0
# Speech quieter than this share of its loudest tenth is a pause.
_PAUSE_SHARE = 0.1
_VOICES = 6


class Mixed(StrEnum):
    """What is laid over the music."""

    WHITE_NOISE = "white noise"
    BABBLE = "babble"
    NARRATION = "narration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A registered sound (`item`), or one that is not."""

    clip: Clip
    item: ItemNumber | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What edits of sound need besides the sound: a picture, speech, and other sound to stand inside."""

    picture: Shot
    speech: tuple[Clip, ...]
    other: Clip


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundEdit:
    """One way to use a piece of sound.

    Attributes:
        length_s: of the excerpt as it is heard.
        filters: ffmpeg's.
        speed: how much faster than the original it runs, by the filters.
        mixed, level_db: what is laid over it, so much louder than the music.
        room: it is played in a room (simulated: an early echo and a tail of 0.7 s to -60 dB).
        inside: it stands inside a minute of other sound.
    """

    group: str
    name: str
    length_s: float
    filters: str = "anull"
    speed: float = 1.0
    mixed: Mixed | None = None
    level_db: float = 0.0
    room: bool = False
    inside: bool = False
    encode: tuple[str, ...] = _AAC
    suffix: str = ".mp4"

    def apply(self, track: Track, place_0_1: float, around: Surroundings) -> Edited:
        """Make the edited file, or find it in the cache; the excerpt starts at that share of the track."""
        taken_s = self.length_s * self.speed
        start_s = round((track.clip.duration_s - taken_s) * place_0_1, 2)
        speech = around.speech if self.mixed in (Mixed.BABBLE, Mixed.NARRATION) else ()
        beside = [*speech, *([around.other] if self.inside else [])]
        keys = [cache.content_of(clip.path) for clip in (track.clip, *beside)]
        path = cache.media(
            cache.digest("sound 1", self, start_s, around.picture.path.stem, *keys),
            self.suffix,
            lambda target: self._make(track.clip, start_s, around, target),
        )
        if track.item is None:
            return Edited(path=path, pieces=())
        at_s = _BEFORE_S if self.inside else 0.0
        piece = Piece(
            item=track.item,
            query_start_s=at_s,
            query_end_s=at_s + self.length_s,
            reference_start_s=start_s,
            reference_end_s=start_s + taken_s,
        )
        return Edited(path=path, pieces=(piece,))

    def _make(self, clip: Clip, start_s: float, around: Surroundings, target: Path) -> None:
        sound = ffmpeg.samples(clip.path, start_s=start_s, length_s=self.length_s * self.speed)
        if self.mixed is not None:
            sound = sound + _at_level(self._over(len(sound), around), sound, self.level_db)
        if self.room:
            sound = fftconvolve(sound, _room()).astype(np.float32)[: len(sound)]
        if self.inside:
            other = _looped(ffmpeg.samples(around.other.path, length_s=_AROUND_S), round(_AROUND_S * SOUND_RATE_HZ))
            at = round(_BEFORE_S * SOUND_RATE_HZ)
            sound = np.concatenate([other[:at], sound, other[at : -len(sound)]])
        wav = target.with_suffix(".wav")
        try:
            _write(wav, sound)
            length_s = len(sound) / SOUND_RATE_HZ / self.speed
            ffmpeg.run(
                "-stream_loop", -1, "-i", around.picture.path, "-i", wav, "-map", "0:v", "-map", "1:a",
                "-vf", "scale=320:-2,fps=15", "-af", self.filters, "-t", length_s,
                "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", *self.encode, target,
            )  # fmt: skip
        finally:
            wav.unlink(missing_ok=True)

    def _over(self, size: int, around: Surroundings) -> Samples:
        random = np.random.default_rng(_SEED)
        if self.mixed is Mixed.WHITE_NOISE:
            return random.standard_normal(size).astype(np.float32)
        voices = [ffmpeg.samples(clip.path) for clip in around.speech]
        if self.mixed is Mixed.NARRATION:
            return _looped(np.concatenate(voices), size)
        looped = [_looped(_unit(np.concatenate(voices[i:] + voices[:i])), size) for i in range(len(voices))]
        babble: Samples = np.sum(looped[:_VOICES], axis=0, dtype=np.float32)
        return babble


def _at_level(sound: Samples, beside: Samples, level_db: float) -> Samples:
    """Scaled to be so much louder than the other, by power where it is not a pause."""
    ratio = _power(beside, 0.0) / max(_power(sound, _PAUSE_SHARE), 1e-12) * 10 ** (level_db / 10)
    scaled: Samples = (sound * np.sqrt(ratio)).astype(np.float32)
    return scaled


def _power(sound: Samples, pause_share: float) -> float:
    """Mean power of the 20 ms blocks louder than a share of the loudest tenth."""
    block = SOUND_RATE_HZ // 50
    powers = np.square(sound[: len(sound) // block * block].reshape(-1, block)).mean(axis=1)
    return float(powers[powers >= pause_share * np.quantile(powers, 0.9)].mean())


def _unit(sound: Samples) -> Samples:
    unit: Samples = (sound / np.sqrt(max(_power(sound, _PAUSE_SHARE), 1e-12))).astype(np.float32)
    return unit


def _looped(sound: Samples, size: int) -> Samples:
    looped: Samples = np.resize(sound, size)
    return looped


def _room() -> Samples:
    """An impulse response: the direct sound, one early echo, a diffuse tail as loud as both."""
    random = np.random.default_rng(_SEED)
    t_s = np.arange(round(0.7 * SOUND_RATE_HZ)) / SOUND_RATE_HZ
    tail = random.standard_normal(len(t_s)) * 10 ** (-3 * t_s / 0.7)
    tail[: round(0.012 * SOUND_RATE_HZ)] = 0
    tail /= np.sqrt(np.square(tail).sum())
    tail[0], tail[round(0.012 * SOUND_RATE_HZ)] = 0.85, 0.5
    return tail.astype(np.float32)


def _write(path: Path, sound: Samples) -> None:
    loudest = max(1.0, float(np.abs(sound).max(initial=0)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SOUND_RATE_HZ)
        file.writeframes(np.round(sound / loudest * 32_000).astype("<i2").tobytes())


def chosen(tracks: Sequence[Track], edit: SoundEdit, count: int) -> list[tuple[Track, float]]:
    """Tracks and places to be edited so: always the same ones, other ones for each edit."""
    enough = [track for track in tracks if track.clip.duration_s >= edit.length_s * edit.speed + 1]
    pairs = [(track, place) for track in enough for place in (0.23, 0.47, 0.74)]
    return sorted(pairs, key=lambda pair: zlib.crc32(f"{edit.name}{pair[1]}{pair[0].clip.path.name}".encode()))[:count]


def _of_length(length_s: float) -> list[SoundEdit]:
    def edit(group: str, name: str, **how: object) -> SoundEdit:
        return SoundEdit(group=group, name=f"{length_s:.0f} s, {name}", length_s=length_s, **how)  # type: ignore[arg-type]

    edits = [edit("codec", "clean")]
    edits += [
        edit("codec", f"mp3 at {rate}k", encode=("-c:a", "libmp3lame", "-b:a", f"{rate}k")) for rate in (64, 48, 32)
    ]
    edits.append(edit("codec", "Opus at 24k", encode=("-c:a", "libopus", "-b:a", "24k"), suffix=".mkv"))
    edits.append(edit("filter", "low-pass 3 kHz", filters="lowpass=f=3000,lowpass=f=3000"))
    edits.append(edit("filter", "high-pass 500 Hz", filters="highpass=f=500,highpass=f=500"))
    edits.append(edit("filter", "equaliser", filters="equalizer=f=200:w=1:t=o:g=-9,equalizer=f=2500:w=1:t=o:g=9"))
    edits.append(edit("filter", "reverb of a room", room=True))
    edits.append(edit("filter", "echo", filters="aecho=0.8:0.7:180|340:0.5|0.3"))
    edits.append(
        edit("filter", "compressed", filters="acompressor=threshold=0.05:ratio=12:attack=5:release=80:makeup=6")
    )
    for mixed in (Mixed.WHITE_NOISE, Mixed.BABBLE):
        for ratio_db in (10, 5, 0, -5):
            edits.append(edit("mix", f"{mixed}, signal to noise {ratio_db} dB", mixed=mixed, level_db=-ratio_db))
    edits.append(edit("mix", "narration as loud as the music", mixed=Mixed.NARRATION))
    edits.append(edit("mix", "narration 6 dB louder", mixed=Mixed.NARRATION, level_db=6.0))
    for percent in (-10, -5, 5, 10):
        factor = 1 + percent / 100
        edits.append(edit("time", f"tempo {percent:+d} %", filters=f"rubberband=tempo={factor}", speed=factor))
        sped = f"asetrate={SOUND_RATE_HZ}*{factor},aresample={SOUND_RATE_HZ}"
        edits.append(edit("time", f"speed {percent:+d} %", filters=sped, speed=factor))
    for semitones in (-2, -1, 1, 2):
        edits.append(edit("time", f"pitch {semitones:+d}", filters=f"rubberband=pitch={2 ** (semitones / 12)}"))
    return edits


SOUND_EDITS = (
    *_of_length(5.0),
    *_of_length(10.0),
    SoundEdit(group="pieces", name="5 s inside 60 s of other sound", length_s=5.0, inside=True),
    SoundEdit(group="pieces", name="10 s inside 60 s of other sound", length_s=10.0, inside=True),
)

# What unregistered sound is put through, to see that it is found nowhere.
NEGATIVE_EDITS = tuple(
    edit
    for edit in SOUND_EDITS
    if edit.name in {
        "5 s, clean", "10 s, clean", "5 s, low-pass 3 kHz", "10 s, high-pass 500 Hz", "5 s, speed +5 %",
        "10 s, pitch +1", "5 s, white noise, signal to noise 0 dB", "10 s, narration as loud as the music",
    }
)  # fmt: skip
