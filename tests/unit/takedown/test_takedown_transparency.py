"""A period's figures, held against tables reckoned by hand."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takedown.domain.states import PUTS_BACK, Event, State, events_from, transition
from takedown.domain.track import TrackName
from takedown.domain.tracks import TRACKS
from takedown.domain.transparency import (
    SUBMIT,
    TIERS,
    Case,
    Outcome,
    Report,
    Share,
    Split,
    Spread,
    as_json,
    figures,
    outcome_of,
)
from takedown.errors import IncompleteHistory, NaiveDatetime

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 3, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)

_numbers = count()
type Steps = tuple[tuple[Event, float], ...]

TO_VALID = ((Event.CONFIRM_EMAIL, 0), (Event.BEGIN_TRIAGE, 0), (Event.FIND_VALID, 2))
DISABLED = (*TO_VALID, (Event.DISABLE, 10), (Event.NOTIFY_UPLOADER, 11))
DECLINED = (*TO_VALID, (Event.DECLINE, 6))
ABUSE = (*DISABLED, (Event.REJECT_ABUSE, 20))
REOPENED = ((Event.COMPLAIN, 30), (Event.REINSTATE, 40), (Event.FIND_VALID, 41))
AGAIN = ((Event.COMPLAIN, 20), (Event.REINSTATE, 30), (Event.FIND_VALID, 31), (Event.DISABLE, 34))
COUNTERED = (*DISABLED, (Event.RECEIVE_COUNTER, 30), (Event.FORWARD_COUNTER, 31))


def case(*steps: tuple[Event, float], track: TrackName = TrackName.DSA_16, at: datetime = START, **other: Any) -> Case:
    """A notice whose events come so many hours after its submission, led by its track's own course."""
    state, history = State.SUBMITTED, [(SUBMIT, str(State.SUBMITTED), at)]
    for event, hours in steps:
        state = transition(TRACKS[track].transitions, state, event)
        history.append((str(event), str(state), at + timedelta(hours=hours)))
    given: dict[str, Any] = {
        "notice_id": f"ntc_{next(_numbers)}", "tier": "email", "materials": 1, "automated_detection": False,
        "is_duplicate": False, "complaints": (),
    }  # fmt: skip
    return Case(track=str(track), state=str(state), history=tuple(history), **(given | other))


def report(*cases: Case, **other: Any) -> Report:
    return figures(cases, **({"start": START, "end": END} | other))


def some[T](split: Split[T]) -> dict[str, T]:
    """The tracks that have something, by name."""
    return {track: value for track, value in split.by_track.items() if value}


# -- what was received ---------------------------------------------------------------------------


def test_notices_are_received_in_the_period_of_their_submission() -> None:
    told = report(
        case(at=START - TICK),
        case(at=START),
        case(at=END - TICK, track=TrackName.DMCA_512, tier="vetted", is_duplicate=True),
        case(at=END),
    )
    assert told.received.total == 2
    assert some(told.received) == {"dmca_512": 1, "dsa_16": 1}
    assert told.received.by_tier == dict.fromkeys(TIERS, 0) | {"email": 1, "vetted": 1}
    assert some(told.duplicates) == {"dmca_512": 1}


def test_adjoining_periods_share_no_notice_and_lose_none() -> None:
    cases = [case(*DISABLED, at=START + timedelta(hours=hours)) for hours in range(0, 24 * 59, 7)]
    middle = datetime(2026, 2, 3, 12, tzinfo=UTC)
    whole, first, second = report(*cases), report(*cases, end=middle), report(*cases, start=middle)
    assert whole.received.total == first.received.total + second.received.total == len(cases)
    assert whole.actions["disabled"].total == first.actions["disabled"].total + second.actions["disabled"].total


def test_every_month_of_the_period_is_named_in_the_time_zone_of_its_start() -> None:
    east = timezone(timedelta(hours=2))
    told = report(
        case(at=datetime(2026, 1, 31, 23, tzinfo=UTC)),
        start=datetime(2025, 12, 31, tzinfo=east),
        end=datetime(2026, 4, 1, tzinfo=east),
    )
    by_month = {month: split.total for month, split in told.received_by_month.items()}
    assert by_month == {"2025-12": 0, "2026-01": 0, "2026-02": 1, "2026-03": 0}


def test_what_a_machine_found_and_what_was_named_are_counted() -> None:
    told = report(case(*DISABLED, automated_detection=True, materials=3), case(materials=4, track=TrackName.LIKENESS))
    assert some(told.automated_detection) == {"dsa_16": 1}
    assert some(told.materials_named) == {"dsa_16": 3, "likeness": 4}
    assert some(told.materials_disabled) == {"dsa_16": 3}


@pytest.mark.parametrize(
    ("steps", "track", "outcome"),
    [
        ((), TrackName.DSA_16, Outcome.OPEN),
        (TO_VALID, TrackName.DSA_16, Outcome.OPEN),
        ((*TO_VALID[:2], (Event.REQUEST_CURE, 1)), TrackName.DSA_16, Outcome.CURE_PENDING),
        ((*TO_VALID[:2], (Event.FIND_DEFECTIVE, 1)), TrackName.DSA_16, Outcome.DEFECTIVE),
        (DISABLED, TrackName.DSA_16, Outcome.DISABLED),
        (COUNTERED, TrackName.DMCA_512, Outcome.DISABLED),
        ((*COUNTERED, (Event.COURT_ACTION, 40)), TrackName.DMCA_512, Outcome.HELD),
        ((*COUNTERED, (Event.RESTORE, 400)), TrackName.DMCA_512, Outcome.RESTORED),
        (DECLINED, TrackName.DSA_16, Outcome.DECLINED),
        ((*DECLINED, (Event.CLOSE, 5000)), TrackName.DSA_16, Outcome.DECLINED),
        ((*DISABLED, (Event.CLOSE, 5000)), TrackName.DSA_16, Outcome.DISABLED),
        ((*DISABLED, (Event.COMPLAIN, 20)), TrackName.DSA_16, Outcome.COMPLAINT_PENDING),
        ((*DISABLED, (Event.COMPLAIN, 20), (Event.UPHOLD, 30)), TrackName.DSA_16, Outcome.DISABLED),
        ((*DISABLED, (Event.CLOSE, 5000), (Event.RESTORE, 6000)), TrackName.DSA_16, Outcome.RESTORED),
        ((*DECLINED, (Event.COMPLAIN, 20), (Event.UPHOLD, 30)), TrackName.DSA_16, Outcome.DECLINED),
        ((*DECLINED, (Event.CLOSE, 5000)), TrackName.DMCA_512, Outcome.DECLINED),
        ((*ABUSE, (Event.COMPLAIN, 30), (Event.UPHOLD, 40)), TrackName.DSA_16, Outcome.REJECTED_ABUSE),
        ((*DECLINED, (Event.COMPLAIN, 20), (Event.REINSTATE, 30)), TrackName.DSA_16, Outcome.OPEN),
        ((*DECLINED, (Event.CLOSE, 5000), (Event.REINSTATE, 6000)), TrackName.DSA_16, Outcome.OPEN),
        ((*ABUSE, *REOPENED, (Event.DECLINE, 50), (Event.CLOSE, 5000)), TrackName.DSA_16, Outcome.DECLINED),
        ((*DISABLED, (Event.RETRACT, 20)), TrackName.DSA_16, Outcome.RETRACTED),
        (ABUSE, TrackName.DSA_16, Outcome.REJECTED_ABUSE),
    ],
)
def test_an_outcome_is_the_decision_that_stands(steps: Steps, track: TrackName, outcome: Outcome) -> None:
    told = report(one := case(*steps, track=track))
    assert outcome_of(one) == outcome
    assert {key: split.total for key, split in told.outcomes.items() if split.total} == {str(outcome): 1}


@pytest.mark.parametrize("state", State)
def test_every_state_has_an_outcome(state: State) -> None:
    one = replace(case(*DECLINED), state=str(state))
    assert outcome_of(one) in Outcome


def test_who_complained_is_told_of_the_notices_received() -> None:
    told = report(
        case(*DECLINED, complaints=("claimant",)),
        case(*DECLINED, complaints=("claimant", "claimant"), tier="domain"),
        case(*DISABLED, complaints=("uploader",), track=TrackName.LIKENESS),
        case(*DISABLED, complaints=("uploader",), at=START - TICK),
    )
    assert some(told.complained["claimant"]) == {"dsa_16": 2}
    assert some(told.complained["uploader"]) == {"likeness": 1}


# -- what was done -------------------------------------------------------------------------------


def test_actions_belong_to_the_period_in_which_they_happened() -> None:
    before = case(*DISABLED, at=START - timedelta(hours=10))  # disabled at the very start
    after = case(*DISABLED, at=END - timedelta(hours=10))  # disabled at the very end, which is not in
    told = report(before, after)
    assert told.received.total == 1
    assert told.actions["disabled"].total == 1


def test_each_action_is_counted_when_it_happens() -> None:
    told = report(
        case(*COUNTERED, (Event.COURT_ACTION, 40), (Event.RESTORE, 900), track=TrackName.DMCA_512),
        case(*DECLINED, (Event.COMPLAIN, 20), (Event.UPHOLD, 30)),
        case(*DISABLED, (Event.COMPLAIN, 20), (Event.RESTORE, 30)),
        case(*TO_VALID, (Event.RETRACT, 5), track=TrackName.LIKENESS),
        case(*TO_VALID, (Event.REJECT_ABUSE, 5), track=TrackName.LIKENESS),
    )
    assert {action: split.total for action, split in told.actions.items()} == {
        "disabled": 2, "declined": 1, "rejected_abuse": 1, "retracted": 1, "counter_notices": 1, "court_actions": 1,
        "restored": 2, "complaints_received": 2, "complaints_granted": 1, "complaints_rejected": 1,
    }  # fmt: skip


def test_a_notice_decided_anew_is_counted_for_each_decision() -> None:
    told = report(case(*DECLINED, *AGAIN))
    assert told.actions["declined"].total == told.actions["disabled"].total == 1
    assert told.actions["complaints_granted"].total == 1
    assert told.outcomes["disabled"].total == 1
    assert told.outcomes["declined"].total == 0


def test_what_completes_a_counter_notice_is_not_another_one() -> None:
    papers = ((Event.RECEIVE_COUNTER, 30), (Event.RECEIVE_COUNTER, 35), (Event.FORWARD_COUNTER, 36))
    told = report(case(*DISABLED, *papers, track=TrackName.DMCA_512))
    assert told.actions["counter_notices"].total == 1


def test_an_uploader_whose_complaint_shows_abuse_was_granted_it() -> None:
    told = report(case(*DISABLED, (Event.COMPLAIN, 20), (Event.REJECT_ABUSE, 26)))
    assert told.actions["complaints_granted"].total == 1
    assert told.times["complaint_to_decision"].total == Spread(count=1, median_h=6.0, p90_h=6.0)


@pytest.mark.parametrize(("decided", "undone"), [(DECLINED, Event.REINSTATE), (DISABLED, Event.RESTORE)])
@pytest.mark.parametrize("ended", [((Event.CLOSE, 30),), ((Event.COMPLAIN, 20), (Event.UPHOLD, 30))])
def test_what_another_body_undoes_is_no_complaint_granted(decided: Steps, ended: Steps, undone: Event) -> None:
    told = report(case(*decided, *ended, (undone, 900)))
    assert told.actions["complaints_granted"].total == 0
    # A complaint took until it was rejected, not until what came later.
    median_h = 10.0 if len(ended) == 2 else None
    assert told.times["complaint_to_decision"].total == Spread(count=len(ended) - 1, median_h=median_h, p90_h=median_h)


def test_only_the_operators_own_policy_is_a_ground_in_its_terms() -> None:
    told = report(*(case(*DISABLED, track=track) for track in TrackName))
    assert some(told.disabled_by_ground["terms"]) == {"likeness": 1}
    assert some(told.disabled_by_ground["law"]) == {"dmca_512": 1, "dsa_16": 1, "take_it_down": 1}


# -- times ---------------------------------------------------------------------------------------


def test_a_decision_is_timed_from_the_complete_notice_and_from_submission() -> None:
    told = report(case(*DISABLED), case(*DECLINED, track=TrackName.LIKENESS))
    assert told.times["complete_to_decision"].by_track["dsa_16"] == Spread(count=1, median_h=8.0, p90_h=8.0)
    # 8 h and 4 h: the median lies midway, the 90th percentile nine tenths of the way up.
    assert told.times["complete_to_decision"].total == Spread(count=2, median_h=6.0, p90_h=7.6)
    assert told.times["submit_to_first_decision"].total == Spread(count=2, median_h=8.0, p90_h=9.6)


def test_a_cured_notice_is_timed_from_when_it_was_found_complete() -> None:
    cured = ((Event.REQUEST_CURE, 1), (Event.CURE, 50), (Event.FIND_VALID, 51), (Event.DISABLE, 54))
    told = report(case(*TO_VALID[:2], *cured))
    assert told.times["complete_to_decision"].total.median_h == 3.0
    assert told.times["submit_to_first_decision"].total.median_h == 54.0


def test_the_first_decision_alone_is_timed_from_submission() -> None:
    told = report(case(*DECLINED, *AGAIN))
    assert told.times["submit_to_first_decision"].total == Spread(count=1, median_h=6.0, p90_h=6.0)
    assert told.times["complete_to_decision"].total == Spread(count=2, median_h=3.5, p90_h=3.9)  # 4 h and 3 h
    assert told.times["complaint_to_decision"].total == Spread(count=1, median_h=10.0, p90_h=10.0)


def test_a_complaint_withdrawn_with_its_notice_was_not_decided() -> None:
    told = report(case(*DISABLED, (Event.COMPLAIN, 20), (Event.RETRACT, 30)))
    assert told.times["complaint_to_decision"].total.count == 0


def test_times_belong_to_the_period_in_which_they_ended() -> None:
    told = report(case(*DISABLED, at=START - timedelta(hours=9)), case(*DISABLED, at=END - timedelta(hours=9)))
    assert told.times["complete_to_decision"].total.count == 1
    assert told.received.total == 1


def test_nothing_measured_is_none_and_not_nought() -> None:
    told = report()
    nothing = Spread(count=0, median_h=None, p90_h=None)
    assert {split.total for split in told.times.values()} == {nothing}
    assert told.take_it_down_in_time == Share(part=0, whole=0, share_0_1=None)
    assert told.restorations.share.total.share_0_1 is None


# -- the statute's 48 hours ----------------------------------------------------------------------

REMOVED_AT_48 = (*TO_VALID, (Event.DISABLE, 48))
REMOVED_LATE = (*TO_VALID, (Event.DISABLE, 48.001))
CURED = (*TO_VALID[:2], (Event.REQUEST_CURE, 1), (Event.CURE, 30), (Event.FIND_VALID, 31), (Event.DISABLE, 78))


@pytest.mark.parametrize(
    ("steps", "part", "whole"),
    [
        (REMOVED_AT_48, 1, 1),
        (REMOVED_LATE, 0, 1),
        (CURED, 1, 1),
        (TO_VALID, 0, 1),  # still open
        (DECLINED, 0, 0),
        ((*TO_VALID[:2], (Event.REQUEST_CURE, 1)), 0, 0),
        ((*TO_VALID, (Event.RETRACT, 60)), 0, 0),
        ((*REMOVED_LATE, (Event.RETRACT, 60)), 0, 1),
    ],
)
def test_a_request_is_met_within_48_hours_of_being_complete(steps: Steps, part: int, whole: int) -> None:
    told = report(case(*steps, track=TrackName.TAKE_IT_DOWN)).take_it_down_in_time
    assert (told.part, told.whole) == (part, whole)
    assert told.share_0_1 == (part / whole if whole else None)


def test_the_48_hours_bind_one_track_alone() -> None:
    assert report(case(*REMOVED_AT_48)).take_it_down_in_time.whole == 0


def test_a_request_counts_in_the_period_in_which_it_fell_due() -> None:
    due_at_start = case(*REMOVED_AT_48, track=TrackName.TAKE_IT_DOWN, at=START - timedelta(hours=48))
    due_at_end = case(*TO_VALID, track=TrackName.TAKE_IT_DOWN, at=END - timedelta(hours=48))
    told = report(due_at_start, due_at_end).take_it_down_in_time
    assert (told.part, told.whole) == (1, 1)


# -- restorations --------------------------------------------------------------------------------


def test_material_comes_back_in_the_way_that_brought_it_back() -> None:
    told = report(
        case(*COUNTERED, (Event.RESTORE, 400), track=TrackName.DMCA_512),
        case(*COUNTERED, (Event.COURT_ACTION, 40), (Event.RESTORE, 900), track=TrackName.DMCA_512),
        case(*DISABLED, (Event.COMPLAIN, 20), (Event.RESTORE, 30)),
        case(*DISABLED, (Event.COMPLAIN, 20), (Event.UPHOLD, 30), (Event.RESTORE, 300)),
        case(*DISABLED, (Event.CLOSE, 5000), (Event.RESTORE, 6000)),
        case(*DISABLED, (Event.RETRACT, 20)),
        case(*ABUSE),
        case(*DISABLED),
        case(*DISABLED, (Event.CLOSE, 5000)),
        case(*TO_VALID, (Event.RETRACT, 20)),
    ).restorations
    assert {way: split.total for way, split in told.by_way.items()} == {
        "counter_notice": 2, "complaint": 1, "dispute": 2, "retraction": 1, "rejection": 1,
    }  # fmt: skip
    assert some(told.disabled) == {"dmca_512": 2, "dsa_16": 7}
    assert told.share.total == Share(part=7, whole=9, share_0_1=0.7778)
    assert told.share.by_track["dsa_16"] == Share(part=5, whole=7, share_0_1=0.7143)


def test_material_taken_down_again_has_not_come_back() -> None:
    told = report(case(*ABUSE, *REOPENED, (Event.DISABLE, 42))).restorations
    assert told.disabled.total == 1
    assert told.share.total == Share(part=0, whole=1, share_0_1=0.0)


def test_material_that_is_back_already_does_not_come_back_by_what_follows() -> None:
    for after in ((Event.RETRACT, 40), (Event.UPHOLD, 40)):
        told = report(case(*ABUSE, (Event.COMPLAIN, 30), after)).restorations
        assert {way: split.total for way, split in told.by_way.items() if split.total} == {"rejection": 1}


def test_a_restoration_after_the_period_still_tells_of_what_was_disabled_in_it() -> None:
    late = case(*DISABLED, (Event.COMPLAIN, 2000), (Event.RESTORE, 2010))
    told = report(late)
    assert told.actions["restored"].total == 0
    assert told.restorations.by_way["complaint"].total == 1


# -- trusted flaggers, misuse --------------------------------------------------------------------


def test_trusted_flaggers_are_told_of_alone() -> None:
    told = report(
        case(*DISABLED, tier="trusted_flagger"),
        case(*DECLINED, tier="trusted_flagger", track=TrackName.LIKENESS),
        case(*DECLINED),
        case(),
    ).trusted_flaggers
    assert told.share == Share(part=2, whole=4, share_0_1=0.5)
    assert told.by_track == dict.fromkeys(TrackName, 0) | {"dsa_16": 1, "likeness": 1}
    assert {outcome: n for outcome, n in told.outcomes.items() if n} == {"disabled": 1, "declined": 1}
    assert told.complete_to_decision == Spread(count=2, median_h=6.0, p90_h=7.6)


def test_measures_against_misuse_are_passed_on() -> None:
    said = {"suspended_claimants": 2, "suspended_uploaders": 3, "strikes": {"claimant": 5, "uploader": 7}}
    assert as_json(report(**said))["misuse"] == said


# -- what is refused -----------------------------------------------------------------------------


def test_a_notice_that_comes_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        report(case(notice_id="ntc_a"), case(notice_id="ntc_a"))


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="period"):
        report(start=END, end=END)


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(NaiveDatetime):
        report(end=END.replace(tzinfo=None))
    with pytest.raises(NaiveDatetime):
        case(at=START.replace(tzinfo=None))


def test_a_history_that_does_not_begin_is_refused() -> None:
    with pytest.raises(IncompleteHistory):
        replace(case(), history=())


@pytest.mark.parametrize("wrong", [{"track": "x"}, {"tier": "x"}, {"state": "x"}, {"complaints": ("x",)}])
def test_what_is_unknown_is_refused_and_not_left_out(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unknown"):
        replace(case(), **wrong)


def test_a_closed_notice_that_was_never_refused_is_no_case() -> None:
    with pytest.raises(ValueError, match="was never refused"):
        outcome_of(replace(case(*DISABLED, (Event.COMPLAIN, 20)), state="closed"))


# -- whatever happens ----------------------------------------------------------------------------


@st.composite
def walks(draw: st.DrawFn) -> Case:
    """A notice led along its track's course, step by step, from before the period until after it."""
    track = draw(st.sampled_from(TrackName))
    table = TRACKS[track].transitions
    state, hours = State.SUBMITTED, 0.0
    steps: list[tuple[Event, float]] = []
    complaints: list[str] = []
    for _ in range(draw(st.integers(0, 14))):
        if not (events := events_from(table, state)):
            break
        event = draw(st.sampled_from(events))
        state, hours = transition(table, state, event), hours + draw(st.floats(0, 400))
        steps.append((event, hours))
        if event is Event.COMPLAIN:
            complaints.append("claimant" if state is State.CLAIMANT_COMPLAINT else "uploader")
    return case(
        *steps,
        track=track,
        at=START + timedelta(hours=draw(st.integers(-1500, 1500))),
        tier=draw(st.sampled_from(TIERS)),
        materials=draw(st.integers(1, 9)),
        automated_detection=draw(st.booleans()),
        is_duplicate=draw(st.booleans()),
        complaints=tuple(complaints),
    )


@given(walks())
def test_what_is_told_to_be_disabled_is_what_is_down(one: Case) -> None:
    steps = [state for _, state, _ in one.history if state == State.DISABLED or state in PUTS_BACK]
    if (outcome := outcome_of(one)) is not Outcome.COMPLAINT_PENDING:
        assert (outcome in {Outcome.DISABLED, Outcome.HELD}) == (steps[-1:] == [State.DISABLED])


def counts(value: Any) -> list[dict[str, Any]]:
    """Every figure of the report that is split, wherever it lies."""
    if not isinstance(value, dict):
        return []
    if "by_tier" in value:
        return [value]
    return [split for each in value.values() for split in counts(each)]


def shares(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        return []
    return [value] if "share_0_1" in value else [share for each in value.values() for share in shares(each)]


@given(st.lists(walks(), max_size=12))
def test_the_tracks_and_the_tiers_add_up_to_the_total(cases: list[Case]) -> None:
    splits = counts(as_json(report(*cases)))
    for split in splits:
        for part in ("by_track", "by_tier"):
            if isinstance(split["total"], int):
                assert sum(split[part].values()) == split["total"]
            else:
                key = "count" if "count" in split["total"] else "whole"
                assert sum(of[key] for of in split[part].values()) == split["total"][key]
    assert len(splits) > 30


@given(st.lists(walks(), max_size=12))
def test_what_was_received_is_told_of_completely(cases: list[Case]) -> None:
    told = report(*cases)
    received = sum(START <= one.received_at < END for one in cases)
    assert told.received.total == received
    assert sum(split.total for split in told.outcomes.values()) == received
    assert sum(split.total for split in told.received_by_month.values()) == received
    assert sum(split.total for split in told.disabled_by_ground.values()) == told.actions["disabled"].total
    assert sum(told.trusted_flaggers.outcomes.values()) == told.trusted_flaggers.share.part


@given(st.lists(walks(), max_size=12))
def test_shares_lie_between_nought_and_one_and_times_in_order(cases: list[Case]) -> None:
    told = report(*cases)
    for share in shares(as_json(told)):
        assert 0 <= share["part"] <= share["whole"]
        assert (share["share_0_1"] is None) == (share["whole"] == 0)
        assert share["share_0_1"] is None or 0 <= share["share_0_1"] <= 1
    for split in told.times.values():
        for spread in (split.total, *split.by_track.values(), *split.by_tier.values()):
            if spread.median_h is not None and spread.p90_h is not None:
                assert 0 <= spread.median_h <= spread.p90_h
    restored = sum(split.total for split in told.restorations.by_way.values())
    assert restored == told.restorations.share.total.part


@given(st.lists(walks(), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_the_cases_changes_nothing_and_no_notice_is_named(cases: list[Case], random: Any) -> None:
    shuffled = random.sample(cases, len(cases))
    told = json.dumps(as_json(report(*cases)))
    assert told == json.dumps(as_json(report(*shuffled)))
    assert "ntc_" not in told
