"""Patterns cover what robots.txt says they cover, and the narrower of two is known."""

import itertools
import re
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from registry.formats.patterns import (
    MAX_PATTERN_CHARS,
    beginning,
    canonical,
    covers,
    is_pattern,
    may_meet,
    pattern_of,
    specificity,
)

PATHS = ["/" + "".join(path) for length in range(7) for path in itertools.product("ab", repeat=length)]
PATTERNS = st.builds(
    lambda body, end: f"/{body}{end}", st.text("ab*", max_size=4), st.sampled_from(["", "$"])
)  # fmt: skip


def covered(pattern: str) -> set[str]:
    """By regular expression, which the code under test does not use: it must not run on strangers' patterns."""
    body = pattern.removesuffix("$")
    expression = "".join(".*" if char == "*" else re.escape(char) for char in body)
    return {path for path in PATHS if re.match(expression + ("$" if pattern.endswith("$") else ""), path)}


@given(PATTERNS)
def test_a_pattern_covers_what_its_regular_expression_matches(pattern: str) -> None:
    assert {path for path in PATHS if covers(pattern, path)} == covered(pattern)


@given(PATTERNS, PATTERNS)
def test_the_narrower_of_two_is_more_specific_and_equal_ones_have_one_spelling(one: str, other: str) -> None:
    assume(covered(one) <= covered(other))
    assert specificity(one) >= specificity(other)
    if covered(one) < covered(other):
        assert specificity(one) > specificity(other)


@given(PATTERNS, PATTERNS)
def test_patterns_that_share_a_path_may_meet(one: str, other: str) -> None:
    if covered(one) & covered(other):
        assert may_meet(beginning(one), beginning(other))


def test_patterns_apart_from_each_other_do_not_meet() -> None:
    assert not may_meet(beginning("/films/*.mp4"), beginning("/music/$"))


@pytest.mark.parametrize(
    ("pattern", "path", "is_covered"),
    [
        ("/price-%24", "/price-$", True),
        ("/price-$", "/price-", True),
        ("/price-$", "/price-$", False),
        ("/100%25", "/100%25", True),
        ("/%7Eanna", "/~anna", True),
        ("/~anna", "/%7eanna", True),
        ("/a%2Fb", "/a/b", False),
        ("/a%2fb", "/a%2Fb", True),
        ("/füße", "/f%C3%BC%C3%9Fe", True),
        ("/f%c3%bc", "/fü", True),
        ("/$5/", "/$5/x", True),
        ("/*?page=", "/list?page=2", True),
        ("/Films/", "/films/", False),
        ("*.jpg$", "/a.jpg", True),
        ("*.jpg$", "/a.jpg?size=2", False),
        ("*", "", True),
        ("/", "", True),
    ],
)
def test_escapes_and_ends_are_compared_as_the_protocol_has_it(pattern: str, path: str, is_covered: bool) -> None:
    assert covers(pattern, path) is is_covered


def test_idle_stars_make_no_other_pattern() -> None:
    assert {canonical(each) for each in ("/a", "/a*", "/a**", "/a*$", "/%61")} == {"/a"}


@pytest.mark.parametrize("text", [None, 7, "", "films/", "https://a.example/", "/\x00", "/\ud800", "/" * 8193, ["/"]])
def test_what_is_no_path_is_no_pattern(text: object) -> None:
    assert not is_pattern(text)


def test_a_location_with_its_host_keeps_its_meaning() -> None:
    assert pattern_of("https://a.example/films/*.mp4?x=1#part") == "/films/*.mp4?x=1"
    assert pattern_of("a.example") == "/"
    assert pattern_of("https://a.example/is$") == "/is%24"
    assert pattern_of("/is$") == "/is$"


def test_many_stars_take_no_time() -> None:
    begun = time.process_time()
    assert not covers("/" + "*a" * (MAX_PATTERN_CHARS // 2 - 1) + "b$", "/" + "a" * 100_000)
    assert time.process_time() - begun < 2
