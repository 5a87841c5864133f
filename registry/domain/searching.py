"""Searching: texts as they are compared, so that somebody finds them however they spell.

Decides what is the same to who looks: capitals, accents, width, and whatever stands between words make no difference.
It does not decide whether two names are one (`domain.names`), nor what is looked through.
"""

import unicodedata
from typing import Final

_MOST_WORDS: Final = 10
# Letters that Unicode does not take apart, as people write them who have not got them; and what stands inside words.
_PLAIN: Final = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "'": "", "’": "", "ʼ": ""}
)


def folded(*texts: str) -> str:
    """Texts without case, accents and punctuation, one blank between two words: “Été, 2” is “ete 2”."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", " ".join(texts)).casefold()).translate(_PLAIN)
    seen = (char for char in plain if not unicodedata.combining(char))
    return " ".join("".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in seen).split())


def words_of(asked: str) -> list[str]:
    """What somebody looks for, each word once; of very many the first."""
    return list(dict.fromkeys(folded(asked).split()))[:_MOST_WORDS]
