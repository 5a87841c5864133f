"""The ledger: an append-only Merkle log of every declaration, verdict, release and notice step.

An entry is public and says what happened to which record and when. What the record said is in it
only as a salted commitment, so the log can be handed to anyone. `forget` destroys salts: what was said can then no
longer be proved nor guessed, and the log still holds. `verify` proves the whole log from the database, and that
each record still is what its last entry committed to.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

import rfc8785
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from registry import anchors
from registry.domain.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    add_signature,
    bears_signature,
    encode_verifier_key,
    only_signed_by,
    open_checkpoint,
    sign_checkpoint,
)
from registry.domain.handover import hand_over
from registry.domain.identifiers import Prefix, new_id
from registry.domain.merkle import NodeId, appended_nodes, consistency_proof, inclusion_proof, leaf_hash, root
from registry.domain.receipt import Receipt, Timestamp, commitment
from registry.errors import Conflict as ConflictError
from registry.errors import Invalid, LedgerError, NotFound
from registry.facts import Forgetting, Record, all_records, facts_of, written
from registry.ledger_keys import (
    OVERLAP,
    Reign,
    check_chain,
    handovers_to,
    history,
    newest_signer,
    reigns_of,
    signers_of,
)
from registry.models import (
    Heads,
    LedgerCheckpoint,
    LedgerEntry,
    LedgerKey,
    LedgerNode,
    LedgerTimestamp,
)

_SALT_BYTES = 16

_FORGOTTEN: Final = "record.forgotten"
_DESTROYED: Final = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerIdentity:
    """Under which name (C2SP origin) and key tree heads are signed; `older` are the keys before it, oldest first."""

    origin: str
    key: Ed25519PrivateKey
    older: tuple[Ed25519PrivateKey, ...] = ()

    @property
    def verifier_key(self) -> str:
        return encode_verifier_key(signer_name=self.origin, key=self.key.public_key())

    @property
    def keys(self) -> dict[str, Ed25519PrivateKey]:
        """All keys by their verifier keys, oldest first."""
        return {
            encode_verifier_key(signer_name=self.origin, key=key.public_key()): key for key in (*self.older, self.key)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Shows that entry `number` stands in the log that `checkpoint` signed."""

    number: int
    data: str
    checkpoint: str
    hashes: tuple[bytes, ...]


# -- writing -----------------------------------------------------------------------------------


def record(session: Session, kind: str, subject: Record | Forgetting, *, at: datetime) -> int:
    """Append an entry that commits to what `subject` now says; returns its number.

    Locks the log until the transaction ends, so entries have no gaps and their order is that of commits.
    """
    session.flush()
    size = session.execute(
        sa.update(Heads).where(Heads.id == 1).values(ledger_size=Heads.ledger_size + 1).returning(Heads.ledger_size)
    ).scalar_one()
    number, salt = size - 1, secrets.token_bytes(_SALT_BYTES)
    entry = {
        "v": 1, "number": number, "at": written(at), "kind": kind, "subject": subject.id,
        "commitment": commitment(salt, facts_of(subject)),
    }  # fmt: skip
    data = rfc8785.dumps(entry)
    leaf = leaf_hash(data)
    session.add(LedgerEntry(number=number, subject_id=subject.id, data=data.decode(), leaf_hash=leaf, salt=salt))
    for node, value in appended_nodes(number, leaf, _nodes(session)):
        session.add(LedgerNode(level=node.level, index=node.index, hash=value))
    session.flush()
    return int(number)


def _nodes(session: Session) -> Callable[[NodeId], bytes]:
    def read(node: NodeId) -> bytes:
        found = session.get(LedgerNode, (node.level, node.index))
        if found is None:
            raise LedgerError(problem=f"the log lacks the subtree {node.level}/{node.index}")
        return found.hash

    return read


def introduce_keys(session: Session, identity: LedgerIdentity, *, at: datetime) -> list[LedgerKey]:
    """Put keys that are new on record, each introduced by the one before it; every handover is an entry.

    Raises:
        LedgerError: the newest key on record is not at hand, so nobody could believe what comes next.
    """
    known = history(session)
    names = list(identity.keys)
    if known and known[-1].verifier_key not in names:
        last = known[-1].verifier_key
        if last.partition("+")[0] != identity.origin:
            raise LedgerError(problem=f"The log is named {last.partition('+')[0]} and cannot go on as another.")
        raise LedgerError(problem=f"The log's newest key, {last}, is missing. Put it back: only it introduces another.")
    new = names[names.index(known[-1].verifier_key) + 1 :] if known else names
    for name in new:
        key = LedgerKey(number=len(known) + 1, id=new_id(Prefix.LEDGER_KEY, at=at), verifier_key=name, introduced_at=at)
        session.add(key)
        if known:
            old = identity.keys[known[-1].verifier_key]
            said = hand_over(origin=identity.origin, size=size_of(session), old=old, new=identity.keys[name])
            key.handover = said.note
            record(session, "key.rotated", key, at=at)
        known.append(key)
    session.flush()
    return known


def forget(session: Session, subject_id: str, *, at: datetime) -> int:
    """Destroy the salts of all entries about a record, with an entry that says so; returns how many.

    What these entries commit to can then be neither proved nor found by guessing. That they were made, when and in
    which order stays proved. The row is no longer held to the log: erase it first, or delete it.

    Raises:
        NotFound: there is nothing to forget.
    """
    found = _openable(session, subject_id)
    if not found:
        raise NotFound(kind="ledger entry that can still be opened about", id=subject_id)
    for entry in found:
        entry.salt = _DESTROYED
    numbers = _forgotten_numbers(session, subject_id, before=size_of(session))
    record(session, _FORGOTTEN, Forgetting(id=subject_id, numbers=numbers), at=at)
    return len(found)


def can_be_forgotten(session: Session, subject_id: str) -> bool:
    """Whether an entry about a record can still be opened."""
    return bool(_openable(session, subject_id))


def _openable(session: Session, subject_id: str) -> list[LedgerEntry]:
    query = sa.select(LedgerEntry).where(LedgerEntry.subject_id == subject_id, LedgerEntry.salt != _DESTROYED)
    return [entry for entry in session.scalars(query) if not _is_forgetting(entry)]


def _is_forgetting(entry: LedgerEntry) -> bool:
    return f'"kind":"{_FORGOTTEN}"' in entry.data


def _forgotten_numbers(session: Session, subject_id: str, *, before: int) -> tuple[int, ...]:
    query = sa.select(LedgerEntry.number).where(
        LedgerEntry.subject_id == subject_id, LedgerEntry.salt == _DESTROYED, LedgerEntry.number < before
    )
    return tuple(session.scalars(query.order_by(LedgerEntry.number)))


# -- reading -----------------------------------------------------------------------------------


def size_of(session: Session) -> int:
    return int(session.scalars(sa.select(Heads.ledger_size)).one())


def forgotten_records(session: Session) -> int:
    """Of how many records something was forgotten."""
    query = sa.select(sa.func.count(sa.distinct(LedgerEntry.subject_id))).where(LedgerEntry.salt == _DESTROYED)
    return session.scalar(query) or 0


def checkpoint(session: Session, identity: LedgerIdentity, *, at: datetime) -> str:
    """The signed head of the log as it is now, with what witnesses signed of it.

    As long as nothing is appended its text stays the same; signatures may be added.
    """
    return cosigned(session, head(session, identity, at=at))


def cosigned(session: Session, stored: LedgerCheckpoint) -> str:
    """A checkpoint with the lines of its witnesses."""
    return stored.note + "".join(f"{said.line}\n" for said in anchors.cosignatures_of(session, stored.size))


def head(session: Session, identity: LedgerIdentity, *, at: datetime) -> LedgerCheckpoint:
    """The checkpoint of the log as it is now, signed by the newest key and by those that it relieved lately."""
    size = size_of(session)
    stored = session.get(LedgerCheckpoint, size)
    if stored is None:
        made = Checkpoint(origin=identity.origin, size=size, root=root(size, _nodes(session)))
        note = sign_checkpoint(made, signer_name=identity.origin, key=identity.key)
        stored = LedgerCheckpoint(size=size, note=note, signed_at=at)
        session.add(stored)
    elif bears_signature(stored.note, verifier_key=identity.verifier_key):
        return stored
    for name in _signing(session, identity, at=at):
        if not bears_signature(stored.note, verifier_key=name):
            stored.note = add_signature(stored.note, signer_name=identity.origin, key=identity.keys[name])
    session.flush()
    return stored


def _signing(session: Session, identity: LedgerIdentity, *, at: datetime) -> list[str]:
    relieved = {old.verifier_key: new.introduced_at for old, new in pairwise(history(session))}
    older = [name for name in identity.keys if name in relieved and at < relieved[name] + OVERLAP]
    return [identity.verifier_key, *older]


def entries(session: Session, *, start: int, limit: int) -> list[LedgerEntry]:
    """Entries `start` and after, in order."""
    query = sa.select(LedgerEntry).where(LedgerEntry.number >= start).order_by(LedgerEntry.number).limit(limit)
    return list(session.scalars(query))


def prove(session: Session, number: int, identity: LedgerIdentity, *, at: datetime) -> Proof:
    """Prove that an entry stands in the log of the current checkpoint."""
    entry = session.get(LedgerEntry, number)
    if entry is None:
        raise NotFound(kind="ledger entry", id=str(number))
    note = checkpoint(session, identity, at=at)
    hashes = tuple(inclusion_proof(number, size_of(session), _nodes(session)))
    return Proof(number=number, data=entry.data, checkpoint=note, hashes=hashes)


def receipt(session: Session, subject: Record, identity: LedgerIdentity, *, at: datetime) -> Receipt:
    """What a record says now, with all that proves it: its newest entry is the one that commits to that.

    Raises:
        NotFound: the log has no entry about it.
        Conflict: it was forgotten.
    """
    entry = last_entry_about(session, subject.id)
    if entry is None:
        raise NotFound(kind="ledger entry", id=subject.id)
    if _is_forgetting(entry):
        raise ConflictError(
            kind="record", id=subject.id, problem="It was forgotten: what it said can no longer be proved."
        )
    stored = anchors.anchored_after(session, entry.number) or head(session, identity, at=at)
    keys = history(session)
    stamp = session.get(LedgerTimestamp, stored.size)
    names = [key.verifier_key for key in keys] or [identity.verifier_key]
    key = stamp.verifier_key if stamp else newest_signer(stored.note, names) or identity.verifier_key
    witnessed = anchors.cosignatures_of(session, stored.size)
    lines = "".join(f"{said.line}\n" for said in witnessed)
    return Receipt(
        facts=facts_of(subject),
        salt=entry.salt,
        number=entry.number,
        entry=entry.data,
        hashes=tuple(inclusion_proof(entry.number, stored.size, _nodes(session))),
        checkpoint=only_signed_by(stored.note, verifier_key=key) + lines,
        verifier_key=key,
        timestamp=Timestamp(reply=stamp.reply, signature=stamp.signature) if stamp else None,
        handovers=handovers_to(keys, key),
        witnesses=tuple(said.witness_key for said in witnessed),
    )


def prove_consistency(session: Session, old: int, new: int) -> tuple[bytes, ...]:
    """Prove that the log of size `new` only adds to the log of size `old`."""
    if not 0 < old <= new <= size_of(session):
        raise Invalid(field="from", problem=f"Ask for 0 < from <= to <= {size_of(session)}.")
    return tuple(consistency_proof(old, new, _nodes(session)))


def last_entry_of(session: Session, subject_id: str) -> int | None:
    """The number of the newest entry about a record."""
    return session.scalar(sa.select(sa.func.max(LedgerEntry.number)).where(LedgerEntry.subject_id == subject_id))


def last_entry_about(session: Session, subject_id: str) -> LedgerEntry | None:
    """The newest entry about a record."""
    number = last_entry_of(session, subject_id)
    return None if number is None else session.get(LedgerEntry, number)


# -- proving the whole log ---------------------------------------------------------------------


def verify(session: Session, *, verifier_key: str) -> Iterator[str]:
    """Check everything from the database alone; yields one sentence for each thing found wrong.

    Args:
        verifier_key: the key that signs now; older checkpoints are verified by the key of their time.
    """
    yield from _verify_entries(session)
    keys = history(session)
    broken = list(check_chain(keys, verifier_key))
    yield from broken
    yield from _verify_checkpoints(session, reigns_of([] if broken else keys, verifier_key))
    yield from anchors.problems(session)
    yield from _verify_forgotten(session)
    yield from _verify_records(session)


def _verify_entries(session: Session) -> Iterator[str]:
    expected, whole = 0, True
    rebuilt: dict[NodeId, bytes] = {}
    query = sa.select(LedgerEntry).order_by(LedgerEntry.number).execution_options(yield_per=1000)
    for entry in session.scalars(query):
        while expected < entry.number:
            yield f"entry {expected} is missing"
            expected, whole = expected + 1, False
        if leaf_hash(entry.data.encode()) != entry.leaf_hash:
            yield f"entry {entry.number} was changed: its text does not have its hash"
        if f'"subject":"{entry.subject_id}"' not in entry.data:  # else a record could be set back to what it was
            yield f"entry {entry.number} is filed under {entry.subject_id}, which its text does not name"
        if whole:
            rebuilt.update(appended_nodes(entry.number, leaf_hash(entry.data.encode()), rebuilt.__getitem__))
        expected = entry.number + 1
    size = size_of(session)
    if expected != size:
        yield f"the log should have {size} entries and ends at {expected}"
    if not whole or expected < size:
        return  # with an entry missing, every subtree after it would be named
    stored = {NodeId(n.level, n.index): n.hash for n in session.scalars(sa.select(LedgerNode))}
    changed = [node for node in rebuilt.keys() | stored.keys() if rebuilt.get(node) != stored.get(node)]
    for node in sorted(changed, key=lambda n: (n.level, n.index)):
        yield f"the tree was changed at {node.level}/{node.index}"


def _verify_checkpoints(session: Session, reigns: list[Reign]) -> Iterator[str]:
    size = size_of(session)
    for stored in session.scalars(sa.select(LedgerCheckpoint).order_by(LedgerCheckpoint.size)):
        possible = signers_of(reigns, stored.size, at=stored.signed_at)
        key = next((key for key in possible if _bears(stored, key)), possible[0])
        try:
            head = open_checkpoint(stored.note, verifier_key=key)
        except BadCheckpoint as error:
            yield f"the checkpoint of size {stored.size} is not signed by our key: {error}"
            continue
        if head.size != stored.size or head.size > size:
            yield f"a signed checkpoint speaks of {head.size} entries; the log has {size}: entries are missing"
            continue
        try:
            same = root(head.size, _nodes(session)) == head.root
        except LedgerError:
            same = False
        if not same:
            yield f"the log is not the one that the checkpoint of size {head.size} signed"


def _bears(stored: LedgerCheckpoint, verifier_key: str) -> bool:
    try:
        return bears_signature(stored.note, verifier_key=verifier_key)
    except BadCheckpoint:
        return False


def _verify_forgotten(session: Session) -> Iterator[str]:
    emptied = sa.select(LedgerEntry.number).where(LedgerEntry.salt == _DESTROYED)
    unexplained = set(session.scalars(emptied))
    query = sa.select(LedgerEntry).where(LedgerEntry.data.contains(f'"kind":"{_FORGOTTEN}"'))
    for entry in session.scalars(query.order_by(LedgerEntry.number)):
        numbers = _forgotten_numbers(session, entry.subject_id, before=entry.number)
        said = Forgetting(id=entry.subject_id, numbers=numbers)
        if commitment(entry.salt, facts_of(said)) in entry.data:
            unexplained.difference_update(numbers)
        else:
            yield f"entry {entry.number} says that others were forgotten than were"
    for number in sorted(unexplained):
        yield f"entry {number} can no longer be opened, and no entry says that it was forgotten"


def _verify_records(session: Session) -> Iterator[str]:
    latest = sa.select(sa.func.max(LedgerEntry.number)).group_by(LedgerEntry.subject_id)
    committed = {e.subject_id: e for e in session.scalars(sa.select(LedgerEntry).where(LedgerEntry.number.in_(latest)))}
    forgotten = {subject_id for subject_id, entry in committed.items() if _is_forgetting(entry)}
    for row in all_records(session):
        entry = committed.pop(row.id, None)
        if row.id in forgotten:
            continue
        if entry is None:
            yield f"{row.id} has no entry in the log"
        elif commitment(entry.salt, facts_of(row)) not in entry.data:
            yield f"{row.id} was changed without an entry: it is not what entry {entry.number} committed to"
    for subject_id, entry in committed.items():
        if subject_id in forgotten:
            continue
        yield f"{subject_id} is missing: entry {entry.number} speaks of it"
