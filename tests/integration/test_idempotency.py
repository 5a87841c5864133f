"""The same request, sent twice, takes effect once."""

import pytest
from sqlalchemy.orm import Session

from registry import idempotency
from registry.access import Actor
from registry.database import Database
from registry.errors import Conflict, Invalid
from tests import factories
from tests.factories import AT
from tests.integration.at_once import overlapping

pytestmark = pytest.mark.both_databases

DIGEST, OTHER = idempotency.digest("a request"), idempotency.digest("another")


def remember(session: Session, actor: Actor, key: str | None, *, operation: str = "work", digest: str = DIGEST) -> None:
    idempotency.remember(session, actor, operation, key, digest, "wrk_1", at=AT)


def test_a_request_that_was_carried_out_is_answered_again(database: Database) -> None:
    with database.transaction() as session:
        actor = factories.actor(session)
        assert idempotency.recall(session, actor, "work", "key", DIGEST) is None
        remember(session, actor, "key")
    with database.reading() as session:
        assert idempotency.recall(session, actor, "work", "key", DIGEST) == "wrk_1"


def test_a_key_is_for_one_request(database: Database) -> None:
    with database.transaction() as session:
        actor = factories.actor(session)
        remember(session, actor, "key")
        with pytest.raises(Conflict):
            idempotency.recall(session, actor, "work", "key", OTHER)


def test_a_key_is_its_holders_and_its_operations_own(database: Database) -> None:
    with database.transaction() as session:
        one, other = factories.actor(session), factories.actor(session)
        remember(session, one, "key")
        assert idempotency.recall(session, other, "work", "key", OTHER) is None
        assert idempotency.recall(session, one, "check", "key", OTHER) is None
        remember(session, other, "key", digest=OTHER)
        remember(session, one, "key", operation="check", digest=OTHER)


def test_without_a_key_nothing_is_remembered(database: Database) -> None:
    with database.transaction() as session:
        actor = factories.actor(session)
        remember(session, actor, None)
        remember(session, actor, None)
        assert idempotency.recall(session, actor, "work", None, DIGEST) is None


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_a_reasonable_length(database: Database, key: str) -> None:
    with database.transaction() as session, pytest.raises(Invalid):
        idempotency.recall(session, factories.actor(session), "work", key, DIGEST)


def test_of_two_that_are_carried_out_at_once_one_is_refused_and_undone(database: Database) -> None:
    with database.transaction() as session:
        actor = factories.actor(session)

    def carry_out(session: Session) -> None:
        factories.work(session, actor)
        remember(session, actor, "key")

    assert isinstance(overlapping(database, carry_out, carry_out), Conflict)
    with database.reading() as session:
        assert idempotency.recall(session, actor, "work", "key", DIGEST) == "wrk_1"
