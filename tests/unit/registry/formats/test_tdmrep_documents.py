"""TDMRep inside EPUB and PDF files, which come from strangers."""

import contextlib
import io
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from registry.domain.preferences import Use, Value
from registry.formats.statements import FormatError, Reading, Statement
from registry.formats.tdmrep_documents import MAX_PDF_BYTES, read_epub, read_pdf

TERMS = "https://a.example/terms"
RESERVED = Statement(use=Use.TDM, value=Value.RESERVED)
CONSTRAINED = Statement(use=Use.TDM, value=Value.CONSTRAINED, terms_url=TERMS)
ALLOWED = Statement(use=Use.TDM, value=Value.ALLOWED)

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>{}</rootfiles></container>'
)  # fmt: skip
ROOT = '<rootfile full-path="{}" media-type="application/oebps-package+xml"/>'


def package(metadata: str, *, attributes: str = 'prefix="tdm: http://www.w3.org/ns/tdmrep#"') -> str:
    return (
        f'<package xmlns="http://www.idpf.org/2007/opf" version="3.0" {attributes}>'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A</dc:title>{metadata}</metadata></package>'
    )


def zipped(entries: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def epub(*packages: str) -> bytes:
    names = [f"OEBPS/{number}.opf" for number, _ in enumerate(packages)]
    container = CONTAINER.format("".join(ROOT.format(name) for name in names))
    entries = {"mimetype": "application/epub+zip", "META-INF/container.xml": container}
    return zipped({**entries, **dict(zip(names, packages, strict=True))})


def three(name: str, value: object) -> str:
    return f'<meta property="{name}">{value}</meta>'


def two(name: str, value: object) -> str:
    return f'<meta name="{name}" content="{value}"/>'


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("", None),
        (three("tdm:reservation", 1), RESERVED),
        (three("tdm:reservation", " 0 "), ALLOWED),
        (three("tdm:reservation", 1) + three("tdm:policy", TERMS), CONSTRAINED),
        (two("tdm:reservation", 1) + two("tdm:policy", TERMS), CONSTRAINED),
        (two("tdm:reservation", 0), ALLOWED),
        (three("tdm-reservation", 1), RESERVED),
        (three("tdm:reservation", "yes"), None),
        (three("tdm:reservation", 0) + three("tdm:reservation", 1), RESERVED),
        (three("tdm:reservation", 0) + '<meta property="tdm:reservation" refines="#page">1</meta>', None),
        ('<meta property="tdm:reservation" refines="#page">0</meta>', None),
        (three("other:reservation", 1) + three("reservation", 1) + three("tdm:", 1), None),
        (three("tdm:reservation", "<b>1</b>"), RESERVED),
        ("<!--" + three("tdm:reservation", 1) + "-->", None),
    ],
)
def test_a_package_document_says_what_holds_for_the_publication(metadata: str, expected: Statement | None) -> None:
    assert read_epub(epub(package(metadata))).statements == ((expected,) if expected else ())


@pytest.mark.parametrize(
    ("prefix", "name", "expected"),
    [
        ("", "tdm:reservation", RESERVED),
        ("schema: http://schema.org/ t: http://www.w3.org/ns/tdmrep#", "t:reservation", RESERVED),
        ("tdm: https://www.w3.org/ns/tdmrep/", "tdm:reservation", RESERVED),
        ("tdm: http://other.example/", "tdm:reservation", None),
        ("tdm:", "tdm:reservation", RESERVED),
        ("http://www.w3.org/ns/tdmrep# t:", "t:reservation", None),
    ],
)
def test_a_property_is_known_by_its_vocabulary(prefix: str, name: str, expected: Statement | None) -> None:
    reading = read_epub(epub(package(three(name, 1), attributes=f'prefix="{prefix}"')))
    assert reading.statements == ((expected,) if expected else ())


def test_of_several_renditions_one_that_reserves_reserves() -> None:
    reading = read_epub(epub(package(three("tdm:reservation", 0)), package(three("tdm:reservation", 1))))
    assert reading.statements == (RESERVED,)
    assert reading.remarks


def test_an_epub_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "book.epub"
    path.write_bytes(epub(package(three("tdm:reservation", 1))))
    assert read_epub(path).statements == (RESERVED,)


def entity_bomb() -> str:
    rows = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
    return f'<!DOCTYPE package [<!ENTITY a0 "1">{rows}]>' + package(three("tdm:reservation", "&a9;"))


def many_entries() -> bytes:
    return zipped({f"{number:064x}": b"" for number in range(50_000)})


def with_zip64() -> bytes:
    data = epub(package(three("tdm:reservation", 0)))
    place = data.rfind(b"PK\5\6")
    return data[:place] + b"PK\6\7" + bytes(16) + data[place:]


def doubled() -> bytes:
    file = io.BytesIO(epub(package(three("tdm:reservation", 1))))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(file, "a") as archive:
        archive.writestr("OEBPS/0.opf", package(three("tdm:reservation", 0)))
    return file.getvalue()


def named_as(path: str) -> bytes:
    return zipped({"META-INF/container.xml": CONTAINER.format(ROOT.format(path)), "book.opf": package("")})


def encrypted() -> bytes:
    data = bytearray(epub(package(three("tdm:reservation", 1))))
    place = data.find(b"PK\1\2")
    while place >= 0:
        data[place + 8] |= 1
        place = data.find(b"PK\1\2", place + 1)
    return bytes(data)


# Made when they are needed: some are large.
HOSTILE_EPUBS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "no archive": lambda: b"PK\3\4" + b"x" * 1000,
    "only an end": lambda: b"PK\5\6" + bytes(18),
    "a cut end": lambda: b"PK\5\6" + bytes(10),
    "no container": lambda: zipped({"mimetype": "application/epub+zip"}),
    "no packages": lambda: zipped({"META-INF/container.xml": CONTAINER.format("")}),
    "many packages": lambda: epub(*[package("")] * 9),
    "a path out": lambda: named_as("../../../etc/passwd"),
    "an absolute path": lambda: named_as("/etc/passwd"),
    "a path of its own": lambda: named_as("./book.opf"),
    "an empty path": lambda: named_as(""),
    "no XML": lambda: epub("tdm:reservation"),
    "an encoding of nobody": lambda: epub('<?xml version="1.0" encoding="rot13"?>' + package("")),
    "an entity bomb": lambda: epub(entity_bomb()),
    "a file from outside": lambda: epub('<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + package("&x;")),
    "a bomb": lambda: epub(package(" " * (100 << 20))),
    "a package named twice": doubled,
    "another compression": lambda: zipped(
        {"META-INF/container.xml": CONTAINER.format(ROOT.format("a")), "a": package("")}, zipfile.ZIP_LZMA
    ),
    "many entries": many_entries,
    "zip64": with_zip64,
    "encrypted": encrypted,
}


@pytest.mark.parametrize("name", HOSTILE_EPUBS)
def test_a_hostile_epub_is_refused(name: str) -> None:
    with pytest.raises(FormatError) as refused:
        read_epub(HOSTILE_EPUBS[name]())
    assert refused.value.problem.endswith(".")


@pytest.mark.parametrize("name", ["many entries", "zip64"])
def test_a_list_of_entries_that_would_fill_the_memory_is_not_read(name: str) -> None:
    with pytest.raises(FormatError, match="too many entries"):
        read_epub(HOSTILE_EPUBS[name]())


def test_a_package_nested_without_end_is_read_or_refused() -> None:
    deep = "<x>" * 100_000 + "</x>" * 100_000
    with contextlib.suppress(FormatError):
        assert read_epub(epub(package(deep + three("tdm:reservation", 1)))).statements == (RESERVED,)


def test_a_document_type_alone_does_no_harm() -> None:
    data = epub('<!DOCTYPE package SYSTEM "http://a.example/opf.dtd">' + package(three("tdm:reservation", 1)))
    assert read_epub(data).statements == (RESERVED,)


@given(st.data())
def test_a_broken_epub_is_read_or_refused(data: st.DataObject) -> None:
    broken = bytearray(epub(package(three("tdm:reservation", 1))))
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FormatError):
        read_epub(bytes(broken[: data.draw(st.integers(0, len(broken)))]))


# -- PDF -----------------------------------------------------------------------------------------

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = (
    "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>"
    f"<rdf:RDF xmlns:rdf='{RDF}'>{{}}</rdf:RDF></x:xmpmeta>   <?xpacket end='w'?>"
)


def described(properties: str, *, attributes: str = "", namespace: str = "http://www.w3.org/ns/tdmrep/") -> str:
    return XMP.format(
        f"<rdf:Description rdf:about='' xmlns:tdm='{namespace}' {attributes}>{properties}</rdf:Description>"
    )


def pdf(packet: str | bytes | None, *, more: str = "", filters: str = "") -> bytes:
    """A PDF written by hand, so that nothing but the specification says what is right."""
    stream = packet.encode() if isinstance(packet, str) else packet or b""
    metadata = "/Metadata 3 0 R" if packet is not None else ""
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {metadata} {more} >>".encode(),
        b"<< /Type /Pages /Kids [] /Count 0 >>",
        f"<< /Type /Metadata /Subtype /XML /Length {len(stream)} {filters} >>\nstream\n".encode()
        + stream
        + b"\nendstream",
    ]
    data, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 4\n0000000000 65535 f \n%strailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return data + end % (table, len(data))


def tag(name: str, value: object) -> str:
    return f"<tdm:{name}>{value}</tdm:{name}>"


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (None, None),
        (described(""), None),
        (described(tag("reservation", 1)), RESERVED),
        (described(tag("reservation", " 0\n")), ALLOWED),
        (described(tag("reservation", 1) + tag("policy", TERMS)), CONSTRAINED),
        (described("", attributes=f"tdm:reservation='1' tdm:policy='{TERMS}'"), CONSTRAINED),
        (described(tag("reservation", 1) + f"<tdm:policy rdf:resource='{TERMS}'/>"), CONSTRAINED),
        (described(tag("reservation", 1), namespace="http://www.w3.org/ns/tdmrep#"), RESERVED),
        (described(tag("reservation", 1), namespace="http://www.w3.org/ns/tdmrep"), RESERVED),
        (described(tag("reservation", 1), namespace="http://other.example/"), None),
        (described(tag("reservation", "true")), None),
        (described(tag("reservation", 0) + tag("reservation", 1)), RESERVED),
        (described(f"<tdm:part><rdf:Description>{tag('reservation', 0)}</rdf:Description></tdm:part>"), None),
        (XMP.format(""), None),
    ],
)
def test_the_metadata_of_a_pdf_says_what_holds_for_the_document(packet: str | None, expected: Statement | None) -> None:
    assert read_pdf(pdf(packet)).statements == ((expected,) if expected else ())


def test_packed_and_encrypted_metadata_is_read() -> None:
    packet = described(tag("reservation", 1)).encode()
    packed = pdf(zlib.compress(packet), filters="/Filter /FlateDecode")
    assert read_pdf(packed).statements == (RESERVED,)
    writer, file = PdfWriter(clone_from=PdfReader(io.BytesIO(packed))), io.BytesIO()
    writer.encrypt("", "owner", algorithm="AES-256")
    writer.write(file)
    assert read_pdf(file.getvalue()).statements == (RESERVED,)


def test_a_pdf_that_needs_a_password_is_not_taken_for_silent() -> None:
    writer, file = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(described(tag("reservation", 1)))))), io.BytesIO()
    writer.encrypt("secret", "owner", algorithm="AES-256")
    writer.write(file)
    with pytest.raises(FormatError):
        read_pdf(file.getvalue())


def bomb(size: int) -> bytes:
    return zlib.compress(described(" " * size).encode(), 9)


HOSTILE_PDFS: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "no PDF": lambda: b"tdm:reservation" * 1000,
    "too large": lambda: bytes(MAX_PDF_BYTES + 1),
    "no XML": lambda: pdf("tdm"),
    "an entity bomb": lambda: pdf('<!DOCTYPE x [<!ENTITY a "1">]>' + described(tag("reservation", "&a;"))),
    "a bomb": lambda: pdf(bomb(200 << 20), filters="/Filter /FlateDecode"),
    "a bomb in a bomb": lambda: pdf(zlib.compress(bomb(200 << 20)), filters="/Filter [/FlateDecode /FlateDecode]"),
    "a large packet": lambda: pdf(described(" " * (1 << 20))),
    "a hundred filters": lambda: pdf(b"x", filters="/Filter [" + "/FlateDecode " * 100 + "]"),
    "many elements": lambda: pdf(described("<a/>" * 200_000)),
}


@pytest.mark.parametrize("name", HOSTILE_PDFS)
def test_a_hostile_pdf_is_refused(name: str) -> None:
    document = HOSTILE_PDFS[name]()
    begun = time.process_time()
    with pytest.raises(FormatError) as refused:
        read_pdf(document)
    assert refused.value.problem.endswith(".")
    assert time.process_time() - begun < 5


CIRCULAR = [
    pdf(described("")).replace(b"/Metadata 3 0 R", b"/Metadata 1 0 R"),
    pdf(described("")).replace(b"/Root 1 0 R", b"/Root 9 0 R"),
    pdf(described("")).replace(b"/Size 4 ", b"/Prev %d " % pdf(described("")).find(b"xref\n0 4")),
    pdf(described(""), more="/X " + "[" * 10_000 + "]" * 10_000),
    pdf(described(""), more="/X " + "<<" * 10_000),
    b"%PDF-1.7\n" + b"1 0 obj\n" * 100_000,
    b"%PDF-1.7\nxref\n0 99999999\n" + b"0000000000 65535 f \n" * 1000 + b"startxref\n9\n%%EOF",
]


@pytest.mark.parametrize("number", range(len(CIRCULAR)))
def test_a_pdf_that_leads_in_circles_or_nowhere_ends(number: int) -> None:
    begun = time.process_time()
    with contextlib.suppress(FormatError):
        assert read_pdf(CIRCULAR[number]).statements == ()
    assert time.process_time() - begun < 5


@given(st.data())
def test_a_broken_pdf_is_read_or_refused(data: st.DataObject) -> None:
    broken = bytearray(pdf(zlib.compress(described(tag("reservation", 1)).encode()), filters="/Filter /FlateDecode"))
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        reading = read_pdf(bytes(broken[: data.draw(st.integers(len(broken) // 2, len(broken)))]))
    except FormatError:
        return
    assert isinstance(reading, Reading)
