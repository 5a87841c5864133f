"""Recovery: edited releases, whose credentials are gone, are led back to the release that they came from.

Releases are stored as the service stores them: what a check sees of a clip, thinned, in a SQLite database, with the
index engine over it. Each edit is asked as a verification asks. Nothing of a file but its picture and sound is looked
at: no edit keeps the bytes that were released.
"""

import hashlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from api.service import upgrade_database
from benchmarks import cache, ffmpeg, stretches
from benchmarks.media import Clip, NoMedia, find_clips
from benchmarks.report import Report, percent, table
from benchmarks.stretches import LENGTH_S, Piece
from benchmarks.systems import arrays_of, clearmark, embedder, fingerprint_in
from fingerprinting.extract import extract_output, extract_query
from fingerprinting.index.embedded import embedded_index
from fingerprinting.model import Algorithm, Segment
from registry import recovery as registry_recovery
from registry.database import Database
from registry.domain.identifiers import Prefix, new_id
from registry.index import IndexEngine, store_item
from registry.models import Check, Corpus, Holder, Release

_RELEASES, _EDITED = 500, 50
_QUICK_RELEASES, _QUICK_EDITED = 90, 6
_SEED = 7
_PROCESSES = 2
_TIMEOUT_S = 30
_AT = datetime(2026, 1, 1, tzinfo=UTC)
_RIGHT_SHARE = 0.95  # at least, of each edit

_ENCODED = (
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-pix_fmt",
    "yuv420p",
    "-threads",
    1,
    "-c:a",
    "aac",
    "-b:a",
    "96k",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    """ffmpeg's options from a release's file to an edit of it."""

    name: str
    options: tuple[object, ...]
    suffix: str = ".mp4"
    before: tuple[object, ...] = ()


_EDITS = (
    _Edit(name="another container (mkv), copied", options=("-c", "copy"), suffix=".mkv"),
    _Edit(name="encoded anew, crf 35", options=(*_ENCODED, "-crf", 35)),
    _Edit(name="240 lines", options=("-vf", "scale=-2:240", *_ENCODED, "-crf", 23)),
    _Edit(
        name="cropped by 20 % of each side",
        options=("-vf", "crop=trunc(iw*0.4)*2:trunc(ih*0.4)*2", *_ENCODED, "-crf", 23),
    ),
    _Edit(name="5 s of the middle", before=("-ss", 2.5, "-t", 5), options=(*_ENCODED, "-crf", 23)),
    _Edit(name="the sound track alone", options=("-vn", "-c:a", "copy"), suffix=".m4a"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """A release that an answer lists, by its piece's number."""

    number: int
    strength: float
    similarity_0_1: float
    segments: tuple[Segment, ...]

    def by_algorithm(self) -> str:
        """Where each algorithm saw it: seconds of the file, seconds of the release, how alike."""
        longest = {
            segment.algorithm: segment for segment in sorted(self.segments, key=lambda segment: segment.query_length_s)
        }
        return "; ".join(
            f"{algorithm} {one.query_start_s:.1f}–{one.query_end_s:.1f} s is {one.reference_start_s:.1f}"
            f"–{one.reference_end_s:.1f} s, {one.score_0_1:.2f}"
            for algorithm, one in sorted(longest.items())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One edit of one piece and the releases that it was led back to, the first first.

    Attributes:
        unsure: segments of its release that are alike and no more, so that they do not count.
    """

    edit: str
    piece: Piece
    listed: tuple[_Listed, ...]
    unsure: int
    looked_s: float
    led_back_s: float

    @property
    def is_right(self) -> bool:
        return bool(self.listed) and self.listed[0].number == self.piece.number

    @property
    def is_listed(self) -> bool:
        return any(one.number == self.piece.number for one in self.listed)

    @property
    def others(self) -> list[_Listed]:
        return [one for one in self.listed if one.number != self.piece.number]


def recovery(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:
    """Measure and tell."""
    wanted, edited = (_QUICK_RELEASES, _QUICK_EDITED) if quick else (_RELEASES, _EDITED)
    chosen = stretches.pieces([*clips, *_in_wheels()], wanted)
    real = [piece for piece in chosen if piece.is_real]
    if len(real) < edited:
        raise NoMedia(
            f"Recovery needs {edited} stretches of {LENGTH_S:.0f} s with picture and sound; here are {len(real)}."
        )
    drawn = np.random.default_rng(_SEED).choice(len(real), edited, replace=False)
    edits = [(real[place], edit) for place in sorted(drawn) for edit in _EDITS]
    version = clearmark()[0].version
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'clearmark.db'}"
        upgrade_database(url)
        work = [(piece, version) for piece in chosen]
        with _processes() as pool:
            stored = []
            for done, made in enumerate(pool.map(_fingerprinted, work, chunksize=2)):
                stored.append(made)
                if done % 100 == 0:
                    say(f"{done} of {wanted} releases")
        numbers = _store(url, chosen, stored)
        with _processes(url, numbers) as pool:
            asked = []
            for done, answer in enumerate(pool.map(_asked, edits)):
                asked.append(answer)
                if done % 50 == 0:
                    say(f"{done} of {len(edits)} edits")
    return _report(chosen, asked, clips)


def _in_wheels() -> list[Clip]:
    try:
        return find_clips(None)
    except NoMedia:
        return []


# -- releases ------------------------------------------------------------------------------------


def _fingerprinted(work: tuple[Piece, str]) -> tuple[str, cache.Arrays]:
    """In a process of its own: the SHA-256 of a release's file, and what a check sees of it."""
    piece, version = work
    path = stretches.make(piece)
    found = cache.arrays(
        cache.digest("release", path.stem, version),
        lambda: arrays_of(extract_output(path, embedder=embedder(threads=1)).fingerprint),
    )
    return _sha256(path), found


def _store(url: str, chosen: Sequence[Piece], stored: Sequence[tuple[str, cache.Arrays]]) -> dict[str, int]:
    """Put a release on record for each piece; the pieces' numbers by the releases' ids."""
    database, numbers = Database(url), dict[str, int]()
    with database.transaction() as session:
        holder = Holder(
            id=new_id(Prefix.HOLDER, at=_AT), name="A maker", name_key="a maker", assurance="vetted", created_at=_AT
        )
        session.add(holder)
        session.flush()
        for piece, (sha256, arrays) in zip(chosen, stored, strict=True):
            check = Check(
                id=new_id(Prefix.CHECK, at=_AT), holder_id=holder.id, status="done", sha256=sha256, context={},
                created_at=_AT, expires_at=_AT,
            )  # fmt: skip
            session.add(check)
            session.flush()
            release = _release(check, piece, sha256)
            session.add(release)
            session.flush()
            store_item(session, Corpus.RELEASES, release.id, fingerprint_in(arrays, Algorithm), at=_AT)
            numbers[release.id] = piece.number
    database.dispose()
    return numbers


def _release(check: Check, piece: Piece, sha256: str) -> Release:
    return Release(
        id=new_id(Prefix.RELEASE, at=_AT), holder_id=check.holder_id, check_id=check.id, state="signed",
        title=piece.name, media_type="video/mp4", source_sha256=sha256, sha256=sha256, size_bytes=0, blob_key=check.id,
        manifest_id=f"urn:c2pa:{piece.number}", manifest={}, created_at=_AT,
    )  # fmt: skip


# -- edits ---------------------------------------------------------------------------------------


class _Ready:
    """What a process that asks has at hand; set once, when it starts."""

    database: Database
    engine: IndexEngine
    numbers: dict[str, int]


def _processes(url: str | None = None, numbers: dict[str, int] | None = None) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        _PROCESSES, multiprocessing.get_context("spawn"), initializer=_get_ready, initargs=(url, numbers or {})
    )


def _get_ready(url: str | None, numbers: dict[str, int]) -> None:
    if url is not None:
        _Ready.database, _Ready.engine, _Ready.numbers = Database(url), IndexEngine(make_index=embedded_index), numbers
        with _Ready.database.reading() as session:
            _Ready.engine.catch_up(session, timeout_s=600)


def _asked(work: tuple[Piece, _Edit]) -> _Asked:
    piece, edit = work
    path = _edited(piece, edit)
    begun = time.perf_counter()
    seen = extract_query(path, embedder=embedder(threads=1))
    looked = time.perf_counter()
    with _Ready.database.reading() as session:
        answer = _Ready.engine.search(
            session, Corpus.RELEASES, seen.fingerprint, timeout_s=_TIMEOUT_S, glance=seen.glance
        )
        found = registry_recovery.recover(session, _sha256(path), answer)
        listed = tuple(
            _Listed(
                number=_Ready.numbers[one.release.id],
                strength=one.strength,
                similarity_0_1=one.similarity_0_1,
                segments=tuple(one.segments),
            )
            for one in found
        )
    numbers = [_Ready.numbers[answer.subjects[one.item]] for one in answer.segments if not one.confirmed]
    done = time.perf_counter()
    return _Asked(
        edit=edit.name,
        piece=piece,
        listed=listed,
        unsure=numbers.count(piece.number),
        looked_s=looked - begun,
        led_back_s=done - looked,
    )


def _edited(piece: Piece, edit: _Edit) -> Path:
    release = stretches.make(piece)
    name = cache.digest("recovery 1", release.stem, *edit.before, *edit.options)

    def make(to: Path) -> None:
        ffmpeg.run(*edit.before, "-i", release, *edit.options, to)

    return cache.media(name, edit.suffix, make)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- telling -------------------------------------------------------------------------------------

_HOW = f"""
{{releases}} releases of {LENGTH_S:.0f} s, no two of the same stretch: {{own}} of recorded pictures with their own
sound, {{paired}} of recorded pictures without sound under other recorded sound, {{heard}} of recorded sound alone, and
{{made}} whose moving pictures and sound ffmpeg made. The media set is `{{media}}`, {{clips}} clips. {{edited}} of those
with a recorded picture and sound, drawn with a seed, {{drawn_own}} of them with their own sound, are edited in six
ways, and each edit is led back through the index engine on SQLite.

*Right* is an edit whose release stands first, *wrong first* one before which another release stands, *missed* one
without its release in the answer. *Others listed* are releases besides it that are said to be where a file came from:
*strangers*, and those *of one source* with it, where another take may look the same and a tune comes again. At least
{percent(_RIGHT_SHARE)} of each edit are to be right, and no stranger listed.
""".strip()


def _report(chosen: Sequence[Piece], asked: Sequence[_Asked], clips: Sequence[Clip]) -> Report:
    edited = {one.piece.number: one.piece for one in asked}
    how = _HOW.format(
        releases=len(chosen),
        own=sum(piece.has_own_sound for piece in chosen),
        paired=sum(piece.is_real and not piece.has_own_sound for piece in chosen),
        heard=sum(piece.picture is None and not piece.is_made for piece in chosen),
        made=sum(piece.is_made for piece in chosen),
        media=cache.digest(*sorted(cache.content_of(clip.path) for clip in clips))[:8],
        clips=len(clips),
        edited=len(edited),
        drawn_own=sum(piece.has_own_sound for piece in edited.values()),
    )
    by_number = {piece.number: piece for piece in chosen}
    headings = ("edit", "asked", "right", "wrong first", "missed", "strangers listed", "of one source listed")
    rows = [_row(edit.name, [one for one in asked if one.edit == edit.name], by_number) for edit in _EDITS]
    share = statistics.median(one.led_back_s / (one.looked_s + one.led_back_s) for one in asked)
    body = f"""{how}

{table(headings, [*rows, _row("all", asked, by_number)])}

Searching and leading back take {percent(share)} of the time of a question, the median; the rest is reading the file.

## Missed, or behind another release

{_told(("release", "edit", "what stands first", "by"), _not_right(asked, by_number))}

## Strangers that are listed

With each algorithm's longest stretch: where in the file, where in the stranger, and how alike.

{_told(("release", "stranger", "in edits", "first in", "by"), _others(asked, by_number, are_strange=True))}

## Others of one source that are listed

{_told(("release", "other", "in edits", "first in", "by"), _others(asked, by_number, are_strange=False))}
"""
    return Report(title="Recovery", body=body, figures={"asked": [_figures(one, by_number) for one in asked]})


def _row(name: str, asked: Sequence[_Asked], by_number: dict[int, Piece]) -> list[str]:
    strangers = [_strangers(one, by_number) for one in asked]
    return [
        name,
        str(len(asked)),
        percent(statistics.mean(one.is_right for one in asked)),
        str(sum(bool(one.listed) and not one.is_right for one in asked)),
        str(sum(not one.is_listed for one in asked)),
        str(sum(map(len, strangers))),
        str(sum(len(one.others) - len(strange) for one, strange in zip(asked, strangers, strict=True))),
    ]


def _strangers(one: _Asked, by_number: dict[int, Piece]) -> list[_Listed]:
    """Listed releases that share no source with what was asked."""
    return [other for other in one.others if not by_number[other.number].sources & one.piece.sources]


def _told(headings: Sequence[str], rows: Iterator[list[str]]) -> str:
    found = list(rows)
    return table(headings, found) if found else "None."


def _not_right(asked: Sequence[_Asked], by_number: dict[int, Piece]) -> Iterator[list[str]]:
    for one in asked:
        if not one.is_right:
            first = by_number[one.listed[0].number].name if one.listed else "nothing"
            by = one.listed[0].by_algorithm() if one.listed else f"{one.unsure} unconfirmed segments of its release"
            yield [one.piece.name, one.edit, first, by]


def _others(asked: Sequence[_Asked], by_number: dict[int, Piece], *, are_strange: bool) -> Iterator[list[str]]:
    """Each other release that some edits of one were led back to, with where the longest of them saw it."""
    pairs: dict[tuple[str, str], list[tuple[int, _Listed]]] = {}
    for one in asked:
        strangers = _strangers(one, by_number)
        for other in one.others:
            if (other in strangers) == are_strange:
                pair = one.piece.name, by_number[other.number].name
                pairs.setdefault(pair, []).append((one.listed.index(other), other))
    for pair, seen in pairs.items():
        longest = max((other for _, other in seen), key=lambda other: other.strength)
        yield [*pair, str(len(seen)), str(sum(place == 0 for place, _ in seen)), longest.by_algorithm()]


def _figures(one: _Asked, by_number: dict[int, Piece]) -> dict[str, object]:
    return {
        "piece": one.piece.name,
        "edit": one.edit,
        "is_right": one.is_right,
        "listed": [
            {
                "piece": by_number[other.number].name,
                "is_asked": other.number == one.piece.number,
                "strength": round(other.strength, 3),
                "similarity_0_1": round(other.similarity_0_1, 4),
            }
            for other in one.listed
        ],
        "looked_s": round(one.looked_s, 3),
        "led_back_s": round(one.led_back_s, 3),
    }
