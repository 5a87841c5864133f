"""The digital source type in XMP: every carrier, what it must leave as it was, and files that lie."""

import random
import struct
import subprocess
import tracemalloc
import wave
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import imageio_ffmpeg
import pytest
from defusedxml import ElementTree
from PIL import Image

from provenance.authority import Credentials
from provenance.engine import LibraryEngine
from provenance.errors import ProvenanceError
from provenance.media_types import SIGNABLE, media_type_of
from provenance.model import IntegrityState, ReleaseClaim, SignerState
from provenance.xmp import CARRIERS, CannotCarry, write_source_type
from provenance.xmp_places import MAX_PACKET_BYTES, Place, place_of

type MediaMaker = Callable[[str], Path]

AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
OTHER = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
SUFFIXES = ["jpg", "png", "webp", "gif", "mp4", "mov", "m4a", "mp3", "wav"]
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
DC = "http://purl.org/dc/elements/1.1/"
UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
every_carrier = pytest.mark.parametrize("suffix", SUFFIXES)


def ffmpeg(*arguments: str | Path) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *map(str, arguments)]
    return subprocess.run(command, check=True, timeout=60, capture_output=True).stdout


def decoded(path: Path) -> bytes:
    """Every frame with its time."""
    return ffmpeg("-i", path, "-f", "framemd5", "-")


def kind_of(path: Path) -> str:
    return media_type_of(path) or ""


def stated(source: Path, target: Path, source_type: str = AI) -> Path:
    write_source_type(source, target, kind_of(source), source_type)
    return target


def said(path: Path, media_type: str | None = None) -> str | None:
    """The digital source type that a file's XMP states; None when it states none."""
    with path.open("rb") as stream:
        packet = place_of(stream, media_type or kind_of(path)).packet
    if packet is None:
        return None
    name = f"{{{IPTC}}}DigitalSourceType"
    for description in ElementTree.fromstring(packet.decode().strip("\ufeff\0 \t\r\n")).iter(f"{{{RDF}}}Description"):
        stated = description.find(name)
        values = [description.get(name)]
        values += [stated.text, stated.get(f"{{{RDF}}}resource")] if stated is not None else []
        for value in values:
            if value and value.strip():
                return str(value.strip())
    return None


def written(path: Path, content: bytes | bytearray) -> Path:
    path.write_bytes(content)
    return path


def described(attributes: str = "", elements: str = "", *, before: str = "") -> bytes:
    """A packet about the file, as another program would write it."""
    return (
        f'{before}<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="" '
        f'xmlns:Iptc4xmpExt="{IPTC}" xmlns:dc="{DC}" {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def picture(path: Path, packet: bytes | None = None, **options: Any) -> Path:
    if packet is not None:
        options["xmp"] = packet
    Image.linear_gradient("L").convert("RGB").save(path, **options)
    return path


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(content)) + content + bytes(len(content) % 2)


def riff(form: bytes, *chunks: bytes) -> bytes:
    return chunk(b"RIFF", form + b"".join(chunks))


def with_another_property(path: Path) -> Path:
    """The file, its XMP's source type overwritten by a creator of the same length."""
    content = path.read_bytes()
    start, end = content.index(b"<Iptc4xmpExt:"), content.index(b"</rdf:Description>")
    creator = f'<dc:creator xmlns:dc="{DC}">Ada</dc:creator>'.encode()
    return written(path, content[:start] + creator.ljust(end - start) + content[end:])


# -- every carrier -------------------------------------------------------------------------------


def test_every_carrier_was_tried_and_can_be_signed(media: MediaMaker) -> None:
    assert {kind_of(media(suffix)) for suffix in SUFFIXES} == CARRIERS
    assert CARRIERS < SIGNABLE


@every_carrier
def test_what_is_stated_is_read_back_and_the_media_stay(media: MediaMaker, tmp_path: Path, suffix: str) -> None:
    source = media(suffix)
    assert said(source) is None
    target = stated(source, tmp_path / f"stated.{suffix}")
    assert said(target) == AI
    assert kind_of(target) == kind_of(source)
    assert decoded(target) == decoded(source)


@every_carrier
def test_stating_again_leaves_what_stating_once_would(media: MediaMaker, tmp_path: Path, suffix: str) -> None:
    once = stated(media(suffix), tmp_path / "once")
    first = stated(media(suffix), tmp_path / "first", OTHER)
    assert said(first) == OTHER
    assert stated(first, tmp_path / "again").read_bytes() == once.read_bytes()


@every_carrier
def test_what_xmp_says_of_other_things_is_kept(media: MediaMaker, tmp_path: Path, suffix: str) -> None:
    before = with_another_property(stated(media(suffix), tmp_path / "before", OTHER + "/longer"))
    assert said(before) is None
    after = stated(before, tmp_path / f"after.{suffix}")
    assert said(after) == AI
    assert after.read_bytes().count(b">Ada</dc:creator>") == 1
    assert after.read_bytes().count(b"</x:xmpmeta>") == 1
    assert decoded(after) == decoded(media(suffix))


@every_carrier
def test_a_stated_file_is_signed_and_still_says_it(
    own: Credentials, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path, suffix: str
) -> None:
    engine, signed = LibraryEngine(own), tmp_path / f"signed.{suffix}"
    # A claim without a source type: what is read afterwards is what was stated here.
    engine.sign(stated(media(suffix), tmp_path / "stated", OTHER), signed, replace(claim, source_type=None))
    facts = engine.read(signed, "")
    assert (facts.integrity.state, facts.signer.state) == (IntegrityState.INTACT, SignerState.TRUSTED)
    assert said(signed) == OTHER
    assert decoded(signed) == decoded(media(suffix))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_another_reader_finds_it(media: MediaMaker, tmp_path: Path, suffix: str) -> None:
    with Image.open(stated(media(suffix), tmp_path / "stated")) as image:
        assert image.getxmp()["xmpmeta"]["RDF"]["Description"] == {"about": "", "DigitalSourceType": AI}


def test_no_other_kind_of_file_is_touched(media: MediaMaker, tmp_path: Path) -> None:
    with pytest.raises(CannotCarry, match="no place"):
        stated(media("flac"), tmp_path / "stated")
    with pytest.raises(ProvenanceError, match="no place"):
        said(media("flac"))
    assert list(tmp_path.iterdir()) == []


def test_source_and_target_may_not_be_one_file(media: MediaMaker, tmp_path: Path) -> None:
    source = written(tmp_path / "clip", media("jpg").read_bytes())
    (link := tmp_path / "link").symlink_to(source)
    for target in (source, link):
        with pytest.raises(CannotCarry, match="one file"):
            stated(source, target)
    assert source.read_bytes() == media("jpg").read_bytes()


# -- the packet ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    [
        described(f'Iptc4xmpExt:DigitalSourceType="{OTHER}"'),
        described(elements=f"<Iptc4xmpExt:DigitalSourceType>\n{OTHER} </Iptc4xmpExt:DigitalSourceType>"),
        described(elements=f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{OTHER}"/>'),
        described(elements=f'<i:DigitalSourceType xmlns:i="{IPTC}">{OTHER}</i:DigitalSourceType>'),
        described(
            elements=f'</rdf:Description><rdf:Description Iptc4xmpExt:DigitalSourceType="{OTHER}" '
            f'xmlns:Iptc4xmpExt="{IPTC}">'
        ),
    ],
    ids=["attribute", "element", "resource", "other-prefix", "second-description"],
)
def test_every_way_to_say_it_is_read_and_replaced(tmp_path: Path, packet: bytes) -> None:
    source = picture(tmp_path / "source.jpg", packet)
    assert said(source) == OTHER
    target = stated(source, tmp_path / "target.jpg")
    assert said(target) == AI
    assert OTHER.encode() not in target.read_bytes()


def test_an_old_packet_keeps_its_values_languages_and_prefixes(tmp_path: Path) -> None:
    title = '<dc:title><rdf:Alt><rdf:li xml:lang="de">Ä &lt; &amp; {B}</rdf:li></rdf:Alt></dc:title>'
    packet = described('dc:format="image/jpeg"', title, before='<?xpacket begin="\ufeff" id="W5M0"?>\n<!-- a -->')
    target = stated(picture(tmp_path / "source.jpg", packet + b'\n<?xpacket end="w"?>\0  '), tmp_path / "target.jpg")
    content = target.read_bytes()
    assert title.encode() in content
    assert b'dc:format="image/jpeg"' in content
    assert f"<Iptc4xmpExt:DigitalSourceType>{AI}<".encode() in content


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_value_says_nothing(tmp_path: Path, value: str) -> None:
    packet = described(elements=f"<Iptc4xmpExt:DigitalSourceType>{value}</Iptc4xmpExt:DigitalSourceType>")
    assert said(picture(tmp_path / "source.jpg", packet)) is None


def test_one_prefix_for_two_namespaces_stays_two_namespaces(tmp_path: Path) -> None:
    odd = '<a:one xmlns:a="urn:1"/><a:two xmlns:a="urn:2"/><three xmlns="urn:3"/><four/>'
    odd += '<Iptc4xmpExt:five xmlns:Iptc4xmpExt="urn:5"/>'
    packet = f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="">{odd}</rdf:Description></rdf:RDF>'
    with Image.open(stated(picture(tmp_path / "source.jpg", packet.encode()), tmp_path / "target.jpg")) as image:
        names = {"one", "two", "three", "four", "five", "DigitalSourceType", "about"}
        assert set(image.getxmp()["RDF"]["Description"]) == names
    assert said(tmp_path / "target.jpg") == AI


BOMBS = {
    "entities": described(before='<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'),
    "external": described(before='<!DOCTYPE x SYSTEM "file:///etc/passwd">'),
    "unknown-entity": described(elements="&a;"),
    "deep": described(elements="<dc:a>" * 5000 + "</dc:a>" * 5000),
    "long-namespace": described(elements=f'<a:b xmlns:a="{"u" * 9000}"/>'),
    "many-namespaces": described(elements="".join(f'<a:b xmlns:a="urn:{n}"/>' for n in range(900))),
    "grows": described(elements=">" * 400_000),
    "large": described(elements="a" * MAX_PACKET_BYTES),
    "not-utf-8": described().replace(b"adobe", b"\xff"),
    "utf-16": described().decode().encode("utf-16"),
    "declared-encoding": b'<?xml version="1.0" encoding="no-such"?>' + described()[:-3],
    "no-xml": b"hello",
    "no-rdf": b"<x/>",
    "nothing": b"",
}


@pytest.mark.parametrize("name", BOMBS)
def test_xmp_that_is_not_safe_or_not_xmp_is_refused(media: MediaMaker, tmp_path: Path, name: str) -> None:
    wav = media("wav").read_bytes()
    source = written(tmp_path / "source.wav", riff(b"WAVE", wav[12:], chunk(b"_PMX", BOMBS[name])))
    target = written(tmp_path / "target.wav", b"as it was")
    with pytest.raises(CannotCarry):
        stated(source, target)
    assert target.read_bytes() == b"as it was"


# -- pictures ------------------------------------------------------------------------------------


def test_jpeg_xmp_stands_behind_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    source = picture(tmp_path / "source.jpg", exif=exif)
    target = stated(source, tmp_path / "target.jpg")
    content = target.read_bytes()
    assert content.index(b"JFIF\0") < content.index(b"Exif\0") < content.index(b"http://ns.adobe.com/xap/1.0/\0")
    with Image.open(target) as image:
        assert image.getexif()[0x010E] == "a description"


def test_jpeg_xmp_past_a_segment_is_refused(tmp_path: Path) -> None:
    source = picture(tmp_path / "source.jpg", described(elements="a" * (65_480 - len(described()))))
    with pytest.raises(CannotCarry, match="segment"):
        stated(source, tmp_path / "target.jpg")


def test_jpeg_offsets_to_further_pictures_are_not_broken(tmp_path: Path) -> None:
    plain = picture(tmp_path / "plain.jpg", described()).read_bytes()
    index = b"\xff\xe2\x00\x08MPF\0II"
    behind = written(tmp_path / "behind.jpg", plain[:-2].replace(b"\xff\xdb", index + b"\xff\xdb", 1))
    target = stated(behind, tmp_path / "target.jpg").read_bytes()  # all that follows the index moves with it
    assert target[target.index(index) :] == behind.read_bytes()[behind.read_bytes().index(index) :]
    before = written(tmp_path / "before.jpg", plain.replace(b"\xff\xe1", index + b"\xff\xe1", 1))
    assert said(before) is None
    with pytest.raises(CannotCarry, match="further pictures"):
        stated(before, tmp_path / "target.jpg")


def test_jpeg_with_its_source_type_in_extended_xmp_is_refused(tmp_path: Path) -> None:
    plain = picture(tmp_path / "plain.jpg", described()).read_bytes()
    extension = b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + described("Iptc4xmpExt:DigitalSourceType='x'")
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(extension)) + extension
    source = written(tmp_path / "source.jpg", plain[:20] + segment + plain[20:])
    with pytest.raises(CannotCarry, match="extended"):
        stated(source, tmp_path / "target.jpg")


def png_text(text: bytes) -> bytes:
    content = b"iTXtXML:com.adobe.xmp\0" + text
    return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))


def with_png_text(media: MediaMaker, path: Path, text: bytes) -> Path:
    content, end = media("png").read_bytes(), media("png").read_bytes().index(b"IEND") - 4
    return written(path, content[:end] + png_text(text) + content[end:])


def test_compressed_png_xmp_behind_the_picture_moves_before_it(media: MediaMaker, tmp_path: Path) -> None:
    packet = zlib.compress(described('dc:format="image/png"'))
    source = with_png_text(media, tmp_path / "source.png", b"\1\0en\0titre\0" + packet)
    target = stated(source, tmp_path / "target.png")
    content = target.read_bytes()
    assert content.index(b'dc:format="image/png"') < content.index(b"IDAT")
    assert content.count(b"XML:com.adobe.xmp") == 1
    with Image.open(target) as image:
        image.verify()  # every CRC


@pytest.mark.parametrize(
    "text", [zlib.compress(bytes(200_000_000), 1), b"no zlib", b""], ids=["bomb", "broken", "empty"]
)
def test_compressed_png_xmp_is_unpacked_only_so_far(media: MediaMaker, tmp_path: Path, text: bytes) -> None:
    source = with_png_text(media, tmp_path / "source.png", b"\1\0\0\0" + text)
    tracemalloc.start()
    try:
        with pytest.raises(CannotCarry):
            stated(source, tmp_path / "target.png")
        assert tracemalloc.get_traced_memory()[1] < 8 * MAX_PACKET_BYTES
    finally:
        tracemalloc.stop()


def test_gif87a_becomes_gif89a(tmp_path: Path) -> None:
    still = picture(tmp_path / "still.gif")
    assert still.read_bytes()[:6] == b"GIF87a"
    assert stated(still, tmp_path / "target.gif").read_bytes()[:6] == b"GIF89a"
    assert decoded(tmp_path / "target.gif") == decoded(still)


def test_a_gif_keeps_its_loop_and_its_control_blocks(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 8), 80 * n) for n in range(3)]
    frames[0].save(tmp_path / "source.gif", save_all=True, append_images=frames[1:], duration=[90, 50, 70], loop=4)
    with Image.open(stated(tmp_path / "source.gif", tmp_path / "target.gif")) as image:
        assert (image.info["loop"], image.info["duration"]) == (4, 90)
    assert decoded(tmp_path / "target.gif") == decoded(tmp_path / "source.gif")


def test_gif_xmp_is_skipped_by_readers_that_take_it_for_sub_blocks(media: MediaMaker, tmp_path: Path) -> None:
    for extra in range(0, 256, 7):  # wherever the letters lead them
        content = stated(media("gif"), tmp_path / "target.gif", AI + "x" * extra).read_bytes()
        at = content.index(b"XMP DataXMP") + 11
        while length := content[at]:
            at += 1 + length
        assert content[at - 1 : at + 2] in (b"\x01\0\x21", b"\x00\0\x21", b"\x01\0\x2c", b"\x00\0\x2c")


@pytest.mark.parametrize(
    ("mode", "options", "alpha"),
    [
        ("RGB", {}, 0),
        ("RGB", {"lossless": True}, 0),
        ("RGBA", {"lossless": True}, 0x10),
        ("RGBA", {"quality": 50}, 0x10),
    ],
    ids=["lossy", "lossless", "lossless-alpha", "lossy-alpha"],
)
def test_webp_gets_the_header_that_its_picture_needs(
    tmp_path: Path, mode: str, options: dict[str, Any], alpha: int
) -> None:
    image = Image.radial_gradient("L").resize((301, 17)).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(tmp_path / "source.webp", **options)
    target = stated(tmp_path / "source.webp", tmp_path / "target.webp")
    content = target.read_bytes()
    assert content[12:20] == b"VP8X" + struct.pack("<I", 10)
    assert content[20] == 0x04 | alpha
    assert (int.from_bytes(content[24:27], "little") + 1, int.from_bytes(content[27:30], "little") + 1) == (301, 17)
    with Image.open(tmp_path / "source.webp") as before, Image.open(target) as after:
        assert after.mode == before.mode
        assert after.tobytes() == before.tobytes()


# -- film and sound ------------------------------------------------------------------------------


def test_a_film_is_only_appended_to(media: MediaMaker, tmp_path: Path) -> None:
    for suffix in ("mp4", "mov", "m4a"):
        content = media(suffix).read_bytes()
        assert stated(media(suffix), tmp_path / suffix).read_bytes().startswith(content)


def test_an_old_packet_among_the_boxes_becomes_free_space(media: MediaMaker, tmp_path: Path) -> None:
    film = media("mp4").read_bytes()
    old = box(b"uuid", UUID + described('dc:format="video/mp4"'))
    source = written(tmp_path / "source.mp4", film + old + box(b"skip", b"behind"))
    content = stated(source, tmp_path / "target.mp4").read_bytes()
    assert content.startswith(film + old.replace(b"uuid", b"free") + box(b"skip", b"behind"))
    assert content.count(b'dc:format="video/mp4"') == 2  # in the free space and in the new box
    assert said(tmp_path / "target.mp4") == AI


def test_an_open_box_at_the_end_is_closed(media: MediaMaker, tmp_path: Path) -> None:
    ffmpeg("-i", media("mp4"), "-c", "copy", "-movflags", "faststart", tmp_path / "closed.mp4")
    content = bytearray((tmp_path / "closed.mp4").read_bytes())
    at = content.index(b"mdat") - 4
    content[at : at + 4] = bytes(4)
    source = written(tmp_path / "open.mp4", content)
    assert stated(source, tmp_path / "target.mp4").read_bytes().startswith((tmp_path / "closed.mp4").read_bytes())
    packet = struct.pack(">I4s", 0, b"uuid") + UUID + described('dc:format="video/mp4"')
    source = written(tmp_path / "open.mp4", media("mp4").read_bytes() + packet)
    content = bytearray(stated(source, tmp_path / "target.mp4").read_bytes())
    assert content.count(b'dc:format="video/mp4"') == 1
    assert content.count(UUID) == 1


def test_the_index_of_a_fragmented_film_stays_at_its_end(
    own: Credentials, claim: ReleaseClaim, media: MediaMaker, tmp_path: Path
) -> None:
    source = tmp_path / "source.mp4"
    ffmpeg("-i", media("mp4"), "-c", "copy", "-movflags", "frag_keyframe+empty_moov", source)
    index = source.read_bytes()[source.read_bytes().index(b"mfra") - 4 :]
    first = stated(source, tmp_path / "first.mp4", OTHER)
    target = stated(first, tmp_path / "target.mp4")
    assert first.read_bytes().endswith(index)
    assert target.read_bytes().endswith(index)
    assert said(target) == AI
    assert decoded(target) == decoded(source)
    LibraryEngine(own).sign(target, tmp_path / "signed.mp4", claim)
    assert decoded(tmp_path / "signed.mp4") == decoded(source)


def test_quicktimes_own_packet_is_taken_over(media: MediaMaker, tmp_path: Path) -> None:
    film = media("mov").read_bytes()
    at = film.index(b"moov") - 4
    packet = described(f'dc:format="video/quicktime" Iptc4xmpExt:DigitalSourceType="{OTHER}"')
    # As QuickTime may end it: with a zero that is no box.
    moov = box(b"moov", film[at + 8 :] + box(b"udta", box(b"XMP_", packet) + bytes(4)))
    source = written(tmp_path / "source.mov", film[:at] + moov)
    assert said(source) == OTHER
    target = stated(source, tmp_path / "target.mov")
    assert target.read_bytes().startswith(film[:at] + moov.replace(b"XMP_", b"free"))
    assert said(target) == AI
    assert decoded(target) == decoded(media("mov"))


@pytest.mark.parametrize("version", ["3", "4", "0"], ids=["v2.3", "v2.4", "no-tag"])
def test_an_id3_tag_keeps_its_version_and_its_frames(media: MediaMaker, tmp_path: Path, version: str) -> None:
    source = tmp_path / "source.mp3"
    ffmpeg("-i", media("mp3"), "-c", "copy", "-metadata", "title=A clip", "-id3v2_version", version, source)
    content = source.read_bytes()
    if content[:3] == b"ID3":  # give it padding, of which the new tag has no need
        end = 10 + content[8] * 128 + content[9]
        content = content[:8] + bytes(divmod(end + 290, 128)) + content[10:end] + bytes(300) + content[end:]
    target = stated(written(source, content), tmp_path / "target.mp3")
    assert target.read_bytes()[3] == (int(version) or 3)
    assert said(target) == AI
    assert ffmpeg("-i", target, "-f", "ffmetadata", "-").count(b"title=A clip") == (version != "0")
    assert decoded(target) == decoded(source)


@pytest.mark.parametrize("flags", [0x80, 0x40, 0x10])
def test_an_id3_tag_with_flags_is_refused(media: MediaMaker, tmp_path: Path, flags: int) -> None:
    content = bytearray(media("mp3").read_bytes())
    content[5] = flags
    with pytest.raises(CannotCarry, match="flags"):
        stated(written(tmp_path / "source.mp3", content), tmp_path / "target.mp3")


@pytest.mark.parametrize("padding", [b"", b"\0"], ids=["none", "not-counted"])
def test_a_wav_without_its_last_padding_byte_is_padded(tmp_path: Path, padding: bytes) -> None:
    with wave.open(str(tmp_path / "source.wav"), "wb") as sound:
        sound.setparams((1, 1, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(range(101)))
    source = written(tmp_path / "source.wav", (tmp_path / "source.wav").read_bytes() + padding)
    target = stated(source, tmp_path / "target.wav")
    content = target.read_bytes()
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
    with wave.open(str(target), "rb") as sound:
        assert sound.readframes(200) == bytes(range(101))
    assert said(target) == AI
    assert stated(target, tmp_path / "again.wav").read_bytes() == content


@pytest.mark.parametrize("head", [b"RF64\xff\xff\xff\xff", b"RIFF\xff\xff\xff\xff", b"RIFF\0\0\0\0", b"BW64\0\1\0\0"])
def test_a_wav_of_unknown_length_is_refused(media: MediaMaker, tmp_path: Path, head: bytes) -> None:
    source = written(tmp_path / "source.wav", head + media("wav").read_bytes()[8:])
    with pytest.raises(CannotCarry):
        write_source_type(source, tmp_path / "target.wav", "audio/wav", AI)


# -- size ----------------------------------------------------------------------------------------


def test_a_large_file_is_copied_in_pieces(media: MediaMaker, tmp_path: Path) -> None:
    source = written(tmp_path / "source.mp4", media("mp4").read_bytes() + struct.pack(">I4s", 64 << 20, b"mdat"))
    with source.open("r+b") as stream:
        stream.truncate(len(media("mp4").read_bytes()) + (64 << 20))
    tracemalloc.start()
    try:
        target = stated(source, tmp_path / "target.mp4")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert target.stat().st_size > source.stat().st_size
    assert said(target) == AI


def test_lengths_of_64_bits_are_followed_and_none_is_invented(media: MediaMaker, tmp_path: Path) -> None:
    film, length = media("mp4").read_bytes(), 9 << 30
    source = written(tmp_path / "source.mp4", film + struct.pack(">I4sQ", 1, b"mdat", length))
    with source.open("r+b") as stream:  # a hole: it takes no room
        stream.seek(len(film) + length)
        stream.write(box(b"uuid", UUID + described(f'Iptc4xmpExt:DigitalSourceType="{AI}"')))
    assert said(source) == AI
    source = written(tmp_path / "source.mp4", film + struct.pack(">I4s", 0, b"mdat"))
    with source.open("r+b") as stream:
        stream.truncate(length)
    with pytest.raises(CannotCarry, match="no room for a length"):
        stated(source, tmp_path / "target.mp4")
    assert not (tmp_path / "target.mp4").exists()


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("image/gif", b"GIF89a" + bytes(7) + b"\x21\xfe" + b"\x01a" * 2000),
        ("image/jpeg", b"\xff\xd8" + b"\xff\xfe\x00\x02" * 2000),
        ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + bytes(17) + b"\0\0\0\0PLTE\0\0\0\0" * 2000),
        ("video/mp4", box(b"moov", box(b"udta", box(b"free", b"") * 2000))),
        ("audio/mpeg", b"ID3\3\0\0\0\1\x7f\x7f" + b"TIT2\0\0\0\0\0\0" * 2000),
        ("audio/wav", riff(b"WAVE", chunk(b"JUNK", b"") * 2000)),
    ],
    ids=["gif", "jpeg", "png", "mp4", "mp3", "wav"],
)
def test_a_file_of_too_many_parts_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, media_type: str, content: bytes
) -> None:
    monkeypatch.setattr("provenance.xmp_places._MAX_READS", 1000)
    with pytest.raises(CannotCarry, match="too many parts"):
        said(written(tmp_path / "file", content), media_type)


def test_a_file_that_shrinks_meanwhile_is_refused_in_words(
    media: MediaMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = written(tmp_path / "source.mp4", media("mp4").read_bytes() + box(b"free", bytes(1 << 20)))

    def shrinks(stream: BinaryIO, media_type: str) -> Place:
        place = place_of(stream, media_type)
        source.write_bytes(b"")
        return place

    monkeypatch.setattr("provenance.xmp.place_of", shrinks)
    with pytest.raises(CannotCarry, match="changed while it was read"):
        stated(source, tmp_path / "target.mp4")


# -- files that lie ------------------------------------------------------------------------------


def attempt(content: bytes, media_type: str, folder: Path) -> bool:
    """Whether it could be stated; otherwise it was refused, and nothing is there."""
    source, target = written(folder / "source", content), folder / "target"
    target.unlink(missing_ok=True)
    try:
        write_source_type(source, target, media_type, AI)
    except CannotCarry:
        assert not target.exists()
        return False
    assert said(target, media_type) == AI
    return True


@every_carrier
def test_a_file_cut_anywhere_is_refused_or_stated(media: MediaMaker, tmp_path: Path, suffix: str) -> None:
    for source in (media(suffix), stated(media(suffix), tmp_path / "stated", OTHER)):
        content = source.read_bytes()
        cuts = [*range(0, 200, 3), *range(200, len(content), len(content) // 40)]
        outcomes = [attempt(content[:cut], kind_of(source), tmp_path) for cut in [*cuts, len(content) - 1]]
        assert not all(outcomes)
        assert attempt(content, kind_of(source), tmp_path)


@every_carrier
def test_a_file_with_odd_bytes_is_refused_or_stated(media: MediaMaker, tmp_path: Path, suffix: str) -> None:
    chance = random.Random(suffix)
    content = stated(media(suffix), tmp_path / "stated", OTHER).read_bytes()
    ends = [*range(min(300, len(content))), *range(max(0, len(content) - 700), len(content))]
    for _ in range(400):
        odd = bytearray(content)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.choice(ends) if chance.random() < 0.7 else chance.randrange(len(odd))
            odd[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        attempt(bytes(odd), kind_of(media(suffix)), tmp_path)


@pytest.mark.parametrize("media_type", sorted(CARRIERS))
def test_a_file_of_another_kind_is_refused(media: MediaMaker, tmp_path: Path, media_type: str) -> None:
    for content in (b"", b"x", bytes(64), bytes(range(256)) * 8, *(media(s).read_bytes() for s in ("flac", "tiff"))):
        assert not attempt(content, media_type, tmp_path)


@pytest.mark.parametrize("suffix", ["wav", "webp", "mp4", "png", "jpg", "gif", "mp3"])
def test_a_second_packet_is_refused(media: MediaMaker, tmp_path: Path, suffix: str) -> None:
    content = stated(media(suffix), tmp_path / "stated").read_bytes()
    plain, twice = media(suffix).read_bytes(), content
    if suffix in ("wav", "webp"):
        start = content.rindex(b"_PMX" if suffix == "wav" else b"XMP ")
        twice = riff(content[8:12], content[12:], content[start:])
    elif suffix == "mp4":
        twice = content + content[len(plain) :]
    elif suffix == "png":
        twice = content[:33] + content[33 : 33 + len(content) - len(plain)] + content[33:]
    elif suffix == "jpg":
        twice = content[:20] + content[20 : 20 + len(content) - len(plain)] + content[20:]
    elif suffix == "gif":
        start = content.index(b"\x21\xff\x0bXMP DataXMP")
        twice = content[:start] + content[start : start + len(content) - len(plain)] + content[start:]
    else:
        frame = content[content.index(b"PRIV") : content.index(b'end="w"?>') + 9]
        end = content.index(frame) + len(frame)
        length = end - 10 + len(frame)
        twice = content[:6] + bytes((0, 0, *divmod(length, 128))) + content[10:end] + frame + content[end:]
    with pytest.raises(CannotCarry, match="twice"):
        stated(written(tmp_path / "twice", twice), tmp_path / "target")
