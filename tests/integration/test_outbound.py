"""Requests to strangers over real connections on the loopback interface, where a resolver of the test's own leads."""

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.outbound import Address, Fetched, Outbound, OutboundError, Refused, Unanswered, is_public

NAME = "hooks.example"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
type Answering = Callable[[socket.socket, bytes], None]


def says(*answers: bytes) -> Answering:
    left = list(answers)
    return lambda connection, _request: connection.sendall(left.pop(0) if len(left) > 1 else left[0])


@contextmanager
def listening(answer: Answering, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server on the loopback interface; its port, and the requests that it got."""
    requests: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            try:
                with tls.wrap_socket(connection, server_side=True) if tls else connection as opened:
                    request = b""
                    while b"\r\n\r\n" not in request and (piece := opened.recv(65536)):
                        request += piece
                    requests.append(request)
                    answer(opened, request)
            except OSError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1], requests
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(timeout=10)


def way(*addresses: str, permits: Callable[[Address], bool] = lambda _: True) -> Outbound:
    """A way out on which every name leads to these addresses."""
    return Outbound(resolve=lambda *_: addresses or ("127.0.0.1",), permits=permits)


def test_the_name_of_the_url_is_kept_and_its_address_connected_to() -> None:
    with listening(says(OK)) as (port, requests):
        found = way().fetch(f"http://{NAME}:{port}/a?b=c", headers={"x-own": "1"})
    assert found == Fetched(
        status=200, headers={"content-type": "text/plain", "content-length": "5"}, body=b"hello"
    )  # fmt: skip
    head = requests[0].decode().lower()
    assert head.startswith("get /a?b=c http/1.1\r\n")
    assert f"host: {NAME}:{port}\r\n" in head
    assert "x-own: 1\r\n" in head


def test_an_inner_address_is_never_connected_to() -> None:
    with listening(says(OK)) as (port, requests):
        for url in (f"http://{NAME}:{port}/", f"http://localhost:{port}/", f"http://127.1:{port}/"):
            with pytest.raises(Refused):
                Outbound(resolve=lambda *_: ["127.0.0.1"]).fetch(url)
        for url in (f"http://localhost:{port}/", f"http://2130706433:{port}/", f"http://0x7f.1:{port}/"):
            with pytest.raises(OutboundError):  # by the resolver of this machine
                Outbound().fetch(url)
    assert requests == []


def test_a_name_is_asked_once_so_that_it_cannot_change_its_mind() -> None:
    answers = [["127.0.0.1"], ["127.0.0.2"], ["10.0.0.1"]]
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    with listening(says(OK)) as (port, _):
        assert Outbound(resolve=resolve, permits=lambda _: True).fetch(f"http://{NAME}:{port}/").status == 200
    assert asked == [NAME]


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(says(OK)) as (port, _), listening(says(OK)) as (proxy, asked):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        assert way().fetch(f"http://{NAME}:{port}/").body == b"hello"
    assert asked == []


def test_when_an_address_is_down_the_next_one_is_tried() -> None:
    with listening(says(OK)) as (port, _):
        assert way("127.0.0.2", "127.0.0.1").fetch(f"http://{NAME}:{port}/").status == 200
    with pytest.raises(Unanswered, match="ConnectError"):
        way("127.0.0.2", "127.0.0.1").fetch(f"http://{NAME}:{port}/")


def test_a_redirection_is_an_answer_unless_it_is_asked_for() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
    with listening(says(moved, OK)) as (port, requests):
        assert way().fetch(f"http://{NAME}:{port}/").status == 302
        assert len(requests) == 1
    with listening(says(moved, moved, OK)) as (port, requests):
        assert way().fetch(f"http://{NAME}:{port}/", redirects=2).body == b"hello"
        assert [request.split()[1] for request in requests] == [b"/", b"/there", b"/there"]
    with listening(says(moved)) as (port, requests):
        assert way().fetch(f"http://{NAME}:{port}/", redirects=3).status == 302
        assert len(requests) == 4


@pytest.mark.parametrize("location", ["http://10.0.0.1/", "http://inner.example/", "file:///etc/passwd", "http://["])
def test_a_redirection_is_followed_by_the_same_rules(location: str) -> None:
    moved = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    outer = Outbound(
        resolve=lambda host, _: ["127.0.0.1" if host == NAME else "10.0.0.1"],
        permits=lambda address: str(address) == "127.0.0.1",
    )
    with listening(says(moved)) as (port, requests):
        with pytest.raises(OutboundError):
            outer.fetch(f"http://{NAME}:{port}/", redirects=5)
        with pytest.raises(Refused):
            outer.fetch(f"http://{NAME}:{port}/", redirects=5, https_only=True)
    assert len(requests) == 1


def test_a_name_that_led_outside_and_leads_inside_now_is_not_followed() -> None:
    """DNS rebinding: the name is public when it is checked, and inner when its own redirection leads back to it."""
    led = iter([["127.0.0.1"], ["10.0.0.1"], ["::ffff:169.254.169.254"]])
    outer = Outbound(resolve=lambda *_: next(led), permits=lambda address: str(address) == "127.0.0.1")
    back = f"HTTP/1.1 302 Found\r\nLocation: http://{NAME}/again\r\nContent-Length: 0\r\n\r\n".encode()
    with listening(says(back)) as (port, requests):
        with pytest.raises(Refused):
            outer.fetch(f"http://{NAME}:{port}/", redirects=5)
        with pytest.raises(Refused):
            outer.fetch(f"http://{NAME}:{port}/", redirects=5)
    assert len(requests) == 1


def test_an_answer_without_an_end_is_not_read_to_its_end() -> None:
    def endless(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(10_000):
            connection.sendall(b"x" * 65536)

    with listening(endless) as (port, _):
        with pytest.raises(Unanswered, match="longer than 1000 bytes"):
            way().fetch(f"http://{NAME}:{port}/", max_bytes=1000)
        assert way().fetch(f"http://{NAME}:{port}/", max_bytes=None).body == b""


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_who_drips_is_cut_off_when_the_time_is_over(before: bytes) -> None:
    over = threading.Event()

    def drip(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(before)
        while not over.wait(0.05):
            connection.sendall(b"x" if before else b"")

    with listening(drip) as (port, _):
        began = time.monotonic()
        with pytest.raises(Unanswered, match=r"Timeout|took too long"):
            way().fetch(f"http://{NAME}:{port}/", timeout_s=0.5)
        assert time.monotonic() - began < 5
        over.set()


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"\x16\x03\x01"]
)
def test_what_is_no_answer_is_told(answer: bytes) -> None:
    with listening(says(answer)) as (port, _), pytest.raises(Unanswered, match="No answer came"):
        way().fetch(f"http://{NAME}:{port}/")


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for NAME, and one that believes it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())


def test_a_certificate_is_for_the_name_and_not_for_the_address(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, believing = tls
    asked: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    outbound = Outbound(resolve=lambda *_: ["127.0.0.1"], permits=lambda _: True, tls=believing)
    with listening(says(OK), server) as (port, _):
        assert outbound.fetch(f"https://{NAME}:{port}/", https_only=True).body == b"hello"
        with pytest.raises(Unanswered, match="certificate"):
            outbound.fetch(f"https://other.example:{port}/")
        with pytest.raises(Unanswered, match="certificate"):
            way().fetch(f"https://{NAME}:{port}/")  # signed by nobody that everybody believes
    assert asked == [NAME, "other.example", NAME]


def test_only_the_public_network_is_asked_unless_it_is_said_otherwise() -> None:
    assert Outbound().permits is is_public
