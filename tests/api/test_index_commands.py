"""`clearmark index migrate` where it cannot work, and `clearmark algorithms`: on a data folder that no service runs on.

That a real Milvus is filled is in `tests.faults.test_milvus`; what becomes of each item, in
`tests.integration.test_rollouts`.
"""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from api.console import Exit
from api.service import upgrade_database
from fingerprinting.index.embedded import embedded_index
from fingerprinting.model import Algorithm
from registry.database import Database
from registry.index import IndexEngine
from registry.models import AdminAction, Asset, IndexLogRow, Job, Rollout
from tests import factories
from tests.api.service import environment_of, run_cli_here

OLD, NEW = Algorithm.VIDEO_PHASH_V1, Algorithm.VIDEO_SSCD_V1


@dataclass(frozen=True, slots=True)
class Folder:
    """A data folder with one work in it, whose file is found by the old algorithm alone."""

    path: Path

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return run_cli_here(*arguments, environment=environment_of(self.path))

    def json(self, *arguments: object) -> Any:
        ran = self.run(*arguments, "--json")
        assert ran.returncode == Exit.OK, ran.stderr
        return json.loads(ran.stdout)

    def refused(self, *arguments: object, code: Exit = Exit.ERROR) -> str:
        """What a command says that may not change anything."""
        before = self.rows()
        ran = self.run(*arguments)
        assert (ran.returncode, ran.stdout) == (code, ""), ran.stdout + ran.stderr
        assert self.rows() == before
        return ran.stderr

    def one_line(self, *arguments: object) -> str:
        said = self.refused(*arguments)
        assert said.startswith("clearmark: ")
        assert said.count("\n") == 1
        return said

    def rows(self) -> list[int]:
        """How many there are of what commands here write."""
        with opened(self.path) as database, database.reading() as session:
            counts = (sa.select(sa.func.count()).select_from(of) for of in (IndexLogRow, Rollout, Job, AdminAction))
            return [session.scalar(count) or 0 for count in counts]

    def of(self, algorithm: Algorithm) -> dict[str, Any]:
        [one] = [one for one in self.json("algorithms", "status") if one["algorithm"] == algorithm]
        return dict(one)


@contextmanager
def opened(folder: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{folder / 'clearmark.db'}")
    try:
        yield database
    finally:
        database.dispose()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "var"
    folder.mkdir()
    upgrade_database(f"sqlite:///{folder / 'clearmark.db'}")
    with opened(folder) as database, database.transaction() as session:
        owner, engine = factories.actor(session), IndexEngine(make_index=embedded_index)
        shown = factories.asset(session, owner, factories.work(session, owner), engine, factories.fingerprint(1))
        session.get_one(Asset, shown.id).blob_key = "kept"  # its media is: another algorithm can look at it
        session.get_one(Asset, shown.id).sha256 = "0" * 64
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Folder:
    shutil.copytree(template, tmp_path / "var")
    return Folder(tmp_path / "var")


@pytest.fixture
def succeeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new algorithm takes the place of the old one."""
    monkeypatch.setattr("api.algorithm_commands.SUCCESSION", {NEW: OLD})


# -- index migrate -------------------------------------------------------------------------------


def test_an_engine_that_is_away_is_one_line_and_nothing_is_changed(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = folder.one_line("index", "migrate", "--to", f"milvus://ada:a-secret@127.0.0.1:{port}/registry")
    assert f"127.0.0.1:{port}" in said
    assert "a-secret" not in said


@pytest.mark.parametrize("url", ["http://127.0.0.1:19530", "milvus://", "milvus:127.0.0.1", "x", ""])
def test_an_address_of_no_engine_is_refused_with_what_one_looks_like(folder: Folder, url: str) -> None:
    said = folder.one_line("index", "migrate", "--to", url)
    assert "--to: " in said
    assert "milvus://user:password@host:19530/database" in said


def test_the_engine_in_each_process_needs_nothing_moved(folder: Folder) -> None:
    assert "CLEARMARK_INDEX_URL=faiss://" in folder.one_line("index", "migrate", "--to", "faiss://")


# -- algorithms ----------------------------------------------------------------------------------


def test_how_far_each_algorithm_has_come_is_told(folder: Folder) -> None:
    told = {one["algorithm"]: one for one in folder.json("algorithms", "status")}
    assert set(told) == set(Algorithm)
    assert (told[OLD]["having"], told[OLD]["lacking"], told[OLD]["is_under_way"]) == (1, 0, False)
    assert (told[NEW]["having"], told[NEW]["lacking"], told[NEW]["without_media"]) == (0, 1, 0)
    shown = folder.run("algorithms", "status").stdout
    assert "found by it" in shown
    assert all(one in shown for one in Algorithm)


@pytest.mark.parametrize("command", ["backfill", "retire"])
def test_an_algorithm_that_there_is_not_is_refused_with_those_that_there_are(folder: Folder, command: str) -> None:
    said = folder.refused("algorithms", command, "video-phash-v9", code=Exit.USAGE)
    assert "video-phash-v9" in said
    assert OLD in said


def test_looking_again_is_begun_once(folder: Folder) -> None:
    assert folder.json("algorithms", "backfill", NEW) == {"algorithm": NEW, "begun": True}
    assert folder.of(NEW)["is_under_way"]
    assert "under way" in folder.run("algorithms", "status").stdout
    before = folder.rows()
    assert "no: nothing lacks it, or it is under way" in folder.run("algorithms", "backfill", NEW).stdout
    assert folder.rows() == before
    assert folder.json("algorithms", "backfill", OLD)["begun"] is False


def test_what_nothing_succeeds_is_not_retired(folder: Folder) -> None:
    assert "Nothing succeeds it" in folder.one_line("algorithms", "retire", OLD)


@pytest.mark.usefixtures("succeeded")
def test_what_is_in_use_is_retired_only_by_who_says_what_is_lost(folder: Folder) -> None:
    assert "Say `--although 1` to lose them" in folder.one_line("algorithms", "retire", OLD)
    folder.json("algorithms", "backfill", NEW)
    assert "is under way" in folder.one_line("algorithms", "retire", OLD, "--although", 1)


@pytest.mark.usefixtures("succeeded")
def test_what_was_retired_is_gone_noted_and_does_not_come_back(folder: Folder) -> None:
    assert folder.json("algorithms", "retire", OLD, "--although", 1) == {"algorithm": OLD, "items": 1}
    with opened(folder.path) as database, database.reading() as session:
        [act] = session.scalars(sa.select(AdminAction))
    assert (act.action, act.subject, act.details["although"]) == ("algorithm_retired", OLD, 1)
    now = folder.of(OLD)
    assert (now["having"], now["lacking"], now["retired_at"] is None) == (0, 0, False)
    assert "retired 20" in folder.run("algorithms", "status").stdout
    assert "It was retired" in folder.one_line("algorithms", "backfill", OLD)
