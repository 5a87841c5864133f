"""Rows for tests, made by the services themselves: a test names what matters to it, this fills in the rest.

Everything happens at `AT` unless a test says otherwise; nothing here reads a clock.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from fingerprinting.index.landmarks import LandmarkIndex
from fingerprinting.index.protocol import OwnIndex
from fingerprinting.model import Algorithm, Descriptors, Fingerprint
from provenance.model import SignedFile
from registry import access, checks, conflicts, consents, endpoints, exclusions, negatives, releases, works
from registry.access import Actor, IssuedKey, Scope
from registry.checks import Evidence, Rules, Unanswerable
from registry.consents import NewConsent
from registry.domain import consent as consent_domain
from registry.domain.consent import Uses
from registry.domain.policy import Assurance, Policy
from registry.domain.tokens import TokenKeys
from registry.index import IndexEngine
from registry.models import Asset, Check, Consent, Holder, Negative, Notice, Release, Work
from registry.quarantine import FloodLimits
from registry.releases import NewRelease
from registry.works import NewWork, WorkKind
from takedown.domain.completeness import CounterContent, NoticeContent
from takedown.materials import Target
from takedown.service import Desk, NewNotice

AT = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)  # a Monday, noon in New York
STEP_S = 0.25
SHA256 = "ab" * 32
MOST_SCOPES = (Scope.WORKS_WRITE, Scope.CHECKS_WRITE, Scope.RELEASES_WRITE, Scope.NOTICES_WRITE)
EVIDENCE = Evidence(engine={"engine": "faiss", "algorithms": [a.value for a in Algorithm]}, timings_ms={"total": 1.5})
COMPLETE_NOTICE = NoticeContent(
    signature="Ada Studio",
    work_description="The film “Night Train”",
    material=("https://clips.example/1",),
    contact_name="Ada Studio",
    contact_email="ada@studio.example",
    good_faith=True,
    accuracy_under_penalty_of_perjury=True,
    authority=True,
)
COMPLETE_COUNTER = CounterContent(
    signature="Paul Pipeline",
    material=("The clip “Train”",),
    former_locations=("https://clips.example/1",),
    mistake_under_penalty_of_perjury=True,
    name="Paul Pipeline",
    address="1 Main Street, Springfield",
    telephone="+1 555 0100",
    consent_to_jurisdiction=True,
    accept_service=True,
)
FLOOD = FloodLimits()
RULES = Rules()
_numbers = itertools.count(1)


def holder(
    session: Session,
    *,
    name: str | None = None,
    assurance: Assurance = Assurance.VETTED,
    webhook_url: str | None = None,
) -> Holder:
    name = name or f"Holder {next(_numbers)}"
    row = access.find_or_add_holder(session, name=name, assurance=assurance, at=AT)
    if webhook_url is not None:
        endpoints.set_by_operator(session, holder=name, url=webhook_url, at=AT)
    return row


def actor(session: Session, *scopes: Scope, assurance: Assurance = Assurance.VETTED, name: str | None = None) -> Actor:
    """A new holder who may do all that holders do, or just `scopes`."""
    return actor_of(holder(session, name=name, assurance=assurance), *scopes)


def actor_of(row: Holder, *scopes: Scope) -> Actor:
    return Actor(holder_id=row.id, scopes=frozenset(scopes or MOST_SCOPES))


def reviewer(session: Session) -> Actor:
    return actor(session, Scope.REVIEW)


def key(session: Session, row: Holder, *scopes: Scope, expires_at: datetime | None = None) -> IssuedKey:
    return access.issue_key(session, row, scopes or MOST_SCOPES, at=AT, expires_at=expires_at)


def work(session: Session, owner: Actor, *, at: datetime = AT, **said: Any) -> Work:
    new = replace(NewWork(title="Night Train", kind=WorkKind.FILM, policy=Policy.BLOCK), **said)
    return works.register(session, owner, new, at=at)


def person(session: Session, speaker: Actor, *, title: str = "Ada", **said: Any) -> Work:
    """A registered person for whom `speaker` speaks."""
    return work(session, speaker, title=title, kind=WorkKind.LIKENESS, **said)


def consent(
    session: Session, speaker: Actor, of: Work, to: Actor, keys: TokenKeys, *, at: datetime = AT, **said: Any
) -> Consent:
    """A consent to everything for a day, unless a test says otherwise."""
    usual: dict[str, Any] = {"uses": Uses.BOTH, "scope": consent_domain.Scope.UNTIL, "expires": at + timedelta(days=1)}
    new = NewConsent(grantee_id=to.holder_id, **usual | said)
    return consents.grant(session, speaker, of.id, new, keys, at=at)


def fingerprint(seed: int, *, seconds: float = 12.0, start_s: float = 0.0) -> Fingerprint:
    """The picture of clip `seed`, from `start_s` on: clips of one seed are copies, of two have nothing in common."""
    first = round(start_s / STEP_S)
    count = round(seconds / STEP_S)
    drawn = np.random.default_rng(seed).integers(
        0, 256, (first + count, Algorithm.VIDEO_PHASH_V1.row_bytes), dtype=np.uint8
    )
    described = Descriptors(
        algorithm=Algorithm.VIDEO_PHASH_V1,
        times_s=(np.arange(count) * STEP_S).astype(np.float64),
        vectors=drawn[first:],
    )
    return Fingerprint(duration_s=seconds, descriptors=(described,))


def mixed(*parts: Fingerprint) -> Fingerprint:
    """One clip made of several, one after another."""
    starts = np.cumsum([0.0, *(part.duration_s for part in parts)])
    described = [part.descriptors[0] for part in parts]
    joined = Descriptors(
        algorithm=Algorithm.VIDEO_PHASH_V1,
        times_s=np.concatenate([d.times_s + s for d, s in zip(described, starts[:-1], strict=True)]).astype(np.float64),
        vectors=np.concatenate([d.vectors for d in described]),
    )
    return Fingerprint(duration_s=float(starts[-1]), descriptors=(joined,))


def asset(
    session: Session, owner: Actor, its_work: Work, engine: IndexEngine, shown: Fingerprint, *, at: datetime = AT
) -> Asset:
    """An asset as its job leaves it, with its conflicts; the test must commit, for the engine has seen it."""
    row = works.add_fingerprint(session, owner, its_work.id, shown, at=at)
    found = engine.rivals(session, row.id)
    exclusions.exclude_bank_material(session, negatives.material_in(session, engine, row.id, timeout_s=30), at=at)
    conflicts.settle_asset(session, row, found, not_claimed=exclusions.stretches_of(session, row.id), at=at)
    session.flush()
    return row


def operator(session: Session) -> Actor:
    return actor(session, Scope.ADMIN)


def negative(
    session: Session, engine: IndexEngine, shown: Fingerprint, *, title: str = "Countdown", at: datetime = AT
) -> Negative:
    """An entry of the negative bank as its job leaves it."""
    entry, _ = negatives.add_fingerprint(session, operator(session), title, shown, at=at)
    material = negatives.material_of(session, engine, entry.id, timeout_s=30)
    negatives.settle(session, entry, material, at=at)
    return entry


def check(
    session: Session,
    asker: Actor,
    engine: IndexEngine,
    shown: Fingerprint | Unanswerable,
    *,
    sha256: str | None = SHA256,
    blob_key: str | None = "check_1",
    at: datetime = AT,
    flood: FloodLimits = FLOOD,
    context: dict[str, Any] | None = None,
    keys: TokenKeys | None = None,
) -> Check:
    """A check that was asked and answered."""
    row = checks.ask(
        session, asker, context=context or {}, at=at, blob_key=blob_key, sha256=sha256, media_type="video/mp4",
        keys=keys.public() if keys else None,
    )  # fmt: skip
    if isinstance(shown, Unanswerable):
        checks.answer(session, row, shown, EVIDENCE, fingerprint=None, at=at, rules=Rules(flood=flood))
    else:
        found = checks.search(session, engine, shown, timeout_s=30)
        checks.answer(session, row, found, EVIDENCE, fingerprint=shown, at=at, rules=Rules(flood=flood))
    return row


def signed_file(sha256: str = "cd" * 32) -> SignedFile:
    return SignedFile(
        sha256=sha256, size_bytes=1000, manifest_label="urn:c2pa:1", manifest_json='{"label": "urn:c2pa:1"}',
        manifest_store=b"a store", is_sidecar=False, source_type_in_file=False,
    )  # fmt: skip


def release(session: Session, maker: Actor, checked: Check, *, at: datetime = AT) -> Release:
    """A release of a check, as if its file had been signed."""
    prepared = releases.prepare(
        session, maker, NewRelease(check_id=checked.id, title="Train"), ledger_origin="o", at=at
    )
    return releases.publish(session, maker, prepared, signed_file(), blob_key=f"release_{next(_numbers)}", at=at)


def new_notice(content: NoticeContent = COMPLETE_NOTICE, *, release_id: str | None = None, **said: Any) -> NewNotice:
    """What is filed: a complete notice unless a test says otherwise."""
    return NewNotice(content=content, target=Target(release_id=release_id), **said)


def notice(
    session: Session,
    desk: Desk,
    claimant: Actor,
    about: Release | None,
    content: NoticeContent = COMPLETE_NOTICE,
    *,
    at: datetime = AT,
    **said: Any,
) -> Notice:
    return desk.file(session, claimant, new_notice(content, release_id=about.id if about else None, **said), at=at)


def indexes_of(vectors: Callable[[Algorithm], OwnIndex]) -> Callable[[Algorithm], OwnIndex]:
    """Indexes for an engine: `vectors` for every algorithm but landmarks, which have one kind of index alone."""
    return lambda algorithm: LandmarkIndex() if algorithm is Algorithm.AUDIO_LANDMARK_V1 else vectors(algorithm)
