"""Matches: what checks found of a holder's works, and who may see what of it.

What somebody asks about before they publish is theirs: the owner of a matched work learns when, which seconds of the
work, and what was answered and why, but neither who asked nor anything else of the clip. Once the clip was released it
is out in the world, and the owner may put it beside the work; that lasts while the release is only disabled, as after a
takedown, when both sides still argue about it, and ends when it is revoked for good. What of a work is shown to others,
its owner says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from fingerprinting.match import union_s
from registry import lookback, recent
from registry.access import Actor, Scope
from registry.domain import timeline
from registry.domain.policy import NoWeight, Verdict
from registry.domain.timeline import Lane, Timeline, What
from registry.errors import NotFound
from registry.models import (
    Asset,
    Check,
    CheckStatus,
    Conflict,
    Finding,
    Match,
    Notice,
    NoticeRelease,
    Release,
    ReleaseState,
    Work,
)

# Who deals with claims looks at them, too.
_READERS: Final = Scope.WORKS_WRITE, Scope.NOTICES_WRITE
_CRUMB_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Seconds [start, end) of an asset that a clip copies; those of the clip are None where they are not for the actor.

    Attributes:
        position: of the match among the check's, by which its pictures are kept.
    """

    position: int
    asset: Asset
    modality: str
    reference_start_s: float
    reference_end_s: float
    query_start_s: float | None
    query_end_s: float | None
    doubts: tuple[str, ...]
    no_weight: NoWeight | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedWork:
    """What a check found of one work.

    Attributes:
        seconds: of the work, each once.
        reasons: what the verdict said about it.
    """

    work: Work
    stretches: tuple[Stretch, ...]
    seconds: float
    reasons: tuple[str, ...]

    @property
    def modalities(self) -> list[str]:
        return sorted({stretch.modality for stretch in self.stretches}, reverse=True)

    @property
    def assets(self) -> list[Asset]:
        return list({stretch.asset.id: stretch.asset for stretch in self.stretches}.values())

    def line(self, asset: Asset) -> Timeline | None:
        """Where in an asset its seconds are; None of a still."""
        mine = [stretch for stretch in self.stretches if stretch.asset.id == asset.id]
        found = {modality: [one for one in mine if one.modality == modality] for modality in self.modalities}
        return across(asset.work.title, asset.duration_s, {modality: _drawn(some) for modality, some in found.items()})


def _drawn(stretches: Sequence[Stretch]) -> list[timeline.Stretch]:
    return [
        timeline.Stretch(
            what=What.WORK, start_s=one.reference_start_s, end_s=one.reference_end_s,
            other_start_s=one.query_start_s, other_end_s=one.query_end_s,
        )
        for one in stretches
    ]  # fmt: skip


def across(title: str, length_s: float | None, stretches: Mapping[str, Sequence[timeline.Stretch]]) -> Timeline | None:
    """Stretches of something, by modality, as a time line of all of it; None where nothing of it has a length."""
    lanes = tuple(
        Lane(of=title, title=title, modality=modality, stretches=tuple(_together(some)))
        for modality, some in sorted(stretches.items(), reverse=True)
        if some
    )
    ends_s = max([length_s or 0.0, *(one.end_s for lane in lanes for one in lane.stretches)])
    return Timeline(length_s=ends_s, lanes=lanes) if lanes and ends_s > 0 else None


def _together(stretches: Sequence[timeline.Stretch]) -> list[timeline.Stretch]:
    """In their order, without those that lie within another: several algorithms find the same."""
    kept: list[timeline.Stretch] = []
    for one in sorted(stretches, key=lambda one: (one.start_s, -one.end_s)):
        if not any(one.end_s <= other.end_s + _CRUMB_S for other in kept):
            kept.append(one)
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A check that found works of a holder's, and no more of it than is for them.

    Attributes:
        is_own: the holder asked it.
        sees_query: whether its clip is for this actor; without it, nothing about the clip is.
        release: what became of the clip, where it was let out.
        notices: those that the holder filed about that release, oldest first.
    """

    check_id: str
    at: datetime
    verdict: str
    decision: str | None
    works: tuple[MatchedWork, ...]
    is_own: bool
    sees_query: bool
    release: Release | None
    notices: tuple[str, ...]


def may_see_query(session: Session, actor: Actor, check: Check) -> bool:
    """Whether the clip of a check is for this actor.

    Whoever asked, and reviewers, always; the owner of a work that it copies, found then or looking back, once it was
    released and while that is not revoked.
    """
    copied = sa.union_all(
        sa.select(Match.work_id).where(Match.check_id == check.id),
        sa.select(Finding.work_id).where(Finding.check_id == check.id),
    )
    theirs = sa.select(Work.id).where(Work.holder_id == actor.holder_id, Work.id.in_(copied))
    is_copied = session.scalar(theirs.limit(1)) is not None
    return _sees(actor, check, recent.release_of(session, check.id), is_copied=is_copied)


def _sees(actor: Actor, check: Check, release: Release | None, *, is_copied: bool) -> bool:
    """As `may_see_query`, of an actor whose work is copied or not."""
    asks = actor.may(Scope.CHECKS_WRITE) or actor.may(Scope.RELEASES_WRITE)
    if (check.holder_id == actor.holder_id and asks) or actor.may(Scope.REVIEW):
        return True
    is_out = release is not None and release.state != ReleaseState.REVOKED
    return is_copied and is_out and any(map(actor.may, _READERS))


def title_seen_by(actor: Actor, work: Work) -> str:
    """What who asks may call a work. Reviewers read all titles: they decide about them."""
    return work.title if actor.may(Scope.REVIEW) else work.title_for(actor.holder_id)


def may_see_reference(actor: Actor, work: Work) -> bool:
    """Whether pictures of a work are for this actor: its owner, a reviewer, or anyone whom its owner lets."""
    is_shown = work.shows_frames and not work.confidential
    return is_shown or actor.may(Scope.REVIEW) or work.holder_id == actor.holder_id


def line_of(finding: Finding, asset: Asset) -> Timeline | None:
    """Where in its asset the seconds of a finding are."""
    by_modality: dict[str, list[timeline.Stretch]] = {}
    for one in finding.segments:
        stretch = timeline.Stretch(
            what=What.WORK, start_s=one["reference_start_s"], end_s=one["reference_end_s"],
            other_start_s=one["query_start_s"], other_end_s=one["query_end_s"],
        )  # fmt: skip
        by_modality.setdefault(one["modality"], []).append(stretch)
    return across(asset.work.title, asset.duration_s, by_modality)


def alike(conflict: Conflict, asset: Asset) -> Timeline | None:
    """Where in one of its assets the stretches of a conflict are."""
    one, other = ("later_s", "earlier_s") if asset.id == conflict.asset_id else ("earlier_s", "later_s")
    by_modality: dict[str, list[timeline.Stretch]] = {}
    for said in conflict.segments:
        (start_s, end_s), (other_start_s, other_end_s) = said[one], said[other]
        stretch = timeline.Stretch(
            what=What.WORK, start_s=start_s, end_s=end_s, other_start_s=other_start_s, other_end_s=other_end_s
        )
        by_modality.setdefault(said["modality"], []).append(stretch)
    return across(asset.work.title, asset.duration_s, by_modality)


def on_works_of(
    session: Session, actor: Actor, *,
    work_id: str | None = None, verdict: str | None = None, own: bool = False, before: str | None = None,
    limit: int = 50,
) -> list[Matched]:  # fmt: skip
    """What checks found of the actor's works, newest first.

    Args:
        own: also by checks that the holder asked themselves.
        before: the id of a check; only older ones.
    """
    query = _checks_of(actor, own=own)
    if work_id is not None:
        query = query.where(Match.work_id == work_id)
    if verdict is not None:
        query = query.where(Check.verdict == verdict)
    if before is not None:
        query = query.where(Check.id < before)
    return _told(session, actor, session.scalars(query.order_by(Check.id.desc()).limit(limit)).all())


def found(session: Session, actor: Actor, check_id: str) -> Matched:
    """What one check found of the actor's works. Raises: NotFound: nothing."""
    query = _checks_of(actor, own=True).where(Check.id == check_id)
    told = _told(session, actor, session.scalars(query).all())
    if not told:
        raise NotFound(kind="match", id=check_id)
    return told[0]


def works_matched(session: Session, actor: Actor, *, most: int = 200) -> list[Work]:
    """The actor's works that any check found, by title."""
    actor.require(*_READERS)
    query = sa.select(Work).where(Work.holder_id == actor.holder_id)
    query = query.where(sa.exists().where(Match.work_id == Work.id)).order_by(Work.title, Work.id)
    return list(session.scalars(query.limit(most)))


def findings(session: Session, actor: Actor, *, before: str | None = None, limit: int = 50) -> list[Finding]:
    """Outputs of before that copy works of the actor's which came later, newest first: those that are for them."""
    query = lookback.listed(actor, is_open=False)
    query = query.where(Finding.work_id.in_(sa.select(Work.id).where(Work.holder_id == actor.holder_id)))
    if before is not None:
        query = query.where(Finding.id < before)
    return list(session.scalars(query.order_by(Finding.id.desc()).limit(limit)))


def _checks_of(actor: Actor, *, own: bool) -> sa.Select[str]:
    """The ids of answered checks that found something of the actor's, each once."""
    actor.require(*_READERS)
    query = sa.select(Check.id).join(Match, Match.check_id == Check.id).join(Work, Work.id == Match.work_id)
    query = query.where(Work.holder_id == actor.holder_id, Check.status == CheckStatus.DONE)
    return (query if own else query.where(Check.holder_id != actor.holder_id)).distinct()


def _told(session: Session, actor: Actor, ids: Sequence[str]) -> list[Matched]:
    """Checks by id with all that the actor may know of them, in so many questions as for one."""
    checks = session.scalars(sa.select(Check).where(Check.id.in_(ids)).options(selectinload(Check.matches)))
    releases = {row.check_id: row for row in session.scalars(sa.select(Release).where(Release.check_id.in_(ids)))}
    matched = sa.select(Match.asset_id).where(Match.check_id.in_(ids))
    mine = sa.select(Asset).join(Work, Work.id == Asset.work_id).where(Work.holder_id == actor.holder_id)
    assets = {asset.id: asset for asset in session.scalars(mine.where(Asset.id.in_(matched)))}
    filed = sa.select(NoticeRelease.release_id, Notice.id).join(Notice, Notice.id == NoticeRelease.notice_id)
    filed = filed.where(NoticeRelease.release_id.in_([row.id for row in releases.values()]))
    notices: dict[str, list[str]] = {}
    for release_id, notice_id in session.execute(filed.where(Notice.holder_id == actor.holder_id).order_by(Notice.id)):
        notices.setdefault(release_id, []).append(notice_id)
    return [
        _matched(actor, check, assets, releases.get(check.id), notices)
        for check in sorted(checks, key=lambda check: check.id, reverse=True)
    ]


def _matched(
    actor: Actor, check: Check, assets: Mapping[str, Asset], release: Release | None,
    notices: Mapping[str, Sequence[str]],
) -> Matched:  # fmt: skip
    sees = _sees(actor, check, release, is_copied=True)
    by_work: dict[str, list[Stretch]] = {}
    for match in _distinct(check.matches):
        if asset := assets.get(match.asset_id):
            by_work.setdefault(asset.work_id, []).append(_stretch(match, asset, sees_query=sees))
    return Matched(
        check_id=check.id,
        at=check.finished_at or check.created_at,
        verdict=check.verdict or Verdict.UNKNOWN,
        decision=check.decision,
        works=tuple(_of_work(check, stretches) for stretches in by_work.values()),
        is_own=check.holder_id == actor.holder_id,
        sees_query=sees,
        release=release,
        notices=tuple(notices.get(release.id, ())) if release is not None else (),
    )


def _distinct(found: Sequence[Match]) -> list[Match]:
    """Matches, longest first, without those that say the same again: another algorithm found it, too."""
    kept: list[Match] = []
    for match in found:
        if not any(_lies_in(match, other) for other in kept):
            kept.append(match)
    return kept


def _lies_in(match: Match, other: Match) -> bool:
    return (
        (match.asset_id, match.modality, match.no_weight) == (other.asset_id, other.modality, other.no_weight)
        and match.query_start_s >= other.query_start_s - _CRUMB_S
        and match.query_end_s <= other.query_end_s + _CRUMB_S
        and match.reference_start_s >= other.reference_start_s - _CRUMB_S
        and match.reference_end_s <= other.reference_end_s + _CRUMB_S
    )


def _stretch(match: Match, asset: Asset, *, sees_query: bool) -> Stretch:
    return Stretch(
        position=match.position,
        asset=asset,
        modality=match.modality,
        reference_start_s=match.reference_start_s,
        reference_end_s=match.reference_end_s,
        query_start_s=match.query_start_s if sees_query else None,
        query_end_s=match.query_end_s if sees_query else None,
        doubts=tuple(match.doubts),
        no_weight=NoWeight(match.no_weight) if match.no_weight else None,
    )


def _of_work(check: Check, stretches: Sequence[Stretch]) -> MatchedWork:
    work = stretches[0].asset.work
    by_asset: dict[str, list[tuple[float, float]]] = {}
    for one in stretches:
        by_asset.setdefault(one.asset.id, []).append((one.reference_start_s, one.reference_end_s))
    return MatchedWork(
        work=work,
        stretches=tuple(stretches),
        seconds=sum(map(union_s, by_asset.values())),
        reasons=tuple(reason["message"] for reason in check.reasons if reason.get("work_id") == work.id),
    )
