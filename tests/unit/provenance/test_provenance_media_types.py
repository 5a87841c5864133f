"""What a file is, by its bytes; and whether it ends early."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.media_types import ends_early, media_type_of

type MediaMaker = Callable[[str], Path]

EXPECTED = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "avi": "video/x-msvideo",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "ts": "video/mp2t",
    "gif": "image/gif",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "ogg": "application/ogg",
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "tiff": "image/tiff",
    "avif": "image/avif",
}


@pytest.mark.parametrize("suffix", EXPECTED)
def test_real_files_are_known_and_whole(media: MediaMaker, suffix: str) -> None:
    assert media_type_of(media(suffix)) == EXPECTED[suffix]
    assert not ends_early(media(suffix))


def test_an_mp3_needs_no_tag(media: MediaMaker, tmp_path: Path) -> None:
    content = media("mp3").read_bytes()
    (path := tmp_path / "bare").write_bytes(content[content.index(b"\xff\xfb") :])
    assert media_type_of(path) == "audio/mpeg"


def test_a_tag_before_flac_is_looked_behind(media: MediaMaker, tmp_path: Path) -> None:
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 16, 0]) + bytes(2048)  # syncsafe 16 << 7
    (path := tmp_path / "tagged").write_bytes(tag + media("flac").read_bytes())
    assert media_type_of(path) == "audio/flac"


@pytest.mark.parametrize("suffix", ["bmp"])
def test_an_unlisted_kind_is_unknown(media: MediaMaker, suffix: str) -> None:
    assert media_type_of(media(suffix)) is None


@pytest.mark.parametrize("suffix", ["mp4", "mov", "m4a", "avif", "wav", "avi", "webp"])
def test_one_missing_byte_at_the_end_is_noticed(media: MediaMaker, tmp_path: Path, suffix: str) -> None:
    (path := tmp_path / "cut").write_bytes(media(suffix).read_bytes()[:-2])
    assert ends_early(path)


def test_a_streamed_wav_announces_no_length(media: MediaMaker, tmp_path: Path) -> None:
    content = bytearray(media("wav").read_bytes())
    content[4:8] = b"\xff\xff\xff\xff"
    (path := tmp_path / "streamed.wav").write_bytes(content)
    assert not ends_early(path)


@given(content=st.binary(max_size=600))
def test_no_bytes_confuse_it(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    for head in (b"", b"ID3\x04\x00\x00", b"\x00\x00\x00\x14ftypisom", b"RIFF"):
        path = tmp_path_factory.getbasetemp() / "any"
        path.write_bytes(head + content)
        found = media_type_of(path)
        assert found is None or "/" in found
        assert ends_early(path) in (True, False)


def test_boxes_of_no_length_end_the_walk(tmp_path: Path) -> None:
    first = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"
    (path := tmp_path / "loop.mp4").write_bytes(first + b"\x00\x00\x00\x04free")
    assert ends_early(path)
