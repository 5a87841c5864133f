"""What of a notice's text anybody may read."""

import re
import time
import timeit
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from takedown.domain import redaction
from takedown.domain.redaction import REDACTED, Personal, leaks, redact, skeleton

NOBODY = Personal(names=(), addresses=(), emails=(), telephones=())
ADA = Personal(
    names=("Ada Example", "Jürgen van der Berg", "Bo O'Brien", "山田 太郎", "Ольга Кузнецова"),
    addresses=("12 Cedar Row\nFlat 4\nSpringfield, IL 62701", "Jl. Merdeka No. 5, Bandung"),
    emails=("ada.films+rights@post.example.org",),
    telephones=("+44 20 7946 0958", "4711"),
    terms=("the blue house", "Grandma"),
)


@pytest.mark.parametrize(
    "text",
    [
        # Names, in whatever order and however they are written.
        "Ada Example", "ada example", "ADA EXAMPLE", "Example, Ada", "Example Ada", "A. Example", "Example, A.",
        "Ada\nExample", "Ada\u00a0Example", "Ada  \t Example", "Ada_Example", "AdaExample", "Ada-Example", "Ada",
        "Example", "Ａｄａ", "A\u200bd\u00ada", "A\u0301da", "Аdа", "ΑDΑ", "ᴀᴅᴀ", "🅰🅳🅰", "𝔸𝕕𝕒", "🇦🇩🇦", "A\x00da",
        "Áda", "Jürgen", "Ju\u0308rgen", "JUERGEN VAN DER BERG", "Berg, Jürgen van der", "van der Berg, Jürgen",
        "J. v. d. Berg", "O'Brien", "O’BRIEN", "OBrien", "Bo Brien", "山田太郎", "山田", "ольга", "КУЗНЕЦОВА, О.",
        # Mail addresses, anybody's.
        "bo@sample.net", "BO+tag@SAMPLE.net", "mailto:bo@sample.net", "bo [at] sample [dot] net",
        "bo(at)sample.net", "bo AT sample DOT net", "bo @ sample.net", "bo{at}sample{punkt}net", "bo＠sample．net",
        "bo@пример.рф", "bo@xn--e1afmkfd.xn--p1ai", "ボブ@例え。テスト", '"bo b"@sample.net', "bo@localhost",
        "bo@\u200bsample.net", "ada.films+rights@post.example.org", "ada . films + rights at post.example.org",
        "ada_films_rights_at_post_example_org",
        # Telephone numbers, anybody's.
        "+1 555 010 0199", "+1 (555) 010-0199", "1 (555) 010-0199", "555.010.0199", "5550100", "030/1234567",
        "tel:+15550100", "+62 812-3456-7890", "００４９３０１２３４５６", "٠٣٠١٢٣٤٥٦٧", "+44 (0)20 7946 0000",
        "555‑0100", "+1 555 010 0199 ext. 12", "555 010 0199 x12", "020 7946 0958", "7946 0958", "(020)79460958",
        "7946, 0958", "4711",
        # Postal addresses: those stated, and those that have the form.
        "12 Cedar Row, Flat 4, Springfield, IL 62701", "12 cedar row", "12 Cedar\nRow", "Springfield", "IL 62701",
        "Bandung", "jl merdeka no 5", "Jl. Sudirman Kav. 52", "Jalan Diponegoro Nomor 7", "RT 01/RW 02",
        "221B Baker Street", "9 Old Mill Rd.", "Berliner Straße 12b", "Hauptstr. 5", "Keizersgracht 123",
        "12 rue de la Paix", "Calle Mayor 4", "Via Garibaldi, 7", "Rua Augusta nº 10", "ул. Ленина, 5",
        "P.O. Box 12", "Postfach 1234", "中山路12号", "1丁目2番3号",
        # Accounts, machines, and what a reviewer named.
        "@bo", "@bo.sample", "@bo@social.example", "192.168.0.1", "2001:db8::1", "::1", "::ffff:192.0.2.1",
        "skype:bo.sample", "THE  BLUE\nHOUSE", "grandma",
    ],
)  # fmt: skip
def test_personal_data_goes_however_it_is_written(text: str) -> None:
    assert words_left(redact(f"It says: {text}, it says.", ADA)) == "it says , it says"
    assert leaks(text, ADA)


def words_left(text: str) -> str:
    """Without what stands for data, and without marks that stood beside it."""
    return re.sub(r"[^\w, ]", "", text.replace(REDACTED, "")).replace("  ", " ").replace(" , ,", " ,").strip().lower()


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("https://ada:secret@tube.test/v/1", "https://[redacted]tube.test/v/1"),
        ("https://tube.test/v?user=ada&v=1#t=2", "https://tube.test/v?[redacted]#t=2"),
        ("https://tube.test/v?v=1#by-ada", "https://tube.test/v?v=1#[redacted]"),
        ("https://tube.test/v?mail=bo%40sample.net", "https://tube.test/v?[redacted]"),
        ("https://tube.test/%41d%61/1", "https://tube.test/[redacted]/1"),
        ("https://tube.test/?to=https%3A%2F%2Fx.test%2F%3Fby%3D%2541da", "https://tube.test/?[redacted]"),
        ("https://tube.test/?phone=5550100", "https://tube.test/?[redacted]"),
        ("https://wa.me/6281234567890", "https://wa.me/[redacted]"),
    ],
)
def test_what_an_address_of_a_page_holds_goes_and_the_page_stays(text: str, public: str) -> None:
    assert redact(text, ADA) == public


WORKS = [
    'The film "Carphone" (2019, 120 min), ISAN 0000-0001-8947-0000-8-0000-0000-D, first shown 2026-11-26.',
    "The recording with ISRC US-SKG-19-12345 of the song with ISWC T-034.524.680-1, out in 2019. 120 copies exist.",
    "EIDR 10.5240/7791-8534-2C23-9030-8610-5; also doi:10.5240/7791-8534-2C23-9030-8610-5 and ISBN 978-3-16-148410-0.",
    "Unlabelled: US-SKG-19-12345, T-034.524.680-1, 0000-0001-8947-0000-8-0000-0000-D, USSKG1912345.",
    "From 00:01:23 to 00:02:45.678 and 00:01:23:12-00:01:30:05 of the clip, that is 83.250 - 165.678 s.",
    "Release rel_0192f3c1a2b47c3d8e5f60718293a4b5, notice ntc_0192837465, work wrk_01234567890123456789012345678901.",
    "The file's SHA-256 is 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.",
    "12345678901234567890123456789012 and d41d8cd98f00b204e9800998ecf8427e are its MD5 sums, CRC32 12345678 another.",
    "Job 123e4567-e89b-12d3-a456-426614174000 at 2026-11-26T10:15:00Z; another 20261126T101500Z.",
    "Broadcast on 26.11.2026, 11/26/2026 and 26-11-2026; seasons 1999-2004, 2019/20; issue 12 (2019) 34-56; 11/2026.",
    "It has 1,000,000 views, 10.000.000 plays and 12345678 bytes at 1920x1080, 3840 x 2160, 24 fps, 44100 Hz, 16:9.",
    "See https://tube.test/watch?v=1234567890&t=83 and https://tube.test/clips/20261126001#t=90.",
    "We own the melody, the lyrics and the recording; the copy on this place repeats 12 bars of the chorus in 4/4.",
    "Op. 27 No. 2, K. 545, BWV 1007: 3 movements, played at 120 bpm during 1999 via satellite.",
    "Rekaman lagu “Halo” dinyanyikan ulang tanpa izin pada menit 02:15 sampai 03:40.",
    "映画「カーフォン」の冒頭90秒がそのまま使われている。",
    "ISCC:KACT4EBWK27737D2AYCJRAL5Z36G76RFRMO4554RU26HZ4ORJGIVHDI matches with score 0.9731.",
    "We look at the dot on the map, at 5 a.m.; std::vector, a/b, @ 24 fps, @24fps.",
    "[redacted] wrote it, and [Redacted] did too.",
]


@pytest.mark.parametrize("text", WORKS)
def test_a_description_of_a_work_stays_as_it_is(text: str) -> None:
    assert redact(text, NOBODY) == text
    assert leaks(text, NOBODY) == []


@pytest.mark.parametrize("text", WORKS)
def test_names_of_parties_take_nothing_from_where_they_are_not(text: str) -> None:
    assert redact(text, ADA) == text


@pytest.mark.parametrize(
    "text",
    [
        "Adam", "Canada", "Examples", "Bergen", "der van", "14711", "the blue houses", "xthe blue house", "bo",
        "Ulrich 5",
    ],
)  # fmt: skip
def test_words_that_only_hold_a_part_of_a_name_stay(text: str) -> None:
    assert redact(text, ADA) == text


def test_a_word_of_a_title_that_is_part_of_a_name_goes_with_it() -> None:
    assert redact('The song "For Example"', ADA) == 'The song "For [redacted]"'


def test_a_name_ends_where_a_script_begins_that_sets_no_blanks() -> None:
    assert redact("Adaさんと山田さん", ADA) == "[redacted]さんと[redacted]さん"


def test_an_identifier_may_hold_letters_of_a_name() -> None:
    assert redact("US-ADA-19-12345", ADA) == "US-ADA-19-12345"


def test_what_was_stated_goes_even_where_it_looks_like_a_date_or_an_identifier() -> None:
    stated = Personal(names=(), addresses=(), emails=(), telephones=("2026-11-26",), terms=("ntc_0192837465",))
    assert redact("2026-11-26 ntc_0192837465 2026-11-27", stated) == "[redacted] [redacted] 2026-11-27"


def test_marks_and_unseen_signs_go_with_the_letter_they_are_on() -> None:
    assert redact("(Ada\u0301\u200b)", ADA) == "([redacted])"


def test_leaks_are_quoted_as_written_and_in_order() -> None:
    assert leaks("by ÁDA, bo@sample.net or 555 0100.", ADA) == ["ÁDA", "bo@sample.net", "555 0100"]


def test_a_name_that_is_the_word_for_redacted_does_not_redact_that() -> None:
    stated = Personal(names=("Redacted",), addresses=(), emails=(), telephones=())
    assert redact("redacted [redacted]", stated) == "[redacted] [redacted]"


def test_what_is_found_only_when_its_neighbour_is_gone_goes_too() -> None:
    assert redact("Ada5550100", ADA) == "[redacted][redacted]"


def test_a_text_that_is_not_settled_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_READINGS", 1)
    assert redact("A work; Ada5550100.", ADA) == REDACTED


@pytest.mark.parametrize("empty", ["", " ", "\u200b", "-", "\n"])
def test_nothing_stated_redacts_nothing(empty: str) -> None:
    stated = Personal(
        names=(empty,), addresses=(empty,), emails=(empty,), telephones=(empty,), terms=(empty.strip(" \n-"),)
    )
    assert redact("A work, by nobody - and\u200b so on.", stated) == "A work, by nobody - and\u200b so on."


def upside(text: str) -> str:
    return "".join(char.upper() if place % 2 else char.lower() for place, char in enumerate(text))


def wide(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


WAYS: list[Callable[[str], str]] = [
    str,
    str.upper,
    str.lower,
    upside,
    wide,
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFKC", text),
    lambda text: "\u200b".join(text),
    lambda text: "\u0301".join(text),
    lambda text: text.replace(" ", "\n"),
    lambda text: text.replace(" ", "\u00a0\u2003"),
]  # fmt: skip
SECRETS = {
    "names": [
        "Ada Lovelace", "Łukasz Żółć", "Ngô Bảo Châu", "Olga Ivanova", "Ольга Иванова", "Νίκος Παππάς", "김민수",
        "राम शर्मा",
    ],
    "addresses": ["7 Hidden Mews, Oldtown", "Jl. Kenanga No. 12, Bandung", "Ringweg 9\n8001 Zürich", "渋谷区神南1-2"],
    "emails": ["ada@lovelace.example", "o.ivanova+x@почта.example", "a_b-c@sub.domain.example"],
    "telephones": ["+44 20 7946 0958", "(030) 123 45 67", "081234567890", "+1-555-010-0199"],
    "terms": ["the red boat", "Zorro"],
}  # fmt: skip


def bare(text: str) -> str:
    """Letters and digits alone, found in another way than the module finds them."""
    composed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in composed if char.isalnum())


@given(st.data(), st.text(), st.text())
def test_nothing_of_what_was_stated_is_left_in_any_text(data: st.DataObject, before: str, after: str) -> None:
    kind = data.draw(st.sampled_from(sorted(SECRETS)))
    secret = data.draw(st.sampled_from(SECRETS[kind]))
    written = secret
    for way in data.draw(st.lists(st.sampled_from(WAYS), max_size=3)):
        written = way(written)
    assume(bare(secret) not in bare(before + after))
    stated = Personal(**({"names": (), "addresses": (), "emails": (), "telephones": ()} | {kind: (secret,)}))
    public = redact(f"{before} ({written}) {after}", stated)
    assert bare(secret) not in bare(public.replace(REDACTED, "|"))
    if kind == "names":
        left = {bare(word) for word in re.split(r"\W+", unicodedata.normalize("NFC", public))}
        assert left.isdisjoint(bare(part) for part in secret.split())
    assert leaks(public, stated) == []


PIECES = [
    "Ada", "Example", "@", ".", "[at]", " at ", "dot", "bo", "555", "0100", "-", "(", ")", "+", "/", ":", "://",
    "https://", "?", "%41", "%", "#", "[redacted]", "[redacted", "山田", "太郎", "12 ", "Street", "Jl. ", "No. 5",
    "2026", "rel_", "blue house", "the ", "\u0301", "\u200b", " ", "\n", "1丁目", "::", "192.168.0.1", "x", "ISBN ",
    "mailto:", "ß", "ﬁ", "İ",
]  # fmt: skip
TEXTS = st.text() | st.lists(st.sampled_from(PIECES) | st.text(max_size=3)).map("".join)


@given(TEXTS)
def test_redacting_again_changes_nothing(text: str) -> None:
    public = redact(text, ADA)
    assert redact(public, ADA) == public
    assert leaks(public, ADA) == []


@given(TEXTS)
def test_what_looks_the_same_is_the_same_however_often_it_is_looked_at(text: str) -> None:
    assert skeleton(skeleton(text)) == skeleton(text)
    assert skeleton(unicodedata.normalize("NFD", text)) == skeleton(text)


HOSTILE = [
    "a", "1", "1 ", "@", "a@", "a.a", "[redacted]", "Ada ", "Ada", "::1", "http://a?%41 ", "http://", " at ",
    "x at y dot ", '"', "+1 (", "1 main ", "12 rue de ", "jl. a ", "strasse", "a-", "T-", "0:", "2026-", "\u200b",
    "A\u0301", "中", "10.1234/", "%25",
]  # fmt: skip


def work_s(text: str) -> float:
    return min(timeit.repeat(lambda: redact(text, ADA), number=1, repeat=3, timer=time.process_time))


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_work_grows_with_the_text_and_not_with_its_square(piece: str) -> None:
    # Eight times the text: a square would be sixty-four times the work.
    short, long = (piece * (chars // len(piece)) for chars in (8_000, 64_000))
    assert work_s(long) < 30 * work_s(short)


@given(st.text(st.sampled_from("abcdefgh ,;!'\n")), st.text(st.sampled_from("abcdefgh ,;!'\n")))
def test_a_text_around_personal_data_is_kept_to_the_letter(before: str, after: str) -> None:
    stated = Personal(names=("Zoltan Qvist",), addresses=(), emails=(), telephones=())
    assert redact(f"{before} Zoltan Qvist {after}", stated) == f"{before} {REDACTED} {after}"
