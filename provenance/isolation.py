"""What a process that opens hostile media may take: limits, these files, no network, an end.

Decides what such a process needs of files and network; what it is bound with is `fingerprinting.bounds`'s to say, the
one module that this package takes from there.
"""

import ssl
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fingerprinting import bounds

# What asking an authority over the network needs to know: names, addresses and whom to believe.
_NETWORK_FILES = ("/etc", "/usr/share/ca-certificates", "/run/systemd/resolve", "/lib", "/lib64", "/usr/lib")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """What one operation may take; past any of them its process ends.

    Attributes:
        memory_bytes: address space, what the program itself maps included.
        file_bytes: the largest file it may write.
    """

    cpu_s: int = 60
    wall_s: float = 120.0
    memory_bytes: int = 4 << 30
    file_bytes: int = 16 << 30


def bind(limits: WorkerLimits, *, network: bool, reads: Iterable[Path], writes: Path | None) -> None:
    """Bind this process, which must have one thread.

    Where the system lacks one of the bounds, the others stand, and the library's own two locks keep it from fetching
    anything.

    Args:
        network: whether it keeps that.
        reads: the files that it may open.
        writes: the folder in which it may make files.
    """
    installed = {Path(sys.prefix), Path(sys.base_prefix)}
    bounds.bind(
        cpu_s=limits.cpu_s,
        memory_bytes=limits.memory_bytes,
        file_bytes=limits.file_bytes,
        network=network,
        reads=(*reads, *installed, *(_network_files() if network else [])),
        writes=writes,
    )


def _network_files() -> list[Path]:
    """Those, and where systems keep what stands there as a link only."""
    said = ssl.get_default_verify_paths()
    linked = [Path(path) for path in ("/etc/resolv.conf", said.cafile, said.capath) if path]
    return [*map(Path, _NETWORK_FILES), *(path.resolve() for path in linked)]
