"""Drafts: clips that are made with a person, as those who make them say in the context of a check.

Keeps whom a check names and which consents it presents, tells the persons, and answers what this comes to when the
verdict is given and again when the clip is released: a consent may be revoked between. Who is in a clip that names
nobody is not looked at: there is no recognition of faces or voices here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.model import Modality
from provenance.model import AssertedConsent
from registry.access import Actor
from registry.consents import grant_of, opened, own_person
from registry.domain.consent import Asked, Coverage, Gap, Part, State, Uses, coverage, named_in, unknown_person
from registry.domain.policy import Assurance, NamedPerson, Policy, Uncounted
from registry.domain.preferences import Use
from registry.errors import Conflict
from registry.models import Check, Consent, Draft, Holder, PresentedConsent, Release, Work
from registry.outbox import tell
from registry.preferences import effective, rivals_of
from registry.works import PERSONS

_PARTS = {Modality.VIDEO: Part.LIKENESS, Modality.AUDIO: Part.VOICE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What persons and consents come to for one check."""

    persons: tuple[NamedPerson, ...] = ()
    uncounted: tuple[Uncounted, ...] = ()
    coverage: Mapping[str, Coverage] = field(default_factory=dict)

    def covers(self, work_id: str, modalities: set[Modality]) -> tuple[str, ...]:
        """The consents under which a clip may show a person's reference clips in these modalities."""
        found = self.coverage.get(work_id)
        return found.of(_PARTS[modality] for modality in modalities) if found else ()


def note(session: Session, check: Check, keys: Mapping[str, Any], *, at: datetime) -> None:
    """Keep whom a check names, and what it presents for them; each person is told at once.

    A token names its person too: who presents one says that the person is in the clip.

    Raises:
        Invalid: its context cannot be understood, or names nobody who is registered.
    """
    named = named_in(check.context)
    works = {row.id: row for row in session.scalars(sa.select(Work).where(Work.id.in_(named.persons)))}
    for person in named.persons:
        work = works.get(person)
        if work is None or work.kind not in PERSONS or work.withdrawn_at is not None:
            raise unknown_person(person)
    found = list(dict.fromkeys(opened(session, token, keys) for token in named.tokens))  # each consent once
    check.presented = [_presented(position, one) for position, one in enumerate(found)]
    works |= {one.work_id: one.work for one in found if isinstance(one, Consent)}
    check.drafts = [
        Draft(work=works[person], position=position, uses=named.persons.get(person, Uses.BOTH).value)
        for position, person in enumerate(dict.fromkeys([*named.persons, *works]))
    ]
    session.flush()
    for draft in check.drafts:
        payload = {"id": check.id, "work_id": draft.work_id, "sha256": check.sha256}
        tell(session, draft.work.holder_id, "draft.made", payload, at=at)


def _presented(position: int, found: Consent | Gap) -> PresentedConsent:
    if isinstance(found, Gap):
        return PresentedConsent(position=position, gap=found.value)
    return PresentedConsent(position=position, consent=found)


def hear(session: Session, check: Check, *, at: datetime) -> Heard:
    """What holds for the persons of a check now; the consents that its verdict rests on are marked."""
    if not check.drafts and not check.presented:
        return Heard()
    grants = [grant_of(one.consent) for one in check.presented if one.consent is not None]
    project = named_in(check.context).project
    found = {
        draft.work_id: coverage(
            Asked(
                person=draft.work_id,
                pipeline=check.holder_id,
                uses=Uses(draft.uses),
                clip_sha256=check.sha256,
                project=project,
            ),
            grants,
            at=at,
        )
        for draft in check.drafts
    }
    counted = {grant.id for one in found.values() for grant in one.grants}
    for presented in check.presented:
        presented.counts = presented.consent_id in counted
    return Heard(
        persons=tuple(_person(session, check, draft.work, found[draft.work_id], at=at) for draft in check.drafts),
        uncounted=tuple(_uncounted(check.presented, found)),
        coverage=found,
    )


def _person(session: Session, check: Check, work: Work, found: Coverage, *, at: datetime) -> NamedPerson:
    preference = effective(session, work, (Use.DEPICT_IN_OUTPUT,), at=at)[Use.DEPICT_IN_OUTPUT]
    return NamedPerson(
        work_id=work.id,
        title=work.title_for(check.holder_id),
        policy=Policy(work.policy),
        assurance=Assurance(work.holder.assurance),
        own=work.holder_id == check.holder_id,
        disputed=bool(rivals_of(session, work, at=at)),
        preference=preference.answer,
        consents=tuple(grant.id for grant in found.grants) if found.is_whole else (),
    )


def _uncounted(presented: Sequence[PresentedConsent], found: Mapping[str, Coverage]) -> list[Uncounted]:
    """Every consent that was presented and does not count, or covers one part of two, with the reason."""
    told = []
    for one in presented:
        if one.consent is None:
            told.append(Uncounted(gap=Gap(one.gap or Gap.UNKNOWN)))
            continue
        of = found[one.consent.work_id]
        gap = of.gaps.get(one.consent.id) or (None if of.is_whole else Gap.OTHER_USE)
        if gap is not None:
            told.append(Uncounted(gap=gap, consent_id=one.consent.id, work_id=one.consent.work_id))
    return told


def rested_on(session: Session, check_id: str) -> list[Consent]:
    """The consents that a verdict rests on, in the order in which they were presented."""
    of_check = PresentedConsent.check_id == check_id, PresentedConsent.counts
    return list(
        session.scalars(sa.select(Consent).join(PresentedConsent).where(*of_check).order_by(PresentedConsent.position))
    )


def still_granted(session: Session, check: Check, *, at: datetime) -> tuple[AssertedConsent, ...]:
    """The consents that a verdict rests on, for the manifest of its release.

    Raises:
        Conflict: one of them is no longer granted.
    """
    granted = []
    for row in rested_on(session, check.id):
        state = grant_of(row).state(at=at)
        if state is not State.GRANTED:
            problem = f"The consent {row.id}, which its verdict rests on, is {state.value}. Check the file again."
            raise Conflict(kind="check", id=check.id, problem=problem)
        granted.append(AssertedConsent(consent_id=row.id, token=row.token))
    return tuple(granted)


def of_person(session: Session, actor: Actor, work_id: str) -> sa.Select[Draft]:
    """The drafts of a person, for one who speaks for them."""
    return sa.select(Draft).where(Draft.work_id == own_person(session, actor, work_id).id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a person sees of a clip made with them; the media stays with its maker."""

    check_id: str
    holder_id: str
    holder: str
    uses: Uses
    sha256: str | None
    project: str | None
    verdict: str | None
    decision: str | None
    consents: tuple[str, ...]
    release_id: str | None
    release_state: str | None
    created_at: datetime


def made(session: Session, draft: Draft) -> Made:
    """A draft with who made it, and what became of it."""
    check = session.get_one(Check, draft.check_id)
    release = session.scalar(sa.select(Release).where(Release.check_id == check.id))
    return Made(
        check_id=check.id,
        holder_id=check.holder_id,
        holder=session.get_one(Holder, check.holder_id).name,
        uses=Uses(draft.uses),
        sha256=check.sha256,
        project=named_in(check.context).project,
        verdict=check.verdict,
        decision=check.decision,
        consents=tuple(row.id for row in rested_on(session, check.id) if row.work_id == draft.work_id),
        release_id=release.id if release else None,
        release_state=release.state if release else None,
        created_at=check.created_at,
    )
