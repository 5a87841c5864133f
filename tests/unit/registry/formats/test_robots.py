"""robots.txt is read by RFC 9309: groups, crawlers, comments, line ends; and no file is too strange to be read."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats.reading import SourceKind, read
from registry.formats.robots import MAX_BYTES, Rule, rules, unfetched
from registry.formats.statements import MAX_REMARKS


def found(text: str | bytes, field: str = "Usage") -> list[tuple[str | None, bytes]]:
    data = text.encode() if isinstance(text, str) else text
    return [(rule.path, rule.value) for rule in rules(data, field=field).rules]


def test_a_rule_is_read_in_the_group_for_every_crawler() -> None:
    text = "User-agent: *\nDisallow: /x\nUsage: a=n\nUsage: /films/ b=y\nUsage: /only\n"
    assert found(text) == [(None, b"a=n"), ("/films/", b"b=y"), ("/only", b"")]


def test_the_whole_site_is_the_same_with_and_without_its_path() -> None:
    assert found("User-agent: *\nUsage: / a=n\nUsage: a=n") == [(None, b"a=n")] * 2


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_byte_order_marks_comments_and_blanks_do_not_matter(line_end: str) -> None:
    lines = ["\ufeff# all", " USER-AGENT :\t* # everyone", "", "  usage\t: \t/a\t  k=v # comment", "Usage: x#y"]
    assert found(line_end.join(lines)) == [("/a", b"k=v"), (None, b"x")]


def test_crawlers_named_together_share_a_group() -> None:
    assert found("User-agent: Bot\nUser-agent: *\nUsage: a\nUser-agent: Other\nUsage: b") == [(None, b"a")]


@pytest.mark.parametrize("between", ["Sitemap: https://e.example/s.xml", "Crawl-delay: 3", "nonsense", ""])
def test_other_records_do_not_end_the_naming_of_crawlers(between: str) -> None:
    assert found(f"User-agent: *\n{between}\nUser-agent: Bot\nUsage: a") == [(None, b"a")]


def test_several_groups_for_every_crawler_are_one() -> None:
    assert found("User-agent: *\nUsage: a\nUser-agent: Bot\nUsage: b\nUser-agent: *\nUsage: c") == [
        (None, b"a"),
        (None, b"c"),
    ]


def test_what_is_said_to_one_crawler_only_is_a_remark() -> None:
    read = rules(b"User-agent: Bot\nUsage: a\n", field="Usage")
    assert (read.rules, [remark.where for remark in read.remarks]) == ((), ["line 2"])
    assert "'Bot'" in read.remarks[0].problem


def test_a_rule_before_the_first_group_is_marked() -> None:
    [rule] = rules(b"Usage: a\nUser-agent: Bot\n", field="Usage").rules
    assert rule == Rule(line=1, path=None, value=b"a", ends=False, grouped=False)


def test_a_path_that_ends_is_marked() -> None:
    [rule] = rules(b"User-agent: *\nUsage: /a.mp4$ k=n", field="Usage").rules
    assert (rule.path, rule.ends) == ("/a.mp4", True)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/\xc3\xa9/*", "/é/*"),
        (b"/\xff\xfe?a=%20", "/%FF%FE?a=%20"),
        (b"/a\x00b", "/a%00b"),
        (b"/\xe2\x80\xa8", "/%E2%80%A8"),
    ],
)
def test_a_path_is_text_that_can_be_stored_and_shown(raw: bytes, path: str) -> None:
    assert found(b"User-agent: *\nUsage: " + raw + b" k=n") == [(path, b"k=n")]


def test_of_a_long_file_the_beginning_is_read_and_that_is_said() -> None:
    head = b"User-agent: *\nUsage: a\n"
    read = rules(head + b"#" * MAX_BYTES + b"\nUsage: b\n", field="Usage")
    assert ([rule.value for rule in read.rules], read.whole) == ([b"a"], False)
    assert read.remarks[0].where == "the end of the file"


@pytest.mark.parametrize(
    "data",
    [
        b"User-agent: *\n" + b"Usage: /a k=n\n" * 100_000,
        b"".join(b"User-agent: %d\n" % number for number in range(100_000)) + b"Usage: a\n" * 100_000,
        b"".join(b"User-agent: %d\nUsage: a\n" % number for number in range(100_000)),
        b"\n" * 10**6,
        b":" * 10**6,
        b"User-agent: *\nUsage: " + b"/" * 10**6,
        b"\x00" * 10**6,
        b"",
    ],
)
def test_no_file_takes_long_or_says_endlessly(data: bytes) -> None:
    started = time.process_time()
    read = rules(data, field="Usage")
    assert time.process_time() - started < 5
    assert len(read.remarks) <= MAX_REMARKS + 1


@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    for rule in rules(b"User-agent: *\nUsage:" + data, field="Usage").rules:
        assert rule.path is None or rule.path.isprintable()


def test_what_may_not_be_fetched_is_told_of_each_crawler_once_and_reserves_nothing() -> None:
    text = (
        b"User-agent: GPTBot\nUser-agent: Other\nDisallow: /\nDisallow: /again\nUser-agent: *\nDisallow:\nAllow: /\n"
        b"User-agent: GPTBot\nDisallow: /films/\n"
    )
    assert [remark.where for remark in unfetched(text)] == ["line 3, 'GPTBot'", "line 3, 'Other'"]
    assert all("reserves no use" in remark.problem for remark in unfetched(text))
    read_as_robots = read(SourceKind.ROBOTS, text)
    assert (read_as_robots.statements, len(read_as_robots.remarks)) == ((), 2)


def test_very_many_crawlers_and_rules_take_no_square_time() -> None:
    agents = b"".join(b"User-agent: %d\n" % number for number in range(15_000))
    start = time.process_time()
    assert len(unfetched(agents + b"Disallow: /\n" * 15_000)) == MAX_REMARKS + 1
    assert time.process_time() - start < 2
