"""The evidence of a notice: all that is kept about it, put together as one file that proves itself, or as a paper.

Gathers from the database and the blob store; what a bundle is is `takedown.bundle`, how the
paper looks `takedown.notice_pdf`. Nothing is gathered that is not kept: pictures that were deleted after their time are
missing, and the bundle says so.
"""

import base64
import hashlib
import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import rfc8785
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api import explanations
from api.mail import message
from api.service import Service
from fingerprinting.document import to_document
from registry import ledger, ledger_keys, recovery
from registry.domain import receipt
from registry.domain.checkpoint import sign_note
from registry.errors import NotFound
from registry.facts import Record, facts_of
from registry.index import fingerprint_of
from registry.models import Asset, Check, LedgerEntry, Mail, Match, Notice, Release, ReleaseManifest, Work
from takedown import bundle
from takedown.bundle import Part
from takedown.domain.states import DECISIONS, Event
from takedown.notice_pdf import (
    AcceptedStatement,
    Contact,
    CounterNotice,
    Decision,
    DueDate,
    FramePair,
    MatchedSegment,
    MissingElement,
    NoticeDocument,
    ReleaseFacts,
    Step,
    notice_pdf,
)
from takedown.papers import assessment_of, track_of

_MOST_MATCHES, _MOST_RELEASES = 100, 50
_JSON, _JPEG = "application/json", "image/jpeg"


def paper(service: Service, session: Session, notice: Notice, *, at: datetime) -> bytes:
    """The notice as a PDF."""
    return notice_pdf(_document(service, session, notice, at=at))


def gather(service: Service, session: Session, notice: Notice, *, at: datetime) -> list[Part]:
    """What takes its time: the paper, the pictures, what checks and releases are known by. Nobody waits for it."""
    parts = [
        Part(
            path="notice.pdf", content=paper(service, session, notice, at=at), media_type="application/pdf",
            what="The notice on paper.",
        )
    ]  # fmt: skip
    for check in _checks(session, notice):
        parts += _check(service, session, check)
    for release in _releases(session, notice):
        parts += _release(session, release)
    return parts


def write_bundle(
    service: Service, session: Session, notice: Notice, gathered: list[Part], *, at: datetime
) -> bytes:  # fmt: skip
    """Everything about a notice in one zip, hashed and signed by the ledger's key.

    Args:
        gathered: what `gather` made a moment ago.
    """
    identity = service.ledger
    said = {"facts": facts_of(notice), "history": _history(notice), "statements": _statements(notice)}
    records: list[Record] = [notice, *_checks(session, notice), *_releases(session, notice)]
    parts = [
        _json("notice.json", said, "What was claimed and answered, and what became of it."),
        *gathered,
        *_receipts(service, session, records, at=at),
        *_letters(service, session, notice),
    ]
    target = io.BytesIO()
    bundle.write(
        parts,
        notice_id=notice.id,
        made_at=at,
        verifier_key=identity.verifier_key,
        sign=lambda text: sign_note(text.decode(), signer_name=identity.origin, key=identity.key),
        target=target,
    )
    return target.getvalue()


def _check(service: Service, session: Session, check: Check) -> Iterator[Part]:
    facts = {"facts": facts_of(check), "reasons": check.reasons, "engine": check.engine}
    yield _json(f"checks/{check.id}.json", facts, "A check before release, with its verdict and matches.")
    yield from _fingerprint(session, check.id, "What the check was answered by.")
    for match, pairs in _pictures(service, session, check):
        for number, pair in enumerate(pairs):
            for side in ("query", "reference"):
                if pair[side]:
                    path = f"frames/{check.id}/{match.position}-{number}-{side}.jpg"
                    where = f"{side} at {pair[f'{side}_s']:.2f} s of match {match.position}, {match.title}"
                    content = base64.b64decode(pair[side])
                    yield Part(path=path, content=content, media_type=_JPEG, what=f"A picture of the {where}.")
    assets = list(dict.fromkeys(match.asset_id for match in check.matches[:_MOST_MATCHES]))
    for asset_id in assets:
        yield from _fingerprint(session, asset_id, "What of the work was compared.")


def _release(session: Session, release: Release) -> Iterator[Part]:
    facts = {"facts": facts_of(release), "standing": recovery.plain(recovery.standing(session, release))}
    yield _json(f"releases/{release.id}.json", facts, "A release, and whether it is stood by.")
    kept = session.get(ReleaseManifest, release.id)
    if kept is not None:
        path = f"releases/{release.id}.c2pa"
        yield Part(
            path=path, content=kept.store, media_type="application/c2pa", what="The credentials it was signed with."
        )
    yield from _fingerprint(session, release.id, "What the release is known by.")


def _fingerprint(session: Session, subject_id: str, what: str) -> Iterator[Part]:
    found = fingerprint_of(session, subject_id)
    if found is not None:
        yield _json(f"fingerprints/{subject_id}.json", to_document(found), what)


def _receipts(service: Service, session: Session, records: list[Record], *, at: datetime) -> Iterator[Part]:
    for record in records:
        try:
            made = ledger.receipt(session, record, service.ledger, at=at)
        except NotFound:  # a check that was never finished has no entry
            continue
        path = f"receipts/{record.id}.json"
        yield Part(path=path, content=receipt.write(made), media_type=_JSON, what=f"Proves what {record.id} says.")
    keys = [
        {"number": key.number, "key": key.verifier_key, "handover": key.handover}
        for key in ledger_keys.history(session)
    ]
    yield _json("keys.json", keys, "The keys of the log, each introduced by the one before.")


def _letters(service: Service, session: Session, notice: Notice) -> Iterator[Part]:
    listed = []
    for letter, sent in service.desk.letters.all_of(session, notice.id):
        as_sent = Mail(
            id=sent.id, recipient=sent.recipient, subject=letter.subject, text=letter.text, html=letter.html,
            created_at=sent.created_at,
        )  # fmt: skip
        part = Part(
            path=f"letters/{sent.id}.eml", content=message(as_sent, service.settings).as_bytes(),
            media_type="message/rfc822", what=f"Letter {letter.name} to the {letter.party}, secrets left out.",
        )  # fmt: skip
        yield part
        said = {
            "path": part.path, "sha256": hashlib.sha256(part.content).hexdigest(), "name": letter.name,
            "version": letter.version, "language": letter.language, "to": letter.party, "kept_sha256": letter.sha256,
            "written": _iso(letter.written_at), "sent": _iso(sent.sent_at), "bounced": _iso(sent.bounced_at),
        }  # fmt: skip
        listed.append(said)
    yield _json("letters.json", listed, "Which letters were written, to whom, and what became of them.")


# -- the paper -----------------------------------------------------------------------------------


def _document(service: Service, session: Session, notice: Notice, *, at: datetime) -> NoticeDocument:
    content, track = notice.content, track_of(notice)
    releases = _releases(session, notice)
    decided = next((e for e in reversed(notice.events) if e.event in DECISIONS and e.by is not None), None)
    titles = {one.code: one.title for listed in track.reasons.values() for one in listed}
    numbers = sa.select(LedgerEntry.number).where(LedgerEntry.subject_id == notice.id).order_by(LedgerEntry.number)
    return NoticeDocument(
        notice_id=notice.id,
        made_at=at,
        track=track.title,
        statute=track.statute,
        state=notice.state,
        filed_at=notice.created_at,
        claimant=Contact(
            name=content.get("contact_name"), address=content.get("contact_address"),
            telephone=content.get("contact_telephone"), email=content.get("contact_email"),
        ),
        signature=content.get("signature"),
        work=content.get("work_description") or content.get("explanation") or content.get("depicted_person"),
        work_ids=tuple(content.get("work_ids") or ()),
        material=tuple(content.get("material") or ()),
        statements=_accepted(notice, "claimant"),
        missing=tuple(
            MissingElement(name=one.name, reference=one.reference, what_to_supply=one.what_to_supply)
            for one in assessment_of(notice).missing
        ),
        history=tuple(
            Step(at=e.at, what=f"{e.event} → {e.state}", by=e.actor, words=e.reason) for e in notice.events
        ),
        decision=None if decided is None else Decision(
            reason=titles.get(decided.reason_code or "", decided.event), words=decided.reason,
            fair_use=(decided.details or {}).get("fair_use"),
        ),
        counter=_counter(notice),
        matches=tuple(
            one for check in _checks(session, notice) for one in _segments(service, session, check)
        ),
        deadlines=tuple(
            DueDate(what=one.name.replace("_", " "), at=one.at, statutory=one.statutory)
            for one in service.desk.deadlines(notice)
        ),
        release=ReleaseFacts(
            id=releases[0].id, sha256=releases[0].sha256, manifest_id=releases[0].manifest_id
        ) if releases else None,
        ledger_entries=tuple(session.scalars(numbers)),
    )  # fmt: skip


def _segments(service: Service, session: Session, check: Check) -> Iterator[MatchedSegment]:
    pictures = {match.position: pairs for match, pairs in _pictures(service, session, check)}
    for match in check.matches[:_MOST_MATCHES]:
        yield MatchedSegment(
            work=match.title,
            modality=match.modality,
            query_start_s=match.query_start_s,
            query_end_s=match.query_end_s,
            reference_start_s=match.reference_start_s,
            reference_end_s=match.reference_end_s,
            score_0_1=match.score,
            frames=tuple(
                FramePair(
                    query=_decoded(pair["query"]), reference=_decoded(pair["reference"]),
                    query_s=pair["query_s"], reference_s=pair["reference_s"],
                )
                for pair in pictures.get(match.position, ())
            ),
        )  # fmt: skip


def _counter(notice: Notice) -> CounterNotice | None:
    said = notice.counter
    received = next((e.at for e in reversed(notice.events) if e.event == Event.RECEIVE_COUNTER), None)
    if said is None or received is None:
        return None
    return CounterNotice(
        received_at=received,
        contact=Contact(name=said.get("name"), address=said.get("address"), telephone=said.get("telephone")),
        signature=said.get("signature"),
        material=tuple(said.get("material") or ()),
        former_locations=tuple(said.get("former_locations") or ()),
        statements=_accepted(notice, "uploader"),
    )


def _accepted(notice: Notice, party: str) -> tuple[AcceptedStatement, ...]:
    return tuple(
        AcceptedStatement(name=one.name, version=one.version, text=one.text, accepted_at=one.accepted_at)
        for one in notice.statements
        if one.party == party
    )


# -- what is kept --------------------------------------------------------------------------------


def _releases(session: Session, notice: Notice) -> list[Release]:
    return [session.get_one(Release, one.release_id) for one in notice.releases[:_MOST_RELEASES]]


def _checks(session: Session, notice: Notice) -> list[Check]:
    """The check that a notice names, and those that its releases came of."""
    ids = [notice.check_id, *(release.check_id for release in _releases(session, notice))]
    return [session.get_one(Check, one) for one in dict.fromkeys(ids) if one is not None]


def _pictures(
    service: Service, session: Session, check: Check
) -> Iterator[tuple[Match, list[dict[str, Any]]]]:  # fmt: skip
    """What was kept to explain a check's matches; or made now, where the media is at hand."""
    kept: dict[str, Any] = json.loads(_kept_pictures(service, session, check) or b"{}")
    for match in check.matches[:_MOST_MATCHES]:
        if str(match.position) in kept:
            yield match, kept[str(match.position)]


def _kept_pictures(service: Service, session: Session, check: Check) -> bytes | None:
    if check.explanation_key is not None:
        try:
            with service.blobs.open(check.explanation_key) as path:
                return path.read_bytes()
        except FileNotFoundError:
            return None
    if not check.matches:
        return None
    files = sa.select(Asset.id, Asset.blob_key).join(Work, Work.id == Asset.work_id)
    files = files.where(Asset.id.in_({match.asset_id for match in check.matches}), Asset.blob_key.is_not(None))
    media = {row.id: row.blob_key for row in session.execute(files)}
    return explanations.make(service, check, list(check.matches), media)


def _history(notice: Notice) -> list[dict[str, Any]]:
    return [
        {
            "event": e.event, "state": e.state, "actor": e.actor, "by": e.by, "reason_code": e.reason_code,
            "reason": e.reason, "details": e.details, "at": _iso(e.at),
        }
        for e in notice.events
    ]  # fmt: skip


def _statements(notice: Notice) -> list[dict[str, Any]]:
    return [
        {
            "party": one.party, "name": one.name, "version": one.version, "text": one.text, "address": one.address,
            "accepted": _iso(one.accepted_at),
        }
        for one in notice.statements
    ]  # fmt: skip


def _json(path: str, value: object, what: str) -> Part:
    return Part(path=path, content=rfc8785.dumps(value), media_type=_JSON, what=what)  # type: ignore[arg-type]


def _decoded(picture: str | None) -> bytes | None:
    return base64.b64decode(picture) if picture else None


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
