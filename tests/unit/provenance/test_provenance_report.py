"""What status codes mean: judged on reports, for what no small file can be made to show."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.authority import Standing, TrustAnchor
from provenance.model import IdentityState, IntegrityState, ManifestFacts, Redaction, SignerState, TimeStampState
from provenance.report import (
    MAX_BINDINGS,
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_TOKEN_CHARS,
    facts_from_report,
    stated_history,
)

OWN = TrustAnchor(pem="", uri="urn:example:own", standing=Standing.OPERATOR)
LABEL = "urn:c2pa:1"


def report(
    *,
    success: tuple[str, ...] = ("signingCredential.trusted", "claimSignature.validated"),
    failure: tuple[str, ...] = (),
    state: str | None = None,
    trust_list: str | None = "urn:example:own",
    time: str | None = None,
    **manifest: Any,
) -> dict[str, Any]:
    signature = {"common_name": "A signer"} | ({"time": time} if time is not None else {})
    results = {
        "activeManifest": {
            "success": [{"code": code} for code in success],
            "informational": [],
            "failure": [{"code": code} for code in failure],
        }
    }
    return {
        "active_manifest": LABEL,
        "manifests": {LABEL: {"signature_info": signature, "title": "t", **manifest}},
        "validation_state": state or ("Invalid" if failure else "Trusted"),
        "validation_results": results | ({"trustListUri": trust_list} if trust_list is not None else {}),
    }


def read(data: object) -> ManifestFacts:
    return facts_from_report(json.dumps(data), anchors=[OWN])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("signingCredential.untrusted", SignerState.UNTRUSTED),
        ("signingCredential.expired", SignerState.EXPIRED),
        ("claimSignature.outsideValidity", SignerState.EXPIRED),
        ("signingCredential.ocsp.revoked", SignerState.REVOKED),
    ],
)
def test_the_signers_credential_never_touches_integrity(code: str, expected: SignerState) -> None:
    facts = read(report(failure=("signingCredential.untrusted", code), success=("claimSignature.validated",)))
    assert facts.integrity.state is IntegrityState.INTACT
    assert facts.signer.state is expected
    assert facts.signer.name == "A signer"


@pytest.mark.parametrize("code", ["signingCredential.expired", "signingCredential.untrusted"])
def test_a_signers_fault_hides_no_change_of_the_content(code: str) -> None:
    facts = read(report(failure=(code, "assertion.dataHash.mismatch"), success=("claimSignature.validated",)))
    assert facts.integrity.state is IntegrityState.INVALID
    assert [failure.code for failure in facts.integrity.failures] == ["assertion.dataHash.mismatch"]


def test_an_unknown_failure_is_not_intact() -> None:
    facts = read(report(failure=("org.example.future",)))
    assert facts.integrity.state is IntegrityState.INVALID
    assert "org.example.future" in facts.integrity.failures[0].explanation


@pytest.mark.parametrize(
    "data",
    [
        {},
        report(success=("signingCredential.trusted",)),  # no confirmed signature
        report(state="Invalid"),  # and nothing says why
        report(state="Splendid"),
        report(failure=("signingCredential.invalid",)),
    ],
    ids=["empty", "unconfirmed", "unexplained", "unknown-state", "certificate-of-another-kind"],
)
def test_what_is_not_understood_is_not_intact(data: dict[str, Any]) -> None:
    assert read(data).integrity.state is IntegrityState.INVALID


@pytest.mark.parametrize("trust_list", [None, "urn:example:tsa", ""])
def test_trusted_needs_a_list_of_ours(trust_list: str | None) -> None:
    facts = read(report(trust_list=trust_list))
    assert facts.integrity.state is IntegrityState.INTACT
    assert facts.signer.state is SignerState.UNTRUSTED


STAMPED = ("timeStamp.validated", "timeStamp.trusted", "claimSignature.validated")


def test_time_is_what_a_trusted_authority_stamped() -> None:
    facts = read(report(success=STAMPED, time="2026-03-01T14:00:00+02:00"))
    assert facts.time_stamp.at == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("success", [("timeStamp.validated",), ()])
def test_a_time_that_nobody_we_trust_stamped_is_not_given(success: tuple[str, ...]) -> None:
    assert (
        read(report(success=success, time="2026-03-01T14:00:00+02:00")).time_stamp.state is not TimeStampState.TRUSTED
    )


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([], None),
        ([None], None),
        (["digitalCapture"], False),
        (["digitalCapture", "compositeWithTrainedAlgorithmicMedia"], True),
        (["trainedAlgorithmicMedia"], True),
    ],
)
def test_only_what_is_said_of_ai_counts(kinds: list[str | None], expected: bool | None) -> None:
    root = "http://cv.iptc.org/newscodes/digitalsourcetype/"
    types = [{"digitalSourceType": root + kind} if kind else {} for kind in kinds]
    actions = [{"action": "c2pa.created"} | kind for kind in types]
    facts = read(report(assertions=[{"label": "c2pa.actions.v2", "data": {"actions": actions}}]))
    assert facts.ai_generated is expected


def test_version_1_claims_recorded_failures_of_ingredients_in_a_flat_list() -> None:
    bad = {
        "title": "old",
        "label": "c2pa.ingredient",
        "active_manifest": "urn:uuid:2",
        "validation_status": [{"code": "claimSignature.mismatch"}],
    }
    data = report(ingredients=[bad, bad | {"active_manifest": "urn:uuid:3", "validation_status": []}])
    data["manifests"] |= {"urn:uuid:2": {}, "urn:uuid:3": {}}
    assert [part.integrity.state for part in read(data).ingredients] == [
        IntegrityState.INVALID,
        IntegrityState.INTACT,
    ]


def test_an_ingredient_whose_manifest_is_gone_is_not_intact() -> None:
    facts = read(report(ingredients=[{"label": "c2pa.ingredient.v3", "active_manifest": "urn:c2pa:9"}]))
    assert facts.ingredients[0].integrity.state is IntegrityState.INVALID


def test_a_manifest_that_is_its_own_ancestor_ends() -> None:
    loop = {"label": "c2pa.ingredient.v3", "active_manifest": LABEL}
    assert len(read(report(ingredients=[loop])).ingredients) == 1


def test_every_list_is_bounded() -> None:
    many = 10 * MAX_ITEMS
    facts = read(
        report(
            failure=tuple(f"org.example.{number}" for number in range(many)),
            ingredients=[{"label": "c2pa.ingredient.v3"}] * many,
            assertions=[
                {"label": "c2pa.actions.v2", "data": {"actions": [{"action": "a"}] * many}},
                {"label": "c2pa.soft-binding", "data": {"alg": "a", "blocks": [{"value": "YQ=="}] * many}},
                {"label": "org.clearmark.consents", "data": {"consents": [{"id": "cns_1", "token": "t"}] * many}},
                {"label": "cawg.training-mining", "data": {"entries": {str(n): {} for n in range(many)}}},
            ],
        )
    )
    sizes = (facts.integrity.failures, facts.ingredients, facts.actions)
    assert [len(size) for size in sizes] == [MAX_ITEMS] * 3
    assert len(facts.soft_bindings) == MAX_BINDINGS
    assert len(facts.training_mining) == MAX_ITEMS
    assert facts.consents == (), "the file is not intact"


def consents_stated(*stated: object, **more: Any) -> list[str]:
    data = {"consents": list(stated)}
    facts = read(report(assertions=[{"label": "org.clearmark.consents", "data": data}], **more))
    return [consent.consent_id for consent in facts.consents]


def test_consents_are_believed_only_of_a_trusted_signer_of_an_intact_file() -> None:
    one = {"id": "cns_1", "token": "t"}
    assert consents_stated(one) == ["cns_1"]
    assert consents_stated(one, trust_list="urn:example:stranger") == []
    assert consents_stated(one, failure=("assertion.dataHash.mismatch",)) == []


def test_consents_are_bounded_and_what_is_none_is_left_out() -> None:
    odd = [None, 7, {}, {"id": "cns_2"}, {"id": 7, "token": "t"}, {"id": "cns_3", "token": "t" * (MAX_TOKEN_CHARS + 1)}]
    assert consents_stated(*odd, {"id": "cns_1", "token": "t" * MAX_TOKEN_CHARS}) == ["cns_1"]
    assert len(consents_stated(*[{"id": "cns_1", "token": "t"}] * (2 * MAX_ITEMS))) == MAX_ITEMS


# Spelled out: building Hypothesis's own table of characters takes seconds in a fresh clone.
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet="ab/:[]", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "active_manifest",
                    "manifests",
                    LABEL,
                    "validation_results",
                    "activeManifest",
                    "success",
                    "failure",
                    "code",
                    "ingredients",
                    "ingredientDeltas",
                    "validationDeltas",
                    "assertions",
                    "label",
                    "data",
                    "actions",
                    "blocks",
                    "entries",
                    "signature_info",
                    "softwareAgent",
                    "url",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


top_keys = st.sampled_from(["active_manifest", "manifests", "validation_results"])


@given(data=st.dictionaries(top_keys, json_values))
def test_no_shape_of_report_breaks_it_or_is_intact(data: dict[str, Any]) -> None:
    assert read(data).integrity.state is IntegrityState.INVALID


def part(label: str, *below: dict[str, Any], relationship: str = "componentOf", ai: bool = False) -> dict[str, Any]:
    """An ingredient and, under `manifest`, the manifest that it has."""
    kind = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    actions = [{"action": "c2pa.created", "digitalSourceType": kind}] if ai else []
    manifest = {
        "signature_info": {"common_name": "Somebody"},
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
        "ingredients": [{key: value for key, value in one.items() if key != "manifest"} for one in below],
    }
    manifests = {label: manifest, **_manifests(below)}
    return {"title": label, "relationship": relationship, "active_manifest": label, "manifest": manifests}


def _manifests(parts: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    return {label: manifest for one in parts for label, manifest in one.get("manifest", {}).items()}


def made_of(*parts: dict[str, Any]) -> ManifestFacts:
    told = report(ingredients=[{key: value for key, value in one.items() if key != "manifest"} for one in parts])
    told["manifests"] |= _manifests(parts)
    return read(told)


def test_what_a_file_was_made_of_does_not_depend_on_what_is_told_first() -> None:
    deep = part("D", relationship="parentOf", ai=True)
    contained = part("C", deep)
    using = part("A", contained, relationship="inputTo")
    for parts in ((using, contained), (contained, using)):
        facts = made_of(*parts)
        assert facts.ai_generated is True
        found = {one.title: one for one in facts.ingredients}
        assert [one.title for one in found["C"].ingredients] == ["D"]
        assert [one.title for one in found["A"].ingredients] == ["C"]


def test_what_was_given_to_a_generator_is_not_inside_what_it_made() -> None:
    assert made_of(part("A", part("C", ai=True), relationship="inputTo")).ai_generated is None


def test_a_manifest_that_is_its_own_ancestor_ends_somewhere() -> None:
    told = report(ingredients=[{"title": "self", "relationship": "parentOf", "active_manifest": LABEL}])
    (one,) = read(told).ingredients
    assert one.ingredients == ()


@pytest.mark.parametrize(
    ("success", "failure", "state"),
    [
        (("cawg.identity.well-formed", "cawg.x509.credential.trusted"), (), IdentityState.TRUSTED),
        (("cawg.identity.well-formed",), ("cawg.x509.credential.untrusted",), IdentityState.WELL_FORMED),
        (("cawg.identity.well-formed",), ("cawg.x509.signature.mismatch",), IdentityState.INVALID),
        ((), (), IdentityState.INVALID),
    ],
)
def test_an_identity_stands_beside_integrity_and_signer(
    success: tuple[str, ...], failure: tuple[str, ...], state: IdentityState
) -> None:
    assertion = {
        "label": "cawg.identity",
        "data": {"signer_payload": {"sig_type": "cawg.x509.cose"}, "signature_info": {"common_name": "Ada"}},
    }
    told = report(
        success=("signingCredential.trusted", "claimSignature.validated", *success), failure=failure, state="Valid",
        assertions=[assertion],
    )  # fmt: skip
    facts = read(told)
    (identity,) = facts.identities
    assert (identity.state, identity.kind, identity.names) == (state, "cawg.x509.cose", ("Ada",))
    assert (facts.integrity.state, facts.signer.state) == (IntegrityState.INTACT, SignerState.TRUSTED)


def test_accounts_that_were_verified_are_named_with_who_verified_them() -> None:
    identities = [{"name": "Ada", "provider": {"name": "Example ID"}}, {"username": "ada"}, {"x": 1}]
    data = {"signer_payload": {"sig_type": "cawg.identity_claims_aggregation"}, "verifiedIdentities": identities}
    (identity,) = read(report(assertions=[{"label": "cawg.identity__1", "data": data}])).identities
    assert identity.names == ("Ada (Example ID)", "ada")


def test_what_was_redacted_is_told_with_its_reason() -> None:
    uri = "self#jumbf=/c2pa/urn:c2pa:0/c2pa.assertions/c2pa.location"
    redacted = {"action": "c2pa.redacted", "reason": "c2pa.PII.present", "parameters": {"redacted": uri}}
    told = report(redactions=[uri], assertions=[{"label": "c2pa.actions.v2", "data": {"actions": [redacted]}}])
    assert read(told).redactions == (
        Redaction(assertion="c2pa.location", manifest_label="urn:c2pa:0", reason="c2pa.PII.present"),
    )


def opened(*parents: str, relationship: str = "parentOf") -> dict[str, Any]:
    """Manifests, each of which opened the next, and named each action after itself."""
    manifests = {}
    for label, parent in zip(parents, [*parents[1:], None], strict=True):
        actions = {"label": "c2pa.actions.v2", "data": {"actions": [{"action": label}]}}
        used = [{"relationship": "componentOf", "active_manifest": "part"}]
        used += [{"relationship": relationship, "active_manifest": parent}] if parent else []
        manifests[label] = {"assertions": [actions], "ingredients": used}
    return {"active_manifest": parents[0], "manifests": manifests}


def history(data: dict[str, Any]) -> list[str]:
    return [action.action for action in stated_history(json.dumps(data))]


def test_a_history_goes_on_in_the_file_that_was_opened() -> None:
    assert history(opened("third", "second", "first")) == ["third", "second", "first"]
    assert history(opened("third", "second", relationship="inputTo")) == ["third"]
    assert history({}) == []


def test_a_history_without_end_is_cut() -> None:
    assert len(history(opened(*(f"m{number}" for number in range(2 * MAX_DEPTH))))) == MAX_DEPTH
    loop = opened("a", "b")
    loop["manifests"]["b"]["ingredients"] = [{"relationship": "parentOf", "active_manifest": "a"}]
    assert history(loop) == ["a", "b"]
