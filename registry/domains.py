"""Domains: a holder shows that a domain answers for them, and it is looked at again from time to time.

The holder puts a text of ours where only who controls the domain can: a DNS TXT record at `_clearmark.<domain>`, or
a file at `https://<domain>/.well-known/clearmark.txt`. One day's failure ends nothing; several in a row do, and
more of them where nobody could even be asked: that may be our own fault.
A record speaks for all that lies under the domain, a file for that host alone: who may put files on one host has
nothing to say of others. Of several proofs the nearest to a host counts.
How records and files are fetched is the edge's (`DomainProbe`); what this shows of the holder, `registry.assurance`'s.
"""

import itertools
import re
import secrets
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import assurance
from registry.access import Actor, Scope
from registry.assurance import Cause
from registry.database import among
from registry.domain.identifiers import Prefix, new_id
from registry.errors import Invalid, NotFound, RegistryError, TooSoon
from registry.jobs import JobKind, enqueue
from registry.locations import domains_of
from registry.models import Domain, Holder, Job, JobState

LOOK_AGAIN = timedelta(days=1)
# A domain whose proof is gone for this many looks in a row no longer answers for the holder.
FAILURES_TO_LAPSE = 3
# Nor does one whose DNS gave no answer so often: whoever controls it could otherwise keep a claim by silence.
SILENCES_TO_LAPSE = 7
# An asker may have a domain looked at this often.
LOOK_PAUSE = timedelta(minutes=1)
_MOST = 100
_NAME = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")


class Method(StrEnum):
    """Where the proof was found."""

    DNS = "dns"
    FILE = "file"


class Unreachable(RegistryError):
    """Neither names nor pages could be asked at all; it says nothing about the domain."""


class DomainProbe(Protocol):
    """Asks the world; never more than some seconds, never an inner address."""

    def texts(self, name: str) -> list[str]:
        """The TXT records of a name. Raises: Unreachable."""

    def file(self, domain: str) -> str | None:
        """The beginning of the domain's `/.well-known/clearmark.txt`, or None when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at a domain found."""

    method: Method | None
    problem: str | None


def record_name(domain: str) -> str:
    return f"_clearmark.{domain}"


def file_url(domain: str) -> str:
    return f"https://{domain}/.well-known/clearmark.txt"


def claim(session: Session, actor: Actor, name: str, *, at: datetime) -> Domain:
    """Say that a domain is one's own; returns what is to be put there. Saying it again changes nothing."""
    actor.require(Scope.HOLDER_WRITE)
    name = _checked(name)
    known = session.scalar(sa.select(Domain).where(Domain.holder_id == actor.holder_id, Domain.name == name))
    if known is not None:
        if known.let_go_at is not None:
            known.let_go_at, known.proof, known.problem = None, _new_proof(), None
        return known
    count = session.scalar(sa.select(sa.func.count()).where(Domain.holder_id == actor.holder_id))
    if (count or 0) >= _MOST:
        raise Invalid(field="domain", problem=f"A holder may name {_MOST} domains.")
    row = Domain(
        id=new_id(Prefix.DOMAIN, at=at),
        holder_id=actor.holder_id,
        name=name,
        proof=_new_proof(),
        created_at=at,
    )
    session.add(row)
    session.flush()
    return row


def own(session: Session, actor: Actor, domain_id: str) -> Domain:
    """A domain that the actor's holder named. Raises: NotFound."""
    actor.require(Scope.HOLDER_WRITE)
    row = session.get(Domain, domain_id)
    if row is None or row.holder_id != actor.holder_id or row.let_go_at is not None:
        raise NotFound(kind="domain", id=domain_id)
    return row


def of_holder(session: Session, actor: Actor) -> list[Domain]:
    actor.require(Scope.HOLDER_WRITE)
    own = sa.select(Domain).where(Domain.holder_id == actor.holder_id, Domain.let_go_at.is_(None))
    return list(session.scalars(own.order_by(Domain.id)))


def let_go(session: Session, actor: Actor, domain_id: str, *, at: datetime) -> None:
    """Say no longer that a domain is one's own."""
    _let_go(session, own(session, actor, domain_id), at=at)


def let_all_go(session: Session, holder_id: str, *, at: datetime) -> None:
    """No domain is a holder's any more."""
    for row in session.scalars(
        sa.select(Domain).where(Domain.holder_id == holder_id, Domain.let_go_at.is_(None))
    ).all():
        _let_go(session, row, at=at)


def begin_look(session: Session, actor: Actor, domain_id: str, *, at: datetime) -> Domain:
    """Note that a holder's domain is looked at now, before it is. Raises: NotFound, TooSoon."""
    row = own(session, actor, domain_id)
    if row.checked_at is not None and row.checked_at > at - LOOK_PAUSE:
        wait_s = (row.checked_at + LOOK_PAUSE - at).total_seconds()
        raise TooSoon(problem="It was looked at a moment ago. Ask again in a minute.", wait_s=wait_s)
    row.checked_at = at
    return row


def look(probe: DomainProbe, name: str, proof: str) -> Look:
    """Look for the proof, in the DNS and then on the site; outside any transaction, for it takes seconds.

    Raises:
        Unreachable: the DNS could not be asked, and there is no such file.
    """
    silence: Unreachable | None = None
    try:
        if proof in (text.strip() for text in probe.texts(record_name(name))):
            return Look(method=Method.DNS, problem=None)
    except Unreachable as error:
        silence = error
    written = probe.file(name)
    if written is not None and proof in (line.strip() for line in written.splitlines()):
        return Look(method=Method.FILE, problem=None)
    if silence is not None:
        raise silence
    where = f"a TXT record at {record_name(name)}, or a line of {file_url(name)}"
    return Look(method=None, problem=f"The text was not found. Put it where we look: {where}.")


def saw(session: Session, domain: Domain, found: Look, *, at: datetime) -> None:
    """Take a look into account; once the proof was found, it is looked at every day."""
    domain.checked_at, domain.problem = at, found.problem
    if found.method is not None:
        domain.failures, domain.silences, domain.method = 0, 0, found.method.value
        if not counts(domain):
            domain.verified_at, domain.lapsed_at = at, None
            holder = session.get_one(Holder, domain.holder_id)
            assurance.settle(session, holder, Cause.DOMAIN_SHOWN, note=domain.name, at=at)
            look_again(session, domain, at=at)
        return
    domain.failures, domain.silences = domain.failures + 1, 0
    _lapse_if_due(session, domain, at=at)


def heard_nothing(session: Session, domain: Domain, silence: Unreachable, *, at: datetime) -> None:
    """Take into account that nobody could be asked."""
    domain.checked_at, domain.problem = at, str(silence)
    domain.silences += 1
    _lapse_if_due(session, domain, at=at)


def _lapse_if_due(session: Session, domain: Domain, *, at: datetime) -> None:
    due = domain.failures >= FAILURES_TO_LAPSE or domain.silences >= SILENCES_TO_LAPSE
    if due and counts(domain):
        domain.lapsed_at = at
        holder = session.get_one(Holder, domain.holder_id)
        assurance.settle(session, holder, Cause.DOMAIN_LAPSED, note=domain.name, at=at)


def counts(domain: Domain) -> bool:
    """Whether a domain answers for its holder now."""
    return domain.verified_at is not None and domain.lapsed_at is None


def answering(session: Session, holder_id: str) -> list[str]:
    """The domains that answer for a holder now: those that `counts` names, and none that was let go."""
    shown = Domain.verified_at.is_not(None), Domain.lapsed_at.is_(None), Domain.let_go_at.is_(None)
    query = sa.select(Domain.name).where(Domain.holder_id == holder_id, *shown)
    return list(session.scalars(query.order_by(Domain.name)))


def masters(session: Session, hosts: Collection[str], *, at: datetime) -> dict[str, frozenset[str]]:
    """The holders who speak for each host, alone; a host without any is not there."""
    lines = {host: domains_of(host) for host in hosts}
    shown = defaultdict[str, set[str]](set)
    by_record = defaultdict[str, set[str]](set)
    if names := set(itertools.chain.from_iterable(lines.values())):
        answering = Domain.verified_at <= at, sa.or_(Domain.lapsed_at.is_(None), Domain.lapsed_at > at)
        query = sa.select(Domain.name, Domain.holder_id, Domain.method)
        for name, holder_id, method in session.execute(query.where(among(session, Domain.name, names), *answering)):
            shown[name].add(holder_id)
            if method == Method.DNS:
                by_record[name].add(holder_id)
    found = {}
    for host, (itself, *above) in ((host, line) for host, line in lines.items() if line):
        nearest = (shown.get(itself), *map(by_record.get, above))
        if speakers := next(filter(None, nearest), None):
            found[host] = frozenset(speakers)
    return found


def look_again(session: Session, domain: Domain, *, at: datetime) -> None:
    """Arrange the next look at a domain that still counts, unless it is arranged already."""
    arranged = sa.exists().where(Job.subject_id == domain.id, Job.kind == JobKind.DOMAIN, Job.state == JobState.QUEUED)
    if counts(domain) and not session.scalar(sa.select(arranged)):
        enqueue(session, JobKind.DOMAIN, domain.id, at=at, run_at=at + LOOK_AGAIN)


def _let_go(session: Session, row: Domain, *, at: datetime) -> None:
    row.let_go_at = at
    if counts(row):
        row.lapsed_at = at
    assurance.settle(session, session.get_one(Holder, row.holder_id), Cause.DOMAIN_LAPSED, note=row.name, at=at)


def _new_proof() -> str:
    return f"clearmark-verification={secrets.token_urlsafe(24)}"


def _checked(name: str) -> str:
    try:
        name = name.strip().lower().removesuffix(".").encode("idna").decode()
    except UnicodeError:
        name = ""
    if not _NAME.fullmatch(name):
        raise Invalid(field="domain", problem="Give a domain name alone, such as studio.example.")
    return name
