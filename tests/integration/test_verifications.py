"""What the registry recognises in a file, beside what the file says of itself."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from fingerprinting.extract import Extracted
from fingerprinting.model import Algorithm, Fingerprint, ItemNumber, Segment
from provenance.model import (
    Integrity,
    IntegrityState,
    ManifestFacts,
    SoftBinding,
    TimeStampFacts,
    TimeStampState,
)
from provenance.thumbnails import Thumbnail
from registry import recovery, releases, reservations, verifications, works
from registry.access import Actor, Scope
from registry.database import Database
from registry.domain.preferences import Use, Value
from registry.errors import NotFound
from registry.index import Answer, IndexEngine
from registry.models import Holder, Release, ReleaseManifest, Revocation, Verification, VerificationManifest
from registry.reservations import NewReservation
from takedown.service import Desk
from tests import factories
from tests.factories import AT

DAY = timedelta(days=1)


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
    return Extracted(fingerprint=shown)


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


def test_a_release_is_named_once_however_many_stretches_and_algorithms_find_it(
    database: Database, index: IndexEngine, known: tuple[Actor, str, str]
) -> None:
    _, _, release_id = known
    shown = factories.mixed(factories.fingerprint(2, seconds=4.0), factories.fingerprint(2, seconds=4.0, start_s=8.0))
    with database.reading() as session:
        found = verifications.recognise(session, extracted(shown), index, at=AT)
    [recovered] = found["recovered"]
    assert (recovered["release_id"], recovered["how"]) == (release_id, "fingerprint")
    assert len(recovered["segments"]) == 2
    assert "at seconds 0.0–8.0, similarity 1.00" in recovered["statement"]
    assert recovered["manifest"]["source"] == "recovered"
    assert "missing" in [change["change"] for change in recovered["differences"]]


def test_the_same_bytes_are_the_same_release_also_where_nothing_can_be_seen(
    database: Database, index: IndexEngine, known: tuple[Actor, str, str]
) -> None:
    _, _, release_id = known
    with database.reading() as session:
        carried = session.get_one(Release, release_id)
        found = verifications.recognise(session, None, index, sha256="cd" * 32, carried=carried, at=AT)
    [recovered] = found["recovered"]
    assert (recovered["release_id"], recovered["how"], recovered["similarity_0_1"]) == (release_id, "sha256", 1.0)
    assert recovered["manifest"]["source"] == "embedded"


def test_what_the_check_saw_stands_for_the_very_bytes_of_its_release(
    database: Database, known: tuple[Actor, str, str]
) -> None:
    shown, (picture,) = factories.fingerprint(2), factories.fingerprint(2).descriptors
    with database.reading() as session:
        sha256 = session.get_one(Release, known[2]).sha256
        kept = releases.fingerprint_of_file(session, sha256, [picture.algorithm, Algorithm.AUDIO_LANDMARK_V1])
        assert kept is not None
        assert kept.duration_s == shown.duration_s
        assert np.array_equal(kept.descriptors[0].vectors, picture.vectors)
        assert np.allclose(kept.descriptors[0].times_s, picture.times_s, atol=1e-3)
        # Today more is looked for in pictures than that check looked for; nothing is known of other bytes.
        newer = [picture.algorithm, Algorithm.VIDEO_SSCD_V1]
        assert releases.fingerprint_of_file(session, sha256, newer) is None
        assert releases.fingerprint_of_file(session, "00" * 32, list(Algorithm)) is None


def test_a_revoked_release_is_said_to_be_revoked(
    database: Database, index: IndexEngine, known: tuple[Actor, str, str]
) -> None:
    owner, _, release_id = known
    with database.transaction() as session:
        releases.revoke(session, owner, release_id, Revocation.BAD_CHECK, "The check was wrong.", at=AT)
    with database.reading() as session:
        found = verifications.recognise(session, extracted(factories.fingerprint(2)), index, at=AT)
    [recovered] = found["recovered"]
    said = (recovered["state"], recovered["revocation"], recovered["revoked_at"])
    assert said == ("revoked", "bad_check", AT.isoformat())


def facts(label: str, store: bytes | None) -> ManifestFacts:
    intact = Integrity(state=IntegrityState.INTACT)
    return ManifestFacts(integrity=intact, manifest_label=label, manifest_store=store, crjson="{}")


def test_only_the_very_credentials_of_a_release_are_its_own(database: Database, known: tuple[Actor, str, str]) -> None:
    _, _, release_id = known
    with database.reading() as session:
        own = verifications.release_of(session, facts("urn:c2pa:1", b"a store"), sha256=None)
        assert own is not None
        assert own.id == release_id
        file = own.sha256
        for label, store in (
            ("urn:c2pa:1", b"another's, of the same name"),
            ("urn:c2pa:1", None),
            ("urn:c2pa:2", b"a store"),
        ):
            assert verifications.release_of(session, facts(label, store), sha256=file) is None


def test_a_release_of_before_its_store_was_kept_is_known_by_its_bytes(
    database: Database, known: tuple[Actor, str, str]
) -> None:
    _, _, release_id = known
    with database.transaction() as session:
        session.execute(sa.delete(ReleaseManifest))
        file = session.get_one(Release, release_id).sha256
        own = verifications.release_of(session, facts("urn:c2pa:1", b"a store"), sha256=file)
        assert own is not None
        assert own.id == release_id
        assert verifications.release_of(session, facts("urn:c2pa:1", b"a store"), sha256="ef" * 32) is None
        assert verifications.release_of(session, facts("urn:c2pa:1", b"a store"), sha256=None) is None


def test_a_kept_answer_tells_how_a_release_stands_now(
    database: Database, index: IndexEngine, known: tuple[Actor, str, str]
) -> None:
    owner, _, release_id = known
    with database.transaction() as session:
        found = verifications.recognise(session, extracted(factories.fingerprint(2)), index, at=AT)
        release = recovery.standing(session, session.get_one(Release, release_id))
        kept = verifications.keep(session, "ab" * 32, {**found, "release": release}, at=AT)
        assert verifications.shown(session, kept)["recovered"] == found["recovered"]
        releases.revoke(session, owner, release_id, Revocation.MISTAKE, "Wrong.", at=AT)
        now = verifications.shown(session, kept)
    assert (now["release"]["state"], now["recovered"][0]["state"]) == ("revoked", "revoked")
    assert now["recovered"][0]["statement"].endswith("That release was revoked: Wrong.")


def test_what_many_files_say_alike_is_kept_once_and_goes_with_the_last(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        said = facts("urn:c2pa:9", b"s" * 100)
        read, again = (
            replace(said, crjson=f'{{"validationInfo": {{"validationTime": "2026-11-26T06:08:3{second}+00:00"}}}}')
            for second in (1, 2)
        )
        first = verifications.keep(session, "ab" * 32, {}, read, at=AT)
        second = verifications.keep(session, "cd" * 32, {}, again, at=AT + DAY)
        assert first.manifest_sha256 == second.manifest_sha256 is not None
        assert session.scalar(sa.select(sa.func.count()).select_from(VerificationManifest)) == 1
        monkeypatch.setattr(verifications, "MAX_ALL_KEPT_BYTES", 200)
        third = verifications.keep(session, "ef" * 32, {}, facts("urn:c2pa:8", b"t" * 100), at=AT)
        assert third.manifest_sha256 is None
        verifications.forget(session, older_than=AT + DAY)
        assert verifications.manifest_of(session, second.id) is not None
        verifications.forget(session, older_than=AT + 2 * DAY)
        assert session.scalar(sa.select(sa.func.count()).select_from(VerificationManifest)) == 0


def test_pictures_in_credentials_are_shown_until_what_they_show_is_taken_down(
    database: Database, index: IndexEngine, known: tuple[Actor, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, _, release_id = known
    picture = Thumbnail(manifest_label="urn:c2pa:1", media_type="image/png", content=b"a picture")
    monkeypatch.setattr(verifications, "thumbnails_of", lambda store: [picture] if store == b"a store" else [])
    with database.transaction() as session:
        found = verifications.recognise(session, extracted(factories.fingerprint(2)), index, at=AT)
        release = session.get_one(Release, release_id)
        own = {"recovered": [], "release": recovery.standing(session, release)}
        said = facts("urn:c2pa:1", b"a store")
        kept = [verifications.keep(session, "ab" * 32, answer, said, at=AT).id for answer in (found, own)]
        without = verifications.keep(session, "cd" * 32, found, at=AT).id
        assert [verifications.thumbnails(session, one) for one in (*kept, without)] == [[picture], [picture], []]
        releases.disable(session, release, at=AT)
        assert [verifications.thumbnails(session, one) for one in kept] == [[], []]
        releases.restore(session, release, at=AT)
        assert [verifications.thumbnails(session, one) for one in kept] == [[picture], [picture]]
        reviewer = factories.actor_of(session.get_one(Holder, owner.holder_id), Scope.REVIEW)
        releases.revoke(session, reviewer, release_id, Revocation.TAKEDOWN, "Upheld.", at=AT)
        assert [verifications.thumbnails(session, one) for one in kept] == [[], []]
        with pytest.raises(NotFound):
            verifications.thumbnails(session, "vrf_none")


def test_a_takedown_is_shown_once_its_notice_was_acted_on(
    database: Database, desk: Desk, known: tuple[Actor, str, str]
) -> None:
    owner, _, release_id = known
    with database.transaction() as session:
        release = session.get_one(Release, release_id)
        notice = factories.notice(session, desk, owner, release)
        assert recovery.standing(session, release)["takedown"] is None
        notice.state = "disabled"
        session.flush()
        shown = recovery.standing(session, release)["takedown"]
    assert (shown["notice_id"], shown["state"]) == (notice.id, "disabled")


def test_what_is_reserved_of_a_work_is_shown_with_it(
    database: Database, index: IndexEngine, known: tuple[Actor, str, str]
) -> None:
    owner, work_id, _ = known
    with database.transaction() as session:
        said = NewReservation(use=Use.TRAIN, value=Value.RESERVED, work_id=work_id)
        reservations.declare(session, owner, said, at=AT)
    with database.reading() as session:
        found = verifications.recognise(session, extracted(factories.fingerprint(1)), index, at=AT)
    [match] = found["registry_matches"]
    assert match["reservations"]["train"] == "reserved"
    assert match["reservations"]["search"] == "unset"
    assert match["matched_s"] == pytest.approx(12.0, abs=0.6)
    assert match["query_duration_s"] == 12.0


def test_what_everybody_may_use_is_no_match(
    database: Database, index: IndexEngine, known: tuple[Actor, str, str]
) -> None:
    _, work_id, _ = known
    assert recognised(database, index, factories.fingerprint(1)) == ([], [work_id])
    with database.transaction() as session:
        factories.negative(session, index, factories.fingerprint(1))
    assert recognised(database, index, factories.fingerprint(1)) == ([], [])


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
        time_stamp=TimeStampFacts(state=TimeStampState.TRUSTED, at=AT, authority="A clock"),
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


def segment(item: int, start_s: float, end_s: float, score: float, algorithm: Algorithm) -> Segment:
    return Segment(
        item=ItemNumber(item), algorithm=algorithm, query_start_s=start_s, query_end_s=end_s, reference_start_s=start_s,
        reference_end_s=end_s, score_0_1=score,
    )  # fmt: skip


def led_back(database: Database, index: IndexEngine, *segments: Segment) -> list[int]:
    """Which of three releases, by number, a file with these segments is said to come from."""
    with database.transaction() as session:
        maker = factories.actor(session)
        ids = {}
        for number in (1, 2, 3):
            checked = factories.check(session, maker, index, factories.fingerprint(50 + number))
            ids[ItemNumber(number)] = factories.release(session, maker, checked).id
        answer = Answer(segments=list(segments), subjects=ids, sequence=0)
        numbers = {release_id: int(number) for number, release_id in ids.items()}
        return [numbers[one.release.id] for one in recovery.recover(session, None, answer)]


PICTURE, SOUND = Algorithm.VIDEO_PHASH_V1, Algorithm.AUDIO_CHROMAPRINT_V1


def test_what_is_only_like_a_release_is_not_where_a_file_came_from(database: Database, index: IndexEngine) -> None:
    copy = segment(1, 0.0, 9.99, 0.98, PICTURE), segment(1, 0.0, 9.9, 0.95, SOUND)
    same_place = segment(2, 0.0, 10.0, 0.45, Algorithm.VIDEO_SSCD_V1)
    same_tune = segment(3, 0.0, 10.0, 0.7, SOUND)
    assert led_back(database, index, same_place, same_tune, *copy) == [1]


@pytest.mark.parametrize("length_s", [0.0, 1.2])
def test_a_still_and_the_shortest_copy_are_led_back(database: Database, index: IndexEngine, length_s: float) -> None:
    assert led_back(database, index, segment(1, 0.0, length_s, 0.9, PICTURE)) == [1]


def test_a_file_made_of_two_releases_is_led_back_to_both(database: Database, index: IndexEngine) -> None:
    one_after_another = segment(1, 0.0, 6.0, 0.9, PICTURE), segment(2, 6.0, 9.0, 0.9, PICTURE)
    assert led_back(database, index, *one_after_another) == [1, 2]


def test_picture_and_sound_may_come_from_two_releases(database: Database, index: IndexEngine) -> None:
    assert led_back(database, index, segment(1, 0.0, 9.0, 0.9, PICTURE), segment(2, 0.0, 9.0, 0.8, SOUND)) == [1, 2]


def test_releases_of_the_same_content_are_both_named(database: Database, index: IndexEngine) -> None:
    assert led_back(database, index, segment(1, 0.0, 9.0, 0.9, PICTURE), segment(2, 0.0, 9.0, 0.88, PICTURE)) == [1, 2]
    assert led_back(database, index, segment(1, 0.0, 9.0, 0.9, PICTURE), segment(2, 0.0, 9.0, 0.5, PICTURE)) == [1]


def test_only_what_tells_a_copy_from_something_alike_leads_back(database: Database, index: IndexEngine) -> None:
    assert led_back(database, index, replace(segment(1, 0.0, 9.0, 0.9, PICTURE), confirmed=False)) == []
