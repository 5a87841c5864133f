"""A file's ISCC is the one that others make, is near for copies and far for the rest, and reads whatever comes."""

from dataclasses import replace
from pathlib import Path

import iscc_lib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fingerprinting.decode import DecodeLimits, probe
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.iscc import (
    BITS,
    MOST_BYTES,
    BadIscc,
    Iscc,
    MainType,
    iscc_of,
    parse,
    signature_sums,
)
from fingerprinting.sandbox import ProcessLimits
from tests import media
from tests.unit.fingerprinting.conftest import NoTrace

NEAR_BITS, FAR_BITS = 32, 80

# IEP-0020, test vectors 1 and 2.
META = "ISCC:AADVPDD4R6733NMPFH3D57VTQ4KVH6VHL74XIWGUT37V5ZG56NV3NSI"
TEXT = "ISCC:EAD2RASIYU5IKLENP2OFI4CHZGRWYQCSW2WKX3Y6FJGOCXSYNYGLGBI"
DATA = "ISCC:GADQLNA7GRZESMRF2J7NZPNWGI3II2ST5YUN5SS6GVQ2ZQGJXPPYDNI"
INSTANCE = "ISCC:IAD2KIVPJIWJZP3KQCESJL6SVT5APEZUPOJWM6HVTAXCF7OT3VFA4NY"
FOUR = (
    "0007578c7c8fbfbdb58f29f63efeb3871553faa75ff97458d49eff5ee4ddf36bb6c92007a88248c53a852c8d7e9c547047c9a36c4052b6ac"
    "abef1e2a4ce15e586e0cb305300705b41f3472493225d27edcbdb63236846a53ee28deca5e3561acc0c9bbdf81b54007a522af4a2c9cbf6a"
    "808924afd2acfa0793347b936678f5982e22fdd3dd4a0e37"
)
MIXED_LENGTHS = (
    "21018c3585376ee22d5a22039f07f3ff9e0061ff3ef7cbffffef37ff300705b41f3472493225d27edcbdb63236846a53ee28deca5e3561ac"
    "c0c9bbdf81b5"
)
ISCC_CODE = "5005578c7c8fbfbdb58fa88248c53a852c8d05b41f3472493225a522af4a2c9cbf6a"

# The Content-Codes that iscc-sdk 0.9.7 makes of the files that `drawn` draws; a frame is no content.
MADE_ELSEWHERE = {
    "film.y4m": "ISCC:EMDSFQLIB65ZZOT54ZACIW5IC7O6NCT36FL7JA6CRRAIRFXNQ3Z7ZMA",
    "still.png": "ISCC:EEDYMBAH7HD4P6JFMNRWG7ECQJ6XUPWH3A7AJWZAY6KQG3EUPPG7RAY",
    "framed.png": "ISCC:EEDYMBAH7HD4P6JFMNRWG7ECQJ6XUPWH3A7AJWZAY6KQG3EUPPG7RAY",
}


def of(path: Path) -> Iscc:
    found = iscc_of(path, probe(path))
    assert found is not None
    return found


def distance(a: Iscc, b: Iscc) -> int:
    ours, theirs = (one.of(MainType.CONTENT) for one in (a, b))
    assert ours is not None
    assert theirs is not None
    assert ours.sub_type == theirs.sub_type
    return sum((one ^ other).bit_count() for one, other in zip(ours.body, theirs.body, strict=True))


def drawn(folder: Path, name: str) -> Path:
    """Files without loss, of whole numbers alone: the same on every machine."""
    y, x, t = np.mgrid[0:48, 0:64, 0:40]
    pictures = ((x * (t // 8 + 1) * 3) ^ (y * y // (t // 5 + 2) + t)).astype(np.uint8).transpose(2, 0, 1)
    path = folder / name
    if path.suffix == ".y4m":
        frames = b"".join(b"FRAME\n" + picture.tobytes() for picture in pictures)
        path.write_bytes(b"YUV4MPEG2 W64 H48 F10:1 Ip A1:1 Cmono\n" + frames)
        return path
    colours = np.stack([pictures[0], pictures[20], pictures[39]], axis=-1)
    framed = np.full((80, 90, 3), 250, np.uint8)
    framed[20:68, 10:74] = colours
    Image.fromarray(framed if name == "framed.png" else colours).save(path)
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for seed, name in enumerate(("one.mp4", "two.mp4"), start=1):
        media.clip_with_sound(folder / name, seconds=8, seed=seed)
    return folder


@pytest.fixture(scope="module")
def one(clips: Path) -> Iscc:
    return of(clips / "one.mp4")


def test_the_library_keeps_the_standard() -> None:
    assert iscc_lib.conformance_selftest()


@pytest.mark.parametrize("name", MADE_ELSEWHERE)
def test_a_file_has_the_code_that_others_make(name: str, tmp_path: Path) -> None:
    assert of(drawn(tmp_path, name)).units[0].text == MADE_ELSEWHERE[name]


def test_a_soft_binding_holds_the_three_full_units_of_the_file(clips: Path, one: Iscc) -> None:
    assert [unit.main_type for unit in one.units] == [MainType.CONTENT, MainType.DATA, MainType.INSTANCE]
    assert [8 * len(unit.body) for unit in one.units] == [BITS] * 3
    assert one.value.startswith(bytes.fromhex("2307"))
    assert parse(one.value) == parse(one.text) == one
    data = (clips / "one.mp4").read_bytes()
    assert one.units[1].text == iscc_lib.gen_data_code_v0(data, BITS)["iscc"]
    assert one.units[2].text == iscc_lib.gen_instance_code_v0(data, BITS)["iscc"]


@pytest.mark.parametrize(
    "options",
    [
        ["-crf", "36"],
        ["-vf", "scale=80:60"],
        ["-vf", "scale=320:240"],
        ["-vf", "fps=12", "-an"],
        ["-vf", "eq=brightness=0.1"],
    ],
    ids=lambda options: options[1],
)
def test_a_copy_that_looks_the_same_is_near(clips: Path, one: Iscc, tmp_path: Path, options: list[str]) -> None:
    copy = of(media.copied(clips / "one.mp4", tmp_path / "copy.mp4", options=options))
    assert distance(one, copy) <= NEAR_BITS
    assert one.of(MainType.INSTANCE) != copy.of(MainType.INSTANCE)


def test_another_film_is_far(clips: Path, one: Iscc) -> None:
    assert distance(one, of(clips / "two.mp4")) >= FAR_BITS


def test_sound_is_near_its_copy_far_from_other_sound_and_not_compared_with_pictures(one: Iscc, tmp_path: Path) -> None:
    tune = of(media.track(tmp_path / "tune.wav", seconds=8, seed=1))
    assert tune.units[0].sub_type == 2
    assert distance(tune, of(media.track(tmp_path / "tune.mp3", seconds=8, seed=1))) <= NEAR_BITS
    assert distance(tune, of(media.track(tmp_path / "other.wav", seconds=8, seed=2))) >= FAR_BITS
    assert one.units[0].sub_type == 3


def test_an_image_is_near_its_copy_however_it_is_stored(tmp_path: Path) -> None:
    still = drawn(tmp_path, "still.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown turned right
    with Image.open(still) as picture:
        picture.resize((128, 96)).save(tmp_path / "large.jpg")
        picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=turned, quality=95)
    for name in ("large.jpg", "turned.jpg"):
        assert distance(of(still), of(tmp_path / name)) <= NEAR_BITS


@pytest.mark.parametrize(
    ("name", "source"),
    [("black.mp4", "color=black:s=160x120"), ("tiny.mp4", "testsrc=s=24x64"), ("silence.wav", "anullsrc")],
)
def test_what_tells_nothing_has_no_code(name: str, source: str, tmp_path: Path) -> None:
    path = media.filtered(tmp_path / name, source, seconds=5, video=name.endswith("mp4"))
    assert iscc_of(path, probe(path)) is None


def test_a_large_image_has_nearly_the_code_of_a_small_one(tmp_path: Path) -> None:
    small = drawn(tmp_path, "still.png")
    with Image.open(small) as picture:
        picture.resize((5120, 3840), Image.Resampling.BICUBIC).save(tmp_path / "large.png", compress_level=1)
    assert distance(of(small), of(tmp_path / "large.png")) <= NEAR_BITS


def test_a_plain_image_has_no_code(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "plain.png")
    assert iscc_of(tmp_path / "plain.png", probe(tmp_path / "plain.png")) is None


def test_each_different_frame_counts_once() -> None:
    frames = [[1, 2, 0] * 126 + [2, 2]] * 3 + [[0, 1, 2] * 126 + [0, 1]]
    packed = [bytes(int("".join(map(str, row[i : i + 5])), 3) for i in range(0, 380, 5)) for row in frames]
    bits = "".join(f"{0:081b}" + "".join(f"{byte:08b}" for byte in row) for row in packed)
    whole = f"{0:0242b}{0:032b}0{bits}"
    whole += "0" * (-len(whole) % 8)
    sums = signature_sums(int(whole, 2).to_bytes(len(whole) // 8)).tolist()
    assert sums == [a + b for a, b in zip(frames[0], frames[3], strict=True)]
    code = iscc_lib.gen_video_code_v0
    assert code([sums], BITS) == code(frames, BITS)


def test_a_child_past_its_limits_is_a_fault_and_leaves_nothing(clips: Path, no_trace: NoTrace) -> None:
    path = clips / "one.mp4"
    short = DecodeLimits(process=ProcessLimits(cpu_s=20, wall_s=0.01, memory_bytes=1 << 30))
    with no_trace(), pytest.raises(MediaError) as refused:
        iscc_of(path, probe(path), limits=short)
    assert refused.value.fault is MediaFault.LIMIT_EXCEEDED


def test_broken_media_is_a_fault(clips: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes((clips / "one.mp4").read_bytes()[:2000])
    with pytest.raises(MediaError):
        iscc_of(broken, probe(clips / "one.mp4"))
    claimed = replace(probe(clips / "one.mp4"), is_still=True)
    with pytest.raises(MediaError):
        iscc_of(broken, claimed)


def test_a_value_is_read_and_written_as_the_rules_say() -> None:
    four = parse(bytes.fromhex(FOUR))
    assert [unit.text for unit in four.units] == [META, TEXT, DATA, INSTANCE]
    assert four.value == bytes.fromhex(FOUR)
    assert parse(four.text) == four
    assert [len(unit.body) for unit in parse(bytes.fromhex(MIXED_LENGTHS)).units] == [8, 16, 32]
    assert [unit.text for unit in parse(bytes.fromhex("270000000000")).units] == ["ISCC:E4AAAAAAAA"]


def test_text_is_read_however_people_write_it() -> None:
    units = parse(DATA).units
    for written in (DATA.lower(), DATA.removeprefix("ISCC:"), f" {DATA}\n", f"{DATA[:15]}-{DATA[15:]}"):
        assert parse(written).units == units


@pytest.mark.parametrize(
    "value",
    [
        "", "20", "2007", "28000100000000", "200800" + "00" * 36, "3000000000", "30000000000000", "f0000000000000",
        ISCC_CODE, "60100000000000000000", FOUR[:-2], "00" * (MOST_BYTES + 1),
    ],
)  # fmt: skip
def test_what_is_no_value_is_refused(value: str) -> None:
    with pytest.raises(BadIscc):
        parse(bytes.fromhex(value))


@pytest.mark.parametrize(
    "text",
    ["", "ISCC:", "ISCC:1", "ISCC:KACT", "ISCC:É", "ISCC:" + "A" * 9, DATA + "=", DATA[:-1] + "J", "A" * 10_000_000],
)
def test_what_is_no_text_of_an_iscc_is_refused(text: str) -> None:
    with pytest.raises(BadIscc):
        parse(text)


@given(st.binary(max_size=120) | st.text(max_size=120) | st.text("AEGIKBCDU234567-", max_size=120).map("K".__add__))
def test_hostile_codes_are_read_or_refused(code: bytes | str) -> None:
    try:
        read = parse(code)
    except BadIscc:
        return
    assert parse(read.value) == read
    assert parse(read.text) == read
