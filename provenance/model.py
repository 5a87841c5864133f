"""The values of provenance: what we claim of a release, and what a file says of itself.

Integrity (was the file changed after signing) and trust in the signer (do we
know who signed) are separate facts and are never folded into one state. Words
on the reading side are those of the HTTP contract.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


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
    """The result of the pre-publish check that a release rests on."""

    check_id: str
    verdict: str
    algorithms: tuple[str, ...]
    index_sequence: int
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
    ai_generated: bool
    check: AssertedCheck
    soft_bindings: tuple[SoftBinding, ...] = ()
    training_mining: TrainingMining = field(default_factory=TrainingMining)
    consents: tuple[AssertedConsent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFile:
    """A signed file as it lies at its target: signed, re-read, found intact and trusted."""

    sha256: str
    size_bytes: int
    manifest_label: str
    manifest_json: str


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
    """State of the file, with what failed; empty when nothing did."""

    state: IntegrityState
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerFacts:
    """Who signed, and the trust list that knows them."""

    state: SignerState = SignerState.NONE
    name: str | None = None
    trust_list: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFact:
    """One step of the file's history, as its signer tells it."""

    action: str
    when: str | None
    software_agent: str | None
    digital_source_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngredientFacts:
    """A file that went into this one; `depth` 1 is a direct ingredient.

    The ingredient's media is not here to be hashed again: its integrity is
    what the signer recorded when using it, and what fails of it now.
    """

    title: str | None
    relationship: str | None
    integrity: Integrity
    signer: SignerFacts
    ai_generated: bool | None
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFacts:
    """What a file says of itself, as separate facts.

    Strings come as the file has them, markup and all, cut to a bounded length;
    escaping them is the page's work. `check` and `consents` are Clearmark's own
    assertions and are given only when the file is intact and its signer trusted:
    anyone can write one, or copy a token from another file. `raw` is the whole
    report, None when it is past its bound.
    """

    integrity: Integrity
    signer: SignerFacts = field(default_factory=SignerFacts)
    timestamp: datetime | None = None
    manifest_label: str | None = None
    claim_generator: str | None = None
    title: str | None = None
    actions: tuple[ActionFact, ...] = ()
    ai_generated: bool | None = None
    training_mining: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ingredients: tuple[IngredientFacts, ...] = ()
    soft_bindings: tuple[SoftBinding, ...] = ()
    check: Mapping[str, Any] | None = None
    consents: tuple[AssertedConsent, ...] = ()
    raw: Mapping[str, Any] | None = None
