"""`python -m tests.load`: mixed traffic on loopback, step by step or for long; exit 1 on an error or growing memory.

Of a service that runs already (`--url`) nothing is known from outside but its answers: no memory, no processor time.
"""

import argparse
import ipaddress
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.api.service import until
from tests.load.serving import Served, ready, served
from tests.load.steps import HEADINGS, Memory, Step, grown_bytes, grows, knee, step
from tests.load.traffic import House, Kind

_MIX = "check=2,verify=6,page=6,register=1"
_MOST_CLIENTS, _MOST_S = 256, 7200.0
_WARM_UP_S, _WARM_UP_CLIENTS = 3.0, 2
_WIDTHS = (7, 9, 9, 8, 8, 8, 28, 11, 12)


def main(arguments: Sequence[str], *, say: Callable[[str], None] = print) -> int:
    """Load a service and tell; returns the exit code."""
    said = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="clearmark-load-") as name, _target(said, Path(name)) as target:
        # What is loaded at the first request of a kind is not what this is about.
        step(target, dict.fromkeys(Kind, 1.0), clients=_WARM_UP_CLIENTS, seconds=_WARM_UP_S)
        _rest(target.house)
        say(_row(HEADINGS))
        if said.soak:
            return _soak(target, said, say)
        steps = []
        for clients in said.clients:
            steps.append(step(target, said.mix, clients=clients, seconds=said.seconds))
            _tell(steps[-1], say)
    best = knee(steps)
    say(f"\nknee: {best.clients} clients, {best.throughput:.2f} answers a second")
    return _verdict(steps, say)


def _rest(house: House) -> None:
    """Wait until no job waits that the warm-up left: the first step would share the processors with them."""
    with house.client() as client:
        until(lambda: client.get("/readyz").json()["jobs"]["waiting"] == 0, every_s=0.5)


def _soak(target: Served, said: argparse.Namespace, say: Callable[[str], None]) -> int:
    with Memory(served=target) as memory:
        done = step(target, said.mix, clients=said.clients[-1], seconds=said.soak)
    _tell(done, say)
    samples = memory.samples
    for at_s, held in samples[:: max(1, len(samples) // 20)]:
        say(f"{at_s - samples[0][0]:7.0f} s {held / 2**20:8.1f} MiB")
    say(f"after the warm-up memory changed by {grown_bytes(samples) / 2**20:+.1f} MiB")
    code = _verdict([done], say)
    if grows(samples):
        say("FAILED: memory grows")
        return 1
    return code


def _verdict(steps: Sequence[Step], say: Callable[[str], None]) -> int:
    faults = Counter(fault for one in steps for fault in one.faults)
    for fault, times in faults.most_common(10):
        say(f"FAILED {times} times: {fault}")
    return 1 if faults else 0


def _tell(done: Step, say: Callable[[str], None]) -> None:
    for row in done.rows():
        say(_row(row))


def _row(cells: Sequence[str]) -> str:
    return " ".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=False))


@contextmanager
def _target(said: argparse.Namespace, folder: Path) -> Iterator[Served]:
    if said.url is not None:
        yield Served(house=ready(said.url, said.key, folder, files=said.files, size=said.size))
        return
    settings = {} if said.neural else {"sscd_model": "none"}
    with served(said.mode, folder, files=said.files, size=said.size, **settings) as target:
        yield target


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--mode", choices=("embedded", "production"), default="embedded")
    parser.add_argument("--neural", action="store_true", help="compare pictures by the network too, not hashes alone")
    parser.add_argument("--seconds", type=_seconds, default=20.0, help="of each step")
    parser.add_argument("--clients", type=_counts, default=(1, 2, 4, 8, 16), help="of each step, comma-separated")
    parser.add_argument("--mix", type=_mix, default=_MIX, help=f"kinds of request and their weights: {_MIX}")
    parser.add_argument("--soak", type=_seconds, default=0.0, help="one step of so many seconds, and memory is watched")
    parser.add_argument("--files", type=int, default=12, help="different clips of each kind")
    parser.add_argument("--size", default="854:480", help="of their pictures")
    parser.add_argument("--url", type=_loopback, help="a service that runs already, on this machine")
    parser.add_argument("--key", default="", help="a key for it, with the scopes works, checks and releases:write")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= _MOST_S:
        raise argparse.ArgumentTypeError(f"give seconds up to {_MOST_S:.0f}")
    return value


def _counts(text: str) -> tuple[int, ...]:
    counts = tuple(int(one) for one in text.split(","))
    if not all(0 < count <= _MOST_CLIENTS for count in counts):
        raise argparse.ArgumentTypeError(f"give numbers from 1 to {_MOST_CLIENTS}")
    return counts


def _mix(text: str) -> dict[Kind, float]:
    pairs = (one.partition("=") for one in text.split(","))
    return {Kind(kind.strip()): float(weight or 1) for kind, _, weight in pairs}


def _loopback(text: str) -> str:
    """An address of this machine: nobody else's service is put under load."""
    host = urlsplit(text).hostname or ""
    if not all(ipaddress.ip_address(found[4][0]).is_loopback for found in socket.getaddrinfo(host, None)):
        raise argparse.ArgumentTypeError(f"{host} is not this machine")
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
