"""Public records of notices, and their exports: what anybody may read, what Lumen and the DSA database are given.

A public copy says of itself only what has no personal data in it: track, state, dates, releases, reasons from the list.
Its texts, redacted by rule, are there once a reviewer has looked and named what else must go: a rule cannot know that
"the boy next door" is somebody. What shows a person's intimacy, voice or likeness has no texts in public at all.
Everything that leaves is held against what must not be in it once more; then it is rather not published.
"""

import mimetypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import admin_actions, ledger
from registry.access import Actor, HolderKind, Scope
from registry.domain import names
from registry.errors import Conflict, Invalid, NotFound
from registry.models import Holder, MisuseDecision, Notice, NoticeEvent, Release, Strike
from registry.suspensions import Measure, Side
from takedown.domain.deadlines import BusinessCalendar
from takedown.domain.lumen import Action, PartyKind, PublicNotice, PublicParty, PublicWork, lumen_notice
from takedown.domain.redaction import REDACTED, Personal, leaks, redact
from takedown.domain.statement_of_reasons import EUROPEAN_UNION, Decided, statement
from takedown.domain.states import PUTS_BACK, Event, State
from takedown.domain.track import TrackName
from takedown.domain.transparency import Case, Report, figures
from takedown.misuse import Tier
from takedown.papers import is_down, track_of
from takedown.policy import Policy

# Nothing about a person's intimacy, voice or likeness is read by anybody but the parties and reviewers.
_WITHOUT_TEXTS = frozenset({TrackName.TAKE_IT_DOWN, TrackName.LIKENESS})
# What makes it known: a person decided, and it was shown before whose claim it is.
_DECIDED = frozenset({Event.DISABLE, Event.DECLINE, Event.REJECT_ABUSE})
# Members of `Notice.public_texts` besides the texts: an organisation's name, and what is searched.
_ORGANISATION, _SOUGHT = "claimant", "sought"
_MOST_WORDS = 10
_UNKNOWN_LANGUAGE = "und"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What a reviewer finds fit to be read by anybody."""

    terms: tuple[str, ...] = ()
    texts: bool = True
    material: bool = True
    claimant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What somebody looks for among public records."""

    words: str | None = None
    track: str | None = None
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None


# -- the public copy -----------------------------------------------------------------------------


def publish(session: Session, actor: Actor, notice: Notice, said: Publication, *, at: datetime) -> Notice:
    """Let anybody read the texts of a notice, redacted by rule and of what the reviewer names.

    Raises:
        Conflict, Invalid: as `redacted` does.
    """
    texts = redacted(session, actor, notice, said)
    texts[_SOUGHT] = " ".join(one for _, one in _all_texts(texts)).casefold()
    notice.public_texts, notice.published_by, notice.published_at = texts, actor.person, at
    session.flush()
    ledger.record(session, "notice.published", notice, at=at)
    admin_actions.note(session, admin_actions.Action.NOTICE_PUBLISHED, notice.id, by=actor, at=at)
    return notice


def redacted(session: Session, actor: Actor, notice: Notice, said: Publication) -> dict[str, Any]:
    """What anybody would read of a notice, were it published like this.

    Raises:
        Conflict: texts of this track are never public, or nothing was found to be in order yet.
        Invalid: the claimant is a person, whose name is not published.
    """
    actor.require(Scope.REVIEW)
    if not may_have_texts(notice.track):
        raise Conflict(kind="notice", id=notice.id, problem="Texts about a person's body, voice or face stay private.")
    if not is_public(notice):
        raise Conflict(kind="notice", id=notice.id, problem="Nothing was decided about it yet.")
    personal = personal_in(session, notice, said.terms)
    texts: dict[str, Any] = {}
    if said.texts:
        texts |= {name: redact(notice.content[name], personal) for name in _TEXTS if notice.content.get(name)}
    if said.material:
        texts["material"] = [redact(one, personal) for one in notice.content["material"]]
    if said.claimant:
        texts[_ORGANISATION] = _organisation(session, notice)
    left = [f"{name}: {one}" for name, one in _all_texts(texts) for one in leaks(one, personal)]
    if left:
        problem = f"Redacting it left something of a person in {left[0].partition(':')[0]}. Name it in terms."
        raise Conflict(kind="notice", id=notice.id, problem=problem)
    return texts


_TEXTS = ("work_description", "explanation")


def may_have_texts(track: str) -> bool:
    """Whether texts of a track are ever read by anybody."""
    return TrackName(track) not in _WITHOUT_TEXTS


def is_public(notice: Notice) -> bool:
    """Whether anybody may know of a notice: not before its claimant's address was shown, and a person decided."""
    happened = {one.event for one in notice.events}
    return Event.CONFIRM_EMAIL in happened and not happened.isdisjoint(_DECIDED)


def redact_again(session: Session, notice: Notice) -> None:
    """Somebody else said who they are: what was published holds nothing of them either."""
    if notice.public_texts is not None:
        personal = personal_in(session, notice)
        notice.public_texts = {
            name: [redact(one, personal) for one in value] if isinstance(value, list) else redact(value, personal)
            for name, value in notice.public_texts.items()
        }
    session.flush()


def public_copy(notice: Notice, calendar: BusinessCalendar) -> dict[str, Any]:
    """A notice as anybody may read it. Raises: NotFound: nobody may yet."""
    if not is_public(notice):
        raise NotFound(kind="public notice", id=notice.id)
    track, texts = track_of(notice), notice.public_texts or {}
    shows_releases = TrackName(notice.track) is not TrackName.TAKE_IT_DOWN
    reasons = {
        one.code: one.title for listed in track.reasons.values() for one in listed
    }  # fmt: skip
    return {
        "id": notice.id,
        "track": notice.track,
        "title": track.title,
        "statute": track.statute,
        "state": notice.state,
        "tier": notice.tier,
        "claimant": texts.get(_ORGANISATION) or "[redacted]",
        "releases": [one.release_id for one in notice.releases] if shows_releases else [],
        "work": texts.get("work_description"),
        "explanation": texts.get("explanation"),
        "material": texts.get("material"),
        "reasons": list(
            dict.fromkeys(reasons[e.reason_code] for e in notice.events if e.reason_code in reasons)
        ),
        "history": [
            {"event": e.event, "state": e.state, "actor": e.actor, "on": calendar.local_day(e.at).isoformat()}
            for e in notice.events
        ],
        "is_published": notice.public_texts is not None,
        "received_on": calendar.local_day(notice.created_at).isoformat(),
    }  # fmt: skip


def public_notices(said: Search) -> sa.Select[Any]:
    """Notices that anybody may read and that match, to be paged."""
    happened = sa.select(NoticeEvent.notice_id)
    known = happened.where(NoticeEvent.event == Event.CONFIRM_EMAIL)
    query = sa.select(Notice).where(
        Notice.id.in_(known), Notice.id.in_(happened.where(NoticeEvent.event.in_(_DECIDED)))
    )
    if said.track:
        query = query.where(Notice.track == said.track)
    if said.state:
        query = query.where(Notice.state == said.state)
    if said.since:
        query = query.where(Notice.created_at >= said.since)
    if said.until:
        query = query.where(Notice.created_at < said.until)
    if said.words:  # in what is public alone: what finds a notice must not tell of what was redacted
        texts = Notice.public_texts[_SOUGHT].as_string()
        for word in said.words.casefold().split()[:_MOST_WORDS]:
            query = query.where(sa.or_(texts.contains(word, autoescape=True), Notice.id == word))
    return query


def newest_public(
    session: Session, said: Search, *, before: str | None = None, limit: int = 20
) -> tuple[list[Notice], str | None]:
    """Notices that anybody may read and that match, newest first, and the id to go on before."""
    query = public_notices(said)
    if before:
        query = query.where(Notice.id < before)
    found = list(session.scalars(query.order_by(Notice.id.desc()).limit(limit + 1)))
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def personal_in(session: Session, notice: Notice, terms: Sequence[str] = ()) -> Personal:
    """All that a notice and the answers to it say of persons."""
    content, counter, uploader = notice.content, notice.counter or {}, notice.uploader or {}
    people = {one.holder_id for one in _releases(session, notice)} | {notice.holder_id}
    holders = session.scalars(sa.select(Holder).where(Holder.id.in_([one for one in people if one]))).all()
    persons = [one.name for one in holders if one.kind == HolderKind.PERSON]
    return Personal(
        names=_said(
            content.get("contact_name"), content.get("signature"), content.get("depicted_person"),
            counter.get("name"), counter.get("signature"), uploader.get("name"), *persons,
        ),
        addresses=_said(content.get("contact_address"), counter.get("address")),
        emails=_said(content.get("contact_email"), uploader.get("email")),
        telephones=_said(content.get("contact_telephone"), counter.get("telephone")),
        terms=tuple(terms),
    )  # fmt: skip


# -- exports -------------------------------------------------------------------------------------


def statements_of_reasons(
    session: Session, notice: Notice, calendar: BusinessCalendar, *, url: str
) -> list[dict[str, object]]:
    """A statement of reasons for each time that a notice's material was disabled (DSA art. 17, 24(5)).

    Raises:
        StatementRefused: the database would not take it; says why.
    """
    personal, releases = personal_in(session, notice), _releases(session, notice)
    disabled = [one for one in notice.events if one.event == Event.DISABLE]
    made = []
    for position, event in enumerate(disabled, 1):
        back = next((e for e in notice.events if e.position > event.position and State(e.state) in PUTS_BACK), None)
        details, track = event.details or {}, track_of(notice)
        chosen = next((one for one in track.reasons[Event.DISABLE] if one.code == event.reason_code), None)
        reason, law = (chosen.title, chosen.law or track.statute) if chosen else (track.title, track.statute)
        said = Decided(
            notice_id=notice.id,
            position=position,
            track=notice.track,
            is_trusted_flagger=notice.tier == Tier.TRUSTED_FLAGGER,
            media_type=releases[0].media_type if releases else _guessed_type(notice),
            is_synthetic=any("lgorithmicMedia" in (one.source_type or "") for one in releases),
            created_on=calendar.local_day(min(one.created_at for one in releases) if releases else notice.created_at),
            disabled_on=calendar.local_day(event.at),
            restored_on=calendar.local_day(back.at) if back else None,
            reason_code=event.reason_code or "other",
            legal_ground=redact(details["legal_ground"], personal) if details.get("legal_ground") else law,
            explanation=redact(details["explanation"], personal) if details.get("explanation") else reason,
            facts=_facts(notice, reason, personal),
            language=_UNKNOWN_LANGUAGE,  # of the content; letters have one
            automated_detection=notice.check_id is not None,
            territorial_scope=EUROPEAN_UNION,
            reference_url=f"{url}/v1/public/notices/{notice.id}" if url.startswith("https://") else None,
            incompatible=event.reason_code == "incompatible_with_terms",
        )
        made.append(statement(said))
    return made


def lumen(session: Session, notice: Notice, calendar: BusinessCalendar, policy: Policy) -> dict[str, object]:
    """A notice in Lumen's fields, from its public copy alone.

    Raises:
        NeverExported, NotExportable: it must not, or cannot, leave.
        Conflict: no reviewer published it.
    """
    copy = public_copy(notice, calendar)
    if notice.public_texts is None:
        raise Conflict(kind="notice", id=notice.id, problem="Publish it first: Lumen is given the public copy.")
    places = tuple(
        one for one in copy["material"] or () if one.startswith(("http://", "https://")) and REDACTED not in one
    )
    work = PublicWork(description=copy["work"] or copy["explanation"] or "[redacted]", infringing_urls=places)
    published = notice.public_texts.get(_ORGANISATION)
    is_person = _kind(session, notice) == HolderKind.PERSON
    return lumen_notice(
        PublicNotice(
            track=notice.track,
            title=f"{copy['title']} {notice.id}",
            body=copy["explanation"],
            received_on=date.fromisoformat(copy["received_on"]),
            action=Action.YES if is_down(notice) else Action.NO,
            language=notice.language.partition("-")[0],
            source="Online form",
            works=(work,),
            sender=PublicParty(name=published, kind=PartyKind.INDIVIDUAL if is_person else PartyKind.ORGANIZATION),
            operator=PublicParty(name=policy.operator, kind=PartyKind.ORGANIZATION),
        )
    )


# -- the transparency report ---------------------------------------------------------------------


def report(session: Session, *, start: datetime, end: datetime) -> Report:
    """The figures of a period, [start, end)."""
    if not start < end or end - start > timedelta(days=3 * 366):
        raise Invalid(field="until", problem="Ask for a period that ends after it begins, of three years at most.")
    in_period = sa.select(NoticeEvent.notice_id).where(NoticeEvent.at >= start, NoticeEvent.at < end)
    concerned = session.scalars(sa.select(Notice).where(Notice.id.in_(in_period)).order_by(Notice.id)).all()
    strikes = sa.select(Strike.side, sa.func.count().label("given")).where(
        Strike.given_at >= start, Strike.given_at < end
    )
    return figures(
        [_case(one) for one in concerned],
        start=start,
        end=end,
        suspended_claimants=_suspended(session, Side.CLAIMANT, start, end),
        suspended_uploaders=_suspended(session, Side.UPLOADER, start, end),
        strikes={row.side: row.given for row in session.execute(strikes.group_by(Strike.side))},
    )


def _case(notice: Notice) -> Case:
    complained = {State.CLAIMANT_COMPLAINT: "claimant", State.UPLOADER_COMPLAINT: "uploader"}
    return Case(
        notice_id=notice.id,
        track=notice.track,
        tier=notice.tier or Tier.UNVERIFIED,
        state=notice.state,
        history=tuple((e.event, e.state, e.at) for e in notice.events),
        materials=len(notice.releases) or len(notice.content["material"]),
        automated_detection=notice.check_id is not None,
        is_duplicate=notice.duplicate_of is not None,
        complaints=tuple(complained[State(e.state)] for e in notice.events if e.event == Event.COMPLAIN),
    )


def _suspended(session: Session, side: Side, start: datetime, end: datetime) -> int:
    query = sa.select(sa.func.count(sa.distinct(MisuseDecision.holder_id))).where(
        MisuseDecision.side == side, MisuseDecision.decision == Measure.SUSPEND,
        MisuseDecision.at >= start, MisuseDecision.at < end,
    )  # fmt: skip
    return session.scalars(query).one()


# -- parts ---------------------------------------------------------------------------------------


def _releases(session: Session, notice: Notice) -> list[Release]:
    return [session.get_one(Release, one.release_id) for one in notice.releases]


def _facts(notice: Notice, reason: str, personal: Personal) -> str:
    words = next((e.reason for e in reversed(notice.events) if e.event == Event.DISABLE and e.reason), None)
    said = f"A notice of {notice.created_at:%Y-%m-%d} was found complete and looked at by a person. {reason}."
    return f"{said} {redact(words, personal)}" if words else said


def _guessed_type(notice: Notice) -> str | None:
    guessed = (mimetypes.guess_type(one.partition("?")[0])[0] for one in notice.content["material"])
    return next(filter(None, guessed), None)


def _organisation(session: Session, notice: Notice) -> str:
    holder = session.get(Holder, notice.holder_id) if notice.holder_id else None
    if holder is None or holder.kind != HolderKind.ORGANISATION:
        raise Invalid(field="publish_claimant", problem="The claimant is a person, whose name is not published.")
    said = (notice.content.get("contact_name"), notice.content.get("signature"))
    if holder.name_key in {names.key_of(one) for one in said if one}:
        raise Invalid(field="publish_claimant", problem="The holder is named as the person is who signed.")
    return holder.name


def _kind(session: Session, notice: Notice) -> str:
    return session.get_one(Holder, notice.holder_id).kind if notice.holder_id else HolderKind.PERSON


def _all_texts(texts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in texts.items():
        if name not in (_ORGANISATION, _SOUGHT):
            yield from ((name, one) for one in (value if isinstance(value, list) else [value]))


def _said(*texts: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.strip() for text in texts if text and text.strip()))
