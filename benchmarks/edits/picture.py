"""Edits of the picture: takes of one or more clips joined, then filtered, overlaid and encoded.

A share in an edit's name is of each side: "crop 50 %" keeps the middle half of the width and of the
height. Every edit starts from a shot, a short excerpt that all edits of a clip share.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmarks import cache, ffmpeg
from benchmarks.edits.layers import draw
from benchmarks.edits.truth import Edited, Piece
from benchmarks.media import Clip
from fingerprinting.decode import probe
from fingerprinting.model import ItemNumber

SHOT_S = 12.0
_WIDEST_PX, _RATE_HZ = 854, 25
_H264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
_CRF_23 = (*_H264, "-crf", "23")
_CRF_35 = (*_H264, "-crf", "35")
# Pictures of several clips in one file have one size.
_JOINED = "scale=640:360:force_original_aspect_ratio=decrease,pad=640:360:-1:-1,setsar=1,"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """The seconds from `start_s` on of a clip, at most `SHOT_S`; `item` is None where it is not registered."""

    path: Path
    item: ItemNumber | None
    start_s: float
    length_s: float
    width: int
    height: int


def shot(clip: Clip, item: ItemNumber | None) -> Shot:
    """The middle of a clip, at 25 frames a second, no wider than 854."""
    length_s = min(SHOT_S, clip.duration_s)
    start_s = round((clip.duration_s - length_s) * 0.4, 2)

    def make(path: Path) -> None:
        size = f"fps={_RATE_HZ},scale='min({_WIDEST_PX},iw)':-2,crop='trunc(iw/2)*2':'trunc(ih/2)*2',setsar=1"
        ffmpeg.run("-ss", start_s, "-t", length_s, "-i", clip.path, "-an", "-vf", size, *_H264, "-crf", 14, path)

    path = cache.media(cache.digest("shot 1", cache.content_of(clip.path), start_s, length_s), ".mp4", make)
    media = probe(path)
    return Shot(
        path=path,
        item=item,
        start_s=start_s,
        length_s=min(length_s, media.duration_s or length_s),
        width=media.width or 0,
        height=media.height or 0,
    )


class Of(StrEnum):
    """Whose picture: the copied work's, another registered one's, or that of a clip which is not registered."""

    COPY = "copy"
    SECOND = "second"
    THIRD = "third"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Seconds [start_s, start_s + length_s) of a shot; no length means all of it."""

    of: Of = Of.COPY
    start_s: float = 0.0
    length_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureEdit:
    """One way to change a clip.

    Attributes:
        takes: what is joined before anything else.
        filters: ffmpeg's, from [t] (the takes joined) to [v]; [b] is the background, another clip.
        speed: of the result.
        layer: what is drawn over it, a name that `layers` knows.
        encode: ffmpeg's output options, the first of two generations where there are two.
        again: options of the second generation.
    """

    group: str
    name: str
    takes: tuple[Take, ...] = (Take(),)
    filters: str = "null"
    speed: float = 1.0
    layer: str | None = None
    encode: tuple[str, ...] = _CRF_23
    suffix: str = ".mp4"
    again: tuple[str, ...] | None = None

    @property
    def needs(self) -> set[Of]:
        return {take.of for take in self.takes} | ({Of.OTHER} if "[b]" in self.filters else set())

    @property
    def least_s(self) -> float:
        """How long the copied shot must be."""
        return max((take.start_s + (take.length_s or 0.0) for take in self.takes if take.of is not Of.OTHER), default=0)

    def apply(self, cast: dict[Of, Shot]) -> Edited:
        """Make the edited file, or find it in the cache.

        Args:
            cast: the shots for all that the edit `needs`.
        """
        keys = [f"{of}={cache.content_of(cast[of].path)}" for of in sorted(self.needs)]
        path = cache.media(cache.digest("picture 1", self, *keys), self.suffix, lambda target: self._make(cast, target))
        return Edited(path=path, pieces=tuple(self._pieces(cast)))

    def _pieces(self, cast: dict[Of, Shot]) -> list[Piece]:
        pieces, at_s = [], 0.0
        for take in self.takes:
            source = cast[take.of]
            length_s = source.length_s if take.length_s is None else take.length_s
            end_s = at_s + length_s / self.speed
            if source.item is not None:
                start_s = source.start_s + take.start_s
                pieces.append(
                    Piece(
                        item=source.item,
                        query_start_s=at_s,
                        query_end_s=end_s,
                        reference_start_s=start_s,
                        reference_end_s=start_s + length_s,
                    )
                )
            at_s = end_s
        return pieces

    def _make(self, cast: dict[Of, Shot], target: Path) -> None:
        inputs: list[object] = []
        for take in self.takes:
            length = [] if take.length_s is None else ["-t", take.length_s]
            # A shot that must be longer than it is starts again.
            loop = ["-stream_loop", -1] if take.of is Of.OTHER else []
            inputs += [*loop, "-ss", take.start_s, *length, "-i", cast[take.of].path]
        count, extra = len(self.takes), ""
        same = _JOINED if len({take.of for take in self.takes}) > 1 else ""
        joined = "".join(f"[{i}:v]{same}setpts=(PTS-STARTPTS)/{self.speed}[s{i}];" for i in range(count))
        joined += "".join(f"[s{i}]" for i in range(count)) + f"concat=n={count}[t]"
        filters = f"[t]{self.filters}" if "[t]" not in self.filters else self.filters
        if "[b]" in self.filters:
            inputs += ["-stream_loop", -1, "-t", SHOT_S, "-i", cast[Of.OTHER].path]
            extra += f";[{count}:v]scale=640:360,setsar=1[b]"
        if self.layer:
            inputs += draw(self.layer, cast[Of.COPY].width, cast[Of.COPY].height)
            filters += f"[f];[f][{count}:v]overlay={_LAYER_AT.get(self.layer, '0:0')}:shortest=1"
        graph = f"{joined}{extra};{filters}[v]"
        encode = (*self.encode, "-an")
        if self.again is None:
            ffmpeg.run(*inputs, "-filter_complex", graph, "-map", "[v]", *encode, target)
            return
        first = target.with_suffix(".first.mp4")
        try:
            ffmpeg.run(*inputs, "-filter_complex", graph, "-map", "[v]", *encode, first)
            ffmpeg.run("-i", first, *self.again, "-an", target)
        finally:
            first.unlink(missing_ok=True)


# Where a layer that does not stand still stands.
_LAYER_AT = {"stickers": "x='12*sin(2*t)':y='12*cos(2*t)'"}


def chosen(shots: Sequence[Shot], edit: PictureEdit, count: int) -> list[Shot]:
    """The shots to be edited so: always the same ones, other ones for each edit."""
    long_enough = [one for one in shots if one.length_s >= edit.least_s]
    return sorted(long_enough, key=lambda one: zlib.crc32(f"{edit.name}{one.path.stem}".encode()))[:count]


def _piece(seconds: float) -> PictureEdit:
    return PictureEdit(group="pieces", name=f"{seconds:.0f} s alone", takes=(Take(start_s=1.0, length_s=seconds),))


def _inside(seconds: float) -> PictureEdit:
    before_s = 8.0
    around = Take(of=Of.OTHER, length_s=before_s), Take(of=Of.OTHER, start_s=1.0, length_s=12 - seconds)
    takes = (around[0], Take(start_s=1.0, length_s=seconds), around[1])
    return PictureEdit(group="pieces", name=f"{seconds:.0f} s inside 20 s of another clip", takes=takes)


def _speed(factor: float) -> PictureEdit:
    return PictureEdit(group="time", name=f"speed {factor:g}x", speed=factor, filters="fps=25")


def _crop(removed_percent: int) -> PictureEdit:
    kept = 1 - removed_percent / 100
    return PictureEdit(group="geometry", name=f"crop {removed_percent} %", filters=f"crop=iw*{kept}:ih*{kept}{_EVEN}")


# Encoders want even sizes.
_EVEN = ",scale=trunc(iw/2)*2:trunc(ih/2)*2"
_HALF_OVER = "[t]scale=320:180:force_original_aspect_ratio=decrease[s];[b][s]overlay={at}:eof_action=endall"
_WARP = "perspective=x0=0.06*W:y0=0.04*H:x1=0.94*W:y1=0:x2=0:y2=H:x3=W:y3=0.95*H"
_GRAIN = "noise=c0s=22:c0f=t+u,gblur=sigma=0.5"

PICTURE_EDITS = (
    PictureEdit(group="codec", name="crf 18", encode=(*_H264, "-crf", "18")),
    PictureEdit(group="codec", name="crf 28", encode=(*_H264, "-crf", "28")),
    PictureEdit(group="codec", name="crf 35", encode=_CRF_35),
    PictureEdit(group="codec", name="crf 42", encode=(*_H264, "-crf", "42")),
    PictureEdit(group="codec", name="MPEG-4 part 2, quantiser 20", encode=("-c:v", "mpeg4", "-q:v", "20")),
    PictureEdit(
        group="codec", name="VP9, crf 50", suffix=".webm",
        encode=("-c:v", "libvpx-vp9", "-crf", "50", "-b:v", "0", "-deadline", "realtime", "-cpu-used", "8"),
    ),
    PictureEdit(
        group="codec", name="encoded twice", encode=("-c:v", "mpeg4", "-q:v", "12"), again=(*_H264, "-crf", "36")
    ),
    PictureEdit(group="codec", name="240 lines", filters="scale=-2:240"),
    PictureEdit(group="codec", name="1.5x larger", filters="scale=trunc(iw*0.75)*2:trunc(ih*0.75)*2"),
    PictureEdit(group="codec", name="12 frames a second", filters="fps=12"),
    PictureEdit(group="codec", name="60 frames a second", filters="fps=60"),
    PictureEdit(group="look", name="grey", filters="hue=s=0"),
    PictureEdit(group="look", name="blur", filters="gblur=sigma=4"),
    PictureEdit(group="look", name="noise", filters="noise=alls=25:allf=t"),
    PictureEdit(group="look", name="film grain", filters=_GRAIN),
    PictureEdit(group="look", name="warm grade", filters="colorbalance=rs=.25:bs=-.25,eq=contrast=1.25:saturation=1.4"),
    PictureEdit(group="look", name="cold, flat grade", filters="colorbalance=bs=.3:rm=-.2,eq=contrast=.7"),
    PictureEdit(group="look", name="dark", filters="eq=gamma=.55:brightness=-.08"),
    PictureEdit(group="overlay", name="logo", layer="logo"),
    PictureEdit(group="overlay", name="caption box", layer="caption"),
    PictureEdit(group="overlay", name="subtitles", layer="subtitles"),
    PictureEdit(group="overlay", name="stickers", layer="stickers"),
    _crop(10),
    _crop(30),
    _crop(50),
    PictureEdit(group="geometry", name="corner crop to 60 %", filters=f"crop=iw*0.6:ih*0.6:0:ih*0.4{_EVEN}"),
    PictureEdit(group="geometry", name="9:16 centre crop", filters=f"crop='min(iw,ih*9/16)':ih{_EVEN}"),
    PictureEdit(group="geometry", name="perspective", filters=_WARP),
    PictureEdit(group="geometry", name="mirror", filters="hflip"),
    PictureEdit(group="geometry", name="rotated 5°", filters="rotate=5*PI/180"),
    PictureEdit(group="geometry", name="rotated 180°", filters="hflip,vflip"),
    PictureEdit(group="geometry", name="stretched", filters="scale=trunc(iw*0.65)*2:trunc(ih*0.4)*2,setsar=1"),
    PictureEdit(group="geometry", name="letterbox", filters="scale=640:-2,pad=iw:ih*1.35:-1:-1"),
    PictureEdit(group="geometry", name="coloured border", filters="pad=iw*1.3:ih*1.3:-1:-1:color=0x3366cc" + _EVEN),
    PictureEdit(group="composite", name="picture-in-picture, half size", filters=_HALF_OVER.format(at="W-w-16:16")),
    PictureEdit(
        group="composite", name="screen in screen",
        filters=f"[t]scale=420:-2,{_WARP},gblur=sigma=0.7,eq=brightness=.06[s];"
        "[b][s]overlay=(W-w)/2:(H-h)/2:eof_action=endall",
    ),
    PictureEdit(
        group="composite", name="crop, mirror, colour, box, scale", layer="caption",
        filters="crop=iw*0.8:ih*0.8,hflip,eq=saturation=1.5:contrast=1.2,scale=480:-2",
    ),
    PictureEdit(
        group="composite", name="mirror, crop, box, re-encode", layer="caption", encode=_CRF_35,
        filters=f"hflip,crop=iw*0.7:ih*0.7{_EVEN}",
    ),
    _speed(0.5),
    _speed(0.8),
    _speed(1.25),
    _speed(2.0),
    PictureEdit(
        group="time", name="scenes in reversed order",
        takes=(Take(start_s=8, length_s=4), Take(start_s=4, length_s=4), Take(length_s=4)),
    ),
    PictureEdit(
        group="time", name="pieces cut out",
        takes=(Take(length_s=3), Take(start_s=4.5, length_s=3), Take(start_s=9, length_s=3)),
    ),
    PictureEdit(
        group="time", name="one piece twice",
        takes=(
            Take(start_s=2, length_s=4), Take(of=Of.OTHER, length_s=4), Take(start_s=2, length_s=4),
        ),
    ),
    PictureEdit(
        group="time", name="mash-up of three works",
        takes=(
            Take(start_s=1, length_s=4), Take(of=Of.SECOND, start_s=1, length_s=4),
            Take(of=Of.THIRD, start_s=1, length_s=4),
        ),
    ),
    _piece(3),
    _piece(5),
    _piece(10),
    _inside(3),
    _inside(5),
    _inside(10),
)  # fmt: skip

# What an unregistered clip is put through, to see that it is found nowhere.
NEGATIVE_EDITS = tuple(
    edit
    for edit in PICTURE_EDITS
    if edit.name in {
        "crf 18", "blur", "dark", "crop 50 %", "9:16 centre crop", "mirror", "letterbox", "caption box", "stretched",
        "picture-in-picture, half size", "speed 0.5x",
    }
)  # fmt: skip
