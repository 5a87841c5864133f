"""The manifest of a release, as a C2PA manifest definition.

Decides which statements a release carries and which of them are *created*
(vouched for by the claim generator itself). Pure; signing is engine's work.

Source: C2PA 2.4 (actions, claim generator, soft binding), CAWG Training and
Data Mining 1.1, IPTC digital source types.
"""

import base64
import hashlib
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from provenance.model import AssertedCheck, AssertedConsent, ReleaseClaim, SoftBinding, TrainingMining

SPEC_VERSION = "2.4.0"
GENERATOR_NAME = "Clearmark"
CHECK_LABEL = "org.clearmark.check"
CONSENTS_LABEL = "org.clearmark.consents"
SOFT_BINDING_LABEL = "c2pa.soft-binding"
TRAINING_MINING_LABEL = "cawg.training-mining"
ACTIONS_LABEL = "c2pa.actions.v2"
PARENT_ID = "parent"
TRAINED_ALGORITHMIC_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def opens_source(claim: ReleaseClaim, *, parent: bool) -> bool:
    """Whether the manifest must name its source file as parent ingredient.

    Signed input: a fresh `c2pa.created` would drop its history. Input that is
    not AI-generated: `c2pa.created` requires a digital source type, and we do
    not know how the clip was made; that we opened a file is all we can state.
    """
    return parent or not claim.ai_generated


def build_manifest(claim: ReleaseClaim, *, parent: bool) -> dict[str, Any]:
    """The manifest definition of a release.

    Args:
        claim: what is stated.
        parent: whether the input already carries a manifest. When `opens_source`
            says so, the signer adds the source as ingredient `PARENT_ID`.
    """
    assertions: list[dict[str, Any]] = [
        {
            "label": ACTIONS_LABEL,
            "created": True,
            "data": {"allActionsIncluded": True, "actions": [_first_action(claim, parent=parent)]},
        },
        {"label": CHECK_LABEL, "created": True, "data": _check(claim.check, claim.release_id)},
    ]
    assertions += [
        {"label": SOFT_BINDING_LABEL, "created": True, "data": _soft_binding(binding)}
        for binding in claim.soft_bindings
    ]
    if claim.consents:
        assertions.append({"label": CONSENTS_LABEL, "created": True, "data": _consents(claim.consents)})
    if claim.training_mining.entries:
        assertions.append({"label": TRAINING_MINING_LABEL, "data": _training_mining(claim.training_mining)})
    return {
        "claim_generator_info": [_claim_generator()],
        "title": claim.title,
        "format": claim.media_type,
        "assertions": assertions,
    }


def _first_action(claim: ReleaseClaim, *, parent: bool) -> dict[str, Any]:
    action: dict[str, Any] = {"action": "c2pa.created", "when": _rfc3339(claim.created_at)}
    if opens_source(claim, parent=parent):
        action |= {"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT_ID]}}
    if claim.ai_generated:
        action["digitalSourceType"] = TRAINED_ALGORITHMIC_MEDIA
    if claim.generator_name is not None:
        agent = {"name": claim.generator_name, "version": claim.generator_version}
        action["softwareAgent"] = {key: value for key, value in agent.items() if value is not None}
    return action


def _check(check: AssertedCheck, release_id: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "release_id": release_id,
        "check_id": check.check_id,
        "verdict": check.verdict,
        "algorithms": list(check.algorithms),
        "index_sequence": check.index_sequence,
        "checked_at": _rfc3339(check.checked_at),
    }
    if check.ledger_index is not None:
        data["ledger_index"] = check.ledger_index
    return data


def _consents(consents: tuple[AssertedConsent, ...]) -> dict[str, Any]:
    return {
        "consents": [
            {"id": one.consent_id, "token": one.token, "sha256": hashlib.sha256(one.token.encode()).hexdigest()}
            for one in consents
        ]
    }


def _soft_binding(binding: SoftBinding) -> dict[str, Any]:
    value = base64.b64encode(binding.value).decode("ascii")
    return {"alg": binding.algorithm, "blocks": [{"scope": {}, "value": value}]}


def _training_mining(stated: TrainingMining) -> dict[str, Any]:
    entries = {}
    for name, rule in stated.entries.items():
        entries[name.value] = {"use": rule.use.value}
        if rule.constraint_info is not None:
            entries[name.value]["constraint_info"] = rule.constraint_info
    return {"entries": entries}


def _claim_generator() -> dict[str, str]:
    generator = {"name": GENERATOR_NAME, "specVersion": SPEC_VERSION}
    if _VERSION is not None:
        generator["version"] = _VERSION
    return generator


def _installed_version() -> str | None:
    try:
        return version("clearmark")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return None


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_VERSION = _installed_version()
