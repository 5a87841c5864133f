"""A real RabbitMQ for tests, where its Debian package is installed: a node of its own, on loopback, gone when they end.

RabbitMQ refuses nothing to root, and leaves files of root's behind; so for root it runs as `nobody`.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_S = 90.0


def is_installed() -> bool:
    return PROGRAM.is_file() and shutil.which("epmd") is not None


@contextmanager
def rabbitmq_server() -> Iterator[str]:
    """A broker with nothing in it, for as long as the block lasts; gives its URL."""
    home = Path(tempfile.mkdtemp(prefix="clearmark-rabbitmq-"))
    port, dist_port, epmd_port = _free_ports(3)
    # Erlang's nodes find each other by a daemon, which would stay; this one is ours, and ends with us.
    environment = {
        "PATH": f"{os.defpath}:/usr/sbin:/sbin", "HOME": str(home), "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": str(epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"clearmark{secrets.token_hex(4)}@localhost",
        "RABBITMQ_NODE_PORT": str(port), "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1", "RABBITMQ_DIST_PORT": str(dist_port),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"), "RABBITMQ_LOG_BASE": str(home / "log"), "RABBITMQ_LOGS": "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"), "RABBITMQ_CONFIG_FILE": str(home / "none"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
    }  # fmt: skip
    with Path(home, "out").open("wb") as out:
        how: dict[str, Any] = {
            "env": environment, "cwd": home, "stdin": subprocess.DEVNULL, "stdout": out, "stderr": out,
            "start_new_session": True, **_unprivileged(home),
        }  # fmt: skip
        epmd = subprocess.Popen(["epmd", "-port", str(epmd_port), "-address", "127.0.0.1"], **how)
        server = subprocess.Popen([PROGRAM], **how)
    try:
        deadline = time.monotonic() + START_S
        while not _answers(port):
            assert server.poll() is None, Path(home, "out").read_text()[-2000:]
            assert time.monotonic() < deadline, "RabbitMQ did not start"
            time.sleep(0.2)
        yield f"amqp://guest:guest@127.0.0.1:{port}//"
    finally:
        for process in (server, epmd):  # the program is a shell: with it ends its whole session
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _answers(port: int) -> bool:
    """Whether the broker answers as one: what begins no connection of AMQP is told its version and let go."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"HELLO---")
            return connection.recv(4) == b"AMQP"
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def _unprivileged(home: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
