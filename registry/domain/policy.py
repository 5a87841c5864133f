"""Policy: from the works that a clip matches to a verdict.

Each work proposes an action, caps limit it, and the most severe action over
all works is the verdict:

- the asker's own work and a match too short to mean anything propose nothing;
- what the holder said of use in output comes first: allowed proposes notify,
  reserved proposes block, constrained and disputed propose at least review;
- where nothing was said, the work's own policy proposes;
- a block needs enough seconds that are beyond doubt, an identified holder,
  and no open conflict over the work; else it is a review.

Stretches without weight (material that everybody may use, excluded intervals)
are left out before; what was left out is said.

It does not decide what matches (alignment), what the holder said
(preferences), or who the holder is. `unknown` is for callers that could not
ask at all: a question without an answer is never clear.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

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
    those of this work.
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


def decide(matched: Sequence[MatchedWork]) -> Decision:
    """The verdict on a clip that matches these works, each work once."""
    if not matched:
        reason = Reason(code=ReasonCode.NO_MATCH, message="The clip matches no registered work.")
        return Decision(verdict=Verdict.CLEAR, reasons=(reason,), actions={})
    outcomes = [(work, *_judge(work)) for work in matched]
    worst = max((action for _, action, _ in outcomes), key=_severity)
    return Decision(
        verdict=Verdict(worst) if worst in (Action.REVIEW, Action.BLOCK) else Verdict.CLEAR,
        reasons=tuple(
            Reason(code=code, message=message, work_id=work.work_id)
            for work, _, why in outcomes
            for code, message in why
        ),
        actions={work.work_id: action for work, action, _ in outcomes},
    )


def unknown(code: str, message: str) -> Decision:
    """The decision when nothing could be compared: the engine is down, the index is behind, decoding failed."""
    return Decision(verdict=Verdict.UNKNOWN, reasons=(Reason(code=code, message=message),), actions={})


type _Why = tuple[ReasonCode, str]


def _judge(work: MatchedWork) -> tuple[Action, list[_Why]]:
    """What one work asks for, and why: what proposed the action, what limited it, what did not count."""
    length = "A still" if work.still else f"{work.matched_s:.1f} s"
    found = f"{length} of the clip match{'es' if work.still else ''} “{work.title}”"
    if work.own:
        return Action.IGNORE, [(ReasonCode.OWN_WORK, f"{found}, which is your own work.")]
    left_out = _left_out(work)
    if left_out and not work.matched_s and not work.still:
        return Action.IGNORE, left_out
    if not work.still and work.matched_s < work.thresholds.review_matched_s:
        needed = f"fewer than the {work.thresholds.review_matched_s:.1f} s from which a match counts"
        return Action.IGNORE, [(ReasonCode.TOO_SHORT, f"{found}, {needed}."), *left_out]
    action, code, because = _proposal(work)
    caps = _caps(work) if action is Action.BLOCK else []
    return Action.REVIEW if caps else action, [(code, f"{found}, {because}."), *caps, *left_out]


def _left_out(work: MatchedWork) -> list[_Why]:
    """What matches and does not count."""
    because = {
        NoWeight.NEGATIVE: (ReasonCode.NEGATIVE, "material that everybody may use"),
        NoWeight.EXCLUDED: (ReasonCode.EXCLUDED, "an interval that is excluded from the work"),
    }
    return [
        (because[cause][0], f"{seconds:.1f} s that match “{work.title}” do not count: {because[cause][1]}.")
        for cause, seconds in work.weightless_s.items()
    ]


def _proposal(work: MatchedWork) -> tuple[Action, ReasonCode, str]:
    at_least_review = max(Action(work.policy), Action.REVIEW, key=_severity)
    match work.preference:
        case Answer.ALLOWED:
            return Action.NOTIFY, ReasonCode.ALLOWED, "whose holder allows its use in generated output"
        case Answer.RESERVED:
            return Action.BLOCK, ReasonCode.RESERVED, "whose holder reserves its use in generated output"
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


def _caps(work: MatchedWork) -> list[_Why]:
    """Every reason why this work may not block."""
    caps = []
    needed_s = work.thresholds.block_matched_s
    if not work.certain_still and work.certain_s < needed_s:
        if not work.doubts or (not work.still and work.matched_s < needed_s):
            message = f"A person decides, because a block needs {needed_s:.1f} matched seconds."
            caps.append((ReasonCode.TOO_SHORT_TO_BLOCK, message))
        caps += [_DOUBTS[doubt] for doubt in sorted(work.doubts)]
    if work.assurance is Assurance.UNVERIFIED:
        message = f"A person decides, because the holder of “{work.title}” is not verified."
        caps.append((ReasonCode.HOLDER_UNVERIFIED, message))
    if work.disputed:
        message = f"A person decides, because another holder also claims “{work.title}”."
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
