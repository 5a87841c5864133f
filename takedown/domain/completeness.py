"""Whether a notice, or a counter-notice, says all that 17 U.S.C. 512 asks of it.

Decides which elements are there and what follows when some are not. It judges
form alone: not whether a statement is true, a signature genuine, or a location
one of ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class _Required(StrEnum):
    """One thing the statute asks for: where it says so, and what to supply, in plain words."""

    reference: str
    what_to_supply: str

    def __new__(cls, value: str, reference: str, what_to_supply: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.reference = reference
        member.what_to_supply = what_to_supply
        return member


class Element(_Required):
    """The six elements of a notice. Stored: values are never renamed."""

    SIGNATURE = (
        "signature",
        "17 U.S.C. 512(c)(3)(A)(i)",
        "Sign the notice: type the full name of the rights owner, or of the person authorized to act for them.",
    )
    WORK = (
        "work",
        "17 U.S.C. 512(c)(3)(A)(ii)",
        "Say which copyrighted work was copied; if there are several, a representative list is enough.",
    )
    MATERIAL = (
        "material",
        "17 U.S.C. 512(c)(3)(A)(iii)",
        "Say which material should come down and where it is: its address (URL) or its release id.",
    )
    CONTACT = (
        "contact",
        "17 U.S.C. 512(c)(3)(A)(iv)",
        "Give your name and a way to reach you: postal address, telephone number or e-mail address.",
    )
    GOOD_FAITH = (
        "good_faith",
        "17 U.S.C. 512(c)(3)(A)(v)",
        "State your good-faith belief that neither the owner, nor the owner's agent, nor the law allows this use.",
    )
    ACCURACY_AND_AUTHORITY = (
        "accuracy_and_authority",
        "17 U.S.C. 512(c)(3)(A)(vi)",
        "State that the notice is accurate and, under penalty of perjury, that you may act for the rights owner.",
    )


class CounterElement(_Required):
    """The four elements of a counter-notice. Stored: values are never renamed."""

    SIGNATURE = (
        "signature",
        "17 U.S.C. 512(g)(3)(A)",
        "Sign the counter-notice: type your full name.",
    )
    MATERIAL = (
        "material",
        "17 U.S.C. 512(g)(3)(B)",
        "Say which material was removed or disabled, and where it could be found before that.",
    )
    MISTAKE = (
        "mistake_or_misidentification",
        "17 U.S.C. 512(g)(3)(C)",
        "State under penalty of perjury your good-faith belief that the takedown is a mistake or misidentification.",
    )
    CONTACT_AND_CONSENT = (
        "contact_and_consent",
        "17 U.S.C. 512(g)(3)(D)",
        "Give name, address and telephone number; consent to the federal court and to service of process.",
    )


# With these three the operator must help the claimant to supply the rest;
# without one of them the notice counts for nothing (512(c)(3)(B)).
INDISPENSABLE = frozenset({Element.WORK, Element.MATERIAL, Element.CONTACT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Words a party subscribes to. A changed text takes a new version."""

    version: int
    text: str


STATEMENTS: dict[str, Statement] = {
    "good_faith": Statement(
        version=1,
        text="I believe in good faith that the use of the material described in this notice is not "
        "authorized by the copyright owner, by the owner's agent, or by the law.",
    ),
    "accuracy_and_authority": Statement(
        version=1,
        text="The information in this notice is accurate. Under penalty of perjury, I declare that I am "
        "the owner of an exclusive right that is said to be infringed, or am authorized to act on "
        "behalf of that owner.",
    ),
    "mistake_or_misidentification": Statement(
        version=1,
        text="Under penalty of perjury, I declare that I believe in good faith that the material was "
        "removed or disabled as a result of a mistake or because it was misidentified.",
    ),
    "consent_to_jurisdiction": Statement(
        version=1,
        text="I consent to the jurisdiction of the federal district court for the judicial district of my "
        "address or, if my address is outside the United States, of any judicial district in which the "
        "service provider may be found. I will accept service of process from the person who gave the "
        "notice, or from an agent of that person.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeContent:
    """What a claimant said; what was not said is None, empty or False."""

    signature: str | None = None
    work_description: str | None = None
    work_ids: tuple[str, ...] = ()
    material: tuple[str, ...] = ()
    contact_name: str | None = None
    contact_address: str | None = None
    contact_telephone: str | None = None
    contact_email: str | None = None
    good_faith: bool = False
    accuracy_under_penalty_of_perjury: bool = False
    authority: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterContent:
    """What an uploader answered; what was not said is None, empty or False."""

    signature: str | None = None
    material: tuple[str, ...] = ()
    former_locations: tuple[str, ...] = ()
    mistake_under_penalty_of_perjury: bool = False
    name: str | None = None
    address: str | None = None
    telephone: str | None = None
    consent_to_jurisdiction: bool = False
    accept_service: bool = False


class Outcome(StrEnum):
    """What follows from the form of the papers. Stored: values are never renamed."""

    COMPLETE = "complete"
    CURABLE = "curable"
    DEFECTIVE = "defective"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An element that was not supplied."""

    element: Element | CounterElement
    reference: str
    what_to_supply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The outcome, and what is missing in the statute's order."""

    outcome: Outcome
    missing: tuple[Missing, ...]


def assess(content: NoticeContent) -> Assessment:
    """Hold a notice against the six elements of 512(c)(3)(A)."""
    supplied = {
        Element.SIGNATURE: _said(content.signature),
        Element.WORK: _said(content.work_description, *content.work_ids),
        Element.MATERIAL: _said(*content.material),
        # The statute's list of means opens with "such as": one that works is enough to reach a person.
        Element.CONTACT: _said(content.contact_name)
        and _said(content.contact_address, content.contact_telephone, content.contact_email),
        Element.GOOD_FAITH: content.good_faith,
        Element.ACCURACY_AND_AUTHORITY: content.accuracy_under_penalty_of_perjury and content.authority,
    }
    lacking = [element for element in Element if not supplied[element]]
    if not lacking:
        outcome = Outcome.COMPLETE
    elif INDISPENSABLE.isdisjoint(lacking):
        outcome = Outcome.CURABLE
    else:
        outcome = Outcome.DEFECTIVE
    return Assessment(outcome=outcome, missing=_missing(lacking))


def assess_counter(content: CounterContent) -> Assessment:
    """Hold a counter-notice against the four elements of 512(g)(3).

    The statute sets no element apart here: an incomplete counter-notice is never
    defective, it waits to be completed.
    """
    supplied = {
        CounterElement.SIGNATURE: _said(content.signature),
        CounterElement.MATERIAL: _said(*content.material) and _said(*content.former_locations),
        CounterElement.MISTAKE: content.mistake_under_penalty_of_perjury,
        CounterElement.CONTACT_AND_CONSENT: _said(content.name)
        and _said(content.address)
        and _said(content.telephone)
        and content.consent_to_jurisdiction
        and content.accept_service,
    }
    lacking = [element for element in CounterElement if not supplied[element]]
    return Assessment(outcome=Outcome.CURABLE if lacking else Outcome.COMPLETE, missing=_missing(lacking))


def _said(*texts: str | None) -> bool:
    """Whether one of the texts holds more than white space."""
    return any(text is not None and text.strip() for text in texts)


def _missing(elements: Sequence[Element | CounterElement]) -> tuple[Missing, ...]:
    return tuple(
        Missing(element=element, reference=element.reference, what_to_supply=element.what_to_supply)
        for element in elements
    )
