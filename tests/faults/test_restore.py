"""A service that was lost is put back from its backup, and answers as it did."""

from pathlib import Path

from tests.drills.restore import Drill


def test_after_a_restore_every_clip_has_the_verdict_that_it_had(tmp_path: Path) -> None:
    found = Drill(tmp_path, 4).run()
    assert found["clips"] == 4
