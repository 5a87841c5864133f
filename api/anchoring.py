"""Asking outsiders about the ledger's checkpoints: time-stamp authorities (RFC 3161) and witnesses (C2SP tlog-witness).

Each is a job: asked outside any transaction, within a time and a size, and again later when it fails. Nothing is kept
that does not verify; what an authority or a witness cannot do is to change or to hold up the log.
"""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from api.service import Service, Witness
from registry import anchors, jobs, ledger
from registry.domain.checkpoint import only_signed_by
from registry.domain.receipt import Timestamp
from registry.domain.timestamp import MAX_REPLY_BYTES, Stamp, new_request, verify_reply, vouch
from registry.domain.witness import Cosignature, add_checkpoint_request, open_cosignature
from registry.errors import LedgerError
from registry.jobs import Lease
from registry.ledger_keys import newest_signer
from registry.models import LedgerCheckpoint

_TIMEOUT_S: Final = 20.0
# How far two clocks may be apart: one far off would say that a checkpoint was there before it was, or is yet to come.
_OFF: Final = timedelta(minutes=10)
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


class NotAnchored(LedgerError):
    """Nobody asked gave an answer that holds; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    body: bytes


def enqueue_due(service: Service) -> None:
    """Queue the asking that is due."""
    settings = service.settings
    plan = anchors.Plan(
        stamp=bool(settings.tsa_urls),
        stamp_every=timedelta(seconds=settings.ledger_timestamp_s),
        witness_keys=tuple(witness.key for witness in service.witnesses),
    )
    with service.database.transaction() as session:
        anchors.enqueue_due(session, plan, at=service.now())


def stamp(service: Service, lease: Lease) -> None:
    """Have a checkpoint time-stamped by the first authority whose reply holds."""
    size, keys = int(lease.subject_id), service.ledger.keys
    with service.database.reading() as session:
        note = session.get_one(LedgerCheckpoint, size).note
    key = newest_signer(note, keys) or service.ledger.verifier_key
    message = only_signed_by(note, verifier_key=key)
    reply, found = _stamped(service, message.encode())
    timestamp = Timestamp(reply=reply, signature=vouch(reply, message.encode(), key=keys[key]))
    with service.database.transaction() as session:
        jobs.finish(session, lease, at=service.now())
        anchors.keep_timestamp(session, size, message, key, found, timestamp)


def _stamped(service: Service, message: bytes) -> tuple[bytes, Stamp]:
    problems = []
    for url in service.settings.tsa_urls:
        request = new_request(message)
        try:
            answer = _post(url, request.body, "application/timestamp-query")
            if answer.status != httpx.codes.OK:
                raise NotAnchored(problem=f"HTTP {answer.status}")
            found = verify_reply(answer.body, message, roots=service.tsa_roots, nonce=request.nonce)
            if abs(found.at - service.now()) > _OFF:
                raise NotAnchored(problem=f"its clock or ours is wrong: it stamps {found.at:%Y-%m-%dT%H:%M:%SZ}")
        except (LedgerError, httpx.HTTPError, httpx.InvalidURL) as error:
            said = str(error) or type(error).__name__
            problems.append(f"{urlsplit(url).hostname}: {said}")
        else:
            return answer.body, found
    raise NotAnchored(problem="no time-stamp authority helped: " + "; ".join(problems))


def cosign(service: Service, lease: Lease) -> None:
    """Have a checkpoint cosigned by a witness, with the proof that leads there from what it saw last."""
    size_said, _, key = lease.subject_id.partition(" ")
    witness = next((witness for witness in service.witnesses if witness.key == key), None)
    cosignature = None if witness is None else _cosigned(service, witness, int(size_said))
    with service.database.transaction() as session:
        jobs.finish(session, lease, at=service.now())
        if cosignature is not None:
            anchors.keep_cosignature(session, int(size_said), cosignature)


def _cosigned(service: Service, witness: Witness, size: int) -> Cosignature | None:
    """The cosignature; None when the witness has seen a newer log meanwhile, which is as good."""
    with service.database.reading() as session:
        note = session.get_one(LedgerCheckpoint, size).note
        old_size = anchors.last_cosigned(session, witness.key)
    if old_size >= size:
        return None
    answer = _add_checkpoint(service, witness, note, old_size, size)
    if answer.status == httpx.codes.CONFLICT and (seen := _SIZE.fullmatch(answer.body)):
        old_size = int(seen[1])
        if old_size > size:
            _check_seen(service, witness, old_size)
            return None
        answer = _add_checkpoint(service, witness, note, old_size, size)
    if answer.status != httpx.codes.OK:
        said = answer.body[:200].decode(errors="replace").strip()
        raise NotAnchored(problem=f"the witness {witness.name} answered HTTP {answer.status}: {said}")
    try:
        lines = answer.body.decode()
    except UnicodeDecodeError:
        raise NotAnchored(problem=f"the witness {witness.name} did not answer with text") from None
    found = open_cosignature(note + lines, witness_key=witness.key)
    if found.at > service.now() + _OFF:
        raise NotAnchored(problem=f"the witness {witness.name} signs at a time to come")
    return found


def _check_seen(service: Service, witness: Witness, size: int) -> None:
    with service.database.reading() as session:
        ours = ledger.size_of(session)
    if size > ours:
        raise NotAnchored(
            problem=f"the witness {witness.name} has seen {size} entries and the log has {ours}:"
            " it was cut short, or restored from an old backup"
        )


def _add_checkpoint(service: Service, witness: Witness, note: str, old_size: int, size: int) -> _Answer:
    with service.database.reading() as session:
        proof = ledger.prove_consistency(session, old_size, size) if 0 < old_size < size else ()
    body = add_checkpoint_request(note, old_size=old_size, proof=proof)
    try:
        return _post(f"{witness.url.rstrip('/')}/add-checkpoint", body, "text/plain; charset=utf-8")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotAnchored(problem=f"the witness {witness.name}: {error or type(error).__name__}") from None


def _post(url: str, body: bytes, media_type: str) -> _Answer:
    """One request, which takes no longer than its time however slowly the answer trickles in."""
    sockets: list[socket.socket] = []

    def connected(event: str, told: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            sockets.append(told["return_value"].get_extra_info("socket"))

    def hang_up() -> None:
        for opened in sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    over = threading.Timer(_TIMEOUT_S, hang_up)
    over.daemon = True
    over.start()
    try:
        headers = {"Content-Type": media_type, "Accept-Encoding": "identity"}
        with (
            httpx.Client(timeout=_TIMEOUT_S) as client,
            client.stream("POST", url, content=body, headers=headers, extensions={"trace": connected}) as answer,
        ):
            return _Answer(status=answer.status_code, body=b"".join(_bounded(answer)))
    finally:
        over.cancel()


def _bounded(answer: httpx.Response) -> Iterator[bytes]:
    size = 0
    for chunk in answer.iter_raw():
        size += len(chunk)
        if size > MAX_REPLY_BYTES:
            raise NotAnchored(problem=f"the answer is longer than {MAX_REPLY_BYTES} bytes")
        yield chunk
