"""The parsers of ours that read strangers' words, each with inputs that are right and the errors that it may raise."""

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from registry.errors import Invalid, LedgerError
from registry.formats.statements import FormatError

type Run = Callable[[bytes], object]

AT = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that reads bytes.

    Attributes:
        kind: how its inputs are mutated, as `mutate.mutated` has it.
        refusals: the errors that are right for a wrong input; any other is a finding.
    """

    run: Run
    seeds: Sequence[bytes]
    refusals: tuple[type[Exception], ...] = ()
    kind: str = "bytes"


# -- what sites and files say of uses --------------------------------------------------------------

_TDMREP = (
    b'[{"location":"/films/*","tdm-reservation":1,"tdm-policy":"https://a.example/p.json"},'
    b'{"location":"*","tdm-reservation":0}]'
)
_ROBOTS = (
    b"User-Agent: *\nContent-Usage: train-ai=n\nContent-Usage: /open/ train-ai=y, search=y\n"
    b"Content-Signal: ai-train=no, search=yes\nLicense: https://a.example/license.xml\nDisallow: /x$\n\n"
    b"User-agent: Bot\nAllow: /a*b\n"
)
_HEADERS = (
    b"HTTP/1.1 200 OK\r\ntdm-reservation: 1\r\ntdm-policy: https://a.example/p\r\n"
    b"Content-Usage: train-ai=n, search=y;x=1\r\nContent-Signal: ai-train=no\r\n"
)
_HTML = (
    b'<!doctype html><html><head><meta charset="utf-8"><meta name="tdm-reservation" content="1">'
    b'<meta name="tdm-policy" content="https://a.example/p"><title>x</title></head><body>y</body></html>'
)
_RSL = (
    b'<?xml version="1.0"?><rsl xmlns="https://rslstandard.org/rsl"><content url="/films/*">'
    b'<license><permits type="usage">search</permits><prohibits type="usage">ai-train</prohibits>'
    b'<permits type="geo">DE FR</permits>'
    b'<payment type="use"><custom>https://a.example/pay</custom><amount currency="EUR">5</amount>'
    b'</payment></license><copyright type="person" contactEmail="a@b.example">A</copyright></content></rsl>'
)
_ODRL = json.dumps(
    {
        "@context": ["http://www.w3.org/ns/odrl.jsonld", {"tdm": "http://www.w3.org/ns/tdmrep#"}],
        "@type": "Offer",
        "uid": "https://a.example/p",
        "profile": "http://www.w3.org/ns/tdmrep",
        "assigner": {"uid": "https://a.example", "vcard:fn": "A", "vcard:hasEmail": "mailto:a@b.example"},
        "permission": [
            {
                "target": "https://a.example/*",
                "action": "tdm:mine",
                "duty": [{"action": "obtainConsent"}],
                "constraint": [{"leftOperand": "purpose", "operator": "eq", "rightOperand": {"@id": "tdm:research"}}],
            }
        ],
        "prohibition": [{"target": "https://a.example/b", "action": "tdm:mine"}],
    }
).encode()
_CAWG = json.dumps(
    {
        "entries": {
            "cawg.ai_training": {"use": "notAllowed"},
            "cawg.data_mining": {"use": "constrained", "constraint_info": "https://a.example/terms"},
        }
    }
).encode()
_TDMAI = json.dumps(
    {
        "iscc": "ISCC:KACT4EBWK27737D2AYCJRAL5Z36G76RFRMO4554RU26HZ4ORJGIVHDI",
        "train": "no",
        "train-ai": "no",
        "train-genai": {"value": "no", "terms": "https://a.example/t"},
        "ai-use": "yes",
        "search": "yes",
    }
).encode()


def _reading(kind: str, *seeds: bytes, form: str = "bytes") -> Callable[[], Target]:
    def make() -> Target:
        from registry.formats.reading import SourceKind, read

        return Target(run=lambda data: read(SourceKind(kind), data), seeds=seeds, refusals=(FormatError,), kind=form)

    return make


def _documents(kind: str) -> Callable[[], Target]:
    """EPUB and PDF: real ones, of which little is said."""

    def make() -> Target:
        from tests.unit.registry.formats.test_tdmrep_documents import described, epub, package, pdf, tag, three

        says = described(tag("reservation", 1) + tag("policy", "https://a.example/p"))
        made = epub(package(three("tdm:reservation", 1))) if kind == "epub" else pdf(says)
        return _reading(kind, made)()

    return make


def _links() -> Target:
    from registry.formats.rsl import license_urls

    def run(data: bytes) -> object:
        return license_urls(robots_txt=data, links=[data.decode("latin-1")])

    link = b'<https://a.example/l.xml>; rel="license"; type="application/rsl+xml", </x>; rel=next'
    return Target(run=run, seeds=[_ROBOTS, link])


# -- catalogues --------------------------------------------------------------------------------------


def _catalogue(format: str, *seeds: bytes, form: str = "bytes") -> Callable[[], Target]:
    def make() -> Target:
        from registry.catalogue import CatalogueFormat, read

        def run(data: bytes) -> object:
            return sum(1 for _ in read(io.BytesIO(data), CatalogueFormat(format)))

        return Target(run=run, seeds=seeds, refusals=(Invalid, UnicodeDecodeError), kind=form)

    return make


_CSV = (
    b"title,kind,year,creators,policy,isrc,train,terms_url,territory\r\n"
    b"Night Train,track,1998,Ada; Bo,block,US-SKG-19-12345,constrained,https://a.example/t,DE\r\n"
    b'"A ""quoted"", line\nbreak",clip,,,review,,reserved,,\r\n'
)
_JSONL = (
    b'{"title":"Night Train","kind":"track","year":1998,"creators":["Ada"],"policy":"block",'
    b'"identifiers":{"isrc":"USSKG1912345"},"reservations":[{"use":"train","value":"reserved","territory":"DE","valid_from":"2026-01-01T00:00:00Z","contact":"a@b.example"}]}\n'
)


def _ddex() -> Target:
    from tests.ddex_messages import album

    return _catalogue("ddex", *(album(2, version=version).encode() for version in ("43", "382")))()


# -- fingerprints and codes ------------------------------------------------------------------------


def _document() -> Target:
    import numpy as np

    from fingerprinting.document import from_document, to_document
    from fingerprinting.errors import BadDocument
    from fingerprinting.model import Algorithm, Descriptors, Fingerprint

    rows = np.random.default_rng(1).integers(0, 256, (8, 32), dtype=np.uint8)
    descriptors = Descriptors(algorithm=Algorithm("video-phash-v1"), times_s=np.arange(8) / 16, vectors=rows)
    made = json.dumps(to_document(Fingerprint(duration_s=1.0, descriptors=(descriptors,)))).encode()

    def run(data: bytes) -> object:
        try:
            said = json.loads(data)
        except (ValueError, RecursionError):
            return None
        return from_document(said)

    return Target(run=run, seeds=[made], refusals=(BadDocument,), kind="json")


def _iscc() -> Target:
    from fingerprinting.iscc import BadIscc, parse

    code = "ISCC:GADQLNA7GRZESMRF2J7NZPNWGI3II2ST5YUN5SS6GVQ2ZQGJXPPYDNI"
    bits = base64.b32decode(code[5:] + "=" * (-len(code[5:]) % 8))

    def run(data: bytes) -> object:
        return parse(parse(data.decode("latin-1") if data.startswith(b"ISCC") else data).text)

    return Target(run=run, seeds=[code.encode(), bits, bits * 3], refusals=(BadIscc,))


# -- files -------------------------------------------------------------------------------------------


@cache
def small_files() -> Mapping[str, bytes]:
    """A small real file of each kind that we look into ourselves, by its media type."""
    import tempfile

    from tests import media

    picture = ["-f", "lavfi", "-i", "testsrc2=s=32x32:r=5:d=0.4"]
    sound = ["-f", "lavfi", "-i", "sine=d=0.2"]
    still = [*picture, "-frames:v", "1"]
    kinds = {
        "video/mp4": ("a.mp4", [*picture, *sound]), "video/quicktime": ("a.mov", picture),
        "audio/mp4": ("a.m4a", sound), "video/x-msvideo": ("a.avi", picture), "video/x-matroska": ("a.mkv", picture),
        "audio/mpeg": ("a.mp3", sound),
        "audio/wav": ("a.wav", sound), "audio/flac": ("a.flac", sound), "audio/ogg": ("a.ogg", sound),
        "image/png": ("a.png", still), "image/jpeg": ("a.jpg", still), "image/webp": ("a.webp", still),
        "image/tiff": ("a.tiff", still), "image/gif": ("a.gif", picture),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        made = {}
        for media_type, (name, how) in kinds.items():
            media.ffmpeg(*how, Path(folder, name))
            made[media_type] = Path(folder, name).read_bytes()
    return made


def _in_a_file(run: Callable[[Path], object]) -> Run:
    """What reads a file is given one in memory."""
    import os

    descriptor = os.memfd_create("input")
    path = Path(f"/proc/self/fd/{descriptor}")

    def written(data: bytes) -> object:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, data, 0)
        return run(path)

    return written


def _boxes() -> Target:
    """What kind of file it is, whether it is whole, and what manifest store it has."""
    from provenance.media_types import ends_early, media_type_of
    from provenance.store import manifest_store_of

    def run(path: Path) -> object:
        media_type = media_type_of(path)
        return media_type, ends_early(path), [manifest_store_of(path, kind) for kind in {media_type or "", "video/mp4"}]

    return Target(run=_in_a_file(run), seeds=[*small_files().values(), *_signed()], kind="boxes")


@cache
def _signed() -> Sequence[bytes]:
    """A manifest store as a file holds one, bare."""

    def box(kind: bytes, content: bytes) -> bytes:
        return (8 + len(content)).to_bytes(4) + kind + content

    def superbox(uuid: bytes, label: bytes, *content: bytes) -> bytes:
        uuid_end = bytes.fromhex("00110010800000AA00389B71")
        return box(b"jumb", box(b"jumd", uuid + uuid_end + b"\x03" + label + b"\0") + b"".join(content))

    import cbor2

    signature = cbor2.dumps(cbor2.CBORTag(18, [cbor2.dumps({1: -7, 33: [b"\x30\x82"]}), {}, None, b"s" * 64]))
    thumbnail = superbox(
        b"\x40\xcb\x0c\x32", b"c2pa.thumbnail.claim", box(b"bfdb", b"\0image/png\0"), box(b"bidb", b"\x89PNG\r\n\x1a\n")
    )
    manifest = superbox(
        b"c2ma", b"urn:c2pa:1", superbox(b"c2as", b"c2pa.assertions", thumbnail),
        superbox(b"c2cs", b"c2pa.signature", box(b"cbor", signature)),
    )  # fmt: skip
    return [superbox(b"c2pa", b"c2pa", manifest)]


def _store() -> Target:
    from provenance.signature import chain_of
    from provenance.thumbnails import thumbnails_of

    return Target(run=lambda data: (chain_of(data, "urn:c2pa:1"), thumbnails_of(data)), seeds=_signed(), kind="boxes")


def _xmp() -> Target:
    from provenance import xmp
    from provenance.errors import CannotCarry
    from provenance.media_types import media_type_in
    from provenance.xmp_places import place_of

    source_type = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    stated = xmp._stating(source_type, None)
    described = stated.replace(b"/>", b' xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="x"/>', 1)

    def run(data: bytes) -> object:
        media_type = media_type_in(lambda start, length: data[start : start + length])
        if media_type is None:
            return xmp._stating(source_type, data)
        place = place_of(io.BytesIO(data), media_type)
        return place.edits(xmp._stating(source_type, place.packet))

    return Target(run=run, seeds=[*small_files().values(), stated, described], refusals=(CannotCarry,), kind="boxes")


def _trust_list() -> Target:
    from provenance.errors import ProvenanceError
    from provenance.trust import read_certificates
    from tests.servers.tsa import Authority

    return Target(run=read_certificates, seeds=[Authority(at=AT).roots_pem], refusals=(ProvenanceError,))


def _answers() -> Target:
    """What a child says of a file's manifest."""
    from provenance.encoding import Undecodable, decode, encode
    from provenance.model import IntegrityState, ManifestFacts
    from provenance.report import without_report

    facts = json.dumps(encode(without_report(IntegrityState.UNREADABLE, "clearmark.reader.exit"))).encode()

    def run(data: bytes) -> object:
        try:
            said = json.loads(data)
        except (ValueError, RecursionError):
            return None
        return decode(ManifestFacts, said)

    return Target(run=run, seeds=[facts], refusals=(Undecodable,), kind="json")


# -- the ledger -----------------------------------------------------------------------------------


@cache
def _receipts() -> tuple[bytes, str, str]:
    """A receipt, its checkpoint and the key that signed it."""
    from registry.domain.receipt import write
    from tests.unit.registry.test_receipt import receipt

    made = receipt()
    return write(made), made.checkpoint, made.verifier_key


def _receipt() -> Target:
    from registry.domain.receipt import prove

    return Target(run=prove, seeds=[_receipts()[0]], refusals=(LedgerError,), kind="json")


def _checkpoint() -> Target:
    from registry.domain.checkpoint import decode_verifier_key, open_checkpoint, split_note
    from registry.domain.witness import open_cosignature

    _, note, key = _receipts()

    def run(data: bytes) -> object:
        text = data.decode("utf-8", "surrogateescape")
        if "+" in text and "\n" not in text:
            return decode_verifier_key(text)
        split_note(text)
        open_cosignature(text, witness_key=key)
        return open_checkpoint(text, verifier_key=key)

    return Target(run=run, seeds=[note.encode(), key.encode()], refusals=(LedgerError,))


def _handovers() -> Target:
    from registry.domain.checkpoint import generate_key
    from registry.domain.handover import hand_over, read_handovers

    note = hand_over(origin="l.example", size=5, old=generate_key(), new=generate_key()).note
    seed = json.dumps([{"key": "k", "handover": note}, {"key": "k", "handover": None}]).encode()
    return Target(run=read_handovers, seeds=[seed], refusals=(LedgerError,), kind="json")


def _time_stamp() -> Target:
    from registry.domain.timestamp import BadTimestamp, new_request, read_reply, read_roots, verify_reply
    from tests.servers.tsa import Authority

    authority, message = Authority(at=AT), b"head"
    roots = read_roots(authority.roots_pem)

    def run(data: bytes) -> object:
        read_reply(data, message)
        return verify_reply(data, message, roots=roots)

    return Target(run=run, seeds=[authority.answer(new_request(message).body, at=AT)], refusals=(BadTimestamp,))


def _feed() -> Target:
    """A page of a feed: its token, and what one says that is rightly signed."""
    from registry.domain.feed import TYPE, BadPage, open_page
    from registry.domain.tokens import BadToken, TokenKeys, generate_pem

    keys = TokenKeys([generate_pem()])
    at = AT.isoformat()
    holder = {"kind": "holder", "id": "hld_1", "assurance": "vetted"}
    page = {
        "v": 1, "iss": "a.example", "since": 0, "since_mark": None, "next": 1, "next_mark": "x", "head": 1, "as_of": at,
        "items": [{**holder, "sequence": 1, "at": at, "change": "add", "fact": holder}],
    }  # fmt: skip
    said = json.dumps(page).encode()

    def run(data: bytes) -> object:
        if not data.startswith(b"{"):
            return open_page(data.decode("latin-1"), keys=keys.public())
        try:
            claims = json.loads(data)
            token = keys.sign(claims, type=TYPE)
        except (ValueError, RecursionError):
            return None
        return open_page(token, keys=keys.public())

    seeds = [said, keys.sign(page, type=TYPE).encode()]
    return Target(run=run, seeds=seeds, refusals=(BadToken, BadPage), kind="json")


# -- words in requests -------------------------------------------------------------------------------


def _words() -> Target:
    """Ids, identifiers and web locations."""
    from registry.domain.identifiers import parse_id, validate_identifiers
    from registry.domain.searching import words_of
    from registry.locations import domains_of, host_of, normal, path_covers, path_of

    def run(data: bytes) -> object:
        text = data.decode("utf-8", "replace")
        words_of(text)
        domains_of(host_of(text))
        path_covers(text[:100], path_of(text))
        for read in (
            parse_id,
            normal,
            *(
                lambda said, key=key: validate_identifiers({key: said})
                for key in ("isrc", "iswc", "isan", "isni", "eidr", "iscc", "upc")
            ),
        ):
            try:
                read(text)
            except Invalid:
                continue
        return None

    seeds = [
        b"wrk_0190f3c1a2b47c3d8e5f60718293a4b5", b"US-SKG-19-12345", b"T-034.524.680-1", b"0000 0001 2150 090X",
        b"ISAN 0000-3BAB-9352-0000-G-0000-0000-Q", b"10.5240/7791-8534-2C23-9030-8610-5", b"https://Example.org:8080/a/*?b#c",
        b"ISCC:KACT4EBWK27737D2AYCJRAL5Z36G76RFRMO4554RU26HZ4ORJGIVHDI", "https://b\u00fccher.example/\u00e4*$".encode(),
    ]  # fmt: skip
    return Target(run=run, seeds=seeds)


def _tus() -> Target:
    from api.problems import Problem
    from api.resumable import name_in

    seeds = [b"filename bXkubXA0,filetype dmlkZW8vbXA0", b"name bXkubXA0, is_confidential"]
    return Target(run=lambda data: name_in(data.decode("latin-1")), seeds=seeds, refusals=(Problem,))


def _form() -> Target:
    import tempfile

    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser

    from api.problems import Problem
    from api.uploads import Parts

    staging = Path(tempfile.mkdtemp(prefix="clearmark-fuzz-"))

    def run(data: bytes) -> object:
        parts = Parts(staging, {"file": 1 << 14}, most_files=1, most_fields=4)
        try:
            parser = MultipartParser(b"b", parts.callbacks())
            parser.write(data)
            parser.finalize()
            parts.flush()
        finally:
            parts.remove()
        if left := list(staging.iterdir()):
            raise AssertionError(f"{left} is left")
        return parts.said

    seed = (
        b'--b\r\nContent-Disposition: form-data; name="wait"\r\n\r\n5\r\n--b\r\n'
        b'Content-Disposition: form-data; name="file"; '
        b"filename=\"a.mp4\"; filename*=UTF-8''a%20b\r\nContent-Type: video/mp4\r\n\r\nDATA\r\n--b--\r\n"
    )
    return Target(run=run, seeds=[seed], refusals=(Problem, FormParserError))


PARSERS: Mapping[str, Callable[[], Target]] = {
    "tdmrep": _reading("tdmrep.json", _TDMREP, form="json"),
    "robots": _reading("robots.txt", _ROBOTS),
    "headers": _reading("headers", _HEADERS),
    "html": _reading("html", _HTML),
    "rsl": _reading("rsl.xml", _RSL),
    "odrl": _reading("odrl.json", _ODRL, form="json"),
    "cawg": _reading("cawg.json", _CAWG, form="json"),
    "tdmai": _reading("tdmai.json", _TDMAI, form="json"),
    "content-usage": _reading("content-usage", b"train-ai=n, search=y;x=1", _ROBOTS),
    "content-signal": _reading("content-signal", b"ai-train=no, search=yes", _ROBOTS),
    "epub": _documents("epub"),
    "pdf": _documents("pdf"),
    "links": _links,
    "csv": _catalogue("csv", _CSV),
    "jsonl": _catalogue("jsonl", _JSONL, form="json"),
    "ddex": _ddex,
    "document": _document,
    "iscc": _iscc,
    "boxes": _boxes,
    "store": _store,
    "xmp": _xmp,
    "trust-list": _trust_list,
    "answers": _answers,
    "receipt": _receipt,
    "checkpoint": _checkpoint,
    "handovers": _handovers,
    "time-stamp": _time_stamp,
    "feed": _feed,
    "words": _words,
    "tus": _tus,
    "form": _form,
}
