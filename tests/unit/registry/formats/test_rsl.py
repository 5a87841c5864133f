"""RSL: what licences come to, that what is written is a license file, and that no XML hurts."""

import contextlib
import time
from io import StringIO
from typing import Any

import pytest
import xmlschema
from hypothesis import example, given
from hypothesis import strategies as st

from registry.domain.preferences import WORLDWIDE, Use, Value
from registry.formats.rsl import MAX_BYTES, NAMESPACE, license_urls, link_header, read, robots_line, write
from registry.formats.statements import FormatError, Reading, Statement
from tests.saying import TERMS, any_statements, heard, said, said_whole

TRAIN, INPUT, SEARCH = Use.TRAIN, Use.INPUT, Use.SEARCH
ALLOWED, CONSTRAINED, RESERVED = Value.ALLOWED, Value.CONSTRAINED, Value.RESERVED
USES = (TRAIN, INPUT, SEARCH)

# What the specification says of the structure (sections 3.2 to 3.17), in our own words.
SCHEMA = xmlschema.XMLSchema11(
    StringIO(f"""
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="{NAMESPACE}" targetNamespace="{NAMESPACE}"
           elementFormDefault="qualified">
  <xs:element name="rsl"><xs:complexType>
    <xs:sequence><xs:element ref="content" maxOccurs="unbounded"/></xs:sequence>
    <xs:attribute name="max-age" type="xs:positiveInteger"/>
  </xs:complexType></xs:element>
  <xs:element name="content"><xs:complexType>
    <xs:all>
      <xs:element ref="license" maxOccurs="unbounded"/>
      <xs:element name="terms" type="xs:anyURI" minOccurs="0"/>
      <xs:element name="copyright" minOccurs="0"><xs:complexType><xs:simpleContent><xs:extension base="xs:string">
        <xs:attribute name="type"><xs:simpleType><xs:restriction base="xs:token">
          <xs:enumeration value="person"/><xs:enumeration value="organization"/>
        </xs:restriction></xs:simpleType></xs:attribute>
        <xs:attribute name="contactEmail" type="xs:token"/><xs:attribute name="contactUrl" type="xs:anyURI"/>
      </xs:extension></xs:simpleContent></xs:complexType></xs:element>
    </xs:all>
    <xs:attribute name="url" type="xs:anyURI" use="required"/>
    <xs:attribute name="server" type="xs:anyURI"/>
  </xs:complexType></xs:element>
  <xs:element name="license"><xs:complexType>
    <xs:all>
      <xs:element name="permits" type="limits" minOccurs="0" maxOccurs="3"/>
      <xs:element name="prohibits" type="limits" minOccurs="0" maxOccurs="3"/>
      <xs:element name="payment" minOccurs="0"><xs:complexType>
        <xs:all>
          <xs:element name="standard" type="xs:anyURI" minOccurs="0"/>
          <xs:element name="custom" type="xs:anyURI" minOccurs="0"/>
        </xs:all>
        <xs:attribute name="type"><xs:simpleType><xs:restriction base="xs:token">
          <xs:pattern value="purchase|subscription|training|crawl|use|contribution|attribution|free"/>
        </xs:restriction></xs:simpleType></xs:attribute>
      </xs:complexType></xs:element>
    </xs:all>
  </xs:complexType>
  <xs:unique name="one-of-each"><xs:selector xpath="*"/><xs:field xpath="@type"/></xs:unique></xs:element>
  <xs:complexType name="limits"><xs:simpleContent><xs:extension base="tokens">
    <xs:attribute name="type" use="required"><xs:simpleType><xs:restriction base="xs:token">
      <xs:enumeration value="usage"/><xs:enumeration value="geo"/><xs:enumeration value="user"/>
    </xs:restriction></xs:simpleType></xs:attribute>
    <xs:assert test="if (@type = 'usage') then
        every $one in tokenize($value, ' ') satisfies $one = ('all', 'ai-all', 'ai-train', 'ai-input', 'search')
      else if (@type = 'geo') then matches(string-join($value, ' '), '^[A-Z][A-Z]( [A-Z][A-Z])*$') else true()"/>
  </xs:extension></xs:simpleContent></xs:complexType>
  <xs:simpleType name="tokens">
    <xs:restriction base="xs:token"><xs:minLength value="2"/></xs:restriction>
  </xs:simpleType>
</xs:schema>""")
)


def content(licenses: str, *, url: str = "/", more: str = "", attributes: str = "") -> str:
    return f'<content url="{url}" {attributes}>{licenses}{more}</content>'


def rsl(*contents: str) -> Reading:
    return read(f'<rsl xmlns="{NAMESPACE}">{"".join(contents)}</rsl>'.encode())


def licensed(inside: str, **how: str) -> list[tuple[Any, ...]]:
    found = rsl(content(f"<license>{inside}</license>", **how)).statements
    return [(one.use, one.value, one.territory, one.terms_url) for one in found]


def usage(name: str, uses: str) -> str:
    return f'<{name} type="usage">{uses}</{name}>'


def test_what_is_prohibited_is_reserved() -> None:
    assert licensed(usage("prohibits", "ai-train search")) == [
        (TRAIN, RESERVED, WORLDWIDE, None),
        (SEARCH, RESERVED, WORLDWIDE, None),
    ]


@pytest.mark.parametrize("payment", ["", '<payment type="free"/>', "<payment/>"])
def test_what_is_permitted_for_nothing_is_allowed(payment: str) -> None:
    assert licensed(usage("permits", "ai-input") + payment) == [(INPUT, ALLOWED, WORLDWIDE, None)]


@pytest.mark.parametrize(
    ("payment", "terms"),
    [
        ('<payment type="purchase"/>', None),
        ('<payment type="attribution"/>', None),
        ('<payment type="tomorrow"/>', None),
        ("<payment><custom>https://a.example/c</custom></payment>", "https://a.example/c"),
        ('<payment type="crawl"><amount currency="EUR">0.1</amount></payment>', None),
        ('<payment type="free"><standard> https://a.example/by </standard></payment>', "https://a.example/by"),
        (
            '<payment type="use"><custom>https://a.example/c</custom><standard>https://a.example/s</standard></payment>',
            "https://a.example/s",
        ),
        ('<payment type="use"><custom>/ask</custom></payment>', None),
    ],
)
def test_what_is_permitted_for_something_is_constrained(payment: str, terms: str | None) -> None:
    assert licensed(usage("permits", "ai-train") + payment) == [(TRAIN, CONSTRAINED, WORLDWIDE, terms)]


def test_the_terms_of_the_content_stand_in_for_those_of_a_license() -> None:
    inside = usage("permits", "ai-train") + '<payment type="use"/>' + usage("prohibits", "search")
    assert licensed(inside, more="<terms>https://a.example/t</terms>") == [
        (SEARCH, RESERVED, WORLDWIDE, "https://a.example/t"),
        (TRAIN, CONSTRAINED, WORLDWIDE, "https://a.example/t"),
    ]


@pytest.mark.parametrize(
    "condition",
    [
        '<permits type="user">education</permits>',
        '<prohibits type="user">commercial</prohibits>',
        '<permits type="weather">sunny</permits>',
        '<reporting type="audit" profile="https://a.example/p"/>',
        "<permit type='usage'>search</permit>",
    ],
)
def test_a_condition_that_we_have_no_word_for_makes_a_permission_constrained(condition: str) -> None:
    inside = usage("permits", "search") + usage("prohibits", "ai-train") + condition
    assert licensed(inside) == [(TRAIN, RESERVED, WORLDWIDE, None), (SEARCH, CONSTRAINED, WORLDWIDE, None)]


def test_a_licence_server_makes_a_free_license_constrained() -> None:
    found = licensed(usage("permits", "search"), attributes='server="https://l.example"')
    assert found == [(SEARCH, CONSTRAINED, WORLDWIDE, None)]


def test_elements_of_others_change_nothing() -> None:
    assert licensed(usage("permits", "search") + '<x:fee xmlns:x="urn:x">9</x:fee>') == [
        (SEARCH, ALLOWED, WORLDWIDE, None)
    ]


@pytest.mark.parametrize(
    ("uses", "permitted", "prohibited"),
    [
        ("all", {TRAIN, INPUT, SEARCH}, {TRAIN, INPUT, SEARCH, Use.TRAIN_GENERATIVE, Use.TDM}),
        ("ai-all", {TRAIN, INPUT}, {TRAIN, INPUT, Use.TRAIN_GENERATIVE}),
        ("ai-train", {TRAIN}, {TRAIN}),
        ("train-ai", {TRAIN}, {TRAIN}),
        ("ai-index", set(), set()),
        ("ai-input,search", {INPUT, SEARCH}, {INPUT, SEARCH}),
        ("\n ai-input \t search ", {INPUT, SEARCH}, {INPUT, SEARCH}),
        ("AI-TRAIN x:search dance", set(), set()),
        ("", set(), set()),
    ],
)
def test_words_for_uses(uses: str, permitted: set[Use], prohibited: set[Use]) -> None:
    assert {use for use, *_ in licensed(usage("permits", uses))} == permitted
    assert {use for use, *_ in licensed(usage("prohibits", uses))} == prohibited


def test_prohibited_wins_over_permitted_and_the_unlisted_is_unset() -> None:
    assert licensed(usage("permits", "all") + usage("prohibits", "ai-train ai-input")) == [
        (TRAIN, RESERVED, WORLDWIDE, None),
        (INPUT, RESERVED, WORLDWIDE, None),
        (SEARCH, ALLOWED, WORLDWIDE, None),
    ]


@pytest.mark.parametrize(
    ("geo", "expected"),
    [
        ('<permits type="geo">FR de</permits>', [(RESERVED, "FR"), (RESERVED, "DE"), (ALLOWED, "FR"), (ALLOWED, "DE")]),
        ('<prohibits type="geo">US</prohibits>', [(RESERVED, WORLDWIDE), (RESERVED, "US"), (ALLOWED, WORLDWIDE)]),
        (
            '<permits type="geo">EU US</permits><prohibits type="geo">US</prohibits>',
            [(RESERVED, "EU"), (RESERVED, "US"), (RESERVED, "US"), (ALLOWED, "EU")],
        ),
        ('<permits type="geo">Europe</permits>', [(RESERVED, WORLDWIDE)]),
        ('<permits type="geo"/>', [(RESERVED, WORLDWIDE)]),
        ('<prohibits type="geo">US Mars</prohibits>', [(RESERVED, WORLDWIDE)]),
    ],
)
def test_countries(geo: str, expected: list[tuple[Value, str]]) -> None:
    found = licensed(usage("permits", "search") + usage("prohibits", "ai-train") + geo)
    assert [(value, territory) for _, value, territory, _ in found] == expected


@pytest.mark.parametrize(
    ("copyright", "contact"),
    [
        ('<copyright contactEmail="r@a.example"/>', "r@a.example"),
        ('<copyright type="person" contactUrl="https://a.example/c">Ada</copyright>', "https://a.example/c"),
        ('<copyright contactUrl="https://a.example/c" contactEmail="r@a.example"/>', "r@a.example"),
        ('<copyright contactUrl="javascript:alert(1)" contactEmail="ask"/>', None),
    ],
)
def test_the_contact_is_taken_over(copyright: str, contact: str | None) -> None:
    [one] = rsl(content(f"<license>{usage('prohibits', 'search')}</license>", more=copyright)).statements
    assert one.contact == contact


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("/", None),
        ("", None),
        ("/films/*.mp4", "/films/*.mp4"),
        ("https://a.example/x?y=1&amp;z", "https://a.example/x?y=1&z"),
    ],
)
def test_a_place_is_a_path_or_a_url(url: str, location: str | None) -> None:
    [one] = rsl(content(f"<license>{usage('permits', 'search')}</license>", url=url)).statements
    assert one.location == location


@pytest.mark.parametrize("url", ["films", "ftp://a.example/", "/a b", "/&#10;", "https://[", "x" * 3000])
def test_what_is_no_place_is_a_remark(url: str) -> None:
    found = rsl(content(f"<license>{usage('permits', 'search')}</license>", url=url))
    assert (found.statements, len(found.remarks)) == ((), 1)


def test_a_place_that_ends_only_reserves() -> None:
    inside = f"<license>{usage('permits', 'search')}{usage('prohibits', 'ai-train')}</license>"
    [one] = rsl(content(inside, url="/a.mp4$")).statements
    assert (one.location, one.value) == ("/a.mp4", RESERVED)


def test_the_narrower_place_speaks_first() -> None:
    found = rsl(
        content(f"<license>{usage('prohibits', 'ai-train')}</license>"),
        content(f"<license>{usage('permits', 'ai-train')}</license>", url="/open/"),
    )
    assert heard(found.statements, TRAIN, "/open/a") is ALLOWED
    assert heard(found.statements, TRAIN, "/shut/a") is RESERVED


# -- writing -------------------------------------------------------------------------------------


def valid(text: str) -> None:
    SCHEMA.validate(StringIO(text.partition("?>\n")[2]))


def test_a_license_file_is_written() -> None:
    written = write(
        [
            said(TRAIN, RESERVED, "/films/", contact="r@a.example", terms_url=TERMS),
            said(INPUT, CONSTRAINED, "/films/", contact="r@a.example", terms_url=TERMS, territory="EU"),
            said(SEARCH, ALLOWED),
            said(Use.TDM, RESERVED),
        ]
    )
    valid(written.text)
    assert written.media_type == "application/rsl+xml"
    assert [remark.where for remark in written.left_out] == ["tdm: reserved"]
    assert set(read(written.text.encode()).statements) == {
        Statement(use=TRAIN, value=RESERVED, location="/films/", contact="r@a.example", terms_url=TERMS),
        Statement(
            use=INPUT, value=CONSTRAINED, location="/films/", contact="r@a.example", terms_url=TERMS, territory="EU"
        ),
        Statement(use=SEARCH, value=ALLOWED, order=1),
    }


def test_what_is_said_twice_is_written_once() -> None:
    written = write([said(TRAIN, RESERVED), Statement(use=TRAIN, value=RESERVED, order=1)])
    assert written.text.count("ai-train") == 1


def test_nothing_to_say_is_nothing_written() -> None:
    assert write([said(Use.DEPICT_IN_OUTPUT, RESERVED)]).text == ""


def test_constrained_without_terms_is_written_as_reserved() -> None:
    written = write([said(TRAIN, CONSTRAINED), said(INPUT, CONSTRAINED, terms_url="ask us")])
    assert {one.value for one in read(written.text.encode()).statements} == {RESERVED}
    assert len(written.left_out) == 2


def test_a_permission_does_not_win_by_its_narrower_place() -> None:
    written = write(
        [said(TRAIN, RESERVED), said(TRAIN, ALLOWED, "/open/"), said(TRAIN, ALLOWED, "/fr/", territory="FR")]
    )
    assert [one.value for one in read(written.text.encode()).statements] == [RESERVED]
    assert len(written.left_out) == 2


@pytest.mark.parametrize(
    "location", ["films", "/a b", "/a$", "/\x00", "/\ud800", "ftp://a.example/", "https://a b/", ""]
)
def test_a_location_that_rsl_cannot_name_is_left_out(location: str) -> None:
    written = write([said(TRAIN, RESERVED, location)])
    assert (written.text, len(written.left_out)) == ("", 1)


def test_markup_in_what_is_said_is_text() -> None:
    contact, terms = "https://a.example/?b&amp;'", "https://a.example/?a=1&b='2'"
    one = said(TRAIN, RESERVED, '/"><rsl>&amp;', contact=contact, terms_url=terms)
    written = write([one])
    valid(written.text)
    assert read(written.text.encode()).statements == (one,)


APART = ("/films/", "/music/*", "https://a.example/x?y=1&z", "/é")
FULL = st.builds(
    Statement,
    use=st.sampled_from(USES),
    value=st.sampled_from((ALLOWED, RESERVED)),
    location=st.sampled_from(APART),
    territory=st.sampled_from([WORLDWIDE, "EU", "FR"]),
    terms_url=st.sampled_from([None, TERMS]),
    contact=st.sampled_from([None, "rights@example.org", "https://rights.example/contact"]),
)
PRICED = st.builds(
    Statement, use=st.sampled_from(USES), value=st.just(CONSTRAINED), location=st.sampled_from(APART),
    territory=st.sampled_from([WORLDWIDE, "US"]), terms_url=st.just(TERMS),
)  # fmt: skip


@given(st.lists(FULL | PRICED))
def test_a_license_file_is_read_as_it_was_written(statements: list[Statement]) -> None:
    written = write(statements)
    assert written.left_out == ()
    if statements:
        valid(written.text)
        read_ = read(written.text.encode())
        assert set(read_.statements) == set(statements)
        assert read_.remarks == ()


NESTED = (None, "/a", "/a/", "/a/b", "/*b", "/c")
URLS = ("/", "/a", "/a/b", "/a/bb", "/xb", "/c", "/cb")


@given(st.lists(any_statements(locations=(*NESTED, "not a place"))))
@example([said(TRAIN, ALLOWED), said(TRAIN, RESERVED, "/a"), said(TRAIN, CONSTRAINED, "/*b", terms_url=TERMS)])
def test_what_is_written_reserves_all_that_was_reserved_and_allows_no_more(statements: list[Statement]) -> None:
    written = write(statements)
    read_: tuple[Statement, ...] = ()
    if written.text:
        valid(written.text)
        read_ = read(written.text.encode()).statements
    sayable = [one for one in statements if one.location in NESTED and one.use in USES]
    for use in USES:
        for url in URLS:
            told = heard(read_, use, url)
            meant = heard(sayable, use, url)
            assert told in (RESERVED, CONSTRAINED) or meant not in (RESERVED, CONSTRAINED)
            assert told is not ALLOWED or meant is ALLOWED
    told_ = {(one.use, one.value, one.location, one.territory, one.terms_url, one.contact) for one in read_}
    for one in said_whole(statements, written):
        assert (one.use, one.value, one.location, one.territory, one.terms_url, one.contact) in told_


# -- where licences are found --------------------------------------------------------------------


def test_license_files_are_found_in_robots_and_links() -> None:
    found = license_urls(
        robots_txt=(
            b"License: https://a.example/all.xml\nUser-agent: *\nAllow: /\nlicense : https://a.example/l.xml # x\n"
        ),
        links=[
            '<https://a.example/h.xml>; rel="license"; type="application/rsl+xml", <https://a.example/n>; rel=next',
            '<https://a.example/x,y;z>;type=application/RSL+XML;rel="next License";title="a>, <b"',
            '<https://a.example/l.xml>; rel=license; type="application/rsl+xml"',
        ],
    )
    assert found.urls == ("https://a.example/l.xml", "https://a.example/h.xml", "https://a.example/x,y;z")
    assert found.remarks == ()


def test_what_is_written_to_point_to_a_license_is_read() -> None:
    url = "https://a.example/license.xml"
    assert license_urls(robots_txt=robots_line(url).encode()).urls == (url,)
    assert license_urls(links=[link_header(url).removeprefix("Link: ")]).urls == (url,)


def test_a_license_for_all_crawlers_counts_where_no_group_has_one() -> None:
    robots = b"License: https://a.example/1.xml\nLicense: https://a.example/2.xml\nUser-agent: *\nDisallow:\n"
    assert license_urls(robots_txt=robots).urls == ("https://a.example/1.xml", "https://a.example/2.xml")


def test_pointers_that_lead_nowhere_are_remarks() -> None:
    robots = b"License: /license.xml\nLicense: file:///etc/passwd\nLicense: \xff\nUser-agent: B\nLicense: https://b.example/\n"
    found = license_urls(robots_txt=robots, links=['<l.xml>; rel=license; type="application/rsl+xml"'])
    assert (found.urls, len(found.remarks)) == ((), 5)


@pytest.mark.parametrize(
    "link",
    [
        '<https://a.example/>; rel="license"',
        '<https://a.example/>; rel="licenses"; type="application/rsl+xml"',
        '<https://a.example/>; rel="next"; rel="license"; type="application/rsl+xml"',
        '<https://a.example/>, ; rel="license"; type="application/rsl+xml"',
        "https://a.example/; rel=license; type=application/rsl+xml",
    ],
)
def test_other_links_are_none_of_ours(link: str) -> None:
    assert license_urls(links=[link]).urls == ()


@pytest.mark.parametrize(
    "link", ["<" * 10**6, "<a>" + "; a=b" * 10**6, "<a>;" + " " * 10**6, '<a>; b="' + "\\" * 10**6]
)
def test_hostile_links_are_read_in_time(link: str) -> None:
    started = time.process_time()
    license_urls(links=[link])
    assert time.process_time() - started < 5


# -- hostile -------------------------------------------------------------------------------------

LOL = '<!DOCTYPE rsl [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<rsl/>",
        b"<rsl xmlns='https://rslstandard.org/rsl'>",
        b"<rss xmlns='https://rslstandard.org/rsl'/>",
        b"not XML at all",
        b"\x00" * 100,
        b"\xff\xfe\x00\x00",
        b'<?xml version="1.0" encoding="klingon"?><rsl/>',
        b'<?xml version="1.0" encoding="utf-8"?><rsl xmlns="https://rslstandard.org/rsl">\xff</rsl>',
        f'{LOL}<rsl xmlns="{NAMESPACE}">&c;</rsl>'.encode(),
        f'<!DOCTYPE rsl SYSTEM "file:///etc/passwd"><rsl xmlns="{NAMESPACE}"/>'.encode(),
        f'<!DOCTYPE rsl [<!ENTITY x SYSTEM "file:///etc/passwd">]><rsl xmlns="{NAMESPACE}">&x;</rsl>'.encode(),
        b"<rsl xmlns='https://rslstandard.org/rsl'>" + b"<content>" * 100_000,
        b"<rsl xmlns='https://rslstandard.org/rsl'>" + b"<content/>" * 30_000 + b"</rsl>",
        b"<rsl xmlns='https://rslstandard.org/rsl'>" + b" " * MAX_BYTES + b"</rsl>",
        b"<rsl xmlns='https://rslstandard.org/rsl'>\x00</rsl>",
    ],
)
def test_what_is_no_license_file_is_an_error(data: bytes) -> None:
    started = time.process_time()
    with pytest.raises(FormatError):
        read(data)
    assert time.process_time() - started < 5


def test_a_license_file_is_not_deep() -> None:
    deep = "<x:x xmlns:x='urn:x'>" * 20 + "</x:x>" * 20
    with pytest.raises(FormatError, match="levels"):
        rsl(content(f"<license>{usage('prohibits', 'search')}{deep}</license>"))


def test_too_many_statements_or_places_are_an_error() -> None:
    countries = " ".join(f"{a}{b}" for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    licence = f'<license>{usage("prohibits", "all")}<permits type="geo">{countries}</permits></license>'
    with pytest.raises(FormatError, match="more than"):
        rsl(content(licence * 10))
    with pytest.raises(FormatError, match="places"):
        rsl(*(content(f"<license>{usage('prohibits', 'search')}</license>", url=f"/{n}") for n in range(1001)))


def test_a_text_of_nothing_but_words_is_read_in_time() -> None:
    started = time.process_time()
    found = rsl(content(f"<license>{usage('permits', ' '.join(f'w{n}' for n in range(100_000)))}</license>"))
    assert time.process_time() - started < 5
    assert len(found.remarks) == 101


@given(st.text(max_size=100), st.text(max_size=20))
def test_nothing_breaks_it(inside: str, url: str) -> None:
    for data in (
        inside.encode(errors="surrogatepass"),
        f'<rsl xmlns="{NAMESPACE}">{inside}</rsl>'.encode(errors="replace"),
    ):
        with contextlib.suppress(FormatError):
            read(data)
    license_urls(robots_txt=inside.encode(errors="replace"), links=[inside, f"<{url}>; rel=license"])
