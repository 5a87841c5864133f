"""A receipt proves by itself what was put on record, and no byte of it can be changed."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.checkpoint import Checkpoint, encode_verifier_key, generate_key, sign_checkpoint
from registry.domain.merkle import NodeId, appended_nodes, inclusion_proof, leaf_hash, root
from registry.domain.receipt import MAX_BYTES, BadReceipt, Receipt, commitment, prove, write

NAME, KEY = "ledger.example", generate_key()
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


@given(st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_every_entry_of_every_log_has_a_receipt_that_holds(log: tuple[int, int]) -> None:
    size, number = log
    made = receipt(number=number, size=size)
    found = prove(write(made))
    assert (found.receipt, found.entry["subject"], found.head.size) == (made, f"rsv_{number}", size)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_no_byte_can_be_changed(flip: int) -> None:
    for place in range(len(FILE)):
        with pytest.raises(BadReceipt):
            prove(FILE[:place] + bytes([FILE[place] ^ flip]) + FILE[place + 1 :])


def test_no_byte_can_be_added_or_left_out() -> None:
    for place in range(len(FILE) + 1):
        for changed in (FILE[:place] + b" " + FILE[place:], FILE[:place]):
            if changed != FILE:
                with pytest.raises(BadReceipt):
                    prove(changed)


def other(**changes: Any) -> bytes:
    return rfc8785.dumps({**json.loads(FILE), **changes})


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
