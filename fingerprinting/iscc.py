"""ISCC (ISO 24138): the standard code of a whole file, by which its Content Credentials are found again.

C2PA lists it as the soft binding `io.iscc.v0`. Its value is the file's 256-bit units, each header and body, one
after another; not the text that people read, nor the shorter ISCC-CODE. Source: IEP-0020. The units are made as
iscc-sdk 0.9 makes them, but for the Meta-Code: a title is nothing that a copy shows. Which copies a part of
another file holds is not told here, but by fingerprints.
"""

import base64
import math
import re
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

import iscc_lib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

from fingerprinting import chromaprint
from fingerprinting.decode import DecodeLimits, decode, decode_part
from fingerprinting.errors import FingerprintingError
from fingerprinting.model import MediaInfo

ALGORITHM = "io.iscc.v0"
BITS = 256
# A soft binding has three to five units of at most 36 bytes; a text of it is eight fifths as long.
MOST_BYTES = 1024
_MOST_TEXT = 5 + 2 * MOST_BYTES

# The numbers of a header: a hex digit below the first of each row begins one of so many digits, which hold so much
# more than the number itself. Source: ISO 24138, `varnibble`.
_NUMBERS = ((0x8, 1, 0), (0xC, 2, 0x80 - 8), (0xE, 3, 0xC00 - 72), (0xF, 4, 0xE000 - 584))

# Of MPEG-7 signatures: the frames a second that iscc-sdk looks at, generously their bytes, and the smallest picture
# that ffmpeg can sign; of a smaller one it dies.
_RATE_HZ, _BYTES_A_SECOND, _FEWEST_PX = 5, 1024, 32
# The bits of a signature: those before the number of segments, of that number, of a segment, and of a frame, of
# which those before its ternary values, five to a byte. Source: ISO/IEC 15938-3, as ffmpeg's `signature` writes it.
_TO_SEGMENTS, _SEGMENTS, _SEGMENT, _FRAME, _TO_VALUES = 242, 32, 4 * 32 + 1 + 5 * 243, 689, 81
_TERNARY = np.array([81, 27, 9, 3, 1], np.uint8)

# Of a plain picture most of the 380 values are the same, and the code is that of any other: with 40 others two
# codes by chance differ in 24 to 52 bits, with 80 in 62 to 96, of drawn and real films in 92 and more.
_FEWEST_VALUES = 100

# Borders of about one colour are cut, again and again, since a frame may lie within a frame.
_IMAGE_PX, _MOST_CUTS, _BORDER_TOLERANCE = 32, 16, 16
_MOST_PIXELS, _PAM_ENDS = 3840 * 2160, b"ENDHDR\n"
# A picture has half of each 64 bits set; one without detail hardly any, and resembles all others without.
_FEWEST_SET_BITS = 8


class BadIscc(FingerprintingError, ValueError):
    """This is no ISCC; `problem` says why."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class MainType(IntEnum):
    """What a unit describes."""

    META = 0
    SEMANTIC = 1
    CONTENT = 2
    DATA = 3
    INSTANCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One ISCC-UNIT, of 4 to 32 bytes of body; the beginning of a body is the body of a shorter unit.

    `sub_type` says of a Content-Code what it is of: 0 text, 1 image, 2 sound, 3 video, 4 several.
    """

    main_type: MainType
    sub_type: int
    version: int
    header: bytes
    body: bytes

    @property
    def text(self) -> str:
        return _base32(self.header + self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Iscc:
    """The units of one file, in any order."""

    units: tuple[Unit, ...]

    @property
    def value(self) -> bytes:
        """What a soft binding holds: an ISCC-SEQ."""
        return b"".join(unit.header + unit.body for unit in self.units)

    @property
    def text(self) -> str:
        """The same for people."""
        return _base32(self.value)

    def of(self, main_type: MainType) -> Unit | None:
        return next((unit for unit in self.units if unit.main_type is main_type), None)


def iscc_of(path: Path, media: MediaInfo, *, limits: DecodeLimits | None = None) -> Iscc | None:
    """Make a file's Content-Code (of its picture, else of its sound), Data-Code and Instance-Code.

    Args:
        media: what `probe` said of it. Whether a film is whole `decode` tells; here, what can be read is coded.
    Returns:
        None where nothing tells its content from others: one plain colour, silence, three seconds of sound, a
        film of less than 32 pixels.
    Raises:
        MediaError: it cannot be read, or is past a limit.
    """
    limits = limits or DecodeLimits()
    make = _image_code if media.is_still else _video_code if media.has_video else _audio_code
    content = make(path, media, limits)
    if content is None:
        return None
    of_bytes: list[str] = iscc_lib.gen_sum_code_v0(path, bits=BITS, add_units=True)["units"]
    return Iscc(units=tuple(unit for text in (content, *of_bytes) for unit in parse(text).units))


def parse(code: str | bytes) -> Iscc:
    """Read a code of anybody's making.

    Args:
        code: bytes are an ISCC-SEQ, the value of a soft binding; text is the same for people, or a unit.
    Raises:
        BadIscc: it is none.
    """
    if isinstance(code, str):
        return _parse_text(code)
    if not 0 < len(code) <= MOST_BYTES:
        raise BadIscc(problem=f"An ISCC-SEQ has 1 to {MOST_BYTES} bytes.")
    units = []
    while code:
        units.append(_first_unit(code))
        code = code[len(units[-1].header) + len(units[-1].body) :]
    return Iscc(units=tuple(units))


def _base32(encoded: bytes) -> str:
    return "ISCC:" + base64.b32encode(encoded).decode().rstrip("=")


def _parse_text(text: str) -> Iscc:
    if len(text) > _MOST_TEXT:
        raise BadIscc(problem=f"An ISCC has at most {_MOST_TEXT} characters.")
    digits = text.strip().upper().removeprefix("ISCC:").replace("-", "")
    try:
        encoded = base64.b32decode(digits + "=" * (-len(digits) % 8))
    except ValueError as error:
        raise BadIscc(problem="An ISCC is the letters A to Z and the digits 2 to 7.") from error
    if _base32(encoded) != f"ISCC:{digits}":
        raise BadIscc(problem="An ISCC is base32 without padding.")
    return parse(encoded)


def _first_unit(encoded: bytes) -> Unit:
    digits, at, fields = encoded.hex(), 0, []
    for _ in range(4):
        field, at = _number(digits, at)
        fields.append(field)
    main_type, sub_type, version, words = fields
    if main_type > MainType.INSTANCE or words >= BITS // 32 or digits[at : at + at % 2].strip("0"):
        raise BadIscc(problem="A unit is of type 0 to 4, of 32 to 256 bits, and its header ends in 0 where it is odd.")
    header_bytes = (at + 1) // 2
    body = encoded[header_bytes : header_bytes + 4 * (words + 1)]
    if len(body) != 4 * (words + 1):
        raise BadIscc(problem="A unit is cut off.")
    return Unit(
        main_type=MainType(main_type), sub_type=sub_type, version=version, header=encoded[:header_bytes], body=body
    )


def _number(digits: str, at: int) -> tuple[int, int]:
    """One number of a header, and where the next begins."""
    for below, count, more in _NUMBERS:
        if at + count <= len(digits) and int(digits[at], 16) < below:
            return int(digits[at : at + count], 16) - more, at + count
    raise BadIscc(problem="A header is cut off, or begins with no number.")


def _video_code(path: Path, media: MediaInfo, limits: DecodeLimits) -> str | None:
    if min(media.width or 0, media.height or 0) < _FEWEST_PX:
        return None
    # The filter writes into the pipe by its name; the output itself is nothing.
    signed = f"fps={_RATE_HZ},signature=format=binary:filename=/dev/fd/{{part}}"
    most_bytes = int((limits.max_duration_s + 2) * _BYTES_A_SECOND)
    how = ["-map", "0:V:0", "-vf", signed, "-f", "null"]
    patient = replace(limits, probe=limits.process)
    sums = signature_sums(decode_part(path, how, start_s=0, most_bytes=most_bytes, limits=patient))
    if len(sums) - np.bincount(sums - sums.min()).max() < _FEWEST_VALUES:
        return None
    # The standard adds up all different frames first, so their sum is given as if it were the only one.
    code: str = iscc_lib.gen_video_code_v0([sums.tolist()], BITS)["iscc"]
    return code


def signature_sums(signature: bytes) -> npt.NDArray[np.int64]:
    """The values of an MPEG-7 video signature's frames, each different frame counted once: int64 (380,)."""
    bits = np.unpackbits(np.frombuffer(signature, np.uint8))
    segments = int.from_bytes(np.packbits(bits[_TO_SEGMENTS : _TO_SEGMENTS + _SEGMENTS]).tobytes())
    frames = bits[_TO_SEGMENTS + _SEGMENTS + segments * _SEGMENT + 1 :]
    frames = frames[: len(frames) // _FRAME * _FRAME].reshape(-1, _FRAME)
    rows = np.unique(np.packbits(frames[:, _TO_VALUES:], axis=1), axis=0)
    return (rows[:, :, None] // _TERNARY % 3).sum(axis=0, dtype=np.int64).reshape(-1)


def _audio_code(path: Path, media: MediaInfo, limits: DecodeLimits) -> str | None:
    words = decode(path, limits=limits, media=media).words
    if not len(chromaprint.describe(words)):
        return None
    code: str = iscc_lib.gen_audio_code_v0(words.view(np.int32).tolist(), BITS)["iscc"]
    return code


def _image_code(path: Path, media: MediaInfo, limits: DecodeLimits) -> str | None:
    # What is larger comes smaller, so that a picture cannot fill this process.
    shrink = math.sqrt((media.width or 1) * (media.height or 1) / _MOST_PIXELS)
    scaled = ["-vf", f"scale=iw/{shrink:.4f}:ih/{shrink:.4f}:flags=area"] if shrink > 1 else []
    how = ["-map", "0:V:0", "-frames:v", "1", *scaled, "-f", "image2pipe", "-c:v", "pam", "-pix_fmt", "rgba"]
    drawn_bytes = decode_part(path, how, start_s=0, most_bytes=5 * _MOST_PIXELS, limits=limits)
    begins = drawn_bytes.index(_PAM_ENDS) + len(_PAM_ENDS)
    width, height = (int(number) for number in re.findall(rb"(?:WIDTH|HEIGHT) (\d+)", drawn_bytes[:begins]))
    drawn = Image.frombuffer("RGBA", (width, height), drawn_bytes[begins:], "raw", "RGBA", 0, 1)
    picture = Image.new("RGB", drawn.size, "white")
    picture.paste(drawn, mask=drawn.getchannel("A"))
    grey = _without_borders(picture).convert("L").resize((_IMAGE_PX, _IMAGE_PX), Image.Resampling.BICUBIC)
    code: str = iscc_lib.gen_image_code_v0(grey.tobytes(), BITS)["iscc"]
    words = np.frombuffer(parse(code).units[0].body, np.uint64)
    return code if np.bitwise_count(words).min() >= _FEWEST_SET_BITS else None


def _without_borders(picture: Image.Image) -> Image.Image:
    for _ in range(_MOST_CUTS):
        box = _within_borders(picture, _BORDER_TOLERANCE)
        if box is None or box == (0, 0, *picture.size):
            break
        sides = sum(one != other for one, other in zip(box, (0, 0, *picture.size), strict=True))
        # One side alone is a border only where it is flat: a sky is not.
        if sides == 1 and box != _within_borders(picture, _BORDER_TOLERANCE // 2):
            break
        picture = picture.crop(box)
    return picture


def _within_borders(picture: Image.Image, tolerance: int) -> tuple[int, int, int, int] | None:
    """The box, ends not in it, of all that differs from the first pixel by more in any colour."""
    corner = Image.new(picture.mode, picture.size, picture.getpixel((0, 0)))
    differs = [value > tolerance for value in range(256)] * len(picture.getbands())
    return ImageChops.difference(picture, corner).point(differs).getbbox()
