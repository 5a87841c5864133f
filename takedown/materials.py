"""What a notice is about: releases of this service, found by what the claimant can say of them, and taken down.

A release is named by its id, by its file, by a verification of its file, by the check that it came of, or by what it
shows. What lies elsewhere, on the operator's own platform, is named by its address alone; whoever runs that is told.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.match import covered_s
from fingerprinting.model import Modality
from registry import releases
from registry.access import Actor, Scope
from registry.errors import Invalid
from registry.index import Answer, fingerprint_of
from registry.models import Check, Finding, Match, Notice, NoticeRelease, Release, Verification, Work

# A copy is identical when it shows nearly all of the other and little else: seconds matched of either length.
IDENTICAL_SHARE = 0.8
_RELEASE_ID = re.compile(r"\brel_[0-9a-z]{20,40}\b")
_NONE_HERE = "There is no such release here. Name the material by its address instead."


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """By what a claimant names the material; each leads to releases, or is refused.

    Attributes:
        found: releases that a fingerprint led to, looked up before.
    """

    release_id: str | None = None
    sha256: str | None = None
    verification_id: str | None = None
    check_id: str | None = None
    found: Sequence[str] | None = None

    @property
    def is_sought(self) -> bool:
        """Whether it names material besides what the claimant says in words."""
        return any((self.release_id, self.sha256, self.verification_id, self.check_id, self.found is not None))


def named(session: Session, actor: Actor, target: Target, material: Iterable[str]) -> list[Release]:
    """The releases that a notice is about, the one it is most about first.

    Raises:
        Invalid: something names none, or what the claimant may not know of.
    """
    ids: list[str] = []
    if target.release_id is not None:
        ids += _known(session, "release_id", [target.release_id], _NONE_HERE)
    if target.sha256 is not None:
        same = sa.or_(Release.sha256 == target.sha256, Release.source_sha256 == target.sha256)
        found = session.scalars(sa.select(Release.id).where(same).order_by(Release.id)).all()
        ids += _known(session, "sha256", found, "No release here has that file. Name the material by its address.")
    if target.verification_id is not None:
        ids += _verified(session, target.verification_id)
    if target.check_id is not None:
        ids += _checked(session, actor, target.check_id)
    if target.found is not None:
        ids += _known(session, "fingerprint", target.found, "It leads to no release here. Name it by its address.")
    mentioned = (one for text in material for one in _RELEASE_ID.findall(text))
    ids += [one for one in mentioned if session.get(Release, one) is not None]
    meant = [session.get_one(Release, one) for one in dict.fromkeys(ids)]
    if len({one.holder_id for one in meant}) > 1:  # each answers for their own, and does not read what others answer
        problem = f"These are of different makers: {', '.join(one.id for one in meant)}. File a notice for each maker."
        raise Invalid(field="release_id", problem=problem)
    return meant


def _known(session: Session, field: str, ids: Sequence[str], problem: str) -> Sequence[str]:
    if not ids or any(session.get(Release, one) is None for one in ids):
        raise Invalid(field=field, problem=problem)
    return ids


def _verified(session: Session, verification_id: str) -> list[str]:
    kept = session.get(Verification, verification_id)
    if kept is None:
        problem = "There is no such verification, or not any more. Verify the file again, POST /v1/verifications."
        raise Invalid(field="verification_id", problem=problem)
    said = [kept.answer.get("release"), *kept.answer.get("recovered", ())]
    found = [one["release_id"] for one in said if one]
    return list(_known(session, "verification_id", found, "That file was led back to no release here."))


def _checked(session: Session, actor: Actor, check_id: str) -> list[str]:
    """The release of a check that matched a work of the claimant's: whose check it is, is not theirs to know."""
    theirs = sa.select(Match.check_id).join(Work, Work.id == Match.work_id)
    theirs = theirs.where(Match.check_id == check_id, Work.holder_id == actor.holder_id)
    if not actor.may(Scope.REVIEW) and session.scalar(theirs.limit(1)) is None:
        raise Invalid(field="check_id", problem="There is no such check that matched a work of yours.")
    if session.get(Check, check_id) is None:
        raise Invalid(field="check_id", problem="There is no such check.")
    return list(session.scalars(sa.select(Release.id).where(Release.check_id == check_id)))


def disable(session: Session, notice: Notice, *, at: datetime) -> None:
    """Take down every release of a notice."""
    for one in notice.releases:
        if not one.is_down:
            _take_down(session, one, at=at)


def add_copies(session: Session, notice: Notice, release_ids: Iterable[str], *, at: datetime) -> list[Release]:
    """Take down identical copies as well; returns those that this notice did not know of."""
    known = {one.release_id for one in notice.releases}
    added = [session.get_one(Release, one) for one in dict.fromkeys(release_ids) if one not in known]
    for release in added:
        row = NoticeRelease(notice_id=notice.id, release_id=release.id, is_named=False)
        notice.releases.append(row)
        session.flush()
        _take_down(session, row, at=at)
    return added


def _take_down(session: Session, row: NoticeRelease, *, at: datetime) -> None:
    row.disabled_at, row.restored_at = at, None
    releases.disable(session, session.get_one(Release, row.release_id), at=at)


def put_back(session: Session, notice: Notice, *, at: datetime) -> None:
    """Restore what a notice took down, where neither another notice nor a finding keeps it down."""
    for one in notice.releases:
        if one.is_down:
            one.restored_at = at
            session.flush()
            if not _is_kept_down(session, one.release_id):
                releases.restore(session, session.get_one(Release, one.release_id), at=at)


def _is_kept_down(session: Session, release_id: str) -> bool:
    down = NoticeRelease.disabled_at.is_not(None), NoticeRelease.restored_at.is_(None)
    notice = sa.select(NoticeRelease.release_id).where(NoticeRelease.release_id == release_id, *down)
    finding = sa.select(Finding.release_id).where(Finding.release_id == release_id, Finding.disabled_release)
    return session.scalar(notice.union_all(finding).limit(1)) is not None


# -- identical copies ----------------------------------------------------------------------------


def same_files(session: Session, release: Release) -> list[str]:
    """Releases of the same file: the same before signing, or after."""
    same = sa.or_(Release.source_sha256 == release.source_sha256, Release.sha256 == release.sha256)
    return list(session.scalars(sa.select(Release.id).where(same, Release.id != release.id)))


def identical_copies(session: Session, release: Release, found: Answer) -> list[str]:
    """Which of what a release's fingerprint matched shows the same from beginning to end, as far as can be told."""
    own = fingerprint_of(session, release.id)
    if own is None:
        return []
    copies = []
    for subject in dict.fromkeys(found.subjects.values()):
        segments = [s for s in found.segments if found.subjects[s.item] == subject and s.confirmed]
        other = fingerprint_of(session, subject) if segments and subject != release.id else None
        if other is None:
            continue
        longer_s = max(own.duration_s, other.duration_s)
        pictures = [s for s in segments if s.algorithm.modality is Modality.VIDEO]
        if covered_s(pictures or segments) >= IDENTICAL_SHARE * longer_s:
            copies.append(subject)
    return copies
