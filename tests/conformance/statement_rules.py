"""What the DSA Transparency Database asks of a statement of reasons, and how each rule can be broken.

Decides nothing about our statements: a rule looks at the JSON that would be submitted and says whether it offends.
Beside each rule stands one change to a good statement that it must notice, so that a rule that never fails is found.
Written from the specification, without the code that it is held against.

Sources: the database's API documentation, version 2 (since 1 July 2025); for which keyword goes with which category,
annex II of Implementing Regulation (EU) 2024/2835; for the forms of telephone numbers, ITU-T E.123 and E.164.
"""

import json
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from time import strftime, strptime
from typing import Any

type Statement = dict[str, Any]

KEYWORDS_OF = {
    "ANIMAL_WELFARE": "ANIMAL_HARM UNLAWFUL_SALE_ANIMALS OTHER",
    "CONSUMER_INFORMATION": "HIDDEN_ADVERTISEMENT INSUFFICIENT_INFORMATION_ON_TRADERS MISLEADING_INFO_GOODS_SERVICES "
    "MISLEADING_INFO_CONSUMER_RIGHTS NONCOMPLIANCE_PRICING OTHER",
    "CYBER_VIOLENCE": "CYBER_BULLYING_INTIMIDATION CYBER_HARASSMENT CYBER_INCITEMENT CYBER_STALKING "
    "NON_CONSENSUAL_IMAGE_SHARING NON_CONSENSUAL_MATERIAL_DEEPFAKE OTHER",
    "CYBER_VIOLENCE_AGAINST_WOMEN": "BULLYING_AGAINST_GIRLS CYBER_HARASSMENT_AGAINST_WOMEN "
    "CYBER_STALKING_AGAINST_WOMEN FEMALE_GENDERED_DISINFORMATION INCITEMENT_AGAINST_WOMEN "
    "NON_CONSENSUAL_IMAGE_SHARING_AGAINST_WOMEN NON_CONSENSUAL_MATERIAL_DEEPFAKE_AGAINST_WOMEN OTHER",
    "DATA_PROTECTION_AND_PRIVACY_VIOLATIONS": "BIOMETRIC_DATA_BREACH DATA_FALSIFICATION MISSING_PROCESSING_GROUND "
    "RIGHT_TO_BE_FORGOTTEN OTHER",
    "ILLEGAL_OR_HARMFUL_SPEECH": "DEFAMATION DISCRIMINATION HATE_SPEECH OTHER",
    "INTELLECTUAL_PROPERTY_INFRINGEMENTS": "COPYRIGHT_INFRINGEMENT DESIGN_INFRINGEMENT "
    "GEOGRAPHIC_INDICATIONS_INFRINGEMENT PATENT_INFRINGEMENT TRADE_SECRET_INFRINGEMENT TRADEMARK_INFRINGEMENT OTHER",
    "NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS": "MISINFORMATION_DISINFORMATION VIOLATION_EU_LAW "
    "VIOLATION_NATIONAL_LAW OTHER",
    "NOT_SPECIFIED_NOTICE": "",
    "OTHER_VIOLATION_TC": "ADULT_SEXUAL_MATERIAL AGE_SPECIFIC_RESTRICTIONS GEOGRAPHICAL_REQUIREMENTS "
    "GOODS_SERVICES_NOT_PERMITTED LANGUAGE_REQUIREMENTS NUDITY OTHER",
    "PROTECTION_OF_MINORS": "AGE_SPECIFIC_RESTRICTIONS_MINORS CHILD_SEXUAL_ABUSE_MATERIAL "
    "CHILD_SEXUAL_ABUSE_MATERIAL_DEEPFAKE GROOMING_SEXUAL_ENTICEMENT_MINORS UNSAFE_CHALLENGES OTHER",
    "RISK_FOR_PUBLIC_SECURITY": "ILLEGAL_ORGANIZATIONS RISK_ENVIRONMENTAL_DAMAGE RISK_PUBLIC_HEALTH "
    "TERRORIST_CONTENT OTHER",
    "SCAMS_AND_FRAUD": "IMPERSONATION_ACCOUNT_HIJACKING INAUTHENTIC_ACCOUNTS INAUTHENTIC_LISTINGS "
    "INAUTHENTIC_USER_REVIEWS PHISHING PYRAMID_SCHEMES OTHER",
    "SELF_HARM": "CONTENT_PROMOTING_EATING_DISORDERS SELF_MUTILATION SUICIDE OTHER",
    "UNSAFE_AND_PROHIBITED_PRODUCTS": "PROHIBITED_PRODUCTS UNSAFE_PRODUCTS OTHER",
    # The documentation lists STALKING, the annex puts it nowhere.
    "VIOLENCE": "COORDINATED_HARM INCITEMENT_VIOLENCE_HATRED HUMAN_EXPLOITATION HUMAN_TRAFFICKING "
    "TRAFFICKING_WOMEN_GIRLS STALKING OTHER",
}
CATEGORIES = {f"STATEMENT_CATEGORY_{name}" for name in KEYWORDS_OF}
KEYWORDS = {f"KEYWORD_{name}" for names in KEYWORDS_OF.values() for name in names.split()}
_MEMBER_STATES = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE"
MEMBER_STATES = set(_MEMBER_STATES.split())
EEA = MEMBER_STATES | {"IS", "LI", "NO"}

CHOICES: dict[str, set[str]] = {
    "decision_monetary": {f"DECISION_MONETARY_{name}" for name in ("SUSPENSION", "TERMINATION", "OTHER")},
    "decision_provision": {
        f"DECISION_PROVISION_{extent}_{what}"
        for extent in ("PARTIAL", "TOTAL")
        for what in ("SUSPENSION", "TERMINATION")
    },
    "decision_account": {"DECISION_ACCOUNT_SUSPENDED", "DECISION_ACCOUNT_TERMINATED"},
    "account_type": {"ACCOUNT_TYPE_BUSINESS", "ACCOUNT_TYPE_PRIVATE"},
    "decision_ground": {"DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"},
    "incompatible_content_illegal": {"Yes", "No"},
    "category": CATEGORIES,
    "source_type": {
        "SOURCE_ARTICLE_16", "SOURCE_TRUSTED_FLAGGER", "SOURCE_TYPE_OTHER_NOTIFICATION", "SOURCE_VOLUNTARY",
    },
    "automated_detection": {"Yes", "No"},
    "automated_decision": {f"AUTOMATED_DECISION_{name}" for name in ("FULLY", "PARTIALLY", "NOT_AUTOMATED")},
}  # fmt: skip
LISTS: dict[str, set[str]] = {
    "decision_visibility": {
        *(
            f"DECISION_VISIBILITY_CONTENT_{name}"
            for name in ("REMOVED", "DISABLED", "DEMOTED", "AGE_RESTRICTED", "INTERACTION_RESTRICTED", "LABELLED")
        ),
        "DECISION_VISIBILITY_OTHER",
    },
    "category_addition": CATEGORIES,
    "category_specification": KEYWORDS,
    "territorial_scope": EEA,
    "content_type": {
        f"CONTENT_TYPE_{name}"
        for name in ("APP", "AUDIO", "IMAGE", "PRODUCT", "SYNTHETIC_MEDIA", "TEXT", "VIDEO", "OTHER")
    },
}
LIMITS = {
    "decision_visibility_other": 500,
    "decision_monetary_other": 500,
    "decision_ground_reference_url": 500,
    "illegal_content_legal_ground": 500,
    "illegal_content_explanation": 2000,
    "incompatible_content_ground": 500,
    "incompatible_content_explanation": 2000,
    "content_type_other": 500,
    "category_specification_other": 500,
    "source_identity": 500,
    "decision_facts": 5000,
    "puid": 500,
}
FREE_TEXTS = set(LIMITS) - {"decision_ground_reference_url", "puid"}
END_DATES = tuple(f"end_date_{kind}_restriction" for kind in ("account", "monetary", "service", "visibility"))
FIRST_DAYS = {"content_date": "2000-01-01", "application_date": "2020-01-01"}
LAST_DAY = "2038-01-01"
_DAY = "%Y-%m-%d"
REQUIRED = (
    "decision_facts", "decision_ground", "content_type", "category", "territorial_scope", "content_date",
    "application_date", "source_type", "automated_detection", "automated_decision", "puid",
)  # fmt: skip
CONDITIONAL = {
    "decision_visibility_other": ("decision_visibility", "DECISION_VISIBILITY_OTHER"),
    "decision_monetary_other": ("decision_monetary", "DECISION_MONETARY_OTHER"),
    "content_type_other": ("content_type", "CONTENT_TYPE_OTHER"),
    "illegal_content_legal_ground": ("decision_ground", "DECISION_GROUND_ILLEGAL_CONTENT"),
    "illegal_content_explanation": ("decision_ground", "DECISION_GROUND_ILLEGAL_CONTENT"),
    "incompatible_content_ground": ("decision_ground", "DECISION_GROUND_INCOMPATIBLE_CONTENT"),
    "incompatible_content_explanation": ("decision_ground", "DECISION_GROUND_INCOMPATIBLE_CONTENT"),
}
KNOWN = {*CHOICES, *LISTS, *LIMITS, *END_DATES, *FIRST_DAYS, "content_language", "content_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One requirement.

    Attributes:
        field: which field an offence is about.
        offended: whether a statement breaks the rule.
        breach: what to write into a good statement, by field, so that it is broken; None takes the field out.
    """

    name: str
    field: str
    offended: Callable[[Statement], bool]
    breach: dict[str, Any]


def offences(statement: Statement) -> list[str]:
    """The names of the rules that a statement breaks."""
    return [rule.name for rule in RULES if rule.offended(statement)]


def broken(statement: Statement, rule: Rule) -> Statement:
    """A statement that broke no rule, after the rule's breach."""
    changed = {**statement, **rule.breach}
    return {name: value for name, value in changed.items() if value is not None}


def _empty(value: Any) -> bool:
    return not (value.strip() if isinstance(value, str) else value)


def _lacks(field: str) -> Callable[[Statement], bool]:
    return lambda statement: _empty(statement.get(field))


def _lacks_with(field: str, cause: str, choice: str) -> Callable[[Statement], bool]:
    def offended(statement: Statement) -> bool:
        chosen = statement.get(cause) or ()
        return choice in ([chosen] if isinstance(chosen, str) else chosen) and _empty(statement.get(field))

    return offended


def _not_among(field: str, choices: set[str]) -> Callable[[Statement], bool]:
    return lambda statement: field in statement and statement[field] not in choices


def _not_all_among(field: str, choices: set[str]) -> Callable[[Statement], bool]:
    return lambda statement: (
        field in statement and not (isinstance(statement[field], list) and set(statement[field]) <= choices)
    )


def _longer(field: str, limit: int) -> Callable[[Statement], bool]:
    # UTF-32 has four bytes for each character, whatever it is.
    return lambda statement: len(statement.get(field, "").encode("utf-32-be", "surrogatepass")) // 4 > limit


def _no_day(field: str) -> Callable[[Statement], bool]:
    def offended(statement: Statement) -> bool:
        if field not in statement:
            return False
        try:
            return bool(strftime(_DAY, strptime(statement[field], _DAY)) != statement[field])
        except ValueError:
            return True

    return offended


def _outside(field: str, first: str) -> Callable[[Statement], bool]:
    # Days written as YYYY-MM-DD sort as texts.
    return lambda statement: field in statement and not first <= statement[field] <= LAST_DAY


def _before_start(field: str) -> Callable[[Statement], bool]:
    return lambda statement: field in statement and statement[field] < statement.get("application_date", "")


def _no_web_address(statement: Statement) -> bool:
    address = statement.get("decision_ground_reference_url", "https://example.org")
    return not address.startswith(("https://", "http://")) or len(address.split()) != 1


def _bad_puid(statement: Statement) -> bool:
    return not set(statement.get("puid", "")) <= {*string.ascii_letters, *string.digits, "-", "_"}


def _bad_language(statement: Statement) -> bool:
    code = statement.get("content_language", "EN")
    return len(code) != 2 or not set(code) <= set(string.ascii_uppercase)


def _bad_content_id(statement: Statement) -> bool:
    content_id = statement.get("content_id", {"EAN-13": "4006381333931"})
    return list(content_id) != ["EAN-13"] or len(content_id["EAN-13"]) != 13 or not content_id["EAN-13"].isdigit()


def _not_json(statement: Statement) -> bool:
    try:
        return bool(json.loads(json.dumps(statement, ensure_ascii=False).encode()) != statement)
    except (TypeError, UnicodeEncodeError):
        return True


def has_mail_address(text: str) -> bool:
    """Whether something stands on both sides of an @, with a dot after it."""
    halves = [word.partition("@") for word in text.split()]
    return any(local and "." in domain for local, _, domain in halves)


def has_telephone(text: str) -> bool:
    """Whether one line has an international number, or nine digits and more that only a number's signs divide."""
    return any(
        digits >= (7 if international else 9)
        for line in text.splitlines()
        for international, digits in _numbers(line.split(" "))
    )


def _numbers(words: list[str]) -> Iterator[tuple[bool, int]]:
    """Neighbouring words made of digits, as one: whether it opens with +, and how many digits it has."""
    international, digits, previous = False, 0, ""
    for word in [*words, ""]:
        bare = word.strip(",;:!?")
        named = previous.strip("(:").split("-")[0] in {"EAN", "EIDR", "GTIN", "ISAN", "ISBN", "ISSN", "ISWC"}
        is_number = _is_numeric(bare) and not _is_day(bare) and not named
        if not is_number or bare.startswith("+"):
            yield international, digits
            international, digits = bare.startswith("+"), 0
        if is_number:
            digits += sum(character in string.digits for character in bare)
        if bare != word:
            yield international, digits
            international, digits = False, 0
        previous = word


def _is_numeric(word: str) -> bool:
    signs = word[1:] if word[:1] == "+" and word[1:2] in set(string.digits) else word
    return any(c in string.digits for c in signs) and all(c in f"{string.digits}().-/" for c in signs)


def _is_day(word: str) -> bool:
    bare = word.strip("().")
    parts = bare.replace(".", "-").replace("/", "-").split("-")
    return sorted(map(len, parts))[-1] == 4 and len(parts) == 3 and any(p[:2] in ("19", "20") for p in parts)


def _shows(finds: Callable[[str], bool], field: str) -> Callable[[Statement], bool]:
    return lambda statement: finds(statement.get(field, ""))


def _all_rules() -> Iterator[Rule]:
    decisions = ("decision_visibility", "decision_monetary", "decision_provision", "decision_account")
    yield Rule(
        name="something was decided", field="decision_visibility",
        offended=lambda statement: all(_empty(statement.get(field)) for field in decisions),
        breach=dict.fromkeys(decisions),
    )  # fmt: skip
    yield Rule(
        name="no unknown field", field="uploader",
        offended=lambda statement: not set(statement) <= KNOWN, breach={"uploader": "usr_1"},
    )  # fmt: skip
    for field in REQUIRED:
        yield Rule(name=f"{field} is required", field=field, offended=_lacks(field), breach={field: None})
    for field in ("decision_facts", "illegal_content_explanation"):
        blank = {"decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT", field: " \n "}
        offended = _lacks(field) if field in REQUIRED else _lacks_with(field, *CONDITIONAL[field])
        yield Rule(name=f"{field} is not blank", field=field, offended=offended, breach=blank)
    for field, (cause, choice) in CONDITIONAL.items():
        chosen = [choice] if cause in LISTS else choice
        yield Rule(
            name=f"{field} goes with {choice}", field=field,
            offended=_lacks_with(field, cause, choice), breach={cause: chosen, field: None},
        )  # fmt: skip
    for field, choices in CHOICES.items():
        yield Rule(name=f"{field} is known", field=field, offended=_not_among(field, choices), breach={field: "Maybe"})
    for field, choices in LISTS.items():
        offended = _not_all_among(field, choices)
        yield Rule(name=f"{field} are known", field=field, offended=offended, breach={field: [*choices, "US"]})
        yield Rule(name=f"{field} are a list", field=field, offended=offended, breach={field: min(choices)})
    for field, limit in LIMITS.items():
        filler = "https://example.org/" if field == "decision_ground_reference_url" else ""
        too_long = filler + "a" * (limit + 1 - len(filler))
        yield Rule(name=f"{field} is short", field=field, offended=_longer(field, limit), breach={field: too_long})
    yield from _rules_of_days()
    yield from _rules_of_form()
    for field in sorted(FREE_TEXTS):
        mail, telephone = _shows(has_mail_address, field), _shows(has_telephone, field)
        breach = {field: "Ask ada@example.org about it."}
        yield Rule(name=f"{field} shows no mail address", field=field, offended=mail, breach=breach)
        for number in ("+353 1 555 0100", "(415) 555-0132"):
            breach = {field: f"Call {number} about it."}
            yield Rule(name=f"{field} shows no number {number}", field=field, offended=telephone, breach=breach)


def _rules_of_days() -> Iterator[Rule]:
    for field in (*FIRST_DAYS, *END_DATES):
        for written in ("19.05.2026", "2026-5-9", "2026-02-30"):
            yield Rule(name=f"{field} is no {written}", field=field, offended=_no_day(field), breach={field: written})
    for field, first in FIRST_DAYS.items():
        day_before = date.fromordinal(date.fromisoformat(first).toordinal() - 1).isoformat()
        for day in (day_before, "2038-01-02"):
            offended = _outside(field, first)
            yield Rule(name=f"{field} is not {day}", field=field, offended=offended, breach={field: day})
    for field in END_DATES:
        early = {"application_date": "2026-05-19", field: "2026-05-18"}
        yield Rule(name=f"{field} is after the start", field=field, offended=_before_start(field), breach=early)
        offended = _outside(field, "2020-01-01")
        yield Rule(name=f"{field} is not 2038-01-02", field=field, offended=offended, breach={field: "2038-01-02"})


def _rules_of_form() -> Iterator[Rule]:
    url = "decision_ground_reference_url"
    for address in (
        "mailto:ada@example.org",
        "example.org/terms",
        "ftp://example.org/terms",
        "https://example.org/a b",
    ):
        yield Rule(name=f"{url} is no {address}", field=url, offended=_no_web_address, breach={url: address})
    for puid in ("ntc 1", "ntc/1", "ntc_é", "ntc_1\n"):
        yield Rule(name=f"puid is no {puid!r}", field="puid", offended=_bad_puid, breach={"puid": puid})
    for code in ("en", "ENG", "English"):
        breach = {"content_language": code}
        yield Rule(name=f"language is no {code}", field="content_language", offended=_bad_language, breach=breach)
    for number in ({"EAN-13": "123"}, {"ISBN": "9783161484100"}, {"EAN-13": "97831614841OO"}):
        product: dict[str, Any] = {"content_id": number}
        yield Rule(name=f"content_id is no {number}", field="content_id", offended=_bad_content_id, breach=product)
    breach = {"decision_facts": "half a character: \ud83c"}
    yield Rule(name="can be sent as JSON", field="decision_facts", offended=_not_json, breach=breach)


RULES = tuple(_all_rules())
