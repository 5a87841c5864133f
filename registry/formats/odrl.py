"""TDM policies: on which terms mining is licensed, as an offer in ODRL 2.2 (JSON-LD) by TDMRep's profile.

The section "Expressing a TDM Policy" of TDMRep's final report lists what a policy holds: an offer under the profile,
an assigner with a vCard, permissions to mine with duties and constraints; territories are from the group's notes on
possible extensions, times from the ODRL vocabulary. Rules of this module:

1. What is allowed is a permission, what is constrained a permission with the duty to obtain consent, from whom and on
   which terms; what is reserved is a prohibition, and prohibitions win.
2. A policy has no order and its permissions are alternatives. So a permission that may meet something stricter is
   not written, and one that is read beside something not understood is not taken over. What is stricter is: without
   the limits that were not understood, so it reserves more than was meant.
3. Whoever reads plain JSON finds the members that the report names; whoever reads JSON-LD needs no context but the
   one in the document, and nothing is fetched.

Only mining can be said: the profile has no other action. Compensation is read as a constraint; we have no word for it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from typing import Any, Final
from urllib.parse import quote, unquote

from registry.domain.preferences import EU, EU_MEMBERS, WORLDWIDE, Use, Value
from registry.formats.patterns import beginning, escaped, may_meet, named_host, pattern_of
from registry.formats.sources import is_url, json_of, shown
from registry.formats.statements import FormatError, Reading, Remark, Statement, Written, distinct, named
from registry.locations import with_scheme

MEDIA_TYPE: Final = "application/ld+json"
PROFILE: Final = "http://www.w3.org/ns/tdmrep"
MAX_BYTES: Final = 1 << 20
MAX_STATEMENTS: Final = 1000

_ODRL: Final = "http://www.w3.org/ns/odrl/2/"
_TDM: Final = f"{PROFILE}#"
_MINE: Final = "tdm:mine"
_PLACE: Final = "urn:iso:3166:"
_EMAIL: Final = re.compile(
    r"[^@\s\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]{1,100}@[^@\s\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]{1,150}"
)
_TELEPHONE: Final = re.compile(r"tel:\+?[0-9().-]{1,100}")
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_TERRITORY: Final = re.compile(rf"(?:{_PLACE})?([A-Za-z]{{2}})")


def _defined(names: str, *, kind: str | None = None) -> dict[str, Any]:
    how = {} if kind is None else {"@type": kind}
    return {name: {"@id": name if ":" in name else f"odrl:{name}", **how} for name in names.split()}


# Our own mapping of the members to the vocabularies, so that no context need be fetched.
_CONTEXT: Final[Mapping[str, Any]] = {
    "odrl": _ODRL,
    "tdm": _TDM,
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "uid": "@id",
    **_defined("Offer prohibit obtainConsent spatial dateTime isPartOf gteq lt rightOperand"),
    **_defined("conflict action leftOperand operator", kind="@vocab"),
    **_defined("profile assigner permission prohibition target duty consentingParty constraint", kind="@id"),
    **_defined("vcard:hasEmail vcard:hasTelephone vcard:hasURL", kind="@id"),
}


# -- writing -------------------------------------------------------------------------------------


def write_policy(
    statements: Iterable[Statement], *, policy_url: str, assigner_name: str, contact: str | None = None
) -> Written:
    """The policy that is served at `policy_url`; empty where there is nothing that it can say.

    Args:
        contact: of the assigner, for all that has none of its own: an e-mail address, `tel:+…` or a link.
    Raises:
        FormatError: it has no name or address, or there is more than it holds.
    """
    if not is_url(policy_url) or not assigner_name.strip() or not assigner_name.isprintable():
        raise FormatError(problem="A policy needs the link that it is served at and a printable name of who offers.")
    given = distinct(statements)
    if len(given) > MAX_STATEMENTS:
        raise FormatError(problem=f"A policy holds at most {MAX_STATEMENTS} statements. Write several.")
    stricter = [_Reach.of(one) for one in given if one.use is Use.TDM and one.value is not Value.ALLOWED]
    rules: dict[str, list[dict[str, Any]]] = {"permission": [], "prohibition": []}
    left_out = []
    if contact and not _vcard(contact):
        problem = "A policy has room for an e-mail address, tel:+… or a link. It is not written."
        left_out.append(Remark(where="contact", problem=problem))
        contact = None
    for statement in given:
        sayable, problems = _sayable(statement, stricter, contact)
        left_out += [Remark(where=named(statement), problem=problem) for problem in problems]
        if sayable:
            rules["prohibition" if sayable.value is Value.RESERVED else "permission"].append(_rule(sayable))
    if not any(rules.values()):
        return Written(text="", media_type=MEDIA_TYPE, left_out=tuple(left_out))
    policy: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "Offer",
        "uid": policy_url,
        "profile": PROFILE,
        "conflict": "prohibit",
        "assigner": {"uid": f"{policy_url.partition('#')[0]}#assigner", "vcard:fn": assigner_name, **_vcard(contact)},
        **{name: found for name, found in rules.items() if found},
    }
    text = json.dumps(policy, indent=2, ensure_ascii=False) + "\n"
    if len(text.encode()) > MAX_BYTES:
        raise FormatError(problem=f"A policy has at most {MAX_BYTES} bytes. Write several.")
    return Written(text=text, media_type=MEDIA_TYPE, left_out=tuple(left_out))


def _sayable(
    statement: Statement, stricter: Sequence["_Reach"], contact: str | None
) -> tuple[Statement | None, list[str]]:
    """What a policy can say of a statement, None if nothing, and what it cannot."""
    if statement.use is not Use.TDM:
        return None, ["The profile of TDMRep speaks of text and data mining only."]
    if statement.location is not None and _target(statement.location) is None:
        return None, ["A policy names its targets by links. Give the location with its host."]
    problems = []
    if statement.value is Value.CONSTRAINED and not is_url(statement.terms_url):
        statement = replace(statement, value=Value.RESERVED, terms_url=None)
        problems.append("It shows no terms that can be linked to. It is written as reserved.")
    reach = _Reach.of(statement)
    if statement.value is Value.ALLOWED and any(reach.may_meet(other) for other in stricter):
        return None, ["A policy has no order, and something stricter is said of the same. It is not written."]
    own = statement.contact not in (None, contact)
    ways = _vcard(statement.contact) if statement.value is Value.CONSTRAINED else {}
    if own and (not ways or "vcard:hasURL" in ways):  # that link is taken by the terms
        problems.append("Only beside terms there is room for a contact, by e-mail or tel:+…. It is not written.")
        own = False
    if statement.value is not Value.CONSTRAINED and statement.terms_url:
        problems.append("Only what is constrained has terms. Its terms_url is not written.")
    return replace(statement, contact=statement.contact if own else None), problems


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    """Where a statement holds; `host` is "" for any, and so is `path`, the beginning of what it covers."""

    territory: str
    host: str
    path: str

    @classmethod
    def of(cls, statement: Statement) -> "_Reach":
        host, location = named_host(statement.location), statement.location
        path = "" if location is None or host == "" else beginning(pattern_of(location))
        return cls(territory=statement.territory, host=host or "", path=path)

    def may_meet(self, other: "_Reach") -> bool:
        areas = {self.territory, other.territory}
        meet = len(areas) == 1 or WORLDWIDE in areas or (EU in areas and bool(EU_MEMBERS & areas))
        hosts = {self.host, other.host} - {""}
        return meet and len(hosts) < 2 and may_meet(self.path, other.path)


def _rule(statement: Statement) -> dict[str, Any]:
    rule: dict[str, Any] = {"action": _MINE}
    if statement.location is not None:
        rule["target"] = _target(statement.location)
    if statement.value is Value.CONSTRAINED:
        party = {"vcard:hasURL": statement.terms_url, **_vcard(statement.contact)}
        rule["duty"] = [{"action": "obtainConsent", "consentingParty": party}]
    constraints = []
    if statement.territory != WORLDWIDE:
        constraints.append(_constraint("spatial", "isPartOf", {"@id": f"{_PLACE}{statement.territory}"}))
    # Valid in [valid_from, valid_until).
    for operator, moment in (("gteq", statement.valid_from), ("lt", statement.valid_until)):
        if moment is not None:
            constraints.append(
                _constraint("dateTime", operator, {"@type": "xsd:dateTime", "@value": moment.isoformat()})
            )
    return rule | ({"constraint": constraints} if constraints else {})


def _target(location: str) -> str | None:
    """The link that stands for a location, None where there is none."""
    host = named_host(location)
    if not host or host not in location.lower():  # it is written in letters that no link has
        return None
    link = escaped(with_scheme(location))
    return link if is_url(link) else None


def _constraint(left: str, operator: str, right: Mapping[str, str]) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def _vcard(contact: str | None) -> dict[str, str]:
    """A contact as a property of a vCard; nothing if it is of no kind that the profile has."""
    if contact is None:
        return {}
    if is_url(contact):
        return {"vcard:hasURL": contact}
    if _TELEPHONE.fullmatch(contact):
        return {"vcard:hasTelephone": contact}
    address = contact.removeprefix("mailto:")
    return {"vcard:hasEmail": f"mailto:{quote(address, safe='@')}"} if _EMAIL.fullmatch(address) else {}


# -- reading -------------------------------------------------------------------------------------

_POLICY_MEMBERS: Final = frozenset(
    {"@context", "@type", "@id", "uid", "profile", "conflict", "assigner", "permission", "prohibition"}
)
_RULE_MEMBERS: Final = frozenset({"@type", "@id", "uid", "action", "target", "duty", "constraint", "assigner"})
_CONSTRAINT_MEMBERS: Final = frozenset({"@type", "@id", "uid", "leftOperand", "operator", "rightOperand"})
# An end is an instant late or early; nobody says it to the microsecond.
_ENDS: Final = {"gteq": "valid_from", "gt": "valid_from", "lt": "valid_until", "lteq": "valid_until"}
_WITHIN: Final = (["isPartOf"], ["eq"])


def read_policy(data: bytes) -> Reading:
    """What a policy says; every statement has the assigner's contact unless it has one of its own.

    Members are known by the names that the report gives them, with or without `odrl:`; contexts are not followed.

    Raises:
        FormatError: it is no offer under TDMRep's profile.
    """
    policy = _Node.of(json_of(data, max_bytes=MAX_BYTES))
    if policy is None or "Offer" not in policy.terms("@type") or PROFILE not in policy.terms("profile"):
        raise FormatError(problem=f"It is not an ODRL offer with the profile {PROFILE}.")
    remarks = [Remark(where="policy", problem=problem) for problem in policy.unknown(_POLICY_MEMBERS)]
    forbidden = _read_rules(policy, "prohibition", remarks)
    is_in_doubt = bool(remarks)
    permitted = _read_rules(policy, "permission", remarks)
    if is_in_doubt and any(statement.value is Value.ALLOWED for statement in permitted):
        problem = "It forbids or demands what is not understood here, so nothing is taken to be allowed."
        remarks.append(Remark(where="policy", problem=problem))
        permitted = [statement for statement in permitted if statement.value is not Value.ALLOWED]
    if not policy.values("prohibition") and not policy.values("permission"):
        remarks.append(Remark(where="policy", problem="It has no permission, so it says nothing."))
    return Reading(statements=distinct([*forbidden, *permitted]), remarks=tuple(remarks))


def _read_rules(policy: "_Node", kind: str, remarks: list[Remark]) -> list[Statement]:
    statements: list[Statement] = []
    for number, member in enumerate(policy.values(kind), start=1):
        found, problems = _read_rule(member, policy, is_prohibition=kind == "prohibition")
        remarks += [Remark(where=f"{kind} {number}", problem=problem) for problem in problems]
        statements += found
        if len(statements) > MAX_STATEMENTS:
            raise FormatError(problem=f"It says more than {MAX_STATEMENTS} things. Split it.")
    return statements


def _read_rule(member: object, policy: "_Node", *, is_prohibition: bool) -> tuple[list[Statement], list[str]]:
    """The statements of a rule, and what of it is not understood."""
    rule = _Node.of(member)
    if rule is None or rule.terms("action") != [_MINE]:
        return [], [f"It is not about {_MINE} and nothing else."]
    targets: list[str] | list[None] = rule.references("target") or [None]
    if not all(target is None or is_url(target) for target in targets):
        return [], ["Its target is not a link."]
    limits = _Limits.of(rule)
    problems = rule.unknown(_RULE_MEMBERS) + limits.problems
    value = Value.RESERVED if is_prohibition else Value.CONSTRAINED if rule.values("duty") else Value.ALLOWED
    if value is Value.ALLOWED and problems:
        return [], [*problems, "So nothing is taken to be allowed by it."]
    if len(targets) * len(limits.territories) > MAX_STATEMENTS:
        raise FormatError(problem=f"It says more than {MAX_STATEMENTS} things. Split it.")
    said = Statement(
        use=Use.TDM,
        value=value,
        contact=policy.contact("assigner"),
        valid_from=limits.valid_from,
        valid_until=limits.valid_until,
    )
    if value is Value.CONSTRAINED:
        said, more = _on_terms(said, rule, policy)
        problems += more
    every = product(targets, limits.territories)
    return [replace(said, location=location, territory=territory) for location, territory in every], problems


def _on_terms(statement: Statement, rule: "_Node", policy: "_Node") -> tuple[Statement, list[str]]:
    """What is allowed on duties, with the terms and the contact that they name."""
    duties = [_Node.of(duty) for duty in rule.values("duty")]
    asked = [duty for duty in duties if duty and duty.terms("action") == ["obtainConsent"]]
    others = [action for duty in duties if duty not in asked for action in (duty.terms("action") if duty else ["?"])]
    problems = [f"{shown(', '.join(others))}: read as constrained, with no word for the rest."] if others else []
    links = (duty.link("consentingParty") for duty in asked)
    contacts = (duty.contact("consentingParty", but_links=True) for duty in asked)
    terms_url = next(filter(None, links), None) or policy.link("assigner") or policy.url()
    return replace(
        statement, terms_url=terms_url, contact=next(filter(None, contacts), None) or statement.contact
    ), problems


@dataclass(frozen=True, slots=True)
class _Node:
    """An object of the document, its members by their names without `odrl:`."""

    members: Mapping[str, Any]

    @classmethod
    def of(cls, value: object) -> "_Node | None":
        if not isinstance(value, dict):
            return None
        members = {_term(name): member for name, member in value.items()}
        # One member under two names is like one that is there twice.
        return cls(members) if len(members) == len(value) else None

    def values(self, name: str) -> list[Any]:
        value = self.members.get(name, [])
        return value if isinstance(value, list) else [value]

    def references(self, name: str) -> list[str]:
        """What the values name; "" for one that names nothing."""
        return [_reference(value) for value in self.values(name)]

    def terms(self, name: str) -> list[str]:
        return [_term(reference) for reference in self.references(name)]

    def unknown(self, known: frozenset[str]) -> list[str]:
        """A remark on members that may limit or add something; what has another prefix only describes."""
        names = sorted(name for name in self.members.keys() - known if ":" not in name)
        return [f"{shown(', '.join(names))} is not understood here."] if names else []

    def url(self) -> str | None:
        """The object's own identifier, where it is a link."""
        return next((one for one in (self.members.get("uid"), self.members.get("@id")) if is_url(one)), None)

    def link(self, party: str) -> str | None:
        return next((one for one in self._reached(party, "vcard:hasURL") if is_url(one)), None)

    def contact(self, party: str, *, but_links: bool = False) -> str | None:
        """The first way of reaching a party, as statements have it."""
        addresses = (unquote(one.removeprefix("mailto:")) for one in self._reached(party, "vcard:hasEmail"))
        emails = (one for one in addresses if _EMAIL.fullmatch(one))
        telephones = (one for one in self._reached(party, "vcard:hasTelephone") if _TELEPHONE.fullmatch(one))
        return next(emails, None) or next(telephones, None) or (None if but_links else self.link(party))

    def _reached(self, party: str, name: str) -> Iterator[str]:
        for value in self.values(party):
            node = _Node.of(value)
            yield from node.references(name) if node else ()


def _term(name: str) -> str:
    for prefix in ("odrl:", _ODRL):
        name = name.removeprefix(prefix)
    return f"tdm:{name.removeprefix(_TDM)}" if name.startswith(_TDM) else name


def _reference(value: object) -> str:
    """A text, or an object's identifier or literal."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("@id", "uid", "@value") if name in value), None)
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """Where and when a rule holds, and what limits it in ways that are not understood."""

    territories: Sequence[str]
    valid_from: datetime | None
    valid_until: datetime | None
    problems: list[str]

    @classmethod
    def of(cls, rule: _Node) -> "_Limits":
        territories: list[str] = []
        ends: dict[str, datetime] = {}
        problems = []
        for member in rule.values("constraint"):
            node = _Node.of(member) or _Node({})
            operands, operators = node.terms("leftOperand"), node.terms("operator")
            right = node.references("rightOperand")
            end = _ENDS.get(operators[0]) if len(operators) == 1 else None
            places = [_TERRITORY.fullmatch(place) for place in right]
            moments = [moment for moment in map(_moment, right) if moment]
            if node.unknown(_CONSTRAINT_MEMBERS):
                problems += node.unknown(_CONSTRAINT_MEMBERS)
            elif operands == ["spatial"] and operators in _WITHIN and right and all(places) and not territories:
                territories = list(dict.fromkeys(place[1].upper() for place in places if place))
            elif operands == ["dateTime"] and end and end not in ends and len(right) == len(moments) == 1:
                ends[end] = moments[0]
            else:
                problems.append(f"Its constraint on {shown(', '.join(operands))} is not understood here.")
        return cls(
            territories=territories or [WORLDWIDE],
            valid_from=ends.get("valid_from"),
            valid_until=ends.get("valid_until"),
            problems=problems,
        )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if _DATE_TIME.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None
