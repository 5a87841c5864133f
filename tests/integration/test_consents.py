"""Consents: granted, presented, revoked, from the record to the manifest, and everything that must not pass for one."""

import base64
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from api.service import Service
from api.signing import release_check
from provenance.model import AssertedConsent, Integrity, IntegrityState, ManifestFacts
from registry import checks, consents, drafts, ledger, verifications, works
from registry.access import Actor, Scope
from registry.consents import NewConsent
from registry.domain.consent import TOKEN_TYPE, Uses, claims_of
from registry.domain.consent import Scope as For
from registry.domain.policy import Assurance, Policy
from registry.domain.tokens import TokenKeys, generate_pem
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.models import Check, Consent, OutboxMessage
from registry.releases import NewRelease
from tests import factories
from tests.factories import AT, SHA256
from tests.fakes import Clock, FakeProvenance
from tests.integration.test_releases import assert_nothing_is_left, stored

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CLIP = factories.fingerprint(2)
KEYS = TokenKeys([generate_pem()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """A person who asks for blocks, who speaks for them, and a pipeline."""

    agent: Actor
    ada: str
    pipeline: Actor


@pytest.fixture
def cast(service: Service) -> Cast:
    with service.database.transaction() as session:
        agent = factories.actor_of(factories.holder(session, name="Agent", webhook_url="https://agent.example"))
        pipeline = factories.actor_of(factories.holder(session, name="Dreamer", webhook_url="https://dreamer.example"))
        return Cast(agent=agent, ada=factories.person(session, agent).id, pipeline=pipeline)


def grant(service: Service, cast: Cast, *, keys: TokenKeys | None = None, **said: Any) -> Consent:
    usual: dict[str, Any] = {"grantee_id": cast.pipeline.holder_id, "uses": Uses.BOTH, "scope": For.UNTIL}
    new = NewConsent(**usual | {"expires": service.now() + DAY} | said)
    with service.database.transaction() as session:
        return consents.grant(session, cast.agent, cast.ada, new, keys or service.tokens, at=service.now())


def revoke(service: Service, cast: Cast, consent: Consent) -> None:
    with service.database.transaction() as session:
        consents.revoke(session, cast.agent, consent.id, at=service.now())


def check(service: Service, asker: Actor, *tokens: str, persons: list[Any], **context: Any) -> Check:
    """A check of `MEDIA`, asked and answered."""
    sha256 = stored(service, "check_1")
    with service.database.transaction() as session:
        said = {"persons": persons, "consents": list(tokens)} | context
        return factories.check(
            session, asker, service.index, CLIP, sha256=sha256, context=said, keys=service.tokens, at=service.now()
        )


def codes(row: Check) -> list[str]:
    return [reason["code"] for reason in row.reasons if reason["code"] != "no_match"]


def told(service: Service, event: str) -> list[tuple[str, dict[str, Any]]]:
    """Who was told what; what happens at one moment has no order."""
    with service.database.reading() as session:
        rows = session.scalars(sa.select(OutboxMessage).where(OutboxMessage.event == event))
        return sorted(((row.holder_id, row.payload) for row in rows), key=str)


# -- granting ------------------------------------------------------------------------------------


def test_a_grant_is_on_record_and_both_are_told(service: Service, cast: Cast) -> None:
    row = grant(service, cast, conditions=" No advertisements. ")
    payload = {"id": row.id, "work_id": cast.ada}
    both = [(holder_id, payload) for holder_id in sorted((cast.agent.holder_id, cast.pipeline.holder_id))]
    assert told(service, "consent.granted") == both
    with service.database.reading() as session:
        kept = session.get_one(Consent, row.id)
        assert (kept.conditions, kept.not_before, kept.expires) == ("No advertisements.", AT, AT + DAY)
        assert consents.opened(session, row.token, service.tokens.public()) is kept
        [entry] = [e.data for e in ledger.entries(session, start=0, limit=99) if e.subject_id == row.id]
    assert '"kind":"consent.granted"' in entry
    for private in ("advertisements", cast.pipeline.holder_id, cast.ada):
        assert private not in entry, "the log tells strangers nothing"
        assert "advertisements" not in base64.urlsafe_b64decode(row.token.split(".")[1] + "==").decode()


def test_only_who_speaks_for_a_person_grants(service: Service, cast: Cast) -> None:
    new = NewConsent(grantee_id=cast.pipeline.holder_id, uses=Uses.BOTH, scope=For.UNTIL, expires=AT + DAY)
    with service.database.transaction() as session:
        film = factories.work(session, cast.agent)
        with pytest.raises(NotFound):
            consents.grant(session, cast.pipeline, cast.ada, new, KEYS, at=AT)
        with pytest.raises(Invalid, match="likeness"):
            consents.grant(session, cast.agent, film.id, new, KEYS, at=AT)
        assert session.scalars(sa.select(Consent)).all() == []


@pytest.mark.parametrize("grantee", ["hld_0", "agent"])
def test_a_grant_names_somebody_else_who_is_here(service: Service, cast: Cast, grantee: str) -> None:
    with pytest.raises(Invalid) as refused:
        grant(service, cast, grantee_id=cast.agent.holder_id if grantee == "agent" else grantee)
    assert refused.value.field == "grantee_id"


def test_a_grant_does_not_reach_back(service: Service, cast: Cast) -> None:
    assert grant(service, cast, not_before=AT - DAY).not_before == AT


def test_person_and_pipeline_see_a_consent_and_nobody_else(service: Service, cast: Cast) -> None:
    row = grant(service, cast)
    with service.database.transaction() as session:
        stranger = factories.actor(session)
        for one in (cast.agent, cast.pipeline):
            assert consents.visible(session, one, row.id).id == row.id
        with pytest.raises(NotFound):
            consents.visible(session, stranger, row.id)
        with pytest.raises(NotFound):
            consents.revoke(session, stranger, row.id, at=AT)
        with pytest.raises(Forbidden):
            consents.revoke(session, cast.pipeline, row.id, at=AT)
        for listed in (consents.of_person(session, cast.agent, cast.ada), consents.given_to(cast.pipeline)):
            assert [found.id for found in session.scalars(listed)] == [row.id]
        assert session.scalars(consents.given_to(stranger)).all() == []
        with pytest.raises(NotFound):
            consents.of_person(session, stranger, cast.ada)
        with pytest.raises(NotFound):
            drafts.of_person(session, stranger, cast.ada)
        with pytest.raises(Forbidden):
            consents.given_to(factories.actor(session, Scope.WORKS_WRITE))


def test_a_consent_is_revoked_once_and_both_are_told(service: Service, cast: Cast, clock: Clock) -> None:
    row = grant(service, cast)
    revoke(service, cast, row)
    clock.pass_by(HOUR)
    revoke(service, cast, row)
    with service.database.reading() as session:
        assert session.get_one(Consent, row.id).revoked_at == AT
        kinds = [e.data for e in ledger.entries(session, start=0, limit=99) if e.subject_id == row.id]
    assert ["consent.revoked" in kind for kind in kinds] == [False, True]
    both = sorted((cast.agent.holder_id, cast.pipeline.holder_id))
    assert [holder for holder, _ in told(service, "consent.revoked")] == both


def test_who_leaves_the_register_takes_back_all_they_granted(service: Service, cast: Cast) -> None:
    row = grant(service, cast)
    with service.database.transaction() as session:
        works.withdraw(session, cast.agent, cast.ada, at=AT)
    with service.database.reading() as session:
        assert session.get_one(Consent, row.id).revoked_at == AT
    late = check(service, cast.pipeline, row.token, persons=[])
    assert (late.verdict, codes(late)) == ("block", ["person_block", "consent_revoked"])


# -- checks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "verdict", "code"),
    [("block", "block", "person_block"), ("review", "review", "person_review"), ("notify", "clear", "person_notify")],
)
def test_without_a_consent_the_persons_policy_decides(
    service: Service, cast: Cast, policy: str, verdict: str, code: str
) -> None:
    with service.database.transaction() as session:
        works.change(session, cast.agent, cast.ada, {"policy": policy}, at=AT)
    found = check(service, cast.pipeline, persons=[cast.ada])
    assert (found.verdict, codes(found)) == (verdict, [code])
    assert found.reasons[-1]["work_id"] == cast.ada


def test_with_a_consent_a_check_is_clear_and_names_it(service: Service, cast: Cast) -> None:
    row = grant(service, cast)
    found = check(service, cast.pipeline, row.token, persons=[cast.ada])
    assert (found.verdict, codes(found)) == ("clear", ["consent"])
    assert row.id in found.reasons[-1]["message"]


def test_a_token_names_its_person_too(service: Service, cast: Cast) -> None:
    row = grant(service, cast)
    assert check(service, cast.pipeline, row.token, persons=[]).verdict == "clear"
    revoke(service, cast, row)
    found = check(service, cast.pipeline, row.token, persons=[])
    assert (found.verdict, codes(found)) == ("block", ["person_block", "consent_revoked"])


def test_a_person_never_blocks_who_is_not_verified(service: Service, cast: Cast) -> None:
    with service.database.transaction() as session:
        nobody = factories.actor(session, assurance=Assurance.UNVERIFIED)
        person = factories.person(session, nobody).id
    found = check(service, cast.pipeline, persons=[person])
    assert (found.verdict, codes(found)) == ("review", ["person_block", "holder_unverified"])


def test_who_speaks_for_a_person_needs_none(service: Service, cast: Cast) -> None:
    found = check(service, cast.agent, persons=[cast.ada])
    assert (found.verdict, codes(found)) == ("clear", ["own_work"])


@pytest.mark.parametrize(
    ("said", "context", "verdict", "reason"),
    [
        ({"scope": For.CLIP, "expires": None}, {}, "clear", "consent"),
        ({"scope": For.CLIP, "clip_sha256": SHA256, "expires": None}, {}, "block", "consent_other_clip"),
        ({"scope": For.PROJECT, "project": "Spring"}, {"project": "Spring"}, "clear", "consent"),
        ({"scope": For.PROJECT, "project": "Spring"}, {"project": "Autumn"}, "block", "consent_other_project"),
        ({"scope": For.PROJECT, "project": "Spring"}, {}, "block", "consent_other_project"),
        ({"not_before": AT + HOUR}, {}, "block", "consent_not_yet"),
        ({"uses": Uses.VOICE}, {}, "block", "consent_other_use"),
        ({"grantee_id": "another"}, {}, "block", "consent_other_pipeline"),
    ],
)
def test_a_consent_holds_within_its_scope_only(
    service: Service, cast: Cast, said: dict[str, Any], context: dict[str, Any], verdict: str, reason: str
) -> None:
    if said.get("scope") is For.CLIP:
        said = {"clip_sha256": stored(service, "check_1")} | said
    if "grantee_id" in said:
        with service.database.transaction() as session:
            said = {"grantee_id": factories.actor(session).holder_id}
    found = check(service, cast.pipeline, grant(service, cast, **said).token, persons=[cast.ada], **context)
    assert (found.verdict, codes(found)[-1]) == (verdict, reason)


def test_a_check_that_uses_a_voice_alone_needs_consent_to_that(service: Service, cast: Cast) -> None:
    row = grant(service, cast, uses=Uses.VOICE)
    only = [{"work_id": cast.ada, "uses": "voice"}]
    assert check(service, cast.pipeline, row.token, persons=only).verdict == "clear"
    face = [{"work_id": cast.ada, "uses": "likeness"}]
    assert codes(check(service, cast.pipeline, row.token, persons=face)) == ["person_block", "consent_other_use"]


def test_a_consent_ends_at_its_second(service: Service, cast: Cast, clock: Clock) -> None:
    row = grant(service, cast, expires=AT + HOUR)
    clock.pass_by(HOUR - timedelta(microseconds=1))
    assert check(service, cast.pipeline, row.token, persons=[cast.ada]).verdict == "clear"
    clock.pass_by(timedelta(microseconds=1))
    assert codes(check(service, cast.pipeline, row.token, persons=[cast.ada]))[-1] == "consent_expired"


def test_each_person_needs_a_consent_of_their_own(service: Service, cast: Cast) -> None:
    with service.database.transaction() as session:
        ben = factories.person(session, cast.agent, title="Ben", policy=Policy.REVIEW)
    found = check(service, cast.pipeline, grant(service, cast).token, persons=[cast.ada, ben.id])
    assert (found.verdict, codes(found)) == ("review", ["consent", "person_review"])


@pytest.mark.parametrize("person", ["wrk_0", "Ada", "wrk_\x00", "film", "withdrawn"])
def test_who_is_not_registered_cannot_be_named(service: Service, cast: Cast, person: str) -> None:
    with service.database.transaction() as session:
        film, left = factories.work(session, cast.agent), factories.person(session, cast.agent)
        works.withdraw(session, cast.agent, left.id, at=AT)
    named = {"film": film.id, "withdrawn": left.id}.get(person, person)
    with pytest.raises(Invalid) as refused:
        check(service, cast.pipeline, persons=[named])
    assert refused.value.field == "context.persons"
    assert "likeness" in refused.value.problem


def test_the_film_of_another_blocks_whoever_consents(service: Service, cast: Cast) -> None:
    with service.database.transaction() as session:
        studio = factories.actor(session)
        factories.asset(session, studio, factories.work(session, studio), service.index, CLIP)
    found = check(service, cast.pipeline, grant(service, cast).token, persons=[cast.ada])
    assert (found.verdict, codes(found)) == ("block", ["policy_block", "consent"])


def test_a_reference_clip_may_be_shown_by_who_has_the_consent(service: Service, cast: Cast) -> None:
    with service.database.transaction() as session:
        ada = works.own_work(session, cast.agent, cast.ada)
        factories.asset(session, cast.agent, ada, service.index, CLIP)
    unnamed = check(service, cast.pipeline, persons=[])
    assert (unnamed.verdict, codes(unnamed)) == ("block", ["policy_block"]), "a copy is caught, named or not"
    row = grant(service, cast, uses=Uses.LIKENESS)
    only = [{"work_id": cast.ada, "uses": "likeness"}]
    assert check(service, cast.pipeline, row.token, persons=only).verdict == "clear"
    voice = grant(service, cast, uses=Uses.VOICE)
    heard = [{"work_id": cast.ada, "uses": "voice"}]
    seen = check(service, cast.pipeline, voice.token, persons=heard)
    assert (seen.verdict, codes(seen)) == ("block", ["policy_block", "consent"])


def test_what_was_not_looked_at_is_unknown_whoever_consents(service: Service, cast: Cast) -> None:
    with service.database.transaction() as session:
        context = {"persons": [cast.ada], "consents": []}
        fault = checks.Unanswerable(code="corrupt", message="Damaged.")
        found = factories.check(session, cast.pipeline, service.index, fault, context=context)
        assert found.verdict == "unknown"
        assert session.scalars(drafts.of_person(session, cast.agent, cast.ada)).one().check_id == found.id


# -- what must not pass for a consent ------------------------------------------------------------


def unsigned(token: str) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": TOKEN_TYPE}).encode()).decode().rstrip("=")
    return f"{header}.{token.split('.')[1]}."


FORGERIES = (
    "", ".", "..", "a.b.c", "\x00", "é" * 50, "x" * 9_000, "alg none", "another service", "another kind",
    "another day", "swapped payload", "cut",
)  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_we_did_not_sign_is_told_and_is_never_a_pass(service: Service, cast: Cast, forgery: str) -> None:
    row = grant(service, cast, expires=AT + DAY)
    longer = claims_of(consents.grant_of(row)) | {"exp": int((AT + 9 * DAY).timestamp())}
    head, payload, seal = row.token.split(".")
    other = grant(service, cast, keys=KEYS).token.split(".")
    token = {
        "alg none": unsigned(row.token),
        "another service": KEYS.sign(claims_of(consents.grant_of(row)), type=TOKEN_TYPE),
        "another kind": service.tokens.sign(claims_of(consents.grant_of(row)), type="clearmark-feed+jwt"),
        "another day": service.tokens.sign(longer, type=TOKEN_TYPE),
        "swapped payload": f"{head}.{other[1]}.{seal}",
        "cut": f"{head}.{payload}.{seal[:-4]}",
    }.get(forgery, forgery)
    found = check(service, cast.pipeline, token, persons=[cast.ada])
    expected = "consent_unknown" if forgery == "another day" else "consent_bad_token"
    assert (found.verdict, codes(found)) == ("block", ["person_block", expected])
    assert check(service, cast.pipeline, token, persons=[]).verdict == "review"


def test_a_consent_that_is_not_on_record_is_none(service: Service, cast: Cast) -> None:
    claims = claims_of(consents.grant_of(grant(service, cast))) | {"jti": "cns_0"}
    for jti in ("cns_0", 7, None):
        token = service.tokens.sign(claims | {"jti": jti}, type=TOKEN_TYPE)
        assert codes(check(service, cast.pipeline, token, persons=[cast.ada]))[-1] == "consent_unknown"


def test_a_token_is_of_no_use_to_who_finds_it(service: Service, cast: Cast) -> None:
    row = grant(service, cast)
    with service.database.transaction() as session:
        thief = factories.actor(session)
    found = check(service, thief, row.token, persons=[cast.ada])
    assert (found.verdict, codes(found)) == ("block", ["person_block", "consent_other_pipeline"])


def test_a_token_of_another_person_covers_nobody_else(service: Service, cast: Cast) -> None:
    with service.database.transaction() as session:
        ben = factories.person(session, cast.agent, title="Ben")
        of_ben = factories.consent(session, cast.agent, ben, cast.pipeline, service.tokens)
    found = check(service, cast.pipeline, of_ben.token, persons=[cast.ada])
    assert (found.verdict, codes(found)) == ("block", ["person_block", "consent"])


def test_a_consent_counts_once_however_often_it_is_signed(
    service: Service, cast: Cast, provenance: FakeProvenance
) -> None:
    row = grant(service, cast)
    again = service.tokens.sign(claims_of(consents.grant_of(row)), type=TOKEN_TYPE)
    found = check(service, cast.pipeline, row.token, again, persons=[cast.ada])
    assert (found.verdict, codes(found)) == ("clear", ["consent"])
    release_check(service, cast.pipeline, NewRelease(check_id=found.id))
    assert [stated.consent_id for stated in provenance.claims[0].consents] == [row.id]


def test_a_great_many_tokens_are_refused_at_once(service: Service, cast: Cast) -> None:
    for tokens in (["x"] * 17, ["x" * 20_000]):
        with pytest.raises(Invalid):
            check(service, cast.pipeline, *tokens, persons=[cast.ada])


def test_without_keys_no_token_is_believed(service: Service, cast: Cast) -> None:
    token = grant(service, cast).token
    with service.database.transaction() as session:
        context = {"persons": [cast.ada], "consents": [token]}
        found = factories.check(session, cast.pipeline, service.index, CLIP, context=context)
    assert codes(found) == ["person_block", "consent_bad_token"]


# -- drafts --------------------------------------------------------------------------------------


def test_a_person_sees_every_clip_made_with_them(service: Service, cast: Cast) -> None:
    row = grant(service, cast)
    first = check(service, cast.pipeline, persons=[cast.ada])
    second = check(service, cast.pipeline, row.token, persons=[cast.ada], project="Spring")
    check(service, cast.pipeline, persons=[])
    release = release_check(service, cast.pipeline, NewRelease(check_id=second.id))
    with service.database.reading() as session:
        found = session.scalars(drafts.of_person(session, cast.agent, cast.ada)).all()
        by_check = {draft.check_id: drafts.made(session, draft) for draft in found}
    assert by_check.keys() == {first.id, second.id}
    blocked, clear = by_check[first.id], by_check[second.id]
    assert (blocked.check_id, blocked.verdict, blocked.consents, blocked.release_id) == (first.id, "block", (), None)
    assert (clear.check_id, clear.holder, clear.project, clear.consents) == (second.id, "Dreamer", "Spring", (row.id,))
    assert (clear.release_id, clear.release_state, clear.sha256) == (release.id, "signed", second.sha256)
    payload = {"work_id": cast.ada, "sha256": first.sha256}
    made = [(cast.agent.holder_id, {"id": one.id, **payload}) for one in (first, second)]
    assert told(service, "draft.made") == sorted(made, key=str)


# -- releases and verification -------------------------------------------------------------------


def cleared(service: Service, cast: Cast, **said: Any) -> tuple[Consent, str]:
    row = grant(service, cast, **said)
    found = check(service, cast.pipeline, row.token, persons=[cast.ada])
    assert found.verdict == "clear"
    return row, found.id


def test_a_release_carries_the_consents_that_it_rests_on(
    service: Service, cast: Cast, provenance: FakeProvenance
) -> None:
    row, check_id = cleared(service, cast)
    release_check(service, cast.pipeline, NewRelease(check_id=check_id))
    assert provenance.claims[0].consents == (AssertedConsent(consent_id=row.id, token=row.token),)


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_a_consent_that_ends_before_the_release_stops_it(service: Service, cast: Cast, clock: Clock, how: str) -> None:
    row, check_id = cleared(service, cast, expires=AT + HOUR)
    if how == "revoked":
        revoke(service, cast, row)
    else:
        clock.pass_by(HOUR)
    with pytest.raises(Conflict) as refused:
        release_check(service, cast.pipeline, NewRelease(check_id=check_id))
    assert row.id in refused.value.problem
    assert how in refused.value.problem
    assert_nothing_is_left(service)


def test_a_consent_revoked_while_the_file_is_signed_stops_the_release(
    service: Service, cast: Cast, provenance: FakeProvenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, check_id = cleared(service, cast)
    sign = provenance.sign

    def slow(*arguments: object) -> object:
        revoke(service, cast, row)
        return sign(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(provenance, "sign", slow)
    with pytest.raises(Conflict, match="revoked"):
        release_check(service, cast.pipeline, NewRelease(check_id=check_id))
    assert_nothing_is_left(service)


def test_a_reviewer_may_let_pass_whom_nobody_consents_for(
    service: Service, cast: Cast, provenance: FakeProvenance
) -> None:
    with service.database.transaction() as session:
        works.change(session, cast.agent, cast.ada, {"policy": "review"}, at=AT)
    found = check(service, cast.pipeline, persons=[cast.ada])
    with service.database.transaction() as session:
        checks.review(session, factories.reviewer(session), found.id, checks.DecisionValue.APPROVE, "Parody.", at=AT)
    release_check(service, cast.pipeline, NewRelease(check_id=found.id))
    assert provenance.claims[0].consents == ()


def stated(*consents_stated: AssertedConsent) -> ManifestFacts:
    return ManifestFacts(integrity=Integrity(state=IntegrityState.INTACT), consents=consents_stated)


def test_verification_shows_what_became_of_each_consent(service: Service, cast: Cast, clock: Clock) -> None:
    kept, gone, over = grant(service, cast), grant(service, cast), grant(service, cast, expires=AT + HOUR)
    revoke(service, cast, gone)
    clock.pass_by(HOUR)
    lost = service.tokens.sign(claims_of(consents.grant_of(kept)) | {"jti": "cns_0"}, type=TOKEN_TYPE)
    foreign = KEYS.sign(claims_of(consents.grant_of(kept)), type=TOKEN_TYPE)
    facts = stated(
        *(AssertedConsent(consent_id=row.id, token=row.token) for row in (kept, gone, over)),
        AssertedConsent(consent_id="cns_0", token=lost),
        AssertedConsent(consent_id=kept.id, token=gone.token),
        AssertedConsent(consent_id=kept.id, token=foreign),
        AssertedConsent(consent_id=kept.id, token="\x00"),
    )
    with service.database.reading() as session:
        found = verifications.consents_in(session, facts, service.tokens.public(), at=clock())
    assert [one["state"] for one in found] == [
        "granted", "revoked", "expired", "unknown", "unknown", "bad_signature", "bad_signature",
    ]  # fmt: skip
    assert (found[0]["work_id"], found[0]["grantee_id"]) == (cast.ada, cast.pipeline.holder_id)
    assert all("work_id" not in one for one in found[3:]), "nothing is told of what nobody proved"
    assert "consents" not in verifications.describe(facts)


def test_a_stripped_release_is_recovered_with_its_consents(service: Service, cast: Cast) -> None:
    from tests.integration.test_verifications import extracted

    row, check_id = cleared(service, cast)
    release_check(service, cast.pipeline, NewRelease(check_id=check_id))

    def states() -> list[tuple[str, str]]:
        with service.database.reading() as session:
            [found] = verifications.recognise(session, extracted(CLIP), service.index, at=AT)["recovered"]
        return [(one["id"], one["state"]) for one in found["consents"]]

    assert states() == [(row.id, "granted")]
    revoke(service, cast, row)
    assert states() == [(row.id, "revoked")]


# -- the log -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consents SET revoked_at = NULL",
        "UPDATE consents SET scope = 'project'",
        "UPDATE consents SET conditions = NULL",
        "UPDATE consents SET expires = '2099-01-01 00:00:00'",
        "UPDATE drafts SET uses = 'voice'",
        "UPDATE presented_consents SET counts = NOT counts",
        "DELETE FROM drafts",
    ],
)
def test_the_log_answers_for_consents_and_for_whom_a_check_named(service: Service, cast: Cast, statement: str) -> None:
    row = grant(service, cast, conditions="No advertisements.")
    check(service, cast.pipeline, row.token, persons=[cast.ada])
    revoke(service, cast, row)
    key = service.ledger.verifier_key
    with service.database.reading() as session:
        assert list(ledger.verify(session, verifier_key=key)) == []
    with service.database.transaction() as session:
        session.execute(sa.text(statement))
    with service.database.reading() as session:
        assert len(list(ledger.verify(session, verifier_key=key))) == 1
