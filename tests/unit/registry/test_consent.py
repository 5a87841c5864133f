"""Consent: what a grant covers, and that nothing else ever makes a person's clip clear."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.consent import (
    MAX_PERSONS,
    MAX_TOKENS,
    Asked,
    Covered,
    Gap,
    Grant,
    Part,
    Scope,
    State,
    Uses,
    claims_of,
    coverage,
    covers,
    named_in,
)
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance, NamedPerson, Policy, ReasonCode, Verdict, decide
from registry.domain.preferences import Answer
from registry.errors import Invalid

AT = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
DAY, MOMENT = timedelta(days=1), timedelta(microseconds=1)
CLIP, OTHER_CLIP = "ab" * 32, "cd" * 32
ADA, BEN = (new_id(Prefix.WORK, at=AT + n * DAY) for n in range(2))
ASKED = Asked(person=ADA, pipeline="hld_dreamer", clip_sha256=CLIP, project="Spring")
BOTH = Covered(parts=frozenset(Part))


def granted(**said: Any) -> Grant:
    terms: dict[str, Any] = {
        "id": "cns_1", "person": ADA, "grantee": "hld_dreamer", "uses": Uses.BOTH, "scope": Scope.UNTIL,
        "granted_at": AT - DAY, "not_before": AT - DAY, "expires": AT + DAY,
    }  # fmt: skip
    return Grant(**terms | said)


def for_clip(sha256: str = CLIP, **said: Any) -> Grant:
    return granted(**{"scope": Scope.CLIP, "clip_sha256": sha256, "expires": None} | said)


def for_project(name: str = "Spring", **said: Any) -> Grant:
    return granted(**{"scope": Scope.PROJECT, "project": name, "expires": None} | said)


# -- one grant -----------------------------------------------------------------------------------


def test_a_grant_holds_from_its_first_moment_to_the_last_before_its_end() -> None:
    grant = granted()
    at = {AT - DAY - MOMENT: Gap.NOT_YET, AT - DAY: BOTH, AT + DAY - MOMENT: BOTH, AT + DAY: Gap.EXPIRED}
    assert {moment: covers(grant, ASKED, at=moment) for moment in at} == at


def test_a_revoked_grant_ends_at_that_very_moment() -> None:
    grant = granted(revoked_at=AT)
    assert covers(grant, ASKED, at=AT - MOMENT) == BOTH
    assert covers(grant, ASKED, at=AT) is Gap.REVOKED
    assert [grant.state(at=moment) for moment in (AT - MOMENT, AT, AT + 2 * DAY)] == [
        State.GRANTED,
        State.REVOKED,
        State.REVOKED,
    ]
    assert granted().state(at=AT + DAY) is State.EXPIRED


def test_a_grant_without_an_end_ends_only_when_it_is_revoked() -> None:
    assert covers(for_clip(), ASKED, at=AT + 36500 * DAY) == BOTH


@pytest.mark.parametrize(
    ("grant", "asked", "found"),
    [
        (granted(person=BEN), ASKED, Gap.OTHER_PERSON),
        (granted(grantee="hld_other"), ASKED, Gap.OTHER_PIPELINE),
        (for_clip(), ASKED, BOTH),
        (for_clip(OTHER_CLIP), ASKED, Gap.OTHER_CLIP),
        (for_clip(), replace(ASKED, clip_sha256=None), Gap.OTHER_CLIP),
        (for_project(), ASKED, BOTH),
        (for_project("spring"), ASKED, Gap.OTHER_PROJECT),
        (for_project(), replace(ASKED, project=None), Gap.OTHER_PROJECT),
        (granted(), replace(ASKED, clip_sha256=None, project=None), BOTH),
        (granted(uses=Uses.VOICE), ASKED, Covered(parts=frozenset({Part.VOICE}))),
        (granted(uses=Uses.VOICE), replace(ASKED, uses=Uses.VOICE), Covered(parts=frozenset({Part.VOICE}))),
        (granted(uses=Uses.VOICE), replace(ASKED, uses=Uses.LIKENESS), Gap.OTHER_USE),
    ],
)
def test_a_grant_covers_what_it_names_and_nothing_else(grant: Grant, asked: Asked, found: object) -> None:
    assert covers(grant, asked, at=AT) == found


def test_another_pipeline_is_not_told_what_became_of_a_grant() -> None:
    gone = granted(grantee="hld_other", revoked_at=AT - MOMENT)
    assert covers(gone, ASKED, at=AT) is Gap.OTHER_PIPELINE


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"expires": None}, "expires"),
        ({"expires": AT - DAY}, "expires"),
        ({"not_before": AT + DAY}, "expires"),
        ({"clip_sha256": CLIP}, "clip_sha256"),
        ({"scope": Scope.CLIP}, "clip_sha256"),
        ({"project": "Spring"}, "project"),
        ({"scope": Scope.PROJECT}, "project"),
        ({"scope": Scope.PROJECT, "project": " "}, "project"),
        ({"scope": Scope.PROJECT, "project": "a\x00"}, "project"),
        ({"scope": Scope.PROJECT, "project": "x" * 201}, "project"),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused(said: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        granted(**said)
    assert refused.value.field == field


# -- several grants ------------------------------------------------------------------------------


def test_two_grants_may_cover_a_person_together() -> None:
    face, voice = granted(id="cns_1", uses=Uses.LIKENESS), granted(id="cns_2", uses=Uses.VOICE)
    half = coverage(ASKED, [face], at=AT)
    assert (half.is_whole, half.of(Part), half.of([Part.LIKENESS])) == (False, (), ("cns_1",))
    whole = coverage(ASKED, [face, voice], at=AT)
    assert whole.is_whole
    assert whole.of(Part) == ("cns_1", "cns_2")


def test_of_several_grants_that_cover_the_same_the_first_counts() -> None:
    found = coverage(ASKED, [granted(id="cns_1", revoked_at=AT), granted(id="cns_2"), granted(id="cns_3")], at=AT)
    assert [grant.id for grant in found.grants] == ["cns_2"]
    assert found.gaps == {"cns_1": Gap.REVOKED}


def test_nothing_is_covered_where_nothing_is_asked() -> None:
    assert coverage(ASKED, [granted()], at=AT).of([]) == ()


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    scope = draw(st.sampled_from(Scope))
    return Grant(
        id=f"cns_{draw(st.integers(0, 10**6))}",
        person=draw(st.sampled_from([ADA, BEN])),
        grantee=draw(st.sampled_from(["hld_dreamer", "hld_other"])),
        uses=draw(st.sampled_from(Uses)),
        scope=scope,
        granted_at=AT - 3 * DAY,
        not_before=AT + draw(st.sampled_from([-DAY, timedelta(0), MOMENT])),
        clip_sha256=draw(st.sampled_from([CLIP, OTHER_CLIP])) if scope is Scope.CLIP else None,
        project=draw(st.sampled_from(["Spring", "Autumn"])) if scope is Scope.PROJECT else None,
        expires=AT + draw(st.sampled_from([MOMENT * 2, DAY])) if scope is Scope.UNTIL else None,
        revoked_at=draw(st.none() | st.sampled_from([AT - MOMENT, AT, AT + MOMENT])),
    )


def allows(grant: Grant, asked: Asked, part: Part) -> bool:
    """The rule once more, said in another way."""
    return all(
        (
            (grant.person, grant.grantee) == (asked.person, asked.pipeline),
            grant.uses == Uses.BOTH or grant.uses.value == part.value,
            grant.clip_sha256 in (None, asked.clip_sha256),
            grant.project in (None, asked.project),
            grant.not_before <= AT,
            grant.expires is None or grant.expires > AT,
            grant.revoked_at is None or grant.revoked_at > AT,
        )
    )


@given(
    shown=st.lists(grants(), max_size=6, unique_by=lambda grant: grant.id),
    uses=st.sampled_from(Uses),
    clip=st.sampled_from([CLIP, OTHER_CLIP, None]),
    project=st.sampled_from(["Spring", "Winter", None]),
    policy=st.sampled_from([Policy.REVIEW, Policy.BLOCK]),
    assurance=st.sampled_from(Assurance),
)
def test_no_combination_of_grants_makes_an_uncovered_person_clear(
    shown: list[Grant], uses: Uses, clip: str | None, project: str | None, policy: Policy, assurance: Assurance
) -> None:
    asked = replace(ASKED, uses=uses, clip_sha256=clip, project=project)
    found = coverage(asked, shown, at=AT)
    person = NamedPerson(
        work_id=ADA, title="Ada", policy=policy, assurance=assurance, own=False, disputed=False,
        preference=Answer.UNSET, consents=tuple(grant.id for grant in found.grants) if found.is_whole else (),
    )  # fmt: skip
    is_covered = all(any(allows(grant, asked, part) for grant in shown) for part in uses.parts)
    decision = decide([], [person])
    assert (decision.verdict is Verdict.CLEAR) == is_covered
    assert ({ReasonCode.CONSENT} <= {reason.code for reason in decision.reasons}) == is_covered


@given(shown=st.lists(grants(), max_size=4, unique_by=lambda grant: grant.id), more=grants())
def test_one_more_grant_never_covers_less(shown: list[Grant], more: Grant) -> None:
    before, after = coverage(ASKED, shown, at=AT), coverage(ASKED, [*shown, more], at=AT)
    assert before.by_part.keys() <= after.by_part.keys()


# -- what a check says ---------------------------------------------------------------------------


def test_a_person_is_used_whole_unless_the_check_says_less() -> None:
    named = named_in({"persons": [ADA, {"work_id": BEN, "uses": "voice"}], "project": "Spring"})
    assert named.persons == {ADA: Uses.BOTH, BEN: Uses.VOICE}
    assert named.project == "Spring"


@pytest.mark.parametrize("context", [{}, {"project": 7, "model": "x"}, {"persons": [], "consents": [], "project": []}])
def test_a_context_that_names_nobody_is_not_judged(context: dict[str, Any]) -> None:
    named = named_in(context)
    assert (named.persons, named.tokens, named.project) == ({}, (), None)


@pytest.mark.parametrize(
    ("context", "field"),
    [
        ({"persons": ADA}, "context.persons"),
        ({"persons": None}, "context.persons"),
        ({"persons": [None]}, "context.persons"),
        ({"persons": [[ADA]]}, "context.persons"),
        ({"persons": ["Ada"]}, "context.persons"),
        ({"persons": ["wrk_\x00"]}, "context.persons"),
        ({"persons": [new_id(Prefix.CHECK, at=AT)]}, "context.persons"),
        ({"persons": [ADA, ADA]}, "context.persons"),
        ({"persons": [{"work_id": ADA, "uses": "face"}]}, "context.persons"),
        ({"persons": [{"work_id": ADA, "uses": []}]}, "context.persons"),
        ({"persons": [{"work_id": ADA, "use": "voice"}]}, "context.persons"),
        ({"persons": [{}]}, "context.persons"),
        ({"persons": [ADA] * (MAX_PERSONS + 1)}, "context.persons"),
        ({"consents": "e.y.z"}, "context.consents"),
        ({"consents": [7]}, "context.consents"),
        ({"consents": ["x"] * (MAX_TOKENS + 1)}, "context.consents"),
        ({"persons": [ADA], "project": 7}, "context.project"),
        ({"persons": [ADA], "project": "a\x00b"}, "context.project"),
        ({"persons": [ADA], "project": " "}, "context.project"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_what_to_do(context: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        named_in(context)
    assert refused.value.field == field
    assert refused.value.problem.endswith(".")


@given(
    st.dictionaries(
        st.sampled_from(["persons", "consents", "project"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.sampled_from([ADA, "both", "a\x00", ""]),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["work_id", "uses"]), inner, max_size=2)
            ),
            max_leaves=6,
        ),
    )
)
def test_no_shape_of_context_breaks_it(context: dict[str, Any]) -> None:
    try:
        named = named_in(context)
    except Invalid:
        return
    assert named.persons.keys() <= {ADA}


# -- the token -----------------------------------------------------------------------------------


def test_a_token_tells_ids_scope_and_dates_and_no_words() -> None:
    claims = claims_of(for_project("Secret film", conditions="For a fee.", expires=AT + DAY))
    assert claims == {
        "jti": "cns_1", "sub": ADA, "aud": "hld_dreamer", "uses": "both", "scope": "project",
        "iat": int((AT - DAY).timestamp()), "nbf": int((AT - DAY).timestamp()), "exp": int((AT + DAY).timestamp()),
    }  # fmt: skip
    assert claims_of(for_clip())["clip_sha256"] == CLIP
    assert "exp" not in claims_of(for_clip())
