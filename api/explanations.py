"""Explanations: the evidence behind a check's matches, as one page for people.

A job looks at the media once, after the verdict, and keeps the pictures beside the check; the page is put
together when it is asked for, so that it shows the asker no more than is theirs to see. Everything in it
that somebody typed is escaped, and it loads nothing and runs nothing.
"""

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from api.page import document
from api.service import Service
from fingerprinting.explain import MOST_BYTES, Explanation, explain, plot
from fingerprinting.model import Algorithm, ItemNumber, Segment
from registry.access import Actor, Scope
from registry.domain.policy import Doubt
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


def page(session: Session, actor: Actor, check: Check, content: bytes | None) -> str:
    """The page of a check, with those pictures that the actor may see."""
    pictures: dict[str, Any] = json.loads(content) if content else {}
    matches = [(match, session.get_one(Asset, match.asset_id)) for match in check.matches]
    parts = [
        f"<h1>Check {escape(check.id)}</h1>",
        f'<p class="verdict">{escape(str(check.verdict))}</p>',
        "<ul>", *(f"<li>{escape(reason['message'])}</li>" for reason in check.reasons), "</ul>",
    ]  # fmt: skip
    if check.explanation in _WHY_NOT:
        parts.append(f"<p>{_WHY_NOT[ExplanationStatus(check.explanation)]}</p>")
    for work in {asset.work_id: asset.work for _, asset in matches}.values():
        mine = [(match, asset) for match, asset in matches if asset.work_id == work.id]
        parts.append(_work(check, work, mine))
        for match, asset in mine:
            sees = asset.status != AssetStatus.WITHDRAWN and _may_see(actor, work)
            parts.append(_match(match, pictures.get(str(match.position), []), sees_reference=sees))
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
        }
        for pair in seen.pairs
    ]


def _may_see(actor: Actor, work: Work) -> bool:
    """Whether pictures of a work are for this actor: its owner, a reviewer, or anyone whom its owner lets."""
    return work.shows_frames or actor.may(Scope.REVIEW) or work.holder_id == actor.holder_id


def _work(check: Check, work: Work, mine: Sequence[tuple[Match, Asset]]) -> str:
    segments = [segment_of(match) for match, _ in mine]
    reference_s = max((asset.duration_s or 0.0 for _, asset in mine), default=0.0)
    drawn = plot(segments, query_duration_s=check.duration_s or 0.0, reference_duration_s=reference_s)
    return f"<h2>{escape(work.title)}</h2><p>{escape(work.id)}, policy {escape(work.policy)}</p>{drawn}"


def _match(match: Match, pairs: Sequence[Mapping[str, Any]], *, sees_reference: bool) -> str:
    offset_s = match.reference_start_s - match.query_start_s
    length_s, reference_s = match.query_end_s - match.query_start_s, match.reference_end_s - match.reference_start_s
    speed = f", {reference_s / length_s:.2f} times as fast" if length_s and reference_s else ""
    notes = [f"does not count ({match.no_weight})"] if match.no_weight else [_SAID[Doubt(d)] for d in match.doubts]
    heading = (
        f"<h3>{escape(match.modality)}: {match.query_start_s:.1f}–{match.query_end_s:.1f} s of the clip,"
        f" {match.reference_start_s:.1f}–{match.reference_end_s:.1f} s of the work</h3>"
        f"<p>{escape(match.algorithm)}, score {match.score:.2f}, offset {offset_s:+.2f} s{speed}"
        f"{''.join(f'; {escape(note)}' for note in notes)}</p>"
    )
    if not pairs:
        return heading
    rows = "".join(
        f"<tr><td>{_picture(pair['query'])}{pair['query_s']:.1f} s</td>"
        f"<td>{_picture(pair['reference'] if sees_reference else None)}{pair['reference_s']:.1f} s</td></tr>"
        for pair in pairs
    )
    hidden = "" if sees_reference else "<p>The owner of the work does not show its pictures to others.</p>"
    return f"{heading}<table><tr><th>clip</th><th>work</th></tr>{rows}</table>{hidden}"


_SAID = {
    Doubt.UNCONFIRMED: "perhaps another take of the same scene",
    Doubt.SHARED_WITH_BANK: "the clip also shows material that everybody may use",
    Doubt.QUARANTINED: "the file of the work is in quarantine",
}


def _picture(data: str | None) -> str:
    return f'<img alt="" src="data:image/jpeg;base64,{escape(data)}">' if data else ""
