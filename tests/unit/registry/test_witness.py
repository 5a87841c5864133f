"""A cosignature says that a witness saw the log like this, and when; nobody else can make one."""

from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from registry.domain.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    KeyKind,
    encode_verifier_key,
    key_id,
    open_checkpoint,
    sign_checkpoint,
    signature_line,
)
from registry.domain.witness import add_checkpoint_request, cosign, encode_witness_key, name_of, open_cosignature

AT = datetime(2023, 3, 20, 12, 25, 47, tzinfo=UTC)
LOG, WITNESS = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
NAME = "witness.example/w1"
HEAD = Checkpoint(origin="ledger.example/log", size=9, root=bytes(range(32)))
NOTE = sign_checkpoint(HEAD, signer_name=HEAD.origin, key=LOG)
LOG_KEY = encode_verifier_key(signer_name=HEAD.origin, key=LOG.public_key())
KEY = encode_witness_key(name=NAME, key=WITNESS.public_key())
COSIGNED = NOTE + cosign(NOTE, name=NAME, key=WITNESS, at=AT).line + "\n"


def test_a_cosignature_gives_witness_and_time_back() -> None:
    found = open_cosignature(COSIGNED, witness_key=KEY)
    assert (found.witness, found.at) == (NAME, AT)
    assert COSIGNED.endswith(f"{found.line}\n")


def test_a_cosigned_checkpoint_is_still_the_log_s() -> None:
    assert open_checkpoint(COSIGNED, verifier_key=LOG_KEY) == HEAD


def test_a_cosignature_is_written_as_c2sp_has_it() -> None:
    """Source: c2sp.org/tlog-cosignature: key id, time, signature over two lines and the note's text."""
    value = b64decode(COSIGNED.split("\n")[-2].split(" ")[2])
    assert value[:4] == key_id(NAME, WITNESS.public_key(), KeyKind.COSIGNATURE_V1)
    assert int.from_bytes(value[4:12], "big") == 1679315147
    text = NOTE.split("\n\n")[0] + "\n"
    WITNESS.public_key().verify(value[12:], b"cosignature/v1\ntime 1679315147\n" + text.encode())


def test_a_witness_key_is_no_key_of_a_log_and_the_other_way_round() -> None:
    assert name_of(KEY) == NAME
    with pytest.raises(BadCheckpoint, match="not an Ed25519 key"):
        open_checkpoint(COSIGNED, verifier_key=KEY)
    plain = encode_verifier_key(signer_name=NAME, key=WITNESS.public_key())
    with pytest.raises(BadCheckpoint, match="not a witness's"):
        open_cosignature(COSIGNED, witness_key=plain)


def line_of(time_s: int, *, text: str | None = None, cut: int = 0) -> str:
    said = NOTE.split("\n\n")[0] + "\n" if text is None else text
    value = time_s.to_bytes(8, "big") + WITNESS.sign(f"cosignature/v1\ntime {time_s}\n{said}".encode())
    kind = key_id(NAME, WITNESS.public_key(), KeyKind.COSIGNATURE_V1)
    return signature_line(NAME, kind, value[: len(value) - cut])


@pytest.mark.parametrize(
    ("note", "problem"),
    [
        (NOTE, "not by"),
        (NOTE + line_of(1) + line_of(2), "more than once"),
        (NOTE + line_of(1, text="another log\n9\nAAAA\n"), "does not match"),
        (NOTE + line_of(1, cut=1), "wrong length"),
        (NOTE + line_of(2**64 - 1), "no time that there is"),
        (NOTE + signature_line(NAME, key_id(NAME, WITNESS.public_key(), KeyKind.COSIGNATURE_V1), b""), "wrong length"),
    ],
)
def test_what_a_witness_did_not_sign_is_refused(note: str, problem: str) -> None:
    with pytest.raises(BadCheckpoint, match=problem):
        open_cosignature(note, witness_key=KEY)


def test_another_time_than_the_signed_one_is_refused() -> None:
    line = COSIGNED.split("\n")[-2]
    value = bytearray(b64decode(line.split(" ")[2]))
    value[11] ^= 1
    with pytest.raises(BadCheckpoint, match="does not match"):
        open_cosignature(NOTE + f"— {NAME} {b64encode(value).decode()}\n", witness_key=KEY)


def test_a_witness_is_asked_with_old_size_proof_and_checkpoint() -> None:
    body = add_checkpoint_request(NOTE, old_size=4, proof=[bytes(32), bytes(range(32))]).decode()
    head, _, note = body.partition("\n\n")
    assert head.split("\n") == ["old 4", b64encode(bytes(32)).decode(), b64encode(bytes(range(32))).decode()]
    assert note == NOTE
    assert add_checkpoint_request(NOTE, old_size=0, proof=[]).decode() == f"old 0\n\n{NOTE}"


def test_part_of_a_second_is_left_out() -> None:
    found = cosign(NOTE, name=NAME, key=WITNESS, at=AT + timedelta(milliseconds=900))
    assert found.at == AT
