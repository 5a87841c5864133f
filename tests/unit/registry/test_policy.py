"""From matched works to a verdict: what may block, and what never may."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.consent import Gap
from registry.domain.policy import (
    Action,
    Assurance,
    Doubt,
    MatchedWork,
    NamedPerson,
    NoWeight,
    Policy,
    ReasonCode,
    Thresholds,
    Uncounted,
    Verdict,
    decide,
    unknown,
)
from registry.domain.preferences import Answer
from registry.errors import Invalid

THRESHOLDS = Thresholds(review_matched_s=2.0, block_matched_s=5.0)
SEVERITY = {Verdict.CLEAR: 0, Verdict.REVIEW: 1, Verdict.BLOCK: 2}


def work(**fields: Any) -> MatchedWork:
    defaults: dict[str, Any] = {
        "work_id": "wrk_1",
        "title": "Night Train",
        "policy": Policy.BLOCK,
        "assurance": Assurance.VETTED,
        "own": False,
        "disputed": False,
        "preference": Answer.UNSET,
        "matched_s": 10.0,
        "thresholds": THRESHOLDS,
    }
    given = defaults | fields
    return MatchedWork(**{"certain_s": given["matched_s"]} | given)


def outcome(*works: MatchedWork) -> tuple[Verdict, list[str]]:
    decision = decide(works)
    return decision.verdict, [reason.code for reason in decision.reasons]


WORKS = st.builds(
    work,
    work_id=st.integers(0, 10**9).map("wrk_{}".format),
    title=st.text(max_size=20),
    policy=st.sampled_from(Policy),
    assurance=st.sampled_from(Assurance),
    own=st.booleans(),
    disputed=st.booleans(),
    preference=st.sampled_from(Answer),
    matched_s=st.sampled_from([0.0, 1.9, 2.0, 4.9, 5.0, 60.0]),
)
SEVERAL = st.lists(WORKS, max_size=5, unique_by=lambda matched: matched.work_id)


def test_no_match_is_clear_and_says_so() -> None:
    assert outcome() == (Verdict.CLEAR, [ReasonCode.NO_MATCH])


@pytest.mark.parametrize(
    ("policy", "verdict", "code"),
    [
        (Policy.BLOCK, Verdict.BLOCK, ReasonCode.POLICY_BLOCK),
        (Policy.REVIEW, Verdict.REVIEW, ReasonCode.POLICY_REVIEW),
        (Policy.NOTIFY, Verdict.CLEAR, ReasonCode.POLICY_NOTIFY),
    ],
)
def test_where_nothing_was_said_the_work_s_policy_decides(policy: Policy, verdict: Verdict, code: ReasonCode) -> None:
    assert outcome(work(policy=policy)) == (verdict, [code])


@pytest.mark.parametrize("policy", Policy)
def test_a_reservation_blocks_whatever_the_policy(policy: Policy) -> None:
    matched = work(policy=policy, preference=Answer.RESERVED)
    assert outcome(matched) == (Verdict.BLOCK, [ReasonCode.RESERVED])


@pytest.mark.parametrize("policy", Policy)
def test_a_permission_only_notifies_whatever_the_policy(policy: Policy) -> None:
    matched = work(policy=policy, preference=Answer.ALLOWED)
    assert outcome(matched) == (Verdict.CLEAR, [ReasonCode.ALLOWED])
    assert decide([matched]).actions == {"wrk_1": Action.NOTIFY}


@pytest.mark.parametrize(
    ("preference", "code"),
    [
        (Answer.CONSTRAINED, ReasonCode.CONSTRAINED),
        (Answer.DISPUTED, ReasonCode.PREFERENCE_DISPUTED),
    ],
)
def test_terms_and_disputes_are_at_least_reviewed(preference: Answer, code: ReasonCode) -> None:
    assert outcome(work(preference=preference, policy=Policy.NOTIFY)) == (Verdict.REVIEW, [code])
    assert outcome(work(preference=preference, policy=Policy.BLOCK)) == (Verdict.BLOCK, [code])


def test_the_asker_s_own_work_does_not_count() -> None:
    assert outcome(work(own=True, preference=Answer.RESERVED)) == (Verdict.CLEAR, [ReasonCode.OWN_WORK])


def test_a_match_counts_from_the_review_threshold_on() -> None:
    assert outcome(work(matched_s=1.99)) == (Verdict.CLEAR, [ReasonCode.TOO_SHORT])
    assert outcome(work(matched_s=2.0, policy=Policy.REVIEW))[0] is Verdict.REVIEW


def test_a_match_may_block_from_the_block_threshold_on() -> None:
    expected = [ReasonCode.POLICY_BLOCK, ReasonCode.TOO_SHORT_TO_BLOCK]
    assert outcome(work(matched_s=4.99)) == (Verdict.REVIEW, expected)
    assert outcome(work(matched_s=5.0))[0] is Verdict.BLOCK


def test_what_is_not_beyond_doubt_is_for_a_person() -> None:
    for doubt in Doubt:
        doubted = work(certain_s=0.0, doubts=frozenset({doubt}))
        assert outcome(doubted) == (Verdict.REVIEW, [ReasonCode.POLICY_BLOCK, ReasonCode(doubt.value)])


def test_enough_that_is_beyond_doubt_blocks_whatever_else_is_doubted() -> None:
    doubts = frozenset({Doubt.UNCONFIRMED})
    assert outcome(work(certain_s=5.0, doubts=doubts))[0] is Verdict.BLOCK
    assert outcome(work(certain_s=4.9, doubts=doubts))[0] is Verdict.REVIEW


def test_doubted_seconds_count_for_a_review() -> None:
    doubted = work(matched_s=3.0, certain_s=0.0, doubts=frozenset({Doubt.UNCONFIRMED}))
    codes = [ReasonCode.POLICY_BLOCK, ReasonCode.TOO_SHORT_TO_BLOCK, ReasonCode.UNCONFIRMED]
    assert outcome(doubted) == (Verdict.REVIEW, codes)


def test_a_still_is_long_enough_and_blocks_when_it_is_confirmed() -> None:
    still = work(matched_s=0.0, still=True, certain_still=True)
    assert outcome(still) == (Verdict.BLOCK, [ReasonCode.POLICY_BLOCK])
    doubted = replace(still, certain_still=False, doubts=frozenset({Doubt.UNCONFIRMED}))
    assert outcome(doubted) == (Verdict.REVIEW, [ReasonCode.POLICY_BLOCK, ReasonCode.UNCONFIRMED])


def test_what_has_no_weight_leads_to_nothing_and_is_said() -> None:
    nothing = work(matched_s=0.0, weightless_s={NoWeight.NEGATIVE: 8.0, NoWeight.EXCLUDED: 2.0})
    assert outcome(nothing) == (Verdict.CLEAR, [ReasonCode.NEGATIVE, ReasonCode.EXCLUDED])
    beside = work(weightless_s={NoWeight.EXCLUDED: 2.0})
    assert outcome(beside) == (Verdict.BLOCK, [ReasonCode.POLICY_BLOCK, ReasonCode.EXCLUDED])


def test_each_work_is_judged_by_its_own_thresholds() -> None:
    strict = Thresholds(review_matched_s=20.0, block_matched_s=30.0)
    assert outcome(work(thresholds=strict))[0] is Verdict.CLEAR
    both = outcome(work(thresholds=strict), work(work_id="wrk_2"))
    assert both == (Verdict.BLOCK, [ReasonCode.TOO_SHORT, ReasonCode.POLICY_BLOCK])


def test_thresholds_are_raised_to_a_floor_each_by_itself() -> None:
    asked = Thresholds(review_matched_s=1.0, block_matched_s=9.0)
    assert asked.at_least(THRESHOLDS) == Thresholds(review_matched_s=2.0, block_matched_s=9.0)
    assert THRESHOLDS.at_least(THRESHOLDS) == THRESHOLDS


def test_an_unverified_holder_causes_a_review_at_most() -> None:
    expected = [ReasonCode.RESERVED, ReasonCode.HOLDER_UNVERIFIED]
    matched = work(assurance=Assurance.UNVERIFIED, preference=Answer.RESERVED)
    assert outcome(matched) == (Verdict.REVIEW, expected)
    assert outcome(replace(matched, assurance=Assurance.EMAIL))[0] is Verdict.BLOCK


def test_an_open_conflict_causes_a_review_at_most() -> None:
    expected = [ReasonCode.POLICY_BLOCK, ReasonCode.OWNERSHIP_CONFLICT]
    assert outcome(work(disputed=True)) == (Verdict.REVIEW, expected)


def test_every_cause_of_a_lowered_verdict_is_named() -> None:
    matched = work(disputed=True, assurance=Assurance.UNVERIFIED, matched_s=3.0)
    assert outcome(matched)[1] == [
        ReasonCode.POLICY_BLOCK,
        ReasonCode.TOO_SHORT_TO_BLOCK,
        ReasonCode.HOLDER_UNVERIFIED,
        ReasonCode.OWNERSHIP_CONFLICT,
    ]


def test_the_most_severe_work_decides_and_each_keeps_its_own_action() -> None:
    decision = decide(
        [
            work(work_id="wrk_own", own=True),
            work(work_id="wrk_notify", policy=Policy.NOTIFY),
            work(work_id="wrk_block"),
            work(work_id="wrk_review", policy=Policy.REVIEW),
        ],
    )
    assert decision.verdict is Verdict.BLOCK
    assert decision.actions == {
        "wrk_own": Action.IGNORE,
        "wrk_notify": Action.NOTIFY,
        "wrk_block": Action.BLOCK,
        "wrk_review": Action.REVIEW,
    }
    assert [reason.work_id for reason in decision.reasons] == list(decision.actions)


def test_a_question_that_could_not_be_asked_is_unknown_never_clear() -> None:
    decision = unknown("index_behind", "The index is behind the registry.")
    assert decision.verdict is Verdict.UNKNOWN
    assert [(reason.code, reason.message, reason.work_id) for reason in decision.reasons] == [
        ("index_behind", "The index is behind the registry.", None)
    ]
    assert decision.actions == {}


@given(SEVERAL)
def test_every_work_has_an_action_and_a_reason_in_a_plain_sentence(several: list[MatchedWork]) -> None:
    decision = decide(several)
    assert set(decision.actions) == {matched.work_id for matched in several}
    assert {reason.work_id for reason in decision.reasons} >= set(decision.actions)
    assert decision.reasons
    assert all(reason.message.endswith(".") for reason in decision.reasons)


@given(SEVERAL, WORKS)
def test_a_stricter_policy_never_lowers_the_verdict(several: list[MatchedWork], one: MatchedWork) -> None:
    verdicts = [
        decide([*several, replace(one, policy=policy)]).verdict
        for policy in (Policy.NOTIFY, Policy.REVIEW, Policy.BLOCK)
    ]
    assert verdicts == sorted(verdicts, key=SEVERITY.__getitem__)


@given(WORKS)
def test_a_longer_match_never_lowers_the_verdict(one: MatchedWork) -> None:
    longer = replace(one, matched_s=one.matched_s + 3, certain_s=one.certain_s + 3)
    before, after = (decide([matched]).verdict for matched in (one, longer))
    assert SEVERITY[after] >= SEVERITY[before]


@given(SEVERAL)
def test_nothing_blocks_that_is_doubted(several: list[MatchedWork]) -> None:
    doubted = [replace(matched, certain_s=0.0, doubts=frozenset({Doubt.QUARANTINED})) for matched in several]
    assert decide(doubted).verdict is not Verdict.BLOCK


@given(SEVERAL)
def test_unverified_and_contested_works_never_block(several: list[MatchedWork]) -> None:
    weak = [
        replace(matched, assurance=Assurance.UNVERIFIED) if index % 2 else replace(matched, disputed=True)
        for index, matched in enumerate(several)
    ]
    assert decide(weak).verdict is not Verdict.BLOCK


@given(SEVERAL, WORKS)
def test_one_more_work_never_lowers_the_verdict(several: list[MatchedWork], one: MatchedWork) -> None:
    before = decide(several).verdict
    after = decide([*several, one]).verdict
    assert SEVERITY[after] >= SEVERITY[before]


@given(SEVERAL)
def test_own_works_alone_are_always_clear(several: list[MatchedWork]) -> None:
    own = [replace(matched, own=True) for matched in several]
    assert decide(own).verdict is Verdict.CLEAR


def test_assurances_compare_by_how_much_they_prove() -> None:
    ordered = [Assurance.UNVERIFIED, Assurance.EMAIL, Assurance.DOMAIN, Assurance.VETTED]
    assert sorted(Assurance) == ordered
    assert max(ordered) is Assurance.VETTED
    assert Assurance.UNVERIFIED < Assurance.EMAIL <= Assurance.EMAIL
    assert Assurance.VETTED > Assurance.DOMAIN >= Assurance.DOMAIN
    assert not Assurance.EMAIL < Assurance.UNVERIFIED
    assert not Assurance.EMAIL >= Assurance.DOMAIN


@pytest.mark.parametrize(("review", "block"), [(-1.0, 5.0), (5.0, 2.0), (float("nan"), 5.0)])
def test_thresholds_out_of_order_are_refused(review: float, block: float) -> None:
    with pytest.raises(Invalid):
        Thresholds(review_matched_s=review, block_matched_s=block)


# -- persons -------------------------------------------------------------------------------------


def named(**fields: Any) -> NamedPerson:
    defaults: dict[str, Any] = {
        "work_id": "wrk_ada", "title": "Ada", "policy": Policy.BLOCK, "assurance": Assurance.VETTED, "own": False,
        "disputed": False, "preference": Answer.UNSET,
    }  # fmt: skip
    return NamedPerson(**defaults | fields)


def of_person(person: NamedPerson, *uncounted: Uncounted) -> tuple[Verdict, list[str]]:
    """The verdict on a clip that matches nothing and names somebody."""
    decision = decide([], [person], uncounted)
    assert decision.reasons[0].code == ReasonCode.NO_MATCH
    return decision.verdict, [reason.code for reason in decision.reasons[1:]]


@pytest.mark.parametrize(
    ("policy", "verdict", "code"),
    [
        (Policy.BLOCK, Verdict.BLOCK, ReasonCode.PERSON_BLOCK),
        (Policy.REVIEW, Verdict.REVIEW, ReasonCode.PERSON_REVIEW),
        (Policy.NOTIFY, Verdict.CLEAR, ReasonCode.PERSON_NOTIFY),
    ],
)
def test_who_is_named_and_did_not_consent_is_heard_by_their_policy(
    policy: Policy, verdict: Verdict, code: ReasonCode
) -> None:
    assert of_person(named(policy=policy)) == (verdict, [code])


def test_who_consents_proposes_nothing_and_the_consent_is_named() -> None:
    decision = decide([], [named(consents=("cns_1", "cns_2"))])
    assert (decision.verdict, decision.actions) == (Verdict.CLEAR, {"wrk_ada": Action.IGNORE})
    assert "cns_1, cns_2" in decision.reasons[1].message
    assert decision.reasons[1].code == ReasonCode.CONSENT


def test_an_unverified_person_causes_a_review_at_most() -> None:
    expected = Verdict.REVIEW, [ReasonCode.PERSON_BLOCK, ReasonCode.HOLDER_UNVERIFIED]
    assert of_person(named(assurance=Assurance.UNVERIFIED)) == expected


def test_a_general_permission_is_no_consent_and_a_reservation_is_a_block() -> None:
    assert of_person(named(preference=Answer.ALLOWED)) == (Verdict.BLOCK, [ReasonCode.PERSON_BLOCK])
    reserved = named(policy=Policy.NOTIFY, preference=Answer.RESERVED)
    assert of_person(reserved) == (Verdict.BLOCK, [ReasonCode.RESERVED])
    for answer in (Answer.CONSTRAINED, Answer.DISPUTED):
        assert of_person(named(policy=Policy.NOTIFY, preference=answer))[0] is Verdict.REVIEW


def test_a_consent_is_heard_before_what_was_reserved_in_general() -> None:
    assert of_person(named(preference=Answer.RESERVED, consents=("cns_1",)))[0] is Verdict.CLEAR


def test_of_two_who_claim_to_be_a_person_one_alone_cannot_consent() -> None:
    contested = named(consents=("cns_1",), disputed=True)
    assert of_person(contested) == (Verdict.REVIEW, [ReasonCode.CONSENT, ReasonCode.OWNERSHIP_CONFLICT])


def test_who_speaks_for_a_person_needs_no_consent() -> None:
    assert of_person(named(own=True, preference=Answer.RESERVED)) == (Verdict.CLEAR, [ReasonCode.OWN_WORK])


@pytest.mark.parametrize("gap", [gap for gap in Gap if gap is not Gap.OTHER_PERSON])
def test_every_consent_that_does_not_count_is_told_and_never_a_pass(gap: Gap) -> None:
    told = Uncounted(gap=gap, consent_id="cns_1", work_id="wrk_ada")
    verdict, codes = of_person(named(policy=Policy.BLOCK), told)
    assert (verdict, codes) == (Verdict.BLOCK, [ReasonCode.PERSON_BLOCK, f"consent_{gap.value}"])
    alone = decide([], [], [told])
    assert alone.reasons[-1].message.endswith(".")
    unreadable = gap in (Gap.BAD_TOKEN, Gap.UNKNOWN)
    assert alone.verdict is (Verdict.REVIEW if unreadable else Verdict.CLEAR)


def test_a_person_does_not_hide_a_copied_work() -> None:
    both = decide([work()], [named(consents=("cns_1",))])
    assert (both.verdict, both.actions) == (Verdict.BLOCK, {"wrk_1": Action.BLOCK, "wrk_ada": Action.IGNORE})


def test_a_persons_reference_clip_may_be_shown_with_their_consent() -> None:
    consenting = work(work_id="wrk_ada", consents=("cns_1",))
    assert outcome(consenting) == (Verdict.CLEAR, [ReasonCode.CONSENT])
    assert outcome(replace(consenting, disputed=True))[0] is Verdict.REVIEW


def test_a_person_who_is_named_and_matched_asks_for_the_severer_of_both() -> None:
    decision = decide([work(work_id="wrk_ada", policy=Policy.REVIEW)], [named(consents=())])
    assert decision.actions == {"wrk_ada": Action.BLOCK}


@pytest.mark.parametrize("block_from", list(Assurance))
@pytest.mark.parametrize("assurance", list(Assurance))
def test_how_well_a_holder_must_be_known_to_block_is_the_operators_to_say(
    assurance: Assurance, block_from: Assurance
) -> None:
    decision = decide([work(assurance=assurance, policy=Policy.BLOCK)], block_from=block_from)
    assert decision.verdict is (Verdict.BLOCK if assurance >= block_from else Verdict.REVIEW)


def test_a_title_turns_no_reason_around() -> None:
    (reason,) = decide([work(title="Night\u202e", policy=Policy.REVIEW)]).reasons
    assert reason.message.count("“\u2068Night\u2069”") == 1
    assert "\u202e" not in reason.message
