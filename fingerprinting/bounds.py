"""How a process that opens hostile media binds itself, by what the system offers, before it opens a file.

Limits everywhere; on Linux also an end with who started it, no way to gain rights, a network without a way out,
Landlock, which leaves it the files that it was asked about and none of the service's, and a filter of system calls,
which leaves it no socket, no process of its own and no look into others. None of these is undone by who is bound.
Where the system lacks one of them the others stand; `sandbox.offers` tells.

This is also what a child of `sandbox` runs before it becomes its program, so that it imports little.
"""

import ctypes
import errno
import os
import resource
import struct
import sys

_SIGKILL = 9  # `signal` takes as long to import as all the rest
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38

# Landlock, the same on every architecture. Source: linux/landlock.h. ABI 2 lets a file be renamed into another folder,
# which is how a signed one gets its name; later ones govern more: each is asked for all that it can.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH, _VERSION = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_ABI, _ABI_TRUNCATE, _ABI_DEVICES, _ABI_SCOPES = 2, 3, 5, 6
_OF_ABI_2, _TRUNCATE, _IOCTL_DEV = (1 << 14) - 1, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
# No signal to a process that is not so bound, and no socket of one that has no path.
_SCOPES = 3
_READ = _READ_FILE | _READ_DIR
_SCRATCH = (_OF_ABI_2 | _TRUNCATE) & ~_EXECUTE
# Where systems keep the libraries that programs are linked with.
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")

# Seccomp: the numbers of the calls refused, by machine. Source: linux/audit.h, and the tables of system calls.
_NETWORK = ("socket", "socketpair", "io_uring_setup")
_CALLS = {
    "x86_64": (0xC000003E, {
        "socket": 41, "socketpair": 53, "io_uring_setup": 425, "clone": 56, "fork": 57, "vfork": 58, "clone3": 435,
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_getfd": 438, "kcmp": 312,
        "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452,
        "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
        "mount": 165, "unshare": 272, "setns": 308, "open_by_handle_at": 304,
        "bpf": 321, "userfaultfd": 323, "perf_event_open": 298, "add_key": 248, "request_key": 249, "keyctl": 250,
    }),
    "aarch64": (0xC00000B7, {
        "socket": 198, "socketpair": 199, "io_uring_setup": 425, "clone": 220, "clone3": 435,
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "pidfd_getfd": 438, "kcmp": 272,
        "fchmod": 52, "fchmodat": 53, "fchmodat2": 452, "fchown": 55, "fchownat": 54,
        "mount": 40, "unshare": 97, "setns": 268, "open_by_handle_at": 265,
        "bpf": 280, "userfaultfd": 282, "perf_event_open": 241, "add_key": 217, "request_key": 218, "keyctl": 219,
    }),
}  # fmt: skip
_OF_THE_OTHER_TABLE = 0x40000000  # x86-64 has a second table of calls, with numbers from here on
_CLONE_THREAD = 0x10000
_LOAD, _EQUAL, _AT_LEAST, _HAS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AT_NUMBER, _AT_MACHINE, _AT_FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE, _UNKNOWN = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS

_INTERPRETER = 3  # a part of a program that names its loader

_NOT_STARTED = 127

type _Path = str | os.PathLike[str]


def bind(
    *,
    cpu_s: int,
    memory_bytes: int,
    file_bytes: int,
    network: bool = False,
    reads: tuple[_Path, ...] = (),
    lists: tuple[_Path, ...] = (),
    runs: _Path | None = None,
    writes: _Path | None = None,
) -> dict[str, bool]:
    """Bind this process, which must have one thread; return which bounds the system gave it.

    Args:
        memory_bytes: address space, what the program itself maps included.
        file_bytes: the largest file it may write.
        network: whether it keeps that.
        reads: the files that it may open, and folders with all that is in them.
        lists: folders in which it may see what there is.
        runs: the program that it may become.
        writes: the folder in which it may make files.
    """
    for kind, most in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))
    given = {"limits": True, "network": False, "files": False, "calls": False}
    if sys.platform == "linux":
        libc = _libc()
        libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        given["network"] = not network and leave_network()
        allowed = [*((path, _READ) for path in reads), *((path, _READ_DIR) for path in lists)]
        if runs is not None:
            allowed += [(path, _READ) for path in _LIBRARIES]
            allowed += [(path, _READ_FILE | _EXECUTE) for path in (runs, _loader(runs)) if path is not None]
        if writes is not None:
            allowed.append((writes, _SCRATCH))
        given["files"] = leave_files(allowed)
        given["calls"] = leave_calls(network=network)
    return given


def adopt_orphans() -> None:
    """Become the parent of whatever this process's children leave behind."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def leave_network() -> bool:
    """Move this process into a network of its own that has no way out; whether the system allowed it."""
    # Some may only as their own root, such as root in a container.
    for own_user in (0, os.CLONE_NEWUSER):
        try:
            os.unshare(os.CLONE_NEWNET | own_user)
        except OSError:
            continue
        return True
    return False


def leave_files(but: list[tuple[_Path, int]]) -> bool:
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
        try:
            beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # what is not there needs no leave
            continue
        fitting = rights & governed & (-1 if os.path.isdir(path) else _OF_FILES)  # noqa: PTH112 - imports little
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", fitting, beneath), 0)
        os.close(beneath)
    restricted = libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return bool(restricted == 0)


def leave_calls(*, network: bool) -> bool:
    """Give up the system calls that reading a file does not need; whether the system offers that (seccomp).

    Threads can still be made, and processes cannot. A program that makes calls of another machine is ended.
    """
    machine, numbers = _CALLS.get(os.uname().machine, (0, {}))
    if not numbers:
        return False
    filters = [
        (_LOAD, 0, 0, _AT_MACHINE), (_EQUAL, 1, 0, machine), (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER), (_AT_LEAST, 0, 1, _OF_THE_OTHER_TABLE), (_RETURN, 0, 0, _REFUSE),
        # What it is asked for lies in memory, where a filter cannot look: the C library then asks the older one.
        (_EQUAL, 0, 1, numbers["clone3"]), (_RETURN, 0, 0, _UNKNOWN),
        (_EQUAL, 0, 4, numbers["clone"]), (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
        (_HAS, 0, 1, _CLONE_THREAD), (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE),
    ]  # fmt: skip
    for name, number in numbers.items():
        if name not in ("clone", "clone3") and not (network and name in _NETWORK):
            filters += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    filters.append((_RETURN, 0, 0, _ALLOW))
    program = b"".join(struct.pack("=HBBI", *each) for each in filters)
    at = ctypes.create_string_buffer(program)
    whole = struct.pack("@HP", len(filters), ctypes.addressof(at))
    mode_filter = 2
    return bool(_libc().prctl(_PR_SET_SECCOMP, mode_filter, whole, 0, 0) == 0)


def _loader(program: _Path) -> str | None:
    """The program that loads a dynamically linked one, which the system runs with it. Source: elf(5)."""
    try:
        with open(program, "rb") as file:  # noqa: PTH123 - imports little
            head = file.read(1 << 12)
        (at,), (size, count) = struct.unpack_from("<Q", head, 32), struct.unpack_from("<HH", head, 54)
        for entry in range(at, at + size * count, size):
            kind, start, length = struct.unpack_from("<I4xQ16xQ", head, entry)
            if kind == _INTERPRETER:
                return head[start : start + length].rstrip(b"\0").decode()
    except (OSError, OverflowError, struct.error, UnicodeDecodeError):
        pass
    return None


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def become(arguments: list[str]) -> None:
    """Bind this process and become a program: what `sandbox.bound` writes, read back.

    Args:
        arguments: who started it; seconds, bytes and bytes; how many paths, each with a letter for what may be done
            there (r, l, w); and the command.
    """
    parent, cpu_s, memory_bytes, file_bytes, count, *rest = arguments
    paths, command = rest[: int(count)], rest[int(count) :]
    by_letter = {letter: tuple(path[1:] for path in paths if path[0] == letter) for letter in "rlw"}
    bind(
        cpu_s=int(cpu_s),
        memory_bytes=int(memory_bytes),
        file_bytes=int(file_bytes),
        reads=by_letter["r"],
        lists=by_letter["l"],
        runs=command[0],
        writes=next(iter(by_letter["w"]), None),
    )
    if os.getppid() != int(parent):  # it died before we had asked to end with it
        os._exit(_NOT_STARTED)
    try:
        os.execv(command[0], command)  # noqa: S606 - there is none to start it with
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(_NOT_STARTED)


def tell() -> None:
    """Bind this process, and print which bounds the system gave it."""
    given = bind(cpu_s=10, memory_bytes=1 << 40, file_bytes=0)
    os.write(1, " ".join(name for name, held in given.items() if held).encode())
