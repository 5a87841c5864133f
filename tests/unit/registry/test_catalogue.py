"""Catalogue files: each row is an entry or says what is wrong, and what is written is read back the same."""

import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.catalogue import CatalogueFormat, Entry, Row, format_of, left_out, read, write
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Policy
from registry.domain.preferences import Answer, Declaration, Scope, Use, Value, effective_preference
from registry.errors import Invalid
from registry.reservations import NewReservation
from registry.works import NewWork, WorkKind

CSV: Final = CatalogueFormat.CSV
JSONL: Final = CatalogueFormat.JSONL
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


def rows(text: str, format: CatalogueFormat = CSV) -> list[Row]:
    return list(read(io.BytesIO(text.encode()), format))


def problem(text: str, format: CatalogueFormat = CSV) -> tuple[int, str]:
    [row] = rows(text, format)
    assert row.problem is not None
    return row.number, row.problem.field


def test_a_row_is_a_work_with_what_is_reserved_of_it() -> None:
    [row] = rows(
        "reference,title,kind,year,policy,creators,isrc,train,search,territory,terms_url,contact\n"
        "A-1,Night Train,sound recording,1998,block,Ada; Ben,US-SKG-19-12345,reserved,allowed,EU,https://t.example,r@t\n"
    )
    assert row == Row(
        number=2,
        title="Night Train",
        entry=Entry(
            work=NewWork(
                title="Night Train",
                kind=WorkKind.SOUND_RECORDING,
                identifiers={"reference": "A-1", "isrc": "US-SKG-19-12345"},
                creators=["Ada", "Ben"],
                year=1998,
                policy=Policy.BLOCK,
            ),
            reservations=tuple(
                NewReservation(use=use, value=value, territory="EU", terms_url="https://t.example", contact="r@t")
                for use, value in ((Use.TRAIN, Value.RESERVED), (Use.SEARCH, Value.ALLOWED))
            ),
        ),
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(delimiter: str) -> None:
    text = (
        "\ufeff"
        + delimiter.join(["Title", " kind "])
        + "\r\n"
        + delimiter.join(['"A ""B""\r\nC"', "film"])
        + "\r\n\r\n"
    )
    [row] = rows(text)
    assert (row.number, row.title, row.problem) == (2, 'A "B" C', None)


def test_rows_are_numbered_as_a_spreadsheet_numbers_them() -> None:
    found = rows('title,kind\n"two\nlines",film\n,\nlast,clip\n')
    assert [(row.number, row.title) for row in found] == [(2, "two lines"), (4, "last")]


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ("title,kind\nA,movie star\n", "kind"),
        ("title,kind,year\nA,film,98\n", "year"),
        ("title,kind,policy\nA,film,destroy\n", "policy"),
        ("title,kind,confidential\nA,film,secret\n", "confidential"),
        ("title,kind,train\nA,film,maybe\n", "train"),
        ("title,kind,train,territory\nA,film,,FR\n", "territory"),
        ("title,kind\nA,film,more\n", "row"),
    ],
)
def test_a_bad_row_is_named_with_what_is_wrong(cells: str, field: str) -> None:
    assert problem(cells) == (2, field)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "title\nA\n",
        "title,kind,tittle\nA,film,B\n",
        "title,kind,title\n",
        'title,kind\n"A,film\n',
        "title,kind\n" + "a" * 70_000,
    ],
    ids=["empty", "no kind", "unknown column", "twice", "open quote", "long line"],
)
def test_a_file_that_cannot_be_read_is_refused_whole(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        rows(text)
    assert refused.value.field == "file"


def test_a_json_row_says_everything() -> None:
    text = (
        '{"reference": "A-1", "title": "Night", "kind": "film", "identifiers": {"isan": "x"}, "reservations":'
        ' [{"use": "train", "value": "constrained", "terms_url": "https://t.example",'
        ' "valid_until": "2030-01-01T00:00:00Z"}]}'
    )
    [row] = rows(text, JSONL)
    assert row.entry is not None
    assert row.entry.reference == "A-1"
    assert row.entry.reservations[0].valid_until == datetime(2030, 1, 1, tzinfo=UTC)


def _saying(reservations: str) -> str:
    return f'{{"title": "A", "kind": "film", "reservations": [{reservations}]}}'


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("{", "row"),
        ("[1]", "row"),
        ("[" * 5000, "row"),
        ('{"title": "A", "kind": "film", "colour": 1}', "row"),
        ('{"title": 7, "kind": "film"}', "title"),
        ('{"title": "A", "kind": ["film"]}', "kind"),
        ('{"title": "A\\u0000", "kind": "film"}', "row"),
        ('{"title": "A\\\\\\u0000", "kind": "film"}', "row"),
        ('{"title": "A", "kind": "film", "year": true}', "year"),
        ('{"title": "A", "kind": "film", "year": 1e3}', "year"),
        ('{"title": "A", "kind": "film", "confidential": "yes"}', "confidential"),
        ('{"title": "A", "kind": "film", "confidential": 1}', "confidential"),
        ('{"title": "A", "kind": "film", "creators": [""]}', "creators"),
        ('{"title": "A", "kind": "film", "identifiers": {"isrc": 1}}', "identifiers"),
        ('{"title": "A", "kind": "film", "reservations": {}}', "reservations"),
        ('{"title": "A", "kind": "film", "reservations": [1]}', "reservations"),
        ('{"title": "A", "kind": "film", "reservations": [{"use": "sell", "value": "reserved"}]}', "reservations.use"),
        (
            '{"title": "A", "kind": "film", "reservations": [{"use": "tdm", "value": "reserved", "at": 1}]}',
            "reservations",
        ),
        (_saying('{"use": "tdm", "value": "reserved"}, {"use": "tdm", "value": "allowed"}'), "reservations"),
        (_saying('{"use": "tdm", "value": "reserved", "valid_until": "tomorrow"}'), "valid_until"),
    ],
)
def test_a_json_row_of_another_shape_is_named(line: str, field: str) -> None:
    assert problem(line, JSONL) == (1, field)


def test_what_is_secret_is_said_by_a_word_or_a_tick_and_silence_is_no_secret() -> None:
    said = {"yes": True, "Yes": True, "TRUE": True, "no": False, "False": False, "": False}
    found = rows("title,kind,confidential\n" + "".join(f"A,film,{word}\n" for word in said))
    assert [row.entry and row.entry.work.confidential for row in found] == list(said.values())
    [row] = rows('{"title": "A", "kind": "film", "confidential": true}', JSONL)
    assert row.entry is not None
    assert row.entry.work.confidential


def test_the_format_is_told_from_the_beginning() -> None:
    assert format_of('\ufeff \n{"title"'.encode()) is JSONL
    assert format_of(b"title,kind") is CSV
    assert format_of(b"") is CSV
    assert format_of(b"\xff\xfe\xfd") is CSV


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(str.strip).filter(bool)
RESERVATIONS = st.lists(
    st.builds(
        NewReservation,
        use=st.sampled_from(Use),
        value=st.sampled_from(Value),
        territory=st.sampled_from(["worldwide", "EU", "FR"]),
        terms_url=st.none() | st.just("https://t.example/"),
        contact=st.none() | TEXT,
        valid_from=st.none() | st.just(datetime(2028, 1, 1, tzinfo=UTC)),
        valid_until=st.none() | st.just(datetime(2030, 1, 1, tzinfo=UTC)),
    ),
    max_size=3,
    unique_by=lambda said: (said.use, said.territory),
)
ENTRIES = st.builds(
    Entry,
    work=st.builds(
        NewWork,
        title=TEXT | st.sampled_from(["=1+1", "+1", "-1", "@A", "'=1", "'"]),
        kind=st.sampled_from(WorkKind),
        identifiers=st.dictionaries(st.sampled_from(["reference", "isrc", "catalogue"]), TEXT, max_size=3),
        creators=st.lists(TEXT, max_size=3),
        year=st.none() | st.integers(1850, 2030),
        policy=st.sampled_from(Policy),
        confidential=st.booleans(),
    ),
    reservations=RESERVATIONS.map(lambda said: tuple(sorted(said, key=lambda one: list(Use).index(one.use)))),
)


@given(st.lists(ENTRIES, max_size=4))
@example([Entry(work=NewWork(title="\\u0000 is six characters", kind=WorkKind.FILM))])
def test_what_is_written_is_read_back_the_same(entries: list[Entry]) -> None:
    written = "".join(write(entries, JSONL))
    assert [row.entry for row in rows(written, JSONL)] == entries
    plain = [entry for entry in entries if not left_out(entry, CSV)]
    found = rows("".join(write(plain, CSV)))
    assert [row.problem for row in found] == [None] * len(plain)
    assert [row.entry for row in found] == plain


def _holding(said: Iterable[NewReservation], use: Use, territory: str, *, at: datetime) -> Answer:
    declarations = [
        Declaration(
            id=str(number), use=one.use, value=one.value, declared_by="hld_1", declared_at=NOW,
            valid_from=one.valid_from or NOW, valid_until=one.valid_until, withdrawn_at=None, superseded_at=None,
            scope=Scope.WORK, about="wrk_1", territory=one.territory, terms_url=one.terms_url,
        )
        for number, one in enumerate(said)
    ]  # fmt: skip
    return effective_preference(declarations, use, at=at, owners=frozenset({"hld_1"}), territory=territory).answer


_STRICTNESS: Final = (Answer.RESERVED, Answer.CONSTRAINED, Answer.ALLOWED)


@given(ENTRIES)
def test_a_row_never_permits_more_than_was_said_and_reserves_all_that_was_reserved(entry: Entry) -> None:
    [row] = rows("".join(write([entry], CSV)))
    assert row.entry is not None, row.problem
    for use in Use:
        for territory in ("worldwide", "EU", "FR", "US"):
            for at in (NOW, datetime(2029, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)):
                meant, read_back = (
                    _holding(said, use, territory, at=at) for said in (entry.reservations, row.entry.reservations)
                )
                if meant in (Answer.RESERVED, Answer.CONSTRAINED):
                    assert read_back in _STRICTNESS[: _STRICTNESS.index(meant) + 1]
                assert read_back is not Answer.ALLOWED or meant is Answer.ALLOWED


def test_what_a_row_cannot_say_is_named() -> None:
    soon, later = datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 6, tzinfo=UTC)
    said = (
        NewReservation(use=Use.TRAIN, value=Value.ALLOWED, valid_until=soon),
        NewReservation(use=Use.TDM, value=Value.ALLOWED, valid_until=later),
        NewReservation(use=Use.TDM, value=Value.RESERVED, valid_from=later),
        NewReservation(use=Use.SEARCH, value=Value.ALLOWED),
        NewReservation(use=Use.INPUT, value=Value.RESERVED, territory="DE"),
    )
    entry = Entry(work=NewWork(title="Night", kind=WorkKind.FILM), reservations=said)
    [row] = rows("".join(write([entry], CSV)))
    assert row.entry is not None
    assert {one.use: (one.value, one.territory) for one in row.entry.reservations} == {
        Use.TDM: (Value.RESERVED, "worldwide"), Use.SEARCH: (Value.ALLOWED, "worldwide"),
        Use.INPUT: (Value.RESERVED, "worldwide"),
    }  # fmt: skip
    assert {remark.where for remark in left_out(entry, CSV)} == {
        "Night, train: allowed until 2026-12-01", "Night, tdm: allowed until 2026-12-06",
        "Night, tdm: reserved from 2026-12-06", "Night, input: reserved in DE",
    }  # fmt: skip
    assert left_out(entry, JSONL) == []


def test_words_on_other_terms_are_not_written_as_on_those_of_the_row() -> None:
    terms = [
        NewReservation(use=use, value=Value.CONSTRAINED, terms_url=f"https://t.example/{use}")
        for use in (Use.TRAIN, Use.SEARCH)
    ]
    licensed = NewReservation(use=Use.TDM, value=Value.ALLOWED, terms_url="https://t.example/free")
    entry = Entry(work=NewWork(title="Night", kind=WorkKind.FILM), reservations=(*terms, licensed))
    [row] = rows("".join(write([entry], CSV)))
    assert row.entry is not None
    assert {(one.use, one.value, one.terms_url) for one in row.entry.reservations} == {
        (Use.TRAIN, Value.CONSTRAINED, "https://t.example/train"), (Use.SEARCH, Value.RESERVED, "https://t.example/train"),
    }  # fmt: skip
    assert len(left_out(entry, CSV)) == 2


@pytest.mark.parametrize("format", [CSV, JSONL])
def test_the_id_of_a_work_comes_and_goes(format: CatalogueFormat) -> None:
    work_id = new_id(Prefix.WORK, at=NOW)
    entry = Entry(work=NewWork(title="Night", kind=WorkKind.FILM), work_id=work_id)
    [row] = rows("".join(write([entry], format)), format)  # type: ignore[arg-type]
    assert row.entry == entry


@pytest.mark.parametrize("work_id", ["17", "ast_" + "19" * 16, "wrk_" + "0" * 32, "x" * 9999])
def test_a_number_that_is_not_ours_is_not_taken_for_an_id(work_id: str) -> None:
    assert problem(json.dumps({"title": "A", "kind": "film", "work_id": work_id}), JSONL) == (1, "work_id")


def test_what_holds_one_after_the_other_may_be_said_of_one_use() -> None:
    moment = '"2030-01-01T00:00:00Z"'
    first, then = (f'{{"use": "tdm", "value": "allowed", "{end}": {moment}}}' for end in ("valid_until", "valid_from"))
    assert rows(_saying(f"{then}, {first}"), JSONL)[0].problem is None
    assert problem(_saying(f"{first}, {first}"), JSONL) == (1, "reservations")


def test_nothing_that_is_written_runs_in_a_spreadsheet() -> None:
    entry = Entry(work=NewWork(title="=HYPERLINK(1)", kind=WorkKind.FILM, creators=["@SUM(1)"]))
    line = "".join(write([entry], CSV)).splitlines()[1]
    assert not any(cell.strip('"').startswith(("=", "+", "-", "@")) for cell in line.split(","))


def test_credits_come_and_go_as_json_lines_and_are_judged_like_all_else() -> None:
    said = {
        "title": "Night Train", "kind": "film",
        "contributors": [{"name": "Ada", "role": "director", "isni": "0000000121032683"}],
        "shares": [{"holder": "Night Train", "percent": "62.5", "uses": ["train"], "territory": "FR"}],
        "alternative_titles": [{"title": "Nachtzug", "language": "de"}],
    }  # fmt: skip
    [row] = read(io.BytesIO(json.dumps(said).encode()), CatalogueFormat.JSONL)
    assert row.entry is not None
    [line] = write([row.entry], CatalogueFormat.JSONL)
    assert json.loads(line) == said | {"policy": "review"}
    assert [remark.where for remark in left_out(row.entry, CSV)] == [
        f"Night Train, {name}" for name in ("contributors", "shares", "alternative_titles")
    ]
    for name, wrong in (
        ("shares", [{"holder": "A", "percent": 101}]), ("shares", [{"holder": "A", "percent": 1, "uses": ["sell"]}]),
        ("shares", {"holder": "A"}), ("contributors", ["Ada"]), ("contributors", [{"name": "Ada"}]),
        ("alternative_titles", [{"title": "x", "language": "German"}]),
    ):  # fmt: skip
        [row] = read(io.BytesIO(json.dumps(said | {name: wrong}).encode()), CatalogueFormat.JSONL)
        assert row.problem is not None
        assert row.problem.field.startswith(name)
