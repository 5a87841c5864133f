"""Verification: what can be said of a file, as separate facts.

Joins what the file says of itself (provenance) with what the registry recognises in it: releases of
this service whose credentials were stripped, and registered works. It gives no overall score.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from fingerprinting.extract import Extracted
from fingerprinting.model import Segment
from provenance.model import ManifestFacts, SoftBinding
from registry import consents, drafts
from registry.domain.identifiers import Prefix, new_id
from registry.index import IndexEngine
from registry.models import Asset, Corpus, Release, Verification

_TIMEOUT_S = 30
_MOST = 50


def describe(facts: ManifestFacts) -> dict[str, Any]:
    """The manifest's facts as JSON values."""
    said = asdict(facts)
    said["timestamp"] = facts.timestamp.isoformat() if facts.timestamp else None
    del said["consents"]  # their tokens are opened by `consents_in`
    said["soft_bindings"] = [_soft_binding(binding) for binding in facts.soft_bindings]
    return said


def consents_in(
    session: Session, facts: ManifestFacts, keys: Mapping[str, Any], *, at: datetime
) -> list[dict[str, Any]]:
    """The consents that a release of ours carries, each with its state now.

    Args:
        keys: those that consents are signed with, as a JWK set.
    """
    return [consents.shown(session, stated, keys, at=at) for stated in facts.consents]


def recognise(session: Session, extracted: Extracted | None, engine: IndexEngine, *, at: datetime) -> dict[str, Any]:
    """Releases and works found in the file; empty lists when there is nothing to go by.

    Raises:
        IndexBehind: the indexes could not be brought up to date.
    """
    if extracted is None:
        return {"recovered": [], "registry_matches": []}
    releases, works = (
        engine.search(session, corpus, extracted.fingerprint, timeout_s=_TIMEOUT_S, glance=extracted.glance)
        for corpus in (Corpus.RELEASES, Corpus.WORKS)
    )
    return {
        "recovered": [
            _recovered(session, session.get_one(Release, releases.subjects[s.item]), s, at=at)
            for s in releases.segments[:_MOST]
        ],
        "registry_matches": [
            _matched(session.get_one(Asset, works.subjects[s.item]), s) for s in works.segments[:_MOST]
        ],
    }


def keep(session: Session, sha256: str, answer: dict[str, Any], *, at: datetime) -> Verification:
    """Keep an answer, without the file, so that it can be shown again."""
    row = Verification(id=new_id(Prefix.VERIFICATION, at=at), sha256=sha256, answer=answer, created_at=at)
    session.add(row)
    session.flush()
    return row


def _recovered(session: Session, release: Release, segment: Segment, *, at: datetime) -> dict[str, Any]:
    return {
        "release_id": release.id,
        "title": release.title,
        "state": release.state,
        "manifest_id": release.manifest_id,
        "signed_at": release.created_at.isoformat(),
        **_segment(segment),
        "similarity_0_1": round(segment.score_0_1, 4),
        "consents": [consents.described(row, at=at) for row in drafts.rested_on(session, release.check_id)],
    }


def _matched(asset: Asset, segment: Segment) -> dict[str, Any]:
    return {
        "work_id": asset.work_id,
        "title": asset.work.title,
        **_segment(segment),
        "score": round(segment.score_0_1, 4),
    }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "modality": segment.algorithm.modality.value,
        "algorithm": segment.algorithm.value,
        "query_start_s": round(segment.query_start_s, 3),
        "query_end_s": round(segment.query_end_s, 3),
        "reference_start_s": round(segment.reference_start_s, 3),
        "reference_end_s": round(segment.reference_end_s, 3),
    }


def _soft_binding(binding: SoftBinding) -> dict[str, str]:
    return {"algorithm": binding.algorithm, "value": binding.value.hex()}
