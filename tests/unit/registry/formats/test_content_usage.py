"""Content-Usage: any n wins, what cannot be read is unknown, and no place is allowed more than its rule allows."""

import re
import time
from urllib.robotparser import RobotFileParser

import http_sf
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.domain.preferences import Use, Value
from registry.formats.content_usage import read_header, read_robots, write_header, write_robots
from registry.formats.signals import MAX_PATHS, MAX_VALUE_BYTES
from registry.formats.statements import FormatError, Reading, Statement, distinct, named
from tests.saying import any_statements, heard, said, said_whole, statements

GENERATIVE, INPUT, SEARCH = Use.TRAIN_GENERATIVE, Use.INPUT, Use.SEARCH
ALLOWED, RESERVED = Value.ALLOWED, Value.RESERVED
USES = (GENERATIVE, INPUT, SEARCH)
PLAIN = statements(uses=USES, values=(ALLOWED, RESERVED))


def values(reading: Reading) -> dict[Use, Value]:
    return {one.use: one.value for one in reading.statements}


def robots(*rules: str) -> Reading:
    return read_robots("\n".join(["User-agent: *", *(f"Content-Usage: {rule}" for rule in rules)]).encode())


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["train-ai=n"], {GENERATIVE: RESERVED}),
        (["train-ai=y, search=n"], {GENERATIVE: ALLOWED, SEARCH: RESERVED}),
        (["ai-use=n"], {INPUT: RESERVED}),
        (["ai-input=n"], {INPUT: RESERVED}),
        (["ai-input=y, ai-use=n"], {INPUT: RESERVED}),
        (["train-genai=n"], {GENERATIVE: RESERVED}),
        (["train-ai=y;exceptions=some, search=y;a;b=2"], {GENERATIVE: ALLOWED, SEARCH: ALLOWED}),
        (["train-ai=n;exceptions=some"], {GENERATIVE: RESERVED}),
        ([" train-ai=n\t,\tsearch=y "], {GENERATIVE: RESERVED, SEARCH: ALLOWED}),
        # several headers, and several members of one key: any n wins
        (["train-ai=y", "train-ai=n"], {GENERATIVE: RESERVED}),
        (["train-ai=n", "train-ai=y, search=y"], {GENERATIVE: RESERVED, SEARCH: ALLOWED}),
        (["train-ai=n, train-ai=y"], {GENERATIVE: RESERVED}),
        (["train-ai=n, train-ai"], {GENERATIVE: RESERVED}),
        (['search="a, train-ai=n", search=y'], {}),
        # not a token of y or n: unknown
        (["train-ai"], {}),
        (["train-ai=?1, search=1, ai-use=(y)"], {}),
        (['train-ai="y", search=Y, ai-use=yes'], {}),
        (["train-ai=y, train-ai"], {}),
        # no dictionary: unknown, and no other line's yes counts
        (["Train-AI=y"], {}),
        (["train-ai=y,"], {}),
        (["train-ai=y search=y"], {}),
        (["search=y", "train-ai=n", "!"], {GENERATIVE: RESERVED}),
        (["é=y, search=y"], {}),
        ([""], {}),
        ([], {}),
    ],
)
def test_a_header_is_read_by_the_drafts_rules_and_ours(lines: list[str], expected: dict[Use, Value]) -> None:
    assert values(read_header(*lines)) == expected


@pytest.mark.parametrize("line", ["bots=n", "all=n, tdm=n", "train-ai=maybe", "TRAIN=n", "train-ai=y;if=paid", "=\x00"])
def test_what_is_not_taken_over_is_a_remark(line: str) -> None:
    [remark, *_] = read_header(line).remarks
    assert remark.where == "Content-Usage"
    assert "\x00" not in remark.problem


def test_a_display_string_hides_no_member() -> None:
    assert values(read_header('a=%"x\\", train-ai=n, b=%"y\\"')) in ({}, {GENERATIVE: RESERVED})
    assert values(read_header('train-ai=y, a=%"x\\", train-ai=n, b=%"y\\"')) in ({}, {GENERATIVE: RESERVED})


def test_rules_of_robots_are_about_paths_and_the_longest_speaks_first() -> None:
    read = robots("train-ai=n", "/ok/ train-ai=y", "/ok/not/ train-ai=n")
    assert [(one.location, one.value, one.order) for one in read.statements] == [
        (None, RESERVED, 2),
        ("/ok/", ALLOWED, 1),
        ("/ok/not/", RESERVED, 0),
    ]


def test_of_several_rules_for_one_path_the_most_restrictive_counts() -> None:
    assert values(robots("/a train-ai=y", "/a train-ai=n", "/a search=y")) == {GENERATIVE: RESERVED, SEARCH: ALLOWED}


def test_a_yes_beside_an_unreadable_rule_does_not_count() -> None:
    assert values(robots("/a train-ai=y", "/a !!", "/a search=n")) == {SEARCH: RESERVED}


@pytest.mark.parametrize("longer", ["/in/side search=n", "/in/side !!", "/in/side train-ai=maybe", "/*side search=n"])
def test_a_longer_rule_that_does_not_say_takes_a_yes_away(longer: str) -> None:
    read = robots("/in/ train-ai=y", longer)
    assert GENERATIVE not in values(read)
    assert any("/in/" in remark.where for remark in read.remarks)


@pytest.mark.parametrize("other", ["/out/side search=n", "/in/side train-ai=n", "/i search=n"])
def test_other_rules_leave_a_yes_as_it_is(other: str) -> None:
    assert heard(robots("/in/ train-ai=y", other).statements, GENERATIVE, "/in/x") is ALLOWED


@pytest.mark.parametrize(
    "text",
    [
        "Content-Usage: train-ai=n, search=y\nUser-agent: *\nAllow: /",
        "User-agent: *\nContent-Usage: /a$ train-ai=n, search=y",
        "User-agent: *\nContent-Usage: train-ai=n, search=y\n" + "#" * 600_000,
    ],
)
def test_a_rule_of_uncertain_reach_only_reserves(text: str) -> None:
    read = read_robots(text.encode())
    assert values(read) == {GENERATIVE: RESERVED}
    assert read.remarks


def test_a_preference_for_one_crawler_is_a_remark() -> None:
    read = read_robots(b"User-agent: Bot\nContent-Usage: train-ai=y\n")
    assert (read.statements, len(read.remarks)) == ((), 1)


# -- writing -------------------------------------------------------------------------------------


def test_a_written_header_says_input_in_both_words() -> None:
    written = write_header([said(GENERATIVE, RESERVED), said(INPUT, RESERVED), said(SEARCH, ALLOWED)])
    assert written.text == "train-ai=n, ai-input=n, ai-use=n, search=y"
    parsed = http_sf.parse(written.text.encode(), name="Content-Usage", tltype="dictionary")
    assert isinstance(parsed, dict)
    assert set(parsed) == {"train-ai", "ai-input", "ai-use", "search"}


def test_a_written_robots_disturbs_no_reader_of_robots() -> None:
    written = write_robots([said(GENERATIVE, RESERVED), said(SEARCH, ALLOWED, "/films/*")])
    assert written.text.startswith("User-agent: *\nContent-Usage: / train-ai=n\n")
    crawler = RobotFileParser()
    crawler.parse([*written.text.splitlines(), "Disallow: /private"])
    assert not crawler.can_fetch("Bot", "/private/a")
    assert crawler.can_fetch("Bot", "/films/a")


def test_a_longer_rule_repeats_what_a_shorter_one_reserves() -> None:
    written = write_robots([said(GENERATIVE, RESERVED), said(SEARCH, ALLOWED, "/a/")])
    assert "Content-Usage: /a/ train-ai=n, search=y\n" in written.text
    assert written.left_out == ()


def test_a_permission_does_not_win_by_its_longer_path() -> None:
    written = write_robots([said(SEARCH, RESERVED), said(SEARCH, ALLOWED, "/a/")])
    assert "search=y" not in written.text
    assert [remark.where for remark in written.left_out] == ["search: allowed for /a/"]


def test_a_permission_that_speaks_first_does() -> None:
    first = said(SEARCH, ALLOWED, "/a/")
    written = write_robots([Statement(use=SEARCH, value=RESERVED, order=1), first])
    assert heard(read_robots(written.text.encode()).statements, SEARCH, "/a/b") is ALLOWED
    assert written.left_out == ()


@pytest.mark.parametrize(
    "location", ["https://e.example/a", "e.example/a", "/a b", "/a#b", "/a$", "/a\nb", "/\x00", "", "/\ud800"]
)
def test_a_location_that_no_rule_can_have_is_left_out(location: str) -> None:
    written = write_robots([said(SEARCH, RESERVED, location)])
    assert (written.text, len(written.left_out)) == ("", 1)


def test_nothing_to_say_is_nothing_written() -> None:
    for written in (write_header([]), write_robots([])):
        assert (written.text, written.left_out) == ("", ())


def test_what_is_left_out_is_named() -> None:
    written = write_header(
        [
            said(Use.DEPICT_IN_OUTPUT, RESERVED),
            said(Use.TRAIN, RESERVED),
            said(SEARCH, ALLOWED, territory="FR"),
            said(GENERATIVE, RESERVED, territory="EU", contact="rights@example.org"),
            said(INPUT, Value.CONSTRAINED, terms_url="https://t.example/"),
        ]
    )
    assert written.text == "train-ai=n, ai-input=n, ai-use=n"
    assert [remark.where for remark in written.left_out] == [
        "depict_in_output: reserved",
        "train: reserved",
        *["search: allowed in FR"] * 2,
        *["train_generative: reserved in EU"] * 2,
        "input: constrained",
    ]


@given(st.lists(PLAIN, unique_by=lambda one: one.use))
def test_a_header_is_read_as_it_was_written(statements: list[Statement]) -> None:
    written = write_header(statements)
    assert written.left_out == ()
    assert set(read_header(written.text).statements) == set(statements)


APART = (None,), ("/films/", "/music/*", "/a", "/é/%20?x=*")


@given(
    st.sampled_from(APART).flatmap(
        lambda locations: st.lists(
            statements(uses=USES, values=(ALLOWED, RESERVED), locations=locations),
            unique_by=lambda one: (one.use, one.location),
        )
    )
)
def test_robots_is_read_as_it_was_written(statements: list[Statement]) -> None:
    written = write_robots(statements)
    assert written.left_out == ()
    assert set(read_robots(written.text.encode()).statements) == set(statements)


NESTED = (None, "/a", "/a/", "/a/b", "/*b", "/a/*", "/c")
URLS = ("/", "/a", "/a/", "/a/b", "/a/bb", "/xb", "/c", "/cb", "/a/x")


@given(st.lists(any_statements(locations=(*NESTED, "https://e.example/a"))))
def test_what_is_written_reserves_all_that_was_reserved_and_allows_no_more(statements: list[Statement]) -> None:
    written = write_robots(statements)
    read = read_robots(written.text.encode()).statements
    sayable = [one for one in statements if one.location in NESTED and one.use in USES]
    for use in USES:
        for url in URLS:
            meant, told = heard(sayable, use, url), heard(read, use, url)
            assert told is RESERVED or meant not in (RESERVED, Value.CONSTRAINED)
            assert told is not ALLOWED or meant is ALLOWED


@given(st.lists(any_statements()))
def test_a_written_header_allows_no_more_than_was_allowed(statements: list[Statement]) -> None:
    written = write_header(statements)
    told = values(read_header(written.text))
    here = [one for one in statements if one.location is None and one.use in USES]
    for use in USES:
        meant = heard(here, use, "/")
        assert told.get(use) is RESERVED or meant not in (RESERVED, Value.CONSTRAINED)
        assert told.get(use) is not ALLOWED or meant is ALLOWED
    assert {(one.use, one.value) for one in said_whole(statements, written)} <= set(told.items())


# -- against a reading of the draft's own --------------------------------------------------------

RULES = st.tuples(
    st.sampled_from(["", "/", "/a", "/a/", "/a/b", "/*b", "/a*", "/c", "/a/*"]),
    st.sampled_from(["train-ai=y", "train-ai=n", "search=n", "", "!", "train-ai=y, search=y", "train-ai"]),
)


def by_the_draft(rules: list[tuple[str, str]], url: str) -> Value | str | None:
    """Of the longest paths that match, what their rules say of training; "tie" where they are not one path."""
    matching = [(path or "/", value) for path, value in rules if _matches(path or "/", url)]
    longest = max((len(path) for path, _ in matching), default=0)
    spoken = [(path, value) for path, value in matching if len(path) == longest]
    if len({path for path, _ in spoken}) > 1:
        return "tie"
    tokens = {value.partition("train-ai=")[2][:1] for _, value in spoken}
    return RESERVED if "n" in tokens else ALLOWED if "y" in tokens else None


def _matches(path: str, url: str) -> bool:
    return re.match(".*".join(map(re.escape, path.split("*"))), url) is not None


@given(st.lists(RULES, max_size=6))
@example([("/", "train-ai=y"), ("/a", "!")])
@example([("/a*", "train-ai=n"), ("/a/", "train-ai=y"), ("/a/b", "search=n")])
def test_no_url_is_allowed_more_or_reserved_less_than_by_the_draft(rules: list[tuple[str, str]]) -> None:
    read = robots(*(f"{path} {value}" for path, value in rules)).statements
    for url in URLS:
        drafts, ours = by_the_draft(rules, url), heard(read, GENERATIVE, url)
        if drafts != "tie":
            assert ours is not ALLOWED or drafts is ALLOWED
            assert ours is RESERVED or drafts is not RESERVED


@given(st.lists(any_statements(locations=NESTED)))
@example([said(GENERATIVE, RESERVED), said(SEARCH, ALLOWED, "/a/b")])
@example([said(GENERATIVE, RESERVED, "/*b"), said(SEARCH, ALLOWED, "/a/*")])
def test_a_crawler_that_follows_the_draft_finds_what_was_meant(statements: list[Statement]) -> None:
    lines = [line.removeprefix("Content-Usage: ") for line in write_robots(statements).text.splitlines()[1:]]
    rules = [(path, value) for path, _, value in (line.partition(" ") for line in lines)]
    for url in URLS:
        meant, drafts = heard(statements, GENERATIVE, url), by_the_draft(rules, url)
        if drafts != "tie":
            assert drafts is RESERVED or meant not in (RESERVED, Value.CONSTRAINED)
            assert drafts is not ALLOWED or meant is ALLOWED


# -- hostile -------------------------------------------------------------------------------------


def test_a_value_that_is_too_long_says_nothing_that_we_know() -> None:
    assert values(read_header("train-ai=n, " + "x" * MAX_VALUE_BYTES, "search=y")) == {}


def test_too_many_headers_or_paths_are_an_error() -> None:
    with pytest.raises(FormatError, match="more than 100"):
        read_header(*["train-ai=n"] * 101)
    with pytest.raises(FormatError, match="more than 1000 paths"):
        robots(*(f"/{number} train-ai=n" for number in range(MAX_PATHS + 1)))
    with pytest.raises(FormatError, match="more than 1000 paths"):
        write_robots([said(SEARCH, RESERVED, f"/{number}") for number in range(MAX_PATHS + 1)])


@pytest.mark.parametrize(
    "rules",
    [
        ["/a train-ai=n"] * 100_000,
        [f"/{number % MAX_PATHS} train-ai=y" for number in range(100_000)],
        [f"/{'a' * number} {'train-ai=y' if number % 2 else 'search=n'}" for number in range(MAX_PATHS - 1)],
        [f"/{number}* {'train-ai=y' if number % 2 else '!'}" for number in range(MAX_PATHS)],
        [", ".join(["k=n"] * 700)] * 1000,
    ],
)
def test_hostile_rules_are_read_in_time(rules: list[str]) -> None:
    started = time.process_time()
    robots(*rules)
    assert time.process_time() - started < 10


@given(st.text(), st.binary(max_size=200))
def test_nothing_breaks_it(line: str, value: bytes) -> None:
    read_header(line)
    read_robots(b"User-agent: *\nContent-Usage: " + value)


@given(st.lists(any_statements()))
def test_remarks_of_what_is_left_out_are_about_what_was_said(statements: list[Statement]) -> None:
    names = {named(one) for one in statements}
    for written in (write_header(statements), write_robots(distinct(statements))):
        assert all(remark.where in names for remark in written.left_out)
