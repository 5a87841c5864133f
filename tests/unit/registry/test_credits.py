"""Credits: nobody holds more than everything, and what was not said is not made up."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.credits import AlternativeTitle, Contributor, Share, as_json, check_language, check_shares
from registry.domain.preferences import Use
from registry.errors import Invalid


def _share(percent: object, **said: object) -> Share:
    return Share.of({"holder": "Night Train", "percent": percent, **said})


@given(st.lists(st.integers(min_value=1, max_value=100), min_size=1, max_size=8))
def test_shares_come_to_no_more_than_the_whole(percents: list[int]) -> None:
    shares = [_share(percent) for percent in percents]
    if sum(percents) <= 100:
        check_shares(shares)
    else:
        with pytest.raises(Invalid, match="per cent"):
            check_shares(shares)


def test_shares_of_other_uses_and_territories_are_apart() -> None:
    check_shares([
        _share(100, uses=["train"], territory="FR"), _share(100, uses=["train"], territory="DE"),
        _share(100, uses=["search"], territory="FR"),
    ])  # fmt: skip


def test_who_holds_everywhere_holds_there_too() -> None:
    check_shares([_share(60), _share(40, territory="FR")])
    with pytest.raises(Invalid, match="in FR they come to 110 per cent"):
        check_shares([_share(60), _share(50, territory="FR", uses=["train"])])


@pytest.mark.parametrize("percent", [0, -1, 100.1, "1e-9", "NaN", "Infinity", None, "half", True, [], "33.3333"])
def test_what_is_no_share_is_refused(percent: object) -> None:
    with pytest.raises(Invalid, match="three decimals") as refused:
        _share(percent if percent is not True else "x")
    assert refused.value.field == "shares.percent"


@pytest.mark.parametrize(("written", "kept"), [("50.00", "50"), (33.333, "33.333"), ("1e1", "10"), (100, "100")])
def test_a_share_is_kept_exactly_and_in_one_way(written: object, kept: str) -> None:
    assert _share(written).percent == kept
    assert Decimal(kept) == Decimal(str(written))


def test_what_was_not_said_is_left_out() -> None:
    assert as_json([Contributor.of({"name": " Ada ", "role": "director"})]) == [{"name": "Ada", "role": "director"}]
    assert as_json([AlternativeTitle.of({"title": "Nachtzug"})]) == [{"title": "Nachtzug"}]
    assert as_json([_share(50, uses=["train", "train"])])[0]["uses"] == (Use.TRAIN,)


def test_a_name_is_told_from_others_by_its_isni() -> None:
    said = Contributor.of({"name": "Ada", "role": "director", "isni": "0000 0001 2103 2683"})
    assert said.isni == "0000000121032683"
    with pytest.raises(Invalid, match="typing errors") as refused:
        Contributor.of({"name": "Ada", "role": "director", "isni": "0000 0001 2103 2684"})
    assert refused.value.field == "contributors.isni"


@pytest.mark.parametrize("name", ["", "  ", None, 1, "a" * 501, "a\x00b", "a\nb"])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(Invalid, match="printable"):
        Contributor.of({"name": name, "role": "director"})


@pytest.mark.parametrize("language", ["English", "EN", "e", "en_US", 1, "en-", "a" * 40, ""])
def test_what_is_no_language_is_refused(language: object) -> None:
    with pytest.raises(Invalid, match="BCP 47"):
        check_language(language, "language")
    for fine in (None, "en", "pt-BR", "zh-Hant"):
        assert check_language(fine, "language") == fine
