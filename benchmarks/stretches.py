"""Ten-second clips, no two cut from the same stretch of anything: what releases are made of.

As many as the media gives are real: stretches with their own sound first, then pictures without sound under stretches
of others' sound, then the rest of the sound alone. What is missing is made by ffmpeg, picture and sound, each with
numbers of its own. Chosen by rule and by seeds, so every run has the same.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import cache, ffmpeg
from benchmarks.media import Clip, Kind

LENGTH_S = 10.0
_LINES, _RATE_HZ = 480, 25
_SIZE = "640x360"  # of made pictures
# Versions of one thing are as long as each other, whatever cluster they were put in.
_SAME_LENGTH_S = 0.1
# A sound track whose root mean square stays below this, full scale being 1, is none.
_SILENT = 0.001
_VIDEO = ("-c:v", "libx264", "-preset", "veryfast", "-crf", 23, "-pix_fmt", "yuv420p")
_SOUND = ("-c:a", "aac", "-b:a", "128k", "-ac", 2, "-ar", 44_100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """`LENGTH_S` seconds of a clip, from `start_s` on."""

    clip: Clip
    start_s: float

    @property
    def name(self) -> str:
        return f"{self.clip.path.name} {self.start_s:.0f}–{self.start_s + LENGTH_S:.0f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One clip: its picture and its sound, each a stretch. Sound alone has no picture; without either it is made."""

    number: int
    picture: Stretch | None
    sound: Stretch | None

    @property
    def is_real(self) -> bool:
        """Whether both what is seen and what is heard was recorded."""
        return self.picture is not None and self.sound is not None

    @property
    def is_made(self) -> bool:
        return self.picture is None and self.sound is None

    @property
    def has_own_sound(self) -> bool:
        return self.picture is not None and self.picture == self.sound

    @property
    def name(self) -> str:
        names = dict.fromkeys(stretch.name for stretch in (self.picture, self.sound) if stretch)
        return ", sound of ".join(names) or f"made clip {self.number}"

    @property
    def sources(self) -> frozenset[str]:
        """Whose clips are in it: another take of the same, or the same tune again, may look or sound alike."""
        return frozenset(stretch.clip.source for stretch in (self.picture, self.sound) if stretch)


def pieces(clips: Sequence[Clip], wanted: int) -> list[Piece]:
    """Choose `wanted` pieces, real ones first."""
    seen, heard = [], []
    for clip in _works(clips):
        if clip.kind is Kind.VIDEO:
            seen += list(_stretches(clip))
        else:
            heard += list(_stretches(clip))
    with_sound = {stretch for stretch in seen if _is_heard(stretch)}
    # A tune of each kind before a second stretch of any.
    heard.sort(key=lambda stretch: (stretch.start_s, stretch.clip.kind is not Kind.MUSIC, stretch.clip.path.name))
    mute = [stretch for stretch in seen if stretch not in with_sound]
    parts: list[tuple[Stretch | None, Stretch | None]] = [(one, one) for one in seen if one in with_sound]
    parts += zip(mute, [*heard, *[None] * len(mute)], strict=False)
    parts += [(None, one) for one in heard[len(mute) :]]
    parts += [(None, None)] * max(0, wanted - len(parts))
    return [Piece(number=number, picture=one, sound=other) for number, (one, other) in enumerate(parts[:wanted])]


def make(piece: Piece) -> Path:
    """The clip, from the cache or made now."""
    if piece.is_made:
        name = cache.digest("made stretch 1", piece.number)
        return cache.media(name, ".mp4", lambda path: _make(piece.number, path))
    sources = [
        (cache.content_of(stretch.clip.path), stretch.start_s) if stretch else None
        for stretch in (piece.picture, piece.sound)
    ]
    suffix = ".mp4" if piece.picture else ".m4a"
    return cache.media(cache.digest("stretch 1", *sources, ""), suffix, lambda path: _cut(piece, path))


def _works(clips: Sequence[Clip]) -> list[Clip]:
    """One clip of each cluster, the longest, and of what is as long in one source only the first."""
    kept: list[Clip] = []
    contents: set[str] = set()
    for clip in sorted(clips, key=lambda clip: (-clip.duration_s, clip.path.name)):
        content = cache.content_of(clip.path)
        is_known = content in contents or any(
            clip.cluster == other.cluster or _is_version(clip, other) for other in kept
        )
        if not is_known and clip.duration_s >= LENGTH_S:
            kept.append(clip)
            contents.add(content)
    return sorted(kept, key=lambda clip: clip.path.name)


def _is_version(one: Clip, other: Clip) -> bool:
    return one.source == other.source and abs(one.duration_s - other.duration_s) <= _SAME_LENGTH_S


def _stretches(clip: Clip) -> Iterator[Stretch]:
    return (Stretch(clip=clip, start_s=n * LENGTH_S) for n in range(int(clip.duration_s // LENGTH_S)))


def _is_heard(stretch: Stretch) -> bool:
    if not stretch.clip.has_audio:
        return False
    heard = ffmpeg.samples(stretch.clip.path, start_s=stretch.start_s, length_s=LENGTH_S)
    return bool(len(heard)) and float(np.sqrt(np.mean(heard**2))) >= _SILENT


def _cut(piece: Piece, path: Path) -> None:
    """Cut a piece's stretches and put them together."""
    parts = [stretch for stretch in (piece.picture, piece.sound) if stretch]
    inputs = [["-ss", stretch.start_s, "-t", LENGTH_S, "-i", stretch.clip.path] for stretch in parts]
    size = f"scale=-2:'min(ih,{_LINES})',setsar=1,fps={_RATE_HZ}"
    shown = ["-map", "0:v:0", "-vf", size, *_VIDEO] if piece.picture else ["-vn"]
    heard = ["-map", f"{len(parts) - 1}:a:0", *_SOUND] if piece.sound else ["-an"]
    ffmpeg.run(*itertools.chain(*inputs), *shown, *heard, "-t", LENGTH_S, "-threads", 1, path)


def _make(number: int, path: Path) -> None:
    ffmpeg.run(
        "-f", "lavfi", "-i", _made_picture(number), "-f", "lavfi", "-i", _made_sound(number), "-t", LENGTH_S,
        *_VIDEO, "-preset", "ultrafast", *_SOUND, "-threads", 1, path,
    )  # fmt: skip


def _made_picture(number: int) -> str:
    """ffmpeg's source of a moving picture that is made with this number alone."""
    random = np.random.default_rng(number)
    seed, hue = int(random.integers(1 << 31)), int(random.integers(360))
    x, y = random.uniform(-1.2, 0.2), random.uniform(0.3, 1.0)
    kinds = (
        f"life=s=160x90:r=10:seed={seed}:ratio={random.uniform(0.2, 0.5):.3f}:mold=40:life_color=white:mold_color=red,"
        f"scale={_SIZE}:flags=neighbor,hue=h={hue}",
        f"gradients=s={_SIZE}:r={_RATE_HZ}:seed={seed}:n=8:speed={random.uniform(0.02, 0.1):.3f}:type=spiral",
        f"mandelbrot=s={_SIZE}:r={_RATE_HZ}:start_x={x:.5f}:start_y={y:.5f}:start_scale=1:end_scale=0.01:end_pts=250"
        f":maxiter=120,hue=h={hue}",
        f"cellauto=s=160x90:r=15:seed={seed}:rule={random.choice([18, 30, 45, 73, 110, 150])},"
        f"scale={_SIZE}:flags=neighbor,hue=h={hue},format=yuv420p",
        f"sierpinski=s={_SIZE}:r={_RATE_HZ}:seed={seed}:jump={random.integers(20, 200)}:type=triangle,hue=h={hue}",
    )
    return kinds[number % len(kinds)]


def _made_sound(number: int) -> str:
    """ffmpeg's source of two voices, whose notes and pace are drawn with this number alone."""
    random = np.random.default_rng([number, 1])
    voices = []
    for _ in range(2):
        ground_hz, pace_hz, step, modulus = (
            random.uniform(110, 440), random.uniform(2, 8), random.integers(3, 97), random.choice([17, 19, 23, 29, 31]),
        )  # fmt: skip
        pitch = f"{ground_hz:.2f}*pow(2,mod(pow(floor(t*{pace_hz:.3f})+{step},2),{modulus})/12)"
        voices.append(f"0.25*sin(2*PI*t*{pitch})*exp(-3*mod(t,1/{pace_hz:.3f}))")
    return f"aevalsrc='{'+'.join(voices)}':s=44100:d={LENGTH_S}"
