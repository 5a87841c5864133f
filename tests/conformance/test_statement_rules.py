"""What we submit to the DSA Transparency Database keeps its rules, and each rule can be broken."""

import itertools
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from takedown.domain.statement_of_reasons import (
    EUROPEAN_ECONOMIC_AREA,
    EUROPEAN_UNION,
    Decided,
    StatementRefused,
    problems,
    statement,
)
from takedown.domain.states import Event
from takedown.domain.track import TrackName
from takedown.domain.tracks import TRACKS
from tests.conformance.statement_rules import EEA, KEYWORDS, KEYWORDS_OF, MEMBER_STATES, RULES, Rule, broken, offences

DECIDED = Decided(
    notice_id="ntc_01901234567890abcdef1234567890ab",
    position=1,
    track=TrackName.DSA_16,
    is_trusted_flagger=False,
    media_type="video/mp4",
    is_synthetic=False,
    created_on=date(2026, 5, 2),
    disabled_on=date(2026, 5, 19),
    restored_on=None,
    reason_code="copyright_infringement",
    legal_ground="Directive 2001/29/EC, art. 3",
    explanation="The video makes the film available to the public without authorization.",
    facts="A notice under article 16 named the film. The reviewer compared both from 00:01:23 to 00:02:34.",
    language="en-GB",
    automated_detection=True,
    territorial_scope=EUROPEAN_UNION,
    reference_url="https://eur-lex.europa.eu/eli/dir/2001/29/oj",
    incompatible=False,
)
MEDIA_TYPES = ("video/mp4", "audio/mpeg", "image/jpeg", "text/plain", "application/pdf", None)
# Texts that come near the rules: long ones, blank ones, digits in all spacings, other scripts, half characters.
TEXTS = st.one_of(
    st.text(),
    st.text(alphabet="0123456789 +-.()/\n\tat@x,٣３"),
    st.text(alphabet=st.characters(), min_size=400),
    st.builds(lambda text, times: text * times, st.text(min_size=1), st.integers(1, 600)),
    st.lists(
        st.sampled_from(
            ("2026-05-19", "19.05.2026", "2022/2065", "47-25-1105", "ISBN 978-3-16-148410-0", "030", "55501", "+", "of")
        )
    ).map(" ".join),
)


@pytest.mark.parametrize(
    ("track", "media_type", "is_trusted_flagger", "is_synthetic", "incompatible"),
    list(itertools.product(TrackName, MEDIA_TYPES, (True, False), (True, False), (True, False))),
)
def test_each_kind_of_decision_is_accepted(
    track: TrackName, media_type: str | None, *, is_trusted_flagger: bool, is_synthetic: bool, incompatible: bool
) -> None:
    for reason in TRACKS[track].reasons[Event.DISABLE]:
        made = statement(
            replace(
                DECIDED,
                track=track,
                media_type=media_type,
                is_trusted_flagger=is_trusted_flagger,
                is_synthetic=is_synthetic,
                incompatible=incompatible,
                reason_code=reason.code,
            )
        )
        assert offences(made) == []
        assert problems(made) == []
        assert _keywords(made) <= set(KEYWORDS_OF[_category(made)].split())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_broken_rule_is_noticed_by_both(rule: Rule) -> None:
    refused = broken(statement(DECIDED), rule)

    assert rule.name in offences(refused)
    assert any(problem.startswith(f"{rule.field}: ") for problem in problems(refused))


@given(legal_ground=TEXTS, explanation=TEXTS, facts=TEXTS, incompatible=st.booleans())
@example(legal_ground="a" * 501, explanation="𝄞" * 2001, facts="word " * 2000, incompatible=False)
@example(legal_ground="\u200b", explanation="a", facts="a", incompatible=False)
def test_whatever_the_texts_a_statement_keeps_the_rules_or_is_refused(**texts: Any) -> None:
    try:
        made = statement(replace(DECIDED, **texts))
    except StatementRefused:
        return

    assert offences(made) == []


@given(
    st.dictionaries(
        st.sampled_from(sorted({rule.field for rule in RULES})),
        st.none() | st.text(max_size=9) | st.integers() | st.lists(st.text(max_size=9)) | st.just({"EAN-13": 1}),
    )
)
def test_what_is_no_statement_at_all_is_refused_and_not_tripped_over(changes: dict[str, Any]) -> None:
    found = problems({**changes, "decision_facts": None})

    assert "decision_facts: fill it in, it is required" in found


def test_both_know_the_same_words() -> None:
    assert set(EUROPEAN_UNION) == MEMBER_STATES
    assert set(EUROPEAN_ECONOMIC_AREA) == EEA
    good = statement(DECIDED)
    assert problems({**good, "category_specification": sorted(KEYWORDS)}) == []
    for category in KEYWORDS_OF:
        assert problems({**good, "category": f"STATEMENT_CATEGORY_{category}"}) == []


def _category(made: dict[str, object]) -> str:
    return str(made["category"]).removeprefix("STATEMENT_CATEGORY_")


def _keywords(made: dict[str, object]) -> set[str]:
    keywords = made.get("category_specification", [])
    assert isinstance(keywords, list)
    return {keyword.removeprefix("KEYWORD_") for keyword in keywords}
