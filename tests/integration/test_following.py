"""Following the log from outside: who kept a checkpoint sees what nobody inside can hide."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import rfc8785
import sqlalchemy as sa
import uvicorn

from api.app import create_app
from api.follow import follow
from api.service import Service
from clearmark.client import Client, Problem
from registry import anchors, ledger
from registry.domain.checkpoint import generate_key
from registry.domain.merkle import appended_nodes, leaf_hash
from registry.domain.receipt import commitment
from registry.domain.witness import cosign, open_cosignature
from registry.errors import LedgerError
from registry.facts import facts_of
from registry.ledger import LedgerIdentity
from registry.models import LedgerCheckpoint, LedgerEntry, LedgerNode, Work
from tests import factories
from tests.api.service import until
from tests.factories import AT
from tests.integration.test_ledger import problems, tamper
from tests.integration.test_ledger_keys import introduce, rotated
from tests.servers.witness import FollowingWitness


@dataclass(slots=True, kw_only=True)
class Follower:
    """Somebody outside, with the file in which they keep what they saw."""

    kept: Path
    client: Callable[[LedgerIdentity], Client]

    def look(self, identity: LedgerIdentity, *witnesses: str) -> dict[str, object]:
        return follow(self.client(identity), self.kept, witnesses=witnesses)


@contextmanager
def served(service: Service) -> Iterator[str]:
    """The service on loopback for as long as the block lasts; gives its URL."""
    server = uvicorn.Server(uvicorn.Config(create_app(service), port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def follower(service: Service, tmp_path: Path) -> Iterator[Follower]:
    with ExitStack() as opened:

        def client(identity: LedgerIdentity) -> Client:
            """Of the service as it is after a start with this ring of keys."""
            url = opened.enter_context(served(replace(service, ledger=identity)))
            return opened.enter_context(Client(url))

        yield Follower(kept=tmp_path / "log.json", client=client)


def grow(service: Service, title: str = "Night Train") -> str:
    with service.database.transaction() as session:
        return factories.work(session, factories.actor(session), title=title).id


# -- keys --------------------------------------------------------------------------------------


def test_a_new_key_is_believed_when_the_kept_one_introduced_it(
    service: Service, identity: LedgerIdentity, follower: Follower
) -> None:
    introduce(service.database, identity)
    grow(service)
    assert follower.look(identity)["key"] == identity.verifier_key
    twice = rotated(rotated(identity))
    introduce(service.database, twice)
    found = follower.look(twice)
    assert (found["before"], found["size"], found["key"]) == (1, 3, twice.verifier_key)
    assert json.loads(follower.kept.read_text())["key"] == twice.verifier_key


def test_a_key_that_nobody_introduced_is_refused(
    service: Service, identity: LedgerIdentity, follower: Follower
) -> None:
    introduce(service.database, identity)
    grow(service)
    follower.look(identity)
    kept = follower.kept.read_text()
    tamper(service.database, "DELETE FROM ledger_keys")
    thief = LedgerIdentity(origin=identity.origin, key=generate_key())
    introduce(service.database, thief)
    with pytest.raises(LedgerError, match="another key than before"):
        follower.look(thief)
    assert follower.kept.read_text() == kept, "what was kept stays as evidence"


def test_a_chain_of_keys_that_does_not_begin_at_the_kept_one_is_refused(
    service: Service, identity: LedgerIdentity, follower: Follower
) -> None:
    introduce(service.database, identity)
    grow(service)
    follower.look(identity)
    tamper(service.database, "DELETE FROM ledger_keys")
    thief = rotated(LedgerIdentity(origin=identity.origin, key=generate_key()))
    introduce(service.database, thief)
    with pytest.raises(LedgerError, match="another key than before"):
        follower.look(thief)


def test_a_process_with_the_old_key_is_named_for_what_it_is(
    service: Service, identity: LedgerIdentity, follower: Follower
) -> None:
    introduce(service.database, identity)
    later = rotated(identity)
    introduce(service.database, later)
    follower.look(later)
    with pytest.raises(LedgerError, match="not every process of the service was started again"):
        follower.look(identity)


# -- history -----------------------------------------------------------------------------------


def rewrite(service: Service, identity: LedgerIdentity, work_id: str, title: str) -> None:
    """What someone with the database and the keys can do: change a record and all that speaks of it, to fit."""
    with service.database.transaction() as session:
        work = session.get_one(Work, work_id)
        work.title = title
        session.flush()
        forged = session.get_one(LedgerEntry, ledger.last_entry_of(session, work_id))
        said = json.loads(forged.data) | {"commitment": commitment(forged.salt, facts_of(work))}
        forged.data = rfc8785.dumps(said).decode()
        session.execute(sa.delete(LedgerNode))
        nodes: dict[object, bytes] = {}
        for entry in session.scalars(sa.select(LedgerEntry).order_by(LedgerEntry.number)):
            entry.leaf_hash = leaf_hash(entry.data.encode())
            for node, value in appended_nodes(entry.number, entry.leaf_hash, nodes.__getitem__):
                nodes[node] = value
                session.add(LedgerNode(level=node.level, index=node.index, hash=value))
        session.execute(sa.delete(LedgerCheckpoint))
        session.flush()
        ledger.checkpoint(session, identity, at=AT)


def test_a_history_rewritten_with_the_keys_deceives_the_service_itself_and_no_follower(
    service: Service, identity: LedgerIdentity, follower: Follower
) -> None:
    introduce(service.database, identity)
    work_id = grow(service)
    grow(service)
    follower.look(identity)
    kept = follower.kept.read_text()
    rewrite(service, identity, work_id, "Never Said")
    assert problems(service.database, identity) == [], "from inside it is as true as ever"
    for _ in range(2):
        with pytest.raises(LedgerError, match="was rewritten"):
            follower.look(identity)
        grow(service)  # and no growth covers it up
    assert follower.kept.read_text() == kept


def test_a_history_cut_short_is_seen_by_who_follows(
    service: Service, identity: LedgerIdentity, follower: Follower
) -> None:
    for _ in range(3):
        grow(service)
    follower.look(identity)
    tamper(service.database, "UPDATE heads SET ledger_size = 2")
    with pytest.raises(LedgerError, match="entries are gone"):
        follower.look(identity)


# -- witnesses ---------------------------------------------------------------------------------


def witnessed(service: Service, identity: LedgerIdentity, witness: FollowingWitness) -> str:
    """The log as it is, cosigned; returns the note."""
    with service.database.transaction() as session:
        stored = ledger.head(session, identity, at=AT)
        line = cosign(stored.note, name=witness.name, key=witness.key, at=witness.at).line
        cosignature = open_cosignature(f"{stored.note}{line}\n", witness_key=witness.verifier_key)
        anchors.keep_cosignature(session, stored.size, cosignature)
        return ledger.cosigned(session, stored)


@pytest.fixture
def witness(identity: LedgerIdentity) -> FollowingWitness:
    return FollowingWitness(name="witness.example", log_keys=[identity.verifier_key], at=AT)


def test_what_witnesses_saw_is_part_of_the_log_that_is_followed(
    service: Service, identity: LedgerIdentity, follower: Follower, witness: FollowingWitness
) -> None:
    introduce(service.database, identity)
    grow(service)
    witnessed(service, identity, witness)
    grow(service)
    found = follower.look(identity, witness.verifier_key)
    assert found["size"] == 2
    assert found["witnesses"] == [{"name": "witness.example", "size": 1, "at": AT.isoformat()}]
    later = rotated(identity)
    introduce(service.database, later)
    assert follower.look(later, witness.verifier_key)["witnesses"] == found["witnesses"], "the old key led to the new"


def test_who_never_followed_before_sees_a_rewritten_history_through_a_witness(
    service: Service, identity: LedgerIdentity, follower: Follower, witness: FollowingWitness
) -> None:
    introduce(service.database, identity)
    work_id = grow(service)
    seen = witnessed(service, identity, witness)
    tamper(service.database, "DELETE FROM ledger_cosignatures")
    rewrite(service, identity, work_id, "Never Said")
    grow(service)
    assert follower.look(identity)["size"] == 2, "alone they believe it"
    with pytest.raises(Problem, match=r"cosigned by witness\.example"):
        follower.look(identity, witness.verifier_key)
    client = follower.client(identity)
    client.cosigned_checkpoint = lambda witnesses: seen  # noqa: ARG005 - the client's name
    with pytest.raises(LedgerError, match="that witnesses saw: it was rewritten"):
        follow(client, follower.kept, witnesses=[witness.verifier_key])


def test_a_stranger_s_cosignature_is_not_that_of_a_witness(
    service: Service, identity: LedgerIdentity, follower: Follower, witness: FollowingWitness
) -> None:
    grow(service)
    witnessed(service, identity, witness)
    namesake = replace(witness, key=generate_key())
    with pytest.raises(LedgerError, match=r"not by witness\.example"):
        follower.look(identity, namesake.verifier_key)
    assert not follower.kept.exists()


@pytest.mark.parametrize("answer", [b"", b"[{}]", b"null", b"[" * 100_000, b"<html>"])
def test_a_service_that_tells_nonsense_of_its_keys_is_refused(
    service: Service, identity: LedgerIdentity, follower: Follower, answer: bytes
) -> None:
    grow(service)
    follower.look(identity)
    client = follower.client(LedgerIdentity(origin=identity.origin, key=generate_key()))
    client.ledger_keys = lambda: answer
    with pytest.raises(LedgerError):
        follow(client, follower.kept)
