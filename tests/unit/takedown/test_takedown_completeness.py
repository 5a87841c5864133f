"""What a notice and a counter-notice must say."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takedown.domain.completeness import (
    STATEMENTS,
    Assessment,
    CounterContent,
    CounterElement,
    Element,
    NoticeContent,
    Outcome,
    assess,
    assess_counter,
)

NOTICE = NoticeContent(
    signature="Ada Example",
    work_description="The film 'Carphone'",
    work_ids=("wrk_1",),
    material=("rel_1",),
    contact_name="Ada Example",
    contact_address="1 Main Street, Springfield",
    contact_telephone="+1 555 0100",
    contact_email="ada@example.org",
    good_faith=True,
    accuracy_under_penalty_of_perjury=True,
    authority=True,
)
COUNTER = CounterContent(
    signature="Bo Example",
    material=("rel_1",),
    former_locations=("https://example.org/clips/1",),
    mistake_under_penalty_of_perjury=True,
    name="Bo Example",
    address="2 Side Street, Springfield",
    telephone="+1 555 0101",
    consent_to_jurisdiction=True,
    accept_service=True,
)

WITHOUT: dict[Element, dict[str, Any]] = {
    Element.SIGNATURE: {"signature": None},
    Element.WORK: {"work_description": None, "work_ids": ()},
    Element.MATERIAL: {"material": ()},
    Element.CONTACT: {"contact_address": None, "contact_telephone": None, "contact_email": None},
    Element.GOOD_FAITH: {"good_faith": False},
    Element.ACCURACY_AND_AUTHORITY: {"authority": False},
}
INDISPENSABLE = {Element.WORK, Element.MATERIAL, Element.CONTACT}


def lacking(assessment: Assessment) -> list[str]:
    return [missing.element for missing in assessment.missing]


@given(st.sets(st.sampled_from(Element)))
def test_the_outcome_follows_from_which_elements_are_missing(absent: set[Element]) -> None:
    content = NOTICE
    for element in absent:
        content = replace(content, **WITHOUT[element])
    assessment = assess(content)
    assert lacking(assessment) == [element for element in Element if element in absent]
    if not absent:
        assert assessment.outcome is Outcome.COMPLETE
    elif absent & INDISPENSABLE:
        assert assessment.outcome is Outcome.DEFECTIVE
    else:
        assert assessment.outcome is Outcome.CURABLE


def test_the_three_indispensable_elements_alone_are_curable() -> None:
    bare = NoticeContent(
        work_description="A song", material=("rel_1",), contact_name="Ada", contact_email="ada@example.org"
    )
    assessment = assess(bare)
    assert assessment.outcome is Outcome.CURABLE
    assert lacking(assessment) == [Element.SIGNATURE, Element.GOOD_FAITH, Element.ACCURACY_AND_AUTHORITY]


def test_an_empty_notice_lacks_everything() -> None:
    assert lacking(assess(NoticeContent())) == list(Element)
    assert lacking(assess_counter(CounterContent())) == list(CounterElement)


def test_a_missing_element_names_its_clause_and_what_to_supply() -> None:
    (missing,) = assess(replace(NOTICE, signature=None)).missing
    assert missing.reference == "17 U.S.C. 512(c)(3)(A)(i)"
    assert "full name" in missing.what_to_supply
    (missing,) = assess_counter(replace(COUNTER, consent_to_jurisdiction=False)).missing
    assert missing.reference == "17 U.S.C. 512(g)(3)(D)"


def test_each_element_has_a_clause_of_its_own() -> None:
    assert [element.reference for element in Element] == [
        f"17 U.S.C. 512(c)(3)(A)({clause})" for clause in ("i", "ii", "iii", "iv", "v", "vi")
    ]
    assert [element.reference for element in CounterElement] == [f"17 U.S.C. 512(g)(3)({clause})" for clause in "ABCD"]


BLANK = st.text(alphabet=" \t\r\n\u00a0\u2003")


@given(BLANK)
def test_white_space_says_nothing(blank: str) -> None:
    assert lacking(assess(replace(NOTICE, signature=blank))) == [Element.SIGNATURE]
    assert lacking(assess(replace(NOTICE, work_description=blank, work_ids=(blank,)))) == [Element.WORK]
    assert lacking(assess(replace(NOTICE, material=(blank, blank)))) == [Element.MATERIAL]
    assert lacking(assess(replace(NOTICE, contact_name=blank))) == [Element.CONTACT]
    assert lacking(assess_counter(replace(COUNTER, telephone=blank))) == [CounterElement.CONTACT_AND_CONSENT]


@pytest.mark.parametrize("kept", ["work_description", "work_ids"])
def test_a_work_is_named_by_words_or_by_its_id(kept: str) -> None:
    content = replace(NOTICE, **(WITHOUT[Element.WORK] | {kept: getattr(NOTICE, kept)}))
    assert assess(content).outcome is Outcome.COMPLETE


@pytest.mark.parametrize("kept", ["contact_address", "contact_telephone", "contact_email"])
def test_one_way_to_reach_the_claimant_is_enough(kept: str) -> None:
    content = replace(NOTICE, **(WITHOUT[Element.CONTACT] | {kept: getattr(NOTICE, kept)}))
    assert assess(content).outcome is Outcome.COMPLETE


@pytest.mark.parametrize("unsaid", ["accuracy_under_penalty_of_perjury", "authority"])
def test_accuracy_and_authority_are_both_stated(unsaid: str) -> None:
    without: dict[str, Any] = {unsaid: False}
    assert lacking(assess(replace(NOTICE, **without))) == [Element.ACCURACY_AND_AUTHORITY]


def test_a_whole_counter_notice_is_complete() -> None:
    assert assess_counter(COUNTER) == Assessment(outcome=Outcome.COMPLETE, missing=())


@pytest.mark.parametrize(
    ("unsaid", "element"),
    [
        ({"signature": None}, CounterElement.SIGNATURE),
        ({"material": ()}, CounterElement.MATERIAL),
        ({"former_locations": ()}, CounterElement.MATERIAL),
        ({"mistake_under_penalty_of_perjury": False}, CounterElement.MISTAKE),
        ({"name": None}, CounterElement.CONTACT_AND_CONSENT),
        ({"address": None}, CounterElement.CONTACT_AND_CONSENT),
        ({"telephone": None}, CounterElement.CONTACT_AND_CONSENT),
        ({"consent_to_jurisdiction": False}, CounterElement.CONTACT_AND_CONSENT),
        ({"accept_service": False}, CounterElement.CONTACT_AND_CONSENT),
    ],
)
def test_an_incomplete_counter_notice_can_be_completed(unsaid: dict[str, Any], element: CounterElement) -> None:
    assessment = assess_counter(replace(COUNTER, **unsaid))
    assert assessment.outcome is Outcome.CURABLE
    assert lacking(assessment) == [element]


def test_a_changed_statement_takes_a_new_version() -> None:
    """Parties signed these words: change a text and its version together, never the text alone."""
    digests = {
        name: (statement.version, hashlib.sha256(statement.text.encode()).hexdigest()[:16])
        for name, statement in STATEMENTS.items()
    }
    assert digests == {
        "good_faith": (1, "376f40ee8516850c"),
        "accuracy_and_authority": (1, "430ddac1bf8cab5c"),
        "mistake_or_misidentification": (1, "d0cbdead4524add5"),
        "consent_to_jurisdiction": (1, "65fd597e4f51964f"),
    }
