"""The tracks as data: that what each names exists, fits its course, and is of its own law."""

from dataclasses import fields

import pytest

from takedown.domain.completeness import CounterContent, NoticeContent
from takedown.domain.deadlines import DeadlineName, Term
from takedown.domain.states import (
    ACTOR,
    COMPLAINANT,
    DECISIONS,
    OVER,
    PUTS_BACK,
    Actor,
    Event,
    State,
    Transitions,
    states_of,
)
from takedown.domain.track import Letter, Track, TrackName
from takedown.domain.tracks import TRACKS
from takedown.letters import TRACKS_OF, LetterName

NOTICE_FIELDS = {field.name: field.type for field in fields(NoticeContent)}
COUNTER_FIELDS = {field.name: field.type for field in fields(CounterContent)}
# How each statute is cited.
CITED = {
    TrackName.DMCA_512: "17 U.S.C. 512(",
    TrackName.DSA_16: "DSA art. ",
    TrackName.TAKE_IT_DOWN: "TAKE IT DOWN Act sec. 3, 47 U.S.C. 223a(a)",
    TrackName.LIKENESS: "the operator's policy on voice and likeness",
}
# The dates that a statute gives a number for; every other is the operator's own.
STATUTORY = {
    TrackName.DMCA_512: {
        DeadlineName.COURT_ACTION_BY,
        DeadlineName.RESTORE_NOT_BEFORE,
        DeadlineName.RESTORE_NOT_AFTER,
    },
    TrackName.DSA_16: {DeadlineName.COMPLAINT_BY},
    TrackName.TAKE_IT_DOWN: {DeadlineName.REMOVE_BY},
    TrackName.LIKENESS: set(),
}
# In these the next step is the operator's; in the others a party's, a court's, or time's.
OPERATORS_TURN = {
    State.EMAIL_CONFIRMED,
    State.TRIAGE,
    State.VALID,
    State.DISABLED,
    State.CLAIMANT_COMPLAINT,
    State.UPLOADER_COMPLAINT,
}

on_every_track = pytest.mark.parametrize("track", TRACKS.values(), ids=lambda track: track.name.value)


def events_of(track: Track) -> set[Event]:
    return {event for _, event in track.transitions}


def decisions_of(track: Track) -> set[Event]:
    return events_of(track) & DECISIONS


def letters_of(track: Track) -> list[Letter]:
    return [letter for letters in track.letters.values() for letter in letters]


def terms_of(track: Track) -> list[tuple[State, Term]]:
    """Each term with the state in which it is pending."""
    return [(state, term) for state, terms in track.terms.items() for term in terms]


def can_avoid(table: Transitions, avoided: State, goal: State) -> bool:
    """Whether some notice comes to a state without having been in another."""
    reached = {State.SUBMITTED} - {avoided}
    while more := {end for (start, _), end in table.items() if start in reached} - reached - {avoided}:
        reached |= more
    return goal in reached


# -- the list ------------------------------------------------------------------------------------


def test_every_track_is_listed_under_its_name() -> None:
    assert set(TRACKS) == set(TrackName)
    assert all(track.name is name for name, track in TRACKS.items())


def test_a_title_tells_a_track_from_the_others() -> None:
    assert len({track.title for track in TRACKS.values()}) == len(TRACKS)


def test_only_the_act_that_says_so_reaches_for_identical_copies() -> None:
    assert [name for name, track in TRACKS.items() if track.finds_identical_copies] == [TrackName.TAKE_IT_DOWN]


def test_misuse_never_suspends_the_forty_eight_hours() -> None:
    assert [name for name, track in TRACKS.items() if not track.is_suspendable] == [TrackName.TAKE_IT_DOWN]


# -- the papers ----------------------------------------------------------------------------------


@on_every_track
def test_every_element_asks_for_what_the_papers_can_say(track: Track) -> None:
    for elements, said in ((track.elements, NOTICE_FIELDS), (track.counter_elements, COUNTER_FIELDS)):
        assert len({element.name for element in elements}) == len(elements)
        for element in elements:
            assert element.needs
            for group in element.needs:
                assert group
                assert set(group) <= set(said)


@on_every_track
def test_every_element_names_its_own_law_and_says_in_a_sentence_what_to_supply(track: Track) -> None:
    for element in (*track.elements, *track.counter_elements):
        assert element.reference.startswith(CITED[track.name])
        assert element.what_to_supply.strip() == element.what_to_supply
        assert element.what_to_supply.endswith(".")


@on_every_track
def test_without_the_material_there_is_nothing_to_look_at(track: Track) -> None:
    [element] = [element for element in track.elements if ("material",) in element.needs]
    # The DSA has every notice processed (art. 16(6)): who left it out is asked.
    assert element.indispensable == (track.name is not TrackName.DSA_16)


@on_every_track
def test_a_counter_notice_exists_where_one_can_be_received(track: Track) -> None:
    takes_counter_notices = Event.RECEIVE_COUNTER in events_of(track)
    assert bool(track.counter_elements) == bool(track.counter_statements) == takes_counter_notices
    assert takes_counter_notices == (track.name is TrackName.DMCA_512)
    assert not any(element.indispensable for element in track.counter_elements)


@on_every_track
def test_a_statement_is_a_yes_that_the_track_asks_for(track: Track) -> None:
    papers = (
        (track.statements, track.elements, NOTICE_FIELDS),
        (track.counter_statements, track.counter_elements, COUNTER_FIELDS),
    )
    for statements, elements, said in papers:
        needed = {field for element in elements for group in element.needs for field in group}
        stated = [field for statement in statements for field in statement.fields]
        assert {said[field] for field in stated} <= {bool}
        assert set(stated) == {field for field in needed if said[field] is bool}
        assert len(stated) == len(set(stated))


def test_a_statement_of_one_name_and_version_has_one_text() -> None:
    made = {one for track in TRACKS.values() for one in (*track.statements, *track.counter_statements)}
    assert len({(one.name, one.version) for one in made}) == len(made)


# -- the course ----------------------------------------------------------------------------------


@on_every_track
def test_somebody_can_cause_whatever_can_happen(track: Track) -> None:
    assert all(ACTOR.get(event) for event in events_of(track))


def test_every_event_happens_on_some_track() -> None:
    assert {event for track in TRACKS.values() for event in events_of(track)} == set(Event)


@on_every_track
def test_a_person_makes_each_decision_but_restoring(track: Track) -> None:
    assert {event for event in decisions_of(track) if ACTOR[event] != {Actor.REVIEWER}} == {Event.RESTORE}


# -- reasons -------------------------------------------------------------------------------------


@on_every_track
def test_every_decision_has_its_list_of_reasons(track: Track) -> None:
    assert decisions_of(track) == set(track.reasons)
    for reasons in track.reasons.values():
        codes = [reason.code for reason in reasons]
        assert len(set(codes)) == len(codes)
        assert all(reason.title.strip() for reason in reasons)
        assert codes[-1] == "other"
        assert codes[0] != "other"


def test_material_goes_down_for_what_its_track_is_about() -> None:
    assert {name: track.reasons[Event.DISABLE][0].code for name, track in TRACKS.items()} == {
        TrackName.DMCA_512: "copyright_infringement",
        TrackName.DSA_16: "copyright_infringement",
        TrackName.TAKE_IT_DOWN: "intimate_depiction",
        TrackName.LIKENESS: "voice_or_likeness",
    }


def test_one_code_has_one_title_everywhere() -> None:
    listed = {
        (one.code, one.title) for track in TRACKS.values() for reasons in track.reasons.values() for one in reasons
    }  # fmt: skip
    assert len({code for code, _ in listed}) == len(listed)


@on_every_track
def test_material_is_restored_for_what_its_course_knows(track: Track) -> None:
    codes = [reason.code for reason in track.reasons[Event.RESTORE]]
    sworn, complained = ["counter_notice", "court_action_ended"], ["complaint_granted", "dispute_body"]
    assert codes == [*(sworn if Event.RECEIVE_COUNTER in events_of(track) else complained), "other"]


@on_every_track
def test_a_refused_notice_is_reopened_on_a_complaint_or_on_another_bodys_word(track: Track) -> None:
    codes = [reason.code for reason in track.reasons[Event.REINSTATE]]
    assert codes == ["complaint_granted", "dispute_body", "other"]


# -- letters -------------------------------------------------------------------------------------


@on_every_track
def test_every_letter_exists_and_is_right_for_the_track(track: Track) -> None:
    for letter in letters_of(track):
        assert track.name in TRACKS_OF[LetterName(letter.name)]


@on_every_track
def test_a_letter_is_written_of_what_can_happen_to_a_party(track: Track) -> None:
    assert set(track.letters) <= events_of(track)
    assert {letter.to for letter in letters_of(track)} == {Actor.CLAIMANT, Actor.UPLOADER}
    for letter in letters_of(track):
        _, _, side = letter.name.rpartition("_")
        assert side not in set(Actor) or side == letter.to


@on_every_track
def test_no_side_gets_a_letter_twice(track: Track) -> None:
    for letters in track.letters.values():
        assert len(set(letters)) == len(letters)


@on_every_track
def test_no_decision_is_kept_from_who_it_is_about(track: Track) -> None:
    told = {event: {letter.to for letter in letters} for event, letters in track.letters.items()}
    assert decisions_of(track) <= set(told)
    for (state, event), end in track.transitions.items():
        if end in COMPLAINANT:
            assert COMPLAINANT[end] in told[event], (state, event)
        if end in PUTS_BACK:
            assert told[event] == {Actor.CLAIMANT, Actor.UPLOADER}, (state, event)


# -- terms ---------------------------------------------------------------------------------------


@on_every_track
def test_a_term_is_so_many_days_or_months_or_hours(track: Track) -> None:
    for _, term in terms_of(track):
        lengths = [length for length in (term.business_days, term.months, term.hours) if length]
        assert len(lengths) == 1
        assert lengths[0] > 0


@on_every_track
def test_no_date_binds_in_a_state_that_the_track_does_not_know(track: Track) -> None:
    assert set(track.terms) <= set(states_of(track.transitions))


@on_every_track
def test_a_state_has_each_of_its_dates_once(track: Track) -> None:
    assert len({(state, term.name) for state, term in terms_of(track)}) == len(terms_of(track))


@on_every_track
def test_a_term_counts_from_a_state_that_every_such_notice_was_in(track: Track) -> None:
    for state, term in terms_of(track):
        assert not can_avoid(track.transitions, term.since or State.SUBMITTED, state)


@on_every_track
def test_what_time_brings_about_can_happen_in_that_state_and_by_itself(track: Track) -> None:
    for state, term in terms_of(track):
        if term.then is not None:
            assert (state, term.then) in track.transitions
            assert Actor.SYSTEM in ACTOR[term.then]


@on_every_track
def test_a_number_is_called_the_statutes_only_where_a_statute_gives_it(track: Track) -> None:
    assert {term.name for _, term in terms_of(track) if term.statutory} == STATUTORY[track.name]
    for _, term in terms_of(track):
        assert term.basis
        assert not term.statutory or term.basis.startswith(CITED[track.name])


@on_every_track
def test_the_operator_has_a_date_for_whatever_waits_for_them(track: Track) -> None:
    turns = OPERATORS_TURN & set(states_of(track.transitions))
    if track.name is TrackName.DMCA_512:
        turns |= {State.FORWARDED}
    elif track.name is TrackName.TAKE_IT_DOWN:
        turns |= {State.SUBMITTED}  # the forty-eight hours run before anybody looked
    assert {state for state, term in terms_of(track) if term.is_duty} == turns


@on_every_track
def test_the_time_for_a_complaint_runs_where_one_can_be_made(track: Track) -> None:
    pending = {state for state, term in terms_of(track) if term.name is DeadlineName.COMPLAINT_BY}
    assert pending == {state for state, event in track.transitions if event is Event.COMPLAIN}


@on_every_track
def test_nothing_is_asked_of_the_operator_when_a_notice_is_over(track: Track) -> None:
    assert {state for state, _ in terms_of(track) if state in OVER} == {State.REJECTED_ABUSE}
    assert all(term.then is None and not term.is_duty for state, term in terms_of(track) if state in OVER)
