"""What operators do is noted with the change itself, in its transaction: who, what, when, and why where that was said.

Decides what is an act of an operator. Decisions that are on the record they are about (a check, a notice, a holder's
assurance) are not noted here a second time; `registry.audit` lists both. Rows are never changed: the ledger holds each
to what it said, so a row that was changed or taken away is found.
"""

import os
import pwd
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from registry import ledger
from registry.access import Actor
from registry.domain.identifiers import Prefix, new_id
from registry.models import AdminAction

_CONSOLE = "console:"


class Action(StrEnum):
    """What was done; stored, so never renamed."""

    KEY_MADE = "key_made"
    KEY_REVOKED = "key_revoked"
    SIGNING_KEY_ROTATED = "signing_key_rotated"
    LEDGER_KEY_ROTATED = "ledger_key_rotated"
    SIGNER_ROTATED = "signer_rotated"
    TRUST_LIST_PUT = "trust_list_put"
    TRUST_LIST_REMOVED = "trust_list_removed"
    RECORD_FORGOTTEN = "record_forgotten"
    WEBHOOK_SET = "webhook_set"
    WEBHOOKS_REPLAYED = "webhooks_replayed"
    ACCOUNT_DISABLED = "account_disabled"
    THRESHOLDS_SET = "thresholds_set"
    FLAGGER_TRUSTED = "flagger_trusted"
    FLAGGER_ENDED = "flagger_ended"
    NEGATIVE_REMOVED = "negative_removed"
    RELEASE_REVOKED = "release_revoked"
    NOTICE_PUBLISHED = "notice_published"
    UPLOADER_NAMED = "uploader_named"
    EVIDENCE_EXPORTED = "evidence_exported"
    LETTER_SENT_AGAIN = "letter_sent_again"
    LETTER_CAME_BACK = "letter_came_back"
    JOB_TRIED_AGAIN = "job_tried_again"
    JOB_SET_ASIDE = "job_set_aside"
    FLAWS_MENDED = "flaws_mended"
    BACKUP_MADE = "backup_made"
    BACKUP_RESTORED = "backup_restored"
    PERSON_EXPORTED = "person_exported"
    PERSON_ERASED = "person_erased"
    ALGORITHM_RETIRED = "algorithm_retired"


def note(
    session: Session, action: Action, subject: str, *, by: Actor | str, at: datetime, reason: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> AdminAction:  # fmt: skip
    """Put on record that an operator did something.

    Args:
        subject: the id or name of what it was done to; nothing that names a person.
        by: who; at the machine itself, `console()`.
    """
    row = AdminAction(
        id=new_id(Prefix.ADMIN_ACTION, at=at),
        action=action.value,
        subject=subject,
        reason=reason.strip() if reason and reason.strip() else None,
        details=dict(details or {}),
        by=by.person if isinstance(by, Actor) else by,
        at=at,
    )
    session.add(row)
    ledger.record(session, "operator.acted", row, at=at)
    return row


def console() -> str:
    """Who is signed in on this machine, for what is done there without a key."""
    try:
        return f"{_CONSOLE}{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:  # a container may run as a user that has no name
        return f"{_CONSOLE}{os.getuid()}"
