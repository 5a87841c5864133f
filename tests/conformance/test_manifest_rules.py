"""What we sign keeps the rules of the C2PA conformance programme, and each rule can be broken."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provenance.engine import LibraryEngine
from provenance.manifest import MADE_ACTION
from provenance.model import AssertedConsent, Ingredient, Relationship
from provenance.source_types import SourceType
from tests.conformance.manifest_rules import RULES, Rule, active
from tests.conformance.workshop import Workshop

CONSENTS = (AssertedConsent(consent_id="cns_1", token="e.p.s"), AssertedConsent(consent_id="cns_2", token="e.q.s"))
COMPOSED = SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA
# What each way of signing must leave in the manifest: its actions, and how its ingredients are related.
type Shape = tuple[list[str], list[str]]
CREATED, OPENED, EDITED = "c2pa.created", "c2pa.opened", "c2pa.edited"
METADATA, PLACED = "c2pa.edited.metadata", "c2pa.placed"
UNNAMED: dict[str, Any] = {"generator_name": None, "generator_version": None}


def _ingredients(workshop: Workshop) -> tuple[Ingredient, ...]:
    """Signed and not, each as what went in and as what is inside."""
    paths = {Relationship.INPUT_TO: ("png", "wav"), Relationship.COMPONENT_OF: ("wav", "jpg")}
    return tuple(
        Ingredient(path=path, title=path.name, relationship=relationship)
        for relationship, (signed, plain) in paths.items()
        for path in (workshop.signed(signed), workshop.media(plain))
    )


def _parts(workshop: Workshop, path: Path, source: Path, **changes: Any) -> Path:
    return workshop.sign(source, path, ingredients=_ingredients(workshop), **changes)


type Sign = Callable[[Workshop, str, Path], Path]
WAYS: dict[str, tuple[Sign, Shape]] = {
    "made": (lambda shop, suffix, path: shop.sign(shop.media(suffix), path), ([CREATED], [])),
    "made_with_consents": (
        lambda shop, suffix, path: shop.sign(shop.media(suffix), path, consents=CONSENTS),
        ([CREATED], []),
    ),
    "made_of_ingredients": (
        lambda shop, suffix, path: _parts(shop, path, shop.media(suffix)),
        ([CREATED, PLACED, PLACED], ["componentOf", "componentOf", "inputTo", "inputTo"]),
    ),
    "of_unknown_source": (
        lambda shop, suffix, path: shop.sign(shop.media(suffix), path, source_type=None, **UNNAMED),
        ([OPENED], ["parentOf"]),
    ),
    "of_unknown_source_by_a_generator": (
        lambda shop, suffix, path: shop.sign(shop.media(suffix), path, source_type=None),
        ([OPENED, MADE_ACTION], ["parentOf"]),
    ),
    "of_unknown_source_with_ingredients": (
        lambda shop, suffix, path: _parts(shop, path, shop.media(suffix), source_type=None, **UNNAMED),
        (
            [OPENED, MADE_ACTION, PLACED, PLACED],
            ["componentOf", "componentOf", "inputTo", "inputTo", "parentOf"],
        ),
    ),
    "signed_before": (
        lambda shop, suffix, path: shop.sign(shop.signed(suffix), path),
        ([OPENED, METADATA], ["parentOf"]),
    ),
    "signed_before_and_again_by_another_generator": (
        lambda shop, suffix, path: shop.sign(shop.signed(suffix), path, generator_name="Another"),
        ([OPENED, EDITED, METADATA], ["parentOf"]),
    ),
    "signed_before_and_edited": (
        lambda shop, suffix, path: shop.sign(shop.signed(suffix), path, source_type=COMPOSED),
        ([OPENED, EDITED, METADATA], ["parentOf"]),
    ),
    "signed_before_with_ingredients": (
        lambda shop, suffix, path: _parts(shop, path, shop.signed(suffix)),
        (
            [OPENED, EDITED, METADATA, PLACED, PLACED],
            ["componentOf", "componentOf", "inputTo", "inputTo", "parentOf"],
        ),
    ),
}
CASES = [pytest.param(name, suffix, id=f"{name}-{suffix}") for name in WAYS for suffix in ("mp4", "wav", "jpg", "png")]


@pytest.fixture(scope="module")
def reported(workshop: Workshop) -> Callable[[str, str], dict[str, Any]]:
    """The crJSON of a file that was signed in one of the ways."""
    engine = LibraryEngine(workshop.own)

    def report(name: str, suffix: str) -> dict[str, Any]:
        sign, _ = WAYS[name]
        path = workshop.kept(f"way_{name}", suffix, lambda path: sign(workshop, suffix, path))
        crjson = engine.read(path, "").crjson
        assert crjson is not None
        said: dict[str, Any] = json.loads(crjson)
        return said

    return report


def faults(manifest: dict[str, Any]) -> dict[str, list[object]]:
    """What offends which rule."""
    found = {f"{rule.name} (C2PA 2.4: {rule.section})": list(rule.faults(manifest)) for rule in RULES}
    return {name: what for name, what in found.items() if what}


@pytest.mark.parametrize(("name", "suffix"), CASES)
def test_what_we_sign_keeps_every_rule(reported: Callable[[str, str], dict[str, Any]], name: str, suffix: str) -> None:
    manifest = active(reported(name, suffix))
    assert faults(manifest) == {}
    held = manifest["assertions"].values()
    actions = [action["action"] for assertion in held for action in assertion.get("actions", ())]
    related = sorted(assertion["relationship"] for assertion in held if "relationship" in assertion)
    assert (actions, related) == WAYS[name][1]


def test_credentials_that_lie_beside_a_file_keep_every_rule(workshop: Workshop, tmp_path: Path) -> None:
    engine = LibraryEngine(workshop.own)
    signed = engine.sign(workshop.media("webm"), tmp_path / "beside.webm", workshop.claim)
    facts = engine.read(tmp_path / "beside.webm", "", signed.manifest_store)
    assert signed.is_sidecar
    assert facts.crjson is not None
    assert faults(active(json.loads(facts.crjson))) == {}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_can_be_broken(reported: Callable[[str, str], dict[str, Any]], rule: Rule) -> None:
    manifest = copy.deepcopy(active(reported("made", "mp4")))
    assert list(rule.faults(manifest)) == []
    rule.break_it(manifest)
    assert list(rule.faults(manifest)) != []


def test_a_changed_file_breaks_the_rule_on_changes(workshop: Workshop, tmp_path: Path) -> None:
    content = bytearray(workshop.signed("wav").read_bytes())
    content[200] ^= 0xFF
    (path := tmp_path / "changed.wav").write_bytes(content)
    crjson = LibraryEngine(workshop.own).read(path, "").crjson
    assert crjson is not None
    assert [name.split()[0] for name in faults(active(json.loads(crjson)))] == ["nothing_was_changed"]
