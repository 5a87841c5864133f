"""Soft bindings: from a value computed of some content to the manifests of releases that may belong to it.

Decides which algorithms can be asked by, how alike what is asked for must be, and which releases answer: those that
are stood by. Whoever asks here cannot be told that a release was revoked or taken down, so those are not named.

Source: C2PA 2.4 Soft Binding API; IEP-0020 (the value of `io.iscc.v0`).
"""

from dataclasses import dataclass, replace

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting import iscc
from fingerprinting.extract import Extracted
from fingerprinting.iscc import BadIscc, Iscc, MainType
from fingerprinting.model import Algorithm
from fingerprinting.traits import TRAITS
from registry import recovery, releases
from registry.errors import Invalid, NotFound
from registry.index import IndexEngine
from registry.models import Corpus, Release, ReleaseManifest, ReleaseState
from registry.releases import SOFT_BINDINGS

ALGORITHMS = (iscc.ALGORITHM, *SOFT_BINDINGS)
# Of 256 bits. Films: re-encoded, scaled or brightened copies differ in up to 23, cropped by a tenth in 18 to 51, others
# in 92 and more; sound: copies in up to 4, others in 86. Pictures were measured least, and fewer bits of one are set by
# what it shows.
_NEAREST_CONTENT_BITS, _NEAREST_PICTURE_BITS, _PICTURE = 32, 12, 1
# Rows of a manifest are those of its release, so what is near to them by chance, or in another take, is not taken for
# it: exact frames are 0 to 2 bits apart, a slow scene's next moments 10 to 30. One or two rows say little.
_ROW_BITS, _LONE_ROW_BITS, _SEVERAL_ROWS = 24, 4, 4
_MOST_ROWS, _TIMEOUT_S = 64, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A manifest that may belong to some content; `similarity` is 0 to 100, 100 for what is the very same."""

    manifest_id: str
    similarity: int


def by_value(session: Session, engine: IndexEngine, algorithm: str, value: bytes, *, most: int) -> list[Binding]:
    """The manifests that a soft binding's value may belong to, the most alike first.

    Raises:
        Invalid: the algorithm is not known here, or the value is none of it.
        IndexBehind: the indexes could not be brought up to date.
    """
    if algorithm == iscc.ALGORITHM:
        try:
            code = iscc.parse(value)
        except BadIscc as error:
            raise Invalid(field="value", problem=f"It is no {algorithm} value: {error.problem}") from None
        return _by_iscc(session, code, most=most)
    if algorithm in SOFT_BINDINGS:
        return _by_rows(session, engine, SOFT_BINDINGS[algorithm], value, most=most)
    raise Invalid(field="alg", problem=f"Ask by one of {', '.join(ALGORITHMS)}.")


def by_content(
    session: Session, sha256: str, extracted: Extracted, engine: IndexEngine, *, only: Algorithm | None = None,
    most: int,
) -> list[Binding]:  # fmt: skip
    """The manifests of the releases that a file came from.

    Args:
        only: compare by this algorithm alone.
    Raises:
        IndexBehind: the indexes could not be brought up to date.
    """
    fingerprint, glance = extracted.fingerprint, extracted.glance
    if only is not None:
        fingerprint = replace(fingerprint, descriptors=tuple(d for d in fingerprint.descriptors if d.algorithm is only))
        glance = None
    found = engine.search(session, Corpus.RELEASES, fingerprint, timeout_s=_TIMEOUT_S, glance=glance)
    stood_by = [one for one in recovery.recover(session, sha256, found) if _is_given_out(session, one.release)]
    return [
        Binding(manifest_id=one.release.manifest_id, similarity=_percent(one.similarity_0_1)) for one in stood_by[:most]
    ]


def manifest_store(session: Session, manifest_id: str, *, active_only: bool = False) -> bytes:
    """The manifest store of a release that is stood by.

    Args:
        active_only: refuse one that holds its ingredients' manifests as well: without them its own would not hold.
    Raises:
        NotFound: there is none of that id.
    """
    release = releases.by_manifest(session, manifest_id)
    if release is None or not _is_given_out(session, release):
        raise NotFound(kind="manifest", id=manifest_id)
    manifests = release.manifest.get("manifests")
    if active_only and isinstance(manifests, dict) and len(manifests) > 1:
        raise NotFound(kind="manifest without its ingredients", id=manifest_id)
    return releases.manifest_store(session, release)


def _is_given_out(session: Session, release: Release) -> bool:
    """Whether a release is stood by and its credentials are kept."""
    return release.state == ReleaseState.SIGNED and session.get(ReleaseManifest, release.id) is not None


def _by_iscc(session: Session, asked: Iscc, *, most: int) -> list[Binding]:
    content = asked.of(MainType.CONTENT)
    if content is None or len(content.body) * 8 != iscc.BITS:
        raise Invalid(field="value", problem=f"It has no Content-Code of {iscc.BITS} bits.")
    kept = sa.select(Release.manifest_id, Release.iscc_body).where(
        Release.state == ReleaseState.SIGNED, Release.iscc_kind == content.sub_type
    )
    exact = session.execute(kept.where(Release.iscc_body == content.body).limit(most)).all()
    if exact:
        return [Binding(manifest_id=row.manifest_id, similarity=100) for row in exact]
    rows = session.execute(kept.where(Release.iscc_body.is_not(None))).all()
    if not rows:
        return []
    bodies = np.frombuffer(b"".join(row.iscc_body for row in rows), np.uint8).reshape(len(rows), -1)
    distances = np.bitwise_count(bodies ^ np.frombuffer(content.body, np.uint8)).sum(axis=1)
    nearest = np.argsort(distances, kind="stable")[:most]
    return [
        Binding(manifest_id=rows[i].manifest_id, similarity=_percent(1 - distances[i] / iscc.BITS))
        for i in nearest
        if distances[i] <= (_NEAREST_PICTURE_BITS if content.sub_type == _PICTURE else _NEAREST_CONTENT_BITS)
    ]


def _by_rows(
    session: Session, engine: IndexEngine, algorithm: Algorithm, value: bytes, *, most: int
) -> list[Binding]:  # fmt: skip
    """By how many of the rows, at least half, are those of a release."""
    width = algorithm.row_bytes
    if not value or len(value) % width or len(value) > width * _MOST_ROWS:
        problem = f"Give 1 to {_MOST_ROWS} rows of {width} bytes, one after another."
        raise Invalid(field="value", problem=problem)
    rows = np.frombuffer(value, np.uint8).reshape(-1, width)
    radius_bits = _ROW_BITS if len(rows) >= _SEVERAL_ROWS else _LONE_ROW_BITS
    nearest = engine.nearest(session, Corpus.RELEASES, algorithm, rows, radius_bits=radius_bits, timeout_s=_TIMEOUT_S)
    alike = {
        subject: float(np.sum(1 - distances / TRAITS[algorithm].code_bits)) / len(rows)
        for subject, distances in nearest.items()
        if 2 * len(distances) >= len(rows)
    }
    found = [session.get_one(Release, subject) for subject in sorted(alike, key=lambda one: -alike[one])]
    return [
        Binding(manifest_id=release.manifest_id, similarity=_percent(alike[release.id]))
        for release in found
        if _is_given_out(session, release)
    ][:most]


def _percent(share: float) -> int:
    return round(100 * min(1.0, max(0.0, float(share))))
