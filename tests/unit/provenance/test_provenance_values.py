"""The manifest of a claim, and values over the pipe."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.authority import SigningIdentity, TrustAnchor
from provenance.encoding import Undecodable, decode, encode
from provenance.explanations import EXPLANATIONS, explain
from provenance.isolation import WorkerLimits
from provenance.keys import SigningAlgorithm
from provenance.manifest import MADE_ACTION, PARENT_ID, build_manifest, opens_source
from provenance.model import (
    ActionFact,
    AssertedCheck,
    AssertedConsent,
    Failure,
    IdentityFacts,
    IdentityState,
    Ingredient,
    IngredientFacts,
    Integrity,
    IntegrityState,
    ManifestFacts,
    Redaction,
    Relationship,
    ReleaseClaim,
    SignerFacts,
    SignerState,
    SoftBinding,
    TimeStampFacts,
    TimeStampState,
    TrainingMining,
)
from provenance.source_types import SourceType
from provenance.worker import Operation, Request

AT = datetime(2026, 3, 1, 14, 30, tzinfo=timezone(timedelta(hours=2)))
AI = SourceType.TRAINED_ALGORITHMIC_MEDIA


def assertion(manifest: dict[str, Any], label: str) -> dict[str, Any]:
    (found,) = (item for item in manifest["assertions"] if item["label"] == label)
    return dict(found)


def actions_of(claim: ReleaseClaim, **said: Any) -> list[dict[str, Any]]:
    return list(assertion(build_manifest(claim, **said), "c2pa.actions.v2")["data"]["actions"])


def names(actions: list[dict[str, Any]]) -> list[str]:
    return [action["action"] for action in actions]


def told(source_type: SourceType | None, software_agent: str | None) -> ActionFact:
    uri = source_type.uri if source_type is not None else None
    return ActionFact(action="c2pa.created", when=None, software_agent=software_agent, digital_source_type=uri)


def used(*relationships: Relationship) -> tuple[Ingredient, ...]:
    return tuple(Ingredient(path=Path("/a"), title="t", relationship=relationship) for relationship in relationships)


def first_action(manifest: dict[str, Any]) -> dict[str, Any]:
    return dict(assertion(manifest, "c2pa.actions.v2")["data"]["actions"][0])


def test_an_ai_clip_was_created(claim: ReleaseClaim) -> None:
    manifest = build_manifest(replace(claim, created_at=AT), parent=False)
    action = first_action(manifest)
    assert action["action"] == "c2pa.created"
    assert action["when"] == "2026-03-01T12:30:00Z"
    assert action["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert action["softwareAgent"] == {"name": "Dreamer", "version": "3.1"}
    assert assertion(manifest, "c2pa.actions.v2")["data"]["allActionsIncluded"] is True
    assert manifest["claim_generator_info"][0]["specVersion"] == "2.4.0"


def test_signed_input_is_never_created_afresh(claim: ReleaseClaim) -> None:
    action = first_action(build_manifest(claim, parent=True))
    assert action["action"] == "c2pa.opened"
    assert action["parameters"] == {"ingredientIds": [PARENT_ID]}
    assert opens_source(claim, parent=True)


@pytest.mark.parametrize("parent", [False, True])
def test_no_source_type_is_made_up_for_a_clip_that_is_not_ai(claim: ReleaseClaim, *, parent: bool) -> None:
    human = replace(claim, source_type=None)
    action = first_action(build_manifest(human, parent=parent))
    assert action["action"] == "c2pa.opened"
    assert "digitalSourceType" not in action
    assert opens_source(human, parent=parent)


def test_what_an_opened_file_does_not_say_of_itself_is_an_edit(claim: ReleaseClaim) -> None:
    actions = actions_of(claim, parent=True)
    assert names(actions) == ["c2pa.opened", "c2pa.edited"]
    assert "digitalSourceType" not in actions[0]
    assert actions[1]["digitalSourceType"] == AI.uri
    assert names(actions_of(claim, parent=True, metadata_written=True))[-1] == "c2pa.edited.metadata"


@pytest.mark.parametrize("change", [{}, {"source_type": None}, {"generator_name": None}])
def test_who_repeats_what_a_file_says_of_itself_did_nothing_to_it(claim: ReleaseClaim, change: dict[str, Any]) -> None:
    history = (told(None, "Dreamer 3.1"), told(AI, "Another"), told(SourceType.DIGITAL_CAPTURE, None))
    assert names(actions_of(replace(claim, **change), parent=True, history=history)) == ["c2pa.opened"]


@pytest.mark.parametrize("agent", [None, "Dreamer", "Another 3.1"])
def test_a_generator_that_a_file_does_not_name_is_named(claim: ReleaseClaim, agent: str | None) -> None:
    _, edited = actions_of(claim, parent=True, history=(told(AI, agent),))
    assert edited["action"] == "c2pa.edited"
    assert edited["softwareAgent"] == {"name": "Dreamer", "version": "3.1"}


@pytest.mark.parametrize("parent", [False, True])
def test_a_generator_and_inputs_are_named_although_nobody_says_from_what(claim: ReleaseClaim, *, parent: bool) -> None:
    silent = replace(claim, source_type=None)
    _, made = actions_of(silent, parent=parent)
    assert (made["action"], made["softwareAgent"]["name"]) == (MADE_ACTION, "Dreamer")
    unnamed = replace(silent, generator_name=None)
    assert names(actions_of(unnamed, parent=parent)) == ["c2pa.opened"]
    _, made = actions_of(unnamed, parent=parent, ingredients=used(Relationship.INPUT_TO))
    assert (made["action"], made["parameters"]) == (MADE_ACTION, {"ingredientIds": ["ingredient-0"]})
    assert {"softwareAgent", "digitalSourceType"}.isdisjoint(made)


def test_further_files_are_named_by_the_step_that_used_them(claim: ReleaseClaim) -> None:
    files = used(Relationship.INPUT_TO, Relationship.COMPONENT_OF, Relationship.INPUT_TO)
    actions = actions_of(claim, parent=False, ingredients=files)
    assert [(action["action"], action["parameters"]["ingredientIds"]) for action in actions] == [
        ("c2pa.created", ["ingredient-0", "ingredient-2"]),
        ("c2pa.placed", ["ingredient-1"]),
    ]


def test_an_unnamed_generator_is_not_given_a_name(claim: ReleaseClaim) -> None:
    unnamed = replace(claim, generator_name=None)
    assert "softwareAgent" not in first_action(build_manifest(unnamed, parent=False))
    versionless = replace(claim, generator_version=None)
    assert first_action(build_manifest(versionless, parent=False))["softwareAgent"] == {"name": "Dreamer"}


def test_check_and_bindings_are_created_assertions(claim: ReleaseClaim) -> None:
    manifest = build_manifest(claim, parent=False)
    assert assertion(manifest, "org.clearmark.check")["created"] is True
    bindings = [item for item in manifest["assertions"] if item["label"] == "c2pa.soft-binding"]
    assert [(item["created"], item["data"]["alg"]) for item in bindings] == [
        (True, "io.iscc.v0"),
        (True, "org.clearmark.video-phash-v1"),
    ]
    assert bytes(bindings[1]["data"]["blocks"][0]["value"]) == bytes(range(32))


def test_consents_are_created_assertions_with_their_tokens(claim: ReleaseClaim) -> None:
    stated = assertion(build_manifest(claim, parent=False), "org.clearmark.consents")
    token = claim.consents[0].token
    sha256 = hashlib.sha256(token.encode()).hexdigest()
    assert stated["created"] is True
    assert stated["data"] == {"consents": [{"id": "cns_1", "token": token, "sha256": sha256}]}
    silent = build_manifest(replace(claim, consents=()), parent=False)
    assert "org.clearmark.consents" not in [item["label"] for item in silent["assertions"]]


def test_silence_on_training_is_no_assertion(claim: ReleaseClaim) -> None:
    manifest = build_manifest(replace(claim, training_mining=TrainingMining()), parent=False)
    assert "cawg.training-mining" not in [item["label"] for item in manifest["assertions"]]


def test_an_unknown_code_has_an_explanation_that_names_it() -> None:
    assert "some.new.code" in explain("some.new.code")
    assert all(sentence.endswith(".") and sentence[0].isupper() for sentence in EXPLANATIONS.values())


# Spelled out: building Hypothesis's own table of characters takes seconds in a fresh clone.
texts = st.text(alphabet='ab01<>&"\\/:.\x00\n\u202e\u00e9\U0001f600', max_size=20)
maybe = st.none() | texts
signers = st.builds(SignerFacts, state=st.sampled_from(SignerState), name=maybe, trust_list=maybe)
integrities = st.builds(
    Integrity,
    state=st.sampled_from(IntegrityState),
    failures=st.lists(st.builds(Failure, code=texts, explanation=texts), max_size=2).map(tuple),
)
manifest_facts = st.builds(
    ManifestFacts,
    integrity=integrities,
    signer=signers,
    time_stamp=st.builds(
        TimeStampFacts,
        state=st.sampled_from(TimeStampState),
        at=st.none() | st.datetimes(timezones=st.just(UTC)),
        authority=maybe,
    ),
    identities=st.lists(
        st.builds(IdentityFacts, state=st.sampled_from(IdentityState), kind=maybe, names=st.just(("n",))), max_size=1
    ).map(tuple),
    redactions=st.lists(st.builds(Redaction, assertion=texts, manifest_label=maybe, reason=maybe), max_size=1).map(
        tuple
    ),
    manifest_store=st.none() | st.binary(max_size=9),
    actions=st.lists(
        st.builds(ActionFact, action=texts, when=maybe, software_agent=maybe, digital_source_type=maybe),
        max_size=2,
    ).map(tuple),
    ai_generated=st.none() | st.booleans(),
    training_mining=st.dictionaries(texts, st.dictionaries(texts, texts, max_size=2), max_size=2),
    ingredients=st.lists(
        st.builds(
            IngredientFacts,
            title=maybe,
            relationship=maybe,
            integrity=integrities,
            signer=signers,
            ai_generated=st.none() | st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    soft_bindings=st.lists(st.builds(SoftBinding, algorithm=texts, value=st.binary(max_size=9)), max_size=2).map(tuple),
    check=st.none() | st.dictionaries(texts, st.integers() | texts, max_size=2),
    consents=st.lists(st.builds(AssertedConsent, consent_id=texts, token=texts), max_size=2).map(tuple),
    raw=st.none() | st.dictionaries(texts, st.lists(st.floats(allow_nan=False)), max_size=2),
)


@given(facts=manifest_facts)
def test_facts_survive_the_pipe(facts: ManifestFacts) -> None:
    assert decode(ManifestFacts, json.loads(json.dumps(encode(facts)))) == facts


def test_a_request_survives_the_pipe(claim: ReleaseClaim) -> None:
    identity = SigningIdentity(
        certificate_chain_pem="chain",
        algorithm=SigningAlgorithm.ES256,
        anchors=(TrustAnchor(pem="pem", uri="urn:example:a"),),
        not_before=AT,
        not_after=AT,
        name="n",
        serial="1f",
        certificate_sha256="ab" * 32,
        development=True,
    )
    request = Request(
        operation=Operation.SIGN,
        identity=identity,
        trust_anchors=(),
        former_sha256=("cd" * 32,),
        tsa_urls=("https://tsa.example",),
        limits=WorkerLimits(cpu_s=3, wall_s=1.5),
        ingredients=(Ingredient(path=Path("/c"), title="t", relationship=Relationship.INPUT_TO),),
        source=Path("/a"),
        target=Path("/b"),
        claim=claim,
    )
    assert decode(Request, json.loads(json.dumps(encode(request)))) == request


@pytest.mark.parametrize(
    "change",
    [
        {"check_id": 3},
        {"check_id": None},
        {"index_sequence": True},
        {"index_sequence": "1"},
        {"checked_at": "yesterday"},
        {"algorithms": "a"},
        {"algorithms": [1]},
        {"unknown": 1},
    ],
)
def test_what_is_not_exactly_the_value_is_refused(claim: ReleaseClaim, change: dict[str, object]) -> None:
    with pytest.raises(Undecodable):
        decode(AssertedCheck, encode(claim.check) | change)


def test_a_missing_field_is_refused(claim: ReleaseClaim) -> None:
    data = encode(claim.check)
    del data["verdict"]
    with pytest.raises(Undecodable):
        decode(AssertedCheck, data)


@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    )
)
def test_no_json_makes_decoding_fail_otherwise(data: object) -> None:
    for kind in (ManifestFacts, AssertedCheck, Request):
        with pytest.raises(Undecodable):
            decode(kind, data)
