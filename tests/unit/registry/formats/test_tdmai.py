"""TDM·AI declarations: who inherits from whom, what cannot be read, and that training alone cannot be allowed."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.preferences import Use, Value
from registry.formats.statements import FormatError, Statement
from registry.formats.tdmai import MAX_BYTES, read, subject, write
from tests.saying import any_statements, heard, said, statements

ISCC = "ISCC:KACT4EBWK27737D2AYCJRAL5Z36G76RFRMO4554RU26HZ4ORJGIVHDI"
USES = (Use.TRAIN, Use.TRAIN_GENERATIVE, Use.INPUT, Use.SEARCH)
ALLOWED, RESERVED = Value.ALLOWED, Value.RESERVED


def values(**keys: Any) -> dict[Use, Value]:
    document = {"version": "1.0", "iscc": ISCC, "intent": "activate"}
    document |= {key.replace("_", "-"): value for key, value in keys.items()}
    return {one.use: one.value for one in read(json.dumps(document).encode()).statements}


EVERY_USE = (Use.TDM, *USES)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, {}),
        ({"train_ai": "false", "train_genai": "true"}, {Use.TRAIN: RESERVED, Use.TRAIN_GENERATIVE: ALLOWED}),
        ({"train_ai": "n"}, {Use.TRAIN: RESERVED, Use.TRAIN_GENERATIVE: RESERVED}),
        ({"train_genai": "n"}, {Use.TRAIN_GENERATIVE: RESERVED}),
        ({"ai_use": "y", "search": False}, {Use.INPUT: ALLOWED, Use.SEARCH: RESERVED}),
        ({"all": "false"}, dict.fromkeys(EVERY_USE, RESERVED)),
        ({"all": "n", "search": "y"}, {**dict.fromkeys(EVERY_USE, RESERVED), Use.SEARCH: ALLOWED}),
        ({"all": True}, {Use.TDM: ALLOWED, Use.TRAIN: ALLOWED, Use.TRAIN_GENERATIVE: ALLOWED}),
        ({"all": "y", "train_ai": "n"}, {Use.TDM: ALLOWED, Use.TRAIN: RESERVED, Use.TRAIN_GENERATIVE: RESERVED}),
        ({"all": "y", "train_ai": "maybe"}, {Use.TDM: ALLOWED}),
        ({"all": "n", "train_ai": "maybe"}, dict.fromkeys(EVERY_USE, RESERVED)),
        ({"train_ai": "Y", "search": 1, "ai_use": None, "train_genai": {}}, {}),
    ],
)
def test_a_declaration_is_read(keys: dict[str, Any], expected: dict[Use, Value]) -> None:
    assert values(**keys) == expected


def test_what_is_not_taken_over_is_a_remark() -> None:
    read_ = read(b'{"version": "2", "search": "perhaps", "policy": "EU law", "tdm-reservation": 1}')
    assert {remark.where for remark in read_.remarks} == {
        "version",
        "search",
        "'policy'",
        "'tdm-reservation'",
        "iscc",
    }


def test_a_declaration_tells_what_it_is_about() -> None:
    assert subject(json.dumps({"iscc": ISCC}).encode()) == ISCC
    assert subject(b"{}") is None
    assert subject(b'{"iscc": 5}') is None


def test_a_declaration_is_written_as_the_schema_has_it() -> None:
    written = write([said(use, RESERVED) for use in USES], iscc=ISCC)
    assert json.loads(written.text) == {
        "version": "1.0",
        "iscc": ISCC,
        "intent": "activate",
        "train-ai": "false",
        "train-genai": "false",
        "ai-use": "false",
        "search": "false",
    }
    assert (written.left_out, written.media_type) == ((), "application/json")


def test_without_an_iscc_a_declaration_is_not_complete() -> None:
    written = write([said(Use.SEARCH, RESERVED)], iscc=None)
    assert "iscc" not in json.loads(written.text)
    assert [remark.where for remark in written.left_out] == ["iscc"]


def test_a_permission_to_train_does_not_become_one_to_train_generators() -> None:
    written = write([said(Use.TRAIN, ALLOWED)], iscc=ISCC)
    assert "train-ai" not in json.loads(written.text)
    assert [remark.where for remark in written.left_out] == ["train: allowed"]


def test_a_reservation_of_training_is_written_though_it_says_more() -> None:
    written = write([said(Use.TRAIN, RESERVED)], iscc=ISCC)
    assert json.loads(written.text)["train-ai"] == "false"
    assert [remark.where for remark in written.left_out] == ["train: reserved"]


def test_what_cannot_be_said_is_left_out() -> None:
    written = write(
        [
            said(Use.TDM, RESERVED),
            said(Use.DEPICT_IN_OUTPUT, RESERVED),
            said(Use.SEARCH, ALLOWED, "/a"),
            said(Use.INPUT, RESERVED, territory="EU"),
        ],
        iscc=ISCC,
    )
    assert json.loads(written.text)["ai-use"] == "false"
    assert len(written.left_out) == 4


@given(st.lists(statements(uses=USES, values=(ALLOWED, RESERVED)), unique_by=lambda one: one.use))
def test_a_declaration_is_read_as_it_was_written(statements: list[Statement]) -> None:
    written = write(statements, iscc=ISCC)
    uses = {one.use for one in statements}
    expected = set(statements)
    if Use.TRAIN in uses and Use.TRAIN_GENERATIVE not in uses:
        [train] = {one for one in expected if one.use is Use.TRAIN}
        expected -= {train}
        expected |= {train, said(Use.TRAIN_GENERATIVE, RESERVED)} if train.value is RESERVED else set()
        assert len(written.left_out) == 1
    else:
        assert written.left_out == ()
    assert set(read(written.text.encode()).statements) == expected


@given(st.lists(any_statements()))
def test_what_is_written_reserves_all_that_was_reserved_and_allows_no_more(statements: list[Statement]) -> None:
    told = read(write(statements, iscc=ISCC).text.encode()).statements
    here = [one for one in statements if one.location is None]
    for use in USES:
        meant, heard_ = heard(here, use, "/"), heard(told, use, "/")
        assert heard_ is RESERVED or meant not in (RESERVED, Value.CONSTRAINED)
        assert heard_ is not ALLOWED or meant is ALLOWED


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"all"',
        b"{",
        b"\xff\xfe{}",
        b'{"all": "n", "all": "y"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b" " * (MAX_BYTES + 1),
    ],
)
def test_what_is_no_declaration_is_an_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        read(data)


@given(st.binary(max_size=200))
def test_nothing_breaks_it(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        read(data)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.lists(st.text())))
def test_strange_keys_are_remarks(said: dict[str, Any]) -> None:
    assert read(json.dumps(said).encode()).remarks
