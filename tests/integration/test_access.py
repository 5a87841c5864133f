"""Keys: who is asking, from when until when, and for what."""

import hashlib
from datetime import timedelta

import pytest
import sqlalchemy as sa

from registry import access
from registry.access import Actor, Scope
from registry.database import Database
from registry.domain.policy import Assurance
from registry.errors import Forbidden, Invalid, NotFound
from registry.models import ApiKey, Holder
from tests import factories
from tests.factories import AT

SOON = timedelta(hours=1)


def test_a_key_opens_what_its_holder_was_given(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session)
        issued = factories.key(session, holder, Scope.WORKS_WRITE, Scope.REVIEW)
    with database.reading() as session:
        actor = access.authenticate(session, issued.key, at=AT)
    scopes = frozenset({Scope.WORKS_WRITE, Scope.REVIEW})
    assert actor == Actor(holder_id=holder.id, scopes=scopes, key_id=issued.id)


def test_the_secret_of_a_key_is_stored_nowhere(database: Database) -> None:
    with database.transaction() as session:
        issued = factories.key(session, factories.holder(session))
    mark, prefix, secret = issued.key.split("_", 2)
    with database.reading() as session:
        stored = session.get_one(ApiKey, issued.id)
        row = session.execute(sa.text("SELECT * FROM api_keys")).one()
    assert (mark, stored.prefix) == ("cm", prefix)
    assert stored.secret_sha256 == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in " ".join(map(str, row))


def test_a_key_that_is_not_quite_right_opens_nothing(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session)
        mine, other = factories.key(session, holder).key, factories.key(session, holder).key
    prefix, secret = mine.split("_", 2)[1:]
    wrong = [
        "",
        "cm",
        "cm__",
        prefix,
        f"cm_{prefix}",
        f"cm_{prefix}_",
        f"cm_{prefix}_{secret[:-1]}",
        f"cm_{prefix}_{secret} ",
        f"cm_{prefix}_{other.split('_', 2)[2]}",
        f"CM_{prefix}_{secret}",
        f"cm_{prefix.upper() if prefix.upper() != prefix else 'x'}_{secret}",
        f"cm_{hashlib.sha256(secret.encode()).hexdigest()}",
        f"cm_%_{secret}",
        f"cm_ü_{secret}",
    ]
    with database.reading() as session:
        assert [access.authenticate(session, presented, at=AT) for presented in wrong] == [None] * len(wrong)


def test_a_key_ends_at_the_moment_it_expires(database: Database) -> None:
    with database.transaction() as session:
        issued = factories.key(session, factories.holder(session), expires_at=AT + SOON)
    with database.reading() as session:
        assert access.authenticate(session, issued.key, at=AT + SOON - timedelta(microseconds=1)) is not None
        assert access.authenticate(session, issued.key, at=AT + SOON) is None


def test_a_revoked_key_opens_nothing_from_that_moment_on(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session)
        revoked, kept = factories.key(session, holder), factories.key(session, holder)
    with database.transaction() as session:
        access.revoke_key(session, revoked.id, at=AT)
    with database.reading() as session:
        assert access.authenticate(session, revoked.key, at=AT) is None
        assert access.authenticate(session, kept.key, at=AT) is not None


def test_revoking_a_key_again_leaves_when_it_was_first_revoked(database: Database) -> None:
    with database.transaction() as session:
        issued = factories.key(session, factories.holder(session))
        access.revoke_key(session, issued.id, at=AT)
        access.revoke_key(session, issued.id, at=AT + SOON)
    with database.reading() as session:
        assert session.get_one(ApiKey, issued.id).revoked_at == AT


def test_a_key_that_never_was_cannot_be_revoked(database: Database) -> None:
    with database.transaction() as session, pytest.raises(NotFound):
        access.revoke_key(session, "key_0", at=AT)


def test_a_key_without_a_scope_is_not_made(database: Database) -> None:
    with database.transaction() as session, pytest.raises(Invalid):
        access.issue_key(session, factories.holder(session), [], at=AT)


def test_a_scope_allows_itself_and_admin_allows_all() -> None:
    pipeline = Actor(holder_id="hld_1", scopes=frozenset({Scope.CHECKS_WRITE}))
    pipeline.require(Scope.CHECKS_WRITE)
    for scope in set(Scope) - {Scope.CHECKS_WRITE}:
        with pytest.raises(Forbidden):
            pipeline.require(scope)
        Actor(holder_id="hld_1", scopes=frozenset({Scope.ADMIN})).require(scope)


def test_a_holder_is_made_once_and_keeps_its_assurance(database: Database) -> None:
    with database.transaction() as session:
        first = factories.holder(session, name="Studio", assurance=Assurance.EMAIL)
    with database.transaction() as session:
        again = factories.holder(session, name="Studio", assurance=Assurance.VETTED)
        count = session.scalar(sa.select(sa.func.count()).select_from(Holder))
    assert (again.id, again.assurance, count) == (first.id, Assurance.EMAIL, 1)


@pytest.mark.parametrize(
    ("came_as", "scope", "needed"),
    [
        ({"key_id": "key_1"}, Scope.ADMIN, "this needs a key with the scope admin"),
        ({"account_id": "acc_1"}, Scope.HOLDER_WRITE, "this needs the role owner at the holder"),
        ({"account_id": "acc_1"}, Scope.NOTICES_WRITE, "this needs the role owner or editor or legal at the holder"),
        ({"account_id": "acc_1"}, Scope.ADMIN, "this is for the operator, who has a key with the scope admin"),
        (
            {"account_id": "acc_1", "agent_id": "hld_2"}, Scope.WORKS_WRITE,
            "this needs the scope works:write, which you do not have as an agent",
        ),
    ],
)  # fmt: skip
def test_who_may_not_is_told_what_they_need(came_as: dict[str, str], scope: Scope, needed: str) -> None:
    with pytest.raises(Forbidden) as refused:
        Actor(holder_id="hld_1", scopes=frozenset(), **came_as).require(scope)
    assert str(refused.value) == f"Not allowed: {needed}."
