"""The page of an answer, for whatever a file may say and whatever may be known of it."""

import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.app import create_app
from api.pages.page import environment_of
from api.service import Service
from provenance.authority import Standing
from provenance.model import (
    ActionFact,
    Failure,
    IdentityFacts,
    IdentityState,
    IngredientFacts,
    Integrity,
    IntegrityState,
    ManifestFacts,
    MiningUse,
    Redaction,
    Relationship,
    SignerFacts,
    SignerState,
    TimeStampFacts,
    TimeStampState,
)
from provenance.source_types import SourceType
from registry import recovery, verifications
from registry.domain import consent
from registry.domain.preferences import Answer, Use
from registry.domain.timeline import What
from registry.headline import Facts, Kind, headline
from registry.models import ReleaseState, Revocation
from registry.recovery import plain
from tests import factories
from tests.effort import examples
from tests.factories import AT
from tests.integration.inside import Inside

HOSTILE = '"><script>alert(1)</script>\u202e%s %(page)s {{ 7 * 7 }}'
DAY = AT.isoformat()


@pytest.fixture
def anyone(service: Service) -> Inside:
    return Inside(create_app(service))


def answered(service: Service, facts: ManifestFacts, **more: Any) -> str:
    """Keep an answer; returns the path of its page."""
    nothing: dict[str, Any] = {
        "recovered": [], "registry_matches": [], "release": None, "consents": [], "fingerprint_problem": None,
        "manifest_source": None,
    }  # fmt: skip
    with service.database.transaction() as session:
        kept = verifications.keep(session, "ab" * 32, verifications.describe(facts) | nothing | more, facts, at=AT)
        return f"/verifications/{kept.id}"


def released(service: Service, state: ReleaseState = ReleaseState.SIGNED) -> dict[str, Any]:
    """A release as answers tell it that were given while it was stood by."""
    with service.database.transaction() as session:
        owner = factories.actor(session)
        check = factories.check(session, owner, service.index, factories.fingerprint(2))
        release = factories.release(session, owner, check)
        release.title = HOSTILE
        said = recovery.standing(session, release)
        release.state = state.value
        if state is ReleaseState.REVOKED:
            release.revoked_at, release.revocation, release.revocation_reason = AT, "mistake", HOSTILE
    return said


def found(said: dict[str, Any], *differences: dict[str, Any]) -> dict[str, Any]:
    """A release as it is told of a file that was recognised."""
    segment = {
        "modality": "video", "algorithm": "video-phash-v1", "score": 0.9, "query_start_s": 0.0, "query_end_s": 6.0,
        "reference_start_s": 3.0, "reference_end_s": 9.0,
    }  # fmt: skip
    manifest = plain(verifications.describe(ManifestFacts(integrity=Integrity(state=IntegrityState.INTACT))))
    return {
        **said, "how": "fingerprint", "statement": "", "query_start_s": 0.0, "query_end_s": 6.0,
        "similarity_0_1": 0.9, "segments": [segment], "differences": list(differences), "consents": [],
        "manifest": {**manifest, "source": "recovered", "ai_generated": True},
    }  # fmt: skip


def change(what: str) -> dict[str, Any]:
    times = {"query_start_s": 1.0, "query_end_s": 3.0, "reference_start_s": 4.0, "reference_end_s": 6.0}
    return {"change": what, **times}


def work() -> dict[str, Any]:
    return {
        "work_id": "wrk_1", "title": HOSTILE, "matched_s": 6.0, "query_duration_s": 8.0, "confirmed": True,
        "segments": found({})["segments"], "reservations": {use.value: "reserved" for use in Use},
    }  # fmt: skip


def facts(
    state: IntegrityState, signer: SignerState = SignerState.TRUSTED, *codes: str, trust_list: str | None = None
) -> ManifestFacts:
    failures = tuple(Failure(code=code, explanation=HOSTILE) for code in codes)
    named = SignerFacts(state=signer, name=HOSTILE, trust_list=trust_list, standing=Standing.OFFICIAL)
    return ManifestFacts(integrity=Integrity(state=state, failures=failures), signer=named, manifest_label="urn:c2pa:9")


def page(anyone: Inside, path: str) -> str:
    answer = anyone.get(path)
    assert answer.status_code == 200, answer.text[:300]
    assert "<script>alert" not in answer.text
    return answer.text


def test_every_headline_has_its_sentence(service: Service, anyone: Inside) -> None:
    intact, absent = IntegrityState.INTACT, facts(IntegrityState.ABSENT, SignerState.NONE)
    stood, gone, revoked = (released(service, state) for state in ReleaseState)
    remote, unreadable = facts(IntegrityState.REMOTE), facts(IntegrityState.UNREADABLE, SignerState.NONE, "x")
    pages: dict[Kind, list[tuple[ManifestFacts, dict[str, Any], str]]] = {
        Kind.CHANGED: [
            (facts(IntegrityState.INVALID, SignerState.TRUSTED, "assertion.bmffHash.mismatch"), {}, "was changed after")
        ],
        Kind.BROKEN: [(facts(IntegrityState.INVALID, SignerState.TRUSTED, "claim.missing"), {}, "do not hold")],
        Kind.REVOKED: [(facts(intact), {"release": revoked}, "is not stood by any more")],
        Kind.TAKEN_DOWN: [(facts(intact), {"release": gone}, "has been taken down")],
        Kind.CERTIFICATE_REVOKED: [(facts(intact, SignerState.REVOKED), {}, "was withdrawn")],
        Kind.CERTIFICATE_EXPIRED: [(facts(intact, SignerState.EXPIRED), {}, "has run out")],
        Kind.SIGNER_UNKNOWN: [(facts(intact, SignerState.UNTRUSTED), {}, "do not know the signer")],
        Kind.AS_SIGNED: [(facts(intact), {}, "signed it."), (facts(intact), {"release": stood}, "signed it on")],
        Kind.RECOVERED_REVOKED: [(one, {"recovered": [found(revoked)]}, "not stood by") for one in (absent, remote)],
        Kind.RECOVERED_TAKEN_DOWN: [(one, {"recovered": [found(gone)]}, "taken down") for one in (absent, unreadable)],
        Kind.RECOVERED: [(one, {"recovered": [found(stood)]}, "we recognise it") for one in (absent, unreadable)],
        Kind.COPIES: [
            (one, {"registry_matches": [work()] * count}, "registered work")
            for one in (absent, remote)
            for count in (1, 2)
        ],
        Kind.UNREADABLE: [(unreadable, {}, "if it has any, cannot be read")],
        Kind.ELSEWHERE: [(remote, {}, "another server")],
        Kind.NOT_LOOKED: [(absent, {"fingerprint_problem": verifications.NOT_ASKED}, "was not looked up")],
        Kind.COULD_NOT_LOOK: [(absent, {"fingerprint_problem": "100 % broken."}, "could not be compared")],
        Kind.NOTHING: [(absent, {}, "whether it is genuine")],
    }
    assert set(pages) == set(Kind)
    for kind, cases in pages.items():
        for said, more, sentence in cases:
            path = answered(service, said, **more)
            text = page(anyone, path)
            kept = anyone.get(f"/v1{path}").json()
            assert headline(Facts.of(kept)).kind is kind
            told = re.search(r'<h1 id="answer">(.*?)</h1>', text, re.DOTALL)
            assert told is not None
            assert sentence.lower() in told.group(1).lower(), (kind, told.group(1))


def test_all_that_was_changed_is_told_and_drawn(service: Service, anyone: Inside) -> None:
    changes = [change(what) for what in ("missing", "inserted", "altered_picture", "altered_sound")]
    absent = facts(IntegrityState.ABSENT, SignerState.NONE)
    granted = {"id": "cns_1", "state": "granted", "state_at": DAY, "uses": "both", "not_before": DAY, "expires": None}
    unknown = {"id": HOSTILE, "state": "unknown", "state_at": DAY}
    consented = {"consents": [granted, unknown]}
    recovered = [found(released(service), *changes) | consented]
    text = page(anyone, answered(service, absent, recovered=recovered, registry_matches=[work()]))
    for told in ("is missing here", "was put in", "another picture", "another sound", "Granted", "Not on record"):
        assert told in text
    assert text.count('<svg class="lane"') == 4  # the picture, what was changed, the work; and the release's own


def test_much_that_a_file_says_is_shown_to_a_bound(service: Service, anyone: Inside) -> None:
    """No page is longer than it can be read, whatever a file says."""
    deep = IngredientFacts(title="x" * 500, relationship="parentOf", integrity=facts(IntegrityState.INTACT).integrity,
                           signer=SignerFacts(), ai_generated=True)  # fmt: skip
    for _ in range(16):
        deep = IngredientFacts(title="x" * 500, relationship="inputTo", integrity=deep.integrity, signer=deep.signer,
                               ai_generated=None, ingredients=(deep,))  # fmt: skip
    action = ActionFact(action="c2pa.edited", when=DAY, software_agent="y" * 500, digital_source_type="z" * 500)
    said = ManifestFacts(
        integrity=Integrity(state=IntegrityState.INTACT), actions=(action,) * 64, ingredients=(deep,),
        raw={"said": ["w" * 1000] * 120},
    )  # fmt: skip
    text = page(anyone, answered(service, said))
    assert len(text.encode()) < 200_000
    assert "This is the beginning" in text


# Spelled out: Hypothesis's own table of characters takes seconds to build.
texts = st.text(alphabet='ab%s(){}<>&"\\/:.\x00\n\u202e\u00e9\U0001f600', max_size=20) | st.just(HOSTILE)
maybe = st.none() | texts
integrities = st.builds(
    Integrity,
    state=st.sampled_from(IntegrityState),
    failures=st.lists(st.builds(Failure, code=texts, explanation=texts), max_size=2).map(tuple),
)
signers = st.builds(SignerFacts, state=st.sampled_from(SignerState), name=maybe, issuer=maybe, algorithm=maybe)
ingredients = st.recursive(
    st.just(()),
    lambda below: st.lists(
        st.builds(
            IngredientFacts, title=maybe, relationship=maybe, integrity=integrities, signer=signers,
            ai_generated=st.none() | st.booleans(), claim_generator=maybe, ingredients=below,
        ),
        max_size=2,
    ).map(tuple),
    max_leaves=4,
)  # fmt: skip


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.builds(
        ManifestFacts,
        integrity=integrities, signer=signers, title=maybe, claim_generator=maybe, ingredients=ingredients,
        time_stamp=st.builds(
            TimeStampFacts, state=st.sampled_from(TimeStampState), at=st.none() | st.just(AT), authority=maybe
        ),
        actions=st.lists(
            st.builds(
                ActionFact, action=texts, when=maybe | st.sampled_from(["0001-01-01T00:00:00+14:00", DAY]),
                software_agent=maybe, digital_source_type=maybe,
            ),
            max_size=3,
        ).map(tuple),
        training_mining=st.dictionaries(texts, st.dictionaries(st.sampled_from(["use", "constraint_info"]), texts)),
        identities=st.lists(
            st.builds(
                IdentityFacts, state=st.sampled_from(IdentityState), kind=maybe,
                names=st.lists(texts, max_size=2).map(tuple),
            )
        ).map(tuple),
        redactions=st.lists(st.builds(Redaction, assertion=texts, manifest_label=maybe, reason=maybe)).map(tuple),
        raw=st.none() | st.dictionaries(texts, texts),
    )
)  # fmt: skip
def test_whatever_a_file_says_has_a_page(service: Service, said: ManifestFacts) -> None:
    page(Inside(create_app(service)), answered(service, said))


def test_an_answer_that_is_not_kept_any_more_is_said_to_be(anyone: Inside) -> None:
    answer = anyone.get("/verifications/vrf_none")
    assert answer.status_code == 404
    assert "kept for 30 days" in answer.text
    assert anyone.get("/verifications/vrf_none/thumbnails/0").status_code == 404
    assert anyone.get("/verifications/vrf_none/thumbnails/-1").status_code == 422


def _worded(macro: str, values: Iterable[object]) -> dict[object, str]:
    made = environment_of("en").from_string(
        '{% import "verify/words.html.j2" as words_of with context %}{{ words_of[macro](value) }}'
    )
    return {value: made.render(page=None, macro=macro, value=value) for value in values}


@pytest.mark.parametrize(
    ("macro", "values"),
    [
        ("stretch", [*What]), ("standing", [*ReleaseState]), ("revocation", [*Revocation]),
        ("integrity", [*IntegrityState]), ("signer", [SignerFacts(state=state) for state in SignerState]),
        ("takedown", [*recovery._PUBLIC_NOTICES]), ("relationship", [*Relationship]), ("mining_use", [*MiningUse]),
        ("source_type", [one.uri for one in SourceType]), ("use", [*Use]), ("reservation", [*Answer]),
        ("consent_state", [*consent.State]), ("consent_uses", [*consent.Uses]), ("trust_list", [*Standing]),
        ("action", ["c2pa.created", "c2pa.opened", "c2pa.placed", "c2pa.edited", "c2pa.edited.metadata",
                    "org.clearmark.made"]),
    ],
)  # fmt: skip
def test_every_stored_value_has_words(macro: str, values: list[object]) -> None:
    for value, words in _worded(macro, values).items():
        assert words.strip()
        shown = re.sub(r"<[^>]*>", "", words).strip()
        assert shown != str(value), f"{macro} has no words for {value}"
        assert "no word for" not in shown
        assert "called" not in shown
