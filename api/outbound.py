"""Requests to addresses that strangers chose: a holder's webhook, the site of a domain that is to be proved.

Such an address must not lead into the operator's own network. A name is resolved once, every address that it has is
looked at, and the connection goes to one of these: a second look-up could be answered differently. `Host`, SNI and
the certificate's name stay those of the URL. Redirections are followed only where asked for, each under the same
rules; no proxy is used, since it would resolve the name itself. The whole exchange has one deadline, however slowly
the other side drips, and what is read is bounded.

It decides nothing about what is sent or what an answer means.
"""

import functools
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpcore
import httpx

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_BYTES, TIMEOUT_S = 1 << 20, 15.0
_MAX_URL_CHARS = 2000
_MOST_ADDRESSES = 4  # tried one after another; all are looked at
_FAILURES = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)
_REDIRECTS = {
    HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND, HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
}  # fmt: skip
# The IPv6 that is routed; within it, addresses that only wrap one of IPv4 are refused, whatever they wrap.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# Not for hosts of the public network, though the `ipaddress` of some Python we run on calls them global: IETF protocol
# assignments (RFC 6890), relays of 6to4 (RFC 7526), documentation (RFC 9637).
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))


class OutboundError(Exception):
    """No answer was got; `problem` says why, and names no address that the asker did not give."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Refused(OutboundError):
    """The URL may not be asked."""


class Unanswered(OutboundError):
    """It was asked, and no whole answer came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An answer, whatever its status; header names in lower case, `body` empty where none was wanted."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_public(address: Address) -> bool:
    """Whether an address is somebody's on the public network, and not a place within one's own."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _GLOBAL_UNICAST or address.sixtofour is not None or address.teredo is not None:
            return False
    is_special = any(address in network for network in _SPECIAL)
    return address.is_global and not address.is_multicast and not is_special


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name. Raises: OSError, UnicodeError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """The way out.

    Attributes:
        permits: which addresses may be asked.
        tls: whom to believe; None: the authorities that everybody believes.
    """

    resolve: Callable[[str, int], Sequence[str]] = resolve
    permits: Callable[[Address], bool] = is_public
    tls: ssl.SSLContext | None = None
    now_s: Callable[[], float] = field(default=time.monotonic)

    def check(self, url: str, *, https_only: bool = False) -> httpx.URL:
        """The URL, when it may be one to ask; whether its name may be is seen when it is asked.

        Raises:
            Refused: says what to give instead.
        """
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            parsed = httpx.URL("")
        schemes = ("https",) if https_only else ("https", "http")
        if len(url) > _MAX_URL_CHARS or parsed.scheme not in schemes or not parsed.host:
            begins = " or ".join(f"{scheme}://" for scheme in schemes)
            raise Refused(f"Give a URL of at most {_MAX_URL_CHARS} characters that begins with {begins}.")
        if parsed.userinfo:
            raise Refused("Leave the user name and password out of the URL.")
        try:
            literal = ipaddress.ip_address(parsed.host)
        except ValueError:
            return parsed
        self._require_permitted([literal])
        return parsed

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        max_bytes: int | None = MAX_BYTES,
        timeout_s: float = TIMEOUT_S,
        https_only: bool = False,
        redirects: int = 0,
    ) -> Fetched:
        """Ask a URL.

        Args:
            max_bytes: of the body; None leaves it unread.
            timeout_s: for all of it: looking up, connecting, sending, reading, redirections.
            redirects: how many are followed; the next one is the answer.
        Raises:
            Refused, Unanswered.
        """
        deadline_s = self.now_s() + timeout_s
        target = self.check(url, https_only=https_only)
        for left in range(redirects, -1, -1):
            answer = self._ask(target, method, list((headers or {}).items()), content, max_bytes, deadline_s)
            location = answer.headers.get("location")
            if not left or location is None or answer.status not in _REDIRECTS:
                break
            target = self.check(_joined(target, location), https_only=https_only)
        return answer

    def addresses(self, host: str, port: int, *, timeout_s: float = TIMEOUT_S) -> list[str]:
        """Where a name leads, when all of it may be asked. Raises: Refused, Unanswered."""
        try:
            named = _within(timeout_s, lambda: self.resolve(host, port))
            found = [ipaddress.ip_address(address) for address in named]
        except (OSError, UnicodeError, ValueError):
            found = []
        if not found:
            raise Unanswered("The name of the URL leads nowhere.")
        self._require_permitted(found)
        return list(dict.fromkeys(str(address) for address in found))

    def _require_permitted(self, addresses: Iterable[Address]) -> None:
        # Not a word of which: that would tell a stranger what names mean within this network.
        if not all(self.permits(address) for address in addresses):
            raise Refused("The URL leads to an address that is not on the public network.")

    def _ask(
        self,
        url: httpx.URL,
        method: str,
        headers: Sequence[tuple[str, str]],
        content: bytes,
        max_bytes: int | None,
        deadline_s: float,
    ) -> Fetched:
        tls = self.tls or _authorities()
        asked = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        backend = _CheckedBackend(self, deadline_s)
        try:
            with (
                httpcore.ConnectionPool(ssl_context=tls, network_backend=backend, max_connections=1) as pool,
                pool.stream(method, asked, headers=headers, content=content) as answer,
            ):
                body = b"" if max_bytes is None else _bounded(answer.iter_stream(), max_bytes)
                found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
                return Fetched(status=answer.status, headers=found, body=body)
        except _FAILURES as error:
            raise Unanswered(f"No answer came: {type(error).__name__}: {error}"[:300]) from error


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to addresses that were looked at, and to no name."""

    def __init__(self, outbound: Outbound, deadline_s: float) -> None:
        self._outbound, self._deadline_s = outbound, deadline_s
        self._network = httpcore.SyncBackend()

    def left_s(self) -> float:
        """Of the time for the whole exchange. Raises: ReadTimeout."""
        left_s = self._deadline_s - self._outbound.now_s()
        if left_s <= 0:
            raise httpcore.ReadTimeout("it took too long")
        return left_s

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the whole exchange has one
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception | None = None
        for address in self._outbound.addresses(host, port, timeout_s=self.left_s())[:_MOST_ADDRESSES]:
            try:
                stream = self._network.connect_tcp(address, port, self.left_s(), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream, self.left_s)
        assert failure is not None
        raise failure


class _TimedStream(httpcore.NetworkStream):
    """A connection on which every step ends with the time for all of them."""

    def __init__(self, stream: httpcore.NetworkStream, left_s: Callable[[], float]) -> None:
        self._stream, self._left_s = stream, left_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._left_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._left_s())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, self._left_s()), self._left_s)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _within[Result](timeout_s: float, ask: Callable[[], Result]) -> Result:
    """What `ask` returns or raises, if it does in time. The system's resolver knows no deadline; its thread is left."""
    answer: Future[Result] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="resolve", daemon=True).start()
    return answer.result(timeout=timeout_s)  # TimeoutError is an OSError


@functools.cache
def _authorities() -> ssl.SSLContext:
    """Those that everybody believes; reading them takes longer than many an answer."""
    return httpx.create_ssl_context()


def _bounded(chunks: Iterable[bytes], max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > max_bytes:
            raise Unanswered(f"The answer is longer than {max_bytes} bytes.")
    return bytes(body)


def _joined(url: httpx.URL, location: str) -> str:
    try:
        return str(url.join(location))
    except httpx.InvalidURL:
        raise Refused("It redirects to what is no URL.") from None
