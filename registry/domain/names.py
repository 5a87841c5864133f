"""Names: what a person wrote, as one plain line, and when two names are the same one.

Decides which names are taken, what a name may be made of, and how somebody's text stands in a letter to somebody else.
It does not find letters of one script that look like another's: whether a name is its holder's is for people to see.
"""

import re
import unicodedata
from typing import Final

from registry.errors import Invalid

_MAX_CHARS: Final = 200
# Characters that show nothing and are no format characters: joiners, fillers, variation selectors.
# Source: Unicode, Default_Ignorable_Code_Point, less the general category Cf.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)

# Writing that runs from right to left, and characters that turn what comes after them. Source: Unicode, UAX 9.
_TURNED: Final = frozenset({"R", "AL", "AN"})
_TURNING: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def isolated(text: str) -> str:
    """What somebody wrote, to stand within a sentence: whichever way it runs, the sentence goes on as it should."""
    if not _TURNING.search(text) and not any(unicodedata.bidirectional(char) in _TURNED for char in text):
        return text
    return f"\u2068{_TURNING.sub('', text)}\u2069"


def one_line(text: str, *, max_chars: int = _MAX_CHARS) -> str:
    """What somebody wrote as one line of what can be seen, cut where it is long."""
    blanks = "".join(" " if char.isspace() else char for char in _UNSEEN.sub("", text))
    plain = " ".join("".join(char for char in blanks if char.isprintable()).split())
    return plain if len(plain) <= max_chars else f"{plain[: max_chars - 1]}…"


def checked(name: str, *, field: str) -> str:
    """A name that can be shown to anybody, its blanks made plain.

    Raises:
        Invalid: it is empty or long, has what cannot be seen, or an address of a page.
    """
    spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in name)
    plain = re.sub(" +", " ", spaced).strip(" ")
    if not plain or len(plain) > _MAX_CHARS:
        raise Invalid(field=field, problem=f"Give a name, at most {_MAX_CHARS} characters.")
    if not plain.isprintable() or _UNSEEN.search(plain) or "://" in plain:
        raise Invalid(field=field, problem="Give a name in one line, of characters that can be seen, without links.")
    return plain


def made_from(text: str) -> str | None:
    """A name that `checked` takes, of what somebody is called elsewhere; None when nothing of it is left."""
    return one_line(one_line(text).replace("://", " ")) or None


def key_of(name: str) -> str:
    """What is the same for names that look the same: in whatever case, width or composition, and whatever is unseen."""
    seen = "".join(char for char in name if unicodedata.category(char) != "Cf")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    return " ".join(_UNSEEN.sub("", folded).split())
