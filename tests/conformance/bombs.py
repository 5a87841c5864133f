"""Files made to hurt whoever reads them: little to send, much to unpack, to walk or to remember.

Each builder gives the bytes of a file that carries one. What reading says of them is the engine's to decide;
that it says something, soon, and reads the next file as ever, is what is held against all of them.
"""

import copy
from collections.abc import Callable

import cbor2

from tests.conformance.boxes import (
    CBOR_UUID,
    COMPRESSED_UUID,
    MANIFEST_UUID,
    STORE_UUID,
    Box,
    superbox,
    with_store,
)
from tests.conformance.workshop import (
    ASSERTIONS,
    CLAIM,
    SIGNATURE,
    Workshop,
    cbor_assertion,
    changed,
    claiming,
    hash_of,
    said_in,
)

BOMBS: dict[str, Callable[[Workshop], tuple[str, bytes]]] = {}
type _Builder = Callable[[Workshop], tuple[str, bytes]]

# What grows faster than it is long: reading is to be ended, so these are given less time to burn.
BURNING = frozenset({"fifty_thousand_assertions_that_are_not_there", "two_thousand_ingredients"})

# A Brotli stream of a superbox with nothing but zeros in it: each of the middle parts is 128 MiB of them.
_BROTLI_HEAD = bytes.fromhex(
    "cfffff7f0004226fb70985d04c48f6c9b406c9c6b0e94a179a4c24970fb348a058a09d9ee33cc7fbff5aa4270cfac227bca5ce1eb1c84cd1"
    "33feffff"
)
_BROTLI_128_MIB = bytes.fromhex(
    "032001108705a07bffcfffff7f002400e2b00074effff9ffff0f8004401c1680eefd3fffffff01900088c302d0bdffe7ffff3f0012007158"
    "00baf7fffcffff074002200e0b40f7fe9fffffff004800c46101e8defff3ffff1f000980382c00ddfb7ffeffff"
)
_BROTLI_TAIL = bytes.fromhex(
    "032001108705a07bffcfffff7f002400e2b00074effff9ffff0f8004401c1680eefd3fffffff01900088c302d0bdffe7ffff3f0012007158"
    "00baf7fffcffff074002200e0b40f7fe3fffffff014800c46101e8deff03"
)


def _bomb(build: _Builder) -> _Builder:
    BOMBS[build.__name__] = build
    return build


# --- Little that unpacks to much --------------------------------------------------------------------------


@_bomb
def a_compressed_manifest_of_ten_gigabytes(workshop: Workshop) -> tuple[str, bytes]:
    stream = _BROTLI_HEAD + 80 * _BROTLI_128_MIB + _BROTLI_TAIL
    return _stored(workshop, "png", superbox(COMPRESSED_UUID, "urn:c2pa:0", Box(b"brob", stream)))


@_bomb
def a_thousand_compressed_manifests(workshop: Workshop) -> tuple[str, bytes]:
    stream = _BROTLI_HEAD + 2 * _BROTLI_128_MIB + _BROTLI_TAIL
    packed = [superbox(COMPRESSED_UUID, f"urn:c2pa:{n}", Box(b"brob", stream)) for n in range(1000)]
    return _stored(workshop, "png", *packed)


# --- Boxes ------------------------------------------------------------------------------------------------


@_bomb
def ten_thousand_boxes_in_each_other(workshop: Workshop) -> tuple[str, bytes]:
    return _nested(workshop, 10_000)


@_bomb
def a_hundred_thousand_boxes_in_each_other(workshop: Workshop) -> tuple[str, bytes]:
    return _nested(workshop, 100_000)


@_bomb
def a_box_of_2_to_the_63(workshop: Workshop) -> tuple[str, bytes]:
    """A length of 64 bits, in the place of the claim."""
    return _long_box(workshop, "png", (1 << 63).to_bytes(8))


@_bomb
def a_box_as_long_as_a_number_can_be(workshop: Workshop) -> tuple[str, bytes]:
    return _long_box(workshop, "mp4", b"\xff" * 8)


@_bomb
def a_store_that_says_it_is_four_gigabytes(workshop: Workshop) -> tuple[str, bytes]:
    store = b"\xff\xff\xff\xff" + workshop.tree(workshop.signed("wav")).to_bytes()[4:]
    return "wav", with_store(workshop.signed("wav"), store)


@_bomb
def a_million_empty_boxes(workshop: Workshop) -> tuple[str, bytes]:
    return _stored(workshop, "png", superbox(MANIFEST_UUID, "urn:c2pa:0", Box(b"jumb", b"\0\0\0\x08free" * 1_000_000)))


@_bomb
def a_picture_in_which_the_store_is_a_hundred_thousand_pieces(workshop: Workshop) -> tuple[str, bytes]:
    content, store = workshop.signed("jpg").read_bytes(), workshop.tree(workshop.signed("jpg")).to_bytes()
    pieces = []
    for number in range(1, 100_001):
        body = b"JP\0\1" + number.to_bytes(4) + store[:8] + store[7 + number : 8 + number]
        pieces.append(b"\xff\xeb" + (2 + len(body)).to_bytes(2) + body)
    first = content.index(b"\xff\xeb")
    return "jpg", content[:first] + b"".join(pieces) + content[first:]


# --- CBOR -------------------------------------------------------------------------------------------------


@_bomb
def lists_in_lists_in_an_assertion(workshop: Workshop) -> tuple[str, bytes]:
    return _in_assertion(workshop, b"\x81" * 200_000 + b"\x00")


@_bomb
def tags_on_tags_in_an_assertion(workshop: Workshop) -> tuple[str, bytes]:
    return _in_assertion(workshop, b"\xc1" * 200_000 + b"\x00")


@_bomb
def lists_in_lists_in_the_claim(workshop: Workshop) -> tuple[str, bytes]:
    def nested(tree: Box) -> Box:
        tree.named(CLAIM).boxes[1].content = b"\x81" * 200_000 + b"\x00"
        return tree

    return "jpg", changed(workshop.signed("jpg"), nested)


@_bomb
def lists_in_lists_in_the_signature(workshop: Workshop) -> tuple[str, bytes]:
    def nested(tree: Box) -> Box:
        tree.named(SIGNATURE).boxes[1].content = b"\xd2" + b"\x84" * 200_000 + b"\x00"
        return tree

    return "jpg", changed(workshop.signed("jpg"), nested)


@_bomb
def a_list_of_2_to_the_62_things(workshop: Workshop) -> tuple[str, bytes]:
    return _in_assertion(workshop, b"\x9b" + (1 << 62).to_bytes(8) + b"\x00")


@_bomb
def a_map_of_2_to_the_62_things(workshop: Workshop) -> tuple[str, bytes]:
    return _in_assertion(workshop, b"\xbb" + (1 << 62).to_bytes(8) + b"\x00\x00")


@_bomb
def a_text_of_2_to_the_62_bytes(workshop: Workshop) -> tuple[str, bytes]:
    return _in_assertion(workshop, b"\x7b" + (1 << 62).to_bytes(8) + b"text")


@_bomb
def json_in_json(workshop: Workshop) -> tuple[str, bytes]:
    uuid = bytes.fromhex("6A736F6E 0011 0010 8000 00AA00389B71")

    def nested(tree: Box) -> Box:
        json = Box(b"json", b"[" * 200_000 + b"]" * 200_000)
        return _more(workshop, tree, superbox(uuid, "org.example.json", json))

    return "png", changed(workshop.signed("png"), nested)


@_bomb
def a_text_of_eight_megabytes(workshop: Workshop) -> tuple[str, bytes]:
    def long(tree: Box) -> Box:
        return workshop.resigned(claiming(tree, lambda said: said.update({"dc:title": "A" * (8 << 20)})))

    return "png", changed(workshop.signed("png"), long)


@_bomb
def a_hash_with_fifty_thousand_exclusions(workshop: Workshop) -> tuple[str, bytes]:
    def excluding(tree: Box) -> Box:
        held = tree.named("c2pa.hash.data")
        said = said_in(held)
        said["exclusions"] = [{"start": 2 * n, "length": 1} for n in range(50_000)]
        held.boxes[1].content = cbor2.dumps(said)
        return workshop.resigned(tree)

    return "png", changed(workshop.signed("png"), excluding)


@_bomb
def a_hash_over_a_place_far_past_the_end(workshop: Workshop) -> tuple[str, bytes]:
    def excluding(tree: Box) -> Box:
        held = tree.named("c2pa.hash.data")
        said = said_in(held)
        said["exclusions"] = [{"start": 1 << 62, "length": 1 << 62}, {"start": 0, "length": (1 << 64) - 1}]
        held.boxes[1].content = cbor2.dumps(said)
        return workshop.resigned(tree)

    return "wav", changed(workshop.signed("wav"), excluding)


# --- Much to walk -----------------------------------------------------------------------------------------


@_bomb
def a_hundred_thousand_assertions(workshop: Workshop) -> tuple[str, bytes]:
    def many(tree: Box) -> Box:
        return _more(workshop, tree, *(_closed(cbor_assertion(f"org.example.n{n}", n)) for n in range(100_000)))

    return "png", changed(workshop.signed("png"), many)


@_bomb
def fifty_thousand_assertions_that_are_not_there(workshop: Workshop) -> tuple[str, bytes]:
    def many(tree: Box) -> Box:
        named = [
            {"url": f"self#jumbf=c2pa.assertions/org.example.n{n}", "hash": bytes(32)} for n in range(50_000)
        ]  # fmt: skip
        return workshop.resigned(claiming(tree, lambda said: said["created_assertions"].extend(named)))

    return "png", changed(workshop.signed("png"), many)


@_bomb
def an_ingredient_that_is_its_own_ancestor(workshop: Workshop) -> tuple[str, bytes]:
    def looped(tree: Box) -> Box:
        return _more(workshop, tree, _ingredient(tree.boxes[-1], 0))

    return "jpg", changed(workshop.signed("jpg"), looped)


@_bomb
def ingredients_of_each_other(workshop: Workshop) -> tuple[str, bytes]:
    def looped(tree: Box) -> Box:
        first = tree.boxes[-1]
        second = _copied(first, "urn:c2pa:00000000-0000-4000-8000-000000000001")
        tree.boxes.insert(1, second)
        _with_more(workshop, second, _ingredient(first, 0))
        return _more(workshop, tree, _ingredient(second, 0))

    return "jpg", changed(workshop.signed("jpg"), looped)


@_bomb
def a_billion_ways_to_the_first_ancestor(workshop: Workshop) -> tuple[str, bytes]:
    """Thirty generations, each with the one before as its ingredient twice."""

    def doubling(tree: Box) -> Box:
        last = tree.boxes.pop()
        for generation in range(30):
            made = _copied(last, f"urn:c2pa:00000000-0000-4000-8000-{generation:012d}")
            _with_more(workshop, made, *(_ingredient(tree.boxes[-1], n) for n in range(2 if generation else 0)))
            tree.boxes.append(made)
        tree.boxes.append(last)
        return _more(workshop, tree, *(_ingredient(tree.boxes[-2], n) for n in range(2)))

    return "png", changed(workshop.signed("png"), doubling)


@_bomb
def three_hundred_generations(workshop: Workshop) -> tuple[str, bytes]:
    def line(tree: Box) -> Box:
        last = tree.boxes.pop()
        first = _slim(copy.deepcopy(last))
        for generation in range(300):
            made = _copied(first, f"urn:c2pa:00000000-0000-4000-8000-{generation:012d}")
            _with_more(workshop, made, *(_ingredient(tree.boxes[-1], 0) for _ in range(min(1, generation))))
            tree.boxes.append(made)
        tree.boxes.append(last)
        return _more(workshop, tree, _ingredient(tree.boxes[-2], 0))

    return "png", changed(workshop.signed("png"), line)


@_bomb
def two_thousand_ingredients(workshop: Workshop) -> tuple[str, bytes]:
    def many(tree: Box) -> Box:
        first = _copied(tree.boxes[-1], "urn:c2pa:00000000-0000-4000-8000-000000000001")
        tree.boxes.insert(1, first)
        return _more(workshop, tree, *(_ingredient(first, n) for n in range(2000)))

    return "png", changed(workshop.signed("png"), many)


# --- Tools ------------------------------------------------------------------------------------------------


def _stored(workshop: Workshop, suffix: str, *manifests: Box) -> tuple[str, bytes]:
    return suffix, with_store(workshop.signed(suffix), superbox(STORE_UUID, "c2pa", *manifests).to_bytes())


def _nested(workshop: Workshop, depth: int) -> tuple[str, bytes]:
    """Built from the inside: `Box` would nest as deep itself."""
    described = superbox(MANIFEST_UUID, "n").boxes[0].to_bytes()
    size = 8 + len(described)
    inside = b"".join((size * level).to_bytes(4) + b"jumb" + described for level in range(depth, 0, -1))
    store = superbox(STORE_UUID, "c2pa").to_bytes()
    return "png", with_store(
        workshop.signed("png"), (len(store) + len(inside)).to_bytes(4) + store[4:] + inside
    )  # fmt: skip


def _long_box(workshop: Workshop, suffix: str, length: bytes) -> tuple[str, bytes]:
    tree = workshop.tree(workshop.signed(suffix))
    store, at = tree.to_bytes(), tree.named(CLAIM).start
    return suffix, with_store(
        workshop.signed(suffix), store[:at] + (1).to_bytes(4) + b"jumb" + length + store[at + 16 :]
    )  # fmt: skip


def _in_assertion(workshop: Workshop, content: bytes) -> tuple[str, bytes]:
    def more(tree: Box) -> Box:
        return _more(workshop, tree, superbox(CBOR_UUID, "org.example.bomb", Box(b"cbor", content)))

    return "png", changed(workshop.signed("png"), more)


def _more(workshop: Workshop, tree: Box, *assertions: Box) -> Box:
    """More assertions in the active manifest, named by its claim and signed."""
    _with_more(workshop, tree.boxes[-1], *assertions)
    return tree


def _with_more(workshop: Workshop, manifest: Box, *assertions: Box) -> None:
    manifest.named(ASSERTIONS).boxes.extend(assertions)
    named = [{"url": f"self#jumbf=c2pa.assertions/{each.label}", "hash": hash_of(each)} for each in assertions]
    claiming(manifest, lambda said: said["created_assertions"].extend(named))
    workshop.resigned(Box(b"jumb", boxes=[manifest]))


def _closed(box: Box) -> Box:
    """A superbox as bytes that nobody looks into."""
    return Box(b"jumb", box.to_bytes()[8:])


def _slim(manifest: Box) -> Box:
    """A manifest without the padding of its signature."""
    signature = manifest.named(SIGNATURE).boxes[1]
    protected, _, payload, signed = cbor2.loads(signature.content).value
    signature.content = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signed]))
    return manifest


def _copied(manifest: Box, label: str) -> Box:
    """A manifest by another name, which its claim gives as well."""
    made = copy.deepcopy(manifest)
    described = made.boxes[0]
    old = made.label.encode()
    described.content = described.content.replace(old, label.encode())
    claim = made.named(CLAIM).boxes[1]
    claim.content = claim.content.replace(old, label.encode())
    return made


def _ingredient(manifest: Box, number: int) -> Box:
    """An assertion that names a manifest of the store as an ingredient; its hash is right for what it is now."""
    label = manifest.label
    validated = {"success": [{"code": "claimSignature.validated"}], "informational": [], "failure": []}
    said = {
        "dc:title": "part",
        "relationship": "componentOf",
        "activeManifest": {"url": f"self#jumbf=/c2pa/{label}", "hash": hash_of(manifest)},
        "claimSignature": {
            "url": f"self#jumbf=/c2pa/{label}/{SIGNATURE}",
            "hash": hash_of(manifest.named(SIGNATURE)),
        },
        "validationResults": {"activeManifest": validated},
    }
    return cbor_assertion("c2pa.ingredient.v3" + (f"__{number}" if number else ""), said)
