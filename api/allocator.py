"""How a process takes memory from the system, and gives it back when it is done with.

Pictures and embeddings come and go in pieces of megabytes, in dozens of threads. Left to itself the C library of Linux
keeps such pieces once it has seen some freed, in a heap for each of many threads, and a process that runs for weeks
holds what it needed at its worst moment in each of them.
"""

import ctypes
from typing import Final

# Source: malloc.h of the GNU C library.
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
_LARGE_BYTES: Final = 1 << 20
_HEAPS: Final = 2


def hold_little() -> bool:
    """Let large pieces go back at once, and threads share few heaps; whether the C library can be told."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another library's, which does as it does
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGE_BYTES) and mallopt(_ARENA_MAX, _HEAPS))
