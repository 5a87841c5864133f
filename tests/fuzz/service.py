"""Mutated media through the HTTP interface of a service of its own.

Holds that each is answered with a status that the contract has, before its deadline; and that afterwards the service
lives, is about as large as before, has no child and no staged file, and nothing in it that does not fit together.
"""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx

from tests.api.service import PROBLEM_TYPE, RunningService, ok, running_service, until
from tests.faults.afterwards import grow_old
from tests.fuzz.clips import clips
from tests.fuzz.mutate import mutated
from tests.processes import resident_mib

# Of answers: done, taken, or refused for what the file is, how large it is, or how many came.
_STATUSES = frozenset({200, 201, 202, 400, 409, 413, 415, 422, 429, 503})
_LATER = frozenset({429, 503})
# Of a hunt that was refused at the door throughout nothing is learnt.
_LEAST_TAKEN = 0.2
# A check is waited for so long; then it is answered that it goes on.
_WAIT_S, LATEST_S = 5, 60.0
MOST_GROWTH_MIB = 150
_SCOPES = ("works:write", "checks:write", "releases:write")


@dataclass(slots=True)
class ServiceHunt:
    """What a service answered to so many inputs, and how it was afterwards."""

    outcomes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    findings: dict[str, bytes] = field(default_factory=dict)
    worst_s: float = 0.0
    grown_mib: float = 0.0


def hunt_service(seed: int, *, inputs: int, findings: Path) -> int:
    """Run the hunt, print what it came to, and keep what broke a rule; the exit status."""
    with tempfile.TemporaryDirectory(prefix="clearmark-fuzz-") as folder, running_service(Path(folder)) as service:
        hunt = hunted_service(service, seed, inputs=inputs, seeds=clips())
    for outcome, count in sorted(hunt.outcomes.items()):
        print(f"{count:6} {outcome}")
    print(f"{hunt.outcomes.total()} inputs, slowest {hunt.worst_s:.1f} s, grown by {hunt.grown_mib:.0f} MiB")
    for number, (problem, data) in enumerate(hunt.findings.items()):
        findings.mkdir(parents=True, exist_ok=True)
        (findings / f"api-{number}").write_bytes(data)
        hunt.problems.append(f"{problem} ({findings / f'api-{number}'})")
    print(*hunt.problems, f"{len(hunt.problems)} findings", sep="\n")
    return 1 if hunt.problems else 0


def hunted_service(service: RunningService, seed: int, *, inputs: int, seeds: Sequence[bytes]) -> ServiceHunt:
    """Send so many mutated `seeds` as checks, verifications and assets."""
    random, hunt = Random(f"{seed} api"), ServiceHunt()
    with service.client(service.key("Fuzz", *_SCOPES)) as client:
        work = ok(client.post("/v1/works", json={"title": "Fuzz", "kind": "clip"}), 201)["id"]
        kinds = {"/v1/checks": {"wait": str(_WAIT_S)}, "/v1/verifications": {}, f"/v1/works/{work}/assets": {}}
        for path, fields in kinds.items():  # what is loaded once is not a leak
            for data in seeds:
                _send(client, path, fields, data)
        until(lambda: not service.left_behind(), timeout_s=120)
        before_mib = resident_mib(service.process.pid)
        for _ in range(inputs):
            path = random.choice([*kinds])
            data = mutated(random.choice(seeds), random, others=seeds, kind="boxes")
            began_s = time.monotonic()
            outcome = _send(client, path, kinds[path], data)
            took_s = time.monotonic() - began_s
            hunt.worst_s = max(hunt.worst_s, took_s)
            hunt.outcomes[f"{path.rpartition('/')[2]}: {outcome}"] += 1
            if outcome.startswith("!") or took_s > LATEST_S:
                hunt.findings.setdefault(f"{path}: {outcome} after {took_s:.0f} s", data)
            if service.process.poll() is not None:
                hunt.problems.append("The service ended.")
                return hunt
        _look_after(service, client, hunt, before_mib)
    return hunt


def _look_after(service: RunningService, client: httpx.Client, hunt: ServiceHunt, before_mib: float) -> None:
    """Whether all is as it was, once the jobs in hand have ended."""
    try:
        until(lambda: not service.left_behind(), timeout_s=180)
    except AssertionError:
        hunt.problems.append(f"It left {service.left_behind()}.")
    hunt.grown_mib = resident_mib(service.process.pid) - before_mib
    if hunt.grown_mib > MOST_GROWTH_MIB:
        hunt.problems.append(f"It grew by {hunt.grown_mib:.0f} MiB.")
    try:
        client.get("/healthz").raise_for_status()
    except httpx.HTTPError as error:
        hunt.problems.append(f"It does not answer /healthz: {error!r}")
    taken = sum(count for outcome, count in hunt.outcomes.items() if outcome.partition(": ")[2].startswith("2"))
    if taken < _LEAST_TAKEN * hunt.outcomes.total():
        hunt.problems.append(f"It took {taken} of {hunt.outcomes.total()}.")
    log = service.log.read_text()
    if "Traceback" in log:
        hunt.problems.append("Its log has a traceback:\n" + log[log.index("Traceback") :][:3000])
    hunt.problems += _unfitting(service)


def _unfitting(service: RunningService) -> list[str]:
    """What `clearmark fsck` finds, files that no row names among it: nothing ended here that might leave one."""
    grow_old(service.data_dir / "blobs")
    ran = service.cli("fsck", "--json")
    if not ran.stdout:
        return [f"fsck: {ran.stderr}"]
    flaws = json.loads(ran.stdout)["findings"]
    return [f"fsck: {flaw['code']}: {flaw['subject']}: {flaw['problem']}" for flaw in flaws]


def _send(client: httpx.Client, path: str, fields: dict[str, str], data: bytes) -> str:
    """What was answered: a status, with the type of the problem if it is one; `!` before what no contract has."""
    try:
        answer = client.post(path, data=fields, files={"file": ("clip", data)}, timeout=2 * LATEST_S)
    except httpx.HTTPError as error:
        return f"!{type(error).__name__}"
    said = answer.headers.get("content-type", "").partition(";")[0]
    says_not_when = answer.status_code in _LATER and "Retry-After" not in answer.headers
    if answer.status_code not in _STATUSES or says_not_when or (answer.is_error and said != PROBLEM_TYPE):
        return f"!{answer.status_code} {answer.text[:200]}"
    kind = answer.json()["type"].rpartition("/")[2] if answer.is_error else ""
    return f"{answer.status_code} {kind}".rstrip()
