"""What a service takes, read from outside: processor seconds and memory of its process and of all that it started."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS_A_S, _PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """At one moment.

    Attributes:
        cpu_s: of all processes since they began, children that ended included.
        rss_bytes: of the service's own processes.
        children_bytes: of what they started: decoders, readers of credentials.
    """

    cpu_s: float
    rss_bytes: int
    children_bytes: int


def usage_of(pids: Iterable[int]) -> Usage:
    """What these processes and their descendants take."""
    parents: dict[int, list[int]] = {}
    stats: dict[int, tuple[float, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        pid = int(path.parent.name)
        parents.setdefault(int(fields[1]), []).append(pid)
        stats[pid] = sum(map(int, fields[11:15])) / _TICKS_A_S, int(fields[21]) * _PAGE_BYTES
    own = [pid for pid in pids if pid in stats]
    below: list[int] = []
    reached = list(own)
    while reached:
        reached = [child for pid in reached for child in parents.get(pid, ()) if child not in own]
        below += reached
    return Usage(
        cpu_s=sum(stats[pid][0] for pid in (*own, *below)),
        rss_bytes=sum(stats[pid][1] for pid in own),
        children_bytes=sum(stats[pid][1] for pid in below),
    )
