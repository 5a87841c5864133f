"""Takedown notices, and what reviewers decide about them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    StrictBool,
    StringConstraints,
)

from api.schemas.base import In, Long, Short, Time
from takedown.decisions import Gravity
from takedown.domain.states import Event
from takedown.domain.track import TrackName

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
LanguageTag = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]


class NoticeIn(In):
    """A notice; what is missing is told, element by element. `GET /v1/notices/tracks` says what each track asks for.

    The material is named in your own words in `material`, and by one of the fields that lead to a release here.
    """

    track: TrackName = TrackName.DMCA_512
    release_id: str | None = None
    sha256: Sha256 | None = Field(default=None, description="Of the file that you found, if it is one of ours.")
    verification_id: str | None = Field(default=None, description="A verification of the file that you found.")
    check_id: str | None = Field(default=None, description="A check that matched a work of yours.")
    fingerprint: dict[str, Any] | None = Field(default=None, description="A fingerprint document of what you found.")
    language: LanguageTag = Field(default="en", description="Of the letters to you: en or id.")
    signature: Short | None = None
    work_description: Long | None = None
    work_ids: list[Short] = Field(default_factory=list, max_length=100)
    material: list[Long] = Field(default_factory=list, max_length=100)
    contact_name: Short | None = None
    contact_address: Short | None = None
    contact_telephone: Short | None = None
    contact_email: Short | None = None
    good_faith: StrictBool = False
    accuracy_under_penalty_of_perjury: StrictBool = False
    authority: StrictBool = False
    explanation: Long | None = Field(default=None, description="Why it is illegal, or was published without consent.")
    depicted_person: Short | None = Field(default=None, description="Whose voice or likeness it is.")
    bona_fide: StrictBool = False
    without_consent: StrictBool = False
    statement_versions: dict[str, int] | None = Field(
        default=None,
        max_length=20,
        description="The versions of the statements that you were shown; another one than is in force is refused.",
    )


# What of a notice is not the claimant's papers.
NOT_PAPERS = {
    "track", "release_id", "sha256", "verification_id", "check_id", "fingerprint", "language", "statement_versions",
}  # fmt: skip


class CounterNoticeIn(In):
    """A counter-notice; `GET /v1/notices/tracks` has the statements in full."""

    signature: Short | None = None
    material: list[Long] = Field(default_factory=list, max_length=100)
    former_locations: list[Long] = Field(default_factory=list, max_length=100)
    mistake_under_penalty_of_perjury: StrictBool = False
    name: Short | None = None
    address: Short | None = None
    telephone: Short | None = None
    consent_to_jurisdiction: StrictBool = False
    accept_service: StrictBool = False
    statement_versions: dict[str, int] | None = Field(default=None, max_length=20)


class NoticeConfirmationIn(In):
    code: Short = Field(description="From the letter to the address that the notice gives.")


class ComplaintIn(In):
    reason: Long = Field(description="Why the decision is wrong.")


class UploaderIn(In):
    """Whom to write to about material that no holder here released."""

    name: Short
    email: Short
    language: LanguageTag = "en"


class NoticeTransition(In):
    event: str
    reason: Long | None = None
    reason_code: Short | None = Field(default=None, description="From the list of the track, for decisions.")
    fair_use: Long | None = Field(default=None, description="What was considered of fair use, for decisions.")
    legal_ground: Short | None = Field(default=None, description="For a statement of reasons; else the track's own.")
    explanation: Long | None = Field(default=None, description="Why the ground applies, for a statement of reasons.")
    gravity: Gravity = Field(default=Gravity.MINOR, description="Of an abuse.")
    intent: Long | None = Field(default=None, description="Of an abuse, where it can be seen.")
    for_duplicates: StrictBool = Field(default=False, description="Also for the open duplicates of this notice.")
    supplied: NoticeIn | None = Field(default=None, description="With event `cure`: what was missing.")


class PublicationIn(In):
    """What of a notice anybody may read. Texts are redacted by rule; `terms` are redacted besides."""

    terms: list[Short] = Field(default_factory=list, max_length=200)
    publish_texts: StrictBool = True
    publish_material: StrictBool = Field(default=True, description="The addresses of the material.")
    publish_claimant: StrictBool = Field(default=False, description="The holder's name; for organisations alone.")


class ElementOut(BaseModel):
    element: str
    reference: str
    what_to_supply: str


class TrackStatementOut(BaseModel):
    name: str
    version: int
    text: str
    fields: list[str]
    under_penalty_of_perjury: bool


class TrackReasonOut(BaseModel):
    code: str
    title: str


class TrackOut(BaseModel):
    """What a track asks for; statements are subscribed to by saying all of their fields."""

    track: str
    title: str
    statute: str
    elements: list[ElementOut]
    statements: list[TrackStatementOut]
    counter_elements: list[ElementOut]
    counter_statements: list[TrackStatementOut]
    reasons: dict[Event, list[TrackReasonOut]]


class DeadlineOut(BaseModel):
    name: str
    at: datetime
    day: str = Field(description="The local day that it ends with.")
    basis: str
    statutory: bool


class NoticeEventOut(BaseModel):
    event: str
    state: str
    actor: str
    reason: str | None
    reason_code: str | None
    at: datetime


class NoticeDecisionOut(BaseModel):
    """A step as a reviewer sees it: by whom, and what was considered."""

    position: int
    event: str
    by: str | None
    details: dict[str, Any]


class AcceptedOut(BaseModel):
    party: str
    name: str
    version: int
    text: str
    address: str | None
    accepted_at: datetime


class MaterialOut(BaseModel):
    release_id: str
    is_named: bool
    disabled_at: datetime | None
    restored_at: datetime | None


class ProposalOut(BaseModel):
    event: str
    reason_code: str | None
    reason: str | None
    proposed_by: str
    proposed_at: datetime


class ReviewOut(BaseModel):
    """What reviewers alone see."""

    signals: list[dict[str, Any]]
    interests: list[str]
    barred: list[str] = Field(description="Who may not decide now: they decided what was complained of.")
    proposal: ProposalOut | None
    decisions: list[NoticeDecisionOut]
    same_words: list[str] = Field(description="Other notices in the same words.")
    duplicates: list[str] = Field(description="Open notices of the same claimant about the same material.")
    letters_failed: int


class NoticeOut(BaseModel):
    id: str
    track: str
    title: str
    statute: str
    state: str
    tier: str | None
    language: str
    release_id: str | None
    check_id: str | None
    materials: list[MaterialOut]
    is_address_known: bool
    is_set_aside: bool = Field(
        description="It came during a suspension: people can read it, nothing happens by itself."
    )
    duplicate_of: str | None
    missing: list[ElementOut]
    deadlines: list[DeadlineOut]
    possible_events: list[str]
    awaits_second_reviewer: bool
    history: list[NoticeEventOut]
    content: dict[str, Any] | None = Field(description="What was claimed; parts of it for the other side.")
    counter: dict[str, Any] | None
    statements: list[AcceptedOut]
    ticket: str | None = Field(
        default=None, description="Shown once, to who filed without a key: send it as a key to see and answer this."
    )
    review: ReviewOut | None
    created_at: datetime


class QueueOut(BaseModel):
    """Some of what waits, in its order, and how much there is in all."""

    items: list[NoticeOut]
    total: int


class LetterOut(BaseModel):
    id: str
    name: str
    version: int
    language: str
    party: str
    subject: str
    text: str
    written_at: datetime
    sent_at: datetime | None
    bounced_at: datetime | None
    problem: str | None


class TemplateOut(BaseModel):
    name: str
    tracks: list[str]
    versions: dict[str, int]


class BounceOut(BaseModel):
    mail_id: str
    problem: str


class MisuseIn(In):
    side: Literal["claimant", "uploader"]
    decision: Literal["warn", "suspend", "lift"]
    reason: Long
    until: Time | None = None


class FactorsOut(BaseModel):
    """DSA art. 23(3): the number, the share, the gravity, the intent."""

    side: str
    count: int
    total: int
    ratio_0_1: float
    gravest: str | None
    intents: list[str]
    warned_at: datetime | None
    suspended_until: datetime | None


class StrikeOut(BaseModel):
    id: str
    side: str
    notice_id: str
    gravity: str
    intent: str | None
    given_at: datetime
    expires_at: datetime
    lifted_at: datetime | None


class MisuseDecisionOut(BaseModel):
    id: str
    side: str
    decision: str
    until: datetime | None
    reason: str
    factors: dict[str, Any]
    decided_by: str | None
    at: datetime


class MisuseOut(BaseModel):
    holder_id: str
    factors: list[FactorsOut]
    strikes: list[StrikeOut]
    decisions: list[MisuseDecisionOut]


class FlaggerIn(In):
    basis: Long = Field(description="Who awarded the status, and when.")


class FlaggerEndIn(In):
    reason: Long


class FlaggerOut(BaseModel):
    holder_id: str
    basis: str
    granted_at: datetime
    ended_at: datetime | None


class PublicNoticeOut(BaseModel):
    """A notice as anybody may read it: no personal data, and texts only once a reviewer has looked."""

    id: str
    track: str
    title: str
    statute: str
    state: str
    tier: str | None
    claimant: str
    releases: list[str]
    work: str | None
    explanation: str | None
    material: list[str] | None
    reasons: list[str]
    history: list[dict[str, Any]]
    is_published: bool
    received_on: str
