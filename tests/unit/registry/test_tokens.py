"""Statements that others check without asking: the newest key signs, all verify, one kind never passes for another."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.tokens import BadToken, TokenKeys, generate_pem, open_token

_KIND = "clearmark-test+jwt"
_PEM, _NEXT = generate_pem(), generate_pem()
_KEYS = TokenKeys([_PEM])
_TOKEN = _KEYS.sign({"said": "é"}, type=_KIND)


def test_what_was_signed_is_read_again() -> None:
    assert open_token(_TOKEN, type=_KIND, keys=_KEYS.public()) == {"said": "é"}


def test_the_public_keys_hold_no_private_part() -> None:
    assert all("d" not in key for key in _KEYS.public()["keys"])


def test_after_a_rotation_the_newest_key_signs_and_the_older_one_still_verifies() -> None:
    both = TokenKeys([_PEM, _NEXT])
    assert open_token(_TOKEN, type=_KIND, keys=both.public()) == {"said": "é"}
    newer = both.sign({}, type=_KIND)
    with pytest.raises(BadToken, match="known key"):
        open_token(newer, type=_KIND, keys=_KEYS.public())


def test_one_kind_of_statement_does_not_pass_for_another() -> None:
    with pytest.raises(BadToken, match="kind"):
        open_token(_TOKEN, type="clearmark-other+jwt", keys=_KEYS.public())


def test_an_unsigned_statement_is_refused() -> None:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": _KIND}).encode()).decode().rstrip("=")
    with pytest.raises(BadToken):
        open_token(f"{header}.{_TOKEN.split('.')[1]}.", type=_KIND, keys=_KEYS.public())


@given(place=st.integers(min_value=0, max_value=len(_TOKEN) - 2), letter=st.sampled_from("AQgw-_.~é"))
def test_a_changed_letter_is_a_broken_statement(place: int, letter: str) -> None:
    changed = _TOKEN[:place] + letter + _TOKEN[place + 1 :]
    if changed == _TOKEN:
        return
    with pytest.raises(BadToken):
        open_token(changed, type=_KIND, keys=_KEYS.public())


@pytest.mark.parametrize("keys", [{}, {"keys": None}, {"keys": [{}]}, {"keys": [{"kty": "oct", "k": "AA"}]}])
def test_what_is_no_key_set_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(BadToken):
        open_token(_TOKEN, type=_KIND, keys=keys)


def test_what_is_no_key_cannot_sign() -> None:
    for pems in ([], [b"nothing"]):
        with pytest.raises(BadToken):
            TokenKeys(pems)
