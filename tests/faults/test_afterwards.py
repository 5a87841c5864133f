"""What is looked at after each fault would be seen where it did not hold."""

import pytest
import sqlalchemy as sa

from api.service import Service
from registry.consistency import Code
from registry.index import Operation, store_item
from registry.models import Corpus, Heads, IndexLogRow
from tests import factories
from tests.factories import AT
from tests.faults.afterwards import broken


@pytest.mark.parametrize("backend", ["sqlite"])
def test_what_was_lost_or_doubled_is_seen_and_so_is_a_damage_that_nobody_did(service_alone: Service) -> None:
    """Here a work's fingerprint without a work, put on the log twice."""
    with service_alone.database.transaction() as session:
        item = store_item(session, Corpus.WORKS, "ast_1", factories.fingerprint(1, seconds=3), at=AT)
        [log] = session.scalars(sa.select(IndexLogRow))
        session.add(
            IndexLogRow(
                sequence=2, operation=Operation.ADD, corpus=log.corpus, item_number=item.number,
                algorithm=log.algorithm, at=AT,
            )
        )  # fmt: skip
        session.execute(sa.update(Heads).values(index_sequence=2))
    leaves = {Code.ITEM_WITHOUT_SUBJECT, Code.JOB_LOST}
    assert broken(service_alone, acknowledged=["wrk_1"], leaves=leaves) == [
        "job_lost was done to it and is not found",
        "wrk_1 was acknowledged and is not there",
        f"2 rows ('add', {item.number}, '{log.algorithm}') in the index log",
    ]


@pytest.mark.parametrize("backend", ["sqlite"])
def test_an_index_that_lacks_a_work_is_seen(service_alone: Service) -> None:
    with service_alone.database.transaction() as session:
        store_item(session, Corpus.WORKS, "ast_1", factories.fingerprint(1, seconds=3), at=AT)
    service_alone.index.sequence = 1  # as if it had seen the log
    [problem] = broken(service_alone, leaves={Code.ITEM_WITHOUT_SUBJECT})
    assert problem.startswith("the index holds (1, {")
