"""Whatever is killed under load, nothing acknowledged is lost, nothing happens twice: a short `tests.drills kill`."""

from pathlib import Path

import pytest

from tests.drills.kill import drill
from tests.faults.errands import Kind
from tests.faults.house import Mode, Part
from tests.servers.lacking import not_tested
from tests.servers.postgres import NoPostgres, find_binaries

ROUNDS = {Mode.EMBEDDED: 2, Mode.PRODUCTION: len(Part)}


@pytest.mark.timeout(900)  # what never comes to rest is told by name, long before this
@pytest.mark.parametrize("mode", Mode)
def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(tmp_path: Path, mode: Mode) -> None:
    if mode is Mode.PRODUCTION:
        try:
            find_binaries()
        except NoPostgres as absent:
            not_tested("kills of what runs in production", absent)
    outcome = drill(tmp_path, mode, rounds=ROUNDS[mode], seed=20, report=False)
    assert outcome.problems == []
    assert outcome.found.fsck == "clean"
    assert outcome.kills.total() == ROUNDS[mode]
    assert set(outcome.kills) == (set(Part) if mode is Mode.PRODUCTION else {Part.API}), "each part was killed"
    told = outcome.found.acknowledged
    assert told[Kind.WORK] > 0
    assert told.total() > 2 * ROUNDS[mode], "too little was asked for a kill to come between"
