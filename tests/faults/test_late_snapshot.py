"""At start the index is loaded while requests come in: an old snapshot must not take away what a check has seen."""

from pathlib import Path

from api.service import upgrade_database
from fingerprinting.index.exact import ExactIndex
from fingerprinting.index.protocol import Hits
from fingerprinting.model import Vectors
from registry.database import Database
from registry.index import IndexEngine, store_item
from registry.models import Corpus
from tests import factories
from tests.factories import AT, indexes_of


def test_a_snapshot_that_comes_late_hides_nothing_from_a_check_in_hand(tmp_path: Path) -> None:
    upgrade_database(url := f"sqlite:///{tmp_path / 'clearmark.db'}")
    database, snapshot = Database(url), tmp_path / "index.snapshot"
    shown = factories.fingerprint(1, seconds=5.0)
    late = [snapshot]

    class Interrupted(ExactIndex):
        """The loader finishes between a check's catching up and its search."""

        def search(self, queries: Vectors, *, radius_bits: int, limit: int) -> Hits:
            while late:
                engine.restore(late.pop())
            return super().search(queries, radius_bits=radius_bits, limit=limit)

    IndexEngine(make_index=indexes_of(Interrupted)).save(snapshot)  # as of before anything was registered
    with database.transaction() as session:
        store_item(session, Corpus.WORKS, "ast_1", shown, at=AT)
    engine = IndexEngine(make_index=indexes_of(Interrupted))
    with database.reading() as session:
        answer = engine.search(session, Corpus.WORKS, shown, timeout_s=10)
    assert set(answer.subjects.values()) == {"ast_1"}
    assert engine.sequence == answer.sequence, "an older snapshot has nothing to add"
    database.dispose()
