"""What status codes mean: judged on reports, for what no small file can be made to show."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.model import IntegrityState, ManifestFacts, SignerState
from provenance.report import MAX_ITEMS, MAX_TOKEN_CHARS, facts_from_report

URIS = frozenset({"urn:example:own"})
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
    return facts_from_report(json.dumps(data), manifest_uris=URIS)


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
    assert facts.timestamp == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("success", [("timeStamp.validated",), ()])
def test_a_time_that_nobody_we_trust_stamped_is_not_given(success: tuple[str, ...]) -> None:
    assert read(report(success=success, time="2026-03-01T14:00:00+02:00")).timestamp is None


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
    sizes = (facts.integrity.failures, facts.ingredients, facts.actions, facts.soft_bindings)
    assert [len(size) for size in sizes] == [MAX_ITEMS] * 4
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
