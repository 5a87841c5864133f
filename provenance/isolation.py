"""What a process that opens hostile media may take: limits, these files, no network, an end.

Decides how a child binds itself before it opens a file, by what the system offers: limits everywhere, and on Linux
no way to gain rights, a network without a way out, and Landlock, which leaves it the files that it was asked about and
none of the service's, keys and database included. None of these is undone by who is bound. What Landlock does not
govern stays: to look a path up, to change a file's mode, and to knock at a socket that lies in the file system.
"""

import ctypes
import os
import resource
import signal
import ssl
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_NO_NEW_PRIVS, _PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 38, 1, 36
# Landlock, the same on every architecture. Source: linux/landlock.h. ABI 2 lets a file be renamed into another folder,
# which is how a signed one gets its name; later ones govern more: each is asked for all that it can.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH, _VERSION = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_ABI, _ABI_TRUNCATE, _ABI_DEVICES, _ABI_SCOPES = 2, 3, 5, 6
_OF_ABI_2, _TRUNCATE, _IOCTL_DEV = (1 << 14) - 1, 1 << 14, 1 << 15
# No signal to a process that is not so bound, and no socket of one that has no path.
_SCOPES = 3
_LIBRARIES = _READ_FILE | _READ_DIR
_SCRATCH = (_OF_ABI_2 | _TRUNCATE) & ~_EXECUTE
# What asking an authority over the network needs to know: names, addresses and whom to believe.
_NETWORK_FILES = ("/etc", "/usr/share/ca-certificates", "/run/systemd/resolve", "/lib", "/lib64", "/usr/lib")


def _network_files() -> list[Path]:
    """Those, and where systems keep what stands there as a link only."""
    said = ssl.get_default_verify_paths()
    linked = [Path(path) for path in ("/etc/resolv.conf", said.cafile, said.capath) if path]
    return [*map(Path, _NETWORK_FILES), *(path.resolve() for path in linked)]


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

    Where the system lacks one of these, the others stand, and the library's own two locks keep it from fetching
    anything.

    Args:
        network: whether it keeps that.
        reads: the files that it may open.
        writes: the folder in which it may make files.
    """
    os.setsid()
    for kind, most in (
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))
    if sys.platform == "linux":
        libc = _libc()
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if not network:
            leave_network()
        allowed = [(path, _READ_FILE) for path in reads]
        allowed += [(Path(path), _LIBRARIES) for path in {sys.prefix, sys.base_prefix}]
        allowed += [(path, _LIBRARIES if path.is_dir() else _READ_FILE) for path in _network_files()] if network else []
        allowed += [(writes, _SCRATCH)] if writes is not None else []
        leave_files(allowed)


def adopt_orphans() -> None:
    """Become the parent of whatever this process's children leave behind."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def leave_network() -> bool:
    """Move this process into a network of its own that has no way out; whether the system allowed it."""
    for own_user in (
        0,
        os.CLONE_NEWUSER,
    ):  # some may only as their own root, such as root in a container
        with suppress(OSError):
            os.unshare(os.CLONE_NEWNET | own_user)
            return True
    return False


def leave_files(but: Iterable[tuple[Path, int]]) -> bool:
    """Give up all files but these, each with what may be done there; whether the system offers that (Landlock)."""
    libc = _libc()
    abi = libc.syscall(_CREATE_RULESET, None, 0, _VERSION)
    if abi < _ABI:
        return False
    governed = _OF_ABI_2 | (_TRUNCATE if abi >= _ABI_TRUNCATE else 0) | (_IOCTL_DEV if abi >= _ABI_DEVICES else 0)
    handled = struct.pack("=QQQ", governed, 0, _SCOPES) if abi >= _ABI_SCOPES else struct.pack("=Q", governed)
    ruleset = libc.syscall(_CREATE_RULESET, handled, len(handled), 0)
    if ruleset < 0:
        return False
    for path, rights in but:
        with suppress(OSError):  # what is not there needs no leave
            beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", rights & governed, beneath)
            libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
            os.close(beneath)
    restricted = libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return bool(restricted == 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
