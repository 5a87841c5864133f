"""One decision to disable, as a statement of reasons for the EU's DSA Transparency Database.

Decides how a decision is put into the database's fields, and whether a statement would be accepted there. It does
not decide who must submit (platforms that are neither micro nor small, DSA arts. 19 and 24(5)), and does not redact:
texts come redacted, and what still looks like personal data is refused. It cannot tell that a minor is depicted: such
a statement belongs under PROTECTION_OF_MINORS, and is written by hand.

Sources: Regulation (EU) 2022/2065 (DSA), arts. 17(3) and 24(5); the database's API documentation for version 2, in
force since 1 July 2025 (transparency.dsa.ec.europa.eu/page/api-documentation), and the validation in its published
source (github.com/digital-services-act/transparency-database), both read in November 2026 from archived copies. The
documentation spells out categories, keywords, limits and conditions. The bounds of dates, and the other lists, come
from a copy of the source that is older than version 2; readers of the data published since use the same lists.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import urlsplit

from takedown.domain.track import TrackName
from takedown.errors import TakedownError

# -- the schema ----------------------------------------------------------------------------------


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _names(prefix: str, names: str) -> frozenset[str]:
    return frozenset(f"{prefix}_{name}" for name in names.split())


EUROPEAN_UNION: Final = _codes("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK")
EUROPEAN_ECONOMIC_AREA: Final = tuple(sorted((*EUROPEAN_UNION, "IS", "LI", "NO")))

_CATEGORIES = _names(
    "STATEMENT_CATEGORY",
    """ANIMAL_WELFARE CONSUMER_INFORMATION CYBER_VIOLENCE CYBER_VIOLENCE_AGAINST_WOMEN
    DATA_PROTECTION_AND_PRIVACY_VIOLATIONS ILLEGAL_OR_HARMFUL_SPEECH INTELLECTUAL_PROPERTY_INFRINGEMENTS
    NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS NOT_SPECIFIED_NOTICE OTHER_VIOLATION_TC PROTECTION_OF_MINORS
    RISK_FOR_PUBLIC_SECURITY SCAMS_AND_FRAUD SELF_HARM UNSAFE_AND_PROHIBITED_PRODUCTS VIOLENCE""",
)
_KEYWORDS = _names(
    "KEYWORD",
    """ADULT_SEXUAL_MATERIAL AGE_SPECIFIC_RESTRICTIONS AGE_SPECIFIC_RESTRICTIONS_MINORS ANIMAL_HARM
    BIOMETRIC_DATA_BREACH BULLYING_AGAINST_GIRLS CHILD_SEXUAL_ABUSE_MATERIAL CHILD_SEXUAL_ABUSE_MATERIAL_DEEPFAKE
    CONTENT_PROMOTING_EATING_DISORDERS COORDINATED_HARM COPYRIGHT_INFRINGEMENT CYBER_BULLYING_INTIMIDATION
    CYBER_HARASSMENT CYBER_HARASSMENT_AGAINST_WOMEN CYBER_INCITEMENT CYBER_STALKING CYBER_STALKING_AGAINST_WOMEN
    DATA_FALSIFICATION DEFAMATION DESIGN_INFRINGEMENT DISCRIMINATION FEMALE_GENDERED_DISINFORMATION
    GEOGRAPHICAL_REQUIREMENTS GEOGRAPHIC_INDICATIONS_INFRINGEMENT GOODS_SERVICES_NOT_PERMITTED
    GROOMING_SEXUAL_ENTICEMENT_MINORS HATE_SPEECH HIDDEN_ADVERTISEMENT HUMAN_EXPLOITATION HUMAN_TRAFFICKING
    ILLEGAL_ORGANIZATIONS IMPERSONATION_ACCOUNT_HIJACKING INAUTHENTIC_ACCOUNTS INAUTHENTIC_LISTINGS
    INAUTHENTIC_USER_REVIEWS INCITEMENT_AGAINST_WOMEN INCITEMENT_VIOLENCE_HATRED INSUFFICIENT_INFORMATION_ON_TRADERS
    LANGUAGE_REQUIREMENTS MISINFORMATION_DISINFORMATION MISLEADING_INFO_CONSUMER_RIGHTS
    MISLEADING_INFO_GOODS_SERVICES MISSING_PROCESSING_GROUND NONCOMPLIANCE_PRICING NON_CONSENSUAL_IMAGE_SHARING
    NON_CONSENSUAL_IMAGE_SHARING_AGAINST_WOMEN NON_CONSENSUAL_MATERIAL_DEEPFAKE
    NON_CONSENSUAL_MATERIAL_DEEPFAKE_AGAINST_WOMEN NUDITY OTHER PATENT_INFRINGEMENT PHISHING PROHIBITED_PRODUCTS
    PYRAMID_SCHEMES RIGHT_TO_BE_FORGOTTEN RISK_ENVIRONMENTAL_DAMAGE RISK_PUBLIC_HEALTH SELF_MUTILATION STALKING
    SUICIDE TERRORIST_CONTENT TRADEMARK_INFRINGEMENT TRADE_SECRET_INFRINGEMENT TRAFFICKING_WOMEN_GIRLS
    UNLAWFUL_SALE_ANIMALS UNSAFE_CHALLENGES UNSAFE_PRODUCTS VIOLATION_EU_LAW VIOLATION_NATIONAL_LAW""",
)
_LANGUAGES = frozenset(
    _codes(
        """AA AB AE AF AK AM AN AR AS AV AY AZ BA BE BG BH BI BM BN BO BR BS CA CE CH CO CR CS CU CV CY DA DE DV DZ EE
        EL EN EO ES ET EU FA FF FI FJ FO FR FY GA GD GL GN GU GV HA HE HI HO HR HT HU HY HZ IA ID IE IG II IK IO IS
        IT IU JA JV KA KG KI KJ KK KL KM KN KO KR KS KU KV KW KY LA LB LG LI LN LO LT LU LV MG MI MK ML MN MR MS MT
        MY NA NB ND NE NG NL NN NO NR NV NY OC OJ OM OR OS PA PI PL PS PT QU RM RN RO RU RW SA SC SD SE SG SI SK SL
        SM SN SO SQ SR SS ST SU SV SW TA TE TG TH TI TK TL TN TO TR TS TT TW TY UG UK UR UZ VE VI VO WA WO XH YI YO
        ZA ZH ZU"""
    )
)
_YES_OR_NO = frozenset({"Yes", "No"})

_ONE_OF: Final[Mapping[str, frozenset[str]]] = {
    "decision_monetary": _names("DECISION_MONETARY", "SUSPENSION TERMINATION OTHER"),
    "decision_provision": _names(
        "DECISION_PROVISION", "PARTIAL_SUSPENSION TOTAL_SUSPENSION PARTIAL_TERMINATION TOTAL_TERMINATION"
    ),
    "decision_account": _names("DECISION_ACCOUNT", "SUSPENDED TERMINATED"),
    "account_type": _names("ACCOUNT_TYPE", "BUSINESS PRIVATE"),
    "decision_ground": _names("DECISION_GROUND", "ILLEGAL_CONTENT INCOMPATIBLE_CONTENT"),
    "incompatible_content_illegal": _YES_OR_NO,
    "category": _CATEGORIES,
    "content_language": _LANGUAGES,
    "source_type": _names("SOURCE", "ARTICLE_16 TRUSTED_FLAGGER TYPE_OTHER_NOTIFICATION VOLUNTARY"),
    "automated_detection": _YES_OR_NO,
    "automated_decision": _names("AUTOMATED_DECISION", "FULLY PARTIALLY NOT_AUTOMATED"),
}
_SOME_OF: Final[Mapping[str, frozenset[str]]] = {
    "decision_visibility": _names(
        "DECISION_VISIBILITY",
        """CONTENT_REMOVED CONTENT_DISABLED CONTENT_DEMOTED CONTENT_AGE_RESTRICTED CONTENT_INTERACTION_RESTRICTED
        CONTENT_LABELLED OTHER""",
    ),
    "category_addition": _CATEGORIES,
    "category_specification": _KEYWORDS,
    "territorial_scope": frozenset(EUROPEAN_ECONOMIC_AREA),
    "content_type": _names("CONTENT_TYPE", "APP AUDIO IMAGE PRODUCT SYNTHETIC_MEDIA TEXT VIDEO OTHER"),
}
# In code points, as the database counts (mb_strlen).
_MAX_CHARS: Final[Mapping[str, int]] = {
    "decision_visibility_other": 500,
    "decision_monetary_other": 500,
    "illegal_content_legal_ground": 500,
    "illegal_content_explanation": 2000,
    "incompatible_content_ground": 500,
    "incompatible_content_explanation": 2000,
    "category_specification_other": 500,
    "content_type_other": 500,
    "decision_facts": 5000,
    "source_identity": 500,
}
_MAX_URL_CHARS = 500
_NOT_BEFORE: Final[Mapping[str, date]] = {
    "content_date": date(2000, 1, 1),
    "application_date": date(2020, 1, 1),
    "end_date_visibility_restriction": date(2020, 1, 1),
    "end_date_monetary_restriction": date(2020, 1, 1),
    "end_date_service_restriction": date(2020, 1, 1),
    "end_date_account_restriction": date(2020, 1, 1),
}
_NOT_AFTER = date(2038, 1, 1)
_DECISIONS = ("decision_visibility", "decision_monetary", "decision_provision", "decision_account")
_REQUIRED = (
    "decision_facts", "decision_ground", "content_type", "category", "territorial_scope", "content_date",
    "application_date", "source_type", "automated_detection", "automated_decision", "puid",
)  # fmt: skip
# Who chose the left must give the right.
_REQUIRED_WITH: Final = (
    ("decision_visibility", "DECISION_VISIBILITY_OTHER", "decision_visibility_other"),
    ("decision_monetary", "DECISION_MONETARY_OTHER", "decision_monetary_other"),
    ("content_type", "CONTENT_TYPE_OTHER", "content_type_other"),
    ("decision_ground", "DECISION_GROUND_ILLEGAL_CONTENT", "illegal_content_legal_ground"),
    ("decision_ground", "DECISION_GROUND_ILLEGAL_CONTENT", "illegal_content_explanation"),
    ("decision_ground", "DECISION_GROUND_INCOMPATIBLE_CONTENT", "incompatible_content_ground"),
    ("decision_ground", "DECISION_GROUND_INCOMPATIBLE_CONTENT", "incompatible_content_explanation"),
)
_FIELDS = {*_ONE_OF, *_SOME_OF, *_MAX_CHARS, *_NOT_BEFORE, "decision_ground_reference_url", "puid", "content_id"}

_PUID = re.compile(r"[A-Za-z0-9_-]{1,500}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EAN_13 = re.compile(r"[0-9]{13}")
_NO_CHARACTER = re.compile(r"[\ud800-\udfff]")  # half of a surrogate pair: UTF-8 has no bytes for it

# -- what the service knows ----------------------------------------------------------------------


class StatementRefused(TakedownError):
    """The database would not take the statement, or must not."""

    def __init__(self, *, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the service knows of one decision to disable.

    Attributes:
        position: which of this notice's decisions to disable it is; never negative, and never changed later.
        media_type: "video/mp4" and the like; None when the material is known by its address alone.
        created_on: when the content was made, which for what this service makes is when it was posted.
        restored_on: when it went back; None while the restriction lasts.
        reason_code: what the reviewer chose, of the track's reasons for `disable`.
        legal_ground: the provision of law, or of the operator's terms when `incompatible`.
        language: of the content, as a BCP 47 tag.
        automated_detection: whether a match of a check led to the notice.
        territorial_scope: ISO 3166-1 alpha-2 codes; `EUROPEAN_UNION` and `EUROPEAN_ECONOMIC_AREA` are such lists.
        reference_url: where the law, or the terms, can be read.
        incompatible: whether it rests on the operator's own terms rather than on law.
    """

    notice_id: str
    position: int
    track: str
    is_trusted_flagger: bool
    media_type: str | None
    is_synthetic: bool
    created_on: date | None
    disabled_on: date
    restored_on: date | None
    reason_code: str
    legal_ground: str
    explanation: str
    facts: str
    language: str
    automated_detection: bool
    territorial_scope: tuple[str, ...]
    reference_url: str | None
    incompatible: bool


def statement(decided: Decided) -> dict[str, object]:
    """The decision in the database's fields, ready to submit as JSON.

    A content date that is not known is not made up: the statement is refused until somebody gives it.

    Raises:
        StatementRefused: the database's rules, or the protection of personal data, stand against it.
    """
    texts = {"decision_facts": decided.facts, **_ground_texts(decided)}
    written = {
        "decision_visibility": ["DECISION_VISIBILITY_CONTENT_DISABLED"],
        "decision_ground": f"DECISION_GROUND_{'INCOMPATIBLE' if decided.incompatible else 'ILLEGAL'}_CONTENT",
        "decision_ground_reference_url": decided.reference_url,
        "incompatible_content_illegal": "No" if decided.incompatible else None,
        **{name: _shortened(text, _MAX_CHARS[name]) for name, text in texts.items()},
        **_category(decided),
        **_content_type(decided),
        "territorial_scope": sorted(set(decided.territorial_scope)),
        "content_language": _language(decided.language),
        "content_date": decided.created_on.isoformat() if decided.created_on else None,
        "application_date": decided.disabled_on.isoformat(),
        "end_date_visibility_restriction": decided.restored_on.isoformat() if decided.restored_on else None,
        "source_type": _source_type(decided),
        "automated_detection": "Yes" if decided.automated_detection else "No",
        # A match may lead to a notice, but a person decides on it (`states.ACTOR`).
        "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
        # The last hyphen ends the id of the notice, whatever is in it: no two decisions share a puid.
        "puid": f"{decided.notice_id}-{decided.position}",
    }
    made = {name: value for name, value in written.items() if value is not None}
    # The whole texts are looked at too: an address cut in half is still somebody's.
    found = dict.fromkeys([*problems(made), *_personal_data_problems(texts)])
    if found:
        raise StatementRefused(problems=found)
    return made


def _ground_texts(decided: Decided) -> dict[str, str]:
    if decided.incompatible:
        return {
            "incompatible_content_ground": decided.legal_ground,
            "incompatible_content_explanation": decided.explanation,
        }
    return {
        "illegal_content_legal_ground": decided.legal_ground,
        "illegal_content_explanation": decided.explanation,
    }


# A reviewer who chose "other", or a reason of an earlier list, leaves what the track is about.
_REASON_OF_TRACK: Final[Mapping[str, str]] = {
    TrackName.DMCA_512: "copyright_infringement",
    TrackName.TAKE_IT_DOWN: "intimate_depiction",
    TrackName.LIKENESS: "voice_or_likeness",
}


def _category(decided: Decided) -> dict[str, object]:
    """Category and keywords. Implementing Regulation (EU) 2024/2835, annex II, says which keyword goes with which."""
    deepfake = ["KEYWORD_NON_CONSENSUAL_MATERIAL_DEEPFAKE"] if decided.is_synthetic else []
    default = _REASON_OF_TRACK.get(decided.track, "incompatible_with_terms" if decided.incompatible else "other")
    for reason in (decided.reason_code, default):
        match reason:
            case "copyright_infringement":
                return {
                    "category": "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS",
                    "category_specification": ["KEYWORD_COPYRIGHT_INFRINGEMENT"],
                }
            case "intimate_depiction":
                return {
                    "category": "STATEMENT_CATEGORY_CYBER_VIOLENCE",
                    "category_specification": ["KEYWORD_NON_CONSENSUAL_IMAGE_SHARING", *deepfake],
                }
            case "voice_or_likeness" | "personality_right" if deepfake:
                return {"category": "STATEMENT_CATEGORY_CYBER_VIOLENCE", "category_specification": deepfake}
            case "voice_or_likeness" | "personality_right":
                # No keyword names a recorded voice or face that is used without consent but is not intimate.
                return {
                    "category": "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
                    "category_specification": ["KEYWORD_OTHER"],
                    "category_specification_other": "Use of a person's voice or likeness without their consent",
                }
            case "incompatible_with_terms":
                return {"category": "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"}
    return {"category": "STATEMENT_CATEGORY_NOT_SPECIFIED_NOTICE"}


def _content_type(decided: Decided) -> dict[str, object]:
    kind = (decided.media_type or "").partition("/")[0].lower()
    synthetic = ["CONTENT_TYPE_SYNTHETIC_MEDIA"] if decided.is_synthetic else []
    if kind in ("audio", "image", "text", "video"):
        return {"content_type": [f"CONTENT_TYPE_{kind.upper()}", *synthetic]}
    other = f"File of type {decided.media_type}" if decided.media_type else "Material known by its web address alone"
    return {
        "content_type": ["CONTENT_TYPE_OTHER", *synthetic],
        "content_type_other": _shortened(other, _MAX_CHARS["content_type_other"]),
    }


def _source_type(decided: Decided) -> str:
    if decided.is_trusted_flagger:
        return "SOURCE_TRUSTED_FLAGGER"
    return "SOURCE_ARTICLE_16" if decided.track == TrackName.DSA_16 else "SOURCE_TYPE_OTHER_NOTIFICATION"


def _language(tag: str) -> str | None:
    """The two letters of a BCP 47 tag; None where the database has no code, for the field may be left out."""
    code = tag.partition("-")[0].upper()
    return code if code in _LANGUAGES else None


def _shortened(text: str, max_chars: int) -> str:
    """The text, or as many whole words of it as fit, with an ellipsis."""
    text = text.strip()
    if len(text) <= max_chars:
        return text
    cut = text[: max_chars - 1]
    whole_words = cut if text[max_chars - 1].isspace() else cut.rsplit(None, 1)[0]
    # Japanese, say, puts no space between words: half the text is not given up for one.
    return (whole_words if len(whole_words) > max_chars // 2 else cut).rstrip() + "…"


# -- the database's rules ------------------------------------------------------------------------


def problems(statement: Mapping[str, object]) -> list[str]:
    """Why the database would refuse a statement, each naming the field and what to do; [] when it would accept it.

    Stricter than the database in three things. It drops fields it does not know, and has nobody read a text or an
    address before it is public: here an unknown field, what looks like personal data, and an address that is not of
    the web are refused. And a territory must be named, which the documentation asks for and the validation does not.
    """
    return [
        *(f"{name}: leave it out, the schema has no such field" for name in statement if name not in _FIELDS),
        *_lacking(statement),
        *_wrong_choices(statement),
        *_wrong_texts(statement),
        *_wrong_dates(statement),
        *_wrong_identifiers(statement),
        *_personal_data_problems({name: value for name, value in statement.items() if name in _MAX_CHARS}),
    ]


def _is_said(value: object) -> bool:
    if isinstance(value, str):
        return any(character.isprintable() and character != " " for character in value)
    return value is not None and value != []


def _lacking(statement: Mapping[str, object]) -> Iterator[str]:
    if not any(_is_said(statement.get(name)) for name in _DECISIONS):
        yield f"decision_visibility: say what was decided, here or in {', '.join(_DECISIONS[1:])}"
    for name in _REQUIRED:
        if not _is_said(statement.get(name)):
            yield f"{name}: fill it in, it is required"
    for name, choice, needed in _REQUIRED_WITH:
        chosen = statement.get(name)
        is_chosen = choice in chosen if isinstance(chosen, list) else chosen == choice
        if is_chosen and not _is_said(statement.get(needed)):
            yield f"{needed}: fill it in, it is required with {choice}"


def _wrong_choices(statement: Mapping[str, object]) -> Iterator[str]:
    for name, choices in _ONE_OF.items():
        value = statement.get(name)
        if _is_said(value) and not (isinstance(value, str) and value in choices):
            yield f"{name}: {value!r} is none of the schema's values, choose one of them"
    for name, choices in _SOME_OF.items():
        value = statement.get(name)
        if not _is_said(value):
            continue
        if not isinstance(value, list):
            yield f"{name}: give a list"
        elif unknown := [item for item in value if not (isinstance(item, str) and item in choices)]:
            yield f"{name}: {', '.join(map(repr, unknown))}: none of the schema's values, choose some of them"


def _wrong_texts(statement: Mapping[str, object]) -> Iterator[str]:
    for name, max_chars in _MAX_CHARS.items():
        value = statement.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            yield f"{name}: give a text"
            continue
        if len(value) > max_chars:
            yield f"{name}: shorten it to {max_chars} characters, it has {len(value)}"
        if _NO_CHARACTER.search(value):
            yield f"{name}: take out what is no character, it cannot be sent as UTF-8"


def _wrong_dates(statement: Mapping[str, object]) -> Iterator[str]:
    began = _day(statement.get("application_date"))
    for name, not_before in _NOT_BEFORE.items():
        value = statement.get(name)
        if not _is_said(value):
            continue
        day = _day(value)
        earliest = max(not_before, began) if began and name.startswith("end_date") else not_before
        if day is None:
            yield f"{name}: write the day as YYYY-MM-DD"
        elif not earliest <= day <= _NOT_AFTER:
            yield f"{name}: give a day from {earliest} to {_NOT_AFTER}"


def _day(value: object) -> date | None:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _wrong_identifiers(statement: Mapping[str, object]) -> Iterator[str]:
    puid = statement.get("puid")
    if _is_said(puid) and not (isinstance(puid, str) and _PUID.fullmatch(puid)):
        yield "puid: use at most 500 of the letters A to Z and a to z, digits, hyphens and underscores"
    url = statement.get("decision_ground_reference_url")
    if url is not None and not (isinstance(url, str) and len(url) <= _MAX_URL_CHARS and _is_web_address(url)):
        yield f"decision_ground_reference_url: give a web address of at most {_MAX_URL_CHARS} characters, nobody's own"
    content_id = statement.get("content_id")
    if content_id is not None and not _is_product_number(content_id):
        yield 'content_id: give {"EAN-13": 13 digits}, or leave it out'


def _is_web_address(url: str) -> bool:
    if _NO_CHARACTER.search(url) or "@" in url or any(not c.isprintable() or c.isspace() for c in url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _is_product_number(content_id: object) -> bool:
    if not isinstance(content_id, Mapping) or set(content_id) != {"EAN-13"}:
        return False
    number = content_id["EAN-13"]
    return isinstance(number, str) and _EAN_13.fullmatch(number) is not None


# -- personal data -------------------------------------------------------------------------------

_AT_SIGN = re.compile(r"@|\w\s?[\[({]\s?at\s?[\])}]\s?\w", re.IGNORECASE)

# Numbers of other kinds, standing by themselves: days, and works or goods named by their standard.
_NO_TELEPHONE = re.compile(
    r"""(?<!\S)\(?(?:
        (?:(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])
         | [0-3]?\d([./-])[0-3]?\d\1(?:19|20)\d\d)
        (?=[),;:.!?]*(?!\S))
      | (?:EAN|EIDR|GTIN|ISAN|ISBN|ISSN|ISWC)(?:-1[03])?:?[ ][\dA-Z./-]+
    )""",
    re.VERBOSE,
)
_BETWEEN_DIGITS = r"(?:[^\S\r\n]|[().\-/·\u2010-\u2015\u2212])"
# Groups of digits on one line. A group that ends in letters is part of a name ("3b"), but for an extension ("x12").
_GROUP = r"\d++(?![^\W\d_xX])"
_DIGITS = re.compile(rf"(?:(?P<plus>\+[ (]{{0,2}})|(?<!\w)){_GROUP}(?:{_BETWEEN_DIGITS}++{_GROUP})*+")
_CALLS_IT_TELEPHONE = re.compile(
    r"\b(?:t[eé]l|t[eé]l[eé](?:ph|f)on\w*|phone|mobile|fax|whatsapp)\W{0,4}$", re.IGNORECASE
)

# ITU-T E.164 numbers have up to 15 digits. Seven and more follow a "+". Without one, nine are asked for: the sections
# of a statute (47-25-1105) and the acts of the Union (2022/2065) have eight and fewer, and so have some short numbers.
_LEAST_DIGITS, _LEAST_DIGITS_AFTER_PLUS, _LEAST_DIGITS_WHERE_NAMED = 9, 7, 5


def personal_data(text: str) -> list[str]:
    """What in a text looks like a way to reach a person, in kinds; [] when nothing does.

    Finds e-mail addresses, names of accounts (@name) and telephone numbers, however spaced. It does not know names of
    persons, nor numbers of eight and fewer digits that no word and no "+" marks as a telephone's.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    kinds = []
    if _AT_SIGN.search(plain):
        kinds.append("e-mail addresses and names of accounts")
    if _has_telephone(_NO_TELEPHONE.sub(";", plain)):
        kinds.append("what looks like a telephone number")
    return kinds


def _has_telephone(text: str) -> bool:
    for found in _DIGITS.finditer(text):
        digits = sum(character.isdecimal() for character in found[0])
        before = text[max(0, found.start() - 20) : found.start()]
        if digits >= _LEAST_DIGITS or (
            digits >= (_LEAST_DIGITS_AFTER_PLUS if found["plus"] else _LEAST_DIGITS_WHERE_NAMED)
            and (found["plus"] or _CALLS_IT_TELEPHONE.search(before))
        ):
            return True
    return False


def _personal_data_problems(texts: Mapping[str, object]) -> Iterator[str]:
    for name, value in texts.items():
        if isinstance(value, str):
            for kind in personal_data(value):
                yield f"{name}: take out {kind}, personal data must not be published"
