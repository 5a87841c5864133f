"""Resumable uploads as programs and pages send them: by the protocol's own words, and by a client that others wrote."""

import base64
import hashlib
import os
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from tusclient.client import TusClient

from tests import media
from tests.api.conftest import HOLDER_SCOPES, Clips, Registered
from tests.api.service import RunningService, end, finished, ok, problem, start_service, until

SPOKEN = {"Tus-Resumable": "1.0.0"}
PIECE = {**SPOKEN, "Content-Type": "application/offset+octet-stream"}


def _named(name: str) -> dict[str, str]:
    return {"Upload-Metadata": f"filename {base64.b64encode(name.encode()).decode()}"}


def _begun(client: httpx.Client, size: int, path: str = "/v1/uploads", **headers: str) -> str:
    answer = client.post(path, headers={**SPOKEN, "Upload-Length": str(size), **headers})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    return str(answer.headers["Location"])


def _piece(client: httpx.Client, url: str, offset: int, content: bytes | Iterator[bytes]) -> httpx.Response:
    return client.patch(url, content=content, headers={**PIECE, "Upload-Offset": str(offset)})


def _offset(client: httpx.Client, url: str) -> int:
    answer = client.head(url, headers=SPOKEN)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


def _sent(client: httpx.Client, content: bytes, *, piece_bytes: int = 1 << 20, **headers: str) -> str:
    """A whole upload; returns its id."""
    url = _begun(client, len(content), **headers)
    for offset in range(0, len(content), piece_bytes):
        answer = _piece(client, url, offset, content[offset : offset + piece_bytes])
        assert answer.status_code == 204
    return url.rpartition("/")[2]


def _is_left(service: RunningService, upload: str) -> bool:
    return any(upload.removeprefix("upl_") in path.name for path in service.staging.iterdir())


def test_what_can_be_done_is_told_to_anyone(anyone: httpx.Client) -> None:
    answer = anyone.options("/v1/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == answer.headers["Tus-Resumable"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,termination,expiration"
    assert answer.headers["Tus-Max-Size"] == str(8 << 30)


def test_a_file_goes_in_pieces_and_is_used_as_if_it_came_at_once(
    service: RunningService, studio: httpx.Client, clips: Clips, film: Registered
) -> None:
    content = clips.cut.read_bytes()
    upload = _sent(studio, content, piece_bytes=len(content) // 3, **_named("cut.mp4"))
    check = ok(studio.post("/v1/checks", data={"upload": upload}))
    assert check["sha256"] == hashlib.sha256(content).hexdigest()
    assert {match["work_id"] for match in check["matches"]} == {film.work_id}
    until(lambda: not _is_left(service, upload))
    problem(studio.post("/v1/checks", data={"upload": upload}), 404, "not-found")


def test_how_it_stands_is_told(studio: httpx.Client) -> None:
    said = _named("Überfahrt.mp4")
    url = _begun(studio, 10, **said)
    assert url.startswith("/v1/uploads/upl_")
    sent = _piece(studio, url, 0, b"0123")
    told = studio.head(url, headers=SPOKEN)
    assert told.status_code == 200
    assert sent.headers["Upload-Offset"] == told.headers["Upload-Offset"] == "4"
    assert told.headers["Upload-Length"] == "10"
    assert told.headers["Upload-Metadata"] == said["Upload-Metadata"]
    assert told.headers["Cache-Control"] == "no-store"
    assert sent.headers["Upload-Expires"].endswith(" GMT")
    assert studio.delete(url, headers=SPOKEN).status_code == 204
    assert studio.head(url, headers=SPOKEN).status_code == 404


def test_every_place_that_takes_a_file_takes_an_upload(
    studio: httpx.Client, operator: httpx.Client, tmp_path: Path
) -> None:
    # Of its own: what lies in the bank of free material counts for nobody's checks any more.
    clip = media.clip_with_sound(tmp_path / "reel.mp4", seconds=6, seed=4713).read_bytes()
    work = ok(studio.post("/v1/works", json={"title": "In pieces", "kind": "clip"}), 201)
    asset = ok(
        studio.post(f"/v1/works/{work['id']}/assets", data={"upload": _sent(studio, clip), "label": "reel"}), 202
    )
    assert asset["label"] == "reel"
    assert finished(studio, f"/v1/assets/{asset['id']}")["status"] == "indexed"
    catalogue = _sent(studio, b"title,kind\nOne more,clip\n")
    ok(studio.post("/v1/imports", data={"upload": catalogue, "dry_run": "true"}), 202)
    headers = {"kind": "headers", "location": "studio.example", "dry_run": "true"}
    ok(studio.post("/v1/reservations/import", data={**headers, "upload": _sent(studio, b"tdm-reservation: 1\n")}))
    verified = ok(studio.post("/v1/verifications", data={"upload": _sent(studio, clip)}))
    assert verified["sha256"] == hashlib.sha256(clip).hexdigest()
    ok(operator.post("/v1/negatives", data={"title": "Ident", "upload": _sent(operator, clip)}), 202)


def test_the_field_for_a_file_may_be_left_blank_beside_it(studio: httpx.Client, clips: Clips) -> None:
    form = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n'
        b'--x\r\nContent-Disposition: form-data; name="upload"\r\n\r\n%s\r\n--x--\r\n'
    )
    upload, kind = _sent(studio, clips.unrelated.read_bytes()), {"Content-Type": "multipart/form-data; boundary=x"}
    both = {"file": ("clip.mp4", b"more")}
    problem(studio.post("/v1/checks", files=both, data={"upload": upload}), 400, "bad-form")
    ok(studio.post("/v1/checks", content=form % upload.encode(), headers=kind))
    problem(studio.post("/v1/checks", content=form % b"", headers=kind), 422, "media-empty")
    problem(studio.post("/v1/checks", data={"wait": "1"}), 400, "bad-form")


def test_what_failed_for_something_else_is_not_sent_twice(studio: httpx.Client, clips: Clips) -> None:
    upload = _sent(studio, clips.unrelated.read_bytes())
    problem(studio.post("/v1/checks", data={"upload": upload, "wait": "never"}), 422, "invalid")
    problem(studio.post("/v1/works/wrk_0/assets", data={"upload": upload}), 404, "not-found")
    assert ok(studio.post("/v1/checks", data={"upload": upload}))["verdict"] == "clear"


def test_what_is_no_media_is_not_kept(service: RunningService, studio: httpx.Client) -> None:
    upload = _sent(studio, os.urandom(1000))
    assert studio.post("/v1/checks", data={"upload": upload}).status_code == 422
    until(lambda: not _is_left(service, upload))


def test_an_unfinished_one_says_how_much_is_missing(studio: httpx.Client) -> None:
    url = _begun(studio, 10)
    _piece(studio, url, 0, b"0123")
    said = problem(studio.post("/v1/checks", data={"upload": url.rpartition("/")[2]}), 409, "upload-unfinished")
    assert said["missing_bytes"] == 6
    studio.delete(url, headers=SPOKEN)


def test_nobody_else_sees_adds_to_ends_or_uses_it(
    service: RunningService, studio: httpx.Client, stranger: httpx.Client, operator: httpx.Client, anyone: httpx.Client
) -> None:
    url = _begun(studio, 4)
    upload = url.rpartition("/")[2]
    _piece(studio, url, 0, b"0123")
    for other in (stranger, operator):
        assert other.head(url, headers=SPOKEN).status_code == 404
        said = problem(_piece(other, url, 4, b""), 404, "not-found")
        assert said["detail"] == f"There is no upload {upload}."
        problem(other.delete(url, headers=SPOKEN), 404, "not-found")
        problem(other.post("/v1/checks", data={"upload": upload}), 404, "not-found")
    for asked in (anyone.delete(url, headers=SPOKEN), anyone.post("/v1/verifications", data={"upload": upload})):
        problem(asked, 401, "unauthorized")
    with service.client(service.key("Studio", "notices:write")) as colleague:
        assert _offset(colleague, url) == 4
    studio.delete(url, headers=SPOKEN)


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0.0, 0.2.2"])
def test_another_version_is_refused(studio: httpx.Client, version: str | None) -> None:
    headers = {"Upload-Length": "1", **({"Tus-Resumable": version} if version else {})}
    refused = studio.post("/v1/uploads", headers=headers)
    problem(refused, 412, "tus-version")
    assert refused.headers["Tus-Version"] == refused.headers["Tus-Resumable"] == "1.0.0"


def test_what_does_not_fit_is_refused_and_changes_nothing(studio: httpx.Client) -> None:
    url = _begun(studio, 10)
    _piece(studio, url, 0, b"0123")
    assert problem(_piece(studio, url, 3, b"3"), 409, "wrong-offset")["offset"] == 4
    problem(_piece(studio, url, 5, b"5"), 409, "wrong-offset")
    problem(_piece(studio, url, 4, b"4567890"), 413, "too-large")
    problem(_piece(studio, url, 4, iter([b"45678", b"90"])), 413, "too-large")
    if (offset := _offset(studio, url)) == 4:  # what came before it was too much is kept, if it came by itself
        offset = int(_piece(studio, url, 4, b"45678").headers["Upload-Offset"])
    assert offset == 9
    headers = {**SPOKEN, "Upload-Offset": "9"}
    problem(studio.patch(url, content=b"9", headers=headers), 415, "unsupported-media-type")
    problem(studio.patch(url, content=b"9", headers=PIECE), 422, "invalid")
    problem(studio.patch(url, content=b"9", headers={**PIECE, "Upload-Offset": "-1"}), 422, "invalid")
    assert _piece(studio, url, 9, b"9").status_code == 204
    assert _piece(studio, url, 10, b"").status_code == 204
    problem(_piece(studio, url, 10, b"x"), 413, "too-large")
    studio.delete(url, headers=SPOKEN)


@pytest.mark.parametrize(
    ("said", "status", "kind"),
    [
        ({}, 422, "invalid"),
        ({"Upload-Length": "-1"}, 422, "invalid"),
        ({"Upload-Length": "many"}, 422, "invalid"),
        ({"Upload-Defer-Length": "1"}, 422, "invalid"),
        ({"Upload-Length": str((8 << 30) + 1)}, 413, "too-large"),
        ({"Upload-Length": "9" * 400}, 413, "too-large"),
        ({"Upload-Length": "1", "Upload-Metadata": "filename ???"}, 400, "bad-request"),
        ({"Upload-Length": "1", "Upload-Metadata": "filename " + "A" * 5000}, 400, "bad-request"),
    ],
)
def test_what_cannot_be_begun_is_refused(studio: httpx.Client, said: dict[str, str], status: int, kind: str) -> None:
    problem(studio.post("/v1/uploads", headers={**SPOKEN, **said}), status, kind)


@pytest.mark.parametrize("hostile", ["..", "%2e%2e", "..%2f..%2fclearmark.db", "upl_%2e%2e", "upl_" + "0" * 32, "%FF"])
def test_what_is_no_upload_leads_nowhere(studio: httpx.Client, hostile: str) -> None:
    for method in ("HEAD", "PATCH", "DELETE"):
        headers = {**PIECE, "Upload-Offset": "0"}
        assert studio.request(method, f"/v1/uploads/{hostile}", headers=headers).status_code in (404, 405)
    problem(studio.post("/v1/checks", data={"upload": hostile}), 404, "not-found")


def _half_sent(service: RunningService, client: httpx.Client, url: str, offset: int, content: bytes) -> socket.socket:
    """A connection that said to send much more than it does."""
    host, port = service.url.removeprefix("http://").split(":")
    opened = socket.create_connection((host, int(port)))
    said = {**PIECE, "Host": host, "Authorization": client.headers["Authorization"], "Upload-Offset": offset}
    head = "".join(f"{name}: {value}\r\n" for name, value in {**said, "Content-Length": 1 << 20}.items())
    opened.sendall(f"PATCH {url} HTTP/1.1\r\n{head}\r\n".encode() + content)
    return opened


def _holding(service: RunningService, client: httpx.Client, url: str, offset: int, content: bytes) -> socket.socket:
    """Such a connection, once it has the upload. Who looks may have had it first: then it is sent anew."""
    opened = _half_sent(service, client, url, offset, content)
    deadline = time.monotonic() + 60
    while _piece(client, url, 1 << 40, b"").status_code != 423:
        assert time.monotonic() < deadline, "nobody has it"
        is_answered, _, _ = select.select([opened], [], [], 0.05)
        if is_answered:
            opened.close()
            opened = _half_sent(service, client, url, offset, content)
    return opened


def test_what_came_before_a_connection_broke_is_kept(service: RunningService, studio: httpx.Client) -> None:
    content = os.urandom(2 << 20)
    url, offset = _begun(studio, len(content)), 0
    for more in (1, 0, 4095, 65_536, 300_001):
        connection = _holding(service, studio, url, offset, content[offset : offset + more])
        connection.close()
        offset += more
        until(lambda at=offset: _offset(studio, url) == at)  # type: ignore[misc]
    until(lambda: _piece(studio, url, offset, content[offset : offset + (1 << 20)]).status_code == 204)
    offset = _offset(studio, url)
    _piece(studio, url, offset, content[offset:])
    [stored] = service.staging.rglob(url.rpartition("upl_")[2])
    assert stored.read_bytes() == content
    studio.delete(url, headers=SPOKEN)


def test_while_one_sends_nobody_else_does(service: RunningService, studio: httpx.Client) -> None:
    url = _begun(studio, 2 << 20)
    with _holding(service, studio, url, 0, b"a"):
        problem(_piece(studio, url, 0, b"b"), 423, "locked")
        problem(studio.delete(url, headers=SPOKEN), 423, "locked")
        problem(studio.post("/v1/checks", data={"upload": url.rpartition("/")[2]}), 423, "locked")
    until(lambda: _offset(studio, url) == 1)
    until(lambda: studio.delete(url, headers=SPOKEN).status_code == 204)


def test_of_many_who_send_the_same_piece_one_does(service: RunningService, studio: httpx.Client) -> None:
    url, content, answers = _begun(studio, 4 << 20), os.urandom(1 << 20), []

    def send() -> None:
        with service.client(studio.headers["Authorization"].removeprefix("Bearer ")) as client:
            answers.append(_piece(client, url, 0, content).status_code)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers)[0] == 204
    assert set(answers[1:]) | {204} <= {204, 409, 423}
    assert answers.count(204) == 1
    assert _offset(studio, url) == len(content)
    studio.delete(url, headers=SPOKEN)


def test_a_service_that_was_killed_goes_on_where_it_was(tmp_path: Path, clips: Clips) -> None:
    content = clips.film.read_bytes()
    service = start_service(tmp_path / "var", tmp_path / "stderr", sscd_model="none")
    try:
        key = service.key("Studio", *HOLDER_SCOPES)
        with service.client(key) as client:
            url = _begun(client, len(content))
            assert _piece(client, url, 0, content[:10_000]).status_code == 204
            with _half_sent(service, client, url, 10_000, content[10_000:20_000]):
                service.kill()
        end(service.process)
        service = start_service(tmp_path / "var", tmp_path / "stderr", sscd_model="none")
        with service.client(key) as client:
            offset = _offset(client, url)
            assert 10_000 <= offset <= 20_000
            assert _piece(client, url, offset, content[offset:]).status_code == 204
            check = ok(client.post("/v1/checks", data={"upload": url.rpartition("/")[2]}))
        assert check["sha256"] == hashlib.sha256(content).hexdigest()
    finally:
        end(service.process)


def test_of_many_that_are_begun_most_are_refused(service: RunningService) -> None:
    with service.client(service.key("Hoarder", "checks:write")) as client:
        headers = {**SPOKEN, "Upload-Length": "10"}
        answers = [client.post("/v1/uploads", headers=headers).status_code for _ in range(200)]
        assert answers == [201] * 20 + [507] * 180
        problem(client.post("/v1/uploads", headers=headers), 507, "no-space")


@pytest.mark.parametrize("piece_bytes", [10_000, 1 << 22])
def test_a_client_that_others_wrote_sends_a_file(
    service: RunningService, studio: httpx.Client, clips: Clips, piece_bytes: int
) -> None:
    client = TusClient(f"{service.url}/v1/uploads", headers={"Authorization": studio.headers["Authorization"]})
    with clips.film.open("rb") as file:
        uploader = client.uploader(file_stream=file, chunk_size=piece_bytes, metadata={"filename": "film.mp4"})
        uploader.upload(stop_at=10_000)
        again = client.uploader(file_stream=file, url=uploader.url, chunk_size=piece_bytes)
        assert again.offset == 10_000
        again.upload()
    upload = str(again.url).rpartition("/")[2]
    verified = ok(studio.post("/v1/verifications", params={"recognise": False}, data={"upload": upload}))
    assert verified["sha256"] == hashlib.sha256(clips.film.read_bytes()).hexdigest()


# -- from pages --------------------------------------------------------------------------------------------------------


def _visitor(service: RunningService) -> tuple[httpx.Client, dict[str, str]]:
    """A browser that was here, and what its scripts send."""
    client = service.client()
    [token] = set(re.findall(r'name="token" value="(\w+)"', client.get("/sign-in").text))
    return client, {**PIECE, "X-Clearmark-Token": token}


def test_a_page_sends_what_is_its_browsers_alone(service: RunningService, studio: httpx.Client) -> None:
    (one, ours), (other, theirs) = _visitor(service), _visitor(service)
    with closing(one), closing(other):
        url = _begun(one, 4, "/uploads", **ours)
        assert url.startswith("/uploads/upl_")
        assert one.patch(url, content=b"0123", headers={**ours, "Upload-Offset": "0"}).status_code == 204
        assert one.head(url, headers=ours).headers["Upload-Offset"] == "4"
        problem(other.patch(url, headers={**theirs, "Upload-Offset": "4"}), 404, "not-found")
        assert other.head(url, headers=theirs).status_code == 404
        assert studio.head(f"/v1{url}", headers=SPOKEN).status_code == 404
        problem(studio.post("/v1/checks", data={"upload": url.rpartition("/")[2]}), 404, "not-found")
        assert one.delete(url, headers=ours).status_code == 204


def test_without_the_token_of_a_form_a_page_sends_nothing(service: RunningService) -> None:
    (one, ours), (other, theirs) = _visitor(service), _visitor(service)
    with closing(one), closing(other):
        for token in ("", "x", "ü", theirs["X-Clearmark-Token"]):
            said = httpx.Headers({**ours, "X-Clearmark-Token": token, "Upload-Length": "1"}, encoding="utf-8")
            problem(one.post("/uploads", headers=said), 403, "stale-form")
        headers = {**ours, "Upload-Length": "1", "Sec-Fetch-Site": "cross-site"}
        assert one.post("/uploads", headers=headers).status_code == 403
        problem(one.post("/uploads", headers={**ours, "Upload-Length": "1", "Tus-Resumable": "2"}), 412, "tus-version")
