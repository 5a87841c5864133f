"""Verifying evidence bundles: what holds of one and what does not, from its bytes alone.

Decides how an archive of strangers is opened, and which findings there are; what a bundle is, and what it cannot
prove, is said in `bundle`. Whatever is wrong inside a bundle is a finding and no exception.
"""

import hashlib
import io
import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import rfc8785

from registry.domain.checkpoint import BadCheckpoint
from registry.domain.handover import Handover, introduces, open_handover, read_handovers
from registry.domain.identifiers import Prefix
from registry.domain.receipt import BadReceipt, Proved, prove
from takedown.bundle import (
    FORMAT,
    KEYS,
    LETTERS,
    MANIFEST,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_PATH_CHARS,
    MAX_TOTAL_BYTES,
    NOTICE,
    PLAIN_FILE,
    SIGNATURE,
    BadBundle,
    Manifest,
    archive_of,
    counted,
    printable,
    problem_of_content,
    problem_of_note,
    problem_of_path,
    read_canonical,
    read_manifest,
)

# Every file costs the archive two headers (30 and 46 bytes, APPNOTE 4.3.7 and 4.3.12) that both hold its path.
_MAX_DIRECTORY_BYTES: Final = (MAX_FILES + 2) * (46 + MAX_PATH_CHARS)
_MAX_ARCHIVE_BYTES: Final = MAX_TOTAL_BYTES + 2 * _MAX_DIRECTORY_BYTES

_END: Final = struct.Struct("<4s4H2LH")  # end of central directory record, APPNOTE 4.3.16
_ZIP64_LOCATOR: Final = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES: Final = 20
_ENCRYPTED: Final = 0x1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that does not hold; an empty path speaks of the archive as a whole."""

    path: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedReceipt:
    """A receipt that holds: entry `number` of the first `checkpoint_size` says which `step` happened to `record`."""

    path: str
    record: str
    step: str
    at: str
    number: int
    checkpoint_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What is to be said of a bundle.

    Attributes:
        findings: everything that does not hold; empty when the bundle does.
        files: in the archive, manifest and signature included.
        notice_id: whom the manifest is about, None when it cannot be read.
        made_at: as the manifest says.
        signed_by: the verifier key whose signature on the manifest is good, None when none is.
        receipts: those that hold, in the order of their paths.
    """

    findings: tuple[Finding, ...]
    files: int
    notice_id: str | None
    made_at: datetime | None
    signed_by: str | None
    receipts: tuple[ProvedReceipt, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


def verify(file: Path | BinaryIO, *, verifier_key: str | None = None) -> Verified:
    """Check a bundle from its bytes alone; nothing is written anywhere.

    Args:
        file: a path, or what is read from its present position to its end.
        verifier_key: a key of the service, known from elsewhere: the bundle must be signed by it, or by one that
            handovers in the bundle link to it. None takes the bundle's own.
    Raises:
        BadBundle: this is no bundle, and there is nothing to say of its parts.
        OSError: the file cannot be read.
    """
    return _Verification(_read(file)).run(verifier_key)


def _read(file: Path | BinaryIO) -> bytes:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return _read(opened)
    data = file.read(_MAX_ARCHIVE_BYTES + 1)
    if len(data) > _MAX_ARCHIVE_BYTES:
        raise BadBundle(problem=f"A bundle has at most {_MAX_ARCHIVE_BYTES} bytes.")
    return data


def _opened(data: bytes) -> zipfile.ZipFile:
    """The archive, after its end was read: `zipfile` would make an object of every entry before any limit."""
    end = data[-_END.size :]
    if len(end) < _END.size or not end.startswith(b"PK\x05\x06"):
        raise BadBundle(problem="It is no zip file, or its end is missing.")
    *_, directory_bytes, directory_at, _comment = _END.unpack(end)
    # `zipfile` believes a ZIP64 record over this one, wherever it points.
    locator = data[-_END.size - _ZIP64_LOCATOR_BYTES : -_END.size]
    if directory_at + directory_bytes != len(data) - _END.size or locator.startswith(_ZIP64_LOCATOR):
        raise BadBundle(problem="It is no bundle: its directory is not where a bundle has it.")
    if directory_bytes > _MAX_DIRECTORY_BYTES:
        raise BadBundle(problem=f"It is no bundle: those hold at most {MAX_FILES} files.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, IndexError, OverflowError):
        raise BadBundle(problem="It is no zip file that could be read.") from None
    if MANIFEST not in archive.namelist():
        raise BadBundle(problem=f"It is no bundle: it has no {MANIFEST}.")
    return archive


class _Verification:
    """One bundle under examination; findings are gathered as they come."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._archive = _opened(data)
        self._findings: list[Finding] = []
        self._contents: dict[str, bytes] = {}

    def run(self, known_key: str | None) -> Verified:
        self._read_entries()
        manifest = self._manifest()
        signed_by: str | None = None
        receipts: list[ProvedReceipt] = []
        if manifest is not None:
            self._check_files(manifest)
            signed_by = self._signer(manifest)
            receipts = self._receipts(manifest, known_key)
            self._check_letters()
            self._check_layout(manifest)
        return Verified(
            findings=tuple(dict.fromkeys(self._findings)),
            files=len(self._archive.infolist()),
            notice_id=manifest.notice_id if manifest else None,
            made_at=manifest.made_at if manifest else None,
            signed_by=signed_by,
            receipts=tuple(receipts),
        )

    def _find(self, path: str, problem: str) -> None:
        self._findings.append(Finding(path=path, problem=problem))

    def _read_entries(self) -> None:
        """Read every entry that is fit to be read, once."""
        infos = self._archive.infolist()
        counts = counted(info.orig_filename for info in infos)
        if len(infos) > MAX_FILES + 2 or sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
            self._find("", f"It holds more than {MAX_FILES} files or {MAX_TOTAL_BYTES} bytes: none of them was read.")
            return
        for info in infos:
            path = info.orig_filename
            problem = problem_of_path(path) or _problem_of_entry(info)
            if problem is None and counts[path.casefold()] > 1:
                problem = "It is there twice: which one is meant cannot be said."
            if problem is None:
                try:
                    self._contents[path] = self._archive.read(info)
                except (zipfile.BadZipFile, EOFError, OSError, ValueError, struct.error, NotImplementedError):
                    problem = "It cannot be read: it was changed or cut off."
            if problem is not None:
                self._find(printable(path), problem)

    def _manifest(self) -> Manifest | None:
        content = self._contents.get(MANIFEST)
        if content is None:
            return None  # why was found already
        manifest = read_manifest(content)
        if manifest is None:
            self._find(MANIFEST, f"It was changed, or is no manifest of the format {FORMAT}.")
        return manifest

    def _check_files(self, manifest: Manifest) -> None:
        listed = {file.path: file for file in manifest.files}
        there = {info.orig_filename for info in self._archive.infolist()}
        for path in sorted(there - listed.keys() - {MANIFEST, SIGNATURE}):
            self._find(printable(path), "The manifest does not list it.")
        for path in sorted(listed.keys() - there):
            self._find(path, "It is missing: the manifest lists it.")
        for path in sorted(listed.keys() & self._contents.keys()):
            content, file = self._contents[path], listed[path]
            if (len(content), hashlib.sha256(content).hexdigest()) != (file.size, file.sha256):
                self._find(path, "It was changed: its content is not what the manifest lists.")
            elif problem := problem_of_content(content):
                self._find(path, problem)

    def _signer(self, manifest: Manifest) -> str | None:
        note = self._contents.get(SIGNATURE)
        if note is None:
            self._find(SIGNATURE, "The manifest is not signed.")
            return None
        if problem := problem_of_note(note.decode(errors="replace"), manifest):
            self._find(SIGNATURE, problem)
            return None
        return manifest.verifier_key

    def _receipts(self, manifest: Manifest, known_key: str | None) -> list[ProvedReceipt]:
        proved = self._proved()
        handovers = self._handovers(proved.values())
        if known_key is not None and not _linked(manifest.verifier_key, known_key.strip(), handovers):
            self._find(SIGNATURE, "It is signed with another key than the one given, and no handover links the two.")
        receipts = []
        for path, found in proved.items():
            if not _linked(manifest.verifier_key, found.receipt.verifier_key, handovers):
                self._find(path, "It is signed with another key than the bundle, and no handover links the two.")
                continue
            receipts.append(_proved_receipt(path, found))
            self._check_record(manifest, receipts[-1], found)
        if all(receipt.record != manifest.notice_id for receipt in receipts):
            self._find("receipts/", f"None that holds speaks of the notice {printable(manifest.notice_id)}.")
        return receipts

    def _proved(self) -> dict[str, Proved]:
        proved = {}
        for path, content in self._under("receipts/", ".json"):
            try:
                proved[path] = prove(content)
            except BadReceipt as bad:
                self._find(path, bad.problem)
        return proved

    def _handovers(self, proved: Iterable[Proved]) -> list[Handover]:
        """Those in the receipts, and those in what the service says of its keys."""
        found = [open_handover(note) for one in proved for note in one.receipt.handovers]
        if KEYS in self._contents:
            try:
                found += read_handovers(self._contents[KEYS])
            except BadCheckpoint as bad:
                self._find(KEYS, bad.reason)
        return found

    def _check_record(self, manifest: Manifest, receipt: ProvedReceipt, found: Proved) -> None:
        if receipt.record == manifest.notice_id:
            self._check_facts(receipt.path, found)
        elif receipt.record.startswith(f"{Prefix.NOTICE}_"):
            self._find(receipt.path, f"It is the receipt of another notice, {printable(receipt.record)}.")

    def _check_facts(self, path: str, found: Proved) -> None:
        if NOTICE not in self._contents:
            self._find(NOTICE, f"It is not there, or cannot be read, to be held against {path}.")
            return
        said = read_canonical(self._contents[NOTICE])
        facts = said.get("facts") if isinstance(said, dict) else None
        if not isinstance(facts, dict):
            self._find(NOTICE, "It is not canonical JSON with a member `facts`.")
        elif rfc8785.dumps(facts) != rfc8785.dumps(found.receipt.facts):
            self._find(NOTICE, f"Its facts are not those that {path} proves.")

    def _check_letters(self) -> None:
        letters = {path: hashlib.sha256(content).hexdigest() for path, content in self._under("letters/", ".eml")}
        if LETTERS not in self._contents:
            for path in letters:
                self._find(path, f"There is no {LETTERS} that speaks of it.")
            return
        stated = _read_letters(self._contents[LETTERS])
        if stated is None:
            self._find(LETTERS, "It is not a canonical list that gives each letter's `path` and `sha256` once.")
            return
        for path in sorted(stated.keys() | letters.keys()):
            if path not in stated:
                self._find(path, f"{LETTERS} does not speak of it.")
            elif path not in letters:
                self._find(LETTERS, f"It speaks of {printable(path)}, which is not there or cannot be read.")
            elif stated[path] != letters[path]:
                self._find(path, f"It is not the letter whose digest {LETTERS} states.")

    def _check_layout(self, manifest: Manifest) -> None:
        """Whether the archive is byte for byte what these files make; pointless where they are not all right."""
        if not self._findings and archive_of(self._contents, made_at=manifest.made_at) != self._data:
            self._find("", "The archive is not written as bundles are: it was changed outside of its files.")

    def _under(self, folder: str, suffix: str) -> list[tuple[str, bytes]]:
        found = [(p, content) for p, content in self._contents.items() if p.startswith(folder) and p.endswith(suffix)]
        return sorted(found)


def _problem_of_entry(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & _ENCRYPTED:
        return "It is encrypted."
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        return "It is compressed: the files of a bundle are stored as they are."
    if info.file_size > MAX_FILE_BYTES:
        return f"It has more than {MAX_FILE_BYTES} bytes."
    if info.external_attr >> 16 != PLAIN_FILE:
        return "It is a link, or another thing than a plain file."
    return None


def _proved_receipt(path: str, found: Proved) -> ProvedReceipt:
    return ProvedReceipt(
        path=path,
        record=found.entry["subject"],
        step=found.entry["kind"],
        at=found.entry["at"],
        number=found.receipt.number,
        checkpoint_size=found.head.size,
    )


def _linked(key: str, known: str, handovers: list[Handover]) -> bool:
    # Forwards or backwards, never both in one chain (registry.domain.handover).
    return key == known or introduces(handovers, known, key) or introduces(handovers, key, known)


def _read_letters(content: bytes) -> dict[str, str] | None:
    """The digest that is stated of each letter, by its path."""
    said = read_canonical(content)
    stated: dict[str, str] = {}
    for letter in said if isinstance(said, list) else [None]:
        match letter:
            case {"path": str(path), "sha256": str(digest)} if path not in stated:
                stated[path] = digest
            case _:
                return None
    return stated
