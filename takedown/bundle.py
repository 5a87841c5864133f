"""Evidence bundles: everything about one notice in one zip file that proves itself far from the service.

A bundle holds the files it was given, a manifest with the SHA-256 of each (canonical JSON, RFC 8785), and a C2SP
signed note by which the ledger's key vouches for that manifest. The files are stored, never compressed, in the order
of their paths and with the same times, and who verifies it writes the archive anew and compares: no byte of a bundle
can be changed, added or left out, and none of it swells when it is opened.

Some files are held to more than their digest. `receipts/*.json` are receipts of the ledger: each proves what it says,
under the bundle's own key or one that handovers link to it (`keys.json`, as the service says of its keys, may hold
more of those), and one of them is that of the notice, whose facts are the member `facts` of `notice.json`.
`letters.json` is a list that names each of `letters/*.eml` in `path` and its digest in `sha256`. These three, like the
manifest, are canonical JSON.

What a bundle cannot prove: that the key is the service's own, unless the reader knows it from elsewhere; when it was
made, for that is the signer's word; nor that nothing was left out of it before it was signed.

Decides the form of a bundle and writes it. Whether one holds is decided in `bundle_verification`.
"""

import hashlib
import io
import json
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

import rfc8785

from registry.domain.checkpoint import BadCheckpoint, decode_verifier_key, only_signed_by, open_note
from takedown.errors import TakedownError

FORMAT: Final = "clearmark-evidence-1"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
NOTICE: Final = "notice.json"
LETTERS: Final = "letters.json"
KEYS: Final = "keys.json"

# A notice is papers, letters and pictures of frames, not films; both ends hold a whole bundle in memory.
MAX_FILES: Final = 2_000
MAX_FILE_BYTES: Final = 32 << 20
MAX_TOTAL_BYTES: Final = 64 << 20
MAX_PATH_CHARS: Final = 150

PLAIN_FILE: Final = stat.S_IFREG | 0o644

# No segment begins or ends with a dot, so none is "..", and what is told apart here is told apart on Windows.
_SEGMENT: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?"
_PATH: Final = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_ONE_LINE: Final = re.compile(r"[^\x00-\x1f]+")
_LOCAL_HEADER: Final = b"PK\x03\x04"
_DOS_YEARS: Final = range(1980, 2108)


class BadBundle(TakedownError):
    """It is no evidence bundle, or cannot become one; says why."""

    def __init__(self, *, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a bundle; `what` says in one plain sentence what it is."""

    path: str
    content: bytes
    media_type: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the manifest says of one file."""

    path: str
    sha256: str
    size: int
    media_type: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is signed: whom the bundle is about, when and by which key it was made, and its files by their paths."""

    notice_id: str
    made_at: datetime
    verifier_key: str
    files: tuple[Listed, ...]

    def written(self) -> bytes:
        said: dict[str, Any] = {
            "format": FORMAT,
            "notice": self.notice_id,
            "made_at": self.made_at.isoformat(timespec="seconds"),
            "key": self.verifier_key,
            "files": [asdict(file) for file in self.files],
        }
        return rfc8785.dumps(said)

    def note_text(self) -> str:
        """What is signed. Its second line is no number: it never passes for a checkpoint."""
        digest = hashlib.sha256(self.written()).hexdigest()
        return f"{FORMAT}\nnotice {self.notice_id}\nmanifest {digest}\n"


def write(
    parts: Iterable[Part],
    *,
    notice_id: str,
    made_at: datetime,
    verifier_key: str,
    sign: Callable[[bytes], str],
    target: BinaryIO,
) -> None:
    """Write a bundle; the same input gives the same bytes.

    Args:
        made_at: with a time zone; kept to the second, in UTC.
        verifier_key: of the key that signs, as C2SP signed-note writes it.
        sign: makes the signed note of a text in UTF-8, as `registry.domain.checkpoint.sign_note` does.
    Raises:
        BadBundle: these parts make no archive, or no manifest, that `verify` accepts. What receipts and letters say is
            not looked at here.
    """
    if made_at.utcoffset() is None or made_at.astimezone(UTC).year not in _DOS_YEARS:
        raise BadBundle(problem=f"{made_at.isoformat()} is not a time of an archive: give one with its zone.")
    files = sorted(parts, key=lambda part: part.path)
    _check_parts(files)
    manifest = Manifest(
        notice_id=notice_id,
        made_at=made_at.astimezone(UTC).replace(microsecond=0),
        verifier_key=verifier_key,
        files=tuple(listed(part) for part in files),
    )
    note = sign(manifest.note_text().encode())
    contents = {part.path: part.content for part in files}
    contents |= {MANIFEST: manifest.written(), SIGNATURE: note.encode()}
    if problem := problem_of_note(note, manifest):
        raise BadBundle(problem=problem)
    if read_manifest(contents[MANIFEST]) is None:
        raise BadBundle(problem="The notice's id, and what and of which type each file is, take one line of text each.")
    if len(files) > MAX_FILES or sum(map(len, contents.values())) > MAX_TOTAL_BYTES:
        raise BadBundle(problem=f"A bundle holds at most {MAX_FILES} files and {MAX_TOTAL_BYTES} bytes.")
    target.write(archive_of(contents, made_at=manifest.made_at))


def _check_parts(files: list[Part]) -> None:
    counts = counted([MANIFEST, SIGNATURE, *(part.path for part in files)])
    for part in files:
        problem = problem_of_path(part.path) or problem_of_content(part.content)
        if counts[part.path.casefold()] > 1:
            problem = "It is there twice, or is the bundle's own."
        if problem:
            raise BadBundle(problem=f"{printable(part.path)}: {problem}")


def listed(part: Part) -> Listed:
    """A file as the manifest lists it."""
    return Listed(
        path=part.path,
        sha256=hashlib.sha256(part.content).hexdigest(),
        size=len(part.content),
        media_type=part.media_type,
        what=part.what,
    )


def archive_of(contents: Mapping[str, bytes], *, made_at: datetime) -> bytes:
    """A zip with nothing in it that could be otherwise."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for path, content in sorted(contents.items()):
            info = zipfile.ZipInfo(path, made_at.timetuple()[:6])
            info.create_system, info.external_attr = 3, PLAIN_FILE << 16  # as on Unix, wherever it is written
            archive.writestr(info, content)
    return made.getvalue()


def read_manifest(content: bytes) -> Manifest | None:
    """The manifest, if it is exactly one that `write` makes: whatever else it held would be lost in writing it anew."""
    said = read_canonical(content)
    try:
        manifest = Manifest(
            notice_id=said["notice"],
            made_at=datetime.strptime(said["made_at"], "%Y-%m-%dT%H:%M:%S%z"),
            verifier_key=said["key"],
            files=tuple(Listed(**file) for file in said["files"]),
        )
        decode_verifier_key(manifest.verifier_key)
        if manifest.written() != content or manifest.made_at.utcoffset() or manifest.made_at.year not in _DOS_YEARS:
            return None
    except (KeyError, TypeError, ValueError, AttributeError, BadCheckpoint):
        return None
    texts: list[Any] = [manifest.notice_id]
    for file in manifest.files:
        texts += [file.path, file.sha256, file.media_type, file.what]
    are_lines = all(isinstance(text, str) and _ONE_LINE.fullmatch(text) for text in texts)
    if not are_lines or any(type(file.size) is not int for file in manifest.files):
        return None
    paths = [file.path for file in manifest.files]
    return manifest if paths == sorted(set(paths)) and not any(map(problem_of_path, paths)) else None


def read_canonical(content: bytes) -> Any:
    """What canonical JSON says; None for anything else. One value, one spelling: no member is there twice."""
    try:
        said = json.loads(content)
        return said if rfc8785.dumps(said) == content else None
    except (ValueError, TypeError, RecursionError, rfc8785.CanonicalizationError):
        return None


def problem_of_path(path: str) -> str | None:
    """Why no file of a bundle has that path; None where one may."""
    if len(path) > MAX_PATH_CHARS or not _PATH.fullmatch(path):
        return "Its path is none that a bundle has: plain names under plain folders, inside the bundle."
    return None


def problem_of_content(content: bytes) -> str | None:
    """Why no file of a bundle holds that; None where one may."""
    if len(content) > MAX_FILE_BYTES:
        return f"It has more than {MAX_FILE_BYTES} bytes."
    if content.startswith(_LOCAL_HEADER):
        return "It is an archive itself: what it holds is not proved here."
    return None


def problem_of_note(note: str, manifest: Manifest) -> str | None:
    """Why a note does not vouch for the manifest; None where it does, and does nothing else."""
    key = manifest.verifier_key
    try:
        if open_note(note, verifier_key=key) != manifest.note_text():
            return "It signs another manifest than the one here."
        if only_signed_by(note, verifier_key=key) != note:
            return "It bears signatures that the manifest does not account for."
    except BadCheckpoint as bad:
        return f"The signature does not hold: {bad.reason}"
    return None


def counted(paths: Iterable[str]) -> Counter[str]:
    """How often each path is there, in lower case: some file systems know no difference between A and a."""
    return Counter(path.casefold() for path in paths)


def printable(text: str) -> str:
    """A hostile name as it can be shown: one line, no control characters, not endless."""
    return ascii(text[:MAX_PATH_CHARS])[1:-1]
