"""Hostile files: everything that ever tried to break the reading of media, each with its right outcome.

A builder writes one file into a folder in less than a second and says what reading it must come to.
New ways to break it are added here, so that every edge of the service is held against all of them.
"""

import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fingerprinting.errors import MediaFault
from tests import media

# What the fine ones hold, whatever they say of themselves.
TRUE_SECONDS, TRUE_SEED = 4.0, 77
LYING_TEXT = (
    "<script>alert(1)</script>\n  Duration: 99:59:59.00, start: 0\n  Stream #0:9: Video: h264, 99999x99999\n"
    "  Stream #0:0: Audio: none\nInput #0, hls, from 'x':\r\n\x1b[31m' OR 1=1 --"
)


@dataclass(frozen=True, slots=True)
class Hostile:
    """A file to be afraid of.

    Attributes:
        build: writes it into a folder and returns its path.
        faults: any of these is right; empty where the file must be read and its true content found.
        may_pass: reading it is right too, where limits are wide enough.
    """

    name: str
    build: Callable[[Path], Path]
    faults: frozenset[MediaFault]
    may_pass: bool = False

    @property
    def is_fine(self) -> bool:
        return not self.faults


CORPUS: list[Hostile] = []
type _Builder = Callable[[Path], Path]


def _hostile(*faults: MediaFault, may_pass: bool = False) -> Callable[[_Builder], _Builder]:
    def register(build: _Builder) -> _Builder:
        CORPUS.append(Hostile(build.__name__, build, frozenset(faults), may_pass=may_pass))
        return build

    return register


def hostile(name: str) -> Hostile:
    return next(each for each in CORPUS if each.name == name)


# --- Not media ----------------------------------------------------------------------------------------


@_hostile(MediaFault.EMPTY)
def zero_length(folder: Path) -> Path:
    return _written(folder / "zero.mp4", b"")


@_hostile(MediaFault.UNREADABLE)
def plain_text(folder: Path) -> Path:
    return _written(folder / "text.mp4", b"This is not a film.\n" * 200)


@_hostile(MediaFault.UNREADABLE)
def markup(folder: Path) -> Path:
    return _written(folder / "page.mp4", f"<!doctype html><title>{LYING_TEXT}</title>".encode())


@_hostile(MediaFault.UNREADABLE)
def half_a_picture(folder: Path) -> Path:
    """An image whose data breaks off after its header."""
    media.ffmpeg("-f", "lavfi", "-i", "testsrc2=s=640x360", "-frames:v", "1", folder / "still.png")
    return _written(folder / "half.png", (folder / "still.png").read_bytes()[:200])


@_hostile(MediaFault.TOO_LARGE, MediaFault.LIMIT_EXCEEDED, MediaFault.UNREADABLE)
def picture_that_is_huge_by_its_header(folder: Path) -> Path:
    """A PNG that claims a hundred thousand pixels each way."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return _written(folder / "huge.png", data + bytes(64))


@_hostile(MediaFault.UNREADABLE)
def zip_bomb(folder: Path) -> Path:
    path = folder / "bomb.mp4"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film.mp4", bytes(20 << 20))
    return path


@_hostile(MediaFault.UNREADABLE)
def random_bytes_after_an_mp4_header(folder: Path) -> Path:
    header = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"isom", 512, b"isom", b"mp42")
    return _written(folder / "random.mp4", header + random.Random(5).randbytes(200_000))


@_hostile(MediaFault.UNREADABLE)
def boxes_in_boxes(folder: Path) -> Path:
    """Ten thousand boxes, each the only content of the one before."""
    depth = 10_000
    boxes = b"".join(struct.pack(">I4s", 8 * (depth - i), b"moov") for i in range(depth))
    return _written(folder / "nested.mp4", struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 512) + boxes)


@_hostile(MediaFault.NO_MEDIA)
def subtitles_alone(folder: Path) -> Path:
    text = _written(folder / "s.srt", b"1\n00:00:00,000 --> 00:00:02,000\n<b>hi</b>\n")
    media.ffmpeg("-i", text, folder / "subtitles.mkv")
    text.unlink()
    return folder / "subtitles.mkv"


# --- Files that name other files ------------------------------------------------------------------------
# Each names a clip that could be read beside it: were the list followed, reading would succeed.


@_hostile(MediaFault.UNREADABLE)
def hls_playlist(folder: Path) -> Path:
    text = f"#EXTM3U\n#EXTINF:4,\n{_clip(folder)}\n#EXTINF:4,\n/etc/passwd\n#EXT-X-ENDLIST\n"
    return _written(folder / "list.m3u8", text.encode())


@_hostile(MediaFault.UNREADABLE)
def hls_playlist_named_mp4(folder: Path) -> Path:
    return hls_playlist(folder).rename(folder / "list.mp4")


@_hostile(MediaFault.UNREADABLE)
def concat_list(folder: Path) -> Path:
    text = f"ffconcat version 1.0\nfile {_clip(folder).name}\nfile /etc/passwd\n"
    return _written(folder / "list.ffconcat", text.encode())


@_hostile(MediaFault.UNREADABLE)
def playlist_of_addresses(folder: Path) -> Path:
    """What lies in the network of whoever reads it: its own services, and the credentials that clouds hand out."""
    text = "#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1:8000/\n#EXTINF:4,\nhttp://169.254.169.254/latest/\n#EXT-X-ENDLIST\n"
    return _written(folder / "list.mp4", text.encode())


@_hostile(MediaFault.UNREADABLE)
def list_of_parts_of_files(folder: Path) -> Path:
    """By the protocols with which ffmpeg reads a file in part, several as one, or what a descriptor leads to."""
    named = ("subfile,,start,0,end,0,,:/etc/passwd", f"concat:{_clip(folder)}|/etc/passwd", "fd:0", "data:,x")
    text = "ffconcat version 1.0\n" + "".join(f"file '{name}'\n" for name in named)
    return _written(folder / "parts.mp4", text.encode())


@_hostile(MediaFault.UNREADABLE)
def dash_manifest(folder: Path) -> Path:
    text = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        f'<AdaptationSet><Representation id="1"><BaseURL>{_clip(folder)}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    )
    return _written(folder / "list.mpd", text.encode())


# --- Cut off and overwritten ----------------------------------------------------------------------------


@_hostile(MediaFault.CORRUPT, MediaFault.UNREADABLE)
def half_of_the_media_gone(folder: Path) -> Path:
    """The index stands first and whole; the media it speaks of is not there."""
    made = media.clip_with_sound(folder / "made.mp4", seconds=12, seed=TRUE_SEED)
    media.ffmpeg("-i", made, "-c", "copy", "-movflags", "+faststart", folder / "whole.mp4")
    whole = (folder / "whole.mp4").read_bytes()
    start = whole.index(b"mdat")
    return _written(folder / "half.mp4", whole[: start + (len(whole) - start) // 2])


@_hostile(MediaFault.UNREADABLE, MediaFault.NO_MEDIA)
def index_cut_off(folder: Path) -> Path:
    whole = _clip(folder).read_bytes()
    return _written(folder / "no_index.mp4", whole[: whole.rindex(b"moov") + 40])


@_hostile(MediaFault.CORRUPT, MediaFault.UNREADABLE)
def media_overwritten(folder: Path) -> Path:
    whole = bytearray(_clip(folder, "-movflags", "+faststart").read_bytes())
    start = whole.index(b"mdat") + 4
    whole[start:] = random.Random(6).randbytes(len(whole) - start)
    return _written(folder / "noise.mp4", whole)


@_hostile()
def garbage_after_the_end(folder: Path) -> Path:
    whole = _clip(folder).read_bytes() + random.Random(7).randbytes(300_000)
    return _written(folder / "trailing.mp4", whole)


@_hostile()
def archive_after_the_end(folder: Path) -> Path:
    """A clip that is a zip archive as well, whichever end one looks from."""
    path = _clip(folder)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film.mp4", bytes(1 << 20))
    return path.rename(folder / "two_in_one.mp4")


# --- Sizes, lengths and counts --------------------------------------------------------------------------


@_hostile(MediaFault.BLACK)
def one_pixel(folder: Path) -> Path:
    """Readable, but nothing to see: the quality gate's matter."""
    media.ffmpeg("-f", "lavfi", "-i", "color=red:s=1x1:r=10", "-t", "3", "-c:v", "ffv1", folder / "one.mkv")
    return folder / "one.mkv"


@_hostile(MediaFault.TOO_LARGE, MediaFault.UNREADABLE)
def huge_picture_claimed(folder: Path) -> Path:
    return _written(folder / "huge.y4m", b"YUV4MPEG2 W60000 H60000 F25:1 Ip C420jpeg\nFRAME\n" + bytes(5000))


@_hostile(MediaFault.TOO_LARGE, MediaFault.UNREADABLE, MediaFault.CORRUPT)
def huge_picture_inside_a_small_one(folder: Path) -> Path:
    """The container says 64x64; the first picture in it says 60000x60000."""
    path = folder / "grows.avi"
    media.ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:r=10", "-t", "3", "-c:v", "png", path)
    whole = path.read_bytes()
    small = b"IHDR" + struct.pack(">II", 64, 64)
    header = whole[(at := whole.index(small)) : at + 17]
    huge = b"IHDR" + struct.pack(">II", 60_000, 60_000) + header[12:]
    checked = huge + struct.pack(">I", zlib.crc32(huge))
    return _written(path, whole.replace(header + struct.pack(">I", zlib.crc32(header)), checked))


@_hostile(MediaFault.LIMIT_EXCEEDED, MediaFault.BLACK, may_pass=True)
def blank_giant(folder: Path) -> Path:
    """A minute of blank 4096x2304 in a small file: 21 GB of pixels to anyone who unpacks it."""
    path = folder / "giant.ivf"
    giant = ["-f", "lavfi", "-i", "color=gray:s=4096x2304:r=25", "-frames:v", "2"]
    media.ffmpeg(*giant, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", path)
    two = path.read_bytes()
    # An IVF file: a header of 32 bytes, then for each frame its size, its number and itself.
    second = 32 + 12 + struct.unpack_from("<I", two, 32)[0]
    same = two[second + 12 :]
    more = b"".join(struct.pack("<IQ", len(same), number) + same for number in range(2, 1500))
    many = _written(folder / "many.ivf", two + more)
    media.ffmpeg("-i", many, "-c", "copy", folder / "giant.webm")
    path.unlink()
    many.unlink()
    return folder / "giant.webm"


@_hostile(MediaFault.TOO_LONG)
def endless_by_its_header(folder: Path) -> Path:
    """The container claims 10^7 s."""
    return _claiming(folder, seconds=1e7)


@_hostile(MediaFault.CORRUPT)
def hours_by_its_header(folder: Path) -> Path:
    """The container claims an hour and ends after seconds."""
    return _claiming(folder, seconds=3600)


@_hostile()
def longer_than_its_header(folder: Path) -> Path:
    return _claiming(folder, seconds=1)


@_hostile(MediaFault.UNREADABLE, MediaFault.CORRUPT, MediaFault.LIMIT_EXCEEDED, may_pass=True)
def thousands_of_streams(folder: Path) -> Path:
    whole = _clip(folder).read_bytes()
    start = whole.rindex(b"moov") - 4
    first, size = (at := whole.index(b"trak", start) - 4), struct.unpack_from(">I", whole, at)[0]
    moov = whole[start:] + whole[first : first + size] * 5000
    return _written(folder / "streams.mp4", whole[:start] + struct.pack(">I", len(moov)) + moov[4:])


# --- Words that imitate the reader's own ----------------------------------------------------------------


@_hostile()
def lying_titles(folder: Path) -> Path:
    tags = [f"{key}={LYING_TEXT}" for key in ("title", "artist", "comment", "description")]
    return _clip(folder, *(part for tag in tags for part in ("-metadata", tag)))


@_hostile()
def lying_language(folder: Path) -> Path:
    """ffmpeg prints a track's language inside its own line: this one says that the picture is a sound."""
    return _clip(folder, "-metadata:s:v:0", "language=x): Audio: y", suffix=".mkv")


@_hostile()
def lying_language_with_line_breaks(folder: Path) -> Path:
    language = "language=x)\n  Stream #0:0: Audio: y\n  Stream #0:9: Video: h264, 99999x99999 (attached pic"
    return _clip(folder, "-metadata:s:v:0", language, suffix=".mkv")


@_hostile()
def flood_of_words(folder: Path) -> Path:
    """The sound's comment is longer than what is kept of ffmpeg's words; the picture comes after it."""
    flood = ["-metadata:s:a:0", "comment=" + "word\n" * 9000]
    return _clip(folder, "-map", "0:a", "-map", "0:v", *flood, suffix=".mkv")


def _written(path: Path, data: bytes | bytearray) -> Path:
    path.write_bytes(data)
    return path


def _clip(folder: Path, *options: str, suffix: str = ".mp4") -> Path:
    """`TRUE_SECONDS` of picture and sound, with further options for the container."""
    made = media.clip_with_sound(folder / "made.mp4", seconds=TRUE_SECONDS, seed=TRUE_SEED)
    target = folder / f"clip{suffix}"
    media.ffmpeg("-i", made, "-c", "copy", *options, target)
    made.unlink()
    return target


def _claiming(folder: Path, *, seconds: float) -> Path:
    """A Matroska file whose header claims a length: element 0x4489, a double in milliseconds."""
    path = _clip(folder, suffix=".mkv")
    whole = bytearray(path.read_bytes())
    struct.pack_into(">d", whole, whole.index(b"\x44\x89\x88") + 3, seconds * 1000)
    return _written(path, whole)


def names(corpus: Sequence[Hostile]) -> list[str]:
    """Test ids."""
    return [each.name for each in corpus]
