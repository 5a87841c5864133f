"""The paper says what the document says: the same bytes for the same document, whatever people wrote."""

import io
import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfReader

from takedown import notice_pdf as subject
from takedown.notice_pdf import (
    AcceptedStatement,
    Contact,
    CounterNotice,
    Decision,
    DueDate,
    FramePair,
    MatchedSegment,
    MissingElement,
    NoticeDocument,
    ReleaseFacts,
    Step,
    notice_pdf,
)

AT = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
BARE = NoticeDocument(
    notice_id="ntc_01kj0000000000000000000000",
    made_at=AT,
    track="Copyright notice",
    statute="17 U.S.C. 512(c)(3)",
    state="submitted",
    filed_at=AT,
    claimant=Contact(),
)
STATEMENT = AcceptedStatement(name="good_faith", version=1, text="I believe in good faith.", accepted_at=AT)


def jpeg(width: int = 320, height: int = 180, mode: str = "RGB") -> bytes:
    written = io.BytesIO()
    Image.new(mode, (width, height)).save(written, "JPEG")
    return written.getvalue()


def matched(query: bytes | None, reference: bytes | None) -> MatchedSegment:
    return MatchedSegment(
        work="A Film", modality="video", query_start_s=0.0, query_end_s=59.96, reference_start_s=61.2,
        reference_end_s=3600.0, score_0_1=0.98765,
        frames=(FramePair(query=query, reference=reference, query_s=3.2, reference_s=64.5),),
    )  # fmt: skip


def pages(document: NoticeDocument) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(notice_pdf(document))).pages]


def text(document: NoticeDocument) -> str:
    """All that the paper says, on one line; the lines that were too long are joined again."""
    return " ".join(" ".join(pages(document)).split())


def pictures(document: NoticeDocument) -> int:
    return sum(len(page.images) for page in PdfReader(io.BytesIO(notice_pdf(document))).pages)


def test_the_paper_says_all_that_the_document_says() -> None:
    said = text(
        replace(
            BARE,
            claimant=Contact(
                name="Ada Claimant", address="1 Main St.\nSpringfield", telephone="555", email="a@b.example"
            ),
            signature="Ada",
            work="The Work",
            work_ids=("ISAN 1",),
            material=("https://example.org/clip",),
            statements=(STATEMENT,),
            missing=(MissingElement(name="signature", reference="512(c)(3)(A)(i)", what_to_supply="Sign it."),),
            history=(Step(at=AT, what="disable", by="reviewer", words="taken down"),),
            decision=Decision(reason="valid", words="It is a copy.", fair_use="None was claimed."),
            counter=CounterNotice(
                received_at=AT + timedelta(days=1),
                contact=Contact(name="Ulf Uploader"),
                material=("rel_2",),
                former_locations=("https://example.org/was",),
            ),
            matches=(matched(None, None),),
            deadlines=(
                DueDate(what="restore not before", at=AT, statutory=True),
                DueDate(what="triage", at=AT, statutory=False),
            ),
            release=ReleaseFacts(id="rel_1", sha256="ab" * 32, manifest_id="urn:c2pa:1"),
            ledger_entries=(3, 11),
        )
    )
    for expected in (
        "Notice ntc_01kj0000000000000000000000", "Copyright notice", "17 U.S.C. 512(c)(3)", "submitted",
        "2026-03-02 17:00 UTC", "Ada Claimant", "1 Main St. Springfield", "555", "a@b.example", "Signature Ada",
        "The Work", "ISAN 1", "https://example.org/clip", "I believe in good faith.",
        "good_faith, version 1, accepted 2026-03-02 17:00 UTC", "512(c)(3)(A)(i) Sign it.",
        "disable reviewer taken down", "It is a copy.", "None was claimed.", "Received 2026-03-03 17:00 UTC",
        "Ulf Uploader", "rel_2", "https://example.org/was", "A Film video 0:00.0–1:00.0 1:01.2–60:00.0 0.988",
        "restore not before 2026-03-02 17:00 UTC the statute", "own target", "ab" * 32, "urn:c2pa:1", "3, 11",
    ):  # fmt: skip
        assert expected in said, expected


def test_what_was_not_said_is_called_not_stated() -> None:
    said = text(BARE)
    for expected in ("Name not stated", "Telephone not stated", "none named", "none accepted", "nothing yet"):
        assert expected in said, expected
    for absent in ("Decision", "Counter-notice", "Matches", "Ledger", "Deadlines", "What is missing"):
        assert absent not in said, absent


@pytest.mark.parametrize("empty", ["", "  ", "\n", "\t"])
def test_empty_words_are_nothing_said(empty: str) -> None:
    said = text(replace(BARE, claimant=Contact(name=empty), material=(empty,)))
    assert "Name not stated" in said
    assert "none named" in said


@pytest.mark.parametrize(
    "words",
    [
        '#read("/etc/passwd")',
        '#image("/etc/passwd")',
        '#import "@preview/cetz:0.3.0"',
        "#panic()",
        "$x^2$ [b] @ref <label> *bold* _it_ `raw` // c /* c */ \\ \\n = h",
        "#",
        "$",
        "[",
        "]",
        "@",
        "\\",
        '"',
        "--- ... -- 'q' ~",
        "{{ x }} {% x %} <script>",
    ],
)
def test_what_people_wrote_is_never_markup(words: str) -> None:
    everywhere = replace(
        BARE,
        claimant=Contact(name=words),
        material=(words,),
        statements=(replace(STATEMENT, text=words),),
        history=(Step(at=AT, what="disable", by="reviewer", words=words),),
    )
    assert text(everywhere).count(words) >= 4


def test_a_word_longer_than_a_line_stays_on_the_paper() -> None:
    long = "https://example.org/" + "W" * 600
    said = pages(replace(BARE, material=(long,), history=(Step(at=AT, what="disable", by="reviewer", words=long),)))
    lines = [line for page in said for line in page.split("\n") if "WWW" in line]
    assert max(map(len, lines)) < 60  # 16.6 cm hold 48 of them
    assert "".join(lines).count("W") == 1200


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("电影", "[U+7535 U+5F71]"),
        ("so \U0001f600", "so [U+1F600]"),
        ("e\u0301", "é"),
        ("a\u202etxt.exe", "a[U+202E]txt.exe"),
        ("a\x00b", "a[U+0000]b"),
        ("a\u200bb", "a[U+200B]b"),
        ("lone \ud800", "lone [U+D800]"),
        ("Ελληνικά Кириллица Zoë", "Ελληνικά Кириллица Zoë"),
    ],
)
def test_what_has_no_glyph_is_written_as_its_code_point_and_the_paper_says_so(words: str, shown: str) -> None:
    said = text(replace(BARE, work=words))
    assert shown in said
    assert ("stand here as code points" in said) == ("U+" in shown)


def test_hebrew_and_arabic_letters_are_set() -> None:
    said = text(replace(BARE, work="שלום", signature="سلام"))
    assert {*"שלוםسام"} <= {*unicodedata.normalize("NFKC", said)}
    assert "U+" not in said


def test_every_character_that_is_to_be_shown_has_a_glyph() -> None:
    shown = [chr(point) for block in subject._SHOWN for point in block if subject._is_shown(chr(point))]
    assert len(shown) > 2000
    assert notice_pdf(replace(BARE, work=" ".join(shown)))  # PDF/A allows no missing glyph


@settings(max_examples=60, deadline=None)
@given(st.text(), st.text(alphabet=st.sampled_from([chr(p) for block in subject._SHOWN for p in block])))
def test_any_words_can_be_set(words: str, unusual: str) -> None:
    document = replace(
        BARE, work=words, claimant=Contact(address=unusual), statements=(replace(STATEMENT, text=words),)
    )
    assert notice_pdf(document).startswith(b"%PDF-")


def test_the_same_document_gives_the_same_bytes() -> None:
    document = replace(BARE, work="A Film", matches=(matched(jpeg(), jpeg()),))
    assert notice_pdf(document) == notice_pdf(document)


def test_the_document_is_dated_as_it_says_wherever_it_is_made() -> None:
    eastwards = AT.astimezone(timezone(timedelta(hours=9)))
    assert notice_pdf(replace(BARE, made_at=eastwards)) == notice_pdf(BARE)
    assert PdfReader(io.BytesIO(notice_pdf(BARE))).metadata["/CreationDate"] == "D:20260302170000Z"  # type: ignore[index]


def test_it_is_pdf_a_2b_with_a_title() -> None:
    reader = PdfReader(io.BytesIO(notice_pdf(BARE)))
    catalog: Any = reader.trailer["/Root"]
    said = catalog["/Metadata"].get_data()
    assert re.search(rb"<pdfaid:part>2</pdfaid:part>.*<pdfaid:conformance>B<", said, re.DOTALL)
    assert reader.metadata is not None
    assert reader.metadata.title == "Notice ntc_01kj0000000000000000000000"


def test_every_page_says_whose_it_is_and_that_it_is_no_legal_advice() -> None:
    history = tuple(Step(at=AT, what="cure", by="claimant", words="again") for _ in range(120))
    found = pages(replace(BARE, history=history))
    assert len(found) > 2
    for number, page in enumerate(found, start=1):
        assert f"{BARE.notice_id} software, not legal advice page {number} of {len(found)}" in page


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_frames_stand_side_by_side(mode: str) -> None:
    document = replace(BARE, matches=(matched(jpeg(mode=mode), jpeg(4000, 3000, mode=mode)),))
    said = text(document)
    assert pictures(document) == 2
    assert "The material at 0:03.2" in said
    assert "A Film at 1:04.5" in said
    assert "left out" not in said


@pytest.mark.parametrize(
    "bad",
    [
        None,
        b"",
        b"\xff\xd8bad",
        jpeg()[:200],
        jpeg()[:-200],
        b"\x89PNG\r\n\x1a\n",
        b"%!PS",
        jpeg(4100, 4100),
    ],
    ids=["none", "empty", "bad", "cut in the header", "cut", "not a JPEG", "PostScript", "too large"],
)
def test_a_picture_that_cannot_be_read_is_left_out_and_the_paper_says_so(bad: bytes | None) -> None:
    document = replace(BARE, matches=(matched(bad, jpeg()),))
    assert pictures(document) == 1
    assert "The picture is left out" in text(document)
