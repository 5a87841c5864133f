"""A new key of the log is believed when the one before introduced it, and through no other way."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.checkpoint import (
    BadCheckpoint,
    add_signature,
    encode_verifier_key,
    generate_key,
    open_checkpoint,
    sign_note,
    split_note,
)
from registry.domain.handover import FORMAT, MAX_DOCUMENT_BYTES, hand_over, introduces, open_handover, read_handovers

NAME = "ledger.example/log"
KEYS = [generate_key() for _ in range(4)]
NAMES = [encode_verifier_key(signer_name=NAME, key=key.public_key()) for key in KEYS]
CHAIN = [hand_over(origin=NAME, size=10 * number, old=old, new=new) for number, (old, new) in enumerate(pairwise(KEYS))]
NOTE = CHAIN[1].note


def test_what_was_handed_over_is_what_opens() -> None:
    assert open_handover(NOTE) == CHAIN[1]
    assert (CHAIN[1].size, CHAIN[1].old, CHAIN[1].new) == (10, NAMES[1], NAMES[2])


@given(st.integers(0, len(NOTE) - 1), st.characters(exclude_categories=["Cs"]))
def test_a_handover_with_any_character_changed_does_not_open(place: int, character: str) -> None:
    changed = NOTE[:place] + character + NOTE[place + 1 :]
    if changed != NOTE:
        with pytest.raises(BadCheckpoint):
            open_handover(changed)


def signed(text: str, *numbers: int) -> str:
    first, *rest = numbers
    note = sign_note(text, signer_name=NAME, key=KEYS[first])
    for number in rest:
        note = add_signature(note, signer_name=NAME, key=KEYS[number])
    return note


TEXT = f"{FORMAT}\nsize 10\nfrom {NAMES[1]}\nto {NAMES[2]}\n"


@pytest.mark.parametrize(
    "note",
    [
        signed(TEXT, 1),
        signed(TEXT, 2),
        signed(TEXT, 2, 1),
        signed(TEXT, 1, 3),
        signed(TEXT, 1, 2, 3),
        signed(TEXT, 1, 1),
        signed(TEXT.replace("size 10", "size 010"), 1, 2),
        signed(TEXT.replace(NAMES[2], NAMES[1]), 1, 1),
        signed(TEXT + "more\n", 1, 2),
        signed(TEXT.replace("handover-1", "handover-2"), 1, 2),
        "",
        "\x00",
        "— a b\n",
    ],
    ids=[
        "by the old one alone", "by the new one alone", "in the wrong order", "by a stranger", "by a stranger too",
        "by the old one twice", "another size", "to itself", "more said", "another format", "empty", "nul", "no note",
    ],
)  # fmt: skip
def test_only_the_old_key_and_the_new_one_make_a_handover(note: str) -> None:
    with pytest.raises(BadCheckpoint):
        open_handover(note)


def test_a_handover_is_never_taken_for_a_checkpoint() -> None:
    with pytest.raises(BadCheckpoint):
        open_checkpoint(NOTE, verifier_key=NAMES[1])


def test_a_log_cannot_be_handed_to_another_log() -> None:
    other = encode_verifier_key(signer_name="other.example", key=KEYS[2].public_key())
    text = TEXT.replace(NAMES[2], other)
    note = add_signature(sign_note(text, signer_name=NAME, key=KEYS[1]), signer_name="other.example", key=KEYS[2])
    with pytest.raises(BadCheckpoint, match="same log"):
        open_handover(note)


def test_a_chain_leads_forwards_from_a_known_key_to_any_later_one() -> None:
    shuffled = [CHAIN[2], CHAIN[0], CHAIN[1]]
    assert introduces(shuffled, NAMES[0], NAMES[3])
    assert introduces([], NAMES[0], NAMES[0])
    assert not introduces(shuffled, NAMES[3], NAMES[0])
    assert not introduces([CHAIN[0], CHAIN[2]], NAMES[0], NAMES[3]), "a link is missing"


def test_a_second_heir_of_an_old_key_is_not_introduced_by_the_first() -> None:
    thief = generate_key()
    stolen = hand_over(origin=NAME, size=5, old=KEYS[0], new=thief)
    assert not introduces([*CHAIN, stolen], NAMES[1], stolen.new)
    assert not introduces([*CHAIN, stolen], stolen.new, NAMES[1])


def test_the_keys_of_a_service_are_read_from_what_it_says() -> None:
    document = json.dumps([{"handover": None}, *({"handover": link.note} for link in CHAIN)]).encode()
    assert read_handovers(document) == CHAIN
    assert read_handovers(b"[]") == []


@pytest.mark.parametrize(
    "document",
    [
        b"", b"{}", b"null", b"[1]", b"[{}]", b'[{"handover": 1}]', b'[{"handover": "x"}]', b'[{"handover": ["a"]}]',
        b"[" * 100_000, b"\xff", b'{"handover": null}', b'"' + b"a" * MAX_DOCUMENT_BYTES + b'"',
    ],
)  # fmt: skip
def test_what_is_no_list_of_keys_is_refused(document: bytes) -> None:
    with pytest.raises(BadCheckpoint):
        read_handovers(document)


def test_a_note_keeps_its_text_when_it_is_signed_once_more() -> None:
    once = sign_note("a text\n\nof two parts\n", signer_name=NAME, key=KEYS[0])
    twice = add_signature(once, signer_name=NAME, key=KEYS[1])
    assert twice.startswith(once)
    assert split_note(twice)[0] == split_note(once)[0] == "a text\n\nof two parts\n"
