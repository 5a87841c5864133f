"""What is asked of every system: which clips are registered, and edited copies of them and of the rest.

Everything is chosen by rule from the clips' names, so every run measures the same. Sources are either
registered, one clip of each cluster, or not at all: what is not registered serves as background, as
surroundings, and as negatives that must be found nowhere.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.cache import content_of, digest
from benchmarks.edits import picture, sound, still
from benchmarks.edits.picture import Of, PictureEdit, Shot
from benchmarks.edits.sound import Surroundings, Track
from benchmarks.edits.truth import Edited, Piece
from benchmarks.media import Clip, Kind
from fingerprinting.model import ItemNumber, Modality

UNREGISTERED = "not registered"
_LEAST_SHOT_S = 3.9
# Of every so many sources, one is left unregistered.
_UNREGISTERED_VIDEO, _UNREGISTERED_MUSIC = 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured: registered clips, and queries for each edit."""

    name: str
    videos: int
    tracks: int
    pictures: int
    per_picture_edit: int
    per_sound_edit: int


QUICK = Size(name="quick", videos=12, tracks=12, pictures=4, per_picture_edit=3, per_sound_edit=3)
USUAL = Size(name="usual", videos=25, tracks=30, pictures=8, per_picture_edit=10, per_sound_edit=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One registered file."""

    path: Path
    source: str
    modality: Modality
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """An edited file with its truth; `sources` are those of everything that is in it."""

    group: str
    edit: str
    modality: Modality
    path: Path
    pieces: tuple[Piece, ...]
    sources: frozenset[str]

    @property
    def works(self) -> set[ItemNumber]:
        return {piece.item for piece in self.pieces}


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Works and queries; `run` names what is measured: two runs of one name measure the same."""

    run: str
    works: dict[ItemNumber, Work]
    queries: list[Query]

    def summary(self) -> str:
        minutes = sum(work.duration_s for work in self.works.values()) / 60
        counts = {modality: sum(work.modality is modality for work in self.works.values()) for modality in Modality}
        copies = sum(bool(query.pieces) for query in self.queries)
        return (
            f"Run `{self.run}`. Registered: {counts[Modality.VIDEO]} videos and pictures,"
            f" {counts[Modality.AUDIO]} tracks of music, {minutes:.0f} minutes. Asked: {copies} edited copies, and"
            f" {len(self.queries) - copies} edited files of which nothing is registered."
        )


@dataclass(frozen=True, slots=True)
class _Cast:
    """The clips by part, and what was made of them."""

    works: dict[ItemNumber, Work]
    shots: list[Shot]
    framed: list[Shot]
    others: list[Shot]
    tracks: list[Track]
    strange: list[Track]
    source_of: dict[Path, str]


def prepare(clips: Sequence[Clip], size: Size, say: Callable[[str], None]) -> Corpus:
    """Choose works and make every edited file that is not in the cache."""
    cast = _cast(clips, size)
    makers = [*_picture_queries(cast, size), *_still_queries(cast), *_sound_queries(cast, clips, size)]
    queries = []
    for done, make in enumerate(makers):
        if done % 100 == 0:
            say(f"{done} of {len(makers)} edited files")
        queries.append(make())
    files = [content_of(work.path) for work in cast.works.values()] + [query.path.stem for query in queries]
    return Corpus(run=f"{size.name}-{digest(*files)[:8]}", works=cast.works, queries=queries)


def _cast(clips: Sequence[Clip], size: Size) -> _Cast:
    registered, rest = _split([clip for clip in clips if clip.kind is Kind.VIDEO], _UNREGISTERED_VIDEO)
    musical, unmusical = _split([clip for clip in clips if clip.kind is Kind.MUSIC], _UNREGISTERED_MUSIC)
    cast = _Cast({}, [], [], [], [], [], {})
    for clip in registered[: size.videos]:
        item = _add(cast.works, clip.path, clip.source, Modality.VIDEO, clip.duration_s)
        if clip.duration_s >= _LEAST_SHOT_S:
            cast.shots.append(picture.shot(clip, item))
            cast.source_of[cast.shots[-1].path] = clip.source
    for clip in musical[: size.tracks]:
        item = _add(cast.works, clip.path, clip.source, Modality.AUDIO, clip.duration_s)
        cast.tracks.append(Track(clip=clip, item=item))
    long_enough = [clip for clip in rest if clip.duration_s >= _LEAST_SHOT_S]
    # What shows a registered picture is no background for anything else.
    framed = min(size.pictures, len(long_enough) // 3)
    for number, clip in enumerate(long_enough):
        shot = picture.shot(clip, None)
        (cast.framed if number < framed else cast.others).append(shot)
        cast.source_of[shot.path] = clip.source
    sounds = [clip for clip in clips if clip.kind in (Kind.SPEECH, Kind.OTHER_SOUND)]
    cast.strange.extend(Track(clip=clip, item=None) for clip in (*unmusical, *sounds))
    return cast


def _split(clips: Sequence[Clip], every: int) -> tuple[list[Clip], list[Clip]]:
    """Clips to register, the longest of each cluster first, and those of sources that are not registered."""
    sources = sorted({clip.source for clip in clips}, key=lambda source: zlib.crc32(source.encode()))
    left_out = set(sources[every - 1 :: every])
    longest: dict[str, Clip] = {}
    for clip in sorted(clips, key=lambda clip: (-clip.duration_s, clip.path.name)):
        longest.setdefault(clip.cluster, clip)
    ordered = sorted(longest.values(), key=lambda clip: zlib.crc32(clip.path.name.encode()))
    return [clip for clip in ordered if clip.source not in left_out], [c for c in ordered if c.source in left_out]


def _add(works: dict[ItemNumber, Work], path: Path, source: str, modality: Modality, duration_s: float) -> ItemNumber:
    item = ItemNumber(len(works))
    works[item] = Work(path=path, source=source, modality=modality, duration_s=duration_s)
    return item


def _picture_queries(cast: _Cast, size: Size) -> Iterator[Callable[[], Query]]:
    for edit in picture.PICTURE_EDITS:
        for shot in picture.chosen(cast.shots, edit, size.per_picture_edit):
            shots = _shots(cast, edit, shot)
            if shots is not None:
                yield partial(_picture_query, cast, edit.name, edit, shots)
    for edit in picture.NEGATIVE_EDITS:
        for shot in picture.chosen(cast.others, edit, 2 * size.per_picture_edit):
            shots = _shots(cast, edit, shot)
            if shots is not None:
                yield partial(_picture_query, cast, UNREGISTERED, edit, shots)


def _shots(cast: _Cast, edit: PictureEdit, copied: Shot) -> dict[Of, Shot] | None:
    """Everyone that an edit needs, or None where there are too few clips."""
    salt = f"{edit.name}{copied.path.stem}"
    beside = [shot for shot in cast.shots if _strangers(cast, shot, copied) and shot.length_s >= edit.least_s]
    beside = _shuffled(beside, salt)
    others = _shuffled([shot for shot in cast.others if _strangers(cast, shot, copied)], salt)
    parts = {
        Of.COPY: copied,
        **dict(zip((Of.SECOND, Of.THIRD), beside, strict=False)),
        **dict(zip((Of.OTHER,), others, strict=False)),
    }
    return {of: parts[of] for of in edit.needs} if edit.needs <= set(parts) else None


def _strangers(cast: _Cast, one: Shot, other: Shot) -> bool:
    return cast.source_of[one.path] != cast.source_of[other.path]


def _shuffled(shots: Sequence[Shot], salt: str) -> list[Shot]:
    return sorted(shots, key=lambda shot: zlib.crc32(f"{salt}{shot.path.stem}".encode()))


def _picture_query(cast: _Cast, name: str, edit: PictureEdit, shots: dict[Of, Shot]) -> Query:
    edited = edit.apply(shots)
    return _query(edit.group, name, Modality.VIDEO, edited, {cast.source_of[shot.path] for shot in shots.values()})


def _still_queries(cast: _Cast) -> Iterator[Callable[[], Query]]:
    """Pictures are frames of clips that are not registered, shown in others of those."""
    for shot in cast.framed:
        path, source = still.still(shot), cast.source_of[shot.path]
        hosts = _shuffled([other for other in cast.others if _strangers(cast, other, shot)], shot.path.stem)
        if not hosts:
            return
        item = _add(cast.works, path, source, Modality.VIDEO, 0.0)
        for edit, host in zip(still.STILL_EDITS, hosts * len(still.STILL_EDITS), strict=False):
            yield partial(_still_query, cast, edit, path, item, source, host)


def _still_query(cast: _Cast, edit: still.StillEdit, path: Path, item: ItemNumber, source: str, host: Shot) -> Query:
    sources = {source} | ({cast.source_of[host.path]} if edit.shown_s else set())
    return _query(edit.group, edit.name, Modality.VIDEO, edit.apply(path, item, host), sources)


def _sound_queries(cast: _Cast, clips: Sequence[Clip], size: Size) -> Iterator[Callable[[], Query]]:
    speech = tuple(clip for clip in clips if clip.kind is Kind.SPEECH)
    hosts = [track.clip for track in cast.strange if track.clip.duration_s >= _LEAST_SHOT_S]
    backgrounds = cast.others or cast.shots
    for edits, tracks, count in (
        (sound.SOUND_EDITS, cast.tracks, size.per_sound_edit),
        (sound.NEGATIVE_EDITS, cast.strange, 2 * size.per_sound_edit),
    ):
        for edit in edits:
            wants_speech = edit.mixed in (sound.Mixed.BABBLE, sound.Mixed.NARRATION)
            if (wants_speech and not speech) or (edit.inside and not hosts) or not backgrounds:
                continue
            for number, (track, place) in enumerate(sound.chosen(tracks, edit, count)):
                around = Surroundings(
                    picture=_shuffled(backgrounds, f"{edit.name}{number}")[0],
                    speech=speech
                    if track.clip.kind is not Kind.SPEECH
                    else tuple(c for c in speech if c != track.clip),
                    other=hosts[zlib.crc32(f"{edit.name}{number}".encode()) % len(hosts)] if hosts else track.clip,
                )
                yield partial(_sound_query, cast, edit, track, place, around)


def _sound_query(cast: _Cast, edit: sound.SoundEdit, track: Track, place: float, around: Surroundings) -> Query:
    sources = {track.clip.source, around.other.source, cast.source_of[around.picture.path]}
    name = edit.name if track.item is not None else UNREGISTERED
    return _query(edit.group, name, Modality.AUDIO, edit.apply(track, place, around), sources)


def _query(group: str, name: str, modality: Modality, edited: Edited, sources: set[str]) -> Query:
    return Query(
        group=UNREGISTERED if name == UNREGISTERED else group,
        edit=name,
        modality=modality,
        path=edited.path,
        pieces=edited.pieces,
        sources=frozenset(sources),
    )
