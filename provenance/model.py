"""The values of provenance: what we claim of a release, and what a file says of itself.

Integrity (was the file changed after signing) and trust in the signer (do we
know who signed) are separate facts and are never folded into one state. Words
on the reading side are those of the HTTP contract.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from provenance.authority import Standing
from provenance.source_types import SourceType


class MiningUse(StrEnum):
    """What a `cawg.training-mining` entry says of one use."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "notAllowed"
    CONSTRAINED = "constrained"


class MiningEntry(StrEnum):
    """Entry names of CAWG Training and Data Mining 1.1."""

    DATA_MINING = "cawg.data_mining"
    AI_INFERENCE = "cawg.ai_inference"
    AI_TRAINING = "cawg.ai_training"
    AI_GENERATIVE_TRAINING = "cawg.ai_generative_training"


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningRule:
    """One use and, when it is constrained, where its terms are."""

    use: MiningUse
    constraint_info: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMining:
    """What is said of training and mining; an entry left out says nothing."""

    entries: Mapping[MiningEntry, MiningRule] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertedCheck:
    """The result of the pre-publish check that a release rests on.

    Attributes:
        verdict: as it was given; `review` where a person approved it later.
        algorithms: versioned names of what the clip was compared by.
        ledger_index: where the ledger holds the verdict, `ledger_origin` whose ledger that is.
    """

    check_id: str
    verdict: str
    algorithms: tuple[str, ...]
    index_sequence: int
    ledger_origin: str
    ledger_index: int | None
    checked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertedConsent:
    """A person's consent that a release rests on; `token` is the registry's signed statement of it."""

    consent_id: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftBinding:
    """A fingerprint or watermark value that finds a manifest again once it was stripped."""

    algorithm: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseClaim:
    """Everything that a release's manifest states."""

    title: str
    release_id: str
    media_type: str
    created_at: datetime
    generator_name: str | None
    generator_version: str | None
    source_type: SourceType | None
    check: AssertedCheck
    thumbnail_jpeg: bytes | None = None
    soft_bindings: tuple[SoftBinding, ...] = ()
    training_mining: TrainingMining = field(default_factory=TrainingMining)
    consents: tuple[AssertedConsent, ...] = ()


class Relationship(StrEnum):
    """What a file was to the one that came of it (C2PA 2.4 section 18.16)."""

    PARENT_OF = "parentOf"
    COMPONENT_OF = "componentOf"
    INPUT_TO = "inputTo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """A file that went into a release beside its source; the credentials that it carries are kept."""

    path: Path
    title: str
    relationship: Relationship


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFile:
    """A signed file as it lies at its target: signed, re-read, found intact and trusted.

    Attributes:
        manifest_store: the credentials alone, application/c2pa.
        is_sidecar: the file cannot carry them: it is as it was, and they lie beside it.
        source_type_in_file: whether the file's XMP says where it came from as well.
    """

    sha256: str
    size_bytes: int
    manifest_label: str
    manifest_json: str
    manifest_store: bytes
    is_sidecar: bool
    source_type_in_file: bool


class IntegrityState(StrEnum):
    """Whether the file is as it was signed. Unreadable is not absent."""

    INTACT = "intact"
    INVALID = "invalid"
    ABSENT = "absent"
    UNREADABLE = "unreadable"
    REMOTE = "remote"


class SignerState(StrEnum):
    """What we can say of who signed."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    EXPIRED = "expired"
    REVOKED = "revoked"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One reason why integrity does not hold, by C2PA status code and in plain words."""

    code: str
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """State of the file, with what failed; empty when nothing did.

    Attributes:
        remote_url: where credentials that are kept elsewhere are said to lie; nobody looked there.
    """

    state: IntegrityState
    failures: tuple[Failure, ...] = ()
    remote_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """One certificate of a signer's chain, as it came with the file."""

    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerFacts:
    """Who signed, and the trust list that knows them.

    Attributes:
        standing: whose list that is; None while no list knows them.
        chain: the signer's own certificate first; empty where it was not read.
    """

    state: SignerState = SignerState.NONE
    name: str | None = None
    issuer: str | None = None
    algorithm: str | None = None
    trust_list: str | None = None
    standing: Standing | None = None
    chain: tuple[CertificateFacts, ...] = ()


class TimeStampState(StrEnum):
    """What can be said of when the claim was signed."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    INVALID = "invalid"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStampFacts:
    """Time said by somebody else than the signer; `at` is given also when we do not know who said it."""

    state: TimeStampState = TimeStampState.NONE
    at: datetime | None = None
    authority: str | None = None


class IdentityState(StrEnum):
    """What can be said of a CAWG identity assertion."""

    TRUSTED = "trusted"
    WELL_FORMED = "well_formed"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityFacts:
    """Who says to stand behind the content, beside the signer (CAWG Identity 1.1).

    Attributes:
        kind: how it is proved, such as `cawg.x509.cose` or `cawg.identity_claims_aggregation`.
        names: who, as the credential says; each with the provider that vouches for it where there is one.
    """

    state: IdentityState
    kind: str | None
    names: tuple[str, ...]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A statement that was taken out of an ingredient's credentials, on purpose and on record."""

    assertion: str
    manifest_label: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFact:
    """One step of the file's history, as its signer tells it."""

    action: str
    when: str | None
    software_agent: str | None
    digital_source_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngredientFacts:
    """A file that went into this one, and what went into that.

    The ingredient's media is not here to be hashed again: its integrity is
    what the signer recorded when using it, and what fails of it now.
    """

    title: str | None
    relationship: str | None
    integrity: Integrity
    signer: SignerFacts
    ai_generated: bool | None
    claim_generator: str | None = None
    manifest_label: str | None = None
    ingredients: tuple["IngredientFacts", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFacts:
    """What a file says of itself, as separate facts.

    Strings come as the file has them, markup and all, cut to a bounded length;
    escaping them is the page's work. `check` and `consents` are Clearmark's own
    assertions and are given only when the file is intact and a certificate of ours signed it:
    anyone can write one, or copy a token from another file. `raw` is the whole
    report, None when it is past its bound; so are `crjson` and `manifest_store`.
    """

    integrity: Integrity
    signer: SignerFacts = field(default_factory=SignerFacts)
    time_stamp: TimeStampFacts = field(default_factory=TimeStampFacts)
    manifest_label: str | None = None
    claim_generator: str | None = None
    title: str | None = None
    actions: tuple[ActionFact, ...] = ()
    ai_generated: bool | None = None
    training_mining: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    identities: tuple[IdentityFacts, ...] = ()
    ingredients: tuple[IngredientFacts, ...] = ()
    redactions: tuple[Redaction, ...] = ()
    soft_bindings: tuple[SoftBinding, ...] = ()
    check: Mapping[str, Any] | None = None
    consents: tuple[AssertedConsent, ...] = ()
    raw: Mapping[str, Any] | None = None
    crjson: str | None = None
    manifest_store: bytes | None = None
