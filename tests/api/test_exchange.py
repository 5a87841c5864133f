"""Reservations in other formats over HTTP: a stranger's file is read by a process of its own, and a site is served."""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import httpx
import pytest

from registry import domains
from registry.access import Actor, Scope
from registry.database import Database
from registry.domains import Look, Method
from registry.formats import tdmrep
from registry.models import Domain
from tests.api.conftest import HOLDER_SCOPES, Clips
from tests.api.service import RunningService, ok, problem, run_cli_here, send

SITE = "films.example"


def _import(client: httpx.Client, kind: str, data: bytes, **fields: str) -> httpx.Response:
    return client.post("/v1/reservations/import", files={"file": data}, data={"kind": kind, **fields})


@pytest.fixture(scope="module")
def holder(service: RunningService) -> Iterator[httpx.Client]:
    with service.client(service.key("Films", *HOLDER_SCOPES)) as client:
        yield client


def test_what_a_site_says_goes_on_record_and_comes_out_again(holder: httpx.Client) -> None:
    robots = b"User-agent: *\nContent-Usage: /films/ train-ai=n\nContent-Signal: ai-train=no, search=yes\n"
    tried = ok(_import(holder, "robots.txt", robots, location=f"https://{SITE}", dry_run="true"))
    assert (len(tried["statements"]), tried["reservations"]) == (3, [])
    taken = ok(_import(holder, "robots.txt", robots, location=f"https://{SITE}"))
    assert {(said["use"], said["value"], said["location"]) for said in taken["reservations"]} == {
        ("train_generative", "reserved", f"{SITE}/films/"), ("train", "reserved", f"{SITE}/"),
        ("search", "allowed", f"{SITE}/"),
    }  # fmt: skip
    url = {"url": f"https://{SITE}/films/night-train"}
    held = ok(holder.get("/v1/preferences", params=url))["preferences"]
    assert (held["train_generative"]["answer"], held["search"]["answer"]) == ("reserved", "allowed")
    out = holder.get("/v1/exports/content-usage", params={"host": SITE})
    assert "train-ai=n" in out.text
    assert int(out.headers["Clearmark-Left-Out"]) == 1
    report = ok(holder.get("/v1/exports/content-usage/report", params={"host": SITE}))
    assert report["text"] == out.text
    assert [remark["where"] for remark in report["left_out"]] == ["train: reserved for /"]


def test_a_document_speaks_for_its_work(holder: httpx.Client) -> None:
    work = ok(holder.post("/v1/works", json={"title": "A Book", "kind": "image"}), 201)["id"]
    epub = io.BytesIO()
    with zipfile.ZipFile(epub, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="a.opf"/></rootfiles></container>',
        )
        archive.writestr(
            "a.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" prefix="tdm: http://www.w3.org/ns/tdmrep#">'
            '<metadata><meta property="tdm:reservation">1</meta></metadata></package>',
        )
    taken = ok(_import(holder, "epub", epub.getvalue(), work_id=work))
    assert [(said["use"], said["value"], said["work_id"]) for said in taken["reservations"]] == [
        ("tdm", "reserved", work)
    ]


def test_the_manifest_of_a_signed_file_speaks_for_it(
    holder: httpx.Client, pipeline: httpx.Client, clips: Clips, tmp_path: Path
) -> None:
    check = ok(send(pipeline, "/v1/checks", clips.unrelated))["id"]
    rules = {"cawg.ai_training": {"use": "notAllowed"}, "cawg.data_mining": {"use": "allowed"}}
    release = ok(pipeline.post("/v1/releases", json={"check_id": check, "training_mining": rules}), 201)["id"]
    signed = tmp_path / "signed.mp4"
    signed.write_bytes(pipeline.get(f"/v1/releases/{release}/file").content)
    work = ok(holder.post("/v1/works", json={"title": "Signed", "kind": "clip"}), 201)["id"]
    taken = ok(_import(holder, "media", signed.read_bytes(), work_id=work, dry_run="true"))
    assert {(said["use"], said["value"]) for said in taken["statements"]} == {("train", "reserved"), ("tdm", "allowed")}
    problem(_import(holder, "media", clips.film.read_bytes(), work_id=work), 422, "invalid")
    problem(_import(holder, "media", b"no media", work_id=work), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    ("kind", "data"),
    [("tdmrep.json", b"{"), ("tdmrep.json", b"[" * 100_000), ("rsl.xml", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"),
     ("epub", b"PK\x03\x04"), ("pdf", b"%PDF-1.7\n" + b"1 0 obj<<" * 1000), ("odrl.json", b"[]"), ("cawg.json", b"{}"),
     ("tdmai.json", b'{"a": 1, "a": 2}'), ("rsl.xml", b"<a>" * 50_000)],
)  # fmt: skip
def test_a_file_that_is_not_what_it_is_called_is_refused_in_words(holder: httpx.Client, kind: str, data: bytes) -> None:
    assert problem(_import(holder, kind, data, location=SITE), 422, "invalid")["field"] == "file"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("word", {"location": SITE}), ("headers", {}), ("headers", {"location": "//"}),
     ("headers", {"location": SITE, "work_id": "wrk_1"}), ("headers", {"location": SITE, "dry_run": "x"})],
)  # fmt: skip
def test_what_is_not_said_plainly_is_refused(holder: httpx.Client, kind: str, fields: dict[str, str]) -> None:
    problem(_import(holder, kind, b"tdm-reservation: 1\n", **fields), 422, "invalid")


def test_a_site_is_served_once_its_domain_was_shown(service: RunningService, holder: httpx.Client) -> None:
    ok(_import(holder, "headers", b"tdm-reservation: 1\nContent-Usage: search=n\n", location=SITE))
    with service.client() as anyone:
        problem(anyone.get(f"/v1/hosted/{SITE}/tdmrep.json"), 404, "not-found")
        claimed = ok(holder.post("/v1/domains", json={"domain": SITE}), 201)
        _show(service, claimed["id"])
        served = anyone.get(f"/v1/hosted/{SITE}/tdmrep.json")
        assert served.headers["content-type"] == "application/json"
        assert tdmrep.read_file(served.content).statements
        there = anyone.get("/.well-known/tdmrep.json", headers={"Host": SITE})
        assert json.loads(there.text) == json.loads(served.text)
        headers = anyone.get(f"/v1/hosted/{SITE}/headers.txt").text
        pointer = f'Link: <https://{SITE}/license.xml>; rel="license"; type="application/rsl+xml"'
        assert {"tdm-reservation: 1", pointer} <= set(headers.splitlines())
        robots = anyone.get(f"/v1/hosted/{SITE}/robots.txt").text
        assert robots.startswith(f"License: https://{SITE}/license.xml\n\nUser-agent: *\n")
        assert "search=n" in robots
        assert "<rsl" in anyone.get("/license.xml", headers={"Host": SITE}).text
        problem(anyone.get("/.well-known/tdmrep.json"), 404, "not-found")


def test_all_that_a_site_is_to_serve_is_on_one_page(service: RunningService, holder: httpx.Client) -> None:
    site = "pages.example"
    terms = "https://pages.example/terms?a=1&b=<script>"
    words = {"tdm": "reserved", "train": "constrained", "train_generative": "reserved", "depict_in_output": "reserved"}
    for use, value in words.items():
        said = {"scope": "location", "location": f"{site}/", "use": use, "value": value}
        said |= {"terms_url": terms} if value == "constrained" else {}
        ok(holder.post("/v1/reservations", json=said), 201)
    with service.client() as anyone:
        problem(anyone.get(f"/v1/hosted/{site}"), 404, "not-found")
        _show(service, ok(holder.post("/v1/domains", json={"domain": site}), 201)["id"])
        served = anyone.get(f"/v1/hosted/{site}")
        assert served.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in served.headers["content-security-policy"]
        for name in ("tdmrep.json", "license.xml", "robots.txt", "headers.txt"):
            address = f"/v1/hosted/{site}/{name}"
            assert f"{address}<" in served.text
            assert f"<pre>{escape(anyone.get(address).text)}</pre>" in served.text
        assert "<script>" not in served.text
        report = ok(holder.get("/v1/exports/rsl.xml/report", params={"host": site}))
        assert report["left_out"]
        for remark in report["left_out"]:
            assert f"<li>{escape(remark['where'])}: {escape(remark['problem'])}</li>" in served.text
        robots = served.text.partition("<h2>/robots.txt")[2].partition("<h2>")[0]
        assert "<li>tdm: reserved" in robots, "neither format there has a word for it"
        assert "<li>train_generative: " not in robots, "one has a word for it"


def _show(service: RunningService, domain_id: str) -> None:
    """What looking at the domain's records would find: no test asks the world."""
    database, at = Database(f"sqlite:///{service.data_dir / 'clearmark.db'}"), datetime.now(UTC)
    try:
        with database.transaction() as session:
            row = session.get_one(Domain, domain_id)
            speaker = Actor(holder_id=row.holder_id, scopes=frozenset({Scope.HOLDER_WRITE}))
            domains.saw(session, domains.own(session, speaker, row.id), Look(method=Method.DNS, problem=None), at=at)
    finally:
        database.dispose()


# -- names, and what is told ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "export", ["tdmrep.json", "tdmrep.html", "headers", "rsl.xml", "content-usage", "content-signal", "odrl.json"]
)
def test_what_is_exported_is_imported_under_the_same_name(service: RunningService, export: str) -> None:
    with service.client(service.key(f"Names of {export}", *HOLDER_SCOPES)) as client:
        for use in ("tdm", "search"):
            said = {"scope": "location", "location": "names.example", "use": use, "value": "reserved"}
            ok(client.post("/v1/reservations", json=said), 201)
        text = client.get(f"/v1/exports/{export}", params={"host": "names.example"}).content
        taken = ok(_import(client, export, text, location="names.example", dry_run="true"))
        assert {said["use"] for said in taken["statements"]} <= {"tdm", "search"}
        assert taken["statements"], text


@pytest.mark.parametrize(("name", "data"), [("cawg", b'{"entries": {"cawg.ai_training": {"use": "notAllowed"}}}'),
                                            ("tdmai", b'{"train-ai": "false"}'), ("license.xml", b"<rsl xmlns='https://rslstandard.org/rsl'/>"),
                                            ("headers.txt", b"tdm-reservation: 1")])  # fmt: skip
def test_other_names_of_the_same_thing_are_known(holder: httpx.Client, name: str, data: bytes) -> None:
    work = ok(holder.post("/v1/works", json={"title": name, "kind": "clip"}), 201)["id"]
    ok(_import(holder, name, data, work_id=work, dry_run="true"))


def test_who_sends_a_file_that_says_nothing_is_told_so(service: RunningService, tmp_path: Path) -> None:
    environment = {
        **service.environment,
        "CLEARMARK_URL": service.url,
        "CLEARMARK_KEY": service.key("W", *HOLDER_SCOPES),
    }
    path = tmp_path / "found"
    for data, told in (
        (b'[{"location": "/", "tdm-reservation": 1}]', "Nothing in it reserves or allows a use"),
        (b"User-agent: GPTBot\nDisallow: /\n", "GPTBot"),
    ):
        path.write_bytes(data)
        ran = run_cli_here(
            "reservations", "import", path, "--kind", "robots.txt", "--location", SITE, environment=environment
        )
        assert ran.returncode == 15
        assert ran.stdout.strip() == "Nothing went on record."
        assert told in ran.stderr


def test_a_catalogue_has_no_location_and_is_told_so(holder: httpx.Client) -> None:
    said = {"scope": "catalogue", "location": "https://a.example/", "use": "tdm", "value": "reserved"}
    refused = problem(holder.post("/v1/reservations", json=said), 422, "invalid")
    assert refused["field"] == "location"
    for wrong, field, told in (
        ({"valid_from": "x"}, "valid_from", "valid_from: Write a time"), ({"a": 1}, "a", "a: There is no field"),
        ({"location": "ftp://x", "scope": "location"}, "location", "A web location begins with"),
    ):  # fmt: skip
        body = {"scope": "catalogue", "use": "tdm", "value": "reserved", **wrong}
        refused = problem(holder.post("/v1/reservations", json=body), 422, "invalid")
        assert refused["field"] == field
        assert refused["detail"].startswith(told)
    broken = holder.post("/v1/reservations", content=b"{", headers={"Content-Type": "application/json"})
    assert problem(broken, 422, "invalid")["field"] == "body"
