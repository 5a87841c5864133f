"""Whatever is killed under load, nothing acknowledged is lost, nothing happens twice: a short `tests.drills kill`."""

from pathlib import Path

import pytest

from tests.drills.kill import drill
from tests.faults.errands import Kind
from tests.faults.house import Mode
from tests.servers.postgres import NoPostgres, find_binaries

ROUNDS = 3


@pytest.mark.timeout(300)  # starts, a lease of 30 s to wait for, and all of it looked at
@pytest.mark.parametrize("mode", Mode)
def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(tmp_path: Path, mode: Mode) -> None:
    if mode is Mode.PRODUCTION:
        try:
            find_binaries()
        except NoPostgres as absent:
            pytest.skip(f"PRODUCTION IS NOT DRILLED HERE: {absent}")
    outcome = drill(tmp_path, mode, rounds=ROUNDS, seed=20, report=False)
    assert outcome.problems == []
    assert outcome.kills.total() == ROUNDS
    told = outcome.found.acknowledged
    assert told[Kind.WORK] > 0
    assert told.total() > 2 * ROUNDS, "too little was asked for a kill to come between"
