"""Works and their assets: what is protected, and the fingerprints by which it is recognised."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.model import Fingerprint
from fingerprinting.quality import reference_of, weaknesses
from registry import ledger, revocation, thresholds
from registry.access import READS, Actor, Scope
from registry.domain import conflicts
from registry.domain.credits import AlternativeTitle, Contributor, Share, as_json, check_language, check_shares
from registry.domain.identifiers import Prefix, new_id, validate_identifiers
from registry.domain.policy import Policy, Thresholds
from registry.errors import Conflict as ConflictError
from registry.errors import Invalid, NotFound
from registry.index import remove_item, store_item
from registry.jobs import JobKind, enqueue
from registry.models import Asset, AssetStatus, Conflict, Corpus, Exclusion, Job, Reservation, Work, WorkIdentifier

_FIRST_YEAR = 1850


class WorkKind(StrEnum):
    FILM = "film"
    SERIES = "series"
    CLIP = "clip"
    SOUND_RECORDING = "sound_recording"
    COMPOSITION = "composition"
    IMAGE = "image"
    CHARACTER = "character"
    VOICE = "voice"
    LIKENESS = "likeness"


# What is not footage or sound itself: such a work carries what was said of it, and reference clips.
PERSONS = frozenset({WorkKind.VOICE, WorkKind.LIKENESS})
BEYOND_COPIES = PERSONS | {WorkKind.CHARACTER}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWork:
    """What a holder says of a work."""

    title: str
    kind: WorkKind
    identifiers: dict[str, str] = field(default_factory=dict)
    creators: list[str] = field(default_factory=list)
    contributors: tuple[Contributor, ...] = ()
    shares: tuple[Share, ...] = ()
    alternative_titles: tuple[AlternativeTitle, ...] = ()
    year: int | None = None
    policy: Policy = Policy.REVIEW
    thresholds: Thresholds | None = None
    shows_frames: bool = False
    confidential: bool = False


def register(session: Session, actor: Actor, said: NewWork, *, at: datetime) -> Work:
    """Enter a work of the actor's own."""
    actor.require(Scope.WORKS_WRITE)
    work = Work(
        id=new_id(Prefix.WORK, at=at),
        holder_id=actor.holder_id,
        title=_title(said.title),
        kind=said.kind.value,
        identifiers=validate_identifiers(said.identifiers),
        creators=said.creators,
        contributors=as_json(said.contributors),
        shares=as_json(_sound(said.shares)),
        alternative_titles=as_json(said.alternative_titles),
        year=_year(said.year, at),
        policy=said.policy.value,
        shows_frames=said.shows_frames,
        confidential=said.confidential,
        created_at=at,
        updated_at=at,
    )
    session.add(work)
    session.flush()
    list_identifiers(session, work)
    thresholds.ask(work, said.thresholds)
    ledger.record(session, "work.registered", work, at=at)
    return work


def change(session: Session, actor: Actor, work_id: str, changes: dict[str, Any], *, at: datetime) -> Work:
    """Change some fields of a work; the ledger keeps that it was changed, and when."""
    work = own_work(session, actor, work_id)
    for name, value in changes.items():
        match name:
            case "title":
                work.title = _title(value)
            case "identifiers":
                work.identifiers = validate_identifiers(value)
                list_identifiers(session, work)
            case "contributors" | "alternative_titles":
                setattr(work, name, as_json(value))
            case "shares":
                work.shares = as_json(_sound(value))
            case "year":
                work.year = _year(value, at)
            case "thresholds":
                thresholds.ask(work, value)
            case "kind" | "policy" | "creators" | "shows_frames" | "confidential":
                setattr(work, name, value)
            case _:
                raise Invalid(field=name, problem="cannot be changed")
    work.updated_at = at
    ledger.record(session, "work.changed", work, at=at)
    return work


def withdraw(session: Session, actor: Actor, work_id: str, *, at: datetime) -> list[str]:
    """Withdraw a work: it is no longer found in clips. Returns the blobs that nobody needs any more."""
    work = own_work(session, actor, work_id)
    freed = [blob for asset in work.assets if (blob := withdraw_asset(session, asset, at=at))]
    for said in session.scalars(
        sa.select(Reservation).where(Reservation.work_id == work.id, Reservation.withdrawn_at.is_(None))
    ):
        said.withdrawn_at = at
        ledger.record(session, "reservation.withdrawn", said, at=at)
    revocation.revoke_all(session, work, at=at)
    work.withdrawn_at = work.updated_at = at
    ledger.record(session, "work.withdrawn", work, at=at)
    return freed


def withdraw_asset(session: Session, asset: Asset, *, at: datetime) -> str | None:
    """Take one asset out of the index and out of all conflicts. Returns the blob that nobody needs any more."""
    remove_item(session, asset.id, at=at)
    about = sa.or_(Conflict.asset_id == asset.id, Conflict.rival_asset_id == asset.id)
    for conflict in session.scalars(sa.select(Conflict).where(about, Conflict.closed_at.is_(None))):
        state, withdraw = conflicts.State(conflict.state), conflicts.Event.WITHDRAW
        after = conflicts.transition(state, withdraw, conflict_id=conflict.id)
        conflict.state, conflict.cause, conflict.closed_at = after.value, withdraw.value, at
        ledger.record(session, "conflict.closed", conflict, at=at)
    for excluded in session.scalars(_excluded_by_default(asset)):
        excluded.withdrawn_at = at
        ledger.record(session, "exclusion.withdrawn", excluded, at=at)
    freed = asset.blob_key
    asset.status, asset.blob_key = AssetStatus.WITHDRAWN.value, None
    return freed


def _excluded_by_default(asset: Asset) -> sa.Select[Exclusion]:
    """What others lost to this asset because they said nothing: nobody looked at it, so it ends with the claim."""
    won = sa.or_(
        sa.and_(Conflict.asset_id == asset.id, Conflict.outcome == conflicts.Outcome.LATER),
        sa.and_(Conflict.rival_asset_id == asset.id, Conflict.outcome == conflicts.Outcome.EARLIER),
    )
    by_default = sa.select(Conflict.id).where(won, Conflict.cause == conflicts.Event.DEFAULT)
    return sa.select(Exclusion).where(Exclusion.conflict_id.in_(by_default), Exclusion.withdrawn_at.is_(None))


def own_work(session: Session, actor: Actor, work_id: str) -> Work:
    """A work of the actor's that is in force. Raises: NotFound, also for another holder's."""
    work = ever_own(session, actor, work_id)
    if work.withdrawn_at is not None:
        raise NotFound(kind="work", id=work_id)
    return work


def ever_own(session: Session, actor: Actor, work_id: str) -> Work:
    """A work of the actor's, also one that was withdrawn. Raises: NotFound, also for another holder's."""
    actor.require(*READS[Prefix.WORK])
    work = session.get(Work, work_id)
    if work is None or work.holder_id != actor.holder_id:
        raise NotFound(kind="work", id=work_id)
    return work


def visible_asset(session: Session, actor: Actor, asset_id: str) -> Asset:
    """An asset of a work of the actor's, also a withdrawn one; or any asset for the operator."""
    actor.require(*READS[Prefix.ASSET])
    asset = session.get(Asset, asset_id)
    if asset is None or not (actor.may(Scope.ADMIN) or asset.work.holder_id == actor.holder_id):
        raise NotFound(kind="asset", id=asset_id)
    return asset


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Which file of the work an asset is, such as its trailer, and in which language (BCP 47)."""

    label: str | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        check_language(self.language, "language")
        if self.label is not None and not (0 < len(self.label.strip()) <= 200 and self.label.isprintable()):
            raise Invalid(field="label", problem="Give 1 to 200 printable characters.")


def add_upload(
    session: Session, actor: Actor, work_id: str, *, blob_key: str, sha256: str, at: datetime,
    described: Described = Described(),
) -> Asset:  # fmt: skip
    """Accept a file for a work; a job fingerprints it."""
    work = own_work(session, actor, work_id)
    same = session.scalar(
        sa.select(Asset).where(Asset.work_id == work.id, Asset.sha256 == sha256, Asset.status != AssetStatus.REJECTED)
    )
    if same is not None:
        raise ConflictError(kind="asset", id=same.id, problem="This work already has this very file.")
    asset = _new_asset(work, described, at=at)
    asset.sha256, asset.blob_key = sha256, blob_key
    session.add(asset)
    session.flush()
    enqueue(session, JobKind.FINGERPRINT, asset.id, at=at)
    return asset


def job_of(session: Session, asset: Asset) -> tuple[str, str]:
    """The id and kind of the job that fingerprints an asset."""
    job = session.scalars(sa.select(Job).where(Job.subject_id == asset.id)).one()
    return job.id, job.kind


def add_fingerprint(
    session: Session, actor: Actor, work_id: str, fingerprint: Fingerprint, *, at: datetime,
    described: Described = Described(),
) -> Asset:  # fmt: skip
    """Accept a fingerprint that was made on the owner's machine.

    Raises:
        MediaError: the quality gate refuses it.
    """
    work = own_work(session, actor, work_id)
    asset = _new_asset(work, described, at=at)
    session.add(asset)
    session.flush()
    store_asset(session, asset, fingerprint, at=at)
    enqueue(session, JobKind.FINGERPRINT, asset.id, at=at)
    return asset


def _new_asset(work: Work, described: Described, *, at: datetime) -> Asset:
    return Asset(
        id=new_id(Prefix.ASSET, at=at),
        work_id=work.id,
        label=described.label,
        language=described.language,
        status=AssetStatus.QUEUED.value,
        created_at=at,
    )


def store_asset(session: Session, asset: Asset, fingerprint: Fingerprint, *, at: datetime) -> None:
    """Make an asset searchable from this transaction on; `conflicts.settle_asset` must follow.

    Raises:
        MediaError: the quality gate refuses it.
    """
    reference = reference_of(fingerprint)
    asset.status, asset.progress = AssetStatus.PROCESSING.value, 0.9
    asset.duration_s = fingerprint.duration_s
    asset.warnings = [f"{modality}: {fault}" for modality, fault in weaknesses(fingerprint).items()]
    store_item(session, Corpus.WORKS, asset.id, reference, at=at)


def reject_asset(session: Session, asset: Asset, *, reason: str, problem: str, at: datetime) -> str | None:
    """Say that an asset cannot be used, and why. Returns the blob that nobody needs any more."""
    if asset.status == AssetStatus.WITHDRAWN:
        return None
    remove_item(session, asset.id, at=at)  # it may have been stored, and then not searched for
    freed = asset.blob_key
    asset.status = AssetStatus.REJECTED.value
    asset.reason, asset.problem, asset.blob_key, asset.progress = reason, problem, None, 1.0
    return freed


def list_identifiers(session: Session, work: Work) -> None:
    """Have a work found by the identifiers that it has now, and by no others."""
    for row in session.scalars(sa.select(WorkIdentifier).where(WorkIdentifier.work_id == work.id)):
        session.delete(row)
    session.flush()
    session.add_all(WorkIdentifier(work_id=work.id, scheme=key, value=value) for key, value in work.identifiers.items())


def _sound(shares: Sequence[Share]) -> Sequence[Share]:
    check_shares(shares)
    return shares


def _title(title: str) -> str:
    if not title.strip() or len(title) > 500:
        raise Invalid(field="title", problem="Give a title of at most 500 characters.")
    return title.strip()


def _year(year: int | None, at: datetime) -> int | None:
    if year is not None and not _FIRST_YEAR <= year <= at.year + 10:
        raise Invalid(field="year", problem=f"Give the year of release, {_FIRST_YEAR} to {at.year + 10}.")
    return year
