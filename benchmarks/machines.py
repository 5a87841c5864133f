"""A new machine: how long a service with an empty data folder takes until it answers with the whole index.

The registry lies in a real PostgreSQL server, the snapshot in an S3-compatible store, both on this machine. Measured
are whole commands as an operator runs them, the loading of the program included: `clearmark index rebuild`;
`clearmark serve` with a snapshot in the store that is a little behind; the same with none, where the index is built
from the database.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from api import snapshots
from api.service import Service, build_service, upgrade_database
from api.settings import Settings
from benchmarks.media import Clip
from benchmarks.report import Report, table
from fingerprinting.model import Algorithm, Descriptors, Fingerprint
from registry.database import Database
from registry.index import store_item
from registry.models import Corpus
from tests.api.service import end, environment_of, run_cli, until
from tests.factories import AT
from tests.servers.postgres import create_database, postgres_server
from tests.servers.s3 import BUCKET, CREDENTIALS, s3_server

_WORKS, _QUICK_WORKS = 10_000, 1_000
_ROWS, _STEP_S = 150, 0.5
_LATER, _TOGETHER = 100, 200
_LONGEST_S = 900.0

_HOW = f"""
{{works:,}} works of {_ROWS * _STEP_S:.0f} s in PostgreSQL, {_ROWS} hashes each. A snapshot of {{size_mib:.0f}} MiB
lies in the store; {_LATER} works came after it, {{rows:,}} hashes in all. Times are of whole commands; of an empty
registry the service starts in {{empty_s:.1f}} s.
""".strip()


def machines(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:  # noqa: ARG001 - as every part
    """Measure and tell; rows are drawn at random, for what they show costs nothing to load."""
    works = _QUICK_WORKS if quick else _WORKS
    with ExitStack() as kept:
        folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="clearmark-machines-")))
        server, store = kept.enter_context(postgres_server()), kept.enter_context(s3_server())
        patch = kept.enter_context(pytest.MonkeyPatch.context())
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        settings: dict[str, Any] = {"blob_url": store.blob_url("clearmark"), "sscd_model": "none"}
        empty_s = _until_ready(folder / "empty", settings | {"database_url": create_database(server, "empty")})
        settings |= {"database_url": (url := create_database(server, "filled")), "shared_dir": str(folder / "shared")}
        upgrade_database(url)
        _fill(url, works)
        say(f"{works:,} works are there")
        bare_s = _until_ready(folder / "bare", settings)
        say("started without a snapshot")
        rebuild_s = _rebuilt(folder / "rebuilt", settings)
        say("rebuilt")
        with _one(folder / "rebuilt", settings) as service:
            service.load_index()
            snapshots.store(service)
            [known] = store.client().list_objects_v2(Bucket=BUCKET, Prefix="clearmark/")["Contents"]
        _fill(url, _LATER)
        found_s = _until_ready(folder / "found", settings)
        with _one(folder / "found", settings) as service:
            service.load_index()
            rows = sum(service.index.sizes.values())
    figures: Mapping[str, float] = {
        "rows": rows, "works": works, "size_mib": known["Size"] / 2**20, "empty_s": empty_s, "rebuild_s": rebuild_s,
        "bare_s": bare_s, "found_s": found_s,
    }  # fmt: skip
    told = [
        ("`clearmark index rebuild`", f"{rebuild_s:.1f} s"),
        ("`clearmark serve` until it is ready, no snapshot anywhere", f"{bare_s:.1f} s"),
        ("the same, a snapshot in the store", f"{found_s:.1f} s"),
    ]
    body = f"{_HOW.format_map(figures)}\n\n{table(('', 'takes'), told)}"
    return Report(title="A new machine", body=body, figures=figures)


def _fill(url: str, works: int) -> None:
    """Store fingerprints as the jobs of assets do."""
    random, database = np.random.default_rng(works), Database(url)
    for first in range(0, works, _TOGETHER):
        with database.transaction() as session:
            for number in range(first, min(first + _TOGETHER, works)):
                drawn = random.integers(0, 256, (_ROWS, Algorithm.VIDEO_PHASH_V1.row_bytes), dtype=np.uint8)
                times_s = np.arange(_ROWS, dtype=np.float64) * _STEP_S
                rows = Descriptors(algorithm=Algorithm.VIDEO_PHASH_V1, times_s=times_s, vectors=drawn)
                shown = Fingerprint(duration_s=_ROWS * _STEP_S, descriptors=(rows,))
                store_item(session, Corpus.WORKS, f"ast_{works}_{number}", shown, at=AT)
    database.dispose()


@contextmanager
def _one(folder: Path, settings: Mapping[str, Any]) -> Iterator[Service]:
    service = build_service(Settings(data_dir=folder, **settings), compares_pictures=False)
    try:
        yield service
    finally:
        service.close()


def _rebuilt(folder: Path, settings: Mapping[str, Any]) -> float:
    begun = time.monotonic()
    ran = run_cli("index", "rebuild", environment=environment_of(folder, settings), timeout_s=_LONGEST_S)
    assert ran.returncode == 0, ran.stderr
    return time.monotonic() - begun


def _until_ready(folder: Path, settings: Mapping[str, Any]) -> float:
    """From the start of a service on an empty folder until it says that it is ready."""
    command, begun = [sys.executable, "-m", "api.cli", "serve", "--port", "0"], time.monotonic()
    log = folder.with_suffix(".log")
    with log.open("wb") as errors:
        process = subprocess.Popen(command, env=environment_of(folder, settings), stdout=subprocess.PIPE, stderr=errors)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert "http://" in line, log.read_text()[-2000:]
        url = "http://" + line.partition("http://")[2].split()[0]
        with httpx.Client(base_url=url, timeout=30) as client:
            until(lambda: client.get("/readyz").status_code == httpx.codes.OK, timeout_s=_LONGEST_S)
        return time.monotonic() - begun
    finally:
        end(process)
