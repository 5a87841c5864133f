"""What the service answers, as it comes: JSON objects, typed for whoever reads them.

Decides nothing: an answer is not checked against these, and what a newer service adds is kept. A test holds them to
the specification.
"""

from typing import Any, Literal, TypedDict

type Use = Literal["train", "train_generative", "input", "search", "tdm", "depict_in_output"]
type Value = Literal["allowed", "constrained", "reserved"]
type Revocation = Literal["bad_check", "takedown", "mistake", "withdrawn", "key_compromise"]
type Verdict = Literal["clear", "review", "block", "unknown"]


class Reservation(TypedDict):
    """One word of a holder on one use; `agent_id` is who said it for them."""

    id: str
    agent_id: str | None
    scope: str
    work_id: str | None
    asset_id: str | None
    location: str | None
    use: Use
    value: Value
    territory: str
    terms_url: str | None
    contact: str | None
    declared_at: str
    valid_from: str
    valid_until: str | None
    withdrawn_at: str | None
    superseded_at: str | None


class Work(TypedDict):
    id: str
    title: str
    kind: str
    identifiers: dict[str, str]
    creators: list[str]
    contributors: list[dict[str, Any]]
    shares: list[dict[str, Any]]
    alternative_titles: list[dict[str, Any]]
    year: int | None
    policy: Literal["block", "review", "notify"]
    shows_frames: bool
    confidential: bool
    created_at: str
    updated_at: str
    found_by: str
    reservations: list[Reservation]
    assets: list[str]


class Consent(TypedDict):
    """What a person lets one pipeline do; `token` goes with a check."""

    id: str
    work_id: str
    title: str
    granted_by: str
    grantee_id: str
    uses: Literal["likeness", "voice", "both"]
    scope: Literal["clip", "project", "until"]
    clip_sha256: str | None
    project: str | None
    conditions: str | None
    not_before: str
    expires: str | None
    granted_at: str
    revoked_at: str | None
    state: str
    token: str


class Asset(TypedDict):
    """One media file of a work; `problem` says in words why it was rejected."""

    id: str
    work_id: str
    label: str | None
    language: str | None
    status: Literal["queued", "processing", "indexed", "rejected", "withdrawn"]
    progress: float
    reason: str | None
    problem: str | None
    sha256: str | None
    duration_s: float | None
    fingerprints: list[str]
    warnings: list[str]
    conflicts: list[dict[str, Any]]
    exclusions: list[dict[str, Any]]
    quarantine: dict[str, Any] | None
    created_at: str


class Negative(TypedDict):
    """An entry of the negative bank."""

    id: str
    title: str
    status: Literal["queued", "processing", "indexed", "rejected", "withdrawn"]
    reason: str | None
    problem: str | None
    sha256: str | None
    duration_s: float | None
    created_at: str
    indexed_at: str | None


class Match(TypedDict):
    work_id: str
    asset_id: str
    title: str
    modality: str
    algorithm: str
    query_start_s: float
    query_end_s: float
    reference_start_s: float
    reference_end_s: float
    score: float
    policy: str
    own: bool
    confirmed: bool
    doubts: list[str]
    no_weight: str | None


class Reason(TypedDict):
    code: str
    message: str
    work_id: str | None


class Check(TypedDict):
    """A question and its answer; `verdict` is None until it is answered."""

    id: str
    status: Literal["queued", "processing", "done"]
    progress: float
    verdict: Verdict | None
    reasons: list[Reason]
    matches: list[Match]
    index: dict[str, Any]
    timings_ms: dict[str, float]
    sha256: str | None
    duration_s: float | None
    context: dict[str, Any]
    decision: dict[str, Any] | None
    explanation: Literal["waiting", "ready", "failed", "forgotten"] | None
    created_at: str
    expires_at: str


class Release(TypedDict):
    """A signed file; `is_sidecar` says that its credentials lie beside it, `revocation` why it is not stood by."""

    id: str
    check_id: str
    state: Literal["signed", "disabled", "revoked"]
    title: str
    media_type: str
    sha256: str
    source_sha256: str
    size_bytes: int
    manifest_id: str
    manifest: dict[str, Any]
    is_sidecar: bool
    source_type: str | None
    source_type_in_file: bool
    iscc: str | None
    created_at: str
    disabled_at: str | None
    revoked_at: str | None
    revocation: Revocation | None
    revocation_reason: str | None


class Verification(TypedDict):
    """Separate facts; there is no overall score. `manifest_source` is where the credentials lie, None without any."""

    id: str
    sha256: str
    verified_at: str
    integrity: dict[str, Any]
    signer: dict[str, Any]
    timestamp: str | None
    time_stamp: dict[str, Any]
    manifest_source: Literal["embedded", "sent", "kept"] | None
    duration_s: float | None
    remote_url: str | None
    identities: list[dict[str, Any]]
    redactions: list[dict[str, Any]]
    manifest_label: str | None
    claim_generator: str | None
    title: str | None
    release: dict[str, Any] | None
    has_crjson: bool
    has_manifest: bool
    actions: list[dict[str, Any]]
    ai_generated: bool | None
    training_mining: dict[str, Any]
    ingredients: list[dict[str, Any]]
    consents: list[dict[str, Any]]
    recovered: list[dict[str, Any]]
    registry_matches: list[dict[str, Any]]
    fingerprint_problem: str | None
    raw: dict[str, Any] | None


class Preference(TypedDict):
    """What holds for one use; `unset` means that nobody said anything, which is not a yes."""

    answer: Literal["reserved", "constrained", "allowed", "unset", "disputed"]
    declarations: list[str]


class PreferenceAnswer(TypedDict):
    work_ids: list[str]
    preferences: dict[Use, Preference]


class PreferenceAnswers(TypedDict):
    """An answer for each item asked about, in their order, all as of `at`."""

    at: str
    items: list[PreferenceAnswer]
    declarations: dict[str, Reservation] | None


class Import(TypedDict):
    id: str
    format: Literal["csv", "jsonl", "ddex"]
    dry_run: bool
    status: Literal["queued", "processing", "done", "failed"]
    problem: str | None
    rows_done: int
    registered: int
    known: int
    refused: int
    skipped: int
    created_at: str
    finished_at: str | None


class ImportRow(TypedDict):
    number: int
    outcome: Literal["registered", "known", "refused", "skipped"]
    title: str
    reference: str | None
    work_id: str | None
    field: str | None
    problem: str | None
    note: str | None


class LedgerEntry(TypedDict):
    number: int
    data: str
    leaf_hash: str


class Proof(TypedDict):
    """That an entry stands in the log; `hashes` are in hex."""

    number: int
    data: str
    checkpoint: str
    hashes: list[str]


class Notice(TypedDict):
    id: str
    track: str
    state: str
    release_id: str | None
    missing: list[dict[str, Any]]
    deadlines: list[dict[str, Any]]
    possible_events: list[str]
    history: list[dict[str, Any]]
    created_at: str


class WebhookEndpoint(TypedDict):
    """Where you are told of what happens; `secret` is there when it was just made."""

    url: str
    set_by: Literal["operator", "holder"]
    status: Literal["active", "disabled"]
    problem: str | None
    secret: str | None
    previous_secret_until: str | None
    created_at: str


class WebhookMessage(TypedDict):
    id: str
    type: str
    data: dict[str, Any]
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    last_error: str | None
    created_at: str
    delivered_at: str | None
