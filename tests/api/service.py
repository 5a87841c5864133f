"""A Clearmark service in a process of its own on a data folder of its own, as an operator runs it but for its fork.

Decides how it is started, asked and ended, so that no test starts one in another way. It does not
decide what is right: tests do.
"""

import contextlib
import functools
import io
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.service import upgrade_database
from tests.api.forked import REPOSITORY, Command
from tests.processes import children_of, command_of

START_S, STOP_S = 60.0, 30.0
PROBLEM_TYPE = "application/problem+json"
# Who asks a service here needs nobody's certificate: to read all that a machine trusts takes longer than the answer.
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# All tests come from one address.
_UNLIMITED = {f"limit_{name}": "100000/minute" for name in ("key", "holder", "anonymous", "verifications", "sign_in")}
FINISHED = frozenset({"done", "indexed", "rejected", "withdrawn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningService:
    """A started service; `log` is what it said on standard error."""

    process: Command
    url: str
    data_dir: Path
    log: Path
    environment: Mapping[str, str]

    @property
    def staging(self) -> Path:
        return self.data_dir / "blobs" / "staging"

    def left_behind(self) -> list[str]:
        """Staged files, and children that have not ended but the one that forks readers."""
        started = children_of(self.process.pid)
        forking = {pid for pid in started if "provenance.worker" in command_of(pid)}
        reading = [pid for forks in forking for pid in children_of(forks)]
        children = [str(pid) for pid in [*started, *reading] if pid not in forking]
        return [*children, *(path.name for path in self.staging.iterdir())]

    def cli(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run `clearmark` beside the service, on the same data folder."""
        return run_cli_here(*arguments, environment=self.environment)

    def key(self, holder: str, *scopes: str, assurance: str = "vetted") -> str:
        """Make a key, and its holder when there is none of that name."""
        ran = self.cli(
            *("keys", "create", "--holder", holder, "--scopes", ",".join(scopes)),
            *("--assurance", assurance, "--json"),
        )
        assert ran.returncode == 0, ran.stderr
        key: str = json.loads(ran.stdout)["key"]
        return key

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=90, verify=PLAIN)

    def kill(self) -> None:
        """kill -9: nothing in the process gets a chance to tidy up."""
        self.process.kill()
        self.process.wait(timeout=STOP_S)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=STOP_S)


def environment_of(data_dir: Path, settings: Mapping[str, object] | None = None) -> dict[str, str]:
    """The environment of a service on `data_dir`; nothing of our own settings reaches it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEARMARK_")}
    ours = {f"CLEARMARK_{name.upper()}": str(value) for name, value in (settings or {}).items()}
    # Where no bytecode is written, each start would compile hundreds of files anew.
    return {**kept, "PYTHONDONTWRITEBYTECODE": "", **ours, "CLEARMARK_DATA_DIR": str(data_dir)}


def run_cli(
    *arguments: object, environment: Mapping[str, str], timeout_s: float = 100
) -> subprocess.CompletedProcess[str]:
    """Run the `clearmark` command to its end."""
    command = [sys.executable, "-m", "api.cli", *map(str, arguments)]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=timeout_s
    )


def run_cli_forked(*arguments: object, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own that is forked: for what would change this one."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "stderr")
        command = Command([*map(str, arguments)], environment, log, is_heard=True)
        assert command.stdout is not None
        with command.stdout:
            said = command.stdout.read().decode()
        code = command.wait(timeout=START_S)
        return subprocess.CompletedProcess(["clearmark", *map(str, arguments)], code, said, log.read_text())


def run_cli_here(*arguments: object, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The same in this process, as its own would run it: without the seconds that one takes to start."""
    from api.cli import main

    command = ["clearmark", *map(str, arguments)]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", command)
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


@functools.cache
def _empty_database() -> bytes:
    """A SQLite database as the migrations make it: they are most of what a service does when it first starts."""
    with tempfile.TemporaryDirectory() as folder:
        upgrade_database(f"sqlite:///{folder}/clearmark.db")
        return Path(folder, "clearmark.db").read_bytes()


def start_service(data_dir: Path, log: Path, **settings: object) -> RunningService:
    """Start a service and wait until it is ready."""
    environment = environment_of(data_dir, {**_UNLIMITED, **settings})
    if "database_url" not in settings and not data_dir.exists():
        data_dir.mkdir(mode=0o700)
        (data_dir / "clearmark.db").write_bytes(_empty_database())
    process = Command(["serve", "--port", "0"], environment, log, is_heard=True)
    _watch(process)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert "http://" in line, f"it did not start: {log.read_text()[-2000:]}"
        url = "http://" + line.partition("http://")[2].split()[0]
        service = RunningService(process=process, url=url, data_dir=data_dir, log=log, environment=environment)
        with service.client() as client:
            until(lambda: client.get("/readyz").status_code == httpx.codes.OK, timeout_s=START_S)
    except BaseException:
        end(process)
        raise
    return service


_watchers: dict[int, subprocess.Popen[bytes]] = {}


def _watch(process: Command) -> None:
    """Let a process end with the tests, however those end: the kernel closes the pipe that the watcher reads."""
    script = 'read -r over || kill -9 "$1"'
    _watchers[process.pid] = subprocess.Popen(
        ["/bin/sh", "-c", script, "watcher", str(process.pid)], stdin=subprocess.PIPE, start_new_session=True
    )


def end(process: Command | subprocess.Popen[bytes]) -> None:
    """Whatever happened to it, the process is gone afterwards."""
    if watcher := _watchers.pop(process.pid, None):
        watcher.communicate(b"over\n")
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_S)
    if process.poll() is None:
        process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def running_service(folder: Path, **settings: object) -> Iterator[RunningService]:
    """A service for as long as the block lasts. It must end without having had an error of its own."""
    service = start_service(folder / "var", folder / "stderr", **settings)
    try:
        yield service
    finally:
        end(service.process)
    assert (errors := errors_of(service)) == [], "\n".join(errors)


def errors_of(service: RunningService) -> list[str]:
    """The errors that a service had of its own."""
    records = re.split(r"^(?=\d{4}-\d\d-\d\dT|\{)", service.log.read_text(), flags=re.MULTILINE)
    return [record for record in records if "Traceback" in record]


def until[T](ask: Callable[[], T], *, timeout_s: float = 60.0, every_s: float = 0.05) -> T:
    """Ask until the answer is something; fails when it never is."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still nothing after {timeout_s:.0f} s"
        time.sleep(every_s)


def problem(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """The problem document of an answer, which must be that one."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text[:500]}"
    assert answer.headers["content-type"] == PROBLEM_TYPE
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"urn:clearmark:problem:{name}", document
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document


def ok(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The body of an answer with that status."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text[:500]}"
    body: dict[str, Any] = answer.json()
    return body


def send(client: httpx.Client, path: str, media: Path, **options: Any) -> httpx.Response:
    """Post a file as a form, as any HTTP client does."""
    with media.open("rb") as file:
        return client.post(path, files={"file": (media.name, file)}, **options)


def finished(client: httpx.Client, path: str, *, timeout_s: float = 60.0) -> dict[str, Any]:
    """Ask for an asset or a check until it is finished."""

    def ask() -> dict[str, Any] | None:
        found = ok(client.get(path))
        return found if found["status"] in FINISHED else None

    found = until(ask, timeout_s=timeout_s)
    assert found is not None
    return found
