"""The training-mining assertion: four uses, three words, and terms only where they are a link."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.manifest import TRAINING_MINING_LABEL
from provenance.model import MiningEntry
from provenance.report import facts_from_report
from registry.domain.preferences import Use, Value
from registry.formats.cawg import MAX_ENTRIES, read, write
from registry.formats.statements import FormatError, Statement
from tests.saying import TERMS, any_statements, said, said_whole

USES = (Use.TRAIN, Use.TRAIN_GENERATIVE, Use.INPUT, Use.TDM)


def entries(**rules: Any) -> dict[str, Any]:
    return {"entries": {name.replace("__", "."): rule for name, rule in rules.items()}}


def test_an_assertion_is_read() -> None:
    read_ = read(
        entries(
            cawg__ai_training={"use": "notAllowed"},
            cawg__ai_generative_training={"use": "constrained", "constraint_info": TERMS},
            cawg__ai_inference={"use": "allowed"},
            cawg__data_mining={"use": "constrained"},
        )
    )
    assert read_.remarks == ()
    assert read_.statements == (
        said(Use.TRAIN, Value.RESERVED),
        said(Use.TRAIN_GENERATIVE, Value.CONSTRAINED, terms_url=TERMS),
        said(Use.INPUT, Value.ALLOWED),
        said(Use.TDM, Value.CONSTRAINED),
    )


def test_the_older_spelling_is_read_alike() -> None:
    read_ = read(entries(c2pa__ai_training={"use": "notAllowed"}, c2pa__data_mining={"use": "allowed"}))
    assert read_.statements == (said(Use.TRAIN, Value.RESERVED), said(Use.TDM, Value.ALLOWED))


@pytest.mark.parametrize(
    "info", ["Write to us.", "mailto:a@b.example", "https://", "https://a b/", "ftp://x.example/", 7, [], "x" * 10**6]
)
def test_terms_that_are_no_link_are_a_remark_and_the_use_stays_constrained(info: object) -> None:
    read_ = read(entries(cawg__ai_training={"use": "constrained", "constraint_info": info}))
    assert read_.statements == (said(Use.TRAIN, Value.CONSTRAINED),)
    assert len(read_.remarks) == 1
    assert len(read_.remarks[0].problem) < 200


@pytest.mark.parametrize(
    "rule",
    [None, "notAllowed", [], {}, {"use": None}, {"use": "no"}, {"use": ["allowed"]}, {"use": {"a": 1}}, {"use": True}],
)
def test_a_rule_that_cannot_be_read_is_a_remark_and_no_permission(rule: object) -> None:
    read_ = read(entries(cawg__ai_training=rule))
    assert (read_.statements, len(read_.remarks)) == ((), 1)


def test_an_unknown_entry_is_a_remark() -> None:
    read_ = read(entries(cawg__ai_dreaming={"use": "notAllowed"}, cawg__ai_training={"use": "allowed"}))
    assert [remark.where for remark in read_.remarks] == ["'cawg.ai_dreaming'"]
    assert len(read_.statements) == 1


@pytest.mark.parametrize("assertion", [{}, {"entries": []}, {"entries": None}, None, [], "x", 3])
def test_what_is_no_assertion_is_an_error(assertion: object) -> None:
    with pytest.raises(FormatError, match="entries"):
        read(assertion)


def test_too_many_entries_are_an_error() -> None:
    with pytest.raises(FormatError, match="more than"):
        read({"entries": {f"x{number}": {} for number in range(MAX_ENTRIES + 1)}})


def test_our_own_reader_of_manifests_understands_what_is_written() -> None:
    written = write(said(use, Value.RESERVED) for use in USES)
    manifest = {"assertions": [{"label": TRAINING_MINING_LABEL, "data": json.loads(written.text)}]}
    report = json.dumps({"active_manifest": "m", "manifests": {"m": manifest}, "validation_state": "Valid"})
    facts = facts_from_report(report, anchors=())
    assert facts.training_mining == {str(entry): {"use": "notAllowed"} for entry in MiningEntry}


def test_two_different_terms_for_one_use_come_to_reserved() -> None:
    other = said(Use.TRAIN, Value.CONSTRAINED, terms_url="https://other.example/")
    written = write([said(Use.TRAIN, Value.CONSTRAINED, terms_url=TERMS), other])
    assert json.loads(written.text) == entries(cawg__ai_training={"use": "notAllowed"})
    assert len(written.left_out) == 2


def test_what_cannot_be_said_is_left_out() -> None:
    written = write(
        [
            said(Use.SEARCH, Value.RESERVED),
            said(Use.DEPICT_IN_OUTPUT, Value.RESERVED),
            said(Use.TRAIN, Value.RESERVED, "/films/"),
            said(Use.INPUT, Value.ALLOWED, territory="EU"),
        ]
    )
    assert json.loads(written.text) == {"entries": {}}
    assert {remark.where for remark in written.left_out} == {
        "search: reserved",
        "depict_in_output: reserved",
        "train: reserved for /films/",
        "input: allowed in EU",
    }


RULES = st.one_of(
    st.builds(Statement, use=st.sampled_from(USES), value=st.sampled_from(Value)),
    st.builds(Statement, use=st.sampled_from(USES), value=st.just(Value.CONSTRAINED), terms_url=st.just(TERMS)),
)


@given(st.lists(RULES, unique_by=lambda one: one.use))
def test_an_assertion_is_read_as_it_was_written(statements: list[Statement]) -> None:
    written = write(statements)
    assert written.left_out == ()
    assert set(read(json.loads(written.text)).statements) == set(statements)


@given(st.lists(any_statements()))
def test_nothing_is_allowed_that_was_not(statements: list[Statement]) -> None:
    written = write(statements)
    told = {one.use: one.value for one in read(json.loads(written.text)).statements}
    for use, value in told.items():
        assert any(one.use is use and one.location is None for one in statements)
        if value is Value.ALLOWED:
            assert any(one.use is use and one.value is value and one.territory == "worldwide" for one in statements)
    whole = [one for one in said_whole(statements, written) if one.order == 0]
    assert {(one.use, one.value) for one in whole} <= set(told.items())


@given(
    st.recursive(st.none() | st.booleans() | st.text() | st.floats(), lambda inner: st.dictionaries(st.text(), inner))
)
def test_nothing_breaks_it(value: object) -> None:
    assert read({"entries": {"cawg.ai_training": value}}).statements == () or isinstance(value, dict)
