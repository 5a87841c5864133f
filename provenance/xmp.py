"""The IPTC digital source type in a file's XMP, for readers that know no C2PA.

Decides how a packet that is there already takes the property up; where each kind
of file has its packet is xmp_places' to know. It does not decide which source type
is true, and XMP proves nothing: anyone can write it.

A copy is its source and a few edits: what no edit names is copied byte for byte. An
old packet keeps its properties; its comments and its padding go. All input is
hostile: a packet is at most `MAX_PACKET_BYTES`, of bounded depth and namespaces.

Source: XMP specification part 1 (2012); IPTC Photo Metadata 2023.
"""

from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError, SubElement, TreeBuilder, tostring

from defusedxml.ElementTree import XMLParser

from provenance.errors import CannotCarry
from provenance.xmp_places import CARRIERS, CHANGED, MAX_PACKET_BYTES, place_of

__all__ = ["CARRIERS", "CannotCarry", "write_source_type"]

_MAX_DEPTH = 64
_MAX_NAMESPACES = 256
_MAX_NAMESPACE_CHARS = 256  # the parser repeats it in every name
_COPY_BYTES = 1 << 20

_XML = "http://www.w3.org/XML/1998/namespace"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_SOURCE_TYPE = f"{{{_IPTC}}}DigitalSourceType"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DESCRIPTION = _RDF + "Description"
_EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF[1:-1]}"/></x:xmpmeta>'.encode()
_PACKET = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{}\n<?xpacket end="w"?>'


def write_source_type(source: Path, target: Path, media_type: str, source_type: str) -> None:
    """Write a copy of `source` to `target` whose XMP states a digital source type.

    Pictures, sound and timing stay byte for byte. Credentials of the source do
    not cover the copy: state first, then sign.

    Args:
        target: another file; one that exists is overwritten.
        media_type: what `source` is by its bytes.
        source_type: an IPTC digital source type, the whole URI.
    Raises:
        CannotCarry: the file cannot be given XMP; `target` is as it was, unless the source changed meanwhile.
        OSError: a file could not be read or written; `target` may be incomplete.
    """
    if target.exists() and source.samefile(target):
        raise CannotCarry("source and target are one file")
    with source.open("rb") as stream:
        place = place_of(stream, media_type)
        edits = sorted(place.edits(_stating(source_type, place.packet)))
        stream.seek(0)
        with target.open("wb") as copy:
            for edit in edits:
                _copy(stream, copy, edit.at - stream.tell())
                copy.write(edit.inserted)
                stream.seek(edit.removed, 1)
            _copy(stream, copy, stream.seek(0, 2) - stream.seek(edits[-1].at + edits[-1].removed))


# -- the packet ----------------------------------------------------------------------------------


class _Tree(TreeBuilder):
    """Builds a tree of bounded depth and keeps the prefixes, each of one namespace."""

    def __init__(self) -> None:
        super().__init__()
        self.prefixes = {_XML: "xml"}
        self._depth = 0

    def start_ns(self, prefix: str, uri: str) -> None:
        if len(prefix) + len(uri) > _MAX_NAMESPACE_CHARS or len(self.prefixes) > _MAX_NAMESPACES:
            raise CannotCarry("its XMP has too many namespaces, or too long ones")
        if uri and uri not in self.prefixes:
            while not prefix or prefix in self.prefixes.values():
                prefix += "_"
            self.prefixes[uri] = prefix

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise CannotCarry("its XMP is nested too deep")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)

    def written(self, name: str) -> str:
        """A name with its prefix. ElementTree would invent one (ns0); simple readers look for the usual."""
        uri, _, local = name.removeprefix("{").rpartition("}")
        return f"{self.prefixes[uri]}:{local}" if uri else local


def _parse(packet: bytes, tree: _Tree) -> tuple[Element, list[Element]]:
    """The root of a packet and the descriptions of the file in it, at least one."""
    parser = XMLParser(target=tree, forbid_dtd=True)
    try:
        parser.feed(packet.decode().strip("\ufeff\0 \t\r\n"))
        root: Element = parser.close()
    except (ParseError, ValueError) as error:  # what defusedxml forbids is a ValueError
        raise CannotCarry("its XMP is not well-formed, or not safe to read") from error
    rdf = next(root.iter(_RDF + "RDF"), None)
    if rdf is None:
        raise CannotCarry("its XMP holds no RDF")
    return root, rdf.findall(_DESCRIPTION) or [SubElement(rdf, _DESCRIPTION, {_RDF + "about": ""})]


def _stating(source_type: str, packet: bytes | None) -> bytes:
    """A packet that states the source type, once, and what the old one says of other things."""
    tree = _Tree()
    root, descriptions = _parse(_EMPTY if packet is None else packet, tree)
    for description in descriptions:
        description.attrib.pop(_SOURCE_TYPE, None)
        for stated in description.findall(_SOURCE_TYPE):
            description.remove(stated)
    SubElement(descriptions[0], _SOURCE_TYPE).text = source_type
    tree.start_ns("Iptc4xmpExt", _IPTC)
    for element in root.iter():
        element.tag = tree.written(element.tag)
        element.attrib = {tree.written(name): value for name, value in element.items()}
    root.attrib |= {f"xmlns:{prefix}": uri for uri, prefix in tree.prefixes.items() if uri != _XML}
    merged = _PACKET.format(tostring(root, encoding="unicode")).encode()
    if len(merged) > MAX_PACKET_BYTES:
        raise CannotCarry("its XMP is too large")
    return merged


def _copy(source: BinaryIO, target: BinaryIO, length: int) -> None:
    while length > 0:
        chunk = source.read(min(length, _COPY_BYTES))
        if not chunk:
            raise CannotCarry(CHANGED)
        length -= target.write(chunk)
