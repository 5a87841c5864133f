"""What is looked at when a notice comes in: the same claim again, filings in masses, and signs that its claimant is
somebody else. Gathers the facts; what they show is `domain.signals`, and people decide.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.access import HolderKind
from registry.domain.names import one_line
from registry.domain.policy import Assurance
from registry.models import (
    Agency,
    Consent,
    Domain,
    Holder,
    Notice,
    Release,
    Work,
)
from takedown.domain.signals import Filing, signals
from takedown.domain.states import OVER, State

_DAY = timedelta(days=1)


def screen(
    session: Session, notice: Notice, claimant: Holder | None, named: Sequence[Release], *, at: datetime
) -> None:  # fmt: skip
    """Group a new notice with others like it, and note what a reviewer should look at."""
    duplicates = group(session, notice)
    raised = signals(_filing(session, notice, claimant, named, duplicates, at=at))
    notice.signals = [
        {"signal": one.signal.value, "weight": one.weight.value, "explanation": one.explanation} for one in raised
    ]


def group(session: Session, notice: Notice) -> list[str]:
    """Put a notice beside others like it; returns its duplicates. Without a key only once its address is known."""
    session.flush()
    notice.digest = digest_of(notice)
    is_known = notice.holder_id is not None or notice.is_address_known
    duplicates = _duplicates(session, notice) if is_known else []
    notice.duplicate_of = duplicates[0] if duplicates else None
    return duplicates


def digest_of(notice: Notice) -> str | None:
    """The same for claims in the same words, whatever their spacing and case, and whoever makes them; None without."""
    content = notice.content
    said = (content.get(name) for name in ("work_description", "explanation", "depicted_person"))
    words = " ".join(one_line(text, max_chars=5000).casefold() for text in said if text)
    works = " ".join(sorted(content.get("work_ids") or ()))
    if not words and not works:
        return None
    return hashlib.sha256(f"{notice.track}\n{words}\n{works}".encode()).hexdigest()


def _duplicates(session: Session, notice: Notice) -> list[str]:
    """Open notices of the same claimant, on the same track, about some of the same material; the oldest first."""
    others = sa.select(Notice).where(
        _same_claimant(notice), Notice.id != notice.id, Notice.track == notice.track, Notice.state.not_in(OVER)
    )
    mine = {one.release_id for one in notice.releases}
    places = {text.strip() for text in notice.content.get("material") or ()}
    found = []
    for other in session.scalars(others.order_by(Notice.id).limit(500)):
        same = mine & {one.release_id for one in other.releases}
        if same or places & {text.strip() for text in other.content.get("material") or ()}:
            found.append(other.id)
    return found


def _filing(
    session: Session, notice: Notice, claimant: Holder | None, named: Sequence[Release], duplicates: list[str], *,
    at: datetime,
) -> Filing:  # fmt: skip
    content = notice.content
    holder_id = notice.holder_id
    works = [session.get(Work, one) for one in content.get("work_ids") or ()]
    known = [one for one in works if one is not None]
    before = sa.select(sa.func.count()).select_from(Notice).where(Notice.id != notice.id)
    mine = before.where(_same_claimant(notice))
    said_by_others = before.where(Notice.digest == notice.digest, Notice.state.not_in(OVER))
    return Filing(
        claimant_name=content.get("contact_name") or "",
        holder_name=claimant.name if claimant else "",
        holder_kind="organisation" if claimant and claimant.kind == HolderKind.ORGANISATION else "person",
        assurance=Assurance(claimant.assurance).value if claimant else "unverified",
        contact_email=content.get("contact_email") or "",
        signature=content.get("signature") or "",
        verified_domains=_domains(session, Domain.holder_id == holder_id),
        other_domains=_domains(session, Domain.holder_id != holder_id),
        works_of_others=tuple(
            one.id for one in known if one.holder_id != holder_id and not _acts_for(session, holder_id, one, at=at)
        ),
        first_notice=session.scalars(mine).one() == 0,
        filed_last_day=session.scalars(mine.where(Notice.created_at > at - _DAY)).one() + 1,
        same_text=session.scalars(said_by_others).one() if notice.digest else 0,
        duplicates=tuple(duplicates),
        rejected_before=session.scalars(mine.where(Notice.state == State.REJECTED_ABUSE)).one(),
        claims_own_release=any(one.holder_id == holder_id for one in named),
        is_consented=_is_consented(session, named, known, at=at),
        work_registered_after_release=any(
            work.created_at > release.created_at for work in known for release in named
        ),
    )  # fmt: skip


def _same_claimant(notice: Notice) -> sa.ColumnElement[bool]:
    """The same holder, or without a key the same address."""
    if notice.holder_id is not None:
        return Notice.holder_id == notice.holder_id
    address = Notice.content["contact_email"].as_string()
    known = Notice.holder_id.is_(None), Notice.is_address_known
    return sa.and_(*known, address == notice.content.get("contact_email"))


def _domains(session: Session, whose: sa.ColumnElement[bool]) -> tuple[str, ...]:
    verified = Domain.verified_at.is_not(None), Domain.lapsed_at.is_(None), Domain.let_go_at.is_(None)
    return tuple(session.scalars(sa.select(Domain.name).where(whose, *verified).order_by(Domain.name).limit(5000)))


def _acts_for(session: Session, holder_id: str | None, work: Work, *, at: datetime) -> bool:
    query = sa.select(Agency.id).where(
        Agency.agent_id == holder_id, Agency.principal_id == work.holder_id, Agency.revoked_at.is_(None),
        sa.or_(Agency.valid_until.is_(None), Agency.valid_until > at),
    )  # fmt: skip
    return session.scalar(query.limit(1)) is not None


def _is_consented(session: Session, named: Sequence[Release], persons: Sequence[Work], *, at: datetime) -> bool:
    """Whether somebody who speaks for the person granted whoever made the release a use that still holds."""
    if not named or not persons:
        return False
    query = sa.select(Consent.id).where(
        Consent.work_id.in_([one.id for one in persons]),
        Consent.grantee_id.in_([one.holder_id for one in named]),
        Consent.revoked_at.is_(None), Consent.not_before <= at,
        sa.or_(Consent.expires.is_(None), Consent.expires > at),
    )  # fmt: skip
    return session.scalar(query.limit(1)) is not None
