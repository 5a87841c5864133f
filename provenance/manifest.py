"""The manifest of a release, as a C2PA manifest definition.

Decides which statements a release carries and which of them are *created*
(vouched for by the claim generator itself). Pure; signing is engine's work.

Source: C2PA 2.4 (actions, claim generator, soft binding), CAWG Training and
Data Mining 1.1, IPTC digital source types.
"""

import hashlib
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from provenance.model import (
    ActionFact,
    AssertedCheck,
    AssertedConsent,
    Ingredient,
    Relationship,
    ReleaseClaim,
    SoftBinding,
    TrainingMining,
)

SPEC_VERSION = "2.4.0"
GENERATOR_NAME = "Clearmark"
CHECK_LABEL = "org.clearmark.check"
CONSENTS_LABEL = "org.clearmark.consents"
SOFT_BINDING_LABEL = "c2pa.soft-binding"
TRAINING_MINING_LABEL = "cawg.training-mining"
ACTIONS_LABEL = "c2pa.actions.v2"
# What a maker did to an opened file without saying from what: the conformance programme asks for a digital source
# type wherever one of the standard's own actions can be seen or heard.
MADE_ACTION = "org.clearmark.made"
PARENT_ID = "parent"
THUMBNAIL_ID = "thumbnail.jpg"


def opens_source(claim: ReleaseClaim, *, parent: bool) -> bool:
    """Whether the manifest must name its source file as parent ingredient.

    Signed input: a fresh `c2pa.created` would drop its history. Input of which nobody says how it was made:
    `c2pa.created` requires a digital source type; that we opened a file is all we can state.
    """
    return parent or claim.source_type is None


def build_manifest(
    claim: ReleaseClaim, *, parent: bool, history: tuple[ActionFact, ...] = (),
    ingredients: tuple[Ingredient, ...] = (), metadata_written: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """The manifest definition of a release.

    Args:
        claim: what is stated.
        parent: whether the input already carries a manifest. When `opens_source`
            says so, the signer adds the source as ingredient `PARENT_ID`.
        history: what the input's own manifests state (`report.stated_history`).
        ingredients: further files; the signer adds each as the ingredient `ingredient_id` of its place.
        metadata_written: the file's own metadata was changed as well.
    """
    actions = _actions(
        claim, parent=parent, history=history, ingredients=ingredients, metadata_written=metadata_written
    )
    assertions: list[dict[str, Any]] = [
        {"label": ACTIONS_LABEL, "created": True, "data": {"allActionsIncluded": True, "actions": actions}},
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
    manifest: dict[str, Any] = {
        "claim_generator_info": [_claim_generator()],
        "title": claim.title,
        "format": claim.media_type,
        "assertions": assertions,
    }
    if claim.thumbnail_jpeg is not None:
        manifest["thumbnail"] = {"format": "image/jpeg", "identifier": THUMBNAIL_ID}
    return manifest


def ingredient_id(place: int) -> str:
    """How actions refer to one of the further ingredients."""
    return f"ingredient-{place}"


def _actions(
    claim: ReleaseClaim, *, parent: bool, history: tuple[ActionFact, ...], ingredients: tuple[Ingredient, ...],
    metadata_written: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """What was done, first how the content began.

    An opened file has the source type that its own history states, so `c2pa.opened` has none. What the maker states
    beside it was done to the opened file; who signs an unchanged file again, and says the same of it, did nothing.
    """
    inputs, parts = (
        [ingredient_id(place) for place, one in enumerate(ingredients) if one.relationship is relationship]
        for relationship in (Relationship.INPUT_TO, Relationship.COMPONENT_OF)
    )
    made: dict[str, Any] = {"action": "c2pa.created", "when": _rfc3339(claim.created_at), **_maker(claim)}
    if inputs:
        made["parameters"] = {"ingredientIds": inputs}
    actions = [made]
    if opens_source(claim, parent=parent):
        actions = [{"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT_ID]}}]
        if inputs or _says_more(claim, history):
            actions.append(made | {"action": "c2pa.edited" if claim.source_type is not None else MADE_ACTION})
        if metadata_written:
            actions.append({"action": "c2pa.edited.metadata", "when": _rfc3339(claim.created_at)})
    return actions + [{"action": "c2pa.placed", "parameters": {"ingredientIds": [part]}} for part in parts]


def _says_more(claim: ReleaseClaim, history: tuple[ActionFact, ...]) -> bool:
    """Whether a claim has another source type than the history, newest first, or a generator that it never names."""
    stated = next((action.digital_source_type for action in history if action.digital_source_type), None)
    if claim.source_type is not None and claim.source_type.uri != stated:
        return True
    words = (claim.generator_name, claim.generator_version) if claim.generator_name else ()
    generator = " ".join(word for word in words if word) or None  # as `ActionFact.software_agent` has it
    return generator not in {None, *(action.software_agent for action in history)}


def _maker(claim: ReleaseClaim) -> dict[str, Any]:
    maker: dict[str, Any] = {}
    if claim.source_type is not None:
        maker["digitalSourceType"] = claim.source_type.uri
    if claim.generator_name is not None:
        agent = {"name": claim.generator_name, "version": claim.generator_version}
        maker["softwareAgent"] = {key: value for key, value in agent.items() if value is not None}
    return maker


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
        data["ledger"] = {"origin": check.ledger_origin, "index": check.ledger_index}
    return data


def _consents(consents: tuple[AssertedConsent, ...]) -> dict[str, Any]:
    return {
        "consents": [
            {"id": one.consent_id, "token": one.token, "sha256": hashlib.sha256(one.token.encode()).hexdigest()}
            for one in consents
        ]
    }


def _soft_binding(binding: SoftBinding) -> dict[str, Any]:
    # The library writes no byte strings from JSON; readers take an array of numbers for one.
    return {"alg": binding.algorithm, "blocks": [{"scope": {}, "value": list(binding.value)}]}


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
