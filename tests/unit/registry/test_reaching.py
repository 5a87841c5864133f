"""Which words reach a place is found as if every one were tried, and only few are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import reaching
from registry.locations import host_of, path_covers, path_of
from registry.reaching import MOST_COMPARED, Reaching


def _reaches(there: str | None, here: str | None) -> bool:
    """Whether a word on one place reaches another: it covers it, or may meet it without being covered."""
    if there is None or here is None:
        return there is None
    if host_of(there) != host_of(here):
        return False
    one, other = path_of(there), path_of(here)
    begins = one.partition("*")[0], other.partition("*")[0]
    may_meet = begins[0].startswith(begins[1]) or begins[1].startswith(begins[0])
    return path_covers(one, other) or (may_meet and not path_covers(other, one))


_PATHS = st.lists(st.sampled_from(["a", "b", "/", "*", "**"]), max_size=6).map("".join)
_PLACES = st.none() | st.builds("{}/{}".format, st.sampled_from(["x.example", "https://y.example"]), _PATHS)


@given(places=st.lists(_PLACES, max_size=25), asked=_PLACES)
def test_the_words_that_reach_a_place_are_those_that_trying_each_would_find(
    places: list[str | None], asked: str | None
) -> None:
    found = sorted(Reaching((place, number) for number, place in enumerate(places)).to(asked))
    assert found == [number for number, place in enumerate(places) if _reaches(place, asked)]


@given(places=st.lists(_PLACES, max_size=25), asked=_PLACES, most=st.integers(0, 20))
def test_what_is_not_compared_is_taken_to_reach(places: list[str | None], asked: str | None, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reaching, "MOST_COMPARED", most)
        found = set(Reaching((place, number) for number, place in enumerate(places)).to(asked))
    assert found >= {number for number, place in enumerate(places) if _reaches(place, asked)}


@pytest.mark.parametrize(
    ("there", "here", "most"),
    [
        ("/a{:04}/b/b/b", "/z{:04}/b/b/b", 0),  # nothing meets
        ("/a{:04}*a*a", "/{:04}" + "a" * 800, 0),
        ("/a*" + "a" * 400 + "{:04}", "/" + "a" * 800 + "{:04}", 0),  # all meet, as their beginnings tell
        ("/z{:04}", "/a*{:04}", 0),
        ("/a" + "*a" * 300 + "{:04}", "/a" + "*a" * 400 + "{:04}", 0),  # so many stars are not compared
        ("/ab{:04}", "/a*b*", 2 * MOST_COMPARED),  # each is covered, so the next one has to be compared
    ],
)
def test_of_a_thousand_words_and_a_thousand_places_few_are_compared(
    monkeypatch: pytest.MonkeyPatch, there: str, here: str, most: int
) -> None:
    compared = 0

    def comparing(pattern: str, path: str) -> bool:
        nonlocal compared
        compared += 1
        return path_covers(pattern, path)

    monkeypatch.setattr(reaching, "path_covers", comparing)
    words = Reaching((f"x.example{there.format(number)}", number) for number in range(1000))
    for number in range(1000):
        next(words.to(f"x.example{here.format(number)}"), None)
    assert compared <= 1000 * most
