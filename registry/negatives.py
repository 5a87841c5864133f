"""The negative bank: public-domain and stock material that operators add, so that nobody can claim it.

An entry is searched like a work. What a work holds of it is excluded from the work: when either is added,
and later when a check shows both in one stretch of a clip and comparing the two proves it. The clip alone
proves nothing: anyone can show public material beside what they copy.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.model import Descriptors, Fingerprint, Modality, Segment
from fingerprinting.quality import reference_of
from registry import exclusions, ledger
from registry.access import Actor, Scope
from registry.admin_actions import Action, note
from registry.domain.identifiers import Prefix, new_id
from registry.domain.weight import CRUMB_S
from registry.errors import Conflict, Invalid, NotFound
from registry.exclusions import BankStretch
from registry.index import Answer, IndexEngine, fingerprint_of, remove_item, store_item
from registry.jobs import JobKind, enqueue
from registry.models import AssetStatus, Corpus, Negative

# What lies around a stretch is compared with it, so that its ends are found.
_AROUND_S = 3.0


def add_upload(
    session: Session, actor: Actor, title: str, *, blob_key: str, sha256: str, at: datetime
) -> tuple[Negative, str]:
    """Accept a file for the bank; a job fingerprints it. Returns the entry and the job's id."""
    actor.require(Scope.ADMIN)
    same = session.scalar(
        sa.select(Negative).where(
            Negative.sha256 == sha256, Negative.status != AssetStatus.REJECTED, Negative.removed_at.is_(None)
        )
    )
    if same is not None:
        raise Conflict(kind="negative", id=same.id, problem="The bank already has this very file.")
    entry = _add(session, actor, title, blob_key=blob_key, sha256=sha256, at=at)
    return entry, enqueue(session, JobKind.NEGATIVE, entry.id, at=at).id


def add_fingerprint(
    session: Session, actor: Actor, title: str, fingerprint: Fingerprint, *, at: datetime
) -> tuple[Negative, str]:
    """Accept a fingerprint for the bank. Returns the entry and the id of the job that looks which works hold it.

    Raises:
        MediaError: the quality gate refuses it.
    """
    actor.require(Scope.ADMIN)
    entry = _add(session, actor, title, at=at)
    store(session, entry, fingerprint, at=at)
    return entry, enqueue(session, JobKind.NEGATIVE, entry.id, at=at).id


def store(session: Session, entry: Negative, fingerprint: Fingerprint, *, at: datetime) -> None:
    """Make an entry searched from this transaction on; `settle` must follow.

    Raises:
        MediaError: the quality gate refuses it: what it is made of carries no weight anyway.
    """
    store_item(session, Corpus.NEGATIVES, entry.id, reference_of(fingerprint), at=at)
    entry.status, entry.duration_s = AssetStatus.PROCESSING.value, fingerprint.duration_s


def settle(session: Session, entry: Negative, material: Sequence[BankStretch], *, at: datetime) -> str | None:
    """Exclude what works hold of an entry, and call it indexed. Returns its blob: the file is needed no more."""
    if entry.status == AssetStatus.PROCESSING:
        exclusions.exclude_bank_material(session, material, at=at)
        entry.status, entry.indexed_at = AssetStatus.INDEXED.value, at
    return _let_go(entry)


def reject(entry: Negative, *, reason: str, problem: str) -> str | None:
    """Say that an entry cannot be used, and why. Returns its blob."""
    if entry.removed_at is None:
        entry.status, entry.reason, entry.problem = AssetStatus.REJECTED.value, reason, problem
    return _let_go(entry)


def remove(session: Session, actor: Actor, negative_id: str, *, at: datetime) -> str | None:
    """Take an entry out: what only it excluded counts again. Returns its blob."""
    entry = visible(session, actor, negative_id)
    if entry.removed_at is not None:
        raise NotFound(kind="negative", id=negative_id)
    remove_item(session, entry.id, at=at)
    exclusions.withdraw_bank_material(session, entry.id, at=at)
    entry.status, entry.removed_at = AssetStatus.WITHDRAWN.value, at
    ledger.record(session, "negative.removed", entry, at=at)
    note(session, Action.NEGATIVE_REMOVED, entry.id, by=actor, at=at, reason=entry.title)
    return _let_go(entry)


def visible(session: Session, actor: Actor, negative_id: str) -> Negative:
    """An entry, for an operator."""
    actor.require(Scope.ADMIN)
    entry = session.get(Negative, negative_id)
    if entry is None:
        raise NotFound(kind="negative", id=negative_id)
    return entry


# -- what works hold of the bank ---------------------------------------------------------------


def material_in(session: Session, engine: IndexEngine, asset_id: str, *, timeout_s: float) -> list[BankStretch]:
    """Stretches of a stored asset that are material of the bank.

    Raises:
        IndexBehind: the indexes could not be brought up to date.
    """
    fingerprint = fingerprint_of(session, asset_id)
    if fingerprint is None:  # withdrawn meanwhile
        return []
    return _compared(session, engine, asset_id, fingerprint, timeout_s=timeout_s)


def material_of(session: Session, engine: IndexEngine, negative_id: str, *, timeout_s: float) -> list[BankStretch]:
    """Stretches of works that are material of one entry: of as many works as one search looks at.

    Raises:
        IndexBehind: the indexes could not be brought up to date.
    """
    fingerprint = fingerprint_of(session, negative_id)
    if fingerprint is None:  # removed meanwhile
        return []
    found = engine.search(session, Corpus.WORKS, fingerprint, timeout_s=timeout_s)
    return [
        BankStretch(
            asset_id=found.subjects[segment.item],
            negative_id=negative_id,
            modality=segment.algorithm.modality,
            start_s=segment.reference_start_s,
            end_s=segment.reference_end_s,
        )
        for segment in found.segments
        if segment.confirmed
    ]


def material_shared(
    session: Session, engine: IndexEngine, works: Answer, bank: Answer, *, timeout_s: float
) -> list[BankStretch]:
    """Stretches of works that are material of the bank, looked for where a clip shows both at once.

    Raises:
        IndexBehind: the indexes could not be brought up to date.
    """
    spans: dict[tuple[str, Modality], tuple[float, float]] = {}
    for segment in works.segments:
        if any(_both_show(segment, other) for other in bank.segments):
            place = works.subjects[segment.item], segment.algorithm.modality
            start, end = segment.reference_start_s - _AROUND_S, segment.reference_end_s + _AROUND_S
            known = spans.get(place, (start, end))
            spans[place] = min(start, known[0]), max(end, known[1])
    found = []
    for (asset_id, modality), span in spans.items():
        whole = fingerprint_of(session, asset_id)
        if whole is not None:
            found += _compared(session, engine, asset_id, _part(whole, modality, span), timeout_s=timeout_s)
    return found


def _both_show(segment: Segment, other: Segment) -> bool:
    """Whether a clip shows both in one stretch, and the other beyond doubt."""
    if not other.confirmed or other.algorithm.modality is not segment.algorithm.modality:
        return False
    shared_s = min(segment.query_end_s, other.query_end_s) - max(segment.query_start_s, other.query_start_s)
    return shared_s >= min(CRUMB_S, segment.query_length_s, other.query_length_s)


def _part(whole: Fingerprint, modality: Modality, span: tuple[float, float]) -> Fingerprint:
    """A stretch of a fingerprint, its times as they are."""
    kept = []
    for d in whole.descriptors:
        if d.algorithm.modality is modality:
            inside = (d.times_s >= span[0]) & (d.times_s <= span[1])
            kept.append(Descriptors(algorithm=d.algorithm, times_s=d.times_s[inside], vectors=d.vectors[inside]))
    return Fingerprint(duration_s=whole.duration_s, descriptors=tuple(kept))


def _compared(
    session: Session, engine: IndexEngine, asset_id: str, shown: Fingerprint, *, timeout_s: float
) -> list[BankStretch]:
    found = engine.search(session, Corpus.NEGATIVES, shown, timeout_s=timeout_s)
    by_entry: dict[tuple[str, Modality], list[tuple[float, float]]] = {}
    for segment in found.segments:
        if segment.confirmed:
            place = found.subjects[segment.item], segment.algorithm.modality
            by_entry.setdefault(place, []).append((segment.query_start_s, segment.query_end_s))
    return [
        BankStretch(asset_id=asset_id, negative_id=negative_id, modality=modality, start_s=start, end_s=end)
        for (negative_id, modality), spans in by_entry.items()
        for start, end in _joined(spans)
    ]


def _joined(spans: Iterable[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Spans that meet, as one: two algorithms find the same stretch."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _add(
    session: Session,
    actor: Actor,
    title: str,
    *,
    at: datetime,
    blob_key: str | None = None,
    sha256: str | None = None,
) -> Negative:
    if not title.strip() or len(title) > 500:
        raise Invalid(field="title", problem="Give a title of at most 500 characters.")
    entry = Negative(
        id=new_id(Prefix.NEGATIVE, at=at),
        title=title.strip(),
        added_by=actor.holder_id,
        status=AssetStatus.QUEUED.value,
        sha256=sha256,
        blob_key=blob_key,
        created_at=at,
    )
    session.add(entry)
    ledger.record(session, "negative.added", entry, at=at)
    return entry


def _let_go(entry: Negative) -> str | None:
    freed, entry.blob_key = entry.blob_key, None
    return freed
