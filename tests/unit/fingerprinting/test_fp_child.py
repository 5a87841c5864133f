"""A child gets what its bounds give and nothing more, and is gone when the call returns."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest

from fingerprinting import bounds, sandbox
from fingerprinting.child import ChildExceededLimit, ChildResult, Output, run_limited
from fingerprinting.sandbox import BOUNDS, ProcessLimits, offers
from tests import media
from tests.unit.fingerprinting.conftest import NoTrace

ROOMY = ProcessLimits(cpu_s=10, wall_s=30.0, memory_bytes=1 << 30)
PYTHON_READS = [Path(sys.prefix), Path(sys.base_prefix)]

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can take from a process what it could open")


def run(
    script: str, *, limits: ProcessLimits = ROOMY, outputs: Mapping[str, Output] | None = None, **more: Any
) -> ChildResult:
    """Run a few lines of Python as such a child; `{name}` is the number of an output's descriptor."""
    reads = [*more.pop("reads", []), *PYTHON_READS]
    return run_limited(
        [sys.executable, "-I", "-S", "-c", script], limits=limits, outputs=outputs or {}, reads=reads, **more
    )


def require(name: str) -> None:
    if not offers()[name]:
        pytest.skip(f"THIS SYSTEM DOES NOT OFFER {BOUNDS[name]!r}: it is not tested here")


def test_what_a_child_writes_arrives_whole_and_apart() -> None:
    left, right = bytearray(), bytearray()
    outputs = {
        "left": Output(take=left.extend, most_bytes=1 << 20),
        "right": Output(take=right.extend, most_bytes=1 << 20),
    }
    # More than a pipe holds, in turns: a reader that waited for one of them would hang.
    script = (
        "import os, sys\n"
        "def put(where, left):\n"
        "    while left: left -= os.write(where, bytes(left))\n"
        "for _ in range(4): put({left}, 200_000); put({right}, 150_000)\n"
        "print('said', file=sys.stderr); sys.exit(3)"
    )
    result = run(script, outputs=outputs)
    assert (len(left), len(right)) == (800_000, 600_000)
    assert (result.returncode, result.stderr) == (3, "said\n")


def test_a_child_has_none_of_the_services_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARMARK_SIGNER_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    said = run("import os, sys; print(dict(os.environ), file=sys.stderr)").stderr
    assert "PATH" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("import time; time.sleep(60)", id="sleeps"),
        pytest.param("import sys\nwhile True: sys.stderr.write('y' * 1000)", id="never stops talking"),
        pytest.param("import os, time; os.close(2); time.sleep(60)", id="closes its pipes and stays"),
        pytest.param("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)", id="ignores the signal"),
    ],
)
def test_no_trick_outlasts_the_wall_time(script: str, no_trace: NoTrace) -> None:
    started = time.monotonic()
    with no_trace(), pytest.raises(ChildExceededLimit) as ended:
        run(script, limits=replace(ROOMY, wall_s=1.0))
    assert ended.value.limit == "wall"
    assert time.monotonic() - started < 15


def test_an_output_past_its_size_ends_the_child(no_trace: NoTrace) -> None:
    taken = bytearray()
    outputs = {"frames": Output(take=taken.extend, most_bytes=100_000)}
    with no_trace(), pytest.raises(ChildExceededLimit) as ended:
        run("import os\nwhile True: os.write({frames}, bytes(1000))", outputs=outputs)
    assert ended.value.limit == "frames"
    assert len(taken) <= 100_000


def test_a_chatty_child_is_cut_short_but_not_blamed() -> None:
    result = run("import sys; print('begin', 'y' * 3_000_000, sep=chr(10), file=sys.stderr)")
    assert result.returncode == 0
    assert result.stderr.startswith("begin\n")
    assert len(result.stderr) <= 1 << 16


def test_a_child_has_no_more_memory_than_its_limit() -> None:
    grab = "held = bytearray(400 << 20)"
    assert run(grab).returncode == 0
    refused = run(grab, limits=replace(ROOMY, memory_bytes=300 << 20))
    assert refused.returncode != 0
    assert "MemoryError" in refused.stderr


def test_a_child_has_no_more_processor_time_than_its_limit() -> None:
    result = run("while True: pass", limits=replace(ROOMY, cpu_s=1, wall_s=60.0))
    assert result.returncode < 0


@pytest.mark.parametrize(("file_bytes", "size"), [(0, 0), (1024, 1024), (5000, 4096)])
def test_a_child_writes_no_larger_file_than_its_limit(tmp_path: Path, file_bytes: int, size: int) -> None:
    target = tmp_path / "written"
    script = (
        f"import os; f = os.open({str(target)!r}, os.O_CREAT | os.O_WRONLY)\nos.write(f, bytes(4096)) == 4096 or 1 / 0"
    )
    result = run(script, limits=replace(ROOMY, file_bytes=file_bytes), writes=tmp_path)
    assert target.stat().st_size == size
    assert (result.returncode == 0) == (size == 4096)


def test_a_child_is_told_nothing() -> None:
    assert run("import sys; sys.stdin.read() == '' or 1 / 0").returncode == 0


def test_a_program_that_is_not_there_is_a_failure_not_a_crash() -> None:
    result = run_limited(["/no/such/program"], limits=ROOMY, outputs={})
    assert result.returncode == 127
    assert "/no/such/program" in result.stderr


def test_a_taker_that_fails_ends_the_child(no_trace: NoTrace) -> None:
    def refuse(_: bytes) -> None:
        raise RuntimeError("full")

    outputs = {"out": Output(take=refuse, most_bytes=1 << 30)}
    with no_trace(), pytest.raises(RuntimeError, match="full"):
        run("import os\nwhile True: os.write({out}, bytes(1000))", outputs=outputs)


# -- what it cannot touch ----------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The service's own, where its data lies, readable by whoever runs it."""
    (folder := tmp_path / "data" / "keys").mkdir(parents=True)
    (folder / "signing.pem").write_text("key")
    return folder


@linux_only
def test_a_child_opens_its_file_and_no_other(tmp_path: Path, keys: Path) -> None:
    require("files")
    (given := tmp_path / "data" / "clip.mp4").write_text("media")
    script = (
        "import sys\n"
        "for path in sys.argv[1:]:\n"
        "    try: print(open(path).read()[:5], file=sys.stderr)\n"
        "    except OSError as error: print(type(error).__name__, file=sys.stderr)"
    )
    asked = [given, keys / "signing.pem", "/etc/passwd", f"/proc/{os.getpid()}/environ", "/dev/zero"]
    result = run_limited(
        [sys.executable, "-I", "-S", "-c", script, *map(str, asked)],
        limits=ROOMY,
        outputs={},
        reads=[given, *PYTHON_READS],
    )
    assert result.stderr.split() == ["media", *["PermissionError"] * 4]


@linux_only
def test_a_child_writes_in_its_folder_and_nowhere_else(tmp_path: Path, keys: Path) -> None:
    require("files")
    (scratch := tmp_path / "scratch").mkdir()
    key = keys / "signing.pem"
    acts = {
        "open(there + '/new', 'w').close()": True,
        "os.mkdir(there + '/folder')": True,
        "open(other + '/new', 'w')": False,
        "open(other + '/signing.pem', 'a')": False,
        "os.truncate(other + '/signing.pem', 0)": False,
        "os.unlink(other + '/signing.pem')": False,
        "os.rename(other + '/signing.pem', there + '/key')": False,
        "os.link(other + '/signing.pem', there + '/key')": False,
        "os.symlink(other, there + '/link'); open(there + '/link/new', 'w')": False,
        "open('/dev/shm/clearmark-escaped', 'w')": False,
        "os.listdir(other)": False,
    }
    for act, may in acts.items():
        script = f"import os; there, other = {str(scratch)!r}, {str(keys)!r}; {act}"
        result = run(script, limits=replace(ROOMY, file_bytes=1 << 20), writes=scratch)
        assert (result.returncode == 0) == may, (act, result.stderr)
        if not may:
            assert "[Errno" in result.stderr, act
    assert key.read_text() == "key"
    assert [path.name for path in keys.iterdir()] == ["signing.pem"]


CONNECT = "import socket; s = socket.socket(); s.settimeout(5); s.connect(('127.0.0.1', {port}))"


@linux_only
@pytest.mark.parametrize("name", ["network", "calls"])
def test_each_bound_alone_keeps_a_child_from_a_server_on_its_own_machine(name: str) -> None:
    """Where the system lacks one of them, the other holds; with neither, the server hears."""
    require(name)
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = CONNECT.replace("{port}", str(server.getsockname()[1]))
        assert in_a_child(script) == 0
        assert in_a_child(f"from fingerprinting.bounds import *; {LEAVES[name]} or 1 / 0; {script}") == 1
        assert run(script).returncode == 1
        server.settimeout(0)
        server.accept()[0].close()  # the first, which was not bound
        with pytest.raises(BlockingIOError):
            server.accept()


LEAVES = {"network": "leave_network()", "calls": "free() and leave_calls(network=False)"}


def in_a_child(script: str) -> int:
    """What becomes of these lines in a process that is not bound but by themselves."""
    free = "import ctypes; free = lambda: ctypes.CDLL(None).prctl(38, 1, 0, 0, 0) == 0; "
    command = [sys.executable, "-c", free + script]
    root = Path(sandbox.__file__).parents[1]
    return subprocess.run(command, cwd=root, check=False, stderr=subprocess.DEVNULL).returncode


@linux_only
def test_a_decoder_that_follows_a_list_reaches_nothing(tmp_path: Path) -> None:
    """Told to by us, as a fault in it might: what it is not told to follow, `tests.hostile` holds."""
    require("files")
    clip = media.moving_clip(tmp_path / "clip.mp4", seconds=1, seed=1)
    (files := tmp_path / "files.ffconcat").write_text(f"ffconcat version 1.0\nfile {clip}\n")
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error"]

    def read(source: Path, *reads: Path) -> int:
        follows = ["-protocol_whitelist", "file,http,tcp,pipe", "-safe", "0", "-i", str(source)]
        command = [*program, *(follows if source is files else follows[:2] + follows[4:]), "-f", "null", "-"]
        return run_limited(command, limits=ROOMY, outputs={}, reads=[source, *reads]).returncode

    assert read(files, clip) == 0
    assert read(files) != 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        (addresses := tmp_path / "list.m3u8").write_text(
            f"#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1:{server.getsockname()[1]}/a.ts\n#EXT-X-ENDLIST\n"
        )
        assert read(addresses) != 0
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


@linux_only
@pytest.mark.parametrize(
    "act",
    [
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], os.environ)",
        "os.chmod(given, 0o777)",
        "os.chown(given, 0, 0)",
        "os.unshare(os.CLONE_NEWUSER)",
        "os.setns(os.open(given, os.O_RDONLY))",
        "libc.ptrace(0, 0, 0, 0) == 0 or raise_()",
        "libc.socket(1, 1, 0) >= 0 or raise_()",
        "libc.syscall(425, 8, 0) >= 0 or raise_()",
        "libc.syscall(321, 0, 0, 0) >= 0 or raise_()",
        "os.kill(os.getppid(), 0)",
    ],
)
def test_a_child_makes_no_process_and_looks_into_none(act: str, tmp_path: Path) -> None:
    require("calls")
    if "kill" in act:
        require("files")
    (given := tmp_path / "given").write_text("media")
    script = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def raise_(): raise OSError(ctypes.get_errno(), 'refused')\n"
        f"given = {str(given)!r}\n{act}"
    )
    result = run(script, reads=[given])
    assert result.returncode == 1
    assert "PermissionError" in result.stderr


@linux_only
def test_a_child_can_still_have_threads() -> None:
    script = "import threading; t = threading.Thread(target=print); t.start(); t.join()"
    assert run(script).returncode == 0


@linux_only
def test_a_child_runs_no_other_program() -> None:
    require("files")
    result = run("import os; os.execv('/bin/true', ['true'])")
    assert result.returncode == 1
    assert "PermissionError" in result.stderr


@linux_only
def test_a_child_gains_no_rights() -> None:
    result = run(
        "import sys; print(open('/proc/self/status').read(), file=sys.stderr)", reads=[Path("/proc/self/status")]
    )
    assert result.returncode == 1  # its own, and not that of who started it
    script = "import ctypes; ctypes.CDLL(None).prctl(39, 0, 0, 0, 0) == 1 or 1 / 0"
    assert run(script).returncode == 0


@linux_only
def test_a_child_ends_with_who_started_it() -> None:
    """Killed, so that nothing there can end it."""
    command = [sys.executable, "-I", "-S", "-c", "import os, time; os.write(1, b'x'); time.sleep(60)"]
    limits = ProcessLimits(cpu_s=60, wall_s=60.0, memory_bytes=1 << 30)
    given = [str(path) for path in PYTHON_READS]
    script = (
        "import subprocess, time; from pathlib import Path; from fingerprinting.sandbox import *\n"
        f"command = bound({command!r}, {limits!r}, reads=map(Path, {given!r}))\n"
        "subprocess.Popen(command, start_new_session=True); time.sleep(60)"
    )
    root = Path(sandbox.__file__).parents[1]
    with subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        assert starter.stdout.read(1)
        starter.kill()
        starter.wait()
        began = time.monotonic()
        assert starter.stdout.read() == b""  # only when the child has let go of it as well
        assert time.monotonic() - began < 20


# -- what is told of it -------------------------------------------------------------------------------


def test_what_the_system_offers_is_told_in_words() -> None:
    assert offers().keys() == BOUNDS.keys()
    assert offers()["limits"]


@linux_only
def test_a_system_without_a_bound_is_told_and_the_others_stand() -> None:
    """On a machine whose calls we do not know, nothing is filtered, and the rest is as it was."""
    script = (
        "import os, sys; from fingerprinting import bounds; bounds._CALLS.clear()\n"
        "given = bounds.bind(cpu_s=9, memory_bytes=1 << 40, file_bytes=0)\n"
        "os._exit(0 if given == {**given, 'limits': True, 'calls': False} else 1)"
    )
    assert in_a_child(script) == 0


def test_a_dynamically_linked_program_names_its_loader(tmp_path: Path) -> None:
    loader = bounds._loader(sys.executable)
    assert loader is None or Path(loader).exists()
    for number, content in enumerate((b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF" + b"\xff" * 200)):
        (path := tmp_path / str(number)).write_bytes(content)
        assert bounds._loader(path) is None
    assert bounds._loader(tmp_path / "none") is None
