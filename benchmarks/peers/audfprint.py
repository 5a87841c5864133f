"""audfprint2: pairs of spectral peaks in a hash table (Dan Ellis's audfprint), as its command line sets it up.

Works are described with 20 hashes a second and queries at four shifts of the frame, which is what its
`new` and `match` do unless told otherwise.
"""

from pathlib import Path

import imageio_ffmpeg
import numpy as np
from audfprint2 import Analyzer, HashTable, Matcher

from benchmarks.cache import Arrays
from benchmarks.systems import Found
from fingerprinting.model import ItemNumber, Modality

_DENSITY, _QUERY_SHIFTS, _LEAST_HASHES, _WINDOW = 20.0, 4, 5, 2
_REPORTED = 20


class Audfprint:
    name = "audfprint2"
    setting = "density 20, queries at 4 shifts, window 2, at least 5 hashes in line: its command line's defaults"
    version = f"audfprint2 0.1, density {_DENSITY}, {_QUERY_SHIFTS} shifts"
    modalities = frozenset({Modality.AUDIO})

    def __init__(self) -> None:
        self._analyzer = Analyzer(_DENSITY)
        self._analyzer.ffmpeg_path = imageio_ffmpeg.get_ffmpeg_exe()
        self._matcher = Matcher()
        self._matcher.window, self._matcher.threshcount = _WINDOW, _LEAST_HASHES
        self._matcher.find_time_range, self._matcher.time_quantile = True, 0.05
        self._table = HashTable(hashbits=20, depth=100, maxtime=1 << 14)

    def describe(self, path: Path) -> Arrays:
        return self._hashes(path, shifts=1)

    def look(self, path: Path) -> Arrays:
        return self._hashes(path, shifts=_QUERY_SHIFTS)

    def _hashes(self, path: Path, *, shifts: int) -> Arrays:
        self._analyzer.shifts = shifts
        return {"hashes": np.asarray(self._analyzer.wavfile2hashes(str(path)), np.int32)}

    def register(self, item: ItemNumber, described: Arrays) -> None:
        # Its table counts works from 0; names are kept as they are given.
        self._table.store(str(item), described["hashes"].tolist())

    def find(self, look: Arrays) -> list[Found]:
        hashes = look["hashes"]
        if not len(hashes):
            return []
        step_s = self._analyzer.n_hop / self._analyzer.target_sr
        found = []
        for number, in_line, offset, _, _, first, last in self._matcher.match_hashes(self._table, hashes)[:_REPORTED]:
            start_s, end_s = float(first) * step_s, float(last + 1) * step_s
            shift_s = float(offset) * step_s
            box = (start_s, end_s, start_s + shift_s, end_s + shift_s)
            item = ItemNumber(int(self._table.names[number]))
            found.append(Found(item=item, score=float(in_line), accepted=bool(in_line >= _LEAST_HASHES), box=box))
        return found
