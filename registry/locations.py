"""Web locations: which host a declaration is about, and which URLs it covers.

A location is a URL, or a host and path without a scheme. It covers what begins with its path, as robots.txt
has it; `*` in the path stands for anything. Schemes are not told apart, so neither are the ports that http and https
have of themselves; hosts are compared in lower case and as DNS has them. Paths are compared as they are written.
"""

import re
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from registry.errors import Invalid

_HOST = re.compile(
    r"[a-z0-9\u00a1-\ud7ff\ue000-\uffff]([a-z0-9.\u00a1-\ud7ff\ue000-\uffff-]*[a-z0-9\u00a1-\ud7ff\ue000-\uffff])?(:\d+)?"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# IDNA 2003, which Python has, makes other letters of these, and of the host that is meant another one.
_MISTAKEN = frozenset("ßς\u200c\u200d")


def normal(location: str) -> str:
    """The one spelling of a location, host and path, so that all words on one place are known to be on one.

    Raises:
        Invalid: it names no host, or a scheme that is not the web's.
    """
    scheme = _SCHEME.match(location.strip())
    if scheme and scheme[1].lower() not in ("http", "https"):
        problem = f"A web location begins with https://, http:// or its host, not with {scheme[1].lower()}://."
        raise Invalid(field="location", problem=problem)
    return f"{location_host(location)}{path_of(location)}"


def location_host(location: str) -> str:
    """The host of a location.

    Raises:
        Invalid: it names none, or one with `*` in it.
    """
    host = host_of(location)
    if not _HOST.fullmatch(host):
        problem = "Give the web location with its host, such as https://example.org/films/*."
        raise Invalid(field="location", problem=problem)
    return host


def host_of(location: str) -> str:
    """The host of a location or URL, with its port if that is of its own; "" where there is none to cover anything."""
    parts = _parts(location)
    return _host(parts.netloc) if parts else ""


def domains_of(host: str) -> tuple[str, ...]:
    """The domains that a host lies in, without the port, nearest first: the first is the host itself."""
    labels = host.partition(":")[0].split(".")
    return tuple(".".join(labels[place:]) for place in range(len(labels) - 1))


def path_of(location: str) -> str:
    """The path and query of a location or URL, as it is written; "/" where there is none."""
    parts = _parts(location)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "") if parts else ""


def with_scheme(location: str) -> str:
    """A location as a link: https where it says nothing else."""
    return location if _SCHEME.match(location) else f"https://{location}"


def path_covers(pattern: str, path: str) -> bool:
    """Whether `path` begins as `pattern` says, where `*` stands for anything."""
    begin, *pieces = pattern.split("*")
    if not path.startswith(begin):
        return False
    place = len(begin)
    for piece in pieces:
        found = path.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return True


def _parts(location: str) -> SplitResult | None:
    location = location.strip()
    try:
        return urlsplit(location if _SCHEME.match(location) else f"//{location}")
    except ValueError:
        return None


def _host(netloc: str) -> str:
    host = netloc.rpartition("@")[2].lower()
    if not host.isascii():
        host = _in_dns(host)
    if host.endswith((":80", ":443", ":")):
        host = host.rpartition(":")[0]
    return host.removesuffix(".")


@lru_cache(maxsize=4096)
def _in_dns(host: str) -> str:
    if not _MISTAKEN.isdisjoint(host):
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host
