"""Path patterns as robots.txt has them: which paths one covers, and which of several is the more specific.

A pattern covers what begins with it; `*` stands for any characters, `$` at its end for the end of the path. Escapes
are compared as TDMRep (section "TDM File on the Origin Server") and RFC 9309 (2.2.2) compare them: those of
unreserved characters are undone, all else is escaped, so `%24` in a pattern is a dollar sign in the path.
"""

import re
from typing import Final
from urllib.parse import quote

from registry.locations import host_of, path_of

MAX_PATTERN_CHARS: Final = 8192
_URL_CHARS: Final = "-._~:/?#[]@!$&'()*+,;=%"
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9\-._~]")
# Nobody means these, and no database keeps all of them.
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def is_pattern(text: object) -> bool:
    """Whether it can be read as a pattern."""
    return (
        isinstance(text, str)
        and text.startswith(("/", "*"))
        and len(text) <= MAX_PATTERN_CHARS
        and not _UNSEEN.search(text)
    )


def named_host(location: str | None) -> str | None:
    """The host that a location names; None where it is a pattern or nothing, "" where nobody can tell."""
    return None if location is None or location.startswith(("/", "*")) else host_of(location)


def pattern_of(location: str) -> str:
    """The pattern that says of one host what `registry.locations` reads in a location; a pattern stays as it is."""
    if named_host(location) is not None:
        location = path_of(location)
        if location.endswith("$"):
            location = f"{location[:-1]}%24"
    return _UNSEEN.sub(lambda found: escaped(found[0]), location)


def covers(pattern: str, path: str) -> bool:
    """Whether a pattern covers a path, which may come with its query."""
    path = _normal(path or "/").replace("*", "%2A").replace("$", "%24")
    pattern = canonical(pattern)
    begin, *pieces = pattern.removesuffix("$").split("*")
    last = pieces.pop() if pieces and pattern.endswith("$") else None
    if not path.startswith(begin):
        return False
    place = len(begin)
    for piece in pieces:
        found = path.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    if last is not None:
        return path.endswith(last) and len(path) - len(last) >= place
    return not pattern.endswith("$") or place == len(path)


def canonical(pattern: str) -> str:
    """One spelling for all patterns that differ only in escapes and idle stars."""
    body = pattern.removesuffix("$")
    end = pattern[len(body) :]
    body = re.sub(r"\*+", "*", _normal(body).replace("$", "%24"))
    return body[:-1] if body.endswith("*") else body + end


def specificity(pattern: str) -> tuple[int, int]:
    """Larger for the narrower of two patterns one of which covers all that the other does."""
    pattern = canonical(pattern)
    stars = pattern.count("*")
    return len(pattern) - stars, -stars


def beginning(pattern: str) -> str:
    """What every path begins with that the pattern covers, escapes as in canonical patterns."""
    return canonical(pattern).removesuffix("$").partition("*")[0]


def may_meet(one: str, other: str) -> bool:
    """Whether one path may be covered by two patterns, told from their beginnings; in doubt it may."""
    return one.startswith(other) or other.startswith(one)


def _normal(text: str) -> str:
    return _ESCAPE.sub(_plain, escaped(text))


def escaped(text: str) -> str:
    """A URL or a part of one with all escaped that RFC 3986 does not let it consist of."""
    return quote(text, safe=_URL_CHARS, errors="surrogatepass")


def _plain(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if _UNRESERVED.fullmatch(char) else found[0].upper()
