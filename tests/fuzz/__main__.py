"""`python -m tests.fuzz [TARGET …]`: mutated inputs for so many seconds or so many, and what they came to.

Targets are the parsers' names, `media` (files through the decoder in its sandbox) and `api` (files through a service
of its own); none named means all parsers. Findings are written into a folder, and the exit status says whether there
are any.
"""

import argparse
import logging
import math
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.fuzz.hunt import Hunt, save
from tests.fuzz.parsers import PARSERS

_TURN = 200


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*PARSERS, "media", "api", []], metavar="TARGET")
    parser.add_argument("--seconds", type=float, help="how long, all targets together (60)")
    parser.add_argument("--inputs", type=int, help="how many, all targets together, instead of seconds")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    parser.add_argument(
        "--findings", type=Path, default=Path("fuzz-findings"), help="where inputs that break a rule go"
    )
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background of a shell, which ignores it
    logging.disable()  # libraries say of each input what is wrong with it
    if "api" in asked.targets:
        from tests.fuzz.service import hunt_service

        return hunt_service(asked.seed, inputs=asked.inputs or 2000, findings=asked.findings)
    hunts = hunted(asked.targets or [*PARSERS], asked.seed, seconds=asked.seconds, inputs=asked.inputs)
    for hunt in hunts:
        print(told(hunt))
    total = sum(hunt.outcomes.total() for hunt in hunts)
    found = save(hunts, asked.findings)
    print(f"{total} inputs, {len(found)} findings")
    for path in found:
        print(f"  {path}: {path.with_suffix('.txt').read_text().strip()}")
    return 1 if found else 0


def hunted(
    names: list[str], seed: int, *, seconds: float | None = None, inputs: int | None = None, turn: int = _TURN
) -> list[Hunt]:  # fmt: skip
    """Hunt in each target by turns, so that none waits for another's end; Ctrl-C ends it early."""
    hunts = [_hunt(name, seed) for name in names]
    deadline_s = time.monotonic() + (seconds or 60.0) if inputs is None else math.inf
    left = math.inf if inputs is None else inputs
    with suppress(KeyboardInterrupt):
        while time.monotonic() < deadline_s and left > 0:
            for hunt in hunts:
                left -= hunt.turn(most=min(left, turn))
    return hunts


def _hunt(name: str, seed: int) -> Hunt:
    if name == "media":
        from tests.fuzz.clips import media_target

        return Hunt(name, media_target(), seed)
    return Hunt(name, PARSERS[name](), seed)


def told(hunt: Hunt) -> str:
    """One line on what its inputs came to."""
    total, worst_ms = hunt.outcomes.total(), hunt.worst_s * 1000
    outcomes = ", ".join(f"{outcome} {count}" for outcome, count in hunt.outcomes.most_common())
    return f"{hunt.name:15} {total:8} {total / max(hunt.cpu_s, 1e-3):8.0f}/s, worst {worst_ms:5.0f} ms: {outcomes}"


if __name__ == "__main__":
    sys.exit(main())
