"""Raw Chromaprint words: when each was heard, and the 256-bit rows that the index holds.

A word is 32 bits every 0.124 s and describes about 2.6 s of sound. One word alone says little
(noise leaves 2 in 100 of them whole), so eight in a row, one second of steps, make one row of 256
bits that is compared by its bit errors. The words come from the bundled ffmpeg; where that build
lacks Chromaprint, from the system's libchromaprint through pyacoustid.
"""

import numpy as np
import numpy.typing as npt

from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.model import Algorithm, Descriptors, Vectors

SAMPLE_RATE_HZ = 11025
# Source: chromaprint 1.5, `chromaprint::Fingerprinter` with algorithm TEST2: frames of 4096 samples,
# a third of a frame apart; 5 frames of filter and 16 of classifier make the first word.
_STEP_SAMPLES, _FRAME_SAMPLES, _FRAMES_A_WORD = 4096 // 3, 4096, 20
STEP_S = _STEP_SAMPLES / SAMPLE_RATE_HZ
FIRST_WORD_S = (_FRAME_SAMPLES + (_FRAMES_A_WORD - 1) * _STEP_SAMPLES) / SAMPLE_RATE_HZ
WORDS_A_ROW = 8
# The middle of the first row.
FIRST_ROW_S = (FIRST_WORD_S + (WORDS_A_ROW - 1) * STEP_S) / 2

# A stretch whose words hardly change says nothing: silence gives one word for ever, a held tone two or
# three. Real music and speech gave 6 to 8 different words of 8 in every row we looked at.
MIN_DIFFERENT_WORDS = 4


# The word that silence makes, and how near to it the words of a fade or of a pause with some noise lie.
_SILENCE, _NEAR_SILENCE_BITS = np.uint32(0x256DF977), 8


def heard_s(words: npt.NDArray[np.uint32]) -> float:
    """How much sound made these words, in seconds."""
    return FIRST_WORD_S + (len(words) - 1) * STEP_S if len(words) else 0.0


def describe(words: npt.NDArray[np.uint32]) -> Descriptors:
    """Stack words into rows: uint32 (n,) -> at most n - 7 rows, one a step, without monotone ones."""
    count = max(0, len(words) - WORDS_A_ROW + 1)
    if not count:
        stacked = np.empty((0, WORDS_A_ROW), np.uint32)
    else:
        stacked = np.lib.stride_tricks.sliding_window_view(words, WORDS_A_ROW)
    ordered = np.sort(stacked, axis=1)
    informative = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1) >= MIN_DIFFERENT_WORDS
    rows = np.ascontiguousarray(stacked[informative]).astype("<u4").view(np.uint8)
    return Descriptors(
        algorithm=Algorithm.AUDIO_CHROMAPRINT_V1,
        times_s=(np.flatnonzero(informative) * STEP_S + FIRST_ROW_S).astype(np.float64),
        vectors=rows.reshape(-1, WORDS_A_ROW * 4),
    )


def weights(vectors: Vectors) -> npt.NDArray[np.float32]:
    """How much a row says, 0 to 1: uint8 (n, 32) -> float32 (n,).

    Held chords, fades and near silence change few bits from word to word, and such rows resemble each other
    whatever the music. Full weight from 24 changed bits on; hardly any below 8.
    """
    words = np.ascontiguousarray(vectors).view("<u4")
    changed = np.bitwise_count(words[:, 1:] ^ words[:, :-1]).sum(axis=1)
    quiet = (np.bitwise_count(words ^ _SILENCE) <= _NEAR_SILENCE_BITS).sum(axis=1)
    weight: npt.NDArray[np.float32] = (np.clip((changed - 8) / 16, 0.02, 1) * np.clip(1 - quiet / 4, 0.1, 1)).astype(
        np.float32
    )
    return weight


def words_of_pcm(pcm: bytes) -> npt.NDArray[np.uint32]:
    """Compute the words of 16-bit mono samples at `SAMPLE_RATE_HZ` with libchromaprint.

    Raises:
        MediaError: there is no libchromaprint on this machine.
    """
    try:
        import chromaprint as library
    except ImportError as error:
        problem = "Sound cannot be fingerprinted here: install libchromaprint (Debian: libchromaprint1)."
        raise MediaError(fault=MediaFault.UNREADABLE, problem=problem) from error
    fingerprinter = library.Fingerprinter()
    fingerprinter.start(SAMPLE_RATE_HZ, 1)
    fingerprinter.feed(pcm)
    words, _ = library.decode_fingerprint(fingerprinter.finish())
    return np.array(words, np.int64).astype(np.uint32)
