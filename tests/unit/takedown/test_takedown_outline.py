"""The main line of a track, as it is drawn for people."""

from itertools import pairwise

import pytest

from takedown.domain.outline import main_line
from takedown.domain.states import OVER, Event, State
from takedown.domain.track import Track, TrackName
from takedown.domain.tracks import TRACKS

EVERY = pytest.mark.parametrize("track", TRACKS.values(), ids=list(TRACKS))


@EVERY
def test_the_line_follows_the_table_from_filing_to_an_end(track: Track) -> None:
    line = main_line(track)
    assert line[0].state is State.SUBMITTED
    for step, following in pairwise(line):
        leads_to = {state for (where, _), state in track.transitions.items() if where is step.state}
        assert following.state in leads_to
    assert line[-1].state is State.RESTORED
    assert line[-1].state in OVER


@EVERY
def test_each_step_has_the_terms_of_its_state(track: Track) -> None:
    for step in main_line(track):
        assert step.terms == track.terms.get(step.state, ())
        for branch in step.branches:
            assert track.transitions[step.state, branch.event] is branch.state
            assert branch.terms == track.terms.get(branch.state, ())
            assert branch.event not in (Event.RETRACT, Event.REJECT_ABUSE)


def test_the_sworn_course_passes_the_counter_notice_and_the_others_a_complaint() -> None:
    sworn = [step.state for step in main_line(TRACKS[TrackName.DMCA_512])]
    assert sworn[-4:] == [State.UPLOADER_NOTIFIED, State.COUNTER_RECEIVED, State.FORWARDED, State.RESTORED]
    for name in (TrackName.DSA_16, TrackName.TAKE_IT_DOWN, TrackName.LIKENESS):
        states = [step.state for step in main_line(TRACKS[name])]
        assert states[-3:] == [State.UPLOADER_NOTIFIED, State.UPLOADER_COMPLAINT, State.RESTORED]


def test_a_court_action_is_a_branch_of_the_forwarded_counter_notice() -> None:
    line = main_line(TRACKS[TrackName.DMCA_512])
    forwarded = next(step for step in line if step.state is State.FORWARDED)
    assert [(one.event, one.state) for one in forwarded.branches] == [(Event.COURT_ACTION, State.HELD)]
