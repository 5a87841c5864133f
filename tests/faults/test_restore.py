"""A service that was lost is put back from its backup, and answers as it did."""

from pathlib import Path

import pytest

from tests.api.service import run_cli_forked
from tests.drills.restore import Drill, empty_databases


@pytest.mark.timeout(300)  # two starts, a backup, a restore, and each clip twice
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_after_a_restore_every_clip_has_the_verdict_that_it_had(
    tmp_path: Path, backend: str, request: pytest.FixtureRequest
) -> None:
    on = empty_databases(request.getfixturevalue("postgres_url")) if backend == "postgresql" else None
    found = Drill(tmp_path, 3, empty_database=on, command=run_cli_forked).run()
    assert found["clips"] == 3
