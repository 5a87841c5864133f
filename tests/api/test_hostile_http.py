"""Hostile files and hostile requests: each is answered honestly, in time, and leaves nothing behind."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from fingerprinting.errors import MediaFault
from tests import hostile, media
from tests.api.conftest import HOLDER_SCOPES
from tests.api.service import PROBLEM_TYPE, RunningService, finished, ok, problem, running_service, send, until
from tests.processes import resident_mib

LONGEST_S = 90.0  # a minute of the largest pictures is read to its end, beside other tests on few cores
# Of what it keeps, 26 MiB are what it remembers of files that were verified.
MOST_KEPT_MIB, MOST_STREAMING_MIB = 85, 50
BOUNDARY = "----clearmark-test"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@contextmanager
def _harmless(service: RunningService) -> Iterator[None]:
    """What happens inside is over in time, leaves nothing, and the service still answers."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < LONGEST_S
    with service.client() as anyone:
        assert anyone.get("/healthz").status_code == 200
    # A file in hand is let go of after the answer is out; jobs in hand end soon.
    until(lambda: not service.left_behind(), timeout_s=10)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that must be as small after all attacks as it was before."""
    folder = tmp_path_factory.mktemp("target")
    with running_service(folder) as started:
        with started.client(started.key("Warm", *HOLDER_SCOPES)) as holder:
            for seed in (41, 42):  # what is loaded or made once is not a leak
                clip = media.clip_with_sound(folder / f"{seed}.mp4", seconds=4, seed=seed)
                work = ok(holder.post("/v1/works", json={"title": "Warm", "kind": "clip"}), 201)["id"]
                asset = ok(send(holder, f"/v1/works/{work}/assets", clip), 202)["id"]
                finished(holder, f"/v1/assets/{asset}")
                ok(send(holder, "/v1/checks", clip))
                ok(send(holder, "/v1/verifications", clip))
                # Drawn clips look alike: what is warm must not be found in what comes.
                assert holder.delete(f"/v1/works/{work}").is_success
        before = resident_mib(started.process.pid)
        yield started
        grown = resident_mib(started.process.pid) - before
        assert grown < MOST_KEPT_MIB, f"the service kept {grown:.0f} MiB"


@pytest.fixture(scope="module")
def holder(target: RunningService) -> Iterator[httpx.Client]:
    with target.client(target.key("Holder", *HOLDER_SCOPES)) as client:
        yield client


@pytest.fixture(scope="module")
def work(holder: httpx.Client) -> str:
    made: str = ok(holder.post("/v1/works", json={"title": "Target", "kind": "clip"}), 201)["id"]
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The whole corpus, each file in a folder of its own."""
    return {each.name: each.build(tmp_path_factory.mktemp(each.name)) for each in hostile.CORPUS}


# -- hostile files ---------------------------------------------------------------------------------


# Twenty seconds of decoding: once over HTTP is enough, and the way that is open to anyone is the one.
KEYED_CORPUS = [each for each in hostile.CORPUS if each.name != "blank_giant"]


def _fault(answer: httpx.Response) -> str:
    document: dict[str, Any] = answer.json()
    problem(answer, answer.status_code, document["type"].rpartition(":")[2])
    assert answer.status_code in (413, 415, 422)
    return str(document["fault"])


@pytest.mark.sampled
@pytest.mark.parametrize("each", KEYED_CORPUS, ids=lambda each: each.name)
def test_a_check_of_a_hostile_file_is_never_silently_clear(
    target: RunningService, holder: httpx.Client, built: dict[str, Path], each: hostile.Hostile
) -> None:
    with _harmless(target):
        answer = send(holder, "/v1/checks", built[each.name])
        if answer.status_code == 202:
            finished(holder, answer.headers["Location"], timeout_s=LONGEST_S)
            answer = holder.get(answer.headers["Location"])
        if answer.status_code != 200:
            nothing = {MediaFault.NO_CONTENT} if MediaFault.BLACK in each.faults else set()
            assert _fault(answer) in each.faults | nothing
            return
        found = answer.json()
        if each.is_fine or (each.may_pass and found["verdict"] != "unknown"):
            assert (found["verdict"], found["matches"]) == ("clear", [])
        else:
            assert found["verdict"] == "unknown", "it was not looked at, so nothing may be said of it"


@pytest.mark.sampled
@pytest.mark.parametrize("each", KEYED_CORPUS, ids=lambda each: each.name)
def test_a_hostile_file_is_registered_only_if_it_is_fine(
    target: RunningService, holder: httpx.Client, built: dict[str, Path], each: hostile.Hostile
) -> None:
    work = ok(holder.post("/v1/works", json={"title": each.name, "kind": "clip"}), 201)["id"]
    with _harmless(target):
        answer = send(holder, f"/v1/works/{work}/assets", built[each.name])
        if answer.status_code != 202:
            assert _fault(answer) in each.faults
            return
        asset = finished(holder, f"/v1/assets/{answer.json()['id']}")
        if each.is_fine:
            assert asset["status"] == "indexed", asset
        else:
            assert (asset["status"], asset["reason"] in each.faults) == ("rejected", True), asset
            assert asset["problem"]
    assert holder.delete(f"/v1/works/{work}").status_code == 204  # fine ones hold the same clip: found by none after


@pytest.mark.sampled
@pytest.mark.parametrize("each", hostile.CORPUS, ids=lambda each: each.name)
def test_a_hostile_file_is_never_verified_as_intact(
    target: RunningService, built: dict[str, Path], each: hostile.Hostile
) -> None:
    with _harmless(target), target.client() as anyone:
        answer = send(anyone, "/v1/verifications", built[each.name])
        if answer.status_code != 200:
            assert _fault(answer) in each.faults
            return
        found = answer.json()
        assert found["integrity"]["state"] in ("absent", "unreadable")
        assert found["signer"]["state"] == "none"
        if each.is_fine:
            assert found["fingerprint_problem"] is None
        elif not each.may_pass and found["fingerprint_problem"] is None:
            assert found["recovered"] == found["registry_matches"] == []


# -- hostile forms ---------------------------------------------------------------------------------


def _part(name: str, value: bytes = b"1", *, headers: str = "", file: bool = False) -> bytes:
    names = f'name="{name}"' + ('; filename="a"' if file else "")
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {names}\r\n{headers}\r\n"
    return head.encode("latin-1") + value + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
FILE = _part("file", b"media", file=True)


@pytest.mark.parametrize(
    ("content_type", "body", "status", "name"),
    [
        pytest.param("multipart/form-data", FILE + END, 415, "unsupported-media-type", id="no boundary"),
        pytest.param("multipart/form-data; boundary=", END, 415, "unsupported-media-type", id="empty boundary"),
        pytest.param(f"multipart/form-data; boundary={'x' * 300}", END, 400, "bad-form", id="endless boundary"),
        pytest.param("multipart/form-data; boundary=other", FILE + END, 400, "bad-form", id="another boundary"),
        pytest.param(FORM["Content-Type"], b"", 400, "bad-form", id="empty"),
        pytest.param(FORM["Content-Type"], FILE, 400, "bad-form", id="no end"),
        pytest.param(FORM["Content-Type"], (FILE + END)[: len(FILE) // 2], 400, "bad-form", id="cut in a header"),
        pytest.param(FORM["Content-Type"], _part("wait") + END, 400, "bad-form", id="no file"),
        pytest.param(FORM["Content-Type"], FILE + FILE + END, 400, "bad-form", id="two files"),
        pytest.param(
            FORM["Content-Type"], _part("a", headers="X-Long: " + "x" * 20_000 + "\r\n") + FILE + END,
            400, "bad-form", id="long header",
        ),
        pytest.param(
            FORM["Content-Type"], _part("a", headers="X-Many: x\r\n" * 5_000) + FILE + END,
            400, "bad-form", id="many headers",
        ),
        pytest.param(
            FORM["Content-Type"], b"".join(_part(f"f{n}") for n in range(100)) + FILE + END,
            400, "bad-form", id="many fields",
        ),
        pytest.param(
            FORM["Content-Type"], _part("same") * 100_000 + FILE + END, 400, "bad-form", id="one field, often"
        ),
        pytest.param(FORM["Content-Type"], _part("a", b"x" * 100_000) + FILE + END, 400, "bad-form", id="long field"),
        pytest.param(FORM["Content-Type"], b"\0" * 100_000, 400, "bad-form", id="zeros"),
        pytest.param("text/plain", b"media", 415, "unsupported-media-type", id="another type"),
        pytest.param("", b"media", 415, "unsupported-media-type", id="no type"),
        pytest.param("application/json", b"{", 400, "bad-json", id="half a document"),
        pytest.param("application/json", b"[" * 200_000, 400, "bad-json", id="deep document"),
        pytest.param("application/json", b"\xff\xfe", 400, "bad-json", id="no text"),
    ],
)  # fmt: skip
def test_a_malformed_body_is_a_problem(
    target: RunningService, holder: httpx.Client, work: str, content_type: str, body: bytes, status: int, name: str
) -> None:
    for path in ("/v1/checks", f"/v1/works/{work}/assets"):
        with _harmless(target):
            problem(holder.post(path, content=body, headers={"Content-Type": content_type}), status, name)


@pytest.mark.parametrize(
    ("field", "value"),
    [("wait", "soon"), ("wait", "-1"), ("wait", "nan"), ("wait", "1e9"), ("context", "{"), ("context", "[1]"),
     ("context", "[" * 30_000), ("context", '{"a": NaN}'), ("context", '{"a": 1e999}'), ("context", '{"a": "\\ud800"}'),
     ("context", json.dumps({"a": "x" * 20_000}))],
)  # fmt: skip
def test_a_field_that_cannot_be_read_is_invalid(
    target: RunningService, holder: httpx.Client, built: dict[str, Path], field: str, value: str
) -> None:
    fine = built["lying_titles"].read_bytes()
    body = _part(field, value.encode()) + _part("file", fine, file=True) + END
    with _harmless(target):
        found = problem(holder.post("/v1/checks", content=body, headers=FORM), 422, "invalid")
        assert found["field"] == field


def test_a_refused_file_is_not_kept(
    target: RunningService, holder: httpx.Client, work: str, built: dict[str, Path]
) -> None:
    def kept() -> set[str]:
        return {path.name for path in (target.data_dir / "blobs").rglob("*") if path.is_file()}

    fine = built["lying_titles"]
    asset = ok(send(holder, f"/v1/works/{work}/assets", fine), 202)["id"]
    finished(holder, f"/v1/assets/{asset}")
    before = kept()
    problem(send(holder, f"/v1/works/{work}/assets", fine), 409, "conflict")
    problem(send(holder, "/v1/checks", fine, data={"context": json.dumps({"a": "x" * 20_000})}), 422, "invalid")
    problem(send(holder, "/v1/works/wrk_0/assets", fine), 404, "not-found")
    assert kept() == before


@pytest.mark.parametrize(
    "name",
    ["../../../../tmp/clearmark-escaped", "/tmp/clearmark-escaped", "a/b.mp4", "..", "\\\\host\\share", "con.mp4",
     "a\x01b", "%2e%2e%2fescaped", "ü" * 500, "'; DROP TABLE works; --", "$(touch escaped)", "-i escaped"],
)  # fmt: skip
def test_a_file_name_never_becomes_a_path(
    target: RunningService, holder: httpx.Client, work: str, tmp_path: Path, name: str
) -> None:
    clip = media.moving_clip(tmp_path / "a.mp4", seconds=2.2, seed=sum(name.encode()) + 1000).read_bytes()
    known = {path for path in target.data_dir.parent.rglob("*") if "blobs" not in path.parts}
    with _harmless(target):
        answer = holder.post(f"/v1/works/{work}/assets", files={"file": (name, clip)})
        asset = ok(answer, 202)["id"]
        assert finished(holder, f"/v1/assets/{asset}")["status"] in ("indexed", "rejected")
    new = {path for path in target.data_dir.parent.rglob("*") if "blobs" not in path.parts} - known
    assert not {path for path in new if not path.name.startswith(("clearmark.db", "index.snapshot"))}
    assert not Path("/tmp/clearmark-escaped").exists()
    stored = [path.name for path in (target.data_dir / "blobs").rglob("*") if path.is_file()]
    assert all(set(each) <= set("abcdefghijklmnopqrstuvwxyz_0123456789") for each in stored)


# -- hostile connections ---------------------------------------------------------------------------


def _connect(target: RunningService) -> socket.socket:
    url = httpx.URL(target.url)
    assert url.port is not None
    return socket.create_connection((url.host, url.port), timeout=20)


def _head(holder: httpx.Client, path: str, *more: str) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1", "Host: clearmark", f"Authorization: {holder.headers['Authorization']}",
        f"Content-Type: {FORM['Content-Type']}", *more,
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _answer(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            break
        received += chunk
    return received


def test_a_body_shorter_than_it_said_leaves_nothing(target: RunningService, holder: httpx.Client) -> None:
    with _harmless(target):
        for _ in range(5):
            with _connect(target) as connection:
                connection.sendall(_head(holder, "/v1/checks", "Content-Length: 1000000") + FILE)
                until(lambda: list(target.staging.iterdir()), timeout_s=10)
    assert "Traceback" not in target.log.read_text(), "a client who leaves is no error of ours"


def test_a_body_longer_than_it_said_is_not_read_as_a_request(target: RunningService, holder: httpx.Client) -> None:
    body = FILE + END
    smuggled = b"DELETE /v1/works/x HTTP/1.1\r\nHost: clearmark\r\n\r\n"
    with _harmless(target), _connect(target) as connection:
        connection.sendall(_head(holder, "/v1/checks", f"Content-Length: {len(FILE) // 2}") + body + smuggled)
        assert _answer(connection).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "99999999999999999999999999", "5, 6"])
def test_a_content_length_that_is_none_is_refused(target: RunningService, holder: httpx.Client, length: str) -> None:
    with _harmless(target), _connect(target) as connection:
        connection.sendall(_head(holder, "/v1/checks", f"Content-Length: {length}"))
        assert _answer(connection).split(b" ")[1] in (b"400", b"413", b"507")


def test_credentials_beside_a_file_are_bounded_and_only_where_they_are_read(
    target: RunningService, holder: httpx.Client
) -> None:
    def sent(path: str, *parts: bytes) -> httpx.Response:
        named = [("manifest", ("a.c2pa", part)) for part in parts]
        return holder.post(path, files=[("file", ("a.mp4", FILE)), *named])

    with _harmless(target):
        problem(sent("/v1/verifications", bytes((16 << 20) + 1)), 413, "too-large")
        problem(sent("/v1/verifications", b"one", b"two"), 400, "bad-form")
        problem(sent("/v1/checks", bytes(1 << 20)), 400, "bad-form")


def test_a_slow_client_holds_up_nobody_else(target: RunningService, holder: httpx.Client) -> None:
    with _harmless(target):
        slow = [_connect(target) for _ in range(60)]
        try:
            for connection in slow:
                connection.sendall(_head(holder, "/v1/checks", "Transfer-Encoding: chunked"))
            for byte in FILE[:5]:
                for connection in slow:
                    connection.sendall(b"1\r\n%c\r\n" % byte)
            began = time.monotonic()
            ok(holder.get("/v1/works"))
            assert time.monotonic() - began < 5
        finally:
            for connection in slow:
                connection.close()


def test_a_request_cut_off_in_a_chunk_leaves_nothing(target: RunningService, holder: httpx.Client) -> None:
    with _harmless(target), _connect(target) as connection:
        connection.sendall(_head(holder, "/v1/checks", "Transfer-Encoding: chunked"))
        connection.sendall(b"%x\r\n" % len(FILE) + FILE + b"\r\n" + b"ffff\r\nabc")
        until(lambda: list(target.staging.iterdir()), timeout_s=10)


def test_headers_without_end_are_refused(target: RunningService) -> None:
    with _harmless(target), _connect(target) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 200_000)
        assert _answer(connection).split(b" ")[1] in (b"400", b"431")


# -- too much --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that takes little."""
    with running_service(tmp_path_factory.mktemp("small"), max_upload_bytes=150_000, max_media_s=5) as started:
        yield started


def test_what_is_larger_than_allowed_is_refused(small: RunningService, tmp_path: Path) -> None:
    noise = media.filtered(tmp_path / "noise.mp4", "nullsrc=s=160x120:r=25,geq=random(1)*255:128:128", seconds=3)
    assert noise.stat().st_size > 300_000
    long = media.filtered(tmp_path / "long.mp4", "testsrc=s=64x48:r=5", seconds=8)
    assert long.stat().st_size < 150_000
    fine = media.moving_clip(tmp_path / "fine.mp4", seconds=2.2, seed=43)
    body = _part("file", noise.read_bytes(), file=True) + END

    def chunks() -> Iterator[bytes]:
        yield from (body[start : start + 10_000] for start in range(0, len(body), 10_000))

    with small.client(small.key("Holder", *HOLDER_SCOPES)) as holder:
        work = ok(holder.post("/v1/works", json={"title": "Small", "kind": "clip"}), 201)["id"]
        for path in ("/v1/checks", f"/v1/works/{work}/assets", "/v1/verifications"):
            with _harmless(small):
                problem(send(holder, path, noise), 413, "too-large")
                problem(holder.post(path, content=chunks(), headers=FORM), 413, "too-large")
        for path in ("/v1/checks", f"/v1/works/{work}/assets"):
            problem(send(holder, path, long), 413, "media-too-long")
        assert ok(send(holder, "/v1/checks", fine))["verdict"] == "clear"
    assert not list((small.data_dir / "blobs").rglob("asset_*"))


class _Peak:
    """The most memory that a service held while the block ran, above what it held before, in MiB."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._before = self._most = resident_mib(service.process.pid)

    @property
    def grown_mib(self) -> float:
        return self._most - self._before

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self._most = max(self._most, resident_mib(self._service.process.pid))

    def __enter__(self) -> "_Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _stream(head: bytes, mib: int, tail: bytes) -> Iterator[bytes]:
    yield head
    block = bytes(1 << 20)
    for _ in range(mib):
        yield block
    yield tail


def test_a_large_upload_is_streamed(target: RunningService, holder: httpx.Client) -> None:
    head = _part("file", file=True).rpartition(b"1\r\n")[0]
    with _harmless(target), _Peak(target) as peak:
        answer = holder.post("/v1/checks", content=_stream(head, 300, b"\r\n" + END), headers=FORM)
        assert _fault(answer) == "unreadable"
    assert peak.grown_mib < MOST_STREAMING_MIB


@pytest.mark.parametrize("keyed", [True, False], ids=["with a key", "without a key"])
@pytest.mark.parametrize("path", ["/v1/works", "/v1/checks", "/v1/preferences/query", "/v1/verifications"])
def test_a_large_document_is_not_held_in_memory(
    target: RunningService, holder: httpx.Client, path: str, keyed: bool
) -> None:
    with _harmless(target), target.client() as anyone, _Peak(target) as peak:
        headers = {"Content-Type": "application/json"}
        body = _stream(b'{"title": "', 200, b'"}')
        try:
            answer = (holder if keyed else anyone).post(path, content=body, headers=headers)
        except httpx.WriteError:
            answer = None  # it did not even listen to the end
        if answer is not None:
            assert answer.status_code in (401, 413, 415)
            assert answer.headers["content-type"] == PROBLEM_TYPE
    assert peak.grown_mib < 2 * MOST_STREAMING_MIB
