"""Recovery: a file whose credentials were stripped is led back to the release that it came from.

Decides which releases a file is said to come from, and what is said of them: where it matches, what was changed,
what their kept manifest says, and whether they are still stood by. What is recovered is labelled as that: the file
itself does not carry it. Only what tells a copy from something alike counts (`Segment.confirmed`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.differences import differences
from fingerprinting.match import union_s
from fingerprinting.model import Algorithm, Fingerprint, Modality, Segment
from provenance.authority import TrustAnchor
from provenance.report import facts_of
from registry import consents, drafts
from registry.index import Answer, fingerprint_of
from registry.models import Notice, NoticeRelease, Release, ReleaseState

_MOST_SEGMENTS = 50
# What a match with a still counts for. A further release must explain so much that no stronger one does, which is what
# the ends of two stretches may overlap or leave between them, or be nearly as strong as the strongest.
_STILL_S, _NEWS_S, _AS_STRONG = 1.0, 1.5, 0.9
# States of a notice that anybody may know of: before them nothing was found to be in order.
_PUBLIC_NOTICES = (
    "disabled", "uploader_notified", "counter_received", "forwarded", "held", "uploader_complaint", "upheld",
    "restored",
)  # fmt: skip


# Of these not even which notice it was is told: it would lead from a file to a claim about somebody's body or face.
_PRIVATE_TRACKS = ("take_it_down", "likeness")


class How(StrEnum):
    """By what a file was led back: its very bytes, or what it shows."""

    SHA256 = "sha256"
    FINGERPRINT = "fingerprint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A release that a file came from.

    Attributes:
        segments: where it is a copy, longest first; empty when the bytes are the same.
        alike: those, and where it is as like that release as a copy would be.
        similarity_0_1: of the segments, weighed by their length.
    """

    release: Release
    how: How
    segments: Sequence[Segment]
    alike: Sequence[Segment]
    similarity_0_1: float

    @property
    def strength(self) -> float:
        """Seconds of picture and of sound that are copied, by how alike they are, each by what says most."""
        by_algorithm: dict[Algorithm, float] = {}
        for segment in self.segments:
            said = by_algorithm.get(segment.algorithm, 0.0)
            by_algorithm[segment.algorithm] = said + max(segment.query_length_s, _STILL_S) * segment.score_0_1
        return sum(
            max((said for algorithm, said in by_algorithm.items() if algorithm.modality is modality), default=0.0)
            for modality in Modality
        )

    @property
    def intervals(self) -> dict[Modality, list[tuple[float, float]]]:
        """What of the file is copied, picture and sound apart."""
        found: dict[Modality, list[tuple[float, float]]] = {}
        for segment in self.segments:
            interval = segment.query_start_s, max(segment.query_end_s, segment.query_start_s + _STILL_S)
            found.setdefault(segment.algorithm.modality, []).append(interval)
        return found


def recover(session: Session, sha256: str | None, releases: Answer | None) -> list[Recovered]:
    """The releases that a file came from, by its bytes and by its fingerprint; see `_told_apart`.

    Args:
        releases: what its fingerprint matched; None when it has none.
    """
    same = session.scalars(sa.select(Release).where(Release.sha256 == sha256)).all() if sha256 else []
    found = [Recovered(release=one, how=How.SHA256, segments=(), alike=(), similarity_0_1=1.0) for one in same]
    by_release: dict[str, list[Segment]] = {}
    for segment in releases.segments if releases else ():
        assert releases is not None
        by_release.setdefault(releases.subjects[segment.item], []).append(segment)
    known = {one.id for one in same}
    copied = []
    for release_id, alike in by_release.items():
        segments = [segment for segment in alike if segment.confirmed]
        if segments and release_id not in known:
            release, similarity = session.get_one(Release, release_id), _similarity(segments)
            copied.append(
                Recovered(
                    release=release, how=How.FINGERPRINT, segments=segments, alike=alike, similarity_0_1=similarity
                )
            )
    return [*found, *_told_apart(copied)]


def _told_apart(copied: Sequence[Recovered]) -> list[Recovered]:
    """The releases that a file came from, the strongest first, without those that are only like a stronger one.

    What shows the same place or plays the same tune resembles each other's copies. A release is named where it explains
    something that no stronger one does, or as strongly.
    """
    kept: list[Recovered] = []
    explained: dict[Modality, list[tuple[float, float]]] = {}
    for one in sorted(copied, key=lambda one: -one.strength):
        adds = any(
            union_s([*explained.get(modality, ()), *intervals]) - union_s(explained.get(modality, ())) >= _NEWS_S
            for modality, intervals in one.intervals.items()
        )
        if not kept or adds or one.strength >= _AS_STRONG * kept[0].strength:
            kept.append(one)
            for modality, intervals in one.intervals.items():
                explained.setdefault(modality, []).extend(intervals)
    return kept


def shown(
    session: Session, recovered: Recovered, fingerprint: Fingerprint | None, anchors: Iterable[TrustAnchor], *,
    carried: Release | None = None, at: datetime,
) -> dict[str, Any]:  # fmt: skip
    """What is said of a release that a file came from.

    Args:
        fingerprint: of the file; without it nothing is said of differences.
        carried: the release whose credentials the file itself carries.
    """
    release, segments = recovered.release, recovered.segments
    facts = plain(asdict(facts_of(release.manifest, anchors=anchors)))
    whole_s = round(fingerprint.duration_s, 3) if fingerprint is not None else None
    interval = _hull(segments) if segments else {"query_start_s": 0.0, "query_end_s": whole_s}
    return {
        **standing(session, release),
        "how": recovered.how.value,
        "statement": _statement(recovered),
        **interval,
        "similarity_0_1": round(recovered.similarity_0_1, 4),
        "segments": [described(segment) for segment in segments[:_MOST_SEGMENTS]],
        "differences": _differences(session, recovered, fingerprint),
        "manifest": {
            **(_EMBEDDED if carried is release else _RECOVERED),
            **{name: facts[name] for name in _SHOWN_OF_MANIFEST},
        },
        "consents": [consents.described(row, at=at) for row in drafts.rested_on(session, release.check_id)],
    }


_EMBEDDED = {"source": "embedded", "note": "The file carries it itself, and this service keeps the same."}
_RECOVERED = {
    "source": "recovered",
    "note": "Kept by this service for the release. The file that was sent does not carry it.",
}
_SHOWN_OF_MANIFEST = ("claim_generator", "title", "actions", "ai_generated", "training_mining", "signer", "ingredients")


def standing(session: Session, release: Release) -> dict[str, Any]:
    """Whether a release is stood by now, and what became of claims against it."""
    return {
        "release_id": release.id,
        "title": release.title,
        "state": release.state,
        "manifest_id": release.manifest_id,
        "signed_at": release.created_at.isoformat(),
        "revoked_at": release.revoked_at.isoformat() if release.revoked_at else None,
        "revocation": release.revocation,
        "revocation_reason": release.revocation_reason,
        "takedown": _takedown(session, release),
    }


def described(segment: Segment) -> dict[str, Any]:
    """A matched stretch as JSON values."""
    return {
        "modality": segment.algorithm.modality.value,
        "algorithm": segment.algorithm.value,
        "query_start_s": round(segment.query_start_s, 3),
        "query_end_s": round(segment.query_end_s, 3),
        "reference_start_s": round(segment.reference_start_s, 3),
        "reference_end_s": round(segment.reference_end_s, 3),
        "score": round(segment.score_0_1, 4),
    }


def plain(value: Any) -> Any:
    """Values that JSON has: times as text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _similarity(segments: Sequence[Segment]) -> float:
    lengths = [max(segment.query_length_s, 1e-3) for segment in segments]
    weighed = sum(length * segment.score_0_1 for length, segment in zip(lengths, segments, strict=True))
    return weighed / sum(lengths)


def _hull(segments: Sequence[Segment]) -> dict[str, float]:
    return {
        "query_start_s": round(min(s.query_start_s for s in segments), 3),
        "query_end_s": round(max(s.query_end_s for s in segments), 3),
        "reference_start_s": round(min(s.reference_start_s for s in segments), 3),
        "reference_end_s": round(max(s.reference_end_s for s in segments), 3),
    }


def _statement(recovered: Recovered) -> str:
    release = recovered.release
    if recovered.how is How.SHA256:
        return f"The same file, byte for byte, as release {release.id}."
    where = _hull(recovered.segments)
    return (
        f"Matched by fingerprint to release {release.id} at seconds {where['query_start_s']:.1f}"
        f"–{where['query_end_s']:.1f}, similarity {recovered.similarity_0_1:.2f}."
    )


def what_became_of(release: Release) -> str:
    """What is added to whatever is said of a release that is not stood by."""
    if release.state == ReleaseState.REVOKED:
        return f" That release was revoked: {release.revocation_reason}"
    return " That release was taken down." if release.state == ReleaseState.DISABLED else ""


def _differences(session: Session, recovered: Recovered, fingerprint: Fingerprint | None) -> list[dict[str, Any]]:
    reference = fingerprint_of(session, recovered.release.id) if recovered.segments else None
    if fingerprint is None or reference is None:
        return []
    found = differences(fingerprint, reference, recovered.alike)
    return [
        {name: round(value, 2) if isinstance(value, float) else value for name, value in asdict(one).items()}
        for one in found[:_MOST_SEGMENTS]
    ]


def _takedown(session: Session, release: Release) -> dict[str, Any] | None:
    about = sa.select(NoticeRelease.notice_id).where(NoticeRelease.release_id == release.id)
    query = sa.select(Notice).where(Notice.id.in_(about), Notice.state.in_(_PUBLIC_NOTICES))
    notice = session.scalars(query.order_by(Notice.id.desc()).limit(1)).first()
    if notice is None:
        return None
    shown = notice.id if notice.track not in _PRIVATE_TRACKS else None
    return {"notice_id": shown, "state": notice.state, "since": notice.events[-1].at.isoformat()}
