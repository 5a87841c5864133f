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
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any

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
    IngredientFacts,
    Integrity,
    IntegrityState,
    ManifestFacts,
    SignerFacts,
    SignerState,
    SoftBinding,
)

MAX_TEXT_CHARS = 500
MAX_ITEMS = 64
MAX_TOKEN_CHARS = 4096
MAX_RAW_CHARS = 512 * 1024

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

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_AI_SOURCE_TYPES = {
    _SOURCE_TYPES + name
    for name in ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic")
}
_CONTAINING = {"parentOf", "componentOf"}  # `inputTo` went into making it and is not inside it
_MANIFEST_OF_URL = re.compile(r"/c2pa/([^/]+)")
_LIST_IN_EXPLANATION = re.compile(r"\[([^\]]*)\]")

type _Codes = list[Mapping[str, Any]]


def facts_from_report(text: str, *, manifest_uris: AbstractSet[str]) -> ManifestFacts:
    """The facts that a report supports.

    Args:
        text: JSON as c2pa's Reader writes it.
        manifest_uris: names of the trust lists whose signers we trust.
    Raises:
        ValueError: the text is not JSON.
    """
    report = _mapping(json.loads(text))
    label = _text(report.get("active_manifest"))
    manifests = _mapping(report.get("manifests"))
    manifest = _mapping(manifests.get(label or ""))
    results = _mapping(report.get("validation_results"))
    active = _mapping(results.get("activeManifest"))
    successes, failures = _entries(active, "success"), _entries(active, "failure")
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
        manifest_uris=manifest_uris,
    )
    ingredients = tuple(_ingredients(label or "", manifests, later, manifest_uris))
    ours = integrity.state is IntegrityState.INTACT and signer.state is SignerState.TRUSTED
    return ManifestFacts(
        integrity=integrity,
        signer=signer,
        timestamp=_timestamp(manifest, successes),
        manifest_label=label,
        claim_generator=_claim_generator(manifest),
        title=_text(manifest.get("title")),
        actions=tuple(_actions(manifest)),
        ai_generated=_ai_generated(manifest, ingredients),
        training_mining=_training_mining(manifest),
        ingredients=ingredients,
        soft_bindings=tuple(_soft_bindings(manifest)),
        check=_check(manifest) if ours else None,
        consents=tuple(_consents(manifest)) if ours else (),
        raw=report if len(text) <= MAX_RAW_CHARS else None,
    )


def without_report(state: IntegrityState, code: str | None) -> ManifestFacts:
    """Facts of a file that gave nothing to judge."""
    failures = (Failure(code=code, explanation=explain(code)),) if code is not None else ()
    return ManifestFacts(integrity=Integrity(state=state, failures=failures))


class _Later:
    """What validation found now that the users of the ingredients had not recorded."""

    def __init__(self, results: Mapping[str, Any]) -> None:
        self._deltas: list[tuple[str, Mapping[str, Any]]] = [
            (str(delta.get("ingredientAssertionURI")), _mapping(delta.get("validationDeltas")))
            for delta in _mappings(results.get("ingredientDeltas"))
        ]

    def faults(self) -> list[str]:
        codes = (_code(entry) for _, delta in self._deltas for entry in _entries(delta, "failure"))
        return [code for code in codes if code not in _SIGNER_CODES]

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
    faults = list(dict.fromkeys(code for code in codes if code not in _SIGNER_CODES))
    # An Invalid that no code explains, or a signature that nothing confirms, is not intact.
    unexplained = state not in ("Trusted", "Valid") and not codes
    if not faults and (unexplained or not signature_holds):
        faults = ["clearmark.signature.unproven"]
    if not faults:
        return Integrity(state=IntegrityState.INTACT)
    return Integrity(state=IntegrityState.INVALID, failures=_failures(faults))


def _failures(codes: Iterable[str]) -> tuple[Failure, ...]:
    bounded = [code[:MAX_TEXT_CHARS] for code in codes][:MAX_ITEMS]
    return tuple(Failure(code=code, explanation=explain(code)) for code in bounded)


def _signer(
    manifest: Mapping[str, Any], *, failed: set[str], trust_list: str | None, manifest_uris: AbstractSet[str]
) -> SignerFacts:
    signature = _mapping(manifest.get("signature_info"))
    name = _text(signature.get("common_name")) or _text(signature.get("issuer"))
    if failed & _REVOKED:
        return SignerFacts(state=SignerState.REVOKED, name=name)
    if failed & _EXPIRED:
        return SignerFacts(state=SignerState.EXPIRED, name=name)
    if _UNTRUSTED not in failed and trust_list in manifest_uris:
        return SignerFacts(state=SignerState.TRUSTED, name=name, trust_list=trust_list)
    return SignerFacts(state=SignerState.UNTRUSTED if signature else SignerState.NONE, name=name)


def _timestamp(manifest: Mapping[str, Any], successes: _Codes) -> datetime | None:
    """The time of a trusted time-stamp; the signer's own word on time is not one."""
    if not {"timeStamp.validated", "timeStamp.trusted"} <= set(map(_code, successes)):
        return None
    stated = _mapping(manifest.get("signature_info")).get("time")
    try:
        at = datetime.fromisoformat(str(stated))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _ingredients(
    label: str, manifests: Mapping[str, Any], later: _Later, manifest_uris: AbstractSet[str]
) -> Iterable[IngredientFacts]:
    """All ingredients, breadth first; a manifest that is its own ancestor is walked once."""
    queue, walked, told = [(label, 1, True)], {label}, 0
    while queue:
        holder, depth, believed = queue.pop(0)
        for ingredient in _mappings(_mapping(manifests.get(holder)).get("ingredients")):
            if told == MAX_ITEMS:
                return
            told += 1
            facts = _ingredient(ingredient, holder, manifests, later, manifest_uris if believed else frozenset(), depth)
            yield facts
            trusted = facts.signer.state is SignerState.TRUSTED
            intact = facts.integrity.state is IntegrityState.INTACT
            of = _text(ingredient.get("active_manifest"))
            if of is not None and of not in walked:
                walked.add(of)
                queue.append((of, depth + 1, trusted and intact))


def _ingredient(
    ingredient: Mapping[str, Any],
    holder: str,
    manifests: Mapping[str, Any],
    later: _Later,
    manifest_uris: AbstractSet[str],
    depth: int,
) -> IngredientFacts:
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
        signer=_signer(manifest, failed=failed, trust_list=trust_list, manifest_uris=manifest_uris),
        ai_generated=_said_of_ai(manifest),
        depth=depth,
    )


def _said_of_ai(manifest: Mapping[str, Any]) -> bool | None:
    types = [action.digital_source_type for action in _actions(manifest) if action.digital_source_type is not None]
    return any(kind in _AI_SOURCE_TYPES for kind in types) if types else None


def _ai_generated(manifest: Mapping[str, Any], ingredients: tuple[IngredientFacts, ...]) -> bool | None:
    """What the history says; a clip that holds an AI-generated part is AI-generated."""
    said = _said_of_ai(manifest)
    holds = any(part.ai_generated is True and part.relationship in _CONTAINING for part in ingredients)
    return True if holds else said


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
    for algorithm, value in bindings[:MAX_ITEMS]:
        if algorithm is None or not isinstance(value, str) or len(value) > 64 * 1024:
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
