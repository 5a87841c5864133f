"""What Linux tells of processes that may end at any moment; elsewhere it tells nothing."""

import os
from contextlib import suppress
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Processes that one of its threads started and that have not ended; dead ones not waited for count too."""
    found: list[int] = []
    with suppress(OSError):
        for told in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):  # that thread has ended
                found += map(int, told.read_text().split())
    return found


def command_of(pid: int) -> list[str]:
    """What runs there; one empty word where nothing does any more."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return [""]


def resident_mib(pid: int) -> float:
    """What it holds in memory now; 0 where nobody says."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
