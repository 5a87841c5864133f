"""Policies: what is written is read again, means the same to an RDF library, and permits nothing in doubt."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdflib import Graph, Literal, Namespace, URIRef
from rdflib.namespace import RDF, XSD
from rdflib.term import Node

from registry.domain.preferences import Use, Value
from registry.formats.odrl import MAX_BYTES, MAX_STATEMENTS, PROFILE, read_policy, write_policy
from registry.formats.statements import FormatError, Reading, Statement, Written, named

# rdflib warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")

ODRL = Namespace("http://www.w3.org/ns/odrl/2/")
TDM = Namespace("http://www.w3.org/ns/tdmrep#")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")

POLICY, TERMS, FILMS = "https://a.example/policies/1", "https://a.example/terms", "https://a.example/films/*"
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, 0, 0, 0, 7, tzinfo=UTC)
CONTACT = "rights@a.example"


def tdm(value: Value, location: str | None = None, **fields: Any) -> Statement:
    terms_url = TERMS if value is Value.CONSTRAINED else None
    return Statement(**{"use": Use.TDM, "value": value, "location": location, "terms_url": terms_url, **fields})


def written(*statements: Statement, contact: str | None = None) -> Written:
    return write_policy(statements, policy_url=POLICY, assigner_name="Ada's Films", contact=contact)


def reread(*statements: Statement, contact: str | None = None) -> tuple[Statement, ...]:
    reading = read_policy(written(*statements, contact=contact).text.encode())
    assert reading.remarks == ()
    return reading.statements


# -- what is written means to others -------------------------------------------------------------


def graph(text: str) -> Graph:
    return Graph().parse(data=text, format="json-ld")


def only(found: Graph, subject: Node, predicate: Node) -> Node:
    [value] = found.objects(subject, predicate)
    return value


def meaning(text: str) -> set[Statement]:
    """The statements of a policy by its triples alone, read with ODRL's definitions beside."""
    found, policy = graph(text), URIRef(POLICY)
    assert only(found, policy, RDF.type) == ODRL.Offer
    assert only(found, policy, ODRL.profile) == URIRef(PROFILE)
    assert only(found, policy, ODRL.conflict) == ODRL.prohibit
    party = only(found, policy, ODRL.assigner)
    statements = set()
    for kind, value in ((ODRL.permission, Value.ALLOWED), (ODRL.prohibition, Value.RESERVED)):
        for rule in found.objects(policy, kind):
            assert only(found, rule, ODRL.action) == TDM.mine
            fields: dict[str, Any] = {"value": value, "contact": reached(found, party)}
            for duty in found.objects(rule, ODRL.duty):
                assert only(found, duty, ODRL.action) == ODRL.obtainConsent
                who = only(found, duty, ODRL.consentingParty)
                fields |= {"value": Value.CONSTRAINED, "terms_url": str(only(found, who, VCARD.hasURL))}
                fields["contact"] = reached(found, who, but_links=True) or fields["contact"]
            for constraint in found.objects(rule, ODRL.constraint):
                left, operator, right = (
                    only(found, constraint, each) for each in (ODRL.leftOperand, ODRL.operator, ODRL.rightOperand)
                )
                match left, operator:
                    case ODRL.spatial, ODRL.isPartOf:
                        fields["territory"] = str(right).removeprefix("urn:iso:3166:")
                    case ODRL.dateTime, (ODRL.gteq | ODRL.lt):
                        assert isinstance(right, Literal)
                        assert right.datatype == XSD.dateTime
                        fields["valid_from" if operator == ODRL.gteq else "valid_until"] = right.toPython()
                    case _:
                        raise AssertionError(left)
            targets = [str(target) for target in found.objects(rule, ODRL.target)]
            statements.add(Statement(use=Use.TDM, location=targets[0] if targets else None, **fields))
    return statements


def reached(found: Graph, party: Node, *, but_links: bool = False) -> str | None:
    names = (VCARD.hasEmail, VCARD.hasTelephone) if but_links else (VCARD.hasEmail, VCARD.hasTelephone, VCARD.hasURL)
    ways = [str(way) for name in names for way in found.objects(party, name)]
    return ways[0].removeprefix("mailto:") if ways else None


MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC)) | st.just(START.astimezone(timezone(timedelta(hours=5))))
CONTACTS = [None, CONTACT, "tel:+33-1-23", "https://a.example/ask", "Ada, third floor"]
STATEMENTS = st.builds(
    Statement,
    use=st.sampled_from([Use.TDM, Use.TDM, Use.TDM, Use.SEARCH]),
    value=st.sampled_from(Value),
    location=st.sampled_from(
        [None, FILMS, "https://a.example/music/", "https://b.example/x?y=1", "/films/", "ä.example"]
    ),
    territory=st.sampled_from(["worldwide", "EU", "FR", "US"]),
    terms_url=st.sampled_from([None, TERMS, POLICY, "no link"]),
    contact=st.sampled_from(CONTACTS),
    valid_from=MOMENTS,
    valid_until=MOMENTS,
)
SEVERAL = st.lists(STATEMENTS, max_size=6, unique_by=named)


def offered(statements: Sequence[Statement], contact: str | None) -> Written | None:
    found = written(*statements, contact=contact)
    return found if found.text else None


@given(SEVERAL, st.sampled_from(CONTACTS))
def test_a_policy_read_again_gives_all_but_what_was_left_out_and_its_triples_say_the_same(
    statements: list[Statement], contact: str | None
) -> None:
    policy = offered(statements, contact)
    if policy is None:
        return
    reading = read_policy(policy.text.encode())
    assert reading.remarks == ()
    assert set(reading.statements) == meaning(policy.text)
    left_out = {remark.where for remark in policy.left_out}
    assigner = None if "contact" in left_out else contact
    kept = {replace(each, contact=each.contact or assigner) for each in statements if named(each) not in left_out}
    assert kept <= set(reading.statements)
    names = {named(each) for each in statements}
    assert left_out <= names | {"contact"}
    for each in reading.statements:
        assert any(
            one.use is Use.TDM
            and (one.location, one.territory, one.valid_from) == (each.location, each.territory, each.valid_from)
            and (one.value is each.value or each.value is Value.RESERVED)
            for one in statements
        )


@given(SEVERAL)
def test_only_what_was_said_to_be_allowed_and_nothing_stricter_meets_is_permitted(statements: list[Statement]) -> None:
    policy = offered(statements, None)
    if policy is None:
        return
    said = [each for each in statements if each.use is Use.TDM]
    for each in read_policy(policy.text.encode()).statements:
        if each.value is Value.ALLOWED:
            assert replace(each, contact=None, terms_url=None) in {
                replace(one, contact=None, terms_url=None) for one in said
            }
            rivals = [one for one in said if one.value is not Value.ALLOWED]
            assert not any(one.location in (None, each.location) and one.territory == each.territory for one in rivals)


def test_what_can_be_said_is_all_said() -> None:
    said = [
        tdm(Value.RESERVED, "https://a.example/new/"),
        tdm(Value.CONSTRAINED, FILMS, territory="EU", valid_from=START, valid_until=END, contact="tel:+33-1"),
        tdm(Value.ALLOWED, FILMS, territory="US"),
        tdm(Value.ALLOWED, "https://a.example/press/"),
    ]
    policy = written(*said, contact=CONTACT)
    assert policy.left_out == ()
    assert set(reread(*said, contact=CONTACT)) == {replace(each, contact=each.contact or CONTACT) for each in said}
    found = graph(policy.text)
    assert (URIRef(f"{POLICY}#assigner"), VCARD.fn, Literal("Ada's Films")) in found
    assert (URIRef(f"{POLICY}#assigner"), VCARD.hasEmail, URIRef(f"mailto:{CONTACT}")) in found
    assert policy.media_type == "application/ld+json"


def test_the_context_is_in_the_document() -> None:
    policy = json.loads(written(tdm(Value.RESERVED)).text)
    assert isinstance(policy["@context"], dict)
    assert policy["permission" if "permission" in policy else "prohibition"] == [{"action": "tdm:mine"}]


@pytest.mark.parametrize(
    "stricter",
    [
        tdm(Value.RESERVED),
        tdm(Value.CONSTRAINED, "a.example/films/new/"),
        tdm(Value.CONSTRAINED, "https://a.example/"),
        tdm(Value.RESERVED, "/films/"),
        tdm(Value.RESERVED, "*.mp4"),
        tdm(Value.RESERVED, FILMS, territory="EU"),
        tdm(Value.CONSTRAINED, FILMS, territory="FR", terms_url=None),
    ],
)
def test_a_permission_that_meets_something_stricter_is_left_out(stricter: Statement) -> None:
    policy = written(tdm(Value.ALLOWED, FILMS), stricter, tdm(Value.RESERVED, "https://b.example/"))
    assert "permission" not in json.loads(policy.text) or stricter.value is Value.CONSTRAINED
    assert "tdm: allowed for https://a.example/films/*" in {remark.where for remark in policy.left_out}


def test_territories_apart_do_not_meet() -> None:
    assert len(reread(tdm(Value.ALLOWED, territory="US"), tdm(Value.RESERVED, territory="EU"))) == 2


def test_a_location_is_named_by_a_link() -> None:
    assert reread(tdm(Value.ALLOWED, "a.example/ü b"))[0].location == "https://a.example/%C3%BC%20b"
    assert written(tdm(Value.RESERVED, "ftp://a.example/"), tdm(Value.RESERVED)).left_out


@pytest.mark.parametrize("address", ["o'neil+x@a.example", "50%@a.example", "ä@ö.example", '"a"@b', "a&b=?#@c"])
def test_an_address_keeps_its_characters(address: str) -> None:
    assert reread(tdm(Value.RESERVED), contact=address)[0].contact == address
    assert {each.contact for each in meaning(written(tdm(Value.RESERVED), contact="a@b").text)} == {"a@b"}


@pytest.mark.parametrize(
    ("statements", "policy_url", "name"),
    [
        ([tdm(Value.RESERVED)], "policy.json", "Ada"),
        ([tdm(Value.RESERVED)], POLICY, " "),
        ([tdm(Value.RESERVED)], POLICY, "\ud800"),
        ([tdm(Value.RESERVED, f"https://a.example/{n}") for n in range(MAX_STATEMENTS + 1)], POLICY, "Ada"),
        ([tdm(Value.RESERVED)], POLICY, "a" * MAX_BYTES),
    ],
)
def test_a_policy_without_an_address_or_with_too_much_is_refused(
    statements: list[Statement], policy_url: str, name: str
) -> None:
    with pytest.raises(FormatError):
        write_policy(statements, policy_url=policy_url, assigner_name=name)


@pytest.mark.parametrize("statements", [[], [tdm(Value.RESERVED, use=Use.TRAIN)]])
def test_what_a_policy_cannot_say_makes_an_empty_one(statements: list[Statement]) -> None:
    policy = written(*statements)
    assert (policy.text, len(policy.left_out)) == ("", len(statements))


# -- what others write ---------------------------------------------------------------------------


def policy(**members: Any) -> dict[str, Any]:
    return {
        "@context": ["http://www.w3.org/ns/odrl.jsonld", {"tdm": "http://www.w3.org/ns/tdmrep#"}],
        "@type": "Offer",
        "profile": PROFILE,
        "uid": POLICY,
        "assigner": {"uid": "https://a.example", "vcard:fn": "A", "vcard:hasEmail": f"mailto:{CONTACT}"},
        **members,
    }


def rule(**members: Any) -> dict[str, Any]:
    return {"action": "tdm:mine", **members}


def read(**members: Any) -> Reading:
    return read_policy(json.dumps(policy(**members)).encode())


CONSENT = {"action": "obtainConsent"}
SPATIAL = {"leftOperand": "spatial", "operator": "isPartOf", "rightOperand": "FR"}
UNTIL = {"leftOperand": "dateTime", "operator": "lt", "rightOperand": {"@value": "2027-01-01T00:00:00.000007Z"}}
PURPOSE = {"leftOperand": "purpose", "operator": "eq", "rightOperand": "tdm:research"}


def test_a_permission_allows_and_one_with_a_duty_licenses_by_the_policy() -> None:
    assert read(permission=[rule()]).statements == (tdm(Value.ALLOWED, contact=CONTACT),)
    for duty in (CONSENT, {"action": "compensate"}, {"action": "attribute"}, None, 7):
        expected = tdm(Value.CONSTRAINED, FILMS, terms_url=POLICY, contact=CONTACT)
        assert read(permission=rule(duty=[duty], target=FILMS)).statements == (expected,)


def test_compensation_is_remarked() -> None:
    [remark] = read(permission=[rule(duty=[CONSENT, {"action": "compensate"}])]).remarks
    assert (remark.where, "compensate" in remark.problem) == ("permission 1", True)


def test_terms_are_where_the_licence_is_to_be_had() -> None:
    page = "https://a.example/licensing.html"
    [statement] = read(permission=[rule(duty=[CONSENT])], assigner={"vcard:hasURL": page}).statements
    assert (statement.terms_url, statement.contact) == (page, page)


def test_long_names_are_the_same_names() -> None:
    long = {f"http://www.w3.org/ns/odrl/2/{name}": value for name, value in rule(constraint=[SPATIAL]).items()}
    reading = read(**{"odrl:permission": {**long, "http://www.w3.org/ns/odrl/2/action": {"@id": f"{PROFILE}#mine"}}})
    assert reading.statements == (tdm(Value.ALLOWED, territory="FR", contact=CONTACT),)


def test_each_territory_and_target_is_a_statement() -> None:
    places = {**SPATIAL, "rightOperand": ["urn:iso:3166:fr", {"@id": "urn:iso:3166:DE"}, "FR"]}
    reading = read(permission=[rule(target=[FILMS, TERMS], constraint=[places, UNTIL])])
    assert {(each.location, each.territory, each.valid_until) for each in reading.statements} == {
        (location, territory, END) for location in (FILMS, TERMS) for territory in ("FR", "DE")
    }


@pytest.mark.parametrize(
    "limit",
    [
        {"constraint": [PURPOSE]},
        {"constraint": PURPOSE},
        {"constraint": None},
        {"constraint": [7]},
        {"constraint": [{**SPATIAL, "rightOperand": []}]},
        {"constraint": [{**SPATIAL, "rightOperand": "urn:iso:3166:FRA"}]},
        {"constraint": [{**SPATIAL, "operator": "isNoneOf"}]},
        {"constraint": [SPATIAL, SPATIAL]},
        {"constraint": [{**SPATIAL, "unit": "x"}]},
        {"constraint": [{**UNTIL, "rightOperand": "2027-01-01"}]},
        {"constraint": [{**UNTIL, "rightOperand": "2027-13-01T00:00:00Z"}]},
        {"constraint": [{**UNTIL, "rightOperand": "0001-01-01T00:00:00+14:00"}]},
        {"constraint": [UNTIL, UNTIL]},
        {"constraint": [{"and": [SPATIAL]}]},
        {"assignee": "https://b.example/"},
        {"refinement": []},
        {"odrl:assignee": "https://b.example/"},
        {"odrl:action": "tdm:mine"},
        {"action": ["tdm:mine", "odrl:print"]},
        {"action": "use"},
        {"action": None},
        {"target": "urn:isbn:1"},
        {"target": None},
        {"target": {"@type": "AssetCollection", "refinement": []}},
    ],
)
def test_a_permission_with_limits_that_are_not_understood_is_no_permission(limit: dict[str, Any]) -> None:
    reading = read(permission=[rule(**limit), rule(target=TERMS)])
    assert [each.location for each in reading.statements] == [TERMS]
    assert {remark.where for remark in reading.remarks} == {"permission 1"}


@pytest.mark.parametrize("limit", [{"constraint": [PURPOSE, SPATIAL]}, {"remedy": [CONSENT], "constraint": SPATIAL}])
def test_a_prohibition_stands_whatever_limits_it_and_no_permission_beside_it(limit: dict[str, Any]) -> None:
    reading = read(prohibition=[rule(**limit)], permission=[rule(), rule(duty=[CONSENT])])
    assert [(each.value, each.territory) for each in reading.statements] == [
        (Value.RESERVED, "FR"),
        (Value.CONSTRAINED, "worldwide"),
    ]


@pytest.mark.parametrize(
    "members",
    [
        {"obligation": [CONSENT]},
        {"inheritFrom": "https://b.example/"},
        {"prohibition": [{"action": "use"}]},
        {"target": FILMS},
    ],
)
def test_beside_what_is_not_understood_nothing_is_allowed(members: dict[str, Any]) -> None:
    reading = read(permission=[rule()], **members)
    assert reading.statements == ()
    assert len(reading.remarks) == 2


def test_what_only_describes_a_policy_does_no_harm() -> None:
    assert read(permission=[rule()], **{"dc:title": "Terms", "rdfs:comment": "x"}).remarks == ()


def test_a_policy_without_rules_says_nothing() -> None:
    assert read().statements == ()
    assert len(read().remarks) == 1


def test_a_member_said_twice_is_no_permission() -> None:
    text = json.dumps(policy(permission=[rule(constraint=["HERE"])]))
    doubled = '{"leftOperand": "spatial", "operator": "isPartOf", "rightOperand": "FR", "rightOperand": "DE"}'
    assert read_policy(text.replace('"HERE"', doubled).encode()).statements == ()


@pytest.mark.parametrize("address", ["mailto:a%00@b", "mailto:a%ff@b", "mailto:", "mailto:a b@c", 7, None, {"@id": 7}])
def test_a_contact_that_nobody_can_use_is_none(address: Any) -> None:
    [statement] = read(permission=[rule()], assigner={"vcard:hasEmail": address}).statements
    assert statement.contact is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b" " * (MAX_BYTES + 1),
        b"\xff",
        json.dumps(policy(**{"@type": "Set"})).encode(),
        json.dumps(policy(profile="http://a.example/")).encode(),
        json.dumps(policy(permission=[rule()] * (MAX_STATEMENTS + 1))).encode(),
        json.dumps(policy(permission=[rule(target=[TERMS] * 20_000, constraint=[SPATIAL])])).encode(),
        b'{"@type": "Offer", "@type": "Offer", "profile": "http://www.w3.org/ns/tdmrep"}',
        json.dumps(policy(**{"odrl:profile": PROFILE})).encode(),
    ],
)
def test_what_is_no_offer_under_the_profile_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError) as refused:
        read_policy(data)
    assert refused.value.problem


NAMES = ["action", "target", "duty", "constraint", "leftOperand", "operator", "rightOperand", "@id", "assigner", "x"]
ANYTHING = st.recursive(
    st.none()
    | st.integers()
    | st.sampled_from(["tdm:mine", "spatial", "eq", "dateTime", "lt", FILMS])
    | st.text(max_size=3),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(NAMES), each, max_size=4),
    max_leaves=12,
)


@given(ANYTHING, ANYTHING, ANYTHING)
def test_no_policy_breaks_reading(permission: Any, prohibition: Any, assigner: Any) -> None:
    read(permission=permission, prohibition=prohibition, assigner=assigner)
