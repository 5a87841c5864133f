"""`python -m tests.drills kill`: parts of a service are killed at random moments while people work with it.

Decides who works, when what is killed, and when everything is looked at; `tests.faults` decides the rest. The suite
runs a short one (`tests/faults/test_kill_drill.py`).
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests import media
from tests.api.service import RunningService, until
from tests.fakes import Receiver, webhook_receiver
from tests.faults.errands import Errands, Load
from tests.faults.house import House, Mode, Part, house
from tests.faults.invariants import Found, Invariants

_SCOPES = {
    "studio": ("works:write", "checks:write", "notices:write"),
    "pipeline": ("checks:write", "releases:write", "notices:write"),
    "reviewer": ("review",),
}
_LOOK_EVERY = 20


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What was killed how often, and what was found at the end."""

    kills: Counter[Part] = field(default_factory=Counter)
    found: Found = field(default_factory=Found)
    residue: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    tries: int = 0
    took_s: float = 0.0

    @property
    def problems(self) -> list[str]:
        return self.found.problems + self.residue


def drill(folder: Path, mode: Mode, *, rounds: int, seed: int, report: bool = True) -> Outcome:
    """Kill one part in each round, under load, and look at everything now and then and at the end."""
    chance, outcome, began_s = random.Random(seed), Outcome(), time.monotonic()
    clips = [media.moving_clip(folder / f"{n}.mp4", seconds=2.4, seed=seed * 100 + n).read_bytes() for n in range(4)]
    with webhook_receiver() as receiver, house(folder, mode) as home:
        errands, invariants = _people(home, receiver, seed)
        load, turns = Load(errands, clips[:2], clips[2:], seed), _turns(home.parts, chance)
        load.start()
        try:
            for number in range(1, rounds + 1):
                _kill(home, part := next(turns), errands, chance)
                outcome.kills[part] += 1
                if number % _LOOK_EVERY == 0 or number == rounds:
                    load.stop()
                    outcome.found = invariants.check()
                    if report:
                        _report(number, outcome, began_s)
                    if outcome.found.problems:
                        break
                    if number < rounds:
                        load.start()
        finally:
            load.stop()
        outcome.residue = invariants.residue()
        outcome.statuses, outcome.tries = errands.statuses, sum(errand.tries for errand in errands.asked)
    outcome.took_s = time.monotonic() - began_s
    return outcome


def _turns(parts: Sequence[Part], chance: random.Random) -> Iterator[Part]:
    """Who is killed next: each part once before any is killed again, in an order that is new each time."""
    while True:
        yield from chance.sample(parts, len(parts))


def _people(home: House, receiver: Receiver, seed: int) -> tuple[Errands, Invariants]:
    """Those who work with it, known to the service and told of what happens."""
    service: RunningService = home.service
    keys = {who: service.key(who.title(), *scopes) for who, scopes in _SCOPES.items()}
    for who in ("studio", "pipeline"):
        ran = service.cli("webhooks", "set", "--holder", who.title(), "--target", receiver.url, "--json")
        assert ran.returncode == 0, ran.stderr
    errands = Errands(lambda: home.service.url, keys)
    return errands, Invariants(home, errands, receiver, keys["reviewer"], seed)


def _kill(home: House, part: Part, errands: Errands, chance: random.Random) -> None:
    """Kill a part at some moment between two answers, or in the middle of one, and start it again."""
    enough = len(errands.asked) + chance.randrange(2, 9)
    until(lambda: len(errands.asked) >= enough or bool(errands.wrong), timeout_s=600)
    time.sleep(chance.uniform(0, 0.3))
    home.kill(part)
    time.sleep(chance.uniform(0, 0.6))
    home.start_again(part)


def _report(number: int, outcome: Outcome, began_s: float) -> None:
    found = outcome.found
    counts = {
        "webhooks": found.webhooks, "letters": found.letters, "letters in doubt": found.letters_in_doubt,
        "checks unknown": found.unknown, "lost": len(found.lost), "doubled": len(found.doubled),
        "otherwise broken": len(found.broken),
    }  # fmt: skip
    told = [
        f"round {number} after {time.monotonic() - began_s:.0f} s",
        "killed " + ", ".join(f"{part} {n}" for part, n in sorted(outcome.kills.items())),
        "acknowledged " + ", ".join(f"{kind} {n}" for kind, n in found.acknowledged.items()),
        ", ".join(f"{name} {n}" for name, n in counts.items()),
        f"fsck {found.fsck}",
    ]
    sys.stdout.write("; ".join(told) + "\n" + "".join(f"  {problem}\n" for problem in found.problems[:30]))
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drills kill", description=__doc__)
    parser.add_argument("--mode", choices=[*Mode], default=Mode.EMBEDDED)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whatever runs is ended, as it is at the end
    with tempfile.TemporaryDirectory(prefix="clearmark-drill-") as folder:
        outcome = drill(Path(folder), Mode(asked.mode), rounds=asked.rounds, seed=asked.seed)
        log = (Path(folder) / "stderr").read_text()
    sys.stdout.write(
        f"{sum(outcome.kills.values())} kills in {outcome.took_s:.0f} s, {outcome.tries} requests,"
        f" answers {dict(sorted(outcome.statuses.items()))}; residue {outcome.residue or 'none'}\n"
    )
    if outcome.problems:
        sys.stdout.write(f"BROKEN; the last the processes said:\n{log[-6000:]}\n")
    return 1 if outcome.problems else 0
