"""Pages of the feed: what a reader believes, and what gives away a page that was changed, held back or made up."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey

from registry.domain.feed import (
    MAX_ITEMS,
    TYPE,
    AssetFact,
    BadPage,
    ConflictFact,
    DomainFact,
    HolderFact,
    Page,
    Place,
    ReservationFact,
    SetBack,
    WorkFact,
    open_page,
    sign_page,
)
from registry.domain.policy import Assurance
from registry.domain.preferences import Scope, Use, Value
from registry.domain.tokens import BadToken, TokenKeys, UnknownKey, generate_pem

_AT = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
_PEM = generate_pem()
_KEYS = TokenKeys([_PEM])
_SAID = ReservationFact(
    id="rsv_1", holder_id="hld_1", scope=Scope.LOCATION, work_id=None, asset_id=None, location="https://é.example/*",
    use=Use.TRAIN, value=Value.CONSTRAINED, territory="EU", terms_url="https://terms.example/", contact=None,
    declared_at=_AT, valid_from=_AT, valid_until=_AT + timedelta(days=1), withdrawn_at=None, superseded_at=None,
)  # fmt: skip
_PAGE = Page(
    iss="clearmark.example", since=3, since_mark="c3", next=8, next_mark="c8", head=9, as_of=_AT,
    items=[
        HolderFact(id="hld_1", assurance=Assurance.VETTED),
        WorkFact(id="wrk_1", holder_id="hld_1", iscc="ISCC:KACT4EBWK27737D2", withdrawn_at=None),
        AssetFact(id="ast_1", work_id="wrk_1", sha256="ab" * 32),
        _SAID,
        ConflictFact(id="cfl_1", asset_id="ast_2", rival_asset_id="ast_1", opened_at=_AT, closed_at=_AT),
        DomainFact(
            id="dmn_1", holder_id="hld_1", name="studio.example", method="dns", verified_at=_AT, lapsed_at=None
        ),
    ],
)  # fmt: skip
_TOKEN = sign_page(_PAGE, _KEYS)
_CLAIMS: dict[str, Any] = json.loads(base64.urlsafe_b64decode(_TOKEN.split(".")[1] + "=="))
_HERE = Place(issuer="clearmark.example", sequence=3, mark="c3", head=7, as_of=_AT - timedelta(hours=1))


def test_a_page_is_read_as_it_was_written() -> None:
    assert open_page(_TOKEN, keys=_KEYS.public()) == _PAGE


@given(place=st.integers(min_value=0, max_value=len(_TOKEN) - 2), letter=st.sampled_from("AQgw-_.~é"))
def test_not_one_letter_of_a_page_can_be_changed(place: int, letter: str) -> None:
    changed = _TOKEN[:place] + letter + _TOKEN[place + 1 :]
    if changed != _TOKEN:
        with pytest.raises(BadToken):
            open_page(changed, keys=_KEYS.public())


def test_a_page_that_another_key_signed_is_refused() -> None:
    with pytest.raises(UnknownKey):
        open_page(sign_page(_PAGE, TokenKeys([generate_pem()])), keys=_KEYS.public())


def test_another_key_that_takes_the_name_of_a_known_one_is_refused() -> None:
    header, payload, _ = _TOKEN.split(".")
    *_, signature = sign_page(_PAGE, TokenKeys([generate_pem()])).split(".")
    with pytest.raises(BadToken):
        open_page(f"{header}.{payload}.{signature}", keys=_KEYS.public())


def test_another_statement_of_the_service_is_no_page() -> None:
    assert open_page(_signed(_CLAIMS), keys=_KEYS.public()) == _PAGE
    with pytest.raises(BadToken, match="kind"):
        open_page(_KEYS.sign(_CLAIMS, type="clearmark-grant+jwt"), keys=_KEYS.public())


def test_a_page_of_thousands_is_read() -> None:
    full = replace(_PAGE, items=[_SAID] * MAX_ITEMS)
    assert open_page(sign_page(full, _KEYS), keys=_KEYS.public()) == full


def _nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("v", 2), ("v", None), ("iss", None), ("since", -1), ("since", "0"), ("since", 1.0), ("since", True),
        ("next", 10**400), ("head", None), ("head", float("nan")), ("as_of", "2026-03-02T17:00:00"),
        ("as_of", "9999-12-31T23:59:59-23:00"), ("as_of", "now"), ("next_mark", 7), ("items", None),
        ("items", {}), ("items", [None]), ("items", [[]]), ("items", [{}]), ("items", [{"kind": "secret", "id": "x"}]),
        ("items", [{"kind": "holder", "id": "hld_1"}]),
        ("items", [{"kind": "holder", "id": "", "assurance": "vetted"}]),
        ("items", [{"kind": "domain", "id": "x", "holder_id": "x", "name": "x", "method": "word", "verified_at": None,
                    "lapsed_at": None}]),
        ("items", [{"kind": "holder", "id": "hld_1", "assurance": "sure"}]),
        ("items", [{"kind": "holder", "id": "\ud800", "assurance": "vetted"}]),
        ("items", [{"kind": "holder", "id": "x" * 1000, "assurance": "vetted"}]),
        ("items", [{"kind": "holder", "id": "hld_1", "assurance": "vetted"}] * (MAX_ITEMS + 1)),
        ("items", _nested(500)),
    ],
    ids=lambda value: repr(value)[:60],
)  # fmt: skip
def test_a_page_that_is_not_written_as_pages_are_is_refused_with_the_place(member: str, value: object) -> None:
    with pytest.raises(BadPage, match=member):
        open_page(_signed(_CLAIMS | {member: value}), keys=_KEYS.public())


@pytest.mark.parametrize(
    ("member", "value"),
    [("use", "breathe"), ("value", "perhaps"), ("scope", "world"), ("territory", "Mars"), ("declared_at", None),
     ("valid_until", "later"), ("location", 7)],
)  # fmt: skip
def test_a_declaration_that_means_nothing_is_refused(member: str, value: object) -> None:
    said = _CLAIMS["items"][3] | {member: value}
    with pytest.raises(BadPage, match=member):
        open_page(_signed(_CLAIMS | {"items": [said]}), keys=_KEYS.public())


def _signed(claims: dict[str, Any]) -> str:
    """As a service would sign it that has lost its mind: ours writes no such claims."""
    [public] = _KEYS.public()["keys"]
    header = {"alg": "ES256", "typ": TYPE, "kid": public["kid"]}
    return jws.serialize_compact(header, json.dumps(claims), ECKey.import_key(_PEM), algorithms=["ES256"])


# -- where it goes on ----------------------------------------------------------------------------


def test_a_page_leads_on_from_where_the_reader_is() -> None:
    there = Place(issuer="clearmark.example", sequence=8, mark="c8", head=9, as_of=_AT)
    assert _HERE.after(_PAGE, at=_AT) == there
    assert not _PAGE.is_last
    last = replace(_PAGE, since=8, since_mark="c8", next=9, next_mark="c9", items=[])
    assert there.after(last, at=_AT).sequence == 9
    assert last.is_last


def test_the_first_page_begins_at_the_beginning() -> None:
    first = replace(_PAGE, since=0, since_mark=None)
    assert Place().after(first, at=_AT).issuer == "clearmark.example"
    empty = replace(first, next=0, next_mark=None, head=0, items=[])
    assert Place().after(empty, at=_AT).sequence == 0
    with pytest.raises(BadPage, match="missing"):
        Place().after(_PAGE, at=_AT)


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"iss": "other.example"}, BadPage, "of other.example"),
        ({"since": 4}, BadPage, "pages are missing"),
        ({"since": 0, "since_mark": None}, BadPage, "pages are missing"),
        ({"head": 6, "next": 6}, SetBack, "had 7 rows and now has 6"),
        ({"since_mark": "d3"}, SetBack, "another row 3"),
        ({"since_mark": None}, SetBack, "another row 3"),
        ({"next": 10}, BadPage, "from 3 to 10 in a log of 9"),
        ({"next": 2}, BadPage, "from 3 to 2"),
        ({"next": 3}, BadPage, "from 3 to 3"),
        ({"as_of": _AT - timedelta(hours=2)}, BadPage, "before what was read"),
        ({"as_of": _AT + timedelta(minutes=6)}, BadPage, "clocks"),
    ],
    ids=str,
)
def test_a_page_that_does_not_go_on_from_here_is_refused(
    wrong: dict[str, Any], error: type[BadPage], says: str
) -> None:
    with pytest.raises(error, match=says):
        _HERE.after(replace(_PAGE, **wrong), at=_AT)


def test_clocks_may_differ_a_little() -> None:
    assert _HERE.after(replace(_PAGE, as_of=_AT + timedelta(minutes=4)), at=_AT)
