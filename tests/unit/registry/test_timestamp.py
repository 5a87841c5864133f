"""A time-stamp holds when an authority under a known root made it of these very bytes."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from registry.domain.checkpoint import encode_verifier_key, generate_key
from registry.domain.timestamp import (
    MAX_REPLY_BYTES,
    BadTimestamp,
    is_vouched,
    new_request,
    read_reply,
    read_roots,
    verify_reply,
    vouch,
)
from tests.servers.tsa import SEQUENCE, Authority, integer, tlv

AT = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
NOTE = b"a checkpoint\n"
AUTHORITY, STRANGER = Authority(at=AT), Authority(at=AT)
ROOTS = read_roots(AUTHORITY.roots_pem)
REQUEST = new_request(NOTE)
REPLY = AUTHORITY.answer(REQUEST.body, at=AT)
REJECTED = tlv(SEQUENCE, tlv(SEQUENCE, integer(2)))


def test_a_stamp_says_when_and_by_whom() -> None:
    found = verify_reply(REPLY, NOTE, roots=ROOTS, nonce=REQUEST.nonce)
    assert (found.at, found.authority) == (AT, "CN=Test Time-stamps")
    assert read_reply(REPLY, NOTE) == found


def test_an_expired_certificate_still_proves_what_it_stamped_in_its_time() -> None:
    """It is held to the time of the stamp, not to today's."""
    late = AUTHORITY.answer(REQUEST.body, at=AT + timedelta(days=364))
    assert verify_reply(late, NOTE, roots=ROOTS).at == AT + timedelta(days=364)
    with pytest.raises(BadTimestamp):
        verify_reply(AUTHORITY.answer(REQUEST.body, at=AT + timedelta(days=367)), NOTE, roots=ROOTS)


def test_a_stamp_of_other_bytes_is_refused() -> None:
    with pytest.raises(BadTimestamp, match="another checkpoint"):
        verify_reply(REPLY, NOTE + b"\n", roots=ROOTS)
    with pytest.raises(BadTimestamp, match="another checkpoint"):
        read_reply(REPLY, NOTE + b"\n")


def test_an_authority_under_an_unknown_root_is_refused() -> None:
    with pytest.raises(BadTimestamp, match="not signed under a known root"):
        verify_reply(STRANGER.answer(REQUEST.body, at=AT), NOTE, roots=ROOTS)


def test_an_old_reply_played_again_is_refused() -> None:
    with pytest.raises(BadTimestamp, match="Nonce"):
        verify_reply(REPLY, NOTE, roots=ROOTS, nonce=REQUEST.nonce + 1)


@pytest.mark.parametrize(
    "reply",
    [
        b"", b"\x30", b"\x30\x80", b"<html>504</html>", b"\x30\x84\xff\xff\xff\xff", b"\x00" * 100, REJECTED,
        b"0" * (MAX_REPLY_BYTES + 1), REPLY[:-1], REPLY + b"\x00", tlv(SEQUENCE, tlv(SEQUENCE, integer(0))),
        tlv(SEQUENCE, *[tlv(SEQUENCE)] * 500),
    ],
    ids=[
        "empty", "a byte", "endless", "a page", "huge", "zeros", "refused", "long", "cut", "more", "no token", "many",
    ],
)  # fmt: skip
def test_what_is_no_time_stamp_is_refused(reply: bytes) -> None:
    with pytest.raises(BadTimestamp):
        read_reply(reply, NOTE)
    with pytest.raises(BadTimestamp):
        verify_reply(reply, NOTE, roots=ROOTS)


@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_a_changed_byte_is_a_bad_reply_or_at_least_not_the_one_vouched_for(flip: int) -> None:
    """Not every byte of a reply is signed by the authority; the log's own signature is on all of them."""
    key = generate_key()
    public = encode_verifier_key(signer_name="ledger.example", key=key.public_key())
    signature = vouch(REPLY, NOTE, key=key)
    assert is_vouched(signature, REPLY, NOTE, verifier_key=public)
    for place in range(len(REPLY)):
        changed = REPLY[:place] + bytes([REPLY[place] ^ flip]) + REPLY[place + 1 :]
        assert not is_vouched(signature, changed, NOTE, verifier_key=public)
        with suppress(BadTimestamp):  # and nothing else is raised
            read_reply(changed, NOTE)
        with suppress(BadTimestamp):
            verify_reply(changed, NOTE, roots=ROOTS)


@pytest.mark.parametrize(
    "pem", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_roots_are_certificates_in_pem(pem: bytes) -> None:
    with pytest.raises(BadTimestamp, match="PEM"):
        read_roots(pem)
