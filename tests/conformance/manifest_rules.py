"""What the C2PA conformance programme asks of a manifest, as rules over crJSON, and how each can be broken.

Decides nothing about our files: a rule looks at the active manifest of a report and names what offends it. Beside
each rule stands one change to a report that it must notice, so that a rule that never fails is found.

Source: the programme's asset rubric 0.2 for C2PA 2.4, whose sections of the specification each rule names; worded
anew. Where the rubric names none, the requirement is the programme's own.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

type Manifest = dict[str, Any]
type Break = Callable[[Manifest], object]

SPEC_VERSION = ("2", "4")
PROGRAMME = "conformance programme 0.2"
_OPENED, _CREATED = "c2pa.opened", "c2pa.created"
# Actions after which the content looks and sounds as before.
_NOT_EDITORIAL = {
    f"c2pa.{name}"
    for name in (
        "converted", "published", "repackaged", "transcoded", "resized.proportional", "enhanced", "edited.metadata",
        "watermarked", "watermarked.bound", "watermarked.unbound", "redacted",
    )
}  # fmt: skip
_ACTIONS = _NOT_EDITORIAL | {
    f"c2pa.{name}"
    for name in (
        "addedText", "adjustedColor", "changedSpeed", "color_adjustments", "created", "cropped", "deleted", "drawing",
        "dubbed", "edited", "filtered", "mastered", "mixed", "opened", "orientation", "placed", "remixed", "removed",
        "resized", "translated", "trimmed", "unknown",
    )
}  # fmt: skip
_OLD_ACTIONS = {
    f"c2pa.{name}"
    for name in (
        "copied", "formatted", "version_updated", "printed", "managed", "produced", "saved", "color_adjustments",
        "watermarked",
    )
}  # fmt: skip
_ASSERTIONS = {
    f"c2pa.{name}"
    for name in (
        "hash.data", "hash.data.part", "hash.boxes", "hash.bmff.v3", "hash.collection.data", "hash.multi-asset",
        "actions.v2", "ingredient.v3", "soft-binding", "cloud-data", "embedded-data", "metadata", "certificate-status",
        "asset-ref", "asset-type.v2", "thumbnail.claim", "thumbnail.ingredient", "depthmap.GDepth", "icon",
        "alternative-content-representation", "external-reference", "session-keys", "environmental-sustainability",
        "repository-receipt", "ai-disclosure", "assertion.metadata", "time-stamp",
    )
}  # fmt: skip
_OLD_ASSERTIONS = {
    f"c2pa.{name}" for name in ("claim", "hash.bmff.v2", "asset-type", "ingredient", "ingredient.v2", "actions")
}
_PARAMETERS = {
    "redacted", "ingredients", "ingredient", "description", "relatedAssertions", "sourceLanguage", "targetLanguage",
    "multipleInstances", "ranges", "weight", "width", "italic", "slant", "optical-size",
}  # fmt: skip
_RELATIONSHIPS = {"parentOf", "inputTo", "componentOf"}
_HUMAN = {"humanEntry.anonymous", "humanEntry.credentialed"}
# Status codes of a manifest that is not built as it must be, or not there as it must be.
_MALFORMED_ENDINGS = (".malformed", ".missing", ".invalid", ".multiple", ".multipleParents", ".wrongParents")
_OTHER_MALFORMED = {
    "assertion.external-reference.labelMismatch", "assertion.external-reference.created",
    "assertion.boxesHash.unknownBox", "assertion.multipleHardBindings", "manifest.inaccessible",
    "manifest.html.multipleManifests", "manifest.structuredText.emptyReference",
    "manifest.structuredText.malformedReference", "manifest.structuredText.multipleReferences",
    "manifest.structuredText.noManifest", "manifest.structuredText.noResolutionPath",
}  # fmt: skip
_MISMATCHED_ENDINGS = ("Mismatch", ".mismatch", ".redacted")
_SIGNATURE = "claimSignature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A requirement; `faults` names what offends it, and `break_it` is a change that it must notice."""

    name: str
    section: str
    faults: Callable[[Manifest], Iterable[object]]
    break_it: Break


RULES: list[Rule] = []


def _rule(section: str, *, broken_by: Break) -> Callable[[Callable[[Manifest], Iterable[object]]], Any]:
    def register(faults: Callable[[Manifest], Iterable[object]]) -> Callable[[Manifest], Iterable[object]]:
        RULES.append(Rule(name=faults.__name__, section=section, faults=faults, break_it=broken_by))
        return faults

    return register


def active(report: dict[str, Any]) -> Manifest:
    """The active manifest of a crJSON report, which stands first."""
    manifest: Manifest = report["manifests"][0]
    return manifest


def _assertions(manifest: Manifest) -> dict[str, Any]:
    held: dict[str, Any] = manifest.get("assertions") or {}
    return held


def _base(label: str) -> str:
    return label.split("__")[0]


def _actions(manifest: Manifest) -> list[dict[str, Any]]:
    return [action for held in _assertions(manifest).values() for action in held.get("actions") or ()]


def _ingredients(manifest: Manifest) -> list[dict[str, Any]]:
    return [held for held in _assertions(manifest).values() if held.get("relationship") is not None]


def _claim(manifest: Manifest) -> dict[str, Any]:
    claim: dict[str, Any] = manifest.get("claim.v2") or {}
    return claim


def _failures(manifest: Manifest) -> list[str]:
    return [entry["code"] for entry in (manifest.get("validationResults") or {}).get("failure") or ()]


# --- Ways to break a report -------------------------------------------------------------------------------


def _act(**said: Any) -> Break:
    """One action more."""
    return lambda manifest: _actions_assertion(manifest)["actions"].append(said)


def _assert(label: str, said: Any) -> Break:
    """One assertion more."""
    return lambda manifest: _assertions(manifest).update({label: said})


def _fail(code: str) -> Break:
    return lambda manifest: manifest["validationResults"]["failure"].append({"code": code})


def _actions_assertion(manifest: Manifest) -> dict[str, Any]:
    held: dict[str, Any] = _assertions(manifest)["c2pa.actions.v2"]
    return held


# --- Validation -------------------------------------------------------------------------------------------


@_rule(PROGRAMME, broken_by=lambda manifest: manifest.pop("validationResults"))
def a_report_says_what_was_validated(manifest: Manifest) -> Iterator[str]:
    if manifest.get("validationResults") is None:
        yield "no validation results"


@_rule(PROGRAMME, broken_by=_fail("assertion.cbor.invalid"))
def nothing_is_malformed(manifest: Manifest) -> list[str]:
    return [
        code
        for code in _failures(manifest)
        if not code.startswith(("signingCredential", _SIGNATURE))
        and (code.endswith(_MALFORMED_ENDINGS) or code in _OTHER_MALFORMED)
    ]


@_rule(PROGRAMME, broken_by=_fail("assertion.bmffHash.mismatch"))
def nothing_was_changed(manifest: Manifest) -> list[str]:
    return [
        code for code in _failures(manifest) if code.endswith(_MISMATCHED_ENDINGS) or code == "claimSignature.missing"
    ]


# --- The claim --------------------------------------------------------------------------------------------


@_rule("8.1, 10.2.1", broken_by=lambda manifest: manifest.update(label="urn:uuid:0"))
def a_manifest_is_named_by_the_standards_urn(manifest: Manifest) -> Iterator[str]:
    if not str(manifest.get("label")).startswith("urn:c2pa:"):
        yield str(manifest.get("label"))


@_rule(PROGRAMME, broken_by=lambda manifest: _claim(manifest)["claim_generator_info"].update(specVersion="2.2.0"))
def the_generator_says_which_version_it_follows(manifest: Manifest) -> Iterator[object]:
    info = _claim(manifest).get("claim_generator_info")
    said = (info[0] if isinstance(info, list) else info or {}).get("specVersion")
    if not isinstance(said, str) or tuple(said.split(".")[:2]) != SPEC_VERSION:
        yield said or "missing"


@_rule("10.2.1, 10.2.3.2", broken_by=lambda manifest: _claim(manifest).update(specVersion="2.4.0"))
def the_claim_itself_names_no_version(manifest: Manifest) -> Iterator[object]:
    if _claim(manifest).get("specVersion") is not None:
        yield "specVersion"


# --- Actions ----------------------------------------------------------------------------------------------


@_rule(
    "18.15.2", broken_by=lambda manifest: _actions_assertion(manifest)["actions"].insert(0, {"action": "c2pa.edited"})
)
def the_first_action_says_how_it_began(manifest: Manifest) -> Iterator[str]:
    """Stricter than the rubric, which lets a history without a creation begin anyhow."""
    urls = [one["url"] for one in _claim(manifest).get("created_assertions") or () if "c2pa.actions" in one["url"]]
    if not urls or not urls[0].endswith("c2pa.actions.v2"):
        yield "the first actions are not among what the generator created"
    began = [action["action"] for action in _actions(manifest)[:1]]
    if began not in ([_CREATED], [_OPENED]):
        yield f"begins with {began}"


@_rule(PROGRAMME, broken_by=lambda manifest: _actions_assertion(manifest).pop("allActionsIncluded"))
def it_is_said_whether_all_actions_are_there(manifest: Manifest) -> list[str]:
    return [
        label
        for label, held in _assertions(manifest).items()
        if held.get("actions") is not None and held.get("allActionsIncluded") is None
    ]


def _only_opened(manifest: Manifest) -> None:
    _actions_assertion(manifest).update(actions=[{"action": _OPENED}], allActionsIncluded=False)


@_rule("18.15.3", broken_by=_only_opened)
def what_was_only_opened_says_that_this_is_all(manifest: Manifest) -> Iterator[str]:
    names = [action["action"] for action in _actions(manifest)]
    if names == [_OPENED] and _actions_assertion(manifest).get("allActionsIncluded") is not True:
        yield _OPENED


@_rule("18.15.2, 18.15.4.5", broken_by=_act(action=_CREATED))
def what_was_created_says_from_what(manifest: Manifest) -> list[str]:
    return [a["action"] for a in _actions(manifest) if a["action"] == _CREATED and not a.get("digitalSourceType")]


@_rule(PROGRAMME, broken_by=_act(action="c2pa.edited"))
def what_can_be_seen_or_heard_says_from_what(manifest: Manifest) -> list[str]:
    silent = _NOT_EDITORIAL | {_CREATED, _OPENED, "c2pa.placed"}
    return [
        action["action"]
        for action in _actions(manifest)
        if action["action"].startswith("c2pa.")
        and action["action"] not in silent
        and not action.get("digitalSourceType")
    ]


@_rule(PROGRAMME, broken_by=_act(action=_OPENED, digitalSourceType="x", parameters={"ingredients": [{}]}))
def what_was_opened_does_not_say_from_what(manifest: Manifest) -> list[str]:
    return [a["action"] for a in _actions(manifest) if a["action"] == _OPENED and a.get("digitalSourceType")]


@_rule("15.10.3.2.3, 18.15.4.7", broken_by=_act(action=_OPENED, parameters={"ingredients": [{}, {}]}))
def what_was_opened_is_one_ingredient(manifest: Manifest) -> list[str]:
    return [
        action["action"]
        for action in _actions(manifest)
        if action["action"] == _OPENED and len((action.get("parameters") or {}).get("ingredients") or ()) != 1
    ]


@_rule("18.15.11, appendix C.1", broken_by=_act(action="c2pa.saved"))
def no_action_is_out_of_use(manifest: Manifest) -> list[str]:
    return [action["action"] for action in _actions(manifest) if action["action"] in _OLD_ACTIONS]


@_rule("18.15, 18.15.12", broken_by=_act(action="c2pa.dreamt"))
def no_action_is_invented_in_the_standards_name(manifest: Manifest) -> list[str]:
    named = [action["action"] for action in _actions(manifest)]
    return [name for name in named if name.startswith("c2pa.") and name not in _ACTIONS | _OLD_ACTIONS]


@_rule("18.15, 18.15.12", broken_by=_act(action="dreamt"))
def an_action_of_our_own_is_in_a_namespace(manifest: Manifest) -> list[str]:
    return [action["action"] for action in _actions(manifest) if "." not in action["action"]]


@_rule("18.15.4.7", broken_by=_act(action="org.example.a", parameters={"odd": 1}))
def a_parameter_of_our_own_is_in_a_namespace(manifest: Manifest) -> list[str]:
    named = [name for action in _actions(manifest) for name in action.get("parameters") or ()]
    return [name for name in named if name not in _PARAMETERS and "." not in name]


@_rule("18.15.4.1, 18.15.12", broken_by=_act(action="org.example.a", parameters={"ingredient": {}}))
def no_parameter_is_where_it_was_in_older_versions(manifest: Manifest) -> list[str]:
    return [
        action["action"]
        for action in _actions(manifest)
        if {"description", "ingredient"} & set(action.get("parameters") or ())
    ]


# --- Assertions -------------------------------------------------------------------------------------------


@_rule("6.3, appendix C.1", broken_by=_assert("stds.exif", {}))
def no_assertion_is_out_of_use(manifest: Manifest) -> list[str]:
    return [label for label in _assertions(manifest) if label.startswith("stds.") or label in _OLD_ASSERTIONS]


@_rule("6.2, 6.2.2, 6.3", broken_by=_assert("c2pa.dreams__1", {}))
def no_assertion_is_invented_in_the_standards_name(manifest: Manifest) -> list[str]:
    bases = [_base(label) for label in _assertions(manifest)]
    return [base for base in bases if base.startswith("c2pa.") and base not in _ASSERTIONS | _OLD_ASSERTIONS]


@_rule("6.2.2", broken_by=_assert("dreams", {}))
def an_assertion_of_our_own_is_in_a_namespace(manifest: Manifest) -> list[str]:
    return [label for label in _assertions(manifest) if "." not in label]


@_rule("18.5, 18.6", broken_by=_assert("c2pa.hash.data", {"url": "https://a.example"}))
def no_hash_points_elsewhere(manifest: Manifest) -> list[str]:
    hashes = ("c2pa.hash.data", "c2pa.hash.bmff.v3")
    return [label for label in hashes if (_assertions(manifest).get(label) or {}).get("url")]


def _boxed_tiff(manifest: Manifest) -> None:
    _assertions(manifest).update({"c2pa.hash.boxes": {}, "c2pa.asset-type.v2": {"dc:format": "image/tiff"}})


@_rule("15.10.1.2, 18.7.3.3", broken_by=_boxed_tiff)
def no_tiff_is_hashed_by_boxes(manifest: Manifest) -> Iterator[str]:
    kind = (_assertions(manifest).get("c2pa.asset-type.v2") or {}).get("dc:format")
    if "c2pa.hash.boxes" in _assertions(manifest) and kind in ("image/tiff", "image/x-adobe-dng"):
        yield kind


@_rule(
    "18.3.3", broken_by=_assert("org.example.m", {"reviewRatings": [], "dataSource": {"type": "humanEntry.anonymous"}})
)
def what_people_entered_has_no_ratings(manifest: Manifest) -> list[str]:
    return [
        label
        for label, held in _assertions(manifest).items()
        if held.get("reviewRatings") is not None and (held.get("dataSource") or {}).get("type") in _HUMAN
    ]


@_rule("15.10.3.2.7", broken_by=_assert("org.example.p", {"type": "exif.originalPreservationImage", "parameters": {}}))
def an_original_is_kept_in_one_place(manifest: Manifest) -> Iterator[str]:
    for label, held in _assertions(manifest).items():
        parameters = held.get("parameters") or {}
        if "exif.originalPreservationImage" in (held.get("type"), parameters.get("type")):
            places = {"multiAssetPartIndex", "embeddedOriginalPreservationImage"} & set(parameters)
            if len(places) != 1:
                yield label


@_rule(
    "15.10.3.2.2, 18.24.1", broken_by=_assert("org.example.r", {"label": "c2pa.hash.data", "url": "https://a.example"})
)
def no_reference_leads_to_what_must_be_inside(manifest: Manifest) -> list[str]:
    inside = ("c2pa.actions", "c2pa.cloud-data", "c2pa.external-reference", "c2pa.hash", "c2pa.ingredient")
    return [
        held["label"]
        for held in _assertions(manifest).values()
        if held.get("url") and held.get("relationship") is None and str(held.get("label")).startswith(inside)
    ]


# --- Ingredients ------------------------------------------------------------------------------------------


@_rule("18.16.3", broken_by=_assert("c2pa.ingredient.v3__9", {"relationship": "cousinOf"}))
def an_ingredient_is_related_in_a_known_way(manifest: Manifest) -> list[str]:
    return [held["relationship"] for held in _ingredients(manifest) if held["relationship"] not in _RELATIONSHIPS]


@_rule("18.16.12.3", broken_by=_assert("c2pa.ingredient.v3__9", {"relationship": "parentOf", "validationResults": {}}))
def an_ingredient_without_credentials_was_not_validated(manifest: Manifest) -> list[str]:
    return [
        str(held.get("dc:title"))
        for held in _ingredients(manifest)
        if held.get("activeManifest") is None and held.get("validationResults") is not None
    ]


@_rule("18.16.12.3", broken_by=_assert("c2pa.ingredient.v3__9", {"relationship": "parentOf", "activeManifest": {}}))
def an_ingredient_with_credentials_was_validated(manifest: Manifest) -> list[str]:
    return [
        str(held.get("dc:title"))
        for held in _ingredients(manifest)
        if held.get("activeManifest") is not None and held.get("validationResults") is None
    ]


@_rule(
    "18.16.12.3",
    broken_by=_assert(
        "c2pa.ingredient.v3__9",
        {"relationship": "parentOf", "activeManifest": {}, "validationResults": {}, "digitalSourceType": "x"},
    ),
)
def an_ingredient_with_credentials_says_there_from_what(manifest: Manifest) -> list[str]:
    return [
        str(held.get("dc:title"))
        for held in _ingredients(manifest)
        if held.get("activeManifest") is not None and held.get("digitalSourceType") is not None
    ]
