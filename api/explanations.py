"""Explanations: the evidence behind a check's matches, as values for pages, and as one page that stands on its own.

A job looks at the media once, after the verdict, and keeps the pictures beside the check; what is shown is put
together when it is asked for, so that nobody sees more than is theirs to see. On the page that stands on its own,
everything that somebody typed is escaped, and it loads nothing and runs nothing.
"""

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.page import document
from api.service import Service
from fingerprinting.explain import MOST_BYTES, Explanation, Wave, explain, plot
from fingerprinting.model import Algorithm, ItemNumber, Segment
from registry.access import Actor
from registry.domain.policy import Doubt
from registry.matches import may_see_reference, title_seen_by
from registry.models import Asset, AssetStatus, Check, ExplanationStatus, Match, Work

# Looked at of one check: the longest of each kind.
_MOST_SEGMENTS = 4
_WHY_NOT = {
    ExplanationStatus.WAITING: "Pictures are being made. Ask again in a few seconds.",
    ExplanationStatus.FAILED: "No pictures could be made.",
    ExplanationStatus.FORGOTTEN: "The pictures were deleted after their time.",
}


def make(service: Service, check: Check, matches: Sequence[Match], media: Mapping[str, str]) -> bytes:
    """Look at the longest matches of a check; returns what is kept.

    Args:
        media: blob keys by asset, of those whose file is at hand.
    """
    kept: dict[str, Any] = {}
    size_bytes = 0
    with contextlib.ExitStack() as stack:
        query = _opened(stack, service, check.blob_key)
        for match in _longest(matches):
            reference = _opened(stack, service, media.get(match.asset_id))
            seen = explain(segment_of(match), query=query, reference=reference, limits=service.decode_limits)
            size_bytes += seen.size_bytes
            if size_bytes > MOST_BYTES:
                break
            kept[str(match.position)] = _written(seen)
    return json.dumps(kept).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPair:
    """One moment of a match on both sides; pictures are JPEGs in base64, None where there is none to show."""

    query_s: float
    reference_s: float
    query: str | None
    reference: str | None
    query_wave: Wave | None
    reference_wave: Wave | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMatch:
    """A match with its pictures, as far as they are for who looks.

    Attributes:
        sees_reference: whether the pictures of the work are for them.
        offset_s: how much later it is in the work than in the clip.
        speed: how many times as fast the work runs beside the clip; None of a still.
    """

    match: Match
    asset: Asset
    pairs: tuple[ShownPair, ...]
    sees_reference: bool

    @property
    def offset_s(self) -> float:
        return self.match.reference_start_s - self.match.query_start_s

    @property
    def speed(self) -> float | None:
        length_s = self.match.query_end_s - self.match.query_start_s
        reference_s = self.match.reference_end_s - self.match.reference_start_s
        return reference_s / length_s if length_s and reference_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownWork:
    """A work with what matches it, longest first.

    Attributes:
        title: what who looks may call it.
        duration_s: of its longest file that matches.
    """

    work: Work
    title: str
    matches: tuple[ShownMatch, ...]

    @property
    def duration_s(self) -> float:
        return max((one.asset.duration_s or 0.0 for one in self.matches), default=0.0)


def kept(service: Service, check: Check) -> bytes | None:
    """What was kept to explain a check; None when there is nothing, or nothing any more."""
    if check.explanation_key is None:
        return None
    try:
        with service.blobs.open(check.explanation_key) as path:
            return path.read_bytes()
    except FileNotFoundError:
        return None


def shown(session: Session, actor: Actor, check: Check, content: bytes | None) -> list[ShownWork]:
    """The matches of a check by work, with those pictures that the actor may see."""
    pictures: dict[str, Any] = json.loads(content) if content else {}
    ids = {match.asset_id for match in check.matches}
    assets = {asset.id: asset for asset in session.scalars(sa.select(Asset).where(Asset.id.in_(ids)))}
    by_work: dict[str, list[ShownMatch]] = {}
    for match in check.matches:
        asset = assets[match.asset_id]
        sees = asset.status != AssetStatus.WITHDRAWN and may_see_reference(actor, asset.work)
        pairs = tuple(_pair(said, sees_reference=sees) for said in pictures.get(str(match.position), []))
        one = ShownMatch(match=match, asset=asset, pairs=pairs, sees_reference=sees)
        by_work.setdefault(asset.work_id, []).append(one)
    works = [(mine[0].asset.work, tuple(mine)) for mine in by_work.values()]
    return [ShownWork(work=work, title=title_seen_by(actor, work), matches=matches) for work, matches in works]


def first_picture(content: bytes) -> bytes | None:
    """A frame of the clip that stands for its check; None where its pictures are of sound alone, or there are none."""
    for pairs in json.loads(content).values():
        for said in pairs:
            if said["query"] and not said.get("query_wave"):
                return base64.b64decode(said["query"])
    return None


def page(session: Session, actor: Actor, check: Check, content: bytes | None) -> str:
    """The page of a check, with those pictures that the actor may see."""
    parts = [
        f"<h1>Check {escape(check.id)}</h1>",
        f'<p class="verdict">{escape(str(check.verdict))}</p>',
        "<ul>", *(f"<li>{escape(reason['message'])}</li>" for reason in check.reasons), "</ul>",
    ]  # fmt: skip
    if check.explanation in _WHY_NOT:
        parts.append(f"<p>{_WHY_NOT[ExplanationStatus(check.explanation)]}</p>")
    for mine in shown(session, actor, check, content):
        parts.append(_work(check, mine))
        parts += map(_match, mine.matches)
    return document(f"Check {check.id}", "".join(parts))


def segment_of(match: Match) -> Segment:
    """A stored match as the segment that it was."""
    return Segment(
        item=ItemNumber(match.position),
        algorithm=Algorithm(match.algorithm),
        query_start_s=match.query_start_s,
        query_end_s=match.query_end_s,
        reference_start_s=match.reference_start_s,
        reference_end_s=match.reference_end_s,
        score_0_1=match.score,
        confirmed=match.confirmed,
    )


def _longest(matches: Sequence[Match]) -> Iterator[Match]:
    """The longest match of each work and modality, then the longest others."""
    kinds: dict[tuple[str, str], Match] = {}
    for match in matches:  # longest first
        kinds.setdefault((match.work_id, match.modality), match)
    first = list(kinds.values())
    yield from [*first, *(match for match in matches if match not in first)][:_MOST_SEGMENTS]


def _opened(stack: contextlib.ExitStack, service: Service, key: str | None) -> Path | None:
    """A blob's file; None when there is none, or none any more."""
    if key is None:
        return None
    try:
        return stack.enter_context(service.blobs.open(key))
    except FileNotFoundError:
        return None


def _written(seen: Explanation) -> list[dict[str, Any]]:
    return [
        {
            "query_s": round(pair.query_s, 2),
            "reference_s": round(pair.reference_s, 2),
            "query": base64.b64encode(pair.query).decode() if pair.query else None,
            "reference": base64.b64encode(pair.reference).decode() if pair.reference else None,
            **_waves({"query_wave": pair.query_wave, "reference_wave": pair.reference_wave}),
        }
        for pair in seen.pairs
    ]


def _waves(waves: Mapping[str, Wave | None]) -> dict[str, Any]:
    return {side: asdict(wave) for side, wave in waves.items() if wave}


def _pair(said: Mapping[str, Any], *, sees_reference: bool) -> ShownPair:
    return ShownPair(
        query_s=said["query_s"],
        reference_s=said["reference_s"],
        query=said["query"],
        reference=said["reference"] if sees_reference else None,
        query_wave=_wave(said.get("query_wave")),
        reference_wave=_wave(said.get("reference_wave")) if sees_reference else None,
    )


def _wave(said: Mapping[str, Any] | None) -> Wave | None:
    return Wave(start_s=said["start_s"], end_s=said["end_s"], peaks=tuple(said["peaks"])) if said else None


def _work(check: Check, mine: ShownWork) -> str:
    segments, work = [segment_of(one.match) for one in mine.matches], mine.work
    drawn = plot(segments, query_duration_s=check.duration_s or 0.0, reference_duration_s=mine.duration_s)
    return f"<h2>{escape(mine.title)}</h2><p>{escape(work.id)}, policy {escape(work.policy)}</p>{drawn}"


def _match(one: ShownMatch) -> str:
    match = one.match
    speed = f", {one.speed:.2f} times as fast" if one.speed else ""
    notes = [f"does not count ({match.no_weight})"] if match.no_weight else [_SAID[Doubt(d)] for d in match.doubts]
    heading = (
        f"<h3>{escape(match.modality)}: {match.query_start_s:.1f}–{match.query_end_s:.1f} s of the clip,"
        f" {match.reference_start_s:.1f}–{match.reference_end_s:.1f} s of the work</h3>"
        f"<p>{escape(match.algorithm)}, score {match.told_score:.2f}, offset {one.offset_s:+.2f} s{speed}"
        f"{''.join(f'; {escape(note)}' for note in notes)}</p>"
    )
    if not one.pairs:
        return heading
    rows = "".join(
        f"<tr><td>{_picture(pair.query)}{pair.query_s:.1f} s</td>"
        f"<td>{_picture(pair.reference)}{pair.reference_s:.1f} s</td></tr>"
        for pair in one.pairs
    )
    hidden = "" if one.sees_reference else "<p>The owner of the work does not show its pictures to others.</p>"
    return f"{heading}<table><tr><th>clip</th><th>work</th></tr>{rows}</table>{hidden}"


_SAID = {
    Doubt.UNCONFIRMED: "perhaps another take of the same scene",
    Doubt.SHARED_WITH_BANK: "the clip also shows material that everybody may use",
    Doubt.QUARANTINED: "the file of the work is in quarantine",
}


def _picture(data: str | None) -> str:
    return f'<img alt="" src="data:image/jpeg;base64,{escape(data)}">' if data else ""
