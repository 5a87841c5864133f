"""Web locations: which host a declaration is about, and which URLs it covers.

A location is a URL, or a host and path without a scheme. It covers what begins with its path, as robots.txt
has it; `*` in the path stands for anything. Hosts are compared as they are written, in lower case.
"""

import re
from urllib.parse import urlsplit

from registry.errors import Invalid

_HOST = re.compile(r"[a-z0-9\u00a1-\uffff]([a-z0-9.\u00a1-\uffff-]*[a-z0-9\u00a1-\uffff])?(:\d+)?")


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
    """The host of a location or URL in lower case, "" where there is none: such a one covers nothing."""
    return _parts(location)[0]


def domains_of(host: str) -> set[str]:
    """The domains that a host lies in, itself among them, without the port: who controls one controls the host."""
    labels = host.partition(":")[0].split(".")
    return {".".join(labels[place:]) for place in range(len(labels) - 1)}


def path_of(location: str) -> str:
    """The path and query of a location or URL, as it is written; "/" where there is none."""
    return _parts(location)[1]


def covers(location: str, url: str) -> bool:
    """Whether a location covers a URL of its host."""
    return path_covers(path_of(location), path_of(url))


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


def _parts(location: str) -> tuple[str, str]:
    try:
        parts = urlsplit(location if "://" in location else f"//{location}")
    except ValueError:
        return "", ""
    return parts.netloc.rpartition("@")[2].lower(), (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
