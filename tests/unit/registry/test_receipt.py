"""A receipt proves by itself what was put on record, and no byte of it can be changed."""

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.checkpoint import Checkpoint, add_signature, encode_verifier_key, generate_key, sign_checkpoint
from registry.domain.handover import hand_over
from registry.domain.merkle import NodeId, appended_nodes, inclusion_proof, leaf_hash, root
from registry.domain.receipt import (
    FIRST_FORMAT,
    FORMAT,
    MAX_BYTES,
    BadReceipt,
    Receipt,
    Timestamp,
    commitment,
    prove,
    write,
)
from registry.domain.timestamp import new_request, read_roots, vouch
from registry.domain.witness import cosign
from tests.servers.tsa import Authority

NAME, KEY = "ledger.example", generate_key()
AT = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
SALT = bytes(range(16))
FACTS: dict[str, Any] = {"use": "train", "value": "reserved", "year": 1998, "terms": None}


def receipt(facts: dict[str, Any] = FACTS, *, number: int = 5, size: int = 11) -> Receipt:
    nodes: dict[NodeId, bytes] = {}
    texts = []
    for place in range(size):
        said = facts if place == number else {"other": place}
        entry: dict[str, Any] = {
            "v": 1,
            "number": place,
            "at": AT.isoformat(),
            "kind": "reservation.declared",
            "subject": f"rsv_{place}",
            "commitment": commitment(SALT, said),
        }
        texts.append(rfc8785.dumps(entry).decode())
        nodes.update(appended_nodes(place, leaf_hash(texts[-1].encode()), nodes.__getitem__))
    head = Checkpoint(origin=NAME, size=size, root=root(size, nodes.__getitem__))
    return Receipt(
        facts=facts,
        salt=SALT,
        number=number,
        entry=texts[number],
        hashes=tuple(inclusion_proof(number, size, nodes.__getitem__)),
        checkpoint=sign_checkpoint(head, signer_name=NAME, key=KEY),
        verifier_key=encode_verifier_key(signer_name=NAME, key=KEY.public_key()),
    )


FILE = write(receipt())

FIRST_KEY, NEXT_KEY = generate_key(), generate_key()
BEFORE, AFTER = (
    hand_over(origin=NAME, size=3, old=FIRST_KEY, new=KEY),
    hand_over(origin=NAME, size=20, old=KEY, new=NEXT_KEY),
)
AUTHORITY = Authority(at=AT)
ROOTS = read_roots(AUTHORITY.roots_pem)


def anchored() -> Receipt:
    """A receipt with all that there can be in one: a time-stamp, two witnesses, a handover."""
    plain = receipt()
    message = plain.checkpoint.encode()
    reply = AUTHORITY.answer(new_request(message).body, at=AT)
    seen = [cosign(plain.checkpoint, name=f"witness.example/{n}", key=generate_key(), at=AT) for n in (1, 2)]
    return replace(
        plain,
        checkpoint=plain.checkpoint + "".join(f"{said.line}\n" for said in seen),
        timestamp=Timestamp(reply=reply, signature=vouch(reply, message, key=KEY)),
        handovers=(BEFORE.note,),
        witnesses=tuple(said.witness_key for said in seen),
    )


ANCHORED = anchored()


@given(st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_every_entry_of_every_log_has_a_receipt_that_holds(log: tuple[int, int]) -> None:
    size, number = log
    made = receipt(number=number, size=size)
    found = prove(write(made))
    assert (found.receipt, found.entry["subject"], found.head.size) == (made, f"rsv_{number}", size)


def other(file: bytes = FILE, **changes: Any) -> bytes:
    return rfc8785.dumps({**json.loads(file), **changes})


FIRST = other(format=FIRST_FORMAT)  # as it was written before there were anchors


@pytest.mark.parametrize(
    ("file", "flip"),
    [(FILE, 0x01), (FILE, 0x20), (FILE, 0x80), (FIRST, 0x01), (write(ANCHORED), 0x01)],
    ids=["plain", "plain, case", "plain, not ASCII", "first format", "anchored"],
)
def test_no_byte_can_be_changed(file: bytes, flip: int) -> None:
    assert prove(file)
    for place in range(len(file)):
        with pytest.raises(BadReceipt):
            prove(file[:place] + bytes([file[place] ^ flip]) + file[place + 1 :])


@pytest.mark.parametrize("file", [FILE, write(ANCHORED)], ids=["plain", "anchored"])
def test_no_byte_can_be_added_or_left_out(file: bytes) -> None:
    for place in range(len(file) + 1):
        for changed in (file[:place] + b" " + file[place:], file[:place]):
            if changed != file:
                with pytest.raises(BadReceipt):
                    prove(changed)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"facts": {**FACTS, "value": "allowed"}}, "not what the entry commits to"),
        ({"number": 6}, "does not stand in the log"),
        ({"hashes": []}, "does not stand in the log"),
        ({"format": "clearmark-receipt-9"}, "not a receipt of the format"),
        ({"more": 1}, "not a receipt of the format"),
        ({"salt": 7}, "not a receipt"),
        ({"number": True}, "not a receipt"),
        ({"facts": []}, "not a receipt of the format"),
        ({"timestamp": None}, "not a receipt of the format"),
        ({"timestamp": {}}, "not a receipt"),
        ({"handovers": []}, "not a receipt of the format"),
        ({"handovers": ["x"]}, "plain text"),
        ({"handovers": [AFTER.note]}, "do not lead to its key"),
        ({"handovers": [BEFORE.note, BEFORE.note]}, "do not lead to its key"),
        ({"witnesses": ["x"]}, "verifier key"),
        ({"witnesses": ANCHORED.witnesses}, "not by witness.example/1"),
        ({"checkpoint": ANCHORED.checkpoint}, "does not account for"),
        ({"format": FIRST_FORMAT, "handovers": [BEFORE.note]}, "not a receipt of the format"),
    ],
)
def test_what_does_not_hold_is_named(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadReceipt) as bad:
        prove(other(**changes))
    assert problem in bad.value.problem


def test_a_key_known_from_elsewhere_decides() -> None:
    stranger = generate_key()
    forged = write(receipt())
    assert prove(forged, verifier_key=receipt().verifier_key + "\n").head.origin == NAME
    with pytest.raises(BadReceipt, match="another key"):
        prove(forged, verifier_key=encode_verifier_key(signer_name=NAME, key=stranger.public_key()))


@pytest.mark.parametrize("file", [b"", b"null", b"[]", b"{", b'"' + b"a" * MAX_BYTES + b'"', b"[" * 100_000, b"\xff"])
def test_what_is_no_receipt_proves_nothing(file: bytes) -> None:
    with pytest.raises(BadReceipt):
        prove(file)


def with_entry(text: str) -> bytes:
    """A receipt from somebody's own log, in which anything may stand."""
    head = Checkpoint(origin=NAME, size=1, root=leaf_hash(text.encode()))
    signed = sign_checkpoint(head, signer_name=NAME, key=KEY)
    return write(replace(receipt(), number=0, entry=text, hashes=(), checkpoint=signed))


ENTRY: dict[str, Any] = json.loads(receipt(number=0).entry) | {"commitment": commitment(SALT, FACTS)}


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{", "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000],
    ids=lambda text: text[:9],
)
def test_an_entry_that_is_none_proves_nothing_whoever_signed_it(text: str) -> None:
    with pytest.raises(BadReceipt, match="not one of this ledger"):
        prove(with_entry(text))


@pytest.mark.parametrize("name", ["subject", "kind", "at"])
def test_an_entry_that_does_not_say_what_happened_proves_nothing(name: str) -> None:
    assert prove(with_entry(json.dumps(ENTRY))).entry == ENTRY
    bottomless = "[" * 1_000 + "]" * 1_000
    rest = {member: value for member, value in ENTRY.items() if member != name}
    for said in (rest, rest | {name: None}, rest | {name: 7}, rest | {name: json.loads(bottomless)}):
        with pytest.raises(BadReceipt, match="not one of this ledger"):
            prove(with_entry(json.dumps(said)))


# -- what outsiders say ------------------------------------------------------------------------


def test_a_receipt_tells_what_outsiders_say() -> None:
    found = prove(write(ANCHORED), tsa_roots=ROOTS, witnesses=ANCHORED.witnesses[:1])
    assert found.receipt == ANCHORED
    assert found.stamp is not None
    assert (found.stamp.at, found.stamp.authority) == (AT, "CN=Test Time-stamps")
    assert [(said.witness, said.at) for said in found.cosignatures] == [
        ("witness.example/1", AT),
        ("witness.example/2", AT),
    ]


def test_a_time_stamp_is_verified_where_its_roots_are_given() -> None:
    assert prove(write(ANCHORED)).stamp == prove(write(ANCHORED), tsa_roots=ROOTS).stamp
    with pytest.raises(BadReceipt, match="known root"):
        prove(write(ANCHORED), tsa_roots=read_roots(Authority(at=AT).roots_pem))
    with pytest.raises(BadReceipt, match="no time-stamp"):
        prove(FILE, tsa_roots=ROOTS)


def test_a_time_stamp_that_the_log_did_not_vouch_for_is_refused() -> None:
    assert ANCHORED.timestamp is not None
    stamp = json.loads(write(ANCHORED))["timestamp"]
    longer = b64encode(b64decode(stamp["reply"]) + b"\x00").decode()
    for changed in (longer, b64encode(ANCHORED.timestamp.reply[::-1]).decode()):
        with pytest.raises(BadReceipt, match="vouches"):
            prove(other(write(ANCHORED), timestamp={**stamp, "reply": changed}))
    of_another = write(replace(receipt(number=4), timestamp=ANCHORED.timestamp))
    with pytest.raises(BadReceipt, match="vouches"):
        prove(of_another)


def test_a_witness_that_was_asked_for_must_have_signed() -> None:
    with pytest.raises(BadReceipt, match="not cosigned by"):
        prove(FILE, witnesses=ANCHORED.witnesses)


def test_the_lines_of_witnesses_cannot_be_put_in_another_order() -> None:
    swapped = replace(ANCHORED, witnesses=ANCHORED.witnesses[::-1])
    with pytest.raises(BadReceipt, match="does not account for"):
        prove(write(swapped))


def test_a_receipt_without_its_anchors_still_holds_and_says_less() -> None:
    found = prove(write(replace(ANCHORED, timestamp=None, handovers=())))
    assert found.stamp is None
    assert len(found.cosignatures) == 2


# -- keys --------------------------------------------------------------------------------------


def test_an_older_key_is_enough_when_the_receipt_tells_how_it_led_to_its_own() -> None:
    assert prove(write(ANCHORED), verifier_key=BEFORE.old).head.origin == NAME
    with pytest.raises(BadReceipt, match="another key"):
        prove(FILE, verifier_key=BEFORE.old)
    assert prove(FILE, verifier_key=BEFORE.old, handovers=[BEFORE])


def test_a_newer_key_is_enough_with_the_keys_of_the_service() -> None:
    assert prove(FIRST, verifier_key=AFTER.new, handovers=[BEFORE, AFTER])
    with pytest.raises(BadReceipt, match="another key"):
        prove(FIRST, verifier_key=AFTER.new, handovers=[BEFORE])


def test_the_second_heir_of_a_stolen_key_proves_nothing_to_who_knows_the_first() -> None:
    stolen = hand_over(origin=NAME, size=3, old=FIRST_KEY, new=generate_key())
    with pytest.raises(BadReceipt, match="another key"):
        prove(write(ANCHORED), verifier_key=stolen.new, handovers=[stolen])


def test_a_checkpoint_that_both_keys_signed_is_cut_to_the_receipt_s_own() -> None:
    both = add_signature(receipt().checkpoint, signer_name=NAME, key=NEXT_KEY)
    with pytest.raises(BadReceipt, match="does not account for"):
        prove(write(replace(receipt(), checkpoint=both)))


def test_what_is_written_now_is_the_second_format() -> None:
    assert json.loads(FILE)["format"] == FORMAT
    assert prove(FIRST).receipt == prove(FILE).receipt
