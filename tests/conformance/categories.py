"""The categories of the public C2PA test sets, made anew from what our engine signs.

Each builder changes bytes of a signed file in one way and says what reading the result must come to: the file's
integrity with the exact codes, its signer, and its ingredients with theirs. New ways to tamper are added here, so
that our reading and the second opinion are both held against them.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from provenance.media_types import media_type_of
from provenance.model import IntegrityState, SignerState
from tests.conformance.boxes import CBOR_UUID, Box, jpeg_segments, store_of, superbox, with_store
from tests.conformance.workshop import (
    ASSERTIONS,
    CLAIM,
    SIGNATURE,
    Workshop,
    cbor_assertion,
    changed,
    claiming,
    renamed,
    taken_out,
)

SUFFIXES = ("mp4", "jpg", "png", "wav")
CONTENT = "CONTENT"  # the code for changed content, which the kind of file decides
_CONTENT_CODES = {"mp4": "assertion.bmffHash.mismatch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What reading must come to, of a file or of an ingredient."""

    integrity: IntegrityState
    codes: frozenset[str] = frozenset()
    signer: SignerState = SignerState.TRUSTED
    ingredients: tuple["Found", ...] = ()


@dataclass(frozen=True, slots=True)
class Category:
    """One way to tamper, and what is to be found."""

    name: str
    build: Callable[[Workshop, str], bytes]
    expected: Found
    suffixes: tuple[str, ...]

    def write(self, workshop: Workshop, suffix: str) -> Path:
        return workshop.kept(self.name, suffix, lambda path: path.write_bytes(self.build(workshop, suffix)))

    def expects(self, suffix: str) -> Found:
        return _of_kind(self.expected, _CONTENT_CODES.get(suffix, "assertion.dataHash.mismatch"))


_CHANGED_LATER = ("ingredient.manifest.mismatch", "assertion.hashedURI.mismatch")

CATEGORIES: list[Category] = []
type _Builder = Callable[[Workshop, str], bytes]

INTACT = Found(integrity=IntegrityState.INTACT)
NONE = Found(integrity=IntegrityState.ABSENT, signer=SignerState.NONE)


def invalid(*codes: str, signer: SignerState = SignerState.TRUSTED, ingredients: tuple[Found, ...] = ()) -> Found:
    return Found(
        integrity=IntegrityState.INVALID, codes=frozenset(codes), signer=signer, ingredients=ingredients
    )  # fmt: skip


def unreadable(code: str) -> Found:
    return Found(integrity=IntegrityState.UNREADABLE, codes=frozenset({code}), signer=SignerState.NONE)


def _category(expected: Found, *, suffixes: tuple[str, ...] = SUFFIXES) -> Callable[[_Builder], _Builder]:
    def register(build: _Builder) -> _Builder:
        CATEGORIES.append(Category(build.__name__, build, expected, suffixes))
        return build

    return register


def _of_kind(found: Found, code: str) -> Found:
    return replace(
        found,
        codes=frozenset(code if one == CONTENT else one for one in found.codes),
        ingredients=tuple(_of_kind(one, code) for one in found.ingredients),
    )


# --- As it was signed -----------------------------------------------------------------------------------


@_category(INTACT)
def clean(workshop: Workshop, suffix: str) -> bytes:
    return workshop.signed(suffix).read_bytes()


@_category(NONE)
def never_signed(workshop: Workshop, suffix: str) -> bytes:
    return workshop.media(suffix).read_bytes()


@_category(Found(integrity=IntegrityState.INTACT, signer=SignerState.UNTRUSTED))
def unknown_signer(workshop: Workshop, suffix: str) -> bytes:
    make = workshop.kept(
        "by_a_stranger", suffix, lambda path: workshop.sign(workshop.media(suffix), path, by=workshop.stranger)
    )
    return make.read_bytes()


@_category(replace(INTACT, ingredients=(INTACT,)))
def signed_again(workshop: Workshop, suffix: str) -> bytes:
    """CACA: signed, opened and signed again."""
    return _again(workshop, suffix).read_bytes()


@_category(replace(INTACT, ingredients=(replace(INTACT, ingredients=(INTACT,)),)))
def signed_three_times(workshop: Workshop, suffix: str) -> bytes:
    again = _again(workshop, suffix)
    path = workshop.kept("third", suffix, lambda path: workshop.sign(again, path, title="Third"))
    return path.read_bytes()


# --- Content changed ------------------------------------------------------------------------------------


@_category(invalid(CONTENT))
def changed_content(workshop: Workshop, suffix: str) -> bytes:
    return content_changed(workshop.signed(suffix), workshop.media(suffix))


@_category(invalid(CONTENT))
def credentials_of_another_file(workshop: Workshop, suffix: str) -> bytes:
    """A store moved to a file of the same kind and size that it was not made for."""
    return with_store(workshop.signed(suffix), store_of(_other(workshop, suffix)))


@_category(invalid(CONTENT, ingredients=(INTACT,)))
def signed_again_and_changed(workshop: Workshop, suffix: str) -> bytes:
    return content_changed(_again(workshop, suffix), workshop.media(suffix))


@_category(NONE)
def credentials_taken_out(workshop: Workshop, suffix: str) -> bytes:
    return without_store(workshop.signed(suffix))


# --- Credentials changed --------------------------------------------------------------------------------


@_category(invalid("assertion.hashedURI.mismatch"))
def changed_assertion(workshop: Workshop, suffix: str) -> bytes:
    return swapped(workshop.signed(suffix), b"notAllowed", b"nutAllowed")


@_category(invalid("assertion.hashedURI.mismatch"))
def changed_check(workshop: Workshop, suffix: str) -> bytes:
    return swapped(workshop.signed(suffix), b"chk_1", b"chk_2")


@_category(invalid("claimSignature.mismatch"))
def changed_claim(workshop: Workshop, suffix: str) -> bytes:
    return swapped(workshop.signed(suffix), b"fA clip", b"fB clip")


@_category(invalid("claimSignature.mismatch"))
def changed_signature(workshop: Workshop, suffix: str) -> bytes:
    return changed(workshop.signed(suffix), _signature_flipped)


@_category(unreadable("clearmark.manifest.undecodable"))
def no_claim(workshop: Workshop, suffix: str) -> bytes:
    return changed(workshop.signed(suffix), lambda tree: taken_out(tree, tree.boxes[-1], CLAIM))


@_category(unreadable("clearmark.manifest.undecodable"))
def no_signature(workshop: Workshop, suffix: str) -> bytes:
    return changed(workshop.signed(suffix), _signature_of_another_kind)


@_category(invalid("assertion.missing"))
def no_assertion(workshop: Workshop, suffix: str) -> bytes:
    return changed(workshop.signed(suffix), lambda tree: taken_out(tree, tree.named(ASSERTIONS), "org.clearmark.check"))


@_category(unreadable("clearmark.manifest.undecodable"))
def an_assertion_by_another_name(workshop: Workshop, suffix: str) -> bytes:
    return changed(workshop.signed(suffix), lambda tree: renamed(tree, "org.clearmark.check", "org.clearmark.chick"))


@_category(INTACT)
def a_claim_by_another_name(workshop: Workshop, suffix: str) -> bytes:
    return changed(workshop.signed(suffix), lambda tree: renamed(tree, CLAIM, "c2pa.cloim.v2"))


@_category(INTACT)
def a_signature_by_another_name(workshop: Workshop, suffix: str) -> bytes:
    return changed(workshop.signed(suffix), lambda tree: renamed(tree, SIGNATURE, "c2pa.signatura"))


@_category(unreadable("clearmark.manifest.undecodable"))
def an_assertion_that_was_not_signed(workshop: Workshop, suffix: str) -> bytes:
    def added(tree: Box) -> Box:
        tree.named(ASSERTIONS).boxes.append(cbor_assertion("org.example.added", {"says": "more"}))
        return tree

    return changed(workshop.signed(suffix), added)


@_category(unreadable("clearmark.manifest.undecodable"))
def two_claims(workshop: Workshop, suffix: str) -> bytes:
    def doubled(tree: Box) -> Box:
        manifest = tree.boxes[-1]
        manifest.boxes.append(manifest.named(CLAIM))
        return tree

    return changed(workshop.signed(suffix), doubled)


@_category(unreadable("clearmark.manifest.undecodable"))
def nothing_ties_it_to_the_content(workshop: Workshop, suffix: str) -> bytes:
    """Well signed, but the claim names no hash over the content."""

    def unbound(tree: Box) -> Box:
        manifest = tree.boxes[-1]
        held = manifest.named(ASSERTIONS)
        held.boxes = [box for box in held.boxes if "c2pa.hash" not in box.label]
        claiming(tree, _without_hash)
        return workshop.resigned(tree)

    return changed(workshop.signed(suffix), unbound)


@_category(unreadable("clearmark.manifest.undecodable"))
def a_claim_that_is_no_cbor(workshop: Workshop, suffix: str) -> bytes:
    def broken(tree: Box) -> Box:
        claim = tree.named(CLAIM).boxes[1]
        claim.content = b"\xff" + claim.content[1:]
        return tree

    return changed(workshop.signed(suffix), broken)


# --- Ingredients ----------------------------------------------------------------------------------------


@_category(replace(INTACT, ingredients=(invalid(CONTENT),)))
def of_a_changed_ingredient(workshop: Workshop, suffix: str) -> bytes:
    """What was signed on had been changed before: its user recorded that, and did not change it himself."""
    content = content_changed(workshop.signed(suffix), workshop.media(suffix))
    return _again_of(workshop, suffix, "of_changed", content).read_bytes()


@_category(replace(INTACT, ingredients=(invalid("claimSignature.mismatch"),)))
def of_an_ingredient_with_a_bad_signature(workshop: Workshop, suffix: str) -> bytes:
    """CIE-sig-CA."""
    content = changed(workshop.signed(suffix), _signature_flipped)
    return _again_of(workshop, suffix, "of_bad_signature", content).read_bytes()


@_category(invalid("ingredient.manifest.missing", ingredients=(invalid("ingredient.manifest.missing"),)))
def an_ingredient_without_its_manifest(workshop: Workshop, suffix: str) -> bytes:
    """E-clm-CAICAI: the manifest that the ingredient names is not in the store."""

    def without_first(tree: Box) -> Box:
        return taken_out(tree, tree, tree.boxes[1].label)

    return changed(_again(workshop, suffix), without_first)


@_category(unreadable("clearmark.manifest.undecodable"))
def an_ingredient_without_its_claim(workshop: Workshop, suffix: str) -> bytes:
    def without_claim(tree: Box) -> Box:
        return taken_out(tree, tree.boxes[1], CLAIM)

    return changed(_again(workshop, suffix), without_claim)


@_category(invalid(*_CHANGED_LATER, ingredients=(invalid(*_CHANGED_LATER),)))
def an_ingredient_changed_later(workshop: Workshop, suffix: str) -> bytes:
    def changed_later(tree: Box) -> Box:
        first = tree.boxes[1].named("cawg.training-mining").boxes[1]
        first.content = first.content.replace(b"notAllowed", b"nutAllowed")
        return tree

    return changed(_again(workshop, suffix), changed_later)


@_category(unreadable("clearmark.manifest.undecodable"))
def a_changed_word_on_an_ingredient(workshop: Workshop, suffix: str) -> bytes:
    def changed_word(tree: Box) -> Box:
        word = tree.boxes[-1].named("c2pa.ingredient.v3").boxes[1]
        word.content = word.content.replace(b"parentOf", b"porentOf")
        return tree

    return changed(_again(workshop, suffix), changed_word)


# --- Not where we look, or not what we look for -----------------------------------------------------------


@_category(unreadable("clearmark.manifest.undecodable"), suffixes=("mp4", "png", "wav"))
def a_store_of_another_time(workshop: Workshop, suffix: str) -> bytes:
    """JUMBF as it was before the first version of the standard: labelled otherwise."""
    return changed(workshop.signed(suffix), lambda tree: _relabelled(tree, "cb.a"))


@_category(NONE, suffixes=("jpg",))
def jumbf_of_another_standard(workshop: Workshop, suffix: str) -> bytes:
    """Others keep JUMBF in the same segments."""
    notes = superbox(CBOR_UUID, "org.example.notes", Box(b"cbor", b"\xa0"))
    return with_store(workshop.signed(suffix), notes.to_bytes())


@_category(unreadable("clearmark.manifest.undecodable"))
def a_store_with_nothing_in_it(workshop: Workshop, suffix: str) -> bytes:
    def emptied(tree: Box) -> Box:
        del tree.boxes[1:]
        return tree

    return changed(workshop.signed(suffix), emptied)


@_category(unreadable("clearmark.manifest.undecodable"), suffixes=("mp4", "jpg", "png"))
def two_stores(workshop: Workshop, suffix: str) -> bytes:
    path = workshop.signed(suffix)
    return _with_second_store(path, store_of(path))


@_category(
    Found(integrity=IntegrityState.REMOTE, codes=frozenset({"clearmark.manifest.remote"}), signer=SignerState.NONE),
    suffixes=("mp4", "jpg", "png"),
)
def kept_on_a_server(workshop: Workshop, suffix: str) -> bytes:
    return with_xmp(workshop.media(suffix), suffix, "http://manifests.example/m.c2pa")


@_category(NONE)
def a_word_of_credentials_that_are_not_there(workshop: Workshop, suffix: str) -> bytes:
    """XMP that points into the file itself, where nothing is."""
    return with_xmp(workshop.media(suffix), suffix, "self#jumbf=/c2pa/urn:uuid:0")


# --- Tools ----------------------------------------------------------------------------------------------


def content_changed(signed: Path, plain: Path) -> bytes:
    """A byte of the picture or sound flipped, well inside it: padding goes unnoticed by design."""
    content, original = bytearray(signed.read_bytes()), plain.read_bytes()
    middle = original.index(b"mdat") + 200 if b"mdat" in original else len(original) // 2
    content[content.index(original[middle : middle + 64]) + 10] ^= 0xFF
    return bytes(content)


def swapped(path: Path, old: bytes, new: bytes) -> bytes:
    """Bytes of a store exchanged for as many others; they stand there once."""
    store = store_of(path)
    assert store.count(old) == 1
    assert len(old) == len(new)
    return with_store(path, store.replace(old, new))


def without_store(path: Path) -> bytes:
    content, old = path.read_bytes(), store_of(path)
    at = content.find(old)
    match media_type_of(path):
        case "image/png":
            return content[: at - 8] + content[at + len(old) + 4 :]
        case "audio/wav":
            whole = content[: at - 8] + content[at + len(old) + len(old) % 2 :]
            return whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:]
        case "image/jpeg":
            first = content.index(b"\xff\xeb")
            segments = jpeg_segments(old, number=int.from_bytes(content[first + 6 : first + 8]))
            assert segments in content
            return content.replace(segments, b"")
        case _:  # an ISO file: what it holds stays where its index says, if the box becomes free space
            head = content.rindex(b"uuid", 0, at)
            size = int.from_bytes(content[head - 4 : head])
            return content[:head] + b"free" + bytes(size - 8) + content[head - 4 + size :]


def _with_second_store(path: Path, store: bytes) -> bytes:
    content = path.read_bytes()
    plain = without_store(path)
    match media_type_of(path):
        case "image/jpeg":
            first = content.index(b"\xff\xeb")
            return content[:first] + jpeg_segments(store, number=9) + content[first:]
        case "audio/wav":
            chunk = b"C2PA" + len(store).to_bytes(4, "little") + store + bytes(len(store) % 2)
            whole = content + chunk
            return whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:]
        case "image/png":
            at = next(at for at, (a, b) in enumerate(zip(content, plain, strict=False)) if a != b)
            at = content.rindex(b"caBX", 0, at + 8) - 4
            size = 12 + int.from_bytes(content[at : at + 4])
            return content[: at + size] + content[at : at + size] + content[at + size :]
        case _:
            at = content.rindex(b"uuid", 0, content.index(store)) - 4
            size = int.from_bytes(content[at : at + 4])
            return content + content[at : at + size]


def with_xmp(path: Path, suffix: str, provenance: str) -> bytes:
    """A file whose XMP says where its credentials are."""
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/" '
        f'dcterms:provenance="{provenance}"/></rdf:RDF></x:xmpmeta>'
    ).encode()
    content = path.read_bytes()
    match suffix:
        case "jpg":
            body = b"http://ns.adobe.com/xap/1.0/\0" + xmp
            return content[:2] + b"\xff\xe1" + (2 + len(body)).to_bytes(2) + body + content[2:]
        case "png":
            chunk = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + xmp
            return content[:33] + (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4) + content[33:]
        case "wav":
            whole = content + b"_PMX" + len(xmp).to_bytes(4, "little") + xmp + bytes(len(xmp) % 2)
            return whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:]
        case _:
            uuid = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
            return content + (24 + len(xmp)).to_bytes(4) + b"uuid" + uuid + xmp


def _again(workshop: Workshop, suffix: str) -> Path:
    """A signed file, signed again with other words on training."""
    return workshop.kept(
        "again", suffix, lambda path: workshop.sign(workshop.signed(suffix), path, title="Second")
    )  # fmt: skip


def _other(workshop: Workshop, suffix: str) -> Path:
    def make(path: Path) -> None:
        (plain := path.with_name(f"other_plain.{suffix}")).write_bytes(
            content_changed(workshop.media(suffix), workshop.media(suffix))
        )
        workshop.sign(plain, path)

    return workshop.kept("other", suffix, make)


def _again_of(workshop: Workshop, suffix: str, name: str, content: bytes) -> Path:
    def make(path: Path) -> None:
        (source := path.with_name(f"{name}_source.{suffix}")).write_bytes(content)
        workshop.sign(source, path)

    return workshop.kept(name, suffix, make)


def _signature_flipped(tree: Box) -> Box:
    """A bit of the signature itself, which stands last in its box."""
    signature = tree.boxes[-1].named(SIGNATURE).boxes[1]
    signature.content = signature.content[:-1] + bytes([signature.content[-1] ^ 1])
    return tree


def _signature_of_another_kind(tree: Box) -> Box:
    described = tree.boxes[-1].named(SIGNATURE).boxes[0]
    described.content = CBOR_UUID + described.content[16:]
    return tree


def _relabelled(tree: Box, label: str) -> Box:
    described = tree.boxes[0]
    described.content = described.content.replace(b"c2pa\0", label.encode() + b"\0")
    return tree


def _without_hash(said: dict[str, list[dict[str, str]]]) -> None:
    said["created_assertions"] = [one for one in said["created_assertions"] if "c2pa.hash" not in one["url"]]
