"""Policy: from the works that a clip matches, and the persons whom it names, to a verdict.

Each work and each person proposes an action, caps limit it, and the most severe
action over all of them is the verdict:

- the asker's own work and a match too short to mean anything propose nothing;
- what the holder said of use in output comes first: allowed proposes notify,
  reserved proposes block, constrained and disputed propose at least review;
- where nothing was said, the work's own policy proposes;
- a block needs enough seconds that are beyond doubt, an identified holder,
  and no open conflict over the work; else it is a review.

A person who is named and consents proposes nothing; one who does not, what their
policy says, or more where they reserve the use of their likeness in output. A general
permission is not enough: consent is given to somebody. Nor does it need seconds to
block, since the asker says who it is. A consent that cannot be read proposes a review,
for nobody can tell whose it is.

Stretches without weight (material that everybody may use, excluded intervals)
are left out before; what was left out is said.

It does not decide what matches (alignment), what the holder said
(preferences), or who the holder is. `unknown` is for callers that could not
ask at all: a question without an answer is never clear.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from registry.domain.consent import Gap
from registry.domain.names import isolated
from registry.domain.preferences import Answer
from registry.errors import Invalid


class Policy(StrEnum):
    """What a holder wants done with clips that copy the work, where nothing else is said."""

    BLOCK = "block"
    REVIEW = "review"
    NOTIFY = "notify"


class Assurance(StrEnum):
    """How well a holder's identity is known, lowest first; comparisons follow that order."""

    UNVERIFIED = "unverified"
    EMAIL = "email"
    DOMAIN = "domain"
    VETTED = "vetted"

    @property
    def rank(self) -> int:
        return list(Assurance).index(self)

    # A StrEnum would otherwise compare by spelling and rank "email" below "unverified".
    def __lt__(self, other: str) -> bool:
        return self.rank < Assurance(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Assurance(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Assurance(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Assurance(other).rank


def most_severe(assurance: Assurance, *, block_from: Assurance) -> "Action":
    """What a match with a work of a holder who is known so well may lead to at most."""
    return Action.BLOCK if assurance >= block_from else Action.REVIEW


class Verdict(StrEnum):
    """The answer to a check."""

    CLEAR = "clear"
    REVIEW = "review"
    BLOCK = "block"
    UNKNOWN = "unknown"


class Action(StrEnum):
    """What one matched work asks for, mildest first."""

    IGNORE = "ignore"
    NOTIFY = "notify"
    REVIEW = "review"
    BLOCK = "block"


class ReasonCode(StrEnum):
    """Why `decide` decided so; stored and shown, so never renamed."""

    NO_MATCH = "no_match"
    OWN_WORK = "own_work"
    TOO_SHORT = "too_short"
    ALLOWED = "allowed"
    RESERVED = "reserved"
    CONSTRAINED = "constrained"
    PREFERENCE_DISPUTED = "preference_disputed"
    POLICY_BLOCK = "policy_block"
    POLICY_REVIEW = "policy_review"
    POLICY_NOTIFY = "policy_notify"
    TOO_SHORT_TO_BLOCK = "too_short_to_block"
    UNCONFIRMED = "unconfirmed"
    SHARED_WITH_BANK = "shared_with_bank"
    QUARANTINED = "quarantined"
    NEGATIVE = "negative"
    EXCLUDED = "excluded"
    HOLDER_UNVERIFIED = "holder_unverified"
    OWNERSHIP_CONFLICT = "ownership_conflict"
    PERSON_BLOCK = "person_block"
    PERSON_REVIEW = "person_review"
    PERSON_NOTIFY = "person_notify"
    CONSENT = "consent"
    CONSENT_BAD_TOKEN = "consent_bad_token"  # noqa: S105 - a reason
    CONSENT_UNKNOWN = "consent_unknown"
    CONSENT_OTHER_PIPELINE = "consent_other_pipeline"
    CONSENT_REVOKED = "consent_revoked"
    CONSENT_EXPIRED = "consent_expired"
    CONSENT_NOT_YET = "consent_not_yet"
    CONSENT_OTHER_CLIP = "consent_other_clip"
    CONSENT_OTHER_PROJECT = "consent_other_project"
    CONSENT_OTHER_USE = "consent_other_use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Matched seconds from which a match counts, and from which it may block."""

    review_matched_s: float
    block_matched_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.review_matched_s <= self.block_matched_s:
            raise Invalid(field="thresholds", problem="Choose 0 <= review_matched_s <= block_matched_s, in seconds.")

    def at_least(self, floor: "Thresholds") -> "Thresholds":
        """These, raised to `floor` where they are below it."""
        return Thresholds(
            review_matched_s=max(self.review_matched_s, floor.review_matched_s),
            block_matched_s=max(self.block_matched_s, floor.block_matched_s),
        )


class Doubt(StrEnum):
    """Why matched seconds may lead to a review and not to a block.

    `UNCONFIRMED`: alike, but perhaps another take of the same scene. `SHARED_WITH_BANK`: the clip shows
    material of the negative bank in the same stretch. `QUARANTINED`: the asset suddenly matches very much.
    """

    UNCONFIRMED = "unconfirmed"
    SHARED_WITH_BANK = "shared_with_bank"
    QUARANTINED = "quarantined"


class NoWeight(StrEnum):
    """Why a stretch that matches does not count at all; stored with matches, so never renamed."""

    NEGATIVE = "negative"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedWork:
    """A registered work that a clip matches.

    `disputed`: a conflict over the work is open with a rival whose assurance
    is not lower. `preference`: the effective preference for use in output.
    `matched_s`: seconds of the clip that match and count, all modalities in one
    union; `certain_s`: those of them that no doubt is about; `doubts`: what the
    others are doubted for. A still has no length: `still` says that a match with
    one counts as long enough, `certain_still` that no doubt is about it.
    `weightless_s`: seconds that match and do not count, by cause. `thresholds`:
    those of this work. `consents`: of a person's reference clips, the consents
    under which the clip may show all of them that it shows.
    """

    work_id: str
    title: str
    policy: Policy
    assurance: Assurance
    own: bool
    disputed: bool
    preference: Answer
    matched_s: float
    certain_s: float
    thresholds: Thresholds
    still: bool = False
    certain_still: bool = False
    doubts: frozenset[Doubt] = frozenset()
    weightless_s: Mapping[NoWeight, float] = field(default_factory=dict)
    consents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPerson:
    """A registered person whom the asker says the clip shows or lets speak.

    `own`: the asker speaks for them. `disputed` and `preference` as of a matched work.
    `consents`: those that together cover all that the clip uses of them; none when
    something is left over.
    """

    work_id: str
    title: str
    policy: Policy
    assurance: Assurance
    own: bool
    disputed: bool
    preference: Answer
    consents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncounted:
    """A consent that was presented and does not count; without ids when nobody can tell whose it is."""

    gap: Gap
    consent_id: str | None = None
    work_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One plain sentence behind a decision; `work_id` is None when it is about no single work."""

    code: str
    message: str
    work_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict, why, and what each matched work asked for, by work id."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    actions: Mapping[str, Action]


def decide(
    matched: Sequence[MatchedWork],
    persons: Sequence[NamedPerson] = (),
    uncounted: Sequence[Uncounted] = (),
    *,
    block_from: Assurance = Assurance.EMAIL,
) -> Decision:
    """The verdict on a clip that matches these works and names these persons, each once.

    Args:
        block_from: how well a holder must be known for their word to block.
    """
    outcomes = [(work.work_id, *_judge(work, block_from)) for work in matched]
    outcomes += [(person.work_id, *_judge_person(person, block_from)) for person in persons]
    reasons = [Reason(code=code, message=text, work_id=of) for of, _, why in outcomes for code, text in why]
    if not matched:
        reasons.insert(0, Reason(code=ReasonCode.NO_MATCH, message="The clip matches no registered work."))
    actions: dict[str, Action] = {}
    for of, action, _ in outcomes:
        actions[of] = max(actions.get(of, Action.IGNORE), action, key=_severity)
    unread = [Action.REVIEW] if any(one.gap in _UNREADABLE for one in uncounted) else []
    worst = max([Action.IGNORE, *actions.values(), *unread], key=_severity)
    return Decision(
        verdict=Verdict(worst) if worst in (Action.REVIEW, Action.BLOCK) else Verdict.CLEAR,
        reasons=(*reasons, *map(_uncounted, uncounted)),
        actions=actions,
    )


def unknown(code: str, message: str) -> Decision:
    """The decision when nothing could be compared: the engine is down, the index is behind, decoding failed."""
    return Decision(verdict=Verdict.UNKNOWN, reasons=(Reason(code=code, message=message),), actions={})


type _Why = tuple[ReasonCode, str]


def _judge(work: MatchedWork, block_from: Assurance) -> tuple[Action, list[_Why]]:
    """What one work asks for, and why: what proposed the action, what limited it, what did not count."""
    length = "A still" if work.still else f"{work.matched_s:.1f} s"
    found = f"{length} of the clip match{'es' if work.still else ''} “{isolated(work.title)}”"
    if work.own:
        return Action.IGNORE, [(ReasonCode.OWN_WORK, f"{found}, which is your own work.")]
    if work.consents and not work.disputed:
        return Action.IGNORE, [(ReasonCode.CONSENT, f"{found}, who consents: {', '.join(work.consents)}.")]
    left_out = _left_out(work)
    if left_out and not work.matched_s and not work.still:
        return Action.IGNORE, left_out
    if not work.still and work.matched_s < work.thresholds.review_matched_s:
        needed = f"fewer than the {work.thresholds.review_matched_s:.1f} s from which a match counts"
        return Action.IGNORE, [(ReasonCode.TOO_SHORT, f"{found}, {needed}."), *left_out]
    action, code, because = _proposal(work)
    caps = _caps(work, block_from) if action is Action.BLOCK else []
    return Action.REVIEW if caps else action, [(code, f"{found}, {because}."), *caps, *left_out]


def _left_out(work: MatchedWork) -> list[_Why]:
    """What matches and does not count."""
    because = {
        NoWeight.NEGATIVE: (ReasonCode.NEGATIVE, "material that everybody may use"),
        NoWeight.EXCLUDED: (ReasonCode.EXCLUDED, "an interval that is excluded from the work"),
    }
    return [
        (because[cause][0], f"{seconds:.1f} s that match “{isolated(work.title)}” do not count: {because[cause][1]}.")
        for cause, seconds in work.weightless_s.items()
    ]


def _proposal(work: MatchedWork) -> tuple[Action, ReasonCode, str]:
    at_least_review = max(Action(work.policy), Action.REVIEW, key=_severity)
    match work.preference:
        case Answer.ALLOWED:
            return Action.NOTIFY, ReasonCode.ALLOWED, "whose holder allows its use in generated output"
        case Answer.RESERVED:
            whose = "one of whose claimants" if work.disputed else "whose holder"
            return Action.BLOCK, ReasonCode.RESERVED, f"{whose} reserves its use in generated output"
        case Answer.CONSTRAINED:
            because = "whose holder allows its use in generated output only on terms"
            return at_least_review, ReasonCode.CONSTRAINED, because
        case Answer.DISPUTED:
            because = "whose claimants disagree about its use in generated output"
            return at_least_review, ReasonCode.PREFERENCE_DISPUTED, because
        case Answer.UNSET:
            return _POLICY_PROPOSALS[work.policy]


_POLICY_PROPOSALS = {
    Policy.BLOCK: (Action.BLOCK, ReasonCode.POLICY_BLOCK, "whose holder asks that copies be blocked"),
    Policy.REVIEW: (Action.REVIEW, ReasonCode.POLICY_REVIEW, "whose holder asks that copies be reviewed"),
    Policy.NOTIFY: (Action.NOTIFY, ReasonCode.POLICY_NOTIFY, "whose holder asks only to be told of copies"),
}


def _judge_person(person: NamedPerson, block_from: Assurance) -> tuple[Action, list[_Why]]:
    """What one named person asks for, and why."""
    named = f"“{isolated(person.title)}” is named"
    if person.own:
        return Action.IGNORE, [(ReasonCode.OWN_WORK, f"{named}, for whom you speak yourself.")]
    claimed = _claim_caps(person, block_from)
    if person.consents:
        # Of two who both say that they are that person, one alone cannot consent.
        contested = claimed if person.disputed else []
        consents = f"{named} and consents: {', '.join(person.consents)}."
        return Action.REVIEW if contested else Action.IGNORE, [(ReasonCode.CONSENT, consents), *contested]
    action, code, because = _person_proposal(person)
    caps = claimed if action is Action.BLOCK else []
    return Action.REVIEW if caps else action, [(code, f"{named} without a consent that covers it, {because}."), *caps]


def _person_proposal(person: NamedPerson) -> tuple[Action, ReasonCode, str]:
    at_least_review = max(Action(person.policy), Action.REVIEW, key=_severity)
    match person.preference:
        case Answer.RESERVED:
            return Action.BLOCK, ReasonCode.RESERVED, "and reserves the use in generated output"
        case Answer.CONSTRAINED:
            return at_least_review, ReasonCode.CONSTRAINED, "and allows the use in generated output only on terms"
        case Answer.DISPUTED:
            because = "and those who claim to speak for them disagree about the use in generated output"
            return at_least_review, ReasonCode.PREFERENCE_DISPUTED, because
        case Answer.ALLOWED | Answer.UNSET:
            return _PERSON_PROPOSALS[person.policy]


_PERSON_PROPOSALS = {
    Policy.BLOCK: (Action.BLOCK, ReasonCode.PERSON_BLOCK, "and asks that such clips be blocked"),
    Policy.REVIEW: (Action.REVIEW, ReasonCode.PERSON_REVIEW, "and asks that such clips be reviewed"),
    Policy.NOTIFY: (Action.NOTIFY, ReasonCode.PERSON_NOTIFY, "and asks only to be told of such clips"),
}


def _uncounted(presented: Uncounted) -> Reason:
    which = f"The consent {presented.consent_id}" if presented.consent_id else "A consent that was presented"
    message = f"{which} does not count: {_GAPS[presented.gap]}."
    return Reason(code=ReasonCode(f"consent_{presented.gap.value}"), message=message, work_id=presented.work_id)


_UNREADABLE = frozenset({Gap.BAD_TOKEN, Gap.UNKNOWN})
_GAPS: Mapping[Gap, str] = {
    Gap.BAD_TOKEN: "it is not a token that this service signed, or it was changed",
    Gap.UNKNOWN: "no such consent is on record here",
    Gap.OTHER_PIPELINE: "it was given to somebody else",
    Gap.REVOKED: "it was revoked",
    Gap.EXPIRED: "it has expired",
    Gap.NOT_YET: "it is not in force yet",
    Gap.OTHER_CLIP: "it is for another file (another SHA-256)",
    Gap.OTHER_PROJECT: "it is for another project than the check's context names",
    Gap.OTHER_USE: "it does not cover all that the clip uses of the person, which is likeness and voice unless the "
    "check says less",
}


def _caps(work: MatchedWork, block_from: Assurance) -> list[_Why]:
    """Every reason why this work may not block."""
    caps = []
    needed_s = work.thresholds.block_matched_s
    if not work.certain_still and work.certain_s < needed_s:
        if not work.doubts or (not work.still and work.matched_s < needed_s):
            message = f"A person decides, because a block needs {needed_s:.1f} matched seconds."
            caps.append((ReasonCode.TOO_SHORT_TO_BLOCK, message))
        caps += [_DOUBTS[doubt] for doubt in sorted(work.doubts)]
    return caps + _claim_caps(work, block_from)


def _claim_caps(work: MatchedWork | NamedPerson, block_from: Assurance) -> list[_Why]:
    """Why the holder's word may not be enough to block."""
    caps = []
    if most_severe(work.assurance, block_from=block_from) is not Action.BLOCK:
        known = "not verified" if work.assurance is Assurance.UNVERIFIED else f"known by no more than {work.assurance}"
        message = f"A person decides, because the holder of “{isolated(work.title)}” is {known}."
        caps.append((ReasonCode.HOLDER_UNVERIFIED, message))
    if work.disputed:
        message = f"A person decides, because another holder also claims “{isolated(work.title)}”."
        caps.append((ReasonCode.OWNERSHIP_CONFLICT, message))
    return caps


_DOUBTS: Mapping[Doubt, _Why] = {
    Doubt.UNCONFIRMED: (
        ReasonCode.UNCONFIRMED,
        "A person decides, because it may also be another take of the same scene.",
    ),
    Doubt.SHARED_WITH_BANK: (
        ReasonCode.SHARED_WITH_BANK,
        "A person decides, because the clip also shows material there that everybody may use.",
    ),
    Doubt.QUARANTINED: (
        ReasonCode.QUARANTINED,
        "A person decides, because the work's file suddenly matches very many clips and is being looked at.",
    ),
}


def _severity(action: Action) -> int:
    return list(Action).index(action)
