"""Content-Signal: yes and no for three uses; any no wins, a member that cannot be read spoils no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.preferences import Use, Value
from registry.formats.content_signal import read_header, read_robots, write_header, write_robots
from registry.formats.statements import Statement
from tests.saying import said, statements

ALLOWED, RESERVED = Value.ALLOWED, Value.RESERVED
USES = (Use.TRAIN, Use.INPUT, Use.SEARCH)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("search=yes, ai-input=no, ai-train=no", {Use.SEARCH: ALLOWED, Use.INPUT: RESERVED, Use.TRAIN: RESERVED}),
        ("ai-train=no", {Use.TRAIN: RESERVED}),
        ("Search = YES ,ai-train=No", {Use.SEARCH: ALLOWED, Use.TRAIN: RESERVED}),
        ("search=yes, search=no", {Use.SEARCH: RESERVED}),
        ("search=yes,ai-train=no,use=reference", {Use.SEARCH: ALLOWED, Use.TRAIN: RESERVED}),
        ("search=yes ai-train=no", {}),
        ("search=y, ai-train=n", {}),
        ("search=yes, search=perhaps, ai-train=no", {Use.TRAIN: RESERVED}),
        ("ai-train, =yes, search=yes=no", {}),
        (",, ,", {}),
        ("", {}),
        ("\x00=yes, ai-train=no", {Use.TRAIN: RESERVED}),
    ],
)
def test_a_line_is_read(line: str, expected: dict[Use, Value]) -> None:
    assert {one.use: one.value for one in read_header(line).statements} == expected


@pytest.mark.parametrize("line", ["use=reference", "search=maybe", "nonsense"])
def test_what_is_not_taken_over_is_a_remark(line: str) -> None:
    assert read_header(line).remarks


def test_rules_of_robots_may_have_a_path() -> None:
    read = read_robots(
        b"User-Agent: *\r\nContent-Signal: ai-train=no\r\nContent-signal: /open/ ai-train=yes # as of today\r\n"
        b"Allow: /\r\n\r\nUser-agent: Bot\r\nContent-Signal: search=no\r\n"
    )
    assert [(one.use, one.value, one.location, one.order) for one in read.statements] == [
        (Use.TRAIN, RESERVED, None, 1),
        (Use.TRAIN, ALLOWED, "/open/", 0),
    ]
    assert [remark.where for remark in read.remarks] == ["line 7"]


def test_what_is_about_the_whole_site_is_written_without_a_path() -> None:
    written = write_robots([said(Use.SEARCH, ALLOWED), said(Use.TRAIN, RESERVED), said(Use.TDM, RESERVED)])
    assert written.text == "User-agent: *\nContent-Signal: search=yes, ai-train=no\n"
    assert [remark.where for remark in written.left_out] == ["tdm: reserved"]


@given(
    st.lists(
        statements(uses=USES, values=(ALLOWED, RESERVED), locations=("/films/", "/music/*", "/a")),
        unique_by=lambda one: (one.use, one.location),
    )
)
def test_robots_is_read_as_it_was_written(statements: list[Statement]) -> None:
    written = write_robots(statements)
    assert written.left_out == ()
    assert set(read_robots(written.text.encode()).statements) == set(statements)


@given(st.lists(statements(uses=USES, values=(ALLOWED, RESERVED)), unique_by=lambda one: one.use))
def test_a_header_is_read_as_it_was_written(statements: list[Statement]) -> None:
    written = write_header(statements)
    assert written.left_out == ()
    assert set(read_header(written.text).statements) == set(statements)


@given(st.text(), st.binary(max_size=200))
def test_nothing_breaks_it(line: str, value: bytes) -> None:
    read_header(line)
    read_robots(b"User-agent: *\nContent-Signal: " + value)
