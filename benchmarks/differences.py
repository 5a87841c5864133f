"""What was changed: edits whose changes are known, and what `fingerprinting.differences` says of them.

Excerpts of clips are the releases; each edit is a file made of one of them, and its truth stands beside it. A
difference is right when it is of the kind that was made and both ends are within 0.75 s, on the side that has it.
Everything is asked twice: with the network, and with hashes alone. A clip without sound is given a track of music.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks import cache, ffmpeg
from benchmarks.media import Clip, Kind, NoMedia
from benchmarks.report import Report, table
from benchmarks.systems import embedder
from fingerprinting.differences import Change, Difference, differences
from fingerprinting.extract import Extracted, extract, extract_query
from fingerprinting.index.embedded import embedded_index
from fingerprinting.index.protocol import FingerprintIndex
from fingerprinting.layout import thinned
from fingerprinting.match import Reference, find_copies
from fingerprinting.model import Algorithm, Fingerprint, ItemNumber

_LENGTH_S, _NEAR_S = 12.0, 0.75
_CLIPS, _QUICK_CLIPS = 10, 3
# A sound track that never is louder, full scale being 1, is none.
_SILENT = 0.005
_FILLED = "scale=640:360:force_original_aspect_ratio=increase,crop=640:360,setsar=1,fps=25"
_VIDEO = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-crf")
_SOUND = ("-c:a", "aac", "-b:a", "96k")

_HOW = """
*Right* are changes that were told with both ends within 0.75 s, *elsewhere* those told of the right kind with an end
farther off, *missed* those not told, *false* what was told besides.
""".strip()

_NETWORK = frozenset({Algorithm.VIDEO_SSCD_V1})

# A change and where it is: in the release where something is missing, in the file otherwise.
type Truth = tuple[Change, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    """ffmpeg's filters from [0:v] and [0:a], the release, and [1:v] and [1:a], another clip, to [v] and [a].

    Attributes:
        crf, sound: how it is encoded; no crf means without a picture, no sound without a sound track.
    """

    name: str
    picture: str = "[0:v]null[v]"
    heard: str = "[0:a]anull[a]"
    crf: int | None = 23
    sound: tuple[str, ...] = _SOUND
    truth: tuple[Truth, ...] = ()

    def apply(self, release: Path, other: Path) -> Path:
        """Make the edited file, or find it in the cache."""
        name = cache.digest("differences 1", self, cache.content_of(release), cache.content_of(other))
        return cache.media(name, ".mp4", lambda path: self._make(release, other, path))

    def _make(self, release: Path, other: Path, path: Path) -> None:
        graphs = [*[self.picture] * (self.crf is not None), *[self.heard] * bool(self.sound)]
        outs: list[object] = ["-map", "[v]", *_VIDEO, self.crf] if self.crf is not None else []
        outs += ["-map", "[a]", *self.sound] if self.sound else []
        ffmpeg.run("-i", release, "-i", other, "-filter_complex", ";".join(graphs), *outs, path)


def _joined(stream: str, *parts: tuple[int, float, float]) -> str:
    """Parts (input, start, end) of the clips one after another, as filters of picture "v" or of sound "a"."""
    kind, flags = ("", "v=1:a=0") if stream == "v" else ("a", "v=0:a=1")
    cut = "".join(
        f"[{of}:{stream}]{kind}trim={start}:{end},{kind}setpts=PTS-STARTPTS[{stream}{i}];"
        for i, (of, start, end) in enumerate(parts)
    )
    return cut + "".join(f"[{stream}{i}]" for i in range(len(parts))) + f"concat=n={len(parts)}:{flags}"


def _other_picture(start_s: float, end_s: float) -> str:
    return f"[0:v][1:v]overlay=enable='between(t,{start_s},{end_s - 0.01})'"


_CROPPED = "crop=iw*0.8:ih*0.8,scale=trunc(iw/2)*2:trunc(ih/2)*2"
_BOX = "drawbox=x=iw*.2:y=ih*.2:w=iw*.6:h=ih*.6:color=red:t=fill:enable='between(t,5,7.99)'"
_PICTURE, _HEARD, _WHOLE = Change.ALTERED_PICTURE, Change.ALTERED_SOUND, (0.0, _LENGTH_S)
_CUT, _PUT_IN = ((0, 0, 5), (0, 8, 12)), ((0, 0, 6), (1, 4, 7), (0, 6, 12))
_OTHER_SOUND = (
    "[0:a]volume=0:enable='between(t,5,7.99)'[m];[1:a]volume=0:enable='lt(t,5)+gte(t,8)'[o];"
    "[m][o]amix=inputs=2:duration=first:normalize=0[a]"
)

_EDITS = (
    _Edit(name="crf 23"),
    _Edit(name="crf 35", crf=35),
    _Edit(name="240 lines", picture="[0:v]scale=-2:240[v]"),
    _Edit(name="crop 20 %", picture=f"[0:v]{_CROPPED}[v]"),
    _Edit(name="letterbox", picture="[0:v]pad=iw:ih*1.35:-1:-1[v]"),
    _Edit(name="small logo", picture="[0:v]drawbox=x=iw*.86:y=ih*.05:w=iw*.08:h=ih*.1:color=red:t=fill[v]"),
    _Edit(name="grade and mirror", picture="[0:v]hflip,eq=contrast=1.25:saturation=1.4:gamma=.8[v]"),
    _Edit(name="picture-in-picture, half size", picture="[0:v]scale=320:180[s];[1:v][s]overlay=W-w-16:16[v]"),
    _Edit(name="mp3 at 32k", sound=("-c:a", "libmp3lame", "-b:a", "32k")),
    _Edit(name="3 s cut out", picture=_joined("v", *_CUT) + "[v]", heard=_joined("a", *_CUT) + "[a]",
          truth=((Change.MISSING, 5, 8),)),
    _Edit(name="3 s cut out, crop 20 %, crf 35", crf=35, truth=((Change.MISSING, 5, 8),),
          picture=f"{_joined('v', *_CUT)},{_CROPPED}[v]", heard=_joined("a", *_CUT) + "[a]"),
    _Edit(name="3 s of another clip inserted", truth=((Change.INSERTED, 6, 9),),
          picture=_joined("v", *_PUT_IN) + "[v]", heard=_joined("a", *_PUT_IN) + "[a]"),
    _Edit(name="first 5 s only", truth=((Change.MISSING, 5, 12),),
          picture="[0:v]trim=0:5[v]", heard="[0:a]atrim=0:5[a]"),
    _Edit(name="box over 36 % for 3 s", picture=f"[0:v]{_BOX}[v]", truth=((_PICTURE, 5, 8),)),
    _Edit(name="other picture for 3 s", picture=f"{_other_picture(5, 8)}[v]", truth=((_PICTURE, 5, 8),)),
    _Edit(name="other picture for 2 s", picture=f"{_other_picture(5, 7)}[v]", truth=((_PICTURE, 5, 7),)),
    _Edit(name="other picture for 3 s, crop 20 %, crf 35", crf=35, truth=((_PICTURE, 5, 8),),
          picture=f"{_other_picture(5, 8)},{_CROPPED}[v]"),
    _Edit(name="black for 3 s", truth=((_PICTURE, 5, 8),),
          picture="[0:v]drawbox=color=black:t=fill:enable='between(t,5,7.99)'[v]"),
    _Edit(name="other sound for 3 s", heard=_OTHER_SOUND, truth=((_HEARD, 5, 8),)),
    _Edit(name="mute for 3 s", heard="[0:a]volume=0:enable='between(t,5,7.99)'[a]", truth=((_HEARD, 5, 8),)),
    _Edit(name="other sound throughout", heard="[1:a]anull[a]", truth=((_HEARD, *_WHOLE),)),
    _Edit(name="no sound track", sound=(), truth=((_HEARD, *_WHOLE),)),
    _Edit(name="sound alone", crf=None, truth=((_PICTURE, *_WHOLE),)),
    _Edit(name="other picture throughout", picture="[1:v]null[v]", truth=((_PICTURE, *_WHOLE),)),
)  # fmt: skip


def what_changed(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:
    """Measure and tell."""
    releases = [_release(clip, clips) for clip in _chosen(clips, _QUICK_CLIPS if quick else _CLIPS)]
    if len(releases) < 2:
        raise NoMedia(f"Differences need two clips of {_LENGTH_S:.0f} s.")
    network = embedder()
    systems = [*[_System(name="network")] * (network is not None), _System(name="hashes", left_out=_NETWORK)]
    for item, release in enumerate(releases):
        made = extract(release, embedder=network).fingerprint
        for system in systems:
            system.register(ItemNumber(item), made)
    tallies = {(edit.name, system.name): _Tally() for edit in _EDITS for system in systems}
    for item, release in enumerate(releases):
        say(f"{item} of {len(releases)} releases")
        for edit in _EDITS:
            looked = extract_query(edit.apply(release, releases[(item + 1) % len(releases)]), embedder=network)
            for system in systems:
                tallies[edit.name, system.name].count(edit.truth, system.ask(ItemNumber(item), looked))
    rows = [[*name, *tally.cells] for name, tally in tallies.items()]
    body = f"{len(releases)} releases of {_LENGTH_S:.0f} s.\n\n{_HOW}\n\n{table(_HEADINGS, rows)}"
    return Report(title="What was changed", body=body, figures={"rows": rows})


_HEADINGS = ("edit", "by", "files", "changes", "right", "elsewhere", "missed", "false")


def _chosen(clips: Sequence[Clip], count: int) -> list[Clip]:
    """One clip of each source that is long enough, those with sound first."""
    ordered = sorted(clips, key=lambda clip: (not clip.has_audio, zlib.crc32(clip.path.name.encode())))
    firsts: dict[str, Clip] = {}
    for clip in ordered:
        if clip.kind is Kind.VIDEO and clip.duration_s >= _LENGTH_S:
            firsts.setdefault(clip.source, clip)
    return list(firsts.values())[:count]


def _release(clip: Clip, clips: Sequence[Clip]) -> Path:
    """The middle of a clip; under one that is silent lies music."""
    start_s = round((clip.duration_s - _LENGTH_S) * 0.4, 2)
    heard, heard_s = clip, start_s
    music = [one for one in clips if one.kind is Kind.MUSIC and one.duration_s >= 2 * _LENGTH_S]
    if music and (not clip.has_audio or _is_silent(clip.path, start_s)):
        heard, heard_s = music[zlib.crc32(clip.path.name.encode()) % len(music)], _LENGTH_S

    def make(path: Path) -> None:
        ffmpeg.run(
            "-ss", start_s, "-t", _LENGTH_S, "-i", clip.path, "-ss", heard_s, "-t", _LENGTH_S, "-i", heard.path,
            "-map", "0:V:0", "-map", "1:a:0", "-vf", _FILLED, "-ac", 2, "-ar", 44_100, "-af", "apad", "-t", _LENGTH_S,
            *_VIDEO, 16, "-c:a", "aac", "-b:a", "160k", path,
        )  # fmt: skip

    content = cache.content_of(clip.path), cache.content_of(heard.path)
    return cache.media(cache.digest("differences release 1", *content, start_s, heard_s), ".mp4", make)


def _is_silent(path: Path, start_s: float) -> bool:
    return float(np.abs(ffmpeg.samples(path, start_s=start_s, length_s=_LENGTH_S)).max(initial=0)) < _SILENT


@dataclass(slots=True, kw_only=True)
class _System:
    """The library, with all algorithms or without some."""

    name: str
    left_out: frozenset[Algorithm] = frozenset()
    references: dict[ItemNumber, Reference] = field(default_factory=dict)
    indexes: Mapping[Algorithm, FingerprintIndex] = field(
        default_factory=lambda: {algorithm: embedded_index(algorithm) for algorithm in Algorithm}
    )

    def register(self, item: ItemNumber, made: Fingerprint) -> None:
        kept = replace(made, descriptors=tuple(map(thinned, self._of(made).descriptors)))
        self.references[item] = Reference(item=item, fingerprint=kept)
        for descriptors in kept.descriptors:
            self.indexes[descriptors.algorithm].add(item, descriptors)

    def ask(self, item: ItemNumber, looked: Extracted) -> list[Difference]:
        query, glance = self._of(looked.fingerprint), None if self.left_out else looked.glance
        segments = find_copies(query, self.indexes, reference_of=self.references.get, glance=glance)
        mine = [segment for segment in segments if segment.item == item]
        return differences(query, self.references[item].fingerprint, mine)

    def _of(self, fingerprint: Fingerprint) -> Fingerprint:
        kept = tuple(one for one in fingerprint.descriptors if one.algorithm not in self.left_out)
        return replace(fingerprint, descriptors=kept)


@dataclass(slots=True)
class _Tally:
    """What was told of the files of one edit."""

    files: int = 0
    changes: int = 0
    right: int = 0
    elsewhere: int = 0
    false: int = 0

    def count(self, truth: Sequence[Truth], told: Sequence[Difference]) -> None:
        left = list(told)
        self.files += 1
        self.changes += len(truth)
        for true in truth:
            same = [one for one in left if one.change is true[0]]
            best = min(same, key=lambda one: _off_s(one, true), default=None)
            if best is None:
                continue
            left.remove(best)
            self.right += _off_s(best, true) <= _NEAR_S
            self.elsewhere += _off_s(best, true) > _NEAR_S
        self.false += len(left)

    @property
    def cells(self) -> list[str]:
        missed = self.changes - self.right - self.elsewhere
        return [str(n) for n in (self.files, self.changes, self.right, self.elsewhere, missed, self.false)]


def _off_s(told: Difference, true: Truth) -> float:
    """How far off the worse of the two ends is."""
    change, start_s, end_s = true
    ends = (told.reference_start_s, told.reference_end_s)
    if change is not Change.MISSING:
        ends = (told.query_start_s, told.query_end_s)
    return max(abs(ends[0] - start_s), abs(ends[1] - end_s))
