"""Works and their assets: whose they are, what can be said of them, and that withdrawing means gone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.app import create_app
from api.service import Service
from registry import conflicts, works
from registry.access import Actor, Scope
from registry.database import Database
from registry.domain.policy import Assurance, Policy
from registry.errors import Conflict as ConflictError
from registry.errors import Forbidden, Invalid, NotFound
from registry.index import IndexEngine
from registry.models import Asset, Conflict, Corpus, Item, Job, StoredDescriptors, Work
from registry.works import NewWork, WorkKind
from tests import factories
from tests.factories import AT, SHA256
from tests.integration.at_once import overlapping
from tests.integration.inside import Inside
from tests.integration.plans import statements

Attempt = Callable[[Session, Actor], object]


def found(engine: IndexEngine, session: Session, seed: int) -> list[str]:
    """The assets that clip `seed` is found to copy."""
    answer = engine.search(session, Corpus.WORKS, factories.fingerprint(seed), timeout_s=30)
    return [answer.subjects[segment.item] for segment in answer.segments]


def test_a_work_is_kept_as_it_was_said(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        said = NewWork(
            title="  Night Train ",
            kind=WorkKind.SOUND_RECORDING,
            identifiers={"isrc": "us-rc1-76-07839", "catalogue": "NT 7"},
            creators=["Ada", "Žofie"],
            year=1999,
            policy=Policy.NOTIFY,
        )
        work_id = works.register(session, owner, said, at=AT).id
    with database.reading() as session:
        work = works.own_work(session, owner, work_id)
    assert (work.title, work.kind, work.year, work.policy) == ("Night Train", "sound_recording", 1999, "notify")
    assert work.identifiers == {"catalogue": "NT 7", "isrc": "USRC17607839"}
    assert work.creators == ["Ada", "Žofie"]
    assert (work.holder_id, work.created_at, work.withdrawn_at) == (owner.holder_id, AT, None)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("title", {"title": " "}),
        ("title", {"title": "x" * 501}),
        ("year", {"year": 1066}),
        ("year", {"year": 2037}),
        ("identifiers.isrc", {"identifiers": {"isrc": "US-RC1-76"}}),
        ("identifiers.eidr", {"identifiers": {"eidr": "10.5240/7791-8534-2C23-9030-8610-X"}}),
        ("identifiers", {"identifiers": {"Not A Key": "1"}}),
    ],
)
def test_a_work_with_a_value_that_cannot_be_is_refused(database: Database, field: str, said: dict[str, Any]) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        kept = factories.work(session, owner)
        with pytest.raises(Invalid) as refused:
            factories.work(session, owner, **said)
        assert refused.value.field == field
        with pytest.raises(Invalid) as refused:
            works.change(session, owner, kept.id, said, at=AT)
        assert refused.value.field == field


def test_a_change_changes_what_it_names_and_nothing_else(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner, creators=["Ada"], year=1999)
    with database.transaction() as session:
        changes = {
            "title": "Day Train",
            "policy": "notify",
            "identifiers": {"isan": "0000-0001-8CFA-0000-I-0000-0000-K"},
        }
        works.change(session, owner, work.id, changes, at=AT.replace(hour=20))
    with database.reading() as session:
        now = session.get_one(Work, work.id)
    assert (now.title, now.policy, now.creators, now.year, now.kind) == ("Day Train", "notify", ["Ada"], 1999, "film")
    assert now.identifiers == {"isan": "0000-0001-8CFA-0000-I-0000-0000-K"}
    assert (now.created_at, now.updated_at) == (AT, AT.replace(hour=20))


@pytest.mark.parametrize("field", ["id", "holder_id", "withdrawn_at", "created_at", "assets"])
def test_what_a_work_is_cannot_be_changed(database: Database, field: str) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        with pytest.raises(Invalid):
            works.change(session, owner, work.id, {field: "hld_1"}, at=AT)


def test_another_holders_work_is_not_there(database: Database, index: IndexEngine) -> None:
    shown = factories.fingerprint(1)
    with database.transaction() as session:
        owner, stranger = factories.actor(session), factories.actor(session)
        work = factories.work(session, owner)
        asset = factories.asset(session, owner, work, index, shown)
    attempts: tuple[Attempt, ...] = (
        lambda session, who: works.own_work(session, who, work.id),
        lambda session, who: works.change(session, who, work.id, {"title": "Mine"}, at=AT),
        lambda session, who: works.withdraw(session, who, work.id, at=AT),
        lambda session, who: works.add_upload(session, who, work.id, blob_key="b", sha256=SHA256, at=AT),
        lambda session, who: works.add_fingerprint(session, who, work.id, shown, at=AT),
        lambda session, who: works.visible_asset(session, who, asset.id),
    )
    for attempt in attempts:
        with database.transaction() as session, pytest.raises(NotFound):
            attempt(session, stranger)
    with database.reading() as session:
        assert session.get_one(Work, work.id).title == "Night Train"
        assert session.scalars(sa.select(Asset.id)).all() == [asset.id]


def test_works_need_their_scope(database: Database) -> None:
    with database.transaction() as session:
        pipeline = factories.actor(session, Scope.CHECKS_WRITE, Scope.REVIEW)
        with pytest.raises(Forbidden):
            factories.work(session, pipeline)
        with pytest.raises(Forbidden):
            works.own_work(session, pipeline, "wrk_1")


def test_a_withdrawn_work_is_found_no_more_from_that_moment_on(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        gone, kept = factories.work(session, owner), factories.work(session, owner)
        factories.asset(session, owner, gone, index, factories.fingerprint(1))
        stays = factories.asset(session, owner, kept, index, factories.fingerprint(2))
    with database.reading() as session:
        assert len(found(index, session, 1)) == 1
    with database.transaction() as session:
        works.withdraw(session, owner, gone.id, at=AT)
    with database.reading() as session:
        assert found(index, session, 1) == []
        assert found(index, session, 2) == [stays.id]
        assert session.scalars(sa.select(Item.subject_id)).all() == [stays.id]
        assert session.scalar(sa.select(sa.func.count()).select_from(StoredDescriptors)) == 1


def test_a_withdrawn_work_gives_its_files_back_and_cannot_be_touched_again(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        works.add_upload(session, owner, work.id, blob_key="asset_1", sha256="1" * 64, at=AT)
        works.add_upload(session, owner, work.id, blob_key="asset_2", sha256="2" * 64, at=AT)
    with database.transaction() as session:
        assert sorted(works.withdraw(session, owner, work.id, at=AT)) == ["asset_1", "asset_2"]
    with database.transaction() as session:
        assert {(a.status, a.blob_key) for a in session.scalars(sa.select(Asset))} == {("withdrawn", None)}
        with pytest.raises(NotFound):
            works.own_work(session, owner, work.id)
        with pytest.raises(NotFound):
            works.withdraw(session, owner, work.id, at=AT)


def test_an_upload_waits_for_one_job(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        asset = works.add_upload(session, owner, work.id, blob_key="asset_1", sha256=SHA256, at=AT)
    with database.reading() as session:
        job = session.scalars(sa.select(Job)).one()
        assert (job.kind, job.subject_id, job.state) == ("fingerprint", asset.id, "queued")
        assert works.job_of(session, asset) == (job.id, job.kind)
        assert session.get_one(Asset, asset.id).status == "queued"


def test_the_same_file_twice_in_one_work_is_a_conflict(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        one, other = factories.work(session, owner), factories.work(session, owner)
        first = works.add_upload(session, owner, one.id, blob_key="asset_1", sha256=SHA256, at=AT)
        with pytest.raises(ConflictError) as refused:
            works.add_upload(session, owner, one.id, blob_key="asset_2", sha256=SHA256, at=AT)
        assert refused.value.id == first.id
        works.add_upload(session, owner, other.id, blob_key="asset_3", sha256=SHA256, at=AT)


def test_the_same_file_sent_twice_at_once_is_taken_once(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)

    def send(session: Session) -> None:
        works.add_upload(session, owner, work.id, blob_key="asset_1", sha256=SHA256, at=AT)

    assert isinstance(overlapping(database, send, send), ConflictError)


def test_a_rejected_file_may_be_sent_again(database: Database) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner)
        asset = works.add_upload(session, owner, work.id, blob_key="asset_1", sha256=SHA256, at=AT)
        assert works.reject_asset(session, asset, reason="black", problem="It is black.", at=AT) == "asset_1"
    with database.transaction() as session:
        again = works.add_upload(session, owner, work.id, blob_key="asset_2", sha256=SHA256, at=AT)
    with database.reading() as session:
        rejected = session.get_one(Asset, asset.id)
    assert (rejected.status, rejected.reason, rejected.blob_key) == ("rejected", "black", None)
    assert again.id != asset.id


def test_a_fingerprint_made_elsewhere_is_searchable_at_once(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        owner = factories.actor(session)
        asset = factories.asset(session, owner, factories.work(session, owner), index, factories.fingerprint(1))
    with database.reading() as session:
        assert found(index, session, 1) == [asset.id]
        stored = session.get_one(Asset, asset.id)
    assert (stored.status, stored.progress, stored.duration_s, stored.indexed_at) == ("indexed", 1.0, 12.0, AT)


def test_another_holders_claim_to_the_same_footage_opens_a_conflict(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        first, second = factories.actor(session), factories.actor(session, assurance=Assurance.UNVERIFIED)
        ours = factories.asset(session, first, factories.work(session, first), index, factories.fingerprint(1))
    with database.transaction() as session:
        excerpt = factories.fingerprint(1, seconds=6.0, start_s=2.0)
        work = factories.work(session, second)
        theirs = factories.asset(session, second, work, index, excerpt, at=AT + timedelta(hours=1))
    with database.reading() as session:
        for asset in (ours, theirs):  # whoever asks is told
            [conflict] = conflicts.open_of(session, asset.id)
            assert (conflict.asset_id, conflict.rival_asset_id) == (theirs.id, ours.id)
            assert conflict.seconds == pytest.approx(6.0, abs=0.5)
        assert found(index, session, 1).count(ours.id) == 1  # the second claim takes nothing from the first


def test_what_is_shared_too_briefly_or_with_oneself_is_no_conflict(database: Database, index: IndexEngine) -> None:
    jingle = factories.fingerprint(1, seconds=4.0)
    with database.transaction() as session:
        first, second = factories.actor(session), factories.actor(session)
        film = factories.mixed(jingle, factories.fingerprint(2))
        factories.asset(session, first, factories.work(session, first), index, film)
    with database.transaction() as session:
        factories.asset(session, first, factories.work(session, first), index, film)
    with database.transaction() as session:
        other = factories.mixed(factories.fingerprint(3), jingle)
        factories.asset(session, second, factories.work(session, second), index, other)
    with database.reading() as session:
        assert session.scalars(sa.select(Conflict)).all() == []


def test_another_take_of_the_same_scene_is_no_rival_claim(database: Database, index: IndexEngine) -> None:
    """Else anyone could weaken a work by filming the same place again."""
    with database.transaction() as session:
        first, second = factories.actor(session), factories.actor(session)
        factories.asset(session, first, factories.work(session, first), index, factories.fingerprint(1))
    with database.transaction() as session:
        work = factories.work(session, second)
        asset = works.add_fingerprint(session, second, work.id, factories.fingerprint(1), at=AT)
        rivals = index.rivals(session, asset.id)
        unsure = replace(rivals, segments=[replace(segment, confirmed=False) for segment in rivals.segments])
        conflicts.settle_asset(session, asset, unsure, not_claimed=[], at=AT)
        assert session.scalars(sa.select(Conflict)).all() == []
        conflicts.settle_asset(session, asset, rivals, not_claimed=[], at=AT)
        assert len(session.scalars(sa.select(Conflict)).all()) == 1


def test_a_pair_of_claims_is_one_conflict_whichever_search_comes_last(database: Database, index: IndexEngine) -> None:
    assets = []
    for _ in range(3):
        with database.transaction() as session:
            owner = factories.actor(session)
            work = factories.work(session, owner)
            assets.append(works.add_fingerprint(session, owner, work.id, factories.fingerprint(1), at=AT).id)
    for asset_id in [*reversed(assets), *assets]:  # a job may also run twice
        with database.reading() as session:
            found = index.rivals(session, asset_id)
        with database.transaction() as session:
            conflicts.settle_asset(session, session.get_one(Asset, asset_id), found, not_claimed=[], at=AT)
    with database.reading() as session:
        pairs = session.execute(sa.select(Conflict.asset_id, Conflict.rival_asset_id)).all()
    first, second, third = sorted(assets)
    assert sorted(pairs) == sorted([(second, first), (third, first), (third, second)])


def test_a_claim_withdrawn_during_the_search_opens_no_conflict(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        first, second = factories.actor(session), factories.actor(session)
        their_work = factories.work(session, second)
        factories.asset(session, second, their_work, index, factories.fingerprint(1))
    with database.transaction() as session:
        ours = works.add_fingerprint(session, first, factories.work(session, first).id, factories.fingerprint(1), at=AT)
    with database.reading() as session:
        found = index.rivals(session, ours.id)
    with database.transaction() as session:
        works.withdraw(session, second, their_work.id, at=AT)
    with database.transaction() as session:
        conflicts.settle_asset(session, session.get_one(Asset, ours.id), found, not_claimed=[], at=AT)
    with database.reading() as session:
        assert conflicts.open_of(session, ours.id) == []


def test_withdrawing_either_claim_closes_the_conflict(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        first, second = factories.actor(session), factories.actor(session)
        ours = factories.asset(session, first, factories.work(session, first), index, factories.fingerprint(1))
    with database.transaction() as session:
        their_work = factories.work(session, second)
        factories.asset(session, second, their_work, index, factories.fingerprint(1))
        assert len(conflicts.open_of(session, ours.id)) == 1
        works.withdraw(session, second, their_work.id, at=AT)
    with database.reading() as session:
        assert conflicts.open_of(session, ours.id) == []
        assert session.scalars(sa.select(Conflict.closed_at)).all() == [AT]


def test_a_long_list_is_asked_for_as_often_as_a_short_one(service: Service, index: IndexEngine) -> None:
    """What belongs to the works of a page is looked up for all of them at once."""
    with service.database.transaction() as session:
        holder = factories.holder(session)
        key = factories.key(session, holder, Scope.WORKS_WRITE).key
        owner = factories.actor(session, name=holder.name)
        for seed in range(5):
            factories.asset(session, owner, factories.work(session, owner), index, factories.fingerprint(seed))
    api = Inside(create_app(service), key)
    api.get("/v1/works")  # that a key was used is noted the first time
    asked = []
    for limit in (1, 5):
        with statements(service.database.engine) as run:
            answer = api.get("/v1/works", params={"limit": limit})
        assert [len(one["assets"]) for one in answer.json()["items"]] == [1] * limit
        asked.append(len(run))
    assert asked[0] == asked[1]
