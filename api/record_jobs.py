"""What jobs do that open no media: rows of a catalogue, letters, domains, looks back, deadlines.

Who is outside, such as a mail server, is asked outside any transaction; what takes long is stored piece by piece and
goes on from where it ended.
"""

import itertools
import smtplib
from typing import Final

from api.mail import MaybeSent, is_refused_for_good
from api.service import Service
from registry import catalogue, conflicts, domains, imports, jobs, lookback, mail
from registry.catalogue import CatalogueFormat
from registry.errors import Invalid
from registry.jobs import Lease
from registry.models import Domain, Import, LookBack, Mail

_ROWS_AT_ONCE: Final = 50  # others may write between
_UNREADABLE: Final[dict[type[Exception], str]] = {
    UnicodeDecodeError: "It is not text in UTF-8. Save it as UTF-8 and send it again.",
    FileNotFoundError: "The file was lost before all of it was read. Send it again.",
}


def import_rows(service: Service, lease: Lease) -> None:
    """Some rows in each transaction, from where the last one ended."""
    with service.database.reading() as session:
        task = session.get_one(Import, lease.subject_id)
    problem = None
    if task.blob_key is not None:
        try:
            with service.blobs.open(task.blob_key) as path, path.open("rb") as file:
                rows = itertools.islice(catalogue.read(file, CatalogueFormat(task.format)), task.rows_done, None)
                for some in itertools.batched(rows, _ROWS_AT_ONCE):
                    with service.database.transaction() as session:
                        jobs.renew(session, lease, at=service.now())
                        imports.store(session, session.get_one(Import, task.id), some, at=service.now())
        except (Invalid, UnicodeDecodeError, FileNotFoundError) as error:
            problem = error.problem if isinstance(error, Invalid) else _UNREADABLE[type(error)]
    with service.database.transaction() as session:
        jobs.finish(session, lease, at=service.now())
        freed = imports.finish(session.get_one(Import, task.id), at=service.now(), problem=problem)
    if freed:
        service.blobs.delete(freed)


def send_letter(service: Service, lease: Lease) -> None:
    """Send a letter once: what may be out already is not handed over again."""
    post = service.post
    with service.database.transaction() as session:
        letter = session.get_one(Mail, lease.subject_id)
        is_settled = letter.sent_at is not None or letter.bounced_at is not None
        if is_settled or not (post.may_repeat or mail.hand_over(session, letter.id, at=service.now())):
            jobs.finish(session, lease, at=service.now())
            return
    try:
        post.send(letter)
    except MaybeSent:
        with service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())
            mail.hand_over(session, letter.id, at=service.now())
        return
    except (OSError, smtplib.SMTPException) as error:
        is_over, problem = is_refused_for_good(error), f"{type(error).__name__}: {error}"
        with service.database.transaction() as session:
            mail.not_taken(session, letter.id, problem, is_over=is_over, at=service.now())
            if is_over:
                jobs.finish(session, lease, at=service.now())
        if is_over:
            return
        raise
    with service.database.transaction() as session:
        jobs.finish(session, lease, at=service.now())
        mail.sent(session.get_one(Mail, lease.subject_id), at=service.now())


def look_at_domain(service: Service, lease: Lease) -> None:
    """Look again at a domain that counts."""
    with service.database.reading() as session:
        domain = session.get_one(Domain, lease.subject_id)
    found: domains.Look | domains.Unreachable | None = None
    if domains.counts(domain):
        try:
            found = domains.look(service.probe, domain.name, domain.proof)
        except domains.Unreachable as silence:
            found = silence
    with service.database.transaction() as session:
        jobs.finish(session, lease, at=service.now())
        kept = session.get_one(Domain, lease.subject_id)
        if isinstance(found, domains.Look) and domains.counts(kept):
            domains.saw(session, kept, found, at=service.now())
        elif isinstance(found, domains.Unreachable) and domains.counts(kept):
            domains.heard_nothing(session, kept, found, at=service.now())
        domains.look_again(session, kept, at=service.now())


def look_back(service: Service, lease: Lease) -> None:
    """Some outputs of before in each transaction, from where the last one ended."""
    with service.database.reading() as session:
        row = session.get_one(LookBack, lease.subject_id)
        alone = service.index.one_alone(session, row.asset_id)
    while alone is not None:
        with service.database.reading() as session:
            past = lookback.next_past(session, row, limit=_ROWS_AT_ONCE)
        if not past:
            break
        looked = [(one, alone.in_query(one.fingerprint)) for one in past]
        with service.database.transaction() as session:
            jobs.renew(session, lease, at=service.now())
            row = session.get_one(LookBack, lease.subject_id)
            lookback.note(session, row, looked, service.rules, at=service.now())
    with service.database.transaction() as session:
        jobs.finish(session, lease, at=service.now())
        lookback.finish(session.get_one(LookBack, lease.subject_id), at=service.now())


def conflict_deadline_came(service: Service, lease: Lease) -> None:
    """Decide what a conflict comes to whose day for evidence has passed."""
    with service.database.transaction() as session:
        jobs.finish(session, lease, at=service.now())
        conflicts.deadline_came(session, lease.subject_id, at=service.now())


def notice_deadline_came(service: Service, lease: Lease) -> None:
    """Take the step of a notice whose time has come."""
    with service.database.transaction() as session:
        jobs.finish(session, lease, at=service.now())
        service.desk.deadline_came(session, lease.subject_id, at=service.now())
