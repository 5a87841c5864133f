"""Hamming distances between rows of 256 bits."""

import numpy as np
import numpy.typing as npt

from fingerprinting.model import Vectors


def distances(queries: Vectors, references: Vectors) -> npt.NDArray[np.uint16]:
    """Distance of every pair: uint8 (m, 32), uint8 (n, 32) -> uint16 (m, n), bits."""
    left = np.ascontiguousarray(queries).view(np.uint64)
    right = np.ascontiguousarray(references).view(np.uint64)
    total = np.zeros((len(left), len(right)), np.uint16)
    for word in range(left.shape[1]):
        total += np.bitwise_count(left[:, word, None] ^ right[None, :, word])
    return total
