"""What a reviewer looks at beside the words of a notice: who claims, who made the material, and both sides to play."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.pages import playback
from api.pages.playback import Playable
from api.service import Service
from registry.access import Actor
from registry.models import Asset, Check, Holder, Match, Notice, Release, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A release that a notice is about, with its maker; `media` is None where it cannot be played."""

    release: Release
    maker: Holder
    media: Playable | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A stretch in which a check found that the material copies a work of the claimant's."""

    match: Match
    work: Work
    query: Playable | None
    reference: Playable | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What there is to look at.

    Attributes:
        claimant: who filed it; None: somebody without an account.
        works: registered ones that the notice names, with who holds them.
        beside: the longest stretch of a match, where there is one.
    """

    claimant: Holder | None
    works: list[tuple[Work, Holder]]
    seen: list[Seen]
    beside: Beside | None


def gather(service: Service, session: Session, actor: Actor, notice_id: str) -> Evidence:
    notice = session.get_one(Notice, notice_id)
    ids = notice.content.get("work_ids") or []
    works = session.execute(sa.select(Work, Holder).join(Holder, Holder.id == Work.holder_id).where(Work.id.in_(ids)))
    about = sa.select(Release, Holder).join(Holder, Holder.id == Release.holder_id)
    made = session.execute(about.where(Release.id.in_([one.release_id for one in notice.releases]))).all()
    return Evidence(
        claimant=session.get(Holder, notice.holder_id) if notice.holder_id else None,
        works=[(work, holder) for work, holder in works],
        seen=[Seen(release=one, maker=who, media=_media(service, session, actor, one)) for one, who in made],
        beside=_beside(service, session, actor, notice, ids),
    )


def _media(service: Service, session: Session, actor: Actor, release: Release) -> Playable | None:
    """The file; of one that is down the clip that was checked, which is the same before it was signed."""
    out = playback.of_release(service, session, actor, release)
    check = session.get(Check, release.check_id)
    return out or (playback.of_check(service, session, actor, check) if check is not None else None)


def _beside(service: Service, session: Session, actor: Actor, notice: Notice, works: list[str]) -> Beside | None:
    release = session.get(Release, notice.release_id) if notice.release_id else None
    check = session.get(Check, notice.check_id or (release.check_id if release else ""))
    if check is None:
        return None
    claimed = sa.or_(Work.id.in_(works), Work.holder_id == notice.holder_id)
    found = sa.select(Match, Work).join(Work, Work.id == Match.work_id).where(Match.check_id == check.id, claimed)
    longest = found.order_by((Match.query_end_s - Match.query_start_s).desc()).limit(1)
    row = session.execute(longest).first()
    if row is None:
        return None
    match, work = row
    asset = session.get(Asset, match.asset_id)
    return Beside(
        match=match, work=work, query=playback.of_check(service, session, actor, check),
        reference=playback.of_asset(service, actor, asset) if asset is not None else None,
    )  # fmt: skip
