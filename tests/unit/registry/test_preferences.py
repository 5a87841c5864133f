"""What holders said, and how several declarations become one answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.preferences import (
    EU_MEMBERS,
    Answer,
    Declaration,
    Scope,
    Use,
    Value,
    effective_preference,
)
from registry.errors import Invalid

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
ANNA = frozenset({"hld_anna"})
BOTH = frozenset({"hld_anna", "hld_ben"})

# A permission on terms binds no less than a dispute and no more: both need a person.
RESTRICTION = {
    Answer.ALLOWED: 0,
    Answer.UNSET: 1,
    Answer.CONSTRAINED: 2,
    Answer.DISPUTED: 2,
    Answer.RESERVED: 3,
}


def said(value: Value, **fields: Any) -> Declaration:
    defaults: dict[str, Any] = {
        "id": "rsv_1",
        "use": Use.TRAIN,
        "declared_by": "hld_anna",
        "declared_at": AT - DAY,
        "valid_from": AT - DAY,
        "valid_until": None,
        "withdrawn_at": None,
        "superseded_at": None,
        "scope": Scope.WORK,
        "about": "wrk_1",
        "territory": "worldwide",
        "terms_url": "https://terms.example/" if value is Value.CONSTRAINED else None,
    }
    return Declaration(value=value, **defaults | fields)


def answer(*declarations: Declaration, owners: frozenset[str] = ANNA, territory: str | None = None) -> Answer:
    return effective_preference(declarations, Use.TRAIN, at=AT, owners=owners, territory=territory).answer


TIMES = st.integers(-3, 3).map(lambda days: AT + days * DAY)
TERRITORIES = st.sampled_from(["worldwide", "EU", "FR", "DE", "US"])


@st.composite
def declarations(draw: st.DrawFn) -> Declaration:
    return Declaration(
        id=f"rsv_{draw(st.integers(0, 10**9))}",
        use=draw(st.sampled_from([Use.TRAIN, Use.TDM])),
        value=draw(st.sampled_from(Value)),
        declared_by=draw(st.sampled_from(["hld_anna", "hld_ben", "hld_stranger"])),
        declared_at=draw(TIMES),
        valid_from=draw(TIMES),
        valid_until=draw(st.none() | TIMES),
        withdrawn_at=draw(st.none() | TIMES),
        superseded_at=draw(st.none() | TIMES),
        scope=draw(st.sampled_from(Scope)),
        about=draw(st.sampled_from([None, "wrk_1", "wrk_2"])),
        territory=draw(TERRITORIES),
        terms_url=draw(st.sampled_from([None, "https://terms.example/"])),
    )


SEVERAL = st.lists(declarations(), max_size=8, unique_by=lambda declaration: declaration.id)
OWNERS = st.sampled_from([ANNA, BOTH])
ASKED = st.none() | TERRITORIES


def test_silence_is_not_consent() -> None:
    assert answer() is Answer.UNSET


@given(SEVERAL, OWNERS, ASKED)
def test_allowed_is_only_ever_what_every_owner_said(
    several: list[Declaration], owners: frozenset[str], territory: str | None
) -> None:
    result = effective_preference(several, Use.TRAIN, at=AT, owners=owners, territory=territory)
    if result.answer is Answer.ALLOWED:
        assert {declaration.declared_by for declaration in result.declarations} == owners
        assert {declaration.value for declaration in result.declarations} == {Value.ALLOWED}


@given(SEVERAL, OWNERS, ASKED)
def test_an_answer_shows_declarations_in_force_by_owners_and_unset_shows_none(
    several: list[Declaration], owners: frozenset[str], territory: str | None
) -> None:
    result = effective_preference(several, Use.TRAIN, at=AT, owners=owners, territory=territory)
    assert (result.answer is Answer.UNSET) == (result.declarations == ())
    for declaration in result.declarations:
        assert declaration in several
        assert declaration.use is Use.TRAIN
        assert declaration.declared_by in owners
        assert declaration.in_force(AT)


@given(SEVERAL.flatmap(lambda several: st.tuples(st.just(several), st.permutations(several))), OWNERS, ASKED)
def test_the_order_of_declarations_does_not_matter(
    orders: tuple[list[Declaration], list[Declaration]], owners: frozenset[str], territory: str | None
) -> None:
    one, other = (effective_preference(order, Use.TRAIN, at=AT, owners=owners, territory=territory) for order in orders)
    assert one == other


@given(SEVERAL, declarations(), OWNERS, ASKED)
def test_a_more_restrictive_declaration_never_loosens(
    several: list[Declaration], added: Declaration, owners: frozenset[str], territory: str | None
) -> None:
    before = effective_preference(several, Use.TRAIN, at=AT, owners=owners, territory=territory).answer
    after = effective_preference([*several, added], Use.TRAIN, at=AT, owners=owners, territory=territory).answer
    if RESTRICTION[Answer(added.value)] >= RESTRICTION[before]:
        assert RESTRICTION[after] >= RESTRICTION[before]


@given(SEVERAL, declarations(), OWNERS, ASKED, st.sampled_from(["valid_until", "withdrawn_at", "superseded_at"]))
def test_an_ended_declaration_never_counts(
    several: list[Declaration],
    added: Declaration,
    owners: frozenset[str],
    territory: str | None,
    end: str,
) -> None:
    ends: dict[str, Any] = {end: AT}
    ended = replace(added, **ends)
    with_it = effective_preference([*several, ended], Use.TRAIN, at=AT, owners=owners, territory=territory)
    assert with_it == effective_preference(several, Use.TRAIN, at=AT, owners=owners, territory=territory)


@given(SEVERAL, declarations(), OWNERS, ASKED)
def test_a_stranger_never_counts(
    several: list[Declaration], added: Declaration, owners: frozenset[str], territory: str | None
) -> None:
    strange = replace(added, declared_by="hld_stranger")
    with_it = effective_preference([*several, strange], Use.TRAIN, at=AT, owners=owners, territory=territory)
    assert with_it == effective_preference(several, Use.TRAIN, at=AT, owners=owners, territory=territory)


@pytest.mark.parametrize("value", Value)
def test_one_declaration_is_the_answer_and_is_shown(value: Value) -> None:
    declaration = said(value)
    result = effective_preference([declaration], Use.TRAIN, at=AT, owners=ANNA)
    assert result.answer is Answer(value)
    assert result.declarations == (declaration,)


def test_the_most_restrictive_wins_and_only_what_decided_is_shown() -> None:
    first = said(Value.RESERVED, id="rsv_1", about="wrk_other", declared_at=AT - 2 * DAY)
    milder = said(Value.ALLOWED, id="rsv_2")
    last = said(Value.RESERVED, id="rsv_3", scope=Scope.CATALOGUE)
    result = effective_preference([last, milder, first], Use.TRAIN, at=AT, owners=ANNA)
    assert result.answer is Answer.RESERVED
    assert result.declarations == (first, last)
    assert answer(said(Value.ALLOWED), said(Value.CONSTRAINED)) is Answer.CONSTRAINED


def test_of_one_holders_words_on_one_thing_the_newest_in_force_speaks() -> None:
    standing = said(Value.RESERVED, id="rsv_1", declared_at=AT - 2 * DAY)
    for_a_time = said(Value.ALLOWED, id="rsv_2", valid_until=AT + DAY)
    elsewhere = said(Value.CONSTRAINED, id="rsv_3", territory="FR")
    assert answer(standing, for_a_time) is Answer.ALLOWED
    assert answer(standing, for_a_time, elsewhere) is Answer.CONSTRAINED
    later = effective_preference([standing, for_a_time], Use.TRAIN, at=AT + DAY, owners=ANNA)
    assert later.declarations == (standing,)


@pytest.mark.parametrize("terms", [None, "", "  "])
def test_constrained_without_terms_equals_reserved(terms: str | None) -> None:
    assert answer(said(Value.CONSTRAINED, terms_url=terms)) is Answer.RESERVED


def test_a_use_stands_alone() -> None:
    assert answer(said(Value.RESERVED, use=Use.TRAIN_GENERATIVE)) is Answer.UNSET


@pytest.mark.parametrize("start", ["valid_from", "declared_at"])
def test_a_declaration_counts_from_its_first_moment(start: str) -> None:
    assert answer(said(Value.RESERVED, **{start: AT})) is Answer.RESERVED
    assert answer(said(Value.RESERVED, **{start: AT + MOMENT})) is Answer.UNSET


@pytest.mark.parametrize("end", ["valid_until", "withdrawn_at", "superseded_at"])
def test_a_declaration_no_longer_counts_at_its_end(end: str) -> None:
    assert answer(said(Value.RESERVED, **{end: AT + MOMENT})) is Answer.RESERVED
    assert answer(said(Value.RESERVED, **{end: AT})) is Answer.UNSET


def test_owners_who_answer_differently_are_disputed_with_both_shown() -> None:
    anna = said(Value.RESERVED, id="rsv_1")
    ben = said(Value.ALLOWED, id="rsv_2", declared_by="hld_ben")
    result = effective_preference([ben, anna], Use.TRAIN, at=AT, owners=BOTH)
    assert result.answer is Answer.DISPUTED
    assert result.declarations == (anna, ben)


@pytest.mark.parametrize("value", Value)
def test_owners_who_agree_are_not_disputed(value: Value) -> None:
    assert answer(said(value), said(value, id="rsv_2", declared_by="hld_ben"), owners=BOTH) is Answer(value)


def test_a_rival_s_silence_does_not_weaken_a_reservation() -> None:
    assert answer(said(Value.RESERVED), owners=BOTH) is Answer.RESERVED


@pytest.mark.parametrize("value", [Value.ALLOWED, Value.CONSTRAINED])
def test_a_rival_s_silence_does_not_join_a_permission(value: Value) -> None:
    assert answer(said(value), owners=BOTH) is Answer.DISPUTED


@pytest.mark.parametrize(
    ("declared", "asked", "counts"),
    [
        ("FR", "FR", True),
        ("worldwide", "FR", True),
        ("EU", "FR", True),
        ("EU", "EU", True),
        ("FR", "EU", True),
        ("FR", None, True),
        ("FR", "worldwide", True),
        ("EU", "US", False),
        ("EU", "GB", False),
        ("EU", "CH", False),
        ("FR", "DE", False),
        ("US", "EU", False),
    ],
)
def test_a_reservation_counts_where_it_touches_the_territory(declared: str, asked: str | None, counts: bool) -> None:
    expected = Answer.RESERVED if counts else Answer.UNSET
    assert answer(said(Value.RESERVED, territory=declared), territory=asked) is expected


@pytest.mark.parametrize(
    ("declared", "asked", "counts"),
    [
        ("worldwide", None, True),
        ("worldwide", "EU", True),
        ("EU", "FR", True),
        ("FR", "FR", True),
        ("FR", "EU", False),
        ("FR", None, False),
        ("EU", "worldwide", False),
    ],
)
def test_a_permission_counts_only_where_it_covers_the_territory(declared: str, asked: str | None, counts: bool) -> None:
    expected = Answer.ALLOWED if counts else Answer.UNSET
    assert answer(said(Value.ALLOWED, territory=declared), territory=asked) is expected


def test_the_union_has_27_members_by_their_iso_codes() -> None:
    assert len(EU_MEMBERS) == 27
    assert {"GR", "IE", "HR"} <= EU_MEMBERS
    assert not {"GB", "EL", "CH", "NO"} & EU_MEMBERS


@pytest.mark.parametrize("territory", ["", "fr", "FRA", "Europe", "world", "FR\n"])
def test_a_territory_that_nobody_could_ask_for_is_refused(territory: str) -> None:
    with pytest.raises(Invalid) as refused:
        said(Value.RESERVED, territory=territory)
    assert refused.value.field == "territory"
    with pytest.raises(Invalid):
        answer(territory=territory)
