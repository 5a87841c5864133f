"""`clearmark` in a process of its own, without the seconds it takes to start: forked from one that has loaded it.

Many tests start services, kill them, and start them again; loading the code would be most of what they do. Tests of the
program itself run it whole (`tests.api.service.run_cli`).
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Final

REPOSITORY: Final = Path(__file__).parents[2]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["api.cli", "api.server", "api.worker", "tests.api.loaded", __name__])


class Command:
    """A running command; asked and ended as a `subprocess.Popen` is.

    Attributes:
        pid: of the process.
        stdout: what it says, to be read in lines and closed; None where that goes to its log.
    """

    stdout: IO[bytes] | None = None

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], log: Path, *, is_heard: bool = False
    ) -> None:
        """Start `clearmark` with `arguments`; what it says is added to `log`.

        Args:
            is_heard: what it says on standard output is for `stdout`.
        """
        said, saying = _FORKS.Pipe(duplex=False)
        self._process = _FORKS.Process(
            target=_become, args=(list(arguments), dict(environment), log, saying if is_heard else None), daemon=True
        )
        self._process.start()
        saying.close()
        if is_heard:
            self.stdout = os.fdopen(os.dup(said.fileno()), "rb")
        said.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """How it ended, or None."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """How it ended. Raises: subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired("clearmark", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _become(arguments: list[str], environment: dict[str, str], log: Path, saying: Connection | None) -> None:
    """What the forked process does: run the command as the system would have started it."""
    from api.cli import main
    from tests.api.loaded import hand_over

    hand_over()
    errors = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(errors if saying is None else saying.fileno(), 1)
    os.dup2(errors, 2)
    os.close(errors)
    if saying is not None:
        saying.close()
    os.chdir(REPOSITORY)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["clearmark", *arguments]
    main()
