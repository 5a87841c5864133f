"""ISCC (ISO 24138): one code for a whole file, compared by Hamming distance.

Made for files that are the same throughout; a piece of one is not what it is for. No threshold is
published for content codes: an eighth of the bits is taken here.
"""

import re
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path

import iscc_lib
import numpy as np

from benchmarks import ffmpeg
from benchmarks.cache import Arrays
from benchmarks.systems import Found
from fingerprinting.chromaprint import heard_s
from fingerprinting.hamming import distances
from fingerprinting.model import ItemNumber, Modality

_BITS = 256
_NEAR_BITS = _BITS // 8
_RATE_HZ = 5
_FRAME = re.compile(r"<FrameSignature>([\d\s]+)</FrameSignature>")


class _Iscc(ABC):
    def __init__(self) -> None:
        self._codes: dict[ItemNumber, Arrays] = {}

    @abstractmethod
    def describe(self, path: Path) -> Arrays: ...

    def look(self, path: Path) -> Arrays:
        return self.describe(path)

    def register(self, item: ItemNumber, described: Arrays) -> None:
        self._codes[item] = described

    def find(self, look: Arrays) -> list[Found]:
        ours = look["code"].astype(np.uint8)[None]
        found = []
        for item, theirs in self._codes.items():
            bits = int(distances(ours, theirs["code"].astype(np.uint8)[None])[0, 0])
            box = (0.0, float(look["length_s"]), 0.0, float(theirs["length_s"]))
            found.append(Found(item=item, score=1 - bits / _BITS, accepted=bits <= _NEAR_BITS, box=box))
        return found


class IsccVideo(_Iscc):
    """Video-Code of MPEG-7 frame signatures at 5 a second, as iscc-sdk extracts them."""

    name = "ISCC Video-Code"
    setting = f"iscc-lib, {_BITS} bits, MPEG-7 signatures of 5 frames a second, distance ≤ {_NEAR_BITS}"
    version = f"iscc-lib video 0.7, {_BITS} bits, {_RATE_HZ} fps"
    modalities = frozenset({Modality.VIDEO})

    def describe(self, path: Path) -> Arrays:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "signature.xml"
            signature = f"fps={_RATE_HZ},signature=format=xml:filename={file}"
            ffmpeg.run("-i", path, "-map", "0:v:0", "-vf", signature, "-f", "null", "-")
            if not file.exists():
                raise RuntimeError(f"{path.name} has no frame to sign")
            frames = [[int(value) for value in row.split()] for row in _FRAME.findall(file.read_text())]
        return _described(iscc_lib.gen_video_code_v0(frames, _BITS).iscc, len(frames) / _RATE_HZ)


class IsccAudio(_Iscc):
    """Audio-Code of the Chromaprint words of the file."""

    name = "ISCC Audio-Code"
    setting = f"iscc-lib, {_BITS} bits, distance ≤ {_NEAR_BITS}"
    version = f"iscc-lib audio 0.7, {_BITS} bits"
    modalities = frozenset({Modality.AUDIO})

    def describe(self, path: Path) -> Arrays:
        words = ffmpeg.chromaprint(path)
        code = iscc_lib.gen_audio_code_v0(words.view(np.int32).tolist(), _BITS).iscc
        return _described(code, heard_s(words))


def _described(iscc: str, length_s: float) -> Arrays:
    code = np.frombuffer(iscc_lib.iscc_decode(iscc)[4], np.uint8)
    return {"code": code, "length_s": np.array(length_s)}
