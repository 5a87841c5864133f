"""How a decision becomes a statement of reasons; the database's own rules are held in tests/conformance."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from takedown.domain.statement_of_reasons import (
    EUROPEAN_ECONOMIC_AREA,
    Decided,
    StatementRefused,
    personal_data,
    problems,
    statement,
)
from takedown.domain.track import TrackName
from takedown.errors import TakedownError

DECIDED = Decided(
    notice_id="ntc_1",
    position=1,
    track=TrackName.DMCA_512,
    is_trusted_flagger=False,
    media_type="video/mp4",
    is_synthetic=False,
    created_on=date(2026, 5, 2),
    disabled_on=date(2026, 5, 19),
    restored_on=None,
    reason_code="copyright_infringement",
    legal_ground="17 U.S.C. 106(3)",
    explanation="The video shows the film.",
    facts="A notice named the film, and both were compared.",
    language="en",
    automated_detection=False,
    territorial_scope=EUROPEAN_ECONOMIC_AREA,
    reference_url=None,
    incompatible=False,
)
SYNTHETIC = {"is_synthetic": True}
INTELLECTUAL_PROPERTY = ("INTELLECTUAL_PROPERTY_INFRINGEMENTS", ["COPYRIGHT_INFRINGEMENT"])
DEEPFAKE = ("CYBER_VIOLENCE", ["NON_CONSENSUAL_MATERIAL_DEEPFAKE"])
PRIVACY = ("DATA_PROTECTION_AND_PRIVACY_VIOLATIONS", ["OTHER"])


def made(**changes: Any) -> dict[str, Any]:
    return statement(replace(DECIDED, **changes))


def refused(**changes: Any) -> tuple[str, ...]:
    with pytest.raises(StatementRefused) as refusal:
        made(**changes)
    return refusal.value.problems


@pytest.mark.parametrize(
    ("changes", "category", "keywords"),
    [
        ({"track": "dmca_512"}, *INTELLECTUAL_PROPERTY),
        ({"track": "dmca_512", "reason_code": "other"}, *INTELLECTUAL_PROPERTY),
        ({"track": "dsa_16"}, *INTELLECTUAL_PROPERTY),
        ({"track": "dsa_16", "reason_code": "personality_right"}, *PRIVACY),
        ({"track": "dsa_16", "reason_code": "personality_right", **SYNTHETIC}, *DEEPFAKE),
        ({"track": "dsa_16", "reason_code": "incompatible_with_terms"}, "OTHER_VIOLATION_TC", []),
        ({"track": "dsa_16", "reason_code": "other", "incompatible": True}, "OTHER_VIOLATION_TC", []),
        ({"track": "dsa_16", "reason_code": "other"}, "NOT_SPECIFIED_NOTICE", []),
        (
            {"track": "take_it_down", "reason_code": "intimate_depiction"},
            "CYBER_VIOLENCE",
            ["NON_CONSENSUAL_IMAGE_SHARING"],
        ),
        (
            {"track": "take_it_down", "reason_code": "other", **SYNTHETIC},
            "CYBER_VIOLENCE",
            ["NON_CONSENSUAL_IMAGE_SHARING", "NON_CONSENSUAL_MATERIAL_DEEPFAKE"],
        ),
        ({"track": "likeness", "reason_code": "voice_or_likeness"}, *PRIVACY),
        ({"track": "likeness", "reason_code": "voice_or_likeness", **SYNTHETIC}, *DEEPFAKE),
    ],
)
def test_the_category_follows_the_reason_then_the_track(
    changes: dict[str, Any], category: str, keywords: list[str]
) -> None:
    result = made(**changes)

    assert result["category"] == f"STATEMENT_CATEGORY_{category}"
    assert result.get("category_specification", []) == [f"KEYWORD_{keyword}" for keyword in keywords]


@pytest.mark.parametrize(
    ("track", "is_trusted_flagger", "source"),
    [
        ("dsa_16", True, "SOURCE_TRUSTED_FLAGGER"),
        ("dsa_16", False, "SOURCE_ARTICLE_16"),
        ("dmca_512", False, "SOURCE_TYPE_OTHER_NOTIFICATION"),
    ],
)
def test_the_source_says_what_kind_of_notice_led_to_it(track: str, *, is_trusted_flagger: bool, source: str) -> None:
    assert made(track=track, is_trusted_flagger=is_trusted_flagger)["source_type"] == source


@pytest.mark.parametrize(
    ("media_type", "content_type", "other"),
    [
        ("video/mp4", "VIDEO", None),
        ("audio/mpeg", "AUDIO", None),
        ("image/jpeg", "IMAGE", None),
        ("text/plain", "TEXT", None),
        ("application/pdf", "OTHER", "File of type application/pdf"),
        (None, "OTHER", "Material known by its web address alone"),
    ],
)
def test_the_content_type_follows_the_media_type(media_type: str | None, content_type: str, other: str | None) -> None:
    result = made(media_type=media_type)

    assert result["content_type"] == [f"CONTENT_TYPE_{content_type}"]
    assert result.get("content_type_other") == other


def test_synthetic_media_are_named_beside_their_kind() -> None:
    assert made(is_synthetic=True)["content_type"] == ["CONTENT_TYPE_VIDEO", "CONTENT_TYPE_SYNTHETIC_MEDIA"]


def test_a_decision_under_law_gives_the_law() -> None:
    result = made()

    assert result["decision_ground"] == "DECISION_GROUND_ILLEGAL_CONTENT"
    assert result["illegal_content_legal_ground"] == DECIDED.legal_ground
    assert result["illegal_content_explanation"] == DECIDED.explanation
    assert not [name for name in result if name.startswith("incompatible")]


def test_a_decision_under_terms_gives_the_terms_and_does_not_call_the_content_illegal() -> None:
    result = made(incompatible=True, legal_ground="Terms, section 4")

    assert result["decision_ground"] == "DECISION_GROUND_INCOMPATIBLE_CONTENT"
    assert result["incompatible_content_ground"] == "Terms, section 4"
    assert result["incompatible_content_illegal"] == "No"
    assert not [name for name in result if name.startswith("illegal")]


@pytest.mark.parametrize("automated_detection", [True, False])
def test_a_match_is_automated_detection_and_the_decision_is_a_persons(*, automated_detection: bool) -> None:
    result = made(automated_detection=automated_detection)

    assert result["automated_detection"] == ("Yes" if automated_detection else "No")
    assert result["automated_decision"] == "AUTOMATED_DECISION_NOT_AUTOMATED"


def test_the_restriction_ends_when_the_material_goes_back() -> None:
    assert "end_date_visibility_restriction" not in made()
    assert made(restored_on=date(2026, 6, 2))["end_date_visibility_restriction"] == "2026-06-02"


def test_a_content_date_that_is_not_known_is_not_made_up() -> None:
    assert refused(created_on=None) == ("content_date: fill it in, it is required",)


def test_a_territory_outside_the_single_market_is_refused() -> None:
    assert refused(territorial_scope=("DE", "US"))[0].startswith("territorial_scope: 'US'")


@pytest.mark.parametrize("url", ["ftp://example.org/terms", "https://ada@example.org/terms", "https://[", "https://"])
def test_a_reference_is_a_web_address_and_nobodys_own(url: str) -> None:
    assert refused(reference_url=url)[0].startswith("decision_ground_reference_url: ")


@pytest.mark.parametrize(("tag", "code"), [("en-GB", "EN"), ("de", "DE"), ("zxx", None), ("", None)])
def test_a_language_without_a_code_is_left_out(tag: str, code: str | None) -> None:
    assert made(language=tag).get("content_language") == code


@given(
    st.lists(
        st.tuples(st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True), st.integers(0, 20)),
        unique=True,
        min_size=2,
        max_size=20,
    )
)
@example([("ntc_1", 1), ("ntc_", 11)])
@example([("ntc-1", 1), ("ntc", 11)])
def test_no_two_decisions_share_a_puid_and_each_keeps_its_own(decisions: list[tuple[str, int]]) -> None:
    puids = [made(notice_id=notice_id, position=position)["puid"] for notice_id, position in decisions]

    assert len(set(puids)) == len(decisions)
    assert puids == [made(notice_id=i, position=n, facts="Others.", disabled_on=date(2026, 7, 1))["puid"]
                     for i, n in decisions]  # fmt: skip


@given(st.text(alphabet="ab \n𝄞é", min_size=1).map(lambda text: f"x{text}"), st.integers(1, 700))
def test_a_long_text_ends_with_a_whole_word_and_an_ellipsis(words: str, times: int) -> None:
    text = (words * times).strip()
    kept = made(explanation=text)["illegal_content_explanation"]

    if len(text) <= 2000:
        assert kept == text
    else:
        assert len(kept) <= 2000
        assert kept.endswith("…")
        assert text.startswith(kept[:-1])
        has_space = any(character.isspace() for character in text[1000:1999])
        assert not has_space or text[len(kept) - 1].isspace()


def test_a_text_of_the_full_length_is_kept_and_counted_in_characters() -> None:
    assert made(legal_ground="𝄞" * 500)["illegal_content_legal_ground"] == "𝄞" * 500
    assert made(legal_ground="𝄞" * 501)["illegal_content_legal_ground"] == "𝄞" * 499 + "…"


def test_shortening_does_not_hide_personal_data() -> None:
    assert refused(legal_ground="word " * 110 + "ada@example.org")[0].startswith("illegal_content_legal_ground: take")


def test_a_refusal_is_an_error_of_this_package_and_says_what_to_do() -> None:
    with pytest.raises(TakedownError, match="decision_facts: fill it in"):
        made(facts=" ")


def test_a_statement_is_json() -> None:
    assert json.loads(json.dumps(made())) == made()
    assert problems(json.loads(json.dumps(made()))) == []


@pytest.mark.parametrize(
    "text",
    [
        "Write to ada@example.org.",
        "ada＠example.org",
        "ada\u200b@example.org",
        "ada [at] example.org",
        "the account @ada",
        "+353 1 555 0100",
        "+1-415-555-0132",
        "+683 4002",
        "(415) 555-0132 x12",
        "0301234567",
        "030/123 45 67",
        "06.12.19.98.76",
        "03\u00a012\u200934\u200956\u200978",
        "０３０１２３４５６７",
        "٠٣٠١٢٣٤٥٦٧",
        "03\u200b01234567",
        "030–1234–567",
        "Tel. 55501",
        "phone: 555-0132",
    ],
)
def test_ways_to_reach_a_person_are_seen_however_written(text: str) -> None:
    assert personal_data(text)
    assert refused(facts=text)[0].startswith("decision_facts: take out")


def test_eight_digits_that_nothing_marks_are_left_to_a_reader() -> None:
    assert personal_data("12 34 56 78") == []


@pytest.mark.parametrize(
    "text",
    [
        "17 U.S.C. 512(c)(3)(A)(i); 47 U.S.C. 223a; Pub. L. 119-12 sec. 3",
        "Tenn. Code Ann. 47-25-1105, N.Y. Civ. Rights Law 50-f",
        "Regulation (EU) 2022/2065, art. 16; case C-401/19, ECLI:EU:C:2022:297",
        "from 2026-05-19 to 2026-06-20, and on 19.05.2026 (5/19/2026)",
        "00:01:23.400 to 00:02:34, at a score of 0.9312 over 1,234,567 frames",
        "notice ntc_01901234567890abcdef1234567890ab",
        "ISBN 978-3-16-148410-0, EIDR 10.5240/7791-8534-2C23-9030-8610-5, ISRC USRC17607839",
    ],
)
def test_statutes_days_times_and_names_of_works_are_not_taken_for_telephones(text: str) -> None:
    assert personal_data(text) == []


@given(
    st.from_regex(r"\+?[1-9][0-9]{8,14}", fullmatch=True),
    st.lists(st.sampled_from(["", " ", "-", ".", "/", " (", ") ", "\u00a0", "\u2011"]), min_size=15, max_size=15),
    st.sampled_from(["", "Call ", "is:", "("]),
    st.sampled_from(["", ".", ", he said", ")", "\nHe said"]),
)
def test_no_telephone_number_passes_however_it_is_grouped(
    number: str, separators: list[str], before: str, after: str
) -> None:
    plus, digits = number.startswith("+"), number.lstrip("+")
    spaced = digits[0] + "".join(
        separator + digit for separator, digit in zip(separators, digits[1:], strict=False)
    )  # fmt: skip

    assert refused(facts=f"{before}{'+' * plus}{spaced}{after}")
