"""What a notice and a counter-notice must say, on each track."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takedown.domain.completeness import (
    Assessment,
    CounterContent,
    Element,
    NoticeContent,
    Outcome,
    assess,
)
from takedown.domain.track import Track, TrackName
from takedown.domain.tracks import TRACKS

DMCA_512 = TRACKS[TrackName.DMCA_512]
DSA_16 = TRACKS[TrackName.DSA_16]
TAKE_IT_DOWN = TRACKS[TrackName.TAKE_IT_DOWN]
LIKENESS = TRACKS[TrackName.LIKENESS]

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
    explanation="It is my film, whole, without a licence.",
    depicted_person="Ada Example",
    bona_fide=True,
    without_consent=True,
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
# The least that a law asks for, and nothing that it does not.
LEAST = {
    TrackName.DMCA_512: NoticeContent(
        signature="Ada Example",
        work_description="The film 'Carphone'",
        material=("rel_1",),
        contact_name="Ada Example",
        contact_telephone="+1 555 0100",
        good_faith=True,
        accuracy_under_penalty_of_perjury=True,
        authority=True,
    ),
    TrackName.DSA_16: NoticeContent(
        explanation="It shows me without my consent.",
        material=("https://example.org/clips/1",),
        contact_name="Ada Example",
        contact_email="ada@example.org",
        bona_fide=True,
    ),
    TrackName.TAKE_IT_DOWN: NoticeContent(
        signature="Ada Example",
        material=("https://example.org/clips/1",),
        contact_name="Ada Example",
        contact_telephone="+1 555 0100",
        without_consent=True,
    ),
    TrackName.LIKENESS: NoticeContent(
        signature="Ada Example",
        depicted_person="Ada Example",
        material=("rel_1",),
        contact_name="Ada Example",
        contact_email="ada@example.org",
        without_consent=True,
        authority=True,
    ),
}

WITHOUT: dict[str, dict[str, Any]] = {
    "signature": {"signature": None},
    "work": {"work_description": None, "work_ids": ()},
    "material": {"material": ()},
    "contact": {"contact_address": None, "contact_telephone": None, "contact_email": None},
    "good_faith": {"good_faith": False},
    "accuracy_and_authority": {"accuracy_under_penalty_of_perjury": False, "authority": False},
    "explanation": {"explanation": None},
    "location": {"material": ()},
    "bona_fide": {"bona_fide": False},
    "without_consent": {"without_consent": False},
    "person": {"depicted_person": None, "work_ids": ()},
    "authority": {"authority": False},
}
CURABLE, DEFECTIVE = Outcome.CURABLE, Outcome.DEFECTIVE
# In the law's order: what follows when an element is missing, where the law asks for it, and a word of what to supply.
ELEMENTS = {
    TrackName.DMCA_512: {
        "signature": (CURABLE, "17 U.S.C. 512(c)(3)(A)(i)", "full name"),
        "work": (DEFECTIVE, "17 U.S.C. 512(c)(3)(A)(ii)", "work"),
        "material": (DEFECTIVE, "17 U.S.C. 512(c)(3)(A)(iii)", "URL"),
        "contact": (DEFECTIVE, "17 U.S.C. 512(c)(3)(A)(iv)", "telephone"),
        "good_faith": (CURABLE, "17 U.S.C. 512(c)(3)(A)(v)", "good-faith belief"),
        "accuracy_and_authority": (CURABLE, "17 U.S.C. 512(c)(3)(A)(vi)", "penalty of perjury"),
    },
    TrackName.DSA_16: {
        "explanation": (CURABLE, "DSA art. 16(2)(a)", "reasons"),
        "location": (CURABLE, "DSA art. 16(2)(b)", "URL"),
        "contact": (CURABLE, "DSA art. 16(2)(c)", "e-mail"),
        "bona_fide": (CURABLE, "DSA art. 16(2)(d)", "accurate and complete"),
    },
    TrackName.TAKE_IT_DOWN: {
        "signature": (CURABLE, "TAKE IT DOWN Act sec. 3, 47 U.S.C. 223a(a)(1)(B)(i)", "full name"),
        "material": (DEFECTIVE, "TAKE IT DOWN Act sec. 3, 47 U.S.C. 223a(a)(1)(B)(ii)", "URL"),
        "without_consent": (CURABLE, "TAKE IT DOWN Act sec. 3, 47 U.S.C. 223a(a)(1)(B)(iii)", "consent"),
        "contact": (DEFECTIVE, "TAKE IT DOWN Act sec. 3, 47 U.S.C. 223a(a)(1)(B)(iv)", "telephone"),
    },
    TrackName.LIKENESS: {
        "signature": (CURABLE, LIKENESS.statute, "full name"),
        "person": (DEFECTIVE, LIKENESS.statute, "voice or likeness"),
        "material": (DEFECTIVE, LIKENESS.statute, "URL"),
        "contact": (DEFECTIVE, LIKENESS.statute, "telephone"),
        "without_consent": (CURABLE, LIKENESS.statute, "did not allow"),
        "authority": (CURABLE, LIKENESS.statute, "act for them"),
    },
}
EACH = [(TRACKS[name], element, *said) for name, elements in ELEMENTS.items() for element, said in elements.items()]

on_every_track = pytest.mark.parametrize("track", TRACKS.values(), ids=lambda track: track.name.value)


def names(elements: Sequence[Element]) -> list[str]:
    return [element.name for element in elements]


def lacking(content: NoticeContent | CounterContent, track: Track = DMCA_512) -> list[str]:
    elements = track.counter_elements if isinstance(content, CounterContent) else track.elements
    return names(assess(elements, content).missing)


# -- notices -------------------------------------------------------------------------------------


@on_every_track
@given(data=st.data())
def test_the_outcome_follows_from_which_elements_are_missing(track: Track, data: st.DataObject) -> None:
    table = ELEMENTS[track.name]
    absent = data.draw(st.sets(st.sampled_from(sorted(table))))
    content = NOTICE
    for element in absent:
        content = replace(content, **WITHOUT[element])
    assessment = assess(track.elements, content)
    assert names(assessment.missing) == [element for element in table if element in absent]
    if not absent:
        assert assessment.outcome is Outcome.COMPLETE
    elif any(table[element][0] is DEFECTIVE for element in absent):
        assert assessment.outcome is Outcome.DEFECTIVE
    else:
        assert assessment.outcome is Outcome.CURABLE


@pytest.mark.parametrize(("track", "element", "outcome", "reference", "words"), EACH)
def test_a_missing_element_names_its_clause_and_what_to_supply(
    track: Track, element: str, outcome: Outcome, reference: str, words: str
) -> None:
    assessment = assess(track.elements, replace(NOTICE, **WITHOUT[element]))
    assert assessment.outcome is outcome
    [missing] = assessment.missing
    assert (missing.name, missing.reference) == (element, reference)
    assert words in missing.what_to_supply


@on_every_track
def test_the_law_asks_for_these_elements_in_this_order(track: Track) -> None:
    assert names(track.elements) == list(ELEMENTS[track.name])


@on_every_track
def test_what_the_law_asks_for_is_enough(track: Track) -> None:
    assert assess(track.elements, LEAST[track.name]) == Assessment(outcome=Outcome.COMPLETE, missing=())


@on_every_track
def test_what_other_tracks_ask_for_does_not_replace_what_this_one_does(track: Track) -> None:
    enough = {name for name, content in LEAST.items() if assess(track.elements, content).outcome is Outcome.COMPLETE}
    # A notice of likeness says all that a request to take an intimate depiction down must, and more.
    also = {TrackName.LIKENESS} if track.name is TrackName.TAKE_IT_DOWN else set()
    assert enough == {track.name} | also


@on_every_track
def test_an_empty_notice_lacks_everything(track: Track) -> None:
    assessment = assess(track.elements, NoticeContent())
    outcome = Outcome.CURABLE if track is DSA_16 else Outcome.DEFECTIVE
    assert assessment == Assessment(outcome=outcome, missing=track.elements)
    assert lacking(CounterContent(), track) == names(track.counter_elements)


def test_the_three_indispensable_elements_alone_are_curable() -> None:
    bare = NoticeContent(
        work_description="A song", material=("rel_1",), contact_name="Ada", contact_email="ada@example.org"
    )
    assert assess(DMCA_512.elements, bare).outcome is Outcome.CURABLE
    assert lacking(bare) == ["signature", "good_faith", "accuracy_and_authority"]


BLANK = st.text(alphabet=" \t\r\n\u00a0\u2003")


@given(BLANK)
def test_white_space_says_nothing(blank: str) -> None:
    assert lacking(replace(NOTICE, signature=blank)) == ["signature"]
    assert lacking(replace(NOTICE, work_description=blank, work_ids=(blank,))) == ["work"]
    assert lacking(replace(NOTICE, material=(blank, blank))) == ["material"]
    assert lacking(replace(NOTICE, contact_name=blank), DSA_16) == ["contact"]
    assert lacking(replace(COUNTER, telephone=blank)) == ["contact_and_consent"]
    assert lacking(replace(NOTICE, explanation=blank), DSA_16) == ["explanation"]
    assert lacking(replace(NOTICE, contact_email=blank), DSA_16) == ["contact"]
    assert lacking(replace(NOTICE, material=(blank,)), TAKE_IT_DOWN) == ["material"]
    assert lacking(replace(NOTICE, depicted_person=blank, work_ids=(blank,)), LIKENESS) == ["person"]


@pytest.mark.parametrize("kept", ["work_description", "work_ids"])
def test_a_work_is_named_by_words_or_by_its_id(kept: str) -> None:
    content = replace(NOTICE, **(WITHOUT["work"] | {kept: getattr(NOTICE, kept)}))
    assert assess(DMCA_512.elements, content).outcome is Outcome.COMPLETE


@pytest.mark.parametrize("kept", ["depicted_person", "work_ids"])
def test_a_person_is_named_or_is_that_of_a_registered_work(kept: str) -> None:
    content = replace(NOTICE, **(WITHOUT["person"] | {kept: getattr(NOTICE, kept)}))
    assert assess(LIKENESS.elements, content).outcome is Outcome.COMPLETE


@pytest.mark.parametrize("track", [DMCA_512, TAKE_IT_DOWN, LIKENESS], ids=lambda track: track.name.value)
@pytest.mark.parametrize("kept", ["contact_address", "contact_telephone", "contact_email"])
def test_one_way_to_reach_the_claimant_is_enough(track: Track, kept: str) -> None:
    content = replace(NOTICE, **(WITHOUT["contact"] | {kept: getattr(NOTICE, kept)}))
    assert assess(track.elements, content).outcome is Outcome.COMPLETE


def test_who_notifies_illegal_content_gives_an_email_address() -> None:
    assert lacking(replace(NOTICE, contact_email=None), DSA_16) == ["contact"]
    by_mail = replace(NOTICE, contact_address=None, contact_telephone=None)
    assert assess(DSA_16.elements, by_mail).outcome is Outcome.COMPLETE


def test_a_name_is_asked_for_where_the_law_asks_for_one() -> None:
    without = replace(NOTICE, contact_name=None)
    assert {track.name: lacking(without, track) for track in TRACKS.values()} == {
        TrackName.DMCA_512: [], TrackName.DSA_16: ["contact"], TrackName.TAKE_IT_DOWN: [], TrackName.LIKENESS: [],
    }  # fmt: skip


@pytest.mark.parametrize("unsaid", ["accuracy_under_penalty_of_perjury", "authority"])
def test_accuracy_and_authority_are_both_stated(unsaid: str) -> None:
    without: dict[str, Any] = {unsaid: False}
    assert lacking(replace(NOTICE, **without)) == ["accuracy_and_authority"]


# -- counter-notices -----------------------------------------------------------------------------


def test_each_element_of_a_counter_notice_has_a_clause_of_its_own() -> None:
    references = [element.reference for element in DMCA_512.counter_elements]
    assert references == [f"17 U.S.C. 512(g)(3)({clause})" for clause in "ABCD"]


def test_a_whole_counter_notice_is_complete() -> None:
    assert assess(DMCA_512.counter_elements, COUNTER) == Assessment(outcome=Outcome.COMPLETE, missing=())


@pytest.mark.parametrize(
    ("unsaid", "element", "words"),
    [
        ({"signature": None}, "signature", "full name"),
        ({"material": ()}, "material", "which material"),
        ({"former_locations": ()}, "material", "before that"),
        ({"mistake_under_penalty_of_perjury": False}, "mistake_or_misidentification", "penalty of perjury"),
        ({"name": None}, "contact_and_consent", "name"),
        ({"address": None}, "contact_and_consent", "address"),
        ({"telephone": None}, "contact_and_consent", "telephone"),
        ({"consent_to_jurisdiction": False}, "contact_and_consent", "federal court"),
        ({"accept_service": False}, "contact_and_consent", "service of process"),
    ],
)
def test_an_incomplete_counter_notice_can_be_completed(unsaid: dict[str, Any], element: str, words: str) -> None:
    assessment = assess(DMCA_512.counter_elements, replace(COUNTER, **unsaid))
    assert assessment.outcome is Outcome.CURABLE
    [missing] = assessment.missing
    assert missing.name == element
    assert words in missing.what_to_supply


# -- statements ----------------------------------------------------------------------------------


@on_every_track
def test_a_statement_is_made_by_who_says_all_of_it(track: Track) -> None:
    assert track.statements_in(NOTICE) == track.statements
    assert track.statements_in(COUNTER) == track.counter_statements
    assert track.statements_in(NoticeContent()) == track.statements_in(CounterContent()) == ()
    for statement in track.statements:
        for field in statement.fields:
            without: dict[str, Any] = {field: False}
            assert statement not in track.statements_in(replace(NOTICE, **without))
    for statement in track.counter_statements:
        for field in statement.fields:
            without = {field: False}
            assert statement not in track.statements_in(replace(COUNTER, **without))


@on_every_track
def test_a_complete_notice_has_every_statement_of_its_track(track: Track) -> None:
    assert track.statements_in(LEAST[track.name]) == track.statements


def test_a_changed_statement_takes_a_new_version() -> None:
    """Parties signed these words: change a text and its version together, never the text alone."""
    made = {one for track in TRACKS.values() for one in (*track.statements, *track.counter_statements)}
    digests = sorted((one.name, one.version, hashlib.sha256(one.text.encode()).hexdigest()[:16]) for one in made)
    assert digests == [
        ("accuracy_and_authority", 1, "430ddac1bf8cab5c"),
        ("bona_fide", 1, "92c7ce104ce0ab80"),
        ("consent_to_jurisdiction", 1, "65fd597e4f51964f"),
        ("good_faith", 1, "376f40ee8516850c"),
        ("intimate_depiction_without_consent", 1, "51d9a47a942a8a1d"),
        ("likeness_authority", 1, "8764357ca5808202"),
        ("likeness_without_consent", 1, "3b044d8cc06e4dd1"),
        ("mistake_or_misidentification", 1, "d0cbdead4524add5"),
    ]


def test_perjury_is_what_the_words_themselves_speak_of() -> None:
    for track in TRACKS.values():
        for one in (*track.statements, *track.counter_statements):
            assert one.perjury == ("penalty of perjury" in one.text)
