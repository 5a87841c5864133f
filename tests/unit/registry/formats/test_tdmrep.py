"""TDMRep on the web: what is read is what is said, what is written is read again, and doubt never permits."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from datadiligence.rules.http import TDMRepHeader
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.preferences import Use, Value
from registry.formats.patterns import canonical, covers
from registry.formats.statements import FormatError, Reading, Statement, named
from registry.formats.tdmrep import (
    MAX_FILE_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_RULES,
    decide,
    read_file,
    read_headers,
    read_html,
    write_file,
    write_headers,
    write_html_meta,
)

TERMS = "https://a.example/terms?x=1&y='2'"
NEXT_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def tdm(value: Value, location: str | None = None, **fields: Any) -> Statement:
    terms_url = TERMS if value is Value.CONSTRAINED else None
    return Statement(**{"use": Use.TDM, "value": value, "location": location, "terms_url": terms_url, **fields})


RESERVED, CONSTRAINED, ALLOWED = (tdm(value) for value in (Value.RESERVED, Value.CONSTRAINED, Value.ALLOWED))


def rule(location: Any, reservation: Any, **members: Any) -> dict[str, Any]:
    return {"location": location, "tdm-reservation": reservation, **members}


def read(*rules: Any) -> Reading:
    return read_file(json.dumps(rules).encode())


def values(reading: Reading) -> list[tuple[str | None, Value]]:
    return [(statement.location, statement.value) for statement in reading.statements]


def value_at(reading: Reading, path: str) -> Value | None:
    statement = decide(reading, path)
    return statement.value if statement else None


# -- the file ------------------------------------------------------------------------------------


def test_a_rule_reserves_licenses_or_allows() -> None:
    reading = read(rule("/a/", 1), rule("/b/", 1, **{"tdm-policy": TERMS}), rule("/c/*.jpg$", 0))
    assert reading == Reading(
        statements=(
            tdm(Value.RESERVED, "/a/"),
            tdm(Value.CONSTRAINED, "/b/", order=1),
            tdm(Value.ALLOWED, "/c/*.jpg$", order=2),
        )
    )


def test_the_first_rule_that_covers_a_path_speaks() -> None:
    reading = read(rule("/films/press/", 0), rule("/films/", 1), rule("/", 0), rule("/music/", 1))
    assert value_at(reading, "/films/press/a.mp4?x=1") is Value.ALLOWED
    assert value_at(reading, "/films/a.mp4") is Value.RESERVED
    assert value_at(reading, "/music/a.mp3") is Value.ALLOWED


def test_what_no_rule_covers_is_not_allowed() -> None:
    assert decide(read(rule("/films/", 0)), "/music/") is None
    assert decide(read(), "/") is None


@pytest.mark.parametrize("value", [2, -1, "1", "0", True, False, 1.0, None, [], {}, "yes", 10**30])
def test_a_value_that_is_neither_1_nor_0_says_nothing(value: Any) -> None:
    reading = read(rule("/", value))
    assert reading.statements == ()
    assert reading.remarks[0].where == "rule 1, tdm-reservation"


@pytest.mark.parametrize("bad", [rule("/films/", "yes"), {"location": "/films/"}])
def test_a_rule_that_cannot_be_read_does_not_let_a_later_one_allow_what_it_is_about(bad: Any) -> None:
    reading = read(rule("/films/free/", 0), bad, rule("/music/", 0), rule("/films/a/", 0), rule("/", 0), rule("/", 1))
    assert values(reading) == [
        ("/films/free/", Value.ALLOWED),
        ("/music/", Value.ALLOWED),
        ("/", Value.RESERVED),
    ]
    assert [remark.where.split(",")[0] for remark in reading.remarks] == ["rule 2", "rule 4", "rule 5"]


@pytest.mark.parametrize(
    "bad", [rule(None, 1), rule("films/", 1), rule("https://a.example/", 1), rule("/\x00", 1), 7, None, "x", ["/"], {}]
)
def test_after_a_rule_about_nobody_knows_what_nothing_is_allowed_and_all_reservations_stand(bad: Any) -> None:
    reading = read(bad, rule("/a/", 0), rule("/b/", 1), rule("/c/", 1, **{"tdm-policy": TERMS}))
    assert values(reading) == [("/b/", Value.RESERVED), ("/c/", Value.CONSTRAINED)]


def test_a_member_said_twice_is_not_decided_by_the_last() -> None:
    reading = read_file(
        b'[{"location": "/", "tdm-reservation": 1, "tdm-reservation": 0}, {"location": "/x", "tdm-reservation": 1}]'
    )
    assert values(reading) == [("/x", Value.RESERVED)]


@pytest.mark.parametrize(
    "policy", [7, "", {}, "/policy.json", "ftp://a.example/", "https://", "https://a b/", "https://a/\n", "https://ä/"]
)
def test_a_policy_that_is_no_link_leaves_the_reservation(policy: Any) -> None:
    reading = read(rule("/", 1, **{"tdm-policy": policy}))
    assert values(reading) == [("/", Value.RESERVED)]
    assert reading.remarks[0].where == "rule 1, tdm-policy"


def test_a_policy_beside_0_and_members_without_meaning_are_remarked() -> None:
    reading = read(rule("/", 0, **{"tdm-policy": TERMS, "note": "x"}))
    assert reading.statements == (tdm(Value.ALLOWED, "/"),)
    assert {remark.where for remark in reading.remarks} == {"rule 1, tdm-policy", "rule 1, 'note'"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b'{"location": "/", "tdm-reservation": 1}',
        b"[" * 200_000,
        b'[{"a":' * 100_000,
        b"\xff\xfe\x00",
        b"[1" + b"0" * 5000 + b"]",
        b" " * (MAX_FILE_BYTES + 1),
        json.dumps([rule("/", 1)] * (MAX_RULES + 1)).encode(),
    ],
)
def test_what_is_no_list_of_rules_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError) as refused:
        read_file(data)
    assert refused.value.problem


def test_rules_apart_from_the_bad_ones_are_read_in_time() -> None:
    rules = [rule(f"/bad{number}/*", "?") for number in range(99)] + [rule(f"/{n}/", 0) for n in range(MAX_RULES - 99)]
    begun = time.process_time()
    assert len(read(*rules).statements) == MAX_RULES - 99
    assert time.process_time() - begun < 5


def test_as_many_bad_rules_as_fit_are_read_in_time() -> None:
    rules = [rule(f"/a{number}/*", "?" if number % 2 else 0) for number in range(MAX_RULES)]
    begun = time.process_time()
    # A hundred are remembered for what they are about; after one more, nothing is allowed.
    assert len(read(*rules).statements) == 101
    assert time.process_time() - begun < 5


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda each: (
            st.lists(each) | st.dictionaries(st.sampled_from(["location", "tdm-reservation", "tdm-policy", "x"]), each)
        ),
        max_leaves=20,
    )
)
def test_nothing_that_json_can_say_breaks_reading(value: Any) -> None:
    try:
        reading = read_file(json.dumps(value).encode())
    except FormatError:
        return
    json.dumps([remark.problem for remark in reading.remarks]).encode()


# -- headers and pages ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([("Content-Type", "1")], None),
        ([("TDM-Reservation", " 1 ")], RESERVED),
        ([("tdm-reservation", "0")], ALLOWED),
        ([("tdm-reservation", "1"), ("Tdm-Policy", TERMS)], CONSTRAINED),
        ([("tdm-policy", TERMS)], None),
        ([("tdm-reservation", "")], None),
        ([("tdm-reservation", "2")], None),
        ([("tdm-reservation", "true")], None),
        ([("tdm-reservation", "0, 0")], ALLOWED),
        ([("tdm-reservation", "0, 1")], RESERVED),
        ([("tdm-reservation", "0"), ("tdm-reservation", "1")], RESERVED),
        ([("tdm-reservation", "1"), ("tdm-reservation", "?")], RESERVED),
        ([("tdm-reservation", "0"), ("tdm-reservation", "?")], None),
        ([("tdm-reservation", "1," * 10_000)], None),
        ([("tdm-reservation", "1"), ("tdm-policy", "\x00")], RESERVED),
    ],
)
def test_headers_say_what_holds_for_their_response(headers: list[tuple[str, str]], expected: Statement | None) -> None:
    assert read_headers(headers).statements == ((expected,) if expected else ())


def test_endless_headers_are_refused() -> None:
    with pytest.raises(FormatError):
        read_headers(("x", "y") for _ in range(MAX_HEADERS + 1))


META = '<meta name="tdm-reservation" content="{}">'


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("", None),
        ("<html><head>" + META.format(1), RESERVED),
        ("<head><title>x</title><script>if (a<b) '</head>'</script>" + META.format(0) + "</head>", ALLOWED),
        ("<META CONTENT=' 1 ' NAME='TDM-Reservation'/>", RESERVED),
        (META.format(1) + f'<meta name="tdm-policy" content="{TERMS}">', CONSTRAINED),
        ('<meta name="tdm-policy" content="https://a.example/?a=1&amp;b=2">' + META.format(1),
         replace(CONSTRAINED, terms_url="https://a.example/?a=1&b=2")),
        (META.format(0) + META.format(1), RESERVED),
        (META.format(0) + META.format("no"), None),
        ('<meta name="tdm-reservation" content="1" content="0">', RESERVED),
        ('<meta name="tdm-reservation">', None),
        ("<meta name>" + META.format(1), RESERVED),
        ("<head></head>" + META.format(0), None),
        ("<body>" + META.format(0), None),
        ("<p>" + META.format(0), None),
        ("<!-- " + META.format(0) + " -->", None),
        ("<title>" + META.format(0) + "</title>", None),
        ("<template>" + META.format(0) + "</template>" + META.format(1), RESERVED),
        ("<noscript><img src=x>" + META.format(0) + "</noscript>" + META.format(1), RESERVED),
        ("<script>" + META.format(0) + "</script>", None),
        (META.format(1) + "<![if x]><!DOCTYPE [", RESERVED),
        (META.format(0) + "<![nonsense[", None),
        (META.format(0) + "<style>" + " " * MAX_HEAD_BYTES, None),
        (META.format(1) + "<style>" + " " * MAX_HEAD_BYTES, RESERVED),
        ("</head><body>" + " " * MAX_HEAD_BYTES, None),
        (META.format("1\x00"), None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_head_of_a_page_says_what_holds_for_the_page(page: str, expected: Statement | None, encoding: str) -> None:
    if encoding == "utf-16" and len(page) > MAX_HEAD_BYTES // 2:
        page = page[: MAX_HEAD_BYTES // 2 + 100]
    assert read_html(page.encode(encoding)).statements == ((expected,) if expected else ())


@pytest.mark.parametrize(
    "piece", ["<", "<!", "<!--", "<a ", '<a a="', "</a ", "</", "<?", "&#", "&a", "<![CDATA[", "<title>", "<meta "]
)
def test_pages_made_to_keep_a_reader_busy_say_nothing(piece: str) -> None:
    assert read_html(piece.encode() * (MAX_HEAD_BYTES // len(piece))).statements == ()


@given(st.binary() | st.text("<>!-[]/ \"'=&;abctdm").map(str.encode))
def test_no_page_breaks_reading(data: bytes) -> None:
    read_html(META.format(1).encode() + data)


# -- writing -------------------------------------------------------------------------------------

LOCATIONS = [None, "/", "/films/", "/films/*", "/films/press/", "/films/*.mp4", "/a$", "*.jpg$", "/füße/", "/%66ilms/"]
STATEMENTS = st.builds(
    Statement,
    use=st.sampled_from([Use.TDM, Use.TDM, Use.TDM, Use.TRAIN]),
    value=st.sampled_from(Value),
    location=st.sampled_from(LOCATIONS),
    territory=st.sampled_from(["worldwide", "worldwide", "EU"]),
    terms_url=st.sampled_from([None, TERMS, "https://b.example/", "no link"]),
    contact=st.sampled_from([None, None, "rights@a.example"]),
    valid_from=st.sampled_from([None, None, NEXT_YEAR]),
    valid_until=st.sampled_from([None, None, NEXT_YEAR]),
    order=st.integers(0, 2),
)
SEVERAL = st.lists(STATEMENTS, max_size=8, unique_by=named)
PATHS = ["/", "/films/", "/films/a.mp4", "/films/press/a.jpg", "/a", "/ab", "/x.jpg", "/f%C3%BC%C3%9Fe/", "/other"]


def unlimited(statement: Statement) -> bool:
    limits = (statement.valid_from, statement.valid_until)
    return statement.use is Use.TDM and statement.territory == "worldwide" and limits == (None, None)


def is_plain(statement: Statement) -> bool:
    """Whether TDMRep has words for all of it."""
    has_terms = statement.terms_url not in (None, "no link")
    terms_fit = has_terms if statement.value is Value.CONSTRAINED else statement.terms_url is None
    return unlimited(statement) and statement.contact is None and terms_fit


def same(statements: Sequence[Statement]) -> set[Statement]:
    return {replace(statement, order=0, location=canonical(statement.location or "/")) for statement in statements}


@given(SEVERAL)
def test_a_file_read_again_gives_all_but_what_was_left_out(statements: list[Statement]) -> None:
    written = write_file(statements)
    again = read_file(written.text.encode())
    assert again.remarks == ()
    left_out = {remark.where for remark in written.left_out}
    kept = same([statement for statement in statements if named(statement) not in left_out])
    assert kept <= same(again.statements)
    assert all(is_plain(statement) for statement in kept)
    rivals = [(statement.order, canonical(statement.location or "/")) for statement in statements]
    for statement, place in zip(statements, rivals, strict=True):
        if is_plain(statement) and rivals.count(place) == 1:
            assert named(statement) not in left_out


@given(SEVERAL, st.sampled_from(PATHS))
def test_a_file_allows_only_what_was_allowed_without_limits_and_reserves_whatever_was_reserved(
    statements: list[Statement], path: str
) -> None:
    found = decide(read_file(write_file(statements).text.encode()), path)
    said = [each for each in statements if each.use is Use.TDM and covers(each.location or "/", path)]
    if found is not None and found.value is Value.ALLOWED:
        assert any(each.value is Value.ALLOWED and unlimited(each) for each in said)
    if said and all(each.value is not Value.ALLOWED for each in said):
        assert found is not None
        assert found.value is not Value.ALLOWED


@given(SEVERAL)
def test_what_was_read_is_written_in_its_order(statements: list[Statement]) -> None:
    once = read_file(write_file(statements).text.encode())
    assert read_file(write_file(once.statements).text.encode()) == once


def test_the_most_specific_location_comes_first() -> None:
    said = [tdm(Value.RESERVED, "/"), tdm(Value.ALLOWED, "/films/"), tdm(Value.RESERVED, "/films/new/")]
    again = read_file(write_file(said).text.encode())
    assert value_at(again, "/films/new/a") is Value.RESERVED
    assert value_at(again, "/films/a") is Value.ALLOWED
    assert value_at(again, "/a") is Value.RESERVED


def test_of_one_location_the_strictest_is_written_however_it_is_spelled() -> None:
    written = write_file(
        [tdm(Value.ALLOWED, "/films/"), tdm(Value.RESERVED, "/%66ilms/*"), tdm(Value.CONSTRAINED, "/films/**")]
    )
    assert [entry["tdm-reservation"] for entry in json.loads(written.text)] == [1]
    assert len(written.left_out) == 2


def test_a_limited_reservation_is_written_without_its_limits_and_a_limited_permission_not_at_all() -> None:
    limits = {"territory": "EU", "valid_until": NEXT_YEAR}
    written = write_file([tdm(Value.RESERVED, "/a/", **limits), tdm(Value.ALLOWED, "/b/", **limits)])
    assert json.loads(written.text) == [{"location": "/a/", "tdm-reservation": 1}]
    assert [remark.where for remark in written.left_out] == [
        "tdm: reserved for /a/ in EU until 2027-01-01", "tdm: allowed for /b/ in EU until 2027-01-01",
    ]  # fmt: skip
    assert all("territory, valid_until" in remark.problem for remark in written.left_out)


def test_locations_with_a_host_are_written_for_that_host() -> None:
    said = [
        tdm(Value.RESERVED, "https://a.example/films/$"),
        tdm(Value.ALLOWED, "A.example"),
        tdm(Value.RESERVED, "b.example/x"),
    ]
    with pytest.raises(FormatError, match=r"a\.example, b\.example"):
        write_file(said)
    written = write_file(said, host="A.Example")
    assert [entry["location"] for entry in json.loads(written.text)] == ["/films/%24", "/"]
    assert [remark.where for remark in written.left_out] == ["tdm: reserved for b.example/x"]


@pytest.mark.parametrize("location", ["", "https://[x/", "/" + "a" * 10_000])
def test_a_location_that_no_file_can_hold_is_refused(location: str) -> None:
    with pytest.raises(FormatError):
        write_file([tdm(Value.RESERVED, location)])


def test_what_nobody_sees_in_a_location_is_escaped() -> None:
    [statement] = read_file(write_file([tdm(Value.RESERVED, "/a\x00b\ud800")]).text.encode()).statements
    assert statement.location == "/a%00b%ED%A0%80"


@given(SEVERAL)
def test_headers_and_pages_say_the_strictest_and_other_readers_agree(statements: list[Statement]) -> None:
    headers, page = write_headers(statements), write_html_meta(statements)
    again = read_headers(headers.fields)
    assert read_html(page.text.encode()) == again
    assert again.remarks == ()
    assert headers.left_out == page.left_out
    rule = TDMRepHeader()
    said = [each for each in statements if each.use is Use.TDM]
    if not again.statements:
        assert headers.lines == ()
        assert all(each.value is Value.ALLOWED for each in said)
        return
    [statement] = again.statements
    assert rule.is_allowed(headers=list(headers.fields)) is (statement.value is Value.ALLOWED)
    if statement.value is Value.ALLOWED:
        assert all(each.value is Value.ALLOWED for each in said)
    left_out = {remark.where for remark in headers.left_out}
    for each in statements:
        if named(each) not in left_out:
            assert replace(each, order=0) == statement


def test_a_header_is_two_lines() -> None:
    assert write_headers([CONSTRAINED]).lines == ("tdm-reservation: 1", f"tdm-policy: {TERMS}")
    assert write_headers([ALLOWED]).lines == ("tdm-reservation: 0",)


@pytest.mark.parametrize("terms_url", ['https://a.example/"><script>', "https://a.example/\r\nSet-Cookie: x"])
def test_no_link_breaks_out_of_where_it_is_written(terms_url: str) -> None:
    said = replace(CONSTRAINED, terms_url=terms_url)
    assert write_headers([said]).lines == ("tdm-reservation: 1",)
    assert write_html_meta([said]).text == '<meta name="tdm-reservation" content="1">\n'
