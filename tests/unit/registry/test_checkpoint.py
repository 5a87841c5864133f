"""Checkpoints are readable by other logs' tools, and only a good signature opens one."""

from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.checkpoint import (
    MAX_NOTE_CHARS,
    BadCheckpoint,
    Checkpoint,
    decode_verifier_key,
    encode_verifier_key,
    generate_key,
    key_from_pem,
    key_to_pem,
    open_checkpoint,
    open_note,
    sign_checkpoint,
    sign_note,
)
from registry.domain.merkle import EMPTY_ROOT
from registry.errors import LedgerError

# The example of Go's golang.org/x/mod/sumdb/note, where the format comes from.
GO_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_VERIFIER_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_NOTE = (
    GO_TEXT + "\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

NAME = "ledger.example/log"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
VERIFIER_KEY = encode_verifier_key(signer_name=NAME, key=KEY.public_key())
CHECKPOINT = Checkpoint(origin=NAME, size=20852163, root=bytes(range(32)))
NOTE = sign_checkpoint(CHECKPOINT, signer_name=NAME, key=KEY)


def signed(text: str) -> str:
    return sign_note(text, signer_name=NAME, key=KEY)


def test_a_note_is_signed_as_go_signs_it() -> None:
    key = Ed25519PrivateKey.from_private_bytes(GO_SEED)
    assert sign_note(GO_TEXT, signer_name="PeterNeumann", key=key) == GO_NOTE
    assert encode_verifier_key(signer_name="PeterNeumann", key=key.public_key()) == GO_VERIFIER_KEY


def test_a_note_signed_by_go_opens() -> None:
    assert open_note(GO_NOTE, verifier_key=GO_VERIFIER_KEY) == GO_TEXT


def test_a_checkpoint_is_three_lines_a_blank_one_and_a_signature() -> None:
    origin, size, root, blank, signature, end = NOTE.split("\n")
    assert (origin, size, blank, end) == (NAME, "20852163", "", "")
    assert b64decode(root) == CHECKPOINT.root
    assert signature.startswith(f"— {NAME} ")


@given(
    origin=st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1),
    size=st.integers(1, 2**60),
    root=st.binary(min_size=32, max_size=32),
)
def test_what_was_signed_is_what_opens(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin=origin, size=size, root=root)
    note = sign_checkpoint(checkpoint, signer_name=NAME, key=KEY)
    assert open_checkpoint(note, verifier_key=VERIFIER_KEY) == checkpoint


def test_an_empty_log_has_a_checkpoint() -> None:
    checkpoint = Checkpoint(origin=NAME, size=0, root=EMPTY_ROOT)
    note = sign_checkpoint(checkpoint, signer_name=NAME, key=KEY)
    assert open_checkpoint(note, verifier_key=VERIFIER_KEY) == checkpoint


@given(st.integers(0, len(NOTE) - 1), st.characters(exclude_categories=["Cs"]))
def test_a_note_with_any_character_changed_does_not_open(place: int, character: str) -> None:
    changed = NOTE[:place] + character + NOTE[place + 1 :]
    if changed != NOTE:
        with pytest.raises(BadCheckpoint):
            open_checkpoint(changed, verifier_key=VERIFIER_KEY)


@given(st.integers(0, len(NOTE) - 1))
def test_a_truncated_note_does_not_open(length: int) -> None:
    with pytest.raises(BadCheckpoint):
        open_checkpoint(NOTE[:length], verifier_key=VERIFIER_KEY)


@given(st.text())
def test_any_text_opens_or_is_a_bad_checkpoint(text: str) -> None:
    with pytest.raises(BadCheckpoint) as refused:
        open_checkpoint(text, verifier_key=VERIFIER_KEY)
    assert refused.value.reason


def test_another_key_under_the_same_name_does_not_open_it() -> None:
    other = encode_verifier_key(signer_name=NAME, key=OTHER_KEY.public_key())
    with pytest.raises(BadCheckpoint, match="not signed by"):
        open_checkpoint(NOTE, verifier_key=other)


def test_the_same_key_under_another_name_does_not_open_it() -> None:
    other = encode_verifier_key(signer_name="other.example", key=KEY.public_key())
    with pytest.raises(BadCheckpoint, match="not signed by"):
        open_checkpoint(NOTE, verifier_key=other)


def test_signatures_of_strangers_are_ignored() -> None:
    witness = sign_checkpoint(CHECKPOINT, signer_name="witness.example", key=OTHER_KEY).split("\n")[-2]
    text, signature = NOTE.split("\n\n")
    both = f"{text}\n\n{witness}\n{signature}"
    assert open_checkpoint(both, verifier_key=VERIFIER_KEY) == CHECKPOINT


def test_one_wrong_signature_by_the_known_key_spoils_the_note() -> None:
    wrong = signed("another text\n").split("\n")[-2]
    with pytest.raises(BadCheckpoint, match="does not match"):
        open_checkpoint(NOTE + wrong + "\n", verifier_key=VERIFIER_KEY)


def test_extension_lines_are_accepted() -> None:
    text = NOTE.split("\n\n")[0] + "\nan extension\n"
    assert open_checkpoint(signed(text), verifier_key=VERIFIER_KEY) == CHECKPOINT


ROOT = b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"{NAME}\n5\n",
        f"\n5\n{ROOT}\n",
        f"{NAME}\n05\n{ROOT}\n",
        f"{NAME}\n-5\n{ROOT}\n",
        f"{NAME}\n+5\n{ROOT}\n",
        f"{NAME}\n5 \n{ROOT}\n",
        f"{NAME}\n٥\n{ROOT}\n",
        f"{NAME}\n{'9' * 5000}\n{ROOT}\n",
        f"{NAME}\n5\n{ROOT[:-4]}\n",
        f"{NAME}\n5\n{ROOT[:-2]}9=\n",
        f"{NAME}\n5\nnot base64\n",
        f"{NAME}\n0\n{ROOT}\n",
        f"{NAME}\n5\n\n{ROOT}\n",
        f"{NAME}\n5\n{ROOT}\n\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        open_checkpoint(signed(text), verifier_key=VERIFIER_KEY)


@pytest.mark.parametrize(
    "fields",
    [
        {"origin": ""},
        {"origin": "two\nlines"},
        {"origin": "a\ttab"},
        {"origin": "\ud800"},
        {"size": -1},
        {"size": 0},
        {"root": b"short"},
    ],
)
def test_a_malformed_checkpoint_cannot_be_made(fields: dict[str, object]) -> None:
    with pytest.raises(BadCheckpoint):
        Checkpoint(**{"origin": NAME, "size": 5, "root": bytes(32)} | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "with space", "with+plus", "no\u00a0break", "new\nline", "nul\x00"])
def test_a_signer_name_that_would_break_the_line_is_refused(name: str) -> None:
    with pytest.raises(BadCheckpoint):
        sign_checkpoint(CHECKPOINT, signer_name=name, key=KEY)
    with pytest.raises(BadCheckpoint):
        encode_verifier_key(signer_name=name, key=KEY.public_key())


@pytest.mark.parametrize("text", ["no newline at the end", "a tab\t\n", "x" * MAX_NOTE_CHARS + "\n"])
def test_a_text_that_no_note_may_hold_is_not_signed(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        signed(text)


@pytest.mark.parametrize(
    "verifier_key",
    [
        "",
        "name only",
        "PeterNeumann+c74f20a3",
        GO_VERIFIER_KEY.replace("PeterNeumann", "Peter"),
        GO_VERIFIER_KEY.replace("c74f20a3", "c74f20a4"),
        GO_VERIFIER_KEY.replace("c74f20a3", "C74F20A3"),
        GO_VERIFIER_KEY[:-4],
        GO_VERIFIER_KEY.replace("+ARpc", "+Ahpc"),
        GO_VERIFIER_KEY + "!",
    ],
)
def test_a_malformed_verifier_key_is_refused(verifier_key: str) -> None:
    with pytest.raises(BadCheckpoint):
        decode_verifier_key(verifier_key)


def test_a_verifier_key_gives_name_and_key_back() -> None:
    assert decode_verifier_key(VERIFIER_KEY) == (NAME, KEY.public_key())


def test_a_key_survives_its_pem() -> None:
    key = generate_key()
    assert key_from_pem(key_to_pem(key)).private_bytes_raw() == key.private_bytes_raw()


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"not a key",
        KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        generate_ec_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ],
    ids=["empty", "no key", "locked", "of another kind"],
)
def test_a_pem_that_is_no_plain_ed25519_key_is_refused(pem: bytes) -> None:
    with pytest.raises(LedgerError):
        key_from_pem(pem)
