"""What a dead, late or babbling child means, what a child is not given, and what it cannot do."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fingerprinting.bounds import leave_files, leave_network
from provenance import frames
from provenance.authority import Credentials
from provenance.errors import KeyUnavailable, ReadFailed, SigningFailed, WorkerDied
from provenance.isolated import IsolatedEngine, converse
from provenance.isolation import WorkerLimits, bind
from provenance.keys import PublicKey, SigningKey
from provenance.model import IntegrityState, ReleaseClaim
from provenance.worker import Operation, Request
from tests.processes import children_of

type MediaMaker = Callable[[str], Path]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def engine(own: Credentials) -> Iterator[IsolatedEngine]:
    with closing(IsolatedEngine(lambda: own)) as made:
        yield made


def forking(engine: IsolatedEngine) -> subprocess.Popen[bytes]:
    process = engine._forks._process
    assert process is not None
    return process


@contextmanager
def child(says: Callable[[socket.socket], None]) -> Iterator[socket.socket]:
    """The other end of a connection, and a thread in the place of a child."""
    ours, theirs = socket.socketpair()

    def live() -> None:
        with theirs:
            says(theirs)

    thread = threading.Thread(target=live)
    thread.start()
    with ours:
        yield ours
    thread.join()


def request(own: Credentials, operation: Operation = Operation.READ) -> Request:
    return Request(
        operation=operation,
        identity=own.signer.identity,
        trust_anchors=(),
        former_sha256=(),
        tsa_urls=(),
        limits=WorkerLimits(),
        source=Path("/a"),
    )


def says(content: bytes) -> Callable[[socket.socket], None]:
    def say(connection: socket.socket) -> None:
        frames.receive(connection)
        connection.sendall(content)

    return say


def waits_for_the_end(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        pass


def framed(message: str) -> bytes:
    return len(message).to_bytes(4, "big") + message.encode()


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (b"", "unstarted"),
        (framed('{"began": true}'), "exit"),
        (framed('{"began": true}') * 2, "garbled"),
        (b"\0\0", "garbled"),
        (framed("not json"), "garbled"),
        (framed("{}")[:-1], "garbled"),
        (framed('{"ok": true}'), "garbled"),
        (framed('{"ok": false, "error": {"kind": "SystemExit", "fields": {}}}'), "garbled"),
        (framed('{"ok": false, "error": {"kind": "ReadFailed", "fields": {"x": 1}}}'), "garbled"),
        (framed('{"sign": "AAAA"}'), "garbled"),  # a file that is read has nothing to sign
        (b"\xff\xff\xff\xff", "garbled"),
        (framed("[" * 100_000), "garbled"),
    ],
    ids=[
        "nothing", "began", "began twice", "half a length", "no json", "cut", "no value", "no error of ours",
        "wrong fields", "sign", "long", "nested",
    ],
)  # fmt: skip
def test_a_broken_child_gives_no_answer(own: Credentials, content: bytes, how: str) -> None:
    with child(says(content)) as connection, pytest.raises(WorkerDied) as died:
        converse(connection, request(own), None, wall_s=10)
    assert died.value.how == how


def test_a_silent_child_is_late(own: Credentials) -> None:
    with child(waits_for_the_end) as connection, pytest.raises(WorkerDied) as died:
        converse(connection, request(own), None, wall_s=0.3)
    assert died.value.how == "timeout"


def test_a_child_that_takes_nothing_is_late(own: Credentials) -> None:
    large, over = replace(request(own), manifest_store=bytes(8 << 20)), threading.Event()

    def takes_nothing(_: socket.socket) -> None:
        over.wait(5)

    with child(takes_nothing) as connection:
        with pytest.raises(WorkerDied) as died:
            converse(connection, large, None, wall_s=0.3)
        over.set()
    assert died.value.how == "timeout"


def test_a_child_that_drips_is_late(own: Credentials) -> None:
    def drip(connection: socket.socket) -> None:
        frames.receive(connection)
        with suppress(OSError):
            while True:  # of a long frame's length and what follows, never its end
                connection.sendall(b"\1")
                time.sleep(0.05)

    with child(drip) as connection, pytest.raises(WorkerDied) as died:
        converse(connection, request(own), None, wall_s=0.3)
    assert died.value.how == "timeout"


def test_where_no_process_can_be_had_nothing_is_said_of_the_file(
    engine: IsolatedEngine, media: MediaMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unstarted(*_: Any, **__: Any) -> Any:
        raise WorkerDied(operation="read", how="unstarted")

    monkeypatch.setattr("provenance.isolated.converse", unstarted)
    with pytest.raises(ReadFailed, match="no process"):
        engine.read(media("mp4"), "video/mp4")


class Counted:
    """A key that counts."""

    def __init__(self, own: Credentials) -> None:
        self.signed = 0
        self._identity = own.signer.identity

    def public_key(self) -> PublicKey:
        return self._identity.public_key()

    def sign(self, data: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        self.signed += 1
        return b"signature"


def test_a_child_cannot_have_signed_what_it_likes_without_end(own: Credentials) -> None:
    key = Counted(own)

    def greedy(connection: socket.socket) -> None:
        frames.receive(connection)
        with suppress(OSError):
            for _ in range(100):
                frames.send(connection, {"sign": "AAAA"})
                frames.receive(connection)

    with child(greedy) as connection, pytest.raises(WorkerDied):
        converse(connection, request(own, Operation.SIGN), key, wall_s=5)
    assert key.signed == 1


@pytest.mark.parametrize("ending", ["exit", "no facts"])
def test_no_answer_that_fits_is_unreadable(
    engine: IsolatedEngine, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    ending: str,
) -> None:  # fmt: skip
    def broken(*_: Any, **__: Any) -> Any:
        if ending == "no facts":
            return []
        raise WorkerDied(operation="read", how="exit")

    monkeypatch.setattr("provenance.isolated.converse", broken)
    facts = engine.read(media("mp4"), "video/mp4")
    assert facts.integrity.state is IntegrityState.UNREADABLE
    assert facts.integrity.failures[0].code.startswith("clearmark.reader.")
    with pytest.raises(SigningFailed, match="signing process"):
        engine.sign(media("mp4"), tmp_path / "signed.mp4", claim)
    assert list(tmp_path.iterdir()) == []


def test_a_late_child_is_ended(own: Credentials, tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "clip.mp4")  # opening it waits for a writer, for ever
    with closing(IsolatedEngine(lambda: own, limits=WorkerLimits(wall_s=2.0))) as engine:
        engine.read(pipe, "video/mp4")  # the library is loaded
        began = time.monotonic()
        facts = engine.read(pipe, "video/mp4")
        assert facts.integrity.failures[0].code in ("clearmark.reader.exit", "clearmark.reader.timeout")
        while children_of(forking(engine).pid):
            assert time.monotonic() - began < 10
            time.sleep(0.02)


def test_a_limit_reaches_the_child(own: Credentials, media: MediaMaker) -> None:
    with closing(IsolatedEngine(lambda: own, limits=WorkerLimits(memory_bytes=1 << 20))) as starved:
        assert starved.read(media("mp4"), "video/mp4").integrity.state is IntegrityState.UNREADABLE
        assert forking(starved).poll() is None  # the next file has a child of its own


def test_a_process_that_forks_no_more_is_replaced(engine: IsolatedEngine, media: MediaMaker) -> None:
    assert engine.read(media("mp4"), "video/mp4").integrity.state is IntegrityState.ABSENT
    first = forking(engine)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert engine.read(media("mp4"), "video/mp4").integrity.state is IntegrityState.ABSENT
    assert forking(engine).pid != first.pid


def test_nobody_is_left_when_the_engine_closes(own: Credentials, media: MediaMaker) -> None:
    engine = IsolatedEngine(lambda: own)
    engine.read(media("mp4"), "video/mp4")
    process = forking(engine)
    engine.close()
    assert process.poll() is not None


def test_nobody_is_left_when_its_user_is_killed(media: MediaMaker, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from provenance.authority import *; from provenance.isolated import IsolatedEngine\n"
        "own = Credentials(signer=ensure_development_signer(Path(sys.argv[1]), at=datetime.now(UTC)))\n"
        "engine = IsolatedEngine(lambda: own); engine.read(Path(sys.argv[2]), '')\n"
        "print(engine._forks._process.pid, flush=True); import time; time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "keys"), str(media("mp4"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)}) as user:
        assert user.stdout is not None
        forks = int(user.stdout.readline())
        user.kill()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{forks}/cmdline").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{forks}/cmdline").exists()


def test_a_python_that_cannot_be_started_says_nothing_of_the_file(
    engine: IsolatedEngine, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    with pytest.raises(ReadFailed):
        engine.read(media("mp4"), "video/mp4")
    with pytest.raises(SigningFailed):
        engine.sign(media("mp4"), tmp_path / "signed.mp4", claim)


def test_the_children_get_no_environment_of_ours(
    engine: IsolatedEngine, media: MediaMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARMARK_SECRET_OF_THE_TEST", "s3cret")
    engine.read(media("mp4"), "video/mp4")
    seen = Path(f"/proc/{forking(engine).pid}/environ").read_bytes()
    assert b"PYTHONPATH=" in seen
    assert b"s3cret" not in seen


def test_the_worker_is_found_from_any_folder_and_reads_relative_paths(
    own: Credentials, media: MediaMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip.mp4").write_bytes(media("mp4").read_bytes())
    (tmp_path / "provenance.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    with closing(IsolatedEngine(lambda: own)) as engine:
        assert engine.read(Path("clip.mp4"), "video/mp4").integrity.state is IntegrityState.ABSENT


def test_a_key_that_refuses_is_named_and_leaves_no_file(
    own: Credentials, media: MediaMaker, claim: ReleaseClaim, tmp_path: Path
) -> None:
    class Refusing(Counted):
        def sign(self, data: bytes) -> bytes:
            super().sign(data)
            raise KeyUnavailable(reason="the device is locked")

    key = Refusing(own)
    locked = Credentials(signer=replace(own.signer, key=key))
    with (
        closing(IsolatedEngine(lambda: locked)) as engine,
        pytest.raises(KeyUnavailable, match="the device is locked"),
    ):
        engine.sign(media("mp4"), tmp_path / "signed.mp4", claim)
    assert key.signed == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process leave its network")
def test_who_left_the_network_reaches_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        pid = os.fork()
        if pid == 0:
            if not leave_network():
                os._exit(7)
            try:
                socket.create_connection(server.getsockname(), timeout=2).close()
            except OSError:
                os._exit(0)
            os._exit(1)
        _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 7:
        pytest.skip("this system lets nobody leave its network")
    assert code == 0


# What a child that was asked to read finds that it may do.
PROBE = """
import resource, socket, sys
from provenance import worker
def outcome(act):
    try:
        act()
    except OSError:
        return "refused"
    return "done"
def perform(request, connection):
    address = "127.0.0.1", int(sys.argv[3])
    kinds = "CPU", "AS", "FSIZE", "CORE"
    limits = {kind: resource.getrlimit(getattr(resource, f"RLIMIT_{kind}"))[0] for kind in kinds}
    return {"ok": True, "value": {
        "given": outcome(lambda: open(request.source, "rb").read(1)),
        "key": outcome(lambda: open(sys.argv[2], "rb").read(1)),
        "network": outcome(lambda: socket.create_connection(address, timeout=5).close()),
        **limits,
    }}
worker.perform = perform
worker.answer(socket.socket(fileno=int(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process leave its network and its files")
def test_a_child_that_reads_has_its_file_and_its_limits_and_nothing_else(own: Credentials, tmp_path: Path) -> None:
    (given := tmp_path / "given").write_text("media")
    (key := tmp_path / "key.pem").write_text("key")
    limits = WorkerLimits(cpu_s=7, memory_bytes=3 << 30, file_bytes=1 << 20)
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as server, ours:
        command = [sys.executable, "-c", PROBE, str(theirs.fileno()), str(key), str(server.getsockname()[1])]
        with subprocess.Popen(command, pass_fds=[theirs.fileno()], env={"PYTHONPATH": str(ROOT)}):
            theirs.close()
            told = converse(ours, replace(request(own), source=given, limits=limits), None, wall_s=60)
    assert (told["CPU"], told["AS"], told["FSIZE"], told["CORE"]) == (7, 3 << 30, 1 << 20, 0)
    assert told["given"] == "done"
    if in_a_child(lambda: os._exit(0 if leave_files([]) else 5)) == 0:
        assert told["key"] == "refused"
    if in_a_child(lambda: os._exit(0 if leave_network() else 5)) == 0:
        assert told["network"] == "refused"


def test_who_reads_is_given_no_key_to_sign_with(
    engine: IsolatedEngine, media: MediaMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    def seen(connection: socket.socket, asked: Request, key: SigningKey | None, *, wall_s: float) -> Any:
        given.append(key)
        return converse(connection, asked, key, wall_s=wall_s)

    monkeypatch.setattr("provenance.isolated.converse", seen)
    engine.read(media("mp4"), "video/mp4")
    assert given == [None]


def in_a_child(act: Callable[[], None]) -> int:
    """Exit code of a forked process that does something; 3 when it may not."""
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            act()
        except OSError:
            code = 3
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_who_is_bound_opens_its_file_and_no_key(tmp_path: Path) -> None:
    (given := tmp_path / "given").write_text("media")
    (tmp_path / "keys").mkdir()
    (key := tmp_path / "keys" / "key.pem").write_text("key")
    (folder := tmp_path / "scratch").mkdir()

    def bound(act: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            bind(WorkerLimits(), network=False, reads=[given], writes=folder)
            act()

        return run

    assert in_a_child(bound(given.read_text)) == 0
    assert in_a_child(bound(lambda: (folder / "signed").write_text("x"))) == 0
    if in_a_child(lambda: os._exit(0 if leave_files([]) else 5)) != 0:
        pytest.skip("this kernel has no Landlock")
    assert in_a_child(bound(key.read_text)) == 3
    assert in_a_child(bound(lambda: key.write_text("x"))) == 3
    assert in_a_child(bound(lambda: os.truncate(key, 0))) == 3
    assert key.read_text() == "key"
    assert in_a_child(bound(lambda: list(tmp_path.iterdir()))) == 3
    assert in_a_child(bound(lambda: (tmp_path / "new").write_text("x"))) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans a new parent")
def test_what_a_child_leaves_behind_is_ended(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    code = (
        "import os, socket, sys, time; from pathlib import Path; from provenance import worker\n"
        "def answer(connection):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        while True: Path(sys.argv[2]).write_text(str(time.time())); time.sleep(0.02)\n"
        "    while not Path(sys.argv[2]).exists(): time.sleep(0.02)\n"
        "worker.answer = answer\n"
        "worker.serve(socket.socket(fileno=int(sys.argv[1])))"
    )
    control, theirs = socket.socketpair()
    command = [sys.executable, "-c", code, str(theirs.fileno()), str(alive)]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()], env={"PYTHONPATH": str(ROOT)}) as process:
        theirs.close()
        ours, sent = socket.socketpair()
        socket.send_fds(control, [f"{5:<16.3f}".encode()], [sent.fileno()])
        sent.close()
        ours.settimeout(10)
        deadline = time.monotonic() + 10
        while children_of(process.pid) or not alive.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        ours.close()
        control.close()
    last = alive.read_text()
    time.sleep(0.2)
    assert alive.read_text() == last


def test_the_isolated_engine_loads_no_native_library() -> None:
    code = "import sys, provenance.isolated; sys.exit('c2pa' in sys.modules)"
    assert os.spawnve(os.P_WAIT, sys.executable, [sys.executable, "-c", code], {"PYTHONPATH": str(ROOT)}) == 0
