"""How a worker process ends: whatever it has in hand is for others at once."""

from contextlib import suppress
from pathlib import Path

import pytest
from celery import Celery, signals

from api import worker
from api.settings import Settings


@pytest.mark.parametrize("ending", [None, SystemExit(0), RuntimeError("the broker is away")])
def test_a_worker_that_ends_before_its_time_is_up_gives_back_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: BaseException | None
) -> None:
    def drained(*_: object) -> None:
        if ending is not None:
            raise ending

    given_back: list[str] = []
    celery = Celery("worker")
    monkeypatch.setattr(celery, "worker_main", drained)
    monkeypatch.setattr(worker, "hold_little", lambda: None)
    monkeypatch.setattr(signals.worker_shutting_down, "receivers", [])
    settings = Settings(data_dir=tmp_path)
    with suppress(SystemExit, RuntimeError):
        worker.run_worker(celery, settings, ["sign"], beat=False, give_back=lambda: given_back.append("all"))
    assert given_back == ["all"]
