"""TDMRep inside documents: what EPUB and PDF files say of themselves.

Reads the sections "TDM Metadata in EPUB 2 files", "… in EPUB 3 files" and "… in PDF files" of the report; what the
properties come to is said in `tdmrep`. All files are hostile: an EPUB is never unpacked, only its package documents
are read, within limits; a PDF is taken apart by pypdf under limits of what it may unpack. Pure Python can still be
kept busy by a PDF made for that, so whoever reads files of strangers does it where time is limited.
"""

import io
import logging
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Final
from xml.etree.ElementTree import Element

from pypdf import PdfReader, apply_configuration

from registry.formats.sources import shown, xml_of
from registry.formats.statements import FormatError, Reading, Remark
from registry.formats.tdmrep import said

MAX_PDF_BYTES: Final = 64 << 20
_MAX_XML_BYTES: Final = 1 << 20
_MAX_PACKAGES: Final = 8
# Of the list of entries, which is read as a whole: enough for tens of thousands.
_MAX_DIRECTORY_BYTES: Final = 4 << 20
_MAX_UNPACKED_BYTES: Final = 16 << 20

_NAMESPACE: Final = "http://www.w3.org/ns/tdmrep"
_CONTAINER: Final = "{urn:oasis:names:tc:opendocument:xmlns:container}"
_OPF: Final = "{http://www.idpf.org/2007/opf}"
_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_PROPERTIES: Final = ("reservation", "policy")

# Its warnings quote the file.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)

type _Found = Iterable[tuple[str, str]]


def _come_to(found: _Found, unread: Iterable[Remark] = ()) -> Reading:
    pairs = list(found)
    reservations, policies = ([value.strip() for name, value in pairs if name == one] for one in _PROPERTIES)
    return said(reservations, policies, unread=[*unread])


def _property(name: str, namespace: str | None) -> str | None:
    """Which of ours a name of a namespace is; with and without the #, / or s that differ between drafts and files."""
    if namespace is None or name not in _PROPERTIES:
        return None
    plain = namespace.replace("https://", "http://", 1).rstrip("#/")
    return name if plain == _NAMESPACE else None


# -- EPUB ----------------------------------------------------------------------------------------


def read_epub(source: bytes | Path) -> Reading:
    """What the package documents of an EPUB say of all that is in it. Raises: FormatError, OSError."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        try:
            _check_directory(file)
            with zipfile.ZipFile(file) as archive:
                packages = [xml_of(_entry(archive, name), max_bytes=_MAX_XML_BYTES) for name in _packages(archive)]
        except FormatError:
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError) as error:
            raise FormatError(problem=f"It cannot be read as an EPUB: {str(error)[:200]}.") from None
    metas = [meta for package in packages for meta in _metas(package)]
    # The protocol has no words for a part of a publication, so nobody can tell what such a property means.
    parts = [
        Remark(where=name, problem="It refines a part of the publication.") for name, _, is_part in metas if is_part
    ]
    return _come_to([(name, value) for name, value, is_part in metas if not is_part], parts)


def _check_directory(file: IO[bytes]) -> None:
    """Refuse an archive whose list of entries would fill the memory, before zipfile reads all of it."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - (1 << 16) - 42))
    tail = file.read()
    place = tail.rfind(b"PK\5\6")
    if place < 0 or len(tail) < place + 22:
        raise FormatError(problem="It is not an EPUB: it is no ZIP archive.")
    is_zip64 = tail[max(0, place - 20) :].startswith(b"PK\6\7")
    if is_zip64 or int.from_bytes(tail[place + 12 : place + 16], "little") > _MAX_DIRECTORY_BYTES:
        raise FormatError(problem="It has too many entries for an EPUB.")


def _packages(archive: zipfile.ZipFile) -> list[str]:
    container = xml_of(_entry(archive, "META-INF/container.xml"), max_bytes=_MAX_XML_BYTES)
    names = [root.get("full-path", "") for root in container.iter(f"{_CONTAINER}rootfile")]
    if not 1 <= len(names) <= _MAX_PACKAGES:
        raise FormatError(problem=f"Its container.xml must name 1 to {_MAX_PACKAGES} package documents.")
    return list(dict.fromkeys(names))


def _entry(archive: zipfile.ZipFile, name: str) -> bytes:
    entries = [entry for entry in archive.infolist() if entry.filename == name]
    if len(entries) != 1:
        raise FormatError(problem=f"It has {len(entries)} entries named {shown(name)} and must have one.")
    if entries[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FormatError(problem=f"{shown(name)} is packed in a way that EPUB does not allow.")
    with archive.open(entries[0]) as file:
        return file.read(_MAX_XML_BYTES + 1)


def _metas(package: Element) -> Iterator[tuple[str, str, bool]]:
    """Our properties in a package document: name, value, and whether it is about a part only."""
    metadata = package.find(f"{_OPF}metadata")
    tokens = package.get("prefix", "").split()
    declared = {prefix.removesuffix(":"): iri for prefix, iri in zip(tokens[::2], tokens[1::2], strict=False)}
    prefixes = {"tdm": _NAMESPACE, **declared}  # not declared, it can only mean ours
    for meta in metadata.iter(f"{_OPF}meta") if metadata is not None else ():
        three, two = _named(meta.get("property"), prefixes), _named(meta.get("name"), prefixes)
        if three:
            yield three, "".join(meta.itertext()), "refines" in meta.attrib
        elif two:
            yield two, meta.get("content", ""), False


def _named(name: str | None, prefixes: Mapping[str, str]) -> str | None:
    """Which of ours a property is; a draft of 2023 wrote the names with a hyphen, and so do files."""
    prefix, _, local = (name or "").strip().replace("tdm-", "tdm:", 1).partition(":")
    return _property(local, prefixes.get(prefix))


# -- PDF -----------------------------------------------------------------------------------------


def read_pdf(data: bytes) -> Reading:
    """What the XMP metadata of a PDF says of the whole document. Raises: FormatError."""
    if len(data) > MAX_PDF_BYTES:
        raise FormatError(problem=f"It has more than {MAX_PDF_BYTES} bytes.")
    try:
        with apply_configuration(
            zlib_maximum_output_length=_MAX_UNPACKED_BYTES,
            lzw_maximum_output_length=_MAX_UNPACKED_BYTES,
            run_length_maximum_output_length=_MAX_UNPACKED_BYTES,
            brotli_maximum_output_length=_MAX_UNPACKED_BYTES,
            array_based_stream_maximum_output_length=_MAX_UNPACKED_BYTES,
            maximum_declared_stream_length=MAX_PDF_BYTES,
            stream_decoding_work_maximum_length=4 * _MAX_UNPACKED_BYTES,
            xmp_maximum_input_length=_MAX_XML_BYTES,
            jbig2dec_binary=None,
        ):
            metadata = PdfReader(io.BytesIO(data), xref_stream_maximum_entries=500_000).xmp_metadata
            packet = metadata.stream.get_data() if metadata is not None else None
    except Exception as error:  # there is hardly one that a broken file cannot bring about
        raise FormatError(problem=f"It cannot be read as a PDF: {type(error).__name__}.") from None
    if packet is None:
        return Reading()
    root = xml_of(packet, max_bytes=_MAX_XML_BYTES)
    described = root if root.tag == f"{_RDF}RDF" else root.find(f".//{_RDF}RDF")
    return _come_to(_described(described) if described is not None else ())


def _described(rdf: Element) -> Iterator[tuple[str, str]]:
    for description in rdf.iterfind(f"{_RDF}Description"):
        attributes = list(description.attrib.items())
        elements = [(one.tag, one.get(f"{_RDF}resource") or "".join(one.itertext())) for one in description]
        for tag, value in attributes + elements:
            namespace, _, local = tag.removeprefix("{").rpartition("}")
            name = _property(local, namespace)
            if name:
                yield name, value
