"""What single calls promise beyond sending and receiving: waiting, lists, batches, whole files."""

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints, is_typeddict

import httpx
import pytest

from api.app import specification
from clearmark.client import AsyncClient, BadAnswer, CannotFingerprint, Client, Problem, Unreachable, results
from clearmark.client import local as local_fingerprint
from tests.unit.clearmark.conftest import QUEUED, Scripted, done, problem

# -- waiting ---------------------------------------------------------------------------------------


def test_a_verdict_is_waited_for_ever_more_seldom(service: Scripted) -> None:
    service.says(*[httpx.Response(202, json=QUEUED)] * 20, httpx.Response(200, json=done("block")))
    told: list[float] = []
    assert service.ask("check", {"format": "…"}, progress=told.append)["verdict"] == "block"
    assert service.sent == ["POST /v1/checks?wait=20.0", *["GET /v1/checks/chk_1"] * 20]
    assert service.waits == sorted(service.waits)
    assert (service.waits[0], service.waits[-1]) == (0.25, 5)
    assert told == [0] * 20 + [1]


def test_a_verdict_is_not_waited_for_longer_than_asked(service: Scripted) -> None:
    service.says(httpx.Response(202, json=QUEUED))
    assert service.ask("check", {}, wait=7)["verdict"] is None
    assert service.now_s == pytest.approx(7)
    assert service.sent[0] == "POST /v1/checks?wait=7"


def test_who_does_not_wait_asks_once(service: Scripted) -> None:
    service.says(httpx.Response(202, json=QUEUED))
    assert service.ask("check", {}, wait=0) == QUEUED
    assert service.sent == ["POST /v1/checks?wait=0"]


def test_a_rejected_asset_is_an_answer(service: Scripted) -> None:
    service.says(
        httpx.Response(202, json={"id": "ast_1", "status": "queued"}),
        httpx.Response(200, json={"id": "ast_1", "status": "rejected", "reason": "black"}),
    )
    assert service.ask("add_asset", "wrk_1", {})["reason"] == "black"


def test_the_context_goes_with_the_file(service: Scripted, tmp_path: Path) -> None:
    media = tmp_path / "a.mp4"
    media.write_bytes(b"media")
    service.says(httpx.Response(200, json=done()))
    service.ask("check", str(media), context={"model": "m-1"})
    assert b'{"model": "m-1"}' in service.requests[0].content


def test_an_explanation_comes_when_its_pictures_are_made(service: Scripted) -> None:
    service.says(httpx.Response(202, text="soon"), httpx.Response(200, text="<html>é"))
    assert service.ask("explanation", "chk_1") == "<html>é"


# -- fingerprints made here ------------------------------------------------------------------------


def test_with_local_only_the_fingerprint_leaves(
    service: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def document(path: Path, *, is_query: bool, embedder: object) -> dict[str, object]:
        assert embedder is None
        return {"of": path.name, "is_query": is_query}

    monkeypatch.setattr(local_fingerprint, "document", document)
    monkeypatch.setattr(local_fingerprint, "installed_embedder", lambda: None)
    service.says(httpx.Response(200, json=done()))
    service.ask("check", tmp_path / "secret.mp4", local=True)
    service.ask("add_asset", "wrk_1", tmp_path / "secret.mp4", local=True)
    sent = [json.loads(request.content) for request in service.requests]
    assert sent == [{"of": "secret.mp4", "is_query": True}, {"of": "secret.mp4", "is_query": False}]


def test_what_is_no_media_cannot_be_fingerprinted_here(service: Scripted, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("no film")
    with pytest.raises(CannotFingerprint):
        service.ask("check", path, local=True)
    assert service.requests == []


# -- lists -----------------------------------------------------------------------------------------


def test_a_list_is_gone_through_page_by_page(service: Scripted) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("cursor", 0))
        items = [{"id": n} for n in range(start, min(start + 2, 5))]
        return httpx.Response(200, json={"items": items, "next": str(start + 2) if start + 2 < 5 else None})

    service.says(page)
    assert [work["id"] for work in service.ask("works")] == [0, 1, 2, 3, 4]
    assert service.sent == ["GET /v1/works", "GET /v1/works?cursor=2", "GET /v1/works?cursor=4"]


def test_the_next_page_keeps_what_was_asked(service: Scripted) -> None:
    service.says(
        httpx.Response(200, json={"items": [], "next": "9"}), httpx.Response(200, json={"items": [], "next": None})
    )
    service.ask("import_rows", "imp_1", outcome="refused")
    assert service.sent[1] == "GET /v1/imports/imp_1/rows?outcome=refused&cursor=9"
    service.says(
        httpx.Response(200, json={"items": [], "next": "9"}), httpx.Response(200, json={"items": [], "next": None})
    )
    service.ask("ledger_entries")
    assert service.sent[3] == "GET /v1/ledger/entries?start=9&limit=1000"


def test_a_page_that_fails_ends_the_list_with_its_error(service: Scripted) -> None:
    service.says(httpx.Response(200, json={"items": [{"id": 1}], "next": "1"}), problem(403, "forbidden"))
    with pytest.raises(Problem):
        service.ask("works")


# -- preferences -----------------------------------------------------------------------------------


def _answered(request: httpx.Request) -> httpx.Response:
    body = json.loads(request.content)
    items = [{"work_ids": [item["work_id"][:8]], "preferences": {}} for item in body["items"]]
    said: dict[str, object] = {f"rsv_{len(items)}": {}} if body["details"] else {}
    return httpx.Response(
        200, json={"at": body.get("at", "2026-03-02T17:00:00Z"), "items": items, "declarations": said}
    )


def test_many_items_are_asked_about_in_batches_as_of_one_moment(service: Scripted) -> None:
    service.says(_answered)
    items = [{"work_id": f"{n:08}"} for n in range(20_001)]
    told = service.ask("preferences", iter(items), uses=["train"], details=True)
    asked = [json.loads(request.content) for request in service.requests]
    assert [len(body["items"]) for body in asked] == [10_000, 10_000, 1]
    assert [body.get("at") for body in asked] == [None, *["2026-03-02T17:00:00Z"] * 2]
    assert [answer["work_ids"] for answer in told["items"]] == [[item["work_id"]] for item in items]
    assert set(told["declarations"]) == {"rsv_10000", "rsv_1"}


def test_long_items_are_asked_about_in_smaller_batches(service: Scripted) -> None:
    service.says(_answered)
    told = service.ask("preferences", [{"work_id": "x" * 1_000_000}] * 7)
    assert len(told["items"]) == 7
    assert [len(request.content) < 4 << 20 for request in service.requests] == [True] * 3


def test_nothing_is_asked_about_nothing(service: Scripted) -> None:
    assert service.ask("preferences", [])["items"] == []
    assert service.requests == []


def test_answers_that_are_not_one_for_each_item_are_none(service: Scripted) -> None:
    service.says(httpx.Response(200, json={"at": "now", "items": [{}]}))
    with pytest.raises(BadAnswer):
        service.ask("preferences", [{"work_id": "wrk_1"}, {"work_id": "wrk_2"}])


# -- files -----------------------------------------------------------------------------------------


class _Cut(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off."""

    def __iter__(self) -> Any:
        yield b"half"
        raise httpx.ReadError("cut")

    async def __aiter__(self) -> Any:
        yield b"half"
        raise httpx.ReadError("cut")


def test_a_file_is_fetched_whole_or_not_at_all(service: Scripted, tmp_path: Path) -> None:
    target = tmp_path / "signed.mp4"
    target.write_bytes(b"before")
    service.says(lambda _: httpx.Response(200, stream=_Cut()))
    with pytest.raises(Unreachable):
        service.ask("download", "rel_1", target)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]
    service.says(problem(451, "disabled"))
    with pytest.raises(Problem):
        service.ask("download", "rel_1", target)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]
    service.says(lambda _: httpx.Response(200, stream=_Cut()), httpx.Response(200, content=b"whole"))
    service.ask("download", "rel_1", str(target))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]


def test_a_file_that_is_not_there_is_an_error_of_its_own(service: Scripted, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        service.ask("check", tmp_path / "gone.mp4")
    service.says(httpx.Response(200, content=b"whole"))
    with pytest.raises(FileNotFoundError):
        service.ask("download", "rel_1", tmp_path / "no folder" / "signed.mp4")
    assert len(service.requests) == 1


def test_credentials_beside_a_file_go_with_it_at_each_attempt(service: Scripted, tmp_path: Path) -> None:
    media, sidecar = tmp_path / "a.mkv", tmp_path / "a.c2pa"
    media.write_bytes(b"frames")
    sidecar.write_bytes(b"credentials")
    service.says(httpx.Response(503), httpx.Response(200, json={"id": "vrf_1"}))
    assert service.ask("verify", media, str(sidecar)) == {"id": "vrf_1"}
    for request in service.requests:
        form = request.content.split(request.headers["content-type"].split("boundary=")[1].encode())
        [file] = [part for part in form if b'name="file"' in part]
        [manifest] = [part for part in form if b'name="manifest"' in part]
        assert (b"frames" in file, b"credentials" in manifest) == (True, True)
        assert b"application/c2pa" in manifest
    assert service.requests[-1].url.params["recognise"] == "true"
    service.ask("verify", media, recognise=False)
    assert b'name="manifest"' not in service.requests[-1].content
    assert service.requests[-1].url.params["recognise"] == "false"
    with pytest.raises(FileNotFoundError):
        service.ask("verify", media, tmp_path / "gone.c2pa")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("release_manifest", "/v1/releases/x_1/manifest"),
        ("verification_manifest", "/v1/verifications/x_1/manifest"),
        ("download", "/v1/releases/x_1/file"),
    ],
)
def test_credentials_alone_are_fetched_like_a_file(service: Scripted, tmp_path: Path, name: str, path: str) -> None:
    service.says(httpx.Response(200, content=b"store"))
    service.ask(name, "x_1", str(tmp_path / "a.c2pa"))
    assert service.sent == [f"GET {path}"]
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"store"]


@pytest.mark.parametrize(
    ("name", "path"),
    [("release_snippet", "/v1/releases/x_1/jsonld"), ("verification_crjson", "/v1/verifications/x_1/crjson")],
)
def test_what_is_said_of_a_file_is_an_object(service: Scripted, name: str, path: str) -> None:
    service.says(httpx.Response(200, json={"@context": "https://schema.org"}))
    assert service.ask(name, "x_1") == {"@context": "https://schema.org"}
    assert service.sent == [f"GET {path}"]


def test_a_release_says_how_it_was_made_and_is_taken_back_with_a_reason(service: Scripted) -> None:
    service.says(httpx.Response(201, json={"id": "rel_1"}))
    said = {
        "digital_source_type": "compositeWithTrainedAlgorithmicMedia",
        "ingredients": [{"relationship": "inputTo", "release_id": "rel_0"}],
    }
    service.ask("release", "chk_1", **said)
    assert json.loads(service.requests[0].content) == {"check_id": "chk_1", **said}
    service.ask("revoke_release", "rel_1", "mistake", "It is the wrong clip.")
    assert service.sent[1] == "POST /v1/releases/rel_1/revocation"
    assert json.loads(service.requests[1].content) == {"revocation": "mistake", "reason": "It is the wrong clip."}


# -- takedown --------------------------------------------------------------------------------------

ASKED = [
    ("notice_tracks", {}, "notices/tracks"),
    ("notice_letters", {"notice_id": "ntc_1"}, "notices/ntc_1/letters"),
    ("statements_of_reasons", {"notice_id": "ntc_1"}, "notices/ntc_1/statements-of-reasons"),
    ("misuse_to_consider", {}, "misuse"),
]


@pytest.mark.parametrize(("name", "said", "path"), ASKED)
def test_a_takedown_desk_is_told_in_lists(service: Scripted, name: str, said: dict[str, Any], path: str) -> None:
    service.says(httpx.Response(200, json=[{"id": "ntc_1"}]), httpx.Response(200, json={"items": []}))
    assert service.ask(name, **said) == [{"id": "ntc_1"}]
    assert service.sent == [f"GET /v1/{path}"]
    with pytest.raises(BadAnswer):
        service.ask(name, **said)


def test_notices_are_listed_as_asked_on_every_page(service: Scripted) -> None:
    more, last = (httpx.Response(200, json={"items": [], "next": after}) for after in ("ntc_9", None))
    service.says(more, last)
    service.ask("notices", state="valid", track="dsa_16")
    assert service.sent[1] == "GET /v1/notices?state=valid&track=dsa_16&cursor=ntc_9"
    service.says(last)
    service.ask("public_notices", q="night train", since="2026-01-01T00:00:00Z")
    assert service.sent[2] == "GET /v1/public/notices?q=night+train&since=2026-01-01T00%3A00%3A00Z"


@pytest.mark.parametrize(
    ("name", "said", "path"),
    [
        ("lumen_notice", ("ntc_1",), "notices/ntc_1/lumen"),
        ("public_notice", ("ntc_1",), "public/notices/ntc_1"),
        ("misuse", ("hld_1",), "holders/hld_1/misuse"),
        ("transparency", (), "public/transparency"),
        ("transparency", ("2026-01-01", "2026-06-30"), "public/transparency?since=2026-01-01&until=2026-06-30"),
    ],
)
def test_records_of_takedown_are_objects(service: Scripted, name: str, said: tuple[str, ...], path: str) -> None:
    service.says(httpx.Response(200, json={"n": 1}))
    assert service.ask(name, *said) == {"n": 1}
    assert service.sent == [f"GET /v1/{path}"]


# What is sent, and whether it is sent again where no answer came: what is set may be, a step may not.
STEPS: list[tuple[str, tuple[str, ...], dict[str, Any], str, dict[str, Any] | None]] = [
    ("confirm_notice", ("ntc_1", "c"), {}, "POST notices/ntc_1/confirmation", {"code": "c"}),
    ("complain", ("ntc_1", "No."), {}, "POST notices/ntc_1/complaint", {"reason": "No."}),
    ("act_on_notice", ("ntc_1", "retract"), {}, "POST notices/ntc_1/transitions", {"event": "retract"}),
    ("act_on_notice", ("ntc_1", "reject_abuse"), {"reason": "No.", "gravity": "grave", "intent": None},
     "POST notices/ntc_1/transitions", {"event": "reject_abuse", "reason": "No.", "gravity": "grave"}),
    ("set_notice_uploader", ("ntc_1", "Bo", "bo@b.example"), {}, "PUT notices/ntc_1/uploader",
     {"name": "Bo", "email": "bo@b.example", "language": "en"}),
    ("publish_notice", ("ntc_1",), {"terms": ["Bo"], "publish_material": False}, "PUT notices/ntc_1/publication",
     {"terms": ["Bo"], "publish_material": False}),
    ("decide_misuse", ("hld_1",), {"side": "claimant", "decision": "warn", "reason": "No."},
     "POST holders/hld_1/misuse", {"side": "claimant", "decision": "warn", "reason": "No."}),
    ("make_trusted_flagger", ("hld_1", "Awarded."), {}, "PUT holders/hld_1/trusted-flagger", {"basis": "Awarded."}),
    ("end_trusted_flagger", ("hld_1", "Over."), {}, "POST holders/hld_1/trusted-flagger/end", {"reason": "Over."}),
    ("send_letter_again", ("mal_1",), {}, "POST letters/mal_1/again", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "said", "more", "sent", "body"), STEPS)
def test_a_step_of_a_notice_is_sent_once_and_what_is_set_until_it_is_answered(
    service: Scripted, name: str, said: tuple[str, ...], more: dict[str, Any], sent: str, body: dict[str, Any] | None
) -> None:
    service.says(httpx.Response(200, json={"id": "x_1"}))
    assert service.ask(name, *said, **more) == {"id": "x_1"}
    method, path = sent.split()
    assert service.sent == [f"{method} /v1/{path}"]
    content = service.requests[0].content
    assert (json.loads(content) if content else None) == body
    service.says(httpx.Response(503), httpx.Response(200, json={"id": "x_1"}))
    if method == "PUT":
        assert service.ask(name, *said, **more) == {"id": "x_1"}
    else:
        with pytest.raises(Problem):
            service.ask(name, *said, **more)


def test_a_notice_on_paper_and_figures_as_a_table_are_files(service: Scripted, tmp_path: Path) -> None:
    service.says(httpx.Response(200, content=b"%PDF-"))
    service.ask("notice_pdf", "ntc_1", str(tmp_path / "a.pdf"))
    service.ask("transparency_csv", tmp_path / "a.csv", since="2026-01-01")
    assert service.sent == ["GET /v1/notices/ntc_1/pdf", "GET /v1/public/transparency.csv?since=2026-01-01"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.pdf": b"%PDF-", "a.csv": b"%PDF-"}


# -- the description -------------------------------------------------------------------------------


def test_the_results_have_only_what_the_specification_has() -> None:
    schemas = specification()["components"]["schemas"]
    kinds = [kind for kind in vars(results).values() if is_typeddict(kind)]
    assert len(kinds) >= 15
    for kind in kinds:
        bare = kind.__name__.removeprefix("Webhook")
        name = next(name for name in (f"{bare}Out", bare) if name in schemas)
        assert set(get_type_hints(kind)) <= set(schemas[name]["properties"]), kind.__name__


def test_releases_and_verifications_are_typed_in_full() -> None:
    schemas = specification()["components"]["schemas"]
    for kind in (results.Release, results.Verification):
        assert set(get_type_hints(kind)) == set(schemas[f"{kind.__name__}Out"]["properties"])
    said = schemas["RevocationIn"]["properties"]["revocation"]
    names = said.get("enum") or schemas[said["$ref"].rsplit("/", 1)[1]]["enum"]
    assert set(get_args(results.Revocation.__value__)) == set(names)


def test_every_call_is_explained_on_both_clients() -> None:
    for client in (Client, AsyncClient):
        assert "may go out" in str(client.gate.__doc__)
        assert "wait" in client.check.__annotations__
