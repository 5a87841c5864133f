"""Releases: outputs that may go out, signed, kept so that they can be found again.

Decides who may release what: only the file that was checked (the same SHA-256), only while the
check is valid, only when it is clear or a person approved it, and only while every consent that its
verdict rests on is granted. Signing itself is provenance.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.iscc import ALGORITHM as ISCC
from fingerprinting.iscc import Iscc, MainType
from fingerprinting.layout import thinned
from fingerprinting.model import Algorithm, Fingerprint
from provenance.engine import ProvenanceEngine
from provenance.model import (
    AssertedCheck,
    Ingredient,
    Relationship,
    ReleaseClaim,
    SignedFile,
    SoftBinding,
    TrainingMining,
)
from provenance.source_types import SourceType
from registry import drafts, ledger, suspensions
from registry.access import READS, Actor, Scope
from registry.admin_actions import Action, note
from registry.checks import DecisionValue, FindingDecision
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Verdict
from registry.errors import Conflict as ConflictError
from registry.errors import Invalid, NotFound
from registry.index import fingerprint_of, store_item
from registry.models import (
    Check,
    Corpus,
    Finding,
    Release,
    ReleaseManifest,
    ReleaseState,
    Revocation,
)
from registry.outbox import tell

# Soft bindings are looked up in the index, so a manifest needs only enough of the fingerprint to name it.
_SOFT_BINDING_ROWS = 16
# Our own fingerprints as manifests name them; the values are rows of their descriptors.
SOFT_BINDINGS = {
    f"org.clearmark.{algorithm}": algorithm for algorithm in (Algorithm.VIDEO_PHASH_V1, Algorithm.AUDIO_CHROMAPRINT_V1)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedFile:
    """A file that went into an output: that of a check of the same holder, or of a release of theirs."""

    relationship: Relationship
    check_id: str | None = None
    release_id: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRelease:
    """What the pipeline says of its output; `source_type` None says nothing of how it was made."""

    check_id: str
    title: str | None = None
    generator_name: str | None = None
    generator_version: str | None = None
    source_type: SourceType | None = SourceType.TRAINED_ALGORITHMIC_MEDIA
    training_mining: TrainingMining = TrainingMining()
    used: tuple[UsedFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file that went into an output, where it lies in the blob store."""

    blob_key: str
    title: str
    relationship: Relationship


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that signing needs, read from the database; signing itself holds no transaction."""

    claim: ReleaseClaim
    source_blob: str
    source_sha256: str
    check_id: str
    used: tuple[KeptFile, ...] = ()
    iscc: Iscc | None = None

    def seen(self, *, thumbnail_jpeg: bytes | None, iscc: Iscc | None) -> "Prepared":
        """The same, with what its file shows: a small picture of it, and its ISCC as the first soft binding."""
        bindings = self.claim.soft_bindings
        if iscc is not None:
            bindings = (SoftBinding(algorithm=ISCC, value=iscc.value), *bindings)
        claim = replace(self.claim, thumbnail_jpeg=thumbnail_jpeg, soft_bindings=bindings)
        return replace(self, claim=claim, iscc=iscc)


def prepare(session: Session, actor: Actor, said: NewRelease, *, ledger_origin: str, at: datetime) -> Prepared:
    """Require that the check allows a release.

    Raises:
        Conflict: it does not, and why.
        NotFound, Invalid: a file that went into it is not the actor's, or not kept.
    """
    actor.require(Scope.RELEASES_WRITE)
    suspensions.require_uploader(session, actor.holder_id, at=at)
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
        source_type=said.source_type,
        check=AssertedCheck(
            check_id=check.id,
            verdict=check.verdict or Verdict.UNKNOWN,
            algorithms=tuple(check.engine.get("algorithms", ())),
            index_sequence=check.index_sequence or 0,
            ledger_origin=ledger_origin,
            ledger_index=ledger.last_entry_of(session, check.id),
            checked_at=finished_at,
        ),
        soft_bindings=_soft_bindings(fingerprint),
        training_mining=said.training_mining,
        consents=drafts.still_granted(session, check, at=at),
    )
    used = _used(session, actor, said)
    return Prepared(claim=claim, source_blob=blob, source_sha256=sha256, check_id=check.id, used=used)


def _used(session: Session, actor: Actor, said: NewRelease) -> tuple[KeptFile, ...]:
    if said.used and said.source_type is None:
        problem = "Say with digital_source_type how the file was made of them."
        raise Invalid(field="ingredients", problem=problem)
    return tuple(_kept(session, actor, one) for one in said.used)


def _kept(session: Session, actor: Actor, used: UsedFile) -> KeptFile:
    if used.release_id is not None:
        release = own_release(session, actor, used.release_id)
        if release.holder_id != actor.holder_id:
            raise NotFound(kind="release", id=release.id)
        if release.state != ReleaseState.SIGNED:
            raise Invalid(field="ingredients", problem=f"{release.id} is not stood by any more: it is {release.state}.")
        if release.is_sidecar:
            problem = f"The credentials of {release.id} lie beside its file and could not be kept with it."
            raise Invalid(field="ingredients", problem=problem)
        return KeptFile(blob_key=release.blob_key, title=used.title or release.title, relationship=used.relationship)
    check = session.get(Check, used.check_id)
    if check is None or check.holder_id != actor.holder_id:
        raise NotFound(kind="check", id=str(used.check_id))
    if check.blob_key is None:
        problem = f"The file of {check.id} is not kept any more. Check it again, and name that check."
        raise Invalid(field="ingredients", problem=problem)
    return KeptFile(blob_key=check.blob_key, title=used.title or "Untitled", relationship=used.relationship)


def sign(
    prepared: Prepared,
    engine: ProvenanceEngine,
    *,
    source: Path,
    target: Path,
    used: Sequence[Path] = (),
) -> SignedFile:
    """Sign the checked file and no other.

    Args:
        used: where the files lie that went into it, in the order of `prepared.used`.
    Raises:
        Conflict: the stored file is no longer the one that was checked.
        ProvenanceError: it could not be signed; nothing is left at `target`.
    """
    with source.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != prepared.source_sha256:
        problem = "The stored file is not the one that was checked (another SHA-256). Check it again."
        raise ConflictError(kind="check", id=prepared.check_id, problem=problem)
    ingredients = tuple(
        Ingredient(path=path, title=kept.title, relationship=kept.relationship)
        for path, kept in zip(used, prepared.used, strict=True)
    )
    return engine.sign(source, target, prepared.claim, ingredients)


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
        source_type=prepared.claim.source_type,
        source_type_in_file=signed.source_type_in_file,
        is_sidecar=signed.is_sidecar,
        created_at=at,
    )
    content = prepared.iscc.of(MainType.CONTENT) if prepared.iscc is not None else None
    if prepared.iscc is not None and content is not None:
        release.iscc, release.iscc_kind, release.iscc_body = prepared.iscc.text, content.sub_type, content.body
    session.add(release)
    session.flush()
    session.add(ReleaseManifest(release_id=release.id, store=signed.manifest_store))
    if fingerprint is not None:
        store_item(session, Corpus.RELEASES, release.id, fingerprint, at=at)
    ledger.record(session, "release.signed", release, at=at)
    tell(session, release.holder_id, "release.signed", {"id": release.id, "sha256": release.sha256}, at=at)
    return release


def own_release(session: Session, actor: Actor, release_id: str) -> Release:
    """A release of the actor's, or any for a reviewer."""
    actor.require(*READS[Prefix.RELEASE])
    release = session.get(Release, release_id)
    if release is None or (release.holder_id != actor.holder_id and not actor.may(Scope.REVIEW)):
        raise NotFound(kind="release", id=release_id)
    return release


def manifest_store(session: Session, release: Release) -> bytes:
    """A release's manifest store.

    Raises:
        NotFound: it was made by a version that kept none.
    """
    kept = session.get(ReleaseManifest, release.id)
    if kept is None:
        raise NotFound(kind="manifest of release", id=release.id)
    return kept.store


def by_manifest(session: Session, manifest_id: str) -> Release | None:
    """The release whose active manifest that is."""
    return session.scalars(sa.select(Release).where(Release.manifest_id == manifest_id).limit(1)).first()


def by_store(
    session: Session, manifest_id: str | None, store: bytes | None, *, sha256: str | None
) -> Release | None:  # fmt: skip
    """The release with exactly these credentials; anybody can write its manifest's id into their own.

    Args:
        sha256: of the file. Releases of before their stores were kept are known by all their bytes.
    """
    release = by_manifest(session, manifest_id) if manifest_id is not None and store is not None else None
    if release is None:
        return None
    kept = session.get(ReleaseManifest, release.id)
    same = kept.store == store if kept is not None else release.sha256 == sha256
    return release if same else None


def kept_beside(session: Session, sha256: str) -> bytes | None:
    """The credentials of a released file that carries none itself: of the first release that is stood by, if any is."""
    query = sa.select(ReleaseManifest.store).join(Release, Release.id == ReleaseManifest.release_id)
    first = (Release.state == ReleaseState.SIGNED).desc(), Release.id
    return session.scalars(query.where(Release.sha256 == sha256, Release.is_sidecar).order_by(*first).limit(1)).first()


def fingerprint_of_file(session: Session, sha256: str, algorithms: Collection[Algorithm]) -> Fingerprint | None:
    """What the check of a release with exactly these bytes saw in it; None where that is less than is seen today.

    Args:
        algorithms: all by which files are looked at today.
    """
    release_id = session.scalar(sa.select(Release.id).where(Release.sha256 == sha256).order_by(Release.id).limit(1))
    kept = fingerprint_of(session, release_id) if release_id is not None else None
    if kept is None:
        return None
    modalities = {d.algorithm.modality for d in kept.descriptors}
    wanted = [algorithm for algorithm in algorithms if algorithm.modality in modalities]
    seen = tuple(d for d in kept.descriptors if d.algorithm in wanted)
    return replace(kept, descriptors=seen) if len(seen) == len(wanted) else None


def revoke(
    session: Session, actor: Actor, release_id: str, why: Revocation, reason: str, *, at: datetime
) -> Release:  # fmt: skip
    """Say that a release is not stood by any more: who verifies it is told at once, and it is not served again.

    Raises:
        Conflict: it was revoked already.
        Forbidden: only a reviewer says that a takedown was upheld, or revokes another's.
    """
    release = own_release(session, actor, release_id)
    if release.holder_id != actor.holder_id or why is Revocation.TAKEDOWN:
        actor.require(Scope.REVIEW)
    elif not actor.may(Scope.REVIEW):
        actor.require(Scope.RELEASES_WRITE)
    if release.state == ReleaseState.REVOKED:
        raise ConflictError(kind="release", id=release.id, problem=f"It was revoked already: {release.revocation}.")
    if not reason.strip():
        raise Invalid(field="reason", problem="Say why, in a sentence. Whoever verifies the release reads it.")
    release.state, release.revoked_at = ReleaseState.REVOKED.value, at
    release.revocation, release.revocation_reason = why.value, reason.strip()
    ledger.record(session, "release.revoked", release, at=at)
    if release.holder_id != actor.holder_id:
        note(session, Action.RELEASE_REVOKED, release.id, by=actor, at=at, reason=reason, details={"why": why.value})
    tell(session, release.holder_id, "release.revoked", {"id": release.id, "revocation": why.value}, at=at)
    return release


def disable(session: Session, release: Release, *, at: datetime) -> None:
    """Stop serving a release; it can still be recognised, and its state is said."""
    if release.state != ReleaseState.SIGNED:
        return
    release.state, release.disabled_at = ReleaseState.DISABLED.value, at
    ledger.record(session, "release.disabled", release, at=at)
    tell(session, release.holder_id, "release.disabled", {"id": release.id}, at=at)


def restore(session: Session, release: Release, *, at: datetime) -> None:
    """Serve a disabled release again; a revoked one stays revoked."""
    if release.state != ReleaseState.DISABLED:
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
    elif beside := session.scalar(
        sa.select(Release.id)
        .where(Release.sha256 == check.sha256, Release.is_sidecar, Release.state == ReleaseState.SIGNED)
        .limit(1)
    ):
        problem = f"The file is {beside} already, whose credentials lie beside it: they would begin anew."
    else:
        return check.blob_key, check.sha256, check.finished_at
    raise ConflictError(kind="check", id=check.id, problem=problem)


def _stands() -> sa.ColumnElement[bool]:
    """A finding that nobody dismissed."""
    return Finding.decision.is_distinct_from(FindingDecision.DISMISS.value)


def _soft_bindings(fingerprint: Fingerprint | None) -> tuple[SoftBinding, ...]:
    """Rows spread evenly over the clip, of those that the index keeps, under our own reverse-domain names."""
    bindings = []
    for name, algorithm in SOFT_BINDINGS.items():
        descriptors = fingerprint.of(algorithm) if fingerprint else None
        if descriptors is not None and len(kept := thinned(descriptors)):
            spread = kept.vectors[:: max(1, len(kept) // _SOFT_BINDING_ROWS)][:_SOFT_BINDING_ROWS]
            bindings.append(SoftBinding(algorithm=name, value=spread.tobytes()))
    return tuple(bindings)
