"""A child process that opens hostile input: bound (`sandbox`), and ended at its wall time or its output's size."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fingerprinting.sandbox import ProcessLimits, bound, environment

_CHUNK_BYTES = _STDERR_BYTES = 1 << 16


class ChildExceededLimit(Exception):
    """The child was ended because it passed `limit`: "wall", or the name of an output pipe."""

    def __init__(self, *, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where what the child writes into one pipe goes, chunk by chunk, and how much of it is accepted."""

    take: Callable[[bytes], object]
    most_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildResult:
    returncode: int
    stderr: str


def run_limited(
    command: Sequence[str],
    *,
    limits: ProcessLimits,
    outputs: Mapping[str, Output],
    reads: Iterable[Path] = (),
    writes: Path | None = None,
) -> ChildResult:
    """Run a child and hand on what it writes as it comes, so that nothing large is held.

    Args:
        command: may hold `{name}` for each of `outputs`; replaced by a writable descriptor number.
        reads, writes: the files that it may open and the folder in which it may make some, as `sandbox.bound` has them.
    Raises:
        ChildExceededLimit: wall time or an output's size was passed; the child is gone.
    """
    with contextlib.ExitStack() as stack:
        readers, writers = {}, {}
        for name in outputs:
            readers[name], writers[name] = os.pipe()
            stack.callback(os.close, readers[name])
        try:
            process = subprocess.Popen(
                bound([part.format(**writers) for part in command], limits, reads=reads, writes=writes),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=tuple(writers.values()),
                env=environment(),
                start_new_session=True,
            )
        finally:
            for descriptor in writers.values():
                os.close(descriptor)
        with _ended(process):
            assert process.stderr is not None
            stderr = bytearray()
            sources = {readers[name]: (name, output) for name, output in outputs.items()}
            sources[process.stderr.fileno()] = (
                "stderr",
                Output(take=stderr.extend, most_bytes=_STDERR_BYTES),
            )
            deadline = time.monotonic() + limits.wall_s
            _pump(sources, deadline)
            try:
                returncode = process.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired as error:
                raise ChildExceededLimit(limit="wall") from error
    return ChildResult(returncode=returncode, stderr=stderr.decode(errors="replace"))


def _pump(sources: Mapping[int, tuple[str, Output]], deadline: float) -> None:
    taken = dict.fromkeys(sources, 0)
    with selectors.DefaultSelector() as selector:
        for descriptor in sources:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            left_s = deadline - time.monotonic()  # also asked of a child that never stops talking
            ready = selector.select(timeout=left_s) if left_s > 0 else []
            if not ready:
                raise ChildExceededLimit(limit="wall")
            for key, _ in ready:
                name, output = sources[key.fd]
                chunk = os.read(key.fd, _CHUNK_BYTES)
                taken[key.fd] += len(chunk)
                if not chunk:
                    selector.unregister(key.fd)
                elif taken[key.fd] <= output.most_bytes:
                    output.take(chunk)
                elif name != "stderr":  # a chatty child is not a fault: its words are cut instead
                    raise ChildExceededLimit(limit=name)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens inside, the child is gone afterwards."""
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # it leads its own session: its children go with it
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
