"""Resolvers of anybody's making are asked, and their answers taken with care: a real server on loopback plays them."""

import base64
import gzip
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from clearmark.client import (
    BadAnswer,
    CannotFingerprint,
    ClearmarkError,
    Misconfigured,
    Problem,
    Resolver,
    Retries,
    Unreachable,
    Unsupported,
)
from clearmark.client import local as local_fingerprint
from clearmark.client import resolver as module
from clearmark.client.resolver import ISCC, Match
from fingerprinting.iscc import ALGORITHM
from tests import media

STORE = b"\x00\x00\x00\x20jumb\x00\x00\x00\x18jumdc2pa" + bytes(12)
WELL_KNOWN = "/.well-known/c2pa-soft-binding-resolution"
CAN = {"c2paSpecificationVersion": "2.4.0", "supportedCapabilities": ["queryByContent", "sing"]}
ONE = {"matches": [{"manifestId": "urn:c2pa:1", "similarityScore": 90}]}
OF_ISCC = {"fingerprints": [{"alg": ISCC}], "watermarks": []}


@dataclass(frozen=True, slots=True)
class Says:
    """What is answered; a body without an end is sent in chunks, until whoever asked hangs up."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class FakeResolver:
    """A server with the answers of a test; what it was not told of is not there."""

    url: str = ""
    answers: dict[str, Says | Callable[[Asked], Says]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def says(self, method: str, path: str, body: Any = b"", status: int = 200, **headers: str) -> None:
        self.answers[f"{method} {path}"] = Says(body, status, {k.replace("_", "-"): v for k, v in headers.items()})

    @property
    def sent(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    def answer(self, asked: Asked) -> Says:
        self.asked.append(asked)
        said = self.answers.get(f"{asked.method} {asked.path}", Says(b"nothing here", 404))
        return said(asked) if callable(said) else said


def _serve(fake: FakeResolver) -> Iterator[FakeResolver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._do()

        def do_POST(self) -> None:
            self._do()

        def _do(self) -> None:
            at = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = {name: values[0] for name, values in parse_qs(at.query).items()}
            said = fake.answer(
                Asked(method=self.command, path=at.path, query=query, headers=headers, body=body)
            )  # fmt: skip
            with suppress(OSError):  # who asked may have hung up
                self._say(said)

        def _say(self, said: Says) -> None:
            content = json.dumps(said.body).encode() if isinstance(said.body, dict | list) else said.body
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if isinstance(content, bytes):
                if "content-length" not in said.headers:
                    self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in content:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def fake() -> Iterator[FakeResolver]:
    yield from _serve(FakeResolver())


@pytest.fixture
def other() -> Iterator[FakeResolver]:
    """Another host, which nobody should be led to."""
    yield from _serve(FakeResolver())


@pytest.fixture
def api(fake: FakeResolver) -> Iterator[Resolver]:
    """The client of the fake's API, which never waits."""
    with Resolver(f"{fake.url}/v1", retries=_AT_ONCE) as resolver:
        yield resolver


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypisom" + b"frames" * 50_000)
    return path


_AT_ONCE = Retries(first_s=0.0)


def _endless(piece: bytes) -> Iterable[bytes]:
    return itertools.repeat(piece)


# -- where it is -----------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["/sbr/v1", "{url}/sbr/v1", "sbr/v1/", "/sbr/v1/"])
def test_an_origin_is_asked_where_its_api_is(fake: FakeResolver, named: str) -> None:
    fake.says("GET", WELL_KNOWN, {"apiEndpoint": named.format(url=fake.url), "c2paSpecificationVersion": "2.4.0"})
    fake.says("GET", "/sbr/v1/services/capabilities", CAN)
    with Resolver(fake.url + "/") as resolver:
        for _ in range(2):
            said = resolver.capabilities()
    assert said is not None
    assert said.names == {"queryByContent", "sing"}
    assert said.version == "2.4.0"
    assert fake.sent.count(f"GET {WELL_KNOWN}") == 1


def test_an_address_of_an_api_is_taken_as_it_is(fake: FakeResolver, api: Resolver) -> None:
    fake.says("GET", "/v1/services/supportedAlgorithms", OF_ISCC)
    assert ISCC in api.algorithms()
    assert fake.sent == ["GET /v1/services/supportedAlgorithms"]


def test_an_origin_that_says_nothing_is_the_api(fake: FakeResolver) -> None:
    fake.says("GET", "/matches/byBinding", ONE)
    with Resolver(fake.url) as resolver:
        assert resolver.by_binding("a", b"b") == [Match(manifest_id="urn:c2pa:1", similarity=90.0)]


def test_capabilities_are_where_the_origin_says(fake: FakeResolver) -> None:
    fake.says("GET", WELL_KNOWN, {"apiEndpoint": "/v1", "capabilitiesEndpoint": "/can"})
    fake.says("GET", "/can", {"supportedCapabilities": []})
    with Resolver(fake.url) as resolver:
        said = resolver.capabilities()
    assert said is not None
    assert (said.names, said.version) == (frozenset(), None)


def test_who_does_not_say_what_it_can_is_unknown(api: Resolver) -> None:
    assert api.capabilities() is None


_FOREIGN = [
    "file:///etc/passwd", "ftp://127.0.0.1/v1", "http://elsewhere.example/v1", "//elsewhere.example/v1", "data:,x",
    "https://user:secret@elsewhere.example/v1", "https://", "https://a.example:99999/", "https://a.example:0/",
    "https://[::1", "https://elsewhere.example/v1?to=1", "https://elsewhere.example/#a", "https://\ud800/",
    "https://elsewhere.example/\ud800", "https://" + "a" * 64 + ".example/", "http://127.0.0.1:1/v1", "\x00",
    "https://elsewhere.example/" + "a" * 3000, "gopher:x", "https://xn--a/v1", "https://xn--/", "https://xn--a.example/",
]  # fmt: skip


@pytest.mark.parametrize("named", _FOREIGN, ids=lambda named: ascii(named)[:40])
def test_addresses_are_followed_by_https_or_at_home_alone(fake: FakeResolver, named: str) -> None:
    fake.says("GET", WELL_KNOWN, {"apiEndpoint": named})
    with Resolver(fake.url) as resolver, pytest.raises(BadAnswer, match=r"not followed|control characters"):
        resolver.algorithms()
    with Resolver(f"{fake.url}/v1") as resolver, pytest.raises(BadAnswer, match="not followed"):
        resolver.manifest(Match(manifest_id="urn:c2pa:1", endpoint=named))
    assert fake.sent == [f"GET {WELL_KNOWN}"]


@pytest.mark.parametrize("said", [{}, {"apiEndpoint": None}, {"apiEndpoint": 7}, {"apiEndpoint": ""}, [], b"<html>"])
def test_a_discovery_document_that_says_nothing_usable_is_told(fake: FakeResolver, said: object) -> None:
    fake.says("GET", WELL_KNOWN, said)
    with Resolver(fake.url) as resolver, pytest.raises(BadAnswer, match=r"API|apiEndpoint"):
        resolver.algorithms()


@pytest.mark.parametrize(
    "url", ["", "resolver.example", "ftp://a.example", "http://a@b.example", "http://a.example/?x", "https://xn--a"]
)
def test_an_address_that_is_none_is_told_at_once(url: str) -> None:
    with pytest.raises(Misconfigured):
        Resolver(url)


# -- who asks --------------------------------------------------------------------------------------


def test_a_token_goes_to_the_api_and_nowhere_else(fake: FakeResolver) -> None:
    seen: dict[str, str | None] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        seen[str(request.url)] = request.headers.get("authorization")
        if request.url.path == WELL_KNOWN:
            return httpx.Response(200, json={"apiEndpoint": "/v1"})
        return httpx.Response(200, content=STORE)

    with Resolver("https://a.example", "t0ken", transport=httpx.MockTransport(answer)) as resolver:
        resolver.manifest(Match(manifest_id="m"))
        resolver.manifest(Match(manifest_id="m", endpoint="https://b.example/v1"))
    assert seen == {
        f"https://a.example{WELL_KNOWN}": None,
        "https://a.example/v1/manifests/m": "Bearer t0ken",
        "https://b.example/v1/manifests/m": None,
    }
    fake.says("GET", "/v1/manifests/m", b"no", 401)
    with Resolver(f"{fake.url}/v1") as resolver, pytest.raises(Problem, match="token"):
        resolver.manifest(Match(manifest_id="m"))
    with pytest.raises(Misconfigured):
        Resolver("https://a.example", "t\r\nX: 1")


# -- by a binding ----------------------------------------------------------------------------------


def test_a_value_travels_as_base64(fake: FakeResolver, api: Resolver) -> None:
    value = bytes(range(256))[-64:]
    fake.says("GET", "/v1/matches/byBinding", ONE)
    assert [match.manifest_id for match in api.by_binding(ISCC, value, max_results=3)] == ["urn:c2pa:1"]
    [asked] = fake.asked
    assert asked.query == {"alg": ISCC, "value": base64.b64encode(value).decode(), "maxResults": "3"}
    assert "+" in asked.query["value"]
    assert asked.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(("size", "sent"), [(10, ["GET", "POST"]), (5000, ["POST"])])
def test_a_value_too_long_for_an_address_goes_into_the_body(
    fake: FakeResolver, api: Resolver, size: int, sent: list[str]
) -> None:
    fake.says("GET", "/v1/matches/byBinding", b"", 414)
    fake.says("POST", "/v1/matches/byBinding", ONE)
    assert len(api.by_binding("a", bytes(size))) == 1
    assert [asked.method for asked in fake.asked] == sent
    assert fake.asked[-1].query == {"maxResults": "10"}
    assert json.loads(fake.asked[-1].body) == {"alg": "a", "value": base64.b64encode(bytes(size)).decode()}


def test_the_best_come_first_and_no_more_than_asked_for(fake: FakeResolver, api: Resolver) -> None:
    scores = {"silent": None, "weak": 1, "half": 50.5, "strong": 100, "also": 50.5, "none": 0}
    matches = [{"manifestId": name, "similarityScore": score, "more": 1} for name, score in scores.items()]
    fake.says("GET", "/v1/matches/byBinding", {"matches": [*matches, *matches]})
    best = ["strong", "half", "also", "weak", "none", "silent"]
    assert [match.manifest_id for match in api.by_binding("a", b"b")] == best
    assert [match.manifest_id for match in api.by_binding("a", b"b", max_results=2)] == best[:2]
    with pytest.raises(ValueError, match="at least 1"):
        api.by_binding("a", b"b", max_results=0)
    fake.says("GET", "/v1/matches/byBinding", {})
    assert api.by_binding("a", b"b") == []


# -- by content ------------------------------------------------------------------------------------


def test_a_file_is_the_body_itself(fake: FakeResolver, api: Resolver, clip: Path) -> None:
    fake.says("POST", "/v1/matches/byContent", ONE)
    assert len(api.by_content(clip, "org.example", max_results=2)) == 1
    [asked] = fake.asked
    assert asked.body == clip.read_bytes()
    assert (asked.headers["content-type"], asked.query) == ("video/mp4", {"maxResults": "2", "alg": "org.example"})
    with pytest.raises(FileNotFoundError):
        api.by_content(clip.with_name("gone.mp4"))


def test_a_file_is_sent_anew_to_who_was_busy(fake: FakeResolver, api: Resolver, clip: Path) -> None:
    statuses = iter([503, 502, 504, 200])
    fake.answers["POST /v1/matches/byContent"] = lambda _: Says(ONE, next(statuses))
    assert len(api.by_content(clip)) == 1
    assert [asked.body == clip.read_bytes() for asked in fake.asked] == [True] * 4


@pytest.mark.parametrize(
    ("name", "head", "media_type"),
    [
        ("a.bin", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.jpg", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("a.mp4", b"\x00\x00\x00\x18ftypqt  ", "video/quicktime"),
        ("a.m4a", b"\x00\x00\x00\x18ftypM4A ", "audio/mp4"),
        ("a", b"RIFF\x00\x00\x00\x00WAVE", "audio/wav"),
        ("a.riff", b"RIFF\x00\x00\x00\x00ABCD", "application/octet-stream"),
        ("a", b"\x1a\x45\xdf\xa3....webm", "video/webm"),
        ("a.ogv", b"OggS", "video/ogg"),
        ("a.ogg", b"OggS", "audio/ogg"),
        ("a.mp3", b"\xff\xfb\x90", "audio/mpeg"),
        ("a.html", b"<html>", "application/octet-stream"),
        ("a", b"", "application/octet-stream"),
    ],
)
def test_a_file_is_called_what_it_is(
    fake: FakeResolver, api: Resolver, tmp_path: Path, name: str, head: bytes, media_type: str
) -> None:
    fake.says("POST", "/v1/matches/byContent", ONE)
    path = tmp_path / name
    path.write_bytes(head)
    api.by_content(path)
    assert fake.asked[0].headers["content-type"] == media_type


# -- manifests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest_id", "path"),
    [
        ("urn:c2pa:1", "/v1/manifests/urn%3Ac2pa%3A1"),
        ("a/../../b?c#d", "/v1/manifests/a%2F..%2F..%2Fb%3Fc%23d"),
        ("é %2F", "/v1/manifests/%C3%A9%20%252F"),
        ("...", "/v1/manifests/..."),
    ],
)
def test_an_id_stays_one_part_of_its_path(fake: FakeResolver, api: Resolver, manifest_id: str, path: str) -> None:
    fake.says("GET", path, STORE)
    assert api.manifest(Match(manifest_id=manifest_id)) == STORE


@pytest.mark.parametrize("manifest_id", ["", ".", ".."])
def test_an_id_that_leads_to_another_route_is_none(api: Resolver, manifest_id: str) -> None:
    with pytest.raises(BadAnswer, match="no id"):
        api.manifest(Match(manifest_id=manifest_id))


def test_an_endpoint_of_the_same_origin_is_followed(fake: FakeResolver, api: Resolver) -> None:
    fake.says("GET", "/else/manifests/m", STORE)
    fake.says("GET", "/v1/manifests/m", STORE)
    for endpoint in ("", "/else", f"{fake.url}/else/", "else"):
        assert api.manifest(Match(manifest_id="m", endpoint=endpoint)) == STORE


def test_a_stranger_who_does_not_answer_is_not_waited_for_long() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        raise httpx.ConnectError("no such host")

    transport = httpx.MockTransport(answer)
    with Resolver("https://a.example/v1", retries=_AT_ONCE, transport=transport) as resolver:
        for match in (Match(manifest_id="m", endpoint="https://b.example"), Match(manifest_id="m")):
            with pytest.raises(Unreachable, match="example"):
                resolver.manifest(match)
    assert asked == ["b.example"] * 2 + ["a.example"] * 5


# -- a file's credentials --------------------------------------------------------------------------


def test_a_file_is_sent_where_files_are_taken(fake: FakeResolver, api: Resolver, clip: Path) -> None:
    fake.says("POST", "/v1/matches/byContent", ONE)
    fake.says("GET", "/v1/manifests/urn%3Ac2pa%3A1", STORE)
    for said in (CAN, None):  # what it does not deny is tried
        fake.says("GET", "/v1/services/capabilities", said or b"", 200 if said else 404)
        [found] = api.recover(clip)
        assert (found.manifest_id, found.similarity, found.store) == ("urn:c2pa:1", 90, STORE)
        assert found.endpoint == f"{fake.url}/v1"


@pytest.mark.parametrize("can", [{**CAN, "supportedCapabilities": []}, CAN, None])
def test_where_no_files_are_taken_the_iscc_is_sent(
    fake: FakeResolver, api: Resolver, clip: Path, can: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_fingerprint, "iscc", lambda path: path.name.encode())
    fake.says("GET", "/v1/services/capabilities", can or b"", 200 if can else 404)
    fake.says("POST", "/v1/matches/byContent", b"no such kind", 415 if can else 404)
    fake.says("GET", "/v1/services/supportedAlgorithms", OF_ISCC)
    fake.says("GET", "/v1/matches/byBinding", ONE)
    fake.says("GET", "/v1/manifests/urn%3Ac2pa%3A1", STORE)
    assert [found.store for found in api.recover(clip)] == [STORE]
    assert fake.asked[-2].query["value"] == base64.b64encode(b"clip.mp4").decode()
    has_sent_it = any(clip.read_bytes() in asked.body for asked in fake.asked)
    assert has_sent_it == (can is None or bool(can["supportedCapabilities"]))


def test_who_takes_neither_says_so(fake: FakeResolver, api: Resolver, clip: Path) -> None:
    fake.says("GET", "/v1/services/capabilities", {**CAN, "supportedCapabilities": []})
    with pytest.raises(Unsupported, match="neither"):
        api.recover(clip)
    fake.says("GET", "/v1/services/capabilities", CAN)
    fake.says("POST", "/v1/matches/byContent", b"too large", 413)
    with pytest.raises(Problem, match="larger"):
        api.recover(clip)
    fake.says("POST", "/v1/matches/byContent", b"broken", 500)
    with pytest.raises(Problem, match="later"):
        api.recover(clip)


def test_what_is_not_there_is_passed_over_where_something_is(fake: FakeResolver, api: Resolver, clip: Path) -> None:
    bad = [{"manifestId": "gone", "similarityScore": 99}, {"manifestId": "x", "endpoint": "file:///etc/passwd"},
           {"manifestId": "y", "endpoint": "https://xn--a/v1"}]  # fmt: skip
    fake.says("POST", "/v1/matches/byContent", {"matches": [*bad, *ONE["matches"]]})
    with pytest.raises(Problem, match="404"):
        api.recover(clip)
    fake.says("GET", "/v1/manifests/urn%3Ac2pa%3A1", STORE)
    assert [found.manifest_id for found in api.recover(clip)] == ["urn:c2pa:1"]
    fake.says("POST", "/v1/matches/byContent", {"matches": []})
    assert api.recover(clip) == []


def test_an_iscc_is_that_of_the_fingerprints(tmp_path: Path) -> None:
    assert ISCC == ALGORITHM
    still = tmp_path / "still.png"
    media.ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240", "-frames:v", "1", still)
    assert len(local_fingerprint.iscc(still)) > 64
    plain = tmp_path / "plain.png"
    media.ffmpeg("-f", "lavfi", "-i", "color=red:s=320x240", "-frames:v", "1", plain)
    for path in (plain, Path(__file__)):
        with pytest.raises(CannotFingerprint):
            local_fingerprint.iscc(path)


# -- hostile answers -------------------------------------------------------------------------------


def _match_of(**said: object) -> dict[str, object]:
    return {"matches": [{"manifestId": "m", **said}]}


_NO_ANSWERS: dict[str, object] = {
    "nothing": b"",
    "a page": b"<html>\x1b[2Jgone",
    "half": b'{"matches": [',
    "a list": [],
    "a text": b'"matches"',
    "no utf-8": b'{"matches": "\xff"}',
    "deep": b"[" * 100_000,
    "deep inside": b'{"matches": ' + b"[" * 900 + b"]" * 900 + b"}",
    "matches null": {"matches": None},
    "matches object": {"matches": {}},
    "match text": {"matches": ["m"]},
    "match null": {"matches": [None]},
    "no id": {"matches": [{}]},
    "id number": _match_of(manifestId=7),
    "id empty": _match_of(manifestId=""),
    "id long": _match_of(manifestId="m" * 5000),
    "id control": _match_of(manifestId="m\x1b[2J"),
    "id half a character": _match_of(manifestId="\ud800"),
    "score text": _match_of(similarityScore="90"),
    "score true": _match_of(similarityScore=True),
    "score negative": _match_of(similarityScore=-1),
    "score large": _match_of(similarityScore=101),
    "score list": _match_of(similarityScore=[90]),
    "score no number": b'{"matches": [{"manifestId": "m", "similarityScore": NaN}]}',
    "score infinite": b'{"matches": [{"manifestId": "m", "similarityScore": 1e999}]}',
    "score endless": b'{"matches": [{"manifestId": "m", "similarityScore": ' + b"9" * 5000 + b"}]}",
    "endpoint number": _match_of(endpoint=7),
    "endpoint control": _match_of(endpoint="/\x1b[2J"),
    "huge": b'{"matches": []}' + b" " * (1 << 20),
}


@pytest.mark.parametrize("name", _NO_ANSWERS)
def test_what_no_resolver_answers_is_not_taken(fake: FakeResolver, api: Resolver, name: str) -> None:
    fake.says("GET", "/v1/matches/byBinding", _NO_ANSWERS[name])
    with pytest.raises(BadAnswer) as raised:
        api.by_binding("a", b"b")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize(
    "said",
    [{}, {"supportedCapabilities": "queryByContent"}, {"supportedCapabilities": [1]},
     {"supportedCapabilities": [], "c2paSpecificationVersion": 2.4}, {"supportedCapabilities": ["\x1b[2J"]},
     {"supportedCapabilities": [], "c2paSpecificationVersion": "2.4\x1b[2J"}],
)  # fmt: skip
def test_capabilities_are_texts(fake: FakeResolver, api: Resolver, said: object) -> None:
    fake.says("GET", "/v1/services/capabilities", said)
    with pytest.raises(BadAnswer):
        api.capabilities()


@pytest.mark.parametrize("said", [{"fingerprints": [ISCC]}, {"fingerprints": ISCC}, {"watermarks": [{"alg": 1}]}])
def test_algorithms_are_named(fake: FakeResolver, api: Resolver, said: object) -> None:
    fake.says("GET", "/v1/services/supportedAlgorithms", said)
    with pytest.raises(BadAnswer):
        api.algorithms()


def test_an_answer_without_an_end_is_not_kept(fake: FakeResolver, api: Resolver) -> None:
    fake.says("GET", "/v1/matches/byBinding", _endless(b" " * 60_000))
    with pytest.raises(BadAnswer, match="more than 1048576 bytes"):
        api.by_binding("a", b"b")
    fake.says("GET", "/v1/manifests/m", _endless(STORE * 2000))
    with pytest.raises(BadAnswer, match="more than 33554432 bytes"):
        api.manifest(Match(manifest_id="m"))
    fake.says("GET", "/v1/manifests/m", _endless(b"no" * 2000), 403)
    with pytest.raises(Problem, match="token"):
        api.manifest(Match(manifest_id="m"))


_OK = b"HTTP/1.1 200 OK\r\n"
_DRIPPED = {
    "head": (_OK + b"X: ", b"x"),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "body": (_OK + b"Content-Length: 9999\r\n\r\n", b"x"),
    "body up to the end": (_OK + b"\r\n" + STORE, b"x"),
    "chunks": (_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "trailers": (_OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\n" + STORE[:4] + b"\r\n0\r\nX: ", b"x"),
    "silence": (b"", b""),
}


@pytest.mark.parametrize("part", _DRIPPED)
def test_an_answer_that_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    beginning, drop = _DRIPPED[part]
    monkeypatch.setattr(module, "_most_s", lambda _: 0.2)
    is_gone = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(beginning)
            while not is_gone.wait(0.01):
                connection.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=lambda: drip(server.accept()[0]), daemon=True)
        dripping.start()
        # No second attempt: nobody would take it in.
        with Resolver(f"http://127.0.0.1:{server.getsockname()[1]}/v1", retries=Retries(attempts=1)) as resolver:
            with pytest.raises(BadAnswer, match="not done"):
                resolver.manifest(Match(manifest_id="m"))
            is_gone.set()
            dripping.join()


def test_who_drips_only_later_is_not_waited_for(
    fake: FakeResolver, api: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says("GET", "/v1/services/capabilities", CAN)
    fake.says("GET", "/v1/manifests/m", _endless(b"x"))
    api.capabilities()
    monkeypatch.setattr(module, "_most_s", lambda _: 0.2)
    with pytest.raises(BadAnswer, match="not done"):
        api.manifest(Match(manifest_id="m"))


def test_who_takes_a_file_in_by_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(bytes(16 << 20))  # more than lies on the way
    monkeypatch.setattr(module, "_most_s", lambda _: 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Resolver(f"http://127.0.0.1:{server.getsockname()[1]}/v1", retries=Retries(attempts=1)) as resolver,
        pytest.raises(BadAnswer, match="not done"),
    ):
        resolver.by_content(clip)


def test_a_larger_file_has_more_time(tmp_path: Path) -> None:
    times_s = []
    for size in (0, 1 << 20):
        path = tmp_path / "clip"
        path.write_bytes(bytes(size))
        times_s.append(module._most_s(module._Ask(method="POST", path="/", file=path, wait_s=900)))
    assert times_s == [1200, 1232]


def test_the_largest_store_is_taken_and_no_larger(fake: FakeResolver, api: Resolver) -> None:
    largest = STORE + bytes(module.MAX_STORE_BYTES - len(STORE))
    fake.says("GET", "/v1/manifests/m", largest)
    assert api.manifest(Match(manifest_id="m")) == largest
    fake.says("GET", "/v1/manifests/m", largest + b"x")
    with pytest.raises(BadAnswer, match="bytes"):
        api.manifest(Match(manifest_id="m"))


def test_what_is_packed_is_not_unpacked(fake: FakeResolver, api: Resolver) -> None:
    fake.says("GET", "/v1/manifests/m", gzip.compress(bytes(1 << 20)), content_encoding="gzip")
    with pytest.raises(BadAnswer, match="compresses"):
        api.manifest(Match(manifest_id="m"))
    fake.says("GET", "/v1/manifests/m", gzip.compress(b"no"), 403, content_encoding="gzip")
    with pytest.raises(Problem, match="token"):
        api.manifest(Match(manifest_id="m"))


@pytest.mark.parametrize("content", [b"", b"<!doctype html>", b"{}", b"\x00\x00\x00\x08free"])
def test_what_is_no_store_is_not_taken_for_one(fake: FakeResolver, api: Resolver, content: bytes) -> None:
    fake.says("GET", "/v1/manifests/m", content)
    with pytest.raises(BadAnswer, match="no manifest store"):
        api.manifest(Match(manifest_id="m"))


def test_a_refusal_is_told_in_plain_text(fake: FakeResolver, api: Resolver) -> None:
    fake.says("GET", "/v1/manifests/m", {"type": "\x1b[2J", "detail": "\x1b]0;gone\x07" + "x" * 5000, "field": 3}, 400)
    with pytest.raises(Problem) as raised:
        api.manifest(Match(manifest_id="m"))
    problem = raised.value
    assert (problem.status, problem.field) == (400, None)
    for text in (str(problem), problem.type):
        assert text.isprintable()
        assert len(text) < 600


# -- redirections ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_at_home_is_followed(fake: FakeResolver, api: Resolver, status: int) -> None:
    fake.says("GET", "/v1/matches/byBinding", b"", status, location="/v1/matches/byBinding/?x=1")
    fake.says("GET", "/v1/matches/byBinding/", ONE)
    assert len(api.by_binding("a", b"b")) == 1
    assert fake.asked[-1].query == {"x": "1"}


def test_a_file_is_sent_on_at_home(fake: FakeResolver, api: Resolver, clip: Path) -> None:
    fake.says("POST", "/v1/matches/byContent", b"", 307, location=f"{fake.url}/v2")
    fake.says("POST", "/v2", ONE)
    assert len(api.by_content(clip)) == 1
    assert fake.asked[-1].body == clip.read_bytes()
    fake.says("POST", "/v1/matches/byContent", b"", 302, location="/v2")
    with pytest.raises(Problem, match="302"):
        api.by_content(clip)


def test_nothing_is_sent_on_to_another_host(fake: FakeResolver, other: FakeResolver, api: Resolver, clip: Path) -> None:
    other.says("GET", "/", STORE)
    other.says("POST", "/", ONE)
    for location in (
        other.url,
        "file:///etc/passwd",
        "//a.example/",
        "https://a.example/",
        "http://[",
        "https://a@b/",
        "https://xn--a/",
    ):
        for method, path in (("GET", "/v1/manifests/m"), ("POST", "/v1/matches/byContent"), ("GET", WELL_KNOWN)):
            fake.says(method, path, b"", 307, location=location)
        with pytest.raises(BadAnswer, match="not followed"):
            api.manifest(Match(manifest_id="m"))
        with pytest.raises(BadAnswer, match="not followed"):
            api.by_content(clip)
        with Resolver(fake.url) as resolver, pytest.raises(BadAnswer, match="not followed"):
            resolver.algorithms()
    assert other.asked == []


def test_a_circle_of_redirections_ends(fake: FakeResolver, api: Resolver) -> None:
    fake.says("GET", "/v1/manifests/m", b"", 302, location="/v1/manifests/m")
    with pytest.raises(BadAnswer, match="again and again"):
        api.manifest(Match(manifest_id="m"))
    assert len(fake.asked) == 4


@pytest.mark.parametrize(
    ("start", "location", "is_followed"),
    [
        ("http://a.example/v1", "https://a.example/v1/manifests/m", True),
        ("http://a.example/v1", "https://b.example/v1/manifests/m", False),
        ("http://a.example:8000/v1", "https://a.example/v1/manifests/m", False),
        ("https://a.example/v1", "http://a.example/v1/manifests/m", False),
    ],
)
def test_a_redirection_may_lead_to_https_and_not_away(start: str, location: str, is_followed: bool) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if str(request.url) == location:
            return httpx.Response(200, content=STORE)
        return httpx.Response(301, headers={"Location": location})

    with Resolver(start, transport=httpx.MockTransport(answer)) as resolver:
        if is_followed:
            assert resolver.manifest(Match(manifest_id="m")) == STORE
        else:
            with pytest.raises(BadAnswer):
                resolver.manifest(Match(manifest_id="m"))


# -- no answers ------------------------------------------------------------------------------------


def test_who_is_not_there_is_told_with_its_address() -> None:
    with (
        Resolver("http://127.0.0.1:9", retries=Retries(attempts=1)) as resolver,
        pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"),
    ):
        resolver.by_binding("a", b"b")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 415, 418, 429, 500, 502, 503, 504, 507])
def test_every_refusal_is_an_error_that_says_what_to_do(fake: FakeResolver, api: Resolver, status: int) -> None:
    fake.says("GET", "/v1/matches/byBinding", b"\xff\xfe", status)
    with pytest.raises(ClearmarkError, match=rf"{status}: .*\. [A-Z].*\.$"):
        api.by_binding("a", b"b")
    assert len(fake.asked) == (5 if status in (429, 502, 503, 504) else 1)
