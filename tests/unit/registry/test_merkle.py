"""The ledger's tree hashes as RFC 9162 says, and no false proof is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.merkle import (
    EMPTY_ROOT,
    NodeId,
    appended_nodes,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from registry.errors import LedgerError, RegistryError

# The reference tree of Certificate Transparency (RFC 6962 implementations test against it).
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = [  # (index, size, proof)
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCY = [  # (old, new, proof)
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
    (
        6,
        7,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
]


class Log:
    """A store that forbids what a ledger never does, and counts reads."""

    def __init__(self, entries: list[bytes]) -> None:
        self.nodes: dict[NodeId, bytes] = {}
        self.reads = 0
        for size, entry in enumerate(entries):
            for node, value in appended_nodes(size, leaf_hash(entry), self.read):
                assert node not in self.nodes, "a stored node is never written twice"
                self.nodes[node] = value

    def read(self, node: NodeId) -> bytes:
        self.reads += 1
        return self.nodes[node]


LOG = Log([str(number).encode() for number in range(130)])
LEAVES = [LOG.nodes[NodeId(0, index)] for index in range(130)]
SIZES = st.integers(1, len(LEAVES))


def rfc_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(rfc_root(leaves[:k]), rfc_root(leaves[k:]))


def path(index: int, size: int) -> str:
    """The turns from the root down to a leaf."""
    if size <= 1:
        return ""
    k = 1
    while k * 2 < size:
        k *= 2
    return "L" + path(index, k) if index < k else "R" + path(index - k, size - k)


def flipped(value: bytes, bit: int) -> bytes:
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@st.composite
def inclusions(draw: st.DrawFn) -> tuple[int, int, list[bytes], bytes]:
    size = draw(SIZES)
    index = draw(st.integers(0, size - 1))
    return index, size, inclusion_proof(index, size, LOG.read), root(size, LOG.read)


@st.composite
def extensions(draw: st.DrawFn) -> tuple[int, int, list[bytes], bytes, bytes]:
    new = draw(st.integers(2, len(LEAVES)))
    old = draw(st.integers(1, new - 1))
    return old, new, consistency_proof(old, new, LOG.read), root(old, LOG.read), root(new, LOG.read)


def test_the_empty_root_is_the_hash_of_nothing() -> None:
    expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root(0, LOG.read).hex() == EMPTY_ROOT.hex() == expected


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference_tree(size: int) -> None:
    assert root(size, Log(ENTRIES[:size]).read).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_reference_tree(index: int, size: int, proof: list[str]) -> None:
    made = inclusion_proof(index, size, Log(ENTRIES).read)
    assert [value.hex() for value in made] == proof
    assert verify_inclusion(leaf_hash(ENTRIES[index]), index, size, made, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_reference_tree(old: int, new: int, proof: list[str]) -> None:
    made = consistency_proof(old, new, Log(ENTRIES).read)
    assert [value.hex() for value in made] == proof
    assert verify_consistency(old, new, bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[new - 1]), made)


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_stored_nodes_give_the_root_of_the_rfc_definition(entries: list[bytes]) -> None:
    assert root(len(entries), Log(entries).read) == rfc_root([leaf_hash(entry) for entry in entries])


@given(SIZES)
def test_older_roots_stay_readable_after_later_appends(size: int) -> None:
    assert root(size, LOG.read) == rfc_root(LEAVES[:size])


@given(inclusions(), extensions())
def test_roots_and_proofs_read_logarithmically(
    inclusion: tuple[int, int, list[bytes], bytes], extension: tuple[int, int, list[bytes], bytes, bytes]
) -> None:
    index, size, old, new = *inclusion[:2], *extension[:2]
    for limit, read in (
        (size.bit_length(), lambda: root(size, LOG.read)),
        (2 * size.bit_length(), lambda: inclusion_proof(index, size, LOG.read)),
        (2 * new.bit_length(), lambda: consistency_proof(old, new, LOG.read)),
    ):
        before = LOG.reads
        read()
        assert LOG.reads - before <= limit


@given(inclusions())
def test_every_inclusion_proof_verifies(case: tuple[int, int, list[bytes], bytes]) -> None:
    index, size, proof, head = case
    assert verify_inclusion(LEAVES[index], index, size, proof, head)


@given(inclusions(), st.data())
def test_an_inclusion_proof_with_any_bit_changed_fails(
    case: tuple[int, int, list[bytes], bytes], data: st.DataObject
) -> None:
    index, size, proof, head = case
    values = [LEAVES[index], head, *proof]
    which = data.draw(st.integers(0, len(values) - 1))
    values[which] = flipped(values[which], data.draw(st.integers(0, 255)))
    leaf, head, *proof = values
    assert not verify_inclusion(leaf, index, size, proof, head)


@given(inclusions(), st.integers(-2, 260))
def test_an_inclusion_proof_holds_for_no_other_index(case: tuple[int, int, list[bytes], bytes], other: int) -> None:
    index, size, proof, head = case
    assert verify_inclusion(LEAVES[index], other, size, proof, head) == (other == index)


@given(inclusions(), st.integers(-2, 260))
def test_an_inclusion_proof_holds_for_no_size_with_another_path(
    case: tuple[int, int, list[bytes], bytes], other: int
) -> None:
    index, size, proof, head = case
    same_path = index < other and path(index, other) == path(index, size)
    assert verify_inclusion(LEAVES[index], index, other, proof, head) == same_path


@given(inclusions(), st.data())
def test_an_inclusion_proof_can_neither_lose_nor_gain_a_hash(
    case: tuple[int, int, list[bytes], bytes], data: st.DataObject
) -> None:
    index, size, proof, head = case
    place = data.draw(st.integers(0, len(proof)))
    extra = data.draw(st.sampled_from([head, LEAVES[index], b"", *proof]))
    longer = [*proof[:place], extra, *proof[place:]]
    assert not verify_inclusion(LEAVES[index], index, size, longer, head)
    if place < len(proof):
        shorter = proof[:place] + proof[place + 1 :]
        assert not verify_inclusion(LEAVES[index], index, size, shorter, head)


@given(extensions())
def test_every_consistency_proof_verifies(case: tuple[int, int, list[bytes], bytes, bytes]) -> None:
    old, new, proof, old_root, new_root = case
    assert verify_consistency(old, new, old_root, new_root, proof)


@given(extensions(), st.data())
def test_a_consistency_proof_with_any_bit_changed_fails(
    case: tuple[int, int, list[bytes], bytes, bytes], data: st.DataObject
) -> None:
    old, new, proof, old_root, new_root = case
    values = [old_root, new_root, *proof]
    which = data.draw(st.integers(0, len(values) - 1))
    values[which] = flipped(values[which], data.draw(st.integers(0, 255)))
    old_root, new_root, *proof = values
    assert not verify_consistency(old, new, old_root, new_root, proof)


@given(extensions(), st.integers(-2, 260))
def test_a_consistency_proof_holds_for_no_other_old_size(
    case: tuple[int, int, list[bytes], bytes, bytes], other: int
) -> None:
    old, new, proof, old_root, new_root = case
    assert verify_consistency(other, new, old_root, new_root, proof) == (other == old)


@given(extensions())
def test_a_consistency_proof_holds_for_no_tree_of_another_height(
    case: tuple[int, int, list[bytes], bytes, bytes],
) -> None:
    old, new, proof, old_root, new_root = case
    assert not verify_consistency(old, new * 2, old_root, new_root, proof)
    assert not verify_consistency(old, new // 2, old_root, new_root, proof)


@given(extensions(), st.data())
def test_a_consistency_proof_can_neither_lose_nor_gain_a_hash(
    case: tuple[int, int, list[bytes], bytes, bytes], data: st.DataObject
) -> None:
    old, new, proof, old_root, new_root = case
    place = data.draw(st.integers(0, len(proof)))
    extra = data.draw(st.sampled_from([old_root, new_root, b"", *proof]))
    assert not verify_consistency(old, new, old_root, new_root, [*proof[:place], extra, *proof[place:]])
    if place < len(proof):
        shorter = proof[:place] + proof[place + 1 :]
        assert not verify_consistency(old, new, old_root, new_root, shorter)


@given(extensions(), st.data())
def test_a_rewritten_history_is_never_consistent(
    case: tuple[int, int, list[bytes], bytes, bytes], data: st.DataObject
) -> None:
    old, new, *_ = case
    changed = data.draw(st.integers(0, old - 1))
    entries = [str(number).encode() for number in range(new)]
    entries[changed] += b"!"
    forged = Log(entries)
    proof = consistency_proof(old, new, forged.read)
    assert not verify_consistency(old, new, root(old, LOG.read), root(new, forged.read), proof)


def test_the_empty_log_is_consistent_with_every_log_and_nothing_else_is() -> None:
    head = root(5, LOG.read)
    assert consistency_proof(0, 5, LOG.read) == []
    assert verify_consistency(0, 5, EMPTY_ROOT, head, [])
    assert verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not verify_consistency(0, 5, head, head, [])
    assert not verify_consistency(0, 0, EMPTY_ROOT, head, [])
    assert not verify_consistency(0, 5, EMPTY_ROOT, head, [head])


def test_a_log_is_consistent_with_itself_by_an_empty_proof() -> None:
    head = root(5, LOG.read)
    assert consistency_proof(5, 5, LOG.read) == []
    assert verify_consistency(5, 5, head, head, [])
    assert not verify_consistency(5, 5, head, head, [head])
    assert not verify_consistency(5, 5, head, root(4, LOG.read), [])


def test_hashes_of_another_length_prove_nothing() -> None:
    assert not verify_inclusion(b"", 0, 1, [], b"")
    assert not verify_consistency(1, 1, b"short", b"short", [])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: root(-1, LOG.read),
        lambda: inclusion_proof(3, 3, LOG.read),
        lambda: inclusion_proof(-1, 3, LOG.read),
        lambda: consistency_proof(4, 3, LOG.read),
        lambda: consistency_proof(-1, 3, LOG.read),
        lambda: appended_nodes(-1, LEAVES[0], LOG.read),
        lambda: appended_nodes(0, b"an entry, not its hash", LOG.read),
    ],
)
def test_what_no_log_can_answer_is_refused(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(LedgerError) as refused:
        ask()
    assert isinstance(refused.value, RegistryError)
    assert refused.value.problem
