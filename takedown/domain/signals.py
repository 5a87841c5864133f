"""Signals: what a reviewer should look at in a new notice.

Decides which oddities of a notice are pointed out, each in one sentence that shows what it rests on. It decides nothing
about the notice: signals are read by people, are not added up, and none of them refuses anything. The honest claimant
at a free-mail provider raises one too. The facts come from the caller: nothing is looked up here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, Self

from registry.domain.names import key_of, one_line
from registry.domain.policy import Assurance
from takedown.domain.redaction import skeleton

# Where anybody gets a mail address without showing who they are. The best known ones only; a domain that is not here
# is not thereby somebody's own.
FREE_MAIL_PROVIDERS: Final = frozenset({
    "126.com", "163.com", "aol.com", "bol.com.br", "daum.net", "fastmail.com", "gmail.com", "gmx.at", "gmx.ch",
    "gmx.com", "gmx.de", "gmx.net", "googlemail.com", "hanmail.net", "hey.com", "hotmail.co.uk", "hotmail.com",
    "hotmail.fr", "icloud.com", "laposte.net", "libero.it", "live.com", "mac.com", "mail.com", "mail.ru",
    "me.com", "msn.com", "naver.com", "outlook.com", "pm.me", "proton.me", "protonmail.com", "qq.com",
    "rediffmail.com", "rocketmail.com", "seznam.cz", "sina.com", "tuta.com", "tutanota.com", "uol.com.br",
    "web.de", "wp.pl", "yahoo.co.id", "yahoo.co.in", "yahoo.co.jp", "yahoo.co.uk", "yahoo.com", "yahoo.de",
    "yahoo.fr", "yandex.com", "yandex.ru", "ymail.com", "zoho.com", "zohomail.com",
})  # fmt: skip

# The operator's own number, not measured: more than a person writes with care in a day.
MANY_IN_A_DAY: Final = 20
# In shorter names one letter makes another word ("abc", "bbc"), and much contains them.
_TELLING_CHARS: Final = 5
_MAX_LABEL_CHARS: Final = 63  # RFC 1035, section 2.3.4
# Labels under which a country's registry registers names. The Public Suffix List knows them all: here it matters only
# which label of a domain is the name.
_SECOND_LEVEL: Final = frozenset({"ac", "co", "com", "edu", "go", "gob", "gov", "ne", "net", "or", "org", "web"})
_DRAWN_ALIKE: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "3": "e", "5": "s"})


class Weight(StrEnum):
    """How much attention a signal asks for. Stored: values are never renamed."""

    INFO = "info"
    LOOK = "look"
    STOP_AND_LOOK = "stop_and_look"


class Signal(StrEnum):
    """What is odd about a notice, how much it weighs and how it is said. Stored: values are never renamed."""

    weight: Weight
    explanation: str

    def __new__(cls, value: str, weight: Weight, explanation: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.weight = weight
        member.explanation = explanation
        return member

    ANOTHERS_DOMAIN = (
        "anothers_domain",
        Weight.STOP_AND_LOOK,
        "The contact address is at {domain}, and another holder verified {other}.",
    )
    LOOKALIKE_DOMAIN = (
        "lookalike_domain",
        Weight.STOP_AND_LOOK,
        "The contact address is at {domain}, which looks like {other}, verified by another holder.",
    )
    WORK_OF_ANOTHER = (
        "work_of_another",
        Weight.STOP_AND_LOOK,
        "These named works belong to holders who did not appoint the claimant: {works}.",
    )
    OWN_RELEASE = (
        "own_release",
        Weight.STOP_AND_LOOK,
        "The claimant made the release that the notice complains about.",
    )
    CONSENTED = (
        "consented",
        Weight.STOP_AND_LOOK,
        "A consent that is in force covers the person in this release.",
    )
    FREE_MAIL = (
        "free_mail",
        Weight.LOOK,
        "The claimant is an organisation, and its contact address is at {domain}, where anybody gets one.",
    )
    OUTSIDE_OWN_DOMAINS = (
        "outside_own_domains",
        Weight.LOOK,
        "The contact address is at {domain}, which is none of the domains that this holder verified: {own}.",
    )
    NAME_OF_ANOTHER = (
        "name_of_another",
        Weight.LOOK,
        "The name “{name}” reads like {other}, verified by another holder.",
    )
    SIGNED_BY_ANOTHER = (
        "signed_by_another",
        Weight.LOOK,
        "It is signed “{signature}”, which is neither the contact “{claimant}” nor the holder “{holder}”.",
    )
    NOT_ASSURED = (
        "not_assured",
        Weight.LOOK,
        "Who the claimant is was not shown by a domain, nor seen by the operator; the assurance is “{assurance}”.",
    )
    WORK_IS_YOUNGER = (
        "work_is_younger",
        Weight.LOOK,
        "The work was registered after the release was made.",
    )
    MANY_NOTICES = (
        "many_notices",
        Weight.LOOK,
        "The claimant filed {count} notices within a day.",
    )
    SAME_TEXT = (
        "same_text",
        Weight.LOOK,
        "Other open notices with the same words: {count}.",
    )
    DUPLICATE = (
        "duplicate",
        Weight.LOOK,
        "Open notices of this claimant about the same material: {notices}.",
    )
    REJECTED_BEFORE = (
        "rejected_before",
        Weight.LOOK,
        "Notices of this claimant that were rejected before: {count}.",
    )
    FIRST_NOTICE = (
        "first_notice",
        Weight.INFO,
        "It is the first notice of this claimant.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """A new notice, and what is known of who filed it.

    Args:
        other_domains: verified by other holders.
        works_of_others: ids of named works whose holders did not appoint this claimant.
        filed_last_day: notices of this claimant within 24 hours, this one among them.
        same_text: other open notices with the same words.
        duplicates: ids of open notices of this claimant about the same material.
        claims_own_release: the claimant made the release that they complain about.
        is_consented: a consent in force covers the person in this release.
    """

    claimant_name: str
    holder_name: str
    holder_kind: Literal["person", "organisation"]
    assurance: Literal["unverified", "email", "domain", "vetted"]
    contact_email: str
    signature: str
    verified_domains: tuple[str, ...]
    other_domains: tuple[str, ...]
    works_of_others: tuple[str, ...]
    first_notice: bool
    filed_last_day: int
    same_text: int
    duplicates: tuple[str, ...]
    rejected_before: int
    claims_own_release: bool
    is_consented: bool
    work_registered_after_release: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """A signal in one notice, explained in one sentence."""

    signal: Signal
    weight: Weight
    explanation: str


def signals(filing: Filing) -> tuple[Raised, ...]:
    """What to look at, what asks for most attention first."""
    raised = [*_of_contact(filing), *_of_names(filing), *_of_standing(filing)]
    order = list(Signal)
    return tuple(sorted(raised, key=lambda one: order.index(one.signal)))


def looks_like(domain: str, other: str) -> bool:
    """Whether a domain can be taken for the other: by its letters, another ending, or the other's name within it.

    A domain is not like itself, nor like what lies under it or above.
    """
    if _is_within(domain, other) or _is_within(other, domain):
        return False
    mine, theirs = _drawn(_main_label(domain)), _drawn(_main_label(other))
    if not mine or not theirs:
        return False
    if mine.replace("-", "") == theirs.replace("-", ""):
        return True
    # "example-legal.net", "example.legal.net"
    if len(theirs) > 2 and theirs in (*mine.split("-"), *map(_drawn, _readable(domain).split("."))):
        return True
    return len(theirs) >= _TELLING_CHARS and (
        mine.startswith(theirs) or mine.endswith(theirs) or _is_one_edit(mine, theirs)
    )


def _of_contact(filing: Filing) -> Iterator[Raised]:
    """What is odd about the contact's domain; the most telling thing alone, for it includes the rest."""
    domain = _readable(filing.contact_email.rpartition("@")[2])
    if not domain or any(_is_within(domain, own) for own in filing.verified_domains):
        return
    theirs = [other for other in filing.other_domains if _is_within(domain, other)]
    alike = [other for other in filing.other_domains if looks_like(domain, other)]
    if domain in FREE_MAIL_PROVIDERS:
        if filing.holder_kind == "organisation":
            yield _raised(Signal.FREE_MAIL, domain=domain)
        elif filing.verified_domains:
            yield _raised(Signal.OUTSIDE_OWN_DOMAINS, domain=domain, own=filing.verified_domains)
    elif theirs:
        yield _raised(Signal.ANOTHERS_DOMAIN, domain=domain, other=theirs[0])
    elif alike:
        yield _raised(Signal.LOOKALIKE_DOMAIN, domain=domain, other=alike[0])
    elif filing.verified_domains:
        yield _raised(Signal.OUTSIDE_OWN_DOMAINS, domain=domain, own=filing.verified_domains)


def _of_names(filing: Filing) -> Iterator[Raised]:
    own = {_letters(_main_label(domain)) for domain in filing.verified_domains}
    others = {_letters(_main_label(domain)): domain for domain in filing.other_domains}
    for name in dict.fromkeys((filing.holder_name, filing.claimant_name)):
        letters = _letters(name)
        if len(letters) >= _TELLING_CHARS and letters in others and letters not in own:
            yield _raised(Signal.NAME_OF_ANOTHER, name=name, other=others[letters])
            break
    signature = _signed(filing.signature)
    if signature and signature not in (_signed(filing.claimant_name), _signed(filing.holder_name)):
        yield _raised(
            Signal.SIGNED_BY_ANOTHER,
            signature=filing.signature,
            claimant=filing.claimant_name,
            holder=filing.holder_name,
        )


def _of_standing(filing: Filing) -> Iterator[Raised]:
    if filing.works_of_others:
        yield _raised(Signal.WORK_OF_ANOTHER, works=filing.works_of_others)
    if filing.claims_own_release:
        yield _raised(Signal.OWN_RELEASE)
    if filing.is_consented:
        yield _raised(Signal.CONSENTED)
    if filing.work_registered_after_release:
        yield _raised(Signal.WORK_IS_YOUNGER)
    if Assurance(filing.assurance) < Assurance.DOMAIN:
        yield _raised(Signal.NOT_ASSURED, assurance=filing.assurance)
    if filing.first_notice:
        yield _raised(Signal.FIRST_NOTICE)
    if filing.filed_last_day >= MANY_IN_A_DAY:
        yield _raised(Signal.MANY_NOTICES, count=filing.filed_last_day)
    if filing.same_text > 0:
        yield _raised(Signal.SAME_TEXT, count=filing.same_text)
    if filing.duplicates:
        yield _raised(Signal.DUPLICATE, notices=filing.duplicates)
    if filing.rejected_before > 0:
        yield _raised(Signal.REJECTED_BEFORE, count=filing.rejected_before)


def _raised(signal: Signal, **values: str | int | tuple[str, ...]) -> Raised:
    # Values are a stranger's words: each is shown as one line.
    shown = {
        name: one_line(", ".join(value) if isinstance(value, tuple) else str(value)) for name, value in values.items()
    }
    return Raised(signal=signal, weight=signal.weight, explanation=signal.explanation.format_map(shown))


def _readable(domain: str) -> str:
    """A domain as it is shown: in small letters, and no punycode (RFC 3492)."""
    return ".".join(_unicode_label(label) for label in key_of(domain).strip(".").split("."))


def _unicode_label(label: str) -> str:
    if not label.startswith("xn--") or len(label) > _MAX_LABEL_CHARS:
        return label
    try:
        return key_of(label[4:].encode("ascii").decode("punycode"))
    except UnicodeError:
        return label


def _is_within(domain: str, other: str) -> bool:
    return f".{_readable(domain)}".endswith(f".{_readable(other)}") and bool(_readable(other))


def _main_label(domain: str) -> str:
    """The label that a registrant chose: `example` of `mail.example.co.uk`."""
    labels = _readable(domain).split(".")
    if len(labels) > 2 and labels[-2] in _SECOND_LEVEL:
        return labels[-3]
    return labels[-2] if len(labels) > 1 else labels[0]


def _drawn(label: str) -> str:
    """What is the same for labels that look the same, pairs of letters that look like one among them."""
    return skeleton(label).translate(_DRAWN_ALIKE).replace("rn", "m").replace("vv", "w")


def _letters(name: str) -> str:
    return "".join(char for char in skeleton(name) if char.isalnum())


def _signed(name: str) -> tuple[str, ...]:
    """A name's words in any order, without the “/s/” that signs by typewriter."""
    return tuple(sorted(re.findall(r"\w+", skeleton(name).removeprefix("/s/"))))


def _is_one_edit(one: str, other: str) -> bool:
    """Whether one letter is put in, left out or another, or two that stand together change places."""
    start = _shared(one, other)
    one, other = one[start:], other[start:]
    end = _shared(one[::-1], other[::-1])
    one, other = one[: len(one) - end], other[: len(other) - end]
    return max(len(one), len(other)) <= 1 or (len(one) == 2 and one == other[::-1])


def _shared(one: str, other: str) -> int:
    """How many letters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
