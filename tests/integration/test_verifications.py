"""What the registry recognises in a file, beside what the file says of itself."""

import pytest

from fingerprinting.extract import Extracted
from fingerprinting.model import Fingerprint, MediaInfo
from provenance.model import Integrity, IntegrityState, ManifestFacts, SoftBinding
from registry import releases, verifications, works
from registry.access import Actor
from registry.database import Database
from registry.index import IndexEngine
from registry.models import Release, Verification
from tests import factories
from tests.factories import AT


@pytest.fixture
def known(database: Database, index: IndexEngine) -> tuple[Actor, str, str]:
    """A holder with a work that is clip 1, and a release that is clip 2."""
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        factories.asset(session, owner, work, index, factories.fingerprint(1))
        release = factories.release(session, owner, factories.check(session, owner, index, factories.fingerprint(2)))
    return owner, work.id, release.id


def extracted(shown: Fingerprint) -> Extracted:
    """What decoding a silent clip would have given."""
    picture = MediaInfo(
        container="mp4", duration_s=shown.duration_s, width=160, height=120, video_tracks=1, audio_tracks=0
    )
    return Extracted(media=picture, fingerprint=shown)


def recognised(database: Database, index: IndexEngine, shown: Fingerprint | None) -> tuple[list[str], list[str]]:
    with database.reading() as session:
        found = verifications.recognise(session, extracted(shown) if shown else None, index, at=AT)
    return [r["release_id"] for r in found["recovered"]], [m["work_id"] for m in found["registry_matches"]]


def test_a_release_and_a_work_are_recognised_each_as_what_it_is(
    database: Database, index: IndexEngine, known: tuple[Actor, str, str]
) -> None:
    _, work_id, release_id = known
    assert recognised(database, index, factories.fingerprint(1)) == ([], [work_id])
    assert recognised(database, index, factories.fingerprint(2)) == ([release_id], [])
    assert recognised(database, index, factories.fingerprint(3)) == ([], [])
    assert recognised(database, index, None) == ([], [])


def test_a_stripped_release_is_recovered_with_the_stretch_and_its_state(
    database: Database, index: IndexEngine, known: tuple[Actor, str, str]
) -> None:
    with database.transaction() as session:
        releases.disable(session, session.get_one(Release, known[2]), at=AT)
    clip = factories.mixed(factories.fingerprint(9, seconds=4.0), factories.fingerprint(2, seconds=6.0, start_s=2.0))
    with database.reading() as session:
        [recovered] = verifications.recognise(session, extracted(clip), index, at=AT)["recovered"]
    times = [recovered[f"{side}_{end}_s"] for side in ("query", "reference") for end in ("start", "end")]
    assert times == pytest.approx([4.0, 10.0, 2.0, 8.0], abs=0.5)
    assert (recovered["state"], recovered["manifest_id"]) == ("disabled", "urn:c2pa:1")
    assert recovered["similarity_0_1"] == 1.0


def test_a_withdrawn_work_is_recognised_no_more(
    database: Database, index: IndexEngine, known: tuple[Actor, str, str]
) -> None:
    owner, work_id, _ = known
    with database.transaction() as session:
        works.withdraw(session, owner, work_id, at=AT)
    assert recognised(database, index, factories.fingerprint(1)) == ([], [])


def test_an_answer_is_kept_as_it_was_given(database: Database) -> None:
    facts = ManifestFacts(
        integrity=Integrity(state=IntegrityState.ABSENT),
        timestamp=AT,
        soft_bindings=(SoftBinding(algorithm="org.clearmark.video-phash-v1", value=b"\x00\xff"),),
    )
    answer = verifications.describe(facts)
    with database.transaction() as session:
        kept = verifications.keep(session, "ab" * 32, answer, at=AT)
    with database.reading() as session:
        stored = session.get_one(Verification, kept.id).answer
    assert stored["integrity"]["state"] == "absent"
    assert stored["timestamp"] == "2026-03-02T17:00:00+00:00"
    assert stored["soft_bindings"] == [{"algorithm": "org.clearmark.video-phash-v1", "value": "00ff"}]
