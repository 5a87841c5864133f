"""Backup, loss and restore of a whole service, timed: what was answered before is answered the same afterwards.

Decides what a restore drill is: works are registered and clips checked; a backup is made beside the running service;
more is written, which the loss takes; the machine is wiped; the backup is put back, held against itself, and every clip
is checked again.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests import media
from tests.api.service import RunningService, end, finished, ok, send, start_service

_WORKS = 2  # clips in turn copy one of them, or none
_FILM_S, _CLIP_S = 10.0, 4.0


class Drill:
    """One drill in a folder; `times_s` is how long each step took, without the seconds in which a command starts."""

    def __init__(self, folder: Path, clips: int, **settings: object) -> None:
        self._folder, self._settings = folder, {"sscd_model": "none", **settings}
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
        ran = service.cli(*arguments, "--json")
        assert ran.returncode == 0, f"{arguments}: {ran.stdout[-2000:]} {ran.stderr[-2000:]}"
        found: dict[str, object] = json.loads(ran.stdout)
        return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drills restore", description=__doc__)
    parser.add_argument("--clips", type=int, default=50)
    said = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="clearmark-drill-") as folder:
        found = Drill(Path(folder), said.clips).run()
    times = found.pop("times_s")
    assert isinstance(times, dict)
    sys.stdout.write(json.dumps(found) + "\n\n| step | seconds |\n|---|---|\n")
    sys.stdout.write("".join(f"| {step} | {seconds:.1f} |\n" for step, seconds in times.items()))
    return 0
