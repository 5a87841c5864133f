"""A command that runs bound: what a program that opens hostile media may take and touch, and what it may not.

Decides how a program comes to be bound (`bounds` says by what): a Python that imports little binds itself and becomes
the program. `preexec_fn` would be shorter, but it is not safe in a process with threads, and the service has many.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
# Beside them, in a checkout, may lie what is nobody's to read.
_PACKAGES = ("fingerprinting", "provenance", "registry")
# Isolated, without site packages, and with our own found last.
_PYTHON = ("-I", "-S", "-c")
_SAY = "import sys; sys.path.append(sys.argv[1]); from fingerprinting import bounds; "
_BECOME = f"{_SAY} bounds.become(sys.argv[2:])"
_TELL = f"{_SAY} bounds.tell()"

# Of the environment, what programs and Python look for.
_NEEDED = frozenset({"PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "TZ", "PYTHONPATH", "PYTHONHOME"})

# What each bound is, in words for operators.
BOUNDS = {
    "limits": "processor time, memory and size of files are limited",
    "network": "a network of its own, which leads nowhere",
    "files": "it reads the file it was given and writes nothing (Landlock)",
    "calls": "no sockets, no processes of its own, no look into others (seccomp)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLimits:
    """What one child may take.

    Attributes:
        memory_bytes: address space, what the program itself maps included.
        file_bytes: the largest file it may write; 0 forbids writing anything but pipes.
    """

    cpu_s: int
    wall_s: float
    memory_bytes: int
    file_bytes: int = 0


def bound(
    command: Sequence[str],
    limits: ProcessLimits,
    *,
    reads: Iterable[Path] = (),
    lists: Iterable[Path] = (),
    writes: Path | None = None,
) -> list[str]:
    """Return `command` wrapped so that it runs bound, and dies with who starts it.

    Wall time is for the caller to watch, from the thread that started it: the child ends with that thread.

    Args:
        reads: the files that it may open, and folders with all that is in them.
        lists: folders in which it may see what there is.
        writes: the folder in which it may make files.
    """
    program = shutil.which(command[0]) or command[0]
    allowed = {"r": reads, "l": lists, "w": [writes] if writes is not None else []}
    paths = [f"{letter}{path.resolve()}" for letter, each in allowed.items() for path in each]
    taken = (os.getpid(), limits.cpu_s, limits.memory_bytes, limits.file_bytes, len(paths))
    return [sys.executable, *_PYTHON, _BECOME, str(_ROOT), *map(str, taken), *paths, program, *command[1:]]


def environment() -> dict[str, str]:
    """What a child needs of this process's environment: where programs lie, and none of the settings and secrets."""
    return {name: value for name, value in os.environ.items() if name in _NEEDED}


def bound_python(arguments: Sequence[str], limits: ProcessLimits, *, reads: Iterable[Path]) -> list[str]:
    """Return the command that runs a Python of ours with `arguments`, bound, where it finds what it imports."""
    installed = [Path(sys.prefix), Path(sys.base_prefix), *(_ROOT / package for package in _PACKAGES)]
    return bound([sys.executable, *arguments], limits, reads=[*reads, *installed], lists=[_ROOT])


@cache
def offers() -> Mapping[str, bool]:
    """Which of `BOUNDS` this system gives a child; asked once, of a child."""
    told = subprocess.run(
        [sys.executable, *_PYTHON, _TELL, str(_ROOT)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    given = told.stdout.split()
    return {name: name in given for name in BOUNDS}
