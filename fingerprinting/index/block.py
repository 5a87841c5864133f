"""Where an index's rows stand: a head that grows, and a block that others may share.

Arrays of a block never change once it is made, so many searches, and through a mapped snapshot many processes,
read the same ones. Removing only marks: the mark is the one thing of a block that changes, and every process has its
own. A head is appended to behind what readers see, so that they need not wait either.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinting.index.protocol import Arrays, id_range
from fingerprinting.model import ItemNumber, Vectors

type Ids = npt.NDArray[np.int64]
type Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Rows in the order of their cells; a block without cells is flat.

    Attributes:
        ids: int64 (n,) identities of the rows.
        codes: uint8 (n, code bytes).
        dead: bool (n,) rows that were removed.
        centres: uint8 (cells, code bytes).
        starts: int64 (cells + 1,): cell c is rows [starts[c], starts[c + 1]); without cells, empty.
    """

    ids: Ids
    codes: Vectors
    dead: Marks
    centres: Vectors
    starts: Ids

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def living(self) -> int:
        return len(self) - int(self.dead.sum())

    def mark(self, item: ItemNumber) -> int:
        """Remove an item's rows; returns how many there were."""
        first, end = id_range(item)
        rows = np.flatnonzero((self.ids >= first) & (self.ids < end))
        rows = rows[~self.dead[rows]]
        self.dead[rows] = True
        return len(rows)

    def arrays(self) -> Arrays:
        """What `from_arrays` needs; later removals do not change it."""
        return {
            "ids": self.ids,
            "codes": self.codes,
            "dead": self.dead.copy(),
            "centres": self.centres,
            "starts": self.starts,
        }


def flat_block(ids: Ids, codes: Vectors, dead: Marks) -> Block:
    return Block(ids=ids, codes=codes, dead=dead, centres=codes[:0], starts=np.empty(0, np.int64))


def from_arrays(arrays: Arrays, *, code_bytes: int) -> Block:
    """A block from `Block.arrays`, whose big ones are kept as they are.

    Raises:
        ValueError: these are not the arrays of a block of such codes.
    """
    try:
        ids, codes, dead = arrays["ids"], arrays["codes"], arrays["dead"]
        centres, starts = arrays["centres"], arrays["starts"]
    except KeyError as error:
        raise ValueError(f"not a dump of this index: no {error}") from error
    types = [array.dtype.name for array in (ids, codes, dead, centres, starts)]
    shapes = (ids.shape, codes.shape, dead.shape, centres.shape, starts.shape)
    rows, cells = ids.size, len(centres) if centres.ndim else 0
    expected = ((rows,), (rows, code_bytes), (rows,), (cells, code_bytes), (cells + 1 if cells else 0,))
    if types != ["int64", "uint8", "bool", "uint8", "int64"] or shapes != expected:
        raise ValueError("not a dump of this index: other arrays")
    if cells and (starts[0] != 0 or starts[-1] != rows or (np.diff(starts) < 0).any()):
        raise ValueError("not a dump of this index: its cells do not hold its rows")
    return Block(ids=ids, codes=codes, dead=dead.copy(), centres=centres, starts=starts)


class Head:
    """Rows that were added lately. Not safe by itself: its index locks."""

    def __init__(self, *, code_bytes: int) -> None:
        self._count = 0
        self._ids = np.empty(0, np.int64)
        self._codes: Vectors = np.empty((0, code_bytes), np.uint8)
        self._dead = np.empty(0, np.bool_)

    def __len__(self) -> int:
        return self._count

    def append(self, ids: Ids, codes: Vectors) -> None:
        """Add rows behind those that readers of `block` see. Twice the room when it is full: constant on average."""
        end = self._count + len(ids)
        if end > len(self._ids):
            room = max(1024, 2 * end)
            self._ids = _roomier(self._ids, self._count, room)
            self._codes = _roomier(self._codes, self._count, room)
            self._dead = _roomier(self._dead, self._count, room)
        self._ids[self._count : end] = ids
        self._codes[self._count : end] = codes
        self._dead[self._count : end] = False
        self._count = end

    def block(self, first: int = 0) -> Block:
        """The rows from `first` on, as they stand now; marks made in it are marks in the head."""
        rows = slice(first, self._count)
        return flat_block(self._ids[rows], self._codes[rows], self._dead[rows])


def _roomier[T: np.generic](array: npt.NDArray[T], count: int, room: int) -> npt.NDArray[T]:
    wider = np.empty((room, *array.shape[1:]), array.dtype)
    wider[:count] = array[:count]
    return wider
