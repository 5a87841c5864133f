"""Questions, verdicts and what may follow them."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.domain.policy import Doubt
from registry.domain.telling import rough_score
from registry.models.base import Base, JsonObject, foreign_id
from registry.models.consents import Draft, PresentedConsent
from registry.models.works import WITHHELD, Work


def told_score(score_0_1: float, *, title: str) -> float:
    """The score as it is told to whoever reads that title: of a work whose title is withheld only a rough one."""
    return rough_score(score_0_1) if title == WITHHELD else score_0_1


class CheckStatus(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    DONE = "done"


class ExplanationStatus(StrEnum):
    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"
    FORGOTTEN = "forgotten"


class Check(Base):
    """One pre-publish question, with its verdict and evidence."""

    __tablename__ = "checks"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = mapped_column(sa.ForeignKey("holders.id"))
    status: Mapped[str] = mapped_column(index=True)
    progress: Mapped[float] = mapped_column(default=0.0)
    sha256: Mapped[str | None]
    blob_key: Mapped[str | None]
    media_type: Mapped[str | None]
    duration_s: Mapped[float | None]
    context: Mapped[JsonObject]
    verdict: Mapped[str | None]
    reasons: Mapped[list[JsonObject]] = mapped_column(default=list)
    engine: Mapped[JsonObject] = mapped_column(default=dict)
    index_sequence: Mapped[int | None]
    timings_ms: Mapped[JsonObject] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    decision: Mapped[str | None]
    decision_reason: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    explanation: Mapped[str | None]
    explanation_key: Mapped[str | None]
    matches: Mapped[list["Match"]] = relationship(cascade="all, delete-orphan", order_by="Match.position")
    drafts: Mapped[list[Draft]] = relationship(cascade="all, delete-orphan", order_by=Draft.position)
    presented: Mapped[list[PresentedConsent]] = relationship(
        cascade="all, delete-orphan", order_by=PresentedConsent.position
    )
    # A holder's newest are found without the others.
    __table_args__ = (sa.Index("ix_checks_holder_id_id", "holder_id", "id"),)


class Match(Base):
    """One segment of a check that copies one asset; intervals are [start, end), seconds.

    `no_weight` says why it does not count at all, `doubts` why it may not lead to a block.
    """

    __tablename__ = "matches"
    check_id: Mapped[str] = mapped_column(sa.ForeignKey("checks.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    work_id: Mapped[str] = foreign_id("works.id")
    asset_id: Mapped[str] = foreign_id("assets.id")
    title: Mapped[str]
    modality: Mapped[str]
    algorithm: Mapped[str]
    query_start_s: Mapped[float]
    query_end_s: Mapped[float]
    reference_start_s: Mapped[float]
    reference_end_s: Mapped[float]
    score: Mapped[float]
    policy: Mapped[str]
    own: Mapped[bool]
    doubts: Mapped[list[str]] = mapped_column(default=list)
    no_weight: Mapped[str | None]
    __table_args__ = (sa.Index("ix_matches_asset_id_check_id", "asset_id", "check_id"),)

    @property
    def confirmed(self) -> bool:
        return Doubt.UNCONFIRMED not in self.doubts

    @property
    def told_score(self) -> float:
        """The score as the asker is told it."""
        return told_score(self.score, title=self.title)


class ReleaseState(StrEnum):
    """`disabled` may be served again; `revoked` is for good."""

    SIGNED = "signed"
    DISABLED = "disabled"
    REVOKED = "revoked"


class Revocation(StrEnum):
    """Why a release is not stood by any more."""

    BAD_CHECK = "bad_check"
    TAKEDOWN = "takedown"
    MISTAKE = "mistake"
    WITHDRAWN = "withdrawn"
    KEY_COMPROMISE = "key_compromise"


class Release(Base):
    """A checked output, signed; its manifest and fingerprint are kept so that it can be found again."""

    __tablename__ = "releases"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = mapped_column(sa.ForeignKey("holders.id"))
    check_id: Mapped[str] = mapped_column(sa.ForeignKey("checks.id"), unique=True)
    state: Mapped[str]
    title: Mapped[str]
    media_type: Mapped[str]
    source_sha256: Mapped[str]
    sha256: Mapped[str] = mapped_column(index=True)
    size_bytes: Mapped[int]
    blob_key: Mapped[str]
    manifest_id: Mapped[str] = mapped_column(index=True)
    manifest: Mapped[JsonObject]
    source_type: Mapped[str | None]
    source_type_in_file: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    is_sidecar: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    iscc: Mapped[str | None]
    iscc_kind: Mapped[int | None]
    iscc_body: Mapped[bytes | None] = mapped_column(index=True)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revocation: Mapped[str | None]
    revocation_reason: Mapped[str | None]
    # A holder's newest are found without the others.
    __table_args__ = (sa.Index("ix_releases_holder_id_id", "holder_id", "id"),)


class ReleaseManifest(Base):
    """A release's manifest store, byte for byte; apart from its release, since it may hold many ingredients'."""

    __tablename__ = "release_manifests"

    release_id: Mapped[str] = mapped_column(sa.ForeignKey("releases.id"), primary_key=True)
    store: Mapped[bytes]


class Verification(Base):
    """What was said of a file that somebody asked about; the file itself is not kept."""

    __tablename__ = "verifications"
    id: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    answer: Mapped[JsonObject]
    manifest_sha256: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime]


class VerificationManifest(Base):
    """What verified files said of themselves, as they said it; once for all that said the same."""

    __tablename__ = "verification_manifests"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    store: Mapped[bytes]
    crjson: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(index=True)


class Finding(Base):
    """An output of before that copies an asset registered after it; open until a person decides."""

    __tablename__ = "findings"
    id: Mapped[str] = mapped_column(primary_key=True)
    look_back_id: Mapped[str] = foreign_id("look_backs.id")
    work_id: Mapped[str] = foreign_id("works.id")
    asset_id: Mapped[str] = foreign_id("assets.id")
    check_id: Mapped[str] = foreign_id("checks.id")
    release_id: Mapped[str | None] = mapped_column(sa.ForeignKey("releases.id"), index=True)
    verdict: Mapped[str]
    reasons: Mapped[list[JsonObject]]
    segments: Mapped[list[JsonObject]]
    found_at: Mapped[datetime]
    decision: Mapped[str | None]
    decision_reason: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    disabled_release: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    work: Mapped[Work] = relationship(lazy="joined")
    check: Mapped[Check] = relationship(lazy="joined")
    __table_args__ = (sa.UniqueConstraint("asset_id", "check_id"),)
