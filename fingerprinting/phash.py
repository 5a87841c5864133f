"""256-bit perceptual hashes of frames, a batch at a time.

The bits are those of `imagehash.phash(image, hash_size=16)` for a 64x64 grey image: DCT-II in both
directions, the 16x16 lowest frequencies, each compared with their median. The same transform
library runs over the whole batch, so rounding, and with it every bit, is the same.
"""

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fftpack import dct

from fingerprinting.model import Algorithm, Vectors

FRAME_PX = 64
_LOW = 16


def phash(frames: npt.NDArray[np.uint8]) -> Vectors:
    """Hash frames: uint8 (n, 64, 64) luma -> uint8 (n, 32), most significant bit first.

    Source: imagehash 4.3, `phash`; Zauner, "Implementation and benchmarking of perceptual image
    hash functions" (2010), section 3.2.1.
    """
    if not len(frames):
        return np.empty((0, Algorithm.VIDEO_PHASH_V1.row_bytes), np.uint8)
    # Only the low rows survive, and every line is transformed on its own: transform just those.
    columns = dct(frames.astype(np.float64), axis=1)[:, :_LOW]
    low = dct(columns, axis=2)[:, :, :_LOW].reshape(len(frames), -1)
    return np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)


# The bits whose frequency is odd from left to right: there, a mirrored picture has the opposite sign.
_ODD_COLUMNS = np.packbits(np.tile(np.arange(_LOW) % 2 == 1, _LOW))


def mirrored(hashes: Vectors) -> Vectors:
    """The hashes of the same pictures seen in a mirror: uint8 (n, 32), a few bits from exact.

    Bits compare with the median and not with zero: of real frames 6 bits differ in the median, 18 in one of 100.
    """
    return hashes ^ _ODD_COLUMNS


def disagreements_with_imagehash(frames: npt.NDArray[np.uint8]) -> int:
    """Count the bits in which `phash` differs from imagehash on these frames; 0 on a sound machine.

    A numeric library built otherwise could round otherwise, and its hashes would not meet those
    already stored. The service asks this once at start and says so in `/readyz`.
    """
    expected = [imagehash.phash(Image.fromarray(frame), hash_size=_LOW).hash.reshape(-1) for frame in frames]
    return int((np.unpackbits(phash(frames), axis=1) != np.array(expected, dtype=np.uint8)).sum())
