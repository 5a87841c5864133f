"""The embedded engines: which index each algorithm has in a process of its own."""

from fingerprinting.index.faiss_index import FaissIndex
from fingerprinting.index.landmarks import LandmarkIndex
from fingerprinting.index.protocol import OwnIndex
from fingerprinting.model import Algorithm


def embedded_index(algorithm: Algorithm) -> OwnIndex:
    return LandmarkIndex() if algorithm is Algorithm.AUDIO_LANDMARK_V1 else FaissIndex(algorithm)
