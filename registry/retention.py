"""What the registry's own bookkeeping need not remember for ever: requests, sign-ins and jobs that are over.

What was declared, decided, released or filed is not among it, nor is the log of the index: that is kept, or forgotten
elsewhere by rules of its own.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.jobs import JobKind
from registry.models import IdempotencyKey, Job, JobState, SignIn

IDEMPOTENCY_KEPT = timedelta(days=90)
SIGN_INS_KEPT = timedelta(days=30)
JOBS_KEPT = timedelta(days=30)
# That these were done is looked at later: the next time-stamp is due so long after the last, and the day for
# evidence in a conflict passes once.
_LOOKED_AT_LATER = (JobKind.STAMP, JobKind.CONFLICT_DEADLINE)


def forget_bygone(session: Session, *, at: datetime) -> None:
    """Delete what was over so long ago; a job that failed stays until somebody saw it."""
    done = Job.state == JobState.DONE, Job.finished_at < at - JOBS_KEPT, Job.kind.not_in(_LOOKED_AT_LATER)
    session.execute(sa.delete(Job).where(*done))
    over = sa.or_(SignIn.expires_at < at - SIGN_INS_KEPT, SignIn.ended_at < at - SIGN_INS_KEPT)
    session.execute(sa.delete(SignIn).where(over))
    session.execute(sa.delete(IdempotencyKey).where(IdempotencyKey.created_at < at - IDEMPOTENCY_KEPT))
