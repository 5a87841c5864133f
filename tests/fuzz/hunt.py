"""The hunt: mutated inputs, one after another, and what each came to.

Decides what counts as a finding: an error that is none of those declared, an input that takes longer than it
may, or one that takes more memory. It leaves to a target what is read, and to `mutate` how inputs are made.
"""

import hashlib
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.mutate import mutated
from tests.fuzz.parsers import Target

# Of one input, on a machine that does other things too: processor time, and memory beside what was held before.
MOST_CPU_S, MOST_GROWTH_KIB = 2.0, 256 << 10
_HANGS_CPU_S = 20.0
_CLEAR_REFS = Path("/proc/self/clear_refs")


class _Hangs(BaseException):
    """An input that would not end; nothing that reads it may catch this."""


@dataclass(slots=True)
class Hunt:
    """One target and what became of its inputs.

    Attributes:
        outcomes: how many inputs were read, refused (by the name of the error), or found to break a rule.
        findings: the first inputs of each kind that broke a rule, by what they did.
    """

    name: str
    target: Target
    seed: InitVar[int]
    random: Random = field(init=False)
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: dict[str, bytes] = field(default_factory=dict)
    cpu_s: float = 0.0
    worst_s: float = 0.0

    def __post_init__(self, seed: int) -> None:
        self.random = Random(f"{seed} {self.name}")  # so that a target's inputs are the same beside any others

    def turn(self, *, most: float, most_cpu_s: float = 0.25) -> int:
        """Try inputs for a while; return how many."""
        seeds, until_s, count = self.target.seeds, self.cpu_s + most_cpu_s, 0
        while count < most and self.cpu_s < until_s:
            data = mutated(self.random.choice(seeds), self.random, others=seeds, kind=self.target.kind)
            outcome, took_s = tried(self.target, data)
            self.outcomes[outcome] += 1
            self.cpu_s += took_s
            self.worst_s = max(self.worst_s, took_s)
            if outcome.startswith("!"):
                self.findings.setdefault(outcome, data)
            count += 1
        return count


def tried(target: Target, data: bytes) -> tuple[str, float]:
    """What one input comes to, `!` before what is a finding, and the processor time that it took."""
    with suppress(OSError):  # the most that was held is told from now on; source: proc_pid_clear_refs(5)
        _CLEAR_REFS.write_text("5")
    held_kib, began_s = _most_held_kib(), time.process_time()
    try:
        with _ended_after(_HANGS_CPU_S):
            target.run(data)
        outcome = "read"
    except target.refusals as error:
        outcome = type(error).__name__
    except _Hangs:
        outcome = "!hangs"
    except Exception as error:
        outcome = f"!{type(error).__name__} {_where(error)}"
    took_s = time.process_time() - began_s
    if not outcome.startswith("!"):
        if took_s > MOST_CPU_S:
            outcome = "!slow"
        elif _most_held_kib() - held_kib > MOST_GROWTH_KIB:
            outcome = "!large"
    return outcome, took_s


def save(hunts: list[Hunt], folder: Path) -> list[Path]:
    """Write each finding into a file of its own, beside what it did."""
    written = []
    for hunt in hunts:
        for outcome, data in hunt.findings.items():
            path = folder / f"{hunt.name}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.with_suffix(".txt").write_text(outcome + "\n")
            written.append(path)
    return written


def broken_again(folder: Path, targets: Mapping[str, Callable[[], Target]]) -> dict[str, str]:
    """What saved findings come to today, by file; those that are read or refused are left out."""
    made = {path: targets[path.stem.rpartition("-")[0]]() for path in sorted(folder.glob("*.bin"))}
    outcomes = {path.name: tried(target, path.read_bytes())[0] for path, target in made.items()}
    return {name: outcome for name, outcome in outcomes.items() if outcome.startswith("!")}


def _where(error: Exception) -> str:
    """The last line of ours that it came through: what tells one finding from another."""
    trace, place = error.__traceback__, "?"
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if any(f"/{package}/" in name for package in ("api", "registry", "fingerprinting", "provenance")):
            place = f"{Path(name).name}:{trace.tb_frame.f_code.co_name}"
        trace = trace.tb_next
    return place


def _most_held_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def _ended_after(cpu_s: float) -> Iterator[None]:
    def end(_number: int, _frame: object) -> None:
        raise _Hangs

    before: Callable[..., object] | int | None = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
