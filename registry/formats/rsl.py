"""RSL 1.0, Really Simple Licensing (rslstandard.org/rsl): licences for places of a site as XML, and how they are found.

A `content` names a place and holds licences; a licence permits and prohibits uses, in some countries perhaps, for some
users, for a payment. What we make of it:

* Permitted and free is allowed; permitted under any condition (a payment that is not `free`, a licence server, certain
  users, reports, anything that we do not know) is constrained, by the terms at the payment's `standard` or `custom`
  licence or else at the content's `terms`; prohibited is reserved.
* What a licence does not list is not licensed by RSL. Of that nothing is said here: unset is never allowed.
* `ai-train` is training, `ai-input` input, `search` search. `train-ai` was the first draft's word. To prohibit `ai-all`
  or `all` reserves every use of ours that they reach; to permit them allows only those that have a word of their own,
  since a licence for all says nothing certain of those that have none. `ai-index` is no use of ours.
* `geo` permits: the licence is said for each of the countries; prohibits: what is permitted is reserved there. Where
  the countries cannot be read, nothing is permitted, and what is prohibited is reserved everywhere.
* The narrower place speaks before the wider (section 3.1.1); about one place all licences are taken over, so that
  the most restrictive counts. Both hold in what is written: a permission is left out, or becomes reserved when it had
  terms, where a stricter word on a wider place would lose to it.

Lists are separated by blanks, and by commas as in the draft. License feeds (RSS) and licences inside of files are not
read; the XML may hold no document type and no entities.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final
from xml.etree.ElementTree import Element, ParseError, SubElement, TreeBuilder, indent, tostring

from defusedxml.ElementTree import XMLParser

from registry.domain.preferences import EU, WORLDWIDE, Use, Value
from registry.formats import robots
from registry.formats.carried import Carried, Carries, carried
from registry.formats.places import WHOLE_SITE, Place, meeting, orders, place, unanchored
from registry.formats.sources import link, shown
from registry.formats.statements import FormatError, Reading, Remark, Statement, Written, distinct, few, named
from registry.prefixes import Prefixes

NAMESPACE: Final = "https://rslstandard.org/rsl"
MEDIA_TYPE: Final = "application/rsl+xml"
MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 16
MAX_ELEMENTS: Final = 20_000
MAX_PLACES: Final = 1000
MAX_STATEMENTS: Final = 10_000
MAX_HEADER_CHARS: Final = 1 << 14
_WORDS: Final = {Use.TRAIN: "ai-train", Use.INPUT: "ai-input", Use.SEARCH: "search"}
_PERMITTED: Final = {
    "ai-train": (Use.TRAIN,),
    "train-ai": (Use.TRAIN,),
    "ai-input": (Use.INPUT,),
    "search": (Use.SEARCH,),
    "ai-all": (Use.TRAIN, Use.INPUT),
    "all": (Use.TRAIN, Use.INPUT, Use.SEARCH),
}
_PROHIBITED: Final = _PERMITTED | {
    "ai-all": (Use.TRAIN, Use.TRAIN_GENERATIVE, Use.INPUT),
    "all": (Use.TRAIN, Use.TRAIN_GENERATIVE, Use.INPUT, Use.SEARCH, Use.TDM),
}
_COUNTRY_OR_EU: Final = re.compile(r"[A-Z]{2}")
_EMAIL: Final = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]{1,255}")


# -- reading -------------------------------------------------------------------------------------


def read(data: bytes) -> Reading:
    """What an RSL document says of places of the site that points to it.

    Raises:
        FormatError: it is no RSL document, or larger than one has to be.
    """
    root = _tree(data)
    if root.tag != _tag("rsl"):
        raise FormatError(problem=f'Its root is not <rsl xmlns="{NAMESPACE}">. Give the license file itself.')
    statements: list[Statement] = []
    remarks: list[Remark] = []
    for number, content in enumerate(root.findall(_tag("content")), start=1):
        found = _Content(content, where=f"content {number}")
        for said in found.statements():
            statements.append(said)
            if len(statements) > MAX_STATEMENTS:
                raise FormatError(problem=f"It says more than {MAX_STATEMENTS} things. Split it.")
        remarks += found.remarks
    locations = {said.location for said in statements}
    if len(locations) > MAX_PLACES:
        raise FormatError(problem=f"It is about more than {MAX_PLACES} places. Split it.")
    order = orders(locations)
    ordered = (replace(said, order=order[said.location]) for said in statements)
    return Reading(statements=distinct(ordered), remarks=few(remarks))


class _Bounded(TreeBuilder):
    """Builds the tree while it is neither too deep nor too large."""

    depth = 0
    elements = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self.depth += 1
        self.elements += 1
        if self.depth > MAX_DEPTH or self.elements > MAX_ELEMENTS:
            raise FormatError(problem=f"It has more than {MAX_DEPTH} levels or {MAX_ELEMENTS} elements.")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self.depth -= 1
        return super().end(tag)


def _tree(data: bytes) -> Element:
    if len(data) > MAX_BYTES:
        raise FormatError(problem=f"It has more than {MAX_BYTES} bytes.")
    parser = XMLParser(target=_Bounded(), forbid_dtd=True)
    try:
        parser.feed(data)
        root = parser.close()
    except FormatError:
        raise
    except (ParseError, ValueError, LookupError):
        problem = "It cannot be read as XML without a document type and entities."
        raise FormatError(problem=problem) from None
    assert isinstance(root, Element)
    return root


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


class _Content:
    """One content element; the remarks about it are complete when its statements were read."""

    def __init__(self, element: Element, *, where: str) -> None:
        self.remarks: list[Remark] = []
        self._element, self._where = element, where
        self._terms = self._link(element.findtext(_tag("terms")), "terms")
        self._contact = self._contact_of(element.find(_tag("copyright")))

    def statements(self) -> Iterator[Statement]:
        location, certain = self._location()
        if location == "":
            return
        for name in _unknown(self._element, ("license", "alternate", "schema", "copyright", "terms")):
            self._remark(f"There is no element {name} in RSL; it is ignored.")
        for licence in self._element.iterfind(_tag("license")):
            for said in self._licensed(licence):
                if certain or said.value is Value.RESERVED:
                    yield replace(said, location=location, contact=self._contact)

    def _location(self) -> tuple[str | None, bool]:
        """The place and whether it is all that was said; "" where it cannot be told."""
        url = self._element.get("url")
        if url in ("", WHOLE_SITE):
            return None, True
        location, ends = unanchored(url or "")
        if not _is_location(location):
            self._remark("Its url is neither a path nor a URL; nothing of it is taken over.")
            return "", False
        if ends:
            self._remark("Its url ends with $, and we cannot say where a path ends; only reservations are taken over.")
        return location, not ends

    def _licensed(self, licence: Element) -> Iterator[Statement]:
        permitted, prohibited = (self._uses(licence, name) for name in ("permits", "prohibits"))
        if not permitted and not prohibited:
            self._remark("A license permits and prohibits no use that we know; it says nothing.")
        countries, excluded = (self._countries(licence, name) for name in ("permits", "prohibits"))
        for use in prohibited:
            yield from self._reserved(use, countries or [WORLDWIDE])
        value, terms = self._price(licence)
        for use in (use for use in permitted if use not in prohibited):
            yield from self._reserved(use, excluded or [])
            if countries is not None and excluded is not None:
                for country in countries or [WORLDWIDE]:
                    if country not in excluded:
                        yield Statement(use=use, value=value, territory=country, terms_url=terms)

    def _reserved(self, use: Use, countries: list[str]) -> Iterator[Statement]:
        for country in countries:
            yield Statement(use=use, value=Value.RESERVED, territory=country, terms_url=self._terms)

    def _uses(self, licence: Element, name: str) -> list[Use]:
        words = _PERMITTED if name == "permits" else _PROHIBITED
        tokens = _tokens(licence, name, "usage")
        for token in tokens:
            if token not in words:
                self._remark(f"There is no use of ours for {shown(token)}; it is ignored.")
        reached = {use for token in tokens for use in words.get(token, ())}
        return [use for use in Use if use in reached]

    def _countries(self, licence: Element, name: str) -> list[str] | None:
        """The countries that are named, none where none are; None where they cannot be read."""
        if "geo" not in _kinds(licence, name):
            return []
        tokens = [token.upper() for token in _tokens(licence, name, "geo")]
        if tokens and all(map(_COUNTRY_OR_EU.fullmatch, tokens)):
            return tokens
        self._remark(f"The countries that it {name} are not country codes of ISO 3166 or {EU}.")
        return None

    def _price(self, licence: Element) -> tuple[Value, str | None]:
        """What a permission comes to, and where its terms are."""
        payments = licence.findall(_tag("payment"))
        asked = [payment for payment in payments if payment.get("type", "free") != "free" or len(payment)]
        texts = (payment.findtext(_tag(name)) for payment in asked for name in ("standard", "custom"))
        links = [url for url in (self._link(text, "standard or custom license") for text in texts) if url]
        kinds = {kind for name in ("permits", "prohibits") for kind in _kinds(licence, name)} - {"usage", "geo"}
        conditions = [
            *(["a licence server"] if self._element.get("server") else []),
            *(["reports"] if licence.find(_tag("reporting")) is not None else []),
            *(shown(kind) for kind in sorted(kinds)),
            *_unknown(licence, ("permits", "prohibits", "payment", "reporting", "legal")),
        ]
        for condition in conditions:
            self._remark(f"We have no word for {condition}; what the license permits is taken as constrained.")
        if licence.find(_tag("legal")) is not None:
            self._remark("Its legal statements are not taken over.")
        return Value.CONSTRAINED if asked or conditions else Value.ALLOWED, links[0] if links else self._terms

    def _contact_of(self, copyright: Element | None) -> str | None:
        if copyright is None:
            return None
        if (copyright.text or "").strip():
            self._remark("The name of the rights holder is not taken over.")
        ways = [copyright.get(name, "").strip() for name in ("contactEmail", "contactUrl")]
        known = [way for way in ways if _is_contact(way)]
        if len(known) < len([way for way in ways if way]) or len(known) > 1:
            self._remark("Of the contact, one e-mail address or link is taken over.")
        return known[0] if known else None

    def _link(self, text: str | None, name: str) -> str | None:
        url = link(text)
        if (text or "").strip() and url is None:
            self._remark(f"Its {name} {shown(text)} is not a link.")
        return url

    def _remark(self, problem: str) -> None:
        self.remarks.append(Remark(where=self._where, problem=problem))


def _unknown(element: Element, known: Iterable[str]) -> list[str]:
    """RSL's own elements that we do not know; those of other namespaces are nobody's concern (section 3)."""
    ours = (child.tag.removeprefix(_tag("")) for child in element if child.tag.startswith(_tag("")))
    return sorted({shown(name) for name in ours if name not in known})


def _kinds(licence: Element, name: str) -> set[str]:
    return {element.get("type", "usage") for element in licence.iterfind(_tag(name))}


def _tokens(licence: Element, name: str, kind: str) -> list[str]:
    found = (element for element in licence.iterfind(_tag(name)) if element.get("type", "usage") == kind)
    return list(dict.fromkeys(token for element in found for token in re.split(r"[\s,]+", element.text or "") if token))


def _is_location(text: str) -> bool:
    plain = text.isprintable() and " " not in text and not text.endswith("$")
    return plain and (text.startswith("/") or link(text) == text)


def _is_contact(text: str) -> bool:
    """Whether RSL can name a contact: an e-mail address or a link."""
    return bool(_EMAIL.fullmatch(text) and text.isprintable()) or link(text) == text


# -- writing -------------------------------------------------------------------------------------

_CARRIES: Final = Carries(
    uses=frozenset(_WORDS),
    constrained=True,
    needs_terms=True,
    terms=frozenset(Value),
    territories=True,
    locations=_is_location,
    contacts=_is_contact,
)


def write(statements: Iterable[Statement]) -> Written:
    """A license file; empty where there is nothing to say.

    A location is a path of the site that will point to the file, or a URL.
    """
    kept, left_out = carried(statements, _CARRIES)
    settled, others = _settled(kept)
    saying = distinct(settled)
    text = _document(saying) if saying else ""
    return Written(text=text, media_type=MEDIA_TYPE, left_out=(*left_out, *others))


def robots_line(url: str) -> str:
    """The line by which a robots.txt points to a license file, for every crawler; before its first group."""
    return f"License: {url}\n"


def link_header(url: str) -> str:
    """The header line by which an answer points to a license file."""
    return f'Link: <{url}>; rel="license"; type="{MEDIA_TYPE}"\n'


def _document(statements: Iterable[Statement]) -> str:
    root = Element("rsl", {"xmlns": NAMESPACE})
    contents: dict[tuple[str | None, str | None, str | None], list[Statement]] = {}
    for said in statements:
        terms = None if said.value is Value.CONSTRAINED else said.terms_url
        contents.setdefault((said.location, said.contact, terms), []).append(said)
    for (location, contact, terms), all_of_it in contents.items():
        content = SubElement(root, "content", {"url": location or WHOLE_SITE})
        licenses: dict[tuple[str, Value, str | None], dict[Use, None]] = {}
        for said in all_of_it:
            own_terms = said.terms_url if said.value is Value.CONSTRAINED else None
            licenses.setdefault((said.territory, said.value, own_terms), {})[said.use] = None
        for (territory, value, own_terms), uses in licenses.items():
            _write_license(content, uses, value, territory, own_terms)
        if contact is not None:
            SubElement(content, "copyright", {"contactUrl" if link(contact) else "contactEmail": contact})
        if terms is not None:
            SubElement(content, "terms").text = terms
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _write_license(content: Element, uses: Iterable[Use], value: Value, territory: str, terms: str | None) -> None:
    licence = SubElement(content, "license")
    says = "prohibits" if value is Value.RESERVED else "permits"
    SubElement(licence, says, {"type": "usage"}).text = " ".join(_WORDS[use] for use in uses)
    if territory != WORLDWIDE:
        SubElement(licence, "permits", {"type": "geo"}).text = territory
    if value is Value.ALLOWED:
        SubElement(licence, "payment", {"type": "free"})
    if value is Value.CONSTRAINED:
        SubElement(SubElement(licence, "payment"), "custom").text = terms


def _settled(kept: list[Carried]) -> tuple[list[Statement], list[Remark]]:
    """What is written, widest places first: no permission speaks before a stricter word on a wider place.

    Where it would, one without conditions is left out, and one with terms becomes reserved: it restricts, too.
    """
    in_turn = sorted(((place(one.said.location), one) for one in kept), key=lambda placed: placed[0].length)
    begun = Prefixes((here.begin, number) for number, (here, _) in enumerate(in_turn))
    settled: dict[int, Statement] = {}
    left_out: list[Remark] = []
    for number, (here, one) in enumerate(in_turn):
        said = one.said
        wider = (
            settled[other] for other in meeting(begun, here) if other in settled and _is_wider(in_turn[other][0], here)
        )
        if any(other.use is said.use and _is_stricter(other, said) for other in wider):
            problem = "A stricter word holds there as well, and the narrower place would speak before it."
            left_out.append(Remark(where=named(one.made), problem=problem))
            if said.value is Value.ALLOWED:
                continue
            said = replace(said, value=Value.RESERVED, terms_url=None)
        settled[number] = said
    return list(settled.values()), left_out


def _is_stricter(other: Statement, said: Statement) -> bool:
    """Whether the other restricts more where and when both speak."""
    lands = {said.territory, other.territory}
    strictness = (Value.ALLOWED, Value.CONSTRAINED, Value.RESERVED)
    together = len(lands) == 1 or not lands.isdisjoint({WORLDWIDE, EU})
    return together and other.order <= said.order and strictness.index(other.value) > strictness.index(said.value)


def _is_wider(there: Place, here: Place) -> bool:
    return there.length < here.length and there.may_meet(here)


# -- where licences are found --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointers:
    """Where a site keeps its license files, in the order in which they were named."""

    urls: tuple[str, ...]
    remarks: tuple[Remark, ...]


_LINK: Final = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+(?:\s*=\s*(?:"[^"]*"|[^\s",;]*))?)*)')
_PARAMETER: Final = re.compile(r';\s*([\w!#$&+.^`|~*-]+)\s*=\s*(?:"([^"]*)"|([^\s",;]*))')


def license_urls(*, robots_txt: bytes = b"", links: Iterable[str] = ()) -> Pointers:
    """The license files that a robots.txt and the Link headers of a response point to.

    `License` lines in the groups for every crawler count before those outside of any group (section 4.4); a Link has
    the relation `license` and RSL's media type (section 4.5). Only absolute URLs are taken.
    """
    found = robots.rules(robots_txt, field="License")
    grouped = [rule for rule in found.rules if rule.grouped]
    named_there = [
        ((rule.path or "") + rule.value.decode(errors="replace"), f"line {rule.line}")
        for rule in grouped or found.rules
    ]
    named_there += [(target, "Link") for header in links for target in _licenses_in(header[:MAX_HEADER_CHARS])]
    urls = [link(target) for target, _ in named_there]
    remarks = [
        Remark(where=where, problem=f"{shown(target)} is not an absolute URL.")
        for (target, where), url in zip(named_there, urls, strict=True)
        if url is None
    ]
    absolute = tuple(dict.fromkeys(url for url in urls if url is not None))
    return Pointers(urls=absolute, remarks=few([*found.remarks, *remarks]))


def _licenses_in(header: str) -> Iterator[str]:
    for target, parameters in _LINK.findall(header):
        said: dict[str, str] = {}
        for name, quoted, plain in _PARAMETER.findall(parameters):
            said.setdefault(name.lower(), quoted or plain)
        if "license" in said.get("rel", "").lower().split() and said.get("type", "").lower() == MEDIA_TYPE:
            yield target
