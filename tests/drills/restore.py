"""Backup, loss and restore of a whole service, timed: what was answered before is answered the same afterwards.

Decides what a restore drill is: works are registered and clips checked; a backup is made beside the running service;
more is written, which the loss takes; the machine is wiped; the backup is put back, held against itself, and every clip
is checked again.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from tests import media
from tests.api.service import RunningService, end, environment_of, finished, ok, run_cli, send, start_service
from tests.servers.postgres import create_database, find_binaries, postgres_server

_WORKS = 2  # clips in turn copy one of them, or none
_FILM_S, _CLIP_S = 10.0, 4.0


class Drill:
    """One drill in a folder; `times_s` is how long each step took, as whoever does it by hand waits for it.

    Args:
        empty_database: makes one and returns its URL; None: SQLite in the data folder.
        command: runs `clearmark`.
    """

    def __init__(
        self,
        folder: Path,
        clips: int,
        *,
        empty_database: Callable[[], str] | None = None,
        command: Callable[..., subprocess.CompletedProcess[str]] = run_cli,
    ) -> None:
        self._folder, self._empty_database, self._command = folder, empty_database, command
        # A server is copied by the programs of its own version.
        programs = [str(find_binaries())] if empty_database is not None else []
        self._path = os.pathsep.join([*programs, os.environ["PATH"]])
        self._settings: dict[str, object] = {"sscd_model": "none", "log_level": "warning"}
        self.times_s: dict[str, float] = {}
        films = [media.moving_clip(folder / f"film{n}.mp4", seconds=_FILM_S, seed=n) for n in range(_WORKS + 1)]
        *self._films, self._later = films
        self._clips = [self._clip(n) for n in range(clips)]

    def _clip(self, number: int) -> Path:
        path, which = self._folder / f"clip{number}.mp4", number % (_WORKS + 1)
        if which == _WORKS:
            return media.moving_clip(path, seconds=_CLIP_S, seed=1000 + number)
        start_s = (number // (_WORKS + 1)) % (_FILM_S - _CLIP_S)
        return media.copied(self._films[which], path, start_s=start_s, seconds=_CLIP_S)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.times_s[step] = time.monotonic() - began

    def run(self) -> dict[str, object]:
        """Raises AssertionError where anything differs."""
        backup, log = self._folder / "backup", self._folder / "log"
        self._find_database()
        service = start_service(self._folder / "var", log, **self._settings)
        try:
            studio, key = service.key("Studio", "works:write"), service.key("Pipeline", "checks:write")
            with service.client(studio) as client:
                for film in self._films:
                    self._register(client, film)
            with service.client(key) as client, self._timed("check"):
                before = [self._verdict(client, clip) for clip in self._clips]
            assert {verdict for verdict, _ in before} >= {"clear", "block"}, before
            with self._timed("backup, first"):
                self._cli(service, "backup", backup)
            with service.client(studio) as client:
                self._register(client, self._later)
            with self._timed("backup, again"):
                made = self._cli(service, "backup", backup)
            with service.client(studio) as client:
                late = ok(client.post("/v1/works", json={"title": "Late", "kind": "clip"}), 201)["id"]
            service.kill()
        finally:
            end(service.process)
        shutil.rmtree(service.data_dir)
        self._find_database()
        service = replace(service, environment=environment_of(service.data_dir, self._settings))
        with self._timed("restore"):
            put = self._cli(service, "restore", backup)
        assert put["ledger_size"] == made["ledger_size"]
        with self._timed("fsck"):
            assert self._cli(service, "fsck") == {"clean": True, "quick": False, "findings": [], "repaired": []}
        with self._timed("start"):
            service = start_service(self._folder / "var", log, **self._settings)
        try:
            with service.client(key) as client, self._timed("check again"):
                after = [self._verdict(client, clip) for clip in self._clips]
            with service.client(studio) as client:
                assert client.get(f"/v1/works/{late}").status_code == httpx.codes.NOT_FOUND
            assert after == before, "a verdict changed"
            assert self._cli(service, "fsck", "--quick")["clean"]
        finally:
            end(service.process)
        return {"clips": len(before), "files": made["files"], "bytes": made["bytes"], "times_s": self.times_s}

    def _find_database(self) -> None:
        if self._empty_database is not None:
            self._settings["database_url"] = self._empty_database()

    def _register(self, client: httpx.Client, film: Path) -> None:
        said = {"title": film.stem, "kind": "film", "policy": "block",
                "reservations": [{"use": "depict_in_output", "value": "reserved"}]}  # fmt: skip
        work = ok(client.post("/v1/works", json=said), 201)
        accepted = ok(send(client, f"/v1/works/{work['id']}/assets", film), 202)
        assert finished(client, f"/v1/assets/{accepted['id']}")["status"] == "indexed"

    def _verdict(self, client: httpx.Client, clip: Path) -> tuple[str, list[object]]:
        """What is said of a clip, and of which work's what."""
        answer = send(client, "/v1/checks", clip, params={"wait": 60})
        assert answer.is_success, answer.text
        found = finished(client, f"/v1/checks/{answer.json()['id']}")
        return found["verdict"], [[m["title"], m["reference_start_s"], m["reference_end_s"]] for m in found["matches"]]

    def _cli(self, service: RunningService, *arguments: object) -> dict[str, object]:
        ran = self._command(*arguments, "--json", environment={**service.environment, "PATH": self._path})
        assert ran.returncode == 0, f"{arguments}: {ran.stdout[-2000:]} {ran.stderr[-2000:]}"
        found: dict[str, object] = json.loads(ran.stdout)
        return found


def empty_databases(server: str) -> Callable[[], str]:
    """Each time that it is asked, the URL of another empty database on a PostgreSQL server."""
    numbers = itertools.count()
    return lambda: create_database(server, f"restore_{next(numbers)}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drills restore", description=__doc__)
    parser.add_argument("--clips", type=int, default=50)
    parser.add_argument("--postgresql", action="store_true", help="on a server of the drill's own, instead of SQLite")
    said = parser.parse_args(arguments)
    with ExitStack() as kept:
        folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="clearmark-drill-")))
        on = empty_databases(kept.enter_context(postgres_server())) if said.postgresql else None
        found = Drill(folder, said.clips, empty_database=on).run()
    times = found.pop("times_s")
    assert isinstance(times, dict)
    sys.stdout.write(json.dumps(found) + "\n\n| step | seconds |\n|---|---|\n")
    sys.stdout.write("".join(f"| {step} | {seconds:.1f} |\n" for step, seconds in times.items()))
    return 0
