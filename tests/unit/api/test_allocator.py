"""What a process took for a picture goes back to the system."""

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes, sys

class Held(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

asked = ctypes.CDLL(None).mallinfo2
asked.restype = Held
if sys.argv[1] == "told":
    from api.allocator import hold_little
    assert hold_little()
before = bytearray(16 << 20)
del before
taken = asked().hblkhd
picture = bytearray(4 << 20)
print(asked().hblkhd - taken >= len(picture))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is about the GNU C library")
@pytest.mark.parametrize("how", ["told", "left alone"])
def test_a_large_piece_is_the_systems_own_however_large_those_before_it_were(how: str) -> None:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, check=True)
    assert ran.stdout == f"{how == 'told'}\n"
