"""Releases: what may go out, that no other file does, and that a failure leaves nothing behind."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from api.service import Service
from api.signing import release_check
from provenance.errors import SigningFailed
from provenance.model import IntegrityState, Relationship
from provenance.source_types import SourceType
from registry import checks, releases
from registry.access import Actor, Scope
from registry.checks import VALIDITY, DecisionValue, Unanswerable
from registry.domain.policy import Policy
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.index import fingerprint_of
from registry.models import Check, Corpus, Item, LedgerEntry, Release, Revocation
from registry.releases import NewRelease, UsedFile
from tests import factories
from tests.factories import AT
from tests.fakes import Clock, FakeProvenance
from tests.integration.at_once import at_once

MEDIA = b"a clip, as it was checked"
CLIP = factories.fingerprint(2)


def stored(service: Service, blob_key: str, media: bytes = MEDIA) -> str:
    """Put media under a key, as an upload does; its SHA-256."""
    path = service.blobs.staging / "upload"
    path.write_bytes(media)
    service.blobs.adopt(path, blob_key)
    return hashlib.sha256(media).hexdigest()


def checked(service: Service, *, matches: Policy | None = None) -> tuple[Actor, str]:
    """A pipeline and its answered check of `MEDIA`, which copies a work of that policy."""
    sha256 = stored(service, "check_1")
    with service.database.transaction() as session:
        maker = factories.actor(session)
        if matches is not None:
            owner = factories.actor(session)
            factories.asset(session, owner, factories.work(session, owner, policy=matches), service.index, CLIP)
        return maker, factories.check(session, maker, service.index, CLIP, sha256=sha256).id


def signed(service: Service, maker: Actor, check_id: str) -> Release:
    return release_check(service, maker, NewRelease(check_id=check_id, title="Train", generator_name="gen"))


def refusal(service: Service, maker: Actor, check_id: str) -> str:
    with pytest.raises(Conflict) as refused:
        signed(service, maker, check_id)
    assert_nothing_is_left(service)
    return refused.value.problem


def assert_nothing_is_left(service: Service) -> None:
    later = AT + timedelta(days=36500)  # files bear the machine's time
    assert [key for key in service.blobs.keys(older_than=later) if key.startswith("release_")] == []
    assert list(service.blobs.staging.iterdir()) == []
    with service.database.reading() as session:
        assert session.scalars(sa.select(Release)).all() == []
        assert session.scalars(sa.select(Item).where(Item.corpus == Corpus.RELEASES)).all() == []
        assert session.scalars(sa.select(LedgerEntry).where(LedgerEntry.data.contains("release"))).all() == []


def test_what_is_clear_goes_out_signed(service: Service, provenance: FakeProvenance) -> None:
    maker, check_id = checked(service)
    release = signed(service, maker, check_id)
    with service.blobs.open(release.blob_key) as path:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == release.sha256
        facts = provenance.read(path, "video/mp4")
    assert (facts.integrity.state, facts.manifest_label) == (IntegrityState.INTACT, release.manifest_id)
    with service.database.reading() as session:
        kept = session.get_one(Release, release.id)
    assert (kept.holder_id, kept.check_id, kept.state, kept.title) == (maker.holder_id, check_id, "signed", "Train")
    assert (kept.source_sha256, kept.created_at) == (hashlib.sha256(MEDIA).hexdigest(), AT)
    assert kept.manifest["label"] == release.manifest_id
    assert list(service.blobs.staging.iterdir()) == []


def test_a_manifest_states_the_check_that_the_release_rests_on(service: Service, provenance: FakeProvenance) -> None:
    maker, check_id = checked(service)
    release = signed(service, maker, check_id)
    [claim] = provenance.claims
    assert (claim.release_id, claim.check.check_id, claim.check.verdict) == (release.id, check_id, "clear")
    assert (claim.check.checked_at, claim.created_at) == (AT, AT)
    assert claim.source_type is SourceType.TRAINED_ALGORITHMIC_MEDIA
    with service.database.reading() as session:
        assert claim.check.ledger_index is not None
        entry = session.get_one(LedgerEntry, claim.check.ledger_index)
    assert entry.subject_id == check_id
    [binding] = claim.soft_bindings
    assert binding.algorithm == "org.clearmark.video-phash-v1"
    rows = {row.tobytes() for row in CLIP.descriptors[0].vectors}
    assert {binding.value[i : i + 32] for i in range(0, len(binding.value), 32)} <= rows


def test_a_release_is_found_again_by_its_fingerprint(service: Service) -> None:
    maker, check_id = checked(service)
    release = signed(service, maker, check_id)
    excerpt = factories.fingerprint(2, seconds=6.0, start_s=3.0)
    with service.database.reading() as session:
        found = service.index.search(session, Corpus.RELEASES, excerpt, timeout_s=30)
        assert [found.subjects[segment.item] for segment in found.segments] == [release.id]
        assert service.index.search(session, Corpus.WORKS, excerpt, timeout_s=30).segments == []
        assert fingerprint_of(session, release.id) is not None


@pytest.mark.parametrize("decision", [None, DecisionValue.REJECT, DecisionValue.APPROVE])
def test_what_is_for_review_goes_out_only_when_approved(service: Service, decision: DecisionValue | None) -> None:
    maker, check_id = checked(service, matches=Policy.REVIEW)
    if decision is not None:
        with service.database.transaction() as session:
            checks.review(session, factories.reviewer(session), check_id, decision, "Seen it.", at=AT)
    if decision is DecisionValue.APPROVE:
        assert signed(service, maker, check_id).state == "signed"
    else:
        assert "review" in refusal(service, maker, check_id)


def test_what_is_blocked_never_goes_out(service: Service) -> None:
    maker, check_id = checked(service, matches=Policy.BLOCK)
    assert "block" in refusal(service, maker, check_id)


def test_what_was_not_looked_at_never_goes_out(service: Service) -> None:
    with service.database.transaction() as session:
        maker = factories.actor(session)
        unknown = factories.check(session, maker, service.index, Unanswerable(code="corrupt", message="Damaged.")).id
        unfinished = checks.ask(session, maker, context={}, at=AT, blob_key="check_2", sha256="0" * 64).id
        by_fingerprint = factories.check(session, maker, service.index, CLIP, sha256=None, blob_key=None).id
    assert "unknown" in refusal(service, maker, unknown)
    assert "not finished" in refusal(service, maker, unfinished)
    assert "fingerprint" in refusal(service, maker, by_fingerprint)


def test_a_check_is_valid_until_it_expires(service: Service, clock: Clock) -> None:
    maker, check_id = checked(service)
    clock.pass_by(VALIDITY)
    assert "no longer valid" in refusal(service, maker, check_id)
    clock.pass_by(-timedelta(microseconds=1))
    assert signed(service, maker, check_id).state == "signed"


def test_a_check_that_expires_while_its_file_is_signed_releases_nothing(
    service: Service, clock: Clock, provenance: FakeProvenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker, check_id = checked(service)
    sign = provenance.sign

    def slow(*arguments: object) -> object:
        clock.pass_by(VALIDITY)
        return sign(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(provenance, "sign", slow)
    assert "no longer valid" in refusal(service, maker, check_id)


def test_a_check_releases_once(service: Service) -> None:
    maker, check_id = checked(service)
    release = signed(service, maker, check_id)
    with pytest.raises(Conflict) as refused:
        signed(service, maker, check_id)
    assert release.id in refused.value.problem


def test_of_two_who_release_at_once_one_is_refused(service: Service) -> None:
    maker, check_id = checked(service)
    outcomes = at_once(*[lambda: signed(service, maker, check_id)] * 3)
    assert sorted(str(type(outcome).__name__) for outcome in outcomes) == ["Conflict", "Conflict", "NoneType"]
    with service.database.reading() as session:
        release = session.scalars(sa.select(Release)).one()
    later = AT + timedelta(days=36500)
    assert {key for key in service.blobs.keys(older_than=later) if key.startswith("release_")} == {release.blob_key}


def test_a_file_that_is_not_the_one_checked_never_goes_out(service: Service, provenance: FakeProvenance) -> None:
    maker, check_id = checked(service)
    stored(service, "check_1", MEDIA + b"!")
    assert "SHA-256" in refusal(service, maker, check_id)
    assert provenance.claims == []


def test_a_file_that_is_gone_cannot_go_out(service: Service) -> None:
    maker, check_id = checked(service)
    service.blobs.delete("check_1")
    assert "no longer kept" in refusal(service, maker, check_id)


def test_signing_that_fails_leaves_no_row_and_no_file(service: Service, provenance: FakeProvenance) -> None:
    maker, check_id = checked(service)
    provenance.fails_with = SigningFailed(reason="the time-stamp authority is down")
    with pytest.raises(SigningFailed):
        signed(service, maker, check_id)
    assert_nothing_is_left(service)
    provenance.fails_with = None
    assert signed(service, maker, check_id).state == "signed"  # and it may be tried again


def test_a_store_that_fails_leaves_no_row_and_no_file(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    maker, check_id = checked(service)

    def full(*_arguments: object, **_more: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr("registry.releases.store_item", full)
        with pytest.raises(OSError, match="disk full"):
            signed(service, maker, check_id)
    assert_nothing_is_left(service)


def test_only_who_asked_may_release(service: Service) -> None:
    _, check_id = checked(service)
    with service.database.transaction() as session:
        stranger = factories.actor(session)
        unable = factories.actor(session, Scope.CHECKS_WRITE)
    with pytest.raises(NotFound):
        signed(service, stranger, check_id)
    with pytest.raises(Forbidden):
        signed(service, unable, check_id)
    assert_nothing_is_left(service)


def test_files_that_went_into_an_output_are_named_in_its_manifest(service: Service, provenance: FakeProvenance) -> None:
    maker, check_id = checked(service)
    first = signed(service, maker, check_id)
    input_sha256 = stored(service, "check_input", b"what it was made of")
    second_sha256 = stored(service, "check_second")
    with service.database.transaction() as session:
        given = factories.check(
            session, maker, service.index, factories.fingerprint(5), sha256=input_sha256, blob_key="check_input"
        )
        again = factories.check(
            session, maker, service.index, factories.fingerprint(6), sha256=second_sha256, blob_key="check_second"
        )
    used = (
        UsedFile(relationship=Relationship.INPUT_TO, check_id=given.id, title="A still"),
        UsedFile(relationship=Relationship.COMPONENT_OF, release_id=first.id),
    )
    release_check(service, maker, NewRelease(check_id=again.id, used=used))
    named = provenance.ingredients[-1]
    assert [(one.title, one.relationship) for one in named] == [
        ("A still", Relationship.INPUT_TO),
        ("Train", Relationship.COMPONENT_OF),
    ]
    assert [one.path.name for one in named] == ["check_input", first.blob_key]


def test_only_ones_own_files_that_are_still_kept_go_into_a_release(service: Service, clock: Clock) -> None:
    maker, check_id = checked(service)
    with service.database.transaction() as session:
        stranger = factories.actor(session)
        theirs = factories.check(session, stranger, service.index, factories.fingerprint(5), blob_key="check_5").id
        gone = factories.check(session, maker, service.index, factories.fingerprint(6), blob_key=None).id

    def using(**said: str) -> NewRelease:
        return NewRelease(check_id=check_id, used=(UsedFile(relationship=Relationship.INPUT_TO, **said),))

    with pytest.raises(NotFound):
        release_check(service, maker, using(check_id=theirs))
    with pytest.raises(NotFound):
        release_check(service, maker, using(release_id="rel_none"))
    with pytest.raises(Invalid, match="not kept any more"):
        release_check(service, maker, using(check_id=gone))
    reviewer = replace(maker, scopes=maker.scopes | {Scope.REVIEW})
    with service.database.transaction() as session:
        beside = factories.check(session, stranger, service.index, factories.fingerprint(7), blob_key="check_7")
        others = factories.release(session, stranger, beside).id
    with pytest.raises(NotFound):  # who may see a release may not build on it
        release_check(service, reviewer, using(release_id=others))
    unsaid = replace(using(check_id=check_id), source_type=None)
    with pytest.raises(Invalid, match="digital_source_type"):
        release_check(service, maker, unsaid)
    with service.database.reading() as session:
        assert [one.id for one in session.scalars(sa.select(Release))] == [others]
    assert clock() == AT


@pytest.mark.parametrize("revoke", [True, False])
def test_what_is_not_stood_by_goes_into_no_release(service: Service, revoke: bool) -> None:
    maker, check_id = checked(service)
    first = signed(service, maker, check_id).id
    sha256 = stored(service, "check_second")
    with service.database.transaction() as session:
        again = factories.check(
            session, maker, service.index, factories.fingerprint(6), sha256=sha256, blob_key="check_second"
        ).id
        if not revoke:
            releases.disable(session, session.get_one(Release, first), at=AT)
    if revoke:
        revoked(service, maker, first, Revocation.MISTAKE)
    used = (UsedFile(relationship=Relationship.COMPONENT_OF, release_id=first),)
    with pytest.raises(Invalid, match="not stood by any more"):
        release_check(service, maker, NewRelease(check_id=again, used=used))


def test_a_file_with_credentials_beside_it_is_released_again_once_it_was_revoked(service: Service) -> None:
    maker, check_id = checked(service)
    first = signed(service, maker, check_id)
    stored(service, "check_again")
    with service.database.transaction() as session:
        beside = session.get_one(Release, first.id)
        beside.is_sidecar, beside.sha256 = True, hashlib.sha256(MEDIA).hexdigest()
        again = factories.check(
            session, maker, service.index, factories.fingerprint(2), sha256=beside.sha256, blob_key="check_again"
        ).id
    with pytest.raises(Conflict, match="begin anew"):
        signed(service, maker, again)
    revoked(service, maker, first.id, Revocation.MISTAKE)
    assert signed(service, maker, again).state == "signed"


def revoked(service: Service, actor: Actor, release_id: str, why: Revocation, reason: str = "It was wrong.") -> Release:
    with service.database.transaction() as session:
        return releases.revoke(session, actor, release_id, why, reason, at=AT)


def test_a_revoked_release_is_revoked_for_good_and_on_record(service: Service) -> None:
    maker, check_id = checked(service)
    release = signed(service, maker, check_id)
    assert revoked(service, maker, release.id, Revocation.MISTAKE).state == "revoked"
    with service.database.transaction() as session:
        kept = session.get_one(Release, release.id)
        releases.disable(session, kept, at=AT)
        releases.restore(session, kept, at=AT)
        assert (kept.state, kept.revoked_at, kept.revocation_reason) == ("revoked", AT, "It was wrong.")
    with pytest.raises(Conflict, match="revoked already: mistake"):
        revoked(service, maker, release.id, Revocation.WITHDRAWN)
    with service.database.reading() as session:
        entry = session.scalars(sa.select(LedgerEntry).order_by(LedgerEntry.number.desc()).limit(1)).one()
    assert '"kind":"release.revoked"' in entry.data


def test_who_may_revoke_what(service: Service) -> None:
    maker, check_id = checked(service)
    release = signed(service, maker, check_id)
    with service.database.transaction() as session:
        stranger, reviewer = factories.actor(session), factories.reviewer(session)
    with pytest.raises(NotFound):
        revoked(service, stranger, release.id, Revocation.MISTAKE)
    with pytest.raises(Forbidden):
        revoked(service, maker, release.id, Revocation.TAKEDOWN)
    with pytest.raises(Invalid, match="Say why"):
        revoked(service, maker, release.id, Revocation.MISTAKE, "  ")
    assert revoked(service, reviewer, release.id, Revocation.TAKEDOWN).revocation == "takedown"


def test_a_release_keeps_its_manifest_byte_for_byte(service: Service) -> None:
    maker, check_id = checked(service)
    release = signed(service, maker, check_id)
    with service.database.reading() as session:
        assert releases.manifest_store(session, release) == release.manifest_id.encode()
        assert releases.kept_beside(session, release.sha256) is None  # the file carries it
        named = releases.by_manifest(session, release.manifest_id)
        assert named is not None
        assert named.id == release.id


def test_who_sees_a_release(service: Service) -> None:
    maker, check_id = checked(service)
    release = signed(service, maker, check_id)
    with service.database.transaction() as session:
        reviewer, stranger = factories.reviewer(session), factories.actor(session)
        for actor in (maker, reviewer):
            assert releases.own_release(session, actor, release.id).id == release.id
        with pytest.raises(NotFound):
            releases.own_release(session, stranger, release.id)


def test_a_disabled_release_is_still_recognised(service: Service) -> None:
    maker, check_id = checked(service)
    release_id = signed(service, maker, check_id).id
    with service.database.transaction() as session:
        release = session.get_one(Release, release_id)
        releases.disable(session, release, at=AT)
        releases.disable(session, release, at=AT + VALIDITY)  # again changes nothing
    with service.database.reading() as session:
        disabled = session.get_one(Release, release_id)
        assert (disabled.state, disabled.disabled_at) == ("disabled", AT)
        assert len(service.index.search(session, Corpus.RELEASES, CLIP, timeout_s=30).segments) == 1
    with service.database.transaction() as session:
        releases.restore(session, session.get_one(Release, release_id), at=AT)
        releases.restore(session, session.get_one(Release, release_id), at=AT)
    with service.database.reading() as session:
        restored = session.get_one(Release, release_id)
        assert (restored.state, restored.disabled_at) == ("signed", None)
        kinds = [
            e.data.split('"kind":"')[1].split('"')[0]
            for e in session.scalars(sa.select(LedgerEntry).order_by(LedgerEntry.number))
        ]
    assert kinds == ["verdict.given", "release.signed", "release.disabled", "release.restored"]


def test_the_media_of_a_check_is_not_kept_for_its_release(service: Service, clock: Clock) -> None:
    maker, check_id = checked(service)
    release = signed(service, maker, check_id)
    clock.pass_by(VALIDITY)
    with service.database.transaction() as session:
        assert checks.forget_media(session, at=clock()) == ["check_1"]
    with service.database.reading() as session:
        assert session.get_one(Check, check_id).blob_key is None
    with service.blobs.open(release.blob_key) as path:
        assert path.stat().st_size == release.size_bytes
