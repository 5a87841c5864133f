"""The tables of the system of record.

Decides what is stored and what can never be (constraints). What may happen to a row is decided by
the services; what it means, by `registry.domain` and `takedown.domain`.
"""

from registry.models.accounts import Account, Agency, Domain, Identity, Letter, Mail, Membership, SignIn
from registry.models.base import Base, JsonObject, UtcDateTime, foreign_id
from registry.models.checks import (
    Check,
    CheckStatus,
    ExplanationStatus,
    Finding,
    Match,
    Release,
    ReleaseManifest,
    ReleaseState,
    Revocation,
    Verification,
    VerificationManifest,
)
from registry.models.consents import Consent, Draft, PresentedConsent
from registry.models.feed import FeedRow
from registry.models.holders import ApiKey, AssuranceChange, Holder
from registry.models.index import Corpus, IndexLogRow, Item, StoredDescriptors
from registry.models.jobs import IdempotencyKey, Job, JobState
from registry.models.ledger import (
    Heads,
    LedgerCheckpoint,
    LedgerCosignature,
    LedgerEntry,
    LedgerKey,
    LedgerNode,
    LedgerTimestamp,
)
from registry.models.notices import Notice, NoticeEvent
from registry.models.reservations import Import, ImportRow, ImportStatus, Reservation
from registry.models.webhooks import MessageStatus, OutboxMessage, SetBy, WebhookEndpoint
from registry.models.works import (
    Asset,
    AssetStatus,
    Conflict,
    ConflictStatement,
    Exclusion,
    LookBack,
    Negative,
    Quarantine,
    Work,
    WorkIdentifier,
)

__all__ = [
    "Account",
    "Agency",
    "ApiKey",
    "Asset",
    "AssetStatus",
    "AssuranceChange",
    "Base",
    "Check",
    "CheckStatus",
    "Conflict",
    "ConflictStatement",
    "Consent",
    "Corpus",
    "Domain",
    "Draft",
    "Exclusion",
    "ExplanationStatus",
    "FeedRow",
    "Finding",
    "Heads",
    "Holder",
    "IdempotencyKey",
    "Identity",
    "Import",
    "ImportRow",
    "ImportStatus",
    "IndexLogRow",
    "Item",
    "Job",
    "JobState",
    "JsonObject",
    "LedgerCheckpoint",
    "LedgerCosignature",
    "LedgerEntry",
    "LedgerKey",
    "LedgerNode",
    "LedgerTimestamp",
    "Letter",
    "LookBack",
    "Mail",
    "Match",
    "Membership",
    "MessageStatus",
    "Negative",
    "Notice",
    "NoticeEvent",
    "OutboxMessage",
    "PresentedConsent",
    "Quarantine",
    "Release",
    "ReleaseManifest",
    "ReleaseState",
    "Reservation",
    "Revocation",
    "SetBy",
    "SignIn",
    "StoredDescriptors",
    "UtcDateTime",
    "Verification",
    "VerificationManifest",
    "WebhookEndpoint",
    "Work",
    "WorkIdentifier",
    "foreign_id",
]
