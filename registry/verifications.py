"""Verification: what can be said of a file, as separate facts.

Joins what the file says of itself (provenance) with what the registry recognises in it: releases of
this service (recovery), and registered works with what is reserved of them. It gives no overall score.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.extract import Extracted
from fingerprinting.match import covered_s
from provenance.authority import TrustAnchor
from provenance.model import ManifestFacts, SoftBinding, TimeStampState
from provenance.thumbnails import Thumbnail, thumbnails_of
from registry import checks, consents, recovery, releases
from registry.domain.identifiers import Prefix, new_id
from registry.domain.preferences import Use
from registry.domain.telling import roughly
from registry.errors import NotFound
from registry.index import Answer, IndexEngine
from registry.models import (
    Asset,
    Corpus,
    Release,
    ReleaseState,
    Revocation,
    Verification,
    VerificationManifest,
)
from registry.preferences import effective

NOT_ASKED: Final = "Not asked for: only what the file says of itself was read."
UNANSWERED: Final = "What it shows could not be looked up: the index engine does not answer. Ask again in a while."
# How long answers about files are kept that anybody may have sent.
KEPT = timedelta(days=30)
_TIMEOUT_S = 30
_MOST_WORKS, _MOST_RELEASES = 50, 20
# Stores past this are described and not kept.
MAX_KEPT_BYTES = 2 << 20
# Of crJSON, all that differs from one reading to the next.
_READ_AT = re.compile(r'"validationTime": ?"[^"]*"')
# Of all that strangers' files said, for 30 days.
MAX_ALL_KEPT_BYTES = 2 << 30


def describe(facts: ManifestFacts) -> dict[str, Any]:
    """The manifest's facts as JSON values."""
    said = asdict(facts)
    for name in ("consents", "crjson", "manifest_store"):  # tokens are opened by `consents_in`, the others kept apart
        del said[name]
    said["remote_url"] = said["integrity"].pop("remote_url")
    stamped = facts.time_stamp
    # The one time that somebody whom we know vouches for.
    said["timestamp"] = stamped.at if stamped.state is TimeStampState.TRUSTED else None
    said["soft_bindings"] = [_soft_binding(binding) for binding in facts.soft_bindings]
    return dict(recovery.plain(said))


def consents_in(
    session: Session, facts: ManifestFacts, keys: Mapping[str, Any], *, at: datetime
) -> list[dict[str, Any]]:
    """The consents that a release of ours carries, each with its state now.

    Args:
        keys: those that consents are signed with, as a JWK set.
    """
    return [consents.shown(session, stated, keys, at=at) for stated in facts.consents]


def release_of(session: Session, facts: ManifestFacts, *, sha256: str | None) -> Release | None:
    """The release of ours whose very credentials were read.

    Args:
        sha256: of the file, in hexadecimal digits.
    """
    return releases.by_store(session, facts.manifest_label, facts.manifest_store, sha256=sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What of releases and works a file shows, by indexes at `position`: what a copy of it shows there, too."""

    releases: Answer
    works: checks.Found
    position: tuple[int, int]


def look_up(
    session: Session, extracted: Extracted, engine: IndexEngine, *,
    before: Callable[[tuple[int, int]], Seen | None] = lambda _position: None,
) -> Seen:  # fmt: skip
    """Search for what a file shows.

    Args:
        before: what was seen in the same bytes when the indexes stood there; None when it is not known any more.
    Raises:
        IndexBehind: the indexes could not be brought up to date.
    """
    position = engine.epoch, engine.catch_up(session, timeout_s=_TIMEOUT_S)
    if (known := before(position)) is not None:
        return known
    query, glance = extracted.fingerprint, extracted.glance
    releases = engine.search(session, Corpus.RELEASES, query, timeout_s=_TIMEOUT_S, glance=glance)
    works = checks.search(session, engine, query, timeout_s=_TIMEOUT_S, glance=glance)
    return Seen(releases=releases, works=works, position=position)


def recognise(
    session: Session, extracted: Extracted | None, engine: IndexEngine, *, seen: Seen | None = None,
    sha256: str | None = None, anchors: Iterable[TrustAnchor] = (), carried: Release | None = None, at: datetime,
) -> dict[str, Any]:  # fmt: skip
    """Releases and works found in the file; empty lists when there is nothing to go by.

    Args:
        seen: what `look_up` found; None when it was not asked.
        sha256: of the file, in hexadecimal digits.
        carried: the release whose credentials the file itself carries.
        anchors: whom the kept manifests of releases are judged by.
    Raises:
        IndexBehind: the indexes could not be brought up to date.
    """
    fingerprint = extracted.fingerprint if extracted is not None else None
    works = []
    if extracted is not None and fingerprint is not None:
        seen = seen or look_up(session, extracted, engine)
        works = _works(session, seen.works, fingerprint.duration_s, at=at)
    recovered = recovery.recover(session, sha256, seen.releases if seen is not None else None)
    trusted = tuple(anchors)
    return {
        "recovered": [
            recovery.shown(session, one, fingerprint, trusted, carried=carried, at=at)
            for one in recovered[:_MOST_RELEASES]
        ],
        "registry_matches": works,
    }


def keep(
    session: Session, sha256: str, answer: dict[str, Any], facts: ManifestFacts | None = None, *, at: datetime
) -> Verification:  # fmt: skip
    """Keep an answer, without the file, so that it can be shown again; and what the file said, as it said it."""
    row = Verification(id=new_id(Prefix.VERIFICATION, at=at), sha256=sha256, answer=answer, created_at=at)
    session.add(row)
    session.flush()
    if facts is not None:
        row.manifest_sha256 = _keep_manifest(session, facts)
        session.flush()
    return row


def shown(session: Session, kept: Verification) -> dict[str, Any]:
    """A kept answer, in which releases stand as they do now: one that was revoked since is said to be."""
    answer = kept.answer
    held = kept.manifest_sha256 is not None
    said = {
        **answer,
        "id": kept.id, "sha256": kept.sha256, "verified_at": kept.created_at, "has_crjson": held, "has_manifest": held,
        "recovered": [_standing_now(session, one) for one in answer["recovered"]],
    }  # fmt: skip
    if said.get("release"):
        said["release"] = _standing_now(session, said["release"])
    return said


def _standing_now(session: Session, said: dict[str, Any]) -> dict[str, Any]:
    release = session.get_one(Release, said["release_id"])
    now = recovery.standing(session, release)
    statement = {"statement": said["statement"] + recovery.what_became_of(release)} if "statement" in said else {}
    return {**said, **statement, **now}


def manifest_of(session: Session, verification_id: str) -> VerificationManifest | None:
    """What a verified file said of itself, where it was kept."""
    kept = session.get(Verification, verification_id)
    return session.get(VerificationManifest, kept.manifest_sha256) if kept and kept.manifest_sha256 else None


def thumbnails(session: Session, verification_id: str) -> list[Thumbnail]:
    """The pictures that a verified file's credentials hold; none once what it shows was taken down.

    Raises:
        NotFound: there is no such verification.
    """
    kept = session.get(Verification, verification_id)
    if kept is None:
        raise NotFound(kind="verification", id=verification_id)
    named = [*kept.answer["recovered"], *([kept.answer["release"]] if kept.answer.get("release") else [])]
    shown = {one["release_id"] for one in named}
    gone = sa.select(Release.id).where(
        Release.id.in_(shown),
        sa.or_(Release.state == ReleaseState.DISABLED, Release.revocation == Revocation.TAKEDOWN),
    )
    manifest = manifest_of(session, verification_id)
    if manifest is None or (shown and session.scalar(gone.limit(1)) is not None):
        return []
    return thumbnails_of(manifest.store)


def forget(session: Session, *, older_than: datetime) -> None:
    """Let go of old answers about files that anybody may have sent, and of what no answer is about any more."""
    session.execute(sa.delete(Verification).where(Verification.created_at < older_than))
    named = sa.select(Verification.manifest_sha256).where(Verification.manifest_sha256.is_not(None))
    session.execute(sa.delete(VerificationManifest).where(VerificationManifest.sha256.not_in(named)))


def _keep_manifest(session: Session, facts: ManifestFacts) -> str | None:
    """Keep what a file said, once however often it is sent, and as long as there is room for what strangers send."""
    store, crjson = facts.manifest_store, facts.crjson
    if store is None or crjson is None or len(store) > MAX_KEPT_BYTES:
        return None
    said = _READ_AT.sub("", crjson).encode()
    sha256 = hashlib.sha256(store + said).hexdigest()
    if session.scalar(sa.select(VerificationManifest.sha256).where(VerificationManifest.sha256 == sha256)) is None:
        size = len(store) + len(crjson.encode())
        taken = session.scalar(sa.select(sa.func.sum(VerificationManifest.size_bytes))) or 0
        if taken + size > MAX_ALL_KEPT_BYTES:
            return None
        session.add(VerificationManifest(sha256=sha256, store=store, crjson=crjson, size_bytes=size))
        session.flush()
    return sha256


def _works(session: Session, found: checks.Found, duration_s: float, *, at: datetime) -> list[dict[str, Any]]:
    """Works found in a file of that length, the longest match first, as anybody may be told of them.

    What everybody may use and what is held back is left out.
    """
    by_work: dict[str, list[tuple[Asset, Any]]] = {}
    for asset, piece in checks.weighed(session, found):
        if piece.counts:
            by_work.setdefault(asset.work_id, []).append((asset, piece.segment))
    matches = []
    for work_id, pieces in by_work.items():
        segments = sorted((segment for _, segment in pieces), key=lambda segment: -segment.query_length_s)
        work = pieces[0][0].work
        held = effective(session, work, tuple(Use), at=at)
        whole_s = round(duration_s, 3)
        told = [roughly(recovery.described(one), query_duration_s=whole_s) for one in segments[:_MOST_WORKS]]
        matches.append(
            {
                "work_id": work_id,
                "title": work.title_for(None),
                **told[0],
                "matched_s": float(round(covered_s(segments))),
                "query_duration_s": whole_s,
                "confirmed": any(segment.confirmed for segment in segments),
                "segments": told,
                "reservations": {use.value: held[use].answer.value for use in Use},
            }
        )
    matches.sort(key=lambda match: -float(match["matched_s"]))
    return matches[:_MOST_WORKS]


def _soft_binding(binding: SoftBinding) -> dict[str, str]:
    return {"algorithm": binding.algorithm, "value": binding.value.hex()}
