"""What a reviewer is told to look at in a new notice."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takedown.domain.signals import (
    FREE_MAIL_PROVIDERS,
    MANY_IN_A_DAY,
    Filing,
    Signal,
    Weight,
    looks_like,
    signals,
)

CLEAN = Filing(
    claimant_name="Ada Example",
    holder_name="Example Films",
    holder_kind="organisation",
    assurance="domain",
    contact_email="ada@mail.example-films.org",
    signature="Ada Example",
    verified_domains=("example-films.org",),
    other_domains=("bluehouse.example", "carphone.co.uk"),
    works_of_others=(),
    first_notice=False,
    filed_last_day=1,
    same_text=0,
    duplicates=(),
    rejected_before=0,
    claims_own_release=False,
    is_consented=False,
    work_registered_after_release=False,
)

# What changes, the signal that it raises, and what its sentence must show.
ALONE: list[tuple[dict[str, Any], Signal, str]] = [
    ({"contact_email": "ada@gmail.com"}, Signal.FREE_MAIL, "gmail.com"),
    ({"contact_email": "ada@elsewhere.net"}, Signal.OUTSIDE_OWN_DOMAINS, "example-films.org"),
    ({"contact_email": "ada@blue-house.net"}, Signal.LOOKALIKE_DOMAIN, "bluehouse.example"),
    ({"contact_email": "ada@mail.carphone.co.uk"}, Signal.ANOTHERS_DOMAIN, "carphone.co.uk"),
    ({"holder_name": "Blue House"}, Signal.NAME_OF_ANOTHER, "Blue House"),
    ({"signature": "Bo Sample"}, Signal.SIGNED_BY_ANOTHER, "Bo Sample"),
    ({"works_of_others": ("wrk_1", "wrk_2")}, Signal.WORK_OF_ANOTHER, "wrk_1, wrk_2"),
    ({"assurance": "unverified"}, Signal.NOT_ASSURED, "unverified"),
    ({"assurance": "email"}, Signal.NOT_ASSURED, "email"),
    ({"first_notice": True}, Signal.FIRST_NOTICE, "first notice"),
    ({"filed_last_day": MANY_IN_A_DAY}, Signal.MANY_NOTICES, str(MANY_IN_A_DAY)),
    ({"same_text": 3}, Signal.SAME_TEXT, "3"),
    ({"duplicates": ("ntc_1",)}, Signal.DUPLICATE, "ntc_1"),
    ({"rejected_before": 2}, Signal.REJECTED_BEFORE, "2"),
    ({"claims_own_release": True}, Signal.OWN_RELEASE, "made the release"),
    ({"is_consented": True}, Signal.CONSENTED, "consent"),
    ({"work_registered_after_release": True}, Signal.WORK_IS_YOUNGER, "after the release"),
]


def raised(filing: Filing) -> list[Signal]:
    return [one.signal for one in signals(filing)]


def test_a_clean_filing_raises_none() -> None:
    assert signals(CLEAN) == ()


@pytest.mark.parametrize(("change", "signal", "shown"), ALONE, ids=lambda value: str(value))
def test_one_oddity_raises_its_signal_alone(change: dict[str, Any], signal: Signal, shown: str) -> None:
    (one,) = signals(replace(CLEAN, **change))
    assert one.signal is signal
    assert shown in one.explanation


def test_every_signal_can_be_raised_alone() -> None:
    assert {signal for _, signal, _ in ALONE} == set(Signal)


@pytest.mark.parametrize(
    "change",
    [
        {"assurance": "vetted"},
        {"filed_last_day": MANY_IN_A_DAY - 1},
        {"contact_email": "ADA@Example-Films.ORG"},
        {"signature": "/s/ ada EXAMPLE"},
        {"signature": "Example, Ada"},
        {"signature": "Ａｄａ Example"},
        {"signature": "Example Films"},
        {"contact_email": "ada@gmail.com", "holder_kind": "person", "verified_domains": ()},
        {"contact_email": "ada@elsewhere.net", "verified_domains": ()},
        # The holder has shown the same name by a domain of its own.
        {"holder_name": "Blue House", "verified_domains": ("bluehouse.org", "example-films.org")},
        # Whether these are there at all is a matter of form, not of doubt.
        {"signature": ""},
        {"contact_email": ""},
    ],
    ids=str,
)
def test_what_is_in_order_raises_none(change: dict[str, Any]) -> None:
    assert raised(replace(CLEAN, **change)) == []


def test_a_person_with_a_domain_is_asked_why_they_write_from_elsewhere() -> None:
    assert raised(replace(CLEAN, holder_kind="person", contact_email="ada@gmail.com")) == [Signal.OUTSIDE_OWN_DOMAINS]


def test_an_address_at_a_provider_is_no_lookalike_of_who_has_a_similar_name() -> None:
    assert raised(replace(CLEAN, contact_email="ada@gmail.com", other_domains=("gmaill.com",))) == [Signal.FREE_MAIL]


@pytest.mark.parametrize(
    ("domain", "other"),
    [
        ("bluehouse.net", "bluehouse.example"),
        ("bluehouse.co.uk", "bluehouse.example"),
        ("blue-house.example", "bluehouse.example"),
        ("bluehouse.example", "blue-house.example"),
        ("bluehouse-legal.com", "bluehouse.example"),
        ("legal-bluehouse.com", "bluehouse.example"),
        ("bluehousetv.com", "bluehouse.example"),
        ("mybluehouse.com", "bluehouse.example"),
        ("bluehouse.legal-claims.com", "bluehouse.example"),
        ("bluehouse.example.claims.com", "bluehouse.example"),
        ("bluehuose.example", "bluehouse.example"),
        ("bluehous.example", "bluehouse.example"),
        ("bluehousse.example", "bluehouse.example"),
        ("bluehouze.example", "bluehouse.example"),
        ("b1uehouse.example", "bluehouse.example"),
        ("blueh0use.example", "bluehouse.example"),
        ("bIuehouse.example", "bluehouse.example"),
        ("bluеhоuse.example", "bluehouse.example"),  # with Cyrillic letters
        ("blüehouse.example", "bluehouse.example"),
        ("blue\u200bhouse.test", "bluehouse.example"),
        ("xn--bluhuse-9gg6f.example", "bluehouse.example"),  # the same in punycode
        ("carnphone.co.uk", "camphone.co.uk"),
        ("vvarehouse.example", "warehouse.example"),
        ("bbc.example", "bbc.co.uk"),
        ("bbc-rights.com", "bbc.co.uk"),
    ],
)
def test_what_can_be_taken_for_a_domain_looks_like_it(domain: str, other: str) -> None:
    assert looks_like(domain, other)


@pytest.mark.parametrize(
    ("domain", "other"),
    [
        ("bluehouse.example", "bluehouse.example"),
        ("BLUEHOUSE.example.", "bluehouse.example"),
        ("ｂｌｕｅhouse.example", "bluehouse.example"),
        ("mail.bluehouse.example", "bluehouse.example"),
        ("bluehouse.example", "mail.bluehouse.example"),
        ("redhouse.example", "bluehouse.example"),
        ("greenhouse.example", "bluehouse.example"),
        ("abc.example", "bbc.example"),
        ("bbcompany.example", "bbc.example"),
        ("carphone.co.uk", "elsewhere.co.uk"),
        ("", "bluehouse.example"),
        ("bluehouse.example", ""),
    ],
)
def test_what_is_the_same_or_another_domain_does_not(domain: str, other: str) -> None:
    assert not looks_like(domain, other)


def test_what_asks_for_most_attention_comes_first() -> None:
    everything = replace(CLEAN, **{field: value for change, _, _ in ALONE for field, value in change.items()})
    weights = [one.weight for one in signals(everything)]
    assert weights == sorted(weights, key=[Weight.STOP_AND_LOOK, Weight.LOOK, Weight.INFO].index)
    assert set(weights) == set(Weight)


@pytest.mark.parametrize("signal", Signal)
def test_a_signal_is_one_plain_sentence_without_a_verdict(signal: Signal) -> None:
    assert signal.explanation[0].isupper()
    assert signal.explanation.endswith(".")
    assert not {"fraud", "fake", "abuse", "must"} & set(signal.explanation.lower().split())


def test_free_mail_providers_are_domains_as_they_are_compared() -> None:
    assert all(name == name.lower().strip(".") and "." in name for name in FREE_MAIL_PROVIDERS)


def test_words_of_a_stranger_stay_within_their_sentence() -> None:
    (one,) = signals(replace(CLEAN, signature="Bo\n\n{holder}\u202e" + "x" * 500))
    assert one.explanation.isprintable()
    assert "{holder}" in one.explanation
    assert len(one.explanation) < 500


_ANY = st.text() | st.from_regex(r"(xn--)?\w*([.@-](xn--)?\w*)*", fullmatch=True)
_MANY = st.lists(_ANY, max_size=3).map(tuple)
_FILINGS = st.builds(
    Filing,
    claimant_name=_ANY,
    holder_name=_ANY,
    contact_email=_ANY,
    signature=_ANY,
    verified_domains=_MANY,
    other_domains=_MANY,
    works_of_others=_MANY,
    duplicates=_MANY,
)


@given(_FILINGS)
def test_whatever_was_written_is_explained_in_printable_words(filing: Filing) -> None:
    found = signals(filing)
    assert all(one.explanation.isprintable() for one in found)
    assert len({one.signal for one in found}) == len(found)


@given(_ANY, _ANY)
def test_no_domain_looks_like_itself_whatever_it_is(domain: str, other: str) -> None:
    assert not looks_like(domain, domain)
    looks_like(domain, other)
