"""The negative bank: what everybody may use counts for nobody, and saves nobody."""

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.errors import MediaError
from fingerprinting.model import Algorithm, Fingerprint
from registry import checks, exclusions, ledger, negatives
from registry.access import Actor
from registry.database import Database
from registry.domain.policy import Policy
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.index import IndexEngine
from registry.ledger import LedgerIdentity
from registry.models import Asset, Check, Corpus, Item, Negative
from registry.models import Conflict as OpenConflict
from tests import factories
from tests.factories import AT, SHA256

STOCK, FILM = factories.fingerprint(50), factories.fingerprint(51)


def registered(session: Session, index: IndexEngine, shown: Fingerprint, owner: Actor | None = None) -> Asset:
    owner = owner or factories.actor(session)
    return factories.asset(session, owner, factories.work(session, owner), index, shown)


def asked(session: Session, index: IndexEngine, shown: Fingerprint) -> Check:
    return factories.check(session, factories.actor(session), index, shown)


def codes(check: Check) -> list[str]:
    return [reason["code"] for reason in check.reasons]


@pytest.mark.parametrize("bank_first", [True, False])
def test_a_work_that_holds_stock_material_does_not_claim_it(
    database: Database, index: IndexEngine, *, bank_first: bool
) -> None:
    with database.transaction() as session:
        if bank_first:
            factories.negative(session, index, STOCK)
        asset = registered(session, index, factories.mixed(FILM, STOCK))
        if not bank_first:
            factories.negative(session, index, STOCK)
        [excluded] = exclusions.in_force(session, asset.id)
        assert (excluded.source, excluded.modality) == ("bank", "video")
        assert (excluded.start_s, excluded.end_s) == pytest.approx((12.0, 24.0), abs=1.0)
        stock, film = asked(session, index, STOCK), asked(session, index, FILM)
    assert (stock.verdict, codes(stock)) == ("clear", ["negative"])
    assert {match.no_weight for match in stock.matches} == {"negative"}
    assert film.verdict == "block"


def test_a_check_teaches_what_a_work_holds_of_the_bank(database: Database, index: IndexEngine) -> None:
    """A search looks at so many items at most: a much used clip may be in more works than were compared."""
    with database.transaction() as session:
        asset = registered(session, index, factories.mixed(FILM, STOCK))
        entry, _ = negatives.add_fingerprint(session, factories.operator(session), "Stock", STOCK, at=AT)
        negatives.settle(session, entry, [], at=AT)
        assert exclusions.in_force(session, asset.id) == []
        check = asked(session, index, STOCK)
        assert (check.verdict, codes(check)) == ("clear", ["negative"])
        [learned] = exclusions.in_force(session, asset.id)
        assert learned.negative_id == entry.id


def test_stock_material_beside_a_copy_does_not_save_the_copy(database: Database, index: IndexEngine) -> None:
    """Both in one stretch of the clip, say as a picture in a picture, while the work holds none of it."""
    with database.transaction() as session:
        asset = registered(session, index, FILM)
        factories.negative(session, index, STOCK)
        found = checks.search(session, index, FILM, timeout_s=30)
        pirated = index.search(session, Corpus.NEGATIVES, STOCK, timeout_s=30)
        check = checks.ask(session, factories.actor(session), context={}, at=AT)
        both = checks.Found(works=found.works, bank=pirated, shared=[])
        checks.answer(session, check, both, factories.EVIDENCE, fingerprint=FILM, at=AT, rules=factories.RULES)
        assert negatives.material_shared(session, index, found.works, pirated, timeout_s=30) == []
        assert exclusions.in_force(session, asset.id) == []
    assert (check.verdict, codes(check)) == ("review", ["policy_block", "shared_with_bank"])
    assert {tuple(match.doubts) for match in check.matches} == {("shared_with_bank",)}


def test_two_works_with_the_same_stock_material_are_no_rivals(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        factories.negative(session, index, STOCK)
        registered(session, index, factories.mixed(FILM, STOCK))
        registered(session, index, factories.mixed(factories.fingerprint(52), STOCK))
        assert session.scalars(sa.select(OpenConflict)).all() == []


def test_material_that_is_removed_from_the_bank_counts_again(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        asset = registered(session, index, STOCK)
        entry = factories.negative(session, index, STOCK)
        operator = factories.operator(session)
        negatives.remove(session, operator, entry.id, at=AT)
        assert exclusions.in_force(session, asset.id) == []
        assert asked(session, index, STOCK).verdict == "block"
        assert session.scalar(sa.select(Item).where(Item.subject_id == entry.id)) is None
        with pytest.raises(NotFound):
            negatives.remove(session, operator, entry.id, at=AT)


def test_what_was_removed_during_a_search_excludes_nothing(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        asset = registered(session, index, STOCK)
        entry = factories.negative(session, index, STOCK)
        material = negatives.material_in(session, index, asset.id, timeout_s=30)
        negatives.remove(session, factories.operator(session), entry.id, at=AT)
        exclusions.exclude_bank_material(session, material, at=AT)
        assert (bool(material), exclusions.in_force(session, asset.id)) == (True, [])


def test_what_matches_a_works_stock_with_another_policy_is_only_said(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        factories.negative(session, index, STOCK)
        owner = factories.actor(session)
        work = factories.work(session, owner, policy=Policy.NOTIFY)
        factories.asset(session, owner, work, index, factories.mixed(FILM, STOCK))
        check = asked(session, index, factories.mixed(STOCK, FILM))
    assert (check.verdict, codes(check)) == ("clear", ["policy_notify", "negative"])


def test_only_an_operator_keeps_the_bank(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        holder, entry = factories.actor(session), factories.negative(session, index, STOCK)
        for who in (holder, factories.reviewer(session)):
            with pytest.raises(Forbidden):
                negatives.add_fingerprint(session, who, "Mine", FILM, at=AT)
            with pytest.raises(Forbidden):
                negatives.add_upload(session, who, "Mine", blob_key="negative_1", sha256=SHA256, at=AT)
            with pytest.raises(Forbidden):
                negatives.remove(session, who, entry.id, at=AT)
            with pytest.raises(Forbidden):
                negatives.visible(session, who, entry.id)


def test_the_bank_has_a_gate_and_wants_a_title(database: Database) -> None:
    with database.transaction() as session:
        operator = factories.operator(session)
        short = factories.fingerprint(1, seconds=1.0)
        with pytest.raises(MediaError):
            negatives.add_fingerprint(session, operator, "Short", short, at=AT)
        with pytest.raises(Invalid):
            negatives.add_fingerprint(session, operator, " ", STOCK, at=AT)


def test_the_same_file_is_in_the_bank_once(database: Database) -> None:
    with database.transaction() as session:
        operator = factories.operator(session)
        first, _ = negatives.add_upload(session, operator, "Leader", blob_key="negative_1", sha256=SHA256, at=AT)
        with pytest.raises(Conflict) as refused:
            negatives.add_upload(session, operator, "Leader", blob_key="negative_2", sha256=SHA256, at=AT)
        assert refused.value.id == first.id
        assert negatives.remove(session, operator, first.id, at=AT) == "negative_1"
        negatives.add_upload(session, operator, "Leader", blob_key="negative_3", sha256=SHA256, at=AT)


def test_a_rejected_entry_says_why(database: Database) -> None:
    with database.transaction() as session:
        operator = factories.operator(session)
        entry, _ = negatives.add_upload(session, operator, "Dark", blob_key="negative_1", sha256=SHA256, at=AT)
        assert negatives.reject(entry, reason="black", problem="It is black.") == "negative_1"
        stored = session.scalars(sa.select(Negative)).one()
        assert (stored.status, stored.reason, stored.blob_key) == ("rejected", "black", None)


def test_what_enters_and_leaves_the_bank_is_in_the_ledger(
    database: Database, index: IndexEngine, identity: LedgerIdentity
) -> None:
    with database.transaction() as session:
        registered(session, index, STOCK)
        entry = factories.negative(session, index, STOCK)
        negatives.remove(session, factories.operator(session), entry.id, at=AT)
    with database.transaction() as session:
        kinds = [data.data for data in ledger.entries(session, start=0, limit=50) if entry.id in data.data]
        assert [("added" in kind, "removed" in kind) for kind in kinds] == [(True, False), (False, True)]
        assert list(ledger.verify(session, verifier_key=identity.verifier_key)) == []


def test_only_the_modality_that_the_bank_knows_is_excluded(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        asset = registered(session, index, STOCK)
        factories.negative(session, index, STOCK)
        assert {row.modality for row in exclusions.in_force(session, asset.id)} == {
            Algorithm.VIDEO_PHASH_V1.modality.value
        }
