"""Redaction: a notice's free text without personal data, before anybody may read it.

Decides what in a text is personal data: what was stated of the parties, however it is written, and whatever has the
form of a mail address, telephone number, account handle, IP address or street address. It does not decide who the
parties are, nor know people and places that nobody stated: a reviewer names those as `Personal.terms`.

When in doubt it takes away. A title loses a word that is part of a stated name. Inflected forms of a name stay, and
particles of names ("van", "bin") go only with the name around them, for alone they are words of a language. Numbers
that identify a work or a page, dates, times and quantities stay, unless they were stated.
The work grows with the text, and with how much was stated; the latter is for the caller to bound.
"""

import ipaddress
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Final, Self
from urllib.parse import unquote_plus

from registry.domain.identifiers import Prefix

REDACTED: Final = "[redacted]"

# What goes may leave a word that is whole only now, so a text is read again until nothing is found. Two or three
# readings do; a text that takes more was made to, and nothing of it is shown.
_READINGS: Final = 6
# Encoded text inside of encoded text, as in an address that leads on to another one.
_ENCODED_WITHIN: Final = 2

type Span = tuple[int, int]
"""[start, end) in a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """What was stated of the parties; `terms` is what a reviewer named besides."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    emails: tuple[str, ...]
    telephones: tuple[str, ...]
    terms: tuple[str, ...] = ()


def redact(text: str, personal: Personal) -> str:
    """The text with `[redacted]` where personal data was; redacting that again changes nothing."""
    stated = _Stated.of(personal)
    for _ in range(_READINGS):
        spans = _spans(text, stated)
        if not spans:
            return text
        starts = [0, *(end for _, end in spans)]
        ends = [*(start for start, _ in spans), len(text)]
        text = REDACTED.join(text[start:end] for start, end in zip(starts, ends, strict=True))
    return REDACTED


def leaks(text: str, personal: Personal) -> list[str]:
    """What a public text still holds of personal data, as written there, in order."""
    return [text[start:end] for start, end in _spans(text, _Stated.of(personal))]


def skeleton(text: str) -> str:
    """What is the same for texts that look the same: in whatever case, width, marks, dashes, digits or blanks.

    Letters of other scripts become the Latin ones that they look like; the idea, and the word, are from UTS 39,
    section 4. Its table is not in the standard library: here it is the letters that names are commonly faked with.
    """
    return " ".join("".join(map(_plain, text)).split())


# Stands for what was redacted before; nothing found reaches across. No folded text has it otherwise.
_MARK: Final = "\ufffc"
# Beside format characters: Hangul fillers, an unassigned joiner, and the block of tags and variation selectors.
_UNSEEN: Final = re.compile("[\u115f\u1160\u2065\U000e0000-\U000e0fff]")
_UNSEEN_CATEGORIES: Final = frozenset({"Mn", "Mc", "Me", "Cf", "Cc", "Cs"})
_BLANK: Final = frozenset({"\u2800", _MARK})  # the Braille blank is a symbol, and no space, to Unicode
# Letters that are another with a stroke or hook, small capitals, letters in boxes, flags: by their names.
_LATIN_BY_NAME: Final = re.compile(r"(?:LATIN|SYMBOL) (?:.+ )?LETTER (?:SMALL CAPITAL )?([A-Z])(?: WITH [A-Z ]+)?")
# Where capital and small letter look like different ones (Greek nu, eta), the capital decides: names begin with it.
_LOOKALIKE: Final = {
    **dict(zip("авеһнјкморԛсѕтуүԝхԁӏі", "abehhjkmopqcstyywxdli", strict=True)),
    **dict(zip("αβγεζηικμνορτυχ", "abyezhikmnoptyx", strict=True)),
    **dict(zip("օսհɑɡıɩɪ", "ouhagiii", strict=True)),
    "æ": "ae", "œ": "oe",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folded:
    """A text as it looks, one blank for many; `origin` says where each of its characters comes from."""

    text: str
    origin: list[int]

    def original(self, span: Span) -> Span:
        """Where it is in the text itself, with what is unseen behind it."""
        start, end = span
        return self.origin[start], max(self.origin[end], self.origin[end - 1] + 1)


def _fold(text: str) -> _Folded:
    chars: list[str] = []
    origin: list[int] = []
    offset = 0
    for number, piece in enumerate(text.split(REDACTED)):
        if number:
            chars.append(_MARK)
            origin.append(offset - len(REDACTED))
        for place, char in enumerate(piece, offset):
            for plain in _plain(char):
                if plain != " " or not chars or chars[-1] != " ":
                    chars.append(plain)
                    origin.append(place)
        offset += len(piece) + len(REDACTED)
    return _Folded(text="".join(chars), origin=[*origin, len(text)])


@lru_cache(maxsize=8192)
def _plain(char: str) -> str:
    """One character as it looks. Marks are dropped, so that a text can be folded one by one: none reorders any."""
    if char.isspace() or char in _BLANK:
        return " "
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    return "".join(map(_lookalike, _UNSEEN.sub("", folded)))


def _lookalike(char: str) -> str:
    category = unicodedata.category(char)
    if category in _UNSEEN_CATEGORIES:
        return ""
    if char.isspace():
        return " "
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category == "Pd" or char == "\u2212":
        return "-"
    if char in _LOOKALIKE or char.isascii():
        return _LOOKALIKE.get(char, char)
    named = _LATIN_BY_NAME.search(unicodedata.name(char, ""))
    return named[1].lower() if named and named.end() == len(named.string) else char


_LETTER: Final = r"[^\W\d_]"
_ALNUM: Final = r"[^\W_]"
_GAP: Final = rf"(?:_|[^\w{_MARK}])"  # one character between words
# Scripts that set no blanks between words, or set particles right behind them: there a name ends anywhere.
_UNSPACED_SCRIPTS: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_UNSPACED: Final = re.compile(f"[{_UNSPACED_SCRIPTS}]")
_OF_A_WORD: Final = rf"[^\W\d_{_UNSPACED_SCRIPTS}]"  # a letter that makes another word of what it touches
_PARTICLES: Final = frozenset(
    re.findall(r"\w+", "and bin binti bint das dei del della den der des dos ibn les los the und van vom von zum zur")
)
_SPELLED_OUT: Final = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"}
_AT_WORDS: Final = "at|a|arroba|arobase|chiocciola"
_DOT_WORDS: Final = "dot|punkt|punto|point|ponto|titik"
# The last digits of a telephone number are the same with and without country and area code.
_TELLING_DIGITS: Final = 7

type _Phrase = tuple[str, str]
"""A pattern in two parts: what must not stand before it, and itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stated:
    """Patterns of what was stated. Parts of names are apart: an identifier may hold such letters by chance."""

    certain: re.Pattern[str] | None
    telephones: re.Pattern[str] | None
    parts: re.Pattern[str] | None

    @classmethod
    def of(cls, personal: Personal) -> Self:
        names = [name for stated in personal.names for name in (stated, _spelled_out(stated))]
        phrases = [phrase for name in names for phrase in _whole_name(name)]
        phrases += [_phrase(_words(part), gap=f"{_GAP}{{0,6}}") for part in _parts_of_addresses(personal.addresses)]
        phrases += [_phrase(_words(email), gap=_ADDRESS_GAP) for email in personal.emails if _words(email)]
        phrases += [_term(term) for term in map(skeleton, personal.terms) if term]
        return cls(
            certain=_any_of(phrases),
            telephones=_telephones(personal.telephones),
            parts=_any_of(_phrase(_words(part), gap=f"{_GAP}?") for name in names for part in _parts_of(name)),
        )


# Possessive, and without "a", which is a word of its own: else what is tried doubles with every label.
_ADDRESS_GAP: Final = rf"{_GAP}{{0,6}}(?:(?:{_AT_WORDS.replace('|a|', '|')}|{_DOT_WORDS}){_GAP}{{1,6}})?+"
_MOST_GIVEN: Final = 5  # with initials in their place; what is tried doubles with each


def _words(text: str) -> list[str]:
    return re.findall(rf"{_ALNUM}+", skeleton(text))


def _spelled_out(name: str) -> str:
    composed = unicodedata.normalize("NFC", name).casefold()
    return "".join(_SPELLED_OUT.get(char, char) for char in composed)


def _phrase(words: Sequence[str], *, gap: str) -> _Phrase:
    """Words in this order, the gap between two of them."""
    body = words[0]
    for before, word in pairwise(words):
        # Numbers that touch would be another number.
        body += (f"{_GAP}{{1,6}}" if before[-1].isdigit() and word[0].isdigit() else gap) + word
    return _bounded(body, first=words[0][0], last=words[-1][-1])


def _bounded(body: str, *, first: str, last: str) -> _Phrase:
    """What begins and ends at words, or numbers, not inside of one."""
    before, after = (
        "" if _UNSPACED.match(edge) else "[0-9]" if edge.isdigit() else _OF_A_WORD if edge.isalpha() else ""
        for edge in (first, last)
    )
    return (f"(?<!{before})" if before else "", body + (f"(?!{after})" if after else ""))


def _any_of(phrases: Iterable[_Phrase]) -> re.Pattern[str] | None:
    """One pattern for all, the longer ones first; None for none."""
    bodies: dict[str, set[str]] = {}
    for before, body in phrases:
        bodies.setdefault(before, set()).add(body)
    kinds = [f"{before}(?:{'|'.join(sorted(those, key=len, reverse=True))})" for before, those in bodies.items()]
    return re.compile("|".join(kinds)) if kinds else None


def _whole_name(name: str) -> Iterator[_Phrase]:
    """A name in the usual orders, and with initials in place of given names."""
    words = _words(name)
    # Written as one word, a short name is another word ("Li Na").
    gap = f"{_GAP}{{{0 if sum(map(len, words)) > 5 else 1},4}}"
    for turn in {0, 1, len(words) - 1} if words else ():
        yield _phrase(words[turn:] + words[:turn], gap=gap)
    if 1 < len(words) <= _MOST_GIVEN + 1 and all(map(str.isalpha, words)):
        *given, family = words
        apart = f"{_GAP}{{1,4}}"
        first, *others = (f"(?:{word}|{word[0]})" for word in given)
        initials = first + "".join(f"(?:{apart}{other})?" for other in others)
        yield _bounded(initials + apart + family, first=given[0][0], last=family[-1])
        yield _bounded(family + apart + initials, first=family[0], last=given[-1][-1])


def _parts_of(name: str) -> Iterator[str]:
    """What of a name tells of somebody alone: "O'Brien" and "Brien", but neither "O" nor "van"."""
    for part in unicodedata.normalize("NFC", name).split():
        for piece in {part, *re.findall(rf"{_LETTER}+", part)}:
            # Vowels that are marks count too.
            letters, seen = sum(unicodedata.category(char)[0] in "LM" for char in piece), skeleton(piece)
            # A single sign of an unspaced script may be any word's.
            if letters >= (2 if _UNSPACED.search(seen) else 3) and seen not in _PARTICLES and _words(seen):
                yield seen


def _parts_of_addresses(addresses: Iterable[str]) -> Iterator[str]:
    """Whole, line by line, and between commas; not what tells nothing alone, as "No. 5" or "UK"."""
    for address in addresses:
        for part in {address, *address.splitlines(), *re.split(r"[,;\n、，]", address)}:
            seen = skeleton(part)
            letters, digits = len(re.findall(_LETTER, seen)), len(re.findall("[0-9]", seen))
            if letters >= (2 if _UNSPACED.search(seen) else 3) or digits >= 5 or (letters and letters + digits >= 5):
                yield part


def _term(term: str) -> _Phrase:
    words = re.findall(rf"{_ALNUM}+", term)
    if words:
        return _phrase(words, gap=f"{_GAP}{{0,6}}")
    return "", re.escape(term)


def _telephones(stated: Iterable[str]) -> re.Pattern[str] | None:
    # An extension ("ext. 12") is no part of the number.
    numbers = (re.sub("[^0-9]", "", part) for line in stated for part in re.split(f"{_LETTER}+", skeleton(line)))
    ends = {number[-_TELLING_DIGITS:] for number in numbers if len(number) > 2}
    patterns = []
    for number in sorted(ends):
        digits = f"{_GAP}{{0,4}}".join(number)
        # At most 15 digits (E.164), so 8 before these. What is shorter is no end of a longer number.
        before = r"[+(]{0,2}(?:[0-9][ ()./_·-]{0,3}){0,8}"
        patterns.append(before + digits if len(number) == _TELLING_DIGITS else f"(?<![0-9]){digits}(?![0-9])")
    return re.compile("|".join(patterns)) if patterns else None


_AT_SPELLED: Final = rf" ?[\[({{<] ?(?:{_AT_WORDS}|@) ?[\])}}>] ?"
_DOT: Final = rf"(?:[.。]| ?[\[({{<] ?(?:{_DOT_WORDS}|\.) ?[\])}}>] ?| (?:{_DOT_WORDS}) )"
_LOCAL: Final = r"[\w.+%~!#$&'*^|-]"
# Between a number and "Street", or behind " at ", these make a sentence, not a name.
_NO_NAME: Final = (
    "(?!(?:the|a|an|of|in|into|to|and|or|is|was|are|on|by|with|for|from|at|we|my|our|their|his|her|this|that|per|as)"
    rf"(?!{_ALNUM}))"
)
# RFC 5321, section 4.1.2, as people write it. " at " alone is a word, unless a spelled dot follows.
_EMAIL: Final = re.compile(
    rf'(?<!{_LOCAL})(?:"[^"{_MARK}]{{1,64}}"|{_LOCAL}++)(?:'
    rf"@\[?[\w-]++(?:{_DOT}[\w-]++)*+\]?"
    rf"|(?: ?@ ?|{_AT_SPELLED})[\w-]++(?:{_DOT}[\w-]++)++"
    rf"| at {_NO_NAME}[\w-]++(?: (?:{_DOT_WORDS}) [\w-]++)++)"
)
_HANDLE: Final = re.compile(rf"(?<![\w@.])@{_LETTER}\w*+(?:[.-]\w++)*+")

# Only the commonest words for a street, in languages that set them beside a number; titles such as "21 Jump Street"
# have that form too, and go.
_STREET: Final = (
    "street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|place|square|terrace|close|crescent|highway|hwy"
)
_STREET_ENDINGS: Final = "strasse|str\\.|weg|platz|allee|gasse|damm|ufer|straat|laan|gracht|plein|gatan|vagen|veien|vej"
_STREET_BEFORE_NAME: Final = "rue|avenue|av\\.?|boulevard|bd|place|chemin|allee|impasse|quai"
_STREET_THEN_NUMBER: Final = skeleton(
    r"jalan|jl\.?|jln\.?|gang|gg\.?|calle|avenida|avda\.?|plaza|paseo|via|viale|piazza|corso|rua|travessa"
    r"|ulica|ul\.?|улица|ул\.?|вулиця|вул\.?|cadde|caddesi|sokak"
)
_NAME: Final = rf"(?:{_NO_NAME}\w[\w'.-]{{0,30}},? )"
_HOUSE: Final = rf"[0-9]{{1,5}}(?: ?[a-d](?!{_ALNUM}))?"
# A year behind "via" is no house.
_HOUSE_LAST: Final = rf"(?!(?:19|20)[0-9][0-9](?![0-9])){_HOUSE}(?: ?[-/] ?{_HOUSE})?"
_STREETS: Final = re.compile(
    rf"(?<!{_ALNUM}){_HOUSE},? {_NAME}{{1,3}}(?:{_STREET})(?!{_ALNUM})\.?"
    rf"|(?<!\w)(?:[\w-]{{1,30}} )?(?<!\w)[\w-]{{0,30}}(?:{_STREET_ENDINGS}) ?{_HOUSE_LAST}(?!{_ALNUM})"
    rf"|(?<!{_ALNUM})[0-9]{{1,4}}(?: ?(?:bis|ter))?,? (?:{_STREET_BEFORE_NAME}) "
    rf"(?:(?:de|du|des|la|le|les|l'|d') ?){{0,3}}\w[\w'-]{{0,30}}(?: \w[\w'-]{{0,30}})?"
    rf"|(?<!{_ALNUM})(?:{_STREET_THEN_NUMBER})(?:(?<=\.)|(?!{_ALNUM})) ?{_NAME}{{1,4}}?"
    rf"(?:(?:no|nr|nomor|num|kav|blok|d|n)(?!{_LETTER})[.:°]* ?)?{_HOUSE_LAST}(?!{_ALNUM})"
    rf"|(?<!{_ALNUM})(?:p\.? ?o\.? ?box|postfach|apartado|caixa postal|kotak pos) ?[0-9]{{1,6}}"
    rf"|(?<!{_ALNUM})rt\.? ?[0-9]{{1,3}} ?[/,]? ?rw\.? ?[0-9]{{1,3}}"
    rf"|[0-9]{{1,3}}{skeleton('丁目')}(?:[0-9]{{1,4}}(?:番地|番|号|-)?){{0,3}}"
    r"|[\u4e00-\u9fff]{1,10}(?:路|街|道|巷)[0-9]{1,5}[号號]"
)
_IP_LIKE: Final = re.compile(
    rf"(?<![\w.:])(?:[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}"
    rf"|(?:[0-9a-f]{{0,4}}:){{2,7}}(?:[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}|[0-9a-f]{{0,4}}))(?!{_ALNUM}|[:.]{_ALNUM})"
)


def _ip_addresses(text: str) -> Iterator[Span]:
    """Told from time codes by `ipaddress`; "::" alone is a mark between words."""
    for match in _IP_LIKE.finditer(text):
        try:
            ipaddress.ip_address(match[0])
        except ValueError:
            continue
        if match[0] != "::":
            yield match.span()


_ID: Final = "|".join(Prefix)
_LABELS: Final = (
    "isbn|issn|ismn|isrc|iswc|isan|isni|eidr|iscc|doi|ean|upc|gtin|grid|ipi|barcode|crc32|md5|sha-?(?:1|256|512)"
)
_IDENTIFIERS: Final = re.compile(
    rf"(?<!{_ALNUM})(?:"
    rf"(?:{_ID})_[0-9a-f]++"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # UUID
    r"|[0-9a-f]{32,}+"  # a hash
    r"|[a-z]{2}-[a-z0-9]{3}-[0-9]{2}-[0-9]{5}"  # ISRC
    r"|t-[0-9]{3}[-. ]?[0-9]{3}[-. ]?[0-9]{3}[-. ]?[0-9]"  # ISWC
    r"|(?:[0-9a-f]{4}-){4}[0-9a-z](?:-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-z])?"  # ISAN
    r"|10\.[0-9]{4,9}/[a-z0-9.()/-]++"  # EIDR, and whatever is a DOI
    # Named as one; groups that go on are short, so that no telephone number behind it goes along.
    rf"|(?:{_LABELS})(?:-1[03])?[ :#-]{{0,3}}[a-z]{{0,2}}-?[0-9][\w.-]*+(?: [0-9x]{{1,4}}(?!{_ALNUM})){{0,4}}"
    rf")(?!{_ALNUM})"
)
_YEAR: Final = "(?:19|20)[0-9]{2}"
_NUMERALS: Final = re.compile(
    r"(?<![0-9])(?:"
    rf"{_YEAR}([-/.])[0-9]{{1,2}}\1[0-9]{{1,2}}(?:t[0-9:.]+z?)?"
    rf"|[0-9]{{1,2}}([-/.])[0-9]{{1,2}}\2{_YEAR}"
    rf"|{_YEAR}[01][0-9][0-3][0-9]t[0-9]{{4,6}}z?"
    rf"|(?:0?[1-9]|1[0-2])[/.]{_YEAR}"
    rf"|{_YEAR} ?[-/] ?(?:{_YEAR}|[0-9]{{2}})(?![-/. ]{{0,2}}[0-9])"
    rf"|(?<=\(){_YEAR}(?=\))"
    r"|[0-9]{1,3}:[0-9]{2}(?::[0-9]{2}){0,2}(?:[.,;][0-9]{1,6})?"  # a time code
    r"|[1-9][0-9]{0,2}(?:[. ]000){2,}|[1-9][0-9]?(?:\.[0-9]{3}){2}"  # millions
    r"|[0-9]{1,12}(?:[.,][0-9]{1,6})?(?: ?- ?[0-9]{1,12}(?:[.,][0-9]{1,6})?)? ?(?:s|sec|secs|seconds|ms|min|minutes|fps"
    r"|hz|khz|kbps|bytes|kb|mb|gb|frames|samples|views|plays|streams|copies|px|pixels)(?![^\W_])"
    r")(?![0-9])"
)
_GROUP: Final = rf"[0-9]++(?!(?!x[0-9]|ext){_ALNUM})"
# Sentences end between groups ("in 2019. 120 copies"), and brackets hold more than an area code ("2019 (120 copies)").
_NUMBER: Final = re.compile(
    rf"((?:(?<!{_ALNUM})|(?<=tel)|(?<=fon)|(?<=fax))[+(]{{0,2}}{_GROUP}"
    rf"(?:(?:\.(?! )|\((?=[0-9]{{1,5}}\))|[ )/_·-]){{1,4}}{_GROUP})*+)"
    r"(?: ?(?:x|ext\.?|extension|durchwahl|poste) ?[0-9]{1,6})?"
)


def _telephone_like(text: str, *, only_international: bool) -> Iterator[Span]:
    for match in _NUMBER.finditer(text):
        is_international = match[0].lstrip("(").startswith("+")
        if (is_international or not only_international) and sum(map(str.isdigit, match[1])) >= _TELLING_DIGITS:
            yield match.span()


# Nothing but an address of somebody follows these.
_CONTACT_LINK: Final = re.compile(
    rf"(?<!{_ALNUM})(?:(?:mailto|callto|skype|xmpp|sips?|whatsapp|facetime):|(?:tel|sms|fax):(?=[+(]?[0-9%]))"
    rf"(?:[.,;!?)]*+[^ .,;!?){_MARK}])++"
)
_LOCATION: Final = re.compile(
    r"(?<![^\W_])(?:https?|ftps?|wss?|rtmps?)://(?P<userinfo>[^ /?#@]*+@)?[^ /?#]*+(?P<rest>[^ <>\"]*+)"
)
_COMPONENT: Final = re.compile(r"(?P<segment>/[^/?#]*+)|(?P<query>\?[^#]*+)|(?P<fragment>#.*+)")
_HAS_TELEPHONE: Final = re.compile(r"//wa\.me/|whatsapp|(?:phone|tel|mobile|msisdn)\w*(?:=|%3d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Locations:
    """What addresses of pages hold. Numbers in them are ids, unless the address says that one is a telephone's."""

    userinfo: list[Span]
    with_ids: list[Span]
    readable: list[Span]
    encoded: list[Span]

    @classmethod
    def of(cls, text: str) -> Self:
        found = cls(userinfo=[], with_ids=[], readable=[], encoded=[])
        for location in _LOCATION.finditer(text):
            if location["userinfo"]:
                found.userinfo.append(location.span("userinfo"))
            if not _HAS_TELEPHONE.search(location[0]):
                found.with_ids.append(location.span("rest"))
            for component in _COMPONENT.finditer(text, *location.span("rest")):
                span = component.start() + 1, component.end()
                if component["segment"] is None and span[0] < span[1]:
                    found.readable.append(span)
                if "%" in component[0]:
                    found.encoded.append(span)
        return found


def _spans(text: str, stated: _Stated, *, within: int = 0) -> list[Span]:
    """Where personal data is in a text, in order; none touches the next.

    Args:
        within: how often it was decoded; a text that was is of locations, and its numbers are ids.
    """
    folded = _fold(text)
    looks = folded.text
    locations = _Locations.of(looks)
    found = _merged([*_found(looks, stated, locations, only_international=within > 0), *locations.userinfo])
    # Half a query tells which half is missing: it goes whole.
    found += [span for span in locations.readable if _touches(span, found)]
    if within < _ENCODED_WITHIN and locations.encoded:
        found += _in_encoded(looks, locations.encoded, stated, within=within + 1)
    return _merged([folded.original(span) for span in found])


def _found(looks: str, stated: _Stated, locations: _Locations, *, only_international: bool) -> list[Span]:
    found = [*_all(stated.certain, looks), *_all(stated.telephones, looks)]
    rest = _without(looks, found)
    identifiers = _all(_IDENTIFIERS, rest)
    found += _all(stated.parts, _without(rest, identifiers))
    # A host behind somebody's password is no mail address.
    open_text = _without(looks, locations.userinfo)
    for form in (_EMAIL, _HANDLE, _STREETS, _CONTACT_LINK):
        found += _all(form, open_text)
    numerals = _all(_NUMERALS, _without(rest, identifiers))
    numbers = _without(looks, [*identifiers, *numerals, *locations.with_ids])
    return [*found, *_ip_addresses(looks), *_telephone_like(numbers, only_international=only_international)]


def _in_encoded(looks: str, encoded: Sequence[Span], stated: _Stated, *, within: int) -> Iterator[Span]:
    """Those of the spans that hold personal data once they are decoded."""
    decoded = [unquote_plus(looks[start:end]) for start, end in encoded]
    ends = list(accumulate(len(text) + len(REDACTED) for text in decoded))
    for start, _ in _spans(REDACTED.join(decoded), stated, within=within):
        yield encoded[bisect_right(ends, start)]


def _all(pattern: re.Pattern[str] | None, text: str) -> list[Span]:
    return [match.span() for match in pattern.finditer(text)] if pattern else []


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            start, last = merged.pop()
            end = max(end, last)
        merged.append((start, end))
    return merged


def _touches(span: Span, merged: Sequence[Span]) -> bool:
    """Whether one of the spans, in order, has something of this one."""
    place = bisect_left(merged, span[1], key=lambda other: other[0]) - 1
    return place >= 0 and merged[place][1] > span[0]


def _without(text: str, spans: Iterable[Span]) -> str:
    """The text with what is there made unreadable, everything else in its place."""
    pieces, last = [], 0
    for start, end in _merged(spans):
        pieces += [text[last:start], _MARK * (end - start)]
        last = end
    return "".join([*pieces, text[last:]])
