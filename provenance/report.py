"""A validation report becomes separate facts.

Decides integrity, signer trust and time from the status codes of a C2PA
validation report, for the file and for each of its ingredients, and what is
taken over of the rest: known fields only, each of bounded length. Pure.

Rules:
- Codes about the signer's credential never touch integrity, and the other way round.
- Intact needs a confirmed claim signature; anything not understood is not intact.
- Trusted needs a *manifest* anchor of ours: the library also trusts a claim
  signer through a time-stamp anchor.
- A fault of an ingredient that its user recorded is the ingredient's; one that
  was not recorded came later, and is a fault of this file as well.
- The library compares recorded trust with our anchors for direct ingredients
  only. Further down a record of trust counts when a trusted signer wrote it.
- What is said of an identity (CAWG) touches neither integrity nor the signer.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from provenance.authority import AnchorKind, TrustAnchor
from provenance.explanations import explain
from provenance.manifest import (
    ACTIONS_LABEL,
    CHECK_LABEL,
    CONSENTS_LABEL,
    SOFT_BINDING_LABEL,
    TRAINING_MINING_LABEL,
)
from provenance.model import (
    ActionFact,
    AssertedConsent,
    Failure,
    IdentityFacts,
    IdentityState,
    IngredientFacts,
    Integrity,
    IntegrityState,
    ManifestFacts,
    Redaction,
    SignerFacts,
    SignerState,
    SoftBinding,
    TimeStampFacts,
    TimeStampState,
)
from provenance.source_types import source_type_of

MAX_TEXT_CHARS = 500
MAX_ITEMS = 64
MAX_DEPTH = 16
MAX_TOKEN_CHARS = 4096
MAX_RAW_CHARS = 128 * 1024
MAX_CRJSON_CHARS = 512 * 1024
MAX_BINDINGS, MAX_BINDING_CHARS = 16, 8 * 1024

_UNTRUSTED = "signingCredential.untrusted"
_TRUSTED = "signingCredential.trusted"
_EXPIRED = {"signingCredential.expired", "claimSignature.outsideValidity"}
_REVOKED = {"signingCredential.ocsp.revoked"}
# `signingCredential.invalid` is not here: such a certificate proves no signature.
_SIGNER_CODES = (
    {
        _UNTRUSTED,
        "signingCredential.ocsp.unknown",
        "signingCredential.ocsp.inaccessible",
        "timeStamp.mismatch",
        "timeStamp.malformed",
        "timeStamp.outsideValidity",
        "timeStamp.untrusted",
    }
    | _EXPIRED
    | _REVOKED
)
_SIGNATURE_HOLDS = "claimSignature.validated"

_STAMP_TRUSTED, _STAMP_HOLDS = "timeStamp.trusted", "timeStamp.validated"
_STAMP_BROKEN = {"timeStamp.mismatch", "timeStamp.malformed", "timeStamp.outsideValidity"}
_IDENTITY, _IDENTITY_LABEL = "cawg.", "cawg.identity"
_IDENTITY_TRUSTED = {"cawg.x509.credential.trusted", "cawg.identity.trusted", "cawg.ica.credential_valid"}
_IDENTITY_UNKNOWN = {"cawg.x509.credential.untrusted", "cawg.ica.untrusted_issuer"}
_CONTAINING = {"parentOf", "componentOf"}  # `inputTo` went into making it and is not inside it
_MANIFEST_OF_URL = re.compile(r"/c2pa/([^/]+)")
_LIST_IN_EXPLANATION = re.compile(r"\[([^\]]*)\]")
_AUTHORITY = re.compile(r"timestamp (?:message )?digest matched: (.+)")

type _Codes = list[Mapping[str, Any]]
type _Lists = Mapping[str, TrustAnchor]


def facts_from_report(
    text: str, *, anchors: Iterable[TrustAnchor], crjson: str | None = None
) -> ManifestFacts:  # fmt: skip
    """The facts that a report supports.

    Args:
        text: JSON as c2pa's Reader writes it.
        anchors: whom we trust.
        crjson: the same report as crJSON, handed on where it is not too long.
    Raises:
        ValueError: the text is not JSON.
    """
    report = _mapping(json.loads(text))
    facts = facts_of(report, anchors=anchors)
    return replace(
        facts,
        raw=report if len(text) <= MAX_RAW_CHARS else None,
        crjson=crjson if crjson is not None and len(crjson) <= MAX_CRJSON_CHARS else None,
    )


def facts_of(report: Mapping[str, Any], *, anchors: Iterable[TrustAnchor]) -> ManifestFacts:
    """The facts that a report supports, without the report itself; as `facts_from_report`, of parsed JSON."""
    lists = {anchor.uri: anchor for anchor in anchors if anchor.kind is AnchorKind.MANIFEST}
    label = _text(report.get("active_manifest"))
    manifests = _mapping(report.get("manifests"))
    manifest = _mapping(manifests.get(label or ""))
    results = _mapping(report.get("validation_results"))
    active = _mapping(results.get("activeManifest"))
    successes, failures = _entries(active, "success"), _entries(active, "failure")
    informational = _entries(active, "informational")
    later = _Later(results)

    integrity = _integrity(
        [_code(entry) for entry in failures] + later.faults(),
        signature_holds=_SIGNATURE_HOLDS in map(_code, successes),
        state=report.get("validation_state"),
    )
    signer = _signer(
        manifest,
        failed={_code(entry) for entry in failures},
        trust_list=_text(results.get("trustListUri")),
        lists=lists,
    )
    ingredients = _Tree(manifests, later, lists).below(label or "")
    ours = integrity.state is IntegrityState.INTACT and signer.state is SignerState.TRUSTED
    return ManifestFacts(
        integrity=integrity,
        signer=signer,
        time_stamp=_time_stamp(manifest, successes, [*failures, *informational]),
        manifest_label=label,
        claim_generator=_claim_generator(manifest),
        title=_text(manifest.get("title")),
        actions=tuple(_actions(manifest)),
        ai_generated=_ai_generated(manifest, ingredients),
        training_mining=_training_mining(manifest),
        identities=tuple(_identities(manifest, successes, failures)),
        ingredients=ingredients,
        redactions=tuple(_redactions(manifests)),
        soft_bindings=tuple(_soft_bindings(manifest)),
        check=_check(manifest) if ours else None,
        consents=tuple(_consents(manifest)) if ours else (),
    )


def without_report(state: IntegrityState, code: str | None, *, remote_url: str | None = None) -> ManifestFacts:
    """Facts of a file that gave nothing to judge."""
    failures = (Failure(code=code, explanation=explain(code)),) if code is not None else ()
    return ManifestFacts(integrity=Integrity(state=state, failures=failures, remote_url=remote_url))


def stated_history(text: str) -> tuple[ActionFact, ...]:
    """The actions of a file's own history: its manifest's, then those of the file that was opened for it, and so on.

    Args:
        text: as `facts_from_report`; whether any of it holds is not asked.
    """
    report = _mapping(json.loads(text))
    manifests, label = _mapping(report.get("manifests")), _text(report.get("active_manifest"))
    actions: list[ActionFact] = []
    walked: set[str] = set()
    while label is not None and label not in walked and len(walked) < MAX_DEPTH:
        walked.add(label)
        manifest = _mapping(manifests.get(label))
        actions += _actions(manifest)
        opened = (one for one in _mappings(manifest.get("ingredients")) if one.get("relationship") == "parentOf")
        label = _text(next(opened, {}).get("active_manifest"))
    return tuple(actions)


class _Later:
    """What validation found now that the users of the ingredients had not recorded."""

    def __init__(self, results: Mapping[str, Any]) -> None:
        self._deltas: list[tuple[str, Mapping[str, Any]]] = [
            (str(delta.get("ingredientAssertionURI")), _mapping(delta.get("validationDeltas")))
            for delta in _mappings(results.get("ingredientDeltas"))
        ]

    def faults(self) -> list[str]:
        codes = (_code(entry) for _, delta in self._deltas for entry in _entries(delta, "failure"))
        return [code for code in codes if _is_fault(code)]

    def about(self, kind: str, *, assertion_uri: str, manifest: str) -> tuple[_Codes, _Codes]:
        """Entries on an ingredient, and those of them that speak of its own manifest."""
        named: _Codes = []
        own: _Codes = []
        for uri, delta in self._deltas:
            for entry in _entries(delta, kind):
                is_own = manifest != "" and _manifest_of(entry) == manifest
                own += [entry] if is_own else []
                named += [entry] if is_own or uri == assertion_uri else []
        return named, own


def _integrity(codes: Iterable[str], *, signature_holds: bool, state: object) -> Integrity:
    """Integrity from failure codes; the signer's codes are left to `_signer`."""
    codes = list(codes)
    faults = list(dict.fromkeys(filter(_is_fault, codes)))
    # An Invalid that no code explains, or a signature that nothing confirms, is not intact.
    unexplained = state not in ("Trusted", "Valid") and not codes
    if not faults and (unexplained or not signature_holds):
        faults = ["clearmark.signature.unproven"]
    if not faults:
        return Integrity(state=IntegrityState.INTACT)
    return Integrity(state=IntegrityState.INVALID, failures=_failures(faults))


def _is_fault(code: str) -> bool:
    """Whether a failure is one of the file, not of who signed it or says to stand behind it."""
    return code not in _SIGNER_CODES and not code.startswith(_IDENTITY)


def _failures(codes: Iterable[str]) -> tuple[Failure, ...]:
    bounded = [code[:MAX_TEXT_CHARS] for code in codes][:MAX_ITEMS]
    return tuple(Failure(code=code, explanation=explain(code)) for code in bounded)


def _signer(
    manifest: Mapping[str, Any], *, failed: set[str], trust_list: str | None, lists: _Lists
) -> SignerFacts:  # fmt: skip
    signature = _mapping(manifest.get("signature_info"))
    issuer, algorithm = _text(signature.get("issuer")), _text(signature.get("alg"))
    name = _text(signature.get("common_name")) or issuer
    facts = SignerFacts(state=SignerState.NONE, name=name, issuer=issuer, algorithm=algorithm)
    if failed & _REVOKED:
        return replace(facts, state=SignerState.REVOKED)
    if failed & _EXPIRED:
        return replace(facts, state=SignerState.EXPIRED)
    if _UNTRUSTED not in failed and trust_list is not None and trust_list in lists:
        standing = lists[trust_list].standing
        return replace(facts, state=SignerState.TRUSTED, trust_list=trust_list, standing=standing)
    return replace(facts, state=SignerState.UNTRUSTED) if signature else facts


def _time_stamp(manifest: Mapping[str, Any], successes: _Codes, others: _Codes) -> TimeStampFacts:
    """When it was signed by somebody else's word; the signer's own word on time is not one."""
    held, told = set(map(_code, successes)), set(map(_code, others))
    if told & _STAMP_BROKEN:
        return TimeStampFacts(state=TimeStampState.INVALID)
    at = _moment(_mapping(manifest.get("signature_info")).get("time"))
    if _STAMP_HOLDS not in held or at is None:
        return TimeStampFacts()
    state = TimeStampState.TRUSTED if _STAMP_TRUSTED in held else TimeStampState.UNTRUSTED
    said = next((entry for entry in successes if _code(entry) == _STAMP_HOLDS), {})
    named = _AUTHORITY.search(str(said.get("explanation")))
    return TimeStampFacts(state=state, at=at, authority=_text(named.group(1)) if named else None)


def _moment(stated: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(stated))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


class _Tree:
    """The ingredients of a manifest, and theirs; a manifest is not walked below itself, nor are all of too many."""

    def __init__(self, manifests: Mapping[str, Any], later: _Later, lists: _Lists) -> None:
        self._manifests, self._later, self._lists = manifests, later, lists
        self._told = 0

    def below(
        self, label: str, *, above: frozenset[str] = frozenset(), believed: bool = True
    ) -> tuple[IngredientFacts, ...]:
        """The ingredients of one manifest.

        Args:
            above: the manifests that it is an ingredient of.
            believed: whether the word of who recorded them counts.
        """
        path = above | {label}
        found = []
        lists = self._lists if believed else {}
        for ingredient in _mappings(_mapping(self._manifests.get(label)).get("ingredients")):
            if self._told == MAX_ITEMS:
                break
            self._told += 1
            facts = _ingredient(ingredient, label, self._manifests, self._later, lists)
            of = facts.manifest_label
            if of is not None and of not in path and len(path) < MAX_DEPTH:
                trusted = facts.signer.state is SignerState.TRUSTED
                intact = facts.integrity.state is IntegrityState.INTACT
                facts = replace(facts, ingredients=self.below(of, above=path, believed=trusted and intact))
            found.append(facts)
        return tuple(found)


def _ingredient(
    ingredient: Mapping[str, Any], holder: str, manifests: Mapping[str, Any], later: _Later, lists: _Lists
) -> IngredientFacts:  # fmt: skip
    label = _text(ingredient.get("active_manifest")) or ""
    manifest = _mapping(manifests.get(label))
    recorded_results = _mapping(ingredient.get("validation_results"))
    recorded = _mapping(recorded_results.get("activeManifest"))
    # Claims of version 1 recorded a flat list, of failures only.
    recorded_failures = _entries(recorded, "failure") or _mappings(ingredient.get("validation_status"))
    recorded_codes = {_code(entry) for entry in recorded_failures}

    uri = f"self#jumbf=/c2pa/{holder}/c2pa.assertions/{ingredient.get('label')}"
    failures_now, own_failures = later.about("failure", assertion_uri=uri, manifest=label)
    _, own_successes = later.about("success", assertion_uri=uri, manifest=label)

    faults = [_code(entry) for entry in [*recorded_failures, *failures_now]]
    if label == "" and not faults:
        integrity = Integrity(state=IntegrityState.ABSENT)
    else:
        recorded_ok = {_code(entry) for entry in _entries(recorded, "success")}
        integrity = _integrity(
            faults,
            signature_holds=not recorded or _SIGNATURE_HOLDS in recorded_ok,
            state="Valid" if label in manifests else None,
        )

    now_trusted = [entry for entry in own_successes if _code(entry) == _TRUSTED]
    trust_list = _text(recorded_results.get("trustListUri"))
    failed = recorded_codes | {_code(entry) for entry in own_failures}
    if now_trusted:
        named = _LIST_IN_EXPLANATION.search(str(now_trusted[0].get("explanation")))
        trust_list = named.group(1) if named else None
        failed -= {_UNTRUSTED}
    return IngredientFacts(
        title=_text(ingredient.get("title")),
        relationship=_text(ingredient.get("relationship")),
        integrity=integrity,
        signer=_signer(manifest, failed=failed, trust_list=trust_list, lists=lists),
        ai_generated=_said_of_ai(manifest),
        claim_generator=_claim_generator(manifest),
        manifest_label=label or None,
    )


def _said_of_ai(manifest: Mapping[str, Any]) -> bool | None:
    uris = [action.digital_source_type for action in _actions(manifest) if action.digital_source_type is not None]
    known = [source_type_of(uri) for uri in uris]
    return any(kind is not None and kind.is_ai for kind in known) if uris else None


def _ai_generated(manifest: Mapping[str, Any], ingredients: tuple[IngredientFacts, ...]) -> bool | None:
    """What the history says; a clip that holds an AI-generated part is AI-generated."""
    return True if any(map(_brings_ai, ingredients)) else _said_of_ai(manifest)


def _brings_ai(part: IngredientFacts) -> bool:
    """Whether an ingredient that is inside the file was, or holds what was, made by AI."""
    return part.relationship in _CONTAINING and (part.ai_generated is True or any(map(_brings_ai, part.ingredients)))


def _identities(manifest: Mapping[str, Any], successes: _Codes, failures: _Codes) -> Iterable[IdentityFacts]:
    for assertion in _mappings(manifest.get("assertions"))[:MAX_ITEMS]:
        label = str(assertion.get("label"))
        if label.partition("__")[0] != _IDENTITY_LABEL:
            continue
        held, failed = (
            {_code(entry) for entry in entries if _speaks_of(entry, label) and _code(entry).startswith(_IDENTITY)}
            for entries in (successes, failures)
        )
        faults = sorted(failed - _IDENTITY_UNKNOWN)
        state = IdentityState.WELL_FORMED if held else IdentityState.INVALID
        if faults:
            state = IdentityState.INVALID
        elif held & _IDENTITY_TRUSTED and not failed:
            state = IdentityState.TRUSTED
        data = _mapping(assertion.get("data"))
        kind = _text(_mapping(data.get("signer_payload")).get("sig_type"))
        names = tuple(_names(data))[:MAX_ITEMS]
        yield IdentityFacts(state=state, kind=kind, names=names, failures=_failures(sorted(failed)))


def _speaks_of(entry: Mapping[str, Any], label: str) -> bool:
    """Whether a validation entry is about that assertion; one that names none may be about any."""
    url = str(entry.get("url") or "")
    return url == "" or url.endswith(f"/{label}") or f"/{_IDENTITY_LABEL}" not in url


def _names(data: Mapping[str, Any]) -> Iterable[str]:
    """Whom an identity assertion names: the certificate's holder, or the accounts that were verified."""
    certificate = _mapping(data.get("signature_info"))
    if name := _text(certificate.get("common_name")) or _text(certificate.get("issuer")):
        yield name
    subject = _mapping(data.get("credentialSubject"))
    for one in _mappings(data.get("verifiedIdentities")) or _mappings(subject.get("verifiedIdentities")):
        name = _text(one.get("name")) or _text(one.get("username")) or _text(one.get("uri"))
        provider = _text(_mapping(one.get("provider")).get("name"))
        if name is not None:
            yield f"{name} ({provider})" if provider else name


def _redactions(manifests: Mapping[str, Any]) -> Iterable[Redaction]:
    """What manifests say to have taken out of their ingredients' credentials."""
    for manifest in list(map(_mapping, manifests.values()))[:MAX_ITEMS]:
        reasons = {
            str(parameters.get("redacted")): _text(action.get("reason"))
            for data in _assertions(manifest, ACTIONS_LABEL, "c2pa.actions")
            for action in _mappings(data.get("actions"))
            if (parameters := _mapping(action.get("parameters"))) and action.get("action") == "c2pa.redacted"
        }
        redacted = manifest.get("redactions") or manifest.get("redacted_assertions")
        for uri in (redacted if isinstance(redacted, list) else [])[:MAX_ITEMS]:
            named = _MANIFEST_OF_URL.search(str(uri))
            assertion = _text(str(uri).rpartition("/")[2]) or ""
            label = _text(named.group(1)) if named else None
            yield Redaction(assertion=assertion, manifest_label=label, reason=reasons.get(str(uri)))


def _assertions(manifest: Mapping[str, Any], *labels: str) -> Iterable[Mapping[str, Any]]:
    for assertion in _mappings(manifest.get("assertions")):
        if assertion.get("label") in labels:
            yield _mapping(assertion.get("data"))


def _actions(manifest: Mapping[str, Any]) -> Iterable[ActionFact]:
    stated = [
        action
        for data in _assertions(manifest, ACTIONS_LABEL, "c2pa.actions")
        for action in _mappings(data.get("actions"))
    ]
    for action in stated[:MAX_ITEMS]:
        agent = action.get("softwareAgent")
        if isinstance(agent, dict):
            words = (_text(agent.get("name")), _text(agent.get("version")))
            agent = " ".join(word for word in words if word)
        yield ActionFact(
            action=_text(action.get("action")) or "",
            when=_text(action.get("when")),
            software_agent=_text(agent) or None,
            digital_source_type=_text(action.get("digitalSourceType")),
        )


def _claim_generator(manifest: Mapping[str, Any]) -> str | None:
    for info in _mappings(manifest.get("claim_generator_info")):
        words = (_text(info.get("name")), _text(info.get("version")))
        return _text(" ".join(word for word in words if word)) or None
    return _text(manifest.get("claim_generator"))


def _training_mining(manifest: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    said: dict[str, dict[str, str]] = {}
    for data in _assertions(manifest, TRAINING_MINING_LABEL, "c2pa.training-mining"):
        for name, rule in list(_mapping(data.get("entries")).items())[:MAX_ITEMS]:
            fields = {key: _text(_mapping(rule).get(key)) for key in ("use", "constraint_info")}
            said[name[:MAX_TEXT_CHARS]] = {key: value for key, value in fields.items() if value is not None}
    return said


def _soft_bindings(manifest: Mapping[str, Any]) -> Iterable[SoftBinding]:
    bindings = [
        (_text(data.get("alg")), block.get("value"))
        for data in _assertions(manifest, SOFT_BINDING_LABEL)
        for block in _mappings(data.get("blocks"))
    ]
    for algorithm, value in bindings[:MAX_BINDINGS]:
        if algorithm is None or not isinstance(value, str) or len(value) > MAX_BINDING_CHARS:
            continue
        try:
            yield SoftBinding(algorithm=algorithm, value=base64.b64decode(value, validate=True))
        except binascii.Error:
            continue


def _check(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    return next((dict(data) for data in _assertions(manifest, CHECK_LABEL)), None)


def _consents(manifest: Mapping[str, Any]) -> Iterable[AssertedConsent]:
    stated = [one for data in _assertions(manifest, CONSENTS_LABEL) for one in _mappings(data.get("consents"))]
    for one in stated[:MAX_ITEMS]:
        consent_id, token = _text(one.get("id")), one.get("token")
        if consent_id is not None and isinstance(token, str) and len(token) <= MAX_TOKEN_CHARS:
            yield AssertedConsent(consent_id=consent_id, token=token)


def _manifest_of(entry: Mapping[str, Any]) -> str | None:
    found = _MANIFEST_OF_URL.search(str(entry.get("url")))
    return found.group(1) if found else None


def _entries(results: Mapping[str, Any], kind: str) -> _Codes:
    return _mappings(results.get(kind))


def _code(entry: Mapping[str, Any]) -> str:
    return str(entry.get("code"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> _Codes:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value[:MAX_TEXT_CHARS] if isinstance(value, str) else None
