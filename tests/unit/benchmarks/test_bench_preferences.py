"""What the preferences are timed on is a registry that answers."""

from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from api.service import upgrade_database
from benchmarks.preferences import fill
from registry.database import Database
from registry.domain.preferences import Answer, Use
from registry.models import Reservation
from registry.preferences import Asked, query


def test_the_registry_that_is_filled_knows_its_works_and_files(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'clearmark.db'}"
    upgrade_database(url)
    database = Database(url)
    works = fill(database, 5_000)
    with database.reading() as session:
        said = session.scalars(sa.select(Reservation.id).where(Reservation.work_id.is_not(None))).all()
        at = datetime(2026, 2, 1, tzinfo=UTC)
        by_work = list(query(session, [Asked(work_id=work) for work in works[:100]], list(Use), at=at))
        by_file = list(query(session, [Asked(sha256=f"{place:064x}") for place in range(100)], list(Use), at=at))
    database.dispose()
    assert len(said) >= 5_000
    assert [found.work_ids for found in by_work] == [(work,) for work in works[:100]]
    assert [found.holding for found in by_file] == [found.holding for found in by_work]
    answers = {holding.answer for found in by_work for holding in found.holding.values()}
    assert answers >= {Answer.RESERVED, Answer.ALLOWED, Answer.UNSET}
