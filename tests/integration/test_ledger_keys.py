"""Keys of the log: a new one is believable from the old one, and what old ones signed is verified by them."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.keyring import adopt, open_ring, rotate
from api.service import Service, build_service, ledger_identity, ledger_ring, new_ledger_key
from api.settings import Settings
from registry import ledger, ledger_keys
from registry.database import Database
from registry.domain.checkpoint import BadCheckpoint, generate_key, key_to_pem, open_checkpoint, sign_checkpoint
from registry.domain.handover import introduces, open_handover
from registry.domain.receipt import commitment, prove, write
from registry.errors import LedgerError
from registry.ledger import LedgerIdentity
from registry.ledger_keys import OVERLAP
from registry.models import LedgerCheckpoint, LedgerKey, Work
from tests import factories
from tests.factories import AT
from tests.integration.at_once import at_once
from tests.integration.test_ledger import all_entries, problems, tamper

DAY = timedelta(days=1)


def rotated(identity: LedgerIdentity) -> LedgerIdentity:
    """The same ring with one key more."""
    return replace(identity, key=generate_key(), older=(*identity.older, identity.key))


def introduce(database: Database, identity: LedgerIdentity, *, after: timedelta = timedelta()) -> list[LedgerKey]:
    with database.transaction() as session:
        return ledger.introduce_keys(session, identity, at=AT + after)


def checkpoint(database: Database, identity: LedgerIdentity, *, after: timedelta = timedelta()) -> str:
    with database.transaction() as session:
        return ledger.checkpoint(session, identity, at=AT + after)


def grow(database: Database) -> str:
    with database.transaction() as session:
        return factories.work(session, factories.actor(session)).id


def signed_by(note: str, identity: LedgerIdentity) -> list[int]:
    """Which keys of the ring signed a note, by their place in it."""
    found = []
    for number, name in enumerate(identity.keys):
        with suppress(BadCheckpoint):
            open_checkpoint(note, verifier_key=name)
            found.append(number)
    return found


# -- handing over ------------------------------------------------------------------------------


def test_the_first_key_needs_no_introduction(database: Database, identity: LedgerIdentity) -> None:
    [key] = introduce(database, identity)
    assert (key.number, key.verifier_key, key.handover) == (1, identity.verifier_key, None)
    with database.reading() as session:
        assert all_entries(session) == []
    assert problems(database, identity) == []


def test_a_rotation_is_a_handover_and_an_entry(database: Database, identity: LedgerIdentity) -> None:
    introduce(database, identity)
    grow(database)
    later = rotated(identity)
    _, key = introduce(database, later)
    with database.reading() as session:
        *_, last = all_entries(session)
        salt = ledger.last_entry_about(session, key.id)
        assert salt is not None
        facts = {"number": 2, "key": later.verifier_key, "handover": key.handover}
        assert last["commitment"] == commitment(salt.salt, facts)
    assert (last["kind"], last["subject"]) == ("key.rotated", key.id)
    assert key.handover is not None
    handover = open_handover(key.handover)
    assert (handover.size, handover.old, handover.new) == (1, identity.verifier_key, later.verifier_key)
    assert ledger_keys.first_size(key) == 2, "the checkpoint with that entry is the first that it signs"
    assert problems(database, later) == []


def test_starting_again_introduces_nobody_twice(database: Database, identity: LedgerIdentity) -> None:
    later = rotated(identity)
    introduce(database, identity)
    assert at_once(*[lambda: introduce(database, later)] * 4) == [None] * 4
    with database.reading() as session:
        assert [key.number for key in ledger_keys.history(session)] == [1, 2]
        assert [entry["kind"] for entry in all_entries(session)] == ["key.rotated"]


def test_keys_rotated_twice_between_two_starts_are_introduced_one_by_the_other(
    database: Database, identity: LedgerIdentity
) -> None:
    introduce(database, identity)
    last = rotated(rotated(identity))
    handovers = [open_handover(key.handover) for key in introduce(database, last) if key.handover]
    assert introduces(handovers, identity.verifier_key, last.verifier_key)
    assert len(handovers) == 2


def test_a_log_cannot_go_on_without_the_key_that_could_introduce_the_next(
    database: Database, identity: LedgerIdentity
) -> None:
    introduce(database, rotated(identity))
    with pytest.raises(LedgerError, match="Put it back"):
        introduce(database, identity)
    with pytest.raises(LedgerError, match=r"is named log\.example/ledger"):
        introduce(database, replace(identity, origin="renamed.example"))


# -- signing -----------------------------------------------------------------------------------


def test_both_keys_sign_for_a_while_and_then_the_new_one_alone(database: Database, identity: LedgerIdentity) -> None:
    introduce(database, identity)
    grow(database)
    later = rotated(identity)
    assert signed_by(checkpoint(database, identity), later) == [0]
    introduce(database, later)
    assert signed_by(checkpoint(database, later), later) == [0, 1]
    grow(database)
    assert signed_by(checkpoint(database, later, after=OVERLAP - DAY), later) == [0, 1]
    grow(database)
    assert signed_by(checkpoint(database, later, after=OVERLAP), later) == [1]
    assert problems(database, later) == []


def test_a_process_that_was_not_started_again_yet_leaves_a_true_log(
    database: Database, identity: LedgerIdentity
) -> None:
    introduce(database, identity)
    later = rotated(identity)
    introduce(database, later)
    assert signed_by(checkpoint(database, identity), later) == [0]
    assert problems(database, later) == []
    both = checkpoint(database, later)
    assert signed_by(both, later) == [0, 1], "the first that has the new key adds its signature"
    assert checkpoint(database, identity) == both


def test_the_old_private_key_can_be_destroyed(database: Database, identity: LedgerIdentity) -> None:
    introduce(database, identity)
    grow(database)
    checkpoint(database, identity)
    later = rotated(identity)
    introduce(database, later)
    alone = replace(later, older=())
    introduce(database, alone)
    assert len(signed_by(checkpoint(database, alone), alone)) == 1
    assert problems(database, alone) == []


# -- proving -----------------------------------------------------------------------------------


def test_a_receipt_from_before_a_rotation_proves_by_either_key(database: Database, identity: LedgerIdentity) -> None:
    introduce(database, identity)
    work_id, old = grow(database), []
    later = rotated(identity)
    for ring in (identity, later):
        introduce(database, ring)
        with database.transaction() as session:
            old.append(write(ledger.receipt(session, session.get_one(Work, work_id), ring, at=AT)))
    with database.reading() as session:
        handovers = [open_handover(key.handover) for key in ledger_keys.history(session) if key.handover]
    before, after = old
    assert prove(before, verifier_key=identity.verifier_key)
    assert prove(before, verifier_key=later.verifier_key, handovers=handovers)
    assert prove(after, verifier_key=later.verifier_key)
    assert prove(after, verifier_key=identity.verifier_key), "it tells how its key was introduced"


def test_old_checkpoints_are_verified_by_the_key_of_their_time(database: Database, identity: LedgerIdentity) -> None:
    introduce(database, identity)
    grow(database)
    checkpoint(database, identity)
    later = rotated(identity)
    introduce(database, later)
    assert problems(database, later) == []
    with database.transaction() as session:  # an old one that the new key signed is as wrong as any stranger's
        stored = session.get_one(LedgerCheckpoint, 1)
        head = open_checkpoint(stored.note, verifier_key=identity.verifier_key)
        stored.note = sign_checkpoint(head, signer_name=later.origin, key=later.key)
    [found] = problems(database, later)
    assert "of size 1 is not signed by our key" in found


def test_a_relieved_key_signs_nothing_new_unnoticed(database: Database, identity: LedgerIdentity) -> None:
    introduce(database, identity)
    later = rotated(identity)
    introduce(database, later)
    grow(database)
    late = rotated(identity)  # the old key, stolen
    with database.transaction() as session:
        ledger.checkpoint(session, replace(late, key=identity.key, older=()), at=AT + OVERLAP + DAY)
    [found] = problems(database, later)
    assert "is not signed by our key" in found


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE ledger_keys SET handover = NULL WHERE number = 2", "is not introduced by the one before it"),
        ("DELETE FROM ledger_keys WHERE number = 2", "is missing: entry"),
        ("DELETE FROM ledger_keys WHERE number = 2", "is not among those on record"),
        ("UPDATE ledger_keys SET verifier_key = 'x' WHERE number = 1", "is not introduced by the one before it"),
        ("UPDATE ledger_keys SET number = 3 WHERE number = 2", "was changed without an entry"),
    ],
)
def test_a_key_that_was_slipped_in_or_taken_out_is_noticed(
    database: Database, identity: LedgerIdentity, statement: str, told: str
) -> None:
    later = rotated(identity)
    introduce(database, later)
    tamper(database, statement)
    assert any(told in problem for problem in problems(database, later))


# -- the ring ----------------------------------------------------------------------------------


def test_a_key_from_before_there_was_a_ring_is_its_first(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    settings.keys_folder.mkdir()
    alone, pem = settings.keys_folder / "ledger.pem", new_ledger_key()
    alone.write_bytes(pem)
    assert key_to_pem(ledger_identity(settings).key) == pem
    assert not alone.exists()
    assert (ledger_ring(settings) / "0001.pem").read_bytes() == pem
    assert key_to_pem(ledger_identity(settings).key) == pem


def test_a_key_is_adopted_once_by_whoever_comes_first(tmp_path: Path) -> None:
    alone, pem = tmp_path / "ledger.pem", new_ledger_key()
    alone.write_bytes(pem)

    def start() -> None:
        adopt(tmp_path / "ledger", alone)
        assert open_ring(tmp_path / "ledger", new_ledger_key) == [pem]

    assert at_once(*[start] * 8) == [None] * 8


def test_processes_that_start_at_once_in_containers_agree_on_the_first_key(tmp_path: Path) -> None:
    # Threads here: they have one number between them, as processes have that are each the first of their container.
    found: list[bytes] = []
    assert at_once(*[lambda: found.extend(open_ring(tmp_path / "ring", new_ledger_key))] * 8) == [None] * 8
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "ring").iterdir()] == ["0001.pem"]
    assert (tmp_path / "ring" / "0001.pem").stat().st_mode & 0o777 == 0o600


def test_what_a_killed_process_left_beside_a_ring_stops_nobody(tmp_path: Path) -> None:
    for left in (f"0001.{os.getpid()}", "0001.1", "0001.pem.tmp"):
        (tmp_path / left).write_bytes(b"half a k")
    [key] = open_ring(tmp_path, new_ledger_key)
    rotate(tmp_path, new_ledger_key)
    assert open_ring(tmp_path, new_ledger_key)[0] == key


def test_a_key_beside_a_ring_of_another_is_left_alone(tmp_path: Path) -> None:
    alone = tmp_path / "ledger.pem"
    open_ring(tmp_path / "ledger", new_ledger_key)
    alone.write_bytes(new_ledger_key())
    adopt(tmp_path / "ledger", alone)
    assert alone.exists()


def test_a_service_of_before_starts_with_its_key_and_takes_a_new_one_at_the_next_start(
    empty_database_url: str, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=empty_database_url, sscd_model="none")
    settings.keys_folder.mkdir()
    (settings.keys_folder / "ledger.pem").write_bytes(key_to_pem(generate_key()))

    def started[T](ask: Callable[[Service], T]) -> T:
        service = build_service(settings)
        try:
            return ask(service)
        finally:
            service.close()

    first = started(lambda service: service.ledger.verifier_key)
    rotate(ledger_ring(settings), new_ledger_key)
    second = started(lambda service: service.ledger.verifier_key)
    assert second != first
    assert started(lambda service: problems(service.database, service.ledger)) == []

    def chain(service: Service) -> list[str]:
        with service.database.reading() as session:
            return [key.verifier_key for key in ledger_keys.history(session)]

    assert started(chain) == [first, second]
    (ledger_ring(settings) / "0002.pem").unlink()
    with pytest.raises(LedgerError, match="Put it back"):
        started(chain)


def test_the_history_of_keys_holds_no_private_one(database: Database, identity: LedgerIdentity) -> None:
    introduce(database, rotated(identity))
    with database.reading() as session:
        rows = session.execute(sa.text("SELECT * FROM ledger_keys")).all()
    text = json.dumps([[str(value) for value in row] for row in rows])
    assert identity.key.private_bytes_raw().hex() not in text
    assert "PRIVATE" not in text
