"""Releases: outputs that may go out, signed, kept so that they can be found again.

Decides who may release what: only the file that was checked (the same SHA-256), only while the
check is valid, only when it is clear or a person approved it, and only while every consent that its
verdict rests on is granted. Signing itself is provenance.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.model import Algorithm, Fingerprint
from provenance.engine import ProvenanceEngine
from provenance.model import AssertedCheck, ReleaseClaim, SignedFile, SoftBinding, TrainingMining
from registry import drafts, ledger
from registry.access import Actor, Scope
from registry.checks import DecisionValue, FindingDecision
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Verdict
from registry.errors import Conflict as ConflictError
from registry.errors import NotFound
from registry.index import fingerprint_of, store_item
from registry.models import Check, Corpus, Finding, Release, ReleaseState
from registry.outbox import tell

# Soft bindings are looked up in the index, so a manifest needs only enough of the fingerprint to name it.
_SOFT_BINDING_ROWS = 16
_BOUND = frozenset({Algorithm.VIDEO_PHASH_V1, Algorithm.AUDIO_CHROMAPRINT_V1})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRelease:
    """What the pipeline says of its output."""

    check_id: str
    title: str | None = None
    generator_name: str | None = None
    generator_version: str | None = None
    ai_generated: bool = True
    training_mining: TrainingMining = TrainingMining()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that signing needs, read from the database; signing itself holds no transaction."""

    claim: ReleaseClaim
    source_blob: str
    source_sha256: str
    check_id: str


def prepare(session: Session, actor: Actor, said: NewRelease, *, at: datetime) -> Prepared:
    """Require that the check allows a release.

    Raises:
        Conflict: it does not, and why.
    """
    actor.require(Scope.RELEASES_WRITE)
    check = session.get(Check, said.check_id)
    if check is None or check.holder_id != actor.holder_id:
        raise NotFound(kind="check", id=said.check_id)
    blob, sha256, finished_at = _releasable(session, check, at=at)
    fingerprint = fingerprint_of(session, check.id)
    claim = ReleaseClaim(
        title=said.title or "Untitled",
        release_id=new_id(Prefix.RELEASE, at=at),
        media_type=check.media_type or "application/octet-stream",
        created_at=at,
        generator_name=said.generator_name,
        generator_version=said.generator_version,
        ai_generated=said.ai_generated,
        check=AssertedCheck(
            check_id=check.id,
            verdict=check.verdict or Verdict.UNKNOWN,
            algorithms=tuple(check.engine.get("algorithms", ())),
            index_sequence=check.index_sequence or 0,
            ledger_index=ledger.last_entry_of(session, check.id),
            checked_at=finished_at,
        ),
        soft_bindings=_soft_bindings(fingerprint),
        training_mining=said.training_mining,
        consents=drafts.still_granted(session, check, at=at),
    )
    return Prepared(claim=claim, source_blob=blob, source_sha256=sha256, check_id=check.id)


def sign(prepared: Prepared, engine: ProvenanceEngine, *, source: Path, target: Path) -> SignedFile:
    """Sign the checked file and no other.

    Raises:
        Conflict: the stored file is no longer the one that was checked.
        ProvenanceError: it could not be signed; nothing is left at `target`.
    """
    with source.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != prepared.source_sha256:
        problem = "The stored file is not the one that was checked (another SHA-256). Check it again."
        raise ConflictError(kind="check", id=prepared.check_id, problem=problem)
    return engine.sign(source, target, prepared.claim)


def publish(
    session: Session, actor: Actor, prepared: Prepared, signed: SignedFile, *, blob_key: str, at: datetime
) -> Release:
    """Store a signed release with its manifest and fingerprint; the check is asked again first."""
    check = session.get_one(Check, prepared.check_id)
    _releasable(session, check, at=at)
    drafts.still_granted(session, check, at=at)
    fingerprint = fingerprint_of(session, check.id)
    release = Release(
        id=prepared.claim.release_id,
        holder_id=actor.holder_id,
        check_id=check.id,
        state=ReleaseState.SIGNED.value,
        title=prepared.claim.title,
        media_type=prepared.claim.media_type,
        source_sha256=prepared.source_sha256,
        sha256=signed.sha256,
        size_bytes=signed.size_bytes,
        blob_key=blob_key,
        manifest_id=signed.manifest_label,
        manifest=json.loads(signed.manifest_json),
        created_at=at,
    )
    session.add(release)
    session.flush()
    if fingerprint is not None:
        store_item(session, Corpus.RELEASES, release.id, fingerprint, at=at)
    ledger.record(session, "release.signed", release, at=at)
    tell(session, release.holder_id, "release.signed", {"id": release.id, "sha256": release.sha256}, at=at)
    return release


def own_release(session: Session, actor: Actor, release_id: str) -> Release:
    """A release of the actor's, or any for a reviewer."""
    release = session.get(Release, release_id)
    if release is None or (release.holder_id != actor.holder_id and not actor.may(Scope.REVIEW)):
        raise NotFound(kind="release", id=release_id)
    return release


def disable(session: Session, release: Release, *, at: datetime) -> None:
    """Stop serving a release; it can still be recognised, and its state is said."""
    if release.state == ReleaseState.DISABLED:
        return
    release.state, release.disabled_at = ReleaseState.DISABLED.value, at
    ledger.record(session, "release.disabled", release, at=at)
    tell(session, release.holder_id, "release.disabled", {"id": release.id}, at=at)


def restore(session: Session, release: Release, *, at: datetime) -> None:
    """Serve a disabled release again."""
    if release.state == ReleaseState.SIGNED:
        return
    release.state, release.disabled_at = ReleaseState.SIGNED.value, None
    ledger.record(session, "release.restored", release, at=at)
    tell(session, release.holder_id, "release.restored", {"id": release.id}, at=at)


def _releasable(session: Session, check: Check, *, at: datetime) -> tuple[str, str, datetime]:
    """The blob, its SHA-256 and the time of the verdict, or a Conflict that says what stands against it."""
    approved = check.verdict == Verdict.REVIEW and check.decision == DecisionValue.APPROVE
    if check.verdict is None or check.finished_at is None:
        problem = "The check is not finished yet. Ask for it again until its status is done."
    elif check.verdict != Verdict.CLEAR and not approved:
        decided = f", decision {check.decision}" if check.decision else ""
        problem = f"Its verdict is {check.verdict}{decided}: only clear, or review that a person approved, may go out."
    elif check.expires_at <= at:
        problem = "It is no longer valid: the index may have changed. Check the file again."
    elif check.blob_key is None or check.sha256 is None:
        problem = "It was asked by fingerprint, so there is no file to sign. Check the file itself."
    elif found := session.scalar(sa.select(Finding.id).where(Finding.check_id == check.id, _stands()).limit(1)):
        problem = f"It was found to copy a work that came after it: {found}. Check the file again."
    elif existing := session.scalar(sa.select(Release.id).where(Release.check_id == check.id)):
        problem = f"It was released already, as {existing}."
    else:
        return check.blob_key, check.sha256, check.finished_at
    raise ConflictError(kind="check", id=check.id, problem=problem)


def _stands() -> sa.ColumnElement[bool]:
    """A finding that nobody dismissed."""
    return Finding.decision.is_distinct_from(FindingDecision.DISMISS.value)


def _soft_bindings(fingerprint: Fingerprint | None) -> tuple[SoftBinding, ...]:
    """Rows spread evenly over the clip, for each algorithm of short rows, under our own reverse-domain names."""
    bindings = []
    for descriptors in fingerprint.descriptors if fingerprint else ():
        if descriptors.algorithm in _BOUND and len(descriptors):
            spread = descriptors.vectors[:: max(1, len(descriptors) // _SOFT_BINDING_ROWS)][:_SOFT_BINDING_ROWS]
            name = f"org.clearmark.{descriptors.algorithm}"
            bindings.append(SoftBinding(algorithm=name, value=spread.tobytes()))
    return tuple(bindings)
