"""What several words come to over time: at each moment the newest of those that last."""

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
from hypothesis import assume, given

from registry.domain.preferences import Use, Value
from registry.formats.statements import Statement
from registry.standing import consistent, heard, lasting

_START = datetime(2026, 1, 1, tzinfo=UTC)
_DAYS = st.none() | st.integers(0, 12).map(lambda day: _START + timedelta(days=day))


@st.composite
def _words(draw: st.DrawFn) -> Statement:
    begins, ends = draw(_DAYS), draw(_DAYS)
    assume(begins is None or ends is None or begins < ends)
    return Statement(use=Use.TRAIN, value=draw(st.sampled_from(Value)), valid_from=begins, valid_until=ends)


def _lasting_at(words: list[Statement], moment: datetime) -> list[Statement]:
    return [word for word in words if lasting(word)[0] <= moment < lasting(word)[1]]


@given(st.lists(st.tuples(st.sampled_from("ab"), _words()), max_size=12))
def test_at_every_time_the_newest_word_that_lasts_is_heard_and_no_other(words: list[tuple[str, Statement]]) -> None:
    for about in "ab":
        said = [word for its, word in words if its == about]
        stretches = heard((its, word) for its, word in words if its == about)
        for half_days in range(-1, 26):
            moment = _START + timedelta(hours=12 * half_days)
            newest = _lasting_at(said, moment)[-1:]
            assert [one.value for one in _lasting_at(stretches, moment)] == [one.value for one in newest]
    assert sorted(map(repr, heard(words))) == sorted(
        repr(one) for about in "ab" for one in heard((its, word) for its, word in words if its == about)
    )


def test_a_word_that_nothing_spoke_over_stands_as_it_was_said() -> None:
    word = Statement(use=Use.TRAIN, value=Value.ALLOWED, valid_from=_START, terms_url="https://example.org/terms")
    assert heard([("a", word)]) == [word]


def test_a_word_said_for_a_time_parts_the_one_that_stood() -> None:
    ends = _START + timedelta(days=3)
    stood = Statement(use=Use.TRAIN, value=Value.RESERVED)
    word = Statement(use=Use.TRAIN, value=Value.ALLOWED, valid_from=_START, valid_until=ends)
    assert heard([("a", stood), ("a", word)]) == [
        Statement(use=Use.TRAIN, value=Value.RESERVED, valid_until=_START),
        word,
        Statement(use=Use.TRAIN, value=Value.RESERVED, valid_from=ends),
    ]


def test_a_restriction_stands_where_nothing_stricter_does() -> None:
    press = Statement(use=Use.TRAIN, value=Value.RESERVED, location="a.example/films/press")
    films = Statement(use=Use.TRAIN, value=Value.CONSTRAINED, location="a.example/*.mp4")
    within = Statement(use=Use.TRAIN, value=Value.CONSTRAINED, location="a.example/films/press/1")
    allowed = Statement(use=Use.TRAIN, value=Value.ALLOWED, location="a.example/*.mp4")
    kept, remarks = consistent([press, films, within, allowed])
    assert kept == [press, films]
    assert [remark.where.split(" for ")[1] for remark in remarks] == ["a.example/films/press/1", "a.example/*.mp4"]
