"""Catalogues over HTTP and on the command line: five hundred rows with broken ones among them, out again, and back."""

import csv
import json
from pathlib import Path

import httpx
import pytest

from clearmark.client import Client
from clearmark.client.results import Import
from tests.api.conftest import HOLDER_SCOPES
from tests.api.service import RunningService, ok, problem, run_cli_here
from tests.ddex_messages import deal, image, isrc, message, recording, release

COUNT, BROKEN = 500, {7: ("kind", "opera"), 100: ("year", "98"), 101: ("title", ""), 499: ("train", "perhaps")}


@pytest.fixture(scope="module")
def label(service: RunningService) -> str:
    """A key of a holder with nothing else on record."""
    return service.key("Label", *HOLDER_SCOPES)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalogue") / "works.csv"
    with path.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, ["reference", "title", "kind", "year", "creators", "train"])
        writer.writeheader()
        for number in range(COUNT):
            row = {
                "reference": f"L-{number}", "title": f"Song {number}", "kind": "sound_recording", "year": "1999",
                "creators": "Ada; Ben", "train": "reserved",
            }  # fmt: skip
            if number in BROKEN:
                row |= dict([BROKEN[number]])
            writer.writerow(row)
    return path


@pytest.fixture(scope="module")
def imported(service: RunningService, label: str, file: Path) -> Import:
    with Client(service.url, label) as client:
        return client.import_catalogue(file)


def test_each_broken_row_is_named_and_the_rest_is_in(service: RunningService, label: str, imported: Import) -> None:
    assert imported.items() >= {
        "status": "done", "rows_done": COUNT, "registered": COUNT - len(BROKEN), "known": 0, "refused": len(BROKEN),
        "problem": None,
    }.items()  # fmt: skip
    with Client(service.url, label) as client:
        refused = list(client.import_rows(imported["id"], outcome="refused"))
        assert [(row["number"], row["field"]) for row in refused] == [(n + 2, BROKEN[n][0]) for n in sorted(BROKEN)]
        assert all(str(row["problem"]).endswith(".") for row in refused)
        taken = list(client.import_rows(imported["id"], outcome="registered"))
        assert len({row["work_id"] for row in taken}) == COUNT - len(BROKEN)
        work = client.get_work(taken[0]["work_id"] or "")
        assert (work["title"], work["identifiers"], work["creators"]) == (
            "Song 0",
            {"reference": "L-0"},
            ["Ada", "Ben"],
        )
        assert [(said["use"], said["value"]) for said in work["reservations"]] == [("train", "reserved")]


def test_what_is_exported_is_known_when_it_comes_again(
    service: RunningService, label: str, imported: Import, tmp_path: Path
) -> None:
    with Client(service.url, label) as client:
        for name in ("works.csv", "works.jsonl"):
            client.export_catalogue(tmp_path / name, name.partition(".")[2])
            again = client.import_catalogue(tmp_path / name, dry_run=True)
            assert (again["known"], again["registered"], again["refused"]) == (imported["registered"], 0, 0)
            assert again["dry_run"]


def test_a_ddex_message_is_imported_and_what_was_left_out_is_told(service: RunningService, tmp_path: Path) -> None:
    key = service.key("Records", *HOLDER_SCOPES)
    environment = {**service.environment, "CLEARMARK_URL": service.url, "CLEARMARK_KEY": key}
    path = tmp_path / "album.xml"
    terms = "<UseType>UseForTrainingGenerativeAI</UseType>"
    path.write_text(message(image("A0"), *map(song, range(1, 4)), releases=release("A1", "A2"), deals=deal(terms)))
    ran = run_cli_here("import", path, "--json", environment=environment)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["format"], told["registered"], told["skipped"], told["refused"]) == ("ddex", 3, 1, 0)
    licence = "UseForTrainingGenerativeAI is licensed in it to a recipient by agreement; that is no word to everybody."
    assert told["notes"][licence] == 2
    with service.client(key) as client:
        rows = ok(client.get(f"/v1/imports/{told['id']}/rows"))["items"]
        assert [(row["number"], row["outcome"], row["note"] == licence) for row in rows] == [
            (1, "skipped", False), (2, "registered", True), (3, "registered", True), (4, "registered", False),
        ]  # fmt: skip
        work = ok(client.get(f"/v1/works/{rows[1]['work_id']}"))
        assert (work["title"], work["reservations"]) == ("Song 1", []), "a licence to one is silence to all others"
        problem(client.get("/v1/exports/works.ddex"), 422, "invalid")
    people = run_cli_here("import", path, environment=environment)
    assert "3 known already" in people.stdout
    assert "1 skipped" in people.stdout


def song(number: int) -> str:
    return recording(f"A{number}", isrc=isrc(number), title=f"Song {number}")


def test_the_same_request_is_one_import(service: RunningService, label: str, file: Path) -> None:
    with service.client(label) as client:
        headers = {"Idempotency-Key": "once"}

        def send(**data: str) -> httpx.Response:
            return client.post("/v1/imports", files={"file": file.read_bytes()}, data=data, headers=headers)

        first = send(dry_run="true")
        assert first.headers["Location"] == f"/v1/imports/{ok(first, 202)['id']}"
        assert ok(send(dry_run="true"), 202)["id"] == ok(first, 202)["id"]
        problem(send(dry_run="false"), 409, "conflict")
        assert ok(first, 202)["id"] in {task["id"] for task in ok(client.get("/v1/imports"))["items"]}


def test_an_import_belongs_to_who_sent_it(stranger: httpx.Client, imported: Import) -> None:
    for path in (f"/v1/imports/{imported['id']}", f"/v1/imports/{imported['id']}/rows"):
        problem(stranger.get(path), 404, "not-found")
    assert ok(stranger.get("/v1/imports"))["items"] == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"name,kind\nA,film\n", "no column 'name'"),
        (b"", "title and kind"),
        (b"title,kind\n\xff\xfe,film\n", "UTF-8"),
        (b'title,kind\n"A,film\n', "Row 2"),
        (b"<?xml version='1.0'?><rsl/>", "no NewReleaseMessage"),
        (b"\xef\xbb\xbf<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "DTD"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    service: RunningService, stranger: httpx.Client, tmp_path: Path, body: bytes, said: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(body)
    with Client(service.url, service.key("Stranger", *HOLDER_SCOPES)) as client:
        found = client.import_catalogue(path)
    assert found["status"] == "failed"
    assert said in str(found["problem"])
    problem(stranger.post("/v1/imports", files={"file": b"x"}, data={"dry_run": "perhaps"}), 422, "invalid")


def test_the_command_line_tells_what_became_of_a_file(service: RunningService, tmp_path: Path) -> None:
    environment = {
        **service.environment, "CLEARMARK_URL": service.url, "CLEARMARK_KEY": service.key("Choir", *HOLDER_SCOPES),
    }  # fmt: skip
    path, out = tmp_path / "choir.jsonl", tmp_path / "out.csv"
    path.write_text('{"title": "One", "kind": "composition"}\n{"title": "Two", "kind": "tune"}\n')
    ran = run_cli_here("import", path, "--json", environment=environment)
    assert ran.returncode == 15
    told = json.loads(ran.stdout)
    assert [(row["number"], row["field"]) for row in told["rows_refused"]] == [(2, "kind")]
    people = run_cli_here("import", path, "--dry-run", environment=environment)
    assert "1 would be registered" in people.stdout
    assert run_cli_here("export", out, environment=environment).returncode == 0
    assert out.read_text().splitlines()[1].startswith(",One,composition")
    assert run_cli_here("export", tmp_path / "out.xls", environment=environment).returncode == 2


def test_what_a_file_does_not_say_is_in_its_report(service: RunningService, tmp_path: Path) -> None:
    key = service.key("Orchestra", *HOLDER_SCOPES)
    environment = {**service.environment, "CLEARMARK_URL": service.url, "CLEARMARK_KEY": key}
    with service.client(key) as client:
        said = [{"use": "train", "value": "allowed", "valid_until": "2126-12-01T00:00:00Z"},
                {"use": "input", "value": "reserved", "valid_from": "2126-12-01T00:00:00Z"}]  # fmt: skip
        body = {"title": "A", "kind": "clip", "reference": "O-1", "reservations": said}
        work = ok(client.post("/v1/works", json=body), 201)
        assert work["identifiers"] == {"reference": "O-1"}
        problem(client.post("/v1/works", json=body | {"identifiers": {"reference": "O-2"}}), 422, "invalid")
        report = ok(client.get("/v1/exports/works.csv/report"))
        assert (report["works"], report["left_out_count"]) == (1, 2)
        assert {remark["where"] for remark in report["left_out"]} == {
            "O-1, train: allowed until 2126-12-01", "O-1, input: reserved from 2126-12-01",
        }  # fmt: skip
        assert ok(client.get("/v1/exports/works.jsonl/report"))["left_out"] == []
        [row] = csv.DictReader(client.get("/v1/exports/works.csv").text.splitlines())
        assert (row["train"], row["input"], row["work_id"]) == ("", "reserved", work["id"])
        problem(client.get("/v1/exports/works.ddex/report"), 422, "invalid")
        told = json.loads(client.get("/v1/exports/works.jsonl").text)["reservations"]
        assert sorted((one["use"], one.get("valid_from")) for one in told) == [
            ("input", "2126-12-01T00:00:00+00:00"), ("train", None),
        ]  # fmt: skip
    ran = run_cli_here("export", tmp_path / "o.csv", environment=environment)
    assert (ran.returncode, ran.stderr.count("O-1, ")) == (15, 2)
    assert run_cli_here("export", tmp_path / "o.jsonl", environment=environment).returncode == 0
    again = run_cli_here("import", tmp_path / "o.jsonl", environment=environment)
    assert again.stdout == "0 registered, 1 known already, 0 refused\n"


def test_an_import_that_read_no_row_tells_why_and_nothing_else(service: RunningService, tmp_path: Path) -> None:
    environment = {
        **service.environment,
        "CLEARMARK_URL": service.url,
        "CLEARMARK_KEY": service.key("N", *HOLDER_SCOPES),
    }
    for name, text in (("a.xml", "<!DOCTYPE a><a/>"), ("b.csv", "title,kind,colour\nA,film,red\n"), ("c.csv", "")):
        path = tmp_path / name
        path.write_text(text)
        ran = run_cli_here("import", path, environment=environment)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr.startswith("clearmark: ")
