"""A bundle proves itself, and nothing in it or around it can be changed."""

import hashlib
import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain.checkpoint import (
    Checkpoint,
    add_signature,
    encode_verifier_key,
    generate_key,
    sign_checkpoint,
    sign_note,
)
from registry.domain.handover import Handover, hand_over
from registry.domain.merkle import NodeId, appended_nodes, inclusion_proof, leaf_hash, root
from registry.domain.receipt import Receipt, commitment
from registry.domain.receipt import write as write_receipt
from takedown import bundle, bundle_verification
from takedown.bundle import FORMAT, BadBundle, Manifest, Part, archive_of, listed, write
from takedown.bundle_verification import Finding, Verified, verify
from takedown.errors import TakedownError
from tests.effort import examples

NAME, KEY, OLD_KEY, OTHER_KEY = "ledger.example", generate_key(), generate_key(), generate_key()
AT = datetime(2026, 3, 2, 17, 0, 1, tzinfo=UTC)
NOTICE, OTHER_NOTICE = "ntc_01kj0000000000000000000000", "ntc_01kj9999999999999999999999"
SALT = bytes(16)
FACTS: dict[str, Any] = {"state": "disabled", "events": [["submit", 1]], "counter": None}


def verifier_key(key: Ed25519PrivateKey = KEY) -> str:
    return encode_verifier_key(signer_name=NAME, key=key.public_key())


def receipt(
    about: str = NOTICE,
    facts: dict[str, Any] = FACTS,
    *,
    key: Ed25519PrivateKey = KEY,
    handovers: tuple[Handover, ...] = (),
    **said: Any,
) -> Part:
    nodes: dict[NodeId, bytes] = {}
    entry: dict[str, Any] = {"v": 1, "at": AT.isoformat(), "kind": "notice.disable", "subject": about} | said
    for number in range(5):
        text = rfc8785.dumps({**entry, "number": number, "commitment": commitment(SALT, facts)}).decode()
        nodes.update(appended_nodes(number, leaf_hash(text.encode()), nodes.__getitem__))
    head = Checkpoint(origin=NAME, size=5, root=root(5, nodes.__getitem__))
    made = Receipt(
        facts=facts, salt=SALT, number=4, entry=text, hashes=tuple(inclusion_proof(4, 5, nodes.__getitem__)),
        checkpoint=sign_checkpoint(head, signer_name=NAME, key=key), verifier_key=verifier_key(key),
        handovers=tuple(handover.note for handover in handovers),
    )  # fmt: skip
    return part(f"receipts/{about}.json", write_receipt(made))


def part(path: str, content: bytes) -> Part:
    return Part(path=path, content=content, media_type="application/octet-stream", what="What it is.")


LETTER = b"From: desk@example.org\r\nSubject: Your notice\r\n\r\nHello.\r\n"
STATED = {"path": "letters/1.eml", "sha256": hashlib.sha256(LETTER).hexdigest(), "to": "claimant"}
PARTS = (
    part("notice.json", rfc8785.dumps({"id": NOTICE, "facts": FACTS})),
    part("notice.pdf", b"%PDF-1.7 ..."),
    part("letters.json", rfc8785.dumps([STATED])),
    part("letters/1.eml", LETTER),
    receipt(),
    receipt("rel_1", {"sha256": "00"}),
)


def sign(text: bytes, *, key: Ed25519PrivateKey = KEY) -> str:
    return sign_note(text.decode(), signer_name=NAME, key=key)


def written(*parts: Part, made_at: datetime = AT, key: Ed25519PrivateKey = KEY) -> bytes:
    target = io.BytesIO()
    write(
        parts, notice_id=NOTICE, made_at=made_at, verifier_key=verifier_key(key),
        sign=lambda text: sign(text, key=key), target=target,
    )  # fmt: skip
    return target.getvalue()


def with_parts(*changed: Part, without: tuple[str, ...] = ()) -> bytes:
    parts = {p.path: p for p in (*PARTS, *changed) if p.path not in without}
    return written(*parts.values())


def verified(file: bytes, **asked: Any) -> Verified:
    return verify(io.BytesIO(file), **asked)


def problems(file: bytes, **asked: Any) -> dict[str, str]:
    """The first of each file's."""
    return {finding.path: finding.problem for finding in reversed(verified(file, **asked).findings)}


FILE = written(*PARTS)


# -- what holds --------------------------------------------------------------------------------


def test_a_bundle_as_it_was_written_holds() -> None:
    found = verified(FILE, verifier_key=verifier_key())
    assert found.ok
    assert found.findings == ()
    assert (found.notice_id, found.made_at, found.signed_by, found.files) == (NOTICE, AT, verifier_key(), 8)
    assert [(r.record, r.step, r.number, r.checkpoint_size) for r in found.receipts] == [
        (NOTICE, "notice.disable", 4, 5),
        ("rel_1", "notice.disable", 4, 5),
    ]


def test_a_bundle_is_verified_from_its_path_too(tmp_path: Path) -> None:
    (tmp_path / "notice.zip").write_bytes(FILE)
    assert verify(tmp_path / "notice.zip") == verified(FILE)
    assert [found.name for found in tmp_path.iterdir()] == ["notice.zip"]


def test_the_same_parts_give_the_same_bytes_in_any_order_and_time_zone() -> None:
    assert written(*reversed(PARTS), made_at=AT.astimezone(timezone(timedelta(hours=9)))) == FILE


def test_anybody_opens_it_with_an_ordinary_tool() -> None:
    with zipfile.ZipFile(io.BytesIO(FILE)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted([p.path for p in PARTS] + ["manifest.json", "manifest.sig"])
        assert archive.read("letters/1.eml") == LETTER
        manifest = archive.read("manifest.json")
        assert hashlib.sha256(manifest).hexdigest() in archive.read("manifest.sig").decode()
        assert b'"format":"clearmark-evidence-1"' in manifest


@settings(max_examples=examples(50))
@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9]{1,8}(/[a-z0-9]{1,8}\.[a-z]{1,3})?", fullmatch=True).map("x/{}".format),
        st.binary(max_size=200).filter(lambda content: not content.startswith(b"PK")),
        max_size=6,
    )
)
def test_whatever_files_are_written_hold(files: dict[str, bytes]) -> None:
    found = verified(with_parts(*(part(path, content) for path, content in files.items())))
    assert (found.findings, found.files) == ((), 8 + len(files))


# -- no byte of it -----------------------------------------------------------------------------


def test_no_byte_can_be_changed() -> None:
    for place in range(len(FILE)):
        changed = FILE[:place] + bytes([FILE[place] ^ (1 << place % 8)]) + FILE[place + 1 :]
        try:
            assert not verified(changed).ok, place
        except BadBundle:
            continue


def test_a_bundle_cut_anywhere_is_none() -> None:
    for place in range(0, len(FILE), 7):
        with pytest.raises(BadBundle):
            verified(FILE[:place])


@settings(max_examples=examples(200))
@given(st.binary(max_size=300))
def test_what_is_no_zip_is_no_bundle(file: bytes) -> None:
    with pytest.raises(BadBundle):
        verified(file)


@settings(max_examples=examples(300))
@given(st.data())
def test_no_damage_raises_anything_but_bad_bundle(data: st.DataObject) -> None:
    damaged = bytearray(FILE)
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(FILE) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=6))
        damaged[start : start + len(piece)] = piece
    try:
        found = verified(bytes(damaged))
    except BadBundle:
        return
    assert found.ok == (bytes(damaged) == FILE)


def test_what_is_no_bundle_says_why() -> None:
    with pytest.raises(TakedownError) as told:
        verified(b"PK")
    assert isinstance(told.value, BadBundle)
    assert told.value.problem == "It is no zip file, or its end is missing."


@pytest.mark.parametrize(
    "around",
    [
        lambda file: b"#!/bin/sh\n" + file,
        lambda file: file + b"more",
        lambda file: file[:-2] + b"\x04\x00more",
        lambda file: file[:-22] + b"PK\x06\x07" + bytes(16) + file[-22:],
    ],
    ids=["before", "after", "comment", "ZIP64 locator"],
)
def test_nothing_can_be_put_around_it(around: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BadBundle):
        verified(around(FILE))


def test_nothing_can_be_hidden_between_its_files() -> None:
    hidden = b"hidden"
    *start, size, at, comment = struct.unpack("<4s4H2LH", FILE[-22:])
    directory = bytearray(FILE[at : at + size])
    place = 0
    while place < size:  # move every file by the length of what is hidden before the first
        name, extra, note = struct.unpack_from("<3H", directory, place + 28)
        offset = struct.unpack_from("<L", directory, place + 42)[0]
        struct.pack_into("<L", directory, place + 42, offset + len(hidden))
        place += 46 + name + extra + note
    end = struct.pack("<4s4H2LH", *start, size, at + len(hidden), comment)
    assert problems(hidden + FILE[:at] + bytes(directory) + end) == {
        "": "The archive is not written as bundles are: it was changed outside of its files."
    }


# -- hostile archives --------------------------------------------------------------------------

type Entry = tuple[zipfile.ZipInfo, bytes]


def entries(file: bytes = FILE, *, without: str = "") -> list[Entry]:
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return [(info, archive.read(info)) for info in archive.infolist() if info.filename != without]


def edited(path: str, edit: Callable[[bytes], bytes]) -> bytes:
    """The bundle with one file that is not what it was; the archive around it is sound."""
    return zipped(*((info, edit(content) if info.filename == path else content) for info, content in entries()))


def zipped(*inside: Entry) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that are there twice
        for info, content in inside:
            archive.writestr(info, content)
    return made.getvalue()


def entry(path: str, *, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, (2026, 3, 2, 17, 0, 0))
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    "path",
    [
        "../evil", "a/../../evil", "/etc/passwd", "C:/evil", "a\\..\\evil", "./a", "a//b", "folder/", ".hidden",
        "trailing.", "a b", "é", "x" * 151, "line\nbreak",
    ],
)  # fmt: skip
def test_a_path_leads_nowhere_else(path: str) -> None:
    found = verified(zipped(*entries(), (entry(path), b"x")))
    named = [finding for finding in found.findings if "Its path is none that a bundle has" in finding.problem]
    assert [finding.path for finding in named] == [ascii(path[:150])[1:-1]]
    with pytest.raises(BadBundle, match="Its path is none"):
        written(*PARTS, part(path, b"x"))


@pytest.mark.parametrize("mode", [0o120777, 0o040755, 0o020644, 0o010644], ids=["symlink", "folder", "device", "pipe"])
def test_only_plain_files_are_in_a_bundle(mode: int) -> None:
    found = problems(zipped(*entries(without="notice.pdf"), (entry("notice.pdf", mode=mode), b"/etc/passwd")))
    assert found == {"notice.pdf": "It is a link, or another thing than a plain file."}


@pytest.mark.parametrize("second", ["notice.json", "Notice.JSON", "manifest.json", "MANIFEST.json"])
def test_no_file_is_there_twice(second: str) -> None:
    found = problems(zipped(*entries(), (entry(second), b"{}")))
    assert "It is there twice" in found[second.casefold()]
    with pytest.raises(BadBundle, match="twice"):
        written(*PARTS, part(second, b"{}"))


def test_a_file_that_the_manifest_does_not_list_is_found() -> None:
    assert problems(zipped(*entries(), (entry("extra.txt"), b"x"))) == {"extra.txt": "The manifest does not list it."}


@pytest.mark.parametrize("path", sorted(p.path for p in PARTS))
def test_a_file_that_is_missing_is_found(path: str) -> None:
    found = verified(zipped(*entries(without=path)))
    assert Finding(path=path, problem="It is missing: the manifest lists it.") in found.findings


@pytest.mark.parametrize("path", sorted(p.path for p in PARTS))
def test_a_file_that_was_changed_is_found_whatever_the_archive_says_of_it(path: str) -> None:
    found = problems(edited(path, lambda content: content[:-1] + bytes([content[-1] ^ 1])))
    assert found[path] == "It was changed: its content is not what the manifest lists."


def test_a_manifest_that_was_changed_is_found() -> None:
    file = edited("manifest.json", lambda content: content.replace(b'","', b'", "'))
    assert problems(file) == {"manifest.json": "It was changed, or is no manifest of the format clearmark-evidence-1."}
    assert verified(file).notice_id is None


def test_a_manifest_that_was_written_anew_is_found() -> None:
    file = edited("manifest.json", lambda content: content.replace(b"What it is.", b"What it was"))
    assert problems(file) == {"manifest.sig": "It signs another manifest than the one here."}
    assert verified(file).signed_by is None


def test_a_manifest_without_a_signature_is_found() -> None:
    assert problems(zipped(*entries(without="manifest.sig"))) == {"manifest.sig": "The manifest is not signed."}


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_is_not_lit(compression: int) -> None:
    made = io.BytesIO(zipped(*entries(without="notice.pdf")))
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr(entry("notice.pdf"), bytes(30 << 20), compress_type=compression)
    assert len(made.getvalue()) < 1 << 20
    assert problems(made.getvalue()) == {
        "notice.pdf": "It is compressed: the files of a bundle are stored as they are."
    }


def limit(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    """For who writes and who verifies."""
    for name, value in limits.items():
        monkeypatch.setattr(bundle, name, value)
        monkeypatch.setattr(bundle_verification, name, value)


def test_more_than_a_bundle_holds_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, MAX_TOTAL_BYTES=2000)
    found = verified(FILE)
    assert [finding.path for finding in found.findings] == [""]
    assert "none of them was read" in found.findings[0].problem
    monkeypatch.undo()
    limit(monkeypatch, MAX_FILES=5)
    assert "none of them was read" in problems(FILE)[""]
    with pytest.raises(BadBundle, match="at most 5 files"):
        written(*PARTS)


def test_a_file_larger_than_a_bundle_holds_is_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    large = with_parts(part("large.bin", bytes(9000)))
    limit(monkeypatch, MAX_FILE_BYTES=8000)
    assert problems(large) == {"large.bin": "It has more than 8000 bytes."}
    with pytest.raises(BadBundle, match=r"large\.bin: It has more than 8000 bytes"):
        with_parts(part("large.bin", bytes(9000)))


def test_a_file_too_large_for_any_bundle_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_verification, "_MAX_ARCHIVE_BYTES", len(FILE) - 1)
    with pytest.raises(BadBundle, match="at most"):
        verified(FILE)


def test_a_directory_of_countless_files_is_not_read() -> None:
    countless = zipped(*((entry(f"{number:0150}"), b"") for number in range(2100)))
    with pytest.raises(BadBundle, match="at most 2000 files"):
        verified(countless)


def test_files_that_overlap_are_found() -> None:
    *_, size, at, _comment = struct.unpack("<4s4H2LH", FILE[-22:])
    directory = bytearray(FILE[at : at + size])
    first = 46 + sum(struct.unpack_from("<3H", directory, 28))
    struct.pack_into("<L", directory, first + 42, 0)  # the second begins where the first does
    assert not verified(FILE[:at] + bytes(directory) + FILE[-22:]).ok


def test_an_encrypted_file_is_found() -> None:
    at = FILE.rindex(b"notice.pdf") - 46  # its header in the directory
    assert FILE[at : at + 4] == b"PK\x01\x02"
    locked = bytearray(FILE)
    locked[at + 8] |= 1
    assert problems(bytes(locked)) == {"notice.pdf": "It is encrypted."}


def test_an_archive_in_a_bundle_is_found() -> None:
    inner = zipped((entry("inner.txt"), b"x"))
    with pytest.raises(BadBundle, match=r"inner\.bin: It is an archive itself"):
        with_parts(part("inner.bin", inner))
    signed = forged(part("inner.bin", inner))
    assert problems(signed) == {"inner.bin": "It is an archive itself: what it holds is not proved here."}


def forged(*more: Part) -> bytes:
    """A bundle that somebody made with tools and a key of their own."""
    parts = sorted((*PARTS, *more), key=lambda p: p.path)
    manifest = Manifest(notice_id=NOTICE, made_at=AT, verifier_key=verifier_key(), files=tuple(map(listed, parts)))
    contents = {p.path: p.content for p in parts} | {
        "manifest.json": manifest.written(),
        "manifest.sig": sign(manifest.note_text().encode()).encode(),
    }
    return archive_of(contents, made_at=AT)


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b'"x"', b"1e999", b"NaN", b'{"format":"clearmark-evidence-1"}', b"\xff\xfe", DEEP,
     b'{"files":[{"a":1}],"format":"clearmark-evidence-1","key":"k","made_at":"x","notice":1}',
     b'"\\ud800"', b"9" * 5000],
)  # fmt: skip
def test_a_manifest_that_is_none_is_a_finding_and_no_exception(content: bytes) -> None:
    found = verified(zipped((entry("manifest.json"), content)))
    assert (found.notice_id, found.signed_by, found.receipts) == (None, None, ())
    assert [finding.path for finding in found.findings] == ["manifest.json"]


@pytest.mark.parametrize(
    "changes",
    [{"notice": "a\nb"}, {"notice": None}, {"notice": ""}, {"made_at": "2026-03-02"},
     {"made_at": "2026-03-02T17:00:01+01:00"},
     {"made_at": "1979-03-02T17:00:01+00:00"}, {"key": "x"}, {"more": 1}, {"files": None}, {"files": [[]]},
     {"files": [{"path": "../a", "sha256": "", "size": 1, "media_type": "a", "what": "b"}]},
     {"files": [{"path": "a", "sha256": "0", "size": True, "media_type": "a", "what": "b"}]},
     {"files": [{"path": 7, "sha256": "0", "size": 1, "media_type": "a", "what": "b"}]},
     {"files": [{"path": "a", "sha256": "0", "size": 1, "media_type": "a", "what": "b"}] * 2}],
)  # fmt: skip
def test_a_manifest_that_no_bundle_has_is_a_finding(changes: dict[str, Any]) -> None:
    manifest = {
        "format": FORMAT,
        "notice": NOTICE,
        "made_at": AT.isoformat(),
        "key": verifier_key(),
        "files": [],
    }
    fine = verified(zipped((entry("manifest.json"), rfc8785.dumps(manifest))))
    assert fine.notice_id == NOTICE
    found = verified(zipped((entry("manifest.json"), rfc8785.dumps(manifest | changes))))
    assert [finding.path for finding in found.findings] == ["manifest.json"]


# -- keys --------------------------------------------------------------------------------------


def test_a_bundle_signed_by_another_key_than_the_known_one_is_found() -> None:
    found = verified(FILE, verifier_key=verifier_key(OTHER_KEY))
    assert [finding.path for finding in found.findings] == ["manifest.sig"]
    assert "another key" in found.findings[0].problem


def test_a_signature_by_a_key_that_the_manifest_does_not_name_is_found() -> None:
    with pytest.raises(BadBundle, match="signature does not hold"):
        write(
            PARTS, notice_id=NOTICE, made_at=AT, verifier_key=verifier_key(),
            sign=lambda text: sign(text, key=OTHER_KEY), target=io.BytesIO(),
        )  # fmt: skip
    other = {info.filename: content for info, content in entries(written(*PARTS, key=OTHER_KEY))}["manifest.sig"]
    assert "The signature does not hold" in problems(edited("manifest.sig", lambda _mine: other))["manifest.sig"]


def test_a_second_signature_is_not_accounted_for() -> None:
    file = edited(
        "manifest.sig",
        lambda note: add_signature(note.decode(), signer_name="else.example", key=OTHER_KEY).encode(),
    )
    assert problems(file) == {"manifest.sig": "It bears signatures that the manifest does not account for."}


FROM_OLD = hand_over(origin=NAME, size=3, old=OLD_KEY, new=KEY)
AS_KEYS = rfc8785.dumps([{"key": verifier_key(OLD_KEY), "handover": None}, {"handover": FROM_OLD.note}])


def test_a_receipt_under_another_key_is_found() -> None:
    found = problems(with_parts(receipt("rel_1", key=OLD_KEY)))
    assert found == {
        "receipts/rel_1.json": "It is signed with another key than the bundle, and no handover links the two."
    }


@pytest.mark.parametrize(
    "leading",
    [receipt(handovers=(FROM_OLD,)), part("keys.json", AS_KEYS)],
    ids=["in another receipt", "in what the service says of its keys"],
)
def test_a_handover_links_a_receipt_and_a_known_key_to_the_bundle(leading: Part) -> None:
    file = with_parts(receipt("rel_1", key=OLD_KEY), leading)
    assert problems(file, verifier_key=verifier_key(OLD_KEY)) == {}
    assert "manifest.sig" in problems(file, verifier_key=verifier_key(OTHER_KEY))


@pytest.mark.parametrize("content", [b"", b"[]x", b'[{"handover":"x"}]', DEEP])
def test_what_says_nothing_of_keys_is_found(content: bytes) -> None:
    assert [*problems(with_parts(part("keys.json", content)))] == ["keys.json"]


# -- receipts, facts, letters ------------------------------------------------------------------


def test_another_notices_receipt_is_found() -> None:
    file = with_parts(receipt(OTHER_NOTICE), without=(f"receipts/{NOTICE}.json",))
    assert problems(file) == {
        f"receipts/{OTHER_NOTICE}.json": f"It is the receipt of another notice, {OTHER_NOTICE}.",
        "receipts/": f"None that holds speaks of the notice {NOTICE}.",
    }


def test_a_receipt_that_proves_nothing_is_found() -> None:
    broken = replace(receipt("rel_1"), content=receipt("rel_1").content.replace(b"disabled", b"restored", 1))
    assert [*problems(with_parts(broken))] == ["receipts/rel_1.json"]


@pytest.mark.parametrize("said", [{"kind": 7}, {"subject": None}, {"at": []}])
def test_a_receipt_whose_entry_says_nothing_is_found(said: dict[str, Any]) -> None:
    found = problems(with_parts(receipt("rel_1", **said)))
    assert found == {"receipts/rel_1.json": "Its entry is not one of this ledger."}


@pytest.mark.parametrize("content", [b"", b"{}", DEEP])
def test_what_is_no_receipt_is_found(content: bytes) -> None:
    assert [*problems(with_parts(part("receipts/x.json", content)))] == ["receipts/x.json"]


def test_a_receipt_with_a_bottomless_entry_is_found() -> None:
    entry_text = "[" * 100_000 + "]" * 100_000
    leaf = leaf_hash(entry_text.encode())
    note = sign_checkpoint(Checkpoint(origin=NAME, size=1, root=leaf), signer_name=NAME, key=KEY)
    made = Receipt(
        facts=FACTS, salt=SALT, number=0, entry=entry_text, hashes=(), checkpoint=note, verifier_key=verifier_key()
    )
    found = problems(with_parts(part("receipts/x.json", write_receipt(made))))
    assert found == {"receipts/x.json": "Its entry is not one of this ledger."}


@pytest.mark.parametrize(
    "content",
    [
        rfc8785.dumps({"facts": FACTS | {"state": "restored"}}),
        rfc8785.dumps({"facts": FACTS | {"events": [["submit", True]]}}),
        rfc8785.dumps({}),
        rfc8785.dumps([]),
        b'{"facts": {}}',
        b'{"facts":{},"facts":' + rfc8785.dumps(FACTS) + b"}",
        b"",
        DEEP,
    ],
)
def test_the_notices_facts_are_those_of_its_receipt(content: bytes) -> None:
    assert [*problems(with_parts(part("notice.json", content)))] == ["notice.json"]


def test_a_bundle_without_the_notice_is_found() -> None:
    assert [*problems(with_parts(without=("notice.json",)))] == ["notice.json"]


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        ([], "letters/1.eml"),
        ([STATED | {"sha256": "00"}], "letters/1.eml"),
        ([STATED, {"path": "letters/2.eml", "sha256": "00"}], "letters.json"),
        ([STATED, STATED], "letters.json"),
        ([STATED | {"path": None}], "letters.json"),
        ([STATED | {"path": []}], "letters.json"),
        ([STATED, "x"], "letters.json"),
        ({"letters": [STATED]}, "letters.json"),
    ],
)
def test_every_letter_is_the_one_that_is_stated(stated: Any, named: str) -> None:
    assert [*problems(with_parts(part("letters.json", rfc8785.dumps(stated))))] == [named]


def test_letters_are_not_in_a_bundle_without_their_list() -> None:
    assert [*problems(with_parts(without=("letters.json",)))] == ["letters/1.eml"]
    assert problems(with_parts(without=("letters.json", "letters/1.eml"))) == {}


# -- what is not written -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "made_at", [datetime(2026, 3, 2), datetime(1979, 12, 31, tzinfo=UTC), datetime(2108, 1, 1, tzinfo=UTC)]
)
def test_a_time_that_no_archive_can_say_is_refused(made_at: datetime) -> None:
    with pytest.raises(BadBundle, match="not a time of an archive"):
        written(*PARTS, made_at=made_at)


def test_what_a_file_is_takes_one_line() -> None:
    with pytest.raises(BadBundle, match="one line"):
        written(replace(PARTS[0], what="two\nlines"))


@pytest.mark.parametrize("own", ["manifest.json", "manifest.sig"])
def test_the_manifest_is_the_bundles_own(own: str) -> None:
    with pytest.raises(BadBundle, match="own"):
        written(part(own, b"{}"))
