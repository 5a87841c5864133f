"""What works less well than it should, what that means, and what to do about it: for `/readyz` and the operator's page.

Decides nothing about who is served: a degraded part is told of, and everything else goes on. Anybody may read it, so
it holds numbers and names of parts, no paths, no addresses and nothing of any holder.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from api import health as process
from api.service import Service
from fingerprinting import sandbox
from fingerprinting.decode import ffmpeg_has_chromaprint
from provenance.authority import SigningIdentity
from provenance.trust import BadTrustList, TrustLists
from registry import health, rollouts
from registry.health import Queue
from registry.jobs import JobKind
from takedown.slack import Slack

# Work is late when it was due so long ago: the sweep and the workers need seconds.
LATE: Final = timedelta(minutes=5)
# Housekeeping writes one every five minutes.
_SNAPSHOT_OLD: Final = timedelta(hours=24)
_LEAST_FREE_BYTES, _LEAST_FREE_0_1 = 2 << 30, 0.05
_SLOW_S: Final = 1.0
# Clocks of several machines differ a little.
_CLOCKS_DIFFER: Final = timedelta(minutes=2)
_OUTGOING: Final = {JobKind.DELIVER: "webhooks", JobKind.MAIL: "letters"}
_STAMPS: Final = {JobKind.STAMP: "time-stamps", JobKind.COSIGN: "witnesses"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded:
    """One part that works less well than it should.

    Attributes:
        part, state: names that programs may rely on.
        meaning: what it means and what to do, for people.
        since: None where nobody knows.
    """

    part: str
    state: str
    meaning: str
    since: datetime | None = None


def of_process(service: Service) -> Iterator[Degraded]:
    """What can be told without the database."""
    if not service.index_ready.is_set():
        meaning = "The index is loading: checks are `unknown` until it is done. Wait; send traffic elsewhere meanwhile."
        yield Degraded(part="index", state="loading", meaning=meaning)
    if service.index_problem is not None:
        yield Degraded(part="index", state="rebuilt", meaning=f"The index was {service.index_problem}.")
    if service.index.is_away:
        meaning = (
            "The index engine does not answer: checks are `unknown`, files are not recognised, and what is registered"
            " waits. See that Milvus runs and can be reached; all goes on by itself when it is back."
        )
        yield Degraded(part="index", state="engine-away", meaning=meaning)
    if service.embedder is None:
        meaning = (
            "Pictures are compared by hashes alone: crops and pictures in pictures are missed"
            " (install the extra `neural`)."
        )
        yield Degraded(part="pictures", state="hashes-only", meaning=meaning)
    if service.hash_disagreement > 0:
        meaning = "Frame hashes on this machine differ from imagehash: matches may be missed."
        yield Degraded(part="hashes", state="differ", meaning=meaning)
    if not ffmpeg_has_chromaprint():
        meaning = "This ffmpeg lacks Chromaprint: sound is fingerprinted by libchromaprint."
        yield Degraded(part="sound", state="without-chromaprint", meaning=meaning)
    if service.broker_away_since is not None:
        meaning = "The broker could not be told of a job: jobs start later, by the sweep. See that the broker runs."
        yield Degraded(part="broker", state="away", meaning=meaning, since=service.broker_away_since)
    if _is_damaged(service.trust):
        meaning = "A trust list is damaged, and nothing can be verified or signed: see `clearmark trust lists`."
        yield Degraded(part="trust-lists", state="damaged", meaning=meaning)
    signer = service.signers.current(at=service.now()).identity
    yield from of_signer(signer, at=service.now(), warn_days=service.settings.signer_warn_days)
    yield from _machine(service)


def of_service(
    service: Service, session: Session, queues: Sequence[Queue], left: Slack, *, asked_s: float
) -> Iterator[Degraded]:
    """What the database says.

    Args:
        queues: what there is to do.
        left: to the deadlines of notices.
        asked_s: how long the database took to say something small.
    """
    at = service.now()
    if asked_s > _SLOW_S:
        meaning = f"The database took {asked_s:.1f} s for a small question: everything waits. See what it is busy with."
        yield Degraded(part="database", state="slow", meaning=meaning)
    newest = health.newest(session)
    if newest is not None and newest > at + _CLOCKS_DIFFER:
        meaning = (
            "This machine's clock shows a time before what is on record: what is due waits until it is right."
            " Set the clock."
        )
        yield Degraded(part="clock", state="went-back", meaning=meaning, since=newest)
    yield from _jobs(queues, at=at)
    for rollout in rollouts.under_way(session):
        meaning = (
            f"{rollout.algorithm} is being brought to what was stored before it came; until then that is found by what"
            " it has. See `clearmark algorithms status`."
        )
        yield Degraded(part="algorithms", state="backfilling", meaning=meaning, since=rollout.begun_at)
    if overdue := left.overdue_statutory + left.overdue_own:
        meaning = (
            f"{overdue} duties about notices are past their date, {left.overdue_statutory} of them by statute."
            " Look at the queue of notices."
        )
        yield Degraded(part="deadlines", state="overdue", meaning=meaning, since=left.overdue_since)
    for kind, part in _STAMPS.items():
        since = health.failing_since(session, kind)
        if since is not None:
            meaning = (
                f"The ledger's {part} fail: what is signed now is vouched for by fewer. They are tried again; see the"
                " jobs that failed, and whether who is asked can be reached."
            )
            yield Degraded(part=part, state="failing", meaning=meaning, since=since)


def failed_for_good(queues: Sequence[Queue]) -> int:
    """Jobs to look at. A webhook that was given up is its receiver's failure: a dead letter, and none of them."""
    return sum(queue.failed for queue in queues if queue.kind is not JobKind.DELIVER)


def _jobs(queues: Sequence[Queue], *, at: datetime) -> Iterator[Degraded]:
    for queue in queues:
        if queue.due_since is None or at - queue.due_since <= LATE:
            continue
        minutes = int((at - queue.due_since).total_seconds() // 60)
        part, what = _OUTGOING.get(queue.kind, "jobs"), queue.kind.replace("_", " ")
        meaning = (
            f"Jobs of the kind {what} have waited for {minutes} minutes, {queue.waiting} in all. See that workers run"
            " and reach the broker; add some if they are busy."
        )
        state = "backlog" if part != "jobs" else f"{queue.kind}-late"
        yield Degraded(part=part, state=state, meaning=meaning, since=queue.due_since)
    if failed := failed_for_good(queues):
        yield Degraded(part="jobs", state="failed", meaning=f"{failed} jobs failed for good: see /operator/jobs.")


def of_signer(signer: SigningIdentity, *, at: datetime, warn_days: float) -> Iterator[Degraded]:
    """What others will say of what is signed now."""
    left = signer.not_after - at
    if left <= timedelta(0):
        meaning = "The signer's certificate has expired: nothing can be released."
        yield Degraded(part="signer", state="expired", meaning=meaning, since=signer.not_after)
    if signer.development:
        meaning = "The signer is a development certificate: others will call our releases untrusted."
        yield Degraded(part="signer", state="development", meaning=meaning)
    elif timedelta(0) < left <= timedelta(days=warn_days):
        meaning = (
            f"The signer's certificate ends in {left.days} days: renew it with `clearmark signer csr` and"
            " `clearmark signer rotate`."
        )
        yield Degraded(part="signer", state="ends-soon", meaning=meaning)


def _machine(service: Service) -> Iterator[Degraded]:
    space = process.free_space(service)
    if space.free_bytes < max(_LEAST_FREE_BYTES, _LEAST_FREE_0_1 * space.disk_bytes):
        share = space.free_bytes / space.disk_bytes
        meaning = (
            f"The disk is nearly full: {space.free_bytes / (1 << 30):.1f} GiB, {share:.0%} are free. Once it is full"
            " nothing new is taken. Make room or give it a larger disk."
        )
        yield Degraded(part="disk", state="nearly-full", meaning=meaning)
    if os.statvfs(service.blobs.staging).f_flag & os.ST_RDONLY:
        meaning = "The disk takes no changes: what is there is read, nothing new is taken. Mount it writable again."
        yield Degraded(part="disk", state="read-only", meaning=meaning)
    if missing := [said for name, said in sandbox.BOUNDS.items() if not sandbox.offers()[name]]:
        meaning = f"This system does not give the processes that open strangers' media: {'; '.join(missing)}."
        yield Degraded(part="sandbox", state="partial", meaning=meaning)
    saved = process.snapshot_of(service.settings.snapshot_path)
    is_old = saved is not None and service.now() - saved.saved_at > _SNAPSHOT_OLD
    if is_old and service.settings.is_embedded and service.index_ready.is_set():
        meaning = "The index was not written to disk for a day: the next start takes longer. See the log, housekeeping."
        yield Degraded(part="snapshot", state="old", meaning=meaning, since=saved.saved_at if saved else None)


def _is_damaged(lists: TrustLists) -> bool:
    try:
        lists.all()
    except BadTrustList:
        return True
    return False
