"""Merkle tree hashing of the ledger, as RFC 9162 section 2.1 has it (SHA-256).

Decides which hashes are stored, and makes and checks roots and proofs. Only
complete subtrees are stored: once written, such a hash never changes, so the
store is append-only too, and every root or proof takes O(log n) reads.

It does not decide what an entry holds, nor where hashes are kept: the caller
passes `read`. "Leaf" below always means a leaf's hash, as `leaf_hash` makes it.

A proof binds the tree's size only as far as the path shows it; what binds the
size is the signed checkpoint, so take size and root from the same one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from typing import Final

from registry.errors import LedgerError

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class NodeId:
    """A complete subtree: the 2^level entries in [index · 2^level, (index + 1) · 2^level)."""

    level: int
    index: int


type Read = Callable[[NodeId], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Hash one entry. The 0x00 prefix keeps an entry from passing for a node."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent."""
    return sha256(b"\x01" + left + right).digest()


def appended_nodes(size: int, leaf: bytes, read: Read) -> list[tuple[NodeId, bytes]]:
    """The nodes to store when `leaf` becomes entry number `size`.

    Args:
        size: entries in the log before; also the new entry's index.
        leaf: the entry's leaf hash.
        read: gives any node stored by earlier appends.
    Returns:
        The leaf first, then every subtree it completes, from the bottom up.
    """
    if size < 0:
        raise LedgerError(problem=f"A log cannot hold {size} entries.")
    if len(leaf) != HASH_BYTES:
        raise LedgerError(problem=f"A leaf hash has {HASH_BYTES} bytes, not {len(leaf)}: pass leaf_hash(data).")
    node, value = NodeId(0, size), leaf
    nodes = [(node, value)]
    while node.index % 2:
        value = node_hash(read(NodeId(node.level, node.index - 1)), value)
        node = NodeId(node.level + 1, node.index // 2)
        nodes.append((node, value))
    return nodes


def root(size: int, read: Read) -> bytes:
    """The root hash of the first `size` entries."""
    if size < 0:
        raise LedgerError(problem=f"A log cannot hold {size} entries.")
    return _subtree(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: Read) -> list[bytes]:
    """The hashes that lead from entry `index` to the root over `size` entries, leaf's sibling first.

    Source: PATH in RFC 9162, section 2.1.3.1.
    """
    if not 0 <= index < size:
        raise LedgerError(problem=f"Entry {index} is not among the first {size}.")
    proof = []
    start, end = 0, size
    while end - start > 1:
        middle = _split(start, end)
        if index < middle:
            proof.append(_subtree(middle, end, read))
            end = middle
        else:
            proof.append(_subtree(start, middle, read))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, read: Read) -> list[bytes]:
    """The hashes that show that the first `old` of `new` entries are unchanged.

    Empty when there is nothing to show: `old` is 0 or equals `new`.
    Source: SUBPROOF in RFC 9162, section 2.1.4.1.
    """
    if not 0 <= old <= new:
        raise LedgerError(problem=f"A log of {new} entries never had {old}.")
    if old in (0, new):
        return []
    proof = []
    start, end = 0, new
    while old < end:
        middle = _split(start, end)
        if old <= middle:
            proof.append(_subtree(middle, end, read))
            end = middle
        else:
            proof.append(_subtree(start, middle, read))
            start = middle
    if start:  # else the rest is the old tree itself, whose root the verifier has
        proof.append(_subtree(start, end, read))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that `leaf` is entry `index` of the `size` entries under `root`.

    Source: RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size or not _all_hashes(leaf, root, *proof):
        return False
    position, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False  # the proof is longer than the tree is high
        if position % 2 or position == last:
            value = node_hash(sibling, value)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and value == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree under `new_root` only appended to that under `old_root`.

    Source: RFC 9162, section 2.1.4.2; the empty tree, which the RFC leaves
    out, is consistent with every tree.
    """
    if not 0 <= old <= new or not _all_hashes(old_root, new_root, *proof):
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT and (new > 0 or new_root == EMPTY_ROOT)
    if old == new:
        return not proof and old_root == new_root
    if not proof:
        return False
    position, last = old - 1, new - 1
    while position % 2:
        position, last = position >> 1, last >> 1
    # A complete old tree is itself the first node of the path, so proofs leave it out.
    seed, *path = proof if old.bit_count() > 1 else [old_root, *proof]
    old_value = new_value = seed
    for sibling in path:
        if last == 0:
            return False
        if position % 2 or position == last:
            old_value, new_value = node_hash(sibling, old_value), node_hash(sibling, new_value)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            new_value = node_hash(new_value, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and old_value == old_root and new_value == new_root


def _all_hashes(*values: bytes) -> bool:
    # Two siblings of other lengths could concatenate to the same preimage.
    return all(len(value) == HASH_BYTES for value in values)


def _split(start: int, end: int) -> int:
    """Where RFC 9162 splits entries [start, end): after the largest power of two below their number."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _subtree(start: int, end: int, read: Read) -> bytes:
    """The hash over entries [start, end), one of the subtrees that `_split` makes."""
    hashes = [read(node) for node in _complete_subtrees(start, end)]
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))


def _complete_subtrees(start: int, end: int) -> Iterator[NodeId]:
    """The stored nodes that cover entries [start, end), largest first."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield NodeId(level, start >> level)
        start += 1 << level
