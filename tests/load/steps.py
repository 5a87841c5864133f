"""Steps of load: so many clients for so long, what they got, and what the service took for it.

Decides what a step's figures are, which step is the knee, and whether memory grows.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.load.serving import Served
from tests.load.traffic import Asked, Kind, traffic
from tests.load.usage import Usage

# More clients that bring less than this more throughput: the step before was the knee.
_STILL_GROWING = 1.1
_SAMPLE_EVERY_S, _WARM_UP_SHARE = 5.0, 0.3
# Memory that varies by less than this, or by this share of all, is flat.
_FLAT_BYTES, _FLAT_SHARE = 24 << 20, 0.08


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """So many clients for so long, in turn."""

    clients: int
    took_s: float
    asked: Sequence[Asked]
    before: Usage
    after: Usage

    @property
    def answered(self) -> list[Asked]:
        return [one for one in self.asked if 200 <= one.status < 300]

    @property
    def throughput(self) -> float:
        """Requests that were answered, in a second."""
        return len(self.answered) / self.took_s

    @property
    def cpu_s_each(self) -> float:
        """Processor seconds of the service and its children for each request that it answered."""
        return (self.after.cpu_s - self.before.cpu_s) / max(1, len(self.answered))

    @property
    def faults(self) -> list[str]:
        return [one.fault for one in self.asked if one.fault is not None]

    @property
    def statuses(self) -> dict[int, int]:
        return dict(sorted(Counter(one.status for one in self.asked).items()))

    def rows(self) -> list[list[str]]:
        """A row of each kind of request, and one of all."""
        kinds = [kind for kind in Kind if any(one.kind is kind for one in self.asked)]
        rows = [self._row(kind.value, [one for one in self.answered if one.kind is kind]) for kind in kinds]
        mib = f"{self.after.rss_bytes / 2**20:.0f} + {self.after.children_bytes / 2**20:.0f}"
        said = " ".join(f"{status}:{count}" for status, count in self.statuses.items())
        return [*rows, [*self._row("all", self.answered), said, f"{self.cpu_s_each:.3f}", mib]]

    def _row(self, name: str, answered: Sequence[Asked]) -> list[str]:
        taken_ms = np.array([1000 * one.took_s for one in answered] or [np.nan])
        middle = [f"{value:.0f}" for value in np.percentile(taken_ms, (50, 95, 99))]
        return [str(self.clients), name, f"{len(answered) / self.took_s:.2f}", *middle]


HEADINGS = ("clients", "kind", "a second", "p50 ms", "p95 ms", "p99 ms", "statuses", "CPU s each", "RSS MiB")


def step(served: Served, mix: Mapping[Kind, float], *, clients: int, seconds: float) -> Step:
    """Let so many clients ask for so long."""
    before, began_s = served.usage(), time.monotonic()
    asked = traffic(served.house, mix, clients=clients, seconds=seconds, seed=clients)
    return Step(clients=clients, took_s=time.monotonic() - began_s, asked=asked, before=before, after=served.usage())


def knee(steps: Sequence[Step]) -> Step:
    """The step after which more clients bring hardly more answers."""
    for one, following in itertools.pairwise(steps):
        if following.throughput < one.throughput * _STILL_GROWING:
            return one
    return steps[-1]


@dataclass(slots=True)
class Memory:
    """Watches how much a service holds while the block lasts: (seconds, bytes) each."""

    served: Served
    samples: list[tuple[float, int]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Memory":
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(_SAMPLE_EVERY_S):
            self.samples.append((time.monotonic(), self.served.usage().rss_bytes))


def grown_bytes(samples: Sequence[tuple[float, int]]) -> float:
    """By how much memory grew from the end of the warm-up on, by a line through the samples."""
    warm = np.array(samples[int(len(samples) * _WARM_UP_SHARE) :], np.float64)
    if len(warm) < 3:
        return 0.0
    slope, _ = np.polyfit(warm[:, 0] - warm[0, 0], warm[:, 1], 1)
    return float(slope * (warm[-1, 0] - warm[0, 0]))


def grows(samples: Sequence[tuple[float, int]]) -> bool:
    """Whether memory grew by more than it varies anyway."""
    return grown_bytes(samples) > max(_FLAT_BYTES, _FLAT_SHARE * samples[-1][1]) if samples else False
